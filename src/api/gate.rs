//! The way of every request: who asks, may they, are the parameters known, answer, and the audit row BEFORE the answer leaves.
//!
//! An access to patient data that cannot be written to the trail is refused (503). Denied accesses are written too.

use super::ApiState;
use super::access::{Role, Who, bearer};
use super::events::Events;
use super::params::Params;
use super::problem::Problem;
use super::routes::{Access, Route};
use super::trail::Trail;
use crate::domain::reason::{Reason, Refusal};
use crate::store::Page;
use actix_web::http::header::{HeaderName, LINK};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// A request that passed the gate.
pub struct Ask {
    pub state: web::Data<ApiState>,
    /// Empty name and no role: the route is open.
    pub who: Option<Who>,
    pub params: Params,
    pub path: String,
    /// The id of the last event that a reconnecting client has seen.
    pub last_event: Option<i64>,
    /// Cuts the connection under a client that does not read.
    pub cut: Option<super::Cut>,
}

/// Whose and which data an answer holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub ids: Vec<i64>,
    pub patients: BTreeSet<i64>,
}

impl Seen {
    /// One thing, of a patient if that is known.
    pub fn one(id: i64, patient: Option<i64>) -> Self {
        Self {
            ids: vec![id],
            patients: patient.into_iter().collect(),
        }
    }

    /// Adds what another answer holds.
    pub fn add(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.patients.extend(other.patients);
    }
}

/// What a handler answers.
pub struct Reply {
    pub content: Content,
    pub seen: Seen,
}

/// The body of an answer.
pub enum Content {
    Json(Value),
    /// Media type and text.
    Text(&'static str, String),
    /// A page with its own Content-Security-Policy.
    Html {
        page: String,
        policy: String,
    },
    /// A message as it was: never rendered by a browser.
    Bytes(Vec<u8>),
    Events(Events),
}

impl Reply {
    /// JSON, with whose data it holds.
    pub fn json(body: Value, seen: Seen) -> Self {
        Self {
            content: Content::Json(body),
            seen,
        }
    }

    /// Anything else that holds nobody's data.
    pub fn of(content: Content) -> Self {
        Self {
            content,
            seen: Seen::default(),
        }
    }
}

impl Ask {
    /// The page that was asked for, one row longer: that row tells whether there is a next page.
    pub fn page(&self) -> Page {
        Page {
            after: self.params.cursor(),
            limit: self.params.limit() + 1,
        }
    }

    /// A page from rows of [`Ask::page`], with the link to the next.
    pub fn paged<T>(
        &self,
        rows: Vec<T>,
        key: impl Fn(&T) -> (i64, i64),
        seen_in: impl Fn(&T) -> Seen,
        item: impl Fn(&T) -> Value,
    ) -> Reply {
        let limit = self.params.limit() as usize;
        let more = rows.len() > limit;
        let shown = rows.get(..limit).unwrap_or(&rows);
        let mut seen = Seen::default();
        for row in shown {
            seen.add(seen_in(row));
        }
        let next = shown
            .last()
            .filter(|_| more)
            .map(|row| format!("{}?{}", self.path, self.params.query_after(key(row))));
        let items: Vec<Value> = shown.iter().map(item).collect();
        Reply::json(json!({ "items": items, "next": next }), seen)
    }
}

/// Serves one request of a route.
pub async fn pass(
    route: &'static Route,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    state: web::Data<ApiState>,
) -> HttpResponse {
    let answer = match answer(route, &request, body, &state).await {
        Ok(reply) => render(reply),
        Err(problem) => problem.answer(request.path()),
    };
    let status = answer.status().as_str().to_owned();
    metrics::counter!("relais_http_requests_total", "operation" => route.name, "status" => status)
        .increment(1);
    answer
}

async fn answer(
    route: &'static Route,
    request: &HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    state: &web::Data<ApiState>,
) -> Result<Reply, Problem> {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
    let mut trail = Trail::begin(state, route, peer, request.path());
    let who = match admit(route, request, state, peer) {
        Ok(who) => who,
        Err((who, problem)) => {
            trail.of(who.as_ref());
            return Err(trail.refused("denied", problem).await);
        }
    };
    trail.of(who.as_ref());
    let ask = ask(route, request, body, state, who)?;
    trail.about(&ask.params);
    if !route.audited {
        return (route.handler)(ask).await;
    }
    if !route.is_read() {
        // A correction is on the trail before it is done.
        trail.asked().await?;
    }
    match (route.handler)(ask).await {
        Ok(reply) => trail.allowed(&reply.seen).await.map(|()| reply),
        Err(problem) => Err(trail.refused("refused", problem).await),
    }
}

/// What an admitted request asks for.
fn ask(
    route: &Route,
    request: &HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    state: &web::Data<ApiState>,
    who: Option<Who>,
) -> Result<Ask, Problem> {
    let params = Params::read(route.params, request)?;
    if !body.is_ok_and(|bytes| bytes.is_empty()) {
        let refusal = Refusal::new(Reason::RequestBody, "a body was sent");
        return Err(refusal.allowed("parameters in the query").into());
    }
    Ok(Ask {
        state: state.clone(),
        who,
        params,
        path: request.path().to_owned(),
        last_event: last_event(request)?,
        cut: request.conn_data::<super::Cut>().cloned(),
    })
}

/// Lets a request in, or says why not and who it was.
fn admit(
    route: &Route,
    request: &HttpRequest,
    state: &ApiState,
    peer: IpAddr,
) -> Result<Option<Who>, (Option<Who>, Problem)> {
    let needed = match route.access {
        Access::Open => return Ok(None),
        Access::Scrape if state.loopback => return Ok(None),
        Access::Scrape => Role::Viewer,
        Access::Role(role) => role,
    };
    let now = state.clock.now();
    if let Some(seconds) = state.attempts.wait(peer, now) {
        let mut problem = Problem::new(Reason::AccessAttempts, "");
        problem.retry_after = Some(seconds);
        return Err((None, problem));
    }
    let refused = |found: &str, hint: &str| {
        let refusal = Refusal::new(Reason::AccessToken, found)
            .allowed(format!("a token of role {} or higher", needed.word()))
            .hint(hint);
        (None, Problem::from(refusal))
    };
    let Some(tokens) = &state.tokens else {
        let hint = "set [http] tokens_file and make one with `relais token new`";
        return Err(refused("no tokens are configured", hint));
    };
    let hint = "send it as Authorization: Bearer";
    let Some(sent) = request.headers().get("authorization") else {
        return Err(refused("no token was sent", hint));
    };
    let Some(who) = tokens.holder(bearer(sent.as_bytes())) else {
        state.attempts.failed(peer, now);
        metrics::counter!("relais_http_denied_total").increment(1);
        return Err(refused("the token is not known", hint));
    };
    if who.role < needed {
        let refusal = Refusal::new(
            Reason::AccessRole,
            format!("the token's role is {}", who.role.word()),
        )
        .allowed(format!("role {} or higher", needed.word()));
        metrics::counter!("relais_http_denied_total").increment(1);
        return Err((Some(who), refusal.into()));
    }
    Ok(Some(who))
}

/// `Last-Event-ID`, which browsers send when they reconnect.
fn last_event(request: &HttpRequest) -> Result<Option<i64>, Problem> {
    let Some(sent) = request.headers().get("last-event-id") else {
        return Ok(None);
    };
    let id = sent.to_str().ok().and_then(|t| t.trim().parse().ok());
    id.map(Some).ok_or_else(|| {
        Refusal::new(Reason::RequestParameter, "Last-Event-ID is no event id")
            .allowed("the id of an event, decimal digits")
            .into()
    })
}

fn render(reply: Reply) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    match reply.content {
        Content::Json(body) => {
            if let Some(next) = body.get("next").and_then(Value::as_str) {
                answer.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
            }
            answer
                .content_type("application/json")
                .body(body.to_string())
        }
        Content::Text(media, text) => answer.content_type(media).body(text),
        Content::Html { page, policy } => answer
            .content_type("text/html; charset=utf-8")
            .insert_header((HeaderName::from_static("content-security-policy"), policy))
            .body(page),
        Content::Bytes(bytes) => answer
            .content_type("application/octet-stream")
            .insert_header(("content-disposition", "attachment"))
            .body(bytes),
        Content::Events(events) => answer
            .content_type("text/event-stream")
            .insert_header(("content-encoding", "identity"))
            .body(events),
    }
}

/// The answer to a path or method that no route has.
pub fn unserved(request: &HttpRequest, methods: Option<String>) -> HttpResponse {
    let problem: Problem = match &methods {
        Some(methods) => Refusal::new(
            Reason::RequestMethod,
            format!("{} is not served here", request.method()),
        )
        .allowed(methods.clone()),
        None => Refusal::new(Reason::RequestPath, "").allowed("the paths that GET /api/docs lists"),
    }
    .into();
    let mut answer = problem.answer(request.path());
    if let Some(Ok(allow)) = methods.map(|m| m.parse()) {
        answer
            .headers_mut()
            .insert(actix_web::http::header::ALLOW, allow);
    }
    answer
}
