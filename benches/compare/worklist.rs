//! Modality Worklist: the same items, the same query and the same client before every server.

use crate::data::{Item, Layout};
use crate::department::department;
use crate::machine::{Fallible, Scratch, ms, percentile};
use crate::mllp::{Orders, Sender};
use crate::mwl::{How, Measured, Target};
use crate::servers::{self, Relais, Server, cpu_of};
use crate::table::Table;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The eight ways in which a server is asked, in the order of the columns.
const WAYS: [How; 8] = [
    way(1, false, false),
    way(1, false, true),
    way(1, true, false),
    way(1, true, true),
    way(8, false, false),
    way(8, false, true),
    way(8, true, false),
    way(8, true, true),
];
/// What is said of a way in the head of a table.
const HEAD: [&str; 11] = [
    "p50 in ms, then queries/s",
    "1 client, fresh",
    "fresh, quick ACK",
    "kept",
    "kept, quick ACK",
    "8 clients, fresh",
    "fresh, quick ACK",
    "kept",
    "kept, quick ACK",
    "CPU ms a query",
    "RSS MiB",
];
/// Queries a second that two cores are to serve while orders arrive.
const STEADY: u32 = 1_000;
/// Orders a second while the department is asked.
const ARRIVING: u32 = 50;
/// Connections on which they arrive: each waits for its answer before it sends the next.
const SENDERS: u32 = 4;

const fn way(clients: usize, kept: bool, quick: bool) -> How {
    How {
        kept,
        quick,
        clients,
        rate: None,
    }
}

/// What a server did, way by way: milliseconds for one client, queries a second for eight.
struct Line {
    name: &'static str,
    figures: Vec<f64>,
    /// Answers that lacked matches.
    short: usize,
    cpu: f64,
    /// Processor time of the clients a query, in milliseconds.
    clients: f64,
    rss: u64,
}

impl Line {
    /// An error unless every answer came and was whole: what we ask of ourselves.
    fn whole(self) -> Fallible<Self> {
        if self.short > 0 || self.figures.iter().any(|f| f.is_nan()) {
            return Err(format!(
                "{}: {} answers lacked matches, figures {:?}",
                self.name, self.short, self.figures
            )
            .into());
        }
        Ok(self)
    }
}

/// Asks a server in all ways.
fn line(name: &'static str, server: &Server, target: &Target, during: Duration) -> Fallible<Line> {
    // Caches, pools and interpreters get warm first, as they are in a running department.
    target.measure(WAYS[1], during.min(Duration::from_secs(1)))?;
    let mut figures = vec![];
    let (mut queries, mut short) = (0, 0);
    let (cpu, own) = (server.cpu(), cpu_of("self"));
    for how in WAYS {
        // A peer that closes connections or answers with a failure gets no figure.
        let Ok(mut measured) = target.measure(how, during) else {
            figures.push(f64::NAN);
            continue;
        };
        short += measured.short;
        queries += measured.times.len() + measured.short;
        figures.push(match how.clients {
            _ if measured.times.is_empty() => f64::NAN,
            1 => ms(percentile(&mut measured.times, 0.5)),
            _ => measured.rate(),
        });
    }
    Ok(Line {
        name,
        figures,
        short,
        cpu: ms(server.cpu() - cpu) / queries as f64,
        clients: ms(cpu_of("self") - own) / queries as f64,
        rss: server.peak_mib(),
    })
}

/// All servers with `items` items.
pub fn compare(items: usize, during: Duration) -> Fallible<()> {
    let layout = Layout::of(items);
    let scratch = Scratch::new(&format!("worklist-{items}"));
    let dir = scratch.0.as_path();
    files(dir, &layout)?;
    let target = |server: &Server| Target {
        addr: server.addr,
        called: "WL".to_owned(),
        stations: layout.stations,
        matches: layout.matches(layout.stations - 1),
    };
    let mut lines = vec![];
    let mut take = |name, server: std::io::Result<Server>| -> Fallible<()> {
        let server = server?;
        lines.push(line(name, &server, &target(&server), during)?);
        Ok(())
    };
    take("DCMTK wlmscpfs", servers::wlmscpfs(dir, false))?;
    take(
        "DCMTK wlmscpfs, TCP_NODELAY=1",
        servers::wlmscpfs(dir, true),
    )?;
    take("Orthanc worklist plugin", servers::orthanc(dir, false))?;
    take(
        "Orthanc worklist plugin, TCP_NODELAY=1",
        servers::orthanc(dir, true),
    )?;
    take("pynetdicom, items in memory", servers::pynetdicom(dir))?;
    let peers = lines.len();

    let home = dir.join("relais");
    fs::create_dir_all(&home)?;
    fill(&home, &layout)?;
    let Relais { server, .. } = servers::relais(&home, layout.stations, None, None)?;
    let cold = first_queries(&target(&server))?;
    lines.push(line("**Relais**", &server, &target(&server), during)?.whole()?);
    drop(server);
    let Relais { server, .. } = servers::relais(&home, layout.stations, Some(0), None)?;
    lines.push(line(
        "Relais, item_cache_mib = 0",
        &server,
        &target(&server),
        during,
    )?);
    drop(server);

    let matches = (layout.matches(layout.stations - 1), layout.matches(0));
    let title = format!(
        "Worklist, {items} items, {} to {} matches of 24 return keys",
        matches.0, matches.1
    );
    let mut table = Table::new(&title, &HEAD);
    for line in &lines {
        table.row(cells(line));
    }
    for line in lines.iter().filter(|l| l.short > 0) {
        table.note(&format!(
            "{}: {} answers lacked matches and are not counted.",
            line.name, line.short
        ));
    }
    ratios(&mut table, &lines[..peers], &lines[peers]);
    table.note(&format!(
        "Relais, first query of each station after a start: p50 {cold:.2} ms."
    ));
    table.print();
    Ok(())
}

fn cells(line: &Line) -> Vec<String> {
    let mut cells = vec![line.name.to_owned()];
    for (how, figure) in WAYS.iter().zip(&line.figures) {
        let decimals = if how.clients == 1 { 2 } else { 0 };
        cells.push(if figure.is_nan() {
            "fails".to_owned()
        } else {
            format!("{figure:.decimals$}")
        });
    }
    cells.push(format!("{:.2}", line.cpu));
    cells.push(line.rss.to_string());
    cells
}

/// Beside the fastest peer in its best setting, whatever the setting and whatever the client's.
fn ratios(table: &mut Table, peers: &[Line], ours: &Line) {
    for (what, columns) in [("fresh", [0, 1]), ("kept", [2, 3])] {
        let best = |lines: &[Line], at: [usize; 2], more: bool| {
            let all = lines
                .iter()
                .flat_map(|l| at.map(|c| (l.figures[c], l.name, c)));
            let all = all.filter(|(figure, ..)| figure.is_finite());
            let order = |a: &(f64, &str, usize), b: &(f64, &str, usize)| a.0.total_cmp(&b.0);
            if more {
                all.max_by(order)
            } else {
                all.min_by(order)
            }
        };
        let own = std::slice::from_ref(ours);
        if let (Some(peer), Some(us)) = (best(peers, columns, false), best(own, columns, false)) {
            let setting = setting(peer.2);
            table.note(&format!(
                "One client, {what} association: the fastest peer in its best setting is {} ({setting}) with {:.2} ms; Relais takes {:.2} ms: {:.0} times as fast.",
                peer.1, peer.0, us.0, peer.0 / us.0
            ));
        }
        let columns = columns.map(|c| c + 4);
        if let (Some(peer), Some(us)) = (best(peers, columns, true), best(own, columns, true)) {
            let setting = setting(peer.2);
            table.note(&format!(
                "Eight clients, {what}: {} ({setting}) answers {:.0} queries/s, Relais {:.0}: {:.0} times as many.",
                peer.1, peer.0, us.0, us.0 / peer.0
            ));
        }
    }
}

fn setting(column: usize) -> &'static str {
    if column % 2 == 1 {
        "quick-ACK client"
    } else {
        "plain client"
    }
}

/// Worklist files of all items below `dir/WL`.
fn files(dir: &Path, layout: &Layout) -> Fallible<()> {
    let folder = dir.join("WL");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(dir.join("orthanc"))?;
    fs::write(folder.join("lockfile"), b"")?;
    for n in 0..layout.items {
        fs::write(
            folder.join(format!("{n:08}.wl")),
            Item::of(layout, n).file(),
        )?;
    }
    Ok(())
}

/// The same items through the port of a Relais.
fn fill(home: &Path, layout: &Layout) -> Fallible<()> {
    let running = servers::relais(home, layout.stations, None, None)?;
    let orders = Orders {
        layout: *layout,
        from: 0,
        most: layout.items,
    };
    orders.send(running.mllp, 16, Duration::from_secs(600))?;
    Ok(())
}

/// The median of one query of each station, on fresh associations.
fn first_queries(target: &Target) -> Fallible<f64> {
    let mut times = vec![];
    for s in 0..target.stations {
        let started = Instant::now();
        target.ask(s)?;
        times.push(started.elapsed());
    }
    Ok(ms(percentile(&mut times, 0.5)))
}

/// Relais alone with a large department, at rest and while orders arrive.
pub async fn large(items: usize, during: Duration) -> Fallible<()> {
    let layout = Layout::of(items);
    let home = department(&layout).await?;
    let relais = servers::relais(&home, layout.stations, None, None)?;
    let target = Target {
        addr: relais.server.addr,
        called: "WL".to_owned(),
        stations: layout.stations,
        matches: layout.matches(layout.stations - 1),
    };
    let cold = first_queries(&target)?;
    let line = line("**Relais**", &relais.server, &target, during)?.whole()?;
    let title = format!(
        "Worklist, {items} items, {} matches of 24 return keys",
        layout.matches(0)
    );
    let mut table = Table::new(&title, &HEAD);
    table.row(cells(&line));
    table.note(&format!(
        "The clients take {:.2} ms of processor time a query.",
        line.clients
    ));
    table.note(&format!(
        "First query of each station after a start: p50 {cold:.2} ms."
    ));
    table.print();

    let mut table = Table::new(
        &format!("{items} items, eight clients ask while {ARRIVING} orders a second arrive"),
        &[
            "",
            "queries/s",
            "p50 ms",
            "p99 ms",
            "orders/s",
            "order p50 ms",
            "order p99 ms",
        ],
    );
    let steady = |how| How {
        rate: Some(STEADY),
        ..how
    };
    for (name, how) in [
        (
            "kept associations, 1 000 queries/s by the clock",
            steady(WAYS[6]),
        ),
        (
            "fresh associations, 1 000 queries/s by the clock",
            steady(WAYS[4]),
        ),
        ("kept associations, as fast as answers come", WAYS[6]),
        ("fresh associations, as fast as answers come", WAYS[4]),
    ] {
        let (mut asked, mut orders) = under_load(&relais, &target, &layout, how, during * 3)?;
        let rate = orders.len() as f64 / asked.elapsed.as_secs_f64();
        table.row([
            name.to_owned(),
            format!("{:.0}", asked.rate()),
            format!("{:.2}", ms(percentile(&mut asked.times, 0.5))),
            format!("{:.2}", ms(percentile(&mut asked.times, 0.99))),
            format!("{rate:.0}"),
            format!("{:.2}", ms(percentile(&mut orders, 0.5))),
            format!("{:.2}", ms(percentile(&mut orders, 0.99))),
        ]);
    }
    table.note("The orders are for the stations that ask, for today and the nine days after, on four connections; an order's time counts from when it was due. The clients run on the same two cores.");
    table.print();
    Ok(())
}

/// Tenths of seconds of this machine's uptime.
fn started_at() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split('.').next().and_then(|t| t.parse::<u64>().ok());
    seconds.unwrap_or(0) * 10
}

/// Asks as fast as it goes while orders arrive by the clock; an order's time counts from when it was due.
fn under_load(
    relais: &Relais,
    target: &Target,
    layout: &Layout,
    how: How,
    during: Duration,
) -> Fallible<(Measured, Vec<Duration>)> {
    let over = AtomicBool::new(false);
    // Numbers that no other run used: this file is kept.
    let first = 80_000_000 + usize::try_from(started_at()).unwrap_or(0) % 1_000_000 * 10;
    let started = Instant::now();
    let arrive = |sender: u32| -> std::io::Result<Vec<Duration>> {
        let (mut connection, mut times) = (Sender::connect(relais.mllp)?, vec![]);
        for n in (sender..).step_by(SENDERS as usize) {
            let due = started + Duration::from_secs(1) / ARRIVING * n;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if over.load(Ordering::Relaxed) {
                break;
            }
            let at = n as usize;
            let (station, day) = (at % layout.stations, at / layout.stations % 10);
            connection.send(&Item::on(first + at, station, day, at % 36))?;
            times.push(due.elapsed());
        }
        Ok(times)
    };
    thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || arrive(sender)))
            .collect();
        let asked = target.measure(how, during);
        over.store(true, Ordering::Relaxed);
        let mut orders = vec![];
        for sender in senders {
            orders.extend(sender.join().map_err(|_| "a sender of orders panicked")??);
        }
        Ok((asked?, orders))
    })
}
