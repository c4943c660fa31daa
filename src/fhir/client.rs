//! Our small FHIR client: posts a transaction Bundle to a base address and reads the answer within bounds.
//!
//! It never retries and never follows redirects; what an answer means is `publish::retry`'s to say. No patient data in its errors.

use super::outcome;
use crate::publish::retry::{Response, TransportError, retry_after};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::sync::Once;
use std::time::Duration;

/// Largest answer that is read.
const LARGEST_ANSWER: usize = 1 << 20;
const CONNECT: Duration = Duration::from_secs(5);
/// Longest that one request may take, answer included.
pub const TOTAL: Duration = Duration::from_secs(30);

/// A client for one endpoint.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// Why there is no client. Display is a fragment: "failed to ...".
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "read the address `{0}`: an http or https address was expected, for example http://127.0.0.1:8090/fhir"
    )]
    Address(String),
    #[error("set up TLS: {0}")]
    Tls(String),
}

/// Makes ring the TLS provider of the process, unless one was installed before.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that another part of the process was first: equally good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Client {
    /// A client for a base address, with a limit on the whole of a request.
    ///
    /// # Errors
    /// The address is none, or TLS cannot be set up.
    pub fn new(base: &str, total: Duration) -> Result<Self, ClientError> {
        install_provider();
        let url = reqwest::Url::parse(base)
            .ok()
            .filter(|u| matches!(u.scheme(), "http" | "https") && u.host_str().is_some())
            .ok_or_else(|| ClientError::Address(base.to_owned()))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("relais/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT.min(total))
            .timeout(total)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none());
        let host = url.host_str().unwrap_or_default();
        if matches!(host, "localhost" | "[::1]") || host.starts_with("127.") {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|e| ClientError::Tls(root_cause(&e)))?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// The base address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts a transaction Bundle of `entries` entries. A status of success stands only if every entry was answered.
    ///
    /// # Errors
    /// No answer, or none that can be read: whether it took effect is unknown.
    pub async fn transact(
        &self,
        bundle: Vec<u8>,
        entries: usize,
        now: Timestamp,
    ) -> Result<Response, TransportError> {
        let request = self
            .http
            .post(&self.base)
            .header("content-type", "application/fhir+json")
            .header("accept", "application/fhir+json")
            .body(bundle);
        let mut answer = request.send().await.map_err(|e| transport(&e))?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get("retry-after")
            .and_then(|h| h.to_str().ok())
            .and_then(|h| retry_after(h, now));
        let body = body(&mut answer).await?;
        let json: Option<Json> = serde_json::from_slice(&body).ok();
        let success = (200..300).contains(&status);
        let detail = match &json {
            Some(json) if success => {
                outcome::transaction(json, entries).map_err(TransportError::Unreadable)?;
                String::new()
            }
            None if success => {
                return Err(TransportError::Unreadable("not JSON".to_owned()));
            }
            Some(json) => outcome::summary(json),
            None => String::new(),
        };
        Ok(Response {
            status,
            retry_after,
            detail,
        })
    }
}

async fn body(answer: &mut reqwest::Response) -> Result<Vec<u8>, TransportError> {
    let mut all = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| transport(&e))? {
        if all.len() + chunk.len() > LARGEST_ANSWER {
            let why = format!("larger than {LARGEST_ANSWER} bytes");
            return Err(TransportError::Unreadable(why));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn transport(error: &reqwest::Error) -> TransportError {
    if error.is_timeout() && !error.is_connect() {
        TransportError::Timeout
    } else if error.is_connect() {
        TransportError::Connect(root_cause(error))
    } else {
        TransportError::Closed(root_cause(error))
    }
}

/// The innermost cause: "Connection refused (os error 111)" instead of "error sending request for url (...)".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for good in ["http://127.0.0.1:1/fhir/", "https://fhir.example/r4"] {
            let client = Client::new(good, TOTAL).unwrap();
            assert_eq!(client.base(), good.trim_end_matches('/'));
        }
        for bad in ["", "fhir", "ftp://x/y", "mailto:a@b"] {
            assert!(
                matches!(Client::new(bad, TOTAL), Err(ClientError::Address(_))),
                "{bad}"
            );
        }
    }
}
