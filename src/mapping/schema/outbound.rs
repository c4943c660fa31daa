//! Schemas of outbound files and of profile packs.

use super::{Tree, blocks, common, condition, leaving, map, object, page, said, words};
use crate::fhir::profile::{BasedOn, Structure};
use crate::fhir::shape::add::{Container, VALUE_TYPES};
use crate::fhir::shape::{SHAPES, Section, Shape, Target};
use serde_json::{Map, Value as Json, json};

/// The file of a resource.
pub(super) fn resource(shape: &Shape) -> Json {
    let text = json!({ "type": "string" });
    let from = object(
        map([
            ("kind", json!({ "enum": [shape.from] })),
            ("when", condition()),
        ]),
        &[],
    );
    let name = json!({ "enum": [shape.resource] });
    let to = object(
        map([
            ("resource", name.clone()),
            ("shape", name),
            ("identity", text),
        ]),
        &[],
    );
    let mut keys = common(from, Some(to));
    keys.insert(
        "set".to_owned(),
        object(targets(shape.targets, &["when"]), &[]),
    );
    below(shape.sections, &mut keys);
    let fits = |c: &Container| c.stands_in(shape.type_name());
    keys.insert("add".to_owned(), additions(&fits));
    // Which packs there are, and what they open, is data.
    let own = json!({ "type": "object", "additionalProperties": { "$ref": "#/definitions/rule" } });
    keys.insert(
        "profile".to_owned(),
        json!({ "type": "object", "additionalProperties": own, "description": "targets that a profile pack opens, by its name" }),
    );
    let title = format!("Relais: the record becomes {}", shape.resource);
    leaving(page(&title, keys, &["format"]))
}

fn below(sections: &[Section], keys: &mut Map<String, Json>) {
    for section in sections {
        let mut own = targets(section.targets, &["when"]);
        own.insert("add".to_owned(), additions(&|c| *c == Container::Extension));
        keys.insert(section.name.to_owned(), blocks(object(own, &[])));
        below(section.sections, keys);
    }
}

fn targets(targets: &[Target], reserved: &[&str]) -> Map<String, Json> {
    let mut table = Tree::default();
    for target in targets {
        table.insert(target.name, said(target.doc));
    }
    let mut keys = table.properties();
    keys.extend(words(reserved));
    keys
}

/// `[[add.x]]`: an extension has one value, whose key names its type.
fn additions(fits: &dyn Fn(&Container) -> bool) -> Json {
    let guards = [
        ("when", condition()),
        ("profile", json!({ "type": "string" })),
    ];
    let mut containers = Map::new();
    for (word, container) in Container::WORDS.iter().filter(|(_, c)| fits(c)) {
        let mut keys = map(guards.clone());
        let block = match container {
            Container::Extension => {
                keys.insert("url".to_owned(), address());
                let types = VALUE_TYPES.iter().map(|t| &t.target);
                let values = types.clone().map(|t| (t.name.to_owned(), said(t.doc)));
                keys.extend(values);
                let mut block = object(keys, &["url"]);
                let one = types.map(|t| json!({ "required": [t.name] }));
                block["oneOf"] = one.collect();
                block
            }
            other => {
                keys.insert("value".to_owned(), said(other.target().doc));
                object(keys, &["value"])
            }
        };
        containers.insert((*word).to_owned(), blocks(block));
    }
    object(containers, &[])
}

fn address() -> Json {
    json!({ "type": "string", "pattern": "^(https?://|urn:)" })
}

/// A profile pack.
pub(super) fn pack() -> Json {
    let text = json!({ "type": "string" });
    let mut keys = map([
        ("format", json!({ "type": "integer", "enum": [1] })),
        ("source", text.clone()),
        ("licence", text),
    ]);
    for shape in SHAPES {
        keys.insert(shape.type_name().to_owned(), claims(shape));
    }
    page(
        "Relais: what a profile asks for",
        keys,
        &["format", "source", "licence"],
    )
}

fn claims(shape: &Shape) -> Json {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let code = object(
        map(["system", "code", "display"].map(|k| (k, text.clone()))),
        &["system", "code"],
    );
    let claim = object(
        map([
            ("url", address()),
            ("when", condition()),
            ("required", texts.clone()),
        ]),
        &["url"],
    );
    let uses = ["usual", "official", "temp", "secondary", "old"];
    let identifier = object(
        map([("use", json!({ "enum": uses })), ("type", code.clone())]),
        &[],
    );
    let by_name = |inner: Json| json!({ "type": "object", "additionalProperties": inner });
    let mut keys = map([
        (
            "profile",
            json!({ "type": "array", "items": claim, "minItems": 1 }),
        ),
        ("required", texts.clone()),
        ("codes", by_name(texts)),
        ("fixed", by_name(blocks(code.clone()))),
        ("identifier", by_name(identifier)),
        ("identity", code),
        ("target", by_name(own_target())),
    ]);
    if shape.target("basedOn").is_some() {
        let forms: Vec<&str> = BasedOn::WORDS.iter().map(|(w, _)| *w).collect();
        keys.insert("based_on".to_owned(), json!({ "enum": forms }));
    }
    object(keys, &["profile"])
}

fn own_target() -> Json {
    let text = json!({ "type": "string" });
    let structures: Vec<&str> = Structure::WORDS.iter().map(|(w, ..)| *w).collect();
    let mut keys = map([
        ("structure", json!({ "enum": structures })),
        ("url", address()),
        ("system", text.clone()),
        ("codes", json!({ "type": "array", "items": text })),
    ]);
    for (_, _, needed) in Structure::WORDS {
        keys.extend(needed.iter().map(|k| ((*k).to_owned(), text.clone())));
    }
    let types: Vec<&str> = VALUE_TYPES.iter().map(|t| t.fhir()).collect();
    keys.insert("type".to_owned(), json!({ "enum": types }));
    object(keys, &["structure", "url"])
}
