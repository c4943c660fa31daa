//! The trees of names that outbound mapping files see: what `patient`, `order`, `study.series` ... mean for one publication. Pure.
//!
//! `mapping::scope` lists the same names with their kinds; a name that is there and has nothing behind it is simply empty.

use super::study::{Study, StudySeries};
use crate::domain::exam::Exam;
use crate::domain::fields::Fields;
use crate::domain::node::Node;
use crate::domain::patient::Patient;
use crate::domain::performed::PpsStatus;
use crate::domain::record::fields_of;
use crate::domain::report::Report;
use crate::domain::value::{Identifier, Issuer, Organization, Thing, Value};
use jiff::tz::TimeZone;

/// What a site says of itself.
#[derive(Debug, Clone)]
pub struct Site {
    /// Root OID under which its own identifiers are issued: `.1` exams, `.2` reports, `.3` patients.
    pub oid_root: String,
    pub name: String,
    pub institution: Option<Organization>,
    /// BCP 47: `fr-FR`.
    pub language: Option<String>,
    /// IANA name of its zone.
    pub timezone: String,
    pub zone: TimeZone,
}

impl Site {
    /// The number of a thing of ours under the site's root.
    pub fn identifier(&self, arc: u8, id: i64) -> Identifier {
        Identifier {
            value: id.to_string(),
            issuer: Some(Issuer {
                namespace: None,
                universal_id: Some(format!("{}.{arc}", self.oid_root)),
                scheme: Some("ISO".to_owned()),
            }),
            type_: None,
        }
    }

    /// `site` in expressions.
    pub fn node(&self) -> Node<'static> {
        let institution = self.institution.clone().map(Value::Organization);
        let language = self.language.clone().map(Value::Text);
        Node::object(vec![
            ("name", Node::text(self.name.clone())),
            (
                "institution",
                Node::Values(institution.into_iter().collect()),
            ),
            ("language", Node::Values(language.into_iter().collect())),
            ("timezone", Node::text(self.timezone.clone())),
        ])
    }
}

/// Arc of exams below the site's root.
pub const EXAM_ARC: u8 = 1;
/// Arc of reports.
pub const REPORT_ARC: u8 = 2;
/// Arc of patients whose own identifier has no issuer that FHIR can name.
pub const PATIENT_ARC: u8 = 3;

/// What a target is, as far as rules may ask.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// Its name in the configuration.
    pub name: String,
    /// Its profile packs: `fr-core@2.2.0`.
    pub profiles: Vec<String>,
}

impl Destination {
    /// `target` in expressions.
    pub fn node(&self) -> Node<'static> {
        let profiles = self.profiles.iter().cloned().map(Value::Text).collect();
        Node::object(vec![
            ("name", Node::text(self.name.clone())),
            ("profiles", Node::Values(profiles)),
        ])
    }
}

/// `patient`: its fields; the whole is the thing.
pub fn patient(patient: &Patient) -> Node<'_> {
    let mut children = section("patient", &patient.fields);
    let has_ins = patient.fields.first("ins").is_some();
    // Present or absent, not true or false: a bare name in a condition asks whether it is there.
    if has_ins && is_qualified(patient) {
        children.push(("ins_qualified", Node::Values(vec![Value::Bool(true)])));
    }
    Node::Object {
        thing: Some(Thing::Patient(patient.id)),
        children,
    }
}

/// PID-32 `VALI` (IHE PAM France): the national identity was fetched and checked.
pub fn is_qualified(patient: &Patient) -> bool {
    let mut said = patient.fields.values("reliability").iter();
    said.any(|v| v.comparable() == Some("VALI"))
}

/// The fields of a section by their catalogue names.
fn section<'a>(name: &str, fields: &'a Fields) -> Vec<(&'static str, Node<'a>)> {
    fields_of(name)
        .filter_map(|def| {
            fields
                .get(def.name)
                .map(|field| (def.name, Node::Field(field)))
        })
        .collect()
}

/// `visit` of an exam: the thing is there as soon as it has a number.
fn visit_node<'a>(exam: &'a Exam, patient: &'a Patient) -> Node<'a> {
    let fields = visit(exam, patient);
    Node::Object {
        thing: fields.first("number").map(|_| Thing::Visit(exam.id)),
        children: section("visit", fields),
    }
}

/// The visit of the first exam that has one.
fn visit_of<'a>(exams: &[&'a Exam], who: &'a Patient) -> Node<'a> {
    let with_number = |e: &&&'a Exam| visit(e, who).first("number").is_some();
    let exam = exams.iter().find(with_number).or(exams.first());
    exam.map_or(Node::absent(), |e| visit_node(e, who))
}

/// `visit` of an exam: as its order said, else as the patient administration last did.
pub fn visit<'a>(exam: &'a Exam, patient: &'a Patient) -> &'a Fields {
    if exam.visit.0.is_empty() {
        &patient.visit
    } else {
        &exam.visit
    }
}

fn exam_facts<'a>(exam: &'a Exam, site: &Site) -> Vec<(&'static str, Node<'a>)> {
    let id = site.identifier(EXAM_ARC, exam.id.0);
    vec![
        ("id", Node::Values(vec![Value::Identifier(id)])),
        ("status", Node::text(exam.status().word())),
    ]
}

/// `exam`, and each element of `exams`.
pub fn exam<'a>(exam: &'a Exam, patient: &'a Patient, site: &Site) -> Node<'a> {
    let thing = Some(Thing::Exam(exam.id));
    let mut children = exam_facts(exam, site);
    children.extend([
        ("order", Node::Fields(&exam.order)),
        ("procedure", Node::Fields(&exam.procedure)),
        ("visit", visit_node(exam, patient)),
        ("extra", Node::Fields(&exam.extra)),
        ("steps", steps(exam)),
        (
            "exam",
            Node::Object {
                thing,
                children: exam_facts(exam, site),
            },
        ),
    ]);
    Node::Object { thing, children }
}

fn steps(exam: &Exam) -> Node<'_> {
    Node::List(exam.steps.iter().map(|s| Node::Fields(&s.fields)).collect())
}

/// Scope of `fhir.Patient`.
pub fn patient_scope<'a>(of: &'a Patient, site: &Site, to: &Destination) -> Node<'a> {
    Node::object(vec![
        ("patient", patient(of)),
        ("visit", Node::Fields(&of.visit)),
        ("site", site.node()),
        ("target", to.node()),
    ])
}

/// Scope of `fhir.ServiceRequest`.
pub fn exam_scope<'a>(of: &'a Exam, who: &'a Patient, site: &Site, to: &Destination) -> Node<'a> {
    Node::object(vec![
        ("patient", patient(who)),
        ("visit", visit_node(of, who)),
        ("order", Node::Fields(&of.order)),
        ("procedure", Node::Fields(&of.procedure)),
        ("extra", Node::Fields(&of.extra)),
        ("steps", steps(of)),
        ("exam", exam(of, who, site)),
        ("site", site.node()),
        ("target", to.node()),
    ])
}

/// Scope of `fhir.ImagingStudy`.
pub fn study_scope<'a>(
    of: &Study<'a>,
    exams: &[&'a Exam],
    who: &'a Patient,
    site: &Site,
    to: &Destination,
) -> Node<'a> {
    Node::object(vec![
        ("study", study(of)),
        ("exams", exam_list(exams, who, site)),
        ("orders", order_list(exams)),
        ("visit", visit_of(exams, who)),
        ("patient", patient(who)),
        ("site", site.node()),
        ("target", to.node()),
    ])
}

/// Scope of `fhir.DiagnosticReport`.
pub fn report_scope<'a>(
    of: &'a Report,
    exams: &[&'a Exam],
    studies: &[Study<'a>],
    who: &'a Patient,
    site: &Site,
    to: &Destination,
) -> Node<'a> {
    Node::object(vec![
        ("report", report(of)),
        ("patient", patient(who)),
        ("exams", exam_list(exams, who, site)),
        ("orders", order_list(exams)),
        ("visit", visit_of(exams, who)),
        ("studies", Node::List(studies.iter().map(study).collect())),
        ("site", site.node()),
        ("target", to.node()),
    ])
}

fn exam_list<'a>(exams: &[&'a Exam], who: &'a Patient, site: &Site) -> Node<'a> {
    Node::List(exams.iter().map(|e| exam(e, who, site)).collect())
}

fn order_list<'a>(exams: &[&'a Exam]) -> Node<'a> {
    Node::List(exams.iter().map(|e| Node::Fields(&e.order)).collect())
}

/// The thing of a study: it carries the id of its oldest performed step.
pub fn study_thing(study: &Study<'_>) -> Option<Thing> {
    study.first.map(|id| Thing::Study(id.0))
}

fn study<'a>(study: &Study<'a>) -> Node<'a> {
    let each = |name: &'static str| {
        let found = study.steps.iter().filter_map(|p| p.fields.get(name));
        Node::List(found.map(Node::Field).collect())
    };
    let first = |name: &'static str| {
        let found = study.steps.iter().find_map(|p| p.fields.get(name));
        found.map_or(Node::absent(), Node::Field)
    };
    let reason = study
        .steps
        .iter()
        .filter(|p| p.status == PpsStatus::Discontinued)
        .find_map(|p| p.fields.get("discontinuation_reason"));
    let retrieve = study
        .series
        .iter()
        .filter_map(|s| s.fields.get("retrieve_aes"));
    let modalities = study.modalities().into_iter().map(Value::Text).collect();
    Node::Object {
        thing: study_thing(study),
        children: vec![
            (
                "instance_uid",
                Node::Values(vec![Value::Uid(study.uid.to_owned())]),
            ),
            ("status", Node::text(study.status())),
            ("modalities", Node::Values(modalities)),
            // The steps stand in the order of their start.
            ("started_at", first("start")),
            (
                "series",
                Node::List(study.series.iter().map(series).collect()),
            ),
            (
                "performed_steps",
                Node::List(
                    study
                        .steps
                        .iter()
                        .map(|p| Node::Fields(&p.fields))
                        .collect(),
                ),
            ),
            ("performed_codes", each("procedure_codes")),
            ("performed_description", each("description")),
            (
                "retrieve_aes",
                Node::List(retrieve.map(Node::Field).collect()),
            ),
            (
                "discontinuation",
                reason.map_or(Node::absent(), Node::Field),
            ),
        ],
    }
}

fn series<'a>(series: &StudySeries<'a>) -> Node<'a> {
    let step = series.step;
    let modality = match (series.modality(), step.fields.get("modality")) {
        (Some(m), Some(field)) if step.fields.text("modality") == Some(m) => Node::Field(field),
        (Some(m), _) => Node::text(m),
        (None, _) => Node::absent(),
    };
    let started = step.fields.get("start").map_or(Node::absent(), Node::Field);
    let mut children = section("series", series.fields);
    children.extend([
        ("modality", modality),
        ("started_at", started),
        ("step", Node::Fields(&step.fields)),
        (
            "instances",
            Node::List(series.instances.iter().map(|i| Node::Fields(i)).collect()),
        ),
    ]);
    Node::object(children)
}

fn report(of: &Report) -> Node<'_> {
    let mut children = vec![];
    if let Some(version) = of.current() {
        children = section("report", &version.fields);
        // The rank of versions decides the status, not the field.
        children.retain(|(name, _)| *name != "status");
        children.push(("status", Node::text(version.status.word())));
        let documents = version.documents.iter().map(Node::Fields).collect();
        children.push(("documents", Node::List(documents)));
    }
    Node::Object {
        thing: Some(Thing::Report(of.id)),
        children,
    }
}
