//! Every metric of the product, declared once: the recorder's descriptions and docs/reference/metrics.md are made from this list, tests
//! hold the code and the scraped page against it.
//!
//! To add one: a line here, then `counter!`, `gauge!` or `histogram!` with that name where it happens, then `make reference`. Names follow
//! Prometheus: `relais_<part>_<what>_<unit>`, counters end in `_total`, times are seconds, a moment is a gauge `..._timestamp_seconds`. The
//! values of a label come from a closed list (configuration, code); never from a peer, never from a patient (invariant 9).

use metrics::Unit;

/// What a metric does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Values by size, with their sum and number.
    Histogram,
}

impl Kind {
    /// Prometheus's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, for the person who is woken by it.
    pub meaning: &'static str,
    /// True if an engine may run a whole day and never show it.
    pub rare: bool,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        unit,
        labels,
        meaning,
        rare: false,
    }
}

impl Metric {
    const fn rare(self) -> Self {
        Self { rare: true, ..self }
    }
}

use Kind::{Counter, Gauge, Histogram};
use Unit::{Bytes, Count, Seconds};

/// The list, in the order of the reference page.
#[rustfmt::skip]
pub const METRICS: &[Metric] = &[
    metric("relais_build_info", Gauge, Count, &["version"],
        "Always 1; the label says which release runs."),
    metric("relais_start_timestamp_seconds", Gauge, Seconds, &[],
        "When this process started, seconds since 1970."),
    // Who is silent, what does not end.
    metric("relais_link_last_message_timestamp_seconds", Gauge, Seconds, &["link"],
        "When a link last sent an HL7 message, or the start of the process; `time() - x` is how long it has been silent."),
    metric("relais_device_last_query_timestamp_seconds", Gauge, Seconds, &["device"],
        "When a device of `tables/stations.csv` last asked for its worklist, or the start of the process; `other` = any other device."),
    metric("relais_device_queries_total", Counter, Count, &["device"],
        "Worklist queries of a device."),
    metric("relais_device_items_total", Counter, Count, &["device"],
        "Worklist items answered to a device."),
    metric("relais_device_scheduled_steps", Gauge, Count, &["device"],
        "Steps of today that a device should find: those that name it and those of its modality's pool."),
    metric("relais_exams_in_progress", Gauge, Count, &[],
        "Performed steps that a scanner started and did not end."),
    metric("relais_exams_in_progress_overdue", Gauge, Count, &[],
        "Those in progress for longer than `[watch] in_progress_minutes`."),
    // HL7 over MLLP.
    metric("relais_mllp_messages_total", Counter, Count, &[],
        "HL7 messages taken from senders."),
    metric("relais_mllp_connections", Gauge, Count, &[],
        "MLLP connections open now."),
    metric("relais_mllp_connections_refused_total", Counter, Count, &["limit"],
        "MLLP connections closed at once: `[mllp] max_connections` (`all`) or `max_connections_per_address` (`address`).").rare(),
    metric("relais_mllp_connections_ended_total", Counter, Count, &["why"],
        "MLLP connections that ended: `closed` by the peer, `idle`, `slow` (a message not complete in time), `write_timeout` (answer not taken), \
         `partial` (closed inside a message), `noise` (no MLLP), `io`, `panic`, `shutdown`.").rare(),
    metric("relais_hl7_acks_total", Counter, Count, &["link", "code", "reason"],
        "HL7 messages by link, outcome (AA, AE, AR) and reason of the refusal (empty: accepted)."),
    // DICOM.
    metric("relais_dicom_associations", Gauge, Count, &[],
        "DICOM associations open now."),
    metric("relais_dicom_associations_total", Counter, Count, &["end"],
        "DICOM associations that ended, by how: among them rejected, idle, unfinished (a request), memory, no_request (a silent connection)."),
    metric("relais_dimse_requests_total", Counter, Count, &["service", "status"],
        "DICOM requests by service and final status (hexadecimal)."),
    metric("relais_cfind_seconds", Histogram, Seconds, &[],
        "Time to find the answer of a worklist query, without sending it."),
    metric("relais_cfind_items_total", Counter, Count, &[],
        "Worklist items answered."),
    metric("relais_worklist_cache_hits_total", Counter, Count, &[],
        "Candidates of worklist queries whose rendered item was kept from an earlier query."),
    metric("relais_worklist_cache_misses_total", Counter, Count, &[],
        "Candidates whose item was rendered from its documents. Many misses in a steady day: `[dicom] item_cache_mib` is too small."),
    metric("relais_worklist_cache_bytes", Gauge, Bytes, &[],
        "Memory of the kept items, at most `[dicom] item_cache_mib`."),
    metric("relais_worklist_withheld_total", Counter, Count, &[],
        "Items kept off an answer because a required attribute has no value."),
    metric("relais_query_journal_dropped_total", Counter, Count, &[],
        "Worklist queries answered and not journalled: the writer was too slow or the database away."),
    // The door.
    metric("relais_workflow_queue_depth", Gauge, Count, &[],
        "Messages that waited for the writer when it last looked."),
    metric("relais_workflow_group_size", Histogram, Count, &[],
        "Messages that shared one commit."),
    metric("relais_workflow_commit_seconds", Histogram, Seconds, &[],
        "Time of a group from its first read to its commit."),
    // The store.
    metric("relais_store_writable", Gauge, Count, &[],
        "1 while what is written reaches the database, 0 from the first write that fails until one succeeds: alert on 0."),
    metric("relais_store_failures_total", Counter, Count, &["kind"],
        "Writes that failed for a reason outside their content: `full` (disk, quota) or `unavailable`.").rare(),
    metric("relais_purged_rows_total", Counter, Count, &["what"],
        "Rows removed after their retention, by what they were: `bodies`, `journal`, `queries`, `attempts` or `audit`.").rare(),
    // Mapping files.
    metric("relais_mapping_reloads_total", Counter, Count, &["outcome"],
        "Times that the mapping files were read again: `changed` (in force), `unchanged`, `refused` (the old ones stay), `away` (the revision could not be stored).").rare(),
    metric("relais_mapping_refused", Gauge, Count, &[],
        "1 while the mapping files on disk are not those in force because they have problems: alert on 1."),
    // Publication.
    metric("relais_publish_attempts_total", Counter, Count, &["target", "outcome"],
        "Deliveries by target and outcome: `delivered`, `retry` or `held`.").rare(),
    metric("relais_outbox_entries", Gauge, Count, &["target", "state"],
        "Publications that are `queued`, `held` or `discarded`; counted every ten seconds.").rare(),
    metric("relais_outbox_oldest_age_seconds", Gauge, Seconds, &["target", "state"],
        "For how long the oldest publication in that state has been in it; 0 = there is none.").rare(),
    metric("relais_target_paused", Gauge, Count, &["target"],
        "1 while an operator has paused the target.").rare(),
    // HTTP.
    metric("relais_http_requests_total", Counter, Count, &["operation", "status"],
        "HTTP requests by operation and status."),
    metric("relais_http_denied_total", Counter, Count, &[],
        "HTTP requests with an unknown token, or one whose role does not allow it."),
    metric("relais_http_audit_failed_total", Counter, Count, &[],
        "HTTP requests refused because the audit trail could not be written."),
    metric("relais_http_streams", Gauge, Count, &[],
        "Listeners to events.").rare(),
    metric("relais_http_streams_dropped_total", Counter, Count, &[],
        "Listeners to events cut off because they did not read."),
];

/// Says to the installed recorder what each metric is. Counters without labels start at 0, so that their first increase is seen.
pub fn describe() {
    for m in METRICS {
        match m.kind {
            Kind::Counter => metrics::describe_counter!(m.name, m.unit, m.meaning),
            Kind::Gauge => metrics::describe_gauge!(m.name, m.unit, m.meaning),
            Kind::Histogram => metrics::describe_histogram!(m.name, m.unit, m.meaning),
        }
        if m.kind == Kind::Counter && m.labels.is_empty() {
            metrics::counter!(m.name).increment(0);
        }
    }
}

/// The reference page, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nPrinted by `relais reference metrics`; do not edit. `GET /metrics` in Prometheus's text form. Rare = an engine may run \
         a whole day without showing it; counters without labels are there from the start.\n\n\
         | metric | kind | unit | labels | rare | meaning |\n|---|---|---|---|---|---|\n",
    );
    for m in METRICS {
        let labels: Vec<String> = m.labels.iter().map(|l| format!("`{l}`")).collect();
        page.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            m.name,
            m.kind.name(),
            m.unit.as_str(),
            labels.join(", "),
            if m.rare { "yes" } else { "" },
            m.meaning
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    /// Rust files below a directory.
    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }

    /// Names that macros of a kind are given as literals, in one text.
    fn emitted(text: &str, kind: Kind) -> Vec<String> {
        let call = format!("{}!(", kind.name());
        text.match_indices(&call)
            .filter_map(|(at, _)| {
                let rest = text[at + call.len()..].trim_start().strip_prefix('"')?;
                Some(rest.split('"').next()?.to_owned())
            })
            .collect()
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for (at, m) in METRICS.iter().enumerate() {
            let name = m.name;
            assert!(name.starts_with("relais_"), "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert_eq!(m.kind == Counter, name.ends_with("_total"), "{name}");
            assert_eq!(
                m.unit == Seconds,
                name.ends_with("_seconds") || name.ends_with("_seconds_total"),
                "{name}"
            );
            assert_eq!(
                m.unit == Bytes,
                name.trim_end_matches("_total").ends_with("_bytes"),
                "{name}"
            );
            assert!(m.meaning.ends_with('.'), "{name}");
            assert!(!METRICS[..at].iter().any(|o| o.name == name), "{name}");
        }
    }

    #[test]
    fn the_code_emits_what_the_list_declares_and_nothing_else() {
        let mut files = vec![];
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut files,
        );
        let mut found = vec![];
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            for kind in [Counter, Gauge, Histogram] {
                for name in emitted(&text, kind) {
                    let known = METRICS.iter().any(|m| m.name == name && m.kind == kind);
                    assert!(
                        known,
                        "{}: {} `{name}` is not in METRICS of src/telemetry/catalogue.rs",
                        file.display(),
                        kind.name()
                    );
                    found.push(name);
                }
            }
        }
        for m in METRICS {
            assert!(
                found.iter().any(|n| n == m.name),
                "{} is declared and never emitted",
                m.name
            );
        }
    }
}
