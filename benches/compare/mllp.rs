//! An MLLP load client: blocking sockets, one thread a connection, one message under way on each; every acknowledgement is checked for
//! MSA-1 and MSA-2.

use crate::data::{Item, Layout};
use std::io::{self, Error, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One connection.
#[derive(Debug)]
pub struct Sender {
    stream: TcpStream,
    out: Vec<u8>,
    block: Vec<u8>,
}

impl Sender {
    /// Connects.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            out: Vec::with_capacity(2048),
            block: vec![0; 8192],
        })
    }

    /// Sends an order and waits for its AA.
    pub fn send(&mut self, item: &Item) -> io::Result<()> {
        self.out.clear();
        self.out.push(0x0b);
        self.out.extend_from_slice(&item.order());
        self.out.extend_from_slice(b"\x1c\r");
        self.stream.write_all(&self.out)?;
        let mut have = 0;
        while !self.block[..have].ends_with(b"\x1c\r") {
            let n = self.stream.read(&mut self.block[have..])?;
            if n == 0 {
                return Err(Error::other("closed before the acknowledgement"));
            }
            have += n;
        }
        let ack = String::from_utf8_lossy(&self.block[..have]);
        let wanted = format!("MSA|AA|B{:08}", item.n);
        if ack.contains(&wanted) {
            Ok(())
        } else {
            Err(Error::other(format!("no {wanted} in {ack}")))
        }
    }
}

/// What a run gave: the time of each acknowledged message, in no order.
#[derive(Debug, Default)]
pub struct Sent {
    pub times: Vec<Duration>,
    pub elapsed: Duration,
}

impl Sent {
    /// Acknowledged messages a second.
    pub fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Which items are sent.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    pub layout: Layout,
    pub from: usize,
    pub most: usize,
}

impl Orders {
    /// Sends over some connections until all are sent or the time is over.
    pub fn send(&self, addr: SocketAddr, connections: usize, during: Duration) -> io::Result<Sent> {
        let next = AtomicUsize::new(self.from);
        let started = Instant::now();
        let each: Vec<io::Result<Vec<Duration>>> = thread::scope(|scope| {
            let senders: Vec<_> = (0..connections)
                .map(|_| {
                    scope.spawn(|| {
                        let mut sender = Sender::connect(addr)?;
                        let mut times = Vec::with_capacity(4096);
                        while started.elapsed() < during {
                            let n = next.fetch_add(1, Ordering::Relaxed);
                            if n >= self.from + self.most {
                                break;
                            }
                            let item = Item::of(&self.layout, n);
                            let sent = Instant::now();
                            sender.send(&item)?;
                            times.push(sent.elapsed());
                        }
                        Ok(times)
                    })
                })
                .collect();
            let join = |s: thread::ScopedJoinHandle<'_, _>| {
                s.join()
                    .unwrap_or_else(|_| Err(Error::other("a sender panicked")))
            };
            senders.into_iter().map(join).collect()
        });
        let mut sent = Sent {
            elapsed: started.elapsed(),
            ..Sent::default()
        };
        for times in each {
            sent.times.extend(times?);
        }
        Ok(sent)
    }
}
