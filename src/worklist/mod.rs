//! Modality Worklist: projection of exams, query keys, matching. Pure.

pub mod row;
