//! Record values to DICOM elements and back: the conversion is a function of the value's kind and the attribute.
//!
//! [`element`] writes worklist attributes, [`value`] reads MPPS ones, [`accepts`] lets mapping files be checked at load. Identifiers,
//! AE titles and UIDs are never cut; prose that is too long is an error too, because only a mapping file may cut. Person names drop
//! trailing components until they fit. Sequences of codes, issuers, identifiers, persons and references come whole
//! (`sequence`).

mod from_dicom;
mod name;
mod sequence;
mod to_dicom;

pub use from_dicom::{identifier, value, when};
pub use name::{person_name, read_person_name};
pub use sequence::{code_item, read_code_item, sop_reference};
pub use to_dicom::{accepts, element, element_in};

use super::dictionary::{self, Tag};

/// What sort of conversion failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Longer than the VR or the device allows.
    TooLong,
    /// A date or time of which too little is known: the attribute is to be sent with zero length.
    Partial,
    /// Characters or form that the VR does not have.
    Form,
    /// No conversion between this kind of value and this attribute.
    Kind,
    /// Several values where the attribute takes one.
    Many,
}

/// Why a value does not become an element, or an element no value. Never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {found}; allowed: {allowed}", dictionary::name_of(*.tag))]
pub struct ConversionError {
    /// The attribute.
    pub tag: Tag,
    /// What sort of failure.
    pub fault: Fault,
    /// What was found, described.
    pub found: String,
    /// What would have been accepted.
    pub allowed: String,
}

impl ConversionError {
    pub(super) fn new(
        tag: Tag,
        fault: Fault,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            tag,
            fault,
            found: found.into(),
            allowed: allowed.into(),
        }
    }
}

/// Text without what a DICOM value cannot hold: control characters become blanks; where a backslash separates values it becomes a
/// slash. Line ends survive in the long text VRs.
pub(super) fn clean(text: &str, multi_line: bool) -> String {
    let out: String = text
        .chars()
        .map(|c| match c {
            '\r' | '\n' | '\t' | '\u{C}' if multi_line => c,
            '\\' if !multi_line => '/',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    out.trim_end().to_owned()
}

/// True if the text is a dotted object identifier.
pub(crate) fn is_uid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.contains('.')
        && text
            .split('.')
            .all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()))
}
