//! Waiting for something observable.

use std::time::{Duration, Instant};

/// How long a test waits for what it wants to see before it fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls `look` until it yields a value.
///
/// # Panics
/// After [`DEADLINE`], naming `what`.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, look)
}

/// Polls `look` until it succeeds.
///
/// # Panics
/// After [`DEADLINE`], with the last reason why not.
pub fn until_ok<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let mut reason = String::new();
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        match look() {
            Ok(seen) => return seen,
            Err(why) => reason = why,
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not seen within {DEADLINE:?}: {what}\n{reason}");
}

/// Polls `look` until it yields a value, for at most `deadline`.
///
/// # Panics
/// After the deadline, naming `what`.
pub fn within<T>(deadline: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    within_or(deadline, || what.to_owned(), look)
}

/// As [`within`]; what was waited for is said as it stands at the end.
pub fn within_or<T>(
    deadline: Duration,
    what: impl Fn() -> String,
    look: impl FnMut() -> Option<T>,
) -> T {
    at_most(deadline, look).unwrap_or_else(|| panic!("not seen within {deadline:?}: {}", what()))
}

/// Polls `look` until it yields a value; `None` if it has not when the deadline is over.
pub fn at_most<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let seen = look();
        if seen.is_some() || start.elapsed() > deadline {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
