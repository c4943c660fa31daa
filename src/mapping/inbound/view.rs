//! What the paths of a rule see: the row, the item of a loop, and the other rules of the row by their names.

use super::{Input, Pass};
use crate::dicom::dataset::DataSet;
use crate::domain::value::Kind;
use crate::mapping::ast::{DicomPath, Hl7Path, NamePath};
use crate::mapping::eval::{Answer, Eval, Item, Scope};
use crate::mapping::hl7_source::Row;
use crate::mapping::model::{Goal, Rule};
use crate::mapping::{dicom_source, lookup, record_source, typing};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The place from which paths are seen: the row, and the item of a loop.
pub(super) struct View<'e, 'm> {
    pub(super) pass: &'e Pass<'e, 'm>,
    pub(super) row: Option<&'e Row>,
    /// Segments of the current loop item.
    pub(super) segments: Vec<usize>,
    /// Data set item of the current loop, with its path.
    pub(super) item: Option<(&'m DataSet, String)>,
    /// What the innermost loop stands at: `item`, or the row of a table (`row.COLUMN`).
    pub(super) current: Option<Item<'m>>,
    /// Rules of the row that were asked for by name.
    pub(super) known: &'e RefCell<BTreeMap<String, Vec<Item<'m>>>>,
}

impl<'m> Scope<'m> for View<'_, 'm> {
    fn hl7(&self, path: &Hl7Path, ev: &Eval<'_, 'm>) -> Answer<'m> {
        match (self.pass.input, self.row) {
            (Input::Hl7(layout), Some(row)) => layout.select(path, row, &self.segments, ev),
            _ => Ok(vec![]),
        }
    }

    fn dicom(&self, path: &DicomPath, ev: &Eval<'_, 'm>) -> Answer<'m> {
        match (self.pass.input, &self.item) {
            (_, Some((item, base))) if !path.root => dicom_source::select(item, base, path, ev),
            (Input::Dicom(root), _) => dicom_source::select(root, "", path, ev),
            _ => Ok(vec![]),
        }
    }

    /// A field that another rule of the row fills.
    fn name(&self, path: &NamePath, ev: &Eval<'_, 'm>) -> Answer<'m> {
        let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
        match (names.as_slice(), &self.current) {
            (["item"], current) => return Ok(current.iter().cloned().collect()),
            (["row", column], Some(row)) => return Ok(lookup::cell(row, column, ev)),
            _ => {}
        }
        let Some((section, rest)) = names.split_first() else {
            return Ok(vec![]);
        };
        for length in [2, 1] {
            let Some(name) = rest.get(..length).map(|n| n.join(".")) else {
                continue;
            };
            let Some(rule) = self.pass.model.rule(section, &name) else {
                continue;
            };
            let items = self.named(&format!("{section}.{name}"), rule)?;
            let parts = &rest[length..];
            return Ok(match parts.is_empty() {
                true => items,
                false => items
                    .iter()
                    .flat_map(|i| record_source::parts(i, parts))
                    .collect(),
            });
        }
        Ok(vec![])
    }
}

impl<'e, 'm> View<'e, 'm> {
    pub(super) fn eval<'v>(&'v self, label: &'v str) -> Eval<'v, 'm> {
        Eval {
            library: self.pass.library,
            consts: &self.pass.model.consts,
            link: Some(self.pass.link),
            scope: self,
            label,
            limit: None,
            warnings: self.pass.warnings,
        }
    }

    /// A rule of the row by its name, evaluated once, typed as its field.
    fn named(&self, name: &str, rule: &Rule) -> Answer<'m> {
        if let Some(items) = self.known.borrow().get(name) {
            return Ok(items.clone());
        }
        let row = View {
            pass: self.pass,
            row: self.row,
            segments: vec![],
            item: None,
            current: None,
            known: self.known,
        };
        let (kind, list) = kind_of(rule);
        let items = row.eval(&rule.label).rule(rule, list)?;
        let typed = |item: Item<'m>| match typing::value(&item, kind) {
            Ok(Some(value)) => Some(item.with(value)),
            _ => None,
        };
        let items: Vec<Item<'m>> = items.into_iter().filter_map(typed).collect();
        self.known
            .borrow_mut()
            .insert(name.to_owned(), items.clone());
        Ok(items)
    }
}

fn kind_of(rule: &Rule) -> (Kind, bool) {
    match &rule.goal {
        Goal::Field(def) => (def.kind, def.list),
        _ => (Kind::Text(0), true),
    }
}
