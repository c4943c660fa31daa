//! A small but true FHIR R4 server, as a Mon-espace-santé-style endpoint for the demo and the tests.
//!
//! It executes transaction Bundles all or nothing, with conditional create and update (no match, one, several), rewrites urn:uuid
//! references, refuses references that lead nowhere, keeps versions, and finds by identifier. It can be told to fail: by
//! [`FhirServer::fail`], or by `POST /control/fail`. Resources live in memory.

mod bundle;
mod failure;
mod search;
mod store;

pub use failure::Failure;

use crate::clock::Clock;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Path, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bundle::writes_of;
use failure::CutBody;
use search::Query;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{How, Refused, Resources, Write, Written};

/// Largest request that is taken.
const LARGEST: usize = 64 << 20;
/// Most failures that wait to be played.
const MOST_FAILURES: usize = 10_000;

#[derive(Debug, Default)]
struct State {
    resources: Mutex<Resources>,
    failures: Mutex<VecDeque<Failure>>,
    requests: Mutex<u64>,
    clock: Clock,
}

/// A poisoned lock only says that a test's thread died; the data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server.
#[derive(Debug)]
pub struct FhirServer {
    /// Base address: `http://127.0.0.1:8090/fhir`.
    pub url: String,
    state: Arc<State>,
    server: actix_web::dev::ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl FhirServer {
    /// Starts on a listener, inside a tokio runtime.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn start(listener: TcpListener, clock: Clock) -> std::io::Result<Self> {
        let url = format!("http://{}/fhir", listener.local_addr()?);
        let state = Arc::new(State {
            clock,
            ..State::default()
        });
        let shared = Data::from(state.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(PayloadConfig::new(LARGEST))
                .configure(routes)
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run();
        let handle = server.handle();
        Ok(Self {
            url,
            state,
            server: handle,
            task: tokio::spawn(server),
        })
    }

    /// Lets the next `times` requests fail.
    pub fn fail(&self, failure: Failure, times: usize) {
        let times = times.min(MOST_FAILURES);
        lock(&self.state.failures).extend(std::iter::repeat_n(failure, times));
    }

    /// All resources, by type and id.
    pub fn resources(&self) -> Vec<Json> {
        lock(&self.state.resources).all().cloned().collect()
    }

    /// The resources of a type.
    pub fn of_type(&self, type_: &str) -> Vec<Json> {
        let mut all = self.resources();
        all.retain(|r| r["resourceType"] == type_);
        all
    }

    /// How many FHIR requests came, failed ones included.
    pub fn requests(&self) -> u64 {
        *lock(&self.state.requests)
    }

    /// Stops: what is being answered has a second to end, then every connection is closed, kept-alive ones included.
    pub async fn stop(self) {
        self.server.stop(true).await;
        // The task's own result says no more than that it ended.
        let _ = self.task.await;
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/control/fail", web::post().to(control))
        .route("/fhir", web::post().to(transaction))
        .route("/fhir/", web::post().to(transaction))
        .route("/fhir/metadata", web::get().to(metadata))
        .route("/fhir/{type}", web::post().to(create))
        .route("/fhir/{type}", web::put().to(conditional_update))
        .route("/fhir/{type}", web::get().to(search_type))
        .route("/fhir/{type}/{id}", web::get().to(read))
        .route("/fhir/{type}/{id}", web::put().to(update));
}

/// `{"status": 503, "retry_after": 2, "times": 3}`, `{"mode": "hang"}` or `{"mode": "cut", "times": 1}`.
async fn control(state: Data<State>, body: Bytes) -> HttpResponse {
    let order: Json = serde_json::from_slice(&body).unwrap_or_default();
    let number = |name: &str| order[name].as_u64();
    let failure = match (order["mode"].as_str(), number("status")) {
        (Some("hang"), _) => Failure::Hang,
        (Some("cut"), _) => Failure::Cut,
        (None, Some(status @ 300..=599)) => Failure::Status(
            u16::try_from(status).unwrap_or(500),
            number("retry_after").and_then(|s| u32::try_from(s).ok()),
        ),
        _ => {
            return HttpResponse::BadRequest()
                .body("status 300-599, or mode hang or cut, expected\n");
        }
    };
    let times = number("times").unwrap_or(1).min(MOST_FAILURES as u64);
    let mut failures = lock(&state.failures);
    for _ in 0..times {
        failures.push_back(failure);
    }
    HttpResponse::NoContent().finish()
}

/// Plays the failure that is due, if any; `Cut` is played after the work, by [`answer`].
async fn due(state: &State) -> Result<bool, HttpResponse> {
    *lock(&state.requests) += 1;
    let failure = lock(&state.failures).pop_front();
    match failure {
        None => Ok(false),
        Some(Failure::Cut) => Ok(true),
        Some(Failure::Hang) => std::future::pending().await,
        Some(Failure::Status(status, retry_after)) => {
            let refused = Refused::new(status, "exception", "told to fail");
            let mut response = outcome(&refused);
            if let Some(seconds) = retry_after {
                let header = HeaderName::from_static("retry-after");
                response
                    .headers_mut()
                    .insert(header, HeaderValue::from(seconds));
            }
            Err(response)
        }
    }
}

fn outcome(refused: &Refused) -> HttpResponse {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    fhir_json(status, &refused.outcome())
}

fn fhir_json(status: StatusCode, body: &Json) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/fhir+json; charset=utf-8")
        .body(body.to_string())
}

/// The answer, whole or cut off in the middle.
fn answer(cut: bool, status: StatusCode, body: &Json) -> HttpResponse {
    if !cut {
        return fhir_json(status, body);
    }
    let text = body.to_string();
    let half = text.as_bytes().get(..text.len() / 2).unwrap_or_default();
    HttpResponse::build(status)
        .content_type("application/fhir+json; charset=utf-8")
        .body(CutBody {
            size: text.len() as u64,
            half: Some(Bytes::copy_from_slice(half)),
        })
}

fn resource_of(headers: &HeaderMap, body: &[u8]) -> Result<Json, Refused> {
    let sent = headers
        .get("content-type")
        .and_then(|h| h.to_str().ok())
        .unwrap_or("");
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    if !matches!(media_type, "application/fhir+json" | "application/json") {
        return Err(Refused::new(
            415,
            "not-supported",
            "application/fhir+json is spoken here",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|e| Refused::new(400, "structure", format!("not JSON: {e}")))
}

async fn transaction(request: HttpRequest, state: Data<State>, body: Bytes) -> HttpResponse {
    let cut = match due(&state).await {
        Ok(cut) => cut,
        Err(failed) => return failed,
    };
    let done = resource_of(request.headers(), &body)
        .and_then(|bundle| writes_of(&bundle))
        .and_then(|writes| write(&state, writes));
    match done {
        Ok(written) => {
            let entries: Vec<Json> = written
                .iter()
                .map(|w| {
                    let reason = if w.status == 201 {
                        "201 Created"
                    } else {
                        "200 OK"
                    };
                    json!({"response": {
                        "status": reason,
                        "location": format!("{}/{}/_history/{}", w.type_, w.id, w.version),
                        "etag": format!("W/\"{}\"", w.version),
                        "lastModified": w.resource["meta"]["lastUpdated"],
                    }})
                })
                .collect();
            let body =
                json!({"resourceType": "Bundle", "type": "transaction-response", "entry": entries});
            answer(cut, StatusCode::OK, &body)
        }
        Err(refused) => outcome(&refused),
    }
}

fn write(state: &State, writes: Vec<Write>) -> Result<Vec<Written>, Refused> {
    let now = state.clock.now().rfc3339();
    lock(&state.resources).transact(writes, &now)
}

/// One write outside of a transaction: the same as a transaction of one.
async fn single(
    request: &HttpRequest,
    state: &State,
    body: &[u8],
    how: Result<How, Refused>,
) -> HttpResponse {
    let cut = match due(state).await {
        Ok(cut) => cut,
        Err(failed) => return failed,
    };
    let done = how.and_then(|how| {
        let resource = resource_of(request.headers(), body)?;
        let write_one = Write {
            full_url: None,
            resource,
            how,
        };
        write(state, vec![write_one])
    });
    match done.as_deref() {
        Ok([written, ..]) => {
            let status = StatusCode::from_u16(written.status).unwrap_or(StatusCode::OK);
            let mut response = answer(cut, status, &written.resource);
            let place = format!(
                "{}/{}/_history/{}",
                written.type_, written.id, written.version
            );
            if let Ok(value) = HeaderValue::from_str(&place) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static("location"), value);
            }
            response
        }
        Ok([]) => outcome(&Refused::new(500, "exception", "nothing was written")),
        Err(refused) => outcome(refused),
    }
}

async fn create(
    request: HttpRequest,
    state: Data<State>,
    type_: Path<String>,
    body: Bytes,
) -> HttpResponse {
    let condition = request
        .headers()
        .get("if-none-exist")
        .and_then(|h| h.to_str().ok())
        .map(Query::condition)
        .transpose();
    let how = condition.map(|c| How::Create(type_.into_inner(), c));
    single(&request, &state, &body, how).await
}

async fn conditional_update(
    request: HttpRequest,
    state: Data<State>,
    type_: Path<String>,
    body: Bytes,
) -> HttpResponse {
    let how = Query::condition(request.query_string())
        .map(|query| How::ConditionalUpdate(type_.into_inner(), query));
    single(&request, &state, &body, how).await
}

async fn update(
    request: HttpRequest,
    state: Data<State>,
    place: Path<(String, String)>,
    body: Bytes,
) -> HttpResponse {
    let (type_, id) = place.into_inner();
    single(&request, &state, &body, Ok(How::Update(type_, id))).await
}

async fn read(state: Data<State>, place: Path<(String, String)>) -> HttpResponse {
    if let Err(failed) = due(&state).await {
        return failed;
    }
    let (type_, id) = place.into_inner();
    match lock(&state.resources).get(&type_, &id) {
        Some(resource) => fhir_json(StatusCode::OK, resource),
        None => outcome(&Refused::new(404, "not-found", "no such resource")),
    }
}

async fn search_type(
    request: HttpRequest,
    state: Data<State>,
    type_: Path<String>,
) -> HttpResponse {
    if let Err(failed) = due(&state).await {
        return failed;
    }
    let query = match Query::parse(request.query_string()) {
        Ok(query) => query,
        Err(refused) => return outcome(&refused),
    };
    let resources = lock(&state.resources);
    let found = resources.search(&type_, &query);
    let entries: Vec<Json> = found
        .iter()
        .map(|r| json!({"resource": r, "search": {"mode": "match"}}))
        .collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len()});
    if !entries.is_empty() {
        bundle["entry"] = Json::Array(entries);
    }
    fhir_json(StatusCode::OK, &bundle)
}

async fn metadata(state: Data<State>) -> Result<HttpResponse, Infallible> {
    let interaction = |code: &str| json!({"code": code});
    let resources: Vec<Json> = ["Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport"]
        .iter()
        .map(|type_| {
            json!({
                "type": type_,
                "interaction": [interaction("read"), interaction("create"), interaction("update"), interaction("search-type")],
                "versioning": "versioned",
                "conditionalCreate": true,
                "conditionalUpdate": true,
                "referencePolicy": ["enforced", "local"],
                "searchParam": [{"name": "identifier", "type": "token"}],
            })
        })
        .collect();
    let body = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": state.clock.now().rfc3339(),
        "kind": "instance",
        "implementation": {"description": "Simulated endpoint of Relais"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "resource": resources, "interaction": [interaction("transaction")]}],
    });
    Ok(fhir_json(StatusCode::OK, &body))
}

#[cfg(test)]
mod tests;
