//! The window: who read what (`audit`), and what lists of exams, performed steps, messages and queries are searched and paged by.
//!
//! Expands only. The new columns of `exam` and `worklist_item` are derived from documents: the writer keeps them with every save, rows
//! of before are filled here.

use crate::ddl;
use crate::sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub struct Window;

impl MigrationName for Window {
    fn name(&self) -> &'static str {
        "m2026_11_23_window"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Window {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        ddl::run(db, STATEMENTS).await?;
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        for (column, field) in [("modalities", "modality"), ("stations", "station_aes")] {
            ddl::run(db, &[&filled(column, field, sqlite)]).await?;
        }
        ddl::run(db, INDEXES).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // Who read or changed what, written before the answer leaves. Ids, never names.
    "CREATE TABLE audit (
        id {id}, at {int} NOT NULL, who {key} NOT NULL, role {key} NOT NULL, peer TEXT NOT NULL, action {key} NOT NULL,
        subject {key} NOT NULL, ids TEXT NOT NULL, filter TEXT NOT NULL, outcome {key} NOT NULL, reason TEXT, n {int} NOT NULL)",
    "CREATE INDEX audit_at ON audit (at)",
    "CREATE INDEX audit_who ON audit (who, id)",
    "CREATE INDEX audit_refused ON audit (outcome, id) WHERE outcome <> 'allowed'",
    // The patients whose data an answer held: who has seen this one?
    "CREATE TABLE audit_patient (patient_id {int} NOT NULL, audit_id {int} NOT NULL, PRIMARY KEY (patient_id, audit_id))",
    "CREATE INDEX audit_patient_audit ON audit_patient (audit_id)",
    // Values of all steps, each between line feeds.
    "ALTER TABLE exam ADD COLUMN modalities TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE exam ADD COLUMN stations TEXT NOT NULL DEFAULT ''",
    // What an open step lacks, as words.
    "ALTER TABLE worklist_item ADD COLUMN missing TEXT NOT NULL DEFAULT ''",
    "UPDATE worklist_item SET missing = TRIM(CASE WHEN modality = '' THEN 'modality ' ELSE '' END || \
        CASE WHEN start IS NULL THEN 'start' ELSE '' END) WHERE modality = '' OR start IS NULL",
];

const INDEXES: &[&str] = &[
    // Covers what a list of exams is filtered by: the documents are read for one page only.
    "CREATE INDEX exam_list ON exam (COALESCE(start, 0), id, status, modalities, stations)",
    "CREATE INDEX exam_list_status ON exam (status, COALESCE(start, 0), id)",
    // Of two columns and covering: with one, SQLite takes the primary key by `kind` alone and reads all accession numbers.
    "DROP INDEX exam_key_accession",
    "CREATE INDEX exam_key_accession ON exam_key (kind, value, exam_id) WHERE kind = 'accession'",
    "CREATE INDEX worklist_item_missing ON worklist_item (exam_id) WHERE missing <> ''",
    "CREATE INDEX performed_list ON performed (COALESCE(started, 0), id)",
    "CREATE INDEX patient_key_value ON patient_key (value)",
    "CREATE INDEX journal_control ON journal (control_id, at) WHERE dir = 'in'",
    "CREATE INDEX journal_reason ON journal (reason, at) WHERE reason IS NOT NULL",
    "CREATE INDEX query_log_last ON query_log (last_at)",
];

/// Fills a list column of `exam` from the documents, as the writer does. `doc` is read as json, not jsonb: that knows no NUL.
fn filled(column: &str, field: &str, sqlite: bool) -> String {
    if sqlite {
        format!(
            "UPDATE exam SET {column} = COALESCE((SELECT char(10) || group_concat(m, char(10)) || char(10) FROM \
             (SELECT DISTINCT json_extract(v.value, '$.t') AS m FROM json_each(exam.doc, '$.steps') s, \
             json_each(s.value, '$.fields.{field}.v') v ORDER BY 1) WHERE m IS NOT NULL), '')"
        )
    } else {
        format!(
            "UPDATE exam SET {column} = COALESCE((SELECT chr(10) || string_agg(m, chr(10) ORDER BY m) || chr(10) FROM \
             (SELECT DISTINCT (v.value ->> 't') COLLATE \"C\" AS m FROM json_array_elements(exam.doc::json -> 'steps') AS s(value), \
             json_array_elements(COALESCE(s.value -> 'fields' -> '{field}' -> 'v', '[]'::json)) AS v(value)) q \
             WHERE m IS NOT NULL), '')"
        )
    }
}
