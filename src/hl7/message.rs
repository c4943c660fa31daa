//! A message as received: its bytes, its character set and an index of its segments.
//!
//! The raw bytes are split first, by the delimiters that MSH-1 and MSH-2 declare; values are decoded and unescaped when they are
//! read ([`super::view`]). So every span is a span of the bytes as received, and what nobody reads costs nothing.
//! Nothing is lost in silence: a line that is no segment refuses the message and is named.

mod index;
#[cfg(test)]
mod tests;

use super::{
    charset::Charset,
    view::{Field, Segment},
};
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use crate::fuzzing;
use index::{Index, SegmentAt, Warnings};
use std::{borrow::Cow, sync::Arc};

pub(super) use index::Delimiters;
pub use index::MAX_SEGMENTS;

/// The delimiters of a message (v2.5.1 2.5.4): ASCII punctuation, all different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1, usually `|`.
    pub field: u8,
    /// Usually `^`.
    pub component: u8,
    /// Usually `~`.
    pub repetition: u8,
    /// Usually `\`.
    pub escape: u8,
    /// Usually `&`.
    pub subcomponent: u8,
    /// The fifth character of MSH-2 from v2.7 on, usually `#`.
    pub truncation: Option<u8>,
}

impl Default for Separators {
    fn default() -> Self {
        Self {
            field: b'|',
            component: b'^',
            repetition: b'~',
            escape: b'\\',
            subcomponent: b'&',
            truncation: None,
        }
    }
}

impl Separators {
    /// Reads MSH-1 and MSH-2 from the first line of a message; `None` if they are no set of delimiters.
    pub fn of_header(line: &[u8]) -> Option<Self> {
        let (&field, rest) = line.strip_prefix(b"MSH")?.split_first()?;
        let end = rest.iter().position(|&b| b == field).unwrap_or(rest.len());
        let (marks, truncation) = match rest.get(..end)? {
            [marks @ .., truncation] if marks.len() == 4 => (marks, Some(*truncation)),
            marks => (marks, None),
        };
        let &[component, repetition, escape, subcomponent] = marks else {
            return None;
        };
        let mut all = vec![field, component, repetition, escape, subcomponent];
        all.extend(truncation);
        let distinct = (1..all.len()).all(|i| !all[..i].contains(&all[i]));
        let found = Self {
            field,
            component,
            repetition,
            escape,
            subcomponent,
            truncation,
        };
        (distinct && all.iter().all(u8::is_ascii_punctuation)).then_some(found)
    }
}

/// What to do when a single-byte character set is declared and the bytes say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contradiction {
    /// Refuse with `charset.contradicted`.
    #[default]
    Refuse,
    /// Believe the bytes and warn: UTF-8; and windows-1252 where ISO 8859-1 is declared and bytes 80-9F occur.
    TakeAsUtf8,
}

/// How a link reads messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// The set of messages that declare none in MSH-18; `None`: UTF-8 if the bytes are, else windows-1252 with a warning.
    pub charset: Option<Charset>,
    /// What to do when the declared set contradicts the bytes.
    pub contradiction: Contradiction,
}

/// A message: raw bytes and the index of its segments. Cheap to clone by `Arc`.
#[derive(Debug, Clone)]
pub struct Message {
    raw: Arc<[u8]>,
    separators: Separators,
    charset: Charset,
    segments: Vec<SegmentAt>,
    delimiters: Delimiters,
    warnings: Warnings,
}

/// The routing fields of MSH, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'m> {
    /// MSH-3.1.
    pub sending_application: Cow<'m, str>,
    /// MSH-4.1.
    pub sending_facility: Cow<'m, str>,
    /// MSH-5.1.
    pub receiving_application: Cow<'m, str>,
    /// MSH-6.1.
    pub receiving_facility: Cow<'m, str>,
    /// MSH-7, as written.
    pub date: Cow<'m, str>,
    /// MSH-9.1: `ORM`.
    pub type_: Cow<'m, str>,
    /// MSH-9.2: `O01`; empty where only the type is sent (v2.1).
    pub event: Cow<'m, str>,
    /// MSH-9.3: `ORM_O01`.
    pub structure: Cow<'m, str>,
    /// MSH-10.
    pub control_id: Cow<'m, str>,
    /// MSH-11.1: `P`, `T` or `D`.
    pub processing_id: Cow<'m, str>,
    /// MSH-12.1: `2.5.1`.
    pub version: Cow<'m, str>,
    /// MSH-15 (table 0155).
    pub accept_ack: Cow<'m, str>,
    /// MSH-16 (table 0155).
    pub application_ack: Cow<'m, str>,
}

impl Message {
    /// Indexes a message and checks that all of it can be read: every line a segment, every byte a character of its set.
    ///
    /// # Errors
    /// `message.unparsable` naming the line, `charset.unknown` at MSH-18, `charset.undecodable` with the byte offset,
    /// `charset.contradicted`.
    pub fn parse(raw: Arc<[u8]>, reading: &Reading) -> Result<Self, Refusal> {
        let found = Index::of(&raw)?;
        let mut message = Self {
            delimiters: Delimiters::of(&raw, found.separators.field, &found.segments),
            raw,
            separators: found.separators,
            charset: Charset::Ascii,
            segments: found.segments,
            warnings: found.warnings,
        };
        message.charset = message.decide_charset(reading)?;
        Ok(message)
    }

    /// The bytes as received, framing removed.
    pub fn raw(&self) -> &Arc<[u8]> {
        &self.raw
    }

    /// The character set that the message is read in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// What was tolerated; for the journal and the operator, without content of the message.
    pub fn warnings(&self) -> &[String] {
        self.warnings.all()
    }

    /// The delimiters.
    pub fn separators(&self) -> Separators {
        self.separators
    }

    /// All segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        (0..self.segments.len()).map(|index| Segment::new(self, index))
    }

    /// The first segment of this id.
    pub fn segment(&self, id: &str) -> Option<Segment<'_>> {
        self.segments().find(|s| s.id() == id)
    }

    pub(super) fn at(&self, index: usize) -> Option<&SegmentAt> {
        self.segments.get(index)
    }

    /// The field separators of a segment, the first [`Delimiters::MOST`] of them.
    pub(super) fn delimiters(&self, index: usize) -> &[u32] {
        self.delimiters.of_segment(index)
    }

    /// The routing fields.
    pub fn header(&self) -> Header<'_> {
        let msh = Segment::new(self, 0);
        let part = |field: u16, component: u16| {
            let text = msh.field(field).first().component(component).text();
            match text {
                Cow::Borrowed(t) => Cow::Borrowed(t.trim()),
                Cow::Owned(t) => Cow::Owned(t.trim().to_owned()),
            }
        };
        Header {
            sending_application: part(3, 1),
            sending_facility: part(4, 1),
            receiving_application: part(5, 1),
            receiving_facility: part(6, 1),
            date: part(7, 1),
            type_: part(9, 1),
            event: part(9, 2),
            structure: part(9, 3),
            control_id: msh.field(10).whole_text(),
            processing_id: part(11, 1),
            version: part(12, 1),
            accept_ack: part(15, 1),
            application_ack: part(16, 1),
        }
    }

    fn decide_charset(&mut self, reading: &Reading) -> Result<Charset, Refusal> {
        let declared: Field<'_> = Segment::new(self, 0).field(18);
        let code = declared.first().component(1).raw();
        let code = String::from_utf8_lossy(code).trim().to_owned();
        let declared = if code.is_empty() || code == "\"\"" {
            None
        } else {
            Some(Charset::of_hl7(&code).ok_or_else(|| {
                Refusal::new(Reason::CharsetUnknown, format!("\"{}\"", printable(&code)))
                    .at(self.msh(18))
                    .allowed(Charset::SUPPORTED)
                    .hint("send one of these")
            })?)
        };
        match declared.or(reading.charset) {
            Some(charset) => self.check_charset(charset, declared.is_some(), reading.contradiction),
            None if Charset::Utf8.check(&self.raw).is_ok() => Ok(Charset::Utf8),
            None => {
                self.check_bytes(
                    Charset::Windows1252,
                    "no character set is declared; windows-1252",
                )?;
                self.warnings.push("MSH-18 is empty and the bytes are not UTF-8: read as windows-1252; set the link's charset");
                Ok(Charset::Windows1252)
            }
        }
    }

    fn check_charset(
        &mut self,
        charset: Charset,
        by_sender: bool,
        policy: Contradiction,
    ) -> Result<Charset, Refusal> {
        if self.raw.is_ascii() {
            return Ok(charset);
        }
        let who = if by_sender {
            "MSH-18 declares"
        } else {
            "the link is set to"
        };
        let single_byte = charset != Charset::Utf8;
        let really = if single_byte && Charset::Utf8.check(&self.raw).is_ok() {
            Some(Charset::Utf8)
        } else if charset == Charset::Latin1 && self.has_c1() {
            Some(Charset::Windows1252)
        } else {
            None
        };
        if let Some(really) = really {
            let found = format!(
                "{who} {} and the bytes are {}",
                charset.name(),
                really.name()
            );
            if policy == Contradiction::Refuse {
                return Err(Refusal::new(Reason::CharsetContradicted, found)
                    .at(self.msh(18))
                    .allowed("bytes of the declared set")
                    .hint("correct MSH-18 at the sender, or let the link believe the bytes"));
            }
            self.check_bytes(really, who)?;
            self.warnings
                .push(format!("{found}: read as {}", really.name()));
            return Ok(really);
        }
        self.check_bytes(charset, who)?;
        Ok(charset)
    }

    /// Bytes 80-9F are control characters in all parts of ISO 8859, which no text holds: another set is meant.
    fn has_c1(&self) -> bool {
        self.raw.iter().any(|b| (0x80..0xA0).contains(b))
    }

    fn check_bytes(&self, charset: Charset, who: &str) -> Result<(), Refusal> {
        let c1 = || {
            charset
                .is_iso_8859()
                .then(|| self.raw.iter().position(|b| (0x80..0xA0).contains(b)))
                .flatten()
        };
        let Some(at) = charset.check(&self.raw).err().or_else(c1) else {
            return Ok(());
        };
        let byte = self.raw.get(at).copied().unwrap_or_default();
        Err(Refusal::new(
            Reason::CharsetUndecodable,
            format!("byte {byte:02X} at offset {at} is not {}", charset.name()),
        )
        .at(self.place_of(at))
        .allowed(format!("{who} {}", charset.name()))
        .hint("correct MSH-18 or the bytes at the sender"))
    }

    fn msh(&self, field: u16) -> Place {
        Place::Hl7(Hl7Place {
            segment: "MSH".to_owned(),
            occurrence: 1,
            field,
            ..Hl7Place::default()
        })
    }

    /// The segment and field that hold the byte at `offset`.
    fn place_of(&self, offset: usize) -> Place {
        let holds = |s: &SegmentAt| (s.start as usize..s.end as usize).contains(&offset);
        let index = self.segments.iter().position(holds).unwrap_or(0);
        let segment = Segment::new(self, index);
        let (start, _) = segment.span();
        let before = self.raw.get(start as usize..offset).unwrap_or_default();
        let fields = before
            .iter()
            .filter(|&&b| b == self.separators.field)
            .count();
        // MSH-1 is the first delimiter itself.
        let field = fields + usize::from(segment.id() == "MSH" && fields > 0);
        Place::Hl7(Hl7Place {
            segment: segment.id().to_owned(),
            occurrence: segment.occurrence(),
            field: u16::try_from(field).unwrap_or(u16::MAX),
            ..Hl7Place::default()
        })
    }
}

/// What may be shown of a word that a sender wrote: 20 characters, nothing that is not printable ASCII.
fn printable(text: &str) -> String {
    text.chars()
        .take(20)
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .collect()
}

/// Fuzz target: parses any bytes and walks everything that was found.
pub fn fuzz_hl7_message(data: &[u8]) -> u64 {
    let (link, data) = match data.split_first() {
        Some((0, rest)) => (Some(Charset::Latin1), rest),
        _ => (None, data),
    };
    let reading = Reading {
        charset: link,
        contradiction: Contradiction::TakeAsUtf8,
    };
    let message = match Message::parse(Arc::from(data), &reading) {
        Ok(message) => message,
        Err(refusal) => return fuzzing::shape((refusal.reason, &refusal.at)),
    };
    let _ = message.header();
    for segment in message.segments() {
        // Empty fields are read alike: one of each segment is enough.
        let (empty, filled): (Vec<_>, Vec<_>) = (1..=40)
            .map(|n| segment.field(n))
            .partition(|field| field.is_empty());
        for field in filled.into_iter().chain(empty.into_iter().take(1)) {
            super::view::walk(field);
        }
    }
    let ids: std::collections::BTreeSet<&str> = message.segments().map(Segment::id).collect();
    let known = |id: &&&str| ["MSH", "PID", "PV1", "ORC", "OBR", "OBX", "IPC"].contains(id);
    fuzzing::shape((
        message.charset(),
        message.separators().truncation.is_some(),
        message.warnings().len(),
        fuzzing::size(message.segments.len()),
        ids.iter().filter(known).collect::<Vec<_>>(),
    ))
}
