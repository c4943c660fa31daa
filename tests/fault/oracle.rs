//! The oracle: what the peers were promised, held against what the database and the receiver have.

use crate::{
    harness::{
        database::Database,
        endpoint::Endpoint,
        messages::Story,
        process::Process,
        scanner::{Pps, Scanner, runtime},
        wait,
    },
    load::{Ledger, is_performed},
};
use relais::store::{LeaveOut, OutboxFilter, Store};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    time::Duration,
};

/// How long until the outbox is shorter by one, leases of dead workers included. How long it takes to empty is the machine's affair.
const STEP: Duration = Duration::from_secs(120);
/// Tables that say nothing about messages applied.
const REST: LeaveOut = LeaveOut {
    tables: &[
        "journal",
        "journal_body",
        "document",
        "patient",
        "report",
        "link",
        "worklist_item",
        "worklist_slot",
        "outbox",
        "attempt",
        "query_log",
        "mapping_revision",
        "node",
    ],
    columns: &["exam.doc", "performed.doc", "exam_event.payload"],
};

/// What was found, in messages: an order counts one, a performed exam two more (N-CREATE, N-SET).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub acknowledged: usize,
    pub in_database: usize,
    pub at_receiver: usize,
    pub twice: usize,
}

/// Waits until nothing waits to be published, then counts. Fails if something acknowledged is missing or anything is there twice.
pub fn judge(
    relais: &Process,
    database: &Database,
    endpoint: &Endpoint,
    (ledger, sent): &(Ledger, u32),
) -> Found {
    let rows = drained_rows(database);
    let wanted = Wanted::of(*sent);
    let (in_database, again) = wanted.count(&database_counts(&rows));
    let (at_receiver, also_again) = wanted.count(&receiver_counts(endpoint));
    let found = Found {
        acknowledged: ledger.acknowledged(),
        in_database,
        at_receiver,
        twice: again.len() + also_again.len(),
    };
    let missing = |what: &str, promised: &BTreeSet<u32>, counts: &BTreeMap<String, usize>| {
        let lost: Vec<String> = promised
            .iter()
            .map(|n| format!("{what} {n}"))
            .filter(|key| !counts.contains_key(key))
            .collect();
        assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
    };
    for counts in [database_counts(&rows), receiver_counts(endpoint)] {
        missing("order", &ledger.orders, &counts);
        missing("created", &ledger.created, &counts);
        missing("completed", &ledger.completed, &counts);
    }
    assert_eq!(again, Vec::<String>::new(), "twice in the database");
    assert_eq!(also_again, Vec::<String>::new(), "twice at the receiver");
    // Everything was sent until it was acknowledged, so all of it is there.
    assert_eq!(found.in_database, wanted.0.len());
    assert_eq!(found.at_receiver, wanted.0.len());
    listed_once(relais, *sent);
    found
}

/// `order 3`, `created 4`, `completed 4` ... of everything that was sent.
struct Wanted(BTreeSet<String>);

impl Wanted {
    fn of(sent: u32) -> Self {
        let mut wanted = BTreeSet::new();
        for n in 1..=sent {
            wanted.insert(format!("order {n}"));
            if is_performed(n) {
                wanted.insert(format!("created {n}"));
                wanted.insert(format!("completed {n}"));
            }
        }
        Self(wanted)
    }

    /// How many of them are there, and what is there more than once or was never sent.
    fn count(&self, counts: &BTreeMap<String, usize>) -> (usize, Vec<String>) {
        let there = self.0.iter().filter(|k| counts.contains_key(*k)).count();
        let again = counts
            .iter()
            .filter(|(key, n)| **n > 1 || !self.0.contains(*key))
            .map(|(key, n)| format!("{key}: {n}"))
            .collect();
        (there, again)
    }
}

/// The rows of the store, once the outbox is empty.
fn drained_rows(database: &Database) -> String {
    let store = runtime().block_on(Store::open(&database.url)).unwrap();
    let undelivered = OutboxFilter {
        undelivered: true,
        ..OutboxFilter::default()
    };
    let mut left = usize::MAX;
    while left > 0 {
        left = wait::within(STEP, "another publication", || {
            let rows = runtime().block_on(store.outbox(&undelivered, u32::MAX));
            let rows = rows.unwrap();
            if let Some(held) = rows.iter().find(|row| row.state == "held") {
                panic!("held: {held:?}");
            }
            (rows.len() < left).then_some(rows.len())
        });
    }
    let rows = runtime().block_on(store.dump(&REST)).unwrap();
    runtime().block_on(store.close());
    rows
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let at = format!(" {name}=");
    line.split_once(&at)
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or_else(|| panic!("no {name} in {line}"))
        .trim_matches('"')
}

fn count(counts: &mut BTreeMap<String, usize>, what: &str, n: impl std::fmt::Display) {
    *counts.entry(format!("{what} {n}")).or_default() += 1;
}

fn database_counts(rows: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    // One exam by its order's number: a second exam, or an order applied a second time, is one too many.
    let (mut exams, mut steps) = (BTreeMap::new(), BTreeMap::new());
    for line in rows.lines() {
        let (table, _) = line.split_once(' ').unwrap_or((line, ""));
        match table {
            "exam_key" if field(line, "kind") == "placer" => {
                let n = field(line, "value").trim_start_matches('P');
                exams.insert(field(line, "exam_id"), n);
                count(&mut counts, "order", n);
            }
            "performed" => {
                let uid = field(line, "uid");
                let n = uid.rsplit('.').next().unwrap_or(uid);
                steps.insert(field(line, "id"), n);
                count(&mut counts, "created", n);
                if field(line, "status") == "completed" {
                    count(&mut counts, "completed", n);
                }
            }
            _ => {}
        }
    }
    let mut events = BTreeMap::new();
    for line in rows.lines().filter(|l| l.starts_with("exam_event ")) {
        let (of, what) = match field(line, "kind") {
            "order.placed" => (exams.get(field(line, "exam_id")), "order"),
            "pps.created" => (steps.get(field(line, "subject_id")), "created"),
            "pps.set" => (steps.get(field(line, "subject_id")), "completed"),
            _ => continue,
        };
        count(&mut events, what, of.unwrap_or(&"unknown"));
    }
    for (key, n) in events {
        let counted = counts.entry(key).or_default();
        *counted = n.max(*counted);
    }
    counts
}

fn receiver_counts(endpoint: &Endpoint) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let resources = endpoint.all();
    let number = |resource: &Value, prefix: &str| {
        let text = resource["identifier"].to_string();
        let (_, rest) = text.split_once(prefix)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let mut patients = BTreeMap::new();
    for resource in &resources {
        match resource["resourceType"].as_str() {
            Some("ServiceRequest") => {
                let n = number(resource, "\"DEMO").unwrap_or_default();
                count(&mut counts, "order", n);
            }
            Some("ImagingStudy") => {
                let n = number(resource, "1.2.250.1.999.1.77.").unwrap_or_default();
                count(&mut counts, "created", n);
                if resource["status"] == "available" {
                    count(&mut counts, "completed", n);
                }
            }
            Some("Patient") => {
                let n = number(resource, "\"8").unwrap_or_default();
                count(&mut patients, "order", n);
            }
            _ => {}
        }
    }
    // An order without its patient is not there; a patient twice is the order twice.
    counts.retain(|key, n| {
        let patient = patients.get(key).copied().unwrap_or_default();
        if key.starts_with("order ") {
            *n = patient.max(*n);
        }
        !key.starts_with("order ") || patient > 0
    });
    counts
}

/// Accession number -> how often a scanner sees it on the whole list.
pub fn listed(relais: &Process) -> BTreeMap<String, usize> {
    let scanner = Scanner {
        peer: relais.dicom,
        ae: Story::of(1).station.to_owned(),
    };
    let mut listed = BTreeMap::new();
    for item in scanner.worklist(&[]) {
        let accession = item.text("AccessionNumber").unwrap_or_default();
        *listed.entry(accession.to_owned()).or_default() += 1;
    }
    listed
}

/// A scanner sees each order that nobody performed once, and none that was.
fn listed_once(relais: &Process, sent: u32) {
    let expected: BTreeMap<String, usize> = (1..=sent)
        .filter(|n| !is_performed(*n))
        .map(|n| (Pps::of(&Story::of(n)).accession, 1))
        .collect();
    assert_eq!(listed(relais), expected);
}

/// Prints a line past the capture of the test runner: the figures are a result, not a debugging aid.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
