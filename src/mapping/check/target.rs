//! What a rule can give held against its target: kinds, one value or several, closed lists, the keys that scanners query by.

use super::Checker;
use crate::dicom::dictionary;
use crate::domain::record::{ORDER_ACTS, PATIENT_ACTS, PERFORMED_ACTS, REPORT_ACTS};
use crate::domain::value::Kind;
use crate::fhir::shape::KindName;
use crate::mapping::ast::*;
use crate::mapping::functions::{F, Gives};
use crate::mapping::model::{FileKind, Goal};
use crate::mapping::parser::Problem;

impl Checker<'_> {
    /// Holds the kinds that a rule can give against its target.
    pub(super) fn fits(&self, expr: &Expr, goal: &Goal, found: &mut Vec<Problem>) {
        let (kinds, many) = self.gives(expr);
        match goal {
            Goal::Field(def) => {
                for kind in kinds.iter().filter(|k| !convertible(**k, def.kind)) {
                    let target = format!("{}.{}", def.section, def.name);
                    found.push(unfit(expr, *kind, &target, &[def.kind.name()]));
                }
                let words = match (def.section, def.name, def.kind) {
                    (_, _, Kind::Word(words)) => words.to_vec(),
                    ("command", "do", _) => acts(),
                    _ => vec![],
                };
                self.bound(expr, &words, found);
                if (def.section, def.name) == ("step", "modality") {
                    self.bound_loosely(expr, found);
                }
            }
            Goal::Element(target) => {
                let takes = |kind: &Kind| target.kinds.contains(&KindName::of(*kind));
                for kind in kinds.iter().filter(|k| !takes(k)) {
                    let names: Vec<_> = target.kinds.iter().map(|k| k.name()).collect();
                    found.push(unfit(expr, *kind, target.name, &names));
                }
                if many && !target.list {
                    let message = format!("a list into {}, which takes one value", target.name);
                    found.push(
                        Problem::new("M045", expr.span.clone(), message)
                            .hint("add | first, | join(\"..\") or | earliest"),
                    );
                }
                self.bound(expr, target.codes, found);
                self.packs(expr, target, found);
            }
            Goal::Attribute(path) => self.attribute(path, expr, &kinds, many, found),
            Goal::Extra(_) => {}
        }
    }

    /// A worklist target: its kinds, one value or several, and that a query key of the default file holds the record's value.
    fn attribute(
        &self,
        path: &str,
        expr: &Expr,
        kinds: &[Kind],
        many: bool,
        found: &mut Vec<Problem>,
    ) {
        let keyword = path.rsplit('.').next().unwrap_or(path);
        if let Some(tag) = dictionary::tag_of(keyword) {
            let bad = kinds
                .iter()
                .filter(|k| !crate::dicom::datatype::accepts(**k, tag));
            for kind in bad {
                found.push(unfit(expr, *kind, keyword, &[]));
            }
            if many && !dictionary::is_multi(tag) {
                let message = format!("a list into {keyword}, which takes one value");
                found.push(
                    Problem::new("M045", expr.span.clone(), message)
                        .hint("add | first or | join(\"..\")"),
                );
            }
        }
        if matches!(self.kind, FileKind::Worklist) && QUERY_KEYS.contains(&path) && !is_bare(expr) {
            found.push(
                Problem::new(
                    "M065",
                    expr.span.clone(),
                    format!("scanners query by {keyword}"),
                )
                .hint("write a bare name of the record, change the value where it comes in, or write this line in a device file"),
            );
        }
    }

    /// The kinds that an expression may give, as far as they are known, and whether it may give several values.
    fn gives(&self, expr: &Expr) -> (Vec<Kind>, bool) {
        match &expr.kind {
            ExprKind::Text(_) => (vec![Kind::Text(0)], false),
            ExprKind::Integer(_) => (vec![Kind::Number], false),
            ExprKind::Name(path) => {
                let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
                match self.follow(&names) {
                    Ok(Some(found)) => {
                        let picked = path
                            .steps
                            .iter()
                            .any(|s| matches!(s.select, Some(Selector::Index(_))));
                        (vec![found.kind], found.list && !picked)
                    }
                    _ => (vec![], false),
                }
            }
            ExprKind::Alternatives(list) | ExprKind::Attempts(list) => {
                let all: Vec<_> = list.iter().map(|e| self.gives(e)).collect();
                let many = all.iter().any(|(_, m)| *m);
                (all.into_iter().flat_map(|(k, _)| k).collect(), many)
            }
            ExprKind::If {
                then, otherwise, ..
            } => {
                let (mut kinds, mut many) = self.gives(then);
                if let Some(other) = otherwise {
                    let (more, several) = self.gives(other);
                    kinds.extend(more);
                    many |= several;
                }
                (kinds, many)
            }
            ExprKind::Call(call) => {
                let piped = call.piped.as_ref().map(|p| self.gives(p));
                let many = !call.function.single && piped.as_ref().is_some_and(|(_, m)| *m);
                match call.function.gives {
                    Gives::Kind(kind) => (vec![kind], many),
                    Gives::Same => (piped.map_or(vec![], |(k, _)| k), many),
                    Gives::Any => (vec![], many),
                }
            }
            _ => (vec![], false),
        }
    }
}

/// True for a name without brackets, or one looked up in a table.
fn is_bare(expr: &Expr) -> bool {
    let bare = |e: &Expr| matches!(&e.kind, ExprKind::Name(p) if p.steps.iter().all(|s| s.select.is_none()));
    match &expr.kind {
        ExprKind::Call(call) => {
            call.function.id == F::Table && call.piped.as_ref().is_some_and(bare)
        }
        _ => bare(expr),
    }
}

/// The words of `command.do` of all kinds of message.
fn acts() -> Vec<&'static str> {
    let all = [ORDER_ACTS, PATIENT_ACTS, REPORT_ACTS, PERFORMED_ACTS];
    let mut words: Vec<&str> = Vec::new();
    for word in all.into_iter().flatten() {
        if !words.contains(word) {
            words.push(word);
        }
    }
    words
}

/// A value of one kind where others are wanted.
fn unfit(expr: &Expr, kind: Kind, target: &str, takes: &[&str]) -> Problem {
    let message = format!("a value of type {} does not fit into {target}", kind.name());
    let label = match takes {
        [] => format!("this gives: {}", kind.name()),
        takes => format!("{target} takes: {}", takes.join(", ")),
    };
    Problem::new("M044", expr.span.clone(), message)
        .label(label)
        .hint(
            "take a path of that type or a part of it, or convert: | text, | number, | as(\"EI\")",
        )
}

/// Attributes by which scanners query (PS3.4 K.6-1, the required matching keys): narrowed in the database by the record's value.
const QUERY_KEYS: &[&str] = &[
    "PatientName",
    "PatientID",
    "AccessionNumber",
    "RequestedProcedureID",
    "ScheduledProcedureStepSequence.ScheduledStationAETitle",
    "ScheduledProcedureStepSequence.ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepSequence.ScheduledProcedureStepStartTime",
    "ScheduledProcedureStepSequence.Modality",
    "ScheduledProcedureStepSequence.ScheduledPerformingPhysicianName",
];

/// True unless the kinds are two composites that have nothing in common.
fn convertible(from: Kind, to: Kind) -> bool {
    let plain = |k: Kind| {
        matches!(
            k,
            Kind::Text(_)
                | Kind::Word(_)
                | Kind::Number
                | Kind::Uid
                | Kind::Ae
                | Kind::Bool
                | Kind::When
        )
    };
    from.name() == to.name()
        || matches!(to, Kind::Text(_))
        || plain(from) && plain(to)
        || matches!(from, Kind::Text(_))
            && !matches!(to, Kind::Document | Kind::Entry(_) | Kind::Thing)
        || matches!(
            (from, to),
            (Kind::Person, Kind::Name) | (Kind::Concept, Kind::Word(_))
        )
}
