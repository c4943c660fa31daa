//! Lists of outbox rows, latest first, and the attempts at one.

use super::super::outbox::{COLUMNS, OutboxRow, outbox_row};
use super::super::sql::{Columns, Sql, text};
use super::super::{Store, StoreError};
use super::{Page, equal, paged_by_id};
use crate::domain::ids::JournalId;
use crate::domain::time::Instant;
use sea_orm::Value;

/// Which rows; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxList {
    /// Any of these; empty = all.
    pub targets: Vec<String>,
    /// `queued`, `delivered`, `held` or `discarded`.
    pub state: Option<String>,
    /// `exam/123`.
    pub subject: Option<String>,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    pub id: i64,
    pub at: Instant,
    /// Duration in milliseconds.
    pub ms: i64,
    /// `delivered`, `temporary` or `permanent`.
    pub outcome: String,
    /// What the peer said: `200`, `timeout` ...
    pub status: String,
    /// The journal row with the bytes that were sent.
    pub journal: Option<JournalId>,
    /// The mapping revision that rendered what was sent; none if nothing was sent.
    pub mapping_rev: Option<String>,
}

impl Store {
    /// A page of outbox rows.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list_outbox(
        &self,
        filter: &OutboxList,
        page: Page,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = self.outbox_page(filter, page).all(&self.read).await?;
        rows.iter().map(outbox_row).collect()
    }

    pub(super) fn outbox_page(&self, filter: &OutboxList, page: Page) -> Sql {
        let mut sql = Sql::new(&self.read, COLUMNS).push(" WHERE 1 = 1");
        if !filter.targets.is_empty() {
            let targets: Vec<Value> = filter.targets.iter().map(|t| text(t)).collect();
            sql = sql.push(" AND target IN ").list(&targets);
        }
        sql = equal(sql, "state", filter.state.as_deref().map(text));
        sql = equal(sql, "subject", filter.subject.as_deref().map(text));
        paged_by_id(sql, page)
    }

    /// The last `limit` attempts at an outbox row, latest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn attempts_at(
        &self,
        outbox: i64,
        limit: u32,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = Sql::new(
            &self.read,
            "SELECT a.id, a.at, a.ms, a.outcome, a.status, a.journal_id, j.mapping_rev FROM attempt a \
             LEFT JOIN journal j ON j.id = a.journal_id WHERE a.outbox_id = ",
        )
        .bind(outbox)
        .push(" ORDER BY a.id DESC LIMIT ")
        .bind(i64::from(limit))
        .all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(AttemptRow {
                    id: c.next()?,
                    at: Instant(c.next()?),
                    ms: c.next()?,
                    outcome: c.next()?,
                    status: c.next()?,
                    journal: c.next::<Option<i64>>()?.map(JournalId),
                    mapping_rev: c.next()?,
                })
            })
            .collect()
    }
}
