//! What differs between a wanted and a given result, line by line, each with the rule that writes it.

use super::Given;
use crate::mapping::model::Model;
use std::fmt::Write as _;

/// Most cells of the table that finds what two results have in common: some thousand lines each.
const MOST_CELLS: usize = 16 << 20;

/// A line of a result: its number from 1, the header that it stands under, the key that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line<'t> {
    number: usize,
    text: &'t str,
    header: &'t str,
    /// How many headers stand before it: which item of a list it is.
    nth: usize,
    key: &'t str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut header, mut nth, mut key) = ("", 0, "");
    let mut found = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        if text.starts_with('[') {
            (header, key) = (text, "");
            nth += 1;
        } else if !text.starts_with([' ', ']'])
            && let Some((name, _)) = text.split_once(" = ")
        {
            key = name;
        }
        found.push(Line {
            number,
            text,
            header,
            nth,
            key,
        });
    }
    found
}

/// What differs; `None` if nothing does. Blocks of lines stand under `want.toml:LINE` and their header; `-` is wanted, `+` is given.
pub fn difference(want: &str, given: &Given, model: &Model) -> Option<String> {
    if want == given.text {
        return None;
    }
    let (wanted, came) = (lines(want), lines(&given.text));
    let mut text = String::new();
    let mut under = None;
    let mut last = 1;
    let mut rule = None;
    for step in steps(&wanted, &came) {
        let (sign, line) = match step {
            Step::Same(line) => {
                last = line.number + 1;
                conclude(&mut text, &mut rule);
                continue;
            }
            Step::Wanted(line) => {
                last = line.number + 1;
                ('-', line)
            }
            Step::Given(line) => ('+', line),
        };
        if line.text.is_empty() {
            continue;
        }
        if under != Some((line.header, line.nth)) {
            conclude(&mut text, &mut rule);
            let at = if sign == '-' { line.number } else { last };
            let _ = writeln!(text, "want.toml:{at} {}", line.header);
            under = Some((line.header, line.nth));
        }
        if line.text != line.header {
            let _ = writeln!(text, "  {sign} {}", line.text);
            let next = rule_of(model, line.header, line.key);
            if rule.is_some() && rule != next {
                conclude(&mut text, &mut rule);
            }
            rule = next;
        }
    }
    conclude(&mut text, &mut rule);
    if text.is_empty() {
        text.push_str("only blank lines or line ends differ\n");
    }
    Some(text)
}

fn conclude(text: &mut String, rule: &mut Option<String>) {
    if let Some(rule) = rule.take() {
        let _ = writeln!(text, "      rule {rule}");
    }
}

/// The rule that writes a key below a header: `[command.patient]`, `[[command.step]]`, `[item.X]`, `[set]`, `[[series]]`.
fn rule_of(model: &Model, header: &str, key: &str) -> Option<String> {
    let path = header.trim_matches(['[', ']']);
    let key = key.trim_matches('"');
    let (root, rest) = path.split_once('.').unwrap_or((path, ""));
    let found = match root {
        "" if key == "at" => model.rule("command", "at"),
        "command" if rest.is_empty() => model.rule("command", key),
        "item" => {
            let name = [rest, key].into_iter().filter(|p| !p.is_empty());
            model.rule("set", &name.collect::<Vec<_>>().join("."))
        }
        _ => {
            let section = path.rsplit('.').next().unwrap_or(path);
            model.rule(section, key)
        }
    };
    found.map(|rule| rule.label.to_string())
}

#[derive(Debug, Clone, Copy)]
enum Step<'t> {
    Same(Line<'t>),
    Wanted(Line<'t>),
    Given(Line<'t>),
}

/// Longest common subsequence; a case has some hundred lines. Of two huge results only what they begin with is compared so.
fn steps<'t>(want: &[Line<'t>], given: &[Line<'t>]) -> Vec<Step<'t>> {
    let equal = want.iter().zip(given).take_while(|(a, b)| a.text == b.text);
    let head = equal.count();
    let mut found: Vec<Step<'t>> = want.iter().take(head).map(|l| Step::Same(*l)).collect();
    let (want, given) = (&want[head..], &given[head..]);
    let (n, m) = (want.len(), given.len());
    if n.saturating_mul(m) > MOST_CELLS {
        found.extend(want.iter().map(|l| Step::Wanted(*l)));
        found.extend(given.iter().map(|l| Step::Given(*l)));
        return found;
    }
    let mut common = vec![vec![0_u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = match want[i].text == given[j].text {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < n || j < m {
        if i < n && j < m && want[i].text == given[j].text {
            found.push(Step::Same(want[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= m || i < n && common[i + 1][j] >= common[i][j + 1] {
            found.push(Step::Wanted(want[i]));
            i += 1;
        } else {
            found.push(Step::Given(given[j]));
            j += 1;
        }
    }
    found
}
