//! A place of a message: its text, where it stands, and its value as a data type.
//!
//! OBX-5 has the type that OBX-2 declares, and a whole OBX stands for its value.

use crate::domain::reason::Hl7Place;
use crate::domain::time::When;
use crate::domain::value::{Kind, Value};
use crate::hl7::datatype::{BadValue, DataType, read, read_component};
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

pub(super) fn varies(segment: Segment<'_>) -> DataType {
    let declared = match segment.id() {
        "OBX" => segment.field(2).first().text(),
        _ => Cow::Borrowed(""),
    };
    DataType::of_name(&declared).unwrap_or(DataType::Text)
}
