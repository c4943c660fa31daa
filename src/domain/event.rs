//! What happened. Events are the only way a document changes (`evolve`), the explanation that operators read, and what is offered
//! to targets. Name, payload and `v` are public: webhooks and the timeline show them.

use super::exam::{Stated, Step, StepStatus};
use super::fields::FieldChange;
use super::ids::{EventId, ExamId, JournalId, Key, PatientId, PerformedId, ReportId, StepId};
use super::performed::{LinkedBy, PerformedStep, PpsStatus, Series};
use super::report::ReportVersion;
use super::time::{AsOf, Instant};
use serde::{Deserialize, Serialize};

/// The document that an event changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Subject {
    Patient(PatientId),
    Exam(ExamId),
    Performed(PerformedId),
    Report(ReportId),
}

impl Subject {
    /// The stored word.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Patient(_) => "patient",
            Self::Exam(_) => "exam",
            Self::Performed(_) => "performed",
            Self::Report(_) => "report",
        }
    }

    /// The document's id.
    pub fn id(self) -> i64 {
        match self {
            Self::Patient(i) => i.0,
            Self::Exam(i) => i.0,
            Self::Performed(i) => i.0,
            Self::Report(i) => i.0,
        }
    }
}

/// Fields of one section that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionChange {
    /// Section of the catalogue.
    pub section: std::borrow::Cow<'static, str>,
    /// For section `step`: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    pub changes: Vec<FieldChange>,
}

/// What happened to the subject. The serde tag is the public event name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Happening {
    #[serde(rename = "patient.created")]
    PatientCreated {
        keys: Vec<Key>,
        sections: Vec<SectionChange>,
    },
    #[serde(rename = "patient.updated")]
    PatientUpdated {
        keys: Vec<Key>,
        sections: Vec<SectionChange>,
    },
    #[serde(rename = "patient.merged")]
    PatientMerged { into: PatientId },
    #[serde(rename = "patient.keys_taken")]
    PatientKeysTaken {
        from: PatientId,
        keys: Vec<Key>,
        /// Those of the keys that a change of identifier retired, and no merge.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        renamed: Vec<Key>,
    },
    /// The same values, said again and later: only their ages advance. Applied to the document, but no public event (see
    /// [`Happening::is_quiet`]).
    #[serde(rename = "record.confirmed")]
    Confirmed { sections: Vec<SectionChange> },
    #[serde(rename = "order.placed")]
    OrderPlaced {
        patient: PatientId,
        keys: Vec<Key>,
        sections: Vec<SectionChange>,
        steps: Vec<Step>,
    },
    #[serde(rename = "order.changed")]
    OrderChanged {
        keys: Vec<Key>,
        sections: Vec<SectionChange>,
        steps: Vec<Step>,
    },
    #[serde(rename = "order.tombstoned")]
    OrderTombstoned {
        patient: PatientId,
        keys: Vec<Key>,
        sections: Vec<SectionChange>,
        status: StepStatus,
        as_of: AsOf,
    },
    /// Known from a report only. `performed` is true if the report implies that the exam took place: an order that comes late does
    /// not reopen it.
    #[serde(rename = "order.mentioned")]
    OrderMentioned {
        patient: PatientId,
        keys: Vec<Key>,
        sections: Vec<SectionChange>,
        performed: bool,
        as_of: AsOf,
    },
    #[serde(rename = "order.held")]
    OrderHeld {
        steps: Vec<StepId>,
        held: bool,
        as_of: AsOf,
    },
    /// Held or released as it was already: only the age advances, quietly.
    #[serde(rename = "order.hold_confirmed")]
    HoldConfirmed {
        steps: Vec<StepId>,
        held: bool,
        as_of: AsOf,
    },
    /// Which step went from where to where; `why` is the act or the performed step.
    #[serde(rename = "step.status")]
    StepStatus {
        step: StepId,
        from: StepStatus,
        to: StepStatus,
        as_of: AsOf,
        why: String,
    },
    /// What RIS and HIS say of a step beside the scanner's truth: kept by age, quietly; `step.status` says if it counts.
    #[serde(rename = "step.wish")]
    StepWish {
        step: StepId,
        wish: Stated<StepStatus>,
    },
    /// What was said of the order as a whole, for steps that come later: quietly, `step.status` says what it did.
    #[serde(rename = "order.stated")]
    OrderStated { status: Stated<StepStatus> },
    /// A placer's wish that came too late, kept for operators.
    #[serde(rename = "order.cancel_too_late")]
    CancelTooLate {},
    /// Some steps did not allow an act that others took: kept for operators.
    #[serde(rename = "order.partly_refused")]
    PartlyRefused { steps: Vec<StepId>, why: String },
    #[serde(rename = "exam.moved")]
    ExamMoved { from: PatientId, to: PatientId },
    #[serde(rename = "pps.moved")]
    PpsMoved { from: PatientId, to: PatientId },
    #[serde(rename = "report.moved")]
    ReportMoved { from: PatientId, to: PatientId },
    #[serde(rename = "exam.performed")]
    ExamPerformed {
        performed: PerformedId,
        step: StepId,
        status: PpsStatus,
        has_images: bool,
        #[serde(default = "AsOf::never")]
        as_of: AsOf,
    },
    #[serde(rename = "exam.unlinked")]
    ExamUnlinked { performed: PerformedId },
    #[serde(rename = "pps.created")]
    PpsCreated { step: Box<PerformedStep> },
    #[serde(rename = "pps.set")]
    PpsSet {
        status: PpsStatus,
        sections: Vec<SectionChange>,
        series: Option<Vec<Series>>,
        #[serde(default = "AsOf::never")]
        as_of: AsOf,
    },
    /// An N-SET that came before its N-CREATE: kept, and applied with it.
    #[serde(rename = "pps.orphaned")]
    PpsOrphaned { step: Box<PerformedStep> },
    #[serde(rename = "pps.linked")]
    PpsLinked {
        patient: PatientId,
        exam: ExamId,
        step: StepId,
        how: LinkedBy,
        #[serde(default)]
        item: usize,
    },
    #[serde(rename = "pps.unlinked")]
    PpsUnlinked { exam: ExamId, step: StepId },
    #[serde(rename = "pps.mismatch")]
    PpsMismatch {},
    #[serde(rename = "report.received")]
    ReportReceived {
        key: Key,
        patient: PatientId,
        exams: Vec<ExamId>,
        version: Box<ReportVersion>,
    },
    /// An older or lower version: kept in the history, not in force.
    #[serde(rename = "report.superseded")]
    ReportSuperseded { version: Box<ReportVersion> },
    /// A version said again: only its age advances, quietly.
    #[serde(rename = "report.confirmed")]
    ReportConfirmed { version: Box<ReportVersion> },
}

impl Happening {
    /// True if it only advances ages: it changes the document, yet is neither stored as an event nor offered to targets.
    pub fn is_quiet(&self) -> bool {
        matches!(
            self,
            Self::Confirmed { .. }
                | Self::HoldConfirmed { .. }
                | Self::StepWish { .. }
                | Self::OrderStated { .. }
                | Self::ReportConfirmed { .. }
        )
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub subject: Subject,
    /// The exam that it concerns, if one does.
    pub exam: Option<ExamId>,
    pub journal: JournalId,
    /// When we recorded it.
    pub at: Instant,
    /// When it took effect by the sender's clock.
    pub effective: Instant,
    pub what: Happening,
}

impl Event {
    /// The public name: the serde tag of [`Happening`].
    pub fn name(&self) -> &'static str {
        match &self.what {
            Happening::PatientCreated { .. } => "patient.created",
            Happening::PatientUpdated { .. } => "patient.updated",
            Happening::PatientMerged { .. } => "patient.merged",
            Happening::PatientKeysTaken { .. } => "patient.keys_taken",
            Happening::Confirmed { .. } => "record.confirmed",
            Happening::OrderPlaced { .. } => "order.placed",
            Happening::OrderChanged { .. } => "order.changed",
            Happening::OrderTombstoned { .. } => "order.tombstoned",
            Happening::OrderMentioned { .. } => "order.mentioned",
            Happening::OrderHeld { .. } => "order.held",
            Happening::HoldConfirmed { .. } => "order.hold_confirmed",
            Happening::StepStatus { .. } => "step.status",
            Happening::StepWish { .. } => "step.wish",
            Happening::OrderStated { .. } => "order.stated",
            Happening::CancelTooLate {} => "order.cancel_too_late",
            Happening::PartlyRefused { .. } => "order.partly_refused",
            Happening::ExamMoved { .. } => "exam.moved",
            Happening::PpsMoved { .. } => "pps.moved",
            Happening::ReportMoved { .. } => "report.moved",
            Happening::ExamPerformed { .. } => "exam.performed",
            Happening::ExamUnlinked { .. } => "exam.unlinked",
            Happening::PpsCreated { .. } => "pps.created",
            Happening::PpsSet { .. } => "pps.set",
            Happening::PpsOrphaned { .. } => "pps.orphaned",
            Happening::PpsLinked { .. } => "pps.linked",
            Happening::PpsUnlinked { .. } => "pps.unlinked",
            Happening::PpsMismatch {} => "pps.mismatch",
            Happening::ReportReceived { .. } => "report.received",
            Happening::ReportSuperseded { .. } => "report.superseded",
            Happening::ReportConfirmed { .. } => "report.confirmed",
        }
    }
}
