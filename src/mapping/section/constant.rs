//! `[const]`: codes, identifiers, texts and endpoints by name, read once and checked where they stand.

use crate::domain::value::{Coding, Concept, Identifier, Issuer, Value};
use crate::mapping::model::Library;
use crate::mapping::parser::Problem;
use crate::toml_file::Table;

/// Keys of an entry.
pub const CONSTANT: [&str; 7] = [
    "code",
    "system",
    "display",
    "text",
    "identifier",
    "issuer",
    "endpoint",
];

/// An entry: `{ code, system, display }`, `{ identifier, issuer }`, `{ text }`, or `{ endpoint }`, a row of the table `endpoints`.
///
/// # Errors
/// It says none of these, or the endpoint is no row.
pub fn constant(entry: &Table<'_>, library: &Library) -> Result<Value, Problem> {
    let text = |key: &str| entry.text(key).map(|t| t.value.to_owned());
    entry.finish(&CONSTANT);
    if let Some(code) = text("code") {
        let coding = Coding {
            code,
            system: text("system"),
            display: text("display"),
        };
        return Ok(Value::Concept(Concept {
            codings: vec![coding],
            text: text("text"),
        }));
    }
    if let Some(value) = text("identifier") {
        let issuer = text("issuer").map(issuer_of);
        return Ok(Value::Identifier(Identifier {
            value,
            issuer,
            type_: None,
        }));
    }
    if let Some(name) = entry.text("endpoint") {
        let table = library.tables.get("endpoints");
        let row = table.and_then(|t| t.find(&[Some(name.value)]));
        let reference = row.and_then(|r| r.cells.first());
        let unknown = || {
            let message = format!("there is no endpoint `{}`", name.value);
            Problem::new("M090", name.span.clone(), message).hint(
                "add a row to tables/endpoints.csv: its name and the reference of the Endpoint",
            )
        };
        let reference = reference.filter(|r| !r.is_empty()).ok_or_else(unknown)?;
        return Ok(Value::Text(reference.clone()));
    }
    text("text").map(Value::Text).ok_or_else(|| {
        Problem::new("M090", entry.span(), "this is no constant")
            .hint("{ code, system, display }, { identifier, issuer }, { text } or { endpoint }")
    })
}

/// An issuer of one text: an OID, else a local name.
pub fn issuer_of(text: String) -> Issuer {
    let is_oid = text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match is_oid {
        true => Issuer {
            namespace: None,
            universal_id: Some(text),
            scheme: Some("ISO".to_owned()),
        },
        false => Issuer {
            namespace: Some(text),
            universal_id: None,
            scheme: None,
        },
    }
}
