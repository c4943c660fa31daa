//! Peers that mean no good, each on threads of its own until it is dropped or the engine has had enough of it.

use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A peer at work.
pub struct Enemy {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Enemy {
    /// Repeats `act` on a connection until it fails (the engine has cut the connection) or the enemy is dropped.
    pub fn new(
        mut connection: TcpStream,
        mut act: impl FnMut(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) && act(&mut connection).is_ok() {}
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Sends the same bytes again and again.
    pub fn repeats(to: SocketAddr, bytes: &'static [u8]) -> Self {
        Self::new(connect(to), move |stream| stream.write_all(bytes))
    }

    /// Sends one byte now and then.
    pub fn drips(to: SocketAddr, start: &[u8], byte: u8) -> Self {
        let mut stream = connect(to);
        stream.write_all(start).unwrap();
        // Between two bytes it listens, so that it notices at once when it is cut off.
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        Self::new(stream, move |stream| match stream.read(&mut [0; 64]) {
            Ok(0) => Err(ErrorKind::ConnectionAborted.into()),
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(error)
            }
            _ => stream.write_all(&[byte]),
        })
    }

    /// True once the engine has cut it off.
    pub fn is_cut_off(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Enemy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A connection whose reads and writes give up after ten seconds.
pub fn connect(to: SocketAddr) -> TcpStream {
    limited(TcpStream::connect(to).unwrap())
}

/// A connection from another address of this machine.
pub fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    limited(socket.into())
}

/// A connection that takes next to nothing: its receive buffer is as small as the system allows.
pub fn connect_deaf(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    socket.connect(&to.into()).unwrap();
    limited(socket.into())
}

fn limited(stream: TcpStream) -> TcpStream {
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    stream
}

/// True if the engine has closed the connection (or does so within the time of a read).
pub fn is_closed(stream: &mut TcpStream) -> bool {
    let mut sink = [0; 4096];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                use std::io::ErrorKind::{TimedOut, WouldBlock};
                return !matches!(error.kind(), TimedOut | WouldBlock);
            }
        }
    }
}
