//! Patient: demographics, identifiers, current visit; survivor of merges.

use super::fields::Fields;
use super::ids::{Key, PatientId};
use serde::{Deserialize, Serialize};

/// One patient. Keys are rows of their own; a merged patient keeps its document, hands its keys over and points at the survivor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    /// Version of this document's form.
    pub v: u8,
    pub id: PatientId,
    /// The survivor, after A40; followed at most once (paths are compressed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<PatientId>,
    /// Section `patient` of the record.
    #[serde(default)]
    pub fields: Fields,
    /// Section `visit`, as the patient administration last said.
    #[serde(default)]
    pub visit: Fields,
    /// Keys that name this patient, aliases included.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// Those of the keys that a merge (A40) or change of id (A47) retired: they still find the patient, but messages under them no
    /// longer speak for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Key>,
    /// Those of the aliases that a change of id (A47) retired: what an order or report says of the patient under one still counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Key>,
}
