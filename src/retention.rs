//! Retention: what `[retention]` says is removed hourly while the engine runs, and by `relais purge`.
//!
//! A batch is one short transaction; between two batches the writer has the database for as long as the batch took, so that no sender
//! waits for a purge. Several nodes may purge the same rows: the second finds none.

use crate::clock::{Clock, Stopwatch};
use crate::config::Retention;
use crate::domain::time::Instant;
use crate::store::{Kept, Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a running engine purges.
const EVERY: Duration = Duration::from_secs(3600);
/// Shortest pause between two batches.
const PAUSE: Duration = Duration::from_millis(5);

impl Retention {
    /// What is older than this is removed.
    pub fn cutoff(&self, kept: Kept, now: Instant) -> Instant {
        let age = match kept {
            Kept::Bodies => self.bodies,
            Kept::Journal => self.journal,
            Kept::Queries => self.queries,
            Kept::Attempts => self.attempts,
            Kept::Audit => self.audit,
        };
        Instant(now.0 - i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Removes everything that is past its time; what was removed, by kind. Ends early when `stop` is cancelled.
///
/// # Errors
/// As the database says; batches before stay removed.
pub async fn purge(
    store: &Store,
    retention: &Retention,
    now: Instant,
    stop: &CancellationToken,
) -> Result<Vec<(Kept, u64)>, StoreError> {
    let mut removed = vec![];
    for kept in Kept::ALL {
        let cutoff = retention.cutoff(kept, now);
        let mut rows = 0;
        while !stop.is_cancelled() {
            let watch = Stopwatch::start();
            let batch = store.purge_batch(kept, cutoff, now).await?;
            if batch == 0 {
                break;
            }
            rows += batch;
            metrics::counter!("relais_purged_rows_total", "what" => kept.word()).increment(batch);
            tokio::time::sleep(watch.elapsed().max(PAUSE)).await;
        }
        removed.push((kept, rows));
    }
    Ok(removed)
}

/// What [`purge`] would remove now.
///
/// # Errors
/// As the database says.
pub async fn expired(
    store: &Store,
    retention: &Retention,
    now: Instant,
) -> Result<Vec<(Kept, u64)>, StoreError> {
    let mut found = vec![];
    for kept in Kept::ALL {
        found.push((
            kept,
            store.expired(kept, retention.cutoff(kept, now)).await?,
        ));
    }
    Ok(found)
}

/// Purges at the start and each hour until `stop`.
pub async fn keep(store: Store, retention: Retention, clock: Clock, stop: CancellationToken) {
    let mut hour = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hour.tick() => {}
        }
        match purge(&store, &retention, clock.now(), &stop).await {
            Ok(removed) => {
                for (kept, rows) in removed.iter().filter(|(_, rows)| *rows > 0) {
                    tracing::info!(what = kept.word(), rows, "purged: past its retention");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the purge did not end; it is tried again in an hour");
            }
        }
    }
}
