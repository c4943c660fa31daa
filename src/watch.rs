//! Figures that alarms need and no message brings: exams that do not end, what each device should find on its list.
//!
//! Read every half minute and set as gauges; docs/alerts/relais.yml makes alarms of them.

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::time::{Instant, LocalTime};
use crate::mapping::MappingSet;
use crate::mapping::table::values;
use crate::mappings::Mappings;
use crate::store::{Store, StoreError};
use crate::telemetry::peers;
use crate::worklist::project::pool;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the figures are read.
const EVERY: Duration = Duration::from_secs(30);

/// A device of the site's station table: its AE title and modality.
type Device = (String, String);

/// Sets the gauges now and every half minute until `stop`.
pub async fn watch(
    store: Store,
    config: Arc<Config>,
    mappings: Arc<Mappings>,
    clock: Clock,
    stop: CancellationToken,
) {
    let start = clock.now();
    for link in &config.links {
        peers::heard(&link.name, start);
    }
    let mut known: BTreeSet<Device> = BTreeSet::new();
    let mut beat = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        let now = clock.now();
        let devices = devices(&mappings.current());
        for device in devices.difference(&known) {
            peers::expected(&device.0, now);
        }
        if let Err(error) = figures(&store, &config, &devices, now).await {
            tracing::warn!(%error, "the figures for alarms cannot be read");
        }
        known = devices;
    }
}

async fn figures(
    store: &Store,
    config: &Config,
    devices: &BTreeSet<Device>,
    now: Instant,
) -> Result<(), StoreError> {
    let zone = &config.site.zone;
    let limit = i64::try_from(config.watch.in_progress.as_micros()).unwrap_or(i64::MAX);
    let (all, overdue) = store
        .in_progress(Instant(now.0.saturating_sub(limit)).local(zone))
        .await?;
    metrics::gauge!("relais_exams_in_progress").set(all as f64);
    metrics::gauge!("relais_exams_in_progress_overdue").set(overdue as f64);

    let stations: BTreeSet<String> = devices
        .iter()
        .flat_map(|(ae, modality)| [ae.clone(), pool(modality)])
        .collect();
    let stations: Vec<String> = stations.into_iter().collect();
    let midnight = now.local(zone).0 / 1_000_000 * 1_000_000;
    let today = (LocalTime(midnight), LocalTime(midnight + 235_959));
    let steps = store.steps_of_stations(&stations, today).await?;
    for (ae, modality) in devices {
        let of = |station: &str| steps.get(station).copied().unwrap_or(0);
        let scheduled = of(ae) + of(&pool(modality));
        metrics::gauge!("relais_device_scheduled_steps", "device" => ae.clone())
            .set(scheduled as f64);
    }
    Ok(())
}

/// The devices of `tables/stations.csv`.
fn devices(set: &MappingSet) -> BTreeSet<Device> {
    let mut found = BTreeSet::new();
    let Some(stations) = set.table("stations") else {
        return found;
    };
    let (ae, modality) = (
        stations.column(Some("ae")),
        stations.column(Some("modality")),
    );
    for row in stations.rows() {
        let cell = |column: Option<usize>| column.and_then(|c| row.cells.get(c));
        let modality = cell(modality).cloned().unwrap_or_default();
        let titles = cell(ae).map(String::as_str).unwrap_or_default();
        found.extend(values(titles).map(|ae| (ae.to_owned(), modality.clone())));
    }
    found
}
