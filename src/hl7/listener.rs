//! MLLP listener: accepts connections, takes messages out of their frames, writes the answers back in order.
//!
//! One task a connection, one message at a time in it: pipelined messages wait in the socket, so a fast sender is slowed by TCP and
//! memory stays bounded. What a message means is the [`Handler`]'s business. A panic in it ends one connection, not the process.

use super::mllp::{self, FrameReader};
use crate::fault::{self, Point};
use metrics::{counter, gauge};
use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Limits of a listener.
#[derive(Debug, Clone)]
pub struct MllpSettings {
    /// The longest message in bytes; a longer one reaches the handler as `oversize`.
    pub max_message: usize,
    /// A connection that sends nothing for so long is closed: half-open peers are reaped by this.
    pub idle_timeout: Duration,
    /// A peer that does not take its answer for so long is cut off.
    pub write_timeout: Duration,
    /// Connections beyond this number are closed at once.
    pub max_connections: usize,
    /// How long connections may finish the message in hand when the listener stops.
    pub drain: Duration,
}

impl Default for MllpSettings {
    fn default() -> Self {
        Self {
            max_message: 16 * 1024 * 1024,
            idle_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(30),
            max_connections: 256,
            drain: Duration::from_secs(10),
        }
    }
}

/// A message taken from a connection.
#[derive(Debug)]
pub struct Frame {
    /// The message; only its first 4 KiB if `oversize`.
    pub bytes: Vec<u8>,
    /// True if it was longer than [`MllpSettings::max_message`].
    pub oversize: bool,
    /// How long it was.
    pub length: u64,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// What to send back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One answer.
    Answer(Vec<u8>),
    /// One answer for each message of a batch, in order, each in a frame of its own.
    Answers(Vec<Vec<u8>>),
    /// Nothing: the sender asked for none, or must not be told that the message is safe.
    Silence,
}

/// What is done with a message.
pub trait Handler: Send + Sync + 'static {
    /// Handles one message; the next one of the same connection waits for the reply.
    fn handle(&self, frame: Frame) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>>;
}

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// How long to wait after a connection that could not be accepted, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Serves a listening socket until `stop` is cancelled; returns when all connections have ended or `drain` has passed.
pub async fn serve(
    listener: TcpListener,
    settings: MllpSettings,
    handler: Arc<dyn Handler>,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let settings = Arc::new(settings);
    let mut connections = JoinSet::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: waiting lets connections end.
                warn!(%error, "mllp connection not accepted");
                tokio::select! { () = stop.cancelled() => break, () = sleep(pause) => {} }
                pause = (pause * 2).min(LAST_PAUSE);
                continue;
            }
        };
        pause = FIRST_PAUSE;
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            counter!("relais_mllp_connections_refused_total").increment(1);
            warn!(%peer, limit = settings.max_connections, "mllp connection refused: limit reached");
            continue;
        };
        let (settings, handler, stop) = (Arc::clone(&settings), Arc::clone(&handler), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            let _open = Open::new();
            // Answers are small and awaited: without this each may wait 40 ms for the peer's delayed TCP acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%peer, %error, "TCP_NODELAY not set");
            }
            let ended = connection(stream, peer, &settings, handler.as_ref(), &stop).await;
            (peer, ended)
        });
    }
    drop(listener);
    drain(connections, settings.drain).await;
}

/// Lets connections finish the message in hand for `time`, then cuts them off.
async fn drain(mut connections: JoinSet<(SocketAddr, Result<(), Ended>)>, time: Duration) {
    let finished = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(time, finished).await.is_err() {
        warn!("mllp connections did not finish in time and are cut off");
    }
    connections.shutdown().await;
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Nothing came for the idle timeout.
    #[error("nothing received for the idle timeout")]
    Idle,
    /// The peer did not take its answer.
    #[error("answer not taken for the write timeout")]
    WriteTimeout,
    /// The peer closed in the middle of a message.
    #[error("closed in the middle of a message")]
    Partial,
    /// The network.
    #[error("read or write the connection")]
    Io(#[from] io::Error),
}

fn report(ended: Result<(SocketAddr, Result<(), Ended>), tokio::task::JoinError>) {
    match ended {
        Ok((peer, Ok(()))) => debug!(%peer, "mllp connection closed"),
        Ok((peer, Err(why))) => info!(%peer, %why, "mllp connection ended"),
        Err(error) if error.is_panic() => tracing::error!(%error, "mllp connection panicked"),
        Err(_) => {}
    }
}

/// Counts an open connection while it lives.
struct Open;

impl Open {
    fn new() -> Self {
        gauge!("relais_mllp_connections").increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("relais_mllp_connections").decrement(1);
    }
}

/// Serves one connection, of TCP or of anything above it, until the peer closes, a timeout passes or `stop` is cancelled.
///
/// # Errors
/// [`Ended`] when the peer did not simply close.
pub async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    peer: SocketAddr,
    settings: &MllpSettings,
    handler: &dyn Handler,
    stop: &CancellationToken,
) -> Result<(), Ended> {
    let mut reader = FrameReader::new(settings.max_message);
    let mut chunk = vec![0; CHUNK];
    let mut noise = 0;
    loop {
        while let Some(frame) = reader.pop() {
            if stop.is_cancelled() {
                // Unanswered messages are sent again; the one in hand was answered.
                return Ok(());
            }
            let frame = Frame {
                bytes: frame.bytes,
                oversize: frame.oversize,
                length: frame.length,
                peer,
            };
            counter!("relais_mllp_messages_total").increment(1);
            let answer = match handler.handle(frame).await {
                Reply::Answer(answer) => mllp::frame(&answer),
                Reply::Answers(answers) => answers.iter().flat_map(|a| mllp::frame(a)).collect(),
                Reply::Silence => continue,
            };
            let written = async {
                stream.write_all(&answer).await?;
                stream.flush().await
            };
            timeout(settings.write_timeout, written)
                .await
                .map_err(|_| Ended::WriteTimeout)??;
            fault::point(Point::AfterAnswer);
        }
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            read = timeout(settings.idle_timeout, stream.read(&mut chunk)) => read,
        };
        let length = read.map_err(|_| Ended::Idle)??;
        if length == 0 {
            return if reader.is_inside() {
                Err(Ended::Partial)
            } else {
                Ok(())
            };
        }
        reader.push(chunk.get(..length).unwrap_or_default());
        if reader.noise() > noise {
            noise = reader.noise();
            debug!(%peer, noise, "bytes between mllp frames were skipped");
        }
    }
}

#[cfg(test)]
mod tests;
