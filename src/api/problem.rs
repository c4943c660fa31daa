//! Refusals over HTTP: RFC 9457 problem details with the reason's code, what was allowed and what to do.

use crate::domain::reason::{Class, Reason, Refusal};
use crate::store::StoreError;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

/// The media type of problem details.
pub const MEDIA: &str = "application/problem+json";

/// Why a request is not answered as asked. The refusal carries no patient data.
#[derive(Debug, Clone)]
pub struct Problem {
    pub refusal: Box<Refusal>,
    /// Seconds to wait before the next attempt.
    pub retry_after: Option<i64>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal: Box::new(refusal),
            retry_after: None,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request cannot be answered from the store");
        let reason = if error.is_of_content() {
            Reason::Internal
        } else {
            Reason::StorageAway
        };
        Refusal::new(reason, "").hint("try again later").into()
    }
}

impl Problem {
    /// A problem with what was found.
    pub fn new(reason: Reason, found: impl Into<String>) -> Self {
        Refusal::new(reason, found).into()
    }

    /// No entry of this id.
    pub fn unknown(what: &str, id: i64) -> Self {
        Refusal::new(Reason::RecordUnknown, format!("no {what} has the id {id}"))
            .hint("it may have been purged; lists show what there is")
            .into()
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        status_of(self.refusal.reason)
    }

    /// The problem as JSON; `instance` is the path that was asked for.
    pub fn body(&self, instance: &str) -> Value {
        let r = &self.refusal;
        let mut body = json!({
            "type": format!("/api/docs#{}", r.reason.code()),
            "title": r.reason.text(),
            "status": self.status(),
            "code": r.reason.code(),
            "instance": instance,
        });
        let at = r.at.as_ref().map(ToString::to_string).unwrap_or_default();
        for (name, text) in [
            ("detail", &r.found),
            ("at", &at),
            ("allowed", &r.allowed),
            ("hint", &r.hint),
        ] {
            if !text.is_empty() {
                body[name] = Value::from(text.as_str());
            }
        }
        body
    }

    /// The answer.
    pub fn answer(&self, instance: &str) -> HttpResponse {
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = HttpResponse::build(status);
        answer.content_type(MEDIA);
        if self.refusal.reason == Reason::AccessToken {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"relais\""));
        }
        if let Some(seconds) = self.retry_after {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        answer.body(self.body(instance).to_string())
    }
}

/// The status that says a reason over HTTP.
pub fn status_of(reason: Reason) -> u16 {
    match reason {
        Reason::RequestParameter => 400,
        Reason::AccessToken => 401,
        Reason::AccessRole => 403,
        Reason::RequestPath
        | Reason::RecordUnknown
        | Reason::OrderUnknown
        | Reason::PatientUnknown
        | Reason::MppsUnknown => 404,
        Reason::RequestMethod => 405,
        Reason::RequestBody => 413,
        Reason::AccessAttempts => 429,
        Reason::Internal => 500,
        reason => match reason.class() {
            Class::Content | Class::Unsupported => 422,
            Class::State => 409,
            Class::Temporary => 503,
        },
    }
}

/// The JSON Schema of the body.
pub fn schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "description": "Problem details (RFC 9457). `code` is a reason of docs/reference/errors.md.",
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "code": text, "instance": text,
            "detail": text, "at": text, "allowed": text, "hint": text
        },
        "required": ["type", "title", "status", "code", "instance"],
        "additionalProperties": false
    })
}
