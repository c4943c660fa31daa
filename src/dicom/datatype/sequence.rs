//! Sequences that are one value of the record: codes, issuers, other identifiers, persons, references (PS3.3 10.1, 10.14, 10.17,
//! 10.11, 8.8). Each way has its type 1 attributes filled here, so that no mapping file has to.

use super::{ConversionError, Fault, clean, is_uid, name::person_name};
use crate::dicom::dataset::{Content, DataSet};
use crate::dicom::dictionary::{Tag, keyword_of};
use crate::domain::value::{Coding, Concept, Identifier, Issuer, Kind, Person, Value};

/// What the items of a sequence are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    /// Code Sequence Macro, one item per concept.
    Code,
    /// Hierarchic designator of an issuer.
    Designator,
    /// Issuer of Patient ID Qualifiers: the universal half of the issuer.
    Qualifiers,
    /// Other Patient IDs.
    OtherIds,
    /// Person Identification Macro.
    Person,
    /// SOP Instance Reference, with the SOP Class that it has by default.
    Reference(&'static str),
}

/// The macro of a sequence attribute.
pub(super) fn macro_of(tag: Tag) -> Option<Macro> {
    let keyword = keyword_of(tag)?;
    Some(match keyword {
        "IssuerOfPatientIDQualifiersSequence" => Macro::Qualifiers,
        "OtherPatientIDsSequence" => Macro::OtherIds,
        "OrderPlacerIdentifierSequence" | "OrderFillerIdentifierSequence" => Macro::Designator,
        "ReferencedStudySequence" => Macro::Reference("1.2.840.10008.3.1.2.3.1"),
        "ReferencedPatientSequence" => Macro::Reference("1.2.840.10008.3.1.2.1.1"),
        "ReferencedPerformedProcedureStepSequence" => Macro::Reference("1.2.840.10008.3.1.2.3.3"),
        k if k.starts_with("IssuerOf") && k.ends_with("Sequence") => Macro::Designator,
        k if k.ends_with("IdentificationSequence") => Macro::Person,
        k if k.ends_with("CodeSequence") => Macro::Code,
        _ => return None,
    })
}

/// Whether a kind of value makes items of this macro.
pub(super) fn takes(what: Macro, kind: Kind) -> bool {
    match what {
        Macro::Code => matches!(kind, Kind::Concept),
        Macro::Designator | Macro::Qualifiers => {
            matches!(kind, Kind::Identifier(_) | Kind::Text(_))
        }
        Macro::OtherIds => matches!(kind, Kind::Identifier(_)),
        Macro::Person => matches!(kind, Kind::Person),
        Macro::Reference(_) => matches!(kind, Kind::Uid | Kind::Identifier(_)),
    }
}

/// The items of a sequence attribute; values that say nothing give no item.
pub(super) fn items(tag: Tag, values: &[Value]) -> Result<Vec<DataSet>, ConversionError> {
    let wrong = || {
        let allowed = "a concept, issuer, identifier, person or UID, as the sequence wants";
        ConversionError::new(
            tag,
            Fault::Kind,
            "no conversion into this sequence",
            allowed,
        )
    };
    let what = macro_of(tag).ok_or_else(wrong)?;
    let mut items = Vec::new();
    for value in values {
        let item = match (what, value) {
            (Macro::Code, Value::Concept(c)) => code_item(c),
            (Macro::Designator, Value::Identifier(i)) => i.issuer.as_ref().and_then(designator),
            (Macro::Designator, Value::Text(key)) => designator(&issuer_of_key(key)),
            (Macro::Qualifiers, Value::Identifier(i)) => i.issuer.as_ref().and_then(qualifiers),
            (Macro::Qualifiers, Value::Text(key)) => qualifiers(&issuer_of_key(key)),
            (Macro::OtherIds, Value::Identifier(i)) => Some(other_id(tag, i)?),
            (Macro::Person, Value::Person(p)) => person(p),
            (Macro::Reference(class), Value::Uid(uid)) => Some(sop_reference(class, uid)),
            (Macro::Reference(class), Value::Identifier(i)) => {
                Some(sop_reference(i.type_.as_deref().unwrap_or(class), &i.value))
            }
            _ => return Err(wrong()),
        };
        items.extend(item.filter(|i| !items.contains(i)));
    }
    Ok(items)
}

/// A SOP Instance Reference item.
pub fn sop_reference(class: &str, instance: &str) -> DataSet {
    let mut item = DataSet::new();
    item.put_text("ReferencedSOPClassUID", class);
    item.put_text("ReferencedSOPInstanceUID", instance);
    item
}

/// The Code Sequence Macro item of a concept's preferred coding; `None` for a concept of text only. A code of more than 16
/// characters goes to Long Code Value, a URN to URN Code Value; the meaning is cut at 64 characters.
pub fn code_item(concept: &Concept) -> Option<DataSet> {
    let coding = concept.codings.iter().find(|c| !c.code.trim().is_empty())?;
    let code = clean(coding.code.trim(), false);
    let mut item = DataSet::new();
    let keyword = match code.chars().count() {
        _ if ["urn:", "http://", "https://"]
            .iter()
            .any(|p| code.starts_with(p)) =>
        {
            "URNCodeValue"
        }
        0..=16 => "CodeValue",
        _ => "LongCodeValue",
    };
    item.put_text(keyword, &code);
    if keyword != "URNCodeValue" {
        item.put_text(
            "CodingSchemeDesignator",
            &scheme_designator(coding.system.as_deref()),
        );
    }
    let meaning = coding
        .display
        .as_deref()
        .or(concept.text.as_deref())
        .unwrap_or(&code);
    let meaning: String = clean(meaning.trim(), false).chars().take(64).collect();
    item.put_text("CodeMeaning", meaning.trim_end());
    Some(item)
}

/// Systems that have a designator of their own in PS3.16 Table 8-1, by the names under which senders give them.
const DESIGNATORS: &[(&str, &str)] = &[
    ("SNM3", "SRT"),
    ("2.16.840.1.113883.6.96", "SCT"),
    ("http://snomed.info/sct", "SCT"),
    ("2.16.840.1.113883.6.1", "LN"),
    ("http://loinc.org", "LN"),
    ("1.2.840.10008.2.16.4", "DCM"),
    ("http://dicom.nema.org/resources/ontology/DCM", "DCM"),
    ("2.16.840.1.113883.6.256", "RADLEX"),
    ("http://radlex.org", "RADLEX"),
    ("2.16.840.1.113883.6.3", "I10"),
    ("urn:ietf:bcp:47", "RFC5646"),
];

/// The designator of a coding system: its own if it fits, `99LOCAL` where the sender names none, means a local one, or gives a name
/// that is no designator.
fn scheme_designator(system: Option<&str>) -> String {
    let system = clean(system.unwrap_or("").trim(), false);
    let bare = system.strip_prefix("urn:oid:").unwrap_or(&system);
    if let Some((_, known)) = DESIGNATORS.iter().find(|(name, _)| *name == bare) {
        return (*known).to_owned();
    }
    let local = bare.is_empty() || bare.eq_ignore_ascii_case("L") || is_uid(bare);
    if local || bare.contains(':') || bare.chars().count() > 16 {
        return "99LOCAL".to_owned();
    }
    bare.to_owned()
}

/// The concept of a code item: `None` if it has neither code nor meaning.
pub fn read_code_item(item: &DataSet) -> Option<Concept> {
    let text = |k: &str| item.text(k).map(str::to_owned);
    let code = ["CodeValue", "LongCodeValue", "URNCodeValue"]
        .iter()
        .find_map(|k| text(k));
    let meaning = text("CodeMeaning");
    match (code, meaning) {
        (Some(code), display) => Some(Concept {
            codings: vec![Coding {
                code,
                system: text("CodingSchemeDesignator"),
                display,
            }],
            text: None,
        }),
        (None, Some(meaning)) => Some(Concept {
            codings: vec![],
            text: Some(meaning),
        }),
        (None, None) => None,
    }
}

/// An issuer from the text under which the record keys it: an OID is the universal id, anything else the local name.
pub(super) fn issuer_of_key(key: &str) -> Issuer {
    let key = key.trim();
    if is_uid(key) {
        Issuer {
            universal_id: Some(key.to_owned()),
            scheme: Some("ISO".to_owned()),
            ..Issuer::default()
        }
    } else {
        Issuer {
            namespace: (!key.is_empty()).then(|| key.to_owned()),
            ..Issuer::default()
        }
    }
}

/// Universal id and its type, as DICOM names the types (DNS, EUI64, ISO, URI, UUID, X400, X500).
fn universal(issuer: &Issuer) -> Option<(String, String)> {
    let id = clean(issuer.universal_id.as_deref()?.trim(), false);
    let scheme = match issuer.scheme.as_deref().map(str::trim) {
        Some(s) if !s.is_empty() => s.to_ascii_uppercase(),
        _ if is_uid(&id) => "ISO".to_owned(),
        _ => return None,
    };
    (!id.is_empty() && scheme.len() <= 16).then_some((id, scheme))
}

fn designator(issuer: &Issuer) -> Option<DataSet> {
    let mut item = qualifiers(issuer).unwrap_or_default();
    if let Some(namespace) = issuer.namespace.as_deref().filter(|n| !n.trim().is_empty()) {
        item.put_text("LocalNamespaceEntityID", &clean(namespace.trim(), false));
    }
    (!item.is_empty()).then_some(item)
}

fn qualifiers(issuer: &Issuer) -> Option<DataSet> {
    let (id, scheme) = universal(issuer)?;
    let mut item = DataSet::new();
    item.put_text("UniversalEntityID", &id);
    item.put_text("UniversalEntityIDType", &scheme);
    Some(item)
}

fn other_id(tag: Tag, id: &Identifier) -> Result<DataSet, ConversionError> {
    let mut item = DataSet::new();
    let value = id.value.trim();
    if value.chars().count() > 64 || value.contains(|c: char| c.is_control() || c == '\\') {
        let found = "an identifier of more than 64 characters or with a delimiter in it";
        return Err(ConversionError::new(
            tag,
            Fault::TooLong,
            found,
            "at most 64 characters",
        ));
    }
    item.put_text("PatientID", value);
    item.put_text("TypeOfPatientID", "TEXT");
    if let Some(issuer) = &id.issuer {
        let local = issuer.namespace.as_deref().unwrap_or_default().trim();
        let local: String = clean(local, false).chars().take(64).collect();
        if !local.is_empty() {
            item.put_text("IssuerOfPatientID", &local);
        }
        if let Some(q) = qualifiers(issuer) {
            item.put_items("IssuerOfPatientIDQualifiersSequence", vec![q]);
        }
    }
    Ok(item)
}

/// Person Identification Macro: a person without a number gives no item, since the code sequence in it is type 1.
fn person(person: &Person) -> Option<DataSet> {
    let codes: Vec<DataSet> = person
        .identifiers
        .iter()
        .filter_map(|id| {
            code_item(&Concept {
                codings: vec![Coding {
                    code: id.value.clone(),
                    system: id
                        .issuer
                        .as_ref()
                        .and_then(|i| i.namespace.clone())
                        .map(|n| format!("99{n}"))
                        .filter(|n| n.chars().count() <= 16),
                    display: Some(person_name(&person.name, 64).replace('^', " "))
                        .filter(|n| !n.trim().is_empty()),
                }],
                text: None,
            })
        })
        .collect();
    if codes.is_empty() {
        return None;
    }
    let mut item = DataSet::new();
    item.put_items("PersonIdentificationCodeSequence", codes);
    let issuer = person.identifiers.iter().find_map(|i| i.issuer.as_ref());
    let institution = issuer.map_or("", |i| i.namespace.as_deref().unwrap_or(i.key()));
    let institution: String = clean(institution.trim(), false).chars().take(64).collect();
    let name = if institution.is_empty() {
        Content::Text(vec![])
    } else {
        Content::Text(vec![institution])
    };
    item.put("InstitutionName", name);
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dictionary::tag_of;

    fn concept(code: &str, system: Option<&str>, display: &str) -> Concept {
        Concept {
            codings: vec![Coding {
                code: code.into(),
                system: system.map(str::to_owned),
                display: Some(display.into()),
            }],
            text: None,
        }
    }

    #[test]
    fn a_code_goes_where_its_length_and_system_want_it() {
        for (code, system, keyword, scheme) in [
            ("ZBQK002", Some("CCAM"), "CodeValue", Some("CCAM")),
            ("ZBQK002", None, "CodeValue", Some("99LOCAL")),
            ("ZBQK002", Some("L"), "CodeValue", Some("99LOCAL")),
            ("1", Some("1.2.250.1.213.2.5"), "CodeValue", Some("99LOCAL")),
            (
                "77477000",
                Some("http://snomed.info/sct"),
                "CodeValue",
                Some("SCT"),
            ),
            (
                "IRM-CEREBRALE-STANDARD",
                Some("99RIS"),
                "LongCodeValue",
                Some("99RIS"),
            ),
            ("urn:lex:fr:1", None, "URNCodeValue", None),
        ] {
            let item = code_item(&concept(code, system, "IRM cérébrale")).expect("a code");
            assert_eq!(item.text(keyword), Some(code));
            assert_eq!(item.text("CodingSchemeDesignator"), scheme, "{code}");
            assert_eq!(item.text("CodeMeaning"), Some("IRM cérébrale"));
            let back = read_code_item(&item).expect("a concept");
            assert_eq!(back.codings[0].code, code);
        }
        assert_eq!(code_item(&Concept::default()), None);
    }

    #[test]
    fn issuers_identifiers_persons_and_references_come_whole() {
        let issuer = Issuer {
            namespace: Some("HOPA".into()),
            universal_id: Some("1.2.250.1.999.1.1".into()),
            scheme: Some("ISO".into()),
        };
        let id = Identifier {
            value: "IPP1".into(),
            issuer: Some(issuer),
            type_: Some("PI".into()),
        };
        let person = Person {
            identifiers: vec![id.clone()],
            ..Person::default()
        };
        let one = |keyword: &str, value: Value| {
            let tag = tag_of(keyword).expect(keyword);
            items(tag, &[value]).expect(keyword).remove(0)
        };
        let item = one(
            "OrderPlacerIdentifierSequence",
            Value::Identifier(id.clone()),
        );
        assert_eq!(item.text("LocalNamespaceEntityID"), Some("HOPA"));
        assert_eq!(item.text("UniversalEntityIDType"), Some("ISO"));
        let item = one(
            "OrderFillerIdentifierSequence",
            Value::Text("1.2.250.1".into()),
        );
        assert_eq!(item.text("UniversalEntityID"), Some("1.2.250.1"));
        let item = one("OtherPatientIDsSequence", Value::Identifier(id));
        assert_eq!(item.text("TypeOfPatientID"), Some("TEXT"));
        assert_eq!(item.items("IssuerOfPatientIDQualifiersSequence").len(), 1);
        let item = one(
            "ReferringPhysicianIdentificationSequence",
            Value::Person(person),
        );
        let code = &item.items("PersonIdentificationCodeSequence")[0];
        assert_eq!(code.text("CodingSchemeDesignator"), Some("99HOPA"));
        let item = one("ReferencedStudySequence", Value::Uid("2.25.7".into()));
        assert_eq!(
            item.text("ReferencedSOPClassUID"),
            Some("1.2.840.10008.3.1.2.3.1")
        );
        assert_eq!(
            items(
                tag_of("ReferencedStudySequence").expect("tag"),
                &[Value::Bool(true)]
            )
            .map_err(|e| e.fault),
            Err(Fault::Kind)
        );
    }
}
