//! `[origins]` of a `want.toml`: where the values that a case is about must come from.
//!
//! A key is the value's path as the result prints it, `"command.patient.id"`, `"command[2].step[1].modality"`, `"set.series[2].uid"`, with
//! `[1]` left out where one likes; the value is `PID-3[2].1, link.default_issuer; ...`: places, and what else decided. Lines of rules and
//! tables are not in it: they move with every edit.

use crate::diagnostic::did_you_mean;
use crate::domain::command::{Command, Record};
use crate::domain::fields::Origin;
use crate::fhir::shape::Values;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Origins by the path of their value.
pub type Origins = BTreeMap<String, Vec<Origin>>;

/// What a case wants of them, in its words.
pub type Wanted = BTreeMap<String, String>;

/// A want in its two parts: the result, and the origins that are asked for.
///
/// # Errors
/// `[origins]` is not what it should be.
pub fn split(want: &str) -> Result<(String, Wanted), String> {
    let Some(at) = header(want) else {
        return Ok((want.to_owned(), Wanted::new()));
    };
    let (body, asked) = want.split_at(at);
    let asked: BTreeMap<String, Wanted> = toml::from_str(asked)
        .map_err(|e| format!("want.toml: [origins] is the last table, with a text a key: {e}"))?;
    if asked.len() > 1 {
        return Err("want.toml: [origins] is the last table".to_owned());
    }
    let body = body.trim_end_matches(['\n', '\r']);
    let body = if body.is_empty() {
        String::new()
    } else {
        format!("{body}\n")
    };
    Ok((body, asked.into_values().next().unwrap_or_default()))
}

fn header(want: &str) -> Option<usize> {
    let mut at = 0;
    for line in want.split_inclusive('\n') {
        if line.trim() == "[origins]" {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// What of the asked origins is otherwise, in words; empty if nothing is.
pub fn otherwise(asked: &Wanted, given: &Origins) -> String {
    let mut text = String::new();
    for (path, wanted) in asked {
        match found(path, given) {
            Some(came) if came == *wanted => {}
            Some(came) => {
                let _ = writeln!(text, "want.toml [origins] {path}\n  - {wanted}\n  + {came}");
            }
            None => {
                let hint = did_you_mean(path, given.keys().map(String::as_str));
                let hint = hint.map_or(String::new(), |h| format!("; {h}"));
                let _ = writeln!(
                    text,
                    "want.toml [origins] {path}: there is no such value{hint}"
                );
            }
        }
    }
    text
}

/// The `[origins]` table again, with what came.
pub fn blessed(asked: &Wanted, given: &Origins) -> String {
    if asked.is_empty() {
        return String::new();
    }
    let mut text = "\n[origins]\n".to_owned();
    for (path, wanted) in asked {
        let came = found(path, given).unwrap_or_else(|| wanted.clone());
        let quoted = |t: &str| serde_json::Value::from(t).to_string();
        let _ = writeln!(text, "{} = {}", quoted(path), quoted(&came));
    }
    text
}

fn found(path: &str, given: &Origins) -> Option<String> {
    given.get(&path.replace("[1]", "")).map(|o| text(o))
}

/// `name`, or `name[3]` for the third.
fn nth(name: &str, n: usize) -> String {
    match n {
        0 => name.to_owned(),
        n => format!("{name}[{}]", n + 1),
    }
}

/// Those of the commands of a message.
pub fn of_commands(commands: &[Command]) -> Origins {
    let mut origins = Origins::new();
    for (n, command) in commands.iter().enumerate() {
        of_record(command.record(), &nth("command", n), &mut origins);
    }
    origins
}

fn of_record(record: &Record, path: &str, origins: &mut Origins) {
    for (section, patch) in &record.sections {
        for (field, said) in &patch.0 {
            origins.insert(format!("{path}.{section}.{field}"), said.origins.to_vec());
        }
    }
    for (list, items) in &record.lists {
        for (n, item) in items.iter().enumerate() {
            let at = nth(list, n);
            for (field, said) in item.sections.get(list).into_iter().flat_map(|p| &p.0) {
                origins.insert(format!("{path}.{at}.{field}"), said.origins.to_vec());
            }
            for (inner, items) in &item.lists {
                let mut below = Record::default();
                below.lists.insert(inner, items.clone());
                of_record(&below, &format!("{path}.{at}"), origins);
            }
        }
    }
}

/// Those of a worklist item, by the paths of its attributes.
pub fn of_item(found: &[(String, Vec<Origin>)]) -> Origins {
    let one = |(path, origins): &(String, Vec<Origin>)| (format!("item.{path}"), origins.clone());
    found.iter().map(one).collect()
}

/// Those of the values of a resource.
pub fn of_values(values: &Values) -> Origins {
    let mut origins = Origins::new();
    below(values, "set", &mut origins);
    origins
}

fn below(values: &Values, path: &str, origins: &mut Origins) {
    for (target, found) in &values.origins {
        origins.insert(format!("{path}.{target}"), found.clone());
    }
    for (section, elements) in &values.sections {
        for (n, element) in elements.iter().enumerate() {
            below(element, &format!("{path}.{}", nth(section, n)), origins);
        }
    }
}

/// Origins as a case writes them.
fn text(origins: &[Origin]) -> String {
    let mut all: Vec<String> = Vec::new();
    for origin in origins {
        let mut words = vec![match origin.path.as_str() {
            "" => "constant",
            path => path,
        }];
        words.extend(origin.via.iter().map(|via| without_line(via)));
        let one = words.join(", ");
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join("; ")
}

fn without_line(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((before, line)) if !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) => {
            before
        }
        _ => text,
    }
}
