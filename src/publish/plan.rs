//! What a committed message makes Relais send, and where: events in, intents out. Pure.
//!
//! A state target gets one intent per subject, however many events concern it: it is rendered when it is claimed, from the newest
//! record. What one subject's message carries anyway is not sent a second time: a performed step's study brings its exams, a new
//! order brings its patient.

use crate::domain::event::{Event, Happening, Subject};
use crate::domain::ids::{ExamId, PatientId, PerformedId, ReportId};
use std::collections::BTreeSet;
use std::fmt;

/// One outbox row to be queued: in state mode the row of (target, subject) is wanted once more; in event mode a row is added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Intent {
    /// Name of the target in the configuration.
    pub target: String,
    /// [`Subject`] as text: `patient/1`, `exam/2`, `performed/3` (the study of that performed step), `report/4`. Publications of
    /// one subject leave in order.
    pub subject: String,
    /// 0 in state mode; the event's id in event mode.
    pub seq: i64,
}

/// What a target speaks; decides how its messages are made and whether they are states or events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// FHIR R4 transaction Bundles: state.
    Fhir,
}

/// What planning needs to know of a configured target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPlan {
    /// Its name in the configuration.
    pub name: String,
    pub kind: TargetKind,
}

/// The text of a subject in the outbox.
pub fn subject_text(subject: Subject) -> String {
    format!("{}/{}", subject.kind(), subject.id())
}

/// A subject's text that is none. Display is a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSubject;

impl fmt::Display for BadSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("subject is not of the form patient/1, exam/2, performed/3 or report/4")
    }
}

impl std::error::Error for BadSubject {}

/// The subject of an outbox row.
pub fn parse_subject(text: &str) -> Result<Subject, BadSubject> {
    let (kind, id) = text.split_once('/').ok_or(BadSubject)?;
    let id: i64 = id.parse().map_err(|_| BadSubject)?;
    Ok(match kind {
        "patient" => Subject::Patient(PatientId(id)),
        "exam" => Subject::Exam(ExamId(id)),
        "performed" => Subject::Performed(PerformedId(id)),
        "report" => Subject::Report(ReportId(id)),
        _ => return Err(BadSubject),
    })
}

/// The intents of the events of one commit, each (target, subject) once, in the order of targets and subjects.
pub fn plan(events: &[Event], targets: &[TargetPlan]) -> Vec<Intent> {
    let subjects = state_subjects(events);
    let mut intents = BTreeSet::new();
    for target in targets {
        match target.kind {
            TargetKind::Fhir => intents.extend(subjects.iter().map(|s| Intent {
                target: target.name.clone(),
                subject: subject_text(*s),
                seq: 0,
            })),
        }
    }
    intents.into_iter().collect()
}

/// The subjects whose published state the events change.
fn state_subjects(events: &[Event]) -> BTreeSet<Subject> {
    let mut wanted = BTreeSet::new();
    // Exams whose only news is a performed step: the study's Bundle carries their ServiceRequests.
    let mut performed_of: BTreeSet<ExamId> = BTreeSet::new();
    for event in events {
        if let (Subject::Exam(exam), Happening::ExamPerformed { performed, .. }) =
            (event.subject, &event.what)
        {
            performed_of.insert(exam);
            wanted.insert(Subject::Performed(*performed));
        }
    }
    for event in events {
        match &event.what {
            Happening::Confirmed { .. }
            | Happening::HoldConfirmed { .. }
            | Happening::ReportSuperseded { .. }
            | Happening::ReportConfirmed { .. }
            | Happening::StepWish { .. }
            | Happening::OrderStated { .. }
            | Happening::PpsOrphaned { .. }
            | Happening::CancelTooLate {}
            | Happening::PartlyRefused { .. }
            | Happening::OrderMentioned { .. }
            | Happening::ExamPerformed { .. } => {}
            Happening::StepStatus { .. } => match event.subject {
                Subject::Exam(exam) if performed_of.contains(&exam) => {}
                subject => {
                    wanted.insert(subject);
                }
            },
            Happening::PatientCreated { .. } => {
                let with_order = |e: &Event| matches!(&e.what, Happening::OrderPlaced { patient, .. } if Subject::Patient(*patient) == event.subject);
                if !events.iter().any(with_order) {
                    wanted.insert(event.subject);
                }
            }
            Happening::PatientMerged { into } => {
                wanted.insert(event.subject);
                wanted.insert(Subject::Patient(*into));
            }
            Happening::ExamUnlinked { performed } => {
                wanted.insert(event.subject);
                wanted.insert(Subject::Performed(*performed));
            }
            Happening::PatientUpdated { .. }
            | Happening::PatientKeysTaken { .. }
            | Happening::OrderPlaced { .. }
            | Happening::OrderChanged { .. }
            | Happening::OrderTombstoned { .. }
            | Happening::OrderHeld { .. }
            | Happening::ExamMoved { .. }
            | Happening::PpsCreated { .. }
            | Happening::PpsSet { .. }
            | Happening::PpsLinked { .. }
            | Happening::PpsUnlinked { .. }
            | Happening::PpsMismatch {}
            | Happening::PpsMoved { .. }
            | Happening::ReportMoved { .. }
            | Happening::ReportReceived { .. } => {
                wanted.insert(event.subject);
            }
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exam::StepStatus;
    use crate::domain::ids::{EventId, JournalId, StepId};
    use crate::domain::performed::PpsStatus;
    use crate::domain::time::{AsOf, Instant, Role};

    fn event(subject: Subject, what: Happening) -> Event {
        Event {
            id: EventId(1),
            subject,
            exam: None,
            journal: JournalId(1),
            at: Instant(0),
            effective: Instant(0),
            what,
        }
    }

    fn status() -> Happening {
        Happening::StepStatus {
            step: StepId(1),
            from: StepStatus::Scheduled,
            to: StepStatus::Started,
            as_of: AsOf {
                at: Instant(0),
                role: Role::Scanner,
                journal: JournalId(1),
            },
            why: String::new(),
        }
    }

    fn check(events: &[(Subject, Happening)], expected: &[&str]) {
        let events: Vec<Event> = events.iter().map(|(s, w)| event(*s, w.clone())).collect();
        let target = TargetPlan {
            name: "hie".to_owned(),
            kind: TargetKind::Fhir,
        };
        let got = plan(&events, &[target]);
        assert!(got.iter().all(|i| i.target == "hie" && i.seq == 0));
        let got: Vec<&str> = got.iter().map(|i| i.subject.as_str()).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn one_subject_is_wanted_once() {
        let patient = Subject::Patient(PatientId(1));
        let exam = Subject::Exam(ExamId(2));
        let performed = Subject::Performed(PerformedId(3));
        let placed = Happening::OrderPlaced {
            patient: PatientId(1),
            keys: vec![],
            sections: vec![],
            steps: vec![],
        };
        let created = Happening::PatientCreated {
            keys: vec![],
            sections: vec![],
        };
        let updated = Happening::PatientUpdated {
            keys: vec![],
            sections: vec![],
        };
        let exam_performed = Happening::ExamPerformed {
            performed: PerformedId(3),
            step: StepId(1),
            status: PpsStatus::InProgress,
            has_images: false,
            as_of: AsOf::never(),
        };
        let set = Happening::PpsSet {
            status: PpsStatus::Completed,
            as_of: AsOf::never(),
            sections: vec![],
            series: None,
        };
        check(&[], &[]);
        check(&[(patient, created.clone())], &["patient/1"]);
        check(&[(patient, created), (exam, placed.clone())], &["exam/2"]);
        check(
            &[(patient, updated), (exam, placed.clone())],
            &["exam/2", "patient/1"],
        );
        check(
            &[
                (performed, set),
                (exam, exam_performed.clone()),
                (exam, status()),
            ],
            &["performed/3"],
        );
        check(
            &[(exam, exam_performed), (exam, placed)],
            &["exam/2", "performed/3"],
        );
        check(&[(exam, status())], &["exam/2"]);
        check(
            &[(patient, Happening::PatientMerged { into: PatientId(9) })],
            &["patient/1", "patient/9"],
        );
    }

    #[test]
    fn what_changes_nothing_is_not_sent() {
        let exam = Subject::Exam(ExamId(2));
        check(&[(exam, Happening::CancelTooLate {})], &[]);
    }

    #[test]
    fn a_subject_reads_back() {
        for subject in [
            Subject::Patient(PatientId(1)),
            Subject::Exam(ExamId(i64::MAX)),
            Subject::Performed(PerformedId(3)),
            Subject::Report(ReportId(4)),
        ] {
            assert_eq!(parse_subject(&subject_text(subject)), Ok(subject));
        }
        for bad in ["", "exam", "exam/", "exam/x", "study/1"] {
            assert_eq!(parse_subject(bad), Err(BadSubject), "{bad}");
        }
    }
}
