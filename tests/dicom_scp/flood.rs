//! Peers that are too many, silent, slow, half gone or full of rubbish: they get their answer, and everybody else is served.

use super::harness::{
    database::{Database, Engine},
    effort,
    messages::Story,
    mllp::{Sender, accepted},
    process::Process,
    scanner::{Scanner, runtime},
    wait,
};
use super::raw::{
    ABORT, PATIENCE, Raw, associate_rq, find_command, find_data, find_request, others_are_served,
    p_data, pdv,
};
use super::{query, scanner, server};
use relais::dicom::scu::{Association, SCANNER};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const SOON: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn d06_one_too_many_is_told_2_3_2_after_its_turn_did_not_come() {
    let server = server(|s| {
        s.max_associations = 2;
        s.turn = SOON;
    })
    .await;
    let _held = [
        Raw::associate(server.addr).await,
        Raw::associate(server.addr).await,
    ];
    for _ in 0..3 {
        let mut third = Raw::connect(server.addr).await;
        third.send(&associate_rq()).await;
        // Result 2 transient, source 3 presentation, reason 2 local limit exceeded (PS3.8 Table 9-21).
        assert_eq!(third.pdu().await, Some((3, vec![0, 2, 3, 2])));
        assert_eq!(third.pdu().await, None);
    }
}

#[tokio::test]
async fn d06_more_scanners_than_associations_take_turns_and_none_is_refused() {
    let server = server(|s| {
        s.max_associations = 2;
        s.turn = PATIENCE;
    })
    .await;
    let addr = server.addr;
    let morning = (0..effort::pick(100, 2_000)).map(|n| {
        tokio::spawn(async move {
            let mut scanner =
                Association::connect(addr, &format!("CT{n}"), "RELAIS", SCANNER).await?;
            let found = scanner.find(&query("3")).await?;
            scanner.release().await?;
            Ok::<_, relais::dicom::scu::ScuError>(found.items.len())
        })
    });
    for scanner in morning.collect::<Vec<_>>() {
        assert_eq!(scanner.await.expect("no panic").expect("served"), 3);
    }
}

#[tokio::test]
async fn d06_connections_that_say_nothing_make_room_for_those_that_do() {
    let server = server(|s| {
        s.max_associations = 2;
        s.artim = LATE;
    })
    .await;
    let mut silent = Vec::new();
    // More than connections are kept; each third one says half an A-ASSOCIATE-RQ.
    for n in 0..400 {
        let mut raw = Raw::connect(server.addr).await;
        if n % 3 == 0 {
            raw.send(&associate_rq()[..40]).await;
        }
        silent.push(raw);
        if n % 50 == 0 {
            others_are_served(&server).await;
        }
    }
    others_are_served(&server).await;
    assert_eq!(
        silent.swap_remove(0).pdu().await,
        None,
        "the first was turned out"
    );
}

#[tokio::test]
async fn d04_an_association_at_rest_ends_when_another_waits_and_not_before() {
    let server = server(|s| {
        s.max_associations = 1;
        s.rest = SOON;
        s.idle = LATE;
        s.turn = PATIENCE;
    })
    .await;
    let mut first = Raw::associate(server.addr).await;
    assert!(
        timeout(SOON * 4, first.pdu()).await.is_err(),
        "nobody needs its place"
    );
    others_are_served(&server).await;
    assert_eq!(first.pdu().await, Some((ABORT, vec![0, 0, 2, 0])));
}

#[tokio::test]
async fn d04_a_request_that_is_begun_and_not_finished_ends_its_association() {
    let server = server(|s| {
        s.request = SOON;
        s.idle = LATE;
    })
    .await;
    let command = p_data(&[pdv(1, 3, &find_command(1))]);
    for half in [
        &find_request("1")[..3],
        &command[..20],
        &command,
        &[&command[..], &p_data(&[pdv(1, 0, b"x")])].concat(),
    ] {
        let mut raw = Raw::associate(server.addr).await;
        raw.send(half).await;
        assert_eq!(raw.pdu().await, Some((ABORT, vec![0, 0, 2, 0])));
    }
    // One byte now and then does not help.
    let mut raw = Raw::associate(server.addr).await;
    raw.send(&command).await;
    let dribbled = async {
        while raw.stream.try_write(&p_data(&[pdv(1, 0, b"x")])).is_ok() {
            if timeout(SOON / 5, raw.stream.readable()).await.is_ok() {
                break;
            }
        }
    };
    timeout(PATIENCE, dribbled)
        .await
        .expect("the server ends it");
    others_are_served(&server).await;
}

#[tokio::test]
async fn d04_a_scanner_that_stops_reading_is_given_up_and_nobody_waits_for_it() {
    const ARTIM: Duration = SOON.saturating_mul(5);
    let server = server(|s| s.artim = ARTIM).await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut raw = Raw::associate(server.addr).await;
        raw.send(&find_request("100000")).await;
        deaf.push(raw);
    }
    let mut good = scanner(&server, "MR1").await;
    // Long enough for the deaf to be given up: reading again before that would only make them slow.
    let started = Instant::now();
    while started.elapsed() < ARTIM * 3 {
        let found = timeout(PATIENCE, good.find(&query("50")))
            .await
            .expect("in time");
        assert_eq!(found.expect("an answer").items.len(), 50);
    }
    for mut raw in deaf {
        // What was on the way arrives; the final response does not.
        let end = async { while raw.pdu().await.is_some() {} };
        timeout(PATIENCE, end).await.expect("given up");
    }
}

#[tokio::test]
async fn long_data_sets_of_many_peers_share_one_bound_of_memory() {
    let server = server(|s| {
        s.max_held = 4 << 20;
        s.request = LATE;
    })
    .await;
    let piece = p_data(&[pdv(1, 0, &vec![0x20; 120_000])]);
    let mut peers = Vec::new();
    for _ in 0..8 {
        let mut raw = Raw::associate(server.addr).await;
        raw.send(&p_data(&[pdv(1, 3, &find_command(1))])).await;
        for _ in 0..10 {
            raw.send(&piece).await;
        }
        peers.push(raw);
    }
    // Eight times 1.2 MB do not fit into 4 MiB: some are aborted, the others may go on, short requests always.
    others_are_served(&server).await;
    let mut aborted = 0;
    for raw in &mut peers {
        if let Ok(end) = timeout(SOON, raw.pdu()).await {
            assert!(end.is_none() || end == Some((ABORT, vec![0, 0, 2, 0])));
            aborted += 1;
        }
    }
    assert!((1..8).contains(&aborted), "{aborted} aborted");
    let mut good = scanner(&server, "MR1").await;
    assert_eq!(
        good.find(&query("3")).await.expect("an answer").items.len(),
        3
    );
    drop(peers);
    // What they held is free again.
    let whole = async {
        loop {
            let mut raw = Raw::associate(server.addr).await;
            raw.send(&p_data(&[pdv(1, 3, &find_command(1))])).await;
            for _ in 0..8 {
                raw.send(&piece).await;
            }
            raw.send(&p_data(&[pdv(1, 2, &find_data("1"))])).await;
            if raw.statuses().await == Some(vec![0xC001]) {
                return;
            }
        }
    };
    timeout(PATIENCE, whole)
        .await
        .expect("a long request is read again");
}

/// What a hostile peer does, again and again.
async fn attack(addr: SocketAddr, kind: usize, stop: Arc<AtomicBool>) {
    let mut kept = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(Ok(stream)) = timeout(PATIENCE, tokio::net::TcpStream::connect(addr)).await else {
            continue;
        };
        let mut raw = Raw { stream };
        match kind % 6 {
            0 => {}
            1 => raw.send(&associate_rq()[..30]).await,
            2 => raw.send(&[0xA5; 4096]).await,
            3 => raw.send(b"\x01\0\x7F\xFF\xFF\xFF").await,
            4 => {
                raw.send(&associate_rq()).await;
                raw.send(&p_data(&[pdv(3, 3, &find_command(1))])).await;
                for _ in 0..40 {
                    raw.send(&p_data(&[pdv(3, 0, &vec![0x20; 100_000])])).await;
                }
            }
            _ => {
                raw.send(&associate_rq()).await;
                raw.send(&find_request("*")).await;
            }
        }
        kept.push(raw);
        if kept.len() > 30 {
            kept.clear();
        }
        // The pace of the attack; nothing is waited for.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn d06_a_flood_leaves_the_memory_flat_and_the_scanners_served() {
    let database = Database::new(Engine::Sqlite);
    let relais = Process::start(&database, None);
    let story = Story::default();
    accepted(&Sender::connect(relais.mllp).send(&story.order("NW", "20260602080000")));
    let good = Scanner {
        peer: relais.dicom,
        ae: "CT1_SCANNER".to_owned(),
    };
    let served = || assert_eq!(good.worklist(&[]).len(), 1);
    for _ in 0..50 {
        served();
    }
    let before = relais.resident_kib();
    let stop = Arc::new(AtomicBool::new(false));
    let addr = relais.dicom;
    let attacks: Vec<_> = (0..12)
        .map(|kind| runtime().spawn(attack(addr, kind, Arc::clone(&stop))))
        .collect();
    for _ in 0..effort::pick(100, 5_000) {
        served();
    }
    stop.store(true, Ordering::Relaxed);
    for attack in attacks {
        runtime().block_on(attack).unwrap();
    }
    served();
    let grown = relais.resident_kib().saturating_sub(before);
    // 64 MiB of long data sets at most, and buffers.
    assert!(grown < 100 * 1024, "{grown} KiB more than before the flood");
    wait::until("every association of the flood is gone", || {
        let (_, metrics) = super::harness::http::get(relais.http, "/metrics")?;
        metrics
            .lines()
            .any(|l| l == "relais_dicom_associations 0")
            .then_some(())
    });
    assert!(!relais.log().contains("panic"), "{}", relais.log());
}
