//! Integration tests: the whole product over real sockets, every test on SQLite and on PostgreSQL.
//!
//! A runner of our own (`harness = false`), so that the two engines are counted and the line
//! `it: N on sqlite, N on postgres` says that none was left out. `cargo test --test it -- NAME` runs the tests whose name
//! contains NAME.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;

mod acks;
mod api;
mod api_corrections;
mod app;
mod backup;
mod charsets;
mod corrections;
mod devices;
mod exams;
mod intake;
mod mappings;
mod private;
mod publish;
mod quirks;
mod retention;
mod shipped;
mod sites;
mod upgrade;
mod watch;
mod worklist;

use app::TestApp;
use harness::{
    database::{self, Engine},
    scanner::runtime,
};
use relais::store::Store;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Instant,
};

/// A test: a sentence and what it plays.
pub type Test = (&'static str, fn(&TestApp));

/// Every test of the binary; a new file adds its list here.
const TESTS: &[&[Test]] = &[
    acks::TESTS,
    charsets::TESTS,
    intake::TESTS,
    worklist::TESTS,
    devices::TESTS,
    exams::TESTS,
    publish::TESTS,
    corrections::TESTS,
    quirks::TESTS,
    retention::TESTS,
    backup::TESTS,
    private::TESTS,
    upgrade::TESTS,
    watch::TESTS,
    api::TESTS,
    api_corrections::TESTS,
    mappings::TESTS,
    shipped::TESTS,
    sites::TESTS,
];

/// Tests at the same time: each has a process and a database of its own.
const WORKERS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<Test> = TESTS
        .concat()
        .into_iter()
        .filter(|(name, _)| selected(name, &arguments))
        .collect();
    if arguments.iter().any(|a| a == "--list") {
        for (name, _) in &wanted {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    database::set_template(|url| {
        runtime().block_on(async {
            let store = Store::open(url).await.unwrap();
            store.migrate().await.unwrap();
            store.close().await;
        });
    });
    let queue: Mutex<VecDeque<(Engine, Test)>> = Mutex::new(
        wanted
            .iter()
            .flat_map(|test| Engine::ALL.map(|engine| (engine, *test)))
            .collect(),
    );
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((engine, test)) = next(&queue) {
                    let passed = run(engine, test);
                    results.lock().unwrap().push((engine, test.0, passed));
                }
            });
        }
    });
    database::drop_template();
    report(&results.into_inner().unwrap())
}

fn next(queue: &Mutex<VecDeque<(Engine, Test)>>) -> Option<(Engine, Test)> {
    queue.lock().unwrap().pop_front()
}

/// Arguments that are no options are parts of names; none means all.
fn selected(name: &str, arguments: &[String]) -> bool {
    let mut parts = arguments.iter().filter(|a| !a.starts_with("--")).peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(part.as_str()))
}

fn run(engine: Engine, (name, test): Test) -> bool {
    let start = Instant::now();
    let passed = catch_unwind(AssertUnwindSafe(|| test(&TestApp::start(engine)))).is_ok();
    println!(
        "test {engine}: {name} ... {} ({:.1} s)",
        if passed { "ok" } else { "FAILED" },
        start.elapsed().as_secs_f32()
    );
    passed
}

/// Counts the tests that passed, by engine: a test that failed on one engine makes the counts differ.
fn report(results: &[(Engine, &str, bool)]) -> ExitCode {
    let [sqlite, postgres] = Engine::ALL.map(|engine| {
        results
            .iter()
            .filter(|(e, _, passed)| *e == engine && *passed)
            .count()
    });
    let failed: Vec<_> = results.iter().filter(|(.., passed)| !passed).collect();
    for (engine, name, _) in &failed {
        println!("failed on {engine}: {name}");
    }
    println!("it: {sqlite} on sqlite, {postgres} on postgres");
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
