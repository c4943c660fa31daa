//! The data dictionary (PS3.6) by keyword and by tag, over `dicom-dictionary-std`; the one place that knows it.
//!
//! Tells the value representation, the longest value of a VR (PS3.5 6.2) and whether an attribute takes several values.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;

pub use dicom_core::{Tag, VR as Vr};

/// The tag of a standard keyword (`PatientName`); `None` if there is none.
pub fn tag_of(keyword: &str) -> Option<Tag> {
    match StandardDataDictionary.by_name(keyword)?.tag_range() {
        dicom_core::dictionary::TagRange::Single(tag) => Some(tag),
        _ => None,
    }
}

/// The keyword of a standard tag.
pub fn keyword_of(tag: Tag) -> Option<&'static str> {
    StandardDataDictionary.by_tag(tag).map(|e| e.alias)
}

/// The keyword of a tag, or `(gggg,eeee)` where it has none: for error texts.
pub fn name_of(tag: Tag) -> String {
    keyword_of(tag).map_or_else(|| tag.to_string(), str::to_owned)
}

/// The value representation of a tag; `UN` for private and unknown ones. Where PS3.6 lets the pixel data choose, the plainest.
pub fn vr_of(tag: Tag) -> Vr {
    match StandardDataDictionary
        .by_tag(tag)
        .map(DataDictionaryEntry::vr)
    {
        Some(VirtualVr::Exact(vr)) => vr,
        Some(VirtualVr::Xs) => Vr::US,
        Some(VirtualVr::Ox | VirtualVr::Px | VirtualVr::Lt) => Vr::OW,
        _ => Vr::UN,
    }
}

/// What a value of a VR looks like, as far as reading, writing and length checks care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VrTraits {
    /// Values are text.
    pub text: bool,
    /// The text is in the Specific Character Set of the data set (else in the default repertoire).
    pub charset: bool,
    /// A backslash separates values.
    pub split: bool,
    /// Leading blanks mean nothing either.
    pub trim_start: bool,
    /// Longest value in characters (PN: per component group); 0 = no limit below the 32-bit length.
    pub max: usize,
    /// Bytes of one binary value; 1 for text and byte strings.
    pub unit: usize,
    /// Padding byte that makes a value even.
    pub pad: u8,
}

/// The traits of a VR (PS3.5 6.2).
pub fn traits(vr: Vr) -> VrTraits {
    let text = |charset, split, trim_start, max| VrTraits {
        text: true,
        charset,
        split,
        trim_start,
        max,
        unit: 1,
        pad: b' ',
    };
    let binary = |unit| VrTraits {
        text: false,
        charset: false,
        split: false,
        trim_start: false,
        max: 0,
        unit,
        pad: 0,
    };
    match vr {
        Vr::SH => text(true, true, true, 16),
        Vr::LO | Vr::PN => text(true, true, true, 64),
        Vr::UC => text(true, true, false, 0),
        Vr::ST => text(true, false, false, 1024),
        Vr::LT => text(true, false, false, 10_240),
        Vr::UT => text(true, false, false, 0),
        Vr::UR => text(false, false, false, 0),
        Vr::AE | Vr::CS | Vr::DS => text(false, true, true, 16),
        Vr::TM => text(false, true, true, 14),
        Vr::IS => text(false, true, true, 12),
        Vr::DA => text(false, true, true, 8),
        Vr::DT => text(false, true, true, 26),
        Vr::AS => text(false, true, true, 4),
        Vr::UI => VrTraits {
            pad: 0,
            ..text(false, true, true, 64)
        },
        Vr::US | Vr::SS | Vr::OW => binary(2),
        Vr::UL | Vr::SL | Vr::FL | Vr::AT | Vr::OL | Vr::OF => binary(4),
        Vr::FD | Vr::SV | Vr::UV | Vr::OD | Vr::OV => binary(8),
        Vr::OB | Vr::UN | Vr::SQ => binary(1),
    }
}

/// Attributes of the worklist and MPPS tables whose value multiplicity is 1-n (PS3.6 column VM).
const MULTI: &[&str] = &[
    "Allergies",
    "ConfidentialityConstraintOnPatientDataDescription",
    "MedicalAlerts",
    "NameOfPhysiciansReadingStudy",
    "OperatorsName",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientTelephoneNumbers",
    "PerformingPhysicianName",
    "PhysiciansOfRecord",
    "ReferringPhysicianTelephoneNumbers",
    "RetrieveAETitle",
    "ScheduledStationAETitle",
    "ScheduledStationName",
    "SpecificCharacterSet",
];

/// Whether an attribute may hold several values (sequences: items).
pub fn is_multi(tag: Tag) -> bool {
    vr_of(tag) == Vr::SQ || keyword_of(tag).is_some_and(|k| MULTI.contains(&k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_tags_and_vrs_agree() {
        for (keyword, tag, vr) in [
            ("PatientName", Tag(0x0010, 0x0010), Vr::PN),
            (
                "ScheduledProcedureStepSequence",
                Tag(0x0040, 0x0100),
                Vr::SQ,
            ),
            ("PregnancyStatus", Tag(0x0010, 0x21C0), Vr::US),
            ("LocalNamespaceEntityID", Tag(0x0040, 0x0031), Vr::UT),
        ] {
            assert_eq!(tag_of(keyword), Some(tag));
            assert_eq!(keyword_of(tag), Some(keyword));
            assert_eq!(vr_of(tag), vr);
        }
        assert_eq!(tag_of("PatientsName"), None);
        assert_eq!(vr_of(Tag(0x0009, 0x1001)), Vr::UN);
        assert!(MULTI.iter().all(|k| tag_of(k).is_some_and(is_multi)));
    }
}
