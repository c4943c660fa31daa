//! JSON schemas of the files that people write, printed from the declarations that the checks use: editors complete and check with them.
//!
//! A schema knows names and shapes. What stands inside a rule, and whether a table or a base exists, is said by `relais mapping check`.

mod outbound;

use super::ast::Group;
use super::definitions::worklist;
use super::device::OPEN;
use super::section::{self, RESERVED};
use crate::dicom::charset::Charset;
use crate::domain::record::{LISTS, SECTIONS, STEP_STATUS, fields_of};
use crate::fhir::shape;
use serde_json::{Map, Value as Json, json};

/// Every schema, by the name of its file.
pub fn schemas() -> Vec<(String, Json)> {
    let mut all = vec![
        ("inbound.json".to_owned(), inbound()),
        ("worklist.json".to_owned(), worklist_item()),
        ("segment.json".to_owned(), segment()),
        ("profile.json".to_owned(), outbound::pack()),
    ];
    for shape in shape::SHAPES {
        let name = shape.resource.to_lowercase().replace('.', "-");
        all.push((format!("{name}.json"), outbound::resource(shape)));
    }
    all
}

/// A table in which only these keys may stand.
pub fn object(properties: Map<String, Json>, required: &[&str]) -> Json {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

fn page(title: &str, properties: Map<String, Json>, required: &[&str]) -> Json {
    let mut page = object(properties, required);
    page["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    page["title"] = json!(title);
    page["definitions"] = json!({
        "rule": {
            "description": "a rule in single quotes, or a list of them",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        },
        "condition": {
            "description": "a condition in single quotes, or true or false",
            "type": ["string", "boolean"]
        },
        "constant": {
            "anyOf": [
                { "type": "string" },
                object(
                    map(section::CONSTANT.map(|k| (k, json!({ "type": "string" })))),
                    &[]
                )
            ]
        }
    });
    page
}

/// In files of what leaves a rule may also be a truth value or a whole number as TOML writes them.
fn leaving(mut page: Json) -> Json {
    let one = json!({ "type": ["string", "boolean", "integer"] });
    let several = json!({ "type": "array", "items": one, "minItems": 1 });
    page["definitions"]["rule"]["anyOf"] = json!([one, several]);
    page
}

/// A condition.
fn condition() -> Json {
    json!({ "$ref": "#/definitions/condition" })
}

fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Json)>) -> Map<String, Json> {
    let entries = entries.into_iter();
    entries.map(|(k, v)| (k.to_owned(), v)).collect()
}

fn said(doc: &str) -> Json {
    json!({ "description": doc, "allOf": [{ "$ref": "#/definitions/rule" }] })
}

/// Keys that every mapping file may have.
fn common(from: Json, to: Option<Json>) -> Map<String, Json> {
    let mut keys = map([
        ("format", json!({ "type": "integer", "enum": [1] })),
        (
            "base",
            json!({ "type": "string", "description": "the file whose lines hold where this one says nothing, without .toml" }),
        ),
        ("from", from),
        (
            "const",
            json!({ "type": "object", "additionalProperties": { "$ref": "#/definitions/constant" } }),
        ),
    ]);
    keys.extend(to.map(|to| ("to".to_owned(), to)));
    keys
}

fn inbound() -> Json {
    let groups = [
        Group::Message,
        Group::Order,
        Group::Patient,
        Group::Resource,
        Group::Specimen,
    ]
    .map(Group::word);
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let from = object(
        map([
            ("kind", json!({ "enum": ["hl7v2", "dicom.mpps"] })),
            ("messages", texts),
            (
                "each",
                json!({ "anyOf": [
                    { "enum": groups },
                    { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 2 }
                ] }),
            ),
            ("when", condition()),
            ("ignore", condition()),
        ]),
        &[],
    );
    let mut keys = common(from, None);
    for section in SECTIONS {
        keys.insert((*section).to_owned(), blocks(table_of(section, &[])));
    }
    for list in LISTS {
        keys.insert(
            list.section.to_owned(),
            blocks(table_of(list.section, RESERVED)),
        );
    }
    page(
        "Relais: what is received becomes the record",
        keys,
        &["format"],
    )
}

/// One `[x]` or several `[[x]]`.
fn blocks(table: Json) -> Json {
    json!({ "anyOf": [table, { "type": "array", "items": table }] })
}

/// The fields of a section, its reserved words, and the lists that may stand inside it.
fn table_of(section: &str, reserved: &[&str]) -> Json {
    let mut table = Tree::default();
    for field in fields_of(section) {
        table.insert(field.name, said(field.doc));
    }
    let mut keys = table.properties();
    keys.extend(words(reserved));
    keys.entry("when").or_insert(condition());
    for list in LISTS.iter().filter(|l| l.parent == section) {
        keys.insert(
            list.section.to_owned(),
            blocks(table_of(list.section, RESERVED)),
        );
    }
    let mut table = object(keys, &[]);
    if section == "extra" {
        table["additionalProperties"] = json!({ "$ref": "#/definitions/rule" });
    }
    table
}

fn words(reserved: &[&str]) -> Map<String, Json> {
    let word = |key: &&str| {
        let allowed = match *key {
            "if_none" => json!({ "enum": ["skip", "once", "refuse"] }),
            "when" => condition(),
            _ => json!({ "type": "string" }),
        };
        ((*key).to_owned(), allowed)
    };
    reserved.iter().map(word).collect()
}

fn worklist_item() -> Json {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let matching = [("calling_ae", texts.clone()), ("address", texts)];
    let from = object(
        map([("kind", text), ("match", object(map(matching), &[]))]),
        &[],
    );
    let to = object(map([("kind", json!({ "enum": ["dicom.mwl"] }))]), &[]);
    let mut keys = common(from, Some(to));
    let mut table = Tree::default();
    for (path, _) in worklist() {
        table.insert(path, json!({ "$ref": "#/definitions/rule" }));
    }
    let mut set = object(table.properties(), &[]);
    open(&mut set);
    keys.insert("set".to_owned(), set);
    keys.extend(device());
    leaving(page(
        "Relais: a scheduled step becomes a worklist item",
        keys,
        &["format"],
    ))
}

/// What a file says of its device: `[speaks]`, `[limits]`, `[shows]`.
fn device() -> Map<String, Json> {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let days = json!({ "type": "integer", "minimum": 0 });
    let days = [("back", days.clone()), ("ahead", days)];
    let open: Vec<String> = STEP_STATUS[..OPEN]
        .iter()
        .map(|s| s.to_uppercase())
        .collect();
    let charsets: Vec<&str> = Charset::terms().collect();
    let limit = json!({ "type": "integer", "minimum": 1 });
    let speaks = [
        ("charset", json!({ "anyOf": [{ "enum": charsets }, text] })),
        (
            "unencodable",
            json!({ "enum": ["transliterate", "withhold"] }),
        ),
    ];
    let shows = [
        ("stations", texts),
        ("modality", text.clone()),
        ("when", condition()),
        ("days", object(map(days), &["back", "ahead"])),
        (
            "statuses",
            json!({ "type": "array", "items": { "enum": open } }),
        ),
    ];
    map([
        ("speaks", object(map(speaks), &[])),
        (
            "limits",
            json!({ "type": "object", "additionalProperties": {
                "anyOf": [limit, { "type": "object", "additionalProperties": limit }]
            } }),
        ),
        ("shows", object(map(shows), &[])),
    ])
}

/// Table K.6-1 lets a server return further attributes of the modules: any keyword may stand at any level.
fn open(schema: &mut Json) {
    let Some(parts) = schema.as_object_mut() else {
        return;
    };
    if let Some(Json::Array(choices)) = parts.get_mut("anyOf") {
        choices.iter_mut().for_each(open);
    }
    if let Some(Json::Object(keys)) = parts.get_mut("properties") {
        keys.values_mut().for_each(open);
        let further = json!({ "anyOf": [{ "$ref": "#/definitions/rule" }, { "type": "object" }] });
        parts.insert(
            "patternProperties".to_owned(),
            json!({ "^[A-Z][A-Za-z0-9]+$": further }),
        );
    }
}

fn segment() -> Json {
    let text = json!({ "type": "string" });
    let field = object(
        map([
            ("type", text.clone()),
            ("repeat", json!({ "type": "boolean" })),
            ("name", text.clone()),
        ]),
        &["type"],
    );
    let keys = map([
        ("format", json!({ "type": "integer", "enum": [1] })),
        (
            "segment",
            json!({ "type": "string", "pattern": "^[A-Z][A-Z0-9]{2}$" }),
        ),
        ("name", text),
        (
            "field",
            json!({ "type": "object", "patternProperties": { "^[1-9][0-9]{0,2}$": field }, "additionalProperties": false }),
        ),
    ]);
    page(
        "Relais: the fields of a Z segment",
        keys,
        &["format", "segment"],
    )
}

/// Dotted names as tables in tables.
#[derive(Default)]
struct Tree {
    own: Option<Json>,
    below: Vec<(String, Tree)>,
}

impl Tree {
    fn insert(&mut self, path: &str, leaf: Json) {
        let mut at = self;
        for step in path.split('.') {
            let place = match at.below.iter().position(|(name, _)| name == step) {
                Some(place) => place,
                None => {
                    at.below.push((step.to_owned(), Self::default()));
                    at.below.len() - 1
                }
            };
            at = &mut at.below[place].1;
        }
        at.own = Some(leaf);
    }

    fn properties(self) -> Map<String, Json> {
        let mut properties = Map::new();
        for (name, tree) in self.below {
            let own = tree.own.clone();
            let below = Self { own: None, ..tree }.properties();
            let schema = match (own, below.is_empty()) {
                (Some(own), true) => own,
                (Some(own), false) => json!({ "anyOf": [own, object(below, &[])] }),
                (None, _) => object(below, &[]),
            };
            properties.insert(name, schema);
        }
        properties
    }
}
