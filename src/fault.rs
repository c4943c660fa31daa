//! Named places where a test lets the process die, as `kill -9` would: no handler runs, no buffer is flushed.
//!
//! With the cargo feature `fault`, `RELAIS_FAULT=after_commit:3` ends the process when [`Point::AfterCommit`] is passed the third time.
//! Without the feature [`point`] is empty and the variable is, like any other that is not a setting, an error of the configuration.

/// The environment variable that arms a point: `name:n`.
pub const VARIABLE: &str = "RELAIS_FAULT";

/// The places, in the order in which a message passes them and then its publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A message was read and translated; nothing is stored.
    AfterRead,
    /// The writer has loaded the documents that a batch is about.
    AfterLoad,
    /// Everything of a batch is written, not yet committed.
    BeforeCommit,
    /// Committed; nobody has been answered.
    AfterCommit,
    /// An answer has left.
    AfterAnswer,
    /// A worker holds rows of the outbox.
    Claim,
    /// The publication is rendered.
    Render,
    /// The request is about to leave.
    Send,
    /// The receiver has answered; nothing is settled.
    Answer,
    /// The row is settled.
    Settle,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AfterRead,
        Self::AfterLoad,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::AfterAnswer,
        Self::Claim,
        Self::Render,
        Self::Send,
        Self::Answer,
        Self::Settle,
    ];

    /// As [`VARIABLE`] spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterRead => "after_read",
            Self::AfterLoad => "after_load",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::AfterAnswer => "after_answer",
            Self::Claim => "claim",
            Self::Render => "render",
            Self::Send => "send",
            Self::Answer => "answer",
            Self::Settle => "settle",
        }
    }
}

/// Says that the process is at `point`.
#[cfg(not(feature = "fault"))]
#[inline(always)]
pub fn point(_point: Point) {}

/// Says that the process is at `point`; ends it if the point is armed and passed often enough.
#[cfg(feature = "fault")]
pub fn point(point: Point) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static ARMED: OnceLock<Option<(Point, u64)>> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var_os(VARIABLE)?.to_string_lossy().into_owned();
        let parsed = parse(&text);
        if parsed.is_none() {
            // A typing error must not look like a process that survived.
            eprintln!("{VARIABLE}={text} names no point: name:n, for example after_commit:3");
            std::process::abort();
        }
        parsed
    });
    if let Some((at, nth)) = armed
        && *at == point
        && HITS.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        std::process::abort();
    }
}

#[cfg(feature = "fault")]
fn parse(text: &str) -> Option<(Point, u64)> {
    let (name, nth) = text.split_once(':')?;
    let point = Point::ALL.into_iter().find(|p| p.name() == name)?;
    let nth = nth.parse().ok().filter(|n| *n > 0)?;
    Some((point, nth))
}

#[cfg(all(test, feature = "fault"))]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_armed_by_its_name_and_a_count() {
        let check = |text: &str, expected: Option<(Point, u64)>| assert_eq!(parse(text), expected);
        check("after_commit:3", Some((Point::AfterCommit, 3)));
        check("settle:1", Some((Point::Settle, 1)));
        check("settle:0", None);
        check("settle", None);
        check("after_commmit:3", None);
    }
}
