//! The words that JSON Schemas (2020-12) are written in; `answers` says with them what each route answers.

use super::params::{In, Param};
use serde_json::{Map, Value, json};

/// A text.
pub fn text() -> Value {
    json!({ "type": "string" })
}

/// A text or null.
pub fn maybe_text() -> Value {
    json!({ "type": ["string", "null"] })
}

/// An id: 63 bits are too many for a JSON number in a browser, so ids are decimal texts.
pub fn id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]+$" })
}

/// An id or null.
pub fn maybe_id() -> Value {
    json!({ "type": ["string", "null"], "pattern": "^[0-9]+$" })
}

/// A whole number.
pub fn int() -> Value {
    json!({ "type": "integer" })
}

/// A yes or no.
pub fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A moment in UTC, RFC 3339.
pub fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A moment or null.
pub fn maybe_moment() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

/// Anything.
pub fn any() -> Value {
    json!({})
}

/// One of these words.
pub fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// A list.
pub fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// An object with exactly these properties.
pub fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

/// A page of a list.
pub fn page(items: Value) -> Value {
    object(&[
        ("items", list(items)),
        (
            "next",
            json!({ "type": ["string", "null"], "description": "the next page, with the same filters; null = this is the last" }),
        ),
    ])
}

/// An object whose properties are named by the data and all look alike.
pub fn map_of(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

/// The OpenAPI form of a parameter.
pub fn parameter(param: &Param) -> Value {
    json!({
        "name": param.name,
        "in": match param.place { In::Path => "path", In::Query => "query" },
        "required": param.required,
        "description": format!("{} Allowed: {}.", param.doc, param.allowed()),
        "schema": param.schema(),
    })
}
