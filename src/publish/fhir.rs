//! Targets of kind `fhir`: the subject's documents leave as one transaction Bundle.

use super::render::{Outbound, Settings, Subjects, render};
use super::retry::{Response, TransportError};
use crate::fhir::client::{Client, ClientError};
use crate::fhir::shape::Held;
use jiff::Timestamp;
use std::time::Duration;

/// A FHIR endpoint with what the site says of itself.
#[derive(Debug, Clone)]
pub struct FhirTarget {
    client: Client,
    settings: Settings,
    timeout: Duration,
}

/// A publication as it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The Bundle as JSON.
    pub body: Vec<u8>,
    /// Its entries.
    pub entries: usize,
    /// What was left out or supplied, without patient data.
    pub notes: Vec<(String, String)>,
}

impl FhirTarget {
    /// A target at a base address; `timeout` limits one request as a whole.
    ///
    /// # Errors
    /// The address is none, or TLS cannot be set up.
    pub fn new(url: &str, timeout: Duration, settings: Settings) -> Result<Self, ClientError> {
        Ok(Self {
            client: Client::new(url, timeout)?,
            settings,
            timeout,
        })
    }

    /// The base address.
    pub fn url(&self) -> &str {
        self.client.base()
    }

    /// Longest that one delivery takes.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// IANA name of the zone that zone-less times are read in.
    pub fn timezone(&self) -> &str {
        &self.settings.site.timezone
    }

    /// The publication of a subject; `None` when the mapping sends nothing.
    ///
    /// # Errors
    /// It is not valid, or a rule refuses.
    pub fn message(
        &self,
        docs: &Subjects,
        mapping: &dyn Outbound,
    ) -> Result<Option<Message>, Held> {
        let Some(rendered) = render(docs, mapping, &self.settings)? else {
            return Ok(None);
        };
        let body = serde_json::to_vec(&rendered.bundle).map_err(|e| Held {
            target: "Bundle".to_owned(),
            rule: String::new(),
            why: format!("it cannot be written as JSON: {e}"),
        })?;
        Ok(Some(Message {
            entries: rendered.bundle["entry"].as_array().map_or(0, Vec::len),
            body,
            notes: rendered.notes,
        }))
    }

    /// Sends it once.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn deliver(
        &self,
        message: &Message,
        now: Timestamp,
    ) -> Result<Response, TransportError> {
        self.client
            .transact(message.body.clone(), message.entries, now)
            .await
    }
}
