//! What each route answers, as JSON Schemas. Tests hold every answer against its schema; no property goes undeclared.

use super::schema::{
    any, flag, id, int, list, map_of, maybe_id, maybe_moment, maybe_text, moment, object, text,
    words,
};
use serde_json::{Value, json};

/// The age of a statement.
fn as_of() -> Value {
    object(&[("at", maybe_moment()), ("role", text()), ("message", id())])
}

/// A field of the record with the origins of its values.
fn field() -> Value {
    let origin = object(&[
        ("message", id()),
        ("path", text()),
        ("rule", text()),
        (
            "span",
            json!({ "type": ["array", "null"], "items": { "type": "integer" } }),
        ),
        ("via", list(text())),
    ]);
    object(&[
        ("values", list(any())),
        ("as_of", as_of()),
        ("origins", list(origin)),
    ])
}

/// The fields of a section by name.
pub fn fields() -> Value {
    map_of(field())
}

fn key() -> Value {
    object(&[("kind", text()), ("issuer", text()), ("value", text())])
}

fn patient_head() -> Value {
    object(&[
        ("id", id()),
        ("name", maybe_text()),
        ("identifier", maybe_text()),
    ])
}

fn lacking() -> Value {
    object(&[("what", text()), ("step", maybe_id()), ("hides", flag())])
}

/// An exam in a list.
pub fn exam_item() -> Value {
    let step = object(&[
        ("id", id()),
        ("sps_id", text()),
        ("status", text()),
        ("held", flag()),
        ("modality", maybe_text()),
        ("stations", list(text())),
        ("start", maybe_text()),
    ]);
    object(&[
        ("id", id()),
        ("version", int()),
        ("status", text()),
        ("start", maybe_text()),
        ("accession", maybe_text()),
        ("procedure", maybe_text()),
        ("study_uid", maybe_text()),
        ("patient", patient_head()),
        ("steps", list(step)),
        ("incomplete", list(lacking())),
    ])
}

/// An exam whole.
pub fn exam() -> Value {
    let step = object(&[
        ("id", id()),
        ("sps_id", text()),
        ("status", text()),
        ("status_as_of", as_of()),
        ("held", flag()),
        ("fields", fields()),
    ]);
    let performed = object(&[
        ("id", id()),
        ("step", id()),
        ("status", text()),
        ("has_images", flag()),
    ]);
    object(&[
        ("id", id()),
        ("version", int()),
        ("status", text()),
        ("patient", patient_head()),
        ("order", fields()),
        ("procedure", fields()),
        ("visit", fields()),
        ("schedule", fields()),
        ("extra", fields()),
        ("steps", list(step)),
        ("performed", list(performed)),
        ("reports", list(id())),
        ("keys", list(key())),
        ("incomplete", list(lacking())),
        ("events", list(event_whole())),
    ])
}

/// A patient in a list.
pub fn patient_item() -> Value {
    object(&[
        ("id", id()),
        ("version", int()),
        ("name", maybe_text()),
        ("identifier", maybe_text()),
        ("merged_into", maybe_id()),
    ])
}

/// A patient whole.
pub fn patient() -> Value {
    object(&[
        ("id", id()),
        ("merged_into", maybe_id()),
        ("fields", fields()),
        ("visit", fields()),
        ("keys", list(key())),
        ("aliases", list(key())),
        ("exams", list(id())),
    ])
}

/// A performed step in a list.
pub fn performed_item() -> Value {
    let link = object(&[("exam", id()), ("step", id()), ("how", text())]);
    object(&[
        ("id", id()),
        ("version", int()),
        ("uid", text()),
        ("status", text()),
        ("ae", text()),
        ("started", maybe_text()),
        ("patient", maybe_id()),
        ("study_uid", maybe_text()),
        ("mismatch", flag()),
        ("links", list(link)),
    ])
}

/// A performed step whole.
pub fn performed() -> Value {
    let link = object(&[("exam", id()), ("step", id()), ("how", text())]);
    let series = object(&[("fields", fields()), ("instances", int())]);
    object(&[
        ("id", id()),
        ("uid", text()),
        ("status", text()),
        ("ae", text()),
        ("patient", maybe_id()),
        ("study_uid", maybe_text()),
        ("mismatch", flag()),
        ("links", list(link)),
        ("fields", fields()),
        ("scheduled", list(fields())),
        ("series", list(series)),
    ])
}

fn message_properties() -> Vec<(&'static str, Value)> {
    vec![
        ("id", id()),
        ("at", moment()),
        ("direction", words(&["in", "out"])),
        ("port", text()),
        ("link", text()),
        ("peer", text()),
        ("kind", text()),
        ("control_id", text()),
        ("charset", text()),
        ("mapping_revision", text()),
        ("outcome", text()),
        ("reason", maybe_text()),
        ("detail", maybe_text()),
        ("cause", maybe_id()),
        ("body_erased_at", maybe_moment()),
    ]
}

/// A message in a list.
pub fn message_item() -> Value {
    object(&message_properties())
}

/// A message whole.
pub fn message() -> Value {
    let part = object(&[("path", text()), ("text", text())]);
    let segment = object(&[
        ("segment", text()),
        ("occurrence", int()),
        ("fields", list(part)),
    ]);
    let mut properties = message_properties();
    properties.extend([
        ("bytes", json!({ "type": ["integer", "null"] })),
        ("ack", maybe_text()),
        (
            "segments",
            json!({ "type": ["array", "null"], "items": segment }),
        ),
        ("data_set", json!({ "type": ["object", "null"] })),
        ("json", any()),
        ("unreadable", maybe_text()),
        ("events", list(event_whole())),
    ]);
    object(&properties)
}

fn subject() -> Value {
    object(&[
        ("kind", words(&["patient", "exam", "performed", "report"])),
        ("id", id()),
    ])
}

fn event_properties() -> Vec<(&'static str, Value)> {
    vec![
        ("id", id()),
        ("event", text()),
        ("subject", subject()),
        ("exam", maybe_id()),
        ("message", id()),
        ("at", moment()),
        ("effective", maybe_moment()),
    ]
}

/// An event of the stream: ids, no values of patients.
pub fn event() -> Value {
    object(&event_properties())
}

/// An event with what changed.
fn event_whole() -> Value {
    let mut properties = event_properties();
    properties.push(("payload", json!({ "type": "object" })));
    object(&properties)
}

/// The gates between the steps of a number and a scanner's list.
pub fn why_not() -> Value {
    let gate = object(&[
        ("gate", text()),
        ("open", flag()),
        ("why", text()),
        ("cure", maybe_text()),
    ]);
    let step = object(&[
        ("exam", id()),
        ("patient", id()),
        ("step", id()),
        ("sps_id", text()),
        ("shown", flag()),
        ("gates", list(gate)),
    ]);
    object(&[("calling", text()), ("file", text()), ("steps", list(step))])
}

/// What a station sees.
pub fn worklist() -> Value {
    let item = object(&[
        ("exam", id()),
        ("patient", id()),
        ("step", id()),
        (
            "attributes",
            json!({ "type": "object", "description": "the item by DICOM keyword" }),
        ),
    ]);
    object(&[
        ("station", text()),
        ("items", list(item)),
        ("truncated", maybe_text()),
    ])
}

/// A worklist query.
pub fn query() -> Value {
    object(&[
        ("id", id()),
        ("device", text()),
        ("keys", text()),
        ("steps", list(id())),
        ("items", int()),
        ("microseconds", int()),
        ("first_at", moment()),
        ("last_at", moment()),
        ("count", int()),
    ])
}

fn outbox_properties() -> Vec<(&'static str, Value)> {
    vec![
        ("id", id()),
        ("target", text()),
        ("subject", text()),
        ("seq", id()),
        ("wanted", int()),
        ("done", int()),
        ("state", text()),
        ("due", moment()),
        ("attempts", int()),
        ("reason", maybe_text()),
        ("detail", maybe_text()),
    ]
}

/// A publication in a list.
pub fn outbox_item() -> Value {
    object(&outbox_properties())
}

/// A publication with its attempts.
pub fn outbox() -> Value {
    let attempt = object(&[
        ("id", id()),
        ("at", moment()),
        ("milliseconds", int()),
        ("outcome", text()),
        ("status", text()),
        ("message", maybe_id()),
        ("mapping_revision", maybe_text()),
    ]);
    let mut properties = outbox_properties();
    properties.push(("tried", list(attempt)));
    object(&properties)
}

/// A row of the audit trail.
pub fn audit() -> Value {
    object(&[
        ("id", id()),
        ("at", moment()),
        ("who", text()),
        ("role", text()),
        ("peer", text()),
        ("action", text()),
        ("subject", text()),
        ("ids", list(id())),
        ("filter", text()),
        ("outcome", words(&["allowed", "denied", "refused", "asked"])),
        ("reason", maybe_text()),
        ("count", int()),
    ])
}
