//! A message as received: its bytes, its character set and an index of its segments.
//!
//! The raw bytes are split first, by the delimiters that MSH-1 and MSH-2 declare; values are decoded and unescaped when they are
//! read ([`super::view`]). So every span is a span of the bytes as received, and what nobody reads costs nothing.
//! Nothing is lost in silence: a line that is no segment refuses the message and is named.

use super::{
    charset::Charset,
    view::{Field, Segment},
};
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use std::{borrow::Cow, sync::Arc};

/// The most segments of one message.
pub const MAX_SEGMENTS: usize = 10_000;

/// The most warnings that one message keeps.
const MAX_WARNINGS: usize = 20;

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

/// Where a segment lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentAt {
    pub id: [u8; 3],
    pub occurrence: u16,
    pub start: u32,
    pub end: u32,
}

/// A message: raw bytes and the index of its segments. Cheap to clone by `Arc`.
#[derive(Debug, Clone)]
pub struct Message {
    raw: Arc<[u8]>,
    separators: Separators,
    charset: Charset,
    segments: Vec<SegmentAt>,
    warnings: Vec<String>,
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
        let mut warnings = Vec::new();
        let (separators, segments) = index(&raw, &mut warnings)?;
        let mut message = Self {
            raw,
            separators,
            charset: Charset::Ascii,
            segments,
            warnings,
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
        &self.warnings
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
                self.warn("MSH-18 is empty and the bytes are not UTF-8: read as windows-1252; set the link's charset");
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
            self.warn(&format!("{found}: read as {}", really.name()));
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

    fn warn(&mut self, text: &str) {
        push_warning(&mut self.warnings, text.to_owned());
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

fn push_warning(warnings: &mut Vec<String>, text: String) {
    if warnings.len() < MAX_WARNINGS {
        warnings.push(text);
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

fn unparsable(line: usize, found: &str, allowed: &str) -> Refusal {
    Refusal::new(Reason::MessageUnparsable, format!("line {line} {found}")).allowed(allowed)
}

/// Splits the bytes into segments. Lines end with CR, LF or CRLF.
fn index(raw: &[u8], warnings: &mut Vec<String>) -> Result<(Separators, Vec<SegmentAt>), Refusal> {
    let too_long = |_| Refusal::new(Reason::Limit, "a message of more than 4 GiB");
    u32::try_from(raw.len()).map_err(too_long)?;
    let mut start = 0;
    if raw.starts_with(b"\xEF\xBB\xBF") {
        push_warning(
            warnings,
            "a byte order mark before MSH was ignored".to_owned(),
        );
        start = 3;
    }
    let mut separators = None;
    let mut segments: Vec<SegmentAt> = Vec::new();
    let mut line_number = 0;
    // With CR as the terminator, a bare LF may be a line break inside a text.
    let mut by_cr = false;
    let mut after_bare_lf = false;
    while start < raw.len() {
        line_number += 1;
        let rest = raw.get(start..).unwrap_or_default();
        let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let ended_by_cr = rest.get(length) == Some(&b'\r');
        let crlf = ended_by_cr && rest.get(length + 1) == Some(&b'\n');
        let line = rest.get(..length).unwrap_or_default();
        let blanks = line
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        let text = line.get(blanks..).unwrap_or_default();
        let continues = std::mem::replace(&mut after_bare_lf, by_cr && !ended_by_cr);
        let at = start + blanks;
        start += length + 1 + usize::from(crlf);
        if text.is_empty() {
            push_warning(warnings, format!("line {line_number} is blank"));
            continue;
        }
        let Some(separators) = separators else {
            separators = Some(header(line_number, text)?);
            by_cr = ended_by_cr;
            segments.push(segment_at(&segments, *b"MSH", at, text.len()));
            if blanks > 0 {
                push_warning(warnings, "blanks before MSH were ignored".to_owned());
            }
            continue;
        };
        match segment_id(text, separators) {
            Some(id) if id == *b"MSH" => {
                return Err(unparsable(
                    line_number,
                    "begins a second message",
                    "one message in a frame, or a batch",
                ));
            }
            Some(_) if segments.len() >= MAX_SEGMENTS => {
                let allowed = format!("{MAX_SEGMENTS} segments");
                return Err(unparsable(line_number, "is one segment too many", &allowed));
            }
            Some(id) => {
                if blanks > 0 {
                    push_warning(
                        warnings,
                        format!("blanks before the segment in line {line_number}"),
                    );
                }
                segments.push(segment_at(&segments, id, at, text.len()));
            }
            None if continues => {
                push_warning(
                    warnings,
                    format!(
                        "line {line_number} continues the text before it: a bare line feed in a field"
                    ),
                );
                if let Some(last) = segments.last_mut() {
                    last.end = offset(at + text.len());
                }
            }
            None => {
                return Err(unparsable(
                    line_number,
                    "is no segment",
                    "three characters, a letter and two letters or digits, then the field separator",
                )
                .hint("line breaks inside a value are sent as \\.br\\"));
            }
        }
    }
    match separators {
        Some(separators) => Ok((separators, segments)),
        None => Err(
            Refusal::new(Reason::MessageUnparsable, "nothing but blanks")
                .allowed("a message that begins with MSH"),
        ),
    }
}

fn header(line: usize, text: &[u8]) -> Result<Separators, Refusal> {
    if !text.starts_with(b"MSH") {
        return Err(unparsable(line, "is not MSH", "MSH as the first segment"));
    }
    Separators::of_header(text).ok_or_else(|| {
        unparsable(
            line,
            "has no usable delimiters in MSH-1 and MSH-2",
            "one and four (v2.7: five) different ASCII punctuation characters, as in MSH|^~\\&|",
        )
        .at(Place::Hl7(Hl7Place {
            segment: "MSH".to_owned(),
            occurrence: 1,
            field: 2,
            ..Hl7Place::default()
        }))
    })
}

/// The id of a line that is a segment: `[A-Z][A-Z0-9]{2}`, then the field separator or nothing but blanks.
fn segment_id(line: &[u8], separators: Separators) -> Option<[u8; 3]> {
    let (&id, rest) = line.split_first_chunk::<3>()?;
    let [first, others @ ..] = id;
    let named = first.is_ascii_uppercase()
        && others
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let ended = rest.first() == Some(&separators.field) || rest.iter().all(|&b| b == b' ');
    (named && ended).then_some(id)
}

fn segment_at(before: &[SegmentAt], id: [u8; 3], start: usize, length: usize) -> SegmentAt {
    let last = before.iter().rev().find(|s| s.id == id);
    SegmentAt {
        id,
        occurrence: last.map_or(1, |s| s.occurrence.saturating_add(1)),
        start: offset(start),
        end: offset(start + length),
    }
}

/// Offsets fit 32 bits: [`index`] refused longer messages.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Fuzz target: parses any bytes and walks everything that was found.
pub fn fuzz_hl7_message(data: &[u8]) {
    let (link, data) = match data.split_first() {
        Some((0, rest)) => (Some(Charset::Latin1), rest),
        _ => (None, data),
    };
    let reading = Reading {
        charset: link,
        contradiction: Contradiction::TakeAsUtf8,
    };
    if let Ok(message) = Message::parse(Arc::from(data), &reading) {
        let _ = message.header();
        for segment in message.segments() {
            for n in 1..=40 {
                super::view::walk(segment.field(n));
            }
        }
    }
}

#[cfg(test)]
mod tests;
