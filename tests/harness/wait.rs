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
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            start.elapsed() < deadline,
            "not seen within {deadline:?}: {}",
            what()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
