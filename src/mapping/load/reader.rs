//! One file on its way into its model: `[from]`, `[const]`, and the texts of its rules, parsed and checked where they stand.
//!
//! The sections of targets are read by `section`, through the same [`FileReader`].

use crate::diagnostic::did_you_mean;
use crate::mapping::ast::{Cond, Dialect, Expr, ExprKind, Group, NamePath, NameStep};
use crate::mapping::model::*;
use crate::mapping::{check, parser, section};
use crate::toml_file::{Doc, Item, Table};
use std::sync::Arc;

/// One file on its way into its model.
pub struct FileReader<'r, 'd> {
    pub doc: &'r Doc<'d>,
    pub model: &'r mut Model,
    pub library: &'r Library,
}

impl FileReader<'_, '_> {
    /// Records a problem.
    pub fn report(&self, problem: parser::Problem) {
        self.doc.report(problem.in_file(self.doc.file()));
    }

    /// `file:line` of a place.
    pub fn label(&self, at: usize) -> Arc<str> {
        let (line, _) = self.doc.lines().place(at);
        format!("{}:{line}", self.doc.file()).into()
    }

    /// A rule's text, parsed and checked; in files of what leaves, `true` and `12` are constants as TOML writes them.
    pub fn expression(&self, item: &Item<'_>) -> Option<Expr> {
        let leaves = self.model.kind.dialect() == Dialect::Record;
        if let Some(constant) = constant(item).filter(|_| leaves) {
            return Some(constant);
        }
        let text = self.rule_text(item)?;
        match parser::expression(text, item.span().start, self.model.kind.dialect()) {
            Ok(expr) => Some(expr),
            Err(problem) => {
                self.report(problem);
                None
            }
        }
    }

    /// A condition's text, parsed and checked; or `true`, `false`.
    pub fn condition(&self, item: &Item<'_>, place: check::Place<'_>) -> Option<Cond> {
        if let Some(holds) = item.as_bool() {
            return Some(match holds {
                true => Cond::And(vec![]),
                false => Cond::Or(vec![]),
            });
        }
        let text = self.rule_text(item)?;
        match parser::condition(text, item.span().start, self.model.kind.dialect()) {
            Ok(cond) => {
                check::condition(&cond, self, place);
                Some(cond)
            }
            Err(problem) => {
                self.report(problem);
                None
            }
        }
    }

    fn rule_text<'i>(&self, item: &Item<'i>) -> Option<&'i str> {
        let Some(text) = item.as_text() else {
            let message = format!("a TOML {} is not a rule", item.type_name());
            let raw = self.doc.text().get(item.outer_span()).unwrap_or("");
            self.report(
                parser::Problem::new("M006", item.outer_span(), message)
                    .hint(format!("a constant is written '\"{}\"'", raw.trim())),
            );
            return None;
        };
        if !item.is_literal() {
            let raw = self.doc.text().get(item.outer_span()).unwrap_or("");
            let inner = raw.trim_matches('"').replace(['\'', '\n', '\r'], "\"");
            self.report(
                parser::Problem::new("M005", item.outer_span(), "a rule stands in single quotes")
                    .hint(format!("write '{}'", inner.replace("\\\"", "\""))),
            );
            return None;
        }
        Some(text)
    }

    /// `[from]`: selection and rows.
    pub(super) fn from(&mut self, root: &Table<'_>) {
        let Some(from) = root.table("from") else {
            return;
        };
        if let Some(list) = from.texts("messages") {
            for message in &list {
                if let Some(allowed) = not_a_message(self.model.kind, message.value) {
                    let text = format!("`{}` is no message", message.value);
                    self.report(
                        parser::Problem::new("M003", message.span.clone(), text)
                            .label(format!("allowed: {allowed}"))
                            .maybe_hint(meant_message(message.value)),
                    );
                }
            }
            let first = list.first().map(|m| m.span.clone());
            self.model.claims_at = first.unwrap_or(from.span());
            self.model.messages = list.iter().map(|m| m.value.to_owned()).collect();
        }
        if let Some(item) = from.item("each") {
            self.each(&item);
        }
        for (key, slot) in [("when", 0), ("ignore", 1)] {
            let Some(item) = from.item(key) else { continue };
            let none = item.as_text() == Some("none");
            let cond = match none {
                true => None,
                false => self.condition(&item, check::Place::Selection),
            };
            let label = self.label(item.span().start);
            let guard = cond.map(|cond| Guard { cond, label });
            match slot {
                0 => self.model.when = guard,
                _ => self.model.ignore = guard,
            }
        }
        let mut allowed = match self.model.kind {
            FileKind::Worklist | FileKind::Device => vec!["kind", "match"],
            _ => vec!["kind", "messages", "each", "when", "ignore"],
        };
        for (key, item) in from.entries() {
            let rest = item.as_table("").into_iter();
            let inner: Vec<String> = rest
                .flat_map(|t| {
                    t.entries()
                        .map(|(k, _)| k.value.to_owned())
                        .collect::<Vec<_>>()
                })
                .collect();
            let target = inner.first().map(|i| format!("{}.{i}", key.value));
            let problem = target.and_then(|t| section::wrong_table("from", &t, &key.span));
            if let Some(problem) = problem {
                self.report(problem);
                allowed.push(key.value);
            }
        }
        from.finish(&allowed);
    }

    fn each(&mut self, item: &Item<'_>) {
        let words: Vec<Item<'_>> = item.as_array().unwrap_or_else(|| vec![*item]);
        let group = words
            .first()
            .and_then(Item::as_text)
            .and_then(Group::of_word);
        let segment = words.get(1).and_then(Item::as_text);
        match (group, words.len()) {
            (Some(group), 1) => self.model.each = (group, None),
            (Some(group), 2) if segment.is_some() => {
                let known = |s: &&str| self.library.segments.contains_key(*s);
                if let (Some(id), Some(item)) = (segment.filter(|s| !known(s)), words.get(1)) {
                    let names = self.library.segments.keys().map(String::as_str);
                    self.report(
                        parser::Problem::new(
                            "M050",
                            item.span(),
                            format!("there is no segment {id}"),
                        )
                        .maybe_hint(did_you_mean(id, names))
                        .maybe_hint(Some(
                            "a Z segment is described in segments/zxx.toml".to_owned(),
                        )),
                    );
                }
                self.model.each = (group, segment.map(str::to_owned));
            }
            _ => item.wrong(
                "\"message\", \"order\", \"patient\", \"resource\" or \"specimen\", or [\"order\", \"IPC\"]",
            ),
        }
    }

    /// `[const]`: codes, identifiers and texts by name.
    pub(super) fn consts(&mut self, root: &Table<'_>) {
        let Some(table) = root.table("const") else {
            return;
        };
        for (key, item) in table.entries() {
            let value = match (item.as_text(), item.as_table(key.value)) {
                (Some(text), _) => Some(crate::domain::value::Value::Text(text.to_owned())),
                (None, Some(entry)) => section::constant(&entry, self.library)
                    .map_err(|p| self.report(p))
                    .ok(),
                _ => {
                    item.wrong("a text, { code, system, display }, { identifier, issuer }, { text } or { endpoint }");
                    None
                }
            };
            if let Some(value) = value {
                self.model.consts.insert(key.value.to_owned(), value);
            }
        }
    }
}

/// What `messages` may say in a file of this kind, if this is none of it.
fn not_a_message(kind: FileKind, word: &str) -> Option<&'static str> {
    let upper = |t: &str| {
        t.len() == 3
            && t.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let (fits, allowed) = match kind {
        FileKind::Hl7 => {
            let (type_, event) = word.split_once('^').unwrap_or((word, "*"));
            let fits = upper(type_) && (event == "*" || upper(event));
            (fits, "type and event as in MSH-9: ORM^O01, ADT^*")
        }
        FileKind::Mpps => (matches!(word, "N-CREATE" | "N-SET"), "N-CREATE, N-SET"),
        _ => (true, ""),
    };
    (!fits).then_some(allowed)
}

/// `ORM_O01` is the name of a structure (MSH-9.3), not of a message.
fn meant_message(word: &str) -> Option<String> {
    let (type_, event) = word.split_once(['_', '-', '.', ' '])?;
    let meant = format!("{}^{}", type_.to_uppercase(), event.to_uppercase());
    let fits = not_a_message(FileKind::Hl7, &meant).is_none();
    fits.then(|| format!("did you mean `{meant}`?"))
}

/// A TOML truth value or whole number as a constant.
fn constant(item: &Item<'_>) -> Option<Expr> {
    let span = item.outer_span();
    let kind = match (item.as_bool(), item.as_integer()) {
        (Some(holds), _) => ExprKind::Name(NamePath {
            steps: vec![NameStep {
                name: holds.to_string(),
                select: None,
                span: span.clone(),
            }],
        }),
        (None, Some(number)) => ExprKind::Integer(number),
        (None, None) => return None,
    };
    Some(Expr { kind, span })
}

/// Replaces `inherited` by the base's expressions.
pub fn with_inherited(expr: Expr, base: Option<&Rule>) -> Expr {
    let replace = |e: Expr| with_inherited(e, base);
    let kind = match expr.kind {
        ExprKind::Inherited => match base {
            Some(rule) => ExprKind::Attempts(rule.exprs.clone()),
            None => ExprKind::None,
        },
        ExprKind::Alternatives(list) => {
            ExprKind::Alternatives(list.into_iter().map(replace).collect())
        }
        ExprKind::Call(mut call) => {
            call.piped = call.piped.map(replace);
            call.args = call.args.into_iter().map(replace).collect();
            ExprKind::Call(call)
        }
        ExprKind::If {
            condition,
            then,
            otherwise,
        } => ExprKind::If {
            condition,
            then: Box::new(replace(*then)),
            otherwise: otherwise.map(|e| Box::new(replace(*e))),
        },
        other => other,
    };
    Expr {
        kind,
        span: expr.span,
    }
}
