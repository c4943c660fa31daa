//! What the engine does: publications, worklist queries, the audit trail.

use super::gate::{Ask, Reply, Seen};
use super::json::{id, maybe_id, moment};
use super::problem::Problem;
use crate::store::{
    AttemptRow, AuditFilter, AuditRow, OutboxFilter, OutboxList, OutboxRow, QueryFilter,
    QueryLogRow,
};
use serde_json::{Value, json};

/// Attempts that a publication's page shows.
const ATTEMPTS: u32 = 100;

/// `GET /api/outbox`
pub async fn outbox(ask: Ask) -> Result<Reply, Problem> {
    let state = ask.params.owned("state");
    let mut targets: Vec<String> = ask.params.owned("target").into_iter().collect();
    // What is not delivered is little and found by its index, which leads by the target.
    if targets.is_empty() && state.as_deref().is_some_and(|s| s != "delivered") {
        targets = ask
            .state
            .config
            .targets
            .iter()
            .map(|t| t.name.clone())
            .collect();
    }
    let filter = OutboxList {
        targets,
        state,
        subject: ask.params.owned("subject"),
    };
    let rows = ask.state.store.list_outbox(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (0, row.id),
        |row| Seen::one(row.id, None),
        outbox_item,
    ))
}

fn outbox_item(row: &OutboxRow) -> Value {
    json!({
        "id": id(row.id),
        "target": row.target,
        "subject": row.subject,
        "seq": id(row.seq),
        "wanted": row.wanted,
        "done": row.done,
        "state": row.state,
        "due": moment(row.due),
        "attempts": row.attempts,
        "reason": row.reason,
        "detail": row.detail,
    })
}

/// `GET /api/outbox/{id}`
pub async fn publication(ask: Ask) -> Result<Reply, Problem> {
    let wanted = ask.params.id();
    let filter = OutboxFilter {
        id: Some(wanted),
        ..OutboxFilter::default()
    };
    let rows = ask.state.store.outbox(&filter, 1).await?;
    let row = rows
        .first()
        .ok_or_else(|| Problem::unknown("publication", wanted))?;
    let tried = ask.state.store.attempts_at(wanted, ATTEMPTS).await?;
    let mut body = outbox_item(row);
    body["tried"] = tried.iter().map(attempt).collect();
    Ok(Reply::json(body, Seen::one(wanted, None)))
}

fn attempt(attempt: &AttemptRow) -> Value {
    json!({
        "id": id(attempt.id),
        "at": moment(attempt.at),
        "milliseconds": attempt.ms,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "message": maybe_id(attempt.journal.map(|j| j.0)),
        "mapping_revision": attempt.mapping_rev,
    })
}

/// `GET /api/queries`
pub async fn queries(ask: Ask) -> Result<Reply, Problem> {
    let filter = QueryFilter {
        device: ask.params.owned("device"),
        from: ask.params.number("from"),
        to: ask.params.number("to"),
    };
    let rows = ask.state.store.list_queries(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (row.last_at.0, row.id),
        |row| Seen::one(row.id, None),
        query,
    ))
}

fn query(row: &QueryLogRow) -> Value {
    json!({
        "id": id(row.id),
        "device": row.device,
        "keys": row.keys,
        "steps": row.ids.split_whitespace().collect::<Vec<_>>(),
        "items": row.n,
        "microseconds": row.us,
        "first_at": moment(row.first_at),
        "last_at": moment(row.last_at),
        "count": row.count,
    })
}

/// `GET /api/audit`
pub async fn audit(ask: Ask) -> Result<Reply, Problem> {
    let filter = AuditFilter {
        who: ask.params.owned("who"),
        action: ask.params.owned("action"),
        outcome: ask.params.owned("outcome"),
        patient: ask.params.number("patient"),
        from: ask.params.number("from"),
        to: ask.params.number("to"),
    };
    let rows = ask.state.store.list_audit(&filter, ask.page()).await?;
    Ok(ask.paged(
        rows,
        |row| (0, row.id),
        |row| Seen::one(row.id, None),
        access,
    ))
}

fn access(row: &AuditRow) -> Value {
    json!({
        "id": id(row.id),
        "at": moment(row.at),
        "who": row.who,
        "role": row.role,
        "peer": row.peer,
        "action": row.action,
        "subject": row.subject,
        "ids": row.ids.iter().map(|i| id(*i)).collect::<Vec<_>>(),
        "filter": row.filter,
        "outcome": row.outcome,
        "reason": row.reason,
        "count": row.n,
    })
}
