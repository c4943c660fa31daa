//! What the FHIR endpoint must hold after the morning, and the comparison with what it does hold.
//!
//! The expectation is written by the script from what its peers did, never read from Relais.

use super::{department::Patient, scanner::Ending};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Patient by local identifier, and order, study and report by accession number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Given names.
    patients: BTreeMap<String, String>,
    /// ServiceRequest.status.
    orders: BTreeMap<String, &'static str>,
    /// Study Instance UID and ImagingStudy.status.
    studies: BTreeMap<String, (String, &'static str)>,
    /// Identifier of the report (the filler order number) and DiagnosticReport.status.
    reports: BTreeMap<String, (String, &'static str)>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `ServiceRequest DEMO26000007`.
    pub what: String,
    pub found: String,
    pub wanted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, not {}", self.what, self.found, self.wanted)
    }
}

impl Expected {
    pub(super) fn patient(&mut self, patient: &Patient) {
        self.patients
            .insert(patient.ipp.clone(), patient.given.clone());
    }

    pub(super) fn order(&mut self, accession: &str, status: &'static str) {
        self.orders.insert(accession.to_owned(), status);
    }

    pub(super) fn scan(&mut self, accession: &str, study: &str, how: Ending<'_>) {
        let (order, study_status) = became(how);
        self.order(accession, order);
        self.studies
            .insert(accession.to_owned(), (study.to_owned(), study_status));
    }

    pub(super) fn report(&mut self, accession: &str, filler: &str, status: &'static str) {
        self.reports
            .insert(accession.to_owned(), (filler.to_owned(), status));
    }

    /// True if images of the exam were made.
    pub(super) fn is_scanned(&self, accession: &str) -> bool {
        self.studies
            .get(accession)
            .is_some_and(|(_, status)| *status == "available")
    }

    /// Compares with the resources of an endpoint: each expected one exists once, with its state and links, and no more than that.
    pub fn differences(&self, resources: &[Value]) -> Vec<Difference> {
        let mut found = Found::of(resources);
        for (ipp, given) in &self.patients {
            found.compare("Patient", ipp, given_names, given);
        }
        for (accession, status) in &self.orders {
            found.compare("ServiceRequest", accession, |r| text(r, "status"), status);
        }
        for (accession, (uid, status)) in &self.studies {
            let key = format!("urn:oid:{uid}");
            found.compare("ImagingStudy", &key, |r| text(r, "status"), status);
            if *status == "available" {
                found.compare("ImagingStudy", &key, images, "1 series, 2 instances");
            }
            // The study of a wrong choice belongs to no order any more.
            if *status != "entered-in-error" {
                found.linked("ImagingStudy", &key, "basedOn", accession);
            }
        }
        for (accession, (filler, status)) in &self.reports {
            found.compare("DiagnosticReport", filler, |r| text(r, "status"), status);
            found.linked("DiagnosticReport", filler, "basedOn", accession);
            found.compare(
                "DiagnosticReport",
                filler,
                |r| links(r, "imagingStudy"),
                "1",
            );
        }
        found.count("Patient", self.patients.len());
        found.count("ServiceRequest", self.orders.len());
        found.count("ImagingStudy", self.studies.len());
        found.count("DiagnosticReport", self.reports.len());
        found.differences
    }
}

/// ServiceRequest.status and ImagingStudy.status after an exam that ended so.
pub(super) fn became(how: Ending<'_>) -> (&'static str, &'static str) {
    match how {
        Ending::Completed => ("completed", "available"),
        Ending::Discontinued { images: true, .. } => ("revoked", "available"),
        Ending::Discontinued {
            reason: "110514", ..
        } => ("active", "entered-in-error"),
        Ending::Discontinued { images: false, .. } => ("active", "cancelled"),
    }
}

/// The endpoint's resources by type and by each of their identifiers.
struct Found<'r> {
    by_key: BTreeMap<(&'r str, &'r str), Vec<&'r Value>>,
    by_type: BTreeMap<&'r str, usize>,
    differences: Vec<Difference>,
}

impl<'r> Found<'r> {
    fn of(resources: &'r [Value]) -> Self {
        let (mut by_key, mut by_type): (BTreeMap<_, Vec<&Value>>, BTreeMap<_, usize>) =
            Default::default();
        for resource in resources {
            let kind = resource["resourceType"].as_str().unwrap_or("");
            *by_type.entry(kind).or_default() += 1;
            for key in identifiers(resource) {
                let same: &mut Vec<&Value> = by_key.entry((kind, key)).or_default();
                if !same.iter().any(|r| std::ptr::eq(*r, resource)) {
                    same.push(resource);
                }
            }
        }
        Self {
            by_key,
            by_type,
            differences: Vec::new(),
        }
    }

    fn compare(&mut self, kind: &str, key: &str, part: impl Fn(&Value) -> String, wanted: &str) {
        let found = match self.by_key.get(&(kind, key)).map(Vec::as_slice) {
            Some([one]) => part(one),
            Some(several) => format!("there {} times", several.len()),
            None => "absent".to_owned(),
        };
        self.differ(format!("{kind} {key}"), found, wanted);
    }

    /// The reference of `element` leads to the ServiceRequest of an accession number.
    fn linked(&mut self, kind: &str, key: &str, element: &str, accession: &str) {
        let order = self
            .by_key
            .get(&("ServiceRequest", accession))
            .and_then(|found| found.first())
            .map(|r| format!("ServiceRequest/{}", text(r, "id")))
            .unwrap_or_default();
        let reference = |r: &Value| {
            r[element][0]["reference"]
                .as_str()
                .unwrap_or("no reference")
                .to_owned()
        };
        self.compare(kind, key, reference, &order);
    }

    fn count(&mut self, kind: &str, wanted: usize) {
        let found = self.by_type.get(kind).copied().unwrap_or(0);
        self.differ(
            format!("number of {kind}"),
            found.to_string(),
            &wanted.to_string(),
        );
    }

    fn differ(&mut self, what: String, found: String, wanted: &str) {
        if found != wanted {
            self.differences.push(Difference {
                what,
                found,
                wanted: wanted.to_owned(),
            });
        }
    }
}

fn identifiers(resource: &Value) -> impl Iterator<Item = &str> {
    let list = resource["identifier"].as_array();
    list.into_iter()
        .flatten()
        .filter_map(|i| i["value"].as_str())
}

fn text(resource: &Value, element: &str) -> String {
    resource[element].as_str().unwrap_or("").to_owned()
}

fn given_names(patient: &Value) -> String {
    let names = patient["name"].as_array();
    let official = names
        .into_iter()
        .flatten()
        .find(|n| n["use"] == "official")
        .unwrap_or(&patient["name"][0]);
    let given = official["given"].as_array();
    given
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

fn images(study: &Value) -> String {
    let series = study["series"].as_array().map_or(0, Vec::len);
    let instances = study["series"][0]["instance"]
        .as_array()
        .map_or(0, Vec::len);
    format!("{series} series, {instances} instances")
}

fn links(resource: &Value, element: &str) -> String {
    resource[element].as_array().map_or(0, Vec::len).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_a_doubled_and_a_stale_resource_are_named() {
        let mut expected = Expected::default();
        expected.order("A1", "completed");
        expected.order("A2", "active");
        expected.order("A3", "active");
        let request = |accession: &str, status: &str| {
            json!({"resourceType": "ServiceRequest", "id": "1", "status": status,
                   "identifier": [{"value": accession}, {"value": "exam"}]})
        };
        let held = [
            request("A1", "active"),
            request("A2", "active"),
            request("A2", "active"),
        ];
        let told: Vec<String> = expected
            .differences(&held)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "ServiceRequest A1 is active, not completed",
                "ServiceRequest A2 is there 2 times, not active",
                "ServiceRequest A3 is absent, not active",
            ]
        );
        let right = [
            request("A1", "completed"),
            request("A2", "active"),
            request("A3", "active"),
        ];
        assert_eq!(expected.differences(&right), []);
    }
}
