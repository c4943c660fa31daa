//! Order of arrival: a day's messages, delayed, interleaved and sent again, end in the state of the order in which they were said.
//!
//! The pure form plays a day on a [`World`] with the worklist rows that follow from it: a million days by `make soak`. The door's form
//! plays it through the one door on SQLite, batches and loading included: what was not loaded cannot be decided on. `day` makes the
//! days, `exception` is the reference with its named exceptions, `picture` is what is compared, `coverage` what the days contained.

mod coverage;
mod day;
mod exception;
mod known;
mod picture;
mod through_the_door;

use crate::domain::ids::{JournalId, Mint};
use crate::domain::policy::Policy;
use crate::domain::reason::Reason;
use crate::domain::time::{AsOf, Instant};
use crate::domain::world::{Cx, World};
use coverage::Coverage;
use day::{Copy, Day, Genes, days};
use exception::{Exception, reaching, reference};
use jiff::tz::TimeZone;
use picture::picture;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use std::collections::BTreeSet;

/// 2026-06-02T06:00:00Z: minute 0 of the day.
const DAWN: i64 = 1_780_380_000_000_000;
const MINUTE: i64 = 60_000_000;

struct Counter(i64);

impl Mint for Counter {
    fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }
}

/// Age of a copy's statements: its own time; a scanner's is that of its arrival.
fn as_of(day: &Day, copy: Copy, journal: JournalId) -> AsOf {
    let said = &day.said[copy.said];
    let at = match said.voice {
        day::Voice::Scanner(_) => copy.slot,
        _ => said.at,
    };
    AsOf {
        at: Instant(DAWN + at * MINUTE),
        role: said.role(),
        journal,
    }
}

/// What becomes of a day when its messages come in this order: the world, and which messages were refused, at least for some steps.
fn play(day: &Day, order: &[Copy]) -> (World, Vec<(usize, Reason)>) {
    let mut world = World::default();
    let mut ids = Counter(1 << 40);
    let mut refused = vec![];
    for (i, copy) in order.iter().enumerate() {
        let journal = JournalId(i as i64 + 1);
        let mut cx = Cx {
            now: Instant(DAWN + (200 + i as i64) * MINUTE),
            as_of: as_of(day, *copy, journal),
            journal,
            zone: &TimeZone::UTC,
            oid_root: "1.2.250.1.999.1",
            policy: Policy::default(),
            ids: &mut ids,
        };
        match world.apply(&day.said[copy.said].commands, &mut cx) {
            Err(refusal) => refused.push((copy.said, refusal.reason)),
            Ok(events) if events.iter().any(|e| e.name() == "order.partly_refused") => {
                refused.push((copy.said, Reason::OrderFinal));
            }
            Ok(_) => {}
        }
    }
    (world, refused)
}

/// Reasons that depend on what is known: the only ones that may make a difference ([`Exception::JudgedOnArrival`]).
const JUDGED: [Reason; 5] = [
    Reason::OrderFinal,
    Reason::OrderStarted,
    Reason::OrderConflict,
    Reason::PatientConflict,
    Reason::MppsFinal,
];

/// A day of which both orders accept everything but what a scanner sends in vain, with the exceptions that it took.
struct Fair {
    day: Day,
    arrived: World,
    reference: Vec<Copy>,
    exceptions: BTreeSet<Exception>,
    left_out: usize,
}

/// Performed steps whose scanner named another step than the one that they are linked to ([`Exception::SoleStepOnArrival`]).
fn guessed(world: &World) -> impl Iterator<Item = String> {
    let performed = world.performed.values().map(|d| &d.doc);
    let guessed = performed.filter(|p| {
        p.links.iter().any(|link| {
            let named = p
                .scheduled
                .get(link.item)
                .and_then(|item| item.text("step_id"));
            let exam = world.exams.get(&link.exam).map(|d| &d.doc);
            let stated = exam
                .and_then(|e| e.step(link.step))
                .and_then(|s| s.stated_id());
            named.is_some() && stated.is_some() && named != stated
        })
    });
    guessed.map(|p| p.uid.clone())
}

/// Takes messages away that one of the orders refuses, until none does: what remains was accepted whatever the order.
fn fair(day: &Day) -> Result<Fair, TestCaseError> {
    let scanner = |said: usize| matches!(day.said[said].voice, day::Voice::Scanner(_));
    let (mut gone, mut used) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let day = day.without(&gone);
        let (order, mut exceptions) = reference(&day);
        let (arrived, first) = play(&day, &reaching(&day));
        let (expected, second) = play(&day, &order);
        let guessed: BTreeSet<String> = guessed(&arrived).chain(guessed(&expected)).collect();
        if !guessed.is_empty() {
            used.insert(Exception::SoleStepOnArrival);
            let said = day.said.iter().enumerate();
            gone.extend(
                said.filter(
                    |(_, s)| matches!(&s.voice, day::Voice::Scanner(uid) if guessed.contains(uid)),
                )
                .map(|(i, _)| i),
            );
            continue;
        }
        let judged = first
            .into_iter()
            .chain(second)
            .filter(|(said, _)| !scanner(*said));
        let judged: Vec<(usize, Reason)> = judged.collect();
        if let Some((said, reason)) = judged.iter().find(|(_, r)| !JUDGED.contains(r)) {
            let message = format!("{:?} is refused: {reason}", day.said[*said]);
            return Err(TestCaseError::fail(message));
        }
        if judged.is_empty() {
            exceptions.extend(used);
            let left_out = gone.len();
            return Ok(Fair {
                day,
                arrived,
                reference: order,
                exceptions,
                left_out,
            });
        }
        used.insert(Exception::JudgedOnArrival);
        gone.extend(judged.into_iter().map(|(said, _)| said));
    }
}

/// The first lines that one picture has and the other has not.
fn difference(arrived: &[String], reference: &[String]) -> Option<String> {
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).cloned().collect()
    };
    (arrived != reference).then(|| {
        format!(
            "only as it arrived:\n  {}\nonly as it was said:\n  {}",
            only(arrived, reference).join("\n  "),
            only(reference, arrived).join("\n  ")
        )
    })
}

fn told(day: &Day, order: &[Copy]) -> String {
    let line = |c: &Copy| {
        let said = &day.said[c.said];
        let commands: Vec<String> = said.commands.iter().map(coverage::in_words).collect();
        format!(
            "  {:>3} said {:>3} {}: {}",
            c.slot,
            said.at,
            said.kind,
            commands.join(" AND ")
        )
    };
    order.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One day: its arrival ends where its reference ends.
fn check(genes: &Genes) -> Result<Fair, TestCaseError> {
    let fair = fair(&Day::of(genes))?;
    let (expected, _) = play(&fair.day, &fair.reference);
    match difference(&picture(&fair.arrived), &picture(&expected)) {
        None => Ok(fair),
        Some(difference) => Err(TestCaseError::fail(format!(
            "{difference}\narrived:\n{}\nreference:\n{}\n{genes:?}",
            told(&fair.day, &reaching(&fair.day)),
            told(&fair.day, &fair.reference),
        ))),
    }
}

/// What is found is written down in `known`, not in files.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// PROPTEST_CASES days, 256 without it; prints what they contained, and fails if a feature is rare.
#[test]
fn messages_that_differ_only_in_arrival_end_in_the_same_state() {
    let coverage = std::cell::RefCell::new(Coverage::default());
    let mut runner = TestRunner::new(config());
    let result = runner.run(&days(), |genes| {
        let fair = check(&genes)?;
        coverage.borrow_mut().add(&fair);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    coverage.into_inner().report();
}

#[test]
fn days_that_once_ended_apart_end_together() {
    for (name, genes) in known::days() {
        if let Err(failure) = check(&genes) {
            panic!("{name}: {failure}");
        }
    }
}

#[test]
fn every_exception_is_explained_in_the_life_of_an_exam() {
    let page = include_str!("../../../docs/life-of-an-exam.md");
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for exception in Exception::ALL {
        assert!(page.contains(&format!("`{exception:?}`")), "{exception:?}");
        assert!(
            page.contains(exception.rule()),
            "{exception:?}: {}",
            exception.rule()
        );
    }
}
