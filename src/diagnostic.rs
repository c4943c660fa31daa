//! Coded diagnostics of configuration and mapping files: what is wrong, where, and what to do.
//!
//! `toml_file` and `mapping` make them, `cli` and the reload log print them; every one names file, line and column and underlines the
//! text. Rule upheld: all problems of a file at once, each with its remedy. A diagnostic quotes files, never messages.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file loads; the author should know.
    Warning,
    /// The file does not load.
    Error,
}

impl Severity {
    /// The printed word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One problem of one file. What reads a part of a file makes it without the file's name and its owner adds that: [`Diagnostic::in_file`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code with a page in the documentation: `M014`, `C003`.
    pub code: &'static str,
    pub severity: Severity,
    /// File as the author knows it.
    pub file: Arc<str>,
    /// Bytes of the file that are to blame; empty = the file as a whole or an insertion point.
    pub span: Range<usize>,
    /// What is wrong, a fragment.
    pub message: String,
    /// What the underlined text is; may be empty.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without file, label and hint.
    pub fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: "".into(),
            span,
            message: message.into(),
            label: String::new(),
            hint: None,
        }
    }

    /// An error of a file, without label and hint.
    pub fn error(
        code: &'static str,
        file: &Arc<str>,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(code, span, message).in_file(file)
    }

    /// A warning without file, label and hint.
    pub fn warning(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(code, span, message)
        }
    }

    /// Says which file it is about.
    #[must_use]
    pub fn in_file(mut self, file: &Arc<str>) -> Self {
        self.file = Arc::clone(file);
        self
    }

    /// Says what the underlined text is.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do, if there is something to say that nobody has said.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }
}

/// A text whose lines are found without reading it again for every problem.
#[derive(Debug, Clone)]
pub struct Lines<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Reads the text once.
    pub fn of(text: &'t str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let offset = floor_boundary(self.text, offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or("");
        (line, before.chars().count() + 1)
    }

    /// A line's text without its end; lines count from 1.
    pub fn line(&self, line: usize) -> &'t str {
        let start = self.starts.get(line.max(1) - 1).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or("");
        rest.lines().next().unwrap_or("")
    }

    /// True if what stands at an offset is in a `[table]` header.
    pub fn starts_table(&self, offset: usize) -> bool {
        let (line, _) = self.place(offset);
        self.line(line).trim_start().starts_with('[')
    }

    /// The diagnostic as text: message, place, the line underlined with carets, label and hint.
    pub fn render(&self, diagnostic: &Diagnostic) -> String {
        let d = diagnostic;
        let (line, column) = self.place(d.span.start);
        let first = (column - 1).saturating_sub(SHOWN / 2);
        let blank = |c: char| if c.is_control() { ' ' } else { c };
        let whole = self.line(line).chars().map(blank);
        let shown: String = whole.skip(first).take(SHOWN).collect();
        let start = floor_boundary(self.text, d.span.start);
        let end = floor_boundary(self.text, d.span.end).max(start);
        let marked = self.text.get(start..end).unwrap_or("");
        let carets = marked
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .take(SHOWN)
            .count()
            .clamp(1, SHOWN.saturating_sub(column - 1 - first).max(1));
        let gutter = " ".repeat(line.to_string().len());
        let mut out = format!("{} {}: {}\n", d.code, d.severity.word(), d.message);
        let _ = writeln!(out, "{gutter}--> {}:{line}:{column}", d.file);
        let _ = writeln!(out, "{gutter} |");
        let _ = writeln!(out, "{line} | {}", shown.trim_end());
        let underline = format!(
            "{gutter} | {}{} {}",
            " ".repeat(column - 1 - first),
            "^".repeat(carets),
            d.label
        );
        let _ = writeln!(out, "{}", underline.trim_end());
        if let Some(hint) = &d.hint {
            let _ = writeln!(out, "{gutter} = hint: {hint}");
        }
        out
    }
}

/// Longest piece of a line that is shown, in characters: a file of one endless line must not flood a terminal.
const SHOWN: usize = 200;

/// One diagnostic as text; of several of one file, [`Lines::render`].
pub fn render(diagnostic: &Diagnostic, source: &str) -> String {
    Lines::of(source).render(diagnostic)
}

/// The largest character boundary at or before `offset`.
fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The candidate nearest to a misspelled word, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|c| (distance(word, c), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// `did you mean ...?`, or nothing.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|c| format!("did you mean `{c}`?"))
}

/// Edit distance in which a swap of neighbours costs one; letter case costs nothing.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| s.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = last;
        last = row;
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_with_carets_and_the_hint() {
        let file: Arc<str> = "inbound/risx.toml".into();
        let source = "format = 1\norder.accession = 'été'\n";
        let span = source.find("accession").unwrap()..source.find(" = 'été'").unwrap();
        let d = Diagnostic::error("M014", &file, span, "no such field")
            .label("not in the catalogue")
            .hint("did you mean `accession_number`?");
        assert_eq!(
            render(&d, source),
            "M014 error: no such field\n --> inbound/risx.toml:2:7\n  |\n2 | order.accession = 'été'\n  |       ^^^^^^^^^ not in the \
             catalogue\n  = hint: did you mean `accession_number`?\n"
        );
    }

    #[test]
    fn any_span_is_rendered() {
        let file: Arc<str> = "x".into();
        for (span, source) in [(0..0, ""), (5..900, "é\né"), (1..2, "é"), (3..3, "a\n\n")] {
            render(&Diagnostic::error("M001", &file, span, "x"), source);
        }
        render(
            &Diagnostic::error("M001", &file, 5_000..5_010, "x"),
            &"x".repeat(10_000),
        );
    }

    #[test]
    fn a_misspelled_word_finds_its_neighbour() {
        let words = ["accession_number", "placer_number", "filler_number"];
        assert_eq!(nearest("acession_number", words), Some("accession_number"));
        assert_eq!(nearest("fillre_number", words), Some("filler_number"));
        assert_eq!(nearest("weight", words), None);
    }
}
