//! The working set of a batch: documents that the waiting messages are about, and the one place where commands meet them.
//!
//! `workflow` asks [`Wants::of`] which keys to load, fills a [`World`] through its `insert_*` functions, gives it each message in order
//! of arrival with [`World::apply`], and stores what is dirty. A refused message leaves no trace in the world.

use super::command::{Command, PatientAct, Record};
use super::deciding::Deciding;
use super::event::{Event, Happening, Subject};
use super::evolve;
use super::exam::Exam;
use super::ids::{ExamId, JournalId, Key, KeyKind, Mint, PatientId, PerformedId, ReportId};
use super::keys::{self, Numbers};
use super::patient::Patient;
use super::performed::PerformedStep;
use super::policy::Policy;
use super::reason::Refusal;
use super::report::Report;
use super::time::{AsOf, Instant};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

/// A document with what the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc<T> {
    pub doc: T,
    /// Version of the stored row; 0 = not stored yet. A flush writes `stored + 1`.
    pub stored: i64,
    /// Changed since it was loaded.
    pub dirty: bool,
}

/// What must be loaded before a batch of commands can be decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Patients, exams and reports by natural key. (Exams bring their patient and performed steps along; patients bring nothing.)
    pub keys: BTreeSet<Key>,
    /// Performed steps by SOP Instance UID; they bring the exams they are linked to.
    pub performed: BTreeSet<String>,
    /// Patients of whom everything must be loaded (merge, arrival): their exams, performed steps and reports, and the patients that
    /// were merged into them.
    pub exams_of: BTreeSet<Key>,
    /// Accession numbers that a scanner states without issuer: the exams that any issuer gave them to.
    pub accessions: BTreeSet<String>,
    /// True if an exam may gain numbers, steps or its patient's other name: performed steps that wait for it are wanted too.
    pub waiting: bool,
}

/// Everything that deciding one message depends on, beside the documents.
pub struct Cx<'a> {
    pub now: Instant,
    pub as_of: AsOf,
    pub journal: JournalId,
    /// Zone of the link: gives zone-less times their place.
    pub zone: &'a TimeZone,
    /// Root under which our own study UIDs are derived.
    pub oid_root: &'a str,
    pub policy: Policy,
    pub ids: &'a mut dyn Mint,
}

/// The working set.
#[derive(Debug, Default)]
pub struct World {
    pub patients: BTreeMap<PatientId, Doc<Patient>>,
    pub exams: BTreeMap<ExamId, Doc<Exam>>,
    pub performed: BTreeMap<PerformedId, Doc<PerformedStep>>,
    pub reports: BTreeMap<ReportId, Doc<Report>>,
    /// Natural keys of patients; one key names one patient.
    pub patient_keys: BTreeMap<Key, PatientId>,
    /// Natural keys of exams; one key may name several (one order, n exams).
    pub exam_keys: BTreeMap<Key, BTreeSet<ExamId>>,
    /// Performed steps by SOP Instance UID.
    pub performed_uids: BTreeMap<String, PerformedId>,
    /// Reports by key.
    pub report_keys: BTreeMap<Key, ReportId>,
}

impl Wants {
    /// The keys that a command may touch.
    pub fn of(command: &Command) -> Self {
        let record = command.record();
        let mut wants = Self::default();
        let patient = record.section("patient");
        wants.keys.extend(keys::patient_all(patient));
        wants.keys.extend(Numbers::said(record).all().cloned());
        match command {
            Command::Patient(act, _) => {
                let merged = keys::patient_merged(patient);
                wants.keys.extend(merged.iter().cloned());
                if matches!(
                    act,
                    PatientAct::Merge | PatientAct::ChangeId | PatientAct::Arrive
                ) {
                    wants.exams_of.extend(keys::patient_all(patient));
                    wants.exams_of.extend(merged);
                    wants.waiting = true;
                }
            }
            Command::Order(..) => wants.waiting = true,
            Command::CreatePerformed { uid, .. } => {
                wants.performed.insert(uid.clone());
                wants.performed_step(record);
            }
            Command::SetPerformed { uid, .. } => {
                wants.performed.insert(uid.clone());
            }
            Command::Report(_) => {
                let report = record.section("report");
                wants.keys.extend(keys::of_report(report));
                wants.keys.extend(keys::report_links(report).concat());
            }
        }
        wants
    }

    /// What the scanner names its patient and its scheduled steps by.
    fn performed_step(&mut self, record: &Record) {
        let step = record.section("performed_step");
        self.keys.extend(keys::performed_patient(step));
        for key in record
            .list("link")
            .iter()
            .flat_map(|link| keys::of_link(link.section("link")))
        {
            if key.kind == KeyKind::Accession && key.issuer.is_empty() {
                self.accessions.insert(key.value.clone());
            }
            self.keys.insert(key);
        }
    }

    /// Adds what another command wants.
    pub fn add(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.performed.extend(other.performed);
        self.exams_of.extend(other.exams_of);
        self.accessions.extend(other.accessions);
        self.waiting |= other.waiting;
    }
}

impl World {
    /// Decides all commands of one message, each seeing what the ones before it did, and applies the events; on refusal nothing of the
    /// message remains. Returns the events to store and offer; a message that changes nothing returns none.
    pub fn apply(&mut self, commands: &[Command], cx: &mut Cx<'_>) -> Result<Vec<Event>, Refusal> {
        let mut events = self.apply_all(commands, cx)?;
        events.retain(|event| !event.what.is_quiet());
        Ok(events)
    }

    /// As [`World::apply`], with the quiet events too: folding them gives the documents.
    pub(super) fn apply_all(
        &mut self,
        commands: &[Command],
        cx: &mut Cx<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let mut deciding = Deciding::new(self, cx);
        for command in commands {
            let decided = match command {
                Command::Patient(act, record) => deciding.patient(*act, record),
                Command::Order(act, record) => deciding.order(*act, record),
                Command::CreatePerformed { uid, ae, record } => {
                    deciding.create_performed(uid, ae, record)
                }
                Command::SetPerformed { uid, record } => deciding.set_performed(uid, record),
                Command::Report(record) => deciding.report(record),
            };
            if let Err(refusal) = decided {
                deciding.undo();
                return Err(refusal);
            }
        }
        Ok(deciding.events)
    }

    /// Takes in a stored patient. A merged one has no keys.
    pub fn insert_patient(&mut self, doc: Patient, stored: i64) {
        let id = doc.id;
        self.patients.entry(id).or_insert(Doc::loaded(doc, stored));
        self.index(Subject::Patient(id));
    }

    /// Takes in a stored exam.
    pub fn insert_exam(&mut self, doc: Exam, stored: i64) {
        let id = doc.id;
        self.exams.entry(id).or_insert(Doc::loaded(doc, stored));
        self.index(Subject::Exam(id));
    }

    /// Takes in a stored performed step.
    pub fn insert_performed(&mut self, doc: PerformedStep, stored: i64) {
        let id = doc.id;
        self.performed.entry(id).or_insert(Doc::loaded(doc, stored));
        self.index(Subject::Performed(id));
    }

    /// Takes in a stored report.
    pub fn insert_report(&mut self, doc: Report, stored: i64) {
        let id = doc.id;
        self.reports.entry(id).or_insert(Doc::loaded(doc, stored));
        self.index(Subject::Report(id));
    }

    /// The patient that a key names; a merged one gives its survivor.
    pub fn patient_of(&self, key: &Key) -> Option<PatientId> {
        self.patient_keys.get(key).map(|id| self.survivor(*id))
    }

    /// The patient itself, or who it was merged into: one step, since paths are compressed.
    pub fn survivor(&self, id: PatientId) -> PatientId {
        let merged = self.patients.get(&id).and_then(|p| p.doc.merged_into);
        merged.unwrap_or(id)
    }

    /// The exams that a key names.
    pub fn exams_of(&self, key: &Key) -> impl Iterator<Item = &Exam> {
        let ids = self.exam_keys.get(key).into_iter().flatten();
        ids.filter_map(|id| self.exams.get(id)).map(|d| &d.doc)
    }

    /// Applies an event to its document and keeps the indexes true.
    pub(super) fn evolve(&mut self, subject: Subject, what: &Happening) {
        match subject {
            Subject::Patient(id) => {
                self.forget(subject);
                step(&mut self.patients, id, |doc| evolve::patient(doc, id, what));
            }
            Subject::Exam(id) => step(&mut self.exams, id, |doc| evolve::exam(doc, id, what)),
            Subject::Performed(id) => {
                step(&mut self.performed, id, |doc| {
                    evolve::performed(doc, id, what)
                });
            }
            Subject::Report(id) => {
                step(&mut self.reports, id, |doc| evolve::report(doc, id, what));
            }
        }
        self.index(subject);
    }

    /// Enters a document's keys into the indexes.
    pub(super) fn index(&mut self, subject: Subject) {
        match subject {
            Subject::Patient(id) => {
                for key in self.patients.get(&id).map_or(&[][..], |d| &d.doc.keys) {
                    self.patient_keys.insert(key.clone(), id);
                }
            }
            Subject::Exam(id) => {
                for key in self.exams.get(&id).map_or(&[][..], |d| &d.doc.keys) {
                    if let Some(ids) = self.exam_keys.get_mut(key) {
                        ids.insert(id);
                    } else {
                        self.exam_keys.insert(key.clone(), BTreeSet::from([id]));
                    }
                }
            }
            Subject::Performed(id) => {
                if let Some(d) = self.performed.get(&id) {
                    self.performed_uids.insert(d.doc.uid.clone(), id);
                }
            }
            Subject::Report(id) => {
                if let Some(d) = self.reports.get(&id) {
                    self.report_keys.insert(d.doc.key.clone(), id);
                }
            }
        }
    }

    /// Takes a document's keys out of the indexes.
    pub(super) fn forget(&mut self, subject: Subject) {
        match subject {
            Subject::Patient(id) => {
                for key in self.patients.get(&id).map_or(&[][..], |d| &d.doc.keys) {
                    if self.patient_keys.get(key) == Some(&id) {
                        self.patient_keys.remove(key);
                    }
                }
            }
            Subject::Exam(id) => {
                for key in self.exams.get(&id).map_or(&[][..], |d| &d.doc.keys) {
                    if let Some(ids) = self.exam_keys.get_mut(key) {
                        ids.remove(&id);
                        if ids.is_empty() {
                            self.exam_keys.remove(key);
                        }
                    }
                }
            }
            Subject::Performed(id) => {
                if let Some(d) = self.performed.get(&id) {
                    self.performed_uids.remove(&d.doc.uid);
                }
            }
            Subject::Report(id) => {
                if let Some(d) = self.reports.get(&id) {
                    self.report_keys.remove(&d.doc.key);
                }
            }
        }
    }
}

impl<T> Doc<T> {
    /// A document as the store holds it.
    pub fn loaded(doc: T, stored: i64) -> Self {
        Self {
            doc,
            stored,
            dirty: false,
        }
    }
}

fn step<I: Ord, T>(
    docs: &mut BTreeMap<I, Doc<T>>,
    id: I,
    evolve: impl FnOnce(Option<T>) -> Option<T>,
) {
    let (doc, stored) = match docs.remove(&id) {
        Some(d) => (Some(d.doc), d.stored),
        None => (None, 0),
    };
    if let Some(doc) = evolve(doc) {
        docs.insert(
            id,
            Doc {
                doc,
                stored,
                dirty: true,
            },
        );
    }
}
