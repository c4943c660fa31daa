//! Who is at an outbox row and what came of it: claims by lease, settlements, attempts.

use super::super::journal::{self, JournalRow, hex};
use super::super::sql::{Columns, Insert, Sql, opt_int, text};
use super::super::{Store, StoreError, Txn};
use crate::clock::tokens_of_node;
use crate::domain::ids::JournalId;
use crate::domain::time::Instant;
use sea_orm::ConnectionTrait;

/// The lease of a process that died: no node makes this token, so nobody settles with it.
const NOBODY: i64 = -1;

/// A row that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub id: i64,
    pub subject: String,
    pub seq: i64,
    /// What was wanted when it was claimed: delivered means delivered up to here.
    pub wanted: i64,
    /// What was delivered before; 0 = never.
    pub done: i64,
    /// Failed attempts since the last success or operator's retry.
    pub attempts: i64,
    /// The lease.
    pub token: i64,
}

/// One attempt to deliver, for the record.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    pub id: i64,
    pub at: Instant,
    /// Duration in milliseconds.
    pub ms: i64,
    /// What the peer said: `200`, `timeout` ... Without patient data.
    pub status: String,
    /// What was sent, for the journal.
    pub journal: Option<JournalRow<'a>>,
}

/// How a claim ends.
enum Settlement<'a> {
    Delivered,
    Retry(Instant, &'a str, &'a str),
    Held(&'a str, &'a str),
}

impl Store {
    /// Claims up to `n` due rows of a target until `now + lease_us`; the lease must be longer than a delivery can take. Of an event
    /// target only the first undelivered row of each subject is claimed: a held one blocks its subject and nothing else. While another
    /// node has rows of the target in flight nothing is claimed: nodes do not know each other's patients in flight. Nor is anything of
    /// a paused target.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim(
        &self,
        target: &str,
        n: u32,
        lease_us: i64,
        now: Instant,
        token: i64,
    ) -> Result<Vec<Claim>, StoreError> {
        let txn = self.begin().await?;
        let claimed = async {
            if !self.is_sqlite() {
                // Nodes claim one after the other; on SQLite the transaction is alone by itself.
                Sql::new(&txn.tx, "SELECT pg_advisory_xact_lock(hashtextextended(")
                    .bind(format!("relais outbox {target}"))
                    .push(", 0))")
                    .execute(&txn.tx)
                    .await?;
            }
            if is_paused(&txn, target).await?
                || other_node_delivers(&txn, target, now, token).await?
            {
                return Ok(vec![]);
            }
            claim(&txn, target, n, lease_us, now, token).await
        };
        let claimed = claimed.await;
        txn.end(claimed).await
    }

    /// Takes the rows of a target from an earlier process of the node that made `token`; they are free at `until` at the latest, and
    /// until they are nothing of the target is claimed: the receiver may still be at what the dead process sent. The number of rows.
    ///
    /// # Errors
    /// As the database says.
    pub async fn orphan(
        &self,
        target: &str,
        token: i64,
        until: Instant,
    ) -> Result<u64, StoreError> {
        let own = tokens_of_node(token);
        let orphaned = Sql::new(&self.write, "UPDATE outbox SET lease_token = ")
            .bind(NOBODY)
            .push(", leased_until = CASE WHEN leased_until > ")
            .bind(until.0)
            .push(" THEN ")
            .bind(until.0)
            .push(" ELSE leased_until END WHERE target = ")
            .bind(text(target))
            .push(" AND lease_token BETWEEN ")
            .bind(*own.start())
            .push(" AND ")
            .bind(*own.end())
            .execute(&self.write)
            .await;
        self.health.of_write(orphaned)
    }

    /// When the next row of a target is due or its lease ends: until then its worker may sleep. `None` = nothing is queued, or the
    /// target is paused.
    ///
    /// # Errors
    /// As the database says.
    pub async fn next_due(&self, target: &str) -> Result<Option<Instant>, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT MIN(CASE WHEN leased_until IS NOT NULL AND leased_until > due THEN leased_until ELSE due END) \
             FROM outbox WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM target_pause p WHERE p.target = outbox.target) \
             AND target = ",
        )
        .bind(text(target))
        .one(&self.read)
        .await?;
        let due: Option<i64> = row.map_or(Ok(None), |row| Columns::of(&row).next())?;
        Ok(due.map(Instant))
    }

    /// Delivered. If more was wanted meanwhile, the row is queued again. False if the lease was lost: nothing changed.
    ///
    /// # Errors
    /// As the database says; the lease then runs out and the row is delivered again.
    pub async fn settle_delivered(
        &self,
        claim: &Claim,
        attempt: &Attempt<'_>,
    ) -> Result<bool, StoreError> {
        self.settle(claim, attempt, &Settlement::Delivered).await
    }

    /// Failed for now; tried again at `due`. False if the lease was lost.
    ///
    /// # Errors
    /// As the database says.
    pub async fn settle_retry(
        &self,
        claim: &Claim,
        attempt: &Attempt<'_>,
        due: Instant,
        reason: &str,
        detail: &str,
    ) -> Result<bool, StoreError> {
        self.settle(claim, attempt, &Settlement::Retry(due, reason, detail))
            .await
    }

    /// Cannot be delivered as it is: held for an operator, or until its subject changes. False if the lease was lost.
    ///
    /// # Errors
    /// As the database says.
    pub async fn settle_held(
        &self,
        claim: &Claim,
        attempt: &Attempt<'_>,
        reason: &str,
        detail: &str,
    ) -> Result<bool, StoreError> {
        self.settle(claim, attempt, &Settlement::Held(reason, detail))
            .await
    }

    /// The journal row of an earlier attempt at a claimed row that keeps the bytes with this SHA-256.
    ///
    /// # Errors
    /// As the database says.
    pub async fn sent_before(
        &self,
        claim: &Claim,
        hash: &[u8; 32],
    ) -> Result<Option<JournalId>, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT j.id FROM attempt a JOIN journal j ON j.id = a.journal_id JOIN journal_body b ON b.journal_id = j.id \
             WHERE a.outbox_id = ",
        )
        .bind(claim.id)
        .push(" AND j.hash = ")
        .bind(hex(hash))
        .push(" ORDER BY j.id LIMIT 1")
        .one(&self.read)
        .await?;
        row.map(|row| Ok(JournalId(Columns::of(&row).next()?)))
            .transpose()
    }

    /// Gives a claim back untouched (shutdown, or another row of the same patient is in flight).
    ///
    /// # Errors
    /// As the database says.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        Sql::new(
            &self.write,
            "UPDATE outbox SET lease_token = NULL, leased_until = NULL WHERE id = ",
        )
        .bind(claim.id)
        .push(" AND lease_token = ")
        .bind(claim.token)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn settle(
        &self,
        claim: &Claim,
        attempt: &Attempt<'_>,
        settlement: &Settlement<'_>,
    ) -> Result<bool, StoreError> {
        let txn = self.begin().await?;
        let settled = settle(&txn, claim, attempt, settlement).await;
        txn.end(settled).await
    }
}

/// True if an operator paused the target.
async fn is_paused(txn: &Txn, target: &str) -> Result<bool, StoreError> {
    let row = Sql::new(&txn.tx, "SELECT at FROM target_pause WHERE target = ")
        .bind(text(target))
        .one(&txn.tx)
        .await?;
    Ok(row.is_some())
}

/// True if a node other than the token's has rows of the target in flight.
async fn other_node_delivers(
    txn: &Txn,
    target: &str,
    now: Instant,
    token: i64,
) -> Result<bool, StoreError> {
    let own = tokens_of_node(token);
    let row = Sql::new(&txn.tx, "SELECT id FROM outbox WHERE target = ")
        .bind(text(target))
        .push(" AND lease_token IS NOT NULL AND leased_until > ")
        .bind(now.0)
        .push(" AND (lease_token < ")
        .bind(*own.start())
        .push(" OR lease_token > ")
        .bind(*own.end())
        .push(") LIMIT 1")
        .one(&txn.tx)
        .await?;
    Ok(row.is_some())
}

async fn claim(
    txn: &Txn,
    target: &str,
    n: u32,
    lease_us: i64,
    now: Instant,
    token: i64,
) -> Result<Vec<Claim>, StoreError> {
    // The outer WHERE repeats state and lease: PostgreSQL re-checks only these after waiting for another node's commit.
    let free = |sql: Sql| {
        sql.push("state = 'queued' AND (leased_until IS NULL OR leased_until <= ")
            .bind(now.0)
            .push(")")
    };
    let sql = Sql::new(&txn.tx, "UPDATE outbox SET lease_token = ")
        .bind(token)
        .push(", leased_until = ")
        .bind(now.0.saturating_add(lease_us))
        .push(" WHERE id IN (SELECT id FROM outbox o WHERE target = ")
        .bind(text(target))
        .push(" AND due <= ")
        .bind(now.0)
        .push(" AND ");
    let sql = free(sql)
        .push(
            " AND (seq = 0 OR NOT EXISTS (SELECT 1 FROM outbox e WHERE e.target = o.target AND e.subject = o.subject \
             AND e.seq > 0 AND e.seq < o.seq AND e.state IN ('queued', 'held'))) ORDER BY due, id LIMIT ",
        )
        .bind(i64::from(n))
        .push(") AND ");
    let rows = free(sql)
        .push(" RETURNING id, subject, seq, wanted, done, attempts")
        .all(&txn.tx)
        .await?;
    let mut claims = vec![];
    for row in &rows {
        let mut c = Columns::of(row);
        claims.push(Claim {
            id: c.next()?,
            subject: c.next()?,
            seq: c.next()?,
            wanted: c.next()?,
            done: c.next()?,
            attempts: c.next()?,
            token,
        });
    }
    claims.sort_by_key(|c| (c.seq, c.id));
    Ok(claims)
}

async fn settle(
    txn: &Txn,
    claim: &Claim,
    attempt: &Attempt<'_>,
    settlement: &Settlement<'_>,
) -> Result<bool, StoreError> {
    let db = &txn.tx;
    let head = "UPDATE outbox SET lease_token = NULL, leased_until = NULL";
    let more = |sql: Sql, settled: &'static str| {
        sql.push(", state = CASE WHEN wanted > ")
            .bind(claim.wanted)
            .push(&format!(" THEN 'queued' ELSE '{settled}' END"))
    };
    let said = |sql: Sql, reason: &str, detail: &str| {
        sql.push(", attempts = attempts + 1, reason = ")
            .bind(text(reason))
            .push(", detail = ")
            .bind(text(detail))
    };
    let sql = Sql::new(db, head);
    let (sql, outcome) = match settlement {
        Settlement::Delivered => {
            let sql = more(sql, "delivered")
                .push(", attempts = 0, reason = NULL, detail = NULL, done = ")
                .bind(claim.wanted)
                .push(", since = ")
                .bind(attempt.at.0);
            (sql, "delivered")
        }
        Settlement::Retry(due, reason, detail) => {
            let sql = said(sql, reason, detail).push(", due = ").bind(due.0);
            (sql, "temporary")
        }
        Settlement::Held(reason, detail) => {
            let sql = said(more(sql, "held"), reason, detail)
                .push(", since = ")
                .bind(attempt.at.0);
            (sql, "permanent")
        }
    };
    let settled = sql
        .push(" WHERE id = ")
        .bind(claim.id)
        .push(" AND lease_token = ")
        .bind(claim.token)
        .execute(db)
        .await?;
    record(db, claim, attempt, outcome).await?;
    Ok(settled > 0)
}

/// Rows of attempts, to be filled.
pub(in crate::store) fn attempts() -> Insert {
    Insert::into(
        "attempt",
        &[
            "id",
            "outbox_id",
            "at",
            "ms",
            "outcome",
            "status",
            "journal_id",
        ],
    )
}

/// Writes the attempt, and what was sent. Also after a lost lease: it was tried, whoever settles it.
async fn record<C: ConnectionTrait>(
    db: &C,
    claim: &Claim,
    attempt: &Attempt<'_>,
    outcome: &'static str,
) -> Result<(), StoreError> {
    if let Some(row) = &attempt.journal {
        journal::insert(db, std::slice::from_ref(row)).await?;
    }
    let mut insert = attempts();
    insert.row([
        attempt.id.into(),
        claim.id.into(),
        attempt.at.0.into(),
        attempt.ms.into(),
        outcome.into(),
        text(&attempt.status),
        opt_int(attempt.journal.as_ref().map(|j| j.entry.id.0)),
    ]);
    insert.execute(db, "").await?;
    Ok(())
}
