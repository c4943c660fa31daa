//! Report: one report with its versions; a lower status or an older time never overwrites. The versions are the same whatever the order
//! in which they came.

use super::fields::Fields;
use super::ids::{ExamId, Key, PatientId, ReportId};
use super::time::AsOf;
use super::value::Value;
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
    /// Versions in order of rank and age, whatever their order of arrival; the last one is current.
    pub versions: Vec<ReportVersion>,
}

impl Report {
    /// The version in force.
    pub fn current(&self) -> Option<&ReportVersion> {
        self.versions.last()
    }

    /// The stored version of the same status and content.
    pub fn same(&self, version: &ReportVersion) -> Option<&ReportVersion> {
        self.versions.iter().find(|v| same_content(v, version))
    }

    /// Takes a version in at its place; one that is known advances its age.
    pub fn take(&mut self, version: &ReportVersion) {
        match self.versions.iter_mut().find(|v| same_content(v, version)) {
            Some(known) => known.as_of = known.as_of.max(version.as_of),
            None => self.versions.push(version.clone()),
        }
        self.versions.sort_by_key(ReportVersion::age);
    }
}

impl ReportVersion {
    /// What decides which version is in force: rank, then age.
    pub fn age(&self) -> (u8, AsOf) {
        (self.status.rank(), self.as_of)
    }
}

fn same_content(a: &ReportVersion, b: &ReportVersion) -> bool {
    let all = a.documents.iter().zip(&b.documents);
    a.status == b.status
        && same_fields(&a.fields, &b.fields)
        && a.documents.len() == b.documents.len()
        && { all }.all(|(a, b)| same_fields(a, b))
}

/// The same values; documents are compared by hash, since stored ones have left their bytes.
fn same_fields(a: &Fields, b: &Fields) -> bool {
    let same = |a: &Value, b: &Value| match (a, b) {
        (Value::Document(a), Value::Document(b)) => {
            (&a.sha256, &a.media_type) == (&b.sha256, &b.media_type)
        }
        (a, b) => a == b,
    };
    a.0.len() == b.0.len()
        && a.0
            .iter()
            .zip(&b.0)
            .all(|((name, field), (other, theirs))| {
                let values = field.values.iter().zip(theirs.values.iter());
                name == other && field.values.len() == theirs.values.len() && { values }
                    .all(|(a, b)| same(a, b))
            })
}
