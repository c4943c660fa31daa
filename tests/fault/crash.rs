//! The process dies at every named point, and from outside, under load: the matrix of promise H1.

use crate::{
    harness::{
        database::{Database, Engine},
        effort::pick,
        endpoint::Endpoint,
        process::Process,
        wait,
    },
    load::Load,
    oracle::{Found, judge, print},
};
use relais::fault::{Point, VARIABLE};
use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

/// How long a life may last until its point is reached.
const LIFE: Duration = Duration::from_secs(60);
/// SIGABRT, what a point ends the process with, and SIGKILL.
const ABORTED: i32 = 6;
const KILLED: i32 = 9;

/// Where the process is killed.
#[derive(Debug, Clone, Copy)]
enum Where {
    At(Point),
    /// From outside, after some acknowledgements.
    Anywhere,
}

impl Where {
    fn name(self) -> &'static str {
        match self {
            Self::At(point) => point.name(),
            Self::Anywhere => "anywhere",
        }
    }
}

/// One life: started, loaded, killed. How long it took until it was ready, if it lived to be.
fn live(relais: &mut Process, load: &Load, place: Where) -> Option<Duration> {
    // Orders that come with each life, at least.
    let orders = pick(8, 16);
    let started = Instant::now();
    let promised = load.ledger(|l| l.acknowledged());
    load.allow(orders);
    // More only as long as they may be needed to reach the point: what is not published piles up from life to life.
    let mut more = orders;
    let mut ready = None;
    let status = wait::within(LIFE, &format!("it dies at {}", place.name()), || {
        if let Some(status) = relais.ended() {
            return Some(status);
        }
        if ready.is_none() && relais.is_ready() {
            ready = Some(started.elapsed());
        }
        if matches!(place, Where::Anywhere)
            && load.ledger(|l| l.acknowledged()) > promised + orders as usize / 2
        {
            relais.kill();
        } else if more > 0 && load.is_idle() {
            load.allow(1);
            more -= 1;
        }
        None
    });
    let signal = match place {
        Where::At(_) => ABORTED,
        Where::Anywhere => KILLED,
    };
    assert_eq!(status.signal(), Some(signal), "{status}\n{}", relais.log());
    ready
}

/// Some kills at one place; what was found, and the slowest start.
fn killed(engine: Engine, place: Where, kills: u64) -> (Found, Duration) {
    let armed = |kill: u64| match place {
        // Not always the first: batches, connections and rows in flight then differ from life to life.
        Where::At(point) => vec![(VARIABLE, format!("{}:{}", point.name(), 1 + kill * 3 % 7))],
        Where::Anywhere => vec![],
    };
    let database = Database::new(engine);
    let endpoint = Endpoint::start();
    let mut relais = Process::spawn(&database, Some(&endpoint.url), armed(0));
    let load = Load::on(&relais);
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        if kill > 0 {
            relais.respawn(armed(kill));
        }
        // The first life also makes the schema.
        let ready = live(&mut relais, &load, place).filter(|_| kill > 0);
        slowest = slowest.max(ready.unwrap_or_default());
    }
    relais.respawn(vec![]);
    let started = Instant::now();
    wait::until("it is ready again", || relais.is_ready().then_some(()));
    slowest = slowest.max(started.elapsed());
    let promised = load.finish();
    (judge(&relais, &database, &endpoint, &promised), slowest)
}

fn every_place(engine: Engine) {
    if !cfg!(feature = "fault") {
        panic!("the process has no points to die at: cargo test --features fault");
    }
    let kills = pick(2, 20);
    let places = Point::ALL.map(Where::At).into_iter();
    // Line by line as it comes: the large form takes long.
    print(
        "| database | killed at | kills | acknowledged | found there | found at the receiver | twice | slowest start |\n|---|---|---|---|---|---|---|---|",
    );
    for place in places.chain([Where::Anywhere]) {
        let (found, start) = killed(engine, place, kills);
        print(&format!(
            "| {engine} | {} | {kills} | {} | {} | {} | {} | {} ms |",
            place.name(),
            found.acknowledged,
            found.in_database,
            found.at_receiver,
            found.twice,
            start.as_millis()
        ));
    }
}

#[test]
fn h01_what_was_acknowledged_survives_kills_at_every_point_and_takes_effect_once_on_sqlite() {
    every_place(Engine::Sqlite);
}

#[test]
fn h01_what_was_acknowledged_survives_kills_at_every_point_and_takes_effect_once_on_postgres() {
    every_place(Engine::Postgres);
}
