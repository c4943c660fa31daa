//! The log of worklist queries: who asked what, when, and which steps were answered. Equal queries with equal answers collapse into
//! one row with a count. Written once a second by its own task, never in the path of an answer.

use super::sql::{Columns, Insert, Sql, text};
use super::{Store, StoreError};
use crate::domain::time::Instant;
use sea_orm::QueryResult;

/// Queries of one device with the same keys and the same answer, in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLogRow {
    pub id: i64,
    /// Calling AE title.
    pub device: String,
    /// The matching keys, as text; its hash finds repetitions.
    pub keys: String,
    pub keys_hash: String,
    /// Step ids of the answer, as text.
    pub ids: String,
    pub ids_hash: String,
    /// How many steps were answered.
    pub n: i64,
    /// Duration of the last one in microseconds.
    pub us: i64,
    pub first_at: Instant,
    pub last_at: Instant,
    /// How many queries this row stands for.
    pub count: i64,
}

impl Store {
    /// Adds rows in one transaction. A row that repeats the device's last one only extends it.
    ///
    /// # Errors
    /// As the database says; then none is kept.
    pub async fn log_queries(&self, rows: &[QueryLogRow]) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        let written = async {
            for row in rows {
                let extended = Sql::new(&txn.tx, "UPDATE query_log SET count = count + ")
                    .bind(row.count)
                    .push(", last_at = ")
                    .bind(row.last_at.0)
                    .push(", us = ")
                    .bind(row.us)
                    .push(" WHERE id = (SELECT id FROM query_log WHERE device = ")
                    .bind(text(&row.device))
                    .push(" ORDER BY last_at DESC, id DESC LIMIT 1) AND keys_hash = ")
                    .bind(text(&row.keys_hash))
                    .push(" AND ids_hash = ")
                    .bind(text(&row.ids_hash))
                    .execute(&txn.tx)
                    .await?;
                if extended == 0 {
                    insert(&txn, row).await?;
                }
            }
            Ok(())
        };
        let written = written.await;
        txn.end(written).await
    }

    /// The last queries of a device, newest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn queries_of(
        &self,
        device: &str,
        limit: u32,
    ) -> Result<Vec<QueryLogRow>, StoreError> {
        let rows = Sql::new(&self.read, COLUMNS)
            .push(" WHERE device = ")
            .bind(text(device))
            .push(" ORDER BY last_at DESC, id DESC LIMIT ")
            .bind(i64::from(limit))
            .all(&self.read)
            .await?;
        rows.iter().map(query).collect()
    }
}

/// What [`query`] reads.
pub(super) const COLUMNS: &str = "SELECT id, device, keys, keys_hash, ids, ids_hash, n, us, first_at, last_at, count FROM query_log";

/// A row of [`COLUMNS`].
pub(super) fn query(row: &QueryResult) -> Result<QueryLogRow, StoreError> {
    let mut c = Columns::of(row);
    Ok(QueryLogRow {
        id: c.next()?,
        device: c.next()?,
        keys: c.next()?,
        keys_hash: c.next()?,
        ids: c.next()?,
        ids_hash: c.next()?,
        n: c.next()?,
        us: c.next()?,
        first_at: Instant(c.next()?),
        last_at: Instant(c.next()?),
        count: c.next()?,
    })
}

async fn insert(txn: &super::Txn, row: &QueryLogRow) -> Result<(), StoreError> {
    let mut insert = Insert::into(
        "query_log",
        &[
            "id",
            "device",
            "keys",
            "keys_hash",
            "ids",
            "ids_hash",
            "n",
            "us",
            "first_at",
            "last_at",
            "count",
        ],
    );
    insert.row([
        row.id.into(),
        text(&row.device),
        text(&row.keys),
        text(&row.keys_hash),
        text(&row.ids),
        text(&row.ids_hash),
        row.n.into(),
        row.us.into(),
        row.first_at.0.into(),
        row.last_at.0.into(),
        row.count.into(),
    ]);
    insert.execute(&txn.tx, "").await?;
    Ok(())
}
