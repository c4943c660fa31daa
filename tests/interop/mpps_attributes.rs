//! The attribute rules of MPPS one by one, from a table of our own (`tests/fixtures/mpps/attributes.txt`): pynetdicom sends a data set
//! with everything in it, then once without each attribute, once with each empty, and each that may not be there.

use crate::{department::Pynetdicom, mpps::strict};
use serde_json::{Map, Value, json};

/// A row of the table.
struct Row {
    path: Vec<&'static str>,
    create: &'static str,
    set: &'static str,
    value: &'static str,
}

fn table() -> Vec<Row> {
    let text = include_str!("../fixtures/mpps/attributes.txt");
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|line| {
            let [path, create, set, value] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("four columns: {line}");
            };
            Row {
                path: path.split(" > ").collect(),
                create,
                set,
                value,
            }
        })
        .collect()
}

impl Row {
    fn name(&self) -> &'static str {
        self.path.last().expect("a path has a keyword")
    }

    /// Its type in N-CREATE or N-SET.
    fn kind(&self, set: bool) -> &'static str {
        if set { self.set } else { self.create }
    }

    fn value(&self) -> Value {
        match self.value {
            "[]" => json!([]),
            text => json!(text),
        }
    }

    /// Zero length.
    fn empty(&self) -> Value {
        match self.value {
            "[]" => json!([]),
            _ => json!(""),
        }
    }
}

/// The data set, or item of a sequence, that holds the last keyword of a path.
fn holder<'d>(data: &'d mut Map<String, Value>, path: &[&str]) -> &'d mut Map<String, Value> {
    let [sequence, rest @ ..] = path else {
        panic!("a path has a keyword");
    };
    if rest.is_empty() {
        return data;
    }
    let items = data.entry(*sequence).or_insert_with(|| json!([]));
    let items = items.as_array_mut().unwrap();
    if items.is_empty() {
        items.push(json!({}));
    }
    holder(items[0].as_object_mut().unwrap(), rest)
}

/// A data set with every attribute that the message may hold.
fn whole(rows: &[Row], set: bool) -> Map<String, Value> {
    let mut data = Map::new();
    for row in rows.iter().filter(|row| row.kind(set) != "-") {
        holder(&mut data, &row.path).insert(row.name().to_owned(), row.value());
    }
    data
}

/// What an answer must say: its status and its comment.
fn expected(fault: Option<(&str, &str)>, row: &Row) -> (Value, Value) {
    let (status, comment) = fault.map_or(("0000", String::new()), |(status, word)| {
        (status, format!("{word}: {}", row.name()))
    });
    (json!(status), json!(comment))
}

const MISSING: (&str, &str) = ("0120", "missing");
const EMPTY: (&str, &str) = ("0121", "without value");
const NOT_ALLOWED: (&str, &str) = ("0105", "not allowed");

#[test]
fn e01_strict_each_rule_of_the_attribute_table_holds_for_n_create_and_n_set() {
    let rows = table();
    let (relais, _database) = strict();
    let mut scanner = Pynetdicom::start("perform.py", relais.dicom);
    let mut wrong = vec![];
    let mut said = |what: &str, answer: &Value, fault: Option<(&str, &str)>, row: &Row| {
        let found = (answer["status"].clone(), answer["comment"].clone());
        if found != expected(fault, row) {
            wrong.push(format!("{what} {}: {answer}", row.path.join(" > ")));
        }
    };
    let mut n = 0;
    for set in [false, true] {
        let step = "1.2.250.1.999.1.89";
        let mut send = |data: &Map<String, Value>| {
            // Every N-CREATE makes a step of its own; all N-SET are of the first.
            n += 1;
            let uid = if set {
                format!("{step}.1")
            } else {
                format!("{step}.{n}")
            };
            let operation = if set { "set" } else { "create" };
            scanner.ask(&json!({ operation: data, "uid": uid, "charset": "ISO_IR 192" }))
        };
        let service = if set { "N-SET" } else { "N-CREATE" };
        let answer = send(&whole(&rows, set));
        assert_eq!(
            answer["status"], "0000",
            "{service} with everything: {answer}"
        );
        for row in &rows {
            let mut data = whole(&rows, set);
            let kind = row.kind(set);
            if kind == "-" {
                // What stands in a sequence that may not be there is not looked at.
                if row.path.len() == 1 {
                    data.insert(row.name().to_owned(), row.value());
                    let answer = send(&data);
                    said(&format!("{service} with"), &answer, Some(NOT_ALLOWED), row);
                }
                continue;
            }
            holder(&mut data, &row.path).insert(row.name().to_owned(), row.empty());
            let answer = send(&data);
            let fault = (kind == "1").then_some(EMPTY);
            said(&format!("{service} with an empty"), &answer, fault, row);
            holder(&mut data, &row.path).remove(row.name());
            let answer = send(&data);
            let fault = (kind != "3").then_some(MISSING);
            said(&format!("{service} without"), &answer, fault, row);
        }
    }
    scanner.finish();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
