//! Study: a read model over the performed steps of one Study Instance UID (0020,000D). Pure.
//!
//! Series are united by their UID, instances by theirs; a later performed step wins. A step that was begun on the wrong worklist
//! entry (110514) leaves nothing behind but the study's status.

use crate::domain::fields::Fields;
use crate::domain::ids::PerformedId;
use crate::domain::performed::{PerformedStep, PpsStatus};
use crate::domain::value::Value;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// One series, with the performed step that made it.
#[derive(Debug, Clone)]
pub struct StudySeries<'a> {
    pub step: &'a PerformedStep,
    pub fields: &'a Fields,
    /// Section `instance`, each SOP Instance UID once, in the order of first mention.
    pub instances: Vec<&'a Fields>,
}

/// What was performed under one Study Instance UID.
#[derive(Debug, Clone)]
pub struct Study<'a> {
    pub uid: &'a str,
    /// The oldest performed step of the study, counted or not: names the study as a record thing.
    pub first: Option<PerformedId>,
    /// The performed steps that count, in the order of their start.
    pub steps: Vec<&'a PerformedStep>,
    /// Steps were begun on a wrong worklist entry and nothing else is left.
    pub wrong_entry: bool,
    /// In the order of first mention.
    pub series: Vec<StudySeries<'a>>,
}

impl<'a> Study<'a> {
    /// Reads the study out of its performed steps; steps of other studies are ignored.
    pub fn of(uid: &'a str, performed: &'a [PerformedStep], zone: &TimeZone) -> Self {
        let all = || {
            performed
                .iter()
                .filter(|p| p.study_uid.as_deref() == Some(uid))
        };
        let mut steps: Vec<&PerformedStep> = all().filter(|p| !p.is_wrong_entry()).collect();
        let start = |p: &PerformedStep| match p.fields.first("start") {
            Some(Value::When(when)) => when.instant(zone),
            _ => None,
        };
        // Without a start, last: it cannot be the earliest of anything.
        steps.sort_by_key(|p| (start(p).is_none(), start(p), p.id));
        let series = union(&steps);
        Self {
            uid,
            first: all().map(|p| p.id).min(),
            wrong_entry: steps.is_empty() && all().next().is_some(),
            steps,
            series,
        }
    }

    /// True if something was performed, whatever came of it.
    pub fn is_performed(&self) -> bool {
        self.wrong_entry || !self.steps.is_empty()
    }

    /// `registered`, `available`, `cancelled`, `entered_in_error` or `unknown`: registered while a step runs; then available if
    /// images were made; cancelled if every step was discontinued without any.
    pub fn status(&self) -> &'static str {
        let any = |status: PpsStatus| self.steps.iter().any(|p| p.status == status);
        if self.wrong_entry {
            "entered_in_error"
        } else if self.steps.is_empty() {
            "unknown"
        } else if any(PpsStatus::InProgress) {
            "registered"
        } else if self.series.iter().any(|s| !s.instances.is_empty()) {
            "available"
        } else if any(PpsStatus::Completed) {
            "registered"
        } else {
            "cancelled"
        }
    }

    /// Modalities of its series, then of steps without series, each once.
    pub fn modalities(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let of_series = self.series.iter().filter_map(StudySeries::modality);
        let of_steps = self
            .steps
            .iter()
            .filter(|p| p.series.is_empty())
            .filter_map(|p| p.fields.text("modality"));
        for modality in of_series.chain(of_steps) {
            if !found.iter().any(|m| m == modality) {
                found.push(modality.to_owned());
            }
        }
        found
    }
}

impl<'a> StudySeries<'a> {
    /// What its SOP classes say where they say it (SR, KO, PR), else the performed step's modality.
    pub fn modality(&self) -> Option<&'a str> {
        let mut classes = self
            .instances
            .iter()
            .map(|i| i.text("class").and_then(modality_of_class));
        match classes.next() {
            Some(Some(first)) if classes.all(|c| c == Some(first)) => Some(first),
            _ => self.step.fields.text("modality"),
        }
    }
}

/// Modality of a SOP class that is never the scanner's own (PS3.3 C.7.3.1.1.1).
fn modality_of_class(class: &str) -> Option<&'static str> {
    let storage = class.strip_prefix("1.2.840.10008.5.1.4.1.1.")?;
    match storage {
        "88.59" => Some("KO"),
        _ if storage.starts_with("88.") => Some("SR"),
        _ if storage.starts_with("11.") => Some("PR"),
        _ => None,
    }
}

fn union<'a>(steps: &[&'a PerformedStep]) -> Vec<StudySeries<'a>> {
    let mut all: Vec<StudySeries<'a>> = Vec::new();
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    for step in steps.iter().copied() {
        for series in &step.series {
            let Some(uid) = series.fields.text("uid") else {
                continue;
            };
            let place = *at.entry(uid).or_insert_with(|| {
                all.push(StudySeries {
                    step,
                    fields: &series.fields,
                    instances: vec![],
                });
                all.len() - 1
            });
            let Some(known) = all.get_mut(place) else {
                continue;
            };
            known.step = step;
            known.fields = &series.fields;
            known.instances.extend(series.instances.iter());
        }
    }
    for series in &mut all {
        series.instances = distinct(&series.instances);
    }
    all
}

/// Each SOP Instance UID once, where it was first named, as it was last described.
fn distinct<'a>(instances: &[&'a Fields]) -> Vec<&'a Fields> {
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all: Vec<&Fields> = Vec::new();
    for instance in instances.iter().copied() {
        let Some(uid) = instance.text("uid") else {
            continue;
        };
        match at.get(uid).and_then(|i| all.get_mut(*i)) {
            Some(known) => *known = instance,
            None => {
                at.insert(uid, all.len());
                all.push(instance);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::testing::{performed, series};

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const SR: &str = "1.2.840.10008.5.1.4.1.1.88.22";

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    #[test]
    fn the_status_follows_the_performed_steps() {
        let check = |steps: &[(PpsStatus, bool, bool)], expected: &str| {
            let steps: Vec<PerformedStep> = steps
                .iter()
                .enumerate()
                .map(|(i, (status, images, wrong))| {
                    let series = if *images {
                        vec![series("1.2.3", &[("1.2.3.1", CT)])]
                    } else {
                        vec![]
                    };
                    performed(i as i64, *status, *wrong, series)
                })
                .collect();
            let study = Study::of("1.2", &steps, &paris());
            assert_eq!(study.status(), expected, "{steps:?}");
        };
        use PpsStatus::{Completed, Discontinued, InProgress};
        check(&[], "unknown");
        check(&[(InProgress, false, false)], "registered");
        check(&[(InProgress, true, false)], "registered");
        check(&[(Completed, true, false)], "available");
        check(&[(Completed, false, false)], "registered");
        check(&[(Discontinued, true, false)], "available");
        check(&[(Discontinued, false, false)], "cancelled");
        check(&[(Discontinued, true, true)], "entered_in_error");
        check(
            &[(Completed, true, false), (Discontinued, true, true)],
            "available",
        );
        check(
            &[(Completed, true, false), (InProgress, false, false)],
            "registered",
        );
    }

    #[test]
    fn series_and_instances_are_united_by_uid() {
        let steps = [
            performed(
                1,
                PpsStatus::Completed,
                false,
                vec![
                    series(
                        "1.2.3",
                        &[("1.2.3.1", CT), ("1.2.3.2", CT), ("1.2.3.1", CT)],
                    ),
                    series("1.2.4", &[("1.2.4.1", SR)]),
                ],
            ),
            performed(
                2,
                PpsStatus::Completed,
                false,
                vec![series("1.2.3", &[("1.2.3.3", CT)])],
            ),
        ];
        let study = Study::of("1.2", &steps, &paris());
        let got: Vec<_> = study
            .series
            .iter()
            .map(|s| {
                (
                    s.fields.text("uid").unwrap(),
                    s.modality().unwrap(),
                    s.instances.len(),
                    s.step.id.0,
                )
            })
            .collect();
        assert_eq!(got, [("1.2.3", "CT", 3, 2), ("1.2.4", "SR", 1, 1)]);
        assert_eq!(study.modalities(), ["CT", "SR"]);
    }
}
