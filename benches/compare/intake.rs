//! Intake over MLLP: the same orders and the same client before every server, and how often each of them syncs before it acknowledges:
//! counted with `strace`, not believed.

use crate::batches::{Sizes, batches};
use crate::data::Layout;
use crate::machine::{Fallible, Scratch, ms, percentile};
use crate::mllp::Orders;
use crate::servers::{self, Relais};
use crate::table::Table;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: [usize; 3] = [1, 4, 16];
/// Messages of the count.
const COUNTED: usize = 100;

/// A running server, whatever it is, with the port for messages.
enum Running {
    Relais(Relais),
    Peer(servers::Server),
}

impl Running {
    fn mllp(&self) -> SocketAddr {
        match self {
            Self::Relais(relais) => relais.mllp,
            Self::Peer(server) => server.addr,
        }
    }

    fn cpu(&self) -> Duration {
        match self {
            Self::Relais(relais) => relais.server.cpu(),
            Self::Peer(server) => server.cpu(),
        }
    }
}

fn relais(dir: &Path, tracer: Option<&Path>) -> io::Result<Running> {
    servers::relais(dir, LAYOUT.stations, None, tracer).map(Running::Relais)
}

fn simple_hl7(dir: &Path, tracer: Option<&Path>) -> io::Result<Running> {
    servers::simple_hl7(dir, tracer).map(Running::Peer)
}

fn bridge(dir: &Path, tracer: Option<&Path>) -> io::Result<Running> {
    servers::hl7v2_fhir_bridge(dir, tracer).map(Running::Peer)
}

type Start = fn(&Path, Option<&Path>) -> io::Result<Running>;

const SERVERS: [(&str, Start); 3] = [
    ("simple-hl7 and SQLite (one row a message)", simple_hl7),
    ("hl7v2-fhir-bridge (one Bundle file a message)", bridge),
    ("**Relais**", relais),
];
const LAYOUT: Layout = Layout {
    items: 1_000_000,
    stations: 50,
    days: 1_000,
};

/// All servers, each with 1, 4 and 16 connections for some time.
pub async fn compare(during: Duration) -> Fallible<()> {
    let mut table = Table::new(
        "Intake over MLLP",
        &[
            "orders/s (p50 ms)",
            "1 connection",
            "4 connections",
            "16 connections",
            "CPU ms an order",
            "syncs of 100 orders",
            "lost by a power cut",
        ],
    );
    let mut notes = vec![];
    for (name, start) in SERVERS {
        let scratch = Scratch::new("intake");
        let mut cells = vec![name.to_owned()];
        let running = start(&scratch.0, None)?;
        let (mut from, cpu, mut group) = (0, running.cpu(), 0.0);
        for connections in CONNECTIONS {
            let orders = Orders {
                layout: LAYOUT,
                from,
                most: usize::MAX / 2,
            };
            let before = groups(&running);
            let mut sent = orders.send(running.mllp(), connections, during)?;
            let after = groups(&running);
            group = (after.0 - before.0) / (after.1 - before.1).max(1.0);
            from += sent.times.len() + connections;
            let rate = sent.rate();
            let p50 = ms(percentile(&mut sent.times, 0.5));
            cells.push(format!("{rate:.0} ({p50:.2})"));
            if let (Running::Relais(_), 1 | 16) = (&running, connections) {
                let group = group.round().max(1.0) as usize;
                let sizes = Sizes::of_file(&scratch.0.join("relais.db")).await?;
                let limits = Scratch::new("intake-limit");
                let limit = batches(
                    &limits,
                    &sizes,
                    if group == 1 { 1_000 } else { 8_000 },
                    group,
                )
                .await?;
                notes.push(format!(
                    "Relais, {connections} connection(s): {group} orders a commit; multi-row batches of the same rows in groups of {group} reach {limit:.0} orders/s on this disk, Relais {:.0} % of that.",
                    rate / limit * 100.0
                ));
            }
        }
        cells.push(format!("{:.2}", ms(running.cpu() - cpu) / from as f64));
        drop(running);
        let syncs = count_syncs(start)?;
        cells.push(syncs.to_string());
        cells.push(
            if syncs >= COUNTED {
                "nothing acknowledged"
            } else {
                "what was acknowledged last"
            }
            .to_owned(),
        );
        table.row(cells);
        let _ = group;
    }
    for note in &notes {
        table.note(note);
    }
    table.note("Syncs: fsync, fdatasync, sync_file_range and msync calls of the server while 100 orders were acknowledged one after the other, counted with strace; none of the servers opens files with O_SYNC or O_DSYNC (that was looked for too).");
    table.print();
    Ok(())
}

/// Syncs while 100 orders are acknowledged on one connection.
fn count_syncs(start: Start) -> Fallible<usize> {
    let scratch = Scratch::new("syncs");
    let trace = scratch.0.join("trace");
    let running = start(&scratch.0, Some(&trace))?;
    let calls = || -> io::Result<usize> {
        let text = fs::read_to_string(&trace)?;
        if text.contains("O_SYNC") || text.contains("O_DSYNC") {
            return Err(io::Error::other(
                "the server opens a file with O_SYNC: its writes count as syncs",
            ));
        }
        let call = |l: &&str| {
            ["fsync(", "fdatasync(", "sync_file_range(", "msync("]
                .iter()
                .any(|c| l.contains(c))
        };
        Ok(text.lines().filter(call).count())
    };
    let orders = |from, most| Orders {
        layout: LAYOUT,
        from,
        most,
    };
    // Files and tables are made with the first ones.
    orders(0, 10).send(running.mllp(), 1, Duration::from_secs(60))?;
    let before = calls()?;
    orders(10, COUNTED).send(running.mllp(), 1, Duration::from_secs(60))?;
    Ok(calls()? - before)
}

/// Sum and count of the group sizes, from Relais' metrics.
fn groups(running: &Running) -> (f64, f64) {
    let Running::Relais(relais) = running else {
        return (0.0, 0.0);
    };
    let text = get(relais.http, "/metrics").unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|v| v.trim().parse().ok()).unwrap_or(0.0)
    };
    (
        value("relais_workflow_group_size_sum"),
        value("relais_workflow_group_size_count"),
    )
}

fn get(addr: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
