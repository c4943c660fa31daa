//! Memory under good traffic and hostile peers together, over minutes.

use crate::{
    Watched,
    enemies::{Enemy, connect},
    harness::{effort, messages::Story, mllp::Sender},
};
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long: 20 seconds, or `SOAK_MINUTES` (10) in the large form.
fn duration() -> Duration {
    let minutes = std::env::var_os("SOAK_MINUTES");
    let minutes = minutes.and_then(|m| m.to_str()?.parse().ok()).unwrap_or(10);
    effort::pick(Duration::from_secs(20), Duration::from_secs(60 * minutes))
}

/// What the memory of the second half may grow by in a minute, in KiB; there is no second half to speak of in the small form.
const SLOPE: f64 = 1_024.0;

#[test]
fn memory_stays_flat_under_good_traffic_and_hostile_peers() {
    let mut watched = Watched::start(&[
        ("RELAIS_MLLP_MESSAGE_SECONDS", "5"),
        ("RELAIS_MLLP_MAX_HELD_MIB", "32"),
    ]);
    let (mllp, http) = (watched.relais.mllp, watched.relais.http);
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU32::new(1_000));
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            thread::spawn(move || {
                let mut sender = Sender::connect(mllp);
                while !stop.load(Ordering::Relaxed) {
                    let n = sent.fetch_add(1, Ordering::Relaxed);
                    // A day's patients again and again: the record grows on disk, in memory nothing may.
                    let message = Story::of(n).order("NW", "20260602080000");
                    assert_eq!(sender.send(&message).code(), "AA");
                }
            })
        })
        .collect();
    let large = [b"\x0bMSH|^~\\&|HOARDER|".as_slice(), &vec![b'x'; 1 << 20]].concat();
    let start = Instant::now();
    let (mut enemies, mut samples) = (Vec::new(), Vec::new());
    while start.elapsed() < duration() {
        enemies.retain(|enemy: &Enemy| !enemy.is_cut_off());
        if enemies.len() < 16 {
            enemies.push(Enemy::drips(mllp, b"\x0bMSH|^~\\&|SLOW|", b'x'));
            enemies.push(Enemy::repeats(mllp, &[b'.'; 1024]));
            enemies.push(Enemy::drips(http, b"GET / HTTP/1.1\r\nx: ", b'x'));
        }
        // Begun and broken off.
        let _ = connect(mllp).write_all(&large);
        samples.push((
            start.elapsed().as_secs_f64(),
            watched.relais.resident_kib() as f64,
        ));
        // Between two samples of the memory; nothing is waited for.
        thread::sleep(Duration::from_millis(250));
    }
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().expect("every order was acknowledged");
    }
    let half = samples.split_off(samples.len() / 2);
    let slope = 60.0 * slope(&half);
    println!(
        "soak: {} orders acknowledged in {} s, memory {:.0} MiB at the end, slope of the second half {slope:.0} KiB a minute",
        sent.load(Ordering::Relaxed) - 1_000,
        start.elapsed().as_secs(),
        half.last().map_or(0.0, |(_, kib)| kib / 1024.0),
    );
    if duration() >= Duration::from_secs(300) {
        assert!(slope <= SLOPE, "memory grows by {slope:.0} KiB a minute");
    }
    watched.is_well(128);
}

/// Least squares: how much `y` grows with `x`.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let over = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>();
    let under = points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    over / under
}
