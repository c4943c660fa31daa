//! What a rule can give held against its target: kinds, one value or several, closed lists, the keys that scanners query by.

use super::Checker;
use crate::diagnostic::did_you_mean;
use crate::dicom::dictionary;
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
                    let message = format!("{} into {}", kind.name(), def.kind.name());
                    found.push(Problem::new("M044", expr.span.clone(), message));
                }
            }
            Goal::Element(target) => {
                let takes = |kind: &Kind| target.kinds.contains(&KindName::of(*kind));
                for kind in kinds.iter().filter(|k| !takes(k)) {
                    let names: Vec<_> = target.kinds.iter().map(|k| k.name()).collect();
                    let message = format!("{} into {}", kind.name(), target.name);
                    found.push(
                        Problem::new("M044", expr.span.clone(), message)
                            .label(format!("it takes: {}", names.join(", "))),
                    );
                }
                if many && !target.list {
                    let message = format!("a list into {}, which takes one value", target.name);
                    found.push(
                        Problem::new("M045", expr.span.clone(), message)
                            .hint("add | first, | join(\"..\") or | earliest"),
                    );
                }
                self.bound(expr, target.codes, found);
            }
            Goal::Attribute(path) => self.attribute(path, expr, &kinds, many, found),
            Goal::Extra(_) => {}
        }
    }

    /// Every cell of a table that feeds a closed list must be in it.
    fn bound(&self, expr: &Expr, codes: &[&str], found: &mut Vec<Problem>) {
        let ExprKind::Call(call) = &expr.kind else {
            return;
        };
        let table = call.text_arg(0).and_then(|n| self.library.tables.get(n));
        let (F::Table, Some(table), false) = (call.function.id, table, codes.is_empty()) else {
            return;
        };
        let column = match call.named("column").map(|c| &c.kind) {
            Some(ExprKind::Text(name)) => table.column(Some(name)),
            _ => table.column(None),
        };
        let Some(column) = column else { return };
        for row in table.rows() {
            let cell = row.cells.get(column).map_or("", String::as_str);
            if !cell.is_empty() && !codes.contains(&cell) {
                let message = format!(
                    "`{cell}` in line {} of {} is not allowed here",
                    row.line, table.file
                );
                found.push(
                    Problem::new("M064", call.args[0].span.clone(), message)
                        .label(format!("allowed: {}", codes.join(", ")))
                        .maybe_hint(did_you_mean(cell, codes.iter().copied())),
                );
            }
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
                let message = format!("{} into {keyword}", kind.name());
                found.push(Problem::new("M044", expr.span.clone(), message));
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
