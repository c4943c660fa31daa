//! What a node says of itself again and again: that it is alive, and how its queues stand.

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(10);
/// States of an entry that somebody may have to look at.
const STATES: [&str; 3] = ["queued", "held", "discarded"];

/// Beats until it is stopped.
pub async fn run(
    store: Store,
    clock: Clock,
    node: u16,
    targets: Vec<String>,
    stop: CancellationToken,
) {
    let mut beat = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {
                // Samples of histograms are folded here, so that they do not pile up where nobody scrapes.
                crate::telemetry::metrics().run_upkeep();
                if let Err(error) = store.heartbeat(node, clock.now()).await {
                    tracing::warn!(%error, "the heartbeat of this node cannot be written");
                }
                if let Err(error) = queues(&store, &clock, &targets).await {
                    tracing::warn!(%error, "the outbox cannot be counted");
                }
            }
        }
    }
}

/// How many entries of each target are in each state, for how long the oldest of them, and whether the target is paused.
async fn queues(store: &Store, clock: &Clock, targets: &[String]) -> Result<(), StoreError> {
    let depths = store.outbox_depths(&STATES).await?;
    let pauses = store.pauses().await?;
    let now = clock.now();
    for target in targets {
        for state in STATES {
            let found = depths
                .iter()
                .find(|d| d.target == *target && d.state == state);
            let seconds = found.map_or(0.0, |d| now.seconds() - d.oldest.seconds());
            let labels = [("target", target.clone()), ("state", state.to_owned())];
            let entries = found.map_or(0.0, |d| d.entries as f64);
            metrics::gauge!("relais_outbox_entries", &labels).set(entries);
            metrics::gauge!("relais_outbox_oldest_age_seconds", &labels).set(seconds.max(0.0));
        }
        let paused = pauses.iter().any(|p| p.target == *target);
        metrics::gauge!("relais_target_paused", "target" => target.clone())
            .set(f64::from(u8::from(paused)));
    }
    Ok(())
}
