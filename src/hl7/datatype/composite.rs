//! One look at two levels: a repetition with its components, or a component whose subcomponents play their part.

use crate::hl7::view::{Component, Repetition};
use std::borrow::Cow;

/// A composite value: a repetition with its components, or a component with its subcomponents in their role.
#[derive(Debug, Clone, Copy)]
pub enum Composite<'m> {
    Repetition(Repetition<'m>),
    Component(Component<'m>),
}

impl<'m> Composite<'m> {
    /// Part `n`, trimmed; `None` if empty or the HL7 null.
    pub fn part(self, n: u16) -> Option<String> {
        match self {
            Self::Repetition(r) => filled(r.component(n).text()),
            Self::Component(c) => filled(c.subcomponent(n).text()),
        }
    }

    /// Subcomponent `n` of part `part`. A component's parts have no parts of their own: they are their first.
    pub fn sub(self, part: u16, n: u16) -> Option<String> {
        match self {
            Self::Repetition(r) => filled(r.component(part).subcomponent(n).text()),
            Self::Component(_) if n == 1 => self.part(part),
            Self::Component(_) => None,
        }
    }

    /// A part as a composite of its own.
    pub fn inner(self, n: u16) -> Self {
        match self {
            Self::Repetition(r) => Self::Component(r.component(n)),
            Self::Component(_) => self,
        }
    }

    /// All of it as one text, delimiters included.
    pub fn whole(self) -> Cow<'m, str> {
        match self {
            Self::Repetition(r) => r.whole_text(),
            Self::Component(c) => c.whole_text(),
        }
    }

    /// All text behind the `n`-th delimiter.
    pub fn after(self, n: u16) -> Option<String> {
        match self {
            Self::Repetition(r) => filled(r.text_after(n)),
            Self::Component(_) => self.part(n + 1),
        }
    }

    /// True if there is nothing but delimiters, or the HL7 null.
    pub fn is_empty(self) -> bool {
        match self {
            Self::Repetition(r) => r.is_empty() || r.is_null(),
            Self::Component(c) => c.is_empty() || c.is_null(),
        }
    }
}

/// The text without blanks around it; `None` if nothing is left, or the HL7 null.
pub fn filled(text: Cow<'_, str>) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty() && trimmed != "\"\"").then(|| trimmed.to_owned())
}
