//! Report: one report with its versions; a lower status or an older time never overwrites.

use super::fields::Fields;
use super::ids::{ExamId, Key, PatientId, ReportId};
use super::time::AsOf;
use serde::{Deserialize, Serialize};

/// Status of a report: FHIR's words (DiagnosticReport.status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    Registered,
    Partial,
    Preliminary,
    Final,
    Amended,
    Corrected,
    Appended,
    Cancelled,
    EnteredInError,
}

impl ReportStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Registered,
        Self::Partial,
        Self::Preliminary,
        Self::Final,
        Self::Amended,
        Self::Corrected,
        Self::Appended,
        Self::Cancelled,
        Self::EnteredInError,
    ];

    /// The word of `record::REPORT_STATUS`.
    pub fn word(self) -> &'static str {
        super::record::REPORT_STATUS[self as usize]
    }

    /// The status of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    /// Rank: a version of lower rank never overwrites one of higher rank; equal ranks go by age.
    pub fn rank(self) -> u8 {
        match self {
            Self::Registered => 0,
            Self::Partial => 1,
            Self::Preliminary => 2,
            Self::Final => 3,
            Self::Amended | Self::Corrected | Self::Appended => 4,
            Self::Cancelled | Self::EnteredInError => 5,
        }
    }
}

/// One version, as one message carried it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportVersion {
    pub status: ReportStatus,
    pub as_of: AsOf,
    /// Section `report`.
    pub fields: Fields,
    /// Section `document` of each document.
    #[serde(default)]
    pub documents: Vec<Fields>,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this document's form.
    pub v: u8,
    pub id: ReportId,
    /// Its own key (kind `report`).
    pub key: Key,
    pub patient: PatientId,
    /// Exams that it answers.
    pub exams: Vec<ExamId>,
    /// Versions in order of acceptance; the last one is current.
    pub versions: Vec<ReportVersion>,
}

impl Report {
    /// The version in force.
    pub fn current(&self) -> Option<&ReportVersion> {
        self.versions.last()
    }
}
