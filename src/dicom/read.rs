//! Bytes to data sets, Implicit and Explicit VR Little Endian, for bytes that come from the network.
//!
//! Bounded: nothing is allocated by a length that the peer claims, nesting and the number of elements are capped, every length is
//! checked against the bytes that are there. What can be mended without guessing is mended with a [`Warning`]: a scanner is not
//! refused for a comment. Neighbours: [`super::charset`] decodes, [`super::write`] is the reverse.

use super::charset::{Charset, Declared, lenient};
use super::dataset::{Content, DataSet, Element, SPECIFIC_CHARACTER_SET, Tag, Vr, Warning};
use super::dictionary::{self, traits};
pub use super::write::Syntax;
use super::write::is_long;
use crate::fuzzing;
use std::collections::BTreeSet;

/// Bounds of one data set.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest data set, bytes.
    pub bytes: usize,
    /// Deepest nesting of sequences.
    pub depth: usize,
    /// Most elements and items together.
    pub elements: usize,
}

impl Default for Limits {
    /// 1 MiB, 16 levels, 50 000 elements: an MPPS of some ten thousand images.
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            depth: 16,
            elements: 50_000,
        }
    }
}

/// Why bytes are no data set. Fragment for "failed to read data set: ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}{}", .tag.map(|t| format!(" in {}", dictionary::name_of(t))).unwrap_or_default())]
pub struct ReadError {
    /// Byte offset of the element or item.
    pub offset: usize,
    /// The element, if its tag could be read.
    pub tag: Option<Tag>,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads a data set. `fallback` is the repertoire of 8-bit text where Specific Character Set is absent (a link's setting); without
/// it UTF-8 is tried, then windows-1252.
pub fn read(
    bytes: &[u8],
    syntax: Syntax,
    limits: Limits,
    fallback: Option<Charset>,
) -> Result<DataSet, ReadError> {
    let mut reader = Reader {
        bytes,
        limits,
        fallback,
        elements: 0,
        warnings: Vec::new(),
    };
    if bytes.len() > limits.bytes {
        return Err(reader.error(limits.bytes, None, "data set longer than the limit"));
    }
    let scope = Scope {
        end: bytes.len(),
        depth: 0,
        syntax,
        delimited: false,
    };
    let (mut ds, _) = reader.set(0, scope, None)?;
    ds.set_warnings(reader.warnings);
    Ok(ds)
}

/// Most warnings kept of one data set.
const MAX_WARNINGS: usize = 64;
const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

struct Reader<'a> {
    bytes: &'a [u8],
    limits: Limits,
    fallback: Option<Charset>,
    elements: usize,
    warnings: Vec<Warning>,
}

/// Where a data set, item or sequence ends.
#[derive(Clone, Copy)]
struct Scope {
    end: usize,
    depth: usize,
    syntax: Syntax,
    /// Ends by a delimiter and not by `end`.
    delimited: bool,
}

struct Header {
    tag: Tag,
    vr: Vr,
    length: u32,
    /// Offset of the value field.
    value: usize,
}

impl Reader<'_> {
    fn error(&self, offset: usize, tag: Option<Tag>, what: &'static str) -> ReadError {
        ReadError { offset, tag, what }
    }

    fn warn(&mut self, offset: usize, tag: Tag, what: &'static str) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning { tag, offset, what });
        }
    }

    fn count(&mut self, at: usize) -> Result<(), ReadError> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(self.error(at, None, "more elements than the limit"));
        }
        Ok(())
    }

    fn take<const N: usize>(&self, at: usize, end: usize) -> Result<[u8; N], ReadError> {
        self.bytes
            .get(at..end)
            .and_then(|b| b.first_chunk::<N>())
            .copied()
            .ok_or_else(|| self.error(at, None, "data set ends inside an element header"))
    }

    fn header(&self, at: usize, scope: Scope) -> Result<Header, ReadError> {
        let [g0, g1, e0, e1, a, b, c, d] = self.take::<8>(at, scope.end)?;
        let tag = Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
        let length = u32::from_le_bytes([a, b, c, d]);
        if scope.syntax == Syntax::ImplicitLe || tag.0 == 0xFFFE {
            return Ok(Header {
                tag,
                vr: dictionary::vr_of(tag),
                length,
                value: at + 8,
            });
        }
        if !(a.is_ascii_uppercase() && b.is_ascii_uppercase()) {
            return Err(self.error(at, Some(tag), "no value representation where one must be"));
        }
        let known = Vr::from_binary([a, b]);
        // PS3.5 7.1.2: VRs that may come have the long form.
        if known.is_none_or(is_long) {
            return Ok(Header {
                tag,
                vr: known.unwrap_or(Vr::UN),
                length: u32::from_le_bytes(self.take::<4>(at + 8, scope.end)?),
                value: at + 12,
            });
        }
        Ok(Header {
            tag,
            vr: known.unwrap_or(Vr::UN),
            length: u32::from(u16::from_le_bytes([c, d])),
            value: at + 8,
        })
    }

    /// The elements from `at` to the end of the scope, and where the next thing begins.
    fn set(
        &mut self,
        mut at: usize,
        scope: Scope,
        inherited: Option<&Declared>,
    ) -> Result<(DataSet, usize), ReadError> {
        let mut ds = DataSet::new();
        let mut declared = inherited.cloned();
        loop {
            if at == scope.end {
                if scope.delimited {
                    return Err(self.error(at, None, "item without its delimiter"));
                }
                return Ok((ds, at));
            }
            let header = self.header(at, scope)?;
            if header.tag.0 == 0xFFFE {
                if header.tag == ITEM_END && scope.delimited {
                    return Ok((ds, header.value));
                }
                return Err(self.error(at, Some(header.tag), "item delimiter outside a sequence"));
            }
            self.count(at)?;
            let (element, next) = self.element(at, &header, scope, declared.as_ref())?;
            if header.tag == SPECIFIC_CHARACTER_SET {
                declared = self.declare(at, element.texts());
            }
            if header.tag.1 == 0 && header.tag.0 % 2 == 0 {
                // Group lengths are redundant and often stale.
            } else if ds.get(header.tag).is_some() {
                self.warn(at, header.tag, "element stands twice; the first counts");
            } else {
                if ds.iter().next_back().is_some_and(|l| l.tag > header.tag) {
                    self.warn(at, header.tag, "elements are not in tag order");
                }
                ds.insert(element);
            }
            at = next;
        }
    }

    fn declare(&mut self, at: usize, terms: &[String]) -> Option<Declared> {
        if terms.iter().any(|t| Charset::of_term(t).is_none()) {
            self.warn(at, SPECIFIC_CHARACTER_SET, "unknown character set");
        }
        (!terms.is_empty()).then(|| Declared::of_terms(terms))
    }

    fn element(
        &mut self,
        at: usize,
        header: &Header,
        scope: Scope,
        declared: Option<&Declared>,
    ) -> Result<(Element, usize), ReadError> {
        let Header {
            tag, vr, length, ..
        } = *header;
        // UN is read as implicit little endian by the dictionary (PS3.5 6.2.2 note 2).
        let (vr, syntax) = match (vr, dictionary::vr_of(tag)) {
            (Vr::UN, known) if known != Vr::UN => (known, Syntax::ImplicitLe),
            (vr, _) => (vr, scope.syntax),
        };
        if length == UNDEFINED {
            return self.undefined(at, header, vr, Scope { syntax, ..scope }, declared);
        }
        let end = self.end_of(at, header, scope)?;
        if length % 2 == 1 {
            self.warn(at, tag, "odd length");
        }
        let value = self.bytes.get(header.value..end).unwrap_or_default();
        let content = match vr {
            Vr::SQ => {
                let inner = Scope {
                    end,
                    depth: scope.depth + 1,
                    syntax,
                    delimited: false,
                };
                Content::Sequence(self.items(header.value, inner, declared, true)?.0)
            }
            vr if traits(vr).text => Content::Text(self.text(at, tag, vr, value, declared)),
            vr if !value.len().is_multiple_of(traits(vr).unit) => {
                return Err(self.error(at, Some(tag), "length is no multiple of the value size"));
            }
            _ => Content::Bytes(value.to_vec()),
        };
        Ok((Element { tag, vr, content }, end))
    }

    fn end_of(&self, at: usize, header: &Header, scope: Scope) -> Result<usize, ReadError> {
        usize::try_from(header.length)
            .ok()
            .and_then(|length| header.value.checked_add(length))
            .filter(|end| *end <= scope.end)
            .ok_or_else(|| self.error(at, Some(header.tag), "value runs past the end"))
    }

    /// Undefined length: a sequence, or something unknown that is built like one and is kept as bytes.
    fn undefined(
        &mut self,
        at: usize,
        header: &Header,
        vr: Vr,
        scope: Scope,
        declared: Option<&Declared>,
    ) -> Result<(Element, usize), ReadError> {
        let tag = header.tag;
        let (syntax, keep) = match vr {
            Vr::SQ => (scope.syntax, true),
            Vr::UN => (Syntax::ImplicitLe, false),
            _ => return Err(self.error(at, Some(tag), "undefined length outside a sequence")),
        };
        let inner = Scope {
            end: scope.end,
            depth: scope.depth + 1,
            syntax,
            delimited: true,
        };
        let (items, next) = self.items(header.value, inner, declared, keep)?;
        let content = if keep {
            Content::Sequence(items)
        } else {
            let raw = self.bytes.get(header.value..next - 8);
            Content::Bytes(raw.unwrap_or_default().to_vec())
        };
        Ok((Element { tag, vr, content }, next))
    }

    fn items(
        &mut self,
        mut at: usize,
        scope: Scope,
        declared: Option<&Declared>,
        keep: bool,
    ) -> Result<(Vec<DataSet>, usize), ReadError> {
        if scope.depth > self.limits.depth {
            return Err(self.error(at, None, "sequences nested deeper than the limit"));
        }
        let mut items = Vec::new();
        loop {
            if at == scope.end {
                if scope.delimited {
                    return Err(self.error(at, None, "sequence without its delimiter"));
                }
                return Ok((items, at));
            }
            let header = self.header(at, scope)?;
            if header.tag == SEQUENCE_END && scope.delimited {
                return Ok((items, header.value));
            }
            if header.tag != ITEM {
                return Err(self.error(at, Some(header.tag), "no item where one must be"));
            }
            self.count(at)?;
            let delimited = header.length == UNDEFINED;
            let end = if delimited {
                scope.end
            } else {
                self.end_of(at, &header, scope)?
            };
            let inner = Scope {
                end,
                delimited,
                ..scope
            };
            let (item, next) = self.set(header.value, inner, declared)?;
            if keep {
                items.push(item);
            }
            at = next;
        }
    }

    fn text(
        &mut self,
        at: usize,
        tag: Tag,
        vr: Vr,
        bytes: &[u8],
        declared: Option<&Declared>,
    ) -> Vec<String> {
        let pad = |b: &u8| matches!(b, b' ' | 0);
        let kept = bytes
            .iter()
            .rposition(|b| !pad(b))
            .map_or(0, |last| last + 1);
        let bytes = bytes.get(..kept).unwrap_or_default();
        if bytes.is_empty() {
            return vec![];
        }
        let t = traits(vr);
        let strict = match declared {
            _ if !t.charset => Charset::Ascii.decode(bytes),
            Some(declared) => declared.decode(bytes, vr == Vr::PN),
            None if bytes.is_ascii() => Charset::Ascii.decode(bytes),
            None => {
                self.warn(at, tag, "8-bit text without Specific Character Set");
                self.fallback.and_then(|set| set.decode(bytes))
            }
        };
        let text = strict.map_or_else(
            || {
                if declared.is_some() || !t.charset {
                    self.warn(at, tag, "text is not in its character set");
                }
                lenient(bytes)
            },
            std::borrow::Cow::into_owned,
        );
        let clean = |value: &str| {
            let value = value.trim_end_matches([' ', '\0']);
            let value = if t.trim_start {
                value.trim_start_matches([' ', '\0'])
            } else {
                value
            };
            value.replace('\0', " ")
        };
        if t.split {
            text.split('\\').map(clean).collect()
        } else {
            vec![clean(&text)]
        }
    }
}

/// Fuzz target: any bytes as an implicit data set.
pub fn fuzz_dataset_implicit(data: &[u8]) -> u64 {
    fuzz(data, Syntax::ImplicitLe)
}

/// Fuzz target: any bytes as an explicit data set.
pub fn fuzz_dataset_explicit(data: &[u8]) -> u64 {
    fuzz(data, Syntax::ExplicitLe)
}

/// What can be read can be written again.
fn fuzz(data: &[u8], syntax: Syntax) -> u64 {
    let mut ds = match read(data, syntax, Limits::default(), None) {
        Ok(ds) => ds,
        Err(error) => {
            return fuzzing::shape((error.what, error.tag.and_then(dictionary::keyword_of)));
        }
    };
    let warnings: BTreeSet<_> = ds
        .warnings()
        .iter()
        .map(|w| (w.what, dictionary::keyword_of(w.tag)))
        .collect();
    ds.remove(SPECIFIC_CHARACTER_SET);
    let fitted = super::charset::fit(&ds, None);
    let written = super::write::write(&fitted.data, syntax, fitted.charset);
    fuzzing::shape((
        warnings,
        fuzzing::size(ds.len()),
        written.is_ok(),
        depth(&ds),
    ))
}

fn depth(ds: &DataSet) -> usize {
    let inner = ds.iter().flat_map(Element::items).map(depth).max();
    inner.map_or(0, |depth| depth + 1)
}

#[cfg(test)]
mod tests;
