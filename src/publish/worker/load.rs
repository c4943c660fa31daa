//! Reads the documents of a subject, all that its publication is rendered from.

use crate::domain::event::Subject;
use crate::domain::exam::Exam;
use crate::domain::ids::PatientId;
use crate::domain::patient::Patient;
use crate::domain::performed::PerformedStep;
use crate::domain::report::Report;
use crate::domain::value::Value;
use crate::publish::render::Subjects;
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The documents of a subject.
#[derive(Debug)]
pub enum Loaded {
    /// Enough to render.
    Ready(Box<Subjects>),
    /// Nothing to send, and why.
    Nothing(&'static str),
}

/// Loads a subject's documents as they are now.
pub async fn load(store: &Store, subject: Subject) -> Result<Loaded, StoreError> {
    let mut exams: Vec<Exam> = Vec::new();
    let mut uids: BTreeSet<String> = BTreeSet::new();
    let mut report: Option<Report> = None;
    let patient = match subject {
        Subject::Patient(id) => Some(id),
        Subject::Exam(id) => match store.exam(id).await? {
            Some(exam) => {
                let patient = exam.patient;
                exams.push(exam);
                Some(patient)
            }
            None => None,
        },
        Subject::Performed(id) => match store.performed(id).await? {
            Some(PerformedStep { patient: None, .. }) => {
                return Ok(Loaded::Nothing(
                    "the patient of the performed step is not known",
                ));
            }
            Some(step) => {
                uids.extend(step.study_uid);
                step.patient
            }
            None => None,
        },
        Subject::Report(id) => {
            report = store.report(id).await?;
            if let Some(report) = &report {
                exams = store.exams(&report.exams).await?;
            }
            report.as_ref().map(|r| r.patient)
        }
    };
    let Some((patient, survivor)) = with_survivor(store, patient).await? else {
        return Ok(Loaded::Nothing("no such document"));
    };
    let owner = survivor.as_ref().map_or(patient.id, |s| s.id);
    let mut docs = Subjects {
        subject,
        patient,
        survivor,
        exams: vec![],
        performed: vec![],
        report,
        documents: BTreeMap::new(),
    };
    if matches!(subject, Subject::Patient(_)) {
        return Ok(Loaded::Ready(Box::new(docs)));
    }
    studies(store, &mut docs, exams, uids).await?;
    let known = [docs.patient.id, owner];
    docs.exams.retain(|e| known.contains(&e.patient));
    docs.performed
        .retain(|p| p.patient.is_none_or(|id| known.contains(&id)));
    documents(store, &mut docs).await?;
    Ok(Loaded::Ready(Box::new(docs)))
}

/// The patient whose publications wait for each other: the subject's, or the one that it was merged into.
pub async fn owner(store: &Store, subject: Subject) -> Result<Option<PatientId>, StoreError> {
    let patient = match subject {
        Subject::Patient(id) => Some(id),
        Subject::Exam(id) => store.exam(id).await?.map(|e| e.patient),
        Subject::Performed(id) => store.performed(id).await?.and_then(|p| p.patient),
        Subject::Report(id) => store.report(id).await?.map(|r| r.patient),
    };
    let found = with_survivor(store, patient).await?;
    Ok(found.map(|(patient, survivor)| survivor.map_or(patient.id, |s| s.id)))
}

/// A patient, with the one that it was merged into.
async fn with_survivor(
    store: &Store,
    id: Option<PatientId>,
) -> Result<Option<(Patient, Option<Patient>)>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let Some(patient) = store.patient(id).await? else {
        return Ok(None);
    };
    let survivor = match patient.merged_into {
        Some(into) => store.patient(into).await?,
        None => None,
    };
    Ok(Some((patient, survivor)))
}

/// Adds the studies of the exams and of the UIDs, with the other exams of those studies.
async fn studies(
    store: &Store,
    docs: &mut Subjects,
    exams: Vec<Exam>,
    mut uids: BTreeSet<String>,
) -> Result<(), StoreError> {
    uids.extend(
        exams
            .iter()
            .filter_map(|e| e.study_uid().map(str::to_owned)),
    );
    let refs: Vec<_> = exams
        .iter()
        .flat_map(|e| e.performed.iter().map(|p| p.id))
        .collect();
    let steps = store.performed_steps(&refs).await?;
    uids.extend(steps.into_iter().filter_map(|p| p.study_uid));
    docs.exams = exams;
    for uid in uids {
        let study = store.study(&uid).await?;
        // A study that nobody performed is not published, and brings no other exams.
        if !study.performed.is_empty() {
            docs.performed.extend(study.performed);
            docs.exams.extend(study.exams);
        }
    }
    docs.exams.sort_by_key(|e| e.id);
    docs.exams.dedup_by_key(|e| e.id);
    docs.performed.sort_by_key(|p| p.id);
    docs.performed.dedup_by_key(|p| p.id);
    Ok(())
}

/// The bytes of the documents of the report's version in force.
async fn documents(store: &Store, docs: &mut Subjects) -> Result<(), StoreError> {
    let current = docs.report.as_ref().and_then(Report::current);
    let wanted: Vec<String> = current
        .iter()
        .flat_map(|v| &v.documents)
        .flat_map(|d| d.values("content"))
        .filter_map(|v| match v {
            Value::Document(d) => Some(d.sha256.clone()),
            _ => None,
        })
        .collect();
    for sha256 in wanted {
        if let Some((_, bytes)) = store.file(&sha256).await? {
            docs.documents.insert(sha256, Arc::from(bytes));
        }
    }
    Ok(())
}
