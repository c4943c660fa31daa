//! Exams, patients and performed steps: lists and details.

use super::gate::{Ask, Reply, Seen};
use super::json::{self, id, maybe_id};
use super::problem::Problem;
use crate::domain::exam::{Exam, Step};
use crate::domain::ids::{ExamId, PatientId, PerformedId};
use crate::domain::patient::Patient;
use crate::domain::performed::{PerformedStep, Series};
use crate::domain::value::Value as RecordValue;
use crate::store::{ExamFilter, ListedExam, ListedPerformed, PatientFilter, PerformedFilter};
use serde_json::{Value, json};

/// Events that an exam's page shows.
const EVENTS: u32 = 200;

/// First and last second of days on the site's calendar.
fn days(ask: &Ask) -> (Option<i64>, Option<i64>) {
    let day = |name| ask.params.number(name);
    (
        day("from").map(|d| d * 1_000_000),
        day("to").map(|d| d * 1_000_000 + 235_959),
    )
}

/// `yyyymmddhhmmss` as an ISO local time; null for 0.
fn local(at: i64) -> Value {
    if at == 0 {
        return Value::Null;
    }
    let (date, time) = (at / 1_000_000, at % 1_000_000);
    Value::from(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date / 10_000,
        date / 100 % 100,
        date % 100,
        time / 10_000,
        time / 100 % 100,
        time % 100
    ))
}

/// `GET /api/exams`
pub async fn exams(ask: Ask) -> Result<Reply, Problem> {
    let (from, to) = days(&ask);
    let filter = ExamFilter {
        status: ask.params.owned("status"),
        from,
        to,
        modality: ask.params.owned("modality"),
        station: ask.params.owned("station"),
        accession: ask.params.owned("accession"),
        patient: ask.params.number("patient"),
        incomplete: ask.params.flag("incomplete"),
        number: None,
    };
    let rows = ask.state.store.list_exams(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (row.start, row.exam.id.0),
        |row| Seen::one(row.exam.id.0, Some(row.patient.id.0)),
        exam_item,
    ))
}

fn exam_item(row: &ListedExam) -> Value {
    let exam = &row.exam;
    json!({
        "id": id(exam.id.0),
        "version": row.version,
        "status": exam.status().word(),
        "start": local(row.start),
        "accession": exam.order.text("accession_number"),
        "procedure": procedure(exam),
        "study_uid": exam.study_uid(),
        "patient": json::patient_head(&row.patient),
        "steps": exam.steps.iter().map(step_item).collect::<Vec<_>>(),
        "incomplete": json::missing(&exam.missing(&row.patient)),
    })
}

fn procedure(exam: &Exam) -> Option<&str> {
    let code = match exam.procedure.first("code") {
        Some(RecordValue::Concept(concept)) => concept.display(),
        _ => None,
    };
    exam.procedure.text("description").or(code)
}

fn step_item(step: &Step) -> Value {
    let stations: Vec<&str> = step
        .fields
        .values("station_aes")
        .iter()
        .filter_map(RecordValue::comparable)
        .collect();
    json!({
        "id": id(step.id.0),
        "sps_id": step.sps_id,
        "status": step.status.value.word(),
        "held": step.held.value,
        "modality": step.fields.text("modality"),
        "stations": stations,
        "start": step.fields.text("start"),
    })
}

/// `GET /api/exams/{id}`
pub async fn exam(ask: Ask) -> Result<Reply, Problem> {
    let store = &ask.state.store;
    let wanted = ExamId(ask.params.id());
    let unknown = || Problem::unknown("exam", wanted.0);
    let exam = store.exam(wanted).await?.ok_or_else(unknown)?;
    let patient = store.patient(exam.patient).await?.ok_or_else(unknown)?;
    let version = store.exam_version(wanted).await?;
    let reports = store.reports_of_exam(wanted).await?;
    let events = store.events_of_exam(wanted, EVENTS).await?;
    let performed = exam.performed.iter().map(|p| {
        json!({
            "id": id(p.id.0), "step": id(p.step.0), "status": p.status.word(), "has_images": p.has_images,
        })
    });
    let body = json!({
        "id": id(exam.id.0),
        "version": version,
        "status": exam.status().word(),
        "patient": json::patient_head(&patient),
        "order": json::fields(&exam.order),
        "procedure": json::fields(&exam.procedure),
        "visit": json::fields(&exam.visit),
        "schedule": json::fields(&exam.schedule),
        "extra": json::fields(&exam.extra),
        "steps": exam.steps.iter().map(step_whole).collect::<Vec<_>>(),
        "performed": performed.collect::<Vec<_>>(),
        "reports": reports.iter().map(|r| id(r.0)).collect::<Vec<_>>(),
        "keys": json::keys(&exam.keys),
        "incomplete": json::missing(&exam.missing(&patient)),
        "events": events.iter().map(json::event_whole).collect::<Vec<_>>(),
    });
    Ok(Reply::json(body, Seen::one(exam.id.0, Some(patient.id.0))))
}

fn step_whole(step: &Step) -> Value {
    json!({
        "id": id(step.id.0),
        "sps_id": step.sps_id,
        "status": step.status.value.word(),
        "status_as_of": json::as_of(step.status.as_of),
        "held": step.held.value,
        "fields": json::fields(&step.fields),
    })
}

/// `GET /api/patients`
pub async fn patients(ask: Ask) -> Result<Reply, Problem> {
    let filter = PatientFilter {
        identifier: ask.params.owned("identifier"),
        name: ask.params.owned("name"),
    };
    let rows = ask.state.store.list_patients(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (0, row.patient.id.0),
        |row| Seen::one(row.patient.id.0, Some(row.patient.id.0)),
        |row| {
            let mut item = json::patient_head(&row.patient);
            item["version"] = row.version.into();
            item["merged_into"] = maybe_id(row.patient.merged_into.map(|p| p.0));
            item
        },
    ))
}

/// `GET /api/patients/{id}`
pub async fn patient(ask: Ask) -> Result<Reply, Problem> {
    let store = &ask.state.store;
    let wanted = PatientId(ask.params.id());
    let patient: Patient = store
        .patient(wanted)
        .await?
        .ok_or_else(|| Problem::unknown("patient", wanted.0))?;
    let exams = store.exams_of_patient(wanted).await?;
    let body = json!({
        "id": id(patient.id.0),
        "merged_into": maybe_id(patient.merged_into.map(|p| p.0)),
        "fields": json::fields(&patient.fields),
        "visit": json::fields(&patient.visit),
        "keys": json::keys(&patient.keys),
        "aliases": json::keys(&patient.aliases),
        "exams": exams.iter().map(|e| id(e.id.0)).collect::<Vec<_>>(),
    });
    Ok(Reply::json(body, Seen::one(wanted.0, Some(wanted.0))))
}

/// `GET /api/steps`
pub async fn steps(ask: Ask) -> Result<Reply, Problem> {
    let (from, to) = days(&ask);
    let filter = PerformedFilter {
        status: ask.params.owned("status"),
        from,
        to,
        study_uid: ask.params.owned("study_uid"),
        patient: ask.params.number("patient"),
        unlinked: ask.params.flag("unlinked"),
    };
    let rows = ask.state.store.list_performed(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (row.started, row.step.id.0),
        |row| Seen::one(row.step.id.0, row.step.patient.map(|p| p.0)),
        performed_item,
    ))
}

fn performed_item(row: &ListedPerformed) -> Value {
    let mut item = performed_head(&row.step);
    item["version"] = row.version.into();
    item["started"] = local(row.started);
    item
}

fn performed_head(step: &PerformedStep) -> Value {
    let links = step
        .links
        .iter()
        .map(|l| json!({ "exam": id(l.exam.0), "step": id(l.step.0), "how": l.how.word() }));
    json!({
        "id": id(step.id.0),
        "uid": step.uid,
        "status": step.status.word(),
        "ae": step.ae,
        "patient": maybe_id(step.patient.map(|p| p.0)),
        "study_uid": step.study_uid,
        "mismatch": step.mismatch,
        "links": links.collect::<Vec<_>>(),
    })
}

/// `GET /api/steps/{id}`
pub async fn step(ask: Ask) -> Result<Reply, Problem> {
    let wanted = ask.params.id();
    let step = ask.state.store.performed(PerformedId(wanted)).await?;
    let step = step.ok_or_else(|| Problem::unknown("performed step", wanted))?;
    let series =
        |s: &Series| json!({ "fields": json::fields(&s.fields), "instances": s.instances.len() });
    let mut body = performed_head(&step);
    body["fields"] = json::fields(&step.fields);
    body["scheduled"] = step.scheduled.iter().map(json::fields).collect();
    body["series"] = step.series.iter().map(series).collect();
    Ok(Reply::json(
        body,
        Seen::one(wanted, step.patient.map(|p| p.0)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_is_shown_as_iso_local_time() {
        assert_eq!(local(20_260_602_080_500), "2026-06-02T08:05:00");
        assert_eq!(local(0), Value::Null);
    }
}
