//! Circuit breaker of one target: when it is plainly away, one row at a time asks whether it is back.

use crate::domain::time::Instant;
use crate::publish::retry::{Delivery, next};
use std::time::Duration;

/// Failures in a row after which the target counts as away.
const AWAY_AFTER: u32 = 5;

/// What the last deliveries say of the target.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Notes what became of a delivery.
    pub fn note(&mut self, delivery: &Delivery, now: Instant) {
        let Delivery::Temporary { retry_after, .. } = delivery else {
            // Delivered or refused: it answers.
            *self = Self::default();
            return;
        };
        self.failures = self.failures.saturating_add(1);
        let own = self
            .failures
            .checked_sub(AWAY_AFTER)
            .and_then(|beyond| next(beyond + 1, delivery, 0));
        if let Some(pause) = own.or(*retry_after) {
            let until = Instant(now.0.saturating_add(micros(pause)));
            self.closed_until = self.closed_until.max(Some(until));
        }
    }

    /// How many rows may be claimed when `free` places are free and `busy` are taken.
    pub fn allowed(&self, free: usize, busy: usize, now: Instant) -> usize {
        if self.waits_until(now).is_some() {
            0
        } else if self.is_away() {
            free.min(1_usize.saturating_sub(busy))
        } else {
            free
        }
    }

    /// True if the target counts as away.
    pub fn is_away(&self) -> bool {
        self.failures >= AWAY_AFTER
    }

    /// Until when nothing is sent.
    pub fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| *until > now)
    }
}

/// Microseconds of a duration.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(seconds: Option<u64>) -> Delivery {
        Delivery::Temporary {
            retry_after: seconds.map(Duration::from_secs),
            detail: String::new(),
        }
    }

    #[test]
    fn g05_the_breaker_closes_after_failures_in_a_row_and_lets_one_ask() {
        let mut breaker = Breaker::default();
        let now = Instant(0);
        for _ in 0..4 {
            breaker.note(&failed(None), now);
        }
        assert_eq!(breaker.allowed(4, 0, now), 4);
        breaker.note(&failed(None), now);
        assert_eq!(breaker.allowed(4, 0, now), 0);
        let later = breaker.waits_until(now).unwrap();
        assert_eq!(breaker.allowed(4, 0, later), 1);
        assert_eq!(breaker.allowed(3, 1, later), 0);
        breaker.note(&Delivery::Delivered, later);
        assert_eq!(breaker.allowed(4, 0, later), 4);
    }

    #[test]
    fn g05_the_targets_own_delay_counts_at_once() {
        let mut breaker = Breaker::default();
        breaker.note(&failed(Some(7)), Instant(0));
        assert_eq!(breaker.waits_until(Instant(0)), Some(Instant(7_000_000)));
        assert_eq!(breaker.allowed(4, 0, Instant(7_000_000)), 4);
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let mut breaker = Breaker::default();
        for _ in 0..9 {
            breaker.note(&failed(None), Instant(0));
        }
        breaker.note(
            &Delivery::Permanent {
                detail: String::new(),
            },
            Instant(1),
        );
        assert_eq!(breaker.allowed(4, 0, Instant(1)), 4);
    }
}
