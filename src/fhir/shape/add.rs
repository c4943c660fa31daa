//! What a file may add to any resource: containers that are 0..* in FHIR, and the types of value that an extension may have.
//!
//! Both lists are closed. A modifierExtension is none of them: it would change what the resource means for receivers who do not know it.

use super::KindName::{
    Address, Bool, Concept, Identifier, Location, Name, Number, Organization, Person, Telecom,
    Text, Thing, Uid, When,
};
use super::build::Context;
use super::{KindName, Target};
use crate::domain::value::{Coding as RecordCoding, Concept as RecordConcept, Value};
use crate::fhir::datatype;
use serde_json::{Value as Json, json};

/// A type that the value of an extension may have.
#[derive(Debug)]
pub struct ValueType {
    /// Named as in the extension: `valueString`.
    pub target: Target,
    print: fn(&Value, Option<&str>, &Context<'_>) -> Option<Json>,
}

impl PartialEq for ValueType {
    fn eq(&self, other: &Self) -> bool {
        self.target.name == other.target.name
    }
}

impl ValueType {
    /// The type's own name: `string`, `Coding`.
    pub fn fhir(&self) -> &'static str {
        let name = self.target.name.trim_start_matches("value");
        PRIMITIVES
            .iter()
            .find(|(upper, _)| *upper == name)
            .map_or(name, |(_, lower)| lower)
    }

    /// A value as this type; a bare code is of `system`. `None` if it cannot be said so.
    pub fn print(&self, value: &Value, system: Option<&str>, cx: &Context<'_>) -> Option<Json> {
        (self.print)(value, system, cx)
    }
}

const PRIMITIVES: &[(&str, &str)] = &[
    ("String", "string"),
    ("Code", "code"),
    ("Uri", "uri"),
    ("Boolean", "boolean"),
    ("Integer", "integer"),
    ("Decimal", "decimal"),
    ("Date", "date"),
    ("DateTime", "dateTime"),
];

const fn value(
    name: &'static str,
    kinds: &'static [KindName],
    doc: &'static str,
    print: fn(&Value, Option<&str>, &Context<'_>) -> Option<Json>,
) -> ValueType {
    ValueType {
        target: super::many(name, kinds, doc),
        print,
    }
}

/// Every type of value.
pub const VALUE_TYPES: &[ValueType] = &[
    value(
        "valueString",
        &[
            Text,
            Number,
            Uid,
            Concept,
            Name,
            Person,
            Organization,
            Location,
            Address,
        ],
        "a text; of anything else its readable text",
        |v, _, _| text(v),
    ),
    value(
        "valueCode",
        &[Text, Concept],
        "a code without system",
        |v, _, _| {
            v.comparable()
                .filter(|t| datatype::is_code(t))
                .map(|t| json!(t))
        },
    ),
    value(
        "valueUri",
        &[Text, Uid],
        "an address; a UID as urn:oid",
        |v, _, _| match v {
            Value::Uid(uid) => Some(json!(format!("urn:oid:{uid}"))),
            other => text(other),
        },
    ),
    value(
        "valueBoolean",
        &[Bool],
        "true or false",
        |v, _, _| match v {
            Value::Bool(b) => Some(json!(b)),
            _ => None,
        },
    ),
    value("valueInteger", &[Number], "a whole number", |v, _, _| {
        v.comparable()?.parse::<i32>().ok().map(|n| json!(n))
    }),
    value("valueDecimal", &[Number], "a number", |v, _, _| {
        let number: serde_json::Number = v.comparable()?.parse().ok()?;
        Some(Json::Number(number))
    }),
    value(
        "valueDate",
        &[When],
        "a day, month or year",
        |v, _, _| match v {
            Value::When(w) => datatype::date(w).map(Json::String),
            _ => None,
        },
    ),
    value(
        "valueDateTime",
        &[When],
        "a time; without an offset the site's zone gives it",
        |v, _, cx| match v {
            Value::When(w) => datatype::date_time(w, cx.zone).map(|t| Json::String(t.text)),
            _ => None,
        },
    ),
    value(
        "valueCoding",
        &[Text, Concept],
        "one code",
        |v, system, cx| {
            let concept = concept_of(v, system)?;
            concept
                .codings
                .iter()
                .find_map(|c| datatype::coding(c, cx.systems))
        },
    ),
    value(
        "valueCodeableConcept",
        &[Text, Concept],
        "a code with its text",
        |v, system, cx| match (v, system) {
            (Value::Text(t), None) => Some(json!({"text": datatype::text(t)?})),
            _ => datatype::concept(&concept_of(v, system)?, cx.systems),
        },
    ),
    value(
        "valueIdentifier",
        &[Identifier],
        "an identifier with its authority",
        |v, _, cx| match v {
            Value::Identifier(id) => datatype::identifier(id, None, cx.systems),
            _ => None,
        },
    ),
    value(
        "valueAddress",
        &[Address],
        "a postal address",
        |v, _, _| match v {
            Value::Address(a) => datatype::address_of(a),
            _ => None,
        },
    ),
    value(
        "valueHumanName",
        &[Name, Person],
        "a name",
        |v, _, _| match v {
            Value::Name(n) => datatype::name(n, datatype::name_use(n.type_.as_deref())),
            Value::Person(p) => datatype::name(&p.name, None),
            _ => None,
        },
    ),
    value(
        "valueContactPoint",
        &[Telecom],
        "a phone number or address",
        |v, _, _| match v {
            Value::Telecom(t) => datatype::telecom(t),
            _ => None,
        },
    ),
    value(
        "valueReference",
        &[Thing, Person, Organization, Location],
        "a reference to a thing of the record",
        |v, _, cx| cx.refer(v).ok(),
    ),
];

fn text(value: &Value) -> Option<Json> {
    let readable = match value {
        Value::Concept(c) => c.display().map(str::to_owned),
        Value::Name(n) => datatype::display(n),
        Value::Person(p) => datatype::display(&p.name),
        Value::Location(l) => datatype::location(l),
        Value::Address(a) => {
            let town = [a.postal_code.as_deref(), a.city.as_deref()];
            let parts = a
                .lines
                .iter()
                .map(String::as_str)
                .chain(town.into_iter().flatten());
            Some(parts.collect::<Vec<_>>().join(", "))
        }
        other => other.comparable().map(str::to_owned),
    };
    datatype::text(&readable?)
}

/// A concept; a bare text is a code of `system`.
fn concept_of(value: &Value, system: Option<&str>) -> Option<RecordConcept> {
    match value {
        Value::Concept(c) => Some(c.clone()),
        Value::Text(code) => Some(RecordConcept {
            codings: vec![RecordCoding {
                code: code.clone(),
                system: system.map(str::to_owned),
                display: None,
            }],
            text: None,
        }),
        _ => None,
    }
}

/// Where something may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Extension,
    MetaTag,
    MetaSecurity,
    Identifier,
    Category,
    Note,
}

impl Container {
    /// Every container with its word under `[[add.x]]`.
    pub const WORDS: &[(&str, Self)] = &[
        ("extension", Self::Extension),
        ("meta_tag", Self::MetaTag),
        ("meta_security", Self::MetaSecurity),
        ("identifier", Self::Identifier),
        ("category", Self::Category),
        ("note", Self::Note),
    ];

    /// True if resources of a type (`Patient`) have it.
    pub fn stands_in(self, type_: &str) -> bool {
        match self {
            Self::Extension | Self::MetaTag | Self::MetaSecurity | Self::Identifier => true,
            Self::Category => matches!(type_, "ServiceRequest" | "DiagnosticReport"),
            Self::Note => matches!(type_, "ServiceRequest" | "ImagingStudy"),
        }
    }

    /// What `value` takes; an extension's value is named by its type.
    pub fn target(self) -> &'static Target {
        const CODE: Target = super::many("value", &[Concept], "a code with its system");
        const ID: Target = super::many("value", &[Identifier], "an identifier with its authority");
        const NOTE: Target = super::many("value", &[Text], "a text");
        match self {
            Self::MetaTag | Self::MetaSecurity | Self::Category => &CODE,
            Self::Identifier => &ID,
            Self::Note | Self::Extension => &NOTE,
        }
    }
}

/// One thing to add, with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    pub container: Container,
    /// Of an extension.
    pub url: String,
    /// Of an extension's value.
    pub type_: Option<&'static ValueType>,
    pub values: Vec<Value>,
    /// `file:line`.
    pub rule: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_value_has_the_name_of_its_fhir_type() {
        let names: Vec<&str> = VALUE_TYPES.iter().map(ValueType::fhir).collect();
        assert_eq!(
            names[..9],
            [
                "string", "code", "uri", "boolean", "integer", "decimal", "date", "dateTime",
                "Coding"
            ]
        );
        assert!(
            VALUE_TYPES
                .iter()
                .all(|t| t.target.name.starts_with("value"))
        );
        assert!(
            !VALUE_TYPES
                .iter()
                .any(|t| t.target.kinds.contains(&KindName::Document))
        );
    }
}
