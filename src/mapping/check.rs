//! Static checks: what can be known to be wrong before the first message is reported when the file is read.
//!
//! Each rule is checked where it stands (paths against the definitions, names against the scope, functions and tables against their
//! declarations, kinds against the target); [`whole`] then looks at the merged file: circles, required targets.

mod bound;
mod call;
mod lint;
mod path;
mod places;
mod senders;
mod target;
mod whole;

pub use senders::senders;
pub use whole::whole;

use super::ast::*;
use super::functions::F;
use super::load::FileReader;
use super::model::{FileKind, Goal, Library};
use super::parser::Problem;
use crate::domain::value::Value;
use std::collections::BTreeMap;

/// Where a rule stands.
#[derive(Debug, Clone, Copy)]
pub enum Place<'p> {
    /// `[from] when` and `ignore`.
    Selection,
    /// `when` of a section.
    Section(&'p str),
    /// `each` and `group_by` of a section.
    Loop(&'p str),
    /// A target's rule: goal, section, what the section runs over.
    Target(&'p Goal, &'p str, Option<&'p Expr>),
}

impl<'p> Place<'p> {
    /// What the section of the rule runs over.
    fn each(self) -> Option<&'p Expr> {
        match self {
            Self::Target(_, _, each) => each,
            _ => None,
        }
    }

    /// The segment whose notes need no owner here.
    fn each_segment(self) -> Option<&'p str> {
        match &self.each()?.kind {
            ExprKind::Hl7(path) => path.segments.last().map(|s| s.id.as_str()),
            _ => None,
        }
    }

    /// The table whose rows are run over.
    fn each_rows(self) -> Option<&'p str> {
        match &self.each()?.kind {
            ExprKind::Call(call) if call.function.id == F::Rows => call.text_arg(0),
            _ => None,
        }
    }
}

/// Checks an expression.
pub fn expression(expr: &Expr, reader: &FileReader<'_, '_>, place: Place<'_>) {
    let checker = Checker {
        kind: reader.model.kind,
        library: reader.library,
        place,
        consts: &reader.model.consts,
    };
    let mut found = Vec::new();
    walk(expr, &mut |seen| checker.seen(seen, &mut found));
    if let Place::Target(goal, ..) = place {
        checker.fits(expr, goal, &mut found);
    }
    found.extend(lint::expression(expr, reader, place));
    found.into_iter().for_each(|p| reader.report(p));
}

/// Checks attempts against each other: behind one that always has a value none is reached.
pub fn attempts(exprs: &[Expr], goal: &Goal, reader: &FileReader<'_, '_>) {
    let list = match goal {
        Goal::Field(def) => def.list,
        Goal::Element(target) => target.list,
        Goal::Attribute(_) | Goal::Extra(_) => false,
    };
    let problem = lint::unreached(exprs, reader).filter(|_| !list);
    problem.into_iter().for_each(|p| reader.report(p));
}

/// Checks a condition.
pub fn condition(cond: &Cond, reader: &FileReader<'_, '_>, place: Place<'_>) {
    let checker = Checker {
        kind: reader.model.kind,
        library: reader.library,
        place,
        consts: &reader.model.consts,
    };
    let mut found = Vec::new();
    walk_cond(cond, &mut |seen| checker.seen(seen, &mut found));
    found.extend(lint::condition(cond, reader, place));
    found.into_iter().for_each(|p| reader.report(p));
}

struct Checker<'c> {
    kind: FileKind,
    library: &'c Library,
    place: Place<'c>,
    consts: &'c BTreeMap<String, Value>,
}

impl Checker<'_> {
    fn seen(&self, seen: Seen<'_>, found: &mut Vec<Problem>) {
        match seen {
            Seen::Membership(call) => self.table(call, true, found),
            Seen::Expr(expr) => match &expr.kind {
                ExprKind::Hl7(path) => self.hl7(path, &expr.span, found),
                ExprKind::Dicom(path) => path::dicom(path, found),
                ExprKind::Name(path) => self.name(path, found),
                ExprKind::Call(call) => self.call(call, found),
                _ => {}
            },
        }
    }
}
