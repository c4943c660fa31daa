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

use crate::domain::command::Command;
use crate::domain::exam::StepStatus;
use crate::domain::ids::{JournalId, Mint};
use crate::domain::policy::MissingStudyUid;
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
use std::collections::{BTreeMap, BTreeSet};

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

/// What became of a day.
#[derive(Default)]
struct Played {
    world: World,
    /// Messages that were refused, at least for some steps, or came too late, as the site's policy flags.
    refused: Vec<(usize, Reason)>,
    /// How the copies of each message were taken: true = for the end of the order, though it names some steps.
    whole: BTreeMap<usize, BTreeSet<bool>>,
    /// The steps that each A10 found to be due.
    due: BTreeMap<usize, BTreeSet<String>>,
}

/// What becomes of a day when its messages come in this order.
fn play(day: &Day, order: &[Copy]) -> Played {
    let mut played = Played::default();
    let mut ids = Counter(1 << 40);
    for (i, copy) in order.iter().enumerate() {
        let journal = JournalId(i as i64 + 1);
        let mut cx = Cx {
            now: Instant(DAWN + (200 + i as i64) * MINUTE),
            as_of: as_of(day, *copy, journal),
            journal,
            zone: &TimeZone::UTC,
            oid_root: "1.2.250.1.999.1",
            policy: day.policy,
            ids: &mut ids,
        };
        let said = &day.said[copy.said];
        let before = (said.kind == "arrive").then(|| arrived_steps(&played.world));
        let judged = ["order.partly_refused", "order.cancel_too_late"];
        match played.world.apply(&said.commands, &mut cx) {
            Err(refusal) => played.refused.push((copy.said, refusal.reason)),
            Ok(events) if events.iter().any(|e| judged.contains(&e.name())) => {
                played.refused.push((copy.said, Reason::OrderFinal));
            }
            Ok(_) => {
                let whole = ends_unplaced(day, &played.world, &said.commands);
                played.whole.entry(copy.said).or_default().insert(whole);
            }
        }
        if let Some(before) = before {
            let after = arrived_steps(&played.world);
            let due = after.into_iter().filter(|step| !before.contains(step));
            played.due.entry(copy.said).or_default().extend(due);
        }
    }
    played
}

/// True if a message names steps of an order that has none yet, because the site refuses orders without study UID.
fn ends_unplaced(day: &Day, world: &World, commands: &[Command]) -> bool {
    let unplaced = |number: Option<&str>| {
        let mut exams = world.exams.values().map(|d| &d.doc);
        exams.any(|e| e.steps.is_empty() && e.order.text("placer_number") == number)
    };
    let mut records = commands.iter().map(Command::record);
    day.policy.missing_study_uid == MissingStudyUid::Reject
        && records.any(|r| {
            let mut named = r.list("step").iter();
            let names = named.any(|s| s.first("step", "id").is_some());
            names && unplaced(r.section("order").text("placer_number"))
        })
}

/// The steps of which RIS and HIS say that the patient is there, by their exam's placer number.
fn arrived_steps(world: &World) -> BTreeSet<String> {
    let exams = world.exams.values().map(|d| &d.doc);
    let steps = exams.flat_map(|exam| {
        let number = exam.order.text("placer_number").unwrap_or("");
        let arrived = exam.steps.iter().enumerate();
        let arrived = arrived.filter(|(_, s)| s.wish().value == StepStatus::Arrived);
        arrived.map(move |(i, s)| {
            let id = s.stated_id().map_or_else(|| i.to_string(), str::to_owned);
            format!("{number} {id}")
        })
    });
    steps.collect()
}

/// Reasons that depend on what is known: the only ones that may make a difference ([`Exception::JudgedOnArrival`]).
const JUDGED: [Reason; 7] = [
    Reason::OrderUnknown,
    Reason::FieldMissing,
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

/// Takes messages away that one of the orders refuses, or lets mean something else, until none does: what remains was accepted whatever
/// the order.
fn fair(day: &Day) -> Result<Fair, TestCaseError> {
    let (mut gone, mut used) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let day = day.without(&gone);
        let (order, mut exceptions) = reference(&day);
        let arrived = play(&day, &reaching(&day));
        let expected = play(&day, &order);
        let Some((exception, out)) = unfair(&day, &arrived, &expected)? else {
            exceptions.extend(used);
            let left_out = gone.len();
            return Ok(Fair {
                day,
                arrived: arrived.world,
                reference: order,
                exceptions,
                left_out,
            });
        };
        used.insert(exception);
        gone.extend(out);
    }
}

/// The messages that must be left out because the two orders take them differently, and the exception that says so.
fn unfair(
    day: &Day,
    arrived: &Played,
    expected: &Played,
) -> Result<Option<(Exception, Vec<usize>)>, TestCaseError> {
    let guessed: BTreeSet<String> = guessed(&arrived.world)
        .chain(guessed(&expected.world))
        .collect();
    if !guessed.is_empty() {
        let said = day.said.iter().enumerate();
        let of_guessed = said
            .filter(|(_, s)| matches!(&s.voice, day::Voice::Scanner(uid) if guessed.contains(uid)));
        let out = of_guessed.map(|(i, _)| i).collect();
        return Ok(Some((Exception::SoleStepOnArrival, out)));
    }
    let scanner = |said: usize| matches!(day.said[said].voice, day::Voice::Scanner(_));
    let judged = arrived.refused.iter().chain(&expected.refused);
    let judged: Vec<_> = judged.filter(|(said, _)| !scanner(*said)).collect();
    if let Some((said, reason)) = judged.iter().find(|(_, r)| !JUDGED.contains(r)) {
        let message = format!("{:?} is refused: {reason}", day.said[*said]);
        return Err(TestCaseError::fail(message));
    }
    if !judged.is_empty() {
        let out = judged.into_iter().map(|(said, _)| *said).collect();
        return Ok(Some((Exception::JudgedOnArrival, out)));
    }
    let whole = differing(&arrived.whole, &expected.whole);
    if !whole.is_empty() {
        return Ok(Some((Exception::WholeWithoutStudy, whole)));
    }
    let out = differing(&arrived.due, &expected.due);
    Ok((!out.is_empty()).then_some((Exception::DueOnArrival, out)))
}

/// The messages of which the two orders tell something else.
fn differing<T: PartialEq>(
    arrived: &BTreeMap<usize, T>,
    expected: &BTreeMap<usize, T>,
) -> Vec<usize> {
    let both: BTreeSet<&usize> = arrived.keys().chain(expected.keys()).collect();
    let differs = both
        .into_iter()
        .filter(|said| arrived.get(said) != expected.get(said));
    differs.copied().collect()
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
    let expected = play(&fair.day, &fair.reference).world;
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
    for (name, feature, genes) in known::days() {
        let fair = check(&genes).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(fair.left_out, 0, "{name}: a message was refused");
        assert!(coverage::has(&fair, feature), "{name}: without {feature}");
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
