//! Escape sequences (HL7 v2.5.1 2.7): a decoded value becomes the text that was meant.
//!
//! Values are split by delimiters first ([`super::view`]) and unescaped last, so an escaped delimiter never splits anything.
//! What is unknown or unterminated stays as it was written: losing text is worse than showing a backslash.

use super::{charset::Charset, message::Separators};
use crate::fuzzing;
use std::borrow::Cow;

/// The most blanks or line breaks that one `\.sk<n>\` or `\.sp<n>\` may stand for; a hostile count is capped here.
pub const MAX_SKIP: usize = 64;

/// What one escape sequence stands for.
enum Escape<'a> {
    /// One character, a delimiter for instance.
    Char(char),
    /// The same character several times.
    Repeat(char, usize),
    /// Formatting that has no place in plain text.
    Nothing,
    /// `\Xhh..\`: bytes in the character set of the message.
    Bytes(Vec<u8>),
    /// Not ours: the sequence stays as written, its closing character included.
    AsWritten(&'a str),
    /// No escape sequence at all: the escape character stands for itself.
    NotOne,
}

/// The text that `text` stands for, in a message with these delimiters and this character set.
///
/// Line breaks (`\.br\`, `\X0D\`, `\X0A\`, `\X0D0A\`) become `\n`; other control characters written as `\Xhh\` are dropped.
pub fn unescape<'a>(text: &'a str, separators: &Separators, charset: Charset) -> Cow<'a, str> {
    let escape = char::from(separators.escape);
    let Some(first) = text.find(escape) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    let mut bytes = Vec::new();
    let (before, mut rest) = text.split_at(first);
    plain.push_str(before);
    while let Some(after) = rest.strip_prefix(escape) {
        let body = after.find(escape).map(|end| &after[..end]);
        let found = body.map_or(Escape::NotOne, |body| read(body, separators));
        rest = match (&found, body) {
            (Escape::NotOne, _) | (_, None) => after,
            (_, Some(body)) => &after[body.len() + escape.len_utf8()..],
        };
        match found {
            // A character of several bytes may come as `\XC3\\XA9\`: the run is decoded as one.
            Escape::Bytes(mut more) => {
                bytes.append(&mut more);
                if !rest.starts_with(escape) {
                    flush(&mut plain, &mut bytes, charset, escape);
                }
            }
            other => {
                flush(&mut plain, &mut bytes, charset, escape);
                match other {
                    Escape::Char(c) => plain.push(c),
                    Escape::Repeat(c, n) => plain.extend(std::iter::repeat_n(c, n)),
                    Escape::AsWritten(body) => {
                        plain.push(escape);
                        plain.push_str(body);
                        plain.push(escape);
                    }
                    Escape::NotOne => plain.push(escape),
                    Escape::Nothing | Escape::Bytes(_) => {}
                }
            }
        }
        let next = rest.find(escape).unwrap_or(rest.len());
        if next > 0 {
            flush(&mut plain, &mut bytes, charset, escape);
        }
        plain.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    flush(&mut plain, &mut bytes, charset, escape);
    Cow::Owned(plain)
}

fn read<'a>(body: &'a str, separators: &Separators) -> Escape<'a> {
    let delimiter = match body {
        "F" => separators.field,
        "S" => separators.component,
        "T" => separators.subcomponent,
        "R" => separators.repetition,
        "E" => separators.escape,
        "P" => match separators.truncation {
            Some(c) => c,
            None => return Escape::NotOne,
        },
        "H" | "N" => return Escape::Nothing,
        _ => 0,
    };
    if delimiter != 0 {
        return Escape::Char(char::from(delimiter));
    }
    let Some(kind) = body.chars().next() else {
        return Escape::NotOne;
    };
    let argument = &body[kind.len_utf8()..];
    match kind {
        'X' => hex(argument).map_or(Escape::NotOne, Escape::Bytes),
        '.' => command(argument),
        // Switches of ISO 2022 sets (2.7.2.3): none of the supported sets has any use for them.
        'C' | 'M' if matches!(argument.len(), 4 | 6) && hex(argument).is_some() => Escape::Nothing,
        'Z' => Escape::AsWritten(body),
        _ => Escape::NotOne,
    }
}

/// Commands of formatted text (v2.5.1 2.7.4).
fn command(text: &str) -> Escape<'_> {
    let Some((name, argument)) = text.split_at_checked(2) else {
        return Escape::NotOne;
    };
    let argument = argument.trim().trim_start_matches(['+', '-']);
    if !argument.bytes().all(|b| b.is_ascii_digit()) {
        return Escape::NotOne;
    }
    let count = || match argument.parse::<usize>() {
        Ok(n) => n.min(MAX_SKIP),
        Err(_) if argument.is_empty() => 1,
        Err(_) => MAX_SKIP,
    };
    match name.to_ascii_lowercase().as_str() {
        // `.ce` ends the line and centres the next.
        "br" | "ce" => Escape::Char('\n'),
        "sp" => Escape::Repeat('\n', count()),
        "sk" => Escape::Repeat(' ', count()),
        "in" | "ti" | "fi" | "nf" => Escape::Nothing,
        _ => Escape::NotOne,
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let digit = |b: u8| char::from(b).to_digit(16);
            let value = digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?;
            u8::try_from(value).ok()
        })
        .collect()
}

/// Appends what a run of `\X..\` means; bytes that are no text of the character set stay as one `\X..\`.
fn flush(plain: &mut String, bytes: &mut Vec<u8>, charset: Charset, escape: char) {
    if bytes.is_empty() {
        return;
    }
    match charset.decode_strict(bytes) {
        Ok(text) => {
            let mut chars = text.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '\r' => {
                        chars.next_if_eq(&'\n');
                        plain.push('\n');
                    }
                    '\n' | '\t' => plain.push(c),
                    c if c.is_control() => {}
                    c => plain.push(c),
                }
            }
        }
        Err(_) => {
            plain.push(escape);
            plain.push('X');
            for byte in bytes.iter() {
                plain.push_str(&format!("{byte:02X}"));
            }
            plain.push(escape);
        }
    }
    bytes.clear();
}

/// Fuzz target: any text in any character set; what comes out is bounded by what went in.
pub fn fuzz_escape(data: &[u8]) -> u64 {
    let Some((&choice, rest)) = data.split_first() else {
        return 0;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return 1;
    };
    let separators = match choice & 1 {
        0 => Separators::default(),
        _ => Separators {
            escape: b'^',
            component: b'\\',
            truncation: Some(b'#'),
            ..Separators::default()
        },
    };
    let charset = match choice & 6 {
        0 => Charset::Utf8,
        2 => Charset::Latin1,
        4 => Charset::Windows1252,
        _ => Charset::Ascii,
    };
    let plain = unescape(text, &separators, charset);
    // The shortest sequence that grows is `\.sp99\`.
    assert!(
        plain.len() <= text.len().saturating_mul(MAX_SKIP / 4),
        "a value grows without bound"
    );
    let has = |c| plain.contains(c);
    fuzzing::shape((
        choice & 7,
        fuzzing::size(plain.matches(char::from(separators.escape)).count()),
        [has('\n'), has(' '), has('|'), has('&'), has('~')],
        fuzzing::size(text.len().abs_diff(plain.len())),
        plain.is_ascii(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(charset: Charset, text: &str, expected: &str) {
        let separators = Separators {
            truncation: Some(b'#'),
            ..Separators::default()
        };
        assert_eq!(unescape(text, &separators, charset), expected, "{text}");
    }

    #[test]
    fn escapes_become_the_text_that_was_meant() {
        for (text, expected) in [
            ("no escape", "no escape"),
            (r"Müller \T\ Söhne", "Müller & Söhne"),
            (r"日本\S\語", "日本^語"),
            (r"\F\\S\\T\\R\\E\\P\", r"|^&~\#"),
            (r"a\.br\b\.sp\c\.sp2\d\.sk3\e", "a\nb\nc\n\nd   e"),
            (r"\.in+4\\.ti-2\\.fi\\.nf\x\.ce\y", "x\ny"),
            (r"\H\gras\N\ fin", "gras fin"),
            (r"caf\XC3A9\", "café"),
            (r"caf\XC3\\XA9\!", "café!"),
            (r"ligne\X0D\suite\X0D0A\fin", "ligne\nsuite\nfin"),
            (r"\X41000B42\", "AB"),
            (r"\C2842\\M244200\kanji", "kanji"),
            (r"\Zlocal\T\", r"\Zlocal\T\"),
            (r"\inconnu\T\", r"\inconnu&"),
            (r"\\serveur\partage", r"\\serveur\partage"),
            (r"sans fin \T", r"sans fin \T"),
            (r"\XFF\", r"\XFF\"),
            (r"\XC3\é", r"\XC3\é"),
            (r"\X4\", r"\X4\"),
            (r"\.zz\", r"\.zz\"),
        ] {
            check(Charset::Utf8, text, expected);
        }
        check(Charset::Latin1, r"caf\XE9\", "café");
    }

    #[test]
    fn a_hostile_count_is_capped() {
        check(Charset::Utf8, r"\.sp99999\", &"\n".repeat(MAX_SKIP));
        check(
            Charset::Utf8,
            r"\.sk99999999999999999999999999\",
            &" ".repeat(MAX_SKIP),
        );
    }

    proptest! {
        #[test]
        fn what_the_builder_escapes_is_read_back(text in "[^\r]*") {
            let escaped = hl7_parser::message::Separators::default().encode(&text).to_string();
            let separators = Separators::default();
            prop_assert_eq!(unescape(&escaped, &separators, Charset::Utf8), text);
        }

        #[test]
        fn no_text_panics(text in r"[\\XHN.spbrZéA-F0-9|^&~]*") {
            let separators = Separators::default();
            let _ = unescape(&text, &separators, Charset::Latin1);
        }
    }
}
