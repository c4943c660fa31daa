//! SIGTERM during a burst of orders.

use crate::{
    harness::{
        database::{Database, Engine},
        messages::Story,
        mllp::{Sender, accepted, frame},
        process::Process,
    },
    oracle::listed,
};
use std::collections::BTreeMap;

/// Senders at the same time.
const SENDERS: u32 = 8;
/// Orders that each sender sends without reading an answer, before the process is asked to end.
const IN_FLIGHT: u32 = 50;

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
