//! The medical record that Relais keeps, and every decision about it. Pure: no I/O, no clock, nothing of ours imported.
//!
//! One file per noun. Values of the record ([`value`]) are declared field by field in one catalogue ([`record`]); the four
//! documents ([`patient`], [`exam`], [`performed`], [`report`]) hold them as [`fields`] that are merged one by one; a message
//! becomes [`command`]s, which [`world`] turns into [`event`]s over a working set of documents ([`evolve`]). Decisions stand by noun:
//! [`admission`] (patients), [`matching`], [`order`] and [`steps`], [`mpps`] and [`linking`], [`reports`]; [`transitions`] is the table
//! of a step's status.
//!
//! Messages that differ only in their order of arrival end in the same exam (`testing::properties`). The exceptions, all of them:
//! statements of the same time and role (the later arrival wins); two final acts that contradict each other (the first to arrive
//! stands: final is terminal for a RIS); a cancel stated before the order that it names (kept if it comes first, late if it comes
//! second); an order number that is cancelled and then placed anew; values that Relais generates, until a sender states them;
//! demographics that only orders and reports state (the first one creates the patient).

pub mod admission;
pub mod command;
mod deciding;
pub mod event;
pub mod evolve;
pub mod exam;
pub mod fields;
pub mod ids;
pub mod keys;
pub mod linking;
pub mod matching;
pub mod mpps;
pub mod node;
pub mod order;
pub mod patient;
pub mod performed;
pub mod policy;
pub mod reason;
pub mod record;
pub mod report;
pub mod reports;
pub mod steps;
pub mod study_uid;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod transitions;
pub mod value;
pub mod world;
