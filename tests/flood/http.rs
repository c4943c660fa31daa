//! Enemies at the HTTP port.

use crate::{
    Watched,
    enemies::{Enemy, connect, is_closed},
    harness::{api::Api, effort, http, wait},
};
use relais::api::access::Role;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// The status line of what the engine answers to these bytes; empty if it closes without a word.
fn answer(watched: &Watched, request: &[u8]) -> String {
    let mut stream = connect(watched.relais.http);
    // The engine may answer and close before it has taken everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().unwrap_or("").to_owned()
}

fn is_served(watched: &Watched) -> Option<()> {
    http::get(watched.relais.http, "/health/ready").filter(|(status, _)| *status == 200)?;
    Some(())
}

#[test]
fn slow_requests_and_idle_connections_hold_up_nobody_and_end() {
    let mut watched = Watched::start(&[]);
    let http = watched.relais.http;
    let idle: Vec<TcpStream> = (0..effort::pick(200, 2_000))
        .map(|_| connect(http))
        .collect();
    let slow: Vec<Enemy> = (0..20)
        .map(|_| Enemy::drips(http, b"GET /health/live HTTP/1.1\r\nx: ", b'x'))
        .collect();
    wait::until("others are served", || is_served(&watched));
    watched.good_senders_are_served(10);
    wait::within(
        std::time::Duration::from_secs(60),
        "slow requests are cut off",
        || slow.iter().all(Enemy::is_cut_off).then_some(()),
    );
    drop(idle);
    wait::until("others are served afterwards", || is_served(&watched));
    watched.is_well(64);
}

#[test]
fn hostile_requests_are_answered_or_closed_and_memory_stays_bounded() {
    let mut watched = Watched::start(&[]);
    let header = [
        b"GET /metrics HTTP/1.1\r\nx: ".as_slice(),
        &vec![b'x'; 4 << 20],
        b"\r\n\r\n",
    ]
    .concat();
    let many: Vec<u8> = (0..10_000)
        .flat_map(|n| format!("x{n}: y\r\n").into_bytes())
        .collect();
    let many = [b"GET /metrics HTTP/1.1\r\n".as_slice(), &many, b"\r\n"].concat();
    let long = [
        b"GET /".as_slice(),
        &vec![b'a'; 1 << 20],
        b" HTTP/1.1\r\n\r\n",
    ]
    .concat();
    let body = [
        b"POST /health/live HTTP/1.1\r\nhost: x\r\ncontent-length: 1099511627776\r\n\r\n"
            .as_slice(),
        &vec![b'x'; 32 << 20],
    ]
    .concat();
    let chunk = b"POST /metrics HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nxx";
    let smuggle = b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let requests: &[&[u8]] = &[
        &header,
        &many,
        &long,
        &body,
        chunk,
        smuggle,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00",
        b"\x0bMSH|^~\\&|RISX\x1c\r",
        b"GET\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n\x00\xff garbage pipelined behind\r\n\r\n",
    ];
    for request in requests {
        let status = answer(&watched, request);
        let start = String::from_utf8_lossy(&request[..request.len().min(60)]);
        let good = status.is_empty()
            || status.starts_with("HTTP/1.1 4")
            || status.starts_with("HTTP/1.0 4");
        let first_of_two = start.starts_with("GET /health/live") && status.contains(" 200 ");
        assert!(good || first_of_two, "{start:?}: {status}");
        assert!(is_served(&watched).is_some());
    }
    watched.is_well(64);
}

#[test]
fn a_connection_that_sends_nothing_is_closed() {
    let watched = Watched::start(&[]);
    let mut silent = connect(watched.relais.http);
    wait::within(
        std::time::Duration::from_secs(60),
        "the silent connection is closed",
        || is_closed(&mut silent).then_some(()),
    );
}

/// Events that a listener who reads nothing has waiting for it: more than all buffers on the way hold.
const EVENTS: u32 = 60_000;

#[test]
fn a_listener_to_events_who_reads_nothing_is_cut_and_others_hear_on() {
    let mut watched = Watched::start(&[]);
    watched.database.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS}) \
         INSERT INTO exam_event SELECT e.id + n.i, subject_kind, subject_id, exam_id, journal_id, at, effective, kind, v, payload \
         FROM n, exam_event e WHERE e.id = (SELECT MAX(id) FROM exam_event)"
    ));
    let api = Api {
        addr: watched.relais.http,
        role: Some(Role::Viewer),
    };
    let stuck = api.events(Some("0"));
    let mut other = api.events(None);
    let metric = |name: &str| watched.relais.metric(name);
    assert_eq!(metric("relais_http_streams_dropped_total"), 0.0);
    wait::within(
        std::time::Duration::from_secs(60),
        "the listener who reads nothing is cut off",
        || (metric("relais_http_streams_dropped_total") == 1.0).then_some(()),
    );
    assert_eq!(metric("relais_http_streams"), 1.0, "the other one");
    // What was on its way comes, then the end: no listener takes a cut for a silence.
    let came = stuck.rest().expect("the connection is ended");
    let came = came.matches("data: ").count();
    assert!(came < EVENTS as usize, "all {came} events were kept for it");
    watched.good_senders_are_served(1);
    let (_, name, _) = other.next();
    assert!(!name.is_empty());
    watched.is_well(64);
}
