//! Hand-edited TOML, walked with spans: the configuration and the mapping files.
//!
//! `serde` stops at the first type error and loses spans under flattening, so both sorts of file are walked over `toml`'s spanned
//! table. Getters record a problem and answer `None` instead of stopping; `Table::finish` reports keys that nobody asked for.
//! Rule upheld: all problems at once, with file, line, column and what is allowed.

use crate::diagnostic::{Diagnostic, Lines};
use crate::fuzzing;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

mod slips;
mod table;

pub use table::Table;

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

/// Codes of the fuzz target's files, and of the tests'.
const FUZZED: Codes = Codes {
    syntax: "C001",
    twice: "C001",
    unknown_key: "C002",
    bad_value: "C003",
    missing: "C004",
};

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
    let doc = Doc::parse(&"fuzz.toml".into(), text, FUZZED);
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
mod tests;
