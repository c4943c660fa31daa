//! What the usual slips of TOML are in plain words: TOML's own messages name what the parser met, not what the author did.
//!
//! A slip often makes several errors in its line and hundreds below; the first of each line is told.

use super::Codes;
use crate::diagnostic::{Diagnostic, Lines};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Most errors of syntax that are told one by one: one slip may cause hundreds.
pub(super) const MOST: usize = 12;

/// The problems of what could not be parsed.
pub(super) fn told(
    file: &Arc<str>,
    text: &str,
    lines: &Lines<'_>,
    codes: Codes,
    errors: &[toml::de::Error],
) -> Vec<Diagnostic> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    let mut seen = BTreeSet::new();
    for (n, error) in errors.iter().enumerate() {
        let span = error.span().unwrap_or(0..0);
        let (line, _) = lines.place(span.start);
        if !seen.insert(line) {
            continue;
        }
        if problems.len() == MOST {
            let more = errors.len() - n;
            problems.push(
                Diagnostic::error(
                    codes.syntax,
                    file,
                    span,
                    format!("and {more} more errors of syntax"),
                )
                .hint("mend the first ones: the others mostly follow from them"),
            );
            break;
        }
        let problem = slip(text, lines, codes, error, &span);
        problems.push(problem.in_file(file));
    }
    problems
}

fn slip(
    text: &str,
    lines: &Lines<'_>,
    codes: Codes,
    error: &toml::de::Error,
    span: &Range<usize>,
) -> Diagnostic {
    let (number, column) = lines.place(span.start);
    let line = lines.line(number);
    let start = span.start
        - line
            .char_indices()
            .nth(column - 1)
            .map_or(line.len(), |(at, _)| at);
    if error.message().starts_with("duplicate key") {
        return twice(text, lines, codes, span, number, line);
    }
    if let Some(at) = apostrophe(line) {
        return Diagnostic::new(codes.syntax, start + at..start + at + 1, "the text ends at this '")
            .label("what follows stands outside of it")
            .hint(
                "a text that contains ' is written between ''' and '''; a code is a better choice than a label",
            );
    }
    let plain = Diagnostic::new(codes.syntax, span.clone(), error.message());
    plain.maybe_hint(quotes(line))
}

/// Where a `'...'` text of a line ends although the line goes on as if it did not.
fn apostrophe(line: &str) -> Option<usize> {
    let mut at = line.find('=')? + 1;
    loop {
        let rest = line.get(at..)?;
        let open = at + rest.find(['\'', '"', '#'])?;
        let quote = line.get(open..)?.chars().next()?;
        if quote == '#'
            || line.get(open..)?.starts_with("'''")
            || line.get(open..)?.starts_with("\"\"\"")
        {
            return None;
        }
        let close = open + 1 + line.get(open + 1..)?.find(quote)?;
        let after = line.get(close + 1..)?;
        let goes_on = after.trim_start().chars().next();
        if quote == '\'' && goes_on.is_some_and(|c| !matches!(c, ',' | ']' | '}' | '#' | '=' | '.'))
        {
            return Some(close);
        }
        at = close + 1;
    }
}

/// A value without quotes, or in those in which TOML reads backslashes.
fn quotes(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split(" #").next().unwrap_or(value).trim();
    if value.starts_with('"') && value.contains('\\') {
        return Some(
            "in \"...\" TOML reads \\ itself: a rule stands in single quotes, '...'".to_owned(),
        );
    }
    let word = value.starts_with(|c: char| c.is_ascii_alphabetic());
    let shown: String = value.chars().take(60).collect();
    word.then(|| {
        format!(
            "a text stands in quotes, a rule in single ones: {} = '{shown}'",
            key.trim()
        )
    })
}

/// A key, a `[table]` or a list that stands twice.
fn twice(
    text: &str,
    lines: &Lines<'_>,
    codes: Codes,
    span: &Range<usize>,
    number: usize,
    line: &str,
) -> Diagnostic {
    let name = text.get(span.clone()).unwrap_or("").trim();
    let header = line.trim_start().starts_with('[');
    let first = first_of(lines, number, name, header);
    let message = match header {
        true => format!("`{name}` is begun a second time"),
        false => format!("`{name}` is written a second time"),
    };
    let problem = Diagnostic::new(codes.twice, span.clone(), message);
    let problem = match first {
        Some(first) => problem.label(format!("first in line {first}")),
        None => problem,
    };
    let in_list = |n: usize| lines.line(n).trim_start().starts_with("[[");
    problem.hint(match (header, first) {
        (true, Some(first)) if in_list(first) != in_list(number) => format!(
            "a section is either one [{name}] or several [[{name}]]: write all of them in double brackets, or all lines under one [{name}]"
        ),
        (true, Some(first)) if !lines.line(first).trim_start().starts_with('[') => {
            format!("write all lines of it in one way: under [{name}], or as {name}.x = above the first [table]")
        }
        (true, _) => format!("put all lines under one [{name}]"),
        (false, _) => "keep one of the two; attempts in order are one list: ['first', 'second']".to_owned(),
    })
}

/// The line in which a key or table stands first, before `number`: for a key within the same table.
fn first_of(lines: &Lines<'_>, number: usize, name: &str, header: bool) -> Option<usize> {
    let bare = name.trim_matches(['"', '\'']);
    let opens = |n: usize| lines.line(n).trim_start().starts_with('[');
    let is_it = |n: usize| {
        let line = lines.line(n).trim();
        if let (true, Some(inner)) = (header, line.strip_prefix('[')) {
            let inner = inner
                .trim_start_matches('[')
                .split(']')
                .next()
                .unwrap_or("");
            return inner.trim() == bare;
        }
        let key = line.split('=').next().unwrap_or("").trim();
        let key = key.trim_matches(['"', '\'']);
        match header {
            true => key.split('.').next() == Some(bare) && key.contains('.'),
            false => line.contains('=') && key.rsplit('.').next() == Some(bare),
        }
    };
    let from = match header {
        true => 1,
        false => (1..number).rev().find(|n| opens(*n)).unwrap_or(1),
    };
    (from..number).find(|n| is_it(*n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_ends_too_early_is_found() {
        for (line, at) in [
            ("a = 'Protocole d'imagerie'", Some(16)),
            ("a = ['x', 'd'y']", Some(12)),
            ("a = ['x', 'y'] # it's", None),
            ("a = '''d'y'''", None),
            ("a = 'OBX[-3 == \"d'été\"]-5'", Some(17)),
            ("a = \"it's\"", None),
            ("a.'b' = 'c'", None),
            ("a = 'c", None),
            ("[a]", None),
        ] {
            assert_eq!(apostrophe(line), at, "{line}");
        }
    }
}
