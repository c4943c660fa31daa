//! Three sorts of time that are never mixed: [`Instant`] is ours, [`When`] is what a sender wrote, [`LocalTime`] is the axis of
//! the worklist. A [`When`] without zone is the wall clock of the site and is never given an offset that nobody stated.

use super::ids::JournalId;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A point in time of our own: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// The instant as a jiff timestamp; out-of-range values clamp.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX)
    }

    /// The wall clock of `zone` at this instant.
    pub fn local(self, zone: &TimeZone) -> LocalTime {
        LocalTime::of(self.timestamp().to_zoned_datetime(zone.clone()).datetime())
    }

    /// HL7 DTM with offset in `zone`: `YYYYMMDDHHMMSS+ZZZZ` (v2.5.1 2.A.22).
    pub fn hl7(self, zone: &TimeZone) -> String {
        self.timestamp()
            .to_zoned_datetime(zone.clone())
            .strftime("%Y%m%d%H%M%S%z")
            .to_string()
    }

    /// Seconds since 1970, as metrics and their alarms want them.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of this century fit a float's 53 bits"
    )]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// RFC 3339 in UTC with milliseconds, as FHIR `instant` and problem texts want it.
    pub fn rfc3339(self) -> String {
        self.timestamp()
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string()
    }
}

/// Wall clock as `yyyymmddhhmmss`, in the zone of the link: the worklist's time axis. Sorts as it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalTime(pub i64);

impl LocalTime {
    /// From a civil time; fractions are dropped.
    pub fn of(t: civil::DateTime) -> Self {
        let date = i64::from(t.year()) * 10_000 + i64::from(t.month()) * 100 + i64::from(t.day());
        let time =
            i64::from(t.hour()) * 10_000 + i64::from(t.minute()) * 100 + i64::from(t.second());
        Self(date * 1_000_000 + time)
    }
}

/// How much of a date and time the sender wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
}

/// A date or time exactly as a sender stated it: digits, precision and offset, nothing added (HL7 TS/DTM, DICOM DA/TM/DT).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct When {
    /// `YYYY[MM[DD[HH[MM[SS[.ffffff]]]]]]`, checked against the calendar.
    pub digits: String,
    /// Minutes east of UTC, if the sender stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i16>,
}

/// Why a text is no date or time. Display is a fragment: "failed to read date: ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWhen {
    /// Wrong characters or a length between two precisions.
    #[error("not of the form YYYY[MM[DD[HH[MM[SS[.ffffff]]]]]][+ZZZZ]")]
    Form,
    /// Month 13, day 32, hour 25 ...
    #[error("no such date or time in the calendar")]
    Calendar,
}

impl When {
    /// Reads an HL7 v2 TS/DTM value: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` (v2.5.1 2.A.22); up to six digits of fraction.
    pub fn parse(text: &str) -> Result<Self, BadWhen> {
        let text = text.trim();
        if !text.is_ascii() {
            return Err(BadWhen::Form);
        }
        let (digits, offset) = match text.find(['+', '-']) {
            Some(at) => (&text[..at], Some(parse_offset(&text[at..])?)),
            None => (
                text.strip_suffix('Z').unwrap_or(text),
                text.ends_with('Z').then_some(0),
            ),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((w, f)) => (w, Some(f)),
            None => (digits, None),
        };
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !matches!(whole.len(), 4 | 6 | 8 | 10 | 12 | 14) {
            return Err(BadWhen::Form);
        }
        if let Some(f) = fraction
            && (whole.len() != 14 || f.is_empty() || f.len() > 6 || !all_digits(f))
        {
            return Err(BadWhen::Form);
        }
        let when = Self {
            digits: digits.to_owned(),
            offset,
        };
        when.civil_start().ok_or(BadWhen::Calendar)?;
        Ok(when)
    }

    /// How much was written.
    pub fn precision(&self) -> Precision {
        match self.digits.len() {
            4 => Precision::Year,
            6 => Precision::Month,
            8 => Precision::Day,
            10 => Precision::Hour,
            12 => Precision::Minute,
            14 => Precision::Second,
            _ => Precision::Fraction,
        }
    }

    /// The 8 digits of the date, if the day is known.
    pub fn date(&self) -> Option<&str> {
        self.digits.get(..8)
    }

    /// What follows the date: `HH[MM[SS[.f]]]`, if an hour was written.
    pub fn time(&self) -> Option<&str> {
        self.digits.get(8..).filter(|t| !t.is_empty())
    }

    /// The first moment of the stated period on the sender's own clock: missing digits are the smallest.
    pub fn civil_start(&self) -> Option<civil::DateTime> {
        let part = |from: usize, to: usize, default: i64| match self.digits.get(from..to) {
            Some(text) => text.parse::<i64>().ok(),
            None => Some(default),
        };
        let date = civil::Date::new(
            i16::try_from(part(0, 4, 0)?).ok()?,
            i8::try_from(part(4, 6, 1)?).ok()?,
            i8::try_from(part(6, 8, 1)?).ok()?,
        )
        .ok()?;
        let time = civil::Time::new(
            i8::try_from(part(8, 10, 0)?).ok()?,
            i8::try_from(part(10, 12, 0)?).ok()?,
            // Second 60 is legal in HL7 and DICOM for leap seconds; the calendar library has none.
            i8::try_from(part(12, 14, 0)?).ok()?.min(59),
            0,
        )
        .ok()?;
        Some(date.to_datetime(time))
    }

    /// The instant of the first moment stated: by the sender's own offset, else in `zone` (an ambiguous hour takes the earlier).
    pub fn instant(&self, zone: &TimeZone) -> Option<Instant> {
        let start = self.civil_start()?;
        let zone = match self.offset {
            Some(minutes) => jiff::tz::Offset::from_seconds(i32::from(minutes) * 60)
                .ok()?
                .to_time_zone(),
            None => zone.clone(),
        };
        let ts = start.to_zoned_datetime(zone).ok()?.timestamp();
        Some(Instant(ts.as_microsecond()))
    }

    /// Wall clock at the site: the digits as written, or moved there if the sender stated an offset. `None` without a day.
    pub fn local(&self, zone: &TimeZone) -> Option<LocalTime> {
        self.date()?;
        match self.offset {
            Some(_) if self.time().is_some() => self.instant(zone).map(|i| i.local(zone)),
            _ => self.civil_start().map(LocalTime::of),
        }
    }
}

fn parse_offset(text: &str) -> Result<i16, BadWhen> {
    let digits = text
        .get(1..)
        .filter(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()));
    let digits = digits.ok_or(BadWhen::Form)?;
    let hours: i16 = digits[..2].parse().map_err(|_| BadWhen::Form)?;
    let minutes: i16 = digits[2..].parse().map_err(|_| BadWhen::Form)?;
    if hours > 14 || minutes > 59 {
        return Err(BadWhen::Calendar);
    }
    let total = hours * 60 + minutes;
    Ok(if text.starts_with('-') { -total } else { total })
}

/// Who spoke, when two statements carry the same time: the larger rank wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A report or other feed that only mentions the thing.
    Mention,
    /// A placer's order feed.
    Order,
    /// A scheduling feed (RAD-4/13).
    Scheduled,
    /// The patient administration, for demographics.
    Adt,
    /// The scanner itself.
    Scanner,
    /// An operator's correction.
    Operator,
}

/// Mentions lie around here, far before any time that the calendar knows, and in reverse: the earlier one is the stronger.
const WEAK: i64 = i64::MIN / 2;

impl AsOf {
    /// The age of a sender's statement: its own time, in `zone` if it states no offset, and never later than its arrival.
    pub fn stated(
        stated: Option<&When>,
        zone: &TimeZone,
        role: Role,
        journal: JournalId,
        received: Instant,
    ) -> Self {
        let at = stated
            .and_then(|when| when.instant(zone))
            .map_or(received, |at| at.min(received));
        Self { at, role, journal }
    }

    /// The same source, weaker than every statement: what Relais generates, or takes from a message that only mentions a thing.
    /// Whoever is entitled to speak overrides it, whatever the order of arrival; among mentions the first one said stands.
    #[must_use]
    pub fn weakest(self) -> Self {
        if self.is_weakest() {
            return self;
        }
        Self {
            at: Instant(WEAK.saturating_sub(self.at.0)),
            ..self
        }
    }

    /// True for [`AsOf::weakest`].
    pub fn is_weakest(self) -> bool {
        self.at.0 < WEAK / 2
    }

    /// Older than everything.
    pub fn never() -> Self {
        Self {
            at: Instant(i64::MIN),
            role: Role::Mention,
            journal: JournalId(0),
        }
    }
}

/// The age of a statement: a total order, so that any two messages agree on which of their fields is newer whatever their order
/// of arrival. `at` is the sender's time in the link's zone, capped by our time of receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AsOf {
    /// min(sender's time, received).
    pub at: Instant,
    /// Rank of the source for equal times.
    pub role: Role,
    /// Last resort: order of arrival.
    pub journal: JournalId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b06_a_time_keeps_what_was_written() {
        for (text, precision, offset) in [
            ("1979", Precision::Year, None),
            ("197903", Precision::Month, None),
            ("20260602", Precision::Day, None),
            ("202606020800", Precision::Minute, None),
            ("20260602080000.1234+0200", Precision::Fraction, Some(120)),
            ("20260602080000-0330", Precision::Second, Some(-210)),
        ] {
            let when = When::parse(text).expect(text);
            assert_eq!(
                (when.precision(), when.offset),
                (precision, offset),
                "{text}"
            );
        }
        for text in [
            "",
            "2026060",
            "00000000",
            "20261301",
            "202606022500",
            "patient dob",
            "283084121661677",
            "2026é",
        ] {
            assert!(When::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn b06_a_stated_offset_moves_the_wall_clock_and_nothing_else_does() {
        let paris = TimeZone::get("Europe/Paris").expect("bundled");
        let local = |text: &str| When::parse(text).expect(text).local(&paris).map(|l| l.0);
        assert_eq!(local("20260602080000"), Some(20_260_602_080_000));
        assert_eq!(local("20260602060000+0000"), Some(20_260_602_080_000));
        assert_eq!(local("202606"), None);
    }
}
