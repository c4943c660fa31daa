//! Paths and names: segments, fields and components that the definitions have, DICOM keywords that MPPS has, names that are in scope.

use super::{Checker, Place};
use crate::diagnostic::did_you_mean;
use crate::dicom::dictionary;
use crate::domain::record::{LISTS, SECTIONS, fields_of};
use crate::mapping::ast::*;
use crate::mapping::model::FileKind;
use crate::mapping::parser::Problem;
use crate::mapping::{definitions, scope};

impl Checker<'_> {
    pub(super) fn hl7(&self, path: &Hl7Path, span: &Span, found: &mut Vec<Problem>) {
        let each = self.place.each_segment();
        if let [only] = path.segments.as_slice()
            && matches!(only.id.as_str(), "NTE" | "PRT")
            && each != Some(only.id.as_str())
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
        for step in &path.segments {
            inside(step.select.as_ref(), &mut |relative, span| {
                if let Relative::Field {
                    field,
                    component,
                    subcomponent,
                } = *relative
                {
                    let place = (field, component, subcomponent);
                    found.extend(self.position(&step.id, place, span));
                }
            });
        }
        let (Some(segment), Some(field)) = (path.segments.last(), path.field) else {
            return;
        };
        let place = (field, path.component, path.subcomponent);
        found.extend(self.position(&segment.id, place, span));
        let fields = self.library.segments.get(&segment.id);
        let definition = fields.and_then(|f| f.get(usize::from(field) - 1));
        let Some(definition) = definition else { return };
        let whole = format!("{}-{field}", segment.id);
        inside(path.select.as_ref(), &mut |relative, span| {
            if let Relative::Component {
                component,
                subcomponent,
            } = *relative
            {
                let part = (component, subcomponent);
                found.extend(beyond(&whole, &definition.datatype, part, span));
            }
        });
    }

    /// What is wrong with a field, component and subcomponent of a segment.
    fn position(
        &self,
        segment: &str,
        (field, component, subcomponent): (u16, Option<u16>, Option<u16>),
        span: &Span,
    ) -> Option<Problem> {
        let fields = self.library.segments.get(segment)?;
        let whole = format!("{segment}-{field}");
        let Some(definition) = fields.get(usize::from(field) - 1) else {
            let last = fields.len();
            return Some(
                Problem::new("M051", span.clone(), format!("there is no {whole}"))
                    .label(format!("{segment} has {last} fields"))
                    .hint(format!(
                        "fields count from 1 after the segment's name; the last one is {segment}-{last}"
                    )),
            );
        };
        beyond(
            &whole,
            &definition.datatype,
            (component?, subcomponent),
            span,
        )
    }

    pub(super) fn name(&self, path: &NamePath, found: &mut Vec<Problem>) {
        let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
        if matches!(names.first(), Some(&("row" | "item"))) {
            return self.current(path, &names, found);
        }
        // A link may have any setting: only what looks like one that every link has is told.
        if let (["link", name, ..], Some(step)) = (names.as_slice(), path.steps.get(1))
            && !LINK.contains(name)
            && let Some(hint) = did_you_mean(name, LINK.iter().copied())
        {
            let message = format!("`link.{name}` is a setting of this site's own");
            found.push(
                Problem::warning("M042", step.span.clone(), message)
                    .label("absent unless the link's section of relais.toml has it")
                    .hint(hint),
            );
        }
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

    /// `item` and `row.COLUMN`: what the loop of the section stands at.
    fn current(&self, path: &NamePath, names: &[&str], found: &mut Vec<Problem>) {
        let Some((first, last)) = path.steps.first().zip(path.steps.last()) else {
            return;
        };
        let problem = match (names, self.place.each()) {
            (["item"], Some(_)) => return,
            (["row", column], Some(_)) => {
                let table = self.place.each_rows();
                match table.and_then(|name| self.library.tables.get(name)) {
                    Some(table) => {
                        let known = || table.keys.iter().chain(&table.columns);
                        if known().any(|c| c == column) {
                            return;
                        }
                        let message = format!("table {} has no column `{column}`", table.file);
                        let label: Vec<&str> = known().map(String::as_str).collect();
                        Problem::new("M027", last.span.clone(), message)
                            .label(format!("columns: {}", label.join(", ")))
                            .maybe_hint(did_you_mean(column, label))
                    }
                    // An unknown table is reported where `each` names it.
                    None if table.is_some() => return,
                    None => Problem::new("M042", first.span.clone(), "the section runs over no rows")
                        .hint("`row` goes with each = 'value | rows(\"table\")'; what a loop over fields stands at is `item`"),
                }
            }
            (["item", ..], Some(_)) => {
                Problem::new("M042", first.span.clone(), "`item` has no parts")
                    .hint("`item` is the whole repetition; loop over segments to name fields")
            }
            (["row", ..], Some(_)) => {
                Problem::new("M042", first.span.clone(), "a cell is written row.COLUMN")
            }
            _ => Problem::new(
                "M042",
                first.span.clone(),
                format!("there is no `{}` here", names[0]),
            )
            .label("only in a section with `each`"),
        };
        found.push(problem);
    }

    /// Where a name leads: its kind and whether it is a list, if that can be known.
    pub(super) fn follow(
        &self,
        names: &[&str],
    ) -> Result<Option<scope::Found>, (usize, Vec<String>)> {
        let owned = |known: Vec<&'static str>| known.iter().map(|n| (*n).to_owned()).collect();
        match names {
            ["link" | "row" | "item" | "extra", ..] => Ok(None),
            ["refuse" | "warn" | "keep" | "true" | "false"] => Ok(None),
            ["const", rest @ ..] => match rest.first().map(|n| self.consts.get(*n)) {
                Some(Some(_)) => Ok(None),
                _ => Err((1, self.consts.keys().cloned().collect())),
            },
            _ => match self.kind {
                FileKind::Worklist | FileKind::Device => {
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
}

fn section_names(sections: &'static [crate::fhir::shape::Section]) -> Vec<&'static str> {
    let below = |s: &'static crate::fhir::shape::Section| {
        let mut names = vec![s.name];
        names.extend(section_names(s.sections));
        names
    };
    sections.iter().flat_map(below).collect()
}

/// What every link has.
const LINK: &[&str] = &[
    "name",
    "role",
    "default_issuer",
    "patient_authorities",
    "ins_authorities",
];

/// What is wrong with a component and subcomponent of a field of a data type.
fn beyond(
    whole: &str,
    datatype: &str,
    (component, subcomponent): (u16, Option<u16>),
    span: &Span,
) -> Option<Problem> {
    let Some(parts) = definitions::components(datatype) else {
        let message = format!("{whole} is {datatype}, which has no components");
        return (component > 1 && is_plain(datatype)).then(|| {
            Problem::warning("M052", span.clone(), message)
                .label("only a sender who bends the standard fills it")
        });
    };
    let problem = |path: String, whole: &str, datatype: &str, parts: usize| {
        Problem::new("M052", span.clone(), format!("there is no {path}"))
            .label(format!(
                "{whole} is {datatype}, which has {parts} components"
            ))
            .hint(format!("the last one is {whole}.{parts}"))
    };
    let path = format!("{whole}.{component}");
    let Some(part) = parts.get(usize::from(component) - 1) else {
        return Some(problem(path, whole, datatype, parts.len()));
    };
    let inner = definitions::components(part)?;
    let n = subcomponent.filter(|n| usize::from(*n) > inner.len())?;
    Some(problem(format!("{path}.{n}"), &path, part, inner.len()))
}

/// Shows the relative places of a bracket, those of brackets inside it left out.
fn inside(select: Option<&Selector>, see: &mut dyn FnMut(&Relative, &Span)) {
    if let Some(Selector::Cond(cond)) = select {
        in_condition(cond, see);
    }
}

fn in_condition(cond: &Cond, see: &mut dyn FnMut(&Relative, &Span)) {
    match cond {
        Cond::Or(list) | Cond::And(list) => list.iter().for_each(|c| in_condition(c, see)),
        Cond::Not(inner) => in_condition(inner, see),
        Cond::Present(e) | Cond::InTable(e, _) => in_operand(e, see),
        Cond::Compare(a, _, b) => [a, b].into_iter().for_each(|e| in_operand(e, see)),
        Cond::In(a, list) => {
            in_operand(a, see);
            list.iter().for_each(|e| in_operand(e, see));
        }
    }
}

fn in_operand(expr: &Expr, see: &mut dyn FnMut(&Relative, &Span)) {
    match &expr.kind {
        ExprKind::Relative(relative) => see(relative, &expr.span),
        ExprKind::Alternatives(list) | ExprKind::Attempts(list) => {
            list.iter().for_each(|e| in_operand(e, see));
        }
        ExprKind::Call(call) => {
            let parts = call.piped.iter().chain(&call.args);
            parts.for_each(|e| in_operand(e, see));
        }
        _ => {}
    }
}

/// True for a type that is one text in every version; TS had two components before 2.6.
fn is_plain(datatype: &str) -> bool {
    ["ID", "IS", "NM", "SI", "ST", "DT", "TM", "TX", "FT"].contains(&datatype)
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
    let fields = || fields_of(section);
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

pub(super) fn dicom(path: &DicomPath, found: &mut Vec<Problem>) {
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
