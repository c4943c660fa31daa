//! The items of a field: its repetitions, their components and subcomponents, typed as the definitions have them.
//!
//! The null value (`""`) stays null, and empty lines of notes and texts stay; everything else that is empty is left out.

use super::slot::{Slot, varies};
use crate::hl7::datatype::DataType;
use crate::hl7::view::{Repetition, Segment};
use crate::mapping::definitions::components;
use crate::mapping::eval::{Datum, Item, Spot};
use crate::mapping::model::Library;
use std::borrow::Cow;

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

pub(super) fn at(slot: Slot<'_>) -> Item<'_> {
    Item::new(Datum::Hl7(slot), Spot::Hl7(slot))
}

/// The repetitions of a field: null as null, empty ones left out, except the empty lines of notes and texts.
pub(super) fn repetitions<'m>(
    segment: Segment<'m>,
    field: u16,
    library: &Library,
) -> Vec<Item<'m>> {
    let view = segment.field(field);
    let is_text = matches!((segment.id(), field), ("OBX", 5) | ("NTE", 3));
    let is_empty = view.is_empty();
    if is_empty && !is_text {
        return vec![];
    }
    let datatype = datatype(segment, field_type(segment, field, library));
    if view.is_null() {
        let slot = Slot::Repetition(view.first(), datatype);
        return vec![Item::new(Datum::Null, Spot::Hl7(slot))];
    }
    if is_empty {
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

pub(super) fn parts<'m>(
    segment: Segment<'m>,
    field: u16,
    found: Vec<Item<'m>>,
    component: u16,
    sub: Option<u16>,
    library: &Library,
) -> Vec<Item<'m>> {
    if found.is_empty() {
        return found;
    }
    let name = match field_type(segment, field, library) {
        "varies" => segment.field(2).first().text(),
        name => Cow::Borrowed(name),
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
