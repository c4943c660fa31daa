//! `kill -9` and SIGTERM during a burst of orders.

use crate::harness::{
    database::{Database, Engine},
    messages::Story,
    mllp::{Sender, accepted, frame},
    process::Process,
    tools::{run, script},
    wait,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// Senders at the same time.
const SENDERS: u32 = 8;
/// Orders acknowledged before the process is killed.
const BEFORE_THE_END: usize = 200;
/// Orders that each sender sends without reading an answer, before the process is asked to end.
const IN_FLIGHT: u32 = 50;

/// Accession number -> how often a scanner sees it on the whole list.
fn listed(relais: &Process) -> BTreeMap<String, usize> {
    let list = run(script("worklist.py").arg(relais.dicom.port().to_string()));
    let mut counts = BTreeMap::new();
    for line in list.lines() {
        if let Some((_, rest)) = line.split_once("\"accession\": \"") {
            let (accession, _) = rest.split_once('"').expect("a JSON string");
            *counts.entry(accession.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Sends orders over several connections until they break; the accession numbers that were acknowledged.
fn burst(relais: &Process, acknowledged: &Arc<Mutex<Vec<String>>>) -> Vec<thread::JoinHandle<()>> {
    let next = Arc::new(AtomicU32::new(1));
    (0..SENDERS)
        .map(|_| {
            let (next, acknowledged, mllp) = (next.clone(), acknowledged.clone(), relais.mllp);
            thread::spawn(move || {
                let mut sender = Sender::connect(mllp);
                loop {
                    let story = Story::of(next.fetch_add(1, Ordering::Relaxed));
                    let Some(ack) = sender.try_send(&story.order("NW", "20260602080000")) else {
                        return;
                    };
                    accepted(&ack);
                    acknowledged.lock().unwrap().push(story.accession());
                }
            })
        })
        .collect()
}

fn nothing_is_lost(engine: Engine) {
    let database = Database::new(engine);
    let mut relais = Process::start(&database, None);
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let senders = burst(&relais, &acknowledged);
    wait::until("enough orders are acknowledged", || {
        (acknowledged.lock().unwrap().len() >= BEFORE_THE_END).then_some(())
    });
    relais.kill();
    for sender in senders {
        sender.join().expect("the sender saw its connection break");
    }
    relais.restart();

    let acknowledged = acknowledged.lock().unwrap().clone();
    let listed = listed(&relais);
    for accession in &acknowledged {
        assert_eq!(listed.get(accession), Some(&1), "{accession}");
    }
    // At most one order per connection was stored and not yet acknowledged.
    assert!(listed.len() <= acknowledged.len() + SENDERS as usize);
    assert!(listed.values().all(|n| *n == 1));

    // The senders' rule is to send again what was not acknowledged: nothing may come twice.
    let mut sender = Sender::connect(relais.mllp);
    let last = u32::try_from(acknowledged.len()).expect("a small number") + SENDERS;
    for n in 1..=last {
        accepted(&sender.send(&Story::of(n).order("NW", "20260602080000")));
    }
    let listed = self::listed(&relais);
    assert_eq!(listed.len(), last as usize);
    assert!(listed.values().all(|n| *n == 1));
}

#[test]
fn every_acknowledged_order_survives_kill_9_on_sqlite_and_none_is_there_twice() {
    nothing_is_lost(Engine::Sqlite);
}

#[test]
fn every_acknowledged_order_survives_kill_9_on_postgres_and_none_is_there_twice() {
    nothing_is_lost(Engine::Postgres);
}

#[test]
fn a_terminated_process_answers_what_it_took_and_ends_well() {
    let database = Database::new(Engine::Sqlite);
    let mut relais = Process::start(&database, None);
    let mut senders: Vec<Sender> = (0..SENDERS).map(|_| Sender::connect(relais.mllp)).collect();
    for (at, sender) in (0_u32..).zip(&mut senders) {
        for n in 0..IN_FLIGHT {
            let story = Story::of(at * IN_FLIGHT + n + 1);
            sender.write(&frame(&story.order("NW", "20260602080000")));
        }
    }
    // One answer says that the work has begun; nothing else is read before the process has ended.
    let first = senders[0].ack().expect("an acknowledgement");
    accepted(&first);
    let status = relais.terminate();
    assert!(status.success(), "{status}");

    let mut answered = 1;
    let mut next = vec![0; SENDERS as usize];
    next[0] = 1;
    for (at, sender) in senders.iter_mut().enumerate() {
        while let Some(ack) = sender.ack() {
            accepted(&ack);
            let story = u32::try_from(at).unwrap() * IN_FLIGHT + next[at] + 1;
            assert_eq!(ack.control_id(), format!("NW{story}"));
            next[at] += 1;
            answered += 1;
        }
    }
    assert!(
        answered < SENDERS * IN_FLIGHT,
        "the signal came when all was done: it proved nothing"
    );

    // What was stored was answered, what was answered was stored: on each connection the frames up to the last answer.
    relais.restart();
    let expected: BTreeMap<String, usize> = (0_u32..)
        .zip(&next)
        .flat_map(|(at, end)| (0..*end).map(move |n| Story::of(at * IN_FLIGHT + n + 1)))
        .map(|story| (story.accession(), 1))
        .collect();
    assert_eq!(listed(&relais), expected);
}
