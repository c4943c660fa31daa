//! Logs and metrics. Neither carries patient data: logs name internal ids, metric labels come from closed lists (invariant 9).
//! [`catalogue`] lists every metric.

pub mod catalogue;
pub mod peers;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Buckets in seconds for everything that is timed: from a cached query to a slow peer.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Buckets for the number of messages that share one commit.
const GROUPS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `filter` is an `EnvFilter` text such as `info` or `relais=debug`; a second call does nothing.
pub fn start_logging(form: LogForm, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // The error says that a subscriber is set already, which tests do.
    let _ = match form {
        LogForm::Text => builder.try_init(),
        LogForm::Json => builder.json().try_init(),
    };
}

/// The process-wide metrics recorder, installed on first use.
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let suffix = |s: &str| metrics_exporter_prometheus::Matcher::Suffix(s.to_owned());
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(suffix("_seconds"), SECONDS)
                .and_then(|b| b.set_buckets_for_metric(suffix("_group_size"), GROUPS));
            let recorder = builder
                .unwrap_or_else(|_| PrometheusBuilder::new())
                .build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed; /metrics stays empty");
            }
            catalogue::describe();
            handle
        })
        .clone()
}
