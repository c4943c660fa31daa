//! HL7 messages as a source: groups of segments, who owns a note, and what a path selects.
//!
//! Groups are cut leniently by their openings (an order opens at ORC, or at an OBR whose order already has its OBR), because real
//! messages leave segments out. A bare segment is looked for in the item of the loop, the row, the row's patient, then the head of the
//! message, never sideways into another order or patient.

use super::ast::{Group, Hl7Path, SegmentStep, Selector};
use super::definitions::components;
use super::eval::{Answer, Datum, Eval, Item, Spot};
use super::model::Library;
use crate::domain::reason::{Hl7Place, Refusal};
use crate::domain::time::When;
use crate::domain::value::{Kind, Value};
use crate::hl7::datatype::{BadValue, DataType, read, read_component};
use crate::hl7::message::Message;
use crate::hl7::view::{Component, Repetition, Segment, Text};
use std::borrow::Cow;

/// A place of a message.
#[derive(Debug, Clone, Copy)]
pub enum Slot<'m> {
    Segment(Segment<'m>),
    Repetition(Repetition<'m>, DataType),
    Component(Component<'m>, DataType),
    Subcomponent(Text<'m>),
}

impl<'m> Slot<'m> {
    /// Its text as compared and looked up: trimmed, `None` if blank.
    pub fn text(&self) -> Option<Cow<'m, str>> {
        let text = match self {
            Self::Segment(segment) => {
                let value = observed(*segment)?;
                return value.text();
            }
            Self::Repetition(r, DataType::Text) => r.whole_text(),
            Self::Repetition(r, _) => r.text(),
            Self::Component(c, DataType::Text) => c.whole_text(),
            Self::Component(c, _) => c.text(),
            Self::Subcomponent(t) => t.text(),
        };
        let text = match text {
            Cow::Borrowed(t) => Cow::Borrowed(t.trim()),
            Cow::Owned(t) => Cow::Owned(t.trim().to_owned()),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Where it stands.
    pub fn place(&self) -> Hl7Place {
        match self {
            Self::Segment(s) => s.place(),
            Self::Repetition(r, _) => r.place(),
            Self::Component(c, _) => c.place(),
            Self::Subcomponent(t) => t.place(),
        }
    }

    /// First byte and length in the message as received.
    pub fn span(&self) -> (u32, u32) {
        let (start, end) = match self {
            Self::Segment(s) => s.span(),
            Self::Repetition(r, _) => r.span(),
            Self::Component(c, _) => c.span(),
            Self::Subcomponent(t) => t.span(),
        };
        (start, end.saturating_sub(start))
    }

    /// The value of the wanted kind.
    pub fn value(&self, want: Kind) -> Result<Option<Value>, BadValue> {
        match self {
            Self::Segment(segment) => match observed(*segment) {
                Some(slot) => slot.value(want),
                None => Ok(None),
            },
            Self::Repetition(r, datatype) => read(r, *datatype, want),
            Self::Component(c, datatype) => read_component(c, *datatype, want),
            Self::Subcomponent(t) => Ok(self.text().map(|text| match want {
                Kind::When => {
                    When::parse(&text).map_or(Value::Text(t.text().into_owned()), Value::When)
                }
                _ => Value::Text(text.into_owned()),
            })),
        }
    }

    /// The same place read as another type.
    pub fn as_type(self, datatype: DataType) -> Self {
        match self {
            Self::Repetition(r, _) => Self::Repetition(r, datatype),
            Self::Component(c, _) => Self::Component(c, datatype),
            other => other,
        }
    }
}

/// The value of an OBX: OBX-5, typed by OBX-2.
pub fn observed(segment: Segment<'_>) -> Option<Slot<'_>> {
    if segment.id() != "OBX" {
        return None;
    }
    let first = segment.field(5).first();
    (!first.is_empty()).then(|| Slot::Repetition(first, varies(segment)))
}

fn varies(segment: Segment<'_>) -> DataType {
    let declared = match segment.id() {
        "OBX" => segment.field(2).first().text(),
        _ => Cow::Borrowed(""),
    };
    DataType::of_name(&declared).unwrap_or(DataType::Text)
}

/// Name of the data type of a field, as the definitions have it.
fn field_type<'l>(segment: Segment<'_>, field: u16, library: &'l Library) -> &'l str {
    let fields = library.segments.get(segment.id());
    fields
        .and_then(|f| f.get(usize::from(field).checked_sub(1)?))
        .map_or("-", |f| f.datatype.as_str())
}

fn datatype(segment: Segment<'_>, name: &str) -> DataType {
    match name {
        "varies" => varies(segment),
        name => DataType::of_name(name).unwrap_or(DataType::Other),
    }
}

fn at(slot: Slot<'_>) -> Item<'_> {
    Item::new(Datum::Hl7(slot), Spot::Hl7(slot))
}

/// The repetitions of a field: null as null, empty ones left out, except the empty lines of notes and texts.
fn repetitions<'m>(segment: Segment<'m>, field: u16, library: &Library) -> Vec<Item<'m>> {
    let view = segment.field(field);
    let datatype = datatype(segment, field_type(segment, field, library));
    if view.is_null() {
        let slot = Slot::Repetition(view.first(), datatype);
        return vec![Item::new(Datum::Null, Spot::Hl7(slot))];
    }
    let is_text = matches!((segment.id(), field), ("OBX", 5) | ("NTE", 3));
    if is_text && view.is_empty() {
        let slot = Slot::Repetition(view.first(), DataType::Text);
        return vec![Item::new(Datum::Blank, Spot::Hl7(slot))];
    }
    let item = |r: Repetition<'m>| at(Slot::Repetition(r, datatype));
    view.repetitions()
        .filter(|r| !r.is_empty())
        .map(item)
        .collect()
}

/// One component of a repetition, or subcomponent of a component.
pub fn component<'m>(slot: Slot<'m>, component: u16, sub: Option<u16>) -> Option<Item<'m>> {
    match slot {
        Slot::Repetition(r, _) => {
            let name = type_name(r);
            component_of(r, name.as_deref(), component, sub)
        }
        Slot::Component(c, _) => {
            let text = c.subcomponent(component);
            (!text.is_empty()).then(|| at(Slot::Subcomponent(text)))
        }
        _ => None,
    }
}

/// Inside a bracket the definitions are not at hand; OBX-2 is, everything else is read as text.
fn type_name(r: Repetition<'_>) -> Option<String> {
    let segment = r.field().segment();
    (segment.id() == "OBX" && r.field().number() == 5)
        .then(|| segment.field(2).first().text().into_owned())
}

fn component_of<'m>(
    r: Repetition<'m>,
    type_name: Option<&str>,
    component: u16,
    sub: Option<u16>,
) -> Option<Item<'m>> {
    let found = r.component(component);
    if found.is_empty() {
        return None;
    }
    let name = type_name
        .and_then(components)
        .and_then(|parts| parts.get(usize::from(component).checked_sub(1)?))
        .copied();
    let datatype = name.and_then(DataType::of_name).unwrap_or(DataType::Other);
    let Some(sub) = sub else {
        let slot = Slot::Component(found, datatype);
        return Some(match found.is_null() {
            true => Item::new(Datum::Null, Spot::Hl7(slot)),
            false => at(slot),
        });
    };
    let text = found.subcomponent(sub);
    (!text.is_empty()).then(|| at(Slot::Subcomponent(text)))
}

/// The items of `-field.component.subcomponent` of a segment.
pub fn field<'m>(
    segment: Segment<'m>,
    field: u16,
    component: Option<u16>,
    sub: Option<u16>,
    library: &Library,
) -> Vec<Item<'m>> {
    let found = repetitions(segment, field, library);
    match component {
        None => found,
        Some(component) => parts(segment, field, found, component, sub, library),
    }
}

fn parts<'m>(
    segment: Segment<'m>,
    field: u16,
    found: Vec<Item<'m>>,
    component: u16,
    sub: Option<u16>,
    library: &Library,
) -> Vec<Item<'m>> {
    let name = match field_type(segment, field, library) {
        "varies" => segment.field(2).first().text().into_owned(),
        name => name.to_owned(),
    };
    found
        .into_iter()
        .filter_map(|item| match item.datum {
            Datum::Hl7(Slot::Repetition(r, _)) => component_of(r, Some(&name), component, sub),
            Datum::Null => Some(item),
            _ => None,
        })
        .collect()
}

/// A segment with the groups it belongs to; 0 = none.
#[derive(Debug, Clone, Copy)]
struct Placed<'m> {
    segment: Segment<'m>,
    id: &'m str,
    patient: usize,
    order: usize,
    resource: usize,
    owner: Option<usize>,
}

/// The groups of a message.
#[derive(Debug)]
pub struct Layout<'m> {
    segments: Vec<Placed<'m>>,
    patients: usize,
    orders: usize,
    resources: usize,
}

/// One row: a group, and the segment that makes the row inside it.
#[derive(Debug, Clone)]
pub struct Row {
    pub group: Group,
    number: usize,
    pick: Option<usize>,
    pick_id: Option<String>,
}

impl<'m> Layout<'m> {
    /// Cuts a message into its groups.
    pub fn of(message: &'m Message) -> Self {
        let (mut patient, mut order, mut resource) = (0, 0, 0);
        let (mut patients, mut orders, mut resources) = (0, 0, 0);
        let mut has_obr = false;
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
                "SPM" => specimen = Some(index),
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
                patient,
                order,
                resource,
                owner: owned,
            });
        }
        Self {
            segments,
            patients,
            orders,
            resources,
        }
    }

    /// Number of groups of a sort.
    pub fn count(&self, group: Group) -> usize {
        match group {
            Group::Message => 1,
            Group::Order => self.orders,
            Group::Patient => self.patients,
            Group::Resource => self.resources,
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

    fn in_group(&self, index: usize, group: Group, number: usize) -> bool {
        let s = &self.segments[index];
        match group {
            Group::Message => true,
            Group::Order => s.order == number,
            Group::Patient => s.patient == number,
            Group::Resource => s.resource == number,
        }
    }

    /// The patient a row stands in: that of its first segment, else the only one.
    fn patient_of(&self, row: &Row) -> usize {
        let mut inside =
            (0..self.segments.len()).filter(|i| self.in_group(*i, row.group, row.number));
        let found = inside.next().map_or(0, |i| self.segments[i].patient);
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
            let all: Vec<usize> = (0..self.segments.len())
                .filter(|i| self.segments[*i].id == step.id)
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

    /// The first step: the nearest level that has what is asked for.
    fn start(
        &self,
        step: &SegmentStep,
        group: Option<Group>,
        row: &Row,
        item: &[usize],
        ev: &Eval<'_, 'm>,
    ) -> Result<Vec<usize>, Refusal> {
        let all = || (0..self.segments.len()).filter(|i| self.segments[*i].id == step.id);
        let patient = self.patient_of(row);
        if let Some(group) = group {
            let inside: Vec<usize> = match group {
                Group::Message => all().collect(),
                Group::Patient => all()
                    .filter(|i| self.segments[*i].patient == patient)
                    .collect(),
                same if same == row.group => all()
                    .filter(|i| self.in_group(*i, same, row.number))
                    .collect(),
                _ => vec![],
            };
            return self.filtered(step, inside, ev);
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
        let in_patient = all().filter(|i| {
            let s = &self.segments[*i];
            s.patient == patient && patient > 0 && s.order == 0
        });
        let in_head = all().filter(|i| {
            let s = &self.segments[*i];
            s.patient == 0 && s.order == 0 || matches!(s.id, "MSH" | "EVN" | "SCH")
        });
        let levels: [Vec<usize>; 3] = [in_row.collect(), in_patient.collect(), in_head.collect()];
        for level in levels {
            let found = self.filtered(step, level, ev)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(vec![])
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
