//! `relais mapping fmt`: one way of writing a mapping file. Order and comments stay, meaning stays; rules stand in single quotes, `=`
//! stand below each other, blanks at line ends go.
//!
//! Purely lexical: lines are cut into keys, values and comments. What comes out is held against what went in before it is given: the two
//! are the same TOML or nothing is changed.

use crate::toml_file::MAX_BYTES;
use std::fmt::Write as _;
use std::ops::Range;

/// Keys longer than this are not waited for by the others of their block.
const WIDEST_KEY: usize = 44;
/// A column that all lines of a block share already is kept, up to so many blanks behind its longest key.
const WIDEST_PAD: usize = 12;

/// The text in its one form.
///
/// # Errors
/// Why it is left alone: it is no TOML (`relais mapping check` says where), or cannot be formatted without changing its meaning.
pub fn format(name: &str, text: &str) -> Result<String, String> {
    if text.len() > MAX_BYTES {
        return Err("the file is too large".to_owned());
    }
    let before = toml::from_str::<toml::Table>(text)
        .map_err(|e| format!("it is not TOML: {}", e.message()))?;
    let entries = entries(text).ok_or("it cannot be cut into lines of keys and values")?;
    let formatted = print(&entries, has_rules(name));
    match toml::from_str::<toml::Table>(&formatted) {
        Ok(after) if after == before => Ok(formatted),
        _ => Err("it cannot be formatted without changing its meaning".to_owned()),
    }
}

/// Files whose texts are rules; those of `segments/` and `profiles/` are data.
fn has_rules(name: &str) -> bool {
    !["segments/", "profiles/"]
        .iter()
        .any(|d| name.starts_with(d))
}

/// What a file is made of, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry<'t> {
    Blank,
    /// A comment on its own line.
    Comment(&'t str),
    /// `[x]` or `[[x]]`, with what follows.
    Header(&'t str),
    Line(Line<'t>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line<'t> {
    key: &'t str,
    /// Characters before ` =`.
    width: usize,
    value: &'t str,
    /// Blanks before the comment.
    gap: usize,
    comment: &'t str,
}

fn entries(text: &str) -> Option<Vec<Entry<'_>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let line = text.get(at..end)?;
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', '[']) {
            found.push(match bare.chars().next() {
                None => Entry::Blank,
                Some('#') => Entry::Comment(bare),
                Some(_) => Entry::Header(bare),
            });
            at = end + 1;
            continue;
        }
        let equals = at + equals(line)?;
        let key = text.get(at..equals)?.trim();
        let after = text.get(equals + 1..)?;
        let start = equals + 1 + (after.len() - after.trim_start_matches([' ', '\t']).len());
        let value = value(text, start)?;
        let rest = text.get(value.end..line_end(text, value.end))?;
        let comment = rest.trim();
        if !comment.is_empty() && !comment.starts_with('#') {
            return None;
        }
        let before = text.get(at..equals)?.trim_start();
        found.push(Entry::Line(Line {
            key,
            width: before.chars().count().saturating_sub(1),
            value: text.get(value.clone())?,
            gap: rest.chars().take_while(|c| c.is_whitespace()).count(),
            comment,
        }));
        at = line_end(text, value.end) + 1;
    }
    Some(found)
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..)
        .and_then(|rest| rest.find('\n'))
        .map_or(text.len(), |n| at + n)
}

/// Where the `=` of a line stands, behind a key that may have quoted parts.
fn equals(line: &str) -> Option<usize> {
    let mut quote = None;
    for (at, b) in line.bytes().enumerate() {
        match (quote, b) {
            (None, b'=') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}

/// The bytes of the value that begins at `start`: through brackets, strings and the comments between them.
fn value(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut end) = (start, 0_usize, start);
    while at < bytes.len() {
        match bytes[at] {
            b'\n' if depth == 0 => break,
            b'#' if depth == 0 => break,
            b'#' => {
                at = line_end(text, at);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b'"' | b'\'' => {
                at = string(bytes, at)?;
                end = at;
                continue;
            }
            _ => {}
        }
        at += 1;
        if !bytes[at - 1].is_ascii_whitespace() {
            end = at;
        }
    }
    (depth == 0 && end > start).then_some(start..end)
}

/// The end of the string that begins at `at`.
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes[at];
    let triple = [quote; 3];
    let close: &[u8] = match bytes.get(at..at + 3) {
        Some(three) if three == triple => &triple,
        _ => &triple[..1],
    };
    let mut i = at + close.len();
    while i < bytes.len() {
        if quote == b'"' && bytes[i] == b'\\' {
            i += 2;
        } else if bytes[i..].starts_with(close) {
            // Up to two quotes may stand before the closing three.
            let mut end = i + close.len();
            while close.len() == 3 && bytes.get(end) == Some(&quote) && end < i + 5 {
                end += 1;
            }
            return Some(end);
        } else {
            i += 1;
        }
    }
    None
}

fn print(entries: &[Entry<'_>], rules: bool) -> String {
    let mut text = String::new();
    let mut section = "";
    let mut blanks = 0;
    let mut block = 0..0;
    let mut width = 0;
    for (n, entry) in entries.iter().enumerate() {
        if *entry == Entry::Blank {
            blanks += 1;
            continue;
        }
        if blanks > 0 && !text.is_empty() {
            text.push('\n');
        }
        blanks = 0;
        match entry {
            Entry::Blank => {}
            Entry::Comment(comment) => text.push_str(comment),
            Entry::Header(header) => {
                section = header
                    .trim_start_matches('[')
                    .split([']', '.'])
                    .next()
                    .unwrap_or("")
                    .trim();
                text.push_str(header);
            }
            Entry::Line(line) => {
                if !block.contains(&n) {
                    block = block_of(entries, n);
                    width = width_of(&entries[block.clone()]);
                }
                let quoted = rules && is_rule(section, line.key);
                print_line(&mut text, line, width, quoted);
            }
        }
        text.push('\n');
    }
    text
}

/// The lines whose `=` stand below each other: up to the next blank line or header.
fn block_of(entries: &[Entry<'_>], from: usize) -> Range<usize> {
    let rest = entries.iter().skip(from);
    let length = rest
        .take_while(|e| matches!(e, Entry::Line(_) | Entry::Comment(_)))
        .count();
    from..from + length
}

fn width_of(block: &[Entry<'_>]) -> usize {
    let fitting = block.iter().filter_map(|e| match e {
        Entry::Line(line) if line.key.chars().count() <= WIDEST_KEY => Some(line),
        _ => None,
    });
    let lines: Vec<&Line<'_>> = fitting.collect();
    let longest = lines
        .iter()
        .map(|l| l.key.chars().count())
        .max()
        .unwrap_or(0);
    let shared = lines.first().map_or(0, |l| l.width);
    let kept = lines.len() > 1
        && lines.iter().all(|l| l.width == shared)
        && (longest..=longest + WIDEST_PAD).contains(&shared);
    if kept { shared } else { longest }
}

/// True if the texts of a line are rules and not words of the header.
fn is_rule(section: &str, key: &str) -> bool {
    match section {
        "" => key.contains('.'),
        "from" => matches!(key, "when" | "ignore" | "match"),
        "to" | "const" | "device" | "limits" => false,
        _ => key != "if_none",
    }
}

fn print_line(text: &mut String, line: &Line<'_>, width: usize, rule: bool) {
    let width = width.max(line.key.chars().count());
    let pad = width - line.key.chars().count();
    let _ = write!(text, "{}{} = ", line.key, " ".repeat(pad));
    let column = width + 3;
    let value = match rule {
        true => single_quoted(line.value),
        false => line.value.to_owned(),
    };
    let literal = value.contains("'''") || value.contains("\"\"\"");
    for (n, part) in value.split('\n').enumerate() {
        let part = if literal { part } else { part.trim_end() };
        if n == 0 {
            text.push_str(part);
            continue;
        }
        text.push('\n');
        match (literal, value.lines().next().map(str::trim_end)) {
            (true, _) => text.push_str(part),
            // What begins on the first line goes on below its first entry.
            (_, Some(first)) if first != "[" && !part.trim().is_empty() => {
                let _ = write!(text, "{}{}", " ".repeat(column + 1), part.trim_start());
            }
            _ => {
                let indent = if part.trim_start().starts_with(']') {
                    0
                } else {
                    2
                };
                if !part.trim().is_empty() {
                    let _ = write!(text, "{}{}", " ".repeat(indent), part.trim_start());
                }
            }
        }
    }
    if !line.comment.is_empty() {
        let _ = write!(text, "{}{}", " ".repeat(line.gap.max(1)), line.comment);
    }
}

/// `"..."` as `'...'` where that says the same; what stands in braces is data.
fn single_quoted(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut text = String::with_capacity(value.len());
    let (mut at, mut from) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'{' => return value.to_owned(),
            b'#' => at = line_end(value, at),
            b'"' | b'\'' => {
                let Some(end) = string(bytes, at) else {
                    return value.to_owned();
                };
                let inner = value.get(at + 1..end - 1).unwrap_or("");
                let plain =
                    !inner.contains(['\\', '\'', '\n']) && !value[at..].starts_with("\"\"\"");
                if bytes[at] == b'"' && plain {
                    text.push_str(&value[from..at]);
                    let _ = write!(text, "'{inner}'");
                    from = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    text.push_str(&value[from..]);
    text
}

/// Fuzz target: any bytes as a mapping file to be formatted.
pub fn fuzz_fmt(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    match format("inbound/fuzz.toml", text) {
        Ok(once) => {
            assert_eq!(format("inbound/fuzz.toml", &once).as_ref(), Ok(&once));
            crate::fuzzing::shape((1, once == text, crate::fuzzing::size(once.len())))
        }
        Err(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_gets_its_one_form() {
        let check = |text: &str, wanted: &str| {
            assert_eq!(format("inbound/x.toml", text).unwrap(), wanted);
            assert_eq!(format("inbound/x.toml", wanted).unwrap(), wanted);
        };
        check(
            "format=1\nbase = \"ihe_order\"  # ours\n\n\n\n[patient]\nname='PID-5'\n  # a note\nbirth_date   = \"PID-7\"   # wrong quotes\n",
            "format = 1\nbase   = \"ihe_order\"  # ours\n\n[patient]\nname       = 'PID-5'\n# a note\nbirth_date = 'PID-7'   # wrong quotes\n",
        );
        check(
            "format = 1\norder.accession_number = \"ORC-4\"\n[from]\nkind='x'\nwhen = \"MSH-3 == \\\"A\\\"\"\n",
            "format                 = 1\norder.accession_number = 'ORC-4'\n[from]\nkind = 'x'\nwhen = \"MSH-3 == \\\"A\\\"\"\n",
        );
        check(
            "[step]\nmodality = ['A',   # first\n  'B']\nid='x'",
            "[step]\nmodality = ['A',   # first\n            'B']\nid       = 'x'\n",
        );
        check(
            "[step]\nprotocol_codes = [\n'A',\n    'B',\n  ]\n",
            "[step]\nprotocol_codes = [\n  'A',\n  'B',\n]\n",
        );
        check(
            "[x]\na = '''\n  it's\n'''   \nlonger=1\r\n",
            "[x]\na      = '''\n  it's\n'''\nlonger = 1\n",
        );
        check("[const]\na = \"x\"\n", "[const]\na = \"x\"\n");
        check("", "");
    }

    #[test]
    fn what_is_no_toml_is_left_alone() {
        for text in [
            "[x",
            "a = 'b",
            "a",
            "a = 1 b",
            "= 1",
            "a = [1",
            "a = 1\na = 2",
        ] {
            assert!(format("inbound/x.toml", text).is_err(), "{text}");
        }
    }

    /// A shipped file with its blanks changed at random says the same, and has one form.
    #[test]
    fn blanks_change_neither_form_nor_meaning() {
        let mut files = crate::mapping::load::tests::shipped();
        files.retain(|f| f.name.ends_with(".toml"));
        proptest!(|(n in 0..files.len(), blanks in proptest::collection::vec(0_usize..5, 400))| {
            let (name, text) = (&files[n].name, &files[n].text);
            let formatted = format(name, text).unwrap();
            let mut blanks = blanks.into_iter().cycle();
            let mut messy = String::new();
            for line in formatted.split_inclusive('\n') {
                let blank = " ".repeat(blanks.next().unwrap());
                match line.split_once(" = ") {
                    Some((key, value)) if !line.starts_with([' ', '#', '\'']) => {
                        messy.push_str(&format!("{blank}{}{blank}={}{value}", key.trim(), " ".repeat(blanks.next().unwrap())));
                    }
                    _ if line.starts_with('[') => messy.push_str(&format!("{blank}{line}")),
                    _ => messy.push_str(line),
                }
            }
            let once = format(name, &messy).unwrap();
            prop_assert_eq!(format(name, &once).unwrap(), once.clone());
            prop_assert_eq!(toml::from_str::<toml::Table>(&once).unwrap(), toml::from_str::<toml::Table>(text).unwrap());
            prop_assert_eq!(toml::from_str::<toml::Table>(&messy).unwrap(), toml::from_str::<toml::Table>(text).unwrap());
        });
    }
}
