//! Identifiers that Relais mints, one type per thing, all `i64` (41 bits of milliseconds, 10 of node, 12 of counter; minted in
//! `clock`), and the natural keys by which a message finds what it is about.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
    )*};
}

ids! {
    /// A journal row: one message in or out, with its bytes.
    JournalId,
    /// A patient document.
    PatientId,
    /// An exam document.
    ExamId,
    /// A scheduled step inside an exam.
    StepId,
    /// A performed step document (one MPPS SOP Instance).
    PerformedId,
    /// A report document.
    ReportId,
    /// An event row.
    EventId,
}

/// Mints ids. The only implementation that reads a clock is `clock::Minter`; tests count.
pub trait Mint {
    /// The next id: larger than every id minted before on this node.
    fn next(&mut self) -> i64;
}

/// A short identifier that fits DICOM SH (16 characters): 13 characters of Crockford base 32 of a minted id.
///
/// Used for Requested Procedure ID and Scheduled Procedure Step ID when the sender gives none.
pub fn short_id(id: i64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut rest = id as u64;
    let mut text = [b'0'; 13];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(rest & 31) as usize];
        rest >>= 5;
    }
    text.iter().map(|&b| b as char).collect()
}

/// What a natural key names. The word is stored in the `kind` column of `patient_key` and `exam_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// A patient identifier under its assigning authority (HL7 PID-3).
    Patient,
    /// Placer Order Number (ORC-2).
    Placer,
    /// Filler Order Number (ORC-3).
    Filler,
    /// Accession Number (0008,0050).
    Accession,
    /// Study Instance UID (0020,000D); the issuer is empty.
    Study,
    /// Requested Procedure ID (0040,1001).
    Procedure,
    /// Scheduled Procedure Step ID (0040,0009).
    Step,
    /// A report identifier under its issuer.
    Report,
}

impl KeyKind {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Placer => "placer",
            Self::Filler => "filler",
            Self::Accession => "accession",
            Self::Study => "study",
            Self::Procedure => "procedure",
            Self::Step => "step",
            Self::Report => "report",
        }
    }

    /// The kind of a stored word.
    pub fn of_word(word: &str) -> Option<Self> {
        [
            Self::Patient,
            Self::Placer,
            Self::Filler,
            Self::Accession,
            Self::Study,
            Self::Procedure,
            Self::Step,
            Self::Report,
        ]
        .into_iter()
        .find(|kind| kind.word() == word)
    }
}

/// A natural key: never a bare value, always with who issued it (`""` only where the standard has no issuer).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What it names.
    pub kind: KeyKind,
    /// Issuer as [`super::value::Issuer::key`] prints it: the OID if known, else the namespace.
    pub issuer: String,
    /// The value, exactly as sent (blanks trimmed).
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_fits_sh_and_keeps_the_order() {
        let (a, b) = (short_id(1), short_id(i64::MAX));
        assert_eq!((a.len(), b.len()), (13, 13));
        assert!(a < b);
    }
}
