//! Projection: an exam and its patient become the narrowing rows of the worklist, one per scheduled step.

use super::fold::fold_name;
use super::gates::Facts;
use super::row::Row;
use crate::domain::exam::{Exam, Missing, Step};
use crate::domain::patient::Patient;
use crate::domain::value::{Name, Value};
use jiff::tz::TimeZone;

/// The name of the pool in which a step without station stands: any scanner of that modality may show it.
pub fn pool(modality: &str) -> String {
    format!("@{modality}")
}

/// The rows of an exam's open steps, in the order of the steps. Closed steps have no row.
///
/// A step is visible while it is scheduled, arrived or ready, not held, with a modality and the day and time of its start on the wall
/// clock of `zone`.
pub fn project(exam: &Exam, patient: &Patient, zone: &TimeZone) -> Vec<Row> {
    let missing = exam.missing(patient);
    exam.steps
        .iter()
        .filter(|s| !s.status.value.is_final())
        .map(|step| row(exam, patient, step, &missing, zone))
        .collect()
}

fn row(exam: &Exam, patient: &Patient, step: &Step, missing: &[Missing], zone: &TimeZone) -> Row {
    let of_step = |m: &&Missing| m.step().is_none_or(|id| id == step.id);
    let missing: Vec<&Missing> = missing.iter().filter(of_step).collect();
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    let facts = Facts::of(exam, patient, step, zone);
    let visible = facts.is_visible() && !facts.modality.is_empty() && facts.start.is_some();
    let Facts {
        modality,
        start,
        mut stations,
        ..
    } = facts;
    stations.sort_unstable();
    stations.dedup();
    if stations.is_empty() && !modality.is_empty() {
        stations.push(pool(&modality));
    }
    Row {
        step: step.id,
        exam: exam.id,
        patient: patient.id,
        visible,
        status: step.status.value,
        start,
        performer_fold: match step.fields.first("performer") {
            Some(Value::Person(p)) => name_fold(&p.name),
            _ => String::new(),
        },
        accession: text(exam.order.text("accession_number")),
        patient_value: text(patient.fields.text("id")),
        name_fold: patient_fold(patient),
        rp_id: text(exam.procedure.text("id")),
        study_uid: text(exam.study_uid()),
        modality,
        stations,
        missing: missing.iter().map(|m| m.word()).collect(),
    }
}

/// The name of a patient, folded; empty if it has none.
pub fn patient_fold(patient: &Patient) -> String {
    match patient.fields.first("name") {
        Some(Value::Name(name)) => name_fold(name),
        _ => String::new(),
    }
}

/// Family and given name, folded: a prefix that every rendering of the name begins with.
fn name_fold(name: &Name) -> String {
    let family = name.family.as_deref().unwrap_or_default();
    fold_name(&format!("{family}^{}", name.given.join(" ")))
}
