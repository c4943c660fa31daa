//! DICOM elements to record values: what a scanner says in an MPPS.

use super::{ConversionError, Fault, is_uid, name::read_person_name, sequence};
use crate::dicom::dataset::{DataSet, Element};
use crate::dicom::dictionary::Vr;
use crate::domain::time::{BadWhen, When};
use crate::domain::value::{
    Concept, Identifier, Issuer, Kind, Location, Organization, Person, Value,
};

/// The record values of an element, read as `kind`; a zero-length element has none. Issuers and times that stand in further
/// attributes are joined by [`identifier`] and [`when`].
pub fn value(element: &Element, kind: Kind) -> Result<Vec<Value>, ConversionError> {
    if let Kind::Concept = kind
        && element.vr == Vr::SQ
    {
        let concepts = element.items().iter().filter_map(sequence::read_code_item);
        return Ok(concepts.map(Value::Concept).collect());
    }
    let error = |fault, found: &str, allowed: &str| {
        ConversionError::new(element.tag, fault, found, allowed)
    };
    if let Kind::Number = kind {
        return Ok(element.numbers().into_iter().map(Value::Number).collect());
    }
    if element.vr == Vr::SQ {
        let found = "a sequence";
        return Err(error(Fault::Kind, found, "an attribute of plain values"));
    }
    let numbers;
    let texts = if element.bytes().is_empty() {
        element.texts()
    } else {
        numbers = element.numbers();
        &numbers
    };
    let mut values = Vec::with_capacity(texts.len());
    for text in texts.iter().map(|t| t.trim()).filter(|t| !t.is_empty()) {
        let value = match kind {
            Kind::Text(_) | Kind::Word(_) | Kind::Ae => Value::Text(text.to_owned()),
            Kind::Uid if is_uid(text) => Value::Uid(text.to_owned()),
            Kind::Uid => return Err(error(Fault::Form, "no UID", "digits and dots")),
            Kind::Identifier(_) => Value::Identifier(Identifier {
                value: text.to_owned(),
                ..Identifier::default()
            }),
            Kind::Name => match read_person_name(text) {
                Some(name) => Value::Name(name),
                None => continue,
            },
            Kind::Person => match read_person_name(text) {
                Some(name) => Value::Person(Person {
                    identifiers: vec![],
                    name,
                }),
                None => continue,
            },
            Kind::Concept => Value::Concept(Concept {
                codings: vec![],
                text: Some(text.to_owned()),
            }),
            Kind::Organization => Value::Organization(Organization {
                identifiers: vec![],
                name: Some(text.to_owned()),
            }),
            Kind::Location => Value::Location(Location {
                description: Some(text.to_owned()),
                ..Location::default()
            }),
            Kind::When if element.vr != Vr::TM => {
                let when = read_date(text)
                    .map_err(|_| error(Fault::Form, "no date", "YYYYMMDD or a date and time"))?;
                Value::When(when)
            }
            _ => {
                let allowed = "another kind of record field";
                return Err(error(Fault::Kind, kind.name(), allowed));
            }
        };
        values.push(value);
    }
    Ok(values)
}

/// DA and DT forms, the old `YYYY.MM.DD` and a DT's more precise tail included.
fn read_date(text: &str) -> Result<When, BadWhen> {
    let bytes = text.as_bytes();
    if bytes.len() == 10 && bytes.get(4) == Some(&b'.') && bytes.get(7) == Some(&b'.') {
        return When::parse(&text.replace('.', ""));
    }
    When::parse(text)
}

/// One time from a date and a time attribute (PS3.5 DA and TM) and Timezone Offset From UTC; without time it is a date. Old forms
/// with `.` and `:` are read.
pub fn when(da: &str, tm: Option<&str>, offset: Option<&str>) -> Result<When, BadWhen> {
    let date = read_date(da.trim())?;
    let tm = tm.unwrap_or("").trim().replace(':', "");
    if tm.is_empty() {
        return Ok(date);
    }
    if date.digits.len() != 8 {
        return Err(BadWhen::Form);
    }
    let offset = offset.map(str::trim).unwrap_or_default();
    When::parse(&format!("{}{tm}{offset}", date.digits))
        // A wrong offset costs the offset, not the time.
        .or_else(|_| When::parse(&format!("{}{tm}", date.digits)))
}

/// An identifier from its value, the local name of its issuer and the items of its issuer sequence (hierarchic designator or
/// qualifiers). `None` without a value.
pub fn identifier(
    value: &str,
    issuer: Option<&str>,
    designators: &[DataSet],
) -> Option<Identifier> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    let some = |t: Option<&str>| {
        t.map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    let item = designators.first();
    let of = |keyword: &str| some(item.and_then(|i| i.text(keyword)));
    let issuer = Issuer {
        namespace: some(issuer).or_else(|| of("LocalNamespaceEntityID")),
        universal_id: of("UniversalEntityID"),
        scheme: of("UniversalEntityIDType"),
    };
    Some(Identifier {
        value: value.to_owned(),
        issuer: (issuer != Issuer::default()).then_some(issuer),
        type_: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keyword: &str, text: &str, kind: Kind) -> Result<Vec<Value>, Fault> {
        let mut ds = DataSet::new();
        ds.put_text(keyword, text);
        value(ds.by_keyword(keyword).expect(keyword), kind).map_err(|e| e.fault)
    }

    #[test]
    fn what_a_scanner_says_becomes_record_values() {
        let name = read("PatientName", "LEFEVRE^ZOE", Kind::Name).expect("name");
        assert_eq!(name.first().and_then(Value::comparable), Some("LEFEVRE"));
        assert_eq!(read("PatientID", "", Kind::Identifier(64)), Ok(vec![]));
        assert_eq!(
            read("StudyInstanceUID", "1.2.x", Kind::Uid),
            Err(Fault::Form)
        );
        let date = read("PatientBirthDate", "1979.12.31", Kind::When).expect("date");
        assert_eq!(date.first().and_then(Value::comparable), Some("19791231"));
        assert_eq!(
            read("PatientBirthDate", "00000000", Kind::When),
            Err(Fault::Form)
        );
    }

    #[test]
    fn date_time_and_offset_are_one_time() {
        for (da, tm, offset, digits) in [
            ("20260602", Some("0801"), None, Ok("202606020801")),
            ("20260602", Some("08:01:02"), None, Ok("20260602080102")),
            (
                "20260602",
                Some("080102.123456"),
                Some("+0200"),
                Ok("20260602080102.123456"),
            ),
            ("20260602", None, None, Ok("20260602")),
            (
                "20260602",
                Some("080102"),
                Some("paris"),
                Ok("20260602080102"),
            ),
            ("00000000", Some("080102"), None, Err(BadWhen::Calendar)),
        ] {
            let found = when(da, tm, offset).map(|w| w.digits);
            assert_eq!(found, digits.map(str::to_owned), "{da} {tm:?}");
        }
        assert_eq!(
            when("20260602", Some("08"), Some("-0330")).map(|w| w.offset),
            Ok(Some(-210))
        );
    }

    #[test]
    fn an_identifier_takes_its_issuer_from_either_place() {
        let mut item = DataSet::new();
        item.put_text("UniversalEntityID", "1.2.250.1.999.1.1");
        item.put_text("UniversalEntityIDType", "ISO");
        let id = identifier(" IPP1", Some("HOPA"), &[item]).expect("an identifier");
        assert_eq!(id.value, "IPP1");
        assert_eq!(
            id.issuer.as_ref().map(Issuer::key),
            Some("1.2.250.1.999.1.1")
        );
        assert_eq!(identifier(" ", Some("HOPA"), &[]), None);
    }
}
