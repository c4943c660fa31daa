//! The gates between a scheduled step and a device's list, in order: status, hold, what it lacks, days, station, the file's condition,
//! the item itself, each matching key, the repertoire.
//!
//! C-FIND, the HTTP worklist, cases and "why not" all walk them here: [`Walk::quiet`] stops at the first closed gate, [`Walk::telling`]
//! notes them all. What is asked before the item is rendered needs [`Facts`] only, so that a kept item is judged without its
//! documents.

use super::device::Device;
use super::keys::{Key, Query, STEP};
use super::matching::{answer, verdicts};
use super::project::pool;
use super::walk::{WHEN, Walk};
use crate::dicom::charset::{Charset, fit};
use crate::dicom::dataset::DataSet;
use crate::dicom::dictionary::name_of;
use crate::domain::exam::{Exam, Step};
use crate::domain::node::Node;
use crate::domain::patient::Patient;
use crate::domain::time::LocalTime;
use crate::domain::value::Value;
use crate::mapping::device::{Days, STATUSES};
use crate::mapping::{MappingSet, WorklistItem};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Path of the station's title.
const STATION: &str = "ScheduledProcedureStepSequence.ScheduledStationAETitle";

/// What the gates before the item need to know of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Word of its status.
    pub status: &'static str,
    pub held: bool,
    /// What it lacks and cannot be shown without.
    pub lacks: Vec<&'static str>,
    /// AE titles of the record; none: it is in the pool of its modality.
    pub stations: Vec<String>,
    pub modality: String,
    /// On the wall clock of the site.
    pub start: Option<LocalTime>,
}

impl Facts {
    /// The facts of a step; `zone` is the site's.
    pub fn of(exam: &Exam, patient: &Patient, step: &Step, zone: &TimeZone) -> Self {
        let missing = exam.missing(patient);
        let hiding = missing
            .iter()
            .filter(|m| m.hides() && m.step().is_none_or(|id| id == step.id));
        let stations = step.fields.values("station_aes").iter();
        Self {
            status: step.status.value.word(),
            held: step.held.value,
            lacks: hiding.map(|m| m.word()).collect(),
            stations: stations
                .filter_map(Value::comparable)
                .map(str::to_owned)
                .collect(),
            modality: step.fields.text("modality").unwrap_or_default().to_owned(),
            start: match step.fields.first("start") {
                Some(Value::When(when)) => when.local(zone),
                _ => None,
            },
        }
    }

    /// True if it names no station.
    pub fn is_pool(&self) -> bool {
        self.stations.is_empty()
    }

    /// True if it is on a list unless a file says otherwise: what the store marks as visible.
    pub fn is_visible(&self) -> bool {
        let mut walk = Walk::quiet();
        shown(self, STATUSES, &mut walk);
        walk.is_open()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let texts: usize = self
            .stations
            .iter()
            .map(|s| s.len() + size_of::<String>())
            .sum();
        texts + self.modality.len() + size_of_val(self.lacks.as_slice())
    }
}

/// Status, hold and completeness.
fn shown(facts: &Facts, statuses: &[&str], walk: &mut Walk) {
    let is_shown = statuses.contains(&facts.status);
    let _ended = walk.ends("status", is_shown, || {
        let why = format!("it is {}; shown: {}", facts.status, statuses.join(", "));
        (why, None)
    }) || walk.ends("held", !facts.held, || {
        let why = match facts.held {
            true => "the RIS holds it back (HD)",
            false => "it is not held back",
        };
        (why.to_owned(), None)
    }) || walk.ends("complete", facts.lacks.is_empty(), || {
        let why = match facts.lacks.is_empty() {
            true => "modality and start are known".to_owned(),
            false => format!("the order did not say: {}", facts.lacks.join(", ")),
        };
        (why, None)
    });
}

/// What a query asks for, seen from the device.
#[derive(Debug)]
pub struct Asked<'q> {
    pub query: &'q Query,
    /// The device's file.
    pub file: Arc<str>,
    /// The AE title that pool steps are shown under.
    pub ae: Arc<str>,
    /// AE titles whose steps are meant: those of the query as far as they are record values, else those of the file.
    pub stations: Vec<String>,
    /// True if the titles are the file's: then they are a gate of their own, not a key.
    own_stations: bool,
    /// Modalities whose pools are shown; without one no pool is shown, but for a query about one patient or order.
    pools: Vec<String>,
    about_one: bool,
    /// First and last start that the file shows, with the words for it.
    pub window: Option<(LocalTime, LocalTime)>,
    statuses: Vec<&'static str>,
    /// Beyond it an item is not sent.
    strict: Option<Charset>,
}

impl<'q> Asked<'q> {
    /// A device's query; `today` is the wall clock of the site.
    pub fn of(query: &'q Query, device: &Device, set: &MappingSet, today: LocalTime) -> Self {
        let asked_for = |keyword| query.equal(keyword).unwrap_or_default().to_vec();
        let named = asked_for("ScheduledStationAETitle");
        let station = named.first().cloned();
        // A query may name another station than the one that asks: then that one's pool is meant.
        let of_station = station
            .as_deref()
            .and_then(|s| Device::of(set, s, None).modality);
        let mut pools = asked_for("Modality");
        if pools.is_empty() {
            pools.extend(of_station.or_else(|| device.modality.clone()));
        }
        let rules = device.rules(set);
        let by_key = query
            .keys
            .iter()
            .any(|k| k.keyword == "ScheduledStationAETitle");
        let is_record = set.shows(&device.file, STATION, "step.station_aes");
        let of_file = rules.map_or(&[][..], |r| r.shows.stations.as_slice());
        let own_stations = !of_file.is_empty() && (!by_key || !is_record);
        let stations = match (own_stations, is_record) {
            (true, _) => of_file.to_vec(),
            (false, true) => named,
            (false, false) => vec![],
        };
        let one = |keyword: &str| query.equal(keyword).is_some_and(|v| v.len() == 1);
        let about_one = stations.is_empty()
            && (one("AccessionNumber") || one("PatientID") || query.name_prefix().is_some());
        Self {
            query,
            file: Arc::clone(&device.file),
            ae: station.unwrap_or_else(|| device.ae.clone()).into(),
            stations,
            own_stations,
            pools,
            about_one,
            window: rules.and_then(|r| r.shows.days).map(|d| window(d, today)),
            statuses: rules.map_or(STATUSES, |r| r.statuses()).to_vec(),
            strict: device.strict_charset(set),
        }
    }

    /// The values of the station column that may be meant; none = any.
    pub fn slots(&self) -> Vec<String> {
        let mut slots = self.stations.clone();
        if !slots.is_empty() {
            slots.extend(self.pools.iter().map(|modality| pool(modality)));
        }
        slots
    }

    /// True if steps that a scanner has begun are shown too.
    pub fn started_too(&self) -> bool {
        self.statuses.contains(&"started")
    }

    /// The gates before the item.
    pub fn admits(&self, facts: &Facts, walk: &mut Walk) {
        shown(facts, &self.statuses, walk);
        if !walk.is_open() && walk.is_quiet() {
            return;
        }
        if let Some((from, to)) = self.window {
            let open = facts.start.is_some_and(|s| s >= from && s <= to);
            let ended = walk.ends("days", open, || {
                let day = |t: LocalTime| t.0 / 1_000_000;
                let start = facts
                    .start
                    .map_or("no day".to_owned(), |s| day(s).to_string());
                let why = format!(
                    "it starts on {start}; {} shows {} to {}",
                    self.file,
                    day(from),
                    day(to)
                );
                (why, None)
            });
            if ended {
                return;
            }
        }
        self.station(facts, walk);
    }

    fn station(&self, facts: &Facts, walk: &mut Walk) {
        if facts.is_pool() {
            let open = match self.pools.is_empty() {
                true => self.about_one,
                false => self.pools.contains(&facts.modality),
            };
            walk.ends("station", open, || {
                let why = match (self.pools.is_empty(), self.about_one) {
                    (true, true) => "it names no station; the query is about one patient or order".to_owned(),
                    (true, false) => "it names no station; whose pool is meant is not known: neither the query nor stations.csv nor the device's file says a modality".to_owned(),
                    _ => format!("it names no station and is in the pool of {}; shown: {}", facts.modality, self.pools.join(", ")),
                };
                (why, None)
            });
        } else if self.own_stations {
            let open = facts.stations.iter().any(|s| self.stations.contains(s));
            walk.ends("station", open, || {
                let of_step = facts.stations.join(", ");
                let shown = self.stations.join(", ");
                (
                    format!("it is for {of_step}; {} shows {shown}", self.file),
                    None,
                )
            });
        }
    }

    /// The device's condition and its item; `None` if there is no item.
    pub fn render(
        &self,
        set: &MappingSet,
        scope: &Node<'_>,
        walk: &mut Walk,
    ) -> Option<WorklistItem> {
        let hidden = set.hidden_by(&self.file, scope);
        let conditions = set
            .view(&self.file)
            .map_or(0, |m| m.device.shows.when.len());
        if conditions > 0 {
            let ended = walk.ends(WHEN, hidden.is_none(), || {
                let why = match &hidden {
                    Some(rule) => format!("the condition does not hold (rule {rule})"),
                    None => format!("the condition of {} holds", self.file),
                };
                (why, None)
            });
            if ended {
                return None;
            }
        }
        let item = set.worklist_item(&self.file, scope);
        walk.ends("item", item.is_ok(), || match &item {
            Ok(_) => (format!("rendered by {}", self.file), None),
            Err(withheld) => (withheld.to_string(), None),
        });
        item.ok()
    }

    /// The matching keys, and whether what is asked for can be written.
    pub fn answers(&self, item: &DataSet, walk: &mut Walk) {
        for verdict in verdicts(item, self.query) {
            let ended = walk.ends(verdict.keyword, verdict.matched, || {
                self.key(verdict.keyword, item)
            });
            if ended {
                return;
            }
        }
        let Some(charset) = self.strict else { return };
        let answer = answer(item, &self.query.identifier);
        let changed = fit(&answer, Some(charset)).changed;
        walk.ends("repertoire", changed.is_empty(), || {
            let term = charset.term().unwrap_or("ISO_IR 6");
            let names: Vec<_> = changed.iter().map(|t| name_of(*t)).collect();
            let why = match names.is_empty() {
                true => format!("{term} holds all its text"),
                false => format!(
                    "{term} cannot hold {}, and {} withholds such items",
                    names.join(", "),
                    self.file
                ),
            };
            (why, None)
        });
    }

    /// What a key asked and what the item has: in the open for attributes of the step, else as values.
    fn key(&self, keyword: &str, item: &DataSet) -> (String, Option<String>) {
        let key = self.query.keys.iter().find(|k| k.keyword == keyword);
        let in_step = key.is_none_or(|k| k.in_step);
        let asked = match (keyword, key) {
            ("ScheduledProcedureStepStartDate", None) => self.query.start_text(),
            (_, key) => key.map(Key::text).unwrap_or_default(),
        };
        let place = match in_step {
            true => item.items(STEP).first(),
            false => Some(item),
        };
        let mut has = place
            .map(|p| p.texts(keyword).join("\\"))
            .unwrap_or_default();
        if key.is_none() {
            let time = place.and_then(|p| p.text("ScheduledProcedureStepStartTime"));
            has.push_str(time.unwrap_or_default());
        }
        let said = match has.is_empty() {
            true => format!("asked {asked}, the item has no value"),
            false => format!("asked {asked}, the item has {has}"),
        };
        let personal = !in_step || keyword.ends_with("Name");
        match personal {
            false => (said, None),
            true => ("compared with the item's value".to_owned(), Some(said)),
        }
    }
}

/// All gates for one step: the item that is shown, with the walk telling why or why not.
pub fn judge(
    set: &MappingSet,
    asked: &Asked<'_>,
    facts: &Facts,
    scope: &Node<'_>,
    walk: &mut Walk,
) -> Option<WorklistItem> {
    asked.admits(facts, walk);
    let item = asked.render(set, scope, walk)?;
    asked.answers(&item.data, walk);
    walk.is_open().then_some(item)
}

/// The first and last moment of the days around today.
fn window(days: Days, today: LocalTime) -> (LocalTime, LocalTime) {
    let number = today.0 / 1_000_000;
    let part = |n: i64| i8::try_from(n % 100).unwrap_or(1);
    let year = i16::try_from(number / 10_000).unwrap_or(1);
    let date = jiff::civil::Date::new(year, part(number / 100), part(number));
    let Ok(date) = date else {
        return (LocalTime(0), LocalTime(i64::MAX));
    };
    let moved = |by: i64| date.saturating_add(jiff::Span::new().days(by));
    let first = moved(-i64::from(days.back)).at(0, 0, 0, 0);
    let last = moved(i64::from(days.ahead)).at(23, 59, 59, 0);
    (LocalTime::of(first), LocalTime::of(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_the_ends_of_months() {
        for (today, back, ahead, expected) in [
            (20260602081500, 0, 0, (20260602000000, 20260602235959)),
            (20260601000000, 1, 1, (20260531000000, 20260602235959)),
            (20281231235959, 0, 1, (20281231000000, 20290101235959)),
            (20280228120000, 0, 2, (20280228000000, 20280301235959)),
        ] {
            let (from, to) = window(Days { back, ahead }, LocalTime(today));
            assert_eq!((from.0, to.0), expected);
        }
    }
}
