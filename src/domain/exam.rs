//! Exam: one Requested Procedure with its scheduled steps, the only invented noun of Relais.

use super::fields::Fields;
use super::ids::{ExamId, Key, PatientId, PerformedId, StepId};
use super::performed::PpsStatus;
use super::time::AsOf;
use super::value::Value;
use serde::{Deserialize, Serialize};

/// Status of a scheduled step: DICOM's terms (PS3.3 C.4.10, 0040,0020) and the final ones that never go on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Scheduled,
    Arrived,
    Ready,
    Started,
    Completed,
    Discontinued,
    Canceled,
}

impl StepStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Arrived,
        Self::Ready,
        Self::Started,
        Self::Completed,
        Self::Discontinued,
        Self::Canceled,
    ];

    /// The word of `record::STEP_STATUS`.
    pub fn word(self) -> &'static str {
        super::record::STEP_STATUS[self as usize]
    }

    /// True if no message of a RIS/HIS may change it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Discontinued | Self::Canceled)
    }
}

/// A status with the age of the statement that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated<T> {
    #[serde(rename = "v")]
    pub value: T,
    #[serde(rename = "t")]
    pub as_of: AsOf,
    /// What RIS and HIS said last, of a start or an end that was said several times: of two ends the first stands, yet one that is said
    /// after the scanner had begun counts anew, whichever of the three comes first. A cancel and a discontinue are one end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<(T, AsOf)>,
}

impl<T: Copy> Stated<T> {
    /// Said once.
    pub fn new(value: T, as_of: AsOf) -> Self {
        Self {
            value,
            as_of,
            again: None,
        }
    }

    /// What was said last, and when.
    pub fn last(&self) -> (T, AsOf) {
        self.again.unwrap_or((self.value, self.as_of))
    }

    /// When it was last said.
    pub fn last_said(&self) -> AsOf {
        self.last().1
    }
}

/// One Scheduled Procedure Step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    /// Scheduled Procedure Step ID on the wire (SH 16): the sender's, else minted once.
    pub sps_id: String,
    pub status: Stated<StepStatus>,
    /// What RIS and HIS said of the status, by age, once the scanner has spoken too: the scanner's truth stands beside it and wins,
    /// see `transitions::effective`. `None` = the status itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Stated<StepStatus>>,
    /// Held back by the RIS (HD): hidden from worklists, no DICOM status.
    pub held: Stated<bool>,
    /// Section `step` of the record.
    pub fields: Fields,
}

/// What an exam knows of a performed step that refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformedRef {
    pub id: PerformedId,
    /// The step that it performs.
    pub step: StepId,
    pub status: PpsStatus,
    /// True if its series name at least one instance.
    pub has_images: bool,
    /// When the scanner last said so: on arrival, its clock decides nothing.
    #[serde(default = "AsOf::never")]
    pub as_of: AsOf,
}

/// One Requested Procedure with its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exam {
    /// Version of this document's form.
    pub v: u8,
    pub id: ExamId,
    pub patient: PatientId,
    /// What was said of the order as a whole and outlives its steps: a cancel, completion or start, or a report that came before
    /// its order. Steps that come later but were said before are born in this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstone: Option<Stated<StepStatus>>,
    /// Section `order`.
    #[serde(default)]
    pub order: Fields,
    /// Section `procedure`; `id` and `study_instance_uid` are always filled once steps exist.
    #[serde(default)]
    pub procedure: Fields,
    /// Section `visit`, as the order said.
    #[serde(default)]
    pub visit: Fields,
    /// Section `schedule`: the appointment.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub schedule: Fields,
    /// Section `extra`.
    #[serde(default)]
    pub extra: Fields,
    #[serde(default)]
    pub steps: Vec<Step>,
    #[serde(default)]
    pub performed: Vec<PerformedRef>,
    /// Keys that name this exam.
    #[serde(default)]
    pub keys: Vec<Key>,
}

/// Status of an exam: derived from its steps, never stored by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExamStatus {
    /// Only known from a report or a cancel: no steps.
    Mentioned,
    Scheduled,
    Held,
    Started,
    Completed,
    Discontinued,
    Canceled,
}

impl ExamStatus {
    /// The stored and shown word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mentioned => "mentioned",
            Self::Scheduled => "scheduled",
            Self::Held => "held",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Discontinued => "discontinued",
            Self::Canceled => "canceled",
        }
    }
}

/// Something that a worklist item wants and the exam does not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// Patient's Name (0010,0010).
    PatientName,
    /// Neither code nor description of the Requested Procedure.
    Procedure,
    /// Modality (0008,0060): the step is on no worklist.
    Modality(StepId),
    /// Start (0040,0002), or its time of day (0040,0003): the step is on no worklist.
    Start(StepId),
    /// Station (0040,0001): the step is offered to the pool of its modality.
    Station(StepId),
}

impl Missing {
    /// True if the step cannot be shown without it; a missing station only widens who sees it.
    pub fn hides(self) -> bool {
        matches!(self, Self::Modality(_) | Self::Start(_))
    }

    /// The stored and shown word.
    pub fn word(self) -> &'static str {
        match self {
            Self::PatientName => "patient_name",
            Self::Procedure => "procedure",
            Self::Modality(_) => "modality",
            Self::Start(_) => "start",
            Self::Station(_) => "station",
        }
    }

    /// The step that lacks it; `None` = the whole exam.
    pub fn step(self) -> Option<StepId> {
        match self {
            Self::PatientName | Self::Procedure => None,
            Self::Modality(step) | Self::Start(step) | Self::Station(step) => Some(step),
        }
    }
}

impl Step {
    /// What RIS and HIS said of the status.
    pub fn wish(&self) -> Stated<StepStatus> {
        self.wish.unwrap_or(self.status)
    }

    /// The Scheduled Procedure Step ID as a sender stated it; `None` while it is ours.
    pub fn stated_id(&self) -> Option<&str> {
        self.fields.text("id")
    }
}

impl Exam {
    /// The exam's status, from its steps: any started beats any open beats the best final one.
    pub fn status(&self) -> ExamStatus {
        let any = |wanted: fn(&Step) -> bool| self.steps.iter().any(wanted);
        if self.steps.is_empty() {
            return match self.tombstone {
                Some(t) => match t.value {
                    StepStatus::Started => ExamStatus::Started,
                    StepStatus::Completed => ExamStatus::Completed,
                    StepStatus::Discontinued => ExamStatus::Discontinued,
                    _ => ExamStatus::Canceled,
                },
                None => ExamStatus::Mentioned,
            };
        }
        if any(|s| s.status.value == StepStatus::Started) {
            ExamStatus::Started
        } else if any(|s| !s.status.value.is_final() && !s.held.value) {
            ExamStatus::Scheduled
        } else if any(|s| !s.status.value.is_final()) {
            ExamStatus::Held
        } else if any(|s| s.status.value == StepStatus::Completed) {
            ExamStatus::Completed
        } else if any(|s| s.status.value == StepStatus::Discontinued) {
            ExamStatus::Discontinued
        } else {
            ExamStatus::Canceled
        }
    }

    /// The Study Instance UID (0020,000D), once assigned.
    pub fn study_uid(&self) -> Option<&str> {
        self.procedure.text("study_instance_uid")
    }

    /// What keeps the exam from being complete on a worklist, step by step (C6, C7a): accepted all the same, listed as incomplete.
    pub fn missing(&self, patient: &super::patient::Patient) -> Vec<Missing> {
        let mut missing = Vec::new();
        if patient.fields.first("name").is_none() {
            missing.push(Missing::PatientName);
        }
        if self.procedure.first("code").is_none() && self.procedure.first("description").is_none() {
            missing.push(Missing::Procedure);
        }
        for step in self.steps.iter().filter(|s| !s.status.value.is_final()) {
            let wanted = [
                ("modality", Missing::Modality(step.id)),
                ("start", Missing::Start(step.id)),
                ("station_aes", Missing::Station(step.id)),
            ];
            // A start without time of day has no value for a type 1 attribute (0040,0003), and none is made up (B6).
            let absent = |name: &str| match step.fields.first(name) {
                None => true,
                Some(Value::When(when)) => when.time().is_none(),
                Some(_) => false,
            };
            missing.extend(
                wanted
                    .into_iter()
                    .filter(|(n, _)| absent(n))
                    .map(|(_, m)| m),
            );
        }
        missing
    }

    /// When a scanner last spoke of a step; `None` if no performed step refers to it.
    pub fn last_word(&self, step: &Step) -> Option<AsOf> {
        let of_step = self.performed.iter().filter(|r| r.step == step.id);
        of_step.map(|r| r.as_of).max()
    }

    /// The step of an id.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.iter().find(|s| s.id == id)
    }
}
