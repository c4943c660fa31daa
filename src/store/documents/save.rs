//! Writing documents: each row guarded by the version it was loaded with.

use super::super::sql::{Insert, Sql, chunks, opt_int, opt_text, text};
use super::super::{StoreError, Txn};
use super::Document;
use crate::domain::exam::Exam;
use crate::domain::keys;
use crate::domain::patient::Patient;
use crate::domain::performed::PerformedStep;
use crate::domain::report::Report;
use crate::domain::value::{self, Value as RecordValue};
use crate::domain::world::Doc;
use crate::worklist::project::patient_fold;
use jiff::tz::TimeZone;
use sea_orm::{ConnectionTrait, Value};

fn encode<T: Document>(doc: &T) -> Result<Value, StoreError> {
    let text = serde_json::to_string(doc)
        .map_err(|e| StoreError::Other(format!("a {} cannot be written: {e}", T::TABLE)))?;
    Ok(text.into())
}

/// Writes guarded rows; all or a conflict.
async fn save<C: ConnectionTrait>(
    db: &C,
    table: &str,
    insert: Insert,
    n: usize,
    tail: &str,
) -> Result<(), StoreError> {
    let written = insert.execute(db, tail).await?;
    if written < n as u64 {
        return Err(StoreError::Conflict(format!(
            "{} {table} document(s) changed meanwhile",
            n as u64 - written
        )));
    }
    Ok(())
}

/// The values of a field of all steps, each between line feeds (which no code and no AE title holds): what lists are filtered by.
fn of_steps(exam: &Exam, field: &str) -> String {
    let mut values: Vec<&str> = exam
        .steps
        .iter()
        .flat_map(|s| s.fields.values(field))
        .filter_map(RecordValue::comparable)
        .collect();
    values.sort_unstable();
    values.dedup();
    match values.as_slice() {
        [] => String::new(),
        values => format!("\n{}\n", values.join("\n")),
    }
}

/// Wall clock of the earliest scheduled step.
fn start_of(exam: &Exam, zone: &TimeZone) -> Option<i64> {
    let starts = exam
        .steps
        .iter()
        .filter_map(|s| local(s.fields.first("start"), zone));
    starts.min()
}

fn local(value: Option<&RecordValue>, zone: &TimeZone) -> Option<i64> {
    match value {
        Some(RecordValue::When(when)) => when.local(zone).map(|l| l.0),
        _ => None,
    }
}

impl Txn {
    pub(crate) async fn save_patients(&self, docs: &[&Doc<Patient>]) -> Result<(), StoreError> {
        const TAIL: &str = " ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
             merged_into = excluded.merged_into, name_fold = excluded.name_fold, doc = excluded.doc \
             WHERE patient.version = excluded.version - 1";
        const COLUMNS: &[&str] = &["id", "version", "merged_into", "name_fold", "doc"];
        let mut insert = Insert::into("patient", COLUMNS);
        for d in docs {
            insert.row([
                d.doc.id.0.into(),
                (d.stored + 1).into(),
                opt_int(d.doc.merged_into.map(|id| id.0)),
                text(&patient_fold(&d.doc)),
                encode(&d.doc)?,
            ]);
        }
        save(&self.tx, "patient", insert, docs.len(), TAIL).await
    }

    pub(crate) async fn save_exams(
        &self,
        docs: &[&Doc<Exam>],
        zone: &TimeZone,
    ) -> Result<(), StoreError> {
        const TAIL: &str = " ON CONFLICT (id) DO UPDATE SET patient_id = excluded.patient_id, version = excluded.version, \
             status = excluded.status, start = excluded.start, doc = excluded.doc, modalities = excluded.modalities, \
             stations = excluded.stations WHERE exam.version = excluded.version - 1";
        let mut insert = Insert::into(
            "exam",
            &[
                "id",
                "patient_id",
                "version",
                "status",
                "start",
                "doc",
                "modalities",
                "stations",
            ],
        );
        for d in docs {
            insert.row([
                d.doc.id.0.into(),
                d.doc.patient.0.into(),
                (d.stored + 1).into(),
                d.doc.status().word().into(),
                opt_int(start_of(&d.doc, zone)),
                encode(&d.doc)?,
                text(&of_steps(&d.doc, "modality")),
                text(&of_steps(&d.doc, "station_aes")),
            ]);
        }
        save(&self.tx, "exam", insert, docs.len(), TAIL).await
    }

    /// Saves performed steps with their links to scheduled steps.
    pub(crate) async fn save_performed(
        &self,
        docs: &[&Doc<PerformedStep>],
        zone: &TimeZone,
    ) -> Result<(), StoreError> {
        const TAIL: &str = " ON CONFLICT (id) DO UPDATE SET patient_id = excluded.patient_id, study_uid = excluded.study_uid, \
             version = excluded.version, status = excluded.status, started = excluded.started, doc = excluded.doc \
             WHERE performed.version = excluded.version - 1";
        let mut insert = Insert::into(
            "performed",
            &[
                "id",
                "uid",
                "patient_id",
                "study_uid",
                "version",
                "status",
                "started",
                "doc",
            ],
        );
        let mut links = vec![];
        for d in docs {
            insert.row([
                d.doc.id.0.into(),
                text(&d.doc.uid),
                opt_int(d.doc.patient.map(|id| id.0)),
                opt_text(d.doc.study_uid.as_deref()),
                (d.stored + 1).into(),
                d.doc.status.word().into(),
                opt_int(local(d.doc.fields.first("start"), zone)),
                encode(&d.doc)?,
            ]);
            links.extend(
                d.doc
                    .links
                    .iter()
                    .map(|l| (d.doc.id.0, l.step.0, l.how.word())),
            );
        }
        save(&self.tx, "performed", insert, docs.len(), TAIL).await?;
        let changed: Vec<i64> = docs
            .iter()
            .filter(|d| d.stored > 0)
            .map(|d| d.doc.id.0)
            .collect();
        self.save_links("performed", &changed, &links).await?;
        self.save_waiting(docs, &changed).await
    }

    /// Rewrites by which numbers performed steps wait for their order.
    async fn save_waiting(
        &self,
        docs: &[&Doc<PerformedStep>],
        changed: &[i64],
    ) -> Result<(), StoreError> {
        for chunk in chunks(changed) {
            let chunk: Vec<Value> = chunk.iter().map(|id| (*id).into()).collect();
            Sql::new(
                &self.tx,
                "DELETE FROM performed_wait WHERE performed_id IN ",
            )
            .list(&chunk)
            .execute(&self.tx)
            .await?;
        }
        let mut insert = Insert::into("performed_wait", &["value", "kind", "performed_id"]);
        for doc in docs.iter().map(|d| &d.doc) {
            for key in keys::awaited(doc) {
                insert.row([text(&key.value), key.kind.word().into(), doc.id.0.into()]);
            }
        }
        insert.execute(&self.tx, " ON CONFLICT DO NOTHING").await?;
        Ok(())
    }

    /// Saves reports with their links to exams and the bytes of their attached files.
    pub(crate) async fn save_reports(&self, docs: &[&Doc<Report>]) -> Result<(), StoreError> {
        const TAIL: &str = " ON CONFLICT (id) DO UPDATE SET issuer = excluded.issuer, value = excluded.value, \
             patient_id = excluded.patient_id, version = excluded.version, status = excluded.status, doc = excluded.doc \
             WHERE report.version = excluded.version - 1";
        let mut insert = Insert::into(
            "report",
            &[
                "id",
                "issuer",
                "value",
                "patient_id",
                "version",
                "status",
                "doc",
            ],
        );
        let mut links = vec![];
        for d in docs {
            insert.row([
                d.doc.id.0.into(),
                text(&d.doc.key.issuer),
                text(&d.doc.key.value),
                d.doc.patient.0.into(),
                (d.stored + 1).into(),
                d.doc
                    .current()
                    .map_or("registered", |v| v.status.word())
                    .into(),
                encode(&d.doc)?,
            ]);
            links.extend(d.doc.exams.iter().map(|exam| (d.doc.id.0, exam.0, "order")));
        }
        save(&self.tx, "report", insert, docs.len(), TAIL).await?;
        let changed: Vec<i64> = docs
            .iter()
            .filter(|d| d.stored > 0)
            .map(|d| d.doc.id.0)
            .collect();
        self.save_links("report", &changed, &links).await
    }

    /// Replaces the links of changed documents, adds those of new ones.
    async fn save_links(
        &self,
        kind: &'static str,
        changed: &[i64],
        links: &[(i64, i64, &'static str)],
    ) -> Result<(), StoreError> {
        for chunk in chunks(changed) {
            Sql::new(&self.tx, "DELETE FROM link WHERE kind = ")
                .bind(kind)
                .push(" AND from_id IN ")
                .list(chunk)
                .execute(&self.tx)
                .await?;
        }
        let mut insert = Insert::into("link", &["kind", "from_id", "to_id", "how"]);
        for (from, to, how) in links {
            insert.row([kind.into(), (*from).into(), (*to).into(), (*how).into()]);
        }
        insert.execute(&self.tx, " ON CONFLICT DO NOTHING").await?;
        Ok(())
    }

    /// Keeps the bytes of attached files, each content once.
    pub(crate) async fn save_files(&self, files: &[&value::Document]) -> Result<(), StoreError> {
        let mut insert = Insert::into("document", &["sha256", "media_type", "size", "bytes"]);
        for file in files {
            if let Some(bytes) = &file.bytes {
                insert.row([
                    text(&file.sha256),
                    text(&file.media_type),
                    i64::try_from(file.size).unwrap_or(i64::MAX).into(),
                    bytes.to_vec().into(),
                ]);
            }
        }
        insert.execute(&self.tx, " ON CONFLICT DO NOTHING").await?;
        Ok(())
    }
}
