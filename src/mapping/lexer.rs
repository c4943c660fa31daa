//! A rule's text as tokens. Bounded: at most [`MAX_TOKENS`] a rule.

use super::parser::Problem;
use std::ops::Range;

/// Most tokens of one rule: a longer one is a program in disguise.
pub const MAX_TOKENS: usize = 200;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tok {
    /// A name, a function, a segment id or a DICOM keyword.
    Word(String),
    Int(i64),
    /// A text between double quotes, escapes resolved.
    Text(String),
    /// Punctuation and operators, as written.
    Sign(&'static str),
    End,
}

/// A token with its bytes in the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub tok: Tok,
    pub span: Range<usize>,
}

/// Longest first, so that `??` is not read as two signs.
const SIGNS: &[&str] = &[
    "??", "==", "!=", "<=", ">=", "<", ">", "|", "(", ")", "[", "]", ",", ":", ".", "-", "/",
];

/// Splits a rule; the last token is [`Tok::End`].
pub fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (tok, len) = token(text, at, c)?;
        found.push(Token {
            tok,
            span: at..at + len,
        });
        at += len;
        if found.len() > MAX_TOKENS {
            let message = format!("the rule is longer than {MAX_TOKENS} tokens");
            return Err(
                Problem::new("M012", at..at, message).hint("move codes into a table under tables/")
            );
        }
    }
    found.push(Token {
        tok: Tok::End,
        span: text.len()..text.len(),
    });
    Ok(found)
}

fn token(text: &str, at: usize, first: char) -> Result<(Tok, usize), Problem> {
    let rest = &text[at..];
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        return Ok((Tok::Word(rest[..len].to_owned()), len));
    }
    if first.is_ascii_digit() {
        let len = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number = rest[..len].parse().map_err(|_| {
            Problem::new("M010", at..at + len, "the number is too large").label("whole number")
        })?;
        return Ok((Tok::Int(number), len));
    }
    if first == '"' {
        return quoted(text, at);
    }
    if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
        return Ok((Tok::Sign(sign), sign.len()));
    }
    let hint = match first {
        '&' => "texts are joined by concat(a, \"_\", b)",
        '+' => "there is no arithmetic; a table or a function does it",
        '=' => "equality is written ==",
        '{' | '}' => "an expression has no braces",
        _ => "see the grammar in docs/reference/mapping.md",
    };
    let end = at + first.len_utf8();
    Err(Problem::new("M010", at..end, format!("`{first}` has no meaning here")).hint(hint))
}

fn quoted(text: &str, at: usize) -> Result<(Tok, usize), Problem> {
    let mut value = String::new();
    let mut chars = text[at..].char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((Tok::Text(value), i + 1)),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => {
                    let span = at + i..at + i + 1;
                    return Err(Problem::new("M010", span, "unknown escape")
                        .label("allowed: \\n \\r \\t \\\\ \\\""));
                }
            },
            c => value.push(c),
        }
    }
    Err(Problem::new("M010", at..text.len(), "the text has no closing \"").label("opened here"))
}
