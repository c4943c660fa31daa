//! Lists of patients, latest first.

use super::super::documents::decode_patient;
use super::super::sql::{Columns, Sql, text};
use super::super::{Store, StoreError};
use super::{Page, paged_by_id};
use crate::domain::patient::Patient;

/// A patient in a list.
#[derive(Debug, Clone)]
pub struct ListedPatient {
    pub patient: Patient,
    pub version: i64,
}

impl Store {
    /// A page of patients; with `identifier` only those that a key of this value names, whoever issued it.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub async fn list_patients(
        &self,
        identifier: Option<&str>,
        page: Page,
    ) -> Result<Vec<ListedPatient>, StoreError> {
        let rows = self.patient_page(identifier, page).all(&self.read).await?;
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

    pub(super) fn patient_page(&self, identifier: Option<&str>, page: Page) -> Sql {
        let mut sql = Sql::new(
            &self.read,
            "SELECT id, version, doc FROM patient WHERE 1 = 1",
        );
        if let Some(identifier) = identifier {
            sql = sql
                .push(" AND id IN (SELECT patient_id FROM patient_key WHERE value = ")
                .bind(text(identifier))
                .push(")");
        }
        paged_by_id(sql, page)
    }
}
