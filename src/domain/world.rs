//! The working set of a batch: documents that the waiting messages are about, and the one place where commands meet them.
//!
//! `workflow` asks [`Wants::of`] which keys to load, fills a [`World`], gives it each message in order of arrival with
//! [`World::apply`], and stores what is dirty. A refused message leaves no trace in the world.

use super::command::Command;
use super::event::Event;
use super::exam::Exam;
use super::ids::{ExamId, JournalId, Key, Mint, PatientId, PerformedId, ReportId};
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
    /// Patients whose exams must be loaded too (merge).
    pub exams_of: BTreeSet<Key>,
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
        let _ = command;
        Self::default()
    }
}

impl World {
    /// Decides all commands of one message and applies the events; on refusal nothing of the message remains.
    pub fn apply(&mut self, commands: &[Command], cx: &mut Cx<'_>) -> Result<Vec<Event>, Refusal> {
        let _ = (commands, cx);
        Ok(vec![])
    }
}
