//! The medical record that Relais keeps, and every decision about it. Pure: no I/O, no clock, nothing of ours imported.
//!
//! One file per noun. Values of the record ([`value`]) are declared field by field in one catalogue ([`record`]); the four
//! documents ([`patient`], [`exam`], [`performed`], [`report`]) hold them as [`fields`] that are merged one by one; a message
//! becomes [`command`]s, which [`world`] turns into [`event`]s over a working set of documents.

pub mod command;
pub mod event;
pub mod exam;
pub mod fields;
pub mod ids;
pub mod node;
pub mod patient;
pub mod performed;
pub mod policy;
pub mod reason;
pub mod record;
pub mod report;
pub mod time;
pub mod value;
pub mod world;
