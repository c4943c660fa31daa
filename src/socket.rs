//! What is set on every TCP connection that is accepted, whatever is spoken over it.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// A peer that is gone without a word is noticed after this and a few probes, long before an idle timeout that must leave quiet peers
/// alone.
const SILENCE: Duration = Duration::from_secs(60);
const BETWEEN_PROBES: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// Answers leave at once, and half-open connections end after two minutes.
///
/// # Errors
/// The system refuses an option; the connection is usable all the same.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Answers are small and awaited: without this each may wait 40 ms for the peer's delayed TCP acknowledgement.
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(BETWEEN_PROBES)
        .with_retries(PROBES);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_prepared_connection_probes_its_peer_and_sends_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        prepare(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), SILENCE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), BETWEEN_PROBES);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
    }
}
