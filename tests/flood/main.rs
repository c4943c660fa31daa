//! Floods and enemies at the ports: peers that are slow, silent, deaf, garbled, endless or too many.
//!
//! Each test asks the same four questions: are others served meanwhile, does the engine get rid of the enemy, does its memory stay
//! within a bound, and does nothing panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;

mod enemies;
mod http;
mod mllp;
mod soak;

use harness::{
    database::{Database, Engine},
    messages::Story,
    mllp::{Sender, accepted},
    process::Process,
};

/// A running engine whose memory is watched.
pub struct Watched {
    // Dropped first: the process must let go of the database.
    pub relais: Process,
    pub database: Database,
    before: u64,
    next: u32,
}

impl Watched {
    /// Starts `relais serve` on SQLite with these settings, and lets it do a little of everything once.
    pub fn start(settings: &[(&'static str, &str)]) -> Self {
        let database = Database::new(Engine::Sqlite);
        let settings = settings.iter().map(|(n, v)| (*n, (*v).to_owned()));
        let relais = Process::start_with(&database, None, settings.collect());
        let mut watched = Self {
            relais,
            database,
            before: 0,
            next: 1,
        };
        watched.good_senders_are_served(20);
        watched.before = watched.relais.resident_kib();
        watched
    }

    /// A new sender's orders, each acknowledged AA.
    pub fn good_senders_are_served(&mut self, orders: u32) {
        let mut sender = Sender::connect(self.relais.mllp);
        for _ in 0..orders {
            accepted(&sender.send(&Story::of(self.next).order("NW", "20260602080000")));
            self.next += 1;
        }
    }

    /// How much the memory has grown at most, in MiB.
    pub fn grown(&self) -> u64 {
        self.relais.peak_kib().saturating_sub(self.before) >> 10
    }

    /// The end of each test: others are served, memory is bounded, nothing panicked.
    pub fn is_well(&mut self, most_mib: u64) {
        self.good_senders_are_served(5);
        let grown = self.grown();
        assert!(
            grown <= most_mib,
            "memory grew by {grown} MiB, more than {most_mib}"
        );
        let log = self.relais.log();
        assert!(!log.contains("panic"), "{log}");
    }
}
