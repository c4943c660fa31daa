//! PerformedStep: one Modality Performed Procedure Step (PS3.4 Annex F), the scanner's truth.

use super::fields::Fields;
use super::ids::{ExamId, PatientId, PerformedId, StepId};
use super::time::AsOf;
use serde::{Deserialize, Serialize};

/// Status of a performed step (0040,0252).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PpsStatus {
    InProgress,
    Completed,
    Discontinued,
}

impl PpsStatus {
    /// The word of `record::PPS_STATUS`.
    pub fn word(self) -> &'static str {
        super::record::PPS_STATUS[self as usize]
    }

    /// True if the step never changes again (PS3.4 F.7.2.2).
    pub fn is_final(self) -> bool {
        self != Self::InProgress
    }
}

/// How an item of the Scheduled Step Attributes Sequence found its step (ihe-dicom 4.4): stored in `link.how`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkedBy {
    /// Study UID and SPS ID.
    StudyAndStep,
    /// Accession Number and SPS ID.
    AccessionAndStep,
    /// Requested Procedure ID and SPS ID.
    ProcedureAndStep,
    /// Study UID with a single step.
    Study,
    /// Accession Number with a single step in that modality.
    Accession,
}

impl LinkedBy {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::StudyAndStep => "study+step",
            Self::AccessionAndStep => "accession+step",
            Self::ProcedureAndStep => "procedure+step",
            Self::Study => "study",
            Self::Accession => "accession",
        }
    }
}

/// A performed step's link to a scheduled one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLink {
    pub exam: ExamId,
    pub step: StepId,
    pub how: LinkedBy,
    /// Which item of the Scheduled Step Attributes Sequence found it, from 0.
    #[serde(default)]
    pub item: usize,
}

/// One item of the Performed Series Sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Section `series`.
    pub fields: Fields,
    /// Section `instance` of each referenced SOP instance, images and others alike.
    #[serde(default)]
    pub instances: Vec<Fields>,
}

/// One performed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerformedStep {
    /// Version of this document's form.
    pub v: u8,
    pub id: PerformedId,
    /// SOP Instance UID: its key.
    pub uid: String,
    /// The patient of the linked exam, else the one that the scanner named, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<PatientId>,
    /// Study UID that its images bear: the one of the first scheduled-step item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study_uid: Option<String>,
    pub status: PpsStatus,
    /// AE title that created it.
    pub ae: String,
    /// Section `performed_step`.
    pub fields: Fields,
    /// Section `link` of each Scheduled Step Attributes item, as sent.
    #[serde(default)]
    pub scheduled: Vec<Fields>,
    /// The scheduled steps it was linked to; empty = unscheduled, or the link was undone (110514).
    #[serde(default)]
    pub links: Vec<StepLink>,
    #[serde(default)]
    pub series: Vec<Series>,
    /// True if the scanner named another patient than its order: never linked silently.
    #[serde(default)]
    pub mismatch: bool,
    /// True while only N-SETs came: its N-CREATE is awaited, and they take effect with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub orphan: bool,
    /// Age of the last word: its arrival.
    #[serde(default = "AsOf::never")]
    pub as_of: AsOf,
}

impl PerformedStep {
    /// True if its series name at least one instance.
    pub fn has_images(&self) -> bool {
        self.series.iter().any(|s| !s.instances.is_empty())
    }

    /// True if some of its scheduled-step items found no step yet: an order that comes later may bring it. A wrong worklist entry
    /// (110514) was unlinked for good.
    pub fn is_waiting(&self) -> bool {
        !self.orphan
            && !self.is_withdrawn()
            && (0..self.scheduled.len()).any(|item| self.is_open(item))
    }

    /// True once it was discontinued because the wrong worklist entry was selected: it performs no scheduled step.
    pub fn is_withdrawn(&self) -> bool {
        self.status == PpsStatus::Discontinued && self.is_wrong_entry()
    }

    /// True if no step was found for this item yet.
    pub fn is_open(&self, item: usize) -> bool {
        self.links.iter().all(|link| link.item != item)
    }

    /// The discontinuation reason's code is 110514 "Incorrect worklist entry selected" (CID 9300).
    pub fn is_wrong_entry(&self) -> bool {
        self.fields.text("discontinuation_reason") == Some("110514")
    }
}
