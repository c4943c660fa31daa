//! Enemies at the HL7 port.

use crate::{
    Watched,
    enemies::{Enemy, connect, connect_deaf, connect_from, is_closed},
    harness::{
        effort,
        messages::Story,
        mllp::{Sender, accepted, frame},
        wait,
    },
};
use std::{io::Write, net::TcpStream};

/// How many connections ended for a reason.
fn ended(watched: &Watched, why: &str) -> f64 {
    let name = format!("relais_mllp_connections_ended_total{{why=\"{why}\"}}");
    watched.relais.metric(&name)
}

#[test]
fn a02_oversize_messages_are_refused_by_name_and_memory_stays_bounded() {
    let mut watched = Watched::start(&[("RELAIS_MLLP_MAX_HELD_MIB", "40")]);
    let long = "x".repeat(17 << 20);
    let text = String::from_utf8(Story::of(7).order("NW", "20260602080000")).unwrap();
    let mut sender = Sender::connect(watched.relais.mllp);
    for _ in 0..3 {
        let ack = sender.send(text.replace("Scanographie du thorax", &long).as_bytes());
        assert_eq!((ack.code(), ack.error()), ("AR", "207"), "{}", ack.0);
        assert_eq!(ack.control_id(), "NW7");
        assert!(ack.field("ERR", 8).contains("max_message_mib"), "{}", ack.0);
    }
    // The same connection goes on with the next message.
    accepted(&sender.send(text.as_bytes()));
    // Messages that begin and never end hold no more than the room that all share.
    let hoard = |_| {
        let mut stream = connect(watched.relais.mllp);
        stream.write_all(b"\x0bMSH|^~\\&|HOARDER|").unwrap();
        stream.write_all(&vec![b'x'; 15 << 20]).unwrap();
        stream
    };
    let hoarders: Vec<TcpStream> = (0..effort::pick(8, 32)).map(hoard).collect();
    watched.is_well(160);
    drop(hoarders);
}

#[test]
fn a02_a_message_that_finds_no_room_is_refused_and_taken_later() {
    let mut watched = Watched::start(&[("RELAIS_MLLP_MAX_HELD_MIB", "1")]);
    let text = String::from_utf8(Story::of(7).order("NW", "20260602080000")).unwrap();
    let large = text.replace("Scanographie du thorax", &"x".repeat(900 << 10));
    let mut sender = Sender::connect(watched.relais.mllp);
    // A message of this size takes its time on a busy machine.
    let patience = std::time::Duration::from_secs(90);
    // Whichever is read first has the room: a hoarder that came second is cut and holds nothing, and the next one tries.
    let hoarder = wait::within(patience, "a hoarder's message is in the way", || {
        let mut hoarder = connect(watched.relais.mllp);
        hoarder.write_all(b"\x0bMSH|^~\\&|HOARDER|").unwrap();
        hoarder.write_all(&vec![b'x'; 512 << 10]).unwrap();
        let ack = sender.send(large.as_bytes());
        (ack.code() == "AR").then(|| {
            assert_eq!((ack.error(), ack.control_id()), ("207", "NW7"));
            hoarder
        })
    });
    watched.good_senders_are_served(3);
    drop(hoarder);
    wait::within(patience, "the refused message is taken", || {
        (sender.send(large.as_bytes()).code() == "AA").then_some(())
    });
    watched.is_well(64);
}

#[test]
fn a03_silent_slow_and_deaf_peers_hold_up_nobody_and_are_got_rid_of() {
    let mut watched = Watched::start(&[
        ("RELAIS_MLLP_MESSAGE_SECONDS", "2"),
        ("RELAIS_MLLP_WRITE_SECONDS", "1"),
        ("RELAIS_MLLP_MAX_CONNECTIONS", "1000"),
        ("RELAIS_MLLP_MAX_CONNECTIONS_PER_ADDRESS", "1000"),
    ]);
    let mllp = watched.relais.mllp;
    let silent: Vec<TcpStream> = (0..effort::pick(200, 800)).map(|_| connect(mllp)).collect();
    let slow: Vec<Enemy> = (0..8)
        .map(|_| Enemy::drips(mllp, b"\x0bMSH|^~\\&|SLOW|", b'x'))
        .collect();
    // Answers echo the header: large ones fill the buffers of a peer that reads none of them sooner.
    let long = "x".repeat(500);
    let header =
        format!("MSH|^~\\&|{long}|{long}|{long}|{long}|20260602||ZZZ^Z01|{long}|{long}|{long}\r");
    let _deaf: Vec<Enemy> = (0..2)
        .map(|_| {
            let message = frame(header.as_bytes());
            Enemy::new(connect_deaf(mllp), move |stream| stream.write_all(&message))
        })
        .collect();
    watched.good_senders_are_served(30);
    wait::until("the slow peers are got rid of", || {
        slow.iter().all(Enemy::is_cut_off).then_some(())
    });
    watched.good_senders_are_served(10);
    wait::within(
        std::time::Duration::from_secs(60),
        "the deaf peers are got rid of",
        || (ended(&watched, "write_timeout") >= 2.0).then_some(()),
    );
    wait::until("the slow peers are counted", || {
        (ended(&watched, "slow") == 8.0).then_some(())
    });
    let open = watched.relais.metric("relais_mllp_connections");
    assert!(
        open >= silent.len() as f64,
        "peers that only wait are left alone: {open}"
    );
    watched.is_well(64);
}

#[test]
fn a03_idle_peers_are_reaped() {
    let mut watched = Watched::start(&[("RELAIS_MLLP_IDLE_SECONDS", "1")]);
    let mut idle: Vec<TcpStream> = (0..20).map(|_| connect(watched.relais.mllp)).collect();
    assert!(idle.iter_mut().all(is_closed));
    // A connection is closed before it is counted.
    wait::until("they are counted", || {
        (ended(&watched, "idle") >= 20.0).then_some(())
    });
    watched.is_well(32);
}

#[test]
fn a03_garbage_without_end_is_cut_off() {
    let mut watched = Watched::start(&[]);
    let mllp = watched.relais.mllp;
    let enemies = [
        Enemy::repeats(mllp, &[b'.'; 4096]),
        Enemy::repeats(mllp, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        // A TLS ClientHello, and a DICOM A-ASSOCIATE-RQ.
        Enemy::repeats(mllp, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        Enemy::repeats(
            mllp,
            b"\x01\x00\x00\x00\x00\xcd\x00\x01\x00\x00RELAIS          ",
        ),
    ];
    wait::until("garbage is cut off", || {
        enemies.iter().all(Enemy::is_cut_off).then_some(())
    });
    wait::until("they are counted", || {
        (ended(&watched, "noise") == 4.0).then_some(())
    });
    // Garbage in frames is answered frame by frame and costs nobody else anything.
    let framed = Enemy::repeats(mllp, b"\x0bGARBAGE\x1c\r");
    watched.good_senders_are_served(20);
    drop(framed);
    watched.is_well(64);
}

#[test]
fn a03_connections_beyond_the_limit_are_closed_at_once_and_the_others_live_on() {
    let mut watched = Watched::start(&[
        ("RELAIS_MLLP_MAX_CONNECTIONS", "8"),
        ("RELAIS_MLLP_MAX_CONNECTIONS_PER_ADDRESS", "8"),
    ]);
    let mllp = watched.relais.mllp;
    wait::until("the first sender's connection is gone", || {
        (watched.relais.metric("relais_mllp_connections") == 0.0).then_some(())
    });
    let mut inside: Vec<Sender> = (0..8).map(|_| Sender::connect(mllp)).collect();
    for (n, sender) in (1000..).zip(&mut inside) {
        accepted(&sender.send(&Story::of(n).order("NW", "20260602080000")));
    }
    for _ in 0..effort::pick(50, 5_000) {
        assert!(is_closed(&mut connect(mllp)));
    }
    let refused = "relais_mllp_connections_refused_total{limit=\"all\"}";
    assert_eq!(
        watched.relais.metric(refused),
        f64::from(effort::pick(50, 5_000))
    );
    for (n, sender) in (1100..).zip(&mut inside) {
        accepted(&sender.send(&Story::of(n).order("NW", "20260602080000")));
    }
    let log = watched.relais.log();
    let told = log
        .lines()
        .filter(|l| l.contains("mllp connections refused"))
        .count();
    assert!(
        (1..10).contains(&told),
        "the log says so, once and not 50 times: {told}"
    );
    inside.clear();
    wait::until("a place is free again", || {
        Sender::connect(mllp)
            .try_send(&Story::of(1200).order("NW", "20260602080000"))
            .map(|ack| accepted(&ack))
    });
    watched.is_well(32);
}

#[test]
fn a03_one_host_cannot_shut_the_others_out() {
    let mut watched = Watched::start(&[
        ("RELAIS_MLLP_MAX_CONNECTIONS", "12"),
        ("RELAIS_MLLP_MAX_CONNECTIONS_PER_ADDRESS", "4"),
    ]);
    let mllp = watched.relais.mllp;
    let mut greedy: Vec<TcpStream> = (0..20)
        .map(|_| connect_from([127, 0, 0, 2], mllp))
        .collect();
    let refused = "relais_mllp_connections_refused_total{limit=\"address\"}";
    wait::until("all connections of the greedy host are judged", || {
        (watched.relais.metric(refused) == 16.0).then_some(())
    });
    watched.good_senders_are_served(5);
    assert_eq!(
        greedy
            .drain(4..)
            .filter_map(|mut s| is_closed(&mut s).then_some(()))
            .count(),
        16
    );
    watched.is_well(32);
}

#[test]
fn a12_a_sender_that_no_link_names_is_refused_where_the_site_says_so() {
    let watched = Watched::start(&[("RELAIS_MLLP_UNKNOWN_SENDER", "refuse")]);
    let text = String::from_utf8(Story::of(7).order("NW", "20260602080000")).unwrap();
    let mut sender = Sender::connect(watched.relais.mllp);
    let ack = sender.send(text.replace("|RISX|", "|STRANGER|").as_bytes());
    assert_eq!((ack.code(), ack.error()), ("AR", "103"), "{}", ack.0);
    assert!(ack.field("ERR", 2).starts_with("MSH^1^3"), "{}", ack.0);
    accepted(&sender.send(text.as_bytes()));
    let counted = "relais_hl7_acks_total{link=\"default\",code=\"AR\",reason=\"sender.unknown\"}";
    assert_eq!(watched.relais.metric(counted), 1.0);
}
