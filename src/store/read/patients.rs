//! Lists of patients, latest first, and the folded names that they are found by.

use super::super::documents::decode_patient;
use super::super::sql::{Columns, Sql, text};
use super::super::worklist::begins;
use super::super::{Store, StoreError};
use super::{Page, paged_by_id};
use crate::domain::patient::Patient;
use crate::worklist::fold::fold;
use crate::worklist::project::patient_fold;
use sea_orm::TransactionTrait;

/// Rows that are folded in one transaction.
const BATCH: i64 = 500;

/// Which patients; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatientFilter {
    /// The value of a key, whoever issued it.
    pub identifier: Option<String>,
    /// What the name begins with, `family^given`; case and accents do not count.
    pub name: Option<String>,
}

/// A patient in a list.
#[derive(Debug, Clone)]
pub struct ListedPatient {
    pub patient: Patient,
    pub version: i64,
}

impl Store {
    /// A page of patients.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub async fn list_patients(
        &self,
        filter: &PatientFilter,
        page: Page,
    ) -> Result<Vec<ListedPatient>, StoreError> {
        let rows = self.patient_page(filter, page).all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                let (id, version): (i64, i64) = (c.next()?, c.next()?);
                Ok(ListedPatient {
                    version,
                    patient: decode_patient(id, &c.next::<String>()?)?,
                })
            })
            .collect()
    }

    pub(super) fn patient_page(&self, filter: &PatientFilter, page: Page) -> Sql {
        let mut sql = Sql::new(
            &self.read,
            "SELECT id, version, doc FROM patient WHERE 1 = 1",
        );
        if let Some(identifier) = &filter.identifier {
            sql = sql
                .push(" AND id IN (SELECT patient_id FROM patient_key WHERE value = ")
                .bind(text(identifier))
                .push(")");
        }
        if let Some(name) = &filter.name {
            let named = " AND id IN (SELECT id FROM patient WHERE ";
            sql = begins(sql.push(named), "name_fold", &fold(name)).push(")");
        }
        paged_by_id(sql, page)
    }

    /// Folds the names of patients that an earlier release wrote; nothing to do after that.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub(in super::super) async fn fold_names(&self) -> Result<(), StoreError> {
        loop {
            let tx = self.write.begin().await?;
            let rows = Sql::new(
                &tx,
                "SELECT id, doc FROM patient WHERE name_fold IS NULL LIMIT ",
            )
            .bind(BATCH)
            .all(&tx)
            .await?;
            for row in &rows {
                let mut c = Columns::of(row);
                let (id, doc): (i64, String) = (c.next()?, c.next()?);
                let folded = patient_fold(&decode_patient(id, &doc)?);
                Sql::new(&tx, "UPDATE patient SET name_fold = ")
                    .bind(text(&folded))
                    .push(" WHERE name_fold IS NULL AND id = ")
                    .bind(id)
                    .execute(&tx)
                    .await?;
            }
            tx.commit().await?;
            if rows.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }
}
