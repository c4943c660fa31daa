//! Records to commands: what the words of `command.do` mean, what each command requires, and which rows are one exam.

use super::ast::{ExprKind, walk};
use super::eval::Warning;
use super::model::Model;
use crate::domain::command::{Command, OrderAct, PatientAct, Record};
use crate::domain::fields::{Patch, Said};
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use crate::domain::record::{FieldDef, ORDER_ACTS, PATIENT_ACTS, REPORT_ACTS, field};
use crate::domain::value::{Kind, Value};
use std::cell::RefCell;

/// What a row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Order(OrderAct),
    Patient(PatientAct),
    Report,
    /// Kept in the journal, no effect; the word says why.
    Nothing(&'static str),
}

impl Act {
    /// The act of a `command.do` section; no word refuses.
    pub fn of(model: &Model, patch: &Patch) -> Result<Self, Refusal> {
        let word = patch.text("do").unwrap_or("");
        let patient = [
            ("admit", PatientAct::Admit),
            ("update", PatientAct::Update),
            ("arrive", PatientAct::Arrive),
            ("leave", PatientAct::Leave),
            ("cancel_visit", PatientAct::CancelVisit),
            ("merge", PatientAct::Merge),
            ("change_id", PatientAct::ChangeId),
        ];
        if let Some(act) = OrderAct::of_word(word) {
            return Ok(Self::Order(act));
        }
        if let Some((_, act)) = patient.iter().find(|(w, _)| *w == word) {
            return Ok(Self::Patient(*act));
        }
        match word {
            "report" => Ok(Self::Report),
            "note" => Ok(Self::Nothing("note")),
            "alert" => Ok(Self::Nothing("alert")),
            _ => {
                let rule = model.rule("command", "do");
                let reason = match word {
                    "" => Reason::FieldMissing,
                    _ => Reason::OrderControl,
                };
                let found = match word {
                    "" => "the message does not say what it asks for".to_owned(),
                    "refuse" => "this order control is refused here".to_owned(),
                    _ => "an unknown word for command.do".to_owned(),
                };
                let known = ORDER_ACTS.iter().chain(PATIENT_ACTS).chain(REPORT_ACTS);
                let mut words: Vec<&str> = known.copied().filter(|w| *w != "refuse").collect();
                words.dedup();
                let mut refusal = Refusal::new(reason, found).allowed(words.join(", "));
                refusal.at = place_of(model, "command", "do");
                refusal.rule = rule.map(|r| r.label.to_string());
                Err(refusal)
            }
        }
    }

    /// Sections whose errors refuse; rules of all others can only warn.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Order(OrderAct::Schedule | OrderAct::Change) => {
                &["patient", "order", "procedure", "step"]
            }
            Self::Order(_) => &["patient", "order", "procedure"],
            Self::Patient(_) => &["patient"],
            Self::Report => &["patient", "report", "document"],
            Self::Nothing(_) => &[],
        }
    }

    /// The command of a record.
    pub fn command(self, record: Record) -> Option<Command> {
        match self {
            Self::Order(act) => Some(Command::Order(act, record)),
            Self::Patient(act) => Some(Command::Patient(act, record)),
            Self::Report => Some(Command::Report(record)),
            Self::Nothing(_) => None,
        }
    }
}

/// What a command cannot do without: alternatives of (section, field).
type Requirement = &'static [(&'static str, &'static str)];

const PATIENT_ID: Requirement = &[("patient", "id"), ("patient", "identifiers")];
const ORDER_NUMBER: Requirement = &[
    ("order", "placer_number"),
    ("order", "filler_number"),
    ("order", "accession_number"),
    ("procedure", "study_instance_uid"),
];
const PROCEDURE: Requirement = &[("procedure", "code"), ("procedure", "description")];
const REPORT_ID: Requirement = &[
    ("report", "id"),
    ("report", "filler_number"),
    ("report", "placer_number"),
    ("report", "accession_numbers"),
    ("report", "study_uids"),
];

fn requirements(act: Act) -> &'static [Requirement] {
    match act {
        Act::Order(OrderAct::Schedule) => &[PATIENT_ID, ORDER_NUMBER, PROCEDURE],
        Act::Order(_) => &[ORDER_NUMBER],
        Act::Patient(PatientAct::Merge | PatientAct::ChangeId) => {
            &[PATIENT_ID, &[("patient", "merged_ids")]]
        }
        Act::Patient(_) => &[PATIENT_ID],
        Act::Report => &[PATIENT_ID, REPORT_ID, &[("report", "status")]],
        Act::Nothing(_) => &[],
    }
}

/// Refuses a record that lacks what its command requires.
pub fn require(act: Act, record: &Record, model: &Model) -> Result<(), Refusal> {
    for alternatives in requirements(act) {
        let there = |(section, name): &(&str, &str)| record.first(section, name).is_some();
        if alternatives.iter().any(there) {
            continue;
        }
        let names: Vec<String> = alternatives
            .iter()
            .map(|(s, n)| format!("{s}.{n}"))
            .collect();
        let ruled = alternatives
            .iter()
            .find(|(s, n)| model.rule(s, n).is_some());
        let mut refusal = Refusal::new(Reason::FieldMissing, "no value was found")
            .allowed(format!("one of {}", names.join(", ")));
        if let Some((section, name)) = ruled {
            refusal.at = place_of(model, section, name);
            refusal.rule = model.rule(section, name).map(|r| r.label.to_string());
        }
        return Err(refusal);
    }
    Ok(())
}

/// Warns of a Requested Procedure ID that is the code of the exam: every such exam would be the same one.
pub fn suspect(act: Act, record: &Record, model: &Model, warnings: &RefCell<Vec<Warning>>) {
    let code = record
        .first("procedure", "code")
        .and_then(Value::comparable);
    let id = record.section("procedure").text("id");
    if matches!(act, Act::Order(_)) && id.is_some() && id == code {
        let rule = model.rule("procedure", "id");
        warnings.borrow_mut().push(Warning {
            message:
                "procedure.id is the code of the exam: exams of one code would be taken for one"
                    .to_owned(),
            place: place_of(model, "procedure", "id"),
            rule: rule.map_or(String::new(), |r| r.label.to_string()),
        });
    }
}

/// The place that a field's rule names first: where a missing value should have been.
fn place_of(model: &Model, section: &str, name: &str) -> Option<Place> {
    let rule = model.rule(section, name)?;
    let mut place = None;
    for expr in &rule.exprs {
        walk(expr, &mut |seen| {
            let super::ast::Seen::Expr(expr) = seen else {
                return;
            };
            let found = match &expr.kind {
                ExprKind::Hl7(path) => path.segments.last().map(|segment| {
                    Place::Hl7(Hl7Place {
                        segment: segment.id.clone(),
                        occurrence: 1,
                        field: path.field.unwrap_or(0),
                        repetition: u16::from(path.field.is_some()),
                        component: path.component.unwrap_or(0),
                        subcomponent: path.subcomponent.unwrap_or(0),
                    })
                }),
                ExprKind::Dicom(path) => {
                    let keywords: Vec<&str> =
                        path.steps.iter().map(|s| s.keyword.as_str()).collect();
                    Some(Place::Dicom(keywords.join(".")))
                }
                _ => None,
            };
            if place.is_none() {
                place = found;
            }
        });
    }
    place
}

/// Folds rows that are one exam: same study UID, else same requested procedure, else same number and procedure code.
pub fn fold(
    rows: Vec<(Act, Record)>,
    model: &Model,
    warnings: &RefCell<Vec<Warning>>,
) -> Result<Vec<(Act, Record)>, Refusal> {
    let mut folded: Vec<(Act, Record)> = Vec::new();
    for (act, record) in rows {
        let is_order = matches!(act, Act::Order(_));
        let same = folded
            .iter_mut()
            .find(|(a, r)| is_order && *a == act && is_same_exam(r, &record));
        match same {
            Some((_, first)) => join(first, record, model, warnings)?,
            None => folded.push((act, record)),
        }
    }
    Ok(folded)
}

fn is_same_exam(a: &Record, b: &Record) -> bool {
    let both = |section: &str, name: &str| match (a.first(section, name), b.first(section, name)) {
        (Some(x), Some(y)) => Some(x == y),
        (None, None) => None,
        _ => Some(false),
    };
    // A study UID or procedure id on one side only says nothing either way: the next key decides.
    for (section, name) in [("procedure", "study_instance_uid"), ("procedure", "id")] {
        if a.first(section, name).is_some()
            && let Some(same) = both(section, name)
            && b.first(section, name).is_some()
        {
            return same;
        }
    }
    let code = |r: &Record| match r.first("procedure", "code") {
        Some(Value::Concept(c)) => c.codings.first().map(|c| c.code.clone()),
        _ => None,
    };
    let number = both("order", "accession_number").or_else(|| both("order", "placer_number"));
    number == Some(true)
        && code(a) == code(b)
        && a.sections.get("patient") == b.sections.get("patient")
}

/// Adds a row's steps to an exam; single fields that contradict are refused if they identify, else the first counts.
fn join(
    first: &mut Record,
    next: Record,
    model: &Model,
    warnings: &RefCell<Vec<Warning>>,
) -> Result<(), Refusal> {
    for (section, patch) in next.sections {
        for (name, said) in patch.0 {
            let here = first.section_mut(section);
            let Some(before) = here.0.get_mut(&name) else {
                here.0.insert(name, said);
                continue;
            };
            let def = field(section, &name);
            if def.is_some_and(|d| d.list) || section == "extra" {
                let new = said.values.iter().filter(|v| !before.values.contains(v));
                let values = before.values.iter().chain(new).cloned().collect();
                let origins = before.origins.iter().chain(said.origins.iter());
                *before = Said {
                    values,
                    origins: origins.cloned().collect(),
                };
            } else if before.values != said.values {
                let label = model
                    .rule(section, &name)
                    .map_or(String::new(), |r| r.label.to_string());
                contradiction(def, section, &name, &label, model, warnings)?;
            }
        }
    }
    for (list, items) in next.lists {
        let here = first.lists.entry(list).or_default();
        for item in items {
            // Two rows of one step (same SPS ID) are one step.
            let id = item.first(list, "id");
            let known = id.is_some() && here.iter().any(|i| i.first(list, "id") == id);
            if !known {
                here.push(item);
            }
        }
    }
    Ok(())
}

fn contradiction(
    def: Option<&FieldDef>,
    section: &str,
    name: &str,
    label: &str,
    model: &Model,
    warnings: &RefCell<Vec<Warning>>,
) -> Result<(), Refusal> {
    let identifies = def.is_some_and(|d| {
        d.bad == crate::domain::record::Bad::Refuse
            && matches!(d.kind, Kind::Identifier(_) | Kind::Uid)
    });
    let place = place_of(model, section, name);
    if identifies {
        let found = format!("two rows of one exam differ in {section}.{name}");
        let mut refusal = Refusal::new(Reason::FieldConflict, found);
        refusal.at = place;
        return Err(refusal.allowed("one value").rule(label));
    }
    warnings.borrow_mut().push(Warning {
        message: format!("{section}.{name}: two rows of one exam differ, the first is taken"),
        place,
        rule: label.to_owned(),
    });
    Ok(())
}
