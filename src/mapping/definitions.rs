//! What the standards define, as far as paths and places are checked: HL7 segments and data types, worklist and MPPS attributes.
//!
//! Codes only, read once from the tables beside this file (each names its source). Z segments come from `segments/*.toml` of the
//! mapping directories. Checks go against the newest definition, because real senders mix versions.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// One field of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDefinition {
    /// HL7 data type (`CX`); `-` where none is known, `varies` for OBX-5.
    pub datatype: String,
    pub repeats: bool,
}

/// Segments by id, fields in order.
pub type Segments = BTreeMap<String, Vec<FieldDefinition>>;

fn rows(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
}

/// The segments of HL7 v2.3.1 to 2.8.2.
pub fn hl7_segments() -> &'static Segments {
    static SEGMENTS: OnceLock<Segments> = OnceLock::new();
    SEGMENTS.get_or_init(|| {
        let field = |word: &str| FieldDefinition {
            datatype: word.trim_end_matches('*').to_owned(),
            repeats: word.ends_with('*'),
        };
        rows(include_str!("definitions/hl7_segments.tsv"))
            .map(|(id, fields)| (id.to_owned(), fields.split(' ').map(field).collect()))
            .collect()
    })
}

/// The components of an HL7 data type, by their data types; `None` for a primitive or unknown type.
pub fn components(datatype: &str) -> Option<&'static [&'static str]> {
    static TYPES: OnceLock<HashMap<&'static str, Vec<&'static str>>> = OnceLock::new();
    let types = TYPES.get_or_init(|| {
        rows(include_str!("definitions/hl7_datatypes.tsv"))
            .map(|(name, parts)| (name, parts.split(' ').collect()))
            .collect()
    });
    types.get(datatype).map(Vec::as_slice)
}

/// How an attribute must be returned (PS3.4 K.2.2.1.2 return key types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnType {
    /// 1: a value must be there, else the item is withheld.
    Required,
    /// 2: zero length if there is no value.
    Empty,
    /// 3 and the conditional types: absent if there is no value.
    Optional,
}

/// Attributes of the worklist item by path (`ScheduledProcedureStepSequence.Modality`), in the table's order.
pub fn worklist() -> &'static [(&'static str, ReturnType)] {
    static PLACES: OnceLock<Vec<(&'static str, ReturnType)>> = OnceLock::new();
    PLACES.get_or_init(|| {
        rows(include_str!("definitions/mwl.tsv"))
            .map(|(path, rest)| {
                let return_type = match rest.rsplit('\t').next() {
                    Some("1") => ReturnType::Required,
                    Some("2" | "2C") => ReturnType::Empty,
                    _ => ReturnType::Optional,
                };
                (path, return_type)
            })
            .collect()
    })
}

/// Attributes of the performed procedure step by path.
pub fn mpps() -> &'static [&'static str] {
    static PLACES: OnceLock<Vec<&'static str>> = OnceLock::new();
    PLACES.get_or_init(|| {
        rows(include_str!("definitions/mpps.tsv"))
            .map(|(path, _)| path)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_say_what_the_standards_say() {
        let pid = &hl7_segments()["PID"];
        assert_eq!(
            (pid.len(), pid[2].datatype.as_str(), pid[2].repeats),
            (40, "CX", true)
        );
        assert_eq!(hl7_segments()["OBX"][4].datatype, "varies");
        assert_eq!(components("CX").map(<[_]>::len), Some(12));
        assert_eq!(components("CX").map(|c| c[3]), Some("HD"));
        assert_eq!(components("ST"), None);
        let modality = worklist()
            .iter()
            .find(|(p, _)| *p == "ScheduledProcedureStepSequence.Modality");
        assert_eq!(modality.map(|(_, t)| *t), Some(ReturnType::Required));
        for (path, _) in worklist() {
            let keyword = path.rsplit('.').next().unwrap_or(path);
            assert!(
                crate::dicom::dictionary::tag_of(keyword).is_some(),
                "{path}"
            );
        }
        assert!(mpps().contains(&"PerformedSeriesSequence.SeriesInstanceUID"));
    }
}
