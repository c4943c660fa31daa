//! Flushing: everything that a batch changed, with one multi-row statement per table and kind of change.

use super::batch::is_once;
use super::{Outcome, Unit, Writer};
use crate::domain::event::{Event, Happening};
use crate::domain::exam::Exam;
use crate::domain::fields::Fields;
use crate::domain::ids::{ExamId, JournalId, Key, PatientId};
use crate::domain::reason::{Reason, Refusal};
use crate::domain::report::Report;
use crate::domain::time::Instant;
use crate::domain::value::{self, Value};
use crate::domain::world::{Doc, World};
use crate::publish::plan::plan;
use crate::store::{Direction, JournalRow, Queue, StoreError, Txn};
use crate::worklist;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was decided about a unit.
pub(super) enum Fate {
    Applied(Vec<Event>),
    Repeated {
        cause: JournalId,
        ack: Option<Vec<u8>>,
    },
    Refused(Refusal),
}

/// A unit with its fate.
pub(super) struct Decided<'u> {
    pub unit: &'u Unit,
    pub fate: Fate,
    pub warnings: Vec<String>,
}

impl Decided<'_> {
    /// What the port is told.
    pub(super) fn outcome(self) -> Outcome {
        match self.fate {
            // The record keeps it for later, but what it is about does not exist yet.
            Fate::Applied(events) if events.iter().any(is_orphan) => Outcome::Refused(
                Refusal::new(
                    Reason::MppsUnknown,
                    "no N-CREATE of that UID was received yet",
                )
                .allowed("the SOP Instance UID of an N-CREATE")
                .hint("it is kept, and applied when its N-CREATE comes"),
            ),
            Fate::Applied(events) => Outcome::Applied {
                journal: self.unit.journal.id,
                events: events.iter().map(|e| (e.name(), e.exam)).collect(),
                warnings: self.warnings,
            },
            Fate::Repeated { ack, .. } => Outcome::Repeated { ack },
            Fate::Refused(refusal) => Outcome::Refused(refusal),
        }
    }

    fn row(&self) -> JournalRow<'_> {
        let mut row = JournalRow {
            entry: &self.unit.journal,
            direction: Direction::In,
            body: Some(&self.unit.body),
            outcome: "applied",
            reason: None,
            detail: (!self.warnings.is_empty()).then(|| self.warnings.join("; ")),
            ack: None,
            cause: None,
            once: false,
        };
        match &self.fate {
            Fate::Applied(events) => {
                row.ack = self.unit.ack.as_deref();
                row.once = is_once(self.unit);
                if events.iter().any(is_orphan) {
                    row.outcome = "orphan";
                    row.reason = Some(Reason::MppsUnknown.code());
                }
            }
            Fate::Repeated { cause, .. } => {
                row.outcome = "repeated";
                row.cause = Some(*cause);
                // The bytes are those of the message that it repeats.
                row.body = None;
            }
            Fate::Refused(refusal) => {
                row.outcome = "refused";
                row.reason = Some(refusal.reason.code());
                row.detail = Some(refusal.to_string());
            }
        }
        if let Some(replay) = &self.unit.replay {
            row.cause = Some(replay.of);
            row.body = None;
            let because = Some(replay.because.clone()).filter(|text| !text.is_empty());
            let told: Vec<String> = because.into_iter().chain(row.detail.take()).collect();
            row.detail = (!told.is_empty()).then(|| told.join("; "));
        }
        row
    }
}

/// An N-SET that waits for its N-CREATE: kept, and told to be unknown.
fn is_orphan(event: &Event) -> bool {
    matches!(event.what, Happening::PpsOrphaned { .. })
}

/// What the world was when it was loaded, as far as a flush must compare.
pub(super) struct Before {
    patient_keys: BTreeMap<Key, PatientId>,
    exam_keys: BTreeMap<Key, BTreeSet<ExamId>>,
    patients: BTreeMap<PatientId, Fields>,
}

impl Before {
    pub(super) fn of(world: &World) -> Self {
        Self {
            patient_keys: world.patient_keys.clone(),
            exam_keys: world.exam_keys.clone(),
            patients: world
                .patients
                .iter()
                .map(|(id, p)| (*id, p.doc.fields.clone()))
                .collect(),
        }
    }
}

/// Writes the batch. True if something was queued for publication.
pub(super) async fn flush(
    writer: &Writer,
    txn: &Txn,
    before: &Before,
    world: &World,
    decided: &[Decided<'_>],
    now: Instant,
) -> Result<bool, StoreError> {
    let rows: Vec<JournalRow<'_>> = decided.iter().map(Decided::row).collect();
    txn.insert_journal(&rows).await?;
    documents(writer, txn, before, world).await?;
    let events: Vec<&[Event]> = decided
        .iter()
        .filter_map(|d| match &d.fate {
            Fate::Applied(events) => Some(events.as_slice()),
            _ => None,
        })
        .collect();
    let all: Vec<&Event> = events.iter().copied().flatten().collect();
    txn.insert_events(&all).await?;
    worklist_rows(writer, txn, before, world).await?;
    let queue = queue(writer, &events);
    txn.queue(&queue, now).await?;
    Ok(!queue.is_empty())
}

fn dirty<I, T>(docs: &BTreeMap<I, Doc<T>>) -> Vec<&Doc<T>> {
    docs.values().filter(|d| d.dirty).collect()
}

async fn documents(
    writer: &Writer,
    txn: &Txn,
    before: &Before,
    world: &World,
) -> Result<(), StoreError> {
    let zone = &writer.settings.zone;
    txn.save_patients(&dirty(&world.patients)).await?;
    let (mut new, mut taken) = (vec![], vec![]);
    for (key, owner) in &world.patient_keys {
        match before.patient_keys.get(key) {
            None => new.push((key, *owner)),
            Some(old) if old != owner => taken.push((key, *owner)),
            Some(_) => {}
        }
    }
    txn.save_patient_keys(&new, &taken).await?;

    txn.save_exams(&dirty(&world.exams), zone).await?;
    let known =
        |key: &Key, exam: &ExamId| before.exam_keys.get(key).is_some_and(|e| e.contains(exam));
    let keys: Vec<(&Key, ExamId)> = world
        .exam_keys
        .iter()
        .flat_map(|(key, exams)| exams.iter().map(move |exam| (key, *exam)))
        .filter(|(key, exam)| !known(key, exam))
        .collect();
    txn.save_exam_keys(&keys).await?;

    txn.save_performed(&dirty(&world.performed), zone).await?;
    let reports = dirty(&world.reports);
    txn.save_reports(&reports).await?;
    let files: Vec<&value::Document> = reports.iter().flat_map(|r| files_of(&r.doc)).collect();
    txn.save_files(&files).await
}

/// The attached files whose bytes came with a message of this batch.
fn files_of(report: &Report) -> impl Iterator<Item = &value::Document> {
    let sections = report
        .versions
        .iter()
        .flat_map(|v| v.documents.iter().chain([&v.fields]));
    sections
        .flat_map(|fields| fields.0.values())
        .flat_map(|field| field.values.iter())
        .filter_map(|value| match value {
            Value::Document(file) if file.bytes.is_some() => Some(file),
            _ => None,
        })
}

/// Rewrites the worklist rows of changed exams, and of all open exams of patients whose demographics changed.
async fn worklist_rows(
    writer: &Writer,
    txn: &Txn,
    before: &Before,
    world: &World,
) -> Result<(), StoreError> {
    let renamed: Vec<PatientId> = dirty(&world.patients)
        .iter()
        .filter(|p| {
            before
                .patients
                .get(&p.doc.id)
                .is_some_and(|old| differ(old, &p.doc.fields))
        })
        .map(|p| p.doc.id)
        .collect();
    let elsewhere = txn.open_exams_of_patients(&renamed).await?;
    let mut exams: BTreeMap<ExamId, &Doc<Exam>> = elsewhere.iter().map(|e| (e.doc.id, e)).collect();
    // The world's copy is newer than the stored one.
    exams.retain(|id, _| !world.exams.contains_key(id));
    exams.extend(
        world
            .exams
            .iter()
            .filter(|(_, e)| e.dirty || renamed.contains(&e.doc.patient))
            .map(|(id, e)| (*id, e)),
    );
    let stored: Vec<ExamId> = exams
        .iter()
        .filter(|(_, e)| e.stored > 0)
        .map(|(id, _)| *id)
        .collect();
    txn.delete_worklist(&stored).await?;
    let mut rows = vec![];
    for exam in exams.values() {
        if let Some(patient) = world.patients.get(&exam.doc.patient) {
            rows.extend(worklist::project(
                &exam.doc,
                &patient.doc,
                &writer.settings.zone,
            ));
        }
    }
    txn.insert_worklist(&rows).await
}

/// True if any value differs; ages and origins do not count.
fn differ(old: &Fields, new: &Fields) -> bool {
    let values = |fields: &Fields| -> Vec<(String, Arc<[Value]>)> {
        let said = fields.0.iter().filter(|(_, f)| !f.values.is_empty());
        said.map(|(name, f)| (name.to_string(), f.values.clone()))
            .collect()
    };
    values(old) != values(new)
}

/// What the events of each unit make us send; a state wanted by several units is one row, wanted as often.
fn queue(writer: &Writer, events: &[&[Event]]) -> Vec<Queue> {
    let mut rows: Vec<Queue> = vec![];
    let mut at = BTreeMap::new();
    for intent in events
        .iter()
        .flat_map(|e| plan(e, &writer.settings.targets))
    {
        match at.entry(intent.clone()) {
            Entry::Occupied(found) => {
                let row: &usize = found.get();
                if let Some(row) = rows.get_mut(*row) {
                    row.times += 1;
                }
            }
            Entry::Vacant(place) => {
                place.insert(rows.len());
                rows.push(Queue {
                    id: writer.outbox_ids.mint(),
                    target: intent.target,
                    subject: intent.subject,
                    seq: intent.seq,
                    times: 1,
                });
            }
        }
    }
    rows
}
