//! The sections of a mapping file: rules by target, loops, and how a file's lines replace those of its base.

use super::ast::{Expr, ExprKind};
use super::check;
use super::load::{FileReader, with_inherited};
use super::model::{FileKind, Goal, IfNone, Rule, Section};
use super::parser::Problem;
use crate::diagnostic::did_you_mean;
use crate::dicom::dictionary;
use crate::domain::record::{FIELDS, LISTS, SECTIONS, field};
use crate::domain::value::{Coding, Concept, Identifier, Issuer, Value};
use crate::fhir::shape;
use crate::toml_file::{Item, Table};

/// Keys of a section that are no targets.
pub(super) const RESERVED: &[&str] = &["each", "group_by", "if_none", "when"];
/// Keys of the root that are no sections.
const HEADER: &[&str] = &["format", "base", "from", "to", "const"];

/// Sections of a worklist file that hold no attributes: [`super::device`] reads them.
const BESIDE: &[&str] = &["speaks", "limits", "shows"];

/// Reads every section of a file into its model.
pub fn sections(reader: &mut FileReader<'_, '_>, root: &Table<'_>) {
    let to_keys: &[&str] = match reader.model.kind {
        FileKind::Worklist | FileKind::Device => &["kind"],
        FileKind::Resource(_) => &["resource", "shape", "identity"],
        _ => &[],
    };
    if let Some(to) = root.table("to") {
        to.finish(to_keys);
    }
    for (key, item) in root.entries() {
        let is_worklist = matches!(reader.model.kind, FileKind::Worklist | FileKind::Device);
        if HEADER.contains(&key.value) || is_worklist && BESIDE.contains(&key.value) {
            continue;
        }
        let known = known_sections(reader.model.kind);
        if !known.contains(&key.value) {
            let message = format!("there is no section `{}` here", key.value);
            reader.report(
                Problem::new("M041", key.span, message)
                    .label(format!("known: {}", known.join(", ")))
                    .maybe_hint(did_you_mean(key.value, known.iter().copied())),
            );
            continue;
        }
        blocks(reader, key.value, &item);
    }
}

fn known_sections(kind: FileKind) -> Vec<&'static str> {
    match kind {
        FileKind::Hl7 | FileKind::Mpps => SECTIONS
            .iter()
            .copied()
            .chain(LISTS.iter().map(|l| l.section))
            .collect(),
        FileKind::Worklist | FileKind::Device => vec!["set", "speaks", "limits", "shows"],
        FileKind::Resource(shape) => {
            let mut names = vec!["set"];
            fn below(sections: &'static [shape::Section], names: &mut Vec<&'static str>) {
                for section in sections {
                    names.push(section.name);
                    below(section.sections, names);
                }
            }
            below(shape.sections, &mut names);
            names
        }
    }
}

/// One `[x]`, or the several of `[[x]]`; several replace all blocks of the base, one is merged with the base's one.
fn blocks(reader: &mut FileReader<'_, '_>, name: &str, item: &Item<'_>) {
    if let Some(table) = item.as_table(name) {
        let mut base = reader.model.sections.iter().filter(|s| s.name == name);
        let single = base.next().cloned().filter(|_| base.next().is_none());
        let section = block(reader, name, &table, single);
        reader.model.sections.retain(|s| s.name != name);
        reader.model.sections.push(section);
        return;
    }
    let Some(list) = item.as_array() else {
        return item.wrong("a table");
    };
    reader.model.sections.retain(|s| s.name != name);
    for entry in list {
        match entry.as_table(name) {
            Some(table) => {
                let section = block(reader, name, &table, None);
                reader.model.sections.push(section);
            }
            None => entry.wrong("a table"),
        }
    }
}

fn block(
    reader: &mut FileReader<'_, '_>,
    name: &str,
    table: &Table<'_>,
    base: Option<Section>,
) -> Section {
    let first = table
        .entries()
        .next()
        .map_or(table.span().start, |(k, _)| k.span.start);
    let mut section = base.unwrap_or_else(|| Section {
        name: name.to_owned(),
        each: None,
        group_by: None,
        if_none: IfNone::default(),
        when: None,
        rules: vec![],
        label: reader.label(first),
    });
    let loops = LISTS.iter().any(|l| l.section == name);
    for key in RESERVED {
        let Some(item) = table.item(key) else {
            continue;
        };
        match *key {
            "if_none" => {
                let word = table.word("if_none", &["skip", "once", "refuse"]);
                section.if_none = match word.map(|w| w.value) {
                    Some("once") => IfNone::Once,
                    Some("refuse") => IfNone::Refuse,
                    _ => IfNone::Skip,
                };
            }
            "when" => section.when = reader.condition(&item, check::Place::Section(name)),
            _ if !loops => {
                reader.report(
                    Problem::new("M002", item.outer_span(), format!("[{name}] is not a list"))
                        .label("`each` and `group_by` stand in list sections"),
                );
            }
            _ => {
                let place = check::Place::Loop(name);
                let expr = reader.expression(&item);
                if let Some(expr) = &expr {
                    check::expression(expr, reader, place);
                }
                match *key {
                    "each" => section.each = expr,
                    _ => section.group_by = expr,
                }
            }
        }
    }
    let each = section.each.clone();
    rules(reader, &mut section, table, "", each.as_ref());
    section
}

/// The rules of a table; tables inside it are dotted names (`[order.clinical]`, `name.official`).
fn rules(
    reader: &mut FileReader<'_, '_>,
    section: &mut Section,
    table: &Table<'_>,
    prefix: &str,
    each: Option<&Expr>,
) {
    for (key, item) in table.entries() {
        if prefix.is_empty() && RESERVED.contains(&key.value) {
            continue;
        }
        let target = format!("{prefix}{}", key.value);
        if let Some(inner) = item.as_table(&target) {
            // `[report.document]` is the list section of that name, not a field.
            let is_list = LISTS.iter().any(|l| l.section == key.value);
            match is_list && matches!(reader.model.kind, FileKind::Hl7 | FileKind::Mpps) {
                true => blocks(reader, key.value, &item),
                false => rules(reader, section, &inner, &format!("{target}."), each),
            }
            continue;
        }
        let Some(goal) = goal(reader, &section.name, &target, key.span.clone()) else {
            continue;
        };
        let place = check::Place::Target(&goal, &section.name, each);
        let Some(exprs) = expressions(reader, &item, place) else {
            continue;
        };
        let label = reader.label(key.span.start);
        let at = section.rules.iter().position(|r| r.name == target);
        let removed = matches!(exprs.as_slice(), [one] if one.kind == ExprKind::None);
        let before = at.map(|i| section.rules.remove(i));
        if removed {
            continue;
        }
        let exprs = exprs
            .into_iter()
            .map(|e| with_inherited(e, before.as_ref()))
            .collect();
        let rule = Rule {
            name: target,
            goal,
            exprs,
            label,
        };
        let place = at.unwrap_or(section.rules.len());
        section.rules.insert(place, rule);
    }
}

fn expressions(
    reader: &FileReader<'_, '_>,
    item: &Item<'_>,
    place: check::Place<'_>,
) -> Option<Vec<Expr>> {
    let items = item.as_array().unwrap_or_else(|| vec![*item]);
    let mut exprs = Vec::new();
    for entry in &items {
        let expr = reader.expression(entry)?;
        check::expression(&expr, reader, place);
        exprs.push(expr);
    }
    Some(exprs)
}

fn goal(
    reader: &FileReader<'_, '_>,
    section: &str,
    target: &str,
    span: std::ops::Range<usize>,
) -> Option<Goal> {
    match reader.model.kind {
        FileKind::Hl7 | FileKind::Mpps if section == "extra" => {
            Some(Goal::Extra(target.to_owned()))
        }
        FileKind::Hl7 | FileKind::Mpps => match field(section, target) {
            Some(def) => Some(Goal::Field(def)),
            None => {
                reader.report(unknown_field(section, target, span));
                None
            }
        },
        FileKind::Worklist | FileKind::Device => attribute(reader, target, span),
        FileKind::Resource(shape) => {
            let targets = match section {
                "set" => shape.targets,
                _ => section_targets(shape.sections, section).unwrap_or(&[]),
            };
            let found = targets.iter().find(|t| t.name == target);
            if found.is_none() {
                let message = format!("{} has no target `{target}` here", shape.resource);
                let names = targets.iter().map(|t| t.name);
                reader.report(
                    Problem::new("M062", span, message).maybe_hint(did_you_mean(target, names)),
                );
            }
            found.map(Goal::Element)
        }
    }
}

fn section_targets(
    sections: &'static [shape::Section],
    name: &str,
) -> Option<&'static [shape::Target]> {
    sections.iter().find_map(|s| match s.name == name {
        true => Some(s.targets),
        false => section_targets(s.sections, name),
    })
}

fn unknown_field(section: &str, target: &str, span: std::ops::Range<usize>) -> Problem {
    let problem = Problem::new(
        "M040",
        span,
        format!("`{section}.{target}` is no field of the record"),
    );
    let misplaced = target
        .split_once('.')
        .filter(|(head, rest)| field(head, rest).is_some() || *head == "extra");
    if let Some((head, _)) = misplaced {
        return problem.hint(format!(
            "a key under [{section}] belongs to it: move the line above the first [table], or under [{head}]"
        ));
    }
    let names = FIELDS.iter().filter(|f| f.section == section);
    problem.maybe_hint(did_you_mean(target, names.map(|f| f.name)))
}

/// A worklist target: a keyword at the level where the standard has it.
fn attribute(
    reader: &FileReader<'_, '_>,
    target: &str,
    span: std::ops::Range<usize>,
) -> Option<Goal> {
    let keyword = target.rsplit('.').next().unwrap_or(target);
    if dictionary::tag_of(keyword).is_none() {
        let known = super::definitions::worklist().iter();
        let names = known.map(|(path, _)| path.rsplit('.').next().unwrap_or(path));
        let message = format!("`{keyword}` is no DICOM keyword");
        reader.report(Problem::new("M060", span, message).maybe_hint(did_you_mean(keyword, names)));
        return None;
    }
    let places = super::definitions::worklist();
    let here = places.iter().any(|(path, _)| *path == target);
    let home = places
        .iter()
        .find(|(path, _)| path.rsplit('.').next() == Some(keyword));
    if let (false, Some((path, _))) = (here, home) {
        let table = path
            .rsplit_once('.')
            .map_or("[set]".to_owned(), |(t, _)| format!("[set.{t}]"));
        let message = format!("`{keyword}` does not stand at this level");
        reader.report(Problem::new("M061", span, message).hint(format!("it belongs to {table}")));
        return None;
    }
    if !here {
        let message = format!("the worklist does not define `{keyword}`");
        reader.report(
            Problem::warning("M110", span, message)
                .label("PS3.4 Table K.6-1; a scanner must ask for it to see it"),
        );
    }
    Some(Goal::Attribute(target.to_owned()))
}

/// A `[const]` entry: `{ code, system, display }` or `{ identifier, issuer }`.
pub fn constant(entry: &Table<'_>) -> Option<Value> {
    let text = |key: &str| entry.text(key).map(|t| t.value.to_owned());
    entry.finish(&["code", "system", "display", "text", "identifier", "issuer"]);
    if let Some(code) = text("code") {
        let coding = Coding {
            code,
            system: text("system"),
            display: text("display"),
        };
        return Some(Value::Concept(Concept {
            codings: vec![coding],
            text: text("text"),
        }));
    }
    if let Some(value) = text("identifier") {
        let issuer = text("issuer").map(issuer_of);
        return Some(Value::Identifier(Identifier {
            value,
            issuer,
            type_: None,
        }));
    }
    text("text").map(Value::Text)
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
