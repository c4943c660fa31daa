//! Lists of exams, latest start first; exams without a start stand at the end.

use super::super::documents::{decode_exam, decode_patient};
use super::super::sql::{Columns, Sql, text};
use super::super::{Store, StoreError};
use super::{Page, between, equal, paged};
use crate::domain::exam::Exam;
use crate::domain::ids::{ExamId, ReportId};
use crate::domain::patient::Patient;

/// Which exams; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExamFilter {
    /// Word of `ExamStatus`.
    pub status: Option<String>,
    /// First and last start on the wall clock of the site, `yyyymmddhhmmss`, both included.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// (0008,0060) of any of its steps.
    pub modality: Option<String>,
    /// AE title that any of its steps is scheduled for.
    pub station: Option<String>,
    /// Accession number, whoever issued it.
    pub accession: Option<String>,
    /// Accession number or Scheduled Procedure Step ID, whoever issued it.
    pub number: Option<String>,
    pub patient: Option<i64>,
    /// Only exams with an open step that lacks something.
    pub incomplete: bool,
}

/// An exam in a list.
#[derive(Debug, Clone)]
pub struct ListedExam {
    pub exam: Exam,
    pub patient: Patient,
    pub version: i64,
    /// Wall clock of its first step, 0 = none: with the id, its place in the list.
    pub start: i64,
}

const START: &str = "COALESCE(start, 0)";

impl Store {
    /// A page of exams.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub async fn list_exams(
        &self,
        filter: &ExamFilter,
        page: Page,
    ) -> Result<Vec<ListedExam>, StoreError> {
        let rows = self.exam_page(filter, page).all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                let (start, version): (i64, i64) = (c.next()?, c.next()?);
                let (exam, patient): (i64, i64) = (c.next()?, c.next()?);
                Ok(ListedExam {
                    start,
                    version,
                    exam: decode_exam(exam, &c.next::<String>()?)?,
                    patient: decode_patient(patient, &c.next::<String>()?)?,
                })
            })
            .collect()
    }

    pub(super) fn exam_page(&self, filter: &ExamFilter, page: Page) -> Sql {
        let holds = if self.is_sqlite() { "INSTR" } else { "STRPOS" };
        let mut sql = Sql::new(
            &self.read,
            &format!(
                "SELECT w.s, e.version, e.id, p.id, e.doc, p.doc FROM \
                 (SELECT id, {START} AS s FROM exam WHERE 1 = 1"
            ),
        );
        sql = equal(sql, "status", filter.status.as_deref().map(text));
        sql = between(sql, START, filter.from, filter.to);
        for (column, value) in [
            ("modalities", &filter.modality),
            ("stations", &filter.station),
        ] {
            if let Some(value) = value {
                sql = sql
                    .push(&format!(" AND {holds}({column}, "))
                    .bind(text(&format!("\n{value}\n")))
                    .push(") > 0");
            }
        }
        // Each kind in a statement of its own: each has an index that holds no other.
        for (kinds, value) in [
            (["accession"].as_slice(), &filter.accession),
            (&["accession", "step"], &filter.number),
        ] {
            let Some(value) = value else { continue };
            sql = sql.push(" AND id IN (");
            for (n, kind) in kinds.iter().enumerate() {
                let union = if n == 0 { "" } else { " UNION " };
                sql = sql
                    .push(&format!(
                        "{union}SELECT exam_id FROM exam_key WHERE kind = '{kind}' AND value = "
                    ))
                    .bind(text(value));
            }
            sql = sql.push(")");
        }
        sql = equal(sql, "patient_id", filter.patient);
        if filter.incomplete {
            sql = sql.push(" AND id IN (SELECT exam_id FROM worklist_item WHERE missing <> '')");
        }
        paged(sql, page, START, "id").push(
            ") w CROSS JOIN exam e CROSS JOIN patient p WHERE e.id = w.id AND p.id = e.patient_id \
             ORDER BY w.s DESC, w.id DESC",
        )
    }

    /// How often an exam was saved; `None` if there is no such exam.
    ///
    /// # Errors
    /// As the database says.
    pub async fn exam_version(&self, exam: ExamId) -> Result<Option<i64>, StoreError> {
        let row = Sql::new(&self.read, "SELECT version FROM exam WHERE id = ")
            .bind(exam.0)
            .one(&self.read)
            .await?;
        row.map(|row| Columns::of(&row).next()).transpose()
    }

    /// The reports that answer an exam.
    ///
    /// # Errors
    /// As the database says.
    pub async fn reports_of_exam(&self, exam: ExamId) -> Result<Vec<ReportId>, StoreError> {
        let rows = Sql::new(
            &self.read,
            "SELECT from_id FROM link WHERE kind = 'report' AND to_id = ",
        )
        .bind(exam.0)
        .push(" ORDER BY from_id")
        .all(&self.read)
        .await?;
        rows.iter()
            .map(|row| Ok(ReportId(Columns::of(row).next()?)))
            .collect()
    }
}
