//! Lists of worklist queries, latest first.

use super::super::query_log::{COLUMNS, QueryLogRow, query};
use super::super::sql::{Sql, text};
use super::super::{Store, StoreError};
use super::{Page, between, equal, paged};

/// Which queries; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryFilter {
    /// Calling AE title.
    pub device: Option<String>,
    /// First and last asking, microseconds of UTC, both included.
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Store {
    /// A page of queries.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list_queries(
        &self,
        filter: &QueryFilter,
        page: Page,
    ) -> Result<Vec<QueryLogRow>, StoreError> {
        let sql = Sql::new(&self.read, COLUMNS).push(" WHERE 1 = 1");
        let sql = equal(sql, "device", filter.device.as_deref().map(text));
        let sql = between(sql, "last_at", filter.from, filter.to);
        let rows = paged(sql, page, "last_at", "id").all(&self.read).await?;
        rows.iter().map(query).collect()
    }
}
