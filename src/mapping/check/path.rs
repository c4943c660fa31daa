//! Paths and names: segments, fields and components that the definitions have, DICOM keywords that MPPS has, names that are in scope.

use super::{Checker, Place};
use crate::diagnostic::did_you_mean;
use crate::dicom::dictionary;
use crate::domain::record::{FIELDS, LISTS, SECTIONS};
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

    pub(super) fn name(&self, path: &NamePath, found: &mut Vec<Problem>) {
        let names: Vec<&str> = path.steps.iter().map(|s| s.name.as_str()).collect();
        if matches!(names.first(), Some(&("row" | "item"))) {
            return self.current(path, &names, found);
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
