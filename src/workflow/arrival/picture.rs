//! The canonical picture of a world: everything that the record says, nothing of how it came there. Left out: ids, versions, ages and
//! origins of values, how a link was found, values that Relais generated, and patients that were merged away.

use crate::domain::exam::Exam;
use crate::domain::fields::Fields;
use crate::domain::ids::{ExamId, Key, KeyKind, PatientId, StepId};
use crate::domain::report::Report;
use crate::domain::world::World;
use crate::worklist;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One line for each document, key and worklist row, sorted.
pub fn picture(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for doc in world.patients.values().map(|d| &d.doc) {
        if doc.merged_into.is_none() {
            let mut aliases: Vec<String> = doc.aliases.iter().map(of_key).collect();
            aliases.sort();
            let said = fields(&doc.fields) + &fields(&doc.visit);
            lines.push(format!(
                "patient {} aliases={aliases:?}{said}",
                patient(world, doc.id)
            ));
        }
    }
    for (key, id) in &world.patient_keys {
        lines.push(format!("key {} {}", of_key(key), patient(world, *id)));
    }
    for doc in world.exams.values().map(|d| &d.doc) {
        lines.push(exam_line(world, doc));
        lines.extend(doc.steps.iter().map(|s| step_line(doc, s.id)));
        if let Some(patient) = world.patients.get(&doc.patient) {
            lines.extend(rows(doc, &patient.doc));
        }
    }
    for doc in world.performed.values().map(|d| &d.doc) {
        let links = doc
            .links
            .iter()
            .map(|l| (l.item, step(world, l.exam, l.step)));
        let links: BTreeSet<_> = links.collect();
        // `Exception::WithdrawnStep`.
        let owner = doc.patient.filter(|_| !doc.is_withdrawn());
        let owner = owner.map(|id| patient(world, id));
        let series = doc.series.iter().map(|s| {
            let instances: String = s.instances.iter().map(fields).collect();
            fields(&s.fields) + &instances
        });
        let series: Vec<String> = series.collect();
        lines.push(format!(
            "performed {} {:?} orphan={} mismatch={} patient={owner:?} study={:?} links={links:?} series={series:?}{}",
            doc.uid,
            doc.status,
            doc.orphan,
            doc.mismatch,
            doc.study_uid,
            fields(&doc.fields)
        ));
    }
    lines.extend(world.reports.values().map(|d| report_line(world, &d.doc)));
    lines.sort();
    lines
}

fn of_key(key: &Key) -> String {
    format!("{}:{}^{}", key.kind.word(), key.value, key.issuer)
}

/// A person by all identifiers.
fn patient(world: &World, id: PatientId) -> String {
    let id = world.survivor(id);
    let keys = world.patients.get(&id).map_or(&[][..], |d| &d.doc.keys);
    let mut keys: Vec<String> = keys.iter().map(of_key).collect();
    keys.sort();
    keys.join("+")
}

/// `Exception::GeneratedOnce`: our own numbers are told by their form, and left out.
fn is_generated(key: &Key) -> bool {
    match key.kind {
        KeyKind::Study => key.value.starts_with("2.25."),
        KeyKind::Procedure | KeyKind::Step => key.value.len() == 13,
        _ => false,
    }
}

/// An exam by its stated numbers.
fn exam(world: &World, id: ExamId) -> String {
    world
        .exams
        .get(&id)
        .map_or_else(String::new, |d| label(&d.doc))
}

fn label(doc: &Exam) -> String {
    let mut keys: Vec<String> = doc
        .keys
        .iter()
        .filter(|k| !is_generated(k))
        .map(of_key)
        .collect();
    keys.sort();
    keys.join("+")
}

fn step(world: &World, exam_id: ExamId, id: StepId) -> String {
    let found = world.exams.get(&exam_id).and_then(|d| d.doc.step(id));
    let stated = found.and_then(|s| s.stated_id()).unwrap_or("generated");
    format!("{} step {stated}", exam(world, exam_id))
}

fn fields(fields: &Fields) -> String {
    let mut text = String::new();
    for (name, field) in fields.0.iter().filter(|(_, f)| !f.values.is_empty()) {
        let ours = field.as_of.is_weakest() && matches!(name.as_ref(), "id" | "study_instance_uid");
        if ours && field.origins.iter().any(|o| o.rule == "generated") {
            let _ = write!(text, " {name}=generated");
        } else {
            let _ = write!(
                text,
                " {name}={}",
                serde_json::to_string(&field.values).unwrap()
            );
        }
    }
    text
}

fn exam_line(world: &World, doc: &Exam) -> String {
    let mut performed: Vec<String> = doc
        .performed
        .iter()
        .map(|r| {
            let uid = world.performed.get(&r.id).map_or("", |p| &p.doc.uid);
            let step = step(world, doc.id, r.step);
            format!("{uid} {:?} {} {step}", r.status, r.has_images)
        })
        .collect();
    performed.sort();
    let whole = doc.tombstone.map(|t| (t.value, t.last().0));
    let sections = [
        &doc.order,
        &doc.procedure,
        &doc.visit,
        &doc.schedule,
        &doc.extra,
    ]
    .map(fields);
    let patient = patient(world, doc.patient);
    format!(
        "exam {} {:?} patient={patient} whole={whole:?} performed={performed:?}{}",
        label(doc),
        doc.status(),
        sections.concat()
    )
}

fn step_line(doc: &Exam, id: StepId) -> String {
    let step = doc.step(id).unwrap();
    format!(
        "step {} {} {:?} wish={:?} {:?} held={}{}",
        label(doc),
        step.stated_id().unwrap_or("generated"),
        step.status.value,
        step.wish().value,
        step.wish().last().0,
        step.held.value,
        fields(&step.fields)
    )
}

fn rows(doc: &Exam, patient: &crate::domain::patient::Patient) -> Vec<String> {
    let rows = worklist::project(doc, patient, &TimeZone::UTC);
    let rows = rows.into_iter().map(|row| {
        let ours = row.study_uid.starts_with("2.25.");
        format!(
            "row {} {} visible={} {:?} {} {:?} {} {} {} {} {} {:?}",
            label(doc),
            doc.step(row.step)
                .and_then(|s| s.stated_id())
                .unwrap_or("generated"),
            row.visible,
            row.status,
            row.modality,
            row.start,
            row.accession,
            row.patient_value,
            row.name_fold,
            if row.rp_id.len() == 13 {
                "generated"
            } else {
                &row.rp_id
            },
            if ours { "generated" } else { &row.study_uid },
            row.stations,
        )
    });
    rows.collect()
}

fn report_line(world: &World, doc: &Report) -> String {
    let mut exams: Vec<String> = doc.exams.iter().map(|id| exam(world, *id)).collect();
    exams.sort();
    let versions = doc
        .versions
        .iter()
        .map(|v| format!("{:?}{}", v.status, fields(&v.fields)));
    let versions: Vec<String> = versions.collect();
    let patient = patient(world, doc.patient);
    format!(
        "report {} patient={patient} exams={exams:?} {versions:?}",
        of_key(&doc.key)
    )
}
