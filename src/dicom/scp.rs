//! The DICOM server: accepts associations, dispatches C-ECHO, C-FIND on Modality Worklist and N-CREATE / N-SET on MPPS to the
//! [`Services`] it is given.
//!
//! Rules upheld: over the limit an association waits a short while for its turn, then it is told 2/3/2; peers that say nothing, or
//! stop in the middle of something, take no room from those that speak; a response is one write; malformed PDUs are answered with
//! A-ABORT; a success status leaves only after the service has returned; a running operation is finished on shutdown.

mod door;
mod services;
mod session;

pub use services::{Body, BoxFuture, DimseFailure, FindAnswer, Peer, Services};

use super::association::{
    self, Broken, Connection, abort, abort_reason, negotiate, over_limit, refused,
};
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AssociationRJ, AssociationRJServiceUserReason, AssociationRQ, Pdu,
};
use door::{Door, Place};
use session::Session;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct ScpSettings {
    /// Our AE title.
    pub ae_title: String,
    /// Reject other called AE titles (1/1/7); else any is taken.
    pub strict_called: bool,
    /// Associations at a time; one more waits for `turn`, then it is rejected with 2/3/2.
    pub max_associations: usize,
    /// How long an A-ASSOCIATE-RQ waits for another association to end.
    pub turn: Duration,
    /// Time for the A-ASSOCIATE-RQ to come, for a write to be taken, and for a peer to close after the end.
    pub artim: Duration,
    /// Time without a PDU after which an association is aborted.
    pub idle: Duration,
    /// Time without a PDU after which an association may be aborted when another one waits for its turn.
    pub rest: Duration,
    /// Time in which a request that was begun must be there whole.
    pub request: Duration,
    /// Maximum PDU length that we announce.
    pub max_pdu: u32,
    /// Longest data set of a request, bytes.
    pub max_data_set: usize,
    /// Bytes of long data sets of all associations together.
    pub max_held: usize,
    /// Time that running operations get when the server stops.
    pub drain: Duration,
}

impl Default for ScpSettings {
    fn default() -> Self {
        Self {
            ae_title: "RELAIS".to_owned(),
            strict_called: false,
            max_associations: 100,
            turn: Duration::from_secs(3),
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            rest: Duration::from_secs(10),
            request: Duration::from_secs(60),
            max_pdu: 16_384,
            max_data_set: 16 << 20,
            max_held: 64 << 20,
            drain: Duration::from_secs(10),
        }
    }
}

/// Connections beyond the associations: those that have not yet said who they are, wait for their turn, or are being told to go.
const BESIDE: usize = 256;
/// How long we wait for a peer to close after our last PDU.
const LINGER: Duration = Duration::from_secs(2);
/// Unit in which memory for long data sets is counted, bytes; a data set shorter than this is free.
const UNIT: usize = 64 * 1024;

struct Shared {
    settings: ScpSettings,
    services: Arc<dyn Services>,
    stop: CancellationToken,
    door: Arc<Door>,
    /// One for each association.
    turns: Arc<Semaphore>,
    /// [`UNIT`]s of long data sets.
    memory: Arc<Semaphore>,
}

/// Serves until `stop`, then lets running operations finish for the drain time. Errors of a connection end that connection only.
pub async fn serve(
    listener: TcpListener,
    settings: ScpSettings,
    services: Arc<dyn Services>,
    stop: CancellationToken,
) {
    let drain = settings.drain;
    let shared = Arc::new(Shared {
        door: Door::new(settings.max_associations.saturating_add(BESIDE)),
        turns: Arc::new(Semaphore::new(settings.max_associations)),
        memory: Arc::new(Semaphore::new(settings.max_held / UNIT)),
        settings,
        services,
        stop: stop.clone(),
    });
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, addr)) => {
                    // Without it each response waits for a delayed acknowledgement of the last.
                    if let Err(error) = crate::socket::prepare(&stream) {
                        tracing::debug!(%addr, %error, "connection lost before it began");
                        continue;
                    }
                    match shared.door.enter() {
                        Some(place) => {
                            tasks.spawn(connection(stream, addr, Arc::clone(&shared), place));
                        }
                        None => count_end("dropped"),
                    }
                }
                Err(error) => {
                    // Mostly file descriptors: running associations give some back.
                    tracing::warn!(%error, "failed to accept a DICOM connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            report(ended)
        }
    };
    if timeout(drain, all).await.is_err() {
        tracing::warn!(
            open = tasks.len(),
            "DICOM associations cut off at the end of the drain time"
        );
    }
    tasks.shutdown().await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a DICOM association ended by a bug");
    }
}

/// Keeps the gauge of open associations right, also when a task is cut off.
struct Open;

impl Open {
    fn new() -> Self {
        metrics::gauge!("relais_dicom_associations").increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("relais_dicom_associations").decrement(1.0);
    }
}

fn count_end(end: &'static str) {
    metrics::counter!("relais_dicom_associations_total", "end" => end).increment(1);
}

/// One connection from its first byte to its last.
async fn connection<S>(stream: S, addr: SocketAddr, shared: Arc<Shared>, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut conn = Connection::new(stream);
    let artim = shared.settings.artim;
    let first = tokio::select! {
        () = shared.stop.cancelled() => return,
        () = place.turned_out() => return count_end("no_request"),
        first = timeout(artim, conn.next()) => first,
    };
    if !place.spoke() {
        return count_end("no_request");
    }
    let last = match first {
        // ARTIM expired: nothing to say to a peer that never spoke.
        Err(_) => return count_end("no_request"),
        Ok(Err(broken)) => {
            tracing::debug!(%addr, %broken, "no DICOM association");
            match abort_reason(&broken) {
                Some(reason) => abort(reason),
                None => return count_end("no_request"),
            }
        }
        Ok(Ok(kind)) => {
            let request = association::request(&conn);
            conn.done();
            match request {
                Some(rq) => match associate(&mut conn, &rq, addr, &shared, &place).await {
                    Some(pdu) => pdu,
                    None => return,
                },
                None if kind == association::pdu_type::ASSOCIATE_RQ => {
                    abort(AbortRQServiceProviderReason::InvalidPduParameter)
                }
                None => abort(AbortRQServiceProviderReason::UnexpectedPdu),
            }
        }
    };
    if matches!(last, Pdu::AbortRQ { .. }) {
        count_end("aborted_by_us");
    }
    let _ = timeout(artim, conn.send(&last)).await;
    let linger = if shared.stop.is_cancelled() {
        LINGER / 10
    } else {
        LINGER
    };
    let _ = timeout(linger, conn.close()).await;
}

/// Negotiates and serves. Gives the PDU with which to end the connection, if there is one to be sent.
async fn associate<S>(
    conn: &mut Connection<S>,
    rq: &AssociationRQ,
    addr: SocketAddr,
    shared: &Shared,
    place: &Place,
) -> Option<Pdu>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let peer = Peer {
        calling_ae: title(&rq.calling_ae_title),
        called_ae: title(&rq.called_ae_title),
        addr,
    };
    let admitted = match admit(rq, &peer, shared) {
        Ok(accepted) => turn(shared).await.map(|turn| (accepted, turn)),
        Err(rj) => Err(rj),
    };
    let (accepted, _turn) = match admitted {
        Ok(admitted) => admitted,
        Err(rj) => {
            count_end("rejected");
            tracing::info!(calling = peer.calling_ae, called = peer.called_ae, %addr, reason = %rj.source, "DICOM association rejected");
            return Some(Pdu::AssociationRJ(rj));
        }
    };
    let artim = shared.settings.artim;
    if !matches!(
        timeout(artim, conn.send(&accepted.answer)).await,
        Ok(Ok(()))
    ) {
        count_end("lost");
        return None;
    }
    let _open = Open::new();
    tracing::debug!(calling = peer.calling_ae, %addr, "DICOM association accepted");
    let end = Session::new(conn, peer, accepted, shared, place)
        .run()
        .await;
    count_end(end.name());
    end.last_pdu()
}

/// Waits for a free association, first come first served; one that is at rest is ended for it.
async fn turn(shared: &Shared) -> Result<OwnedSemaphorePermit, AssociationRJ> {
    let turns = Arc::clone(&shared.turns);
    if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
        return Ok(turn);
    }
    // An association may come to rest while we wait.
    let again = (shared.settings.turn / 8).max(Duration::from_millis(10));
    let waited = async {
        let mut turn = std::pin::pin!(turns.acquire_owned());
        loop {
            shared.door.make_room();
            match timeout(again, &mut turn).await {
                Ok(turn) => return turn.map_err(drop),
                Err(_) => continue,
            }
        }
    };
    tokio::select! {
        () = shared.stop.cancelled() => Err(over_limit()),
        turn = timeout(shared.settings.turn, waited) => match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(over_limit()),
        },
    }
}

fn admit(
    rq: &AssociationRQ,
    peer: &Peer,
    shared: &Shared,
) -> Result<association::Accepted, AssociationRJ> {
    let settings = &shared.settings;
    if settings.strict_called && peer.called_ae != settings.ae_title {
        return Err(refused(
            AssociationRJServiceUserReason::CalledAETitleNotRecognized,
        ));
    }
    if peer.calling_ae.is_empty() || !shared.services.admits(peer) {
        return Err(refused(
            AssociationRJServiceUserReason::CallingAETitleNotRecognized,
        ));
    }
    negotiate(rq, settings.max_pdu)
}

/// An AE title that is safe to log and to compare.
fn title(text: &str) -> String {
    text.trim_matches([' ', '\0'])
        .chars()
        .map(|c| if c.is_control() || c == '\\' { '?' } else { c })
        .collect()
}

/// How an association ended.
#[derive(Debug)]
enum End {
    /// The peer asked for release.
    Released,
    /// The peer aborted.
    Aborted,
    /// The connection broke.
    Lost,
    /// Nothing came for the idle time, or for the rest time while others waited.
    Idle,
    /// A request was begun and not finished in time.
    Unfinished,
    /// Long data sets of all associations together take more than we hold.
    Memory,
    /// We are stopping.
    Stopped,
    /// The peer broke the protocol.
    Violation(AbortRQServiceProviderReason),
}

impl End {
    fn name(&self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Aborted => "aborted_by_peer",
            Self::Lost => "lost",
            Self::Idle => "idle",
            Self::Unfinished => "unfinished",
            Self::Memory => "memory",
            Self::Stopped => "stopped",
            Self::Violation(_) => "violation",
        }
    }

    fn last_pdu(self) -> Option<Pdu> {
        use AbortRQServiceProviderReason::ReasonNotSpecified;
        match self {
            Self::Released => Some(Pdu::ReleaseRP),
            Self::Aborted | Self::Lost => None,
            Self::Idle | Self::Unfinished | Self::Memory | Self::Stopped => {
                Some(abort(ReasonNotSpecified))
            }
            Self::Violation(reason) => Some(abort(reason)),
        }
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        abort_reason(&broken).map_or(Self::Lost, Self::Violation)
    }
}
