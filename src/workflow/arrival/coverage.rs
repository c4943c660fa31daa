//! What the generated days contained: a property that never meets its subject proves nothing.

use super::day::{Said, Voice};
use super::exception::{Exception, reaching};
use super::{Copy, Fair};
use crate::domain::command::{Command, Record};
use crate::domain::exam::StepStatus;
use crate::domain::policy::{
    CancelAfterStart, DiscontinuedWithoutImages, DuplicateMpps, MissingStudyUid, MppsConformance,
    UnknownOrder,
};
use crate::domain::time::Role;
use crate::domain::value::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A feature of less than this share of the days fails the test, in percent.
const LEAST: usize = 5;

/// Most days that may have lost a message to [`Exception::JudgedOnArrival`], in percent.
const MOST_JUDGED: usize = 60;

/// How many days had each feature.
#[derive(Debug, Default)]
pub struct Coverage {
    days: usize,
    messages: usize,
    left_out: usize,
    features: BTreeMap<&'static str, usize>,
    exceptions: BTreeMap<Exception, usize>,
}

impl Coverage {
    /// Counts a day.
    pub fn add(&mut self, fair: &Fair) {
        self.days += 1;
        self.messages += fair.day.arrivals.len();
        self.left_out += fair.left_out;
        for (name, has) in features(fair) {
            *self.features.entry(name).or_default() += usize::from(has);
        }
        for exception in &fair.exceptions {
            *self.exceptions.entry(*exception).or_default() += 1;
        }
    }

    /// Prints everything, and fails if something is rare.
    pub fn report(self) {
        let percent = |n: usize| n * 100 / self.days.max(1);
        println!(
            "{} days, {} messages on arrival, {} left out by JudgedOnArrival",
            self.days, self.messages, self.left_out
        );
        for (name, n) in &self.features {
            println!("{:>3} % {name}", percent(*n));
        }
        for (exception, n) in &self.exceptions {
            println!("{:>3} % needed {exception:?}", percent(*n));
        }
        let rare = self.features.iter().filter(|(_, n)| self.is_rare(**n));
        let rare: Vec<&str> = rare.map(|(name, _)| *name).collect();
        assert!(
            rare.is_empty(),
            "under {LEAST} % of the days have: {}",
            rare.join(", ")
        );
        let judged = self.exceptions.get(&Exception::JudgedOnArrival);
        let judged = percent(judged.copied().unwrap_or(0));
        // A handful of days says nothing about shares.
        assert!(
            judged <= MOST_JUDGED || self.days < 200,
            "{judged} % of the days lost a message"
        );
    }
}

impl Coverage {
    /// True if so few days with a feature, of as many as were played, mean that its share is below [`LEAST`], and not that chance had it
    /// so: three standard deviations are allowed.
    fn is_rare(&self, n: usize) -> bool {
        let expected = self.days * LEAST / 100;
        n + 3 * expected.isqrt() < expected
    }
}

/// True if a day has the feature of that name.
pub fn has(fair: &Fair, feature: &str) -> bool {
    let found = features(fair)
        .into_iter()
        .find(|(name, _)| *name == feature);
    found.unwrap_or_else(|| panic!("no feature {feature}")).1
}

/// Acts on an order, a status that a change states included.
fn is_act(said: &Said) -> bool {
    let stated = |c: &Command| {
        let mut rows = c.record().list("step").iter();
        rows.any(|row| row.first("step", "status").is_some())
    };
    matches!(
        said.kind,
        "cancel" | "discontinue" | "hold" | "release" | "status"
    ) || said.commands.iter().any(stated)
}

fn features(fair: &Fair) -> Vec<(&'static str, bool)> {
    let day = &fair.day;
    let arrived = reaching(day);
    let said = |c: &Copy| &day.said[c.said];
    let of_order = |s: &Said, n: u8| matches!(&s.voice, Voice::Order(of) if of.contains(&n));
    // A copy of the first sort arrives before one of the second that belongs to it.
    let before = |early: &dyn Fn(&Said) -> bool, late: &dyn Fn(&Said, &Said) -> bool| {
        arrived
            .iter()
            .enumerate()
            .any(|(i, a)| early(said(a)) && arrived[i + 1..].iter().any(|b| late(said(a), said(b))))
    };
    let same_order = |a: &Said, b: &Said| match &a.voice {
        Voice::Order(of) => of.iter().any(|n| of_order(b, *n)),
        Voice::Report(n) => of_order(b, *n),
        Voice::Scanner(uid) => {
            (0..4).any(|n| uid.starts_with(&format!("1.9.{n}.")) && of_order(b, n))
        }
        _ => false,
    };
    let before_order = |kind: &'static str| {
        before(&|a| a.kind == kind, &|a, b| {
            b.kind == "new order" && same_order(a, b)
        })
    };
    let is_merge = |s: &Said| matches!(s.voice, Voice::Identity(.., false));
    let is_create = |s: &Said| s.kind.starts_with("n-create");
    let is_set = |s: &Said| s.kind.starts_with("n-set");
    let names = |s: &Said| {
        let mut records = s.commands.iter().map(Command::record);
        records.any(|r| r.first("patient", "name").is_some())
    };
    let same_uid = |a: &Said, b: &Said| a.voice == b.voice;
    let has = |wanted: &dyn Fn(&Said) -> bool| arrived.iter().any(|c| wanted(said(c)));
    let twice = |renamed: bool| {
        let copies = day.arrivals.iter().enumerate();
        copies.clone().any(|(i, c)| {
            c.renamed == renamed && day.arrivals[..i].iter().any(|d| d.said == c.said)
        })
    };
    let performed = || fair.arrived.performed.values().map(|d| &d.doc);
    let steps = || fair.arrived.exams.values().flat_map(|d| &d.doc.steps);
    let reports = || fair.arrived.reports.values().map(|d| &d.doc);
    let patched = |s: &Said, section: &str, name: &str| {
        let said = s.commands.iter().map(Command::record);
        let mut said = said
            .flat_map(|r| [Some(r), r.list("step").first()])
            .flatten();
        said.any(|r: &Record| {
            r.section(section)
                .get(name)
                .is_some_and(|f| f.values.is_empty())
        })
    };
    vec![
        ("a change before its order", before_order("change")),
        ("a cancel before its order", before_order("cancel")),
        (
            "a hold or release before its order",
            before_order("hold") || before_order("release"),
        ),
        ("a report before its order", before_order("report")),
        (
            "an N-CREATE before its order",
            before(&is_create, &|a, b| {
                b.kind == "new order" && same_order(a, b)
            }),
        ),
        (
            "an N-SET before its N-CREATE",
            before(&is_set, &|a, b| is_create(b) && same_uid(a, b)),
        ),
        (
            "a merge before an order of its patient",
            before(&is_merge, &|_, b| of_order(b, 2) || of_order(b, 0)),
        ),
        (
            "a merge after an order of its patient",
            before(&|a| of_order(a, 2) || of_order(a, 0), &|_, b| is_merge(b)),
        ),
        (
            "a change of identifier",
            has(&|s| matches!(s.voice, Voice::Identity(.., true))),
        ),
        (
            "older demographics after newer ones",
            before(&|a| matches!(a.voice, Voice::Demographics(_)), &|a, b| {
                a.voice == b.voice && a.at > b.at
            }),
        ),
        (
            "an older change after a newer one",
            before(&|a| a.kind == "change", &|a, b| {
                b.kind == "change" && same_order(a, b) && a.at > b.at
            }),
        ),
        (
            "a cancel older than its order",
            has(&|s| s.kind == "cancel" && s.at < 0),
        ),
        ("the same message again", twice(false)),
        ("the same message under another control id", twice(true)),
        (
            "an act on an order under another control id",
            day.arrivals.iter().any(|c| c.renamed && is_act(said(c))),
        ),
        (
            "something of the patient administration under another control id",
            day.arrivals.iter().any(|c| c.renamed && said(c).role() == Role::Adt),
        ),
        (
            "an older act after a newer one",
            before(&is_act, &|a, b| is_act(b) && same_order(a, b) && a.at > b.at),
        ),
        (
            "an inverted pair of merges that build on each other",
            before(&|a| a.kind == "merge further", &|_, b| b.kind == "merge"),
        ),
        (
            "such a pair, and then an order that names its patient",
            before(&|a| a.kind == "merge further", &|_, b| b.kind == "merge")
                && before(&is_merge, &|_, b| {
                    (of_order(b, 2) || of_order(b, 0)) && names(b)
                }),
        ),
        (
            "an order after the change of its patient's identifier",
            before(&|a| matches!(a.voice, Voice::Identity(.., true)), &|_, b| {
                of_order(b, 3) && names(b)
            }),
        ),
        (
            "a report on an order of a patient who is merged or renamed",
            has(&|s| matches!(s.voice, Voice::Report(2 | 3))),
        ),
        (
            "a patient with a second identifier",
            has(&|s| {
                let mut records = s.commands.iter().map(Command::record);
                records.any(|r| r.first("patient", "identifiers").is_some())
            }),
        ),
        (
            "an arrival of the patient (A10)",
            has(&|s| s.kind == "arrive"),
        ),
        (
            "an arrival of the patient that made a step arrived",
            steps().any(|s| s.wish().value == StepStatus::Arrived) && has(&|s| s.kind == "arrive"),
        ),
        (
            "a visit cancelled (A11) before an older word on it",
            before(&|a| a.kind == "cancel visit", &|a, b| {
                a.voice == b.voice && a.at > b.at
            }),
        ),
        (
            "a start of a day without time of day",
            steps().any(|s| {
                matches!(s.fields.first("start"), Some(Value::When(when)) if when.time().is_none())
            }),
        ),
        (
            "a site that refuses unknown orders",
            day.policy.unknown_order == UnknownOrder::Refuse,
        ),
        (
            "a site that refuses orders without study UID",
            day.policy.missing_study_uid == MissingStudyUid::Reject,
        ),
        (
            "a site that flags a cancel after the start",
            day.policy.cancel_after_start == CancelAfterStart::Flag,
        ),
        (
            "a site where a discontinued step without images is over",
            day.policy.discontinued_without_images == DiscontinuedWithoutImages::Discontinue,
        ),
        (
            "a site that takes a repeated N-CREATE",
            day.policy.duplicate_mpps == DuplicateMpps::Accept,
        ),
        (
            "a site with strict MPPS",
            day.policy.mpps == MppsConformance::Strict,
        ),
        ("two messages of one time", {
            let mut times: Vec<i64> = arrived.iter().map(|c| said(c).at).collect();
            times.sort_unstable();
            times.windows(2).any(|w| w[0] == w[1])
        }),
        (
            "a field cleared",
            has(&|s| patched(s, "step", "description") || patched(s, "order", "priority")),
        ),
        (
            "two orders in one message",
            has(&|s| s.kind == "two orders"),
        ),
        ("an order replaced", has(&|s| s.kind == "replace")),
        (
            "an order of two steps, one of them named",
            has(&|s| {
                of_order(s, 1)
                    && s.commands
                        .iter()
                        .any(|c| c.record().list("step").len() == 1)
            }),
        ),
        (
            "an appended performed step",
            fair.arrived.exams.values().any(|d| {
                d.doc
                    .steps
                    .iter()
                    .any(|s| d.doc.performed.iter().filter(|r| r.step == s.id).count() > 1)
            }),
        ),
        (
            "a performed step of a group",
            performed().any(|p| p.links.len() > 1),
        ),
        (
            "an unscheduled performed step",
            performed().any(|p| p.links.is_empty() && !p.orphan && !p.mismatch),
        ),
        (
            "a performed step of another patient",
            performed().any(|p| p.mismatch),
        ),
        (
            "a discontinued performed step",
            performed().any(|p| p.status == crate::domain::performed::PpsStatus::Discontinued),
        ),
        (
            "a step that the scanner finished",
            steps().any(|s| s.status.value == StepStatus::Completed && s.wish.is_some()),
        ),
        (
            "a step that was cancelled",
            steps().any(|s| s.status.value == StepStatus::Canceled),
        ),
        ("a step that is held", steps().any(|s| s.held.value)),
        (
            "a report of several versions",
            reports().any(|r| r.versions.len() > 1),
        ),
        (
            "a preliminary report after a later one",
            before(&|a| matches!(a.voice, Voice::Report(_)), &|a, b| {
                a.voice == b.voice && a.at > b.at
            }),
        ),
    ]
}

/// A command in the words in which tests write it.
pub fn in_words(command: &Command) -> String {
    let name = match command {
        Command::Patient(act, _) => format!("{act:?}"),
        Command::Order(act, _) => act.word().to_owned(),
        Command::CreatePerformed { uid, .. } => format!("N-CREATE {uid}"),
        Command::SetPerformed { uid, .. } => format!("N-SET {uid}"),
        Command::Report(_) => "report".to_owned(),
    };
    format!("{name}{}", words(command.record()))
}

fn words(record: &Record) -> String {
    let mut text = String::new();
    for (section, patch) in &record.sections {
        for (name, said) in &patch.0 {
            let values = serde_json::to_string(&said.values).unwrap();
            let _ = write!(text, " {section}.{name}={values}");
        }
    }
    for (section, rows) in &record.lists {
        for row in rows {
            let _ = write!(text, " / {section}{}", words(row));
        }
    }
    text
}
