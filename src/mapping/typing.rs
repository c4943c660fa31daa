//! Items to values of the kind that a target has: reading, conversion, limits.
//!
//! What cannot be read is described, never quoted. Identifiers are never cut: a longer one is an error here.

use super::eval::{Datum, Item};
use super::record_source;
use super::text;
use crate::dicom::datatype as dicom;
use crate::domain::reason::Reason;
use crate::domain::time::When;
use crate::domain::value::{
    Address, Concept, Identifier, Kind, Location, Name, Organization, Person, Telecom, Value,
};

/// Why an item is no value of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    pub reason: Reason,
    pub found: String,
    pub allowed: String,
}

impl Bad {
    fn new(found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self {
            reason: Reason::FieldType,
            found: found.into(),
            allowed: allowed.into(),
        }
    }
}

/// The values of an item, held against the limits of their kind; several only for a multi-valued DICOM attribute.
pub fn values(item: &Item<'_>, kind: Kind) -> Result<Vec<Value>, Bad> {
    let raw: Vec<Value> = match &item.datum {
        Datum::Null | Datum::Blank | Datum::Row(..) => vec![],
        Datum::Value(value) => vec![value.clone()],
        Datum::Hl7(slot) => slot
            .value(kind)
            .map_err(|bad| Bad::new(bad.found, bad.allowed))?
            .into_iter()
            .collect(),
        Datum::Element(element) => {
            dicom::value(element, kind).map_err(|e| Bad::new(e.found, e.allowed))?
        }
        Datum::Item(set) => dicom::read_code_item(set)
            .map(Value::Concept)
            .into_iter()
            .collect(),
        Datum::Issuer(id) => match kind {
            Kind::Identifier(_) => vec![Value::Identifier(id.clone())],
            _ => {
                let key = id.issuer.as_ref().map(|i| i.key().to_owned());
                key.map(Value::Text).into_iter().collect()
            }
        },
        Datum::Node(node) => record_source::thing(node)
            .map(Value::Thing)
            .into_iter()
            .collect(),
    };
    let mut found = Vec::with_capacity(raw.len());
    for value in raw {
        let value = convert(value, kind)?;
        limits(&value, kind)?;
        found.push(value);
    }
    Ok(found)
}

/// The value of an item of the record, of whatever kind it is.
pub fn raw(item: &Item<'_>) -> Option<Value> {
    match &item.datum {
        Datum::Value(value) => Some(value.clone()),
        Datum::Issuer(id) => Some(Value::Identifier(id.clone())),
        Datum::Node(node) => record_source::thing(node).map(Value::Thing),
        _ => None,
    }
}

/// The first value of an item.
pub fn value(item: &Item<'_>, kind: Kind) -> Result<Option<Value>, Bad> {
    values(item, kind).map(|v| v.into_iter().next())
}

fn convert(value: Value, kind: Kind) -> Result<Value, Bad> {
    let fits = matches!(
        (&value, kind),
        (Value::Text(_), Kind::Text(_) | Kind::Word(_) | Kind::Ae)
            | (Value::Number(_), Kind::Number)
            | (Value::Bool(_), Kind::Bool)
            | (Value::When(_), Kind::When)
            | (Value::Uid(_), Kind::Uid)
            | (Value::Identifier(_), Kind::Identifier(_))
            | (Value::Concept(_), Kind::Concept)
            | (Value::Name(_), Kind::Name)
            | (Value::Person(_), Kind::Person)
            | (Value::Organization(_), Kind::Organization)
            | (Value::Location(_), Kind::Location)
            | (Value::Address(_), Kind::Address)
            | (Value::Telecom(_), Kind::Telecom)
            | (Value::Document(_), Kind::Document)
            | (Value::Entry(_), Kind::Entry(_))
            | (Value::Thing(_), Kind::Thing)
    );
    if fits {
        return Ok(value);
    }
    match (value, kind) {
        (Value::Text(text), kind) => from_text(text, kind),
        (Value::Person(person), Kind::Name) => Ok(Value::Name(person.name)),
        (Value::Name(name), Kind::Person) => Ok(Value::Person(Person {
            identifiers: vec![],
            name,
        })),
        (other, Kind::Text(_) | Kind::Word(_) | Kind::Ae) => {
            let item = Item::new(Datum::Value(other), super::eval::Spot::Nowhere);
            let plain = text::readable(&item).map(|t| t.into_owned());
            plain
                .map(Value::Text)
                .ok_or_else(|| Bad::new("a value without text", kind.name()))
        }
        (other, kind) => match other.comparable().map(str::to_owned) {
            Some(text) => from_text(text, kind),
            None => Err(Bad::new("another kind of value", kind.name())),
        },
    }
}

fn from_text(text: String, kind: Kind) -> Result<Value, Bad> {
    let text = text.trim().to_owned();
    let described = || format!("{} characters", text.chars().count());
    Ok(match kind {
        Kind::Number => {
            text::number(&text).ok_or_else(|| Bad::new(described(), "a decimal number"))?
        }
        Kind::Bool => match text.as_str() {
            "Y" | "y" | "true" | "1" => Value::Bool(true),
            "N" | "n" | "false" | "0" => Value::Bool(false),
            _ => return Err(Bad::new(described(), "Y or N")),
        },
        Kind::When => When::parse(&text)
            .map(Value::When)
            .map_err(|e| Bad::new(format!("{}: {e}", described()), "a date or time"))?,
        Kind::Uid => {
            let bare = text.strip_prefix("urn:oid:").unwrap_or(&text);
            let shaped = !bare.is_empty()
                && bare.len() <= 64
                && bare.split('.').all(|p| {
                    !p.is_empty()
                        && p.bytes().all(|b| b.is_ascii_digit())
                        && (p == "0" || !p.starts_with('0'))
                });
            match shaped {
                true => Value::Uid(bare.to_owned()),
                false => return Err(Bad::new(described(), "a UID: digits and dots, at most 64")),
            }
        }
        Kind::Identifier(_) => Value::Identifier(Identifier {
            value: text,
            ..Identifier::default()
        }),
        Kind::Concept => Value::Concept(Concept {
            codings: vec![],
            text: Some(text),
        }),
        Kind::Name => Value::Name(family(text)),
        Kind::Person => Value::Person(Person {
            identifiers: vec![],
            name: family(text),
        }),
        Kind::Organization => Value::Organization(Organization {
            identifiers: vec![],
            name: Some(text),
        }),
        Kind::Location => Value::Location(Location {
            description: Some(text),
            ..Location::default()
        }),
        Kind::Address => Value::Address(Address {
            lines: vec![text],
            ..Address::default()
        }),
        Kind::Telecom => Value::Telecom(Telecom {
            system: "other".to_owned(),
            value: text,
            use_: None,
        }),
        Kind::Document | Kind::Entry(_) | Kind::Thing => {
            return Err(Bad::new("a text", kind.name()));
        }
        Kind::Text(_) | Kind::Word(_) | Kind::Ae => Value::Text(text),
    })
}

fn family(text: String) -> Name {
    Name {
        family: Some(text),
        ..Name::default()
    }
}

fn limits(value: &Value, kind: Kind) -> Result<(), Bad> {
    let too_long = |length: usize, most: u16| Bad {
        reason: Reason::FieldTooLong,
        found: format!("{length} characters"),
        allowed: format!("at most {most} characters"),
    };
    match (value, kind) {
        (Value::Text(text), Kind::Text(most))
        | (Value::Identifier(Identifier { value: text, .. }), Kind::Identifier(most))
            if most > 0 && text.chars().count() > usize::from(most) =>
        {
            Err(too_long(text.chars().count(), most))
        }
        (Value::Text(text), Kind::Word(words)) if !words.contains(&text.as_str()) => Err(Bad::new(
            format!(
                "a word of {} characters that is not in the list",
                text.chars().count()
            ),
            words.join(", "),
        )),
        (Value::Text(text), Kind::Ae) => {
            let shaped = text.len() <= 16
                && text
                    .bytes()
                    .all(|b| (0x20..0x7f).contains(&b) && b != b'\\');
            match shaped {
                true => Ok(()),
                false => Err(Bad::new(
                    format!("{} characters that are no AE title", text.chars().count()),
                    "1 to 16 ASCII characters without backslash",
                )),
            }
        }
        _ => Ok(()),
    }
}
