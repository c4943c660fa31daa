//! An endpoint that fails, hangs, closes half way: everything arrives once it is well again, and once only.

use crate::harness::{
    chaos::Mode,
    database::{Database, Engine},
    endpoint::{Endpoint, is},
    messages::Story,
    mllp::{Sender, accepted},
    process::Process,
    scanner::Scanner,
    wait,
};

const ORDERS: u32 = 5;

fn start() -> (Process, Endpoint, Database) {
    let database = Database::new(Engine::Sqlite);
    let endpoint = Endpoint::start();
    let relais = Process::start(&database, Some(&endpoint.url));
    (relais, endpoint, database)
}

fn send_orders(relais: &Process) {
    let mut ris = Sender::connect(relais.mllp);
    for n in 1..=ORDERS {
        accepted(&ris.send(&Story::of(n).order("NW", "20260602080000")));
    }
}

/// Each order is there once, with its patient, and nothing else.
fn all_there_once(endpoint: &Endpoint) {
    for n in 1..=ORDERS {
        let accession = Story::of(n).accession();
        endpoint.sole("ServiceRequest", |r| {
            r["identifier"].to_string().contains(&accession)
        });
    }
    assert_eq!(endpoint.of("ServiceRequest").len(), ORDERS as usize);
    assert_eq!(endpoint.of("Patient").len(), ORDERS as usize);
}

/// The endpoint is ill in one way while orders come, then it is well.
fn recovers_from(mode: Mode) {
    let (relais, endpoint, _database) = start();
    endpoint.chaos.set(mode);
    send_orders(&relais);
    wait::until("the endpoint was tried", || {
        (endpoint.chaos.requests() >= 2).then_some(())
    });
    endpoint.chaos.set(Mode::Pass);
    all_there_once(&endpoint);
}

#[test]
fn g05_a_failing_endpoint_gets_everything_once_it_is_back() {
    recovers_from(Mode::Status(503));
}

#[test]
fn g05_a_hanging_endpoint_gets_everything_once_it_is_back() {
    recovers_from(Mode::Hang);
}

#[test]
fn g01_an_ambiguous_answer_duplicates_nothing() {
    recovers_from(Mode::HalfAnswer);
    recovers_from(Mode::NoAnswer);
}

#[test]
fn a_hanging_endpoint_does_not_hold_up_senders_and_scanners() {
    let (relais, endpoint, _database) = start();
    endpoint.chaos.set(Mode::Hang);
    send_orders(&relais);
    wait::until("the endpoint was tried", || {
        (endpoint.chaos.requests() >= 1).then_some(())
    });
    let mut ris = Sender::connect(relais.mllp);
    let story = Story::of(ORDERS + 1);
    accepted(&ris.send(&story.order("NW", "20260602080000")));
    let scanner = Scanner {
        peer: relais.dicom,
        ae: story.station.to_owned(),
    };
    let accession = story.accession();
    let found = scanner.worklist(&[("AccessionNumber", accession.as_str())]);
    assert_eq!(found.len(), 1);
    // The endpoint hung all the while.
    assert_eq!(endpoint.all(), Vec::<serde_json::Value>::new());
}

#[test]
fn h01_what_waits_in_the_outbox_survives_kill_9() {
    let (mut relais, endpoint, _database) = start();
    endpoint.chaos.set(Mode::NoAnswer);
    send_orders(&relais);
    wait::until("some were delivered without an answer", || {
        (endpoint.chaos.requests() >= 2).then_some(())
    });
    relais.kill();
    endpoint.chaos.set(Mode::Pass);
    relais.restart();
    all_there_once(&endpoint);
}

#[test]
fn g05_a_refused_publication_is_held_and_the_next_state_goes_out() {
    let (relais, endpoint, _database) = start();
    endpoint.chaos.set(Mode::Status(422));
    let story = Story::of(1);
    let mut ris = Sender::connect(relais.mllp);
    accepted(&ris.send(&story.order("NW", "20260602080000")));
    wait::until("the endpoint refused", || {
        (endpoint.chaos.requests() >= 1).then_some(())
    });
    endpoint.chaos.set(Mode::Pass);
    let other = Story::of(2);
    accepted(&ris.send(&other.order("NW", "20260602080000")));
    endpoint.sole("ServiceRequest", |r| {
        r["identifier"].to_string().contains(&other.accession())
    });
    // A change of the held subject is a new wish.
    accepted(&ris.send(&story.order("CA", "20260602081000")));
    endpoint.sole("ServiceRequest", is("status", "revoked"));
}
