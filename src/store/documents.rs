//! The four documents (patient, exam, performed step, report), their links, and the bytes of attached files.
//!
//! A document is saved whole, guarded by its version: a row that another writer changed since it was loaded is a conflict.

mod save;
mod shown;

pub use shown::Study;

use super::sql::{Columns, Sql, chunks, text};
use super::{StoreError, Txn};
use crate::domain::exam::Exam;
use crate::domain::ids::{ExamId, Key, PatientId, PerformedId};
use crate::domain::patient::Patient;
use crate::domain::performed::PerformedStep;
use crate::domain::report::Report;
use crate::domain::world::Doc;
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

fn ids<I: Copy>(ids: &[I], number: fn(I) -> i64) -> Vec<Value> {
    ids.iter().map(|id| number(*id).into()).collect()
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
}
