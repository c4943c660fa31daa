//! `cda(what)`: from the header of an encapsulated CDA document. The closed list of what can be asked for is [`WHAT`].

use crate::domain::keys::is_national;
use crate::domain::value::{Identifier, Issuer, Kind, Value};
use crate::hl7::cda::{self, Header, InstanceId};
use crate::mapping::ast::Call;
use crate::mapping::eval::{Datum, Eval, Item};
use crate::mapping::typing;

/// What can be asked for.
pub const WHAT: &[&str] = &[
    "patient",
    "accession",
    "study_uid",
    "id",
    "set_id",
    "version",
    "replaces",
];

/// The values of every document among the piped items; what is no CDA is left out with a warning.
pub(super) fn cda<'m>(call: &Call, piped: Vec<Item<'m>>, ev: &Eval<'_, 'm>) -> Vec<Item<'m>> {
    let what = call.text_arg(0).unwrap_or("");
    let mut found = Vec::new();
    for item in piped {
        if !item.says() {
            if matches!(item.datum, Datum::Null) {
                found.push(item);
            }
            continue;
        }
        match read(&item) {
            Ok(header) => {
                let values = values(header, what).into_iter();
                found.extend(values.map(|value| {
                    let mut item = item.clone().with(value);
                    item.via.push(format!("cda {what}"));
                    item
                }));
            }
            Err(why) => ev.warn(format!("`cda` left the document out: {why}"), item.place()),
        }
    }
    found
}

fn read(item: &Item<'_>) -> Result<Header, String> {
    let document = match typing::value(item, Kind::Document) {
        Ok(Some(Value::Document(document))) => document,
        Ok(_) => return Err("nothing is in it".to_owned()),
        Err(bad) => return Err(format!("{}; allowed: {}", bad.found, bad.allowed)),
    };
    let bytes = document.bytes.as_deref().unwrap_or_default();
    cda::header(bytes).map_err(|e| e.to_string())
}

fn values(header: Header, what: &str) -> Vec<Value> {
    let ids = |list: Vec<InstanceId>| list.into_iter().map(identifier).collect();
    match what {
        "patient" => ids(header.patient),
        "accession" => ids(header.accession),
        "id" => ids(header.id.into_iter().collect()),
        "set_id" => ids(header.set_id.into_iter().collect()),
        "replaces" => ids(header.replaces),
        "study_uid" => {
            let uids = header.study_uid.into_iter();
            uids.map(|id| Value::Text(id.root)).collect()
        }
        "version" => header.version.map(Value::Number).into_iter().collect(),
        _ => vec![],
    }
}

/// The extension under its root; a root alone is the identifier itself.
fn identifier(id: InstanceId) -> Value {
    let (value, root) = match id.extension {
        Some(extension) => (extension, Some(id.root)),
        None => (id.root, None),
    };
    let mut id = Identifier {
        value,
        issuer: root.map(|root| Issuer {
            universal_id: Some(root),
            scheme: Some("ISO".to_owned()),
            namespace: None,
        }),
        type_: None,
    };
    // A CDA knows no types: the national identifier is told by its root, so that `type("")` keeps the local ones.
    if is_national(&id) {
        id.type_ = Some("INS".to_owned());
    }
    Value::Identifier(id)
}
