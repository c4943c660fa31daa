//! Named choices that a site makes. Link > site > built-in; each is an enum, never a boolean.

use serde::{Deserialize, Serialize};

/// A cancel, change or status for an order that nobody announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownOrder {
    /// Keep keys and state, so that the late order lands in the right state.
    #[default]
    Tombstone,
    /// AE 204.
    Refuse,
}

/// A step without Study Instance UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingStudyUid {
    /// Derived from the site's root and the order's numbers: stable, stored once.
    #[default]
    Generate,
    /// AE 101.
    Reject,
}

/// A placer's cancel request for an exam that has started (CA on an order feed).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelAfterStart {
    /// AE 207 with text: the scanner's truth wins.
    #[default]
    Refuse,
    /// Accepted without effect, with an event that operators see.
    Flag,
}

/// A performed step discontinued without images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscontinuedWithoutImages {
    /// The scheduled step returns to the worklist.
    #[default]
    Reschedule,
    /// The scheduled step is discontinued.
    Discontinue,
}

/// An N-CREATE for a SOP Instance UID that exists already with the same content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateMpps {
    /// 0111H, as the standard says.
    #[default]
    Refuse,
    /// 0000H, for scanners that repeat after a lost response.
    Accept,
}

/// What an N-CREATE or N-SET may leave out or say beyond PS3.4 F.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MppsConformance {
    /// Everything that can be stored is taken.
    #[default]
    Lenient,
    /// 0106, 0120 and 0112 as the standard says; nothing is kept for later.
    Strict,
}

/// The choices in force for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    pub unknown_order: UnknownOrder,
    pub missing_study_uid: MissingStudyUid,
    pub cancel_after_start: CancelAfterStart,
    pub discontinued_without_images: DiscontinuedWithoutImages,
    pub duplicate_mpps: DuplicateMpps,
    pub mpps: MppsConformance,
}
