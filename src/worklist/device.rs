//! The device that asks for its worklist, as `tables/stations.csv` knows it.

use crate::dicom::charset::Charset;
use crate::mapping::MappingSet;
use crate::mapping::table::{Row, values};

/// Who asks, and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Its AE title: the calling one of an association.
    pub ae: String,
    /// False for one that no row names.
    pub known: bool,
    /// The modality whose pool it is shown.
    pub modality: Option<String>,
    /// The repertoire that it reads and, lacking a declaration, writes.
    pub charset: Option<Charset>,
}

impl Device {
    /// The device of an AE title; one that no row names has its title only.
    pub fn of(set: &MappingSet, ae: &str) -> Self {
        let find = || {
            let stations = set.table("stations")?;
            let column = stations.column(Some("ae"))?;
            let named = |row: &&Row| {
                row.cells
                    .get(column)
                    .is_some_and(|cell| values(cell).any(|v| v == ae))
            };
            let row = stations.rows().iter().find(named)?;
            let cell = |name| {
                stations
                    .column(Some(name))
                    .and_then(|c| row.cells.get(c))
                    .filter(|cell| !cell.is_empty())
            };
            Some((
                cell("modality").cloned(),
                cell("charset").and_then(|term| Charset::of_term(term)),
            ))
        };
        let found = find();
        let known = found.is_some();
        let (modality, charset) = found.unwrap_or_default();
        Self {
            ae: ae.to_owned(),
            known,
            modality,
            charset,
        }
    }
}
