//! The reference: in which order the messages of a day would have to come so that arrival makes no difference, and the named exceptions
//! to "the order in which they were said". `docs/life-of-an-exam.md` explains each by its name; a test holds that it does.

use super::day::{Copy, Day, Voice};
use std::collections::BTreeSet;

/// Where the end state depends on arrival, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exception {
    EqualTimes,
    ScannerOnArrival,
    ReportBeforeOrder,
    IdentityOnArrival,
    JudgedOnArrival,
    GeneratedOnce,
    WithdrawnStep,
    SoleStepOnArrival,
    DueOnArrival,
    WholeWithoutStudy,
}

impl Exception {
    pub const ALL: [Self; 10] = [
        Self::EqualTimes,
        Self::ScannerOnArrival,
        Self::ReportBeforeOrder,
        Self::IdentityOnArrival,
        Self::JudgedOnArrival,
        Self::GeneratedOnce,
        Self::WithdrawnStep,
        Self::SoleStepOnArrival,
        Self::DueOnArrival,
        Self::WholeWithoutStudy,
    ];

    /// The sentence that the life of an exam says under this name.
    pub fn rule(self) -> &'static str {
        match self {
            Self::EqualTimes => {
                "of two statements of one time and one role the one that arrived last stands"
            }
            Self::ScannerOnArrival => {
                "a scanner's message counts from its arrival: its clock decides nothing"
            }
            Self::ReportBeforeOrder => {
                "a report that comes before its order means that the exam took place, one that follows it leaves the course to RIS and scanner"
            }
            Self::IdentityOnArrival => {
                "under an identifier that a change of identifier retired the patient administration does not speak any more from the moment Relais knows, nor under the patient's other ones if both were known apart; merges that contradict each other are taken as they come"
            }
            Self::JudgedOnArrival => {
                "a message is accepted or refused by what is known when it arrives; neither is taken back"
            }
            Self::GeneratedOnce => {
                "what Relais had to generate before a message stated it stays a key of the exam"
            }
            Self::WithdrawnStep => {
                "a performed step that its scanner withdrew keeps the patient of the order that it was linked to, if it ever was"
            }
            Self::SoleStepOnArrival => {
                "a scanner that names a step which nobody announced is taken to mean the only step of its study or accession, as known on its arrival"
            }
            Self::DueOnArrival => {
                "an arrival of the patient (A10) concerns the steps that are scheduled for that day when it comes"
            }
            Self::WholeWithoutStudy => {
                "where a site refuses orders without Study Instance UID, an end of some steps that states none and comes before its order ends the order as a whole"
            }
        }
    }
}

/// The copies that reach the domain: the door answers a resend of an applied message itself. Of several copies of one message that do
/// reach it, the last is the one that counts for equal times.
pub fn reaching(day: &Day) -> Vec<Copy> {
    let mut seen = BTreeSet::new();
    let copies = day.arrivals.iter().filter(|copy| {
        let scanner = matches!(day.said[copy.said].voice, Voice::Scanner(_));
        seen.insert(copy.said) || copy.renamed || scanner
    });
    copies.copied().collect()
}

/// The order that the end state must not depart from, and the exceptions that made it differ from the order in which things were said.
pub fn reference(day: &Day) -> (Vec<Copy>, BTreeSet<Exception>) {
    let arrived = reaching(day);
    let mut used = BTreeSet::new();
    let is_scanner = |said: usize| matches!(day.said[said].voice, Voice::Scanner(_));
    let times = |c: &Copy| (day.said[c.said].at, day.said[c.said].role());
    let renamed = renamed(day, &arrived);

    // Every message once: its last copy. A scanner's and those of people who change their identifier count as often as they came, and so
    // do those between whose copies something was said that is as old: of equal times arrival decides.
    let counts = |i: usize, c: &Copy| {
        let last = arrived.iter().rposition(|d| d.said == c.said).unwrap_or(i);
        let mut since = arrived[i..=last].iter();
        i == last
            || is_scanner(c.said)
            || concerns(day, c, &renamed)
            || since.any(|d| d.said != c.said && times(d) == times(c))
    };
    let mut order: Vec<(usize, Copy)> = arrived
        .iter()
        .copied()
        .enumerate()
        .filter(|(i, c)| counts(*i, c))
        .collect();
    order.sort_by_key(|(i, copy)| {
        let said = &day.said[copy.said];
        let at = if is_scanner(copy.said) {
            copy.slot
        } else {
            said.at
        };
        (at, said.role(), *i)
    });
    let scanner = order.iter().filter(|(_, c)| is_scanner(c.said));
    if scanner.clone().any(|(_, c)| c.slot != day.said[c.said].at) {
        used.insert(Exception::ScannerOnArrival);
    }
    let plain: Vec<_> = order.iter().filter(|(_, c)| !is_scanner(c.said)).collect();
    if plain.windows(2).any(|w| times(&w[0].1) == times(&w[1].1)) {
        used.insert(Exception::EqualTimes);
    }
    if as_they_came(day, &mut order, &renamed) {
        used.insert(Exception::IdentityOnArrival);
    }
    if reports_first(day, &arrived, &mut order) {
        used.insert(Exception::ReportBeforeOrder);
    }
    (order.into_iter().map(|(_, copy)| copy).collect(), used)
}

/// The identifiers that a change of identifier retires or brings.
fn renamed(day: &Day, arrived: &[Copy]) -> BTreeSet<&'static str> {
    let changes = arrived
        .iter()
        .filter_map(|c| match &day.said[c.said].voice {
            Voice::Identity(from, into, true) => Some([*from, *into]),
            _ => None,
        });
    changes.flatten().collect()
}

/// True if the patient administration speaks of one of these people.
fn concerns(day: &Day, copy: &Copy, people: &BTreeSet<&str>) -> bool {
    match &day.said[copy.said].voice {
        Voice::Identity(from, into, _) => people.contains(from) || people.contains(into),
        Voice::Demographics(who) => people.contains(who),
        _ => false,
    }
}

/// A change of identifier stays where it came among everything that the patient administration says of these people.
fn as_they_came(day: &Day, order: &mut [(usize, Copy)], renamed: &BTreeSet<&str>) -> bool {
    let places: Vec<usize> = (0..order.len())
        .filter(|i| concerns(day, &order[*i].1, renamed))
        .collect();
    let mut copies: Vec<(usize, Copy)> = places.iter().map(|i| order[*i]).collect();
    let before = copies.clone();
    copies.sort_by_key(|(arrived, _)| *arrived);
    for (place, copy) in places.iter().zip(&copies) {
        order[*place] = *copy;
    }
    before != copies
}

/// A report and the first word of its order stay as they came.
fn reports_first(day: &Day, arrived: &[Copy], order: &mut Vec<(usize, Copy)>) -> bool {
    let first_word = |n: u8| {
        let of_order =
            |c: &Copy| matches!(&day.said[c.said].voice, Voice::Order(of) if of.contains(&n));
        arrived.iter().position(of_order)
    };
    let before = order.clone();
    // The first copy of each is the one that made the exam known; of equal times every copy counts where it came.
    let came = |(i, copy): &(usize, Copy)| {
        let of_message = before.iter().filter(|(_, c)| c.said == copy.said);
        let is_first = of_message.map(|(i, _)| i).min() == Some(i);
        let first = arrived.iter().position(|c| c.said == copy.said);
        first.filter(|_| is_first).unwrap_or(*i)
    };
    let early = |entry: &(usize, Copy)| match day.said[entry.1.said].voice {
        Voice::Report(n) => first_word(n).is_none_or(|first| came(entry) < first),
        _ => false,
    };
    let mut reports: Vec<(usize, Copy)> = before.iter().copied().filter(early).collect();
    reports.sort_by_key(came);
    // The others follow the first word of their order, as they did on arrival.
    let mut held: Vec<(usize, Copy)> = vec![];
    let mut spoken: BTreeSet<u8> = BTreeSet::new();
    for entry in before.iter().filter(|entry| !early(entry)) {
        match &day.said[entry.1.said].voice {
            Voice::Report(n) if !spoken.contains(n) => held.push(*entry),
            Voice::Order(of) => {
                spoken.extend(of);
                reports.push(*entry);
                let (now, later) = held.into_iter().partition(|(_, copy)| {
                    matches!(day.said[copy.said].voice, Voice::Report(n) if spoken.contains(&n))
                });
                held = later;
                let now: Vec<(usize, Copy)> = now;
                reports.extend(now);
            }
            _ => reports.push(*entry),
        }
    }
    *order = reports;
    *order != before
}
