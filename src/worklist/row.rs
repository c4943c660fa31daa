//! The narrowing row of a scheduled step: what SQL may search by. It holds record values only, so that a reloaded mapping changes no
//! row; the item itself is rendered when it is asked for. The table can be dropped and rebuilt to an equal one (invariant 6).

use crate::domain::exam::StepStatus;
use crate::domain::ids::{ExamId, PatientId, StepId};
use crate::domain::time::LocalTime;

/// One row of `worklist_item` with its `worklist_slot` rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub step: StepId,
    pub exam: ExamId,
    pub patient: PatientId,
    /// Open, not held, with a modality and a place on the time axis: slots exist for it.
    pub visible: bool,
    pub status: StepStatus,
    /// (0008,0060); empty = not known: the step is listed as incomplete and shown to nobody.
    pub modality: String,
    /// Start on the wall clock of the site; `None` = unscheduled.
    pub start: Option<LocalTime>,
    /// Scheduled performing physician, folded.
    pub performer_fold: String,
    /// Accession Number value.
    pub accession: String,
    /// Patient ID value.
    pub patient_value: String,
    /// Patient's name, folded by `fold`.
    pub name_fold: String,
    /// Requested Procedure ID.
    pub rp_id: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// AE titles that may take it, or the pool of its modality (`@CT`) when the order names none.
    pub stations: Vec<String>,
    /// What the step lacks, see [`crate::domain::exam::Missing::word`].
    pub missing: Vec<&'static str>,
}
