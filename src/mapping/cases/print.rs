//! Results as TOML: one line a value, tables in a fixed order, nothing that changes from run to run.

use super::form::{inline, key_of, of_value};
use crate::dicom::dataset::{Content, DataSet, Element};
use crate::domain::command::{Command, OrderAct, PatientAct, Record};
use crate::domain::fields::Patch;
use crate::domain::reason::Refusal;
use crate::domain::record::{LISTS, SECTIONS};
use crate::domain::value::Value;
use crate::fhir::shape::add::Container;
use crate::fhir::shape::{Held, Values};
use crate::mapping::{Translation, Warning, Withheld, WorklistItem};
use serde_json::Value as Json;
use std::fmt::Write as _;

fn line(text: &mut String, key: &str, value: &Json) {
    let _ = writeln!(text, "{} = {}", key_of(key), inline(value));
}

fn said(text: &mut String, key: &str, value: &str) {
    line(text, key, &Json::String(value.to_owned()));
}

/// Commands, warnings and the reason for having no effect.
pub fn translation(of: &Translation) -> String {
    let mut text = String::new();
    if let Some(at) = &of.at {
        line(&mut text, "at", &of_value(&Value::When(at.clone())));
    }
    if let Some(why) = &of.ignored {
        // The line of a rule moves with every edit of its file.
        let why = why
            .rsplit_once(':')
            .filter(|(_, l)| l.bytes().all(|b| b.is_ascii_digit()));
        said(
            &mut text,
            "ignored",
            why.map_or(of.ignored.as_deref().unwrap_or(""), |(w, _)| w),
        );
    }
    warnings(&mut text, &of.warnings);
    for command in &of.commands {
        text.push_str("\n[[command]]\n");
        said(&mut text, "do", word(command));
        if let Command::CreatePerformed { uid, ae, .. } = command {
            said(&mut text, "uid", uid);
            said(&mut text, "ae", ae);
        }
        if let Command::SetPerformed { uid, .. } = command {
            said(&mut text, "uid", uid);
        }
        record(&mut text, command.record(), "command", true);
    }
    text
}

/// The word of a command, as mapping files write it.
pub fn word(command: &Command) -> &'static str {
    match command {
        Command::Order(act, _) => OrderAct::word(*act),
        Command::Patient(act, _) => match act {
            PatientAct::Admit => "admit",
            PatientAct::Update => "update",
            PatientAct::Arrive => "arrive",
            PatientAct::Leave => "leave",
            PatientAct::CancelVisit => "cancel_visit",
            PatientAct::Merge => "merge",
            PatientAct::ChangeId => "change_id",
        },
        Command::Report(_) => "report",
        Command::CreatePerformed { .. } => "create",
        Command::SetPerformed { .. } => "set",
    }
}

fn warnings(text: &mut String, of: &[Warning]) {
    if of.is_empty() {
        return;
    }
    text.push_str("warnings = [\n");
    for warning in of {
        let place = warning.place.as_ref().map(|p| format!("{p}: "));
        let full = format!("{}{}", place.unwrap_or_default(), warning.message);
        let _ = writeln!(text, "  {},", Json::String(full));
    }
    text.push_str("]\n");
}

/// Sections as tables, lists as arrays of tables; a cleared field is `[]`.
fn record(text: &mut String, of: &Record, path: &str, top: bool) {
    for section in SECTIONS {
        let patch = of.section(section);
        if !patch.0.is_empty() {
            let _ = writeln!(text, "\n[{path}.{section}]");
            fields(text, patch);
        }
    }
    for list in LISTS {
        if top != (list.parent.is_empty() || SECTIONS.contains(&list.parent)) {
            continue;
        }
        items(text, of, list.section, path);
    }
}

fn items(text: &mut String, of: &Record, list: &str, path: &str) {
    for item in of.list(list) {
        let _ = writeln!(text, "\n[[{path}.{list}]]");
        fields(text, item.section(list));
        for inner in LISTS.iter().filter(|l| l.parent == list) {
            items(text, item, inner.section, &format!("{path}.{list}"));
        }
    }
}

fn fields(text: &mut String, patch: &Patch) {
    for (name, said) in &patch.0 {
        let values: Vec<Json> = said.values.iter().map(of_value).collect();
        let is_one = values.len() == 1;
        match values.into_iter().next().filter(|_| is_one) {
            Some(one) => line(text, name, &one),
            None => list(text, name, &said.values),
        }
    }
}

/// A list with a value a line.
fn list(text: &mut String, name: &str, values: &[Value]) {
    if values.is_empty() {
        let _ = writeln!(text, "{} = []", key_of(name));
        return;
    }
    let _ = writeln!(text, "{} = [", key_of(name));
    for value in values {
        let _ = writeln!(text, "  {},", inline(&of_value(value)));
    }
    text.push_str("]\n");
}

/// A refused message.
pub fn refusal(of: &Refusal) -> String {
    let mut text = "[refused]\n".to_owned();
    said(&mut text, "reason", of.reason.code());
    if let Some(at) = &of.at {
        said(&mut text, "at", &at.to_string());
    }
    said(&mut text, "found", &of.found);
    text
}

/// A worklist item by keywords.
pub fn item(of: &WorklistItem) -> String {
    let mut text = String::new();
    warnings(&mut text, &of.warnings);
    data_set(&mut text, &of.data, "item", false);
    text
}

fn data_set(text: &mut String, set: &DataSet, path: &str, one_of_many: bool) {
    let (open, close) = if one_of_many {
        ("[[", "]]")
    } else {
        ("[", "]")
    };
    let blank = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{blank}{open}{path}{close}");
    let is_sequence =
        |e: &&Element| matches!(&e.content, Content::Sequence(items) if !items.is_empty());
    for element in set.iter().filter(|e| !is_sequence(e)) {
        line(text, &element.name(), &content(element));
    }
    for element in set.iter().filter(is_sequence) {
        for inner in element.items() {
            data_set(
                text,
                inner,
                &format!("{path}.{}", key_of(&element.name())),
                true,
            );
        }
    }
}

fn content(element: &Element) -> Json {
    let texts = match &element.content {
        Content::Text(texts) => texts.clone(),
        Content::Bytes(_) => element.numbers(),
        Content::Sequence(_) => vec![],
    };
    let mut texts = texts.into_iter().map(Json::String);
    match (texts.len(), texts.next()) {
        (1, Some(one)) => one,
        (_, first) => Json::Array(first.into_iter().chain(texts).collect()),
    }
}

/// A step that is shown to nobody.
pub fn withheld(of: &Withheld) -> String {
    let mut text = "[withheld]\n".to_owned();
    said(&mut text, "keyword", &of.keyword);
    said(&mut text, "why", &of.why);
    text
}

/// The values of a resource by target.
pub fn resource(of: &Values) -> String {
    let mut text = String::new();
    values(&mut text, of, "set");
    for profile in &of.profiles {
        let _ = writeln!(text, "\n[profile.{}]", key_of(&profile.pack));
        said(&mut text, "claims", &profile.url);
        for own in of.own.iter().filter(|o| o.pack == profile.pack) {
            one_or_list(&mut text, &own.target, &own.values);
        }
    }
    text
}

fn one_or_list(text: &mut String, name: &str, values: &[Value]) {
    match values {
        [one] => line(text, name, &of_value(one)),
        several => list(text, name, several),
    }
}

fn values(text: &mut String, of: &Values, path: &str) {
    let blank = if text.is_empty() { "" } else { "\n" };
    let bracket = if path == "set" {
        ("[", "]")
    } else {
        ("[[", "]]")
    };
    let _ = writeln!(text, "{blank}{}{path}{}", bracket.0, bracket.1);
    for (target, found) in &of.targets {
        one_or_list(text, target, found);
    }
    for added in &of.additions {
        let prefix = match path {
            "set" => String::new(),
            section => format!("{section}."),
        };
        let word = Container::WORDS.iter().find(|(_, c)| *c == added.container);
        let _ = writeln!(text, "\n[[{prefix}add.{}]]", word.map_or("", |(w, _)| *w));
        if added.container == Container::Extension {
            said(text, "url", &added.url);
        }
        let name = added.type_.map_or("value", |t| t.target.name);
        one_or_list(text, name, &added.values);
    }
    for (section, elements) in &of.sections {
        let inner = match path {
            "set" => (*section).to_owned(),
            _ => format!("{path}.{section}"),
        };
        for element in elements {
            values(text, element, &inner);
        }
    }
}

/// A resource that must not be sent.
pub fn held(of: &Held) -> String {
    let mut text = "[held]\n".to_owned();
    said(&mut text, "target", &of.target);
    said(&mut text, "why", &of.why);
    text
}
