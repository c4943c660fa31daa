//! The four documents (patient, exam, performed step, report), their links, and the bytes of attached files.
//!
//! A document is saved whole, guarded by its version: a row that another writer changed since it was loaded is a conflict.

use super::sql::{Columns, Insert, Sql, chunks, opt_int, opt_text, text};
use super::{Store, StoreError, Txn};
use crate::domain::exam::Exam;
use crate::domain::ids::{ExamId, Key, KeyKind, PatientId, PerformedId, ReportId};
use crate::domain::keys;
use crate::domain::patient::Patient;
use crate::domain::performed::PerformedStep;
use crate::domain::report::Report;
use crate::domain::value::{self, Value as RecordValue};
use crate::domain::world::Doc;
use jiff::tz::TimeZone;
use sea_orm::{ConnectionTrait, Value};
use serde::{Serialize, de::DeserializeOwned};

/// Statuses of an exam whose steps may still be on a worklist.
const OPEN: [&str; 4] = ["mentioned", "scheduled", "held", "started"];

/// A document that has a table.
trait Document: Serialize + DeserializeOwned {
    const TABLE: &'static str;
}
impl Document for Patient {
    const TABLE: &'static str = "patient";
}
impl Document for Exam {
    const TABLE: &'static str = "exam";
}
impl Document for PerformedStep {
    const TABLE: &'static str = "performed";
}
impl Document for Report {
    const TABLE: &'static str = "report";
}

/// Reads documents by one column; at most one row per document, in the order of their ids.
async fn load<T: Document, C: ConnectionTrait>(
    db: &C,
    column: &str,
    wanted: &[Value],
) -> Result<Vec<Doc<T>>, StoreError> {
    load_where(db, column, wanted, "").await
}

async fn load_where<T: Document, C: ConnectionTrait>(
    db: &C,
    column: &str,
    wanted: &[Value],
    filter: &str,
) -> Result<Vec<Doc<T>>, StoreError> {
    let mut found = vec![];
    for chunk in chunks(wanted) {
        let rows = Sql::new(
            db,
            &format!(
                "SELECT id, version, doc FROM {} WHERE {column} IN ",
                T::TABLE
            ),
        )
        .list(chunk)
        .push(filter)
        .push(" ORDER BY id")
        .all(db)
        .await?;
        for row in &rows {
            let mut c = Columns::of(row);
            let (id, stored, doc): (i64, i64, String) = (c.next()?, c.next()?, c.next()?);
            found.push(Doc {
                doc: decode::<T>(id, &doc)?,
                stored,
                dirty: false,
            });
        }
    }
    Ok(found)
}

fn decode<T: Document>(id: i64, doc: &str) -> Result<T, StoreError> {
    serde_json::from_str(doc).map_err(|e| StoreError::damaged(T::TABLE, id, &e))
}

/// An exam document of another table group's query.
pub(super) fn decode_exam(id: i64, doc: &str) -> Result<Exam, StoreError> {
    decode(id, doc)
}

/// A patient document of another table group's query.
pub(super) fn decode_patient(id: i64, doc: &str) -> Result<Patient, StoreError> {
    decode(id, doc)
}

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

fn ids<I: Copy>(ids: &[I], number: fn(I) -> i64) -> Vec<Value> {
    ids.iter().map(|id| number(*id).into()).collect()
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
    pub(crate) async fn patients(
        &self,
        wanted: &[PatientId],
    ) -> Result<Vec<Doc<Patient>>, StoreError> {
        load(&self.tx, "id", &ids(wanted, |i| i.0)).await
    }

    pub(crate) async fn exams(&self, wanted: &[ExamId]) -> Result<Vec<Doc<Exam>>, StoreError> {
        load(&self.tx, "id", &ids(wanted, |i| i.0)).await
    }

    /// All exams of patients (a merge moves the closed ones too).
    pub(crate) async fn exams_of_patients(
        &self,
        patients: &[PatientId],
    ) -> Result<Vec<Doc<Exam>>, StoreError> {
        load(&self.tx, "patient_id", &ids(patients, |i| i.0)).await
    }

    /// The exams of patients that may have worklist rows.
    pub(crate) async fn open_exams_of_patients(
        &self,
        patients: &[PatientId],
    ) -> Result<Vec<Doc<Exam>>, StoreError> {
        let filter = format!(" AND status IN ('{}')", OPEN.join("','"));
        load_where(&self.tx, "patient_id", &ids(patients, |i| i.0), &filter).await
    }

    /// The patients that were merged into these.
    pub(crate) async fn patients_merged_into(
        &self,
        survivors: &[PatientId],
    ) -> Result<Vec<Doc<Patient>>, StoreError> {
        load(&self.tx, "merged_into", &ids(survivors, |i| i.0)).await
    }

    pub(crate) async fn performed_of_patients(
        &self,
        patients: &[PatientId],
    ) -> Result<Vec<Doc<PerformedStep>>, StoreError> {
        load(&self.tx, "patient_id", &ids(patients, |i| i.0)).await
    }

    pub(crate) async fn reports_of_patients(
        &self,
        patients: &[PatientId],
    ) -> Result<Vec<Doc<Report>>, StoreError> {
        load(&self.tx, "patient_id", &ids(patients, |i| i.0)).await
    }

    pub(crate) async fn performed(
        &self,
        wanted: &[PerformedId],
    ) -> Result<Vec<Doc<PerformedStep>>, StoreError> {
        load(&self.tx, "id", &ids(wanted, |i| i.0)).await
    }

    pub(crate) async fn performed_by_uid(
        &self,
        uids: &[&str],
    ) -> Result<Vec<Doc<PerformedStep>>, StoreError> {
        let uids: Vec<Value> = uids.iter().map(|uid| text(uid)).collect();
        load(&self.tx, "uid", &uids).await
    }

    /// The reports that keys of kind `report` name.
    pub(crate) async fn reports_by_key(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Doc<Report>>, StoreError> {
        let values: Vec<Value> = keys.iter().map(|k| text(&k.value)).collect();
        let mut found: Vec<Doc<Report>> = load(&self.tx, "value", &values).await?;
        // A value that several issuers use is rare and sorted out here.
        found.retain(|r| keys.contains(&r.doc.key));
        Ok(found)
    }

    pub(crate) async fn save_patients(&self, docs: &[&Doc<Patient>]) -> Result<(), StoreError> {
        const TAIL: &str = " ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
             merged_into = excluded.merged_into, doc = excluded.doc WHERE patient.version = excluded.version - 1";
        let mut insert = Insert::into("patient", &["id", "version", "merged_into", "doc"]);
        for d in docs {
            insert.row([
                d.doc.id.0.into(),
                (d.stored + 1).into(),
                opt_int(d.doc.merged_into.map(|id| id.0)),
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

    /// The performed steps that wait for one of these numbers, whoever issued it.
    pub(crate) async fn performed_waiting_for(
        &self,
        values: &[&str],
    ) -> Result<Vec<Doc<PerformedStep>>, StoreError> {
        let mut found: Vec<PerformedId> = vec![];
        for chunk in chunks(values) {
            let chunk: Vec<Value> = chunk.iter().map(|v| text(v)).collect();
            let rows = Sql::new(
                &self.tx,
                "SELECT DISTINCT performed_id FROM performed_wait WHERE value IN ",
            )
            .list(&chunk)
            .all(&self.tx)
            .await?;
            for row in &rows {
                found.push(PerformedId(Columns::of(row).next()?));
            }
        }
        self.performed(&found).await
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

/// What was performed under one Study Instance UID, and the exams that scheduled it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Study {
    pub performed: Vec<PerformedStep>,
    pub exams: Vec<Exam>,
}

fn bare<T>(docs: Vec<Doc<T>>) -> Vec<T> {
    docs.into_iter().map(|d| d.doc).collect()
}

/// Reads for publication and display. Every method fails as the database says, and with `Other` if a document is damaged.
impl Store {
    /// A patient, as stored; a merged one points at its survivor.
    pub async fn patient(&self, id: PatientId) -> Result<Option<Patient>, StoreError> {
        Ok(bare(load(&self.read, "id", &[id.0.into()]).await?).pop())
    }

    /// An exam.
    pub async fn exam(&self, id: ExamId) -> Result<Option<Exam>, StoreError> {
        Ok(self.exams(&[id]).await?.pop())
    }

    /// Exams by id, in the order of their ids.
    pub async fn exams(&self, wanted: &[ExamId]) -> Result<Vec<Exam>, StoreError> {
        Ok(bare(load(&self.read, "id", &ids(wanted, |i| i.0)).await?))
    }

    /// The exams of a patient.
    pub async fn exams_of_patient(&self, id: PatientId) -> Result<Vec<Exam>, StoreError> {
        Ok(bare(load(&self.read, "patient_id", &[id.0.into()]).await?))
    }

    /// A performed step.
    pub async fn performed(&self, id: PerformedId) -> Result<Option<PerformedStep>, StoreError> {
        Ok(bare(load(&self.read, "id", &[id.0.into()]).await?).pop())
    }

    /// Performed steps by id, in the order of their ids.
    pub async fn performed_steps(
        &self,
        wanted: &[PerformedId],
    ) -> Result<Vec<PerformedStep>, StoreError> {
        Ok(bare(load(&self.read, "id", &ids(wanted, |i| i.0)).await?))
    }

    /// A performed step by its SOP Instance UID.
    pub async fn performed_by_uid(&self, uid: &str) -> Result<Option<PerformedStep>, StoreError> {
        Ok(bare(load(&self.read, "uid", &[text(uid)]).await?).pop())
    }

    /// A report.
    pub async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        Ok(bare(load(&self.read, "id", &[id.0.into()]).await?).pop())
    }

    /// The study of a UID: its performed steps, and the exams that were scheduled under it or that these steps perform.
    pub async fn study(&self, uid: &str) -> Result<Study, StoreError> {
        let performed: Vec<PerformedStep> =
            bare(load(&self.read, "study_uid", &[text(uid)]).await?);
        let key = Key {
            kind: KeyKind::Study,
            issuer: String::new(),
            value: uid.to_owned(),
        };
        let mut exams = self.exam_ids(&key).await?;
        exams.extend(
            performed
                .iter()
                .flat_map(|p| p.links.iter().map(|l| l.exam)),
        );
        exams.sort_unstable();
        exams.dedup();
        let exams = self.exams(&exams).await?;
        Ok(Study { performed, exams })
    }

    /// An attached file by the SHA-256 of its bytes (lower-case hexadecimal): media type and bytes.
    pub async fn file(&self, sha256: &str) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT media_type, bytes FROM document WHERE sha256 = ",
        )
        .bind(text(sha256))
        .one(&self.read)
        .await?;
        row.map(|row| {
            let mut c = Columns::of(&row);
            Ok((c.next()?, c.next()?))
        })
        .transpose()
    }
}
