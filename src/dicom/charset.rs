//! Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1): strict decoding and encoding, and the choice of a set for an answer.
//!
//! Exact repertoires: Latin-1 is U+00A0-00FF and not windows-1252, C1 bytes are refused in every single-byte set. What cannot be
//! decoded is a [`None`] for the caller to mend; what cannot be encoded names its character.

mod fitting;

pub use fitting::{Fitted, fit, transliterate};

use encoding_rs::{
    EncoderResult, Encoding, GB18030, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, ISO_8859_15, UTF_8, WINDOWS_1252, WINDOWS_1254,
};
use std::borrow::Cow;

/// A character repertoire that Relais reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Charset {
    /// Default repertoire, ISO_IR 6: the attribute is absent.
    Ascii,
    /// ISO_IR 100, western European.
    Latin1,
    /// ISO_IR 101, central European.
    Latin2,
    /// ISO_IR 109.
    Latin3,
    /// ISO_IR 110.
    Latin4,
    /// ISO_IR 144.
    Cyrillic,
    /// ISO_IR 127.
    Arabic,
    /// ISO_IR 126, edition of 1987 (no euro sign).
    Greek,
    /// ISO_IR 138.
    Hebrew,
    /// ISO_IR 148, Turkish.
    Latin5,
    /// ISO_IR 203, western European with euro and œ.
    Latin9,
    /// ISO_IR 192.
    Utf8,
    /// GB18030 (and GBK, which it contains).
    Gb18030,
}

/// (set, defined term alone, defined term with code extensions, final byte of the G1 escape `ESC 2/13 F`).
const TERMS: &[(Charset, &str, &str, u8)] = &[
    (Charset::Ascii, "ISO_IR 6", "ISO 2022 IR 6", 0),
    (Charset::Latin1, "ISO_IR 100", "ISO 2022 IR 100", b'A'),
    (Charset::Latin2, "ISO_IR 101", "ISO 2022 IR 101", b'B'),
    (Charset::Latin3, "ISO_IR 109", "ISO 2022 IR 109", b'C'),
    (Charset::Latin4, "ISO_IR 110", "ISO 2022 IR 110", b'D'),
    (Charset::Cyrillic, "ISO_IR 144", "ISO 2022 IR 144", b'L'),
    (Charset::Arabic, "ISO_IR 127", "ISO 2022 IR 127", b'G'),
    (Charset::Greek, "ISO_IR 126", "ISO 2022 IR 126", b'F'),
    (Charset::Hebrew, "ISO_IR 138", "ISO 2022 IR 138", b'H'),
    (Charset::Latin5, "ISO_IR 148", "ISO 2022 IR 148", b'M'),
    (Charset::Latin9, "ISO_IR 203", "ISO 2022 IR 203", b'b'),
    (Charset::Utf8, "ISO_IR 192", "", 0),
    (Charset::Gb18030, "GB18030", "", 0),
    (Charset::Gb18030, "GBK", "", 0),
];

impl Charset {
    /// The set of a defined term; spelling variants of the field (`ISO-IR 100`, `iso_ir_100`) included.
    pub fn of_term(term: &str) -> Option<Self> {
        let plain = |t: &str| -> String {
            t.chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_uppercase())
                .collect()
        };
        let wanted = plain(term);
        if wanted.is_empty() {
            return Some(Self::Ascii);
        }
        TERMS
            .iter()
            .find(|(_, alone, extended, _)| wanted == plain(alone) || wanted == plain(extended))
            .map(|(set, ..)| *set)
    }

    /// The defined terms, without code extensions.
    pub fn terms() -> impl Iterator<Item = &'static str> {
        TERMS.iter().map(|(_, alone, ..)| *alone)
    }

    /// The defined term to write; `None` for the default repertoire, whose attribute is left out.
    pub fn term(self) -> Option<&'static str> {
        TERMS
            .iter()
            .find(|(set, ..)| *set == self && self != Self::Ascii)
            .map(|(_, alone, ..)| *alone)
    }

    fn encoding(self) -> Option<&'static Encoding> {
        Some(match self {
            Self::Ascii | Self::Latin1 => return None,
            Self::Latin2 => ISO_8859_2,
            Self::Latin3 => ISO_8859_3,
            Self::Latin4 => ISO_8859_4,
            Self::Cyrillic => ISO_8859_5,
            Self::Arabic => ISO_8859_6,
            Self::Greek => ISO_8859_7,
            Self::Hebrew => ISO_8859_8,
            Self::Latin5 => WINDOWS_1254,
            Self::Latin9 => ISO_8859_15,
            Self::Utf8 => UTF_8,
            Self::Gb18030 => GB18030,
        })
    }

    fn is_single_byte(self) -> bool {
        !matches!(self, Self::Utf8 | Self::Gb18030)
    }

    /// Decodes strictly; `None` if a byte has no meaning in this set.
    pub fn decode<'a>(self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        if bytes.is_ascii() {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        if self.is_single_byte() && bytes.iter().any(|b| (0x80..0xA0).contains(b)) {
            return None;
        }
        match (self, self.encoding()) {
            (Self::Ascii, _) => None,
            (_, None) => Some(Cow::Owned(bytes.iter().copied().map(char::from).collect())),
            (_, Some(encoding)) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .filter(|t| !(self == Self::Greek && t.contains(not_in_greek_1987))),
        }
    }

    /// Encodes onto the end of `out`; the error is the first character outside the repertoire (`out` is then to be thrown away).
    pub fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), char> {
        if self == Self::Utf8 || text.is_ascii() {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        match (self, self.encoding()) {
            (Self::Ascii, _) => Err(text.chars().find(|c| !c.is_ascii()).unwrap_or('?')),
            (_, None) => text.chars().try_for_each(|c| match u8::try_from(c) {
                Ok(b) if !(0x80..0xA0).contains(&b) => {
                    out.push(b);
                    Ok(())
                }
                _ => Err(c),
            }),
            (_, Some(encoding)) => {
                let from = out.len();
                encode_with(encoding, text, out)?;
                let refused = |c: &char| self == Self::Greek && not_in_greek_1987(*c);
                match text.chars().find(refused) {
                    Some(c) => Err(c),
                    None if self.is_single_byte()
                        && out
                            .get(from..)
                            .is_some_and(|o| o.iter().any(|b| (0x80..0xA0).contains(b))) =>
                    {
                        Err(text
                            .chars()
                            .find(|c| !self.can_encode_char(*c))
                            .unwrap_or('?'))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn can_encode_char(self, c: char) -> bool {
        let mut out = Vec::with_capacity(4);
        match self.encoding() {
            None => self.encode(c.encode_utf8(&mut [0; 4]), &mut out).is_ok(),
            Some(encoding) => {
                encode_with(encoding, c.encode_utf8(&mut [0; 4]), &mut out).is_ok()
                    && !(self.is_single_byte() && out.iter().any(|b| (0x80..0xA0).contains(b)))
                    && !(self == Self::Greek && not_in_greek_1987(c))
            }
        }
    }

    /// Whether every character of the text is in the repertoire.
    pub fn fits(self, text: &str) -> bool {
        text.is_ascii()
            || match self {
                Self::Ascii => false,
                Self::Utf8 => true,
                Self::Latin1 => text
                    .chars()
                    .all(|c| c.is_ascii() || ('\u{A0}'..='\u{FF}').contains(&c)),
                _ => text.chars().all(|c| self.can_encode_char(c)),
            }
    }
}

/// Characters that ISO 8859-7 got in 2003 and ISO_IR 126 does not have.
fn not_in_greek_1987(c: char) -> bool {
    matches!(c, '\u{20AC}' | '\u{20AF}' | '\u{37A}')
}

fn encode_with(encoding: &'static Encoding, text: &str, out: &mut Vec<u8>) -> Result<(), char> {
    let mut encoder = encoding.new_encoder();
    let room = encoder
        .max_buffer_length_from_utf8_without_replacement(text.len())
        .unwrap_or(text.len().saturating_mul(4));
    out.reserve(room);
    match encoder.encode_from_utf8_to_vec_without_replacement(text, out, true) {
        (EncoderResult::Unmappable(c), _) => Err(c),
        _ => Ok(()),
    }
}

/// The repertoires that a data set declares: the first for text before any escape, all for escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    sets: Vec<Option<Charset>>,
}

impl Declared {
    /// From the values of Specific Character Set; an unknown term is kept as a set in which nothing can be decoded.
    pub fn of_terms(terms: &[String]) -> Self {
        let sets = terms
            .iter()
            .take(8)
            .map(|t| Charset::of_term(t))
            .collect::<Vec<_>>();
        Self { sets }
    }

    /// One set.
    pub fn one(set: Charset) -> Self {
        Self {
            sets: vec![Some(set)],
        }
    }

    /// Decodes a value field. ISO 2022 escapes to single-byte sets are followed; multi-byte ones are not supported.
    pub fn decode<'a>(&self, bytes: &'a [u8], is_name: bool) -> Option<Cow<'a, str>> {
        let first = self.sets.first().copied().unwrap_or(Some(Charset::Ascii));
        if !bytes.contains(&0x1B) {
            return match first {
                Some(set) => set.decode(bytes),
                None => Charset::Ascii.decode(bytes),
            };
        }
        let first = first?;
        let (mut g1, mut text, mut rest) = (first, String::with_capacity(bytes.len()), bytes);
        while let Some((&b, after)) = rest.split_first() {
            if b == 0x1B {
                let (&[kind, end], after) = after.split_first_chunk::<2>()?;
                match (kind, end) {
                    (b'(', b'B') => {}
                    (b'-', end) => {
                        g1 = TERMS
                            .iter()
                            .find(|(.., f)| *f == end && *f != 0)
                            .map(|(set, ..)| *set)
                            .filter(|set| self.sets.contains(&Some(*set)))?;
                    }
                    _ => return None,
                }
                rest = after;
                continue;
            }
            // Line ends and value delimiters go back to the first set (PS3.5 6.1.2.5.3).
            if matches!(b, b'\r' | b'\n' | 0x0C | b'\\') || (is_name && matches!(b, b'^' | b'=')) {
                g1 = first;
            }
            let end = after
                .iter()
                .position(|b| {
                    matches!(b, 0x1B | b'\r' | b'\n' | 0x0C | b'\\')
                        || (is_name && matches!(b, b'^' | b'='))
                })
                .unwrap_or(after.len());
            let (part, next) = rest.split_at_checked(end + 1)?;
            text.push_str(&g1.decode(part)?);
            rest = next;
        }
        Some(Cow::Owned(text))
    }
}

/// Text that is in no declared set: UTF-8 if it is that, else windows-1252, which gives every byte a meaning.
pub fn lenient(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repertoires_are_exact() {
        for (set, text, bytes) in [
            (Charset::Latin1, "Zoé", Some(&b"Zo\xE9"[..])),
            (Charset::Latin1, "€", None),
            (Charset::Latin1, "œ", None),
            (Charset::Latin9, "œ€", Some(b"\xBD\xA4")),
            (Charset::Latin5, "Şğı", Some(b"\xDE\xF0\xFD")),
            (Charset::Latin5, "€", None),
            (Charset::Latin2, "Łódź", Some(b"\xA3\xF3d\xBC")),
            (Charset::Greek, "Αθήνα", Some(b"\xC1\xE8\xDE\xED\xE1")),
            (Charset::Greek, "€", None),
            (Charset::Cyrillic, "Люк", Some(b"\xBB\xEE\xDA")),
            (Charset::Utf8, "Ł", Some(b"\xC5\x81")),
            (Charset::Ascii, "é", None),
        ] {
            let mut out = Vec::new();
            let encoded = set.encode(text, &mut out);
            assert_eq!(encoded.is_ok(), bytes.is_some(), "{set:?} {text}");
            assert_eq!(set.fits(text), bytes.is_some(), "{set:?} {text}");
            if let Some(bytes) = bytes {
                assert_eq!(out, bytes, "{set:?}");
                assert_eq!(set.decode(bytes).as_deref(), Some(text), "{set:?}");
            }
        }
        assert_eq!(Charset::Latin1.decode(b"d\x92eau"), None);
        assert_eq!(lenient(b"d\x92eau"), "d\u{2019}eau");
        assert_eq!(lenient("é".as_bytes()), "é");
    }

    #[test]
    fn terms_are_read_as_they_are_misspelt() {
        for (term, set) in [
            ("ISO_IR 100", Some(Charset::Latin1)),
            ("ISO IR 100", Some(Charset::Latin1)),
            ("ISO 2022 IR 100", Some(Charset::Latin1)),
            ("iso_ir_192", Some(Charset::Utf8)),
            ("", Some(Charset::Ascii)),
            ("GBK", Some(Charset::Gb18030)),
            ("BOGUS", None),
        ] {
            assert_eq!(Charset::of_term(term), set, "{term}");
        }
        assert_eq!(Charset::Latin1.term(), Some("ISO_IR 100"));
        assert_eq!(Charset::Ascii.term(), None);
    }

    #[test]
    fn escapes_switch_single_byte_sets_and_delimiters_switch_back() {
        let declared = Declared::of_terms(&["".into(), "ISO 2022 IR 100".into()]);
        let text = declared.decode(b"\x1B-AM\xFCller^Zoe\x1B-A\xEB", true);
        assert_eq!(text.as_deref(), Some("Müller^Zoeë"));
        // After the caret the first set rules again, and it has no 8-bit characters.
        assert_eq!(declared.decode(b"\x1B-AM\xFC^Zo\xEB", true), None);
        assert_eq!(declared.decode(b"\x1B$B;3ED", true), None);
        assert_eq!(declared.decode(b"\x1B-F\xC1", true), None);
        assert_eq!(declared.decode(b"\x1B", true), None);
    }
}
