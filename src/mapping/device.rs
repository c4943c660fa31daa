//! What a worklist or device file says beside its attributes: whom it is for, how that device talks, how long its texts may be, which
//! steps it shows.
//!
//! `device::read` reads and checks it, [`super::item`] renders by the limits, `worklist::gates` asks the rest. A device file is chosen by the
//! calling AE title and the address of the peer; two files that could both be chosen are a load error, so that the order of files
//! never decides.

mod read;

pub use read::{OPEN, overlaps, read};

use super::MappingSet;
use super::ast::Span;
use super::model::{FileKind, Guard, Model};
use crate::dicom::charset::Charset;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The file that every device sees that has none of its own.
pub const DEFAULT: &str = "worklist/default.toml";

/// `[from] match`: everything that is said must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Calling AE titles, any of them; empty = any title.
    pub calling_ae: Vec<String>,
    /// Addresses of the peer, any of them; empty = any address.
    pub address: Vec<IpAddr>,
    /// Where it stands.
    pub span: Span,
}

impl Match {
    /// Whether a peer is meant. An address that is not known contradicts nothing.
    pub fn takes(&self, calling_ae: &str, address: Option<IpAddr>) -> bool {
        (self.calling_ae.is_empty() || self.calling_ae.iter().any(|ae| ae == calling_ae))
            && (self.address.is_empty() || address.is_none_or(|a| self.address.contains(&a)))
    }

    /// A peer that both would take, described.
    fn both(&self, other: &Self) -> Option<String> {
        let ae = common(&self.calling_ae, &other.calling_ae)?;
        let address = common(&self.address, &other.address)?;
        let any = |what: &str, said: Option<String>| match said {
            Some(value) => format!("{what} {value}"),
            None => format!("any {what}"),
        };
        Some(format!(
            "{} from {}",
            any("AE title", ae),
            any("address", address)
        ))
    }
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let titles = match self.calling_ae.as_slice() {
            [] => "any AE title".to_owned(),
            titles => format!("AE title {}", titles.join(" or ")),
        };
        f.write_str(&titles)?;
        let addresses: Vec<String> = self.address.iter().map(ToString::to_string).collect();
        match addresses.is_empty() {
            true => Ok(()),
            false => write!(f, " at {}", addresses.join(" or ")),
        }
    }
}

/// A value of both lists; `Some(None)` if both take any, `None` if they have nothing in common.
fn common<T: PartialEq + ToString>(a: &[T], b: &[T]) -> Option<Option<String>> {
    let first = |list: &[T]| list.first().map(T::to_string);
    match (a.is_empty(), b.is_empty()) {
        (true, _) => Some(first(b)),
        (_, true) => Some(first(a)),
        _ => a
            .iter()
            .find(|v| b.contains(v))
            .map(|v| Some(v.to_string())),
    }
}

/// What becomes of text that the device's repertoire lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unencodable {
    /// The nearest letters go out.
    #[default]
    Transliterate,
    /// The item does not.
    Withhold,
}

/// The days whose steps are shown, counted from the site's today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    pub back: u16,
    pub ahead: u16,
}

/// `[shows]`: gates before matching.
#[derive(Debug, Clone, Default)]
pub struct Shows {
    /// Stations whose steps are shown when the query names none.
    pub stations: Vec<String>,
    /// The modality whose pool is shown when the query names none.
    pub modality: Option<String>,
    /// Conditions of the file and its bases: all must hold.
    pub when: Vec<Guard>,
    pub days: Option<Days>,
    /// Words of `record::STEP_STATUS`.
    pub statuses: Option<Vec<&'static str>>,
}

/// Steps in these are shown unless a file says otherwise.
pub const STATUSES: &[&str] = &["scheduled", "arrived", "ready"];

/// Everything of a file that is no attribute.
#[derive(Debug, Clone, Default)]
pub struct DeviceRules {
    pub matches: Option<Match>,
    pub charset: Option<Charset>,
    pub unencodable: Unencodable,
    /// Longest text in characters, by path of keywords.
    pub limits: BTreeMap<String, usize>,
    pub shows: Shows,
}

impl DeviceRules {
    /// The words of the statuses that are shown.
    pub fn statuses(&self) -> &[&'static str] {
        self.shows.statuses.as_deref().unwrap_or(STATUSES)
    }
}

impl MappingSet {
    /// The file of a device, if it has one of its own.
    pub fn device(&self, calling_ae: &str, address: Option<IpAddr>) -> Option<&Model> {
        let takes = |m: &&Model| {
            let rules = m.device.matches.as_ref();
            matches!(m.kind, FileKind::Device)
                && rules.is_some_and(|r| r.takes(calling_ae, address))
        };
        self.models().find(takes)
    }

    /// A worklist or device file by name; a name that is not there is the default.
    pub fn view(&self, file: &str) -> Option<&Model> {
        self.models.get(file).or_else(|| self.models.get(DEFAULT))
    }
}

#[cfg(test)]
mod tests;
