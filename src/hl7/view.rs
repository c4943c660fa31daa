//! Views of a message: segment, field, repetition, component, subcomponent. Each is a span of the raw bytes, found when asked for.
//!
//! All are `Copy`, all numbers count from 1 as HL7 does, and what is absent is an empty view, so that a path never needs to be
//! checked step by step. Only `text()` decodes and unescapes.

mod span;

use super::message::{Delimiters, Message};
use crate::domain::reason::Hl7Place;
use span::Span;
use std::borrow::Cow;

/// A segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'m> {
    message: &'m Message,
    index: usize,
}

/// A field of a segment.
#[derive(Debug, Clone, Copy)]
pub struct Field<'m> {
    span: Span<'m>,
    segment: Segment<'m>,
    number: u16,
}

/// One repetition of a field.
#[derive(Debug, Clone, Copy)]
pub struct Repetition<'m> {
    span: Span<'m>,
    field: Field<'m>,
    index: u16,
}

/// A component of a repetition.
#[derive(Debug, Clone, Copy)]
pub struct Component<'m> {
    span: Span<'m>,
    repetition: Repetition<'m>,
    index: u16,
}

/// A subcomponent: text and nothing below.
#[derive(Debug, Clone, Copy)]
pub struct Text<'m> {
    span: Span<'m>,
    component: Component<'m>,
    index: u16,
}

impl<'m> Segment<'m> {
    pub(super) fn new(message: &'m Message, index: usize) -> Self {
        Self { message, index }
    }

    /// The message it stands in.
    pub fn message(self) -> &'m Message {
        self.message
    }

    /// `PID`.
    pub fn id(self) -> &'m str {
        let at = self.message.at(self.index);
        at.and_then(|s| std::str::from_utf8(&s.id).ok())
            .unwrap_or_default()
    }

    /// Its position in the message, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// Which segment of its id it is, from 1.
    pub fn occurrence(self) -> u16 {
        self.message.at(self.index).map_or(1, |s| s.occurrence)
    }

    /// First and past-the-end byte in the message as received.
    pub fn span(self) -> (u32, u32) {
        let at = self.message.at(self.index);
        at.map_or((0, 0), |s| (s.start, s.end))
    }

    /// The bytes of the segment, id included.
    pub fn raw(self) -> &'m [u8] {
        self.whole().raw()
    }

    /// Field `n` from 1; empty if the segment has fewer. MSH-1 is the field separator, MSH-2 the other delimiters.
    pub fn field(self, n: u16) -> Field<'m> {
        let whole = self.whole();
        let is_header = self.message.at(self.index).is_some_and(|s| &s.id == b"MSH");
        let span = match (is_header, n) {
            (_, 0) => Span {
                start: whole.end,
                ..whole
            },
            (true, 1) => Span {
                start: whole.start + 3,
                end: whole.start + 4,
                literal: true,
                ..whole
            },
            (true, 2) => Span {
                literal: true,
                ..self.part(2)
            },
            (true, n) => self.part(n),
            (false, n) => self.part(n.saturating_add(1)),
        };
        Field {
            span,
            segment: self,
            number: n,
        }
    }

    /// Where it stands.
    pub fn place(self) -> Hl7Place {
        Hl7Place {
            segment: self.id().to_owned(),
            occurrence: self.occurrence(),
            ..Hl7Place::default()
        }
    }

    /// Part `n` from 1 between field separators, the id being the first.
    fn part(self, n: u16) -> Span<'m> {
        let whole = self.whole();
        let (number, ends) = (usize::from(n), self.message.delimiters(self.index));
        if number >= Delimiters::MOST {
            return whole.part(self.message.separators().field, n);
        }
        let start = match number.checked_sub(2) {
            None => Some(whole.start),
            Some(before) => ends.get(before).map(|at| at + 1),
        };
        let end = number.checked_sub(1).and_then(|own| ends.get(own));
        Span {
            start: start.unwrap_or(whole.end),
            end: end.copied().unwrap_or(whole.end),
            ..whole
        }
    }

    fn whole(self) -> Span<'m> {
        let (start, end) = self.span();
        Span {
            message: self.message,
            start,
            end,
            literal: false,
        }
    }
}

impl<'m> Field<'m> {
    /// The repetitions, empty ones between others included; none if the field has no bytes.
    pub fn repetitions(self) -> impl Iterator<Item = Repetition<'m>> + use<'m> {
        let separator = self.span.message.separators().repetition;
        let count = if self.span.start == self.span.end {
            0
        } else {
            usize::from(u16::MAX)
        };
        let numbered = (1..=u16::MAX).zip(self.span.parts(separator)).take(count);
        numbered.map(move |(index, span)| Repetition {
            span,
            field: self,
            index,
        })
    }

    /// Repetition `n` from 1; empty if there are fewer.
    pub fn repetition(self, n: u16) -> Repetition<'m> {
        let separator = self.span.message.separators().repetition;
        Repetition {
            span: self.span.part(separator, n),
            field: self,
            index: n,
        }
    }

    /// The first repetition, empty if the field is.
    pub fn first(self) -> Repetition<'m> {
        self.repetition(1)
    }

    /// The segment it stands in.
    pub fn segment(self) -> Segment<'m> {
        self.segment
    }

    /// Its number, from 1.
    pub fn number(self) -> u16 {
        self.number
    }

    /// True if it holds nothing but delimiters.
    pub fn is_empty(self) -> bool {
        let s = self.span.message.separators();
        self.span.only(&[s.repetition, s.component, s.subcomponent])
    }

    /// True for the HL7 null `""`: delete what is stored (v2.5.1 2.5.3).
    pub fn is_null(self) -> bool {
        self.span.is_null()
    }

    /// Its bytes as received.
    pub fn raw(self) -> &'m [u8] {
        self.span.raw()
    }

    /// First and past-the-end byte in the message as received.
    pub fn span(self) -> (u32, u32) {
        (self.span.start, self.span.end)
    }

    /// The whole field as one text, delimiters included: for text values whose sender does not escape.
    pub fn whole_text(self) -> Cow<'m, str> {
        self.span.text()
    }

    /// Where it stands.
    pub fn place(self) -> Hl7Place {
        Hl7Place {
            field: self.number,
            ..self.segment.place()
        }
    }
}

impl<'m> Repetition<'m> {
    /// Component `n` from 1; empty if there are fewer.
    pub fn component(self, n: u16) -> Component<'m> {
        let separator = self.span.message.separators().component;
        Component {
            span: self.span.part(separator, n),
            repetition: self,
            index: n,
        }
    }

    /// The components; at least one.
    pub fn components(self) -> impl Iterator<Item = Component<'m>> + use<'m> {
        let separator = self.span.message.separators().component;
        let numbered = (1..=u16::MAX).zip(self.span.parts(separator));
        numbered.map(move |(index, span)| Component {
            span,
            repetition: self,
            index,
        })
    }

    /// The field it belongs to.
    pub fn field(self) -> Field<'m> {
        self.field
    }

    /// Which repetition it is, from 1.
    pub fn index(self) -> u16 {
        self.index
    }

    /// True if it holds nothing but delimiters.
    pub fn is_empty(self) -> bool {
        let s = self.span.message.separators();
        self.span.only(&[s.component, s.subcomponent])
    }

    /// True for the HL7 null `""`.
    pub fn is_null(self) -> bool {
        self.span.is_null()
    }

    /// Its bytes as received.
    pub fn raw(self) -> &'m [u8] {
        self.span.raw()
    }

    /// First and past-the-end byte in the message as received.
    pub fn span(self) -> (u32, u32) {
        (self.span.start, self.span.end)
    }

    /// The text of the first component.
    pub fn text(self) -> Cow<'m, str> {
        self.component(1).text()
    }

    /// All of it as one text, delimiters included: for text values whose sender does not escape.
    pub fn whole_text(self) -> Cow<'m, str> {
        self.span.text()
    }

    /// What follows the `n`-th component separator, as one text: raw data at the end of an ED (v2.5.1 2.A.24).
    pub fn text_after(self, n: u16) -> Cow<'m, str> {
        let start = self.component(n.saturating_add(1)).span.start;
        Span { start, ..self.span }.text()
    }

    /// Where it stands.
    pub fn place(self) -> Hl7Place {
        Hl7Place {
            repetition: self.index,
            ..self.field.place()
        }
    }
}

impl<'m> Component<'m> {
    /// Subcomponent `n` from 1; empty if there are fewer.
    pub fn subcomponent(self, n: u16) -> Text<'m> {
        let separator = self.span.message.separators().subcomponent;
        Text {
            span: self.span.part(separator, n),
            component: self,
            index: n,
        }
    }

    /// True if it has more than one subcomponent.
    pub fn has_subcomponents(self) -> bool {
        let separator = self.span.message.separators().subcomponent;
        !self.span.literal && memchr::memchr(separator, self.span.raw()).is_some()
    }

    /// The repetition it belongs to.
    pub fn repetition(self) -> Repetition<'m> {
        self.repetition
    }

    /// Its number, from 1.
    pub fn index(self) -> u16 {
        self.index
    }

    /// True if it holds nothing but delimiters.
    pub fn is_empty(self) -> bool {
        self.span
            .only(&[self.span.message.separators().subcomponent])
    }

    /// True for the HL7 null `""`.
    pub fn is_null(self) -> bool {
        self.span.is_null()
    }

    /// Its bytes as received.
    pub fn raw(self) -> &'m [u8] {
        self.span.raw()
    }

    /// First and past-the-end byte in the message as received.
    pub fn span(self) -> (u32, u32) {
        (self.span.start, self.span.end)
    }

    /// The text of the first subcomponent: all of it, if there are no others.
    pub fn text(self) -> Cow<'m, str> {
        self.subcomponent(1).text()
    }

    /// All of it as one text, delimiters included.
    pub fn whole_text(self) -> Cow<'m, str> {
        self.span.text()
    }

    /// Where it stands.
    pub fn place(self) -> Hl7Place {
        Hl7Place {
            component: self.index,
            ..self.repetition.place()
        }
    }
}

impl<'m> Text<'m> {
    /// The text, decoded and unescaped.
    pub fn text(self) -> Cow<'m, str> {
        self.span.text()
    }

    /// Its number, from 1.
    pub fn index(self) -> u16 {
        self.index
    }

    /// True if there are no bytes.
    pub fn is_empty(self) -> bool {
        self.span.start == self.span.end
    }

    /// True for the HL7 null `""`.
    pub fn is_null(self) -> bool {
        self.span.is_null()
    }

    /// Its bytes as received.
    pub fn raw(self) -> &'m [u8] {
        self.span.raw()
    }

    /// First and past-the-end byte in the message as received.
    pub fn span(self) -> (u32, u32) {
        (self.span.start, self.span.end)
    }

    /// Where it stands.
    pub fn place(self) -> Hl7Place {
        Hl7Place {
            subcomponent: self.index,
            ..self.component.place()
        }
    }
}

/// Reads all of a field in every way: what the fuzz target and the properties do with a message.
pub(super) fn walk(field: Field<'_>) {
    let _ = (
        field.is_empty(),
        field.is_null(),
        field.whole_text(),
        field.place(),
    );
    for repetition in field.repetitions().take(50) {
        let _ = (repetition.whole_text(), repetition.text_after(4));
        super::datatype::walk(&repetition);
        for component in repetition.components().take(50) {
            let _ = (
                component.text(),
                component.whole_text(),
                component.is_empty(),
            );
            for n in 1..4 {
                let _ = component.subcomponent(n).text();
            }
        }
    }
}
