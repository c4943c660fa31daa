//! One message through one file: rows, their records, what each says.
//!
//! The command is read first: a rule of a section that the command does not need can only warn, so that an unknown modality never
//! blocks a cancel. Afterwards [`super::command`] holds the record against what its command requires.

use super::ast::{DicomPath, Hl7Path, NamePath};
use super::dicom_source;
use super::eval::{Answer, Datum, Eval, Item, LinkView, Scope, Spot, Warning};
use super::hl7_source::{Layout, Row};
use super::model::{Goal, IfNone, Library, Model, Rule, Section};
use super::record_source;
use super::typing;
use crate::dicom::dataset::DataSet;
use crate::domain::command::Record;
use crate::domain::fields::{Patch, Said};
use crate::domain::ids::JournalId;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::record::{Bad, FieldDef, LISTS, SECTIONS};
use crate::domain::value::{Kind, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What is read.
pub enum Input<'m> {
    Hl7(Layout<'m>),
    Dicom(&'m DataSet),
}

/// A message on its way through a file.
pub struct Pass<'e, 'm> {
    pub library: &'e Library,
    pub model: &'e Model,
    pub input: &'e Input<'m>,
    pub link: &'e LinkView,
    pub journal: JournalId,
    pub warnings: &'e RefCell<Vec<Warning>>,
}

/// The place from which paths are seen: the row, and the item of a loop.
struct View<'e, 'm> {
    pass: &'e Pass<'e, 'm>,
    row: Option<&'e Row>,
    /// Segments of the current loop item.
    segments: Vec<usize>,
    /// Data set item of the current loop, with its path.
    item: Option<(&'m DataSet, String)>,
    /// Rules of the row that were asked for by name.
    known: &'e RefCell<BTreeMap<String, Vec<Item<'m>>>>,
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
    fn name(&self, path: &NamePath, _ev: &Eval<'_, 'm>) -> Answer<'m> {
        let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
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
    fn eval<'v>(&'v self, label: &'v str) -> Eval<'v, 'm> {
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

/// What a file declares under `[extra]`: a list of texts.
static EXTRA: FieldDef = FieldDef {
    section: "extra",
    name: "",
    kind: Kind::Text(0),
    list: true,
    bad: Bad::Warn,
    doc: "declared by a mapping file",
};

fn kind_of(rule: &Rule) -> (Kind, bool) {
    match &rule.goal {
        Goal::Field(def) => (def.kind, def.list),
        _ => (Kind::Text(0), true),
    }
}

impl<'e, 'm> Pass<'e, 'm> {
    /// A condition of the whole message (`when`, `ignore`).
    pub fn holds(&self, guard: &super::model::Guard) -> Result<bool, Refusal> {
        let rows = match self.input {
            Input::Hl7(layout) => layout.rows(super::ast::Group::Message, None),
            Input::Dicom(_) => vec![],
        };
        let known = RefCell::default();
        let view = self.view(rows.first(), &known);
        view.eval(&guard.label).cond(&guard.cond, None)
    }

    /// The words of `command.do` of a row.
    pub fn command(&self, row: Option<&Row>) -> Result<Patch, Refusal> {
        let known = RefCell::default();
        let view = self.view(row, &known);
        let mut patch = Patch::default();
        for section in self.model.sections("command") {
            self.fill(&view, section, &mut patch, true)?;
        }
        Ok(patch)
    }

    /// The record of a row; `needs` names the sections whose errors refuse.
    pub fn record(&self, row: Option<&Row>, needs: &[&str]) -> Result<Record, Refusal> {
        let known = RefCell::default();
        let view = self.view(row, &known);
        let mut record = Record::default();
        for section in &self.model.sections {
            if section.name == "command" {
                continue;
            }
            let list = LISTS.iter().find(|l| l.section == section.name);
            let needed = needs.contains(&section.name.as_str());
            match list {
                // Items of items are read with the item they stand in.
                Some(list) if is_list(list.parent) => {}
                Some(list) => {
                    let items = self.items(&view, section, needed)?;
                    record.lists.entry(list.section).or_default().extend(items);
                }
                None => {
                    let mut patch = Patch::default();
                    self.fill(&view, section, &mut patch, needed)?;
                    let name = SECTIONS.iter().find(|s| **s == section.name);
                    if let Some(name) = name
                        && !patch.0.is_empty()
                    {
                        record.sections.insert(name, patch);
                    }
                }
            }
        }
        Ok(record)
    }

    fn view<'v>(
        &'v self,
        row: Option<&'v Row>,
        known: &'v RefCell<BTreeMap<String, Vec<Item<'m>>>>,
    ) -> View<'v, 'm> {
        View {
            pass: self,
            row,
            segments: vec![],
            item: None,
            known,
        }
    }

    /// The items of a list section: one without `each`, else one per occurrence or group.
    fn items(
        &self,
        view: &View<'_, 'm>,
        section: &Section,
        needed: bool,
    ) -> Result<Vec<Record>, Refusal> {
        let Some(each) = &section.each else {
            let record = self.item(view, section, needed)?;
            return Ok(record.into_iter().collect());
        };
        let ev = view.eval(&section.label);
        // A sequence of zero length has no items.
        let found = ev.expr(each, None)?.into_iter().filter(Item::says);
        let mut groups: Vec<(Option<String>, Vec<Item<'m>>)> = Vec::new();
        for item in found.into_iter().filter(Item::says) {
            let key = match (&section.group_by, self.input) {
                (Some(by), Input::Hl7(layout)) => {
                    let inner = View {
                        segments: layout.indices(std::slice::from_ref(&item)),
                        item: None,
                        ..*view
                    };
                    let keys = inner.eval(&section.label).expr(by, None)?;
                    keys.first()
                        .and_then(|k| k.comparable())
                        .map(Cow::into_owned)
                }
                _ => None,
            };
            let same = groups.iter_mut().find(|(k, _)| key.is_some() && *k == key);
            match same {
                Some((_, items)) => items.push(item),
                None => groups.push((key, vec![item])),
            }
        }
        if groups.is_empty() {
            return match section.if_none {
                IfNone::Skip => Ok(vec![]),
                IfNone::Once => Ok(self.item(view, section, needed)?.into_iter().collect()),
                IfNone::Refuse => {
                    let found = format!("nothing for [{}]", section.name);
                    Err(Refusal::new(Reason::FieldMissing, found).rule(&*section.label))
                }
            };
        }
        let mut records = Vec::new();
        for (_, items) in groups {
            let inner = self.inside(view, &items);
            records.extend(self.item(&inner, section, needed)?);
        }
        Ok(records)
    }

    fn inside<'v>(&self, view: &View<'v, 'm>, items: &[Item<'m>]) -> View<'v, 'm> {
        let segments = match self.input {
            Input::Hl7(layout) => layout.indices(items),
            Input::Dicom(_) => vec![],
        };
        let item = items.first().and_then(|i| match (&i.datum, &i.spot) {
            (Datum::Item(set), Spot::Dicom(path)) => Some((*set, path.clone())),
            _ => None,
        });
        View {
            segments,
            item,
            ..*view
        }
    }

    /// One item with its own lists; `None` if nothing is said.
    fn item(
        &self,
        view: &View<'_, 'm>,
        section: &Section,
        needed: bool,
    ) -> Result<Option<Record>, Refusal> {
        if let Some(when) = &section.when
            && !view.eval(&section.label).cond(when, None)?
        {
            return Ok(None);
        }
        let mut record = Record::default();
        let Some(list) = LISTS.iter().find(|l| l.section == section.name) else {
            return Ok(None);
        };
        let mut patch = Patch::default();
        self.fill(view, section, &mut patch, needed)?;
        for inner in LISTS.iter().filter(|l| l.parent == section.name) {
            for block in self.model.sections(inner.section) {
                let items = self.items(view, block, needed)?;
                record.lists.entry(inner.section).or_default().extend(items);
            }
        }
        let empty = patch.0.is_empty() && record.lists.values().all(Vec::is_empty);
        record.sections.insert(list.section, patch);
        record.lists.retain(|_, items| !items.is_empty());
        Ok((!empty).then_some(record))
    }

    fn fill(
        &self,
        view: &View<'_, 'm>,
        section: &Section,
        patch: &mut Patch,
        needed: bool,
    ) -> Result<(), Refusal> {
        for rule in &section.rules {
            let Some(said) = self.said(view, rule, needed)? else {
                continue;
            };
            let name = match &rule.goal {
                Goal::Field(def) => Cow::Borrowed(def.name),
                _ => Cow::Owned(rule.name.clone()),
            };
            patch.0.insert(name, said);
        }
        Ok(())
    }

    /// What a rule says about its field.
    fn said(
        &self,
        view: &View<'_, 'm>,
        rule: &Rule,
        needed: bool,
    ) -> Result<Option<Said>, Refusal> {
        let def = match &rule.goal {
            Goal::Field(def) => *def,
            _ => &EXTRA,
        };
        let ev = view.eval(&rule.label);
        let items = match ev.rule(rule, def.list) {
            Ok(items) => items,
            // `require` refuses regardless of the command; everything else only where it is needed.
            Err(refusal) if needed || refusal.reason == Reason::FieldMissing => {
                return Err(refusal);
            }
            Err(refusal) => {
                ev.warn(
                    format!("{}: {}", refusal.reason.text(), refusal.found),
                    refusal.at,
                );
                return Ok(None);
            }
        };
        let strict = needed && def.bad == Bad::Refuse;
        let mut found: Vec<(Value, Item<'m>)> = Vec::new();
        let mut null = None;
        for item in items {
            match item.datum {
                Datum::Null => null = Some(item),
                Datum::Blank if def.list => found.push((Value::Text(String::new()), item)),
                Datum::Blank => {}
                _ => match typing::values(&item, def.kind) {
                    Ok(values) => found.extend(values.into_iter().map(|v| (v, item.clone()))),
                    Err(bad) if strict => return Err(refused(bad, &item, def, rule)),
                    Err(bad) => {
                        let message = format!(
                            "{}: {}; allowed: {}",
                            bad.reason.text(),
                            bad.found,
                            bad.allowed
                        );
                        ev.warn(message, item.place());
                    }
                },
            }
        }
        trim_blanks(&mut found);
        if found.is_empty() {
            return self.cleared(null, def, rule, strict);
        }
        self.supply_issuer(&mut found);
        if !def.list || matches!(def.kind, Kind::Identifier(_)) {
            drop_repeats(&mut found);
        }
        if !def.list && found.len() > 1 {
            if strict && is_identifying(def) {
                let mut refusal = Refusal::new(
                    Reason::FieldConflict,
                    format!(
                        "{} different values for {}.{}",
                        found.len(),
                        def.section,
                        def.name
                    ),
                );
                refusal.at = found.get(1).and_then(|(_, item)| item.place());
                return Err(refusal
                    .allowed("one value")
                    .hint("say in the mapping file which one counts")
                    .rule(&*rule.label));
            }
            ev.warn(
                format!(
                    "{}.{}: 1 of {} is taken",
                    def.section,
                    def.name,
                    found.len()
                ),
                found[1].1.place(),
            );
            found.truncate(1);
        }
        let origins = found
            .iter()
            .flat_map(|(_, item)| item.origins(self.journal, &rule.label));
        let origins = origins.collect();
        let values = found.into_iter().map(|(value, _)| value).collect();
        Ok(Some(Said { values, origins }))
    }

    fn cleared(
        &self,
        null: Option<Item<'m>>,
        def: &FieldDef,
        rule: &Rule,
        strict: bool,
    ) -> Result<Option<Said>, Refusal> {
        let Some(item) = null else { return Ok(None) };
        if strict && is_identifying(def) {
            let bad = typing::Bad {
                reason: Reason::FieldType,
                found: "the null value".to_owned(),
                allowed: "an identifier; it cannot be emptied".to_owned(),
            };
            return Err(refused(bad, &item, def, rule));
        }
        Ok(Some(Said {
            values: vec![],
            origins: item.origins(self.journal, &rule.label),
        }))
    }

    /// Identifiers whose sender names nobody get the link's default issuer, and their origin says so.
    fn supply_issuer(&self, found: &mut [(Value, Item<'m>)]) {
        let Some(default) = &self.link.default_issuer else {
            return;
        };
        for (value, item) in found {
            if let Value::Identifier(id) = value
                && id.issuer.is_none()
            {
                id.issuer = Some(default.clone());
                item.via.push("link.default_issuer".to_owned());
            }
        }
    }
}

fn is_list(section: &str) -> bool {
    LISTS.iter().any(|l| l.section == section)
}

/// Fields by which things are told apart: several values would be a mix-up.
fn is_identifying(def: &FieldDef) -> bool {
    let id_text = matches!(def.kind, Kind::Text(n) if n > 0) && def.name == "id";
    matches!(def.kind, Kind::Identifier(_) | Kind::Uid) || id_text
}

fn refused(bad: typing::Bad, item: &Item<'_>, def: &FieldDef, rule: &Rule) -> Refusal {
    let mut refusal = Refusal::new(
        bad.reason,
        format!("{} in {}.{}", bad.found, def.section, def.name),
    );
    refusal.at = item.place();
    refusal.allowed(bad.allowed).rule(&*rule.label)
}

/// Empty lines at both ends say nothing.
fn trim_blanks(found: &mut Vec<(Value, Item<'_>)>) {
    let blank = |(value, _): &(Value, Item<'_>)| matches!(value, Value::Text(t) if t.is_empty());
    while found.last().is_some_and(blank) {
        found.pop();
    }
    let leading = found.iter().take_while(|v| blank(v)).count();
    found.drain(..leading);
}

fn drop_repeats(found: &mut Vec<(Value, Item<'_>)>) {
    let mut kept: Vec<Value> = Vec::new();
    found.retain(|(value, _)| {
        let new = !kept.contains(value);
        if new {
            kept.push(value.clone());
        }
        new
    });
}
