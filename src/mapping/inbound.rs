//! One message through one file: rows, their records, what each says.
//!
//! The command is read first: a rule of a section that the command does not need can only warn, so that an unknown modality never
//! blocks a cancel. Afterwards [`super::command`] holds the record against what its command requires.

mod said;
mod view;

use super::eval::{Datum, Item, LinkView, Spot, Warning};
use super::hl7_source::{Layout, Row};
use super::model::{Goal, IfNone, Library, Model, Section};
use crate::dicom::dataset::DataSet;
use crate::domain::command::Record;
use crate::domain::fields::{Patch, Said};
use crate::domain::ids::JournalId;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::record::{LISTS, ListDef, SECTIONS};
use crate::domain::value::{Entry, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use view::View;

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
                Some(list) if list.carried => {
                    carry(&mut record, list, self.items(&view, section, needed)?);
                }
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
                        record.section_mut(name).0.extend(patch.0);
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
            current: None,
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
            let key = match &section.group_by {
                Some(by) => {
                    let inner = self.inside(view, std::slice::from_ref(&item));
                    let keys = inner.eval(&section.label).expr(by, None)?;
                    keys.first()
                        .and_then(|k| k.comparable())
                        .map(Cow::into_owned)
                }
                None => None,
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
        // A loop over repetitions or rows still sees the segments of the loop around it.
        let keeps = segments.is_empty() && item.is_none();
        View {
            segments: if keeps {
                view.segments.clone()
            } else {
                segments
            },
            item: if keeps { view.item.clone() } else { item },
            current: items.first().cloned(),
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
}

/// Makes the items of a list that the record only carries the values of its field; what several blocks say is one list.
fn carry(record: &mut Record, list: &'static ListDef, items: Vec<Record>) {
    let parent = SECTIONS.iter().find(|s| **s == list.parent);
    let Some(parent) = parent.filter(|_| !items.is_empty()) else {
        return;
    };
    let field = record.section_mut(parent).0.entry(list.plural.into());
    let field = field.or_default();
    let (mut values, mut origins) = (field.values.to_vec(), field.origins.to_vec());
    for item in items {
        let mut entry = Entry::default();
        for (name, said) in &item.section(list.section).0 {
            entry.0.insert(name.to_string(), said.values.to_vec());
            origins.extend(said.origins.iter().cloned());
        }
        values.push(Value::Entry(entry));
    }
    *field = Said {
        values: values.into(),
        origins: origins.into(),
    };
}

fn is_list(section: &str) -> bool {
    LISTS.iter().any(|l| l.section == section)
}

#[cfg(test)]
mod tests;
