//! MLLP listener: accepts connections, takes messages out of their frames, writes the answers back in order.
//!
//! One task a connection, one message at a time in it: pipelined messages wait in the socket, so a fast sender is slowed by TCP and
//! memory stays bounded. What a message means is the [`Handler`]'s business. A panic in it ends one connection, not the process.
//!
//! Rule upheld: whatever a peer does or fails to do costs itself its connection and nobody else anything. [`door`] says who may
//! come in; [`Ended`] lists what a connection can be ended for.

mod door;

pub use super::mllp::Cut;
use super::mllp::{self, FrameReader, Room};
use crate::fault::{self, Point};
use door::Door;
use metrics::counter;
use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Limits of a listener.
#[derive(Debug, Clone)]
pub struct MllpSettings {
    /// The longest message in bytes; a longer one reaches the handler as `oversize`.
    pub max_message: usize,
    /// What all connections together may hold of messages that are not yet answered, in bytes; a message that finds no room reaches
    /// the handler cut.
    pub max_held: usize,
    /// A connection that sends nothing for so long is closed.
    pub idle_timeout: Duration,
    /// A message that is not whole so long after its first byte costs its sender the connection.
    pub message_timeout: Duration,
    /// A peer that does not take its answer for so long is cut off.
    pub write_timeout: Duration,
    /// Connections beyond this number are closed at once.
    pub max_connections: usize,
    /// The same for the connections of one address: one host cannot shut all others out.
    pub max_connections_per_address: usize,
    /// How long connections may finish the message in hand when the listener stops.
    pub drain: Duration,
}

impl Default for MllpSettings {
    fn default() -> Self {
        Self {
            max_message: 16 * 1024 * 1024,
            max_held: 256 * 1024 * 1024,
            idle_timeout: Duration::from_secs(3_600),
            message_timeout: Duration::from_secs(300),
            write_timeout: Duration::from_secs(30),
            max_connections: 256,
            max_connections_per_address: 128,
            drain: Duration::from_secs(10),
        }
    }
}

/// A message taken from a connection.
#[derive(Debug)]
pub struct Frame {
    /// The message; only its first 4 KiB if `cut`.
    pub bytes: Vec<u8>,
    /// Why only its beginning was kept, if so: see [`MllpSettings::max_message`] and [`MllpSettings::max_held`].
    pub cut: Option<Cut>,
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
const CHUNK: usize = 16 * 1024;

/// How many bytes may stand between two frames: beyond this the peer does not speak MLLP.
const MAX_NOISE: u64 = 64 * 1024;

/// A sender whose last byte was FS has ended its message, though no CR followed, when nothing more comes for so long. Its CR may
/// still come; an FS inside a message, which is forbidden and happens, is followed by more of the message at once.
const END_WAIT: Duration = Duration::from_millis(300);

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
    let mut door = Door::new(&settings);
    let room = Room::of(settings.max_held);
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
        let Some(pass) = door.let_in(peer) else {
            continue;
        };
        let (settings, handler, stop) = (Arc::clone(&settings), Arc::clone(&handler), stop.clone());
        let reader = FrameReader::within(settings.max_message, &room);
        connections.spawn(async move {
            let _pass = pass;
            if let Err(error) = crate::socket::prepare(&stream) {
                debug!(%peer, %error, "socket options not set");
            }
            let ended = connection(stream, reader, peer, &settings, handler.as_ref(), &stop).await;
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

/// Why a connection ended, other than by the peer's will.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// Nothing came for the idle timeout.
    #[error("nothing received for the idle timeout")]
    Idle,
    /// A message did not become whole.
    #[error("a message was not complete within the message timeout")]
    Slow,
    /// The peer did not take its answer.
    #[error("answer not taken for the write timeout")]
    WriteTimeout,
    /// The peer closed in the middle of a message.
    #[error("closed in the middle of a message")]
    Partial,
    /// The peer does not speak MLLP.
    #[error("more than {MAX_NOISE} bytes outside any frame")]
    Noise,
    /// The network.
    #[error("read or write the connection")]
    Io(#[from] io::Error),
}

impl Ended {
    /// For metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::WriteTimeout => "write_timeout",
            Self::Partial => "partial",
            Self::Noise => "noise",
            Self::Io(_) => "io",
        }
    }
}

fn report(ended: Result<(SocketAddr, Result<(), Ended>), tokio::task::JoinError>) {
    let why = match &ended {
        Ok((_, Ok(()))) => "closed",
        Ok((_, Err(why))) => why.word(),
        Err(error) if error.is_panic() => "panic",
        Err(_) => "shutdown",
    };
    counter!("relais_mllp_connections_ended_total", "why" => why).increment(1);
    match ended {
        Ok((peer, Ok(()))) => debug!(%peer, "mllp connection closed"),
        Ok((peer, Err(why))) => info!(%peer, %why, "mllp connection ended"),
        Err(error) if error.is_panic() => tracing::error!(%error, "mllp connection panicked"),
        Err(_) => {}
    }
}

/// Serves one connection, of TCP or of anything above it, until the peer closes, a timeout passes or `stop` is cancelled.
///
/// # Errors
/// [`Ended`] when the peer did not simply close.
pub async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut reader: FrameReader,
    peer: SocketAddr,
    settings: &MllpSettings,
    handler: &dyn Handler,
    stop: &CancellationToken,
) -> Result<(), Ended> {
    let mut chunk = vec![0; CHUNK];
    let mut noise_before = 0;
    // When the message that is coming in now began.
    let mut began = None;
    loop {
        while let Some(frame) = reader.pop() {
            if stop.is_cancelled() {
                // Unanswered messages are sent again; the one in hand was answered.
                return Ok(());
            }
            (began, noise_before) = (None, reader.noise());
            // Given back when its answer is written.
            let _held = frame.held;
            let frame = Frame {
                bytes: frame.bytes,
                cut: frame.cut,
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
        let noise = reader.noise() - noise_before;
        if noise > MAX_NOISE {
            return Err(Ended::Noise);
        }
        if !reader.is_inside() {
            began = None;
        } else if began.is_none() {
            began = Some(Instant::now());
        }
        let wait = match began {
            _ if reader.is_ending() => END_WAIT,
            Some(began) => settings
                .message_timeout
                .saturating_sub(began.elapsed())
                .min(settings.idle_timeout),
            None => settings.idle_timeout,
        };
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            read = timeout(wait, stream.read(&mut chunk)) => read,
        };
        let length = match read {
            Ok(read) => read?,
            Err(_) if reader.is_ending() => {
                reader.end();
                continue;
            }
            Err(_) if began.is_some_and(|began| began.elapsed() >= settings.message_timeout) => {
                return Err(Ended::Slow);
            }
            Err(_) => return Err(Ended::Idle),
        };
        if length == 0 {
            // A sender that leaves the CR out and closes has said all the same what it had to say.
            if reader.is_ending() {
                reader.end();
                continue;
            }
            return if reader.is_inside() {
                Err(Ended::Partial)
            } else {
                Ok(())
            };
        }
        reader.push(chunk.get(..length).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
