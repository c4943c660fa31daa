//! One table of a file: getters that record a problem and answer `None` instead of stopping.

use super::{At, Doc, Item};
use crate::diagnostic::{Diagnostic, did_you_mean};
use std::ops::{Range, RangeInclusive};
use toml::de::DeTable;

/// One table, with memory of the keys that were asked for.
pub struct Table<'d> {
    pub(super) doc: &'d Doc<'d>,
    pub(super) entries: &'d DeTable<'d>,
    /// Dotted path from the root, empty for the root.
    pub(super) path: String,
    pub(super) span: Range<usize>,
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
