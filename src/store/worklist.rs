//! The worklist table: written with the documents, searched by index, rebuilt from the documents when asked.
//!
//! SQL narrows, `worklist` decides: a search may return too much, never too little. Its answer is read in one statement, so no
//! snapshot outlives the call, however slowly a scanner takes the responses (a held snapshot would stop the checkpoint).

use super::documents::{decode_exam, decode_patient};
use super::sql::{Columns, Insert, Sql, chunks, opt_int, text};
use super::{Store, StoreError, Txn};
use crate::domain::exam::Exam;
use crate::domain::ids::{ExamId, PatientId, StepId};
use crate::domain::patient::Patient;
use crate::domain::time::LocalTime;
use crate::worklist::project;
use crate::worklist::row::Row;
use jiff::tz::TimeZone;
use sea_orm::{ConnectionTrait, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Exams whose rows are rebuilt in one go.
const PAGE: i64 = 500;

/// What a query lets SQL narrow by; everything empty = all visible steps. Conditions are joined by "and".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrow {
    /// AE titles and pools (`@CT`): any of them.
    pub stations: Vec<String>,
    pub modality: Option<String>,
    /// First and last start, both included.
    pub start: Option<(LocalTime, LocalTime)>,
    pub accession: Option<String>,
    pub patient_value: Option<String>,
    /// Beginning of the folded name.
    pub name_prefix_fold: Option<String>,
    pub rp_id: Option<String>,
    pub study_uid: Option<String>,
    /// Also steps that a scanner has begun, which have no slots: then stations do not narrow.
    pub started_too: bool,
}

/// Where the previous page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub start: LocalTime,
    pub step: StepId,
}

/// The stored state of the two documents that an item is rendered from: equal sources, equal item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    pub exam: ExamId,
    pub exam_version: i64,
    pub patient: PatientId,
    pub patient_version: i64,
}

/// A step that may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub step: StepId,
    pub start: LocalTime,
    pub sources: Sources,
}

/// The documents of an open step, as one statement read them.
#[derive(Debug, Clone)]
pub struct StepDocuments {
    pub step: StepId,
    pub sources: Sources,
    pub exam: Arc<Exam>,
    pub patient: Arc<Patient>,
}

impl Candidate {
    /// The cursor after this candidate.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            start: self.start,
            step: self.step,
        }
    }
}

impl Txn {
    /// Removes the rows of exams.
    pub(crate) async fn delete_worklist(&self, exams: &[ExamId]) -> Result<(), StoreError> {
        let exams: Vec<i64> = exams.iter().map(|id| id.0).collect();
        for chunk in chunks(&exams) {
            Sql::new(
                &self.tx,
                "DELETE FROM worklist_slot WHERE step_id IN (SELECT step_id FROM worklist_item WHERE exam_id IN ",
            )
            .list(chunk)
            .push(")")
            .execute(&self.tx)
            .await?;
            Sql::new(&self.tx, "DELETE FROM worklist_item WHERE exam_id IN ")
                .list(chunk)
                .execute(&self.tx)
                .await?;
        }
        Ok(())
    }

    /// Adds rows; those of the same exams must have been removed.
    pub(crate) async fn insert_worklist(&self, rows: &[Row]) -> Result<(), StoreError> {
        let mut items = Insert::into(
            "worklist_item",
            &[
                "step_id",
                "exam_id",
                "patient_id",
                "visible",
                "status",
                "modality",
                "start",
                "performer_fold",
                "accession",
                "patient_value",
                "name_fold",
                "rp_id",
                "study_uid",
                "missing",
            ],
        );
        let mut slots = Insert::into("worklist_slot", &["station", "start", "step_id"]);
        for row in rows {
            items.row([
                row.step.0.into(),
                row.exam.0.into(),
                row.patient.0.into(),
                i64::from(row.visible).into(),
                row.status.word().into(),
                text(&row.modality),
                opt_int(row.start.map(|s| s.0)),
                text(&row.performer_fold),
                text(&row.accession),
                text(&row.patient_value),
                text(&row.name_fold),
                text(&row.rp_id),
                text(&row.study_uid),
                row.missing.join(" ").into(),
            ]);
            if let (true, Some(start)) = (row.visible, row.start) {
                for station in &row.stations {
                    slots.row([text(station), start.0.into(), row.step.0.into()]);
                }
            }
        }
        items.execute(&self.tx, "").await?;
        slots.execute(&self.tx, " ON CONFLICT DO NOTHING").await?;
        Ok(())
    }
}

impl Store {
    /// The next `limit` visible steps that may match, in the order of their start. The caller decides about each, and asks again with
    /// the last one's cursor as long as pages are full.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub async fn worklist_candidates(
        &self,
        narrow: &Narrow,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let db = &self.read;
        let sql = select_steps(Sql::new(db, HEAD), narrow, after, limit);
        let rows = sql
            .push(
                ") w CROSS JOIN exam e CROSS JOIN patient p WHERE e.id = w.exam_id AND p.id = w.patient_id \
                 ORDER BY w.start, w.step_id",
            )
            .all(db)
            .await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(Candidate {
                    step: StepId(c.next()?),
                    start: LocalTime(c.next()?),
                    sources: sources(&mut c)?,
                })
            })
            .collect()
    }

    /// The documents of those of the steps that are still open. They may be newer than the candidates that named them.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub async fn worklist_documents(
        &self,
        steps: &[StepId],
    ) -> Result<Vec<StepDocuments>, StoreError> {
        // An exam with several steps, and a patient with several exams, are read once.
        let mut exams: BTreeMap<ExamId, Arc<Exam>> = BTreeMap::new();
        let mut patients: BTreeMap<PatientId, Arc<Patient>> = BTreeMap::new();
        let mut found = Vec::with_capacity(steps.len());
        let steps: Vec<i64> = steps.iter().map(|step| step.0).collect();
        for chunk in chunks(&steps) {
            let rows = Sql::new(
                &self.read,
                "SELECT w.step_id, e.id, e.version, p.id, p.version, e.doc, p.doc FROM worklist_item w \
                 CROSS JOIN exam e CROSS JOIN patient p \
                 WHERE e.id = w.exam_id AND p.id = w.patient_id AND w.step_id IN ",
            )
            .list(chunk)
            .all(&self.read)
            .await?;
            for row in &rows {
                let mut c = Columns::of(row);
                let step = StepId(c.next()?);
                let sources = sources(&mut c)?;
                let (exam, patient): (String, String) = (c.next()?, c.next()?);
                found.push(StepDocuments {
                    step,
                    sources,
                    exam: once(&mut exams, sources.exam, || {
                        decode_exam(sources.exam.0, &exam)
                    })?,
                    patient: once(&mut patients, sources.patient, || {
                        decode_patient(sources.patient.0, &patient)
                    })?,
                });
            }
        }
        Ok(found)
    }

    /// How many steps are visible on worklists.
    ///
    /// # Errors
    /// As the database says.
    pub async fn worklist_size(&self) -> Result<u64, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT COUNT(*) FROM worklist_item WHERE visible = 1",
        )
        .one(&self.read)
        .await?;
        let n: i64 = row.map_or(Ok(0), |row| Columns::of(&row).next())?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Drops and rebuilds all worklist rows from the documents, in one transaction. Equal to what the writer keeps (invariant 6).
    ///
    /// # Errors
    /// As the database says; then the old rows stand.
    pub async fn rebuild_worklist(&self, zone: &TimeZone) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        let rebuilt = rebuild(&txn, zone).await;
        txn.end(rebuilt).await
    }
}

const HEAD: &str =
    "SELECT w.step_id, w.start, w.exam_id, e.version, w.patient_id, p.version FROM (";

fn sources(c: &mut Columns<'_>) -> Result<Sources, StoreError> {
    Ok(Sources {
        exam: ExamId(c.next()?),
        exam_version: c.next()?,
        patient: PatientId(c.next()?),
        patient_version: c.next()?,
    })
}

fn once<I: Ord, T>(
    read: &mut BTreeMap<I, Arc<T>>,
    id: I,
    decode: impl FnOnce() -> Result<T, StoreError>,
) -> Result<Arc<T>, StoreError> {
    match read.entry(id) {
        Entry::Occupied(found) => Ok(Arc::clone(found.get())),
        Entry::Vacant(place) => Ok(Arc::clone(place.insert(Arc::new(decode()?)))),
    }
}

/// The ids of a page, by the best index: stations with start first, else what the query fixes.
fn select_steps(sql: Sql, narrow: &Narrow, after: Option<Cursor>, limit: u32) -> Sql {
    let mut sql = sql;
    let by_station = !narrow.stations.is_empty() && !narrow.started_too;
    let (start, step) = if by_station {
        let stations: Vec<Value> = narrow.stations.iter().map(|s| text(s)).collect();
        sql = sql
            .push(
                "SELECT DISTINCT s.start, s.step_id, i.exam_id, i.patient_id FROM worklist_slot s \
                 CROSS JOIN worklist_item i WHERE i.step_id = s.step_id AND s.station IN ",
            )
            .list(&stations);
        ("s.start", "s.step_id")
    } else {
        sql = sql
            .push("SELECT i.start, i.step_id, i.exam_id, i.patient_id FROM worklist_item i WHERE ")
            .push(shown_to(narrow.started_too).as_str());
        ("i.start", "i.step_id")
    };
    if let Some((from, to)) = narrow.start {
        sql = sql
            .push(&format!(" AND {start} >= "))
            .bind(from.0)
            .push(&format!(" AND {start} <= "))
            .bind(to.0);
    }
    for (column, value) in [
        ("modality", &narrow.modality),
        ("accession", &narrow.accession),
        ("patient_value", &narrow.patient_value),
        ("rp_id", &narrow.rp_id),
        ("study_uid", &narrow.study_uid),
    ] {
        if let Some(value) = value {
            sql = sql.push(&format!(" AND i.{column} = ")).bind(text(value));
        }
    }
    if let Some(prefix) = &narrow.name_prefix_fold {
        sql = begins(sql.push(" AND "), "i.name_fold", prefix);
    }
    if let Some(cursor) = after {
        sql = sql
            .push(&format!(" AND ({start}, {step}) > ("))
            .bind(cursor.start.0)
            .push(", ")
            .bind(cursor.step.0)
            .push(")");
    }
    sql.push(&format!(" ORDER BY {start}, {step} LIMIT "))
        .bind(i64::from(limit))
}

/// What makes a step one that a device may see: visible, or begun where such steps are shown too.
fn shown_to(started_too: bool) -> String {
    match started_too {
        false => "i.visible = 1".to_owned(),
        true => "(i.visible = 1 OR i.status = 'started' AND i.start IS NOT NULL)".to_owned(),
    }
}

/// `column` begins with `prefix`, as an index finds it.
pub(super) fn begins(sql: Sql, column: &str, prefix: &str) -> Sql {
    let sql = sql.push(&format!("{column} >= ")).bind(text(prefix));
    match after_prefix(prefix) {
        Some(end) => sql.push(&format!(" AND {column} < ")).bind(text(&end)),
        None => sql,
    }
}

/// The smallest text after all texts that begin with `prefix`; `None` if there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The code point after U+D7FF is U+E000: surrogates are no characters.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

async fn rebuild(txn: &Txn, zone: &TimeZone) -> Result<(), StoreError> {
    let db = &txn.tx;
    db.execute_unprepared("DELETE FROM worklist_slot").await?;
    db.execute_unprepared("DELETE FROM worklist_item").await?;
    let mut after = i64::MIN;
    loop {
        let rows = Sql::new(
            db,
            "SELECT e.id, e.doc, p.id, p.doc FROM exam e JOIN patient p ON p.id = e.patient_id WHERE e.id > ",
        )
        .bind(after)
        .push(" ORDER BY e.id LIMIT ")
        .bind(PAGE)
        .all(db)
        .await?;
        let mut projected = vec![];
        for row in &rows {
            let mut c = Columns::of(row);
            after = c.next()?;
            let exam = decode_exam(after, &c.next::<String>()?)?;
            let patient = PatientId(c.next()?);
            let patient = decode_patient(patient.0, &c.next::<String>()?)?;
            projected.extend(project(&exam, &patient, zone));
        }
        txn.insert_worklist(&projected).await?;
        if (rows.len() as i64) < PAGE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_ends_where_the_next_text_begins() {
        for (prefix, end) in [
            ("MARTIN", Some("MARTIO")),
            ("A\u{10ffff}", Some("B")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), end, "{prefix}");
        }
    }
}
