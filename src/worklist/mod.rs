//! Modality Worklist: projection of exams, query keys, matching. Pure.
//!
//! A query runs in two halves: [`keys::Query::narrow`] names what SQL may narrow by, which may return too much and never too little;
//! [`matching::verdicts`] decides on the rendered item, one verdict per key, which is also the answer to "why not".
//! Standard: PS3.4 Annex K; matching rules C.2.2.2.

pub mod fold;
pub mod keys;
pub mod matching;
pub mod project;
pub mod row;
pub mod scope;

pub use project::project;
