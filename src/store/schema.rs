//! The tables as data: what the canonical dump prints, and in which order. A test holds it against the migrated schema.

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Text,
    Bytes,
}

/// One table: name, columns, and the columns that order its rows.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Type)],
    pub(super) order: &'static str,
}

use Type::{Bytes, Int, Text};

const fn table(
    name: &'static str,
    order: &'static str,
    columns: &'static [(&'static str, Type)],
) -> Table {
    Table {
        name,
        columns,
        order,
    }
}

/// Every table, in the order of the migrations.
pub(super) const TABLES: &[Table] = &[
    table(
        "journal",
        "id",
        &[
            ("id", Int),
            ("at", Int),
            ("dir", Text),
            ("port", Text),
            ("link", Text),
            ("peer", Text),
            ("kind", Text),
            ("control_id", Text),
            ("hash", Text),
            ("charset", Text),
            ("zone", Text),
            ("mapping_rev", Text),
            ("outcome", Text),
            ("reason", Text),
            ("detail", Text),
            ("ack", Bytes),
            ("cause_id", Int),
            ("body_erased_at", Int),
            ("once", Int),
        ],
    ),
    table(
        "journal_body",
        "journal_id",
        &[("journal_id", Int), ("bytes", Bytes)],
    ),
    table(
        "document",
        "sha256",
        &[
            ("sha256", Text),
            ("media_type", Text),
            ("size", Int),
            ("bytes", Bytes),
        ],
    ),
    table(
        "patient",
        "id",
        &[
            ("id", Int),
            ("version", Int),
            ("merged_into", Int),
            ("name_fold", Text),
            ("doc", Text),
        ],
    ),
    table(
        "patient_key",
        "kind, issuer, value",
        &[
            ("kind", Text),
            ("issuer", Text),
            ("value", Text),
            ("patient_id", Int),
        ],
    ),
    table(
        "exam",
        "id",
        &[
            ("id", Int),
            ("patient_id", Int),
            ("version", Int),
            ("status", Text),
            ("start", Int),
            ("doc", Text),
            ("modalities", Text),
            ("stations", Text),
        ],
    ),
    table(
        "exam_key",
        "kind, issuer, value, exam_id",
        &[
            ("kind", Text),
            ("issuer", Text),
            ("value", Text),
            ("exam_id", Int),
        ],
    ),
    table(
        "performed",
        "id",
        &[
            ("id", Int),
            ("uid", Text),
            ("patient_id", Int),
            ("study_uid", Text),
            ("version", Int),
            ("status", Text),
            ("started", Int),
            ("doc", Text),
        ],
    ),
    table(
        "report",
        "id",
        &[
            ("id", Int),
            ("issuer", Text),
            ("value", Text),
            ("patient_id", Int),
            ("version", Int),
            ("status", Text),
            ("doc", Text),
        ],
    ),
    table(
        "link",
        "kind, from_id, to_id",
        &[
            ("kind", Text),
            ("from_id", Int),
            ("to_id", Int),
            ("how", Text),
        ],
    ),
    table(
        "exam_event",
        "id",
        &[
            ("id", Int),
            ("subject_kind", Text),
            ("subject_id", Int),
            ("exam_id", Int),
            ("journal_id", Int),
            ("at", Int),
            ("effective", Int),
            ("kind", Text),
            ("v", Int),
            ("payload", Text),
        ],
    ),
    table(
        "worklist_item",
        "step_id",
        &[
            ("step_id", Int),
            ("exam_id", Int),
            ("patient_id", Int),
            ("visible", Int),
            ("status", Text),
            ("modality", Text),
            ("start", Int),
            ("performer_fold", Text),
            ("accession", Text),
            ("patient_value", Text),
            ("name_fold", Text),
            ("rp_id", Text),
            ("study_uid", Text),
            ("missing", Text),
        ],
    ),
    table(
        "worklist_slot",
        "station, start, step_id",
        &[("station", Text), ("start", Int), ("step_id", Int)],
    ),
    table(
        "outbox",
        "target, subject, seq",
        &[
            ("id", Int),
            ("target", Text),
            ("subject", Text),
            ("seq", Int),
            ("wanted", Int),
            ("done", Int),
            ("state", Text),
            ("due", Int),
            ("attempts", Int),
            ("lease_token", Int),
            ("leased_until", Int),
            ("reason", Text),
            ("detail", Text),
            ("since", Int),
        ],
    ),
    table(
        "attempt",
        "id",
        &[
            ("id", Int),
            ("outbox_id", Int),
            ("at", Int),
            ("ms", Int),
            ("outcome", Text),
            ("status", Text),
            ("journal_id", Int),
        ],
    ),
    table(
        "query_log",
        "id",
        &[
            ("id", Int),
            ("device", Text),
            ("keys_hash", Text),
            ("keys", Text),
            ("ids_hash", Text),
            ("ids", Text),
            ("n", Int),
            ("us", Int),
            ("first_at", Int),
            ("last_at", Int),
            ("count", Int),
        ],
    ),
    table(
        "mapping_revision",
        "hash",
        &[
            ("hash", Text),
            ("at", Int),
            ("files", Text),
            ("active", Int),
        ],
    ),
    table(
        "node",
        "id",
        &[("id", Int), ("name", Text), ("seen_at", Int)],
    ),
    table(
        "audit",
        "id",
        &[
            ("id", Int),
            ("at", Int),
            ("who", Text),
            ("role", Text),
            ("peer", Text),
            ("action", Text),
            ("subject", Text),
            ("ids", Text),
            ("filter", Text),
            ("outcome", Text),
            ("reason", Text),
            ("n", Int),
        ],
    ),
    table(
        "audit_patient",
        "patient_id, audit_id",
        &[("patient_id", Int), ("audit_id", Int)],
    ),
    table(
        "target_pause",
        "target",
        &[("target", Text), ("at", Int), ("journal_id", Int)],
    ),
    table(
        "performed_wait",
        "value, kind, performed_id",
        &[("value", Text), ("kind", Text), ("performed_id", Int)],
    ),
];
