//! The one door: nothing changes the record but a [`Unit`] that passes through [`Workflow::execute`].
//!
//! All ports (HL7, DICOM, API, command line) put units into one bounded queue. One writer task takes everything that waits, loads what
//! the commands are about, lets `domain` decide in memory in the order of arrival, writes documents, events, worklist rows and outbox
//! rows with a few statements in one transaction, and answers only after the commit. See `batch`, `load` and `flush` for the three
//! steps.

#[cfg(test)]
mod arrival;
mod batch;
mod flush;
mod load;
#[cfg(test)]
mod tests;

pub use crate::store::JournalEntry;

use crate::clock::{Clock, Minter};
use crate::domain::command::Command;
use crate::domain::ids::{ExamId, JournalId};
use crate::domain::policy::Policy;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::time::AsOf;
use crate::publish::plan::TargetPlan;
use crate::store::Store;
use jiff::tz::TimeZone;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One message with what was made of it: the smallest thing that succeeds or fails.
#[derive(Debug, Clone)]
pub struct Unit {
    pub journal: JournalEntry,
    /// The bytes as received.
    pub body: Arc<[u8]>,
    /// What it asks for, or why it cannot be read. Refused messages are journalled too.
    pub decision: Result<Vec<Command>, Refusal>,
    /// Age of its statements.
    pub as_of: AsOf,
    /// Zone of its zone-less times.
    pub zone: TimeZone,
    pub policy: Policy,
    /// The positive acknowledgement: kept, so that a resend is answered with the same bytes.
    pub ack: Option<Vec<u8>>,
    /// What was read with doubt; kept with the row and given back.
    pub warnings: Vec<String>,
    /// True if the same content under the same link and control id is to be answered, not applied again (A6).
    pub detect_resend: bool,
    /// Set if an operator has it done again: the bytes are those of an earlier message.
    pub replay: Option<Replay>,
}

/// A message that is executed again, by an operator's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The journal row that keeps the bytes; it is never edited.
    pub of: JournalId,
    /// Why, in the operator's words; may be empty.
    pub because: String,
}

/// What became of a unit. Nothing but `Away` is returned before its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Applied, or nothing to change.
    Applied {
        journal: JournalId,
        /// Names of the events, with the exam that each concerns.
        events: Vec<(&'static str, Option<ExamId>)>,
        warnings: Vec<String>,
    },
    /// Applied before: its acknowledgement, if its sender asked for one.
    Repeated { ack: Option<Vec<u8>> },
    /// Refused; the record is as it was.
    Refused(Refusal),
    /// The store cannot be written; nothing of it was kept, the sender keeps it.
    Away(Reason),
}

/// What the writer needs to know of the site.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where events are published.
    pub targets: Vec<TargetPlan>,
    /// Zone of the site: the wall clock of the worklist.
    pub zone: TimeZone,
    /// Root of our own identifiers and study UIDs.
    pub oid_root: String,
    /// Units that may wait before ports are held back.
    pub queue: usize,
    /// Most units of one commit.
    pub group: usize,
    /// Most bytes of message bodies in one commit.
    pub group_bytes: usize,
}

impl Settings {
    /// The defaults for a site.
    pub fn new(oid_root: impl Into<String>, zone: TimeZone, targets: Vec<TargetPlan>) -> Self {
        Self {
            targets,
            zone,
            oid_root: oid_root.into(),
            queue: 1024,
            group: 64,
            group_bytes: 4 << 20,
        }
    }
}

struct Waiting {
    unit: Unit,
    reply: oneshot::Sender<Outcome>,
}

/// The handle of the door. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workflow {
    queue: mpsc::Sender<Waiting>,
    committed: watch::Receiver<u64>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.unit.journal.id.fmt(f)
    }
}

impl Workflow {
    /// Starts the writer. It ends when `stop` is cancelled or all handles are dropped, in both cases after everything that waits is
    /// committed and answered.
    pub fn start(
        store: Store,
        settings: Settings,
        clock: Clock,
        minter: Minter,
        stop: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(settings.queue.max(1));
        let (commits, committed) = watch::channel(0);
        let writer = Writer {
            store,
            settings,
            clock,
            outbox_ids: minter.sibling(),
            minter,
            commits,
        };
        let task = tokio::spawn(writer.run(waiting, stop));
        (Self { queue, committed }, task)
    }

    /// Applies a unit; returns after its commit. Waits while the queue is full: the port reads no further, the sender is held back.
    pub async fn execute(&self, unit: Unit) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        if self.queue.send(Waiting { unit, reply }).await.is_err() {
            return Outcome::Away(Reason::StorageAway);
        }
        outcome.await.unwrap_or(Outcome::Away(Reason::StorageAway))
    }

    /// False once the writer takes nothing any more: it was stopped, or it died.
    pub fn is_alive(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Changes after every commit that queued a publication: a worker that waits on it misses none, even one that happened while it
    /// was busy.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.clone()
    }
}

/// The writer task and what it works with.
pub(crate) struct Writer {
    store: Store,
    settings: Settings,
    clock: Clock,
    minter: Minter,
    /// A sequence of its own: how messages fall into batches then never shows in the ids of the record.
    outbox_ids: Minter,
    commits: watch::Sender<u64>,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<Waiting>, stop: CancellationToken) {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(unit) => Some(unit),
                None => tokio::select! {
                    biased;
                    unit = waiting.recv() => unit,
                    () = stop.cancelled(), if !waiting.is_closed() => {
                        // No unit enters any more; those that wait are still served.
                        waiting.close();
                        continue;
                    }
                },
            };
            let Some(first) = first else { break };
            let group = self.gather(first, &mut waiting, &mut next);
            metrics::histogram!("relais_workflow_group_size").record(group.len() as f64);
            metrics::gauge!("relais_workflow_queue_depth").set(waiting.len() as f64);
            let (units, replies): (Vec<_>, Vec<_>) =
                group.into_iter().map(|w| (w.unit, w.reply)).unzip();
            for (outcome, reply) in self.commit(&units).await.into_iter().zip(replies) {
                // A port that gave up (its connection is gone) will see the message again: a resend.
                let _ = reply.send(outcome);
            }
        }
    }

    /// Everything that waits, up to the limits of one commit; the unit that would break them is `next`.
    fn gather(
        &self,
        first: Waiting,
        waiting: &mut mpsc::Receiver<Waiting>,
        next: &mut Option<Waiting>,
    ) -> Vec<Waiting> {
        let mut bytes = first.unit.body.len();
        let mut group = vec![first];
        while group.len() < self.settings.group {
            let Ok(unit) = waiting.try_recv() else { break };
            bytes += unit.unit.body.len();
            if bytes > self.settings.group_bytes {
                *next = Some(unit);
                break;
            }
            group.push(unit);
        }
        group
    }
}
