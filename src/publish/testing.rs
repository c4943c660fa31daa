//! Documents, and a mapping made by hand, for the tests of this module.

use crate::domain::exam::{Exam, PerformedRef, Stated, Step, StepStatus};
use crate::domain::fields::{Field, Fields};
use crate::domain::ids::{
    ExamId, JournalId, Key, KeyKind, PatientId, PerformedId, ReportId, StepId,
};
use crate::domain::node::Node;
use crate::domain::patient::Patient;
use crate::domain::performed::{LinkedBy, PerformedStep, PpsStatus, Series, StepLink};
use crate::domain::report::{Report, ReportStatus, ReportVersion};
use crate::domain::time::{AsOf, Instant, Role, When};
use crate::domain::value::{Coding, Concept, Document, Identifier, Issuer, Name, Value};
use crate::fhir::reference::References;
use crate::fhir::shape::{Held, Values};
use crate::publish::render::{Outbound, Settings};
use crate::publish::scope::{Destination, Site};
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Any statement's age.
pub fn as_of() -> AsOf {
    AsOf {
        at: Instant(0),
        role: Role::Order,
        journal: JournalId(1),
    }
}

/// Fields with one value or several.
pub fn fields(values: Vec<(&'static str, Vec<Value>)>) -> Fields {
    let field = |values: Vec<Value>| Field {
        values: values.into(),
        as_of: as_of(),
        origins: Arc::default(),
    };
    Fields(
        values
            .into_iter()
            .map(|(n, v)| (Cow::Borrowed(n), field(v)))
            .collect(),
    )
}

pub fn text(t: &str) -> Vec<Value> {
    vec![Value::Text(t.to_owned())]
}

pub fn uid(t: &str) -> Vec<Value> {
    vec![Value::Uid(t.to_owned())]
}

pub fn when(t: &str) -> Vec<Value> {
    vec![Value::When(When::parse(t).unwrap())]
}

pub fn identifier(value: &str, oid: &str) -> Identifier {
    Identifier {
        value: value.to_owned(),
        issuer: Some(Issuer {
            namespace: Some("CHU".to_owned()),
            universal_id: Some(oid.to_owned()).filter(|o| !o.is_empty()),
            scheme: Some("ISO".to_owned()),
        }),
        type_: None,
    }
}

pub fn concept(code: &str, system: &str, display: &str) -> Concept {
    Concept {
        codings: vec![Coding {
            code: code.to_owned(),
            system: Some(system.to_owned()),
            display: Some(display.to_owned()),
        }],
        text: None,
    }
}

pub fn series(series_uid: &str, instances: &[(&str, &str)]) -> Series {
    Series {
        fields: fields(vec![
            ("uid", uid(series_uid)),
            ("description", text("Thorax sans injection")),
        ]),
        instances: instances
            .iter()
            .map(|(i, class)| fields(vec![("uid", uid(i)), ("class", uid(class))]))
            .collect(),
    }
}

/// A performed step of study `1.2` and exam 2, on a CT; the later its id, the later its start.
pub fn performed(id: i64, status: PpsStatus, wrong: bool, series: Vec<Series>) -> PerformedStep {
    let mut said = vec![
        ("modality", text("CT")),
        ("start", when(&format!("202606020830{id:02}"))),
        ("description", text("Scanner du thorax")),
    ];
    if wrong {
        let reason = concept("110514", "DCM", "Incorrect worklist entry selected");
        said.push(("discontinuation_reason", vec![Value::Concept(reason)]));
    }
    PerformedStep {
        v: 1,
        id: PerformedId(id),
        uid: format!("1.2.900.{id}"),
        patient: Some(PatientId(1)),
        study_uid: Some("1.2".to_owned()),
        status,
        ae: "CT1".to_owned(),
        fields: fields(said),
        scheduled: vec![],
        links: vec![StepLink {
            exam: ExamId(2),
            step: StepId(20),
            how: LinkedBy::StudyAndStep,
            item: 0,
        }],
        series,
        mismatch: false,
        orphan: false,
        as_of: as_of(),
    }
}

pub fn patient() -> Patient {
    let name = Name {
        family: Some("Lefèvre-Nuñez".to_owned()),
        given: vec!["Zoé".to_owned()],
        ..Name::default()
    };
    let ins = identifier("279035121518989", "1.2.250.1.213.1.4.10");
    let ipp = identifier("8001234", "1.2.250.1.999.1");
    Patient {
        v: 1,
        id: PatientId(1),
        merged_into: None,
        fields: fields(vec![
            ("id", vec![Value::Identifier(ipp.clone())]),
            (
                "identifiers",
                vec![Value::Identifier(ipp), Value::Identifier(ins)],
            ),
            ("name", vec![Value::Name(name)]),
            ("sex", text("F")),
            ("birth_date", when("19790328")),
        ]),
        visit: Fields::default(),
        keys: vec![],
        aliases: vec![],
        renamed: vec![],
    }
}

pub fn exam(status: StepStatus, performed: &[PerformedId]) -> Exam {
    let state = |value| Stated::new(value, as_of());
    Exam {
        v: 1,
        id: ExamId(2),
        patient: PatientId(1),
        tombstone: None,
        order: fields(vec![
            (
                "accession_number",
                vec![Value::Identifier(identifier("A26001", "1.2.250.1.999.2"))],
            ),
            ("priority", text("routine")),
        ]),
        procedure: fields(vec![
            ("id", text("RP1")),
            ("study_instance_uid", uid("1.2")),
            (
                "code",
                vec![Value::Concept(concept(
                    "24627-2",
                    "LN",
                    "Scanner du thorax",
                ))],
            ),
        ]),
        visit: Fields::default(),
        schedule: Fields::default(),
        extra: Fields::default(),
        steps: vec![Step {
            id: StepId(20),
            sps_id: "SPS1".to_owned(),
            status: state(status),
            wish: None,
            held: Stated::new(false, as_of()),
            fields: fields(vec![
                ("start", when("20260602083000")),
                ("modality", text("CT")),
            ]),
        }],
        performed: performed
            .iter()
            .map(|id| PerformedRef {
                id: *id,
                step: StepId(20),
                status: PpsStatus::Completed,
                has_images: true,
                as_of: as_of(),
            })
            .collect(),
        keys: vec![],
    }
}

/// A report of exam 2 with a PDF whose bytes are `%PDF`.
pub fn report(status: ReportStatus) -> Report {
    let pdf = Document {
        sha256: "aa".to_owned(),
        media_type: "application/pdf".to_owned(),
        size: 4,
        bytes: None,
    };
    Report {
        v: 1,
        id: ReportId(4),
        key: Key {
            kind: KeyKind::Report,
            issuer: String::new(),
            value: "R1".to_owned(),
        },
        patient: PatientId(1),
        exams: vec![ExamId(2)],
        versions: vec![ReportVersion {
            status,
            as_of: as_of(),
            fields: fields(vec![
                ("issued_at", when("20260602101500")),
                ("impression", text("Pas d'anomalie.")),
            ]),
            documents: vec![fields(vec![
                ("kind", text("pdf")),
                ("content", vec![Value::Document(pdf)]),
            ])],
        }],
    }
}

/// Follows one dotted path, as the mapping engine does; lists map.
fn follow(node: &Node<'_>, path: &[&str]) -> Vec<Value> {
    match (node, path) {
        (Node::List(items), _) => items.iter().flat_map(|n| follow(n, path)).collect(),
        (Node::Field(f), []) => f.values.to_vec(),
        (Node::Values(v), []) => v.clone(),
        (Node::Object { thing, .. }, []) => thing.iter().map(|t| Value::Thing(*t)).collect(),
        (Node::Object { children, .. }, [head, rest @ ..]) => children
            .iter()
            .find(|(n, _)| n == head)
            .map_or(vec![], |(_, n)| follow(n, rest)),
        (Node::Fields(f), [name]) => f.values(name).to_vec(),
        _ => vec![],
    }
}

fn list<'n, 'a>(node: &'n Node<'a>, path: &[&str]) -> Vec<&'n Node<'a>> {
    match (node, path) {
        (Node::List(items), []) => items.iter().collect(),
        (Node::Object { children, .. }, [head, rest @ ..]) => children
            .iter()
            .find(|(n, _)| n == head)
            .map_or(vec![], |(_, n)| list(n, rest)),
        _ => vec![],
    }
}

/// target = path, without expressions.
pub struct Paths;

const PATIENT: &[(&str, &str)] = &[
    ("identifier", "patient.identifiers"),
    ("name.official", "patient.name"),
    ("birthDate", "patient.birth_date"),
];
const EXAM: &[(&str, &str)] = &[
    ("identifier.accession", "order.accession_number"),
    ("status", "exam.status"),
    ("code", "procedure.code"),
    ("subject", "patient"),
    ("occurrence", "steps.start"),
];
const STUDY: &[(&str, &str)] = &[
    ("identifier", "orders.accession_number"),
    ("status", "study.status"),
    ("modality", "study.modalities"),
    ("subject", "patient"),
    ("started", "study.started_at"),
    ("basedOn", "exams"),
    ("description", "study.performed_description"),
];
const SERIES: &[(&str, &str)] = &[
    ("uid", "uid"),
    ("modality", "modality"),
    ("started", "started_at"),
    ("description", "description"),
];
const INSTANCE: &[(&str, &str)] = &[("uid", "uid"), ("sopClass", "class")];
const REPORT: &[(&str, &str)] = &[
    ("status", "report.status"),
    ("code", "report.code"),
    ("subject", "patient"),
    ("basedOn", "exams"),
    ("imagingStudy", "studies"),
    ("issued", "report.issued_at"),
    ("conclusion", "report.impression"),
];

fn values(rules: &[(&'static str, &str)], scope: &Node<'_>) -> Values {
    let mut out = Values::default();
    for (i, (target, path)) in rules.iter().enumerate() {
        let path: Vec<&str> = path.split('.').collect();
        let found = follow(scope, &path);
        out.rules.insert(target, format!("test.toml:{i}"));
        if !found.is_empty() {
            out.targets.insert(target, found);
        }
    }
    out
}

impl Outbound for Paths {
    fn revision(&self) -> String {
        "test".to_owned()
    }

    fn outbound(&self, resource: &str, scope: &Node<'_>) -> Result<Option<Values>, Held> {
        let rules = match resource {
            "fhir.Patient" => PATIENT,
            "fhir.ServiceRequest" => EXAM,
            "fhir.ImagingStudy" => STUDY,
            _ => REPORT,
        };
        let mut out = values(rules, scope);
        // What tables do in the shipped files.
        if let Some(Value::Text(word)) = out.targets.get_mut("status").and_then(|v| v.first_mut()) {
            *word = match word.as_str() {
                "scheduled" | "started" => "active".to_owned(),
                "canceled" | "discontinued" => "revoked".to_owned(),
                other => other.replace('_', "-"),
            };
        }
        if resource == "fhir.DiagnosticReport" {
            out.targets
                .entry("code")
                .or_insert_with(|| vec![Value::Concept(concept("18748-4", "LN", "CR"))]);
            let documents = list(scope, &["report", "documents"]);
            let each = documents
                .iter()
                .map(|d| values(&[("content", "content")], d));
            out.sections.insert("document", each.collect());
        }
        let series = list(scope, &["study", "series"]).into_iter().map(|s| {
            let mut one = values(SERIES, s);
            let instances = list(s, &["instances"]);
            one.sections.insert(
                "instance",
                instances.iter().map(|i| values(INSTANCE, i)).collect(),
            );
            one
        });
        out.sections.insert("series", series.collect());
        Ok(Some(out))
    }
}

/// A site whose root is 1.2.250.1.999.9, in Paris.
pub fn settings() -> Settings {
    Settings {
        site: Site {
            oid_root: "1.2.250.1.999.9".to_owned(),
            name: "CHU de Démonstration".to_owned(),
            institution: None,
            language: None,
            timezone: "Europe/Paris".to_owned(),
            zone: TimeZone::get("Europe/Paris").unwrap(),
        },
        issuers: BTreeMap::new(),
        target: Destination::default(),
        references: References::default(),
    }
}
