//! Times of the record as FHIR date, dateTime and instant: never more than was said, and no offset but the sender's or the site's.

use crate::domain::time::{Precision, When};
use jiff::tz::TimeZone;

/// A FHIR time with how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// FHIR text.
    pub text: String,
    /// The offset is the site's zone, not the sender's statement.
    pub zone_supplied: bool,
    /// A time of day was stated and left out: no zone could be told, or minutes are missing.
    pub shortened: bool,
}

/// date: year, month or day, as written.
pub fn date(when: &When) -> Option<String> {
    let d = |from, to| when.digits.get(from..to);
    Some(match when.precision() {
        Precision::Year => d(0, 4)?.to_owned(),
        Precision::Month => format!("{}-{}", d(0, 4)?, d(4, 6)?),
        _ => format!("{}-{}-{}", d(0, 4)?, d(4, 6)?, d(6, 8)?),
    })
}

/// dateTime: a time of day gets the sender's offset, else the site's; without minutes, or in the hour that the clocks repeat or
/// skip, only the date is said. Seconds that were not written are zero, as FHIR's schema demands.
pub fn date_time(when: &When, zone: &TimeZone) -> Option<Time> {
    let day = date(when)?;
    let short = |shortened| Time {
        text: day.clone(),
        zone_supplied: false,
        shortened,
    };
    if when.time().is_none() {
        return Some(short(false));
    }
    if when.precision() < Precision::Minute {
        return Some(short(true));
    }
    let start = when.civil_start()?;
    let offset = match when.offset {
        Some(minutes) => i32::from(minutes) * 60,
        None => {
            let ambiguous = zone.to_ambiguous_zoned_datetime(start);
            if ambiguous.is_ambiguous() {
                return Some(short(true));
            }
            ambiguous.compatible().ok()?.offset().seconds()
        }
    };
    let fraction: String = when
        .digits
        .split_once('.')
        .map(|(_, f)| f.trim_end_matches('0'))
        .filter(|f| !f.is_empty())
        .map(|f| format!(".{f}"))
        .unwrap_or_default();
    let clock = start.strftime("%H:%M:%S").to_string();
    Some(Time {
        text: format!("{day}T{clock}{fraction}{}", offset_text(offset)),
        zone_supplied: when.offset.is_none(),
        shortened: false,
    })
}

/// instant: a dateTime to the second; anything less is no instant.
pub fn instant(when: &When, zone: &TimeZone) -> Option<Time> {
    (when.precision() >= Precision::Second)
        .then(|| date_time(when, zone))?
        .filter(|t| !t.shortened)
}

fn offset_text(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
