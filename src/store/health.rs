//! Whether the store can be written, found out by those who write, and said to those who ask.
//!
//! A failure that does not lie in the content raises the alarm once (log, gauge, readiness); only a write that is known to have reached
//! the disk ends it: [`super::Store::heartbeat`]. No connection that was opened before a failure is used again: what SQLite and its
//! driver think of a transaction whose commit failed, a file opened while its disk was read-only, or a session whose server restarted
//! need not be true any more.

use super::StoreError;
use crate::clock::Stopwatch;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What the last writes say of the store.
#[derive(Debug)]
pub(super) struct Health {
    away: watch::Sender<Option<String>>,
    failed: Mutex<Option<Stopwatch>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            away: watch::Sender::new(None),
            failed: Mutex::new(None),
        }
    }
}

impl Health {
    /// Passes the result of a write on and notes its failure. Success proves nothing here: a transaction may have changed no row.
    pub(super) fn of_write<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.failed(error);
        }
        result
    }

    /// Passes the result of a read on; after a failure connections are renewed, but writing may still be possible.
    pub(super) fn of_read<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && !error.is_of_content()
        {
            self.renew();
        }
        result
    }

    /// Notes a failed write.
    pub(super) fn failed(&self, error: &StoreError) {
        if error.is_of_content() {
            return;
        }
        self.renew();
        let kind = match error {
            StoreError::Full(_) => "full",
            _ => "unavailable",
        };
        metrics::counter!("relais_store_failures_total", "kind" => kind).increment(1);
        metrics::gauge!("relais_store_writable").set(0.0);
        let is_new = self.away.send_if_modified(|away| {
            let is_new = away.is_none();
            *away = Some(error.to_string());
            is_new
        });
        if is_new {
            tracing::error!(%error, "the store cannot be written: senders keep their messages until it can");
        }
    }

    /// Notes that something was written and is on the disk.
    pub(super) fn written(&self) {
        metrics::gauge!("relais_store_writable").set(1.0);
        if self.away.send_if_modified(|away| away.take().is_some()) {
            tracing::warn!("the store can be written again");
        }
    }

    /// Why nothing can be written, and when that changes.
    pub(super) fn away(&self) -> watch::Receiver<Option<String>> {
        self.away.subscribe()
    }

    /// True if a connection of this age was opened after the last failure.
    pub(super) fn trusts(&self, age: Duration) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|since| age < since.elapsed())
    }

    fn renew(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stopwatch::start());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StoreError {
        StoreError::Full(String::new())
    }

    #[test]
    fn only_a_write_that_reached_the_disk_ends_the_alarm() {
        let health = Health::default();
        let away = health.away();
        let is_away = || away.borrow().is_some();
        let _ = health.of_write::<()>(Err(StoreError::Conflict(String::new())));
        assert!(!is_away());
        let _ = health.of_write::<()>(Err(full()));
        assert!(is_away());
        let _ = health.of_write(Ok(()));
        assert!(is_away());
        health.written();
        assert!(!is_away());
        let _ = health.of_read::<()>(Err(full()));
        assert!(!is_away());
    }

    #[test]
    fn connections_from_before_a_failure_are_not_trusted() {
        let health = Health::default();
        assert!(health.trusts(Duration::from_secs(3600)));
        health.failed(&full());
        assert!(!health.trusts(Duration::from_secs(3600)));
        assert!(health.trusts(Duration::ZERO));
    }
}
