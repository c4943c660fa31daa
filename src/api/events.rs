//! The stream of committed events (server-sent events, HTML Living Standard 9.2): ids and names of what happened, no values of
//! patients, so that every role may listen; who wants more reads the exam and is audited.
//!
//! A client resumes with the id it saw last and misses nothing; of nodes that share a database an event may come twice, never not at
//! all. Memory is bounded: a client holds a cursor and at most [`WAITING`] events; one that does not read for [`PATIENCE`] is cut off.

use super::gate::{Ask, Content, Reply};
use super::json;
use super::problem::Problem;
use super::{ApiState, Cut};
use crate::clock::{id_before, node_of};
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::reason::{Reason, Refusal};
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{Bytes, Data};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Streams at one time.
pub const STREAMS: usize = 32;
/// Events of a client that wait for its socket.
const WAITING: usize = 64;
/// How long a client may read nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the store is asked when nobody tells of a commit: another node may have committed.
const PERIOD: Duration = Duration::from_millis(500);
/// Silence after which a heartbeat is sent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events read at once.
const PAGE: u32 = 200;
/// By how many milliseconds the ids of nodes that share a database may be out of the order of their commits.
const SKEW_MS: i64 = 5_000;

/// The body of a stream.
pub struct Events {
    lines: mpsc::Receiver<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl MessageBody for Events {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.get_mut().lines.poll_recv(cx).map(|line| line.map(Ok))
    }
}

/// `GET /api/events`
pub async fn events(ask: Ask) -> Result<Reply, Problem> {
    let permit = ask.state.streams.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(Reason::Limit, "too many listen to events")
            .allowed(format!("{STREAMS} streams at one time"))
            .hint("close one, or try again later")
    })?;
    let store = &ask.state.store;
    let resumed = ask.last_event.or_else(|| ask.params.number("after"));
    let from = match resumed {
        Some(id) => EventId(id),
        None => store.newest_event().await?,
    };
    let cursor = Cursor::new(from.0, !store.is_sqlite());
    let (sender, lines) = mpsc::channel(WAITING);
    let state = ask.state.clone();
    let feeding = Feed {
        state: state.clone(),
        cursor,
        sender,
        cut: ask.cut,
    };
    // Not on this worker's own thread, which serves requests; `Data` is an Arc.
    state.runtime.spawn(feeding.run());
    Ok(Reply::of(Content::Events(Events {
        lines,
        _permit: permit,
    })))
}

/// Which events a client has seen.
#[derive(Debug)]
struct Cursor {
    /// The largest id seen.
    last: i64,
    /// The same of each node: one node commits in the order of its ids.
    nodes: BTreeMap<i64, i64>,
    /// What nodes without an entry are taken to have been seen up to.
    floor: i64,
    shared: bool,
}

impl Cursor {
    fn new(last: i64, shared: bool) -> Self {
        Self {
            last,
            nodes: BTreeMap::from([(node_of(last), last)]),
            floor: if shared {
                id_before(last, SKEW_MS)
            } else {
                last
            },
            shared,
        }
    }

    /// After which id the next events are looked for.
    fn from(&self) -> i64 {
        if self.shared {
            id_before(self.last, SKEW_MS)
        } else {
            self.last
        }
    }

    /// True if this event was not seen; then it has been.
    fn is_new(&mut self, id: i64) -> bool {
        let seen = self.nodes.entry(node_of(id)).or_insert(self.floor);
        let new = id > *seen;
        *seen = id.max(*seen);
        self.last = self.last.max(id);
        new
    }
}

struct Feed {
    state: Data<ApiState>,
    cursor: Cursor,
    sender: mpsc::Sender<Bytes>,
    cut: Option<Cut>,
}

impl Feed {
    async fn run(mut self) {
        metrics::gauge!("relais_http_streams").increment(1);
        let stop = self.state.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.feed() => {}
        }
        metrics::gauge!("relais_http_streams").decrement(1);
    }

    /// Sends until the client is gone or too slow.
    async fn feed(&mut self) {
        if !self.send("retry: 2000\n\n".to_owned()).await {
            return;
        }
        let mut committed = self.state.workflow.committed();
        let mut silence = Duration::ZERO;
        loop {
            match self.round().await {
                Ok(0) => silence += PERIOD,
                Ok(_) => silence = Duration::ZERO,
                Err(()) => return,
            }
            if silence >= HEARTBEAT {
                silence = Duration::ZERO;
                if !self.send(": heartbeat\n\n".to_owned()).await {
                    return;
                }
            }
            tokio::select! {
                () = self.sender.closed() => return,
                _ = tokio::time::sleep(PERIOD) => {}
                changed = committed.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Sends what was committed since; how many events.
    async fn round(&mut self) -> Result<usize, ()> {
        let mut sent = 0;
        let mut from = self.cursor.from();
        loop {
            let events = match self.state.store.events_after(EventId(from), PAGE).await {
                Ok(events) => events,
                Err(error) => {
                    // The client is told by nothing: it stays where it is until the database is back.
                    tracing::warn!(%error, "events cannot be read for a listener");
                    return Ok(sent);
                }
            };
            for event in &events {
                from = event.id.0;
                if self.cursor.is_new(event.id.0) {
                    sent += 1;
                    if !self.send(line(event)).await {
                        return Err(());
                    }
                }
            }
            if events.len() < PAGE as usize {
                return Ok(sent);
            }
        }
    }

    /// False if the client is gone, or has read nothing for too long: then its connection is cut.
    async fn send(&self, line: String) -> bool {
        match self.sender.send_timeout(Bytes::from(line), PATIENCE).await {
            Ok(()) => true,
            Err(mpsc::error::SendTimeoutError::Closed(_)) => false,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                metrics::counter!("relais_http_streams_dropped_total").increment(1);
                tracing::warn!("a listener to events does not read and is cut off");
                if let Some(cut) = &self.cut {
                    cut.now();
                }
                false
            }
        }
    }
}

fn line(event: &Event) -> String {
    format!(
        "id: {}\nevent: {}\ndata: {}\n\n",
        event.id.0,
        event.name(),
        json::event(event)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id minted at a millisecond by a node.
    fn minted(ms: i64, node: i64) -> i64 {
        (ms << 22) | (node << 12)
    }

    #[test]
    fn events_of_a_node_come_once_and_late_ones_of_another_are_not_lost() {
        let mut cursor = Cursor::new(minted(100_000, 1), true);
        assert!(!cursor.is_new(minted(99_999, 1)), "seen before");
        assert!(cursor.is_new(minted(100_001, 1)));
        assert!(!cursor.is_new(minted(100_001, 1)));
        assert!(cursor.is_new(minted(99_000, 2)), "committed late");
        assert!(!cursor.is_new(minted(99_000, 2)));
        assert!(cursor.from() < minted(99_000, 2));
        let alone = Cursor::new(minted(100_000, 1), false);
        assert_eq!(alone.from(), minted(100_000, 1));
    }
}
