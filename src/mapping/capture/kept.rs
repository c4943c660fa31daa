//! Which places of a message may keep their values, and which values are words that everybody may read.

use crate::mapping::MappingSet;
use crate::mapping::ast::{Expr, ExprKind, Seen, walk, walk_cond};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How a place keeps its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// If the value is a known word.
    Word,
    /// If it is a number of up to three digits.
    Number,
}

/// The list of places.
#[derive(Debug)]
pub struct Kept {
    /// `PID-8`, `OBR-4.1`, `CX.5`.
    places: BTreeMap<&'static str, Keep>,
    words: BTreeSet<&'static str>,
}

impl Kept {
    /// The list of `definitions/kept.tsv`.
    pub fn shipped() -> Self {
        let mut kept = Self {
            places: BTreeMap::new(),
            words: BTreeSet::new(),
        };
        let rows = include_str!("../definitions/kept.tsv")
            .lines()
            .filter(|l| !l.starts_with('#'));
        for (place, rest) in rows.filter_map(|l| l.split_once('\t')) {
            match (place, rest) {
                ("=", words) => kept.words.extend(words.split(' ')),
                (_, "number") => {
                    kept.places.insert(place, Keep::Number);
                }
                _ => {
                    kept.places.insert(place, Keep::Word);
                }
            }
        }
        kept
    }

    fn of(&self, place: &Leaf<'_>) -> Option<Keep> {
        let field = format!("{}-{}", place.segment, place.field);
        let component = format!("{field}.{}", place.component);
        let names = [
            format!("{component}.{}", place.subcomponent),
            component,
            field,
            format!("{}.{}", place.datatype, place.component),
        ];
        names
            .iter()
            .find_map(|n| self.places.get(n.as_str()).copied())
    }
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'m> {
    pub segment: &'m str,
    pub field: u16,
    /// Data type of the field; `-` if it is not known.
    pub datatype: &'m str,
    pub component: u16,
    pub subcomponent: u16,
}

/// The words of a set: what its rules compare with and its tables have as keys, and those that every message may have.
pub struct Words<'s> {
    kept: Kept,
    own: BTreeSet<Cow<'s, str>>,
}

impl<'s> Words<'s> {
    /// Collects them.
    pub fn of(set: &'s MappingSet) -> Self {
        let mut own: BTreeSet<Cow<'s, str>> = BTreeSet::new();
        for table in set.library.tables.values() {
            own.extend(table.key_words().map(|w| Cow::Owned(w.to_owned())));
        }
        let mut see = |seen: Seen<'s>| {
            if let Seen::Expr(Expr {
                kind: ExprKind::Text(text),
                ..
            }) = seen
            {
                own.insert(Cow::Borrowed(text.as_str()));
            }
        };
        for model in set.models() {
            for guard in model.when.iter().chain(&model.ignore) {
                walk_cond(&guard.cond, &mut see);
            }
            for section in &model.sections {
                section.when.iter().for_each(|c| walk_cond(c, &mut see));
                section.each.iter().for_each(|e| walk(e, &mut see));
                for rule in &section.rules {
                    rule.exprs.iter().for_each(|e| walk(e, &mut see));
                }
            }
        }
        Self {
            kept: Kept::shipped(),
            own,
        }
    }

    /// True if a value is a word of the set or of every message.
    pub fn knows(&self, text: &str) -> bool {
        self.own.contains(text) || self.is_everywhere(text)
    }

    /// True for a word that any message may have: where it stands says nothing about anybody.
    pub fn is_everywhere(&self, text: &str) -> bool {
        self.kept.words.contains(text)
    }

    /// True if a value may stay where it is.
    pub fn keeps(&self, place: &Leaf<'_>, text: &str) -> bool {
        match self.kept.of(place) {
            None => false,
            Some(Keep::Word) => self.knows(text.trim()),
            Some(Keep::Number) => text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit()),
        }
    }
}
