//! A batch: resends found, the world loaded, every unit decided in its order, everything flushed, one commit.
//!
//! Decisions are pure, so a refused unit is known before anything is written and costs its neighbours nothing. When the database
//! refuses the content of a batch (another node was first, a text it cannot hold), the batch is rolled back and its units are tried
//! one by one, so that one bad message cannot hold up the others. When the database is away or full, nothing of the batch is kept.

use super::flush::{self, Before, Decided, Fate};
use super::{Outcome, Unit, Writer, load};
use crate::domain::event::Event;
use crate::domain::ids::JournalId;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::time::Instant;
use crate::domain::world::{Cx, World};
use crate::fault::{self, Point};
use crate::store::{StoreError, Txn, hex};
use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// How often a unit is decided afresh when another writer was first.
const TRIES: usize = 3;

/// Why a batch was rolled back.
enum Failure {
    Store(StoreError),
    /// Something panicked on the way; the world may be half changed and is thrown away.
    Panic,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Writer {
    /// Decides and commits units; one outcome each, in their order.
    pub(super) async fn commit(&self, units: &[Unit]) -> Vec<Outcome> {
        let started = self.clock.now();
        let outcomes = match self.attempt(units).await {
            Ok(outcomes) => outcomes,
            Err(Failure::Store(error)) if !error.is_of_content() => away(&error, units.len()),
            Err(_) => {
                let mut outcomes = Vec::with_capacity(units.len());
                for unit in units {
                    outcomes.push(self.alone(unit).await);
                }
                outcomes
            }
        };
        let micros = self.clock.now().0.saturating_sub(started.0);
        metrics::histogram!("relais_workflow_commit_seconds").record(micros as f64 / 1e6);
        outcomes
    }

    /// One unit in a transaction of its own.
    async fn alone(&self, unit: &Unit) -> Outcome {
        let mut found = "its handling failed on a condition that should not occur";
        for _ in 0..TRIES {
            match self.attempt(std::slice::from_ref(unit)).await {
                Ok(mut outcomes) => {
                    return outcomes.pop().unwrap_or(Outcome::Away(Reason::Internal));
                }
                Err(Failure::Store(error)) if !error.is_of_content() => {
                    return Outcome::Away(Reason::StorageAway);
                }
                Err(Failure::Store(StoreError::Conflict(_))) => {
                    found = "other messages kept changing the same documents";
                }
                Err(Failure::Store(error)) => {
                    tracing::error!(journal.id = unit.journal.id.0, %error, "a message cannot be stored");
                    found = "the database refuses its content";
                    break;
                }
                Err(Failure::Panic) => {
                    tracing::error!(
                        journal.id = unit.journal.id.0,
                        "the handling of a message panicked"
                    );
                    break;
                }
            }
        }
        let refusal = Refusal::new(Reason::Internal, found)
            .hint("the message is in the journal; send it again once the cause is mended");
        let refused = Unit {
            decision: Err(refusal.clone()),
            ..unit.clone()
        };
        match self.attempt(std::slice::from_ref(&refused)).await {
            Ok(mut outcomes) => outcomes.pop().unwrap_or(Outcome::Refused(refusal)),
            Err(Failure::Store(error)) if !error.is_of_content() => {
                Outcome::Away(Reason::StorageAway)
            }
            // Not even its journal row can be written.
            Err(_) => Outcome::Refused(refusal),
        }
    }

    async fn attempt(&self, units: &[Unit]) -> Result<Vec<Outcome>, Failure> {
        let txn = self.store.begin().await?;
        let (outcomes, queued) = match guarded(self.run_in(&txn, units)).await {
            Ok(done) => done,
            Err(failure) => {
                let because = match &failure {
                    Failure::Store(error) => Some(error),
                    Failure::Panic => None,
                };
                txn.rollback(because).await;
                return Err(failure);
            }
        };
        fault::point(Point::BeforeCommit);
        txn.commit().await?;
        fault::point(Point::AfterCommit);
        if queued {
            self.commits.send_modify(|n| *n += 1);
        }
        Ok(outcomes)
    }

    async fn run_in(&self, txn: &Txn, units: &[Unit]) -> Result<(Vec<Outcome>, bool), Failure> {
        let now = self.clock.now();
        let mut resends = Resends::of(txn, units).await?;
        let commands = units
            .iter()
            .filter(|unit| resends.repeated(unit).is_none())
            .filter_map(|unit| unit.decision.as_ref().ok())
            .flatten();
        let wants = load::wants(commands);
        load::lock(txn, &wants).await?;
        let mut world = load::load(txn, &wants).await?;
        fault::point(Point::AfterLoad);
        let before = Before::of(&world);

        let mut decided = Vec::with_capacity(units.len());
        for unit in units {
            let mut warnings = unit.warnings.clone();
            let fate = if let Some((cause, ack)) = resends.repeated(unit) {
                Fate::Repeated { cause, ack }
            } else {
                match self.decide(&mut world, unit, now) {
                    Ok(events) => {
                        if resends.is_reused(unit) {
                            warnings.push(
                                "the control id was used before by a message of other content"
                                    .to_owned(),
                            );
                        }
                        resends.applied(unit);
                        Fate::Applied(events)
                    }
                    Err(refusal) => Fate::Refused(refusal),
                }
            };
            decided.push(Decided {
                unit,
                fate,
                warnings,
            });
        }
        let queued = flush::flush(self, txn, &before, &world, &decided, now).await?;
        Ok((decided.into_iter().map(Decided::outcome).collect(), queued))
    }

    fn decide(&self, world: &mut World, unit: &Unit, now: Instant) -> Result<Vec<Event>, Refusal> {
        let commands = unit.decision.as_ref().map_err(Clone::clone)?;
        let mut ids = self.minter.clone();
        let mut cx = Cx {
            now,
            as_of: unit.as_of,
            journal: unit.journal.id,
            zone: &unit.zone,
            oid_root: &self.settings.oid_root,
            policy: unit.policy,
            ids: &mut ids,
        };
        world.apply(commands, &mut cx)
    }
}

/// A fault in the handling of one message must not end the only writer.
async fn guarded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)))
            .unwrap_or(Poll::Ready(Err(Failure::Panic)))
    })
    .await
}

fn away(error: &StoreError, n: usize) -> Vec<Outcome> {
    tracing::warn!(messages = n, %error, "nothing was stored, nothing was acknowledged");
    vec![Outcome::Away(Reason::StorageAway); n]
}

/// An applied message: id, hash of its content, acknowledgement (`None`: its sender asked for none).
type Known = (JournalId, String, Option<Vec<u8>>);

/// What is known of the control ids of a batch: applied messages in the store, and those applied earlier in this batch.
#[derive(Default)]
struct Resends(HashMap<(String, String), Vec<Known>>);

impl Resends {
    async fn of(txn: &Txn, units: &[Unit]) -> Result<Self, StoreError> {
        let mut pairs: Vec<(&str, &str)> = units
            .iter()
            .filter(|unit| is_once(unit))
            .map(|unit| (unit.journal.link.as_str(), unit.journal.control_id.as_str()))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut known = Self::default();
        for applied in txn.applied(&pairs).await? {
            known
                .0
                .entry((applied.link, applied.control_id))
                .or_default()
                .push((applied.id, applied.hash, applied.ack));
        }
        Ok(known)
    }

    fn of_unit(&self, unit: &Unit) -> &[Known] {
        if !is_once(unit) {
            return &[];
        }
        let pair = (unit.journal.link.clone(), unit.journal.control_id.clone());
        self.0.get(&pair).map_or(&[], Vec::as_slice)
    }

    /// The message that this one repeats, with its acknowledgement.
    fn repeated(&self, unit: &Unit) -> Option<(JournalId, Option<Vec<u8>>)> {
        let hash = hex(&unit.journal.hash);
        let known = self.of_unit(unit).iter().find(|(_, of, _)| *of == hash);
        known.map(|(id, _, ack)| (*id, ack.clone()))
    }

    /// True if another message had the same control id.
    fn is_reused(&self, unit: &Unit) -> bool {
        !self.of_unit(unit).is_empty()
    }

    fn applied(&mut self, unit: &Unit) {
        if is_once(unit) {
            let pair = (unit.journal.link.clone(), unit.journal.control_id.clone());
            self.0.entry(pair).or_default().push((
                unit.journal.id,
                hex(&unit.journal.hash),
                unit.ack.clone(),
            ));
        }
    }
}

/// True if a resend of this unit is to be answered, not applied. Without a control id there is nothing to recognise it by.
pub(super) fn is_once(unit: &Unit) -> bool {
    unit.detect_resend && !unit.journal.control_id.is_empty()
}
