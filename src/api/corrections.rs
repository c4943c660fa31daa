//! Corrections: what operators may do, through the one door. The trail has "asked" before anything is done.

use super::gate::{Ask, Reply, Seen};
use super::json::id;
use super::problem::Problem;
use super::schema;
use crate::corrections::{By, CorrectionError};
use crate::domain::ids::JournalId;
use crate::domain::reason::{Reason, Refusal};
use crate::store::OutboxFilter;
use crate::workflow::Outcome;
use serde_json::{Value, json};

/// Who corrects, and why.
fn by(ask: &Ask) -> By {
    By {
        port: "http",
        who: ask.who.as_ref().map(|w| w.name.clone()).unwrap_or_default(),
        because: ask.params.owned("because").unwrap_or_default(),
    }
}

impl From<CorrectionError> for Problem {
    fn from(error: CorrectionError) -> Self {
        let reason = match &error {
            CorrectionError::Unknown(_) => Reason::RecordUnknown,
            CorrectionError::NotPossible(_) => Reason::CorrectionImpossible,
            CorrectionError::Wrong(_) => Reason::RequestParameter,
            CorrectionError::Away(_) => Reason::StorageAway,
        };
        Refusal::new(reason, error.to_string()).into()
    }
}

/// `POST /api/messages/{id}/replay`
pub async fn replay(ask: Ask) -> Result<Reply, Problem> {
    let wanted = JournalId(ask.params.id());
    let replayed = ask.state.corrections.replay(wanted, &by(&ask)).await?;
    let (outcome, events, why) = match replayed.outcome {
        Outcome::Applied { events, .. } => {
            let names = events.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            ("applied", names, None)
        }
        Outcome::Repeated { .. } => ("repeated", vec![], None),
        Outcome::Refused(refusal) => ("refused", vec![], Some(Problem::from(refusal))),
        Outcome::Away(reason) => return Err(Problem::new(reason, "nothing was stored")),
    };
    let body = json!({
        "message": id(replayed.journal.0),
        "of": id(wanted.0),
        "outcome": outcome,
        "events": events,
        "problem": why.map(|p| p.body(&ask.path)),
    });
    Ok(Reply::json(body, Seen::one(wanted.0, None)))
}

/// What [`replay`] answers: the new journal row and what came of it.
pub fn replayed() -> Value {
    schema::object(&[
        ("message", schema::id()),
        ("of", schema::id()),
        (
            "outcome",
            schema::words(&["applied", "repeated", "refused"]),
        ),
        ("events", schema::list(schema::text())),
        ("problem", json!({ "type": ["object", "null"] })),
    ])
}

/// `POST /api/messages/{id}/discard`
pub async fn discard_message(ask: Ask) -> Result<Reply, Problem> {
    let wanted = JournalId(ask.params.id());
    let row = ask
        .state
        .corrections
        .discard_message(wanted, &by(&ask))
        .await?;
    let body = json!({ "message": id(row.0), "of": id(wanted.0) });
    Ok(Reply::json(body, Seen::one(wanted.0, None)))
}

/// What [`discard_message`] answers: the journal row that says so.
pub fn noted() -> Value {
    schema::object(&[("message", schema::id()), ("of", schema::id())])
}

fn one(ask: &Ask) -> OutboxFilter {
    OutboxFilter {
        id: Some(ask.params.id()),
        ..OutboxFilter::default()
    }
}

fn done(ask: &Ask, ids: &[i64]) -> Result<Reply, Problem> {
    if ids.is_empty() {
        let found = "the publication is not in a state for this";
        let hint = "GET /api/outbox/{id} shows its state";
        return Err(Refusal::new(Reason::CorrectionImpossible, found)
            .hint(hint)
            .into());
    }
    let body = json!({ "publications": ids.iter().map(|i| id(*i)).collect::<Vec<_>>() });
    Ok(Reply::json(body, Seen::one(ask.params.id(), None)))
}

/// What the corrections of publications answer: those that were touched.
pub fn touched() -> Value {
    schema::object(&[("publications", schema::list(schema::id()))])
}

/// `POST /api/outbox/{id}/retry`
pub async fn retry(ask: Ask) -> Result<Reply, Problem> {
    let ids = ask.state.corrections.retry(&one(&ask), &by(&ask)).await?;
    done(&ask, &ids)
}

/// `POST /api/outbox/{id}/resend`
pub async fn resend(ask: Ask) -> Result<Reply, Problem> {
    let ids = ask.state.corrections.resend(&one(&ask), &by(&ask)).await?;
    done(&ask, &ids)
}

/// `POST /api/outbox/{id}/skip`
pub async fn skip(ask: Ask) -> Result<Reply, Problem> {
    let ids = ask.state.corrections.skip(&one(&ask), &by(&ask)).await?;
    done(&ask, &ids)
}

/// `POST /api/targets/{name}/pause`
pub async fn pause(ask: Ask) -> Result<Reply, Problem> {
    let name = ask.params.text("name").unwrap_or_default();
    let changed = ask.state.corrections.pause(name, &by(&ask)).await?;
    Ok(paused(name, true, changed))
}

/// `POST /api/targets/{name}/resume`
pub async fn resume(ask: Ask) -> Result<Reply, Problem> {
    let name = ask.params.text("name").unwrap_or_default();
    let changed = ask.state.corrections.resume(name, &by(&ask)).await?;
    Ok(paused(name, false, changed))
}

fn paused(target: &str, paused: bool, changed: bool) -> Reply {
    let body = json!({ "target": target, "paused": paused, "changed": changed });
    Reply::json(body, Seen::default())
}

/// What [`pause`] and [`resume`] answer; nothing changed if it was so already.
pub fn pausing() -> Value {
    schema::object(&[
        ("target", schema::text()),
        ("paused", schema::flag()),
        ("changed", schema::flag()),
    ])
}
