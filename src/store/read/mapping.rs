//! Mapping revisions that were in force.

use super::super::sql::{Columns, Sql};
use super::super::{Store, StoreError};
use crate::domain::time::Instant;

/// A revision; its files are read by [`Store::mapping_files`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    pub hash: String,
    /// When it was first in force.
    pub at: Instant,
    pub active: bool,
}

impl Store {
    /// The last 100 revisions, latest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mapping_revisions(&self) -> Result<Vec<RevisionRow>, StoreError> {
        let rows = Sql::new(
            &self.read,
            "SELECT hash, at, active FROM mapping_revision ORDER BY at DESC, hash LIMIT 100",
        )
        .all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(RevisionRow {
                    hash: c.next()?,
                    at: Instant(c.next()?),
                    active: c.next::<i64>()? != 0,
                })
            })
            .collect()
    }
}
