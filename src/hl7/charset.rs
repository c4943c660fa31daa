//! Character sets of MSH-18 (HL7 table 0211): strict decoding with the offset of the first bad byte, strict encoding.
//!
//! All sets are single-byte or UTF-8. The multi-byte sets of table 0211 are absent on purpose: in Shift_JIS, GB 18030 and Big5 a
//! second byte may equal a delimiter (`\`, `|`, `^`), and UTF-16/32 cannot be framed by MLLP.
//! The WHATWG tables of `encoding_rs` are used where they equal the ISO standard; ISO 8859-1 and 8859-9 are corrected here.

use crate::fuzzing;
use std::{borrow::Cow, sync::LazyLock};

/// A character set that Relais reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Charset {
    /// US-ASCII, 7 bits.
    Ascii,
    /// UTF-8.
    Utf8,
    /// ISO 8859-1, Western Europe without the euro sign and `œ`.
    Latin1,
    /// ISO 8859-2, Central Europe.
    Latin2,
    /// ISO 8859-3, Maltese and Esperanto.
    Latin3,
    /// ISO 8859-4, Baltic.
    Latin4,
    /// ISO 8859-5.
    Cyrillic,
    /// ISO 8859-6.
    Arabic,
    /// ISO 8859-7.
    Greek,
    /// ISO 8859-8.
    Hebrew,
    /// ISO 8859-9, Turkish.
    Latin5,
    /// ISO 8859-15, Western Europe with the euro sign and `œ`.
    Latin9,
    /// Windows code page 1252: in no HL7 table, but what undeclared Western text most often is.
    Windows1252,
}

/// The 128 characters above ASCII of a single-byte set; `None` where the set defines no character.
type Upper = [Option<char>; 128];

const SINGLE_BYTE: [(Charset, &encoding_rs::Encoding); 11] = [
    (Charset::Latin1, encoding_rs::WINDOWS_1252),
    (Charset::Latin2, encoding_rs::ISO_8859_2),
    (Charset::Latin3, encoding_rs::ISO_8859_3),
    (Charset::Latin4, encoding_rs::ISO_8859_4),
    (Charset::Cyrillic, encoding_rs::ISO_8859_5),
    (Charset::Arabic, encoding_rs::ISO_8859_6),
    (Charset::Greek, encoding_rs::ISO_8859_7),
    (Charset::Hebrew, encoding_rs::ISO_8859_8),
    (Charset::Latin5, encoding_rs::WINDOWS_1254),
    (Charset::Latin9, encoding_rs::ISO_8859_15),
    (Charset::Windows1252, encoding_rs::WINDOWS_1252),
];

static TABLES: LazyLock<Vec<(Charset, Upper)>> = LazyLock::new(|| {
    SINGLE_BYTE
        .iter()
        .map(|&(charset, encoding)| (charset, upper(charset, encoding)))
        .collect()
});

fn upper(charset: Charset, encoding: &'static encoding_rs::Encoding) -> Upper {
    std::array::from_fn(|i| {
        let byte = 0x80 + u8::try_from(i).unwrap_or(0);
        let control = (0x80..0xA0).contains(&byte);
        match charset {
            Charset::Latin1 => return Some(char::from(byte)),
            // windows-1254 stands in for ISO 8859-9: its letters at 80-9F are not Turkish Latin-5.
            Charset::Latin5 if control => return None,
            _ => {}
        }
        let bytes = [byte];
        let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
        let decoded = text.chars().next()?;
        // The WHATWG tables fill the holes of windows-1252 with C1 controls; the code page leaves 81, 8D, 8F, 90, 9D undefined.
        let hole = charset == Charset::Windows1252 && ('\u{80}'..'\u{A0}').contains(&decoded);
        (!hole).then_some(decoded)
    })
}

impl Charset {
    /// The set of a code of MSH-18 (table 0211), also as senders commonly write it: `8859/1`, `UNICODE UTF-8`, `UTF-8`, `UNICODE`,
    /// `ISO-8859-15`, `windows-1252`. `None` for a set that is not supported.
    pub fn of_hl7(code: &str) -> Option<Self> {
        let code = code.trim().to_ascii_uppercase().replace(['/', '_'], "-");
        let part = code
            .strip_prefix("ISO")
            .unwrap_or(&code)
            .trim_start_matches([' ', '-'])
            .strip_prefix("8859-");
        if let Some(part) = part {
            return match part {
                "1" => Some(Self::Latin1),
                "2" => Some(Self::Latin2),
                "3" => Some(Self::Latin3),
                "4" => Some(Self::Latin4),
                "5" => Some(Self::Cyrillic),
                "6" => Some(Self::Arabic),
                "7" => Some(Self::Greek),
                "8" => Some(Self::Hebrew),
                "9" => Some(Self::Latin5),
                "15" => Some(Self::Latin9),
                _ => None,
            };
        }
        match code.as_str() {
            "ASCII" | "US-ASCII" | "ISO IR6" | "ISO IR 6" | "ISO-IR 6" => Some(Self::Ascii),
            "UNICODE UTF-8" | "UNICODE UTF8" | "UTF-8" | "UTF8" | "UNICODE" => Some(Self::Utf8),
            "WINDOWS-1252" | "CP1252" => Some(Self::Windows1252),
            _ => None,
        }
    }

    /// The code of table 0211; empty for windows-1252, which the table does not know.
    pub fn hl7_code(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Utf8 => "UNICODE UTF-8",
            Self::Latin1 => "8859/1",
            Self::Latin2 => "8859/2",
            Self::Latin3 => "8859/3",
            Self::Latin4 => "8859/4",
            Self::Cyrillic => "8859/5",
            Self::Arabic => "8859/6",
            Self::Greek => "8859/7",
            Self::Hebrew => "8859/8",
            Self::Latin5 => "8859/9",
            Self::Latin9 => "8859/15",
            Self::Windows1252 => "",
        }
    }

    /// The IANA name, for the journal and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "US-ASCII",
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO-8859-1",
            Self::Latin2 => "ISO-8859-2",
            Self::Latin3 => "ISO-8859-3",
            Self::Latin4 => "ISO-8859-4",
            Self::Cyrillic => "ISO-8859-5",
            Self::Arabic => "ISO-8859-6",
            Self::Greek => "ISO-8859-7",
            Self::Hebrew => "ISO-8859-8",
            Self::Latin5 => "ISO-8859-9",
            Self::Latin9 => "ISO-8859-15",
            Self::Windows1252 => "windows-1252",
        }
    }

    /// The codes of MSH-18 that are supported, for error texts.
    pub const SUPPORTED: &'static str =
        "ASCII, 8859/1 to 8859/9, 8859/15, UNICODE UTF-8, UNICODE, empty";

    /// True for the parts of ISO 8859, whose bytes 80-9F are control characters that text never holds.
    pub fn is_iso_8859(self) -> bool {
        !matches!(self, Self::Ascii | Self::Utf8 | Self::Windows1252)
    }

    fn table(self) -> Option<&'static Upper> {
        TABLES
            .iter()
            .find(|(charset, _)| *charset == self)
            .map(|(_, upper)| upper)
    }

    /// The offset of the first byte that is no character of this set.
    pub fn check(self, bytes: &[u8]) -> Result<(), usize> {
        if bytes.is_ascii() {
            return Ok(());
        }
        if self == Self::Utf8 {
            return std::str::from_utf8(bytes)
                .map(|_| ())
                .map_err(|e| e.valid_up_to());
        }
        let table = self.table();
        match bytes.iter().position(|&b| above(table, b).is_none()) {
            Some(at) => Err(at),
            None => Ok(()),
        }
    }

    /// The text of `bytes`, or the offset of the first byte that is no character of this set. Nothing is ever replaced.
    pub fn decode_strict(self, bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
        if self == Self::Utf8 || bytes.is_ascii() {
            return std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|e| e.valid_up_to());
        }
        let table = self.table();
        let mut text = String::with_capacity(bytes.len() + bytes.len() / 4);
        for (at, &byte) in bytes.iter().enumerate() {
            text.push(above(table, byte).ok_or(at)?);
        }
        Ok(Cow::Owned(text))
    }

    /// The bytes of `text`, or the first character that this set cannot express.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        if self == Self::Utf8 || text.is_ascii() {
            return Ok(text.as_bytes().to_vec());
        }
        let table = self.table();
        text.chars()
            .map(|c| {
                if c.is_ascii() {
                    return u8::try_from(c).map_err(|_| c);
                }
                let at = table.and_then(|t| t.iter().position(|&x| x == Some(c)));
                at.and_then(|i| u8::try_from(i + 0x80).ok()).ok_or(c)
            })
            .collect()
    }
}

/// The character of one byte: itself below 80, by the table above.
fn above(table: Option<&Upper>, byte: u8) -> Option<char> {
    match byte.checked_sub(0x80) {
        None => Some(char::from(byte)),
        Some(i) => table?.get(usize::from(i)).copied().flatten(),
    }
}

/// Fuzz target: a name of a character set and bytes in it; what decodes encodes to the same bytes.
pub fn fuzz_charset(data: &[u8]) -> u64 {
    let (name, bytes) = data
        .iter()
        .position(|&b| b == b'|')
        .map_or((data, &[][..]), |at| {
            (
                data.get(..at).unwrap_or_default(),
                data.get(at + 1..).unwrap_or_default(),
            )
        });
    let Some(charset) = Charset::of_hl7(&String::from_utf8_lossy(name)) else {
        return 0;
    };
    let decoded = charset.decode_strict(bytes);
    assert_eq!(
        charset.check(bytes).err(),
        decoded.as_ref().err().copied(),
        "checking and decoding differ"
    );
    match decoded {
        Ok(text) => {
            assert_eq!(
                charset.encode(&text).as_deref(),
                Ok(bytes),
                "the way back differs"
            );
            fuzzing::shape((charset, fuzzing::size(text.len() - bytes.len())))
        }
        Err(at) => fuzzing::shape((charset, bytes.get(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Charset; 13] = [
        Charset::Ascii,
        Charset::Utf8,
        Charset::Latin1,
        Charset::Latin2,
        Charset::Latin3,
        Charset::Latin4,
        Charset::Cyrillic,
        Charset::Arabic,
        Charset::Greek,
        Charset::Hebrew,
        Charset::Latin5,
        Charset::Latin9,
        Charset::Windows1252,
    ];

    #[test]
    fn codes_of_table_0211_and_their_common_spellings_are_known() {
        for (code, expected) in [
            ("ASCII", Some(Charset::Ascii)),
            ("ISO IR6", Some(Charset::Ascii)),
            ("8859/1", Some(Charset::Latin1)),
            ("8859/15", Some(Charset::Latin9)),
            ("ISO-8859-15", Some(Charset::Latin9)),
            ("iso8859-1", Some(Charset::Latin1)),
            ("ISO 8859/9", Some(Charset::Latin5)),
            ("UNICODE UTF-8", Some(Charset::Utf8)),
            ("UNICODE", Some(Charset::Utf8)),
            ("utf-8", Some(Charset::Utf8)),
            ("windows-1252", Some(Charset::Windows1252)),
            ("UNICODE UTF-16", None),
            ("BIG-5", None),
            ("ISO IR87", None),
            ("ISO IR14", None),
            ("8859/16", None),
            ("", None),
        ] {
            assert_eq!(Charset::of_hl7(code), expected, "{code}");
        }
        for charset in ALL {
            if charset != Charset::Windows1252 {
                assert_eq!(Charset::of_hl7(charset.hl7_code()), Some(charset));
            }
            assert_eq!(Charset::of_hl7(charset.name()), Some(charset));
        }
    }

    #[test]
    fn each_set_decodes_its_own_letters_and_names_the_first_bad_byte() {
        let check = |charset: Charset, bytes: &[u8], expected: Result<&str, usize>| {
            let found = charset.decode_strict(bytes);
            assert_eq!(found.as_deref().map_err(|at| *at), expected, "{charset:?}");
            assert_eq!(charset.check(bytes).err(), expected.err(), "{charset:?}");
        };
        check(Charset::Latin1, b"H\xE9l\xE8ne", Ok("Hélène"));
        check(Charset::Latin1, b"\x80\x93", Ok("\u{80}\u{93}"));
        check(Charset::Latin9, b"\xBDil \xA4", Ok("œil €"));
        check(Charset::Latin5, b"\xDDpek", Ok("İpek"));
        check(Charset::Latin5, b"a\x93", Err(1));
        check(Charset::Latin2, b"\xA3\xF3d\xBC", Ok("Łódź"));
        check(Charset::Greek, b"\xC1\xD2", Err(1));
        check(Charset::Windows1252, b"\x8Cuvre \x92", Ok("Œuvre ’"));
        check(Charset::Windows1252, b"ab\x81", Err(2));
        check(Charset::Ascii, b"abc\xE9", Err(3));
        check(Charset::Utf8, "Zoë".as_bytes(), Ok("Zoë"));
        check(Charset::Utf8, b"Zo\xEB", Err(2));
    }

    #[test]
    fn what_a_set_cannot_express_is_named() {
        assert_eq!(Charset::Latin1.encode("cœur"), Err('œ'));
        assert_eq!(Charset::Latin1.encode("5 €"), Err('€'));
        assert_eq!(Charset::Latin9.encode("œ€"), Ok(vec![0xBD, 0xA4]));
        assert_eq!(Charset::Ascii.encode("é"), Err('é'));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64), which in 0..ALL.len()) {
            let charset = ALL[which];
            if let Ok(text) = charset.decode_strict(&bytes) {
                prop_assert_eq!(charset.encode(&text), Ok(bytes));
            }
        }
    }
}
