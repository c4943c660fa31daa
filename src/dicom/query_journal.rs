//! The journal of worklist queries: what a device asked and what it was answered, so that "what did CT2 ask at 08:12" has an answer.
//!
//! Never in the path of an answer: a bounded channel, written once a second; equal queries with equal answers collapse into one row.
//! If the channel is full a query is dropped and counted; a crash may lose the last second.

use crate::clock::Minter;
use crate::domain::time::Instant;
use crate::store::{QueryLogRow, Store};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Queries that may wait to be written.
const WAITING: usize = 4096;
/// How often they are written.
const PERIOD: Duration = Duration::from_secs(1);

/// One answered query.
#[derive(Debug)]
pub struct Asked {
    /// Calling AE title.
    pub device: String,
    /// The matching keys.
    pub keys: String,
    /// Ids of the steps that were answered.
    pub steps: Vec<i64>,
    /// How long it took.
    pub took: Duration,
    pub at: Instant,
}

/// The way into the journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct QueryJournal(mpsc::Sender<Asked>);

impl QueryJournal {
    /// Starts the writer; it ends after `stop`, when what waits is written.
    pub fn start(store: Store, minter: Minter, stop: CancellationToken) -> (Self, JoinHandle<()>) {
        let (sender, waiting) = mpsc::channel(WAITING);
        (
            Self(sender),
            tokio::spawn(write(store, minter, waiting, stop)),
        )
    }

    /// Notes a query without waiting.
    pub fn note(&self, asked: Asked) {
        if self.0.try_send(asked).is_err() {
            metrics::counter!("relais_query_journal_dropped_total").increment(1);
        }
    }
}

async fn write(
    store: Store,
    minter: Minter,
    mut waiting: mpsc::Receiver<Asked>,
    stop: CancellationToken,
) {
    let mut beat = tokio::time::interval(PERIOD);
    loop {
        let last = tokio::select! {
            () = stop.cancelled() => true,
            _ = beat.tick() => false,
        };
        let mut rows: Vec<QueryLogRow> = Vec::new();
        while let Ok(asked) = waiting.try_recv() {
            let row = row(asked, &minter);
            match rows.iter_mut().rev().find(|r| r.device == row.device) {
                Some(same) if same.keys_hash == row.keys_hash && same.ids_hash == row.ids_hash => {
                    same.count += 1;
                    same.last_at = row.last_at;
                    same.us = row.us;
                }
                _ => rows.push(row),
            }
        }
        if !rows.is_empty()
            && let Err(error) = store.log_queries(&rows).await
        {
            metrics::counter!("relais_query_journal_dropped_total").increment(rows.len() as u64);
            tracing::warn!(%error, queries = rows.len(), "worklist queries are not journalled");
        }
        if last {
            return;
        }
    }
}

fn row(asked: Asked, minter: &Minter) -> QueryLogRow {
    let ids = asked
        .steps
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    QueryLogRow {
        id: minter.mint(),
        device: asked.device,
        keys_hash: hash(&asked.keys),
        keys: asked.keys,
        ids_hash: hash(&ids),
        ids,
        n: i64::try_from(asked.steps.len()).unwrap_or(i64::MAX),
        us: i64::try_from(asked.took.as_micros()).unwrap_or(i64::MAX),
        first_at: asked.at,
        last_at: asked.at,
        count: 1,
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
