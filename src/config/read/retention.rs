//! `[retention]` and `[watch]`: what is kept for how long, and what alarms are about.

use super::{CONFLICT, Walk};
use crate::config::{Retention, Watch};
use std::time::Duration;

/// A hundred years.
const MOST: i64 = 36_500;
/// Senders repeat what they are not sure of for days: a resend within a week must be recognised.
const RESENDS: i64 = 7;

impl Walk<'_> {
    pub(super) fn retention(&self) -> Retention {
        self.section("retention");
        let number = |key, least, default| self.number("retention", key, least..=MOST, default);
        let (bodies, journal) = (
            number("bodies_days", 1, 90),
            number("journal_days", RESENDS, 730),
        );
        if bodies > journal {
            let span = self
                .section_quiet("retention")
                .map_or(0..0, |table| table.span());
            self.root.report(
                CONFLICT,
                span,
                format!("retention.bodies_days ({bodies}) is longer than retention.journal_days ({journal}): a body goes with its journal row"),
            );
        }
        Retention {
            bodies: days(bodies),
            journal: days(journal),
            queries: days(number("queries_days", 1, 14)),
            attempts: days(number("attempts_days", 1, 90)),
            audit: days(number("audit_days", 1, 2_190)),
        }
    }

    pub(super) fn watch(&self) -> Watch {
        self.section("watch");
        let minutes = self.number("watch", "in_progress_minutes", 1..=10_080, 240);
        Watch {
            in_progress: Duration::from_secs(minutes.unsigned_abs() * 60),
        }
    }
}

fn days(n: i64) -> Duration {
    Duration::from_secs(n.unsigned_abs() * 86_400)
}
