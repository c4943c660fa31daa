//! HL7 messages as a source: groups of segments, who owns a note, and what a path selects.
//!
//! Groups are cut leniently by their openings (an order opens at ORC, or at an OBR whose order already has its OBR), because real
//! messages leave segments out. A bare segment is looked for in the item of the loop, the row, the row's patient, then the head of the
//! message, never sideways into another order or patient.

mod field;
mod slot;

pub use field::{component, field};
pub use slot::{Slot, observed};

use super::ast::{Group, Hl7Path, SegmentStep, Selector};
use super::eval::{Answer, Datum, Eval, Item};
use crate::domain::reason::Refusal;
use crate::hl7::message::Message;
use crate::hl7::view::Segment;
use field::{at, parts, repetitions};

/// A segment with the groups it belongs to; 0 = none.
#[derive(Debug, Clone, Copy)]
struct Placed<'m> {
    segment: Segment<'m>,
    id: &'m str,
    code: [u8; 3],
    patient: usize,
    order: usize,
    resource: usize,
    specimen: usize,
    owner: Option<usize>,
}

/// The groups of a message.
#[derive(Debug)]
pub struct Layout<'m> {
    segments: Vec<Placed<'m>>,
    patients: usize,
    orders: usize,
    resources: usize,
    specimens: usize,
}

/// One row: a group, and the segment that makes the row inside it.
#[derive(Debug, Clone)]
pub struct Row {
    pub group: Group,
    number: usize,
    pick: Option<usize>,
    pick_id: Option<String>,
}

/// An id as it is compared; that of no segment if it is none.
fn code(id: &str) -> [u8; 3] {
    id.as_bytes().try_into().unwrap_or_default()
}

impl<'m> Layout<'m> {
    /// Cuts a message into its groups.
    pub fn of(message: &'m Message) -> Self {
        let (mut patient, mut order, mut resource) = (0, 0, 0);
        let (mut patients, mut orders, mut resources) = (0, 0, 0);
        let mut has_obr = false;
        let mut specimens = 0;
        let (mut owner, mut specimen) = (None, None);
        let mut segments: Vec<Placed<'m>> = Vec::new();
        for (index, segment) in message.segments().enumerate() {
            let id = segment.id();
            match id {
                "PID" => {
                    patients += 1;
                    (patient, order, has_obr, specimen) = (patients, 0, false, None);
                }
                "ORC" => {
                    orders += 1;
                    (order, has_obr, specimen) = (orders, false, None);
                }
                "OBR" if order == 0 || has_obr => {
                    orders += 1;
                    (order, has_obr, specimen) = (orders, true, None);
                }
                "OBR" => has_obr = true,
                "RGS" => {
                    resources += 1;
                    resource = resources;
                }
                "AIS" | "AIG" | "AIL" | "AIP" if resource == 0 => {
                    resources += 1;
                    resource = resources;
                }
                "SPM" => {
                    specimens += 1;
                    specimen = Some(index);
                }
                _ => {}
            }
            let is_note = matches!(id, "NTE" | "PRT");
            let owned = match id {
                _ if is_note => owner,
                "OBX" => specimen,
                _ => None,
            };
            if !is_note {
                owner = Some(index);
            }
            segments.push(Placed {
                segment,
                id,
                code: code(id),
                patient,
                order,
                resource,
                specimen: specimen.map_or(0, |_| specimens),
                owner: owned,
            });
        }
        Self {
            segments,
            patients,
            orders,
            resources,
            specimens,
        }
    }

    /// Number of groups of a sort.
    pub fn count(&self, group: Group) -> usize {
        match group {
            Group::Message => 1,
            Group::Order => self.orders,
            Group::Patient => self.patients,
            Group::Resource => self.resources,
            Group::Specimen => self.specimens,
        }
    }

    /// The rows of `[from] each`.
    pub fn rows(&self, group: Group, inner: Option<&str>) -> Vec<Row> {
        let mut rows = Vec::new();
        for number in 1..=self.count(group) {
            let row = |pick| Row {
                group,
                number,
                pick,
                pick_id: inner.map(str::to_owned),
            };
            let picks: Vec<usize> = (0..self.segments.len())
                .filter(|i| Some(self.segments[*i].id) == inner && self.in_group(*i, group, number))
                .collect();
            match picks.is_empty() {
                true => rows.push(row(None)),
                false => rows.extend(picks.into_iter().map(|i| row(Some(i)))),
            }
        }
        rows
    }

    /// The segments of an id.
    fn named(&self, id: &str) -> impl Iterator<Item = usize> {
        let wanted = code(id);
        (0..self.segments.len()).filter(move |i| self.segments[*i].code == wanted)
    }

    fn in_group(&self, index: usize, group: Group, number: usize) -> bool {
        let s = &self.segments[index];
        match group {
            Group::Message => true,
            Group::Order => s.order == number,
            Group::Patient => s.patient == number,
            Group::Resource => s.resource == number,
            Group::Specimen => s.specimen == number,
        }
    }

    /// The first segment of a row's group.
    fn first_of(&self, row: &Row) -> Option<&Placed<'m>> {
        let mut all = self.segments.iter().enumerate();
        let found = all.find(|(i, _)| self.in_group(*i, row.group, row.number));
        found.map(|(_, placed)| placed)
    }

    /// The patient a row stands in: that of its first segment, else the only one.
    fn patient_of(&self, row: &Row) -> usize {
        let found = self.first_of(row).map_or(0, |s| s.patient);
        if found == 0 && self.patients == 1 {
            1
        } else {
            found
        }
    }

    /// What a path selects, seen from a row and the segments of the current loop item.
    pub fn select(
        &self,
        path: &Hl7Path,
        row: &Row,
        item: &[usize],
        ev: &Eval<'_, 'm>,
    ) -> Answer<'m> {
        let Some((first, owned)) = path.segments.split_first() else {
            return Ok(vec![]);
        };
        let mut found = self.start(first, path.group, row, item, ev)?;
        for step in owned {
            let all: Vec<usize> = self
                .named(&step.id)
                .filter(|i| self.segments[*i].owner.is_some_and(|o| found.contains(&o)))
                .collect();
            found = self.filtered(step, all, ev)?;
        }
        let segments = found.iter().map(|i| self.segments[*i].segment);
        let Some(field) = path.field else {
            return Ok(segments.map(|s| at(Slot::Segment(s))).collect());
        };
        let mut items = Vec::new();
        for segment in segments {
            let mut repeated = repetitions(segment, field, ev.library);
            match &path.select {
                Some(Selector::Index(n)) => {
                    repeated = repeated.into_iter().skip(n - 1).take(1).collect();
                }
                Some(Selector::Cond(cond)) => {
                    let mut kept = Vec::new();
                    for item in repeated {
                        if item.says() && ev.cond(cond, Some(&item))? {
                            kept.push(item);
                        }
                    }
                    repeated = kept;
                }
                None => {}
            }
            match path.component {
                Some(c) => items.extend(parts(
                    segment,
                    field,
                    repeated,
                    c,
                    path.subcomponent,
                    ev.library,
                )),
                None => items.extend(repeated),
            }
        }
        Ok(items)
    }

    /// Indices of the segments that a loop runs over.
    pub fn indices(&self, items: &[Item<'m>]) -> Vec<usize> {
        let index = |item: &Item<'m>| match item.datum {
            Datum::Hl7(Slot::Segment(s)) => Some(s.index()),
            _ => None,
        };
        items.iter().filter_map(index).collect()
    }

    /// The groups that a group word means here: the row's own, else those of the segments of the loop, else all that stand in the row.
    fn groups_of(&self, group: Group, row: &Row, item: &[usize]) -> Vec<usize> {
        match group {
            Group::Message => return vec![1],
            Group::Patient => return vec![self.patient_of(row)],
            same if same == row.group => return vec![row.number],
            _ => {}
        }
        let number = |i: &usize| match group {
            Group::Order => self.segments[*i].order,
            Group::Resource => self.segments[*i].resource,
            _ => self.segments[*i].specimen,
        };
        let of_item: Vec<usize> = item.iter().map(number).filter(|n| *n > 0).collect();
        if !of_item.is_empty() {
            return of_item;
        }
        let inside = (0..self.segments.len()).filter(|i| self.in_group(*i, row.group, row.number));
        let mut numbers: Vec<usize> = inside.map(|i| number(&i)).filter(|n| *n > 0).collect();
        numbers.dedup();
        numbers
    }

    /// The first step: the nearest level that has what is asked for.
    fn start(
        &self,
        step: &SegmentStep,
        group: Option<Group>,
        row: &Row,
        item: &[usize],
        ev: &Eval<'_, 'm>,
    ) -> Result<Vec<usize>, Refusal> {
        let all = || self.named(&step.id);
        if let Some(group) = group {
            let numbers = self.groups_of(group, row, item);
            let inside = all().filter(|i| numbers.iter().any(|n| self.in_group(*i, group, *n)));
            return self.filtered(step, inside.collect(), ev);
        }
        if item.iter().any(|i| self.segments[*i].id == step.id) {
            let own = item
                .iter()
                .copied()
                .filter(|i| self.segments[*i].id == step.id);
            return self.filtered(step, own.collect(), ev);
        }
        if row.pick_id.as_deref() == Some(step.id.as_str()) {
            return self.filtered(step, row.pick.into_iter().collect(), ev);
        }
        let in_row = all().filter(|i| self.in_group(*i, row.group, row.number));
        let found = self.filtered(step, in_row.collect(), ev)?;
        if !found.is_empty() {
            return Ok(found);
        }
        // A specimen stands in an order.
        if row.group == Group::Specimen {
            let order = self.first_of(row).map_or(0, |s| s.order);
            let in_order = all().filter(|i| order > 0 && self.segments[*i].order == order);
            let found = self.filtered(step, in_order.collect(), ev)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let patient = self.patient_of(row);
        let in_patient = all().filter(|i| {
            let s = &self.segments[*i];
            s.patient == patient && patient > 0 && s.order == 0
        });
        let found = self.filtered(step, in_patient.collect(), ev)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let in_head = all().filter(|i| {
            let s = &self.segments[*i];
            s.patient == 0 && s.order == 0 || matches!(s.id, "MSH" | "EVN" | "SCH")
        });
        self.filtered(step, in_head.collect(), ev)
    }

    fn filtered(
        &self,
        step: &SegmentStep,
        found: Vec<usize>,
        ev: &Eval<'_, 'm>,
    ) -> Result<Vec<usize>, Refusal> {
        match &step.select {
            None => Ok(found),
            Some(Selector::Index(n)) => Ok(found.into_iter().skip(n - 1).take(1).collect()),
            Some(Selector::Cond(cond)) => {
                let mut kept = Vec::new();
                for index in found {
                    let item = at(Slot::Segment(self.segments[index].segment));
                    if ev.cond(cond, Some(&item))? {
                        kept.push(index);
                    }
                }
                Ok(kept)
            }
        }
    }
}
