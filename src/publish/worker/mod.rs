//! The workers: one task per target claims due rows, renders the newest state, delivers and settles.
//!
//! Rules upheld: a row is settled only with its own lease; nothing that is not valid leaves; one publication in flight per patient;
//! a target that is away is asked by one row at a time; stopping waits for what is in flight. No patient data in logs.

mod breaker;
mod gate;
mod load;
#[cfg(test)]
mod tests;

use crate::clock::{Clock, Minter};
use crate::domain::ids::JournalId;
use crate::domain::time::Instant;
use crate::fault::{self, Point};
use crate::publish::fhir::{FhirTarget, Message};
use crate::publish::plan::parse_subject;
use crate::publish::render::{Outbound, Subjects};
use crate::publish::retry::{Delivery, LONGEST, TransportError, classify, next};
use crate::store::{Attempt, Claim, Direction, JournalEntry, JournalRow, Store, StoreError};
use breaker::{Breaker, micros};
use gate::Gate;
use load::{Loaded, load, owner};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Rows that one target has in flight at most.
const CONCURRENCY: usize = 4;
/// Added to the target's timeout: a lease outlives any delivery.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// Longest sleep: rows that another node or a command queued are seen by then.
const POLL: Duration = Duration::from_secs(2);
/// Shortest sleep when rows are due that cannot be claimed, and the pause after an error of the store.
const PAUSE: Duration = Duration::from_millis(500);

/// Reason of a row that is tried again.
const TEMPORARY: &str = "publish.temporary";
/// Reason of a row that the receiver refused.
const REFUSED: &str = "publish.refused";

/// The mapping in force, asked for each publication: a reload takes effect with the next one.
pub type Mapping = Arc<dyn Fn() -> Arc<dyn Outbound + Send + Sync> + Send + Sync>;

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    /// Ends after `stop` is cancelled and what was in flight is settled.
    pub task: JoinHandle<()>,
    /// Changes whenever a row was settled.
    pub settled: watch::Receiver<u64>,
}

/// What all deliveries of a worker share.
struct Shared {
    name: String,
    target: FhirTarget,
    store: Store,
    clock: Clock,
    minter: Minter,
    mapping: Mapping,
    gate: Gate,
    settled: watch::Sender<u64>,
}

/// Starts the worker of the target `name`. `committed` changes when new rows may be due (`Workflow::committed`).
#[expect(
    clippy::too_many_arguments,
    reason = "the composition root hands over each part once"
)]
pub fn start(
    name: &str,
    target: FhirTarget,
    store: Store,
    clock: Clock,
    minter: Minter,
    mapping: Mapping,
    committed: watch::Receiver<u64>,
    stop: CancellationToken,
) -> Worker {
    let (sender, settled) = watch::channel(0);
    let shared = Arc::new(Shared {
        name: name.to_owned(),
        target,
        store,
        clock,
        minter,
        mapping,
        gate: Gate::default(),
        settled: sender,
    });
    Worker {
        task: tokio::spawn(run(shared, committed, stop)),
        settled,
    }
}

async fn run(shared: Arc<Shared>, mut committed: watch::Receiver<u64>, stop: CancellationToken) {
    let mut in_flight: JoinSet<Option<Delivery>> = JoinSet::new();
    let mut breaker = Breaker::default();
    let mut writer_lives = true;
    orphan(&shared, &stop).await;
    while !stop.is_cancelled() {
        committed.mark_unchanged();
        let pause = claim(&shared, &mut in_flight, &breaker).await;
        let has_room = in_flight.len() < CONCURRENCY;
        tokio::select! {
            () = stop.cancelled() => {}
            done = in_flight.join_next(), if !in_flight.is_empty() => note(&shared, &mut breaker, done),
            changed = committed.changed(), if writer_lives && has_room => writer_lives = changed.is_ok(),
            () = tokio::time::sleep(pause) => {}
        }
    }
    while let Some(done) = in_flight.join_next().await {
        note(&shared, &mut breaker, Some(done));
    }
}

/// Takes over what an earlier process of this node had in flight when it died. Whoever answers within the target's timeout has answered
/// by the end of it: waiting longer, for the margin of the lease, protects nothing.
async fn orphan(shared: &Shared, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let now = shared.clock.now();
        let until = Instant(now.0.saturating_add(micros(shared.target.timeout())));
        let token = shared.minter.token();
        match shared.store.orphan(&shared.name, token, until).await {
            Ok(0) => return,
            Ok(rows) => {
                tracing::info!(
                    target = shared.name,
                    rows,
                    "were in flight when the engine died"
                );
                return;
            }
            Err(error) => {
                let pause = store_away(shared, &error);
                tokio::select! { () = stop.cancelled() => {} () = tokio::time::sleep(pause) => {} }
            }
        }
    }
}

/// Claims what may be claimed and starts it. How long to sleep if nothing happens.
async fn claim(
    shared: &Arc<Shared>,
    in_flight: &mut JoinSet<Option<Delivery>>,
    breaker: &Breaker,
) -> Duration {
    let now = shared.clock.now();
    let free = CONCURRENCY.saturating_sub(in_flight.len());
    let allowed = breaker.allowed(free, in_flight.len(), now);
    if allowed == 0 {
        return breaker
            .waits_until(now)
            .map_or(POLL, |until| until_then(now, until));
    }
    let lease = micros(shared.target.timeout() + LEASE_MARGIN);
    let n = u32::try_from(allowed).unwrap_or(1);
    let token = shared.minter.token();
    let store = &shared.store;
    let claims = match store.claim(&shared.name, n, lease, now, token).await {
        Ok(claims) => claims,
        Err(error) => return store_away(shared, &error),
    };
    if !claims.is_empty() {
        fault::point(Point::Claim);
    }
    for claim in claims {
        let shared = shared.clone();
        in_flight.spawn(async move { publish(&shared, claim, now).await });
    }
    match store.next_due(&shared.name).await {
        Ok(Some(due)) => until_then(now, due),
        Ok(None) => POLL,
        Err(error) => store_away(shared, &error),
    }
}

fn until_then(now: Instant, then: Instant) -> Duration {
    let wait = u64::try_from(then.0.saturating_sub(now.0)).unwrap_or(0);
    Duration::from_micros(wait).clamp(PAUSE, POLL)
}

fn store_away(shared: &Shared, error: &StoreError) -> Duration {
    // The store has raised the alarm; a line each half second would bury it.
    tracing::debug!(target = shared.name, %error, "outbox cannot be read");
    PAUSE
}

type Done = Result<Option<Delivery>, tokio::task::JoinError>;

fn note(shared: &Shared, breaker: &mut Breaker, done: Option<Done>) {
    match done {
        Some(Ok(Some(delivery))) => {
            let was_away = breaker.is_away();
            breaker.note(&delivery, shared.clock.now());
            if was_away != breaker.is_away() {
                tracing::warn!(
                    target = shared.name,
                    away = breaker.is_away(),
                    "target changed"
                );
            }
        }
        Some(Err(error)) => {
            tracing::error!(target = shared.name, %error, "a delivery ended by itself; its lease will run out");
        }
        Some(Ok(None)) | None => {}
    }
}

/// Publishes one row. What became of the delivery, `None` if none was tried.
async fn publish(shared: &Shared, claim: Claim, claimed: Instant) -> Option<Delivery> {
    let result = attempt(shared, &claim, claimed).await;
    shared.settled.send_modify(|n| *n += 1);
    match result {
        Ok(delivery) => delivery,
        Err(error) => {
            tracing::warn!(target = shared.name, row = claim.id, %error, "publication is not settled; its lease will run out");
            None
        }
    }
}

/// A message after its delivery was tried.
struct Sent<'a> {
    message: &'a Message,
    /// Of the mapping.
    revision: String,
    at: Instant,
    /// What the receiver said.
    status: String,
    /// Bytes may have left: whatever became of them, the journal keeps them.
    left: bool,
}

async fn attempt(
    shared: &Shared,
    claim: &Claim,
    claimed: Instant,
) -> Result<Option<Delivery>, StoreError> {
    let Ok(subject) = parse_subject(&claim.subject) else {
        held(
            shared,
            claim,
            "publish.internal",
            "the row's subject cannot be read",
        )
        .await?;
        return Ok(None);
    };
    let patient = owner(&shared.store, subject).await?;
    let _pass = match patient {
        Some(patient) => Some(shared.gate.pass(patient).await),
        None => None,
    };
    // Read behind the gate: what was read before it could be older than what has just been delivered.
    let loaded = load(&shared.store, subject).await?;
    let Loaded::Ready(docs) = &loaded else {
        nothing(shared, claim, &loaded).await?;
        return Ok(None);
    };
    let late = shared.clock.now().0 - claimed.0 > micros(LEASE_MARGIN) / 2;
    if late || patient != Some(owner_of(docs)) {
        // What is left of the lease may not cover the delivery, or the patient was merged meanwhile: claimed again.
        shared.store.release(claim).await?;
        return Ok(None);
    }
    let mapping = (shared.mapping)();
    let message = match shared.target.message(docs, mapping.as_ref()) {
        Ok(Some(message)) => message,
        Ok(None) => {
            nothing(shared, claim, &Loaded::Nothing("the mapping sends nothing")).await?;
            return Ok(None);
        }
        Err(invalid) => {
            held(shared, claim, "publish.invalid", &invalid.to_string()).await?;
            return Ok(None);
        }
    };
    fault::point(Point::Render);
    let sent = shared.clock.now();
    fault::point(Point::Send);
    let answer = shared.target.deliver(&message, sent.timestamp()).await;
    fault::point(Point::Answer);
    let delivery = classify(&answer);
    let status = match &answer {
        Ok(response) if response.detail.is_empty() => response.status.to_string(),
        Ok(response) => format!("{}: {}", response.status, response.detail),
        Err(error) => error.to_string(),
    };
    let sent = Sent {
        message: &message,
        revision: mapping.revision(),
        at: sent,
        status,
        left: !matches!(answer, Err(TransportError::Connect(_))),
    };
    settle(shared, claim, &delivery, sent).await?;
    fault::point(Point::Settle);
    Ok(Some(delivery))
}

fn owner_of(docs: &Subjects) -> crate::domain::ids::PatientId {
    docs.survivor.as_ref().map_or(docs.patient.id, |s| s.id)
}

async fn settle(
    shared: &Shared,
    claim: &Claim,
    delivery: &Delivery,
    sent: Sent<'_>,
) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let ms = (now.0 - sent.at.0) / 1000;
    let store = &shared.store;
    let entry = journal_entry(shared, claim, &sent);
    let (word, reason) = match delivery {
        Delivery::Delivered => ("sent", None),
        Delivery::Temporary { .. } => ("unconfirmed", Some(TEMPORARY)),
        Delivery::Permanent { .. } => ("refused", Some(REFUSED)),
    };
    let mut journal = None;
    if sent.left {
        // The same bytes are kept once, however often they left.
        let cause = store.sent_before(claim, &entry.hash).await?;
        journal = Some(JournalRow {
            entry: &entry,
            direction: Direction::Out,
            body: cause.is_none().then_some(&sent.message.body),
            outcome: word,
            reason,
            detail: notes(sent.message),
            ack: None,
            cause,
            once: false,
        });
    }
    let attempt = Attempt {
        id: shared.minter.mint(),
        at: sent.at,
        ms,
        status: sent.status,
        journal,
    };
    let (outcome, kept) = match delivery {
        Delivery::Delivered => ("delivered", store.settle_delivered(claim, &attempt).await?),
        Delivery::Temporary { detail, .. } => {
            let attempts = u32::try_from(claim.attempts)
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            let pause = next(attempts, delivery, claim.id.unsigned_abs()).unwrap_or(LONGEST);
            let due = Instant(now.0.saturating_add(micros(pause)));
            (
                "retry",
                store
                    .settle_retry(claim, &attempt, due, TEMPORARY, detail)
                    .await?,
            )
        }
        Delivery::Permanent { detail } => (
            "held",
            store.settle_held(claim, &attempt, REFUSED, detail).await?,
        ),
    };
    record(shared, claim, outcome, ms, kept);
    Ok(())
}

fn journal_entry(shared: &Shared, claim: &Claim, sent: &Sent<'_>) -> JournalEntry {
    JournalEntry {
        id: JournalId(shared.minter.mint()),
        received: sent.at,
        port: "http".to_owned(),
        link: shared.name.clone(),
        peer: shared.target.url().to_owned(),
        kind: "fhir.transaction".to_owned(),
        control_id: claim.subject.clone(),
        hash: Sha256::digest(&sent.message.body).into(),
        charset: "UTF-8".to_owned(),
        zone: shared.target.timezone().to_owned(),
        mapping_rev: sent.revision.clone(),
    }
}

fn notes(message: &Message) -> Option<String> {
    let all: Vec<String> = message
        .notes
        .iter()
        .map(|(at, text)| format!("{at}: {text}"))
        .collect();
    (!all.is_empty()).then(|| all.join("\n"))
}

fn record(shared: &Shared, claim: &Claim, outcome: &'static str, ms: i64, kept: bool) {
    let labels = [
        ("target", shared.name.clone()),
        ("outcome", outcome.to_owned()),
    ];
    metrics::counter!("relais_publish_attempts_total", &labels).increment(1);
    let subject = claim.subject.as_str();
    if kept {
        tracing::info!(target = shared.name, subject, outcome, ms, "publication");
    } else {
        tracing::warn!(
            target = shared.name,
            subject,
            outcome,
            ms,
            "publication settled by another worker"
        );
    }
}

/// An attempt without delivery.
fn quiet(shared: &Shared, status: &str) -> Attempt<'static> {
    Attempt {
        id: shared.minter.mint(),
        at: shared.clock.now(),
        ms: 0,
        status: status.to_owned(),
        journal: None,
    }
}

/// Settles a row for which there is nothing to send.
async fn nothing(shared: &Shared, claim: &Claim, why: &Loaded) -> Result<(), StoreError> {
    let why = match why {
        Loaded::Nothing(why) => why,
        Loaded::Ready(_) => "nothing to send",
    };
    let attempt = quiet(shared, why);
    let kept = shared.store.settle_delivered(claim, &attempt).await?;
    record(shared, claim, "nothing", 0, kept);
    Ok(())
}

async fn held(
    shared: &Shared,
    claim: &Claim,
    reason: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let attempt = quiet(shared, "not sent");
    let kept = shared
        .store
        .settle_held(claim, &attempt, reason, detail)
        .await?;
    record(shared, claim, "held", 0, kept);
    Ok(())
}
