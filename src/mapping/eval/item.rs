//! What an expression finds: an item, the place it came from, and what else decided.

use crate::dicom::dataset::{DataSet, Element};
use crate::domain::fields::Origin;
use crate::domain::ids::JournalId;
use crate::domain::node::Node;
use crate::domain::reason::Place;
use crate::domain::value::{Identifier, Value};
use crate::mapping::hl7_source::Slot;
use std::borrow::Cow;

/// What an item is.
#[derive(Debug, Clone)]
pub enum Datum<'m> {
    /// HL7's null, or `clear`: empties the field.
    Null,
    /// An empty line of text: kept by `join` and in lists of text only.
    Blank,
    Value(Value),
    /// A part of an HL7 message, read when its kind is known.
    Hl7(Slot<'m>),
    /// An attribute of a data set.
    Element(&'m Element),
    /// An item of a sequence.
    Item(&'m DataSet),
    /// The issuer of an identifier: an identifier without value.
    Issuer(Identifier),
    /// A part of the record that is no value itself.
    Node(&'m Node<'m>),
    /// A row of a table (`rows()`): name of the table, index of the row.
    Row(String, usize),
}

/// Where an item came from.
#[derive(Debug, Clone)]
pub enum Spot<'m> {
    /// A constant, a setting.
    Nowhere,
    Hl7(Slot<'m>),
    /// Path of keywords.
    Dicom(String),
    /// A stored field, with its own origins.
    Stored(&'m [Origin]),
}

/// One thing that an expression found.
#[derive(Debug, Clone)]
pub struct Item<'m> {
    pub datum: Datum<'m>,
    pub spot: Spot<'m>,
    /// Places of the other values that were joined into this one.
    pub others: Vec<Spot<'m>>,
    /// Tables, settings that decided.
    pub via: Vec<String>,
}

impl<'m> Item<'m> {
    /// An item of a place.
    pub fn new(datum: Datum<'m>, spot: Spot<'m>) -> Self {
        Self {
            datum,
            spot,
            others: vec![],
            via: vec![],
        }
    }

    /// A text without a place.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Datum::Value(Value::Text(text.into())), Spot::Nowhere)
    }

    /// The same item with another value.
    #[must_use]
    pub fn with(self, value: Value) -> Self {
        Self {
            datum: Datum::Value(value),
            ..self
        }
    }

    /// True if it says something: neither null nor a blank line.
    pub fn says(&self) -> bool {
        !matches!(self.datum, Datum::Null | Datum::Blank)
    }

    /// The text by which it is compared; `None` for null, blanks and things.
    pub fn comparable(&self) -> Option<Cow<'_, str>> {
        match &self.datum {
            Datum::Value(value) => value.comparable().map(Cow::Borrowed),
            Datum::Hl7(slot) => slot.text(),
            Datum::Element(element) => element.text().map(Cow::Borrowed),
            Datum::Issuer(id) => id.issuer.as_ref().map(|i| Cow::Borrowed(i.key())),
            _ => None,
        }
    }

    /// The place in the source, for refusals and warnings.
    pub fn place(&self) -> Option<Place> {
        match &self.spot {
            Spot::Hl7(slot) => Some(Place::Hl7(slot.place())),
            Spot::Dicom(path) => Some(Place::Dicom(path.clone())),
            _ => None,
        }
    }

    /// The origins of the value, as they are stored.
    pub fn origins(&self, journal: JournalId, rule: &str) -> Vec<Origin> {
        let mut found = Vec::new();
        for spot in std::iter::once(&self.spot).chain(&self.others).take(8) {
            let (path, span) = match spot {
                Spot::Nowhere => (String::new(), (0, 0)),
                Spot::Hl7(slot) => (slot.place().to_string(), slot.span()),
                Spot::Dicom(path) => (path.clone(), (0, 0)),
                Spot::Stored(origins) => {
                    found.extend(origins.iter().cloned());
                    continue;
                }
            };
            found.push(Origin {
                journal,
                path,
                span,
                rule: rule.to_owned(),
                via: self.via.clone(),
            });
        }
        found
    }
}
