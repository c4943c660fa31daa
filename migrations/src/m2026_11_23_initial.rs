//! The first schema.
//!
//! Four documents (patient, exam, performed, report), each one versioned JSON text in a row that is never searched inside; key rows
//! to find them; projections (events, worklist, outbox); and the journal, the evidence. Ids are minted by the application, times are
//! microseconds of UTC, `start` and `started` are the site's wall clock as yyyymmddhhmmss. No foreign keys: one writer keeps the
//! references, and rows are purged in the order of their own retention.

use crate::ddl;
use crate::sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &'static str {
        "m2026_11_23_initial"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Initial {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager.get_connection(), STATEMENTS).await
    }

    /// SQLite would run each statement by itself: half a schema is worse than none.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // The journal: every message in and out, append-only. `once` = 1: a resend of this applied message gets the stored `ack`.
    "CREATE TABLE journal (
        id {id}, at {int} NOT NULL, dir TEXT NOT NULL, port TEXT NOT NULL, link {key} NOT NULL, peer TEXT NOT NULL,
        kind TEXT NOT NULL, control_id {key} NOT NULL, hash {key} NOT NULL, charset TEXT NOT NULL, zone TEXT NOT NULL,
        mapping_rev TEXT NOT NULL, outcome {key} NOT NULL, reason TEXT, detail TEXT, ack {bytes}, cause_id {int},
        body_erased_at {int}, once {int} NOT NULL)",
    "CREATE UNIQUE INDEX journal_once ON journal (link, control_id, hash) WHERE once = 1 AND outcome = 'applied'",
    "CREATE INDEX journal_at ON journal (at)",
    "CREATE INDEX journal_outcome ON journal (outcome, at)",
    "CREATE TABLE journal_body (journal_id {id}, bytes {bytes} NOT NULL)",
    "CREATE TABLE document (
        sha256 {key} PRIMARY KEY NOT NULL, media_type TEXT NOT NULL, size {int} NOT NULL, bytes {bytes} NOT NULL)",
    // Patients.
    "CREATE TABLE patient (id {id}, version {int} NOT NULL, merged_into {int}, doc TEXT NOT NULL)",
    "CREATE INDEX patient_merged ON patient (merged_into) WHERE merged_into IS NOT NULL",
    "CREATE TABLE patient_key (
        kind {key} NOT NULL, issuer {key} NOT NULL, value {key} NOT NULL, patient_id {int} NOT NULL,
        PRIMARY KEY (kind, issuer, value))",
    "CREATE INDEX patient_key_patient ON patient_key (patient_id)",
    // Exams. A key is not unique: one order may have several exams.
    "CREATE TABLE exam (
        id {id}, patient_id {int} NOT NULL, version {int} NOT NULL, status {key} NOT NULL, start {int}, doc TEXT NOT NULL)",
    "CREATE INDEX exam_patient ON exam (patient_id)",
    "CREATE INDEX exam_status ON exam (status, start)",
    "CREATE TABLE exam_key (
        kind {key} NOT NULL, issuer {key} NOT NULL, value {key} NOT NULL, exam_id {int} NOT NULL,
        PRIMARY KEY (kind, issuer, value, exam_id))",
    "CREATE INDEX exam_key_exam ON exam_key (exam_id)",
    // Performed steps.
    "CREATE TABLE performed (
        id {id}, uid {key} NOT NULL, patient_id {int}, study_uid {key}, version {int} NOT NULL, status {key} NOT NULL,
        started {int}, doc TEXT NOT NULL)",
    "CREATE UNIQUE INDEX performed_uid ON performed (uid)",
    "CREATE INDEX performed_patient ON performed (patient_id)",
    "CREATE INDEX performed_study ON performed (study_uid)",
    "CREATE INDEX performed_status ON performed (status, started)",
    // Reports.
    "CREATE TABLE report (
        id {id}, issuer {key} NOT NULL, value {key} NOT NULL, patient_id {int} NOT NULL, version {int} NOT NULL,
        status {key} NOT NULL, doc TEXT NOT NULL)",
    "CREATE UNIQUE INDEX report_key ON report (value, issuer)",
    "CREATE INDEX report_patient ON report (patient_id)",
    // performed -> scheduled step, report -> exam.
    "CREATE TABLE link (
        kind {key} NOT NULL, from_id {int} NOT NULL, to_id {int} NOT NULL, how TEXT NOT NULL,
        PRIMARY KEY (kind, from_id, to_id))",
    "CREATE INDEX link_to ON link (kind, to_id)",
    "CREATE TABLE exam_event (
        id {id}, subject_kind {key} NOT NULL, subject_id {int} NOT NULL, exam_id {int}, journal_id {int} NOT NULL,
        at {int} NOT NULL, effective {int} NOT NULL, kind {key} NOT NULL, v {int} NOT NULL, payload TEXT NOT NULL)",
    "CREATE INDEX exam_event_exam ON exam_event (exam_id, id)",
    "CREATE INDEX exam_event_journal ON exam_event (journal_id)",
    "CREATE INDEX exam_event_subject ON exam_event (subject_kind, subject_id, id)",
    // The worklist: what a query may be narrowed by. Can be dropped and rebuilt from the documents.
    "CREATE TABLE worklist_item (
        step_id {id}, exam_id {int} NOT NULL, patient_id {int} NOT NULL, visible {int} NOT NULL, status TEXT NOT NULL,
        modality {key} NOT NULL, start {int}, performer_fold {key} NOT NULL, accession {key} NOT NULL,
        patient_value {key} NOT NULL, name_fold {key} NOT NULL, rp_id {key} NOT NULL, study_uid {key} NOT NULL)",
    "CREATE INDEX worklist_item_modality ON worklist_item (modality, start)",
    "CREATE INDEX worklist_item_start ON worklist_item (start)",
    "CREATE INDEX worklist_item_accession ON worklist_item (accession)",
    "CREATE INDEX worklist_item_patient_value ON worklist_item (patient_value)",
    "CREATE INDEX worklist_item_name ON worklist_item (name_fold)",
    "CREATE INDEX worklist_item_exam ON worklist_item (exam_id)",
    "CREATE INDEX worklist_item_patient ON worklist_item (patient_id)",
    // station = an AE title, or the pool of a modality: '@CT'.
    "CREATE TABLE worklist_slot (
        station {key} NOT NULL, start {int} NOT NULL, step_id {int} NOT NULL, PRIMARY KEY (station, start, step_id))",
    "CREATE INDEX worklist_slot_step ON worklist_slot (step_id)",
    // Publication. State targets: seq = 0, one row per subject for ever; event targets: seq = the event's id.
    "CREATE TABLE outbox (
        id {id}, target {key} NOT NULL, subject {key} NOT NULL, seq {int} NOT NULL, wanted {int} NOT NULL,
        done {int} NOT NULL, state {key} NOT NULL, due {int} NOT NULL, attempts {int} NOT NULL, lease_token {int},
        leased_until {int}, reason TEXT, detail TEXT)",
    "CREATE UNIQUE INDEX outbox_subject ON outbox (target, subject, seq)",
    "CREATE INDEX outbox_due ON outbox (target, state, due)",
    "CREATE TABLE attempt (
        id {id}, outbox_id {int} NOT NULL, at {int} NOT NULL, ms {int} NOT NULL, outcome TEXT NOT NULL,
        status TEXT NOT NULL, journal_id {int})",
    "CREATE INDEX attempt_outbox ON attempt (outbox_id, id)",
    "CREATE TABLE query_log (
        id {id}, device {key} NOT NULL, keys_hash {key} NOT NULL, keys TEXT NOT NULL, ids_hash {key} NOT NULL,
        ids TEXT NOT NULL, n {int} NOT NULL, us {int} NOT NULL, first_at {int} NOT NULL, last_at {int} NOT NULL,
        count {int} NOT NULL)",
    "CREATE INDEX query_log_device ON query_log (device, last_at)",
    "CREATE TABLE mapping_revision (hash {key} PRIMARY KEY NOT NULL, at {int} NOT NULL, files TEXT NOT NULL, active {int} NOT NULL)",
    "CREATE TABLE node (id {id}, name {key} NOT NULL, seen_at {int} NOT NULL)",
    "CREATE UNIQUE INDEX node_name ON node (name)",
];
