//! What outbound files have beside their shape's targets: `[profile.x]` and `[[add.x]]`.
//!
//! A rule of `[profile.x]` fills a target that the pack x opens, and fires where a target of relais.toml uses that pack. An addition
//! stands in a container that is 0..* everywhere: it cannot make an invalid resource.

use super::{blocks, expressions};
use crate::diagnostic::did_you_mean;
use crate::fhir::shape::add::{Container, VALUE_TYPES};
use crate::fhir::shape::{Shape, Target};
use crate::mapping::check::Place;
use crate::mapping::load::FileReader;
use crate::mapping::model::{Addition, Goal, Rule};
use crate::mapping::pack::packs_of;
use crate::mapping::parser::Problem;
use crate::toml_file::{Item, Table};
use std::ops::Range;

/// `[profile.x]`: each pack is a section of its own, `profile.x`.
pub fn profiles(reader: &mut FileReader<'_, '_>, item: &Item<'_>) {
    let Some(table) = item.as_table("profile") else {
        return item.wrong("[profile.NAME] tables");
    };
    for (key, item) in table.entries() {
        if packs_of(reader.library, key.value).next().is_none() {
            reader.report(no_pack(reader, key.value, key.span.clone()));
            continue;
        }
        blocks(reader, &format!("profile.{}", key.value), &item);
    }
}

fn no_pack(reader: &FileReader<'_, '_>, name: &str, span: Range<usize>) -> Problem {
    let packs = &reader.library.packs;
    let known: Vec<&str> = packs.keys().map(String::as_str).collect();
    let names = packs.values().map(|p| p.name.as_str());
    Problem::new("M092", span, format!("there is no profile pack `{name}`"))
        .label(format!("known: {}", known.join(", ")))
        .maybe_hint(did_you_mean(name, names))
}

/// The target that a pack opens under a name.
pub fn own_target(
    reader: &FileReader<'_, '_>,
    shape: &'static Shape,
    pack: &str,
    name: &str,
    span: Range<usize>,
) -> Option<Goal> {
    let type_ = shape.type_name();
    let mut packs = packs_of(reader.library, pack);
    let found = packs.find_map(|p| p.own(type_, name));
    if found.is_none() {
        let all = packs_of(reader.library, pack).flat_map(|p| p.profiles(type_));
        let names: Vec<&str> = all.flat_map(|p| &p.own).map(|o| o.name.as_str()).collect();
        let message = format!("pack {pack} opens no target `{name}` in {}", shape.resource);
        reader.report(
            Problem::new("M062", span, message)
                .maybe_hint(did_you_mean(name, names.iter().copied())),
        );
    }
    found.map(|own| Goal::Element(own.target()))
}

/// `[[add.x]]` of the resource (`section` is empty) or of a section's elements; the blocks of a container replace those of the base.
pub fn additions(
    reader: &mut FileReader<'_, '_>,
    shape: &'static Shape,
    section: &str,
    item: &Item<'_>,
) {
    let Some(table) = item.as_table("add") else {
        return item.wrong("[[add.extension]] and the like");
    };
    for (key, item) in table.entries() {
        let Some(container) = container(reader, shape, section, key.value, key.span.clone()) else {
            continue;
        };
        let others = |a: &Addition| a.section != section || a.container != container;
        reader.model.additions.retain(others);
        let entries = item.as_array().unwrap_or_else(|| vec![item]);
        for entry in entries {
            let Some(table) = entry.as_table(key.value) else {
                entry.wrong("a table");
                continue;
            };
            if let Some(addition) = addition(reader, shape, section, container, &table) {
                reader.model.additions.push(addition);
            }
        }
    }
}

fn container(
    reader: &FileReader<'_, '_>,
    shape: &Shape,
    section: &str,
    word: &str,
    span: Range<usize>,
) -> Option<Container> {
    let found = Container::WORDS.iter().find(|(w, _)| *w == word);
    let fits = |c: &Container| match section.is_empty() {
        true => c.stands_in(shape.type_name()),
        false => *c == Container::Extension,
    };
    if let Some((_, container)) = found.filter(|(_, c)| fits(c)) {
        return Some(*container);
    }
    let words = Container::WORDS.iter().filter(|(_, c)| fits(c));
    let words: Vec<&str> = words.map(|(w, _)| *w).collect();
    let problem = Problem::new("M093", span, format!("`{word}` cannot be added here"))
        .label(format!("allowed: {}", words.join(", ")));
    reader.report(match word.starts_with("modifier") {
        true => problem
            .hint("a modifierExtension changes the meaning for receivers that do not know it"),
        false => problem.maybe_hint(did_you_mean(word, words.iter().copied())),
    });
    None
}

fn addition(
    reader: &FileReader<'_, '_>,
    shape: &'static Shape,
    section: &str,
    container: Container,
    table: &Table<'_>,
) -> Option<Addition> {
    let (item, name, target) = value(reader, container, table)?;
    let url = match container {
        Container::Extension => {
            let url = table.required_text("url")?;
            own_url(reader, shape, url.value, url.span.clone());
            url.value.to_owned()
        }
        _ => String::new(),
    };
    let profile = table.text("profile");
    if let Some(pack) = &profile
        && packs_of(reader.library, pack.value).next().is_none()
    {
        reader.report(no_pack(reader, pack.value, pack.span.clone()));
    }
    let place = match section {
        "" => Place::Selection,
        section => Place::Section(section),
    };
    let when = table
        .item("when")
        .and_then(|item| reader.condition(&item, place));
    let goal = Goal::Element(target);
    let exprs = expressions(reader, &item, Place::Target(&goal, section, None))?;
    Some(Addition {
        section: section.to_owned(),
        container,
        url,
        type_: VALUE_TYPES.iter().find(|t| t.target.name == name),
        profile: profile.map(|p| p.value.to_owned()),
        when,
        rule: Rule {
            name,
            goal,
            exprs,
            label: reader.label(item.span().start),
        },
    })
}

/// The value of an addition: its rule, its key and what that takes.
fn value<'t>(
    reader: &FileReader<'_, '_>,
    container: Container,
    table: &Table<'t>,
) -> Option<(Item<'t>, String, &'static Target)> {
    if container != Container::Extension {
        table.finish(&["value", "when", "profile"]);
        table.require("value");
        let item = table.item("value")?;
        return Some((item, "value".to_owned(), container.target()));
    }
    let types = || VALUE_TYPES.iter().map(|t| t.target.name);
    let mut known = vec!["url", "when", "profile"];
    known.extend(types());
    table.finish(&known);
    let mut values = table
        .entries()
        .filter(|(key, _)| types().any(|t| t == key.value));
    let first = values.next();
    let more = values.next();
    let (Some((key, item)), None) = (first, &more) else {
        let span = more.map_or(table.span(), |(key, _)| key.span);
        reader.report(
            Problem::new("M094", span, "an extension has one value")
                .label(format!("one of {}", types().collect::<Vec<_>>().join(", "))),
        );
        return None;
    };
    let type_ = VALUE_TYPES.iter().find(|t| t.target.name == key.value)?;
    Some((item, key.value.to_owned(), &type_.target))
}

/// An extension's url is an address, and none that a pack owns: a target that uses the pack would get it twice.
fn own_url(reader: &FileReader<'_, '_>, shape: &Shape, url: &str, span: Range<usize>) {
    if !url.starts_with("http://") && !url.starts_with("https://") && !url.starts_with("urn:") {
        let problem = Problem::new("M094", span, "an extension's url is an absolute address");
        return reader.report(problem.label("https://..., as its definition says it"));
    }
    for pack in reader.library.packs.values() {
        let mut own = pack.profiles(shape.type_name()).flat_map(|p| &p.own);
        if let Some(own) = own.find(|o| o.url == url) {
            let message = format!(
                "pack {} has this extension as its target `{}`",
                pack.name, own.name
            );
            let hint = format!(
                "write it under [profile.{}]: {} = '...'",
                pack.name, own.name
            );
            return reader.report(Problem::new("M094", span, message).hint(hint));
        }
    }
}
