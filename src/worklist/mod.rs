//! Modality Worklist: projection of exams, query keys, matching, all pure; and [`seen`], which answers a query from the store.
//!
//! A query runs in two halves: SQL narrows by an index, which may return too much and never too little; [`matching::verdicts`]
//! decides on the rendered item, one verdict per key. [`gates`] walks everything that may keep a step off a list, which is also the
//! answer to "why not".
//! Standard: PS3.4 Annex K; matching rules C.2.2.2.

pub mod cache;
pub mod device;
pub mod fold;
pub mod gates;
pub mod keys;
pub mod matching;
pub mod project;
pub mod row;
pub mod scope;
pub mod seen;
pub mod walk;
pub mod why_not;
pub mod words;

pub use project::project;
