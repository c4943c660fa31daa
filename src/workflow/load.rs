//! Loading: the working set of a batch, with a handful of selects whatever its size.

use crate::domain::command::Command;
use crate::domain::ids::{ExamId, Key, KeyKind, PatientId, PerformedId};
use crate::domain::keys::is_awaited;
use crate::domain::world::{Wants, World};
use crate::store::{StoreError, Txn};
use std::collections::BTreeSet;

/// What all commands of a batch want.
pub(super) fn wants<'c>(commands: impl Iterator<Item = &'c Command>) -> Wants {
    let mut all = Wants::default();
    for command in commands {
        all.add(Wants::of(command));
    }
    all
}

/// Holds other nodes off everything that the batch may touch.
pub(super) async fn lock(txn: &Txn, wants: &Wants) -> Result<(), StoreError> {
    let keys = wants
        .keys
        .iter()
        .chain(&wants.exams_of)
        .map(|k| (k.kind.word(), k.issuer.as_str(), k.value.as_str()));
    let uids = wants
        .performed
        .iter()
        .map(|uid| ("performed", "", uid.as_str()));
    txn.lock(keys.chain(uids)).await
}

/// Fills a world with what is wanted and all that must come along.
pub(super) async fn load(txn: &Txn, wants: &Wants) -> Result<World, StoreError> {
    let mut world = World::default();
    let of_kind = |wanted: fn(KeyKind) -> bool| -> Vec<Key> {
        let keys = wants.keys.iter().chain(&wants.exams_of);
        let set: BTreeSet<&Key> = keys.filter(|k| wanted(k.kind)).collect();
        set.into_iter().cloned().collect()
    };
    let patients = of_kind(|kind| kind == KeyKind::Patient);
    let reports = of_kind(|kind| kind == KeyKind::Report);
    let exams = of_kind(|kind| !matches!(kind, KeyKind::Patient | KeyKind::Report));

    let patient_rows = txn.patients_of_keys(&patients).await?;
    let exam_rows = txn.exams_of_keys(&exams).await?;
    let mut want_patients: BTreeSet<PatientId> = patient_rows.iter().map(|(_, id)| *id).collect();
    let mut want_exams: BTreeSet<ExamId> = exam_rows.iter().map(|(_, id)| *id).collect();
    let accessions: Vec<&str> = wants.accessions.iter().map(String::as_str).collect();
    want_exams.extend(txn.exams_of_accessions(&accessions).await?);
    for report in txn.reports_by_key(&reports).await? {
        want_exams.extend(&report.doc.exams);
        want_patients.insert(report.doc.patient);
        world.insert_report(report.doc, report.stored);
    }
    let uids: Vec<&str> = wants.performed.iter().map(String::as_str).collect();
    for step in txn.performed_by_uid(&uids).await? {
        want_exams.extend(step.doc.links.iter().map(|l| l.exam));
        want_patients.extend(step.doc.patient);
        world.insert_performed(step.doc, step.stored);
    }
    everything_of(txn, wants, &mut world, &mut want_patients).await?;
    exams_with_company(txn, &mut world, want_exams, &mut want_patients).await?;
    if wants.waiting {
        let exams = waiting(txn, wants, &mut world).await?;
        exams_with_company(txn, &mut world, exams, &mut want_patients).await?;
    }
    patients_and_survivors(txn, &mut world, want_patients).await?;
    // The rows are the truth about who owns a key.
    world.patient_keys.extend(patient_rows);
    for (key, exam) in exam_rows {
        world.exam_keys.entry(key).or_default().insert(exam);
    }
    Ok(world)
}

/// Patients of whom everything is wanted: exams, performed steps, reports, and the patients merged into them.
async fn everything_of(
    txn: &Txn,
    wants: &Wants,
    world: &mut World,
    want_patients: &mut BTreeSet<PatientId>,
) -> Result<(), StoreError> {
    if wants.exams_of.is_empty() {
        return Ok(());
    }
    let keys: Vec<Key> = wants.exams_of.iter().cloned().collect();
    let rows = txn.patients_of_keys(&keys).await?;
    let mut whole: BTreeSet<PatientId> = rows.into_iter().map(|(_, id)| id).collect();
    // A key may still name a patient that was merged away: its survivor has the exams.
    let named: Vec<PatientId> = whole.iter().copied().collect();
    whole.extend(
        txn.patients(&named)
            .await?
            .iter()
            .filter_map(|p| p.doc.merged_into),
    );
    let whole: Vec<PatientId> = whole.into_iter().collect();
    want_patients.extend(&whole);
    want_patients.extend(
        txn.patients_merged_into(&whole)
            .await?
            .iter()
            .map(|p| p.doc.id),
    );
    for exam in txn.exams_of_patients(&whole).await? {
        world.insert_exam(exam.doc, exam.stored);
    }
    for step in txn.performed_of_patients(&whole).await? {
        world.insert_performed(step.doc, step.stored);
    }
    for report in txn.reports_of_patients(&whole).await? {
        world.insert_report(report.doc, report.stored);
    }
    Ok(())
}

/// Performed steps that came before an order which is loaded or spoken of; returns the exams that they are linked to already.
async fn waiting(
    txn: &Txn,
    wants: &Wants,
    world: &mut World,
) -> Result<BTreeSet<ExamId>, StoreError> {
    let stored = world.exams.values().flat_map(|d| &d.doc.keys);
    let keys = wants.keys.iter().chain(stored);
    let keys = keys.filter(|key| is_awaited(key.kind));
    let values: BTreeSet<String> = keys.map(|key| key.value.clone()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut exams = BTreeSet::new();
    for step in txn.performed_waiting_for(&values).await? {
        exams.extend(step.doc.links.iter().map(|link| link.exam));
        world.insert_performed(step.doc, step.stored);
    }
    Ok(exams)
}

/// Exams bring their performed steps and their patients.
async fn exams_with_company(
    txn: &Txn,
    world: &mut World,
    mut want_exams: BTreeSet<ExamId>,
    want_patients: &mut BTreeSet<PatientId>,
) -> Result<(), StoreError> {
    // A performed step may be linked to exams that nobody named, and those to further performed steps: groups are small, the
    // bound is for damaged data.
    for _ in 0..8 {
        want_exams.retain(|id| !world.exams.contains_key(id));
        let ids: Vec<ExamId> = want_exams.iter().copied().collect();
        for exam in txn.exams(&ids).await? {
            world.insert_exam(exam.doc, exam.stored);
        }
        let steps: BTreeSet<PerformedId> = world
            .exams
            .values()
            .flat_map(|e| e.doc.performed.iter().map(|p| p.id))
            .filter(|id| !world.performed.contains_key(id))
            .collect();
        let steps: Vec<PerformedId> = steps.into_iter().collect();
        for step in txn.performed(&steps).await? {
            world.insert_performed(step.doc, step.stored);
        }
        want_exams = world
            .performed
            .values()
            .flat_map(|p| p.doc.links.iter().map(|l| l.exam))
            .filter(|id| !world.exams.contains_key(id))
            .collect();
        if want_exams.is_empty() {
            break;
        }
    }
    want_patients.extend(world.exams.values().map(|e| e.doc.patient));
    want_patients.extend(world.performed.values().filter_map(|p| p.doc.patient));
    want_patients.extend(world.reports.values().map(|r| r.doc.patient));
    Ok(())
}

/// Patients bring the survivor of their merge.
async fn patients_and_survivors(
    txn: &Txn,
    world: &mut World,
    mut wanted: BTreeSet<PatientId>,
) -> Result<(), StoreError> {
    // Merge paths are compressed: one more round finds every survivor.
    for _ in 0..2 {
        wanted.retain(|id| !world.patients.contains_key(id));
        let ids: Vec<PatientId> = wanted.iter().copied().collect();
        for patient in txn.patients(&ids).await? {
            wanted.extend(patient.doc.merged_into);
            world.insert_patient(patient.doc, patient.stored);
        }
    }
    Ok(())
}
