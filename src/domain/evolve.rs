//! What an event does to its document: the only way a document changes. Total: no clock, no policy, no refusal; an event that does
//! not concern the document leaves it as it is.
//!
//! Neighbours: `deciding` applies each event as soon as it is decided; a test folds all events of a document from nothing and finds
//! the same document.

use super::event::{Happening, SectionChange};
use super::exam::{Exam, PerformedRef, Stated, Step, StepStatus};
use super::fields::Fields;
use super::ids::{ExamId, Key, PatientId, PerformedId, ReportId, StepId};
use super::keys::push_new;
use super::patient::Patient;
use super::performed::{PerformedStep, StepLink};
use super::report::Report;
use super::time::Role;
use super::value::Value;

/// Version of the documents' form that this code writes.
pub const FORM: u8 = 1;

fn add_keys(stored: &mut Vec<Key>, new: &[Key]) {
    for key in new {
        push_new(stored, Some(key.clone()));
    }
}

/// The patient after an event.
pub fn patient(doc: Option<Patient>, id: PatientId, what: &Happening) -> Option<Patient> {
    let creates = matches!(what, Happening::PatientCreated { .. });
    let blank = || Patient {
        v: FORM,
        id,
        merged_into: None,
        fields: Fields::default(),
        visit: Fields::default(),
        keys: vec![],
        aliases: vec![],
        renamed: vec![],
    };
    let mut doc = doc.or_else(|| creates.then(blank))?;
    match what {
        Happening::PatientCreated { keys, sections }
        | Happening::PatientUpdated { keys, sections } => {
            add_keys(&mut doc.keys, keys);
            // A key that speaks for the patient again is no alias any more.
            doc.aliases.retain(|alias| !keys.contains(alias));
            doc.renamed.retain(|alias| !keys.contains(alias));
            apply_patient(&mut doc, sections);
        }
        Happening::Confirmed { sections } => apply_patient(&mut doc, sections),
        Happening::PatientMerged { into } => {
            doc.merged_into = Some(*into);
            doc.keys.clear();
            doc.aliases.clear();
            doc.renamed.clear();
        }
        Happening::PatientKeysTaken { keys, renamed, .. } => {
            add_keys(&mut doc.keys, keys);
            add_keys(&mut doc.aliases, keys);
            add_keys(&mut doc.renamed, renamed);
        }
        _ => {}
    }
    Some(doc)
}

fn apply_patient(doc: &mut Patient, sections: &[SectionChange]) {
    for section in sections {
        match section.section.as_ref() {
            "patient" => doc.fields.apply(&section.changes),
            "visit" => doc.visit.apply(&section.changes),
            _ => {}
        }
    }
}

/// An exam that nothing is known of yet.
pub fn blank_exam(id: ExamId, patient: PatientId) -> Exam {
    Exam {
        v: FORM,
        id,
        patient,
        tombstone: None,
        order: Fields::default(),
        procedure: Fields::default(),
        visit: Fields::default(),
        schedule: Fields::default(),
        extra: Fields::default(),
        steps: vec![],
        performed: vec![],
        keys: vec![],
    }
}

/// The exam after an event.
pub fn exam(doc: Option<Exam>, id: ExamId, what: &Happening) -> Option<Exam> {
    let mut doc = match (doc, what) {
        (Some(doc), _) => doc,
        (
            None,
            Happening::OrderPlaced { patient, .. }
            | Happening::OrderTombstoned { patient, .. }
            | Happening::OrderMentioned { patient, .. },
        ) => blank_exam(id, *patient),
        (None, _) => return None,
    };
    match what {
        Happening::OrderPlaced {
            keys,
            sections,
            steps,
            ..
        }
        | Happening::OrderChanged {
            keys,
            sections,
            steps,
        } => {
            add_keys(&mut doc.keys, keys);
            apply_exam(&mut doc, sections);
            add_steps(&mut doc.steps, steps);
        }
        Happening::OrderTombstoned {
            keys,
            sections,
            status,
            as_of,
            ..
        } => {
            add_keys(&mut doc.keys, keys);
            apply_exam(&mut doc, sections);
            doc.tombstone = Some(Stated::new(*status, *as_of));
        }
        Happening::OrderMentioned {
            keys,
            sections,
            performed,
            as_of,
            ..
        } => {
            add_keys(&mut doc.keys, keys);
            apply_exam(&mut doc, sections);
            if *performed && doc.tombstone.is_none() {
                doc.tombstone = Some(Stated::new(StepStatus::Completed, *as_of));
            }
        }
        Happening::Confirmed { sections } => apply_exam(&mut doc, sections),
        _ => exam_course(&mut doc, what),
    }
    Some(doc)
}

/// What happens to an exam after it was ordered.
fn exam_course(doc: &mut Exam, what: &Happening) {
    match what {
        Happening::OrderHeld { steps, held, as_of }
        | Happening::HoldConfirmed { steps, held, as_of } => {
            for step in doc.steps.iter_mut().filter(|s| steps.contains(&s.id)) {
                step.held = Stated::new(*held, *as_of);
            }
        }
        Happening::StepStatus {
            step, to, as_of, ..
        } => {
            if let Some(step) = step_mut(&mut doc.steps, *step) {
                // From the scanner's first word on, what RIS and HIS say is kept beside it.
                if as_of.role == Role::Scanner {
                    step.wish = Some(step.wish());
                }
                step.status = Stated::new(*to, *as_of);
            }
        }
        Happening::StepWish { step, wish } => {
            if let Some(step) = step_mut(&mut doc.steps, *step) {
                step.wish = Some(*wish);
            }
        }
        Happening::OrderStated { status } => doc.tombstone = Some(*status),
        Happening::ExamMoved { to, .. } => doc.patient = *to,
        Happening::ExamPerformed {
            performed,
            step,
            status,
            has_images,
            as_of,
        } => {
            let news = PerformedRef {
                id: *performed,
                step: *step,
                status: *status,
                has_images: *has_images,
                as_of: *as_of,
            };
            let known = doc.performed.iter_mut();
            match known
                .filter(|r| r.id == news.id && r.step == news.step)
                .last()
            {
                Some(old) => *old = news,
                None => doc.performed.push(news),
            }
        }
        Happening::ExamUnlinked { performed } => doc.performed.retain(|r| r.id != *performed),
        _ => {}
    }
}

fn step_mut(steps: &mut [Step], id: StepId) -> Option<&mut Step> {
    steps.iter_mut().find(|s| s.id == id)
}

fn add_steps(stored: &mut Vec<Step>, new: &[Step]) {
    for step in new {
        match step_mut(stored, step.id) {
            Some(old) => *old = step.clone(),
            None => stored.push(step.clone()),
        }
    }
}

pub(super) fn apply_exam(doc: &mut Exam, sections: &[SectionChange]) {
    for section in sections {
        match (section.section.as_ref(), section.step) {
            ("order", _) => doc.order.apply(&section.changes),
            ("procedure", _) => doc.procedure.apply(&section.changes),
            ("visit", _) => doc.visit.apply(&section.changes),
            ("schedule", _) => doc.schedule.apply(&section.changes),
            ("extra", _) => doc.extra.apply(&section.changes),
            ("step", Some(id)) => {
                if let Some(step) = step_mut(&mut doc.steps, id) {
                    step.fields.apply(&section.changes);
                    // A stated id replaces ours on the wire; ours stays a key of the exam.
                    if let Some(Value::Text(stated)) = step.fields.first("id") {
                        step.sps_id = stated.clone();
                    }
                }
            }
            _ => {}
        }
    }
}

/// The performed step after an event.
pub fn performed(
    doc: Option<PerformedStep>,
    id: PerformedId,
    what: &Happening,
) -> Option<PerformedStep> {
    let unborn = doc.as_ref().is_none_or(|doc| doc.orphan);
    if let Happening::PpsCreated { step } | Happening::PpsOrphaned { step } = what
        && unborn
    {
        return Some(PerformedStep {
            id,
            ..(**step).clone()
        });
    }
    let mut doc = doc?;
    match what {
        Happening::PpsSet {
            status,
            sections,
            series,
            as_of,
        } => {
            doc.status = *status;
            doc.as_of = *as_of;
            for section in sections.iter().filter(|s| s.section == "performed_step") {
                doc.fields.apply(&section.changes);
            }
            if let Some(series) = series {
                doc.series.clone_from(series);
            }
            // Withdrawn by the scanner itself: there is nothing left to agree on.
            doc.mismatch &= !doc.is_withdrawn();
        }
        Happening::PpsLinked {
            patient,
            exam,
            step,
            how,
            item,
        } => {
            doc.patient = Some(*patient);
            doc.mismatch = false;
            doc.links.push(StepLink {
                exam: *exam,
                step: *step,
                how: *how,
                item: *item,
            });
        }
        Happening::PpsUnlinked { exam, step } => {
            doc.links.retain(|l| (l.exam, l.step) != (*exam, *step));
        }
        Happening::PpsMismatch {} => doc.mismatch = true,
        Happening::PpsMoved { to, .. } => doc.patient = Some(*to),
        _ => {}
    }
    Some(doc)
}

/// The report after an event.
pub fn report(doc: Option<Report>, id: ReportId, what: &Happening) -> Option<Report> {
    match (doc, what) {
        (
            doc,
            Happening::ReportReceived {
                key,
                patient,
                exams,
                version,
            },
        ) => {
            let mut doc = doc.unwrap_or_else(|| Report {
                v: FORM,
                id,
                key: key.clone(),
                patient: *patient,
                exams: vec![],
                versions: vec![],
            });
            for exam in exams {
                if !doc.exams.contains(exam) {
                    doc.exams.push(*exam);
                }
            }
            doc.take(version);
            Some(doc)
        }
        (
            Some(mut doc),
            Happening::ReportSuperseded { version } | Happening::ReportConfirmed { version },
        ) => {
            doc.take(version);
            Some(doc)
        }
        (Some(mut doc), Happening::ReportMoved { to, .. }) => {
            doc.patient = *to;
            Some(doc)
        }
        (doc, _) => doc,
    }
}
