//! What operators change: entries of the outbox queued again or given up, targets paused, refused messages marked as handled. Every
//! act is a row of the journal that says who, when and why, in the transaction of its effect; nothing that was written before is edited.

use super::journal::{self, Direction, JournalEntry, JournalRow};
use super::outbox::{OutboxFilter, attempts};
use super::sql::{Columns, Insert, Sql, text};
use super::{Store, StoreError, Txn};
use crate::domain::ids::JournalId;
use crate::domain::time::Instant;

/// What is wished of entries of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Held, discarded and waiting entries are queued, due now, with a fresh count of attempts.
    Retry,
    /// Delivered entries are sent once more.
    Resend,
    /// Waiting and held entries are given up and no longer block their subject; one in flight is left alone.
    Skip,
}

impl Steer {
    /// The word in the journal and in the entry's attempts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Resend => "resend",
            Self::Skip => "discard",
        }
    }
}

/// What was done about a message afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Its own journal row.
    pub journal: JournalId,
    pub at: Instant,
    /// Who did it, of a correction; the sender's address, of a resend.
    pub who: String,
    /// `applied`, `refused` (a replay), `discarded`, `repeated` (a resend).
    pub outcome: String,
    /// Why, and what came of it.
    pub detail: Option<String>,
}

/// A refused message as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    pub id: JournalId,
    pub at: Instant,
    pub link: String,
    pub kind: String,
    pub control_id: String,
    /// Reason code.
    pub reason: String,
    pub detail: String,
    /// What operators did about it, oldest first.
    pub corrections: Vec<Correction>,
}

/// A target to which nothing is sent for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub target: String,
    pub at: Instant,
    pub who: String,
    pub because: String,
}

/// Of the rows `r` of the journal the messages that were refused; replays are rows of their own.
pub(super) const REFUSED: &str = "r.outcome = 'refused' AND r.dir = 'in' AND r.cause_id IS NULL";

/// Of the [`REFUSED`] those that nobody has dealt with: not replayed with success, not discarded, not applied when its sender repeated
/// it. Of a scanner's, which has no control ids, not overtaken either: neither were the same words applied, nor a later N-CREATE or
/// N-SET, as it was one, of the same performed step. (`|| ''` keeps SQLite from reading all of a link where the control id finds few.)
pub(super) const UNHANDLED: &str = " AND NOT EXISTS (SELECT 1 FROM journal c WHERE c.cause_id = r.id AND c.outcome IN ('applied', 'discarded')) \
     AND NOT EXISTS (SELECT 1 FROM journal o WHERE o.once = 1 AND o.outcome = 'applied' AND o.link = r.link \
     AND o.control_id = r.control_id AND o.hash = r.hash) \
     AND NOT (r.port = 'dicom' AND EXISTS (SELECT 1 FROM journal s WHERE s.dir = 'in' AND s.control_id = r.control_id \
     AND s.port = 'dicom' AND s.outcome = 'applied' AND s.link || '' = r.link \
     AND (s.hash = r.hash OR (s.id > r.id AND substr(s.kind, 1, 5) = substr(r.kind, 1, 5)))))";

/// The row of an act: no bytes, no acknowledgement.
fn row<'a>(
    entry: &'a JournalEntry,
    outcome: &'static str,
    detail: Option<String>,
    cause: Option<JournalId>,
) -> JournalRow<'a> {
    JournalRow {
        entry,
        direction: Direction::In,
        body: None,
        outcome,
        reason: None,
        detail,
        ack: None,
        cause,
        once: false,
    }
}

impl Store {
    /// Runs `work` in a transaction: committed if it succeeds, else nothing of it is there.
    async fn in_txn<T>(
        &self,
        work: impl AsyncFnOnce(&Txn) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let txn = self.begin().await?;
        let done = work(&txn).await;
        txn.end(done).await
    }

    /// Does to entries of the outbox what an operator wishes. The ids of those that changed; if there are none, nothing is recorded.
    /// `entry` is the act's journal row (its link is set to the target), `mint` makes the ids of the attempts that show it.
    ///
    /// # Errors
    /// As the database says.
    pub async fn steer_outbox(
        &self,
        steer: Steer,
        filter: &OutboxFilter,
        mut entry: JournalEntry,
        because: &str,
        mut mint: impl FnMut() -> i64,
    ) -> Result<Vec<i64>, StoreError> {
        self.in_txn(async move |txn| {
            let changed = steered(txn, steer, filter, entry.received).await?;
            let Some((_, target)) = changed.first() else {
                return Ok(vec![]);
            };
            if changed.iter().all(|(_, t)| t == target) {
                entry.link.clone_from(target);
            }
            let counted = match changed.len() {
                1 => "1 entry".to_owned(),
                n => format!("{n} entries"),
            };
            let detail = join(&counted, because);
            journal::insert(&txn.tx, &[row(&entry, "applied", Some(detail), None)]).await?;
            let mut attempts = attempts();
            for (id, _) in &changed {
                attempts.row([
                    mint().into(),
                    (*id).into(),
                    entry.received.0.into(),
                    0_i64.into(),
                    steer.word().into(),
                    text(&join(&entry.peer, because)),
                    entry.id.0.into(),
                ]);
            }
            attempts.execute(&txn.tx, "").await?;
            Ok(changed.into_iter().map(|(id, _)| id).collect())
        })
        .await
    }

    /// Marks a refused message as handled. False if it is handled already.
    ///
    /// # Errors
    /// As the database says.
    pub async fn discard_message(
        &self,
        message: JournalId,
        entry: &JournalEntry,
        because: &str,
    ) -> Result<bool, StoreError> {
        self.in_txn(async |txn| {
            let open = Sql::new(
                &txn.tx,
                "SELECT r.id FROM journal r WHERE r.outcome = 'refused' AND r.id = ",
            )
            .bind(message.0)
            .push(UNHANDLED)
            .one(&txn.tx)
            .await?;
            if open.is_some() {
                let row = row(entry, "discarded", Some(because.to_owned()), Some(message));
                journal::insert(&txn.tx, &[row]).await?;
            }
            Ok(open.is_some())
        })
        .await
    }

    /// True if a replay of the message was applied.
    ///
    /// # Errors
    /// As the database says.
    pub async fn was_replayed(&self, message: JournalId) -> Result<bool, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT id FROM journal WHERE outcome = 'applied' AND cause_id = ",
        )
        .bind(message.0)
        .push(" LIMIT 1")
        .one(&self.read)
        .await?;
        Ok(row.is_some())
    }

    /// Refused messages, oldest first: those that nobody has dealt with yet, or `all`; of one reason code if one is given.
    ///
    /// # Errors
    /// As the database says.
    pub async fn refused_messages(
        &self,
        reason: Option<&str>,
        all: bool,
        limit: u32,
    ) -> Result<Vec<RefusedMessage>, StoreError> {
        let mut sql = Sql::new(
            &self.read,
            "SELECT r.id, r.at, r.link, r.kind, r.control_id, COALESCE(r.reason, ''), COALESCE(r.detail, '') FROM journal r WHERE ",
        )
        .push(REFUSED);
        if let Some(reason) = reason {
            sql = sql.push(" AND r.reason = ").bind(text(reason));
        }
        if !all {
            sql = sql.push(UNHANDLED);
        }
        let rows = sql
            .push(" ORDER BY r.id LIMIT ")
            .bind(i64::from(limit))
            .all(&self.read)
            .await?;
        let mut found = vec![];
        for row in &rows {
            let mut c = Columns::of(row);
            let id = JournalId(c.next()?);
            found.push(RefusedMessage {
                id,
                at: Instant(c.next()?),
                link: c.next()?,
                kind: c.next()?,
                control_id: c.next()?,
                reason: c.next()?,
                detail: c.next()?,
                corrections: vec![],
            });
        }
        for message in &mut found {
            message.corrections = self.corrections_of(message.id).await?;
        }
        Ok(found)
    }

    /// What was done about a message after it came, oldest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn corrections_of(&self, message: JournalId) -> Result<Vec<Correction>, StoreError> {
        let rows = Sql::new(
            &self.read,
            "SELECT id, at, peer, outcome, detail FROM journal WHERE dir = 'in' AND cause_id = ",
        )
        .bind(message.0)
        .push(" ORDER BY id")
        .all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(Correction {
                    journal: JournalId(c.next()?),
                    at: Instant(c.next()?),
                    who: c.next()?,
                    outcome: c.next()?,
                    detail: c.next()?,
                })
            })
            .collect()
    }

    /// Sends nothing to a target from now on. False if it is paused already.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pause_target(
        &self,
        target: &str,
        entry: &JournalEntry,
        because: &str,
    ) -> Result<bool, StoreError> {
        self.in_txn(async |txn| {
            let mut insert = Insert::into("target_pause", &["target", "at", "journal_id"]);
            insert.row([text(target), entry.received.0.into(), entry.id.0.into()]);
            let changed = insert
                .execute(&txn.tx, " ON CONFLICT (target) DO NOTHING")
                .await?;
            act(txn, changed, entry, because).await
        })
        .await
    }

    /// Sends to a paused target again. False if it was not paused.
    ///
    /// # Errors
    /// As the database says.
    pub async fn resume_target(
        &self,
        target: &str,
        entry: &JournalEntry,
        because: &str,
    ) -> Result<bool, StoreError> {
        self.in_txn(async |txn| {
            let changed = Sql::new(&txn.tx, "DELETE FROM target_pause WHERE target = ")
                .bind(text(target))
                .execute(&txn.tx)
                .await?;
            act(txn, changed, entry, because).await
        })
        .await
    }

    /// The paused targets, with who paused them and why.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let rows = Sql::new(
            &self.read,
            "SELECT p.target, p.at, COALESCE(j.peer, ''), COALESCE(j.detail, '') FROM target_pause p \
             LEFT JOIN journal j ON j.id = p.journal_id ORDER BY p.target",
        )
        .all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let mut c = Columns::of(row);
                Ok(Pause {
                    target: c.next()?,
                    at: Instant(c.next()?),
                    who: c.next()?,
                    because: c.next()?,
                })
            })
            .collect()
    }
}

/// Records an act if it changed something.
async fn act(
    txn: &Txn,
    changed: u64,
    entry: &JournalEntry,
    because: &str,
) -> Result<bool, StoreError> {
    if changed > 0 {
        let because = Some(because.to_owned()).filter(|text| !text.is_empty());
        journal::insert(&txn.tx, &[row(entry, "applied", because, None)]).await?;
    }
    Ok(changed > 0)
}

fn join(what: &str, because: &str) -> String {
    if because.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {because}")
    }
}

/// The entries that were changed, with their targets.
async fn steered(
    txn: &Txn,
    steer: Steer,
    filter: &OutboxFilter,
    now: Instant,
) -> Result<Vec<(i64, String)>, StoreError> {
    let queued = |more: u8| {
        Sql::new(
            &txn.tx,
            &format!(
                "UPDATE outbox SET wanted = wanted + {more}, state = 'queued', attempts = 0, reason = NULL, detail = NULL, due = "
            ),
        )
        .bind(now.0)
        .push(", since = CASE WHEN state = 'queued' THEN since ELSE ")
        .bind(now.0)
        .push(" END")
    };
    let sql = match steer {
        Steer::Retry => filter.apply(queued(0)).push(" AND state <> 'delivered'"),
        Steer::Resend => filter.apply(queued(1)).push(" AND state = 'delivered'"),
        Steer::Skip => {
            let sql =
                Sql::new(&txn.tx, "UPDATE outbox SET state = 'discarded', since = ").bind(now.0);
            filter
                .apply(sql)
                .push(
                    " AND state IN ('queued', 'held') AND (leased_until IS NULL OR leased_until <= ",
                )
                .bind(now.0)
                .push(")")
        }
    };
    let rows = sql.push(" RETURNING id, target").all(&txn.tx).await?;
    let mut changed = vec![];
    for row in &rows {
        let mut c = Columns::of(row);
        changed.push((c.next()?, c.next()?));
    }
    changed.sort_unstable();
    Ok(changed)
}
