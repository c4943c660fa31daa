//! Code tables: CSV with `key:` columns, result columns and a comment, looked up by several keys at once.
//!
//! A key cell is a literal, `*` (anything) or `~` (nothing). The row with the most literal cells wins, ties go left to right, so that two
//! rows can only tie by being the same: a load error. A result cell with `;` is a list.

use super::parser::Problem;
use crate::fuzzing;
use std::collections::{BTreeSet, HashMap};

/// Largest table, in bytes and rows.
const MAX_BYTES: usize = 8 << 20;
const MAX_ROWS: usize = 200_000;
/// Separates the keys of a row in the index; a control character occurs in no code.
const GLUE: char = '\u{1f}';

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cell {
    Any,
    Empty,
    Literal(String),
}

#[derive(Debug, Clone)]
struct Pattern {
    cells: Vec<Cell>,
    row: usize,
}

/// A loaded table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// File name without directory: `sex.csv`.
    pub file: String,
    /// Names of the key columns.
    pub keys: Vec<String>,
    /// Names of the result columns.
    pub columns: Vec<String>,
    rows: Vec<Row>,
    /// Rows whose keys are all literal.
    exact: HashMap<String, usize>,
    /// The other rows, most special first.
    patterns: Vec<Pattern>,
}

/// One row's results.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its key cells as written.
    pub keys: Vec<String>,
    pub cells: Vec<String>,
    /// Line in the file, from 1.
    pub line: usize,
}

impl Table {
    /// The column of a name; without a name the first one.
    pub fn column(&self, name: Option<&str>) -> Option<usize> {
        match name {
            Some(name) => self.columns.iter().position(|c| c == name),
            None => (!self.columns.is_empty()).then_some(0),
        }
    }

    /// The row for these keys; an absent key meets `~` and `*` only.
    pub fn find(&self, keys: &[Option<&str>]) -> Option<&Row> {
        if keys.len() != self.keys.len() {
            return None;
        }
        let trimmed: Vec<&str> = keys.iter().map(|k| k.unwrap_or("").trim()).collect();
        if !trimmed.iter().any(|k| k.is_empty()) {
            let exact = match trimmed.as_slice() {
                [one] => self.exact.get(*one),
                many => self.exact.get(&many.join(&GLUE.to_string())),
            };
            if let Some(row) = exact {
                return self.rows.get(*row);
            }
        }
        let fits = |pattern: &&Pattern| {
            pattern
                .cells
                .iter()
                .zip(&trimmed)
                .all(|(cell, key)| match cell {
                    Cell::Any => true,
                    Cell::Empty => key.is_empty(),
                    Cell::Literal(text) => text == key,
                })
        };
        let found = self.patterns.iter().find(fits)?;
        self.rows.get(found.row)
    }

    /// Every literal key cell: the words that the table knows.
    pub fn key_words(&self) -> impl Iterator<Item = &str> {
        let exact = self.exact.keys().flat_map(|k| k.split(GLUE));
        let cells = self.patterns.iter().flat_map(|p| &p.cells);
        exact.chain(cells.filter_map(|cell| match cell {
            Cell::Literal(text) => Some(text.as_str()),
            Cell::Any | Cell::Empty => None,
        }))
    }

    /// Indices of the rows whose first keys fit, in order of the file: of those with the most literal cells among these keys. The
    /// remaining keys tell the rows of one code apart.
    pub fn find_all(&self, first: &[Option<&str>]) -> Vec<usize> {
        let fits = |row: &Row| -> Option<usize> {
            let mut literal = 0;
            for (cell, key) in row.keys.iter().zip(first) {
                let key = key.unwrap_or("").trim();
                match cell.as_str() {
                    "*" => {}
                    "~" | "" if key.is_empty() => {}
                    text if !key.is_empty() && text == key => literal += 1,
                    _ => return None,
                }
            }
            Some(literal)
        };
        if first.len() > self.keys.len() {
            return vec![];
        }
        let found = self.rows.iter().enumerate();
        let found: Vec<(usize, usize)> = found
            .filter_map(|(n, row)| fits(row).map(|literal| (n, literal)))
            .collect();
        let most = found.iter().map(|(_, literal)| *literal).max();
        let best = found.into_iter().filter(|(_, l)| Some(*l) == most);
        best.map(|(n, _)| n).collect()
    }

    /// The cell of a column, a key's name included.
    pub fn cell(&self, row: usize, name: &str) -> Option<&str> {
        let row = self.rows.get(row)?;
        let key = self.keys.iter().position(|k| k == name);
        let cell = match key {
            Some(key) => row.keys.get(key),
            None => row.cells.get(self.column(Some(name))?),
        };
        cell.map(String::as_str)
    }

    /// Every row, for checks and the reference page.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// Splits a result cell into its values; an empty cell has none.
pub fn values(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|v| !v.is_empty())
}

/// Reads a table. Problems carry their place; what can be read is kept.
pub fn read(file: &str, text: &str) -> (Table, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut table = Table {
        file: file.to_owned(),
        ..Table::default()
    };
    if text.len() > MAX_BYTES {
        problems.push(Problem::new("M030", 0..0, "the table is too large"));
        return (table, problems);
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offset = text.len() - body.len();
    let Some(first) = body.lines().find(|l| !skipped(l)) else {
        problems.push(Problem::new("M030", 0..0, "the table has no header line"));
        return (table, problems);
    };
    let delimiter = match (first.matches(';').count(), first.matches(',').count()) {
        (semicolons, commas) if semicolons > commas => ';',
        _ => ',',
    };
    let mut builder = Builder {
        table: &mut table,
        problems: &mut problems,
        header: vec![],
        results: vec![],
        seen: HashMap::new(),
    };
    for record in records(body, delimiter) {
        let span = record.span.start + offset..record.span.end + offset;
        builder.take(record, span);
    }
    finish(&mut table);
    (table, problems)
}

fn skipped(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

struct Record {
    cells: Vec<String>,
    line: usize,
    span: std::ops::Range<usize>,
}

/// The records of a CSV text: quoted cells, doubled quotes, line ends inside quotes; blank and `#` lines are skipped.
fn records(text: &str, delimiter: char) -> Vec<Record> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let rest = &text[at..];
        let end = rest.find('\n').map_or(rest.len(), |n| n + 1);
        if skipped(&rest[..end]) {
            at += end;
            line += 1;
            continue;
        }
        let (cells, used) = record(rest, delimiter);
        let shown = rest[..used].trim_end().len();
        found.push(Record {
            cells,
            line,
            span: at..at + shown,
        });
        line += rest[..used].matches('\n').count();
        at += used.max(1);
    }
    found
}

/// Cells of the first record, and its length with the line end.
fn record(text: &str, delimiter: char) -> (Vec<String>, usize) {
    let (mut cells, mut cell, mut quoted) = (vec![], String::new(), false);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if quoted && chars.peek().is_some_and(|(_, n)| *n == '"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.trim().is_empty() => {
                cell.clear();
                quoted = true;
            }
            '\n' if !quoted => {
                cells.push(cell.trim().to_owned());
                return (cells, at + 1);
            }
            c if c == delimiter && !quoted => {
                cells.push(std::mem::take(&mut cell).trim().to_owned())
            }
            c => cell.push(c),
        }
    }
    cells.push(cell.trim().to_owned());
    (cells, text.len())
}

struct Builder<'b> {
    table: &'b mut Table,
    problems: &'b mut Vec<Problem>,
    /// Column names with `key:` removed, and whether each is a key.
    header: Vec<bool>,
    results: Vec<usize>,
    /// Rows with `*` or `~` by their keys.
    seen: HashMap<Vec<Cell>, usize>,
}

impl Builder<'_> {
    fn take(&mut self, record: Record, span: std::ops::Range<usize>) {
        if self.header.is_empty() {
            return self.take_header(&record, span);
        }
        if self.table.rows.len() >= MAX_ROWS {
            return;
        }
        if record.cells.len() > self.header.len() {
            let message = format!(
                "the row has {} cells, the header {}",
                record.cells.len(),
                self.header.len()
            );
            self.problems.push(
                Problem::new("M031", span, message)
                    .hint("a cell that contains the separator stands in double quotes"),
            );
            return;
        }
        let cell = |i: usize| record.cells.get(i).cloned().unwrap_or_default();
        let keys: Vec<Cell> = (0..self.header.len())
            .filter(|i| self.header[*i])
            .map(|i| match cell(i).as_str() {
                "*" => Cell::Any,
                "~" | "" => Cell::Empty,
                text => Cell::Literal(text.to_owned()),
            })
            .collect();
        let row = Row {
            keys: (0..self.header.len())
                .filter(|i| self.header[*i])
                .map(cell)
                .collect(),
            cells: self.results.iter().map(|i| cell(*i)).collect(),
            line: record.line,
        };
        let exact: Option<Vec<&str>> = keys
            .iter()
            .map(|k| match k {
                Cell::Literal(t) => Some(t.as_str()),
                _ => None,
            })
            .collect();
        let index = self.table.rows.len();
        let earlier = match exact {
            Some(parts) => self
                .table
                .exact
                .insert(parts.join(&GLUE.to_string()), index),
            None => {
                let earlier = self.seen.insert(keys.clone(), index);
                self.table.patterns.push(Pattern {
                    cells: keys,
                    row: index,
                });
                earlier
            }
        };
        if let Some(earlier) = earlier.and_then(|i| self.table.rows.get(i)) {
            let message = format!("the same keys stand in line {}", earlier.line);
            self.problems.push(
                Problem::new("M032", span, message).hint("both answer the same question: keep one"),
            );
        }
        self.table.rows.push(row);
    }

    fn take_header(&mut self, record: &Record, span: std::ops::Range<usize>) {
        for (i, name) in record.cells.iter().enumerate() {
            let key = name.strip_prefix("key:");
            self.header.push(key.is_some());
            match key {
                Some(key) => self.table.keys.push(key.trim().to_owned()),
                None if name == "comment" => {}
                None => {
                    self.results.push(i);
                    self.table.columns.push(name.clone());
                }
            }
        }
        if self.table.keys.is_empty() {
            self.problems.push(
                Problem::new("M030", span, "no column is a key")
                    .hint("a key column is named key:NAME in the first line"),
            );
        }
    }
}

fn finish(table: &mut Table) {
    let literal = |cell: &Cell| u8::from(*cell != Cell::Any);
    table.patterns.sort_by_key(|p| {
        let flags: Vec<u8> = p.cells.iter().map(literal).collect();
        let count: u32 = flags.iter().map(|f| u32::from(*f)).sum();
        std::cmp::Reverse((count, flags))
    });
}

/// Fuzz target: any bytes as a table.
pub fn fuzz_table(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    let (table, problems) = read("fuzz.csv", text);
    let mut found = 0;
    for row in table.rows() {
        let keys: Vec<_> = row.cells.iter().map(|c| Some(c.as_str())).collect();
        found += usize::from(table.find(&keys).is_some());
    }
    let codes: BTreeSet<_> = problems.iter().map(|p| p.code).collect();
    fuzzing::shape((
        codes,
        fuzzing::size(table.rows().len()),
        fuzzing::size(found),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(text: &str, keys: &[Option<&str>]) -> Option<(String, usize)> {
        let (table, problems) = read("t.csv", text);
        assert_eq!(problems, []);
        table.find(keys).map(|r| (r.cells[0].clone(), r.line))
    }

    #[test]
    fn the_row_with_most_literal_cells_wins() {
        let text = "key:orc1,key:orc5,key:role,do,comment\nSC,*,*,note,\nSC,CM,*,complete,\nCA,*,order,cancel_request,\nCA,*,*,cancel,\n\
                    XO,~,*,change,\n";
        for (keys, expected) in [
            (
                [Some("SC"), Some("CM"), Some("order")],
                Some(("complete", 3)),
            ),
            ([Some("SC"), Some("ZZ"), None], Some(("note", 2))),
            (
                [Some("CA"), None, Some("order")],
                Some(("cancel_request", 4)),
            ),
            ([Some("CA"), None, Some("adt")], Some(("cancel", 5))),
            ([Some("XO"), Some(" "), None], Some(("change", 6))),
            ([Some("XO"), Some("CM"), None], None),
            ([None, None, None], None),
        ] {
            let found = find(text, &keys);
            assert_eq!(
                found.as_ref().map(|(t, l)| (t.as_str(), *l)),
                expected,
                "{keys:?}"
            );
        }
    }

    #[test]
    fn excel_files_are_read() {
        let text = "\u{feff}key:code;label\r\nA;\"une; deux\r\nlignes \"\"x\"\"\"\r\n\r\n# note\r\nB;b\r\n";
        assert_eq!(
            find(text, &[Some("A")]),
            Some(("une; deux\r\nlignes \"x\"".to_owned(), 2))
        );
        assert_eq!(find(text, &[Some("B")]), Some(("b".to_owned(), 6)));
    }

    #[test]
    fn a_tie_and_a_torn_row_are_reported() {
        let codes =
            |text: &str| -> Vec<&str> { read("t.csv", text).1.iter().map(|p| p.code).collect() };
        assert_eq!(codes("key:a,b\nx,1\nx,2\n"), ["M032"]);
        assert_eq!(codes("key:a,b\n*,1\n*,2\n"), ["M032"]);
        assert_eq!(codes("key:a,b\nx,1,2\n"), ["M031"]);
        assert_eq!(codes("a,b\nx,1\n"), ["M030"]);
        assert_eq!(codes(""), ["M030"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a-c,;\"\n\r*~:ké#]{0,120}") {
            fuzz_table(text.as_bytes());
        }
    }
}
