//! Documents for publication and display, and the bytes of attached files.

use super::super::sql::{Columns, Sql, text};
use super::super::{Store, StoreError};
use super::{ids, load};
use crate::domain::exam::Exam;
use crate::domain::ids::{ExamId, Key, KeyKind, PatientId, PerformedId, ReportId};
use crate::domain::patient::Patient;
use crate::domain::performed::PerformedStep;
use crate::domain::report::Report;
use crate::domain::world::Doc;

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
