//! The mapping files: what is in force, why the files on disk are not, and the word to read them now.

use super::gate::{Ask, Reply, Seen};
use super::json::moment;
use super::problem::Problem;
use super::schema::{flag, int, list, maybe_text, moment as a_moment, object, text, words};
use crate::diagnostic::Diagnostic;
use crate::domain::reason::{Reason, Refusal};
use crate::mappings::Refused;
use crate::mappings::reload::{Reloaded, Status};
use crate::store::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// `GET /api/mapping`
pub async fn mapping(ask: Ask) -> Result<Reply, Problem> {
    let set = ask.state.mappings.current();
    let files = set.files().iter().map(|file| {
        json!({
            "layer": file.layer,
            "name": file.name,
            "sha256": hex(&Sha256::digest(file.text.as_bytes())),
            "bytes": file.text.len(),
        })
    });
    let revisions = ask.state.store.mapping_revisions().await?;
    let revisions = revisions
        .iter()
        .map(|row| json!({ "revision": row.hash, "since": moment(row.at), "active": row.active }));
    let body = json!({
        "revision": set.revision(),
        "files": files.collect::<Vec<_>>(),
        "revisions": revisions.collect::<Vec<_>>(),
    });
    Ok(Reply::json(body, Seen::default()))
}

/// What [`mapping`] answers.
pub fn revisions() -> Value {
    let file = object(&[
        ("layer", int()),
        ("name", text()),
        ("sha256", text()),
        ("bytes", int()),
    ]);
    let revision = object(&[
        ("revision", text()),
        ("since", a_moment()),
        ("active", flag()),
    ]);
    object(&[
        ("revision", text()),
        ("files", list(file)),
        ("revisions", list(revision)),
    ])
}

/// `GET /api/mapping/status`
pub async fn status(ask: Ask) -> Result<Reply, Problem> {
    let body = status_body(&ask.state.reloader.status());
    Ok(Reply::json(body, Seen::default()))
}

/// `POST /api/mapping/reload`
pub async fn reload(ask: Ask) -> Result<Reply, Problem> {
    let outcome = match ask.state.reloader.reload().await {
        Reloaded::Unchanged => "unchanged",
        Reloaded::Changed => "changed",
        Reloaded::Refused(_) => "refused",
        Reloaded::Away(why) => return Err(Refusal::new(Reason::StorageAway, why).into()),
    };
    let status = status_body(&ask.state.reloader.status());
    let body = json!({ "outcome": outcome, "status": status });
    Ok(Reply::json(body, Seen::default()))
}

fn status_body(status: &Status) -> Value {
    let refused = status
        .refused
        .as_ref()
        .map(|(at, why)| refusal(why, moment(*at)));
    json!({
        "revision": status.revision,
        "since": moment(status.since),
        "files": status.files,
        "refused": refused,
    })
}

fn refusal(why: &Refused, at: Value) -> Value {
    let problem = |p: &Diagnostic| json!({ "code": p.code, "severity": p.severity.word(), "file": &*p.file, "message": p.message, "hint": p.hint });
    let problems: Vec<Value> = why.problems.iter().map(problem).collect();
    json!({ "at": at, "problems": problems, "text": why.text })
}

/// What [`status`] answers.
pub fn in_force() -> Value {
    let problem = object(&[
        ("code", text()),
        ("severity", words(&["error", "warning"])),
        ("file", text()),
        ("message", text()),
        ("hint", maybe_text()),
    ]);
    let mut refused = object(&[
        ("at", a_moment()),
        ("problems", list(problem)),
        ("text", text()),
    ]);
    refused["type"] = json!(["object", "null"]);
    object(&[
        ("revision", text()),
        ("since", a_moment()),
        ("files", int()),
        ("refused", refused),
    ])
}

/// What [`reload`] answers: what came of it, and what is in force now.
pub fn reloaded() -> Value {
    let outcome = words(&["unchanged", "changed", "refused"]);
    object(&[("outcome", outcome), ("status", in_force())])
}

/// `GET /api/mapping/explain`
pub async fn explain(ask: Ask) -> Result<Reply, Problem> {
    let set = ask.state.mappings.current();
    let name = ask.params.text("file").unwrap_or_default();
    let Some(explained) = set.explain(name) else {
        let names: Vec<&str> = set.models().map(|m| m.name.as_str()).collect();
        let found = "no mapping file of that name is in force";
        return Err(Refusal::new(Reason::RecordUnknown, found)
            .allowed(names.join(", "))
            .into());
    };
    let rules: Vec<Value> = explained
        .rules
        .iter()
        .map(|r| json!({ "target": r.target, "text": r.text, "rule": r.rule }))
        .collect();
    let body = json!({ "file": explained.file, "about": explained.about, "rules": rules });
    Ok(Reply::json(body, Seen::default()))
}

/// What [`explain`] answers.
pub fn explained() -> Value {
    let rule = object(&[("target", text()), ("text", text()), ("rule", text())]);
    object(&[
        ("file", text()),
        ("about", list(text())),
        ("rules", list(rule)),
    ])
}
