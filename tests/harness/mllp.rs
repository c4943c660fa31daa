//! An MLLP client of our own making, byte for byte, so that tests do not lean on the product's.

use super::evidence;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// One connection of a sender.
#[derive(Debug)]
pub struct Sender {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Sender {
    /// Connects; reads give up after ten seconds.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).unwrap()
    }

    /// As [`Sender::connect`], if somebody listens.
    pub fn try_connect(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Sends a message and waits for its acknowledgement.
    pub fn send(&mut self, message: &[u8]) -> Ack {
        self.write(&frame(message));
        self.ack().expect("an acknowledgement")
    }

    /// Sends a message; none if the connection breaks before its acknowledgement is there.
    pub fn try_send(&mut self, message: &[u8]) -> Option<Ack> {
        self.stream.write_all(&frame(message)).ok()?;
        self.ack()
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next acknowledgement; none when the peer closes, resets or stays silent.
    pub fn ack(&mut self) -> Option<Ack> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|w| w == [0x1c, 0x0d]) {
                let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
                let start = frame.iter().position(|b| *b == 0x0b).map_or(0, |at| at + 1);
                let ack = Ack(String::from_utf8_lossy(&frame[start..end]).into_owned());
                if ack.code() != "AA" {
                    evidence::told("acks", &ack.0.replace('\r', "\n"));
                }
                return Some(ack);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.unread.extend_from_slice(&chunk[..n]),
            }
        }
    }
}

/// Puts a message between the MLLP block characters.
pub fn frame(message: &[u8]) -> Vec<u8> {
    [b"\x0b", message, b"\x1c\r"].concat()
}

/// An acknowledgement as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack(pub String);

impl Ack {
    /// Field `n` of the first segment `id`, `""` if there is none.
    pub fn field(&self, id: &str, n: usize) -> &str {
        // MSH-1 is the separator itself.
        let at = if id == "MSH" { n - 2 } else { n - 1 };
        self.0
            .split('\r')
            .find_map(|segment| segment.strip_prefix(id)?.strip_prefix('|'))
            .and_then(|fields| fields.split('|').nth(at))
            .unwrap_or("")
    }

    /// MSA-1: AA, AE or AR.
    pub fn code(&self) -> &str {
        self.field("MSA", 1)
    }

    /// MSA-2: the control id of the message that it answers.
    pub fn control_id(&self) -> &str {
        self.field("MSA", 2)
    }

    /// The code of table 0357 in ERR-3.
    pub fn error(&self) -> &str {
        self.field("ERR", 3).split('^').next().unwrap_or("")
    }
}

/// Fails the test unless the acknowledgement is positive.
pub fn accepted(ack: &Ack) {
    assert_eq!(ack.code(), "AA", "{}", ack.0.replace('\r', "\n"));
}
