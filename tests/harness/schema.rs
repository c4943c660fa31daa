//! Just enough JSON Schema to hold answers against: type, properties, required, additionalProperties, items, enum, pattern of ids.

use serde_json::Value;

/// Where and how a value violates a schema; empty = it is as described.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = vec![];
    check(schema, value, "$", &mut found);
    found
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else {
        found.push(format!("{at}: the schema is no object"));
        return;
    };
    for keyword in schema.keys() {
        let known = [
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "pattern",
            "format",
            "description",
        ];
        if !known.contains(&keyword.as_str()) {
            found.push(format!("{at}: `{keyword}` is not checked here"));
        }
    }
    if let Some(types) = schema.get("type") {
        let names: Vec<&str> = match types {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            name => name.as_str().into_iter().collect(),
        };
        if !names.iter().any(|name| is(name, value)) {
            found.push(format!("{at}: not {names:?}: {value}"));
            return;
        }
    }
    if let (Some(allowed), false) = (schema.get("enum"), value.is_null())
        && !allowed.as_array().is_some_and(|a| a.contains(value))
    {
        found.push(format!("{at}: not one of {allowed}: {value}"));
    }
    if let (Some(_), Some(text)) = (schema.get("pattern"), value.as_str())
        && (text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()))
    {
        found.push(format!("{at}: no id: {text}"));
    }
    if schema.get("format").and_then(Value::as_str) == Some("date-time")
        && let Some(text) = value.as_str()
        && !(text.len() > 19 && text.ends_with('Z') && text.as_bytes()[10] == b'T')
    {
        found.push(format!("{at}: no moment: {text}"));
    }
    members(schema, value, at, found);
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (n, item) in list.iter().enumerate() {
            check(items, item, &format!("{at}[{n}]"), found);
        }
    }
}

fn members(
    schema: &serde_json::Map<String, Value>,
    value: &Value,
    at: &str,
    found: &mut Vec<String>,
) {
    let Some(object) = value.as_object() else {
        return;
    };
    let declared = schema.get("properties").and_then(Value::as_object);
    for name in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !object.contains_key(name.as_str().unwrap_or_default()) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in object {
        let at = format!("{at}.{name}");
        match declared.and_then(|d| d.get(name)) {
            Some(schema) => check(schema, member, &at, found),
            None => match schema.get("additionalProperties") {
                Some(Value::Bool(false)) => found.push(format!("{at}: not described")),
                Some(schema @ Value::Object(_)) => check(schema, member, &at, found),
                _ => {}
            },
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}
