//! What the FHIR endpoint holds after a step, asked over HTTP as any of its clients would ask: the last column of the story.
//!
//! Relais publishes after it has answered, so a step waits, within bounds, until its effect is seen; a step that must change nothing is
//! watched for a moment. Nothing here reads from Relais or from the simulated server's memory.

use super::{Morning, MorningError};
use crate::fhir::client::install_provider;
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::time::{Instant, sleep};

/// How long an effect may take to reach the endpoint.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what must not change is watched: many times what a publication takes.
const WATCH: Duration = Duration::from_millis(250);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// What Relais publishes.
const KINDS: [&str; 4] = [
    "Patient",
    "ServiceRequest",
    "ImagingStudy",
    "DiagnosticReport",
];

/// The endpoint, seen from outside.
pub(super) struct Endpoint {
    http: reqwest::Client,
    base: String,
}

/// Why the endpoint cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("ask the endpoint")]
    Http(#[from] reqwest::Error),
    #[error("read the endpoint's answer")]
    Json(#[from] serde_json::Error),
}

/// The resources of one type that carry one identifier. Displays as `ServiceRequest active v2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    kind: &'static str,
    found: Vec<Value>,
}

impl Held {
    fn sole(&self) -> Option<&Value> {
        match self.found.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(one) = self.sole() else {
            return write!(f, "{} {}", self.found.len(), self.kind);
        };
        f.write_str(self.kind)?;
        if let Some(status) = one["status"].as_str() {
            write!(f, " {status}")?;
        }
        write!(f, " v{}", one["meta"]["versionId"].as_str().unwrap_or("?"))
    }
}

impl Endpoint {
    /// The endpoint of a base address.
    pub(super) fn new(base: &str) -> Result<Self, EndpointError> {
        install_provider();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            http,
            base: base.to_owned(),
        })
    }

    async fn search(&self, what: &str) -> Result<Value, EndpointError> {
        let url = format!("{}/{what}", self.base);
        let answer = self.http.get(url).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    /// What it holds of a type and an identifier (letters, digits, `.` and `:` only).
    async fn held(&self, kind: &'static str, identifier: &str) -> Result<Held, EndpointError> {
        let bundle = self
            .search(&format!("{kind}?identifier={identifier}"))
            .await?;
        let entries = bundle["entry"].as_array().into_iter().flatten();
        Ok(Held {
            kind,
            found: entries.map(|e| e["resource"].clone()).collect(),
        })
    }

    /// How many resources it holds of all types that Relais publishes.
    async fn count(&self) -> Result<u64, EndpointError> {
        let mut sum = 0;
        for kind in KINDS {
            sum += self.search(kind).await?["total"].as_u64().unwrap_or(0);
        }
        Ok(sum)
    }
}

impl Morning<'_> {
    /// Waits until the endpoint holds exactly one such resource and it fits; what it holds then, in words.
    pub(super) async fn seen(
        &self,
        kind: &'static str,
        identifier: &str,
        wanted: &str,
        fits: impl Fn(&Value) -> bool + Send,
    ) -> Result<String, MorningError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let held = self.endpoint.held(kind, identifier).await?;
            if held.sole().is_some_and(&fits) {
                return Ok(held.to_string());
            }
            if Instant::now() >= deadline {
                return Err(MorningError::Answer {
                    step: format!("{kind} {identifier} at the endpoint"),
                    got: held.to_string(),
                    wanted: wanted.to_owned(),
                });
            }
            sleep(PAUSE).await;
        }
    }

    /// As [`Self::seen`], for a status.
    pub(super) async fn seen_as(
        &self,
        kind: &'static str,
        identifier: &str,
        status: &str,
    ) -> Result<String, MorningError> {
        self.seen(kind, identifier, status, |r| r["status"] == status)
            .await
    }

    /// What the endpoint holds now, to be compared by [`Self::still`].
    pub(super) async fn held(
        &self,
        kind: &'static str,
        identifier: &str,
    ) -> Result<Held, MorningError> {
        Ok(self.endpoint.held(kind, identifier).await?)
    }

    /// Watches that what the endpoint held stays as it was, in content and version.
    pub(super) async fn still(
        &self,
        identifier: &str,
        before: &Held,
    ) -> Result<String, MorningError> {
        let end = Instant::now() + WATCH;
        loop {
            let held = self.endpoint.held(before.kind, identifier).await?;
            if held != *before {
                return Err(MorningError::Answer {
                    step: format!("{} {identifier} at the endpoint", before.kind),
                    got: held.to_string(),
                    wanted: format!("still {before}"),
                });
            }
            if Instant::now() >= end {
                return Ok(format!("still {held}"));
            }
            sleep(PAUSE).await;
        }
    }

    /// How many resources the endpoint holds now.
    pub(super) async fn count(&self) -> Result<u64, MorningError> {
        Ok(self.endpoint.count().await?)
    }

    /// Watches that the endpoint gets no more and no fewer resources.
    pub(super) async fn still_count(&self, before: u64) -> Result<String, MorningError> {
        let end = Instant::now() + WATCH;
        loop {
            let count = self.endpoint.count().await?;
            if count != before {
                return Err(MorningError::Answer {
                    step: "resources at the endpoint".to_owned(),
                    got: count.to_string(),
                    wanted: format!("still {before}"),
                });
            }
            if Instant::now() >= end {
                return Ok(format!("still {count} resources at the endpoint"));
            }
            sleep(PAUSE).await;
        }
    }
}
