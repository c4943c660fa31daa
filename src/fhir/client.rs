//! Our small FHIR client: posts a transaction Bundle to a base address and reads the answer within bounds.
//!
//! It never retries and never follows redirects; what an answer means is `publish::retry`'s to say. No patient data in its errors.

use super::outcome::{self, Failed};
use crate::publish::retry::{Response, TransportError, retry_after};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::sync::Once;
use std::time::Duration;

/// Largest answer that is read.
const LARGEST_ANSWER: usize = 1 << 20;
const CONNECT: Duration = Duration::from_secs(5);

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
pub fn install_provider() {
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

    /// Posts a transaction Bundle of `entries` entries. A status of success stands only if every entry was answered with success; else
    /// the entry's status is the answer's. A transaction is all or nothing: a status of success also stands if the answer is empty (as
    /// it may be with `return=minimal`) or longer than is read.
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
            .header("prefer", "return=minimal")
            .body(bundle);
        let mut answer = request.send().await.map_err(|e| transport(&e))?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get("retry-after")
            .and_then(|h| h.to_str().ok())
            .and_then(|h| retry_after(h, now));
        let (status, detail) = judged(status, body(&mut answer).await?, entries)?;
        Ok(Response {
            status,
            retry_after,
            detail,
        })
    }
}

/// The status that counts, and what the receiver says is wrong.
fn judged(
    status: u16,
    body: Option<Vec<u8>>,
    entries: usize,
) -> Result<(u16, String), TransportError> {
    let Some(body) = body else {
        let why = format!("the answer is larger than {LARGEST_ANSWER} bytes and was not read");
        return Ok((status, why));
    };
    let json: Option<Json> = serde_json::from_slice(&body).ok();
    if !(200..300).contains(&status) {
        return Ok((
            status,
            json.as_ref().map_or_else(String::new, outcome::summary),
        ));
    }
    if body.is_empty() {
        return Ok((status, "the answer has no body".to_owned()));
    }
    let json = json.ok_or_else(|| TransportError::Unreadable("not JSON".to_owned()))?;
    match outcome::transaction(&json, entries) {
        Ok(()) => Ok((status, String::new())),
        Err(Failed::Entry(code, detail)) => Ok((code, detail)),
        Err(Failed::Unreadable(why)) => Err(TransportError::Unreadable(why)),
    }
}

/// The answer's bytes; `None` if they are too many.
async fn body(answer: &mut reqwest::Response) -> Result<Option<Vec<u8>>, TransportError> {
    let mut all = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| transport(&e))? {
        if all.len() + chunk.len() > LARGEST_ANSWER {
            return Ok(None);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(Some(all))
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for good in ["http://127.0.0.1:1/fhir/", "https://fhir.example/r4"] {
            let client = Client::new(good, LONG).unwrap();
            assert_eq!(client.base(), good.trim_end_matches('/'));
        }
        for bad in ["", "fhir", "ftp://x/y", "mailto:a@b"] {
            assert!(
                matches!(Client::new(bad, LONG), Err(ClientError::Address(_))),
                "{bad}"
            );
        }
    }

    /// Sends two entries to a peer that answers with these bytes. What it was asked, and what the client makes of the answer.
    async fn exchange(answer: String) -> (String, Result<Response, TransportError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/fhir", listener.local_addr().unwrap());
        let client = Client::new(&url, LONG).unwrap();
        let peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![];
            while !request.ends_with(b"{}") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            // The client may have heard enough before the end.
            let _ = stream.write_all(answer.as_bytes()).await;
            String::from_utf8(request).unwrap()
        };
        let sent = client.transact(b"{}".to_vec(), 2, Timestamp::UNIX_EPOCH);
        tokio::join!(peer, sent)
    }

    fn http(status: &str, body: &str) -> String {
        let size = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}")
    }

    fn response(status: u16, detail: &str) -> Response {
        Response {
            status,
            retry_after: None,
            detail: detail.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_short_answer_is_asked_for_and_a_long_or_empty_one_stands_by_its_status() {
        let long = "x".repeat(LARGEST_ANSWER + 1);
        let check = async |status: &str, body: &str, expected: Response| {
            let (request, answer) = exchange(http(status, body)).await;
            assert!(request.contains("prefer: return=minimal\r\n"), "{request}");
            assert_eq!(answer, Ok(expected), "{status}");
        };
        let unread = "the answer is larger than 1048576 bytes and was not read";
        check("200 OK", &long, response(200, unread)).await;
        check("422 Unprocessable", &long, response(422, unread)).await;
        check("200 OK", "", response(200, "the answer has no body")).await;
    }

    #[tokio::test]
    async fn an_entry_that_is_refused_is_the_answer() {
        let check = async |status: &str, expected: Result<Response, TransportError>| {
            let body = format!(
                r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{{"response":{{"status":"201"}}}},{{"response":{{"status":"{status}"}}}}]}}"#
            );
            assert_eq!(
                exchange(http("200 OK", &body)).await.1,
                expected,
                "{status}"
            );
        };
        check("200 OK", Ok(response(200, ""))).await;
        check("412 Precondition Failed", Ok(response(412, "entry 1"))).await;
        check("503", Ok(response(503, "entry 1"))).await;
        let none = TransportError::Unreadable("entry 1 has no status".to_owned());
        check("Zoé", Err(none)).await;
    }
}
