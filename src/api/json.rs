//! The record as JSON: ids as decimal texts, times in UTC, every value with the origins that it is known by.

use crate::dicom::dataset::{Content, DataSet};
use crate::domain::event::{Event, Subject};
use crate::domain::exam::Missing;
use crate::domain::fields::{Field, Fields, Origin};
use crate::domain::ids::Key;
use crate::domain::patient::Patient;
use crate::domain::time::{AsOf, Instant};
use crate::domain::value::{Name, Value as RecordValue};
use serde_json::{Map, Value, json};

/// An id.
pub fn id(id: i64) -> Value {
    Value::from(id.to_string())
}

/// An id or null.
pub fn maybe_id(value: Option<i64>) -> Value {
    value.map_or(Value::Null, id)
}

/// A moment; null for "older than everything".
pub fn moment(at: Instant) -> Value {
    if at == Instant(i64::MIN) {
        Value::Null
    } else {
        Value::from(at.rfc3339())
    }
}

/// The fields of a section, cleared ones (without values) included.
pub fn fields(fields: &Fields) -> Value {
    let named = fields
        .0
        .iter()
        .map(|(name, f)| (name.clone().into_owned(), field(f)));
    Value::Object(named.collect())
}

fn field(field: &Field) -> Value {
    json!({
        "values": field.values.iter().map(value).collect::<Vec<_>>(),
        "as_of": as_of(field.as_of),
        "origins": field.origins.iter().map(origin).collect::<Vec<_>>(),
    })
}

/// The age of a statement.
pub fn as_of(age: AsOf) -> Value {
    json!({
        "at": moment(age.at),
        "role": serde_json::to_value(age.role).unwrap_or_default(),
        "message": id(age.journal.0),
    })
}

fn origin(origin: &Origin) -> Value {
    let span = (origin.span != (0, 0)).then_some(origin.span);
    json!({
        "message": id(origin.journal.0),
        "path": origin.path,
        "rule": origin.rule,
        "span": span,
        "via": origin.via,
    })
}

/// A value without the tag of its stored form.
fn value(shown: &RecordValue) -> Value {
    if let RecordValue::Entry(entry) = shown {
        let parts = entry.0.iter().map(|(name, values)| {
            let values = values.iter().map(value).collect::<Vec<_>>();
            (name.clone(), Value::from(values))
        });
        return Value::Object(parts.collect());
    }
    match serde_json::to_value(shown) {
        Ok(Value::Object(tagged)) => tagged.into_iter().next().map_or(Value::Null, |(_, v)| v),
        _ => Value::Null,
    }
}

/// Keys of a document.
pub fn keys(keys: &[Key]) -> Value {
    keys.iter()
        .map(|k| json!({ "kind": k.kind.word(), "issuer": k.issuer, "value": k.value }))
        .collect()
}

/// What lists say of a patient.
pub fn patient_head(patient: &Patient) -> Value {
    json!({
        "id": id(patient.id.0),
        "name": patient_name(patient),
        "identifier": patient.fields.text("id"),
    })
}

/// Family and given names, for people.
pub fn patient_name(patient: &Patient) -> Option<String> {
    match patient.fields.first("name") {
        Some(RecordValue::Name(name)) => Some(shown(name)),
        _ => None,
    }
}

fn shown(name: &Name) -> String {
    let family = name.family.iter().map(String::as_str);
    let given = name.given.iter().map(String::as_str);
    family.chain(given).collect::<Vec<_>>().join(" ")
}

/// What keeps an exam from being complete.
pub fn missing(missing: &[Missing]) -> Value {
    missing
        .iter()
        .map(|m| json!({ "what": m.word(), "step": maybe_id(m.step().map(|s| s.0)), "hides": m.hides() }))
        .collect()
}

fn subject(subject: Subject) -> Value {
    json!({ "kind": subject.kind(), "id": id(subject.id()) })
}

/// An event without its payload: ids and names of things that happened, no values of patients.
pub fn event(event: &Event) -> Value {
    json!({
        "id": id(event.id.0),
        "event": event.name(),
        "subject": subject(event.subject),
        "exam": maybe_id(event.exam.map(|e| e.0)),
        "message": id(event.journal.0),
        "at": moment(event.at),
        "effective": moment(event.effective),
    })
}

/// An event with what it changed.
pub fn event_whole(whole: &Event) -> Value {
    let mut shown = event(whole);
    shown["payload"] = ids_as_text(serde_json::to_value(&whole.what).unwrap_or_default());
    shown
}

/// Numbers that a browser would round become texts.
fn ids_as_text(value: Value) -> Value {
    const SAFE: i64 = 1 << 53;
    match value {
        Value::Number(n) if n.as_i64().is_some_and(|n| !(-SAFE..=SAFE).contains(&n)) => {
            Value::from(n.to_string())
        }
        Value::Array(items) => items.into_iter().map(ids_as_text).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, ids_as_text(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

/// A data set by keyword: texts as lists of values, sequences as lists of items, binary values as their length.
pub fn data_set(data: &DataSet) -> Value {
    let members = data.iter().map(|element| {
        let content = match &element.content {
            Content::Text(values) => values.iter().map(String::as_str).collect::<Value>(),
            Content::Sequence(items) => items.iter().map(data_set).collect(),
            Content::Bytes(bytes) => match element.numbers().as_slice() {
                [] => json!({ "bytes": bytes.len() }),
                numbers => numbers.iter().map(String::as_str).collect(),
            },
        };
        (element.name(), content)
    });
    Value::Object(members.collect())
}
