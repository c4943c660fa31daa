//! What an answer means for a publication, and when to try again. Pure.
//!
//! Every publication is idempotent at its receiver, so whatever leaves doubt about its effect is tried again.

use std::time::Duration;

/// First pause after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest pause of our own choice.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Pause of the whole target after a 429 that names none.
pub const SLOWED: Duration = Duration::from_secs(5);
/// Longest pause that a receiver may ask for with Retry-After.
pub const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// A receiver's answer, protocol stripped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Retry-After, if said.
    pub retry_after: Option<Duration>,
    /// What the receiver says is wrong, without patient data; empty when it says nothing.
    pub detail: String,
}

/// No answer, or none that can be read: the effect is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportError {
    /// No connection: name not found, refused, TLS handshake failed.
    Connect(String),
    /// No answer in time.
    Timeout,
    /// The connection ended before the answer did.
    Closed(String),
    /// An answer of success that is no answer to the transaction.
    Unreadable(String),
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(why) => write!(f, "failed to connect: {why}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Closed(why) => write!(f, "the connection ended before the answer: {why}"),
            Self::Unreadable(why) => write!(f, "the answer cannot be read: {why}"),
        }
    }
}

impl std::error::Error for TransportError {}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It took effect.
    Delivered,
    /// Try again, not before the receiver's own delay.
    Temporary {
        retry_after: Option<Duration>,
        detail: String,
    },
    /// The same message will be refused again: held for a person.
    Permanent { detail: String },
}

/// Judges an attempt. 401 is the target's credential and not this message, hence temporary; 409 is a race that the next attempt
/// wins; 429 slows the target down whether it says for how long or not; all other 4xx and 501 are permanent, all other 5xx temporary.
pub fn classify(answer: &Result<Response, TransportError>) -> Delivery {
    let response = match answer {
        Ok(response) => response,
        Err(error) => {
            return Delivery::Temporary {
                retry_after: None,
                detail: error.to_string(),
            };
        }
    };
    let detail = if response.detail.is_empty() {
        format!("HTTP {}", response.status)
    } else {
        format!("HTTP {}: {}", response.status, response.detail)
    };
    match response.status {
        200..=299 => Delivery::Delivered,
        401 => Delivery::Temporary {
            retry_after: response.retry_after,
            detail: format!(
                "{detail}; the server asks for a credential and Relais sends none, let it admit this address"
            ),
        },
        429 => Delivery::Temporary {
            retry_after: response.retry_after.or(Some(SLOWED)),
            detail,
        },
        408 | 409 | 425 | 500 | 502..=599 => Delivery::Temporary {
            retry_after: response.retry_after,
            detail,
        },
        300..=399 => Delivery::Permanent {
            detail: format!("{detail}; redirects are not followed, correct the target's url"),
        },
        _ => Delivery::Permanent { detail },
    }
}

/// The pause before the next attempt after `attempts` failures (at least 1): doubled each time, with up to half again of jitter
/// drawn from `seed` (the row's id), capped, never shorter than the receiver asked for. `None` for what is not tried again.
pub fn next(attempts: u32, delivery: &Delivery, seed: u64) -> Option<Duration> {
    let Delivery::Temporary { retry_after, .. } = delivery else {
        return None;
    };
    let doublings = attempts.saturating_sub(1).min(20);
    let base = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    // One jitter per row, so that the pauses of one row never shrink while rows that failed together drift apart.
    let jitter = f64::from(u32::try_from(scramble(seed) >> 40).unwrap_or(0)) / f64::from(1 << 24);
    let own = base.mul_f64(1.0 + jitter / 2.0);
    Some(own.max(retry_after.unwrap_or_default().min(LONGEST_ASKED)))
}

/// splitmix64: spreads neighbouring ids over the whole range.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Retry-After in seconds (RFC 9110 10.2.3), or as a date against `now`; nonsense is ignored.
pub fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    Some(date.duration_since(now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn temporary(seconds: Option<u64>) -> Delivery {
        Delivery::Temporary {
            retry_after: seconds.map(Duration::from_secs),
            detail: String::new(),
        }
    }

    #[test]
    fn g05_an_answer_is_delivered_temporary_or_permanent() {
        let check = |status: u16, expected: &str| {
            let got = match classify(&Ok(Response {
                status,
                retry_after: None,
                detail: String::new(),
            })) {
                Delivery::Delivered => "delivered",
                Delivery::Temporary { .. } => "temporary",
                Delivery::Permanent { .. } => "permanent",
            };
            assert_eq!(got, expected, "{status}");
        };
        for status in [200, 201, 204] {
            check(status, "delivered");
        }
        for status in [401, 408, 409, 425, 429, 500, 502, 503, 504, 599] {
            check(status, "temporary");
        }
        for status in [301, 400, 403, 404, 410, 412, 422, 501, 999] {
            check(status, "permanent");
        }
        let unknown = classify(&Err(TransportError::Closed("reset".to_owned())));
        assert!(matches!(unknown, Delivery::Temporary { .. }));
    }

    #[test]
    fn g05_what_is_wrong_is_said_and_a_429_slows_down() {
        let check =
            |status: u16, said: &str, asked: Option<u64>, words: &str, pause: Option<u64>| {
                let got = classify(&Ok(Response {
                    status,
                    retry_after: asked.map(Duration::from_secs),
                    detail: said.to_owned(),
                }));
                let (detail, retry_after) = match got {
                    Delivery::Temporary {
                        retry_after,
                        detail,
                    } => (detail, retry_after),
                    Delivery::Permanent { detail } => (detail, None),
                    Delivery::Delivered => (String::new(), None),
                };
                assert!(detail.contains(words), "{detail}");
                assert_eq!(retry_after, pause.map(Duration::from_secs), "{status}");
            };
        check(401, "", None, "asks for a credential", None);
        check(429, "", None, "HTTP 429", Some(5));
        check(429, "", Some(60), "HTTP 429", Some(60));
        check(503, "", Some(7), "HTTP 503", Some(7));
        check(503, "", None, "HTTP 503", None);
        let outcome = "error invalid at Patient.name";
        check(
            422,
            outcome,
            None,
            "HTTP 422: error invalid at Patient.name",
            None,
        );
        check(302, "", None, "correct the target's url", None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2026-06-02T08:00:00Z".parse().unwrap();
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                retry_after(text, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Tue, 02 Jun 2026 08:02:00 GMT", Some(120));
        check("Tue, 02 Jun 2026 07:00:00 GMT", Some(0));
        check("soon", None);
        check("-5", None);
    }

    proptest! {
        #[test]
        fn g05_pauses_grow_are_capped_and_honour_the_receiver(attempts in 1u32..200, seed: u64, asked in proptest::option::of(0u64..1_000_000)) {
            let now = next(attempts, &temporary(asked), seed).unwrap();
            let later = next(attempts + 1, &temporary(asked), seed).unwrap();
            prop_assert!(now <= later);
            let asked = Duration::from_secs(asked.unwrap_or(0)).min(LONGEST_ASKED);
            prop_assert!(now >= asked && now >= FIRST);
            prop_assert!(now <= asked.max(LONGEST.mul_f64(1.5)));
        }

        #[test]
        fn any_header_is_read_without_panic(text in "\\PC{0,40}") {
            let _ = retry_after(&text, jiff::Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn what_is_delivered_or_refused_is_not_tried_again() {
        assert_eq!(next(1, &Delivery::Delivered, 7), None);
        assert_eq!(
            next(
                1,
                &Delivery::Permanent {
                    detail: String::new()
                },
                7
            ),
            None
        );
    }
}
