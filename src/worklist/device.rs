//! The device that asks for its worklist: its file of `devices/`, and what `tables/stations.csv` knows of it.

use crate::dicom::charset::Charset;
use crate::mapping::MappingSet;
use crate::mapping::device::{DEFAULT, DeviceRules, Unencodable};
use crate::mapping::table::{Row, values};
use std::net::IpAddr;
use std::sync::Arc;

/// Who asks, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its AE title: the calling one of an association.
    pub ae: String,
    /// False for one that neither a file nor a row names.
    pub known: bool,
    /// The modality whose pool it is shown.
    pub modality: Option<String>,
    /// The repertoire that it reads and, lacking a declaration, writes.
    pub charset: Option<Charset>,
    /// The file that says what it is shown; the default one for a device that has none of its own.
    pub file: Arc<str>,
}

impl Device {
    /// The device of an AE title and an address; where no address is known, the title decides alone. A device file says more than its
    /// row of the table, and both say more than nothing.
    pub fn of(set: &MappingSet, ae: &str, address: Option<IpAddr>) -> Self {
        let row = Station::of(set, ae);
        let own = set.device(ae, address);
        let rules = own.or_else(|| set.view(DEFAULT)).map(|m| &m.device);
        let said = |pick: fn(&DeviceRules) -> Option<Charset>| rules.and_then(pick);
        let modality = rules.and_then(|r| r.shows.modality.clone());
        Self {
            ae: ae.to_owned(),
            known: own.is_some() || row.is_some(),
            charset: said(|r| r.charset).or_else(|| row.as_ref().and_then(|r| r.charset)),
            modality: modality.or_else(|| row.and_then(|r| r.modality)),
            file: own.map_or(DEFAULT, |m| m.name.as_str()).into(),
        }
    }

    /// What its file says beside attributes.
    pub fn rules<'s>(&self, set: &'s MappingSet) -> Option<&'s DeviceRules> {
        set.view(&self.file).map(|m| &m.device)
    }

    /// The repertoire beyond which an item is not sent at all, if its file wants that.
    pub fn strict_charset(&self, set: &MappingSet) -> Option<Charset> {
        let strict = |r: &&DeviceRules| r.unencodable == Unencodable::Withhold;
        self.rules(set).filter(strict).and(self.charset)
    }
}

/// A row of `tables/stations.csv`.
struct Station {
    modality: Option<String>,
    charset: Option<Charset>,
}

impl Station {
    fn of(set: &MappingSet, ae: &str) -> Option<Self> {
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
        Some(Self {
            modality: cell("modality").cloned(),
            charset: cell("charset").and_then(|term| Charset::of_term(term)),
        })
    }
}
