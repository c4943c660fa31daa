//! One message while it is decided: the working set, the context, and the events so far. Each event takes effect at once, so that the
//! next command of the message sees it; [`Deciding::undo`] takes all of them back.
//!
//! The decisions themselves stand by noun: `admission`, `order` and `steps`, `mpps` and `linking`, `reports`.

use super::event::{Event, Happening, SectionChange, Subject};
use super::exam::Exam;
use super::fields::{FieldChange, Fields, Patch};
use super::ids::{EventId, ExamId, PatientId, PerformedId, ReportId, StepId};
use super::patient::Patient;
use super::performed::PerformedStep;
use super::report::Report;
use super::world::{Cx, Doc, World};
use std::collections::BTreeMap;

/// A message under decision.
pub(super) struct Deciding<'w, 'c, 'i> {
    pub world: &'w mut World,
    pub cx: &'c mut Cx<'i>,
    pub events: Vec<Event>,
    before: BTreeMap<Subject, Before>,
}

/// A document as it was before the message touched it; `None` = it did not exist.
enum Before {
    Patient(Option<Doc<Patient>>),
    Exam(Option<Doc<Exam>>),
    Performed(Option<Doc<PerformedStep>>),
    Report(Option<Doc<Report>>),
}

impl<'w, 'c, 'i> Deciding<'w, 'c, 'i> {
    pub fn new(world: &'w mut World, cx: &'c mut Cx<'i>) -> Self {
        Self {
            world,
            cx,
            events: vec![],
            before: BTreeMap::new(),
        }
    }

    /// Records that something happened to a document, and lets it.
    pub fn happen(&mut self, subject: Subject, exam: Option<ExamId>, what: Happening) {
        let world = &*self.world;
        self.before.entry(subject).or_insert_with(|| match subject {
            Subject::Patient(id) => Before::Patient(world.patients.get(&id).cloned()),
            Subject::Exam(id) => Before::Exam(world.exams.get(&id).cloned()),
            Subject::Performed(id) => Before::Performed(world.performed.get(&id).cloned()),
            Subject::Report(id) => Before::Report(world.reports.get(&id).cloned()),
        });
        self.world.evolve(subject, &what);
        self.events.push(Event {
            id: EventId(self.cx.ids.next()),
            subject,
            exam,
            journal: self.cx.journal,
            at: self.cx.now,
            effective: self.cx.as_of.at,
            what,
        });
    }

    pub fn happen_to_patient(&mut self, id: PatientId, what: Happening) {
        self.happen(Subject::Patient(id), None, what);
    }

    pub fn happen_to_exam(&mut self, id: ExamId, what: Happening) {
        self.happen(Subject::Exam(id), Some(id), what);
    }

    /// `exam`: the one that the performed step is linked to, if it is.
    pub fn happen_to_performed(&mut self, id: PerformedId, what: Happening) {
        let exam = match &what {
            Happening::PpsLinked { exam, .. } | Happening::PpsUnlinked { exam, .. } => Some(*exam),
            _ => self
                .performed(id)
                .and_then(|p| p.links.first())
                .map(|l| l.exam),
        };
        self.happen(Subject::Performed(id), exam, what);
    }

    pub fn happen_to_report(&mut self, id: ReportId, what: Happening) {
        let exam = match &what {
            Happening::ReportReceived { exams, .. } => exams.first().copied(),
            _ => {
                let report = self.world.reports.get(&id);
                report.and_then(|r| r.doc.exams.first().copied())
            }
        };
        self.happen(Subject::Report(id), exam, what);
    }

    pub fn exam(&self, id: ExamId) -> Option<&Exam> {
        self.world.exams.get(&id).map(|d| &d.doc)
    }

    pub fn performed(&self, id: PerformedId) -> Option<&PerformedStep> {
        self.world.performed.get(&id).map(|d| &d.doc)
    }

    /// Puts every document that the message touched back as it was.
    pub fn undo(self) {
        let world = self.world;
        for subject in self.before.keys() {
            world.forget(*subject);
        }
        let touched: Vec<Subject> = self.before.keys().copied().collect();
        for (subject, before) in self.before {
            match (subject, before) {
                (Subject::Patient(id), Before::Patient(doc)) => put(&mut world.patients, id, doc),
                (Subject::Exam(id), Before::Exam(doc)) => put(&mut world.exams, id, doc),
                (Subject::Performed(id), Before::Performed(doc)) => {
                    put(&mut world.performed, id, doc);
                }
                (Subject::Report(id), Before::Report(doc)) => put(&mut world.reports, id, doc),
                _ => {}
            }
        }
        for subject in touched {
            world.index(subject);
        }
    }
}

fn put<I: Ord, T>(docs: &mut BTreeMap<I, Doc<T>>, id: I, doc: Option<Doc<T>>) {
    match doc {
        Some(doc) => docs.insert(id, doc),
        None => docs.remove(&id),
    };
}

/// Changes of several sections of one document, in the making.
#[derive(Default)]
pub(super) struct Changes {
    pub sections: Vec<SectionChange>,
    /// True if some value differs; else only ages advance.
    pub differs: bool,
}

impl Changes {
    /// Adds what `patch` changes in `stored`, as the merge rule says.
    pub fn merge(
        &mut self,
        section: &'static str,
        step: Option<StepId>,
        stored: &Fields,
        changes: Vec<FieldChange>,
    ) {
        self.differs |= changes.iter().any(|change| stored.differs(change));
        if changes.is_empty() {
            return;
        }
        let same = |s: &&mut SectionChange| s.section == section && s.step == step;
        match self.sections.iter_mut().find(same) {
            Some(found) => found.changes.extend(changes),
            None => self.sections.push(SectionChange {
                section: section.into(),
                step,
                changes,
            }),
        }
    }
}

/// The patch without some of its fields.
pub(super) fn without(patch: &Patch, mut drop: impl FnMut(&str, bool) -> bool) -> Patch {
    let keep = patch.0.iter();
    let keep = keep.filter(|(name, said)| !drop(name, said.values.is_empty()));
    Patch(keep.map(|(n, s)| (n.clone(), s.clone())).collect())
}
