//! MLLP client: sends one message and waits for its answer, on a connection that stays open.

use super::mllp::{self, FrameReader};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
    time::timeout,
};

/// The longest answer that is read; acknowledgements are a few hundred bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection could not be made.
    #[error("connect to the receiver")]
    Connect(#[source] io::Error),
    /// The time allowed passed. The message may have been received: what it did is unknown.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The receiver closed before it answered.
    #[error("the receiver closed without an answer")]
    Closed,
    /// The answer is longer than any acknowledgement.
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    Oversize,
    /// The network.
    #[error("read or write the connection")]
    Io(#[from] io::Error),
}

/// A connection to an MLLP receiver.
#[derive(Debug)]
pub struct MllpClient {
    stream: TcpStream,
    reader: FrameReader,
    timeout: Duration,
}

impl MllpClient {
    /// Connects. `within` is the time allowed for this, and later for each answer.
    ///
    /// # Errors
    /// [`SendError::Connect`] and [`SendError::Timeout`].
    pub async fn connect(address: impl ToSocketAddrs, within: Duration) -> Result<Self, SendError> {
        let stream = timeout(within, TcpStream::connect(address))
            .await
            .map_err(|_| SendError::Timeout(within))?
            .map_err(SendError::Connect)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            reader: FrameReader::new(MAX_ANSWER),
            timeout: within,
        })
    }

    /// Sends one message (without framing) and returns the answer (without framing).
    ///
    /// # Errors
    /// [`SendError`]; the connection is then of no further use.
    pub async fn send(&mut self, message: &[u8]) -> Result<Vec<u8>, SendError> {
        self.write(&mllp::frame(message)).await?;
        self.receive().await
    }

    /// Writes bytes as they are: framed messages in any number and any pieces.
    ///
    /// # Errors
    /// [`SendError::Io`] and [`SendError::Timeout`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        timeout(self.timeout, self.stream.write_all(bytes))
            .await
            .map_err(|_| SendError::Timeout(self.timeout))?
            .map_err(SendError::Io)
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn receive(&mut self) -> Result<Vec<u8>, SendError> {
        timeout(
            self.timeout,
            next_answer(&mut self.stream, &mut self.reader),
        )
        .await
        .map_err(|_| SendError::Timeout(self.timeout))?
    }
}

async fn next_answer(
    stream: &mut TcpStream,
    reader: &mut FrameReader,
) -> Result<Vec<u8>, SendError> {
    let mut chunk = vec![0; 8 * 1024];
    loop {
        match reader.pop() {
            Some(frame) if frame.cut.is_some() => return Err(SendError::Oversize),
            Some(frame) => return Ok(frame.bytes),
            None => {}
        }
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Err(SendError::Closed);
        }
        reader.push(chunk.get(..length).unwrap_or_default());
    }
}
