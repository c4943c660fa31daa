//! The sections of a mapping file: rules by target, loops, and how a file's lines replace those of its base.

use super::ast::{Expr, ExprKind};
use super::check;
use super::load::{FileReader, with_inherited};
use super::model::{FileKind, IfNone, Rule, Section};
use super::parser::Problem;
use crate::diagnostic::did_you_mean;
use crate::domain::record::{LISTS, SECTIONS};
use crate::fhir::shape;
use crate::toml_file::{Item, Table};
use std::collections::BTreeMap;

mod constant;
mod goal;
mod outbound;

pub use constant::{CONSTANT, constant, issuer_of};
pub use goal::wrong_table;
use goal::{goal, section_targets};

/// Keys of a section that are no targets.
pub(super) const RESERVED: &[&str] = &["each", "group_by", "if_none", "when"];
/// Most attempts, or entries of a union, for one target.
const MAX_ATTEMPTS: usize = 64;
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
        if let FileKind::Resource(shape) = reader.model.kind {
            match key.value {
                "profile" => {
                    outbound::profiles(reader, &item);
                    continue;
                }
                "add" => {
                    outbound::additions(reader, shape, "", &item);
                    continue;
                }
                _ => {}
            }
        }
        let known = known_sections(reader.model.kind);
        if !known.contains(&key.value) {
            let message = format!("there is no section `{}` here", key.value);
            let dotted = key
                .value
                .split_once('.')
                .map(|_| format!("write {} without quotes", key.value));
            reader.report(
                Problem::new("M041", key.span, message)
                    .label(format!("known: {}", known.join(", ")))
                    .maybe_hint(did_you_mean(key.value, known.iter().copied()))
                    .maybe_hint(dotted),
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
            let mut names = vec!["set", "profile", "add"];
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
    let mut lines = Written {
        each: each.as_ref(),
        seen: BTreeMap::new(),
        inherited: section.rules.len(),
    };
    rules(reader, &mut section, table, &Prefix::default(), &mut lines);
    section
}

/// What is known of the lines of one block.
struct Written<'w> {
    /// What the section runs over.
    each: Option<&'w Expr>,
    /// Where each target is written in this file.
    seen: BTreeMap<String, usize>,
    /// How many rules of the base stand before those of this file.
    inherited: usize,
}

/// The names before a key: `clinical.` in `[order.clinical]` and in `clinical.weight_kg = `.
#[derive(Default)]
struct Prefix {
    text: String,
    /// Where a dotted key begins; `None` if the names stand in a header.
    start: Option<usize>,
}

/// The rules of a table; tables inside it are dotted names (`[order.clinical]`, `name.official`).
fn rules(
    reader: &mut FileReader<'_, '_>,
    section: &mut Section,
    table: &Table<'_>,
    prefix: &Prefix,
    lines: &mut Written<'_>,
) {
    for (key, item) in table.entries() {
        if prefix.text.is_empty() && RESERVED.contains(&key.value) {
            continue;
        }
        let target = format!("{}{}", prefix.text, key.value);
        if let (FileKind::Resource(shape), "add") = (reader.model.kind, target.as_str())
            && section_targets(shape.sections, &section.name).is_some()
        {
            outbound::additions(reader, shape, &section.name, &item);
            continue;
        }
        if let Some(inner) = item.as_table(&target) {
            // `[report.document]` is the list section of that name, not a field.
            let is_list = LISTS.iter().any(|l| l.section == key.value);
            if is_list && matches!(reader.model.kind, FileKind::Hl7 | FileKind::Mpps) {
                blocks(reader, key.value, &item);
                continue;
            }
            let dotted = !reader.doc.lines().starts_table(key.span.start);
            let inner_prefix = Prefix {
                text: format!("{target}."),
                start: prefix.start.or(dotted.then_some(key.span.start)),
            };
            rules(reader, section, &inner, &inner_prefix, lines);
            continue;
        }
        let span = prefix.start.unwrap_or(key.span.start)..key.span.end;
        if let Some(first) = lines.seen.insert(target.clone(), span.start) {
            let (line, _) = reader.doc.lines().place(first);
            let message = format!("`{}.{target}` is written a second time", section.name);
            let problem = Problem::new("M015", span.clone(), message);
            reader.report(
                problem
                    .label(format!("first in line {line}"))
                    .hint("keep one of the two; a dotted key and a quoted one are the same target"),
            );
            continue;
        }
        let Some(goal) = goal(reader, &section.name, &target, span) else {
            continue;
        };
        let place = check::Place::Target(&goal, &section.name, lines.each);
        let Some(exprs) = expressions(reader, &item, place) else {
            continue;
        };
        let label = reader.label(key.span.start);
        let mut base = section.rules.iter().take(lines.inherited);
        let at = base.position(|r| r.name == target);
        let removed = matches!(exprs.as_slice(), [one] if one.kind == ExprKind::None);
        let before = at.map(|i| section.rules.remove(i));
        if removed {
            lines.inherited -= usize::from(at.is_some());
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
    if items.len() > MAX_ATTEMPTS {
        let message = format!("{} rules for one target", items.len());
        reader.report(
            Problem::new("M012", item.outer_span(), message)
                .label(format!("at most {MAX_ATTEMPTS}"))
                .hint("move codes into a table under tables/"),
        );
        return None;
    }
    let mut exprs = Vec::new();
    for entry in &items {
        let expr = reader.expression(entry)?;
        check::expression(&expr, reader, place);
        exprs.push(expr);
    }
    if let check::Place::Target(goal, ..) = place {
        check::attempts(&exprs, goal, reader);
    }
    Some(exprs)
}
