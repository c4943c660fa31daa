//! Lists of performed steps, latest start first.

use super::super::sql::{Columns, Sql, text};
use super::super::{Store, StoreError};
use super::{Page, between, equal, paged};
use crate::domain::performed::PerformedStep;

/// Which performed steps; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PerformedFilter {
    /// Word of `PpsStatus`.
    pub status: Option<String>,
    /// First and last start on the wall clock of the site, both included.
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub study_uid: Option<String>,
    pub patient: Option<i64>,
    /// Only those that no scheduled step is linked to.
    pub unlinked: bool,
}

/// A performed step in a list.
#[derive(Debug, Clone)]
pub struct ListedPerformed {
    pub step: PerformedStep,
    pub version: i64,
    /// Wall clock of its start, 0 = none.
    pub started: i64,
}

const STARTED: &str = "COALESCE(started, 0)";

impl Store {
    /// A page of performed steps.
    ///
    /// # Errors
    /// As the database says; `Other` if a document is damaged.
    pub async fn list_performed(
        &self,
        filter: &PerformedFilter,
        page: Page,
    ) -> Result<Vec<ListedPerformed>, StoreError> {
        let rows = self.performed_page(filter, page).all(&self.read).await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                let (started, version, id): (i64, i64, i64) = (c.next()?, c.next()?, c.next()?);
                let doc: String = c.next()?;
                Ok(ListedPerformed {
                    started,
                    version,
                    step: serde_json::from_str(&doc)
                        .map_err(|e| StoreError::damaged("performed", id, &e))?,
                })
            })
            .collect()
    }

    pub(super) fn performed_page(&self, filter: &PerformedFilter, page: Page) -> Sql {
        let mut sql = Sql::new(
            &self.read,
            &format!("SELECT {STARTED}, version, id, doc FROM performed WHERE 1 = 1"),
        );
        sql = equal(sql, "status", filter.status.as_deref().map(text));
        sql = between(sql, STARTED, filter.from, filter.to);
        sql = equal(sql, "study_uid", filter.study_uid.as_deref().map(text));
        sql = equal(sql, "patient_id", filter.patient);
        if filter.unlinked {
            sql = sql.push(
                " AND NOT EXISTS (SELECT 1 FROM link WHERE kind = 'performed' AND from_id = performed.id)",
            );
        }
        paged(sql, page, STARTED, "id")
    }
}
