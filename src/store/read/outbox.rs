//! Lists of outbox rows, latest first, and the attempts at one.

use super::super::outbox::{COLUMNS, OutboxFilter, OutboxRow, outbox_row};
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

/// The rows of one target in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    pub target: String,
    pub state: String,
    pub entries: i64,
    /// Since when the oldest of them is in the state.
    pub oldest: Instant,
}

impl Store {
    /// The rows of a filter, oldest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn outbox(
        &self,
        filter: &OutboxFilter,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = Sql::new(&self.read, COLUMNS);
        let rows = filter
            .apply(sql)
            .push(" ORDER BY id LIMIT ")
            .bind(i64::from(limit))
            .all(&self.read)
            .await?;
        rows.iter().map(outbox_row).collect()
    }

    /// How many rows there are of each target and state.
    ///
    /// # Errors
    /// As the database says.
    pub async fn outbox_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let rows = Sql::new(
            &self.read,
            "SELECT target, state, COUNT(*) FROM outbox GROUP BY target, state ORDER BY target, state",
        )
        .all(&self.read)
        .await?;
        let mut counts = vec![];
        for row in &rows {
            let mut c = Columns::of(row);
            let (target, state, n): (String, String, i64) = (c.next()?, c.next()?, c.next()?);
            counts.push((target, state, u64::try_from(n).unwrap_or(0)));
        }
        Ok(counts)
    }

    /// How many rows of each target are in one of `states`, and since when the oldest of them is.
    ///
    /// # Errors
    /// As the database says.
    pub async fn outbox_depths(&self, states: &[&str]) -> Result<Vec<Depth>, StoreError> {
        let states: Vec<String> = states.iter().map(|s| (*s).to_owned()).collect();
        let rows = Sql::new(
            &self.read,
            "SELECT target, state, COUNT(*), MIN(since) FROM outbox WHERE state IN ",
        )
        .list(&states)
        .push(" GROUP BY target, state ORDER BY target, state")
        .all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(Depth {
                    target: c.next()?,
                    state: c.next()?,
                    entries: c.next()?,
                    oldest: Instant(c.next()?),
                })
            })
            .collect()
    }

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
