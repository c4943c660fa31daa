//! Cases that outlived their rules: a wanted value for which the file has no rule any more can only fail.

use crate::diagnostic::Diagnostic;
use crate::domain::record::{LISTS, SECTIONS};
use crate::mapping::load::TOML_CODES;
use crate::mapping::model::{FileKind, Model};
use crate::toml_file::{At, Doc, Item, Table};
use std::sync::Arc;

/// The values that a case's `want.toml` (named `file` in messages) wants and no rule of its mapping file gives.
pub fn stale(model: &Model, file: &Arc<str>, want: &str) -> Vec<Diagnostic> {
    let doc = Doc::parse(file, want, TOML_CODES);
    let root = doc.root();
    let search = Search { model, doc: &doc };
    match model.kind {
        FileKind::Hl7 | FileKind::Mpps => {
            let commands = root.item("command").and_then(|c| c.as_array());
            for command in commands.into_iter().flatten() {
                search.record(&command);
            }
        }
        FileKind::Resource(_) => search.resource("set", root.item("set")),
        FileKind::Worklist | FileKind::Device => search.item("", root.item("item")),
    }
    doc.into_problems()
}

struct Search<'s> {
    model: &'s Model,
    doc: &'s Doc<'s>,
}

impl Search<'_> {
    /// The sections and lists of a record.
    fn record(&self, record: &Item<'_>) {
        for (key, item) in entries(record) {
            let list = LISTS.iter().any(|l| l.section == key.value);
            match (item.as_array(), SECTIONS.contains(&key.value)) {
                (Some(items), _) if list => items.iter().for_each(|i| self.fields(key.value, i)),
                (None, true) => self.fields(key.value, &item),
                _ => {}
            }
        }
    }

    fn fields(&self, section: &str, fields: &Item<'_>) {
        for (key, item) in entries(fields) {
            let list = LISTS.iter().any(|l| l.section == key.value);
            match item.as_array() {
                Some(items) if list => items.iter().for_each(|i| self.fields(key.value, i)),
                _ if self.carries(section, key.value) => {}
                _ if self.model.rule(section, key.value).is_none() => {
                    self.report(&key, &format!("{section}.{}", key.value));
                }
                _ => {}
            }
        }
    }

    /// True for the field that holds the items of a list which the record only carries (`report.flags`), if the file fills that list.
    fn carries(&self, section: &str, name: &str) -> bool {
        let mut carried = LISTS.iter().filter(|l| l.carried);
        carried.any(|l| {
            l.parent == section
                && l.plural == name
                && self.model.sections(l.section).next().is_some()
        })
    }

    /// The targets of a resource; a list of tables is a section of the shape.
    fn resource(&self, section: &str, values: Option<Item<'_>>) {
        for (key, item) in values.iter().flat_map(entries) {
            let known = self.model.sections(key.value).next().is_some();
            match item.as_array() {
                Some(items) if known => {
                    let inner = items.into_iter();
                    inner.for_each(|i| self.resource(key.value, Some(i)));
                }
                _ if self.model.rule(section, key.value).is_none() => self.report(&key, key.value),
                _ => {}
            }
        }
    }

    /// The attributes of a worklist item; what a rule gives whole is not looked into, an empty one may be the standard's (type 2).
    fn item(&self, prefix: &str, values: Option<Item<'_>>) {
        for (key, item) in values.iter().flat_map(entries) {
            let path = format!("{prefix}{}", key.value);
            let items = item.as_array().unwrap_or_default();
            let rules = || self.model.sections("set").flat_map(|s| &s.rules);
            let inside = |rule: &str| rule.strip_prefix(&path).is_some_and(|r| r.starts_with('.'));
            let empty = item.as_array().is_some_and(|list| list.is_empty());
            if rules().any(|r| r.name == path) || empty {
                continue;
            }
            match rules().any(|r| inside(&r.name)) {
                true => items
                    .into_iter()
                    .for_each(|i| self.item(&format!("{path}."), Some(i))),
                false => self.report(&key, &path),
            }
        }
    }

    fn report(&self, key: &At<&str>, target: &str) {
        let message = format!("no rule of {} gives {target}", self.model.name);
        let problem = Diagnostic::new("M082", key.span.clone(), message);
        self.doc.report(
            problem
                .in_file(self.doc.file())
                .label("wanted here")
                .hint("give the target its rule again, or take the line out (`relais mapping test --bless` does)"),
        );
    }
}

fn entries<'i>(item: &Item<'i>) -> Vec<(At<&'i str>, Item<'i>)> {
    let table: Option<Table<'i>> = item.as_table("");
    table.map_or(vec![], |t| t.entries().collect())
}
