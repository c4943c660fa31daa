//! Static checks: what can be known to be wrong before the first message is reported when the file is read.
//!
//! Each rule is checked where it stands (paths against the definitions, names against the scope, functions and tables against their
//! declarations, kinds against the target); [`whole`] then looks at the merged file: circles, required targets.

use super::ast::*;
use super::functions::{F, FUNCTIONS, Gives};
use super::load::{FileReader, Loaded};
use super::model::{FileKind, Goal, Library, Model};
use super::parser::Problem;
use super::{definitions, scope};
use crate::diagnostic::did_you_mean;
use crate::dicom::dictionary;
use crate::domain::record::{FIELDS, LISTS, SECTIONS};
use crate::domain::value::Kind;
use crate::fhir::shape::KindName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where a rule stands.
#[derive(Debug, Clone, Copy)]
pub enum Place<'p> {
    /// `[from] when` and `ignore`.
    Selection,
    /// `when` of a section.
    Section(&'p str),
    /// `each` and `group_by` of a section.
    Loop(&'p str),
    /// A target's rule: goal, section, the segment that the section runs over.
    Target(&'p Goal, &'p str, Option<&'p str>),
}

impl Place<'_> {
    /// The segment whose notes need no owner here.
    fn each(self) -> Option<String> {
        match self {
            Self::Target(_, _, each) => each.map(str::to_owned),
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
    found.into_iter().for_each(|p| reader.report(p));
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
    found.into_iter().for_each(|p| reader.report(p));
}

struct Checker<'c> {
    kind: FileKind,
    library: &'c Library,
    place: Place<'c>,
    consts: &'c std::collections::BTreeMap<String, crate::domain::value::Value>,
}

impl Checker<'_> {
    fn seen(&self, seen: Seen<'_>, found: &mut Vec<Problem>) {
        match seen {
            Seen::Membership(call) => self.table(call, true, found),
            Seen::Expr(expr) => match &expr.kind {
                ExprKind::Hl7(path) => self.hl7(path, &expr.span, found),
                ExprKind::Dicom(path) => dicom(path, found),
                ExprKind::Name(path) => self.name(path, found),
                ExprKind::Call(call) => self.call(call, found),
                _ => {}
            },
        }
    }

    fn hl7(&self, path: &Hl7Path, span: &Span, found: &mut Vec<Problem>) {
        let each = self.place.each();
        if let [only] = path.segments.as_slice()
            && matches!(only.id.as_str(), "NTE" | "PRT")
            && each.as_deref() != Some(only.id.as_str())
            && !matches!(self.place, Place::Loop(_))
        {
            let id = &only.id;
            found.push(
                Problem::new(
                    "M053",
                    only.span.clone(),
                    format!("a bare {id} may belong to anything"),
                )
                .hint(format!("say whose: PID/{id}-3, OBR/{id}-3, OBX/{id}-3")),
            );
        }
        for step in &path.segments {
            if self.library.segments.contains_key(&step.id) {
                continue;
            }
            let names = self.library.segments.keys().map(String::as_str);
            found.push(match step.id.starts_with('Z') {
                true => Problem::warning(
                    "M050",
                    step.span.clone(),
                    format!("segment {} is not described", step.id),
                )
                .hint(format!(
                    "segments/{}.toml would let its fields be checked",
                    step.id.to_lowercase()
                )),
                false => Problem::new(
                    "M050",
                    step.span.clone(),
                    format!("there is no segment {}", step.id),
                )
                .maybe_hint(did_you_mean(&step.id, names)),
            });
        }
        let (Some(segment), Some(field)) = (path.segments.last(), path.field) else {
            return;
        };
        let Some(fields) = self.library.segments.get(&segment.id) else {
            return;
        };
        let Some(definition) = fields.get(usize::from(field) - 1) else {
            let message = format!("{} has {} fields", segment.id, fields.len());
            found.push(Problem::new("M051", span.clone(), message));
            return;
        };
        let Some(component) = path.component else {
            return;
        };
        let Some(parts) = definitions::components(&definition.datatype) else {
            return;
        };
        let Some(part) = parts.get(usize::from(component) - 1) else {
            let message = format!(
                "{}-{field} is {}, which has {} components",
                segment.id,
                definition.datatype,
                parts.len()
            );
            found.push(Problem::new("M052", span.clone(), message));
            return;
        };
        let deep = path.subcomponent.map(usize::from);
        if let (Some(n), Some(inner)) = (deep, definitions::components(part))
            && n > inner.len()
        {
            let message = format!("{part} has {} components", inner.len());
            found.push(Problem::new("M052", span.clone(), message));
        }
    }

    fn name(&self, path: &NamePath, found: &mut Vec<Problem>) {
        let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
        if let Err((at, known)) = self.follow(&names) {
            let Some(step) = path.steps.get(at) else {
                return;
            };
            let message = match at {
                0 => format!("there is no name `{}` here", step.name),
                _ => format!("`{}` has no `{}`", names[..at].join("."), step.name),
            };
            let code = if at == 0 { "M042" } else { "M040" };
            let hint = did_you_mean(&step.name, known.iter().map(String::as_str));
            let problem = Problem::new(code, step.span.clone(), message).maybe_hint(hint);
            let text = format!("text? write '\"{}\"'", step.name);
            found.push(
                problem
                    .label(format!("known: {}", known.join(", ")))
                    .maybe_hint(Some(text)),
            );
        }
    }

    /// Where a name leads: its kind and whether it is a list, if that can be known.
    fn follow(&self, names: &[&str]) -> Result<Option<scope::Found>, (usize, Vec<String>)> {
        let owned = |known: Vec<&'static str>| known.iter().map(|n| (*n).to_owned()).collect();
        match names {
            ["link" | "row" | "extra", ..] => Ok(None),
            ["refuse" | "warn" | "keep" | "true" | "false"] => Ok(None),
            ["const", rest @ ..] => match rest.first().map(|n| self.consts.get(*n)) {
                Some(Some(_)) => Ok(None),
                _ => Err((1, self.consts.keys().cloned().collect())),
            },
            _ => match self.kind {
                FileKind::Worklist => {
                    scope::follow(scope::WORKLIST, names).map_err(|(at, k)| (at, owned(k)))
                }
                FileKind::Resource(shape) => {
                    let head = names.first().copied().unwrap_or("");
                    let inner = section_names(shape.sections);
                    if !shape.scope.contains(&head) && !inner.contains(&head) {
                        let known = shape.scope.iter().chain(&inner);
                        return Err((0, known.map(|n| (*n).to_owned()).collect()));
                    }
                    scope::follow(scope::OUTBOUND, names).map_err(|(at, k)| (at, owned(k)))
                }
                FileKind::Hl7 | FileKind::Mpps => record_name(names),
            },
        }
    }

    fn call(&self, call: &Call, found: &mut Vec<Problem>) {
        let function = call.function;
        if function.id == F::Table {
            return self.table(call, false, found);
        }
        let (least, most) = function.args;
        if !(least..=most).contains(&call.args.len()) {
            let message = format!("`{}` takes {}", function.name, count(least, most));
            found.push(Problem::new("M022", call.name_span.clone(), message));
        }
        named(call, found);
        if !function.constant {
            return;
        }
        for arg in &call.args {
            if !matches!(arg.kind, ExprKind::Text(_) | ExprKind::Integer(_)) {
                let message = format!("`{}` takes constants", function.name);
                found.push(Problem::new("M023", arg.span.clone(), message));
            }
        }
        let known: &[&str] = match function.id {
            F::Drop => &["prefix", "suffix", "middle", "type"],
            F::Quantity => &["kg", "g", "lb", "m", "cm", "mm", "in", "min"],
            _ => return,
        };
        if let Some(text) = call.text_arg(0)
            && !known.contains(&text)
        {
            let message = format!("`{}` does not know `{text}`", function.name);
            found.push(
                Problem::new("M023", call.args[0].span.clone(), message)
                    .label(format!("allowed: {}", known.join(", "))),
            );
        }
    }

    fn table(&self, call: &Call, membership: bool, found: &mut Vec<Problem>) {
        let Some(name) = call.text_arg(0) else {
            let span = call.name_span.clone();
            found.push(Problem::new(
                "M023",
                span,
                "the table is named by a constant text",
            ));
            return;
        };
        named(call, found);
        if !membership && call.named("else").is_none() {
            found.push(
                Problem::new(
                    "M025",
                    call.name_span.clone(),
                    "it is not said what a miss does",
                )
                .hint("add else: refuse, warn, keep, none or a constant"),
            );
        }
        let Some(table) = self.library.tables.get(name) else {
            let names = self.library.tables.keys().map(String::as_str);
            let message = format!("there is no table `{name}`");
            found.push(
                Problem::new("M026", call.args[0].span.clone(), message)
                    .label("tables/*.csv")
                    .maybe_hint(did_you_mean(name, names)),
            );
            return;
        };
        if let Some(column) = call.named("column") {
            let ExprKind::Text(wanted) = &column.kind else {
                found.push(Problem::new(
                    "M023",
                    column.span.clone(),
                    "a column is a constant text",
                ));
                return;
            };
            if table.column(Some(wanted)).is_none() {
                let message = format!("table {name} has no column `{wanted}`");
                found.push(
                    Problem::new("M027", column.span.clone(), message)
                        .label(format!("columns: {}", table.columns.join(", ")))
                        .maybe_hint(did_you_mean(
                            wanted,
                            table.columns.iter().map(String::as_str),
                        )),
                );
            }
        }
        let piped = usize::from(call.piped.is_some() || membership);
        let keys = piped + call.args.len() - 1;
        if keys != table.keys.len() && !(membership && table.keys.len() > keys) {
            let message = format!("table {name} has {} key(s), {keys} given", table.keys.len());
            found.push(
                Problem::new("M028", call.name_span.clone(), message)
                    .label(format!("keys: {}", table.keys.join(", "))),
            );
        }
    }

    /// Holds the kinds that a rule can give against its target.
    fn fits(&self, expr: &Expr, goal: &Goal, found: &mut Vec<Problem>) {
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
            Goal::Attribute(path) => attribute(path, expr, &kinds, found),
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

/// A worklist target: its kinds, and that a query key holds the record's value.
fn attribute(path: &str, expr: &Expr, kinds: &[Kind], found: &mut Vec<Problem>) {
    let keyword = path.rsplit('.').next().unwrap_or(path);
    if let Some(tag) = dictionary::tag_of(keyword) {
        let bad = kinds
            .iter()
            .filter(|k| !crate::dicom::datatype::accepts(**k, tag));
        for kind in bad {
            let message = format!("{} into {keyword}", kind.name());
            found.push(Problem::new("M044", expr.span.clone(), message));
        }
    }
    let bare = |e: &Expr| matches!(&e.kind, ExprKind::Name(p) if p.steps.iter().all(|s| s.select.is_none()));
    let plain = match &expr.kind {
        ExprKind::Call(call) => {
            call.function.id == F::Table && call.piped.as_ref().is_some_and(bare)
        }
        _ => bare(expr),
    };
    if QUERY_KEYS.contains(&path) && !plain {
        found.push(
            Problem::new(
                "M065",
                expr.span.clone(),
                format!("scanners query by {keyword}"),
            )
            .hint("write a bare name of the record, or change the value where it comes in"),
        );
    }
}

fn section_names(sections: &'static [crate::fhir::shape::Section]) -> Vec<&'static str> {
    let below = |s: &'static crate::fhir::shape::Section| {
        let mut names = vec![s.name];
        names.extend(section_names(s.sections));
        names
    };
    sections.iter().flat_map(below).collect()
}

/// A name of an inbound file: a field of any section, or `item` of a loop.
fn record_name(names: &[&str]) -> Result<Option<scope::Found>, (usize, Vec<String>)> {
    let [section, rest @ ..] = names else {
        return Ok(None);
    };
    let known = SECTIONS
        .iter()
        .copied()
        .chain(LISTS.iter().map(|l| l.section));
    let known: Vec<&str> = known.collect();
    if !known.contains(section) {
        let all = known.iter().chain(&["link", "const"]);
        return Err((0, all.map(|n| (*n).to_owned()).collect()));
    }
    let fields = || FIELDS.iter().filter(|f| f.section == *section);
    for length in [2, 1] {
        let Some(name) = rest.get(..length).map(|n| n.join(".")) else {
            continue;
        };
        if let Some(field) = fields().find(|f| f.name == name) {
            let inner = &rest[length..];
            let part = inner.join(".");
            let kinds = field.kind.parts();
            return match kinds.iter().find(|(n, _)| *n == part) {
                Some((_, kind)) => Ok(Some(scope::Found {
                    kind: *kind,
                    list: field.list,
                })),
                None if inner.is_empty() => Ok(Some(scope::Found {
                    kind: field.kind,
                    list: field.list,
                })),
                None => Err((
                    1 + length,
                    kinds.iter().map(|(n, _)| (*n).to_owned()).collect(),
                )),
            };
        }
    }
    Err((1, fields().map(|f| f.name.to_owned()).collect()))
}

fn dicom(path: &DicomPath, found: &mut Vec<Problem>) {
    for step in &path.steps {
        if dictionary::tag_of(&step.keyword).is_none() {
            let known = definitions::mpps()
                .iter()
                .map(|p| p.rsplit('.').next().unwrap_or(p));
            let message = format!("`{}` is no DICOM keyword", step.keyword);
            found.push(
                Problem::new("M060", step.span.clone(), message)
                    .maybe_hint(did_you_mean(&step.keyword, known)),
            );
            continue;
        }
        let known = definitions::mpps().iter();
        let defined = known
            .map(|p| p.rsplit('.').next())
            .any(|k| k == Some(step.keyword.as_str()));
        let tolerated = ["TimezoneOffsetFromUTC", "PerformedProcedureCodeSequence"];
        if !defined && !tolerated.contains(&step.keyword.as_str()) {
            let message = format!("MPPS does not define `{}`", step.keyword);
            found.push(
                Problem::warning("M061", step.span.clone(), message).label("PS3.4 Table F.7.2-1"),
            );
        }
    }
}

fn named(call: &Call, found: &mut Vec<Problem>) {
    for (name, value) in &call.named {
        if !call.function.named.contains(&name.as_str()) {
            let message = format!("`{}` has no argument `{name}:`", call.function.name);
            let known = call.function.named.iter().copied();
            let hint = did_you_mean(name, known)
                .or_else(|| (!FUNCTIONS.is_empty()).then(|| call.function.doc.to_owned()));
            found.push(Problem::new("M024", value.span.clone(), message).maybe_hint(hint));
        }
    }
}

fn count(least: usize, most: usize) -> String {
    match (least, most) {
        (0, 0) => "no arguments".to_owned(),
        (l, m) if l == m => format!("{l} argument(s)"),
        (l, m) => format!("{l} to {m} arguments"),
    }
}

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
        || matches!(from, Kind::Text(_)) && !matches!(to, Kind::Document | Kind::Thing)
        || matches!(
            (from, to),
            (Kind::Person, Kind::Name) | (Kind::Concept, Kind::Word(_))
        )
}

/// Checks a merged file: circles of names, required targets without a rule.
pub fn whole(model: &Model, loaded: &mut Loaded) {
    circles(model, loaded);
    let FileKind::Resource(shape) = model.kind else {
        return;
    };
    for target in shape.targets.iter().filter(|t| t.required) {
        if model.rule("set", target.name).is_none() {
            let file: Arc<str> = model.name.as_str().into();
            let message = format!(
                "{} requires `{}`, which no line fills",
                shape.resource, target.name
            );
            loaded
                .problems
                .push(Problem::new("M063", 0..0, message).in_file(&file));
        }
    }
}

fn circles(model: &Model, loaded: &mut Loaded) {
    if !matches!(model.kind, FileKind::Hl7 | FileKind::Mpps) {
        return;
    }
    let mut done = BTreeSet::new();
    for section in &model.sections {
        for rule in &section.rules {
            let found = needs(model, &section.name, &rule.name, &mut vec![], &mut done);
            if let Some(circle) = found {
                let file: Arc<str> = model.name.as_str().into();
                let message = format!("values need each other: {circle}");
                let place = rule.exprs.first().map_or(0..0, |e| e.span.clone());
                loaded
                    .problems
                    .push(Problem::new("M043", place, message).in_file(&file));
                return;
            }
        }
    }
}

/// Follows the names of a rule; gives the circle it finds.
fn needs(
    model: &Model,
    section: &str,
    name: &str,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<String> {
    let here = format!("{section}.{name}");
    if done.contains(&here) {
        return None;
    }
    if path.contains(&here) {
        return Some(format!("{} -> {here}", path.join(" -> ")));
    }
    let rule = model.rule(section, name)?;
    path.push(here);
    let mut next = Vec::new();
    for expr in &rule.exprs {
        walk(expr, &mut |seen| {
            if let Seen::Expr(Expr {
                kind: ExprKind::Name(p),
                ..
            }) = seen
                && let [head, rest @ ..] = p.steps.as_slice()
            {
                let names: Vec<&str> = rest.iter().map(|s| s.name.as_str()).collect();
                for length in (1..=names.len().min(2)).rev() {
                    next.push((head.name.clone(), names[..length].join(".")));
                }
            }
        });
    }
    let found = next
        .iter()
        .find_map(|(s, n)| needs(model, s, n, path, done));
    done.extend(path.pop());
    found
}
