//! Values in the stable words of cases: printed and read by the kind of their field.

use crate::domain::record::field;
use crate::domain::time::When;
use crate::domain::value::{Entry, Kind, Value};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// A value as JSON: texts, numbers and times as texts, the rest by their parts.
pub fn of_value(value: &Value) -> Json {
    let parts = |v: Result<Json, serde_json::Error>| v.unwrap_or(Json::Null);
    match value {
        Value::Text(t) | Value::Number(t) | Value::Uid(t) => Json::String(t.clone()),
        Value::Bool(b) => Json::Bool(*b),
        Value::When(when) => Json::String(of_when(when)),
        Value::Identifier(v) => parts(serde_json::to_value(v)),
        Value::Concept(v) => parts(serde_json::to_value(v)),
        Value::Name(v) => parts(serde_json::to_value(v)),
        Value::Person(v) => parts(serde_json::to_value(v)),
        Value::Organization(v) => parts(serde_json::to_value(v)),
        Value::Location(v) => parts(serde_json::to_value(v)),
        Value::Address(v) => parts(serde_json::to_value(v)),
        Value::Telecom(v) => parts(serde_json::to_value(v)),
        Value::Document(v) => parts(serde_json::to_value(v)),
        Value::Entry(entry) => {
            let said = entry.0.iter().map(|(name, values)| {
                let values: Vec<Json> = values.iter().map(of_value).collect();
                let is_one = values.len() == 1;
                let one = values.first().cloned().filter(|_| is_one);
                (name.clone(), one.unwrap_or(Json::Array(values)))
            });
            Json::Object(said.collect())
        }
        Value::Thing(v) => parts(serde_json::to_value(v)),
    }
}

/// The digits with the offset that was stated: `20260602080000+0200`.
fn of_when(when: &When) -> String {
    match when.offset {
        None => when.digits.clone(),
        Some(minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            format!(
                "{}{sign}{:02}{:02}",
                when.digits,
                minutes / 60,
                minutes % 60
            )
        }
    }
}

/// A value of a kind.
pub fn to_value(kind: Kind, json: &Json) -> Result<Value, String> {
    let wrong = || format!("{json} is no {}", kind.name());
    let text = || match json {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        _ => Err(wrong()),
    };
    Ok(match kind {
        Kind::Text(_) | Kind::Word(_) | Kind::Ae => Value::Text(text()?),
        Kind::Number => Value::Number(text()?),
        Kind::Uid => Value::Uid(text()?),
        Kind::Bool => Value::Bool(json.as_bool().ok_or_else(wrong)?),
        Kind::When => Value::When(When::parse(&text()?).map_err(|e| format!("{}: {e}", wrong()))?),
        Kind::Identifier(_) => Value::Identifier(read(json)?),
        Kind::Concept => Value::Concept(read(json)?),
        Kind::Name => Value::Name(read(json)?),
        Kind::Person => Value::Person(read(json)?),
        Kind::Organization => Value::Organization(read(json)?),
        Kind::Location => Value::Location(read(json)?),
        Kind::Address => Value::Address(read(json)?),
        Kind::Telecom => Value::Telecom(read(json)?),
        Kind::Document => Value::Document(read(json)?),
        Kind::Entry(section) => Value::Entry(entry(section, json)?),
        Kind::Thing => return Err(wrong()),
    })
}

/// A row of named values, each of the kind that its section of the catalogue says.
fn entry(section: &str, json: &Json) -> Result<Entry, String> {
    let Json::Object(parts) = json else {
        return Err(format!("{json} is no entry"));
    };
    let mut found = Entry::default();
    for (name, value) in parts {
        let def = field(section, name).ok_or_else(|| format!("{section} has no {name}"))?;
        let values = match value {
            Json::Array(values) => values.iter().map(|v| to_value(def.kind, v)).collect(),
            one => to_value(def.kind, one).map(|v| vec![v]),
        };
        found.0.insert(name.clone(), values?);
    }
    Ok(found)
}

fn read<T: DeserializeOwned>(json: &Json) -> Result<T, String> {
    T::deserialize(json).map_err(|e| e.to_string())
}

/// A JSON value on one line of TOML. JSON escapes are TOML escapes.
pub fn inline(json: &Json) -> String {
    match json {
        Json::Array(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        Json::Object(parts) => {
            let part =
                |(key, value): (&String, &Json)| format!("{} = {}", key_of(key), inline(value));
            let parts: Vec<String> = parts.iter().map(part).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key, in quotes where TOML wants them.
pub fn key_of(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match bare {
        true => key.to_owned(),
        false => Json::String(key.to_owned()).to_string(),
    }
}
