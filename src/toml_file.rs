//! Hand-edited TOML, walked with spans: the configuration and the mapping files.
//!
//! `serde` stops at the first type error and loses spans under flattening, so both sorts of file are walked over `toml`'s spanned
//! table. Getters record a problem and answer `None` instead of stopping; `Table::finish` reports keys that nobody asked for.
//! Rule upheld: all problems at once, with file, line, column and what is allowed.

use crate::diagnostic::{Diagnostic, Lines, did_you_mean};
use crate::fuzzing;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

mod slips;

/// Codes that a sort of file gives to the problems every TOML file can have.
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// Not TOML, or too large.
    pub syntax: &'static str,
    /// A key or a table that is written twice.
    pub twice: &'static str,
    /// A key that does not exist here.
    pub unknown_key: &'static str,
    /// A value of the wrong type or outside what is allowed.
    pub bad_value: &'static str,
    /// A required key is not there.
    pub missing: &'static str,
}

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A parsed file with the problems found so far.
pub struct Doc<'t> {
    file: Arc<str>,
    text: &'t str,
    lines: Lines<'t>,
    codes: Codes,
    root: DeTable<'t>,
    problems: RefCell<Vec<Diagnostic>>,
}

/// A value with its place; the span of a text is what stands between its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// One value of any type.
#[derive(Clone, Copy)]
pub struct Item<'d> {
    doc: &'d Doc<'d>,
    value: &'d toml::Spanned<DeValue<'d>>,
}

/// One table, with memory of the keys that were asked for.
pub struct Table<'d> {
    doc: &'d Doc<'d>,
    entries: &'d DeTable<'d>,
    /// Dotted path from the root, empty for the root.
    path: String,
    span: Range<usize>,
}

impl<'t> Doc<'t> {
    /// Parses; syntax errors become problems and what could be read is kept.
    pub fn parse(file: &Arc<str>, text: &'t str, codes: Codes) -> Self {
        let mut problems = Vec::new();
        let lines = Lines::of(text);
        let root = if text.len() > MAX_BYTES {
            problems.push(
                Diagnostic::error(codes.syntax, file, 0..0, "the file is too large")
                    .hint(format!("at most {MAX_BYTES} bytes")),
            );
            DeTable::new()
        } else {
            let (root, errors) = DeTable::parse_recoverable(text);
            problems.extend(slips::told(file, text, &lines, codes, &errors));
            root.into_inner()
        };
        Self {
            file: Arc::clone(file),
            text,
            lines,
            codes,
            root,
            problems: RefCell::new(problems),
        }
    }

    /// The root table.
    pub fn root(&self) -> Table<'_> {
        Table {
            doc: self,
            entries: &self.root,
            path: String::new(),
            span: 0..0,
        }
    }

    /// The file's name in diagnostics.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.text
    }

    /// Its lines, for places.
    pub fn lines(&self) -> &Lines<'t> {
        &self.lines
    }

    /// Records a problem.
    pub fn report(&self, problem: Diagnostic) {
        self.problems.borrow_mut().push(problem);
    }

    /// Takes the problems, in order of place.
    pub fn into_problems(self) -> Vec<Diagnostic> {
        let mut problems = self.problems.into_inner();
        let line = |p: &Diagnostic| self.lines.place(p.span.start).0;
        let torn: BTreeSet<usize> = problems
            .iter()
            .filter(|p| p.code == self.codes.syntax)
            .map(line)
            .collect();
        // What else such a line seems to say follows from its first error.
        let untold = match torn.len() > slips::MOST {
            true => torn.last().copied(),
            false => None,
        };
        problems.retain(|p| {
            let at = line(p);
            p.code == self.codes.syntax || !torn.contains(&at) && untold.is_none_or(|u| at < u)
        });
        problems.sort_by_key(|p| p.span.start);
        problems
    }
}

impl<'d> Item<'d> {
    /// Place in the file, quotes left out for a text.
    pub fn span(&self) -> Range<usize> {
        match self.value.get_ref() {
            DeValue::String(text) => inner_span(self.doc.text, self.value.span(), text),
            _ => self.value.span(),
        }
    }

    /// Place in the file, quotes included.
    pub fn outer_span(&self) -> Range<usize> {
        self.value.span()
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&'d str> {
        self.value.get_ref().as_str()
    }

    /// True if the text stands in `'...'` or `'''...'''`, so that its columns are those of the file.
    pub fn is_literal(&self) -> bool {
        self.doc
            .text
            .get(self.value.span())
            .is_some_and(|raw| raw.starts_with('\''))
    }

    /// The whole number, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        let n = self.value.get_ref().as_integer()?;
        i64::from_str_radix(&n.as_str().replace('_', ""), n.radix()).ok()
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        self.value.get_ref().as_bool()
    }

    /// The entries, if it is an array.
    pub fn as_array(&self) -> Option<Vec<Item<'d>>> {
        let doc = self.doc;
        let array = self.value.get_ref().as_array()?;
        Some(array.iter().map(|value| Item { doc, value }).collect())
    }

    /// The table, if it is one; `path` names it in messages.
    pub fn as_table(&self, path: &str) -> Option<Table<'d>> {
        Some(Table {
            doc: self.doc,
            entries: self.value.get_ref().as_table()?,
            path: path.to_owned(),
            span: self.value.span(),
        })
    }

    /// What it is, in TOML's words.
    pub fn type_name(&self) -> &'static str {
        self.value.get_ref().type_str()
    }

    /// Records that the value is not what is allowed here.
    pub fn wrong(&self, allowed: &str) {
        self.doc.report(
            Diagnostic::error(
                self.doc.codes.bad_value,
                &self.doc.file,
                self.value.span(),
                format!("this is a TOML {}", self.type_name()),
            )
            .label(format!("allowed: {allowed}")),
        );
    }
}

/// The text's own bytes inside its quotes; with escapes, or where the quotes are not found, the whole span.
fn inner_span(source: &str, span: Range<usize>, text: &str) -> Range<usize> {
    let Some(raw) = source.get(span.clone()) else {
        return span;
    };
    match raw.find(text) {
        Some(at) if !text.is_empty() => span.start + at..span.start + at + text.len(),
        _ => span,
    }
}

impl<'d> Table<'d> {
    /// The document that the table stands in.
    pub fn doc(&self) -> &'d Doc<'d> {
        self.doc
    }

    /// Dotted path from the root, empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Place of the table's header or braces.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Every entry in file order: key with its place, value.
    pub fn entries(&self) -> impl Iterator<Item = (At<&'d str>, Item<'d>)> + '_ {
        let doc = self.doc;
        self.entries.iter().map(move |(key, value)| {
            let at = At {
                value: key.get_ref().as_ref(),
                span: key.span(),
            };
            (at, Item { doc, value })
        })
    }

    /// The value of a key.
    pub fn item(&self, key: &str) -> Option<Item<'d>> {
        self.entries()
            .find(|(k, _)| k.value == key)
            .map(|(_, item)| item)
    }

    /// True if the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.item(key).is_some()
    }

    /// The full name of a key.
    pub fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn typed<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(Item<'d>) -> Option<T>,
    ) -> Option<At<T>> {
        let item = self.item(key)?;
        let Some(value) = read(item) else {
            item.wrong(allowed);
            return None;
        };
        Some(At {
            value,
            span: item.span(),
        })
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<At<&'d str>> {
        self.typed(key, "a text", |item| item.as_text())
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &str) -> Option<At<&'d str>> {
        self.require(key);
        self.text(key)
    }

    /// A text out of a closed list.
    pub fn word(&self, key: &str, allowed: &[&'static str]) -> Option<At<&'static str>> {
        let text = self.text(key)?;
        if let Some(word) = allowed.iter().find(|w| **w == text.value) {
            return Some(At {
                value: word,
                span: text.span,
            });
        }
        self.doc.report(
            Diagnostic::error(
                self.doc.codes.bad_value,
                &self.doc.file,
                text.span,
                format!("`{}` is not known for {}", text.value, self.name_of(key)),
            )
            .label(format!("allowed: {}", allowed.join(", ")))
            .maybe_hint(did_you_mean(text.value, allowed.iter().copied())),
        );
        None
    }

    /// A whole number within bounds.
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<At<i64>> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.typed(key, &allowed, |item| {
            item.as_integer().filter(|n| range.contains(n))
        })
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> Option<At<bool>> {
        self.typed(key, "true or false", |item| item.as_bool())
    }

    /// A list of texts; other entries are reported and left out.
    pub fn texts(&self, key: &str) -> Option<Vec<At<&'d str>>> {
        let list = self.typed(key, "a list of texts", |item| item.as_array())?;
        let texts = list.value.into_iter().filter_map(|item| {
            let Some(value) = item.as_text() else {
                item.wrong("a text");
                return None;
            };
            Some(At {
                value,
                span: item.span(),
            })
        });
        Some(texts.collect())
    }

    /// A table.
    pub fn table(&self, key: &str) -> Option<Table<'d>> {
        let path = self.name_of(key);
        self.typed(key, "a table", |item| item.as_table(&path))
            .map(|at| at.value)
    }

    /// A list of tables (`[[key]]`); other entries are reported and left out. An absent key is an empty list.
    pub fn tables(&self, key: &str) -> Vec<Table<'d>> {
        let path = self.name_of(key);
        let Some(list) = self.typed(key, "a list of tables", |item| item.as_array()) else {
            return vec![];
        };
        let tables = list.value.into_iter().filter_map(|item| {
            let table = item.as_table(&path);
            if table.is_none() {
                item.wrong("a table");
            }
            table
        });
        tables.collect()
    }

    /// Records a problem if the key is absent; true if it is there.
    pub fn require(&self, key: &str) -> bool {
        let there = self.has(key);
        if !there {
            self.doc.report(
                Diagnostic::error(
                    self.doc.codes.missing,
                    &self.doc.file,
                    self.span.start..self.span.start,
                    format!("{} is missing", self.name_of(key)),
                )
                .hint(format!("add the line {key} = ..")),
            );
        }
        there
    }

    /// Records a problem of this table's file.
    pub fn report(&self, code: &'static str, at: Range<usize>, message: impl Into<String>) {
        self.doc
            .report(Diagnostic::error(code, &self.doc.file, at, message));
    }

    /// Reports every key that is not allowed here, with the nearest that is.
    pub fn finish(&self, allowed: &[&str]) {
        for (key, _) in self.entries() {
            if allowed.contains(&key.value) {
                continue;
            }
            let place = if self.path.is_empty() {
                "at the root of the file".to_owned()
            } else {
                format!("in [{}]", self.path)
            };
            self.doc.report(
                Diagnostic::error(
                    self.doc.codes.unknown_key,
                    &self.doc.file,
                    key.span,
                    format!("unknown key `{}` {place}", key.value),
                )
                .label(format!("allowed: {}", allowed.join(", ")))
                .maybe_hint(did_you_mean(key.value, allowed.iter().copied())),
            );
        }
    }
}

/// Fuzz target: any bytes as a file, walked whole.
pub fn fuzz_toml_file(data: &[u8]) -> u64 {
    fn walk(table: &Table<'_>, depth: usize) {
        for (key, item) in table.entries() {
            let _ = (
                item.span(),
                item.as_integer(),
                item.is_literal(),
                item.as_bool(),
            );
            let _ = table.texts(key.value);
            if let (Some(inner), true) = (item.as_table(key.value), depth < 64) {
                walk(&inner, depth + 1);
            }
        }
        table.finish(&["format"]);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    let codes = Codes {
        syntax: "C001",
        twice: "C001",
        unknown_key: "C002",
        bad_value: "C003",
        missing: "C004",
    };
    let doc = Doc::parse(&"fuzz.toml".into(), text, codes);
    walk(&doc.root(), 0);
    let problems = doc.into_problems();
    for problem in &problems {
        crate::diagnostic::render(problem, text);
    }
    fuzzing::shape((
        problems.iter().map(|p| p.code).collect::<BTreeSet<_>>(),
        fuzzing::size(problems.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODES: Codes = Codes {
        syntax: "C001",
        twice: "C001",
        unknown_key: "C002",
        bad_value: "C003",
        missing: "C004",
    };

    #[test]
    fn every_problem_is_reported_at_once_with_its_place() {
        let text = "name = 3\nport = 99999\nlisten = \"x\"\nlsit = [1, \"a\"]\nlist = [1, \"a\"]\n";
        let file: Arc<str> = "relais.toml".into();
        let doc = Doc::parse(&file, text, CODES);
        let root = doc.root();
        assert_eq!(root.text("name"), None);
        assert_eq!(root.integer("port", 1..=65_535), None);
        assert_eq!(root.word("listen", &["a", "b"]), None);
        assert_eq!(root.texts("list").map(|l| l.len()), Some(1));
        root.required_text("url");
        root.finish(&["name", "port", "listen", "list"]);
        let problems = doc.into_problems();
        let found: Vec<_> = problems
            .iter()
            .map(|p| (p.code, &text[p.span.clone()]))
            .collect();
        assert_eq!(
            found,
            [
                ("C004", ""),
                ("C003", "3"),
                ("C003", "99999"),
                ("C003", "x"),
                ("C002", "lsit"),
                ("C003", "1")
            ]
        );
        assert_eq!(problems[4].hint.as_deref(), Some("did you mean `list`?"));
    }

    #[test]
    fn syntax_errors_do_not_hide_the_rest() {
        let text = "a = 'x'\nb = 'Protocole d'imagerie'\nc = 1\nc = 2\n";
        let file: Arc<str> = "x.toml".into();
        let doc = Doc::parse(&file, text, CODES);
        assert_eq!(doc.root().text("a").map(|t| t.span), Some(5..6));
        let problems = doc.into_problems();
        assert!(problems.len() >= 2, "{problems:?}");
        assert!(
            problems
                .iter()
                .any(|p| p.hint.as_deref().is_some_and(|h| h.contains("'''")))
        );
    }

    #[test]
    fn hundreds_of_errors_in_one_line_are_told_in_few_words() {
        // Found by the fuzzer: a second of processor time for a file of 16 KiB.
        let text = format!("a = {{ {} }}\n", "key = \"value\", ".repeat(1_000));
        let file: Arc<str> = "x.toml".into();
        let problems = Doc::parse(&file, &text, CODES).into_problems();
        assert_eq!(problems.len(), 1, "one line, one problem");
        let text = "key = value\n".repeat(1_000);
        let problems = Doc::parse(&file, &text, CODES).into_problems();
        assert_eq!(problems.len(), slips::MOST + 1);
        let last = problems.last().map(|p| p.message.as_str());
        assert!(
            last.is_some_and(|m| m.contains("more errors of syntax")),
            "{last:?}"
        );
        let told: usize = problems
            .iter()
            .map(|p| crate::diagnostic::render(p, &text).len())
            .sum();
        assert!(told < 64 << 10, "{told} bytes");
    }

    proptest! {
        #[test]
        fn any_text_is_walked_without_panic(text in "[a-c\\[\\]\\.='\"\n0-9 #{},é]{0,200}") {
            fuzz_toml_file(text.as_bytes());
        }
    }
}
