//! The only module that speaks SQL: journal, documents, worklist, outbox.
