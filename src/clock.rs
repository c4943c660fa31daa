//! The only place that reads time or mints ids. Everything that decides takes them as arguments, so tests hold them still.

use crate::domain::ids::Mint;
use crate::domain::time::Instant;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where time comes from. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Set by hand (tests, replays): microseconds of UTC.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at` until it is moved.
    pub fn manual(at: Instant) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.0)))
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is clock.rs")]
    pub fn now(&self) -> Instant {
        match self {
            Self::System => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Self::Manual(at) => Instant(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the machine's clock goes by itself.
    pub fn advance(&self, by: std::time::Duration) {
        if let Self::Manual(at) = self {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            at.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// Measures how long something takes; says nothing about the time of day.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> std::time::Duration {
        self.0.elapsed()
    }
}

/// 2025-01-01T00:00:00Z in milliseconds: ids count from here, 41 bits last until 2094.
const EPOCH_MS: i64 = 1_735_689_600_000;
const COUNTER_BITS: u32 = 12;
const NODE_BITS: u32 = 10;
/// Random bits of a lease token.
const TOKEN_BITS: u32 = 63 - NODE_BITS;

/// Mints ids: 41 bits of milliseconds, 10 of node, 12 of counter. Every id is larger than all before it on this node, also when the
/// clock goes back. Clones share the sequence.
#[derive(Debug, Clone)]
pub struct Minter {
    clock: Clock,
    node: i64,
    last: Arc<AtomicI64>,
}

impl Minter {
    /// A minter for a node number (0..1024; higher bits are dropped).
    pub fn new(clock: Clock, node: u16) -> Self {
        Self {
            clock,
            node: i64::from(node) & ((1 << NODE_BITS) - 1),
            last: Arc::new(AtomicI64::new(0)),
        }
    }

    /// A minter of the same node with a sequence of its own, for rows whose ids nothing else names.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self {
            last: Arc::new(AtomicI64::new(self.last.load(Ordering::SeqCst))),
            ..self.clone()
        }
    }

    /// Mints only above `id` from now on (the largest one stored, at start).
    pub fn advance_past(&self, id: i64) {
        self.last.fetch_max(id, Ordering::SeqCst);
    }

    /// The next id.
    pub fn mint(&self) -> i64 {
        let ms = (self.clock.now().0 / 1000 - EPOCH_MS).max(0);
        let fresh = (ms << (NODE_BITS + COUNTER_BITS)) | (self.node << COUNTER_BITS);
        let next = |last: i64| {
            if fresh > last {
                return fresh;
            }
            // Same millisecond, or the clock went back: count on; a full counter borrows the next millisecond.
            let counter = (last & ((1 << COUNTER_BITS) - 1)) + 1;
            let borrowed = (last >> (NODE_BITS + COUNTER_BITS)) + (counter >> COUNTER_BITS);
            let id = (borrowed << (NODE_BITS + COUNTER_BITS))
                | (self.node << COUNTER_BITS)
                | (counter & ((1 << COUNTER_BITS) - 1));
            // An id of a node with a higher number (a restored database) is passed by the next millisecond.
            if id > last {
                id
            } else {
                ((borrowed + 1) << (NODE_BITS + COUNTER_BITS)) | (self.node << COUNTER_BITS)
            }
        };
        let mut last = self.last.load(Ordering::SeqCst);
        loop {
            let id = next(last);
            match self
                .last
                .compare_exchange(last, id, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return id,
                Err(now) => last = now,
            }
        }
    }

    /// A random number for a lease, below the node's number: tells one claim from every other one. Not a secret.
    pub fn token(&self) -> i64 {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_i64(self.mint());
        let random = i64::from_ne_bytes((hasher.finish() >> 1).to_ne_bytes());
        (self.node << TOKEN_BITS) | (random & ((1 << TOKEN_BITS) - 1))
    }
}

/// The smallest id that a node may mint at `at`: what is below was minted before.
pub fn first_id_at(at: Instant) -> i64 {
    (at.0 / 1000 - EPOCH_MS).max(0) << (NODE_BITS + COUNTER_BITS)
}

/// The number of the node that minted an id.
pub fn node_of(id: i64) -> i64 {
    (id >> COUNTER_BITS) & ((1 << NODE_BITS) - 1)
}

/// The smallest id that any node may have minted `ms` milliseconds before this one.
pub fn id_before(id: i64, ms: i64) -> i64 {
    let shift = NODE_BITS + COUNTER_BITS;
    ((id >> shift) - ms).max(0) << shift
}

/// The lease tokens of the node that made this one.
pub fn tokens_of_node(token: i64) -> RangeInclusive<i64> {
    let random = (1 << TOKEN_BITS) - 1;
    (token & !random)..=(token | random)
}

impl Mint for Minter {
    fn next(&mut self) -> i64 {
        self.mint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ids_rise_within_a_millisecond_and_over_a_clock_that_goes_back() {
        let clock = Clock::manual(Instant(1_780_000_000_000_000));
        let minter = Minter::new(clock.clone(), 5);
        let mut last = 0;
        for n in 0..10_000 {
            let id = minter.mint();
            assert!(id > last, "{n}");
            assert_eq!((id >> COUNTER_BITS) & 1023, 5);
            last = id;
        }
        if let Clock::Manual(at) = &clock {
            at.store(1_700_000_000_000_000, Ordering::SeqCst);
        }
        assert!(minter.mint() > last);
        clock.advance(Duration::from_secs(1));
        assert!(minter.mint() > last);
    }

    #[test]
    fn ids_continue_above_those_stored_even_by_another_node() {
        let clock = Clock::manual(Instant(1_780_000_000_000_000));
        let stored = Minter::new(clock.clone(), 900).mint() + 4000;
        let minter = Minter::new(clock, 3);
        minter.advance_past(stored);
        let id = minter.mint();
        assert!(id > stored && (id >> COUNTER_BITS) & 1023 == 3);
    }

    #[test]
    fn an_id_is_told_from_those_of_other_times() {
        let at = Instant(1_780_000_000_000_000);
        let id = Minter::new(Clock::manual(at), 1023).mint();
        assert!(first_id_at(at) <= id && id < first_id_at(Instant(at.0 + 1000)));
        assert_eq!(first_id_at(Instant(0)), 0);
    }

    #[test]
    fn lease_tokens_differ_and_are_positive() {
        let minter = Minter::new(Clock::System, 1023);
        let tokens: std::collections::BTreeSet<i64> = (0..1000).map(|_| minter.token()).collect();
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|t| *t >= 0));
        let own = tokens_of_node(minter.token());
        assert!(tokens.iter().all(|t| own.contains(t)));
        assert!(!own.contains(&Minter::new(Clock::System, 1022).token()));
    }
}
