//! A worklist load client: blocking sockets, one thread a client, nothing decoded but the statuses. It costs a fraction of what any of
//! the servers costs, so that the server is what is measured.
//!
//! Every request is one write with TCP_NODELAY, so the client never waits for itself. A *plain* client leaves acknowledging to the
//! kernel, which delays it by 40 ms where a server sends small pieces with Nagle's algorithm on; a *quick* one sets TCP_QUICKACK.

use crate::data::{query, station};
use relais::dicom::dimse::{Command, field, sop_class::MODALITY_WORKLIST_FIND, status};
use relais::dicom::pdata::{Reassembler, fragment, pdvs};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::TcpStreamExt;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// Presentation context id.
const CONTEXT: u8 = 1;
/// Longest PDU that we take.
const MAX_PDU: u32 = 65_536;

/// How one cell of the table is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// One association for all queries of a client, else one a query.
    pub kept: bool,
    /// TCP_QUICKACK on the client's side.
    pub quick: bool,
    /// Clients at the same time.
    pub clients: usize,
    /// Queries a second of all clients together, by the clock; `None` = as fast as they are answered.
    pub rate: Option<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// One per query: with a fresh association from connecting to the end of the release.
    pub times: Vec<Duration>,
    /// Answers that lacked matches; their times do not count.
    pub short: usize,
    pub elapsed: Duration,
}

impl Measured {
    /// Queries a second.
    pub fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// An association with a worklist server.
pub struct Association {
    stream: TcpStream,
    quick: bool,
    inbox: Vec<u8>,
    message_id: u16,
    peer_max_pdu: u32,
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn item(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&(content.len() as u16).to_be_bytes());
    out.extend_from_slice(content);
}

fn associate_rq(calling: &str, called: &str) -> Vec<u8> {
    let mut context = vec![CONTEXT, 0, 0, 0];
    item(&mut context, 0x30, MODALITY_WORKLIST_FIND.as_bytes());
    item(&mut context, 0x40, b"1.2.840.10008.1.2");
    let mut user = Vec::new();
    item(&mut user, 0x51, &MAX_PDU.to_be_bytes());
    item(&mut user, 0x52, b"1.2.250.1.999.9.8");
    let mut body = vec![0, 1, 0, 0];
    for title in [called, calling] {
        body.extend_from_slice(format!("{title:<16}").as_bytes());
    }
    body.extend_from_slice(&[0; 32]);
    item(&mut body, 0x10, b"1.2.840.10008.3.1.1.1");
    item(&mut body, 0x20, &context);
    item(&mut body, 0x50, &user);
    pdu(0x01, &body)
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

impl Association {
    /// Connects and negotiates Modality Worklist in Implicit VR Little Endian.
    pub fn connect(peer: SocketAddr, calling: &str, called: &str, quick: bool) -> io::Result<Self> {
        let stream = TcpStream::connect(peer)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut association = Self {
            stream,
            quick,
            inbox: Vec::with_capacity(65_536),
            message_id: 0,
            peer_max_pdu: 16_384,
        };
        association
            .stream
            .write_all(&associate_rq(calling, called))?;
        let length = association.pdu(0x02)?;
        association.inbox.drain(..length);
        Ok(association)
    }

    /// Waits for a whole PDU of this kind at the front of the inbox; its length.
    fn pdu(&mut self, kind: u8) -> io::Result<usize> {
        let mut block = [0; 32_768];
        loop {
            if let [found, _, a, b, c, d, ..] = self.inbox[..] {
                let length = 6 + u32::from_be_bytes([a, b, c, d]) as usize;
                if found != kind {
                    return Err(wrong(format!("PDU of type {found}")));
                }
                if self.inbox.len() >= length {
                    return Ok(length);
                }
            }
            if self.quick {
                // The kernel takes it back by itself: it is asked for before every read.
                self.stream.set_quickack(true)?;
            }
            let n = self.stream.read(&mut block)?;
            if n == 0 {
                return Err(wrong("closed by the server"));
            }
            self.inbox.extend_from_slice(&block[..n]);
        }
    }

    /// C-FIND; how many matches came.
    pub fn find(&mut self, identifier: &[u8]) -> io::Result<usize> {
        self.message_id = self.message_id.wrapping_add(1).max(1);
        let command = Command::c_request(
            field::C_FIND_RQ,
            MODALITY_WORKLIST_FIND,
            self.message_id,
            true,
        );
        let mut out = Vec::with_capacity(1024);
        fragment(
            &mut out,
            CONTEXT,
            &command.write(),
            Some(identifier),
            self.peer_max_pdu,
        );
        self.stream.write_all(&out)?;
        let mut reassembler = Reassembler::default();
        let mut matches = 0;
        loop {
            let length = self.pdu(0x04)?;
            let mut last = None;
            for pdv in pdvs(&self.inbox[6..length]) {
                let pdv = pdv.map_err(|e| wrong(e.to_string()))?;
                if let Some(message) = reassembler.push(pdv).map_err(|e| wrong(e.to_string()))? {
                    match message.command.status {
                        Some(code) if status::is_pending(code) && message.data.len() > 100 => {
                            matches += 1
                        }
                        code => last = code,
                    }
                }
            }
            self.inbox.drain(..length);
            match last {
                None => {}
                Some(0) => return Ok(matches),
                Some(code) => return Err(wrong(format!("status {code:04X}"))),
            }
        }
    }

    /// A-RELEASE, then the connection is closed.
    pub fn release(mut self) -> io::Result<()> {
        self.stream.write_all(&pdu(0x05, &[0; 4]))?;
        self.pdu(0x06).map(drop)
    }
}

/// Where and as whom the clients ask.
#[derive(Debug, Clone)]
pub struct Target {
    pub addr: SocketAddr,
    pub called: String,
    /// Stations that ask in turn.
    pub stations: usize,
    /// Least number of matches of each station.
    pub matches: usize,
}

impl Target {
    /// One query of a station on an association of its own, from a quick client.
    pub fn ask(&self, s: usize) -> io::Result<usize> {
        let mut association = Association::connect(self.addr, &station(s), &self.called, true)?;
        let matches = association.find(&query(s))?;
        association.release()?;
        Ok(matches)
    }

    /// Asks until the time is over, each client at least twice.
    pub fn measure(&self, how: How, during: Duration) -> io::Result<Measured> {
        let barrier = Barrier::new(how.clients);
        let started = Instant::now();
        let each: Vec<io::Result<(Vec<Duration>, usize)>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..how.clients)
                .map(|client| {
                    let barrier = &barrier;
                    scope.spawn(move || self.client(client, how, during, barrier))
                })
                .collect();
            clients
                .into_iter()
                .map(|c| c.join().unwrap_or_else(|_| Err(wrong("a client panicked"))))
                .collect()
        });
        let mut measured = Measured {
            elapsed: started.elapsed(),
            ..Measured::default()
        };
        for client in each {
            let (times, short) = client?;
            measured.times.extend(times);
            measured.short += short;
        }
        Ok(measured)
    }

    fn client(
        &self,
        client: usize,
        how: How,
        during: Duration,
        barrier: &Barrier,
    ) -> io::Result<(Vec<Duration>, usize)> {
        let mut short = 0;
        let queries: Vec<Vec<u8>> = (0..self.stations).map(query).collect();
        let connect =
            |s: usize| Association::connect(self.addr, &station(s), &self.called, how.quick);
        let kept = how.kept.then(|| connect(client % self.stations));
        barrier.wait();
        let mut kept = kept.transpose()?;
        let mut times = Vec::with_capacity(1 << 16);
        let end = Instant::now() + during;
        let mut s = client;
        let begun = Instant::now();
        let mut asked = 0;
        while Instant::now() < end || times.len() + short < 2 {
            s = (s + how.clients) % self.stations;
            if let Some(rate) = how.rate {
                let due = begun + Duration::from_secs(1) * asked * how.clients as u32 / rate;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                asked += 1;
            }
            let started = Instant::now();
            let matches = match &mut kept {
                Some(association) => association.find(&queries[s])?,
                None => {
                    let mut association = connect(s)?;
                    let matches = association.find(&queries[s])?;
                    association.release()?;
                    matches
                }
            };
            if matches < self.matches {
                short += 1;
            } else {
                times.push(started.elapsed());
            }
        }
        if let Some(association) = kept {
            association.release()?;
        }
        Ok((times, short))
    }
}
