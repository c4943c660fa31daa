//! What a node says of itself again and again: that it is alive, and how its queues stand.

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(10);
/// How often while the store cannot be written.
const PROBE: Duration = Duration::from_secs(1);
/// States of an entry that somebody may have to look at.
const STATES: [&str; 3] = ["queued", "held", "discarded"];

/// Beats until it is stopped. After a failed write it is also what finds out, without a hand, that the store is back.
pub async fn run(
    store: Store,
    clock: Clock,
    node: u16,
    targets: Vec<String>,
    stop: CancellationToken,
) {
    let mut away = store.away();
    loop {
        away.mark_unchanged();
        // Samples of histograms are folded here, so that they do not pile up where nobody scrapes.
        crate::telemetry::metrics().run_upkeep();
        let beat = store.heartbeat(node, clock.now()).await;
        if let Err(error) = queues(&store, &clock, &targets).await {
            // The store raises its own alarm: a line at each probe would bury it.
            tracing::debug!(%error, "the outbox cannot be counted");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(if beat.is_ok() { EVERY } else { PROBE }) => {}
            // A write has failed: is it so? Once it is known, the probe goes at its own pace, however many fail meanwhile.
            _ = away.changed(), if beat.is_ok() => {}
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
