//! A proxy that cuts, hangs and fails on purpose, in front of an HTTP endpoint.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// What happens to the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They reach the endpoint and its answer comes back.
    Pass,
    /// The endpoint never sees them; this status is answered.
    Status(u16),
    /// Read and never answered.
    Hang,
    /// The endpoint carries them out, half of its answer comes back: the sender cannot know.
    HalfAnswer,
    /// The endpoint carries them out, nothing comes back.
    NoAnswer,
}

/// The proxy, running until the test ends.
#[derive(Debug)]
pub struct Chaos {
    /// Where to connect instead of the endpoint.
    pub addr: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    requests: Arc<AtomicUsize>,
}

impl Chaos {
    /// A proxy before `endpoint`, passing everything on at first.
    pub fn before(endpoint: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let chaos = Self {
            addr: listener.local_addr().unwrap(),
            mode: Arc::new(Mutex::new(Mode::Pass)),
            requests: Arc::default(),
        };
        let (mode, requests) = (chaos.mode.clone(), chaos.requests.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (mode, requests) = (mode.clone(), requests.clone());
                thread::spawn(move || {
                    let _ = serve(client, endpoint, &mode, &requests);
                });
            }
        });
        chaos
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Requests seen so far, whatever became of them.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(
    mut client: TcpStream,
    endpoint: SocketAddr,
    mode: &Mutex<Mode>,
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    let request = read_request(&mut client)?;
    requests.fetch_add(1, Ordering::SeqCst);
    let now = *mode.lock().unwrap();
    match now {
        Mode::Status(status) => write!(
            client,
            "HTTP/1.1 {status} Broken\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        Mode::Hang => {
            // Holds the connection until the peer gives up or the fault is over.
            client.set_read_timeout(Some(Duration::from_millis(50)))?;
            let mut byte = [0];
            while *mode.lock().unwrap() == Mode::Hang {
                if matches!(client.read(&mut byte), Ok(0)) {
                    break;
                }
            }
            Ok(())
        }
        Mode::Pass | Mode::HalfAnswer | Mode::NoAnswer => {
            let mut server = TcpStream::connect(endpoint)?;
            server.write_all(&request)?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer)?;
            match now {
                Mode::HalfAnswer => client.write_all(&answer[..answer.len() / 2]),
                Mode::NoAnswer => Ok(()),
                _ => client.write_all(&answer),
            }
        }
    }
}

/// One request with its body, asking the endpoint to close afterwards.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    let (head_end, length) = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|n| n.trim().parse().ok())
                .unwrap_or(0_usize);
            break (at, length);
        }
        let n = client.read(&mut chunk)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..n]);
    };
    while bytes.len() < head_end + 4 + length {
        let n = client.read(&mut chunk)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..n]);
    }
    let head: String = String::from_utf8_lossy(&bytes[..head_end])
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    Ok([
        head.as_bytes(),
        b"connection: close\r\n\r\n",
        &bytes[head_end + 4..],
    ]
    .concat())
}
