//! The index of a message: lines become segments, or the message is refused by the line that is none.

use super::Separators;
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};

/// The most segments of one message.
pub const MAX_SEGMENTS: usize = 10_000;

/// Where a segment lies.
#[derive(Debug, Clone, Copy)]
pub struct SegmentAt {
    pub id: [u8; 3],
    /// Which of its id, from 1.
    pub occurrence: u16,
    /// Its first byte.
    pub start: u32,
    /// Past its last byte.
    pub end: u32,
}

/// What was tolerated, the first twenty of it: a hostile message must not fill the journal.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Vec<String>);

impl Warnings {
    /// Adds one, if there is room.
    pub fn push(&mut self, text: impl Into<String>) {
        if self.0.len() < 20 {
            self.0.push(text.into());
        }
    }

    /// All that were kept.
    pub fn all(&self) -> &[String] {
        &self.0
    }
}

/// Where the fields of the segments end: the first [`Delimiters::MOST`] field separators of each, found once and not for every field.
#[derive(Debug, Clone, Default)]
pub struct Delimiters {
    at: Vec<u32>,
    /// Where those of a segment begin in `at`, and behind the last segment its length.
    first: Vec<usize>,
}

impl Delimiters {
    /// As many as are kept of a segment.
    pub const MOST: usize = 64;

    /// Those of all segments.
    pub fn of(raw: &[u8], separator: u8, segments: &[SegmentAt]) -> Self {
        let mut found = Self::default();
        for segment in segments {
            found.first.push(found.at.len());
            let bytes = raw.get(segment.start as usize..segment.end as usize);
            let all = memchr::memchr_iter(separator, bytes.unwrap_or_default());
            found
                .at
                .extend(all.take(Self::MOST).map(|at| segment.start + offset(at)));
        }
        found.first.push(found.at.len());
        found
    }

    /// Those of a segment, in order.
    pub fn of_segment(&self, index: usize) -> &[u32] {
        let bounds = (self.first.get(index), self.first.get(index + 1));
        let (Some(from), Some(to)) = bounds else {
            return &[];
        };
        self.at.get(*from..*to).unwrap_or_default()
    }
}

/// The segments of a message, MSH first.
#[derive(Debug)]
pub struct Index {
    pub separators: Separators,
    pub segments: Vec<SegmentAt>,
    pub warnings: Warnings,
}

/// One line: its number from 1, where its text begins, the text without blanks before it, and what ended it.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    at: usize,
    text: &'a [u8],
    indented: bool,
    ended_by_cr: bool,
}

/// The lines of `raw` from `start` on, ended by CR, LF or CRLF.
fn lines(raw: &[u8], mut start: usize) -> impl Iterator<Item = Line<'_>> {
    (1..).map_while(move |number| {
        let rest = raw.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let (line, end) = rest.split_at(length);
        let text = line.trim_ascii_start();
        let found = Line {
            number,
            at: start + line.len() - text.len(),
            text,
            indented: text.len() < line.len(),
            ended_by_cr: end.first() == Some(&b'\r'),
        };
        start += length + if end.starts_with(b"\r\n") { 2 } else { 1 };
        Some(found)
    })
}

impl Index {
    /// Indexes `raw`.
    pub fn of(raw: &[u8]) -> Result<Self, Refusal> {
        let too_long = |_| Refusal::new(Reason::Limit, "a message of more than 4 GiB");
        u32::try_from(raw.len()).map_err(too_long)?;
        let mut warnings = Warnings::default();
        let bom = raw.starts_with(b"\xEF\xBB\xBF");
        if bom {
            warnings.push("a byte order mark before MSH was ignored");
        }
        let mut lines = lines(raw, if bom { 3 } else { 0 });
        let first = loop {
            let Some(line) = lines.next() else {
                return Err(
                    Refusal::new(Reason::MessageUnparsable, "nothing but blanks")
                        .allowed("a message that begins with MSH"),
                );
            };
            if !line.text.is_empty() {
                break line;
            }
            warnings.push(format!("line {} is blank", line.number));
        };
        if first.indented {
            warnings.push("blanks before MSH were ignored");
        }
        let mut index = Self {
            separators: header(first)?,
            segments: Vec::with_capacity(16),
            warnings,
        };
        index.add(*b"MSH", first);
        // Where CR ends the segments, a line after a bare LF may be the next line of a text.
        let by_cr = first.ended_by_cr;
        let mut after_bare_lf = false;
        for line in lines {
            let may_continue = std::mem::replace(&mut after_bare_lf, by_cr && !line.ended_by_cr);
            index.line(line, may_continue)?;
        }
        Ok(index)
    }

    fn line(&mut self, line: Line<'_>, may_continue: bool) -> Result<(), Refusal> {
        let number = line.number;
        if line.text.is_empty() {
            self.warnings.push(format!("line {number} is blank"));
            return Ok(());
        }
        let Some(id) = segment_id(line.text, self.separators) else {
            return self.no_segment(line, may_continue);
        };
        if id == *b"MSH" {
            let allowed = "one message in a frame, or a batch";
            return Err(unparsable(number, "begins a second message", allowed));
        }
        if self.segments.len() >= MAX_SEGMENTS {
            let allowed = format!("{MAX_SEGMENTS} segments");
            return Err(unparsable(number, "is one segment too many", &allowed));
        }
        if line.indented {
            self.warnings
                .push(format!("blanks before the segment in line {number}"));
        }
        self.add(id, line);
        Ok(())
    }

    fn no_segment(&mut self, line: Line<'_>, may_continue: bool) -> Result<(), Refusal> {
        if !may_continue {
            let allowed =
                "three characters, a letter and two letters or digits, then the field separator";
            let refusal = unparsable(line.number, "is no segment", allowed);
            return Err(refusal.hint("line breaks inside a value are sent as \\.br\\"));
        }
        self.warnings.push(format!(
            "line {} continues the text before it: a bare line feed in a field",
            line.number
        ));
        if let Some(last) = self.segments.last_mut() {
            last.end = offset(line.at + line.text.len());
        }
        Ok(())
    }

    fn add(&mut self, id: [u8; 3], line: Line<'_>) {
        let last = self.segments.iter().rev().find(|s| s.id == id);
        self.segments.push(SegmentAt {
            id,
            occurrence: last.map_or(1, |s| s.occurrence.saturating_add(1)),
            start: offset(line.at),
            end: offset(line.at + line.text.len()),
        });
    }
}

fn header(line: Line<'_>) -> Result<Separators, Refusal> {
    if !line.text.starts_with(b"MSH") {
        let hint = "a batch (FHS, BHS) must hold messages";
        return Err(unparsable(line.number, "is not MSH", "MSH as the first segment").hint(hint));
    }
    Separators::of_header(line.text).ok_or_else(|| {
        let allowed =
            "one and four (v2.7: five) different ASCII punctuation characters, as in MSH|^~\\&|";
        unparsable(
            line.number,
            "has no usable delimiters in MSH-1 and MSH-2",
            allowed,
        )
        .at(Place::Hl7(Hl7Place {
            segment: "MSH".to_owned(),
            occurrence: 1,
            field: 2,
            ..Hl7Place::default()
        }))
    })
}

fn unparsable(line: usize, found: &str, allowed: &str) -> Refusal {
    Refusal::new(Reason::MessageUnparsable, format!("line {line} {found}")).allowed(allowed)
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

/// Offsets fit 32 bits: [`Index::of`] refused longer messages.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
