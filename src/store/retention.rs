//! What is kept for how long: rows past their time are removed in batches, each a short transaction of its own.
//!
//! Ids are minted from the clock, so rows are found by id: the oldest stand first in the primary key and no index is needed. Removing a
//! body leaves its journal row, with `body_erased_at`: resends are still recognised, origins still name the message, the path and the
//! rule. Removing a journal row ends both for that message.

use super::sql::{Columns, Sql};
use super::{Store, StoreError, Txn};
use crate::clock::first_id_at;
use crate::domain::time::Instant;

/// Most rows of one batch.
const ROWS: i64 = 1_000;
/// Most bytes of bodies in one batch: a thousand messages may carry gigabytes, and the writer waits while they go.
const BYTES: i64 = 32 << 20;

/// What is removed after its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Bytes of messages in and out; their journal rows stay.
    Bodies,
    /// Journal rows, with bodies that may be left.
    Journal,
    /// Rows of the log of worklist queries.
    Queries,
    /// Attempts at publications, once delivered or discarded.
    Attempts,
    /// Who read or changed what.
    Audit,
}

impl Kept {
    /// All, in the order in which they are purged.
    pub const ALL: [Self; 5] = [
        Self::Bodies,
        Self::Journal,
        Self::Queries,
        Self::Attempts,
        Self::Audit,
    ];

    /// Its word in settings, metrics and what the command prints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Journal => "journal",
            Self::Queries => "queries",
            Self::Attempts => "attempts",
            Self::Audit => "audit",
        }
    }

    /// The ids of rows from before `cutoff`, oldest first, as SQL without its LIMIT.
    fn expired(self, sql: Sql, cutoff: Instant) -> Sql {
        let first = first_id_at(cutoff);
        match self {
            Self::Bodies => sql
                .push(" FROM journal_body x WHERE x.journal_id < ")
                .bind(first),
            Self::Journal => sql.push(" FROM journal x WHERE x.id < ").bind(first),
            Self::Audit => sql.push(" FROM audit x WHERE x.id < ").bind(first),
            // A row that is extended stays: the queries that it stands for are younger than its id.
            Self::Queries => sql
                .push(" FROM query_log x WHERE x.id < ")
                .bind(first)
                .push(" AND x.last_at < ")
                .bind(cutoff.0),
            // An attempt belongs to the delivery that followed it: it goes that long after that delivery.
            Self::Attempts => sql
                .push(" FROM attempt x WHERE x.id < ")
                .bind(first)
                .push(
                    " AND (EXISTS (SELECT 1 FROM attempt d WHERE d.outbox_id = x.outbox_id AND d.outcome = 'delivered' \
                     AND d.id >= x.id AND d.at < ",
                )
                .bind(cutoff.0)
                .push(
                    ") OR NOT EXISTS (SELECT 1 FROM outbox o WHERE o.id = x.outbox_id AND o.state <> 'discarded'))",
                ),
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Bodies => "x.journal_id",
            Self::Journal | Self::Queries | Self::Attempts | Self::Audit => "x.id",
        }
    }
}

impl Store {
    /// How many rows are from before `cutoff` and would go.
    ///
    /// # Errors
    /// As the database says.
    pub async fn expired(&self, kept: Kept, cutoff: Instant) -> Result<u64, StoreError> {
        let sql = Sql::new(&self.read, "SELECT COUNT(*)");
        let row = kept.expired(sql, cutoff).one(&self.read).await?;
        let n: i64 = row.map_or(Ok(0), |row| Columns::of(&row).next())?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Removes the oldest rows from before `cutoff`, at most one batch. The number of rows; 0 = none is left.
    ///
    /// # Errors
    /// As the database says; then none of the batch is removed.
    pub async fn purge_batch(
        &self,
        kept: Kept,
        cutoff: Instant,
        now: Instant,
    ) -> Result<u64, StoreError> {
        let ids = self.batch(kept, cutoff).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let txn = self.begin().await?;
        match remove(&txn, kept, &ids, now).await {
            Ok(()) => txn.commit().await?,
            Err(error) => {
                txn.rollback(Some(&error)).await;
                return Err(error);
            }
        }
        Ok(ids.len() as u64)
    }

    /// The ids of the next batch, read outside the writer's transaction. Nobody but a purge removes these rows.
    async fn batch(&self, kept: Kept, cutoff: Instant) -> Result<Vec<i64>, StoreError> {
        let size = match kept {
            // Both databases answer it from the row's header, without reading the bytes.
            Kept::Bodies => "length(x.bytes)",
            Kept::Journal => {
                "COALESCE((SELECT length(b.bytes) FROM journal_body b WHERE b.journal_id = x.id), 0)"
            }
            Kept::Queries | Kept::Attempts | Kept::Audit => "0",
        };
        let id = kept.id();
        let head = format!("SELECT {id}, CAST({size} AS BIGINT)");
        let rows = kept
            .expired(Sql::new(&self.read, &head), cutoff)
            .push(&format!(" ORDER BY {id} LIMIT "))
            .bind(ROWS)
            .all(&self.read)
            .await?;
        let (mut ids, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        for row in &rows {
            let mut c = Columns::of(row);
            let (id, size): (i64, i64) = (c.next()?, c.next()?);
            bytes += size;
            if bytes > BYTES && !ids.is_empty() {
                break;
            }
            ids.push(id);
        }
        Ok(ids)
    }
}

async fn remove(txn: &Txn, kept: Kept, ids: &[i64], now: Instant) -> Result<(), StoreError> {
    let tables: &[(&str, &str)] = match kept {
        Kept::Bodies => &[("journal_body", "journal_id")],
        Kept::Journal => &[("journal_body", "journal_id"), ("journal", "id")],
        Kept::Queries => &[("query_log", "id")],
        Kept::Attempts => &[("attempt", "id")],
        Kept::Audit => &[("audit_patient", "audit_id"), ("audit", "id")],
    };
    for chunk in super::sql::chunks(ids) {
        if kept == Kept::Bodies {
            Sql::new(&txn.tx, "UPDATE journal SET body_erased_at = ")
                .bind(now.0)
                .push(" WHERE id IN ")
                .list(chunk)
                .execute(&txn.tx)
                .await?;
        }
        for (table, id) in tables {
            Sql::new(&txn.tx, &format!("DELETE FROM {table} WHERE {id} IN "))
                .list(chunk)
                .execute(&txn.tx)
                .await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Minter};
    use crate::store::testing::{Fresh, sqlite, stores};
    use std::time::Duration;

    /// In 2036: ids are minted from 2025 on.
    const NOW: Instant = Instant(2_100_000_000_000_000);

    /// Ids minted so many days before `NOW`.
    fn ids(days: u64, n: usize) -> Vec<i64> {
        let at = Instant(NOW.0 - i64::try_from(days * 86_400_000_000).unwrap());
        let minter = Minter::new(Clock::manual(at), 1);
        (0..n).map(|_| minter.mint()).collect()
    }

    async fn messages(store: &Store, ids: &[i64], bytes: usize) {
        for chunk in ids.chunks(500) {
            let rows: Vec<String> = chunk
                .iter()
                .map(|id| format!("({id}, 1, 'in', 'mllp', 'ris', '', '', '{id}', 'h', '', '', '', 'applied', 1)"))
                .collect();
            let bodies: Vec<String> = chunk
                .iter()
                .map(|id| match store.is_sqlite() {
                    true => format!("({id}, zeroblob({bytes}))"),
                    false => format!("({id}, decode(repeat('00', {bytes}), 'hex'))"),
                })
                .collect();
            store
                .tamper(&format!(
                    "INSERT INTO journal (id, at, dir, port, link, peer, kind, control_id, hash, charset, zone, mapping_rev, outcome, once) \
                     VALUES {}; INSERT INTO journal_body VALUES {}",
                    rows.join(","),
                    bodies.join(",")
                ))
                .await;
        }
    }

    async fn batches(store: &Store, kept: Kept, cutoff: Instant) -> Vec<u64> {
        let mut sizes = vec![];
        loop {
            match store.purge_batch(kept, cutoff, NOW).await.unwrap() {
                0 => return sizes,
                n => sizes.push(n),
            }
        }
    }

    fn days_ago(days: u64) -> Instant {
        let clock = Clock::manual(Instant(0));
        clock.advance(Duration::from_secs(days * 86_400));
        Instant(NOW.0 - clock.now().0)
    }

    #[tokio::test]
    async fn h04_old_bodies_go_a_thousand_at_a_time_and_their_rows_stay() {
        for Fresh { store, .. } in &stores().await {
            messages(store, &ids(91, 2_300), 10).await;
            let young = ids(89, 3);
            messages(store, &young, 10).await;
            let cutoff = days_ago(90);
            assert_eq!(store.expired(Kept::Bodies, cutoff).await.unwrap(), 2_300);
            assert_eq!(
                batches(store, Kept::Bodies, cutoff).await,
                [1_000, 1_000, 300]
            );
            assert_eq!(store.expired(Kept::Bodies, NOW).await.unwrap(), 3);
            assert_eq!(store.expired(Kept::Journal, NOW).await.unwrap(), 2_303);
            let kept = crate::domain::ids::JournalId(young[0]);
            assert!(store.journal(kept).await.unwrap().unwrap().body.is_some());
            assert_eq!(
                batches(store, Kept::Journal, cutoff).await,
                [1_000, 1_000, 300]
            );
            assert!(store.journal(kept).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn h04_a_batch_of_large_bodies_ends_before_the_writer_waits_long() {
        let Fresh { store, .. } = &sqlite().await;
        messages(store, &ids(91, 5), 12 << 20).await;
        assert_eq!(batches(store, Kept::Bodies, NOW).await, [2, 2, 1]);
    }

    #[tokio::test]
    async fn h04_attempts_go_ninety_days_after_their_delivery() {
        for Fresh { store, .. } in &stores().await {
            let outbox = |id: i64, state: &str| {
                format!(
                    "INSERT INTO outbox (id, target, subject, seq, wanted, done, state, due, attempts) VALUES ({id}, 'mes', 'exam/{id}', 0, 1, 1, '{state}', 0, 0)"
                )
            };
            let attempt = |id: i64, of: i64, days: u64, outcome: &str| {
                format!(
                    "INSERT INTO attempt (id, outbox_id, at, ms, outcome, status) VALUES ({id}, {of}, {}, 1, '{outcome}', '')",
                    days_ago(days).0
                )
            };
            let (long, old, young) = (ids(200, 5), ids(100, 5), ids(10, 5));
            for sql in [
                // Delivered long ago; failed long ago and delivered of late; held; discarded; delivered, and failing since.
                outbox(1, "delivered"),
                attempt(long[0], 1, 200, "temporary"),
                attempt(old[0], 1, 100, "delivered"),
                outbox(2, "delivered"),
                attempt(long[1], 2, 200, "temporary"),
                attempt(young[1], 2, 10, "delivered"),
                outbox(3, "held"),
                attempt(long[2], 3, 200, "permanent"),
                outbox(4, "discarded"),
                attempt(long[3], 4, 200, "permanent"),
                outbox(5, "queued"),
                attempt(long[4], 5, 200, "delivered"),
                attempt(old[4], 5, 100, "temporary"),
            ] {
                store.tamper(&sql).await;
            }
            assert_eq!(batches(store, Kept::Attempts, days_ago(90)).await, [4]);
            for (outbox, left) in [(1, 0), (2, 2), (3, 1), (4, 0), (5, 1)] {
                assert_eq!(
                    store.attempts_at(outbox, 9).await.unwrap().len(),
                    left,
                    "{outbox}"
                );
            }
        }
    }

    #[tokio::test]
    async fn h04_the_audit_trail_is_kept_for_its_own_time() {
        for Fresh { store, .. } in &stores().await {
            let ids = [ids(2_200, 1), ids(2_100, 1)].concat();
            for id in &ids {
                store
                    .tamper(&format!(
                        "INSERT INTO audit (id, at, who, role, peer, action, subject, ids, filter, outcome, n) \
                         VALUES ({id}, 1, 'w', 'viewer', '', 'read', 'exam', '', '', 'allowed', 1); \
                         INSERT INTO audit_patient VALUES (7, {id})"
                    ))
                    .await;
            }
            assert_eq!(batches(store, Kept::Audit, days_ago(2_190)).await, [1]);
            let dump = store.dump(&crate::store::LeaveOut::NOTHING).await.unwrap();
            let rows = |table: &str| dump.lines().filter(|l| l.starts_with(table)).count();
            assert_eq!([rows("audit "), rows("audit_patient ")], [1, 1]);
        }
    }

    #[tokio::test]
    async fn h04_a_query_that_is_repeated_is_as_old_as_its_last_repetition() {
        for Fresh { store, .. } in &stores().await {
            for (id, last) in ids(20, 2).into_iter().zip([days_ago(20), days_ago(1)]) {
                store
                    .tamper(&format!("INSERT INTO query_log VALUES ({id}, 'CT1', 'k', '', 'i', '', 0, 1, 1, {}, 1)", last.0))
                    .await;
            }
            assert_eq!(batches(store, Kept::Queries, days_ago(14)).await, [1]);
            assert_eq!(store.queries_of("CT1", 9).await.unwrap().len(), 1);
        }
    }
}
