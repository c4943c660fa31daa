//! The outbox: what is to be published, who is at it, what came of it.
//!
//! A state target has one row per subject: `wanted` counts what was asked for, `done` what is delivered, so waiting changes coalesce
//! and an old state cannot overtake a newer one. An event target has one row per event, delivered in order per subject. A row is
//! claimed by a short lease with a random token and settled only with that token: a worker that lost its lease changes nothing.
//! Never a transaction across a network call.

mod delivery;

pub(super) use delivery::attempts;
pub use delivery::{Attempt, Claim};

use super::sql::{Columns, Insert, Sql, text};
use super::{StoreError, Txn};
use crate::domain::time::Instant;
use sea_orm::QueryResult;

/// A row that a committed message adds, or in state mode asks for once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Id of the row if it is new.
    pub id: i64,
    pub target: String,
    pub subject: String,
    /// 0 in state mode, the event's id in event mode.
    pub seq: i64,
    /// How often it is asked for in this batch.
    pub times: i64,
}

/// A row as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub id: i64,
    pub target: String,
    pub subject: String,
    pub seq: i64,
    pub wanted: i64,
    pub done: i64,
    /// `queued`, `delivered`, `held` or `discarded`.
    pub state: String,
    pub due: Instant,
    pub attempts: i64,
    pub reason: Option<String>,
    pub detail: Option<String>,
    /// Since when it is in this state.
    pub since: Instant,
}

/// Which rows an operator means; empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    pub id: Option<i64>,
    pub target: Option<String>,
    pub state: Option<String>,
    /// Only what is not delivered.
    pub undelivered: bool,
}

impl OutboxFilter {
    pub(super) fn apply(&self, sql: Sql) -> Sql {
        let mut sql = sql.push(" WHERE 1 = 1");
        if let Some(id) = self.id {
            sql = sql.push(" AND id = ").bind(id);
        }
        if let Some(target) = &self.target {
            sql = sql.push(" AND target = ").bind(text(target));
        }
        if let Some(state) = &self.state {
            sql = sql.push(" AND state = ").bind(text(state));
        }
        if self.undelivered {
            sql = sql.push(" AND state <> 'delivered'");
        }
        sql
    }
}

impl Txn {
    /// Queues rows, due at once. A delivered or held row is queued again with a fresh count of attempts: the state has changed, so
    /// what held it may be gone. The lease of a row in flight stays.
    pub(crate) async fn queue(&self, rows: &[Queue], now: Instant) -> Result<(), StoreError> {
        const TAIL: &str = " ON CONFLICT (target, subject, seq) DO UPDATE SET wanted = outbox.wanted + excluded.wanted, \
             attempts = CASE WHEN outbox.state = 'queued' THEN outbox.attempts ELSE 0 END, \
             since = CASE WHEN outbox.state = 'queued' THEN outbox.since ELSE excluded.since END, state = 'queued', \
             due = excluded.due, reason = NULL, detail = NULL";
        let mut insert = Insert::into(
            "outbox",
            &[
                "id", "target", "subject", "seq", "wanted", "done", "state", "due", "attempts",
                "since",
            ],
        );
        for row in rows {
            insert.row([
                row.id.into(),
                text(&row.target),
                text(&row.subject),
                row.seq.into(),
                row.times.into(),
                0_i64.into(),
                "queued".into(),
                now.0.into(),
                0_i64.into(),
                now.0.into(),
            ]);
        }
        insert.execute(&self.tx, TAIL).await?;
        Ok(())
    }
}

/// What [`outbox_row`] reads.
pub(super) const COLUMNS: &str = "SELECT id, target, subject, seq, wanted, done, state, due, attempts, reason, detail, since FROM outbox";

/// A row of [`COLUMNS`].
pub(super) fn outbox_row(row: &QueryResult) -> Result<OutboxRow, StoreError> {
    let mut c = Columns::of(row);
    Ok(OutboxRow {
        id: c.next()?,
        target: c.next()?,
        subject: c.next()?,
        seq: c.next()?,
        wanted: c.next()?,
        done: c.next()?,
        state: c.next()?,
        due: Instant(c.next()?),
        attempts: c.next()?,
        reason: c.next()?,
        detail: c.next()?,
        since: Instant(c.next()?),
    })
}

#[cfg(test)]
mod tests;
