//! `in.toml`: the record as an outbound or worklist rule sees it, section by section, checked against the names of the scope.

use super::form;
use crate::domain::ids::{ExamId, PatientId, ReportId};
use crate::domain::node::Node;
use crate::domain::record::field;
use crate::domain::value::{Kind, Thing, Value};
use crate::mapping::scope::Name;
use serde_json::Value as Json;

/// The tree of a text; every name must be one of the scope.
pub fn tree(roots: &'static [(&'static str, Name)], text: &str) -> Result<Node<'static>, String> {
    let json: Json = toml::from_str(text).map_err(|e| format!("in.toml: {e}"))?;
    parts(None, roots, &json, "in.toml")
}

/// Things are told apart by their order of appearance; a case never compares their numbers.
fn thing(path: &str) -> Thing {
    match path.rsplit('.').next().unwrap_or(path) {
        "exam" | "exams" => Thing::Exam(ExamId(1)),
        "study" | "studies" => Thing::Study(1),
        "report" => Thing::Report(ReportId(1)),
        "visit" => Thing::Visit(ExamId(1)),
        _ => Thing::Patient(PatientId(1)),
    }
}

fn node(name: &'static Name, json: &Json, path: &str) -> Result<Node<'static>, String> {
    match name {
        Name::Section(section) => fields(None, section, &[], json, path),
        Name::With(section, is_thing, more) => {
            fields(is_thing.then(|| thing(path)), section, more, json, path)
        }
        Name::Value(kind, _) => values(*kind, json, path),
        Name::Parts(is_thing, names) => parts(is_thing.then(|| thing(path)), names, json, path),
        Name::List(item) => {
            let Json::Array(items) = json else {
                return Err(format!("{path} is a list: [[{path}]]"));
            };
            let items: Result<_, _> = items.iter().map(|i| node(item, i, path)).collect();
            Ok(Node::List(items?))
        }
    }
}

fn parts(
    thing: Option<Thing>,
    names: &'static [(&'static str, Name)],
    json: &Json,
    path: &str,
) -> Result<Node<'static>, String> {
    let Json::Object(entries) = json else {
        return Err(format!("{path} is a table"));
    };
    let mut children = Vec::new();
    for (key, value) in entries {
        let Some((name, inner)) = names.iter().find(|(n, _)| n == key) else {
            let known: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
            return Err(format!("{path} has no {key}; known: {}", known.join(", ")));
        };
        children.push((*name, node(inner, value, &format!("{path}.{key}"))?));
    }
    Ok(Node::Object { thing, children })
}

fn fields(
    thing: Option<Thing>,
    section: &str,
    more: &'static [(&'static str, Name)],
    json: &Json,
    path: &str,
) -> Result<Node<'static>, String> {
    let Json::Object(entries) = json else {
        return Err(format!("{path} is a table"));
    };
    let mut children = Vec::new();
    for (key, value) in entries {
        if let Some((name, inner)) = more.iter().find(|(n, _)| n == key) {
            children.push((*name, node(inner, value, &format!("{path}.{key}"))?));
        } else if let Some(def) = field(section, key) {
            children.push((def.name, values(def.kind, value, &format!("{path}.{key}"))?));
        } else if let Json::Object(inner) = value {
            for (part, value) in inner {
                let name = format!("{key}.{part}");
                let def = field(section, &name).ok_or_else(|| format!("{path} has no {name}"))?;
                children.push((
                    def.name,
                    values(def.kind, value, &format!("{path}.{name}"))?,
                ));
            }
        } else {
            return Err(format!("{path} has no {key}"));
        }
    }
    Ok(Node::Object { thing, children })
}

fn values(kind: Kind, json: &Json, path: &str) -> Result<Node<'static>, String> {
    let one = |json: &Json| form::to_value(kind, json).map_err(|e| format!("{path}: {e}"));
    let values: Result<Vec<Value>, String> = match json {
        Json::Array(values) => values.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    };
    Ok(Node::Values(values?))
}
