//! Inputs made out of others: bytes, words of the format, lengths, lines and pieces changed, doubled, moved and nested.

use crate::targets::Kind;

/// Longest input.
pub const LONGEST: usize = 1 << 16;
/// Longest of most inputs.
const USUAL: usize = 1 << 12;

/// xorshift64*: the same seed gives the same numbers, and that is all that is asked of it.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Numbers of a seed and a name.
    pub fn new(seed: u64, name: &str) -> Self {
        Self(relais::fuzzing::shape((seed, name)) | 1)
    }

    /// A number below `n`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n.max(1)
    }

    /// One of these; `None` if there is none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

/// Lengths that parsers stumble over.
const LENGTHS: [u32; 14] = [
    0,
    1,
    2,
    3,
    7,
    0xFF,
    0xFFFE,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFE,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
];

/// Numbers as texts that parsers stumble over.
const NUMBERS: [&str; 9] = [
    "0",
    "-1",
    "255",
    "65536",
    "4294967296",
    "9223372036854775808",
    "99999999999999999999999999",
    "1e999",
    "00000000000000000000001",
];

/// Words of a format.
fn words(kind: Kind) -> &'static [&'static [u8]] {
    match kind {
        Kind::Hl7 | Kind::Mllp => &[
            b"|",
            b"^",
            b"~",
            b"\\",
            b"&",
            b"\r",
            b"\n",
            b"\r\n",
            b"MSH|^~\\&|",
            b"MSH|^~\\&#|",
            b"PID|",
            b"ORC|NW",
            b"ORC|CA",
            b"OBR|1|",
            b"OBX|1|ED|",
            b"IPC|",
            b"TQ1|",
            b"ZDS|",
            b"BHS|",
            b"BTS|",
            b"FHS|",
            b"\"\"",
            b"8859/1",
            b"UNICODE UTF-8",
            b"ORM^O01",
            b"OMI^O23",
            b"ADT^A40",
            b"ORU^R01",
            b"\x0b",
            b"\x1c",
            b"\x1c\r",
            b"\x0bMSH",
            b"\xc3\xa9",
            b"\xe9",
            b"\x80",
            b"\\.sp99999\\",
            b"\\XFF\\",
            b"^Base64^",
            b"20260230",
            b"+9999",
        ],
        Kind::Escape => &[
            b"\\",
            b"\\\\",
            b"\\X",
            b"\\XC3\\\\XA9\\",
            b"\\.sp",
            b"\\.sk64\\",
            b"\\.br\\",
            b"\\.ce\\",
            b"\\E\\",
            b"\\F\\",
            b"\\P\\",
            b"\\Z",
            b"\\C2842\\",
            b"\\M244200\\",
            b"\\H\\",
            b"\xc3\xa9",
            b"\xf0\x9f\x92\x89",
            b"99999999",
        ],
        Kind::Authorization => &[
            b"\0Bearer ",
            b"\0bearer relais_known",
            b" viewer ",
            b" operator ",
            b" admin ",
            b"#",
            b"\n",
            b"\r\n",
            b"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
            b"\xc3\xa9",
            b"\xff",
            b"\xc2\xa0",
        ],
        Kind::Parameters => &[
            b"?",
            b"&",
            b"=",
            b"%00",
            b"%0a",
            b"%e9",
            b"%C3%A9",
            b"+",
            b"limit=500&",
            b"cursor=-9223372036854775808_9223372036854775807&",
            b"from=2026-02-29&",
            b"to=9999-12-31T23:59:60Z&",
            b"after=9223372036854775808&",
            b"patient=0&",
            b"open=true&",
            b"status=held&",
            b"because=",
            b"\xe2\x80\xae",
        ],
        Kind::Charset => &[
            b"8859/",
            b"ISO-8859-15",
            b"UNICODE",
            b"UTF-8",
            b"windows-1252",
            b"|",
            b"\x80",
            b"\x9f",
            b"\xa4",
            b"\xff",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\xf4\x90\x80\x80",
            b"\xef\xbb\xbf",
        ],
        Kind::Time => &[
            b"+", b"-", b".", b"Z", b"0000", b"1231", b"2359", b"60", b"+1400", b"-2400", b"9999",
        ],
        Kind::Implicit | Kind::Explicit | Kind::Mpps => &[
            b"\xfe\xff\x00\xe0",
            b"\xfe\xff\x0d\xe0",
            b"\xfe\xff\xdd\xe0",
            b"\xff\xff\xff\xff",
            b"\x40\x00\x00\x01",
            b"\x10\x00\x10\x00",
            b"\x08\x00\x05\x00",
            b"\x40\x00\x02\x00",
            b"\x40\x00\x03\x00",
            b"SQ",
            b"UN",
            b"UI",
            b"PN",
            b"OB\x00\x00",
            b"US",
            b"ISO_IR 192",
            b"ISO 2022 IR 87",
            b"\\",
            b"=",
            b"^",
            b"*",
            b"?",
            b"-",
            b"\x1b$B",
            b"\x00",
        ],
        Kind::Command | Kind::Pdata => &[
            b"\x00\x00\x00\x00",
            b"\x00\x00\x00\x01",
            b"\x00\x00\x10\x01",
            b"\x00\x00\x00\x08",
            b"\x00\x00\x00\x09",
            b"\x01\x01",
            b"\x20\x80",
            b"\xff\x0f",
            b"\x01\x03",
            b"\x01\x02",
            b"\x01\x01",
            b"\x01\x00",
            b"\x03\x00",
        ],
        Kind::Pdu => &[
            b"\x01\x00",
            b"\x04\x00",
            b"\x07\x00\x00\x00\x00\x04",
            b"\x10\x00",
            b"\x20\x00",
            b"\x30\x00",
            b"\x40\x00",
            b"\x50\x00",
            b"\x51\x00\x00\x04",
            b"\x52\x00",
            b"\x53\x00",
            b"\x54\x00",
            b"\x55\x00",
            b"\x56\x00",
            b"\x58\x00",
            b"1.2.840.10008.1.2",
            b"\xff\xff",
        ],
        Kind::Toml => &[
            b"[",
            b"]",
            b"[[",
            b"]]",
            b"{",
            b"}",
            b"=",
            b".",
            b",",
            b"'",
            b"'''",
            b"\"",
            b"\"\"\"",
            b"#",
            b"\n",
            b"true",
            b"1979-05-27",
            b"format = 1\n",
            b"base = \"ihe_order\"\n",
            b"[from]\n",
            b"messages = [\"ORM^O01\"]\n",
            b"[set]\n",
            b"each = ",
            b"[[link]]\n",
            b"[[target]]\n",
            b"match = { msh3 = \"X\" }\n",
            b"charset = \"8859/1\"\n",
            b"?? ",
            b" | ",
            b"segment(",
            b"PID-3",
            b"order.accession_number = ",
            b"\\u0000",
            b"\xc3\xa9",
            b"0x",
            b"1_000",
            b"inf",
        ],
        Kind::Rule => &[
            b"(",
            b")",
            b"[",
            b"]",
            b"{",
            b"}",
            b"|",
            b"??",
            b"?",
            b":",
            b",",
            b"'",
            b"\"",
            b".",
            b"-",
            b"PID-3[",
            b"OBR-4.1",
            b"&",
            b"and ",
            b"or ",
            b"not ",
            b"if ",
            b"link.role",
            b"first(",
            b"map(",
            b"table(",
            b"==",
            b"!=",
            b"in ",
            b"$",
            b"\xc3\xa9",
            b"ScheduledProcedureStepSequence[1].",
        ],
        Kind::Csv => &[
            b",",
            b";",
            b"\"",
            b"\"\"",
            b"\n",
            b"\r\n",
            b"*",
            b"#",
            b"-> ",
            b"\xef\xbb\xbf",
            b" ",
            b"\xc3\xa9",
        ],
        Kind::Xml => &[
            b"<ClinicalDocument>",
            b"</ClinicalDocument>",
            b"<id root=\"1.2.3\" extension=\"A1\"/>",
            b"<setId root=\"1.2\"/>",
            b"<versionNumber value=\"2\"/>",
            b"<recordTarget><patientRole>",
            b"<inFulfillmentOf><order>",
            b"<p:accessionNumber root='1' extension='A'/>",
            b"<documentationOf><serviceEvent>",
            b"<relatedDocument typeCode=\"RPLC\"><parentDocument>",
            b"<component>",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b"<!DOCTYPE x [<!ENTITY a \"b\">]>",
            b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
            b"&amp;",
            b"&a;",
            b"&#xD800;",
            b"&#0;",
            b"\xe9",
            b"\xef\xbb\xbf",
            b"/>",
            b"</",
        ],
        Kind::Json => &[
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"null",
            b"\"",
            b"\"issue\"",
            b"\"entry\"",
            b"\"response\"",
            b"\"status\"",
            b"\"200\"",
            b"\"2\xc3\xa9\"",
            b"\"severity\"",
            b"\"expression\"",
            b"\\u0000",
            b"\\ud800",
            b"1e999",
        ],
    }
}

/// A new input from one of the corpus.
pub fn mutate(corpus: &[Vec<u8>], kind: Kind, random: &mut Random) -> Vec<u8> {
    // Half of the time one of the youngest: it has just gone a new way.
    let young = corpus.len().saturating_sub(corpus.len().min(32));
    let chosen = match random.below(2) {
        0 => corpus.get(young + random.below(corpus.len() - young)),
        _ => random.one(corpus),
    };
    let mut input = chosen.cloned().unwrap_or_default();
    let most = 1 << random.below(5);
    let changes = 1 + random.below(most);
    for _ in 0..changes {
        change(&mut input, corpus, kind, random);
    }
    // Long inputs cost time and seldom find more than short ones.
    input.truncate(if random.below(16) == 0 {
        LONGEST
    } else {
        USUAL
    });
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], kind: Kind, random: &mut Random) {
    let at = random.below(input.len() + 1);
    let piece = |random: &mut Random| at..(at + random.below(64)).min(input.len());
    match random.below(13) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 | 3 => {
            let word = random.one(words(kind)).copied().unwrap_or_default();
            let end = if random.below(2) == 0 {
                at
            } else {
                (at + word.len()).min(input.len())
            };
            input.splice(at..end, word.iter().copied());
        }
        4 => input.truncate(at),
        5 => {
            let piece = piece(random);
            input.drain(piece);
        }
        6 => {
            let piece = input.get(piece(random)).unwrap_or_default().to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        7 => {
            // Nesting and length: one piece many times.
            let piece = input.get(piece(random)).unwrap_or_default();
            let times = 1 << random.below(9);
            let many = piece.repeat(times.min(LONGEST / piece.len().max(1)));
            input.splice(at..at, many);
        }
        8 => length(input, at, random),
        9 => number(input, at, random),
        10 => line(input, random),
        _ => {
            let Some(other) = random.one(corpus) else {
                return;
            };
            let from = random.below(other.len() + 1);
            let to = (from + random.below(512)).min(other.len());
            let end = if random.below(2) == 0 {
                at
            } else {
                input.len()
            };
            input.splice(
                at..end,
                other.get(from..to).unwrap_or_default().iter().copied(),
            );
        }
    }
}

/// A binary number of two or four bytes becomes a hostile or a nearly right length.
fn length(input: &mut [u8], at: usize, random: &mut Random) {
    let rest = input.len().saturating_sub(at) as u32;
    let hostile = random.one(&LENGTHS).copied().unwrap_or_default();
    let value = match random.below(3) {
        0 => rest
            .saturating_sub(4)
            .wrapping_add(random.below(5) as u32)
            .wrapping_sub(2),
        _ => hostile,
    };
    let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
    let short = value as u16;
    let bytes: &[u8] = match random.below(4) {
        0 => &little,
        1 => &big,
        2 => &short.to_le_bytes(),
        _ => &short.to_be_bytes(),
    };
    if let Some(place) = input.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The next run of digits becomes another number.
fn number(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let after = input.get(at..).unwrap_or_default();
    let Some(start) = after.iter().position(u8::is_ascii_digit).map(|n| at + n) else {
        return;
    };
    let digits = input.get(start..).unwrap_or_default();
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let other = random.one(&NUMBERS).copied().unwrap_or_default();
    input.splice(start..start + count, other.bytes());
}

/// A line is dropped, doubled or moved.
fn line(input: &mut Vec<u8>, random: &mut Random) {
    let is_end = |b: &u8| matches!(b, b'\r' | b'\n');
    let mut lines: Vec<Vec<u8>> = input.split_inclusive(is_end).map(<[u8]>::to_vec).collect();
    let at = random.below(lines.len());
    let to = random.below(lines.len());
    if lines.is_empty() {
        return;
    }
    match random.below(3) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(to, lines.get(at).cloned().unwrap_or_default()),
        _ => lines.swap(at, to),
    }
    *input = lines.concat();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seeds, targets::TARGETS};

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_another_seed_others() {
        let inputs = |kind: Kind, seed: u64| {
            let (corpus, mut random) = (seeds::of(kind), Random::new(seed, "name"));
            (0..50)
                .map(|_| mutate(&corpus, kind, &mut random))
                .collect::<Vec<_>>()
        };
        for target in TARGETS {
            assert_eq!(
                inputs(target.kind, 7),
                inputs(target.kind, 7),
                "{}",
                target.name
            );
            assert_ne!(
                inputs(target.kind, 7),
                inputs(target.kind, 8),
                "{}",
                target.name
            );
        }
    }

    #[test]
    fn every_target_takes_its_seeds() {
        for target in TARGETS {
            let shapes: std::collections::BTreeSet<u64> = seeds::of(target.kind)
                .iter()
                .map(|seed| (target.feed)(seed))
                .collect();
            assert!(
                shapes.len() > 1,
                "{} sees no difference between its seeds",
                target.name
            );
        }
    }
}
