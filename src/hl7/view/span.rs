//! A span of a message: the one place where bytes are split and decoded.

use crate::hl7::{escape::unescape, message::Message};
use std::borrow::Cow;

/// A span of a message, and whether its bytes are taken literally (MSH-1 and MSH-2, whose content is the delimiters).
#[derive(Debug, Clone, Copy)]
pub struct Span<'m> {
    pub message: &'m Message,
    pub start: u32,
    pub end: u32,
    pub literal: bool,
}

impl<'m> Span<'m> {
    /// The bytes.
    pub fn raw(self) -> &'m [u8] {
        let raw = self.message.raw();
        raw.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// The text, decoded and unescaped.
    pub fn text(self) -> Cow<'m, str> {
        let (charset, raw) = (self.message.charset(), self.raw());
        // The whole message was checked when it was parsed and delimiters are ASCII, so a part of it decodes too.
        let decoded = charset.decode_strict(raw).unwrap_or_default();
        if self.literal {
            return decoded;
        }
        let separators = self.message.separators();
        match decoded {
            Cow::Borrowed(text) => unescape(text, &separators, charset),
            Cow::Owned(text) if !text.contains(char::from(separators.escape)) => Cow::Owned(text),
            Cow::Owned(text) => Cow::Owned(unescape(&text, &separators, charset).into_owned()),
        }
    }

    /// The parts between `separator`s, with their offsets. A span without bytes is one empty part.
    pub fn parts(self, separator: u8) -> impl Iterator<Item = Span<'m>> + use<'m> {
        let mut next = Some(self.start);
        std::iter::from_fn(move || {
            let start = next?;
            let rest = Span { start, ..self };
            let found = if self.literal {
                None
            } else {
                memchr::memchr(separator, rest.raw())
            };
            let length = found.and_then(|at| u32::try_from(at).ok());
            let end = length.map_or(self.end, |length| start + length);
            next = length.map(|_| end + 1);
            Some(Span { start, end, ..self })
        })
    }

    /// Part `n` from 1; the empty span at the end if there are fewer.
    pub fn part(self, separator: u8, n: u16) -> Span<'m> {
        let end = Span {
            start: self.end,
            ..self
        };
        let (before, raw) = match usize::from(n).checked_sub(1) {
            Some(0) if self.literal => return self,
            Some(before) if !self.literal => (before, self.raw()),
            _ => return end,
        };
        let mut found = memchr::memchr_iter(separator, raw)
            .filter_map(|at| self.start.checked_add(u32::try_from(at).ok()?));
        let start = match before.checked_sub(1) {
            None => self.start,
            Some(index) => match found.nth(index) {
                Some(at) => at + 1,
                None => return end,
            },
        };
        Span {
            start,
            end: found.next().unwrap_or(self.end),
            ..self
        }
    }

    /// True if nothing but these delimiters is there.
    pub fn only(self, separators: &[u8]) -> bool {
        !self.literal && self.raw().iter().all(|b| separators.contains(b)) || self.start == self.end
    }

    /// True for the HL7 null `""`.
    pub fn is_null(self) -> bool {
        self.raw() == b"\"\""
    }
}
