//! How a publication reads: the documents of one subject become one FHIR transaction Bundle, through the outbound mapping. Pure.
//!
//! The same documents and mapping give the same bytes: entries are named by uuids of what they are, times come from the record.
//! Every entry is a conditional update by an identifier that is always there, so a resend changes nothing at the receiver.

use super::scope::{self, Destination, EXAM_ARC, PATIENT_ARC, REPORT_ARC, Site};
use super::study::Study;
use crate::domain::event::Subject;
use crate::domain::exam::Exam;
use crate::domain::node::Node;
use crate::domain::patient::Patient;
use crate::domain::performed::PerformedStep;
use crate::domain::report::Report;
use crate::domain::value::{Thing, Value};
use crate::fhir::check;
use crate::fhir::datatype::{self, Systems};
use crate::fhir::reference::{Mode, References, search_token};
use crate::fhir::shape::build::{Context, Entry};
use crate::fhir::shape::{self, Held, Shape, Values};
use crate::mapping::MappingSet;
use crate::mapping::table::Row;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The outbound mapping, as rendering needs it.
pub trait Outbound {
    /// What the mapping file of a resource (`fhir.Patient`) yields for a scope; `None` when it says that nothing is to be sent.
    ///
    /// # Errors
    /// A value that must be there is missing, or a rule refuses: the publication is held.
    fn outbound(&self, resource: &str, scope: &Node<'_>) -> Result<Option<Values>, Held>;

    /// The mapping's revision, for the journal.
    fn revision(&self) -> String;

    /// Names of coding systems with their FHIR addresses, as the mapping's table `code_systems` has them.
    fn code_systems(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

impl Outbound for MappingSet {
    fn outbound(&self, resource: &str, scope: &Node<'_>) -> Result<Option<Values>, Held> {
        Self::outbound(self, resource, scope)
    }

    fn revision(&self) -> String {
        Self::revision(self).to_owned()
    }

    fn code_systems(&self) -> Vec<(String, String)> {
        let Some(table) = self.table("code_systems") else {
            return Vec::new();
        };
        let cell = |row: &Row, name| {
            let cell = row.cells.get(table.column(Some(name))?)?;
            (!cell.is_empty()).then(|| cell.clone())
        };
        let mut systems = Vec::new();
        for row in table.rows() {
            let Some(address) = cell(row, "fhir") else {
                continue;
            };
            let names = ["hl7v2", "dicom", "oid"];
            let names = names.into_iter().filter_map(|name| cell(row, name));
            systems.extend(names.map(|name| (name, address.clone())));
        }
        systems
    }
}

/// What a site chooses about its publications.
#[derive(Debug, Clone)]
pub struct Settings {
    pub site: Site,
    /// Names of assigning authorities with their FHIR addresses.
    pub issuers: BTreeMap<String, String>,
    /// The target, as rules see it.
    pub target: Destination,
    /// How resources are written and referred to there.
    pub references: References,
}

/// The documents of one subject, all of one moment.
#[derive(Debug, Clone)]
pub struct Subjects {
    pub subject: Subject,
    /// The patient of the subject; for a merged patient, that one.
    pub patient: Patient,
    /// The survivor, if the patient was merged.
    pub survivor: Option<Patient>,
    /// The exams concerned, and those of the studies concerned; exams of other patients are left out.
    pub exams: Vec<Exam>,
    /// The performed steps of the studies concerned.
    pub performed: Vec<PerformedStep>,
    pub report: Option<Report>,
    /// Bytes of the report's documents by SHA-256.
    pub documents: BTreeMap<String, Arc<[u8]>>,
}

/// A publication, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The transaction Bundle.
    pub bundle: Json,
    /// What was left out or supplied: (element, text), without patient data.
    pub notes: Vec<(String, String)>,
}

/// One resource before it is built.
struct Part<'a> {
    shape: &'static Shape,
    thing: Thing,
    values: Values,
    /// `system`, `value` of the identifier by which the server finds it, and that identifier.
    key: (String, String),
    identity: Json,
    url: String,
    patient: Option<&'a Patient>,
}

/// Renders the subject's publication; `None` when the mapping says that nothing is to be sent.
///
/// # Errors
/// The resource is not valid, or a rule refuses: with the element, the rule and the reason.
pub fn render(
    docs: &Subjects,
    mapping: &dyn Outbound,
    settings: &Settings,
) -> Result<Option<Rendered>, Held> {
    let render = Render::of(docs, mapping, settings);
    let parts = render.parts()?;
    let Some(rendered) = render.bundle(&parts)? else {
        return Ok(None);
    };
    check::bundle(&rendered.bundle).map_err(|held| blame(held, &parts))?;
    Ok(Some(rendered))
}

/// As [`render`], but the Bundle is not read back through the types of FHIR: so that what that costs can be told.
///
/// # Errors
/// A rule refuses, or an element cannot be built.
pub fn render_unchecked(
    docs: &Subjects,
    mapping: &dyn Outbound,
    settings: &Settings,
) -> Result<Option<Rendered>, Held> {
    let render = Render::of(docs, mapping, settings);
    render.bundle(&render.parts()?)
}

/// Adds the rule that filled the element: the one whose target begins the element's name.
fn blame(mut held: Held, parts: &[Part<'_>]) -> Held {
    let mut path = held.target.split('.');
    let type_ = path.next().unwrap_or_default();
    let element = path.next().unwrap_or_default();
    let element = element.split('[').next().unwrap_or_default();
    if held.rule.is_empty() && !element.is_empty() {
        let rules = parts
            .iter()
            .filter(|p| p.shape.type_name() == type_)
            .flat_map(|p| &p.values.rules);
        held.rule = rules
            .filter(|(t, _)| element.starts_with(t.split('.').next().unwrap_or(t)))
            .map(|(_, rule)| rule.clone())
            .next()
            .unwrap_or_default();
    }
    held
}

struct Render<'a> {
    docs: &'a Subjects,
    mapping: &'a dyn Outbound,
    settings: &'a Settings,
    /// Names of coding systems and authorities.
    systems: Systems,
}

impl<'a> Render<'a> {
    fn of(docs: &'a Subjects, mapping: &'a dyn Outbound, settings: &'a Settings) -> Self {
        Self {
            docs,
            mapping,
            settings,
            systems: Systems::new(mapping.code_systems(), settings.issuers.clone()),
        }
    }

    /// The Bundle of the parts; `None` if there are none.
    fn bundle(&self, parts: &[Part<'_>]) -> Result<Option<Rendered>, Held> {
        if parts.is_empty() {
            return Ok(None);
        }
        let entries = self.things(parts);
        let notes = RefCell::default();
        let mut bundle = Vec::with_capacity(parts.len());
        for part in parts.iter().filter(|p| self.mode(p).is_sent()) {
            bundle.push(self.entry(part, &entries, &notes)?);
        }
        Ok(Some(Rendered {
            bundle: with(
                json!({"resourceType": "Bundle", "type": "transaction"}),
                "entry",
                Json::Array(bundle),
            ),
            notes: notes.into_inner(),
        }))
    }

    /// All resources of the Bundle, dependencies first. Empty when the subject's own resource is not to be sent.
    fn parts(&self) -> Result<Vec<Part<'a>>, Held> {
        let docs = self.docs;
        let (site, to) = (&self.settings.site, &self.settings.target);
        let owner = docs.survivor.as_ref().filter(|_| !self.is_of_patient());
        let owner = owner.unwrap_or(&docs.patient);
        let mut exams: Vec<&Exam> = docs.exams.iter().collect();
        exams.sort_by_key(|e| e.id);
        exams.dedup_by_key(|e| e.id);
        let studies = self.studies();
        let mut parts = Vec::new();
        if let Some(survivor) = docs.survivor.as_ref().filter(|_| self.is_of_patient()) {
            parts.extend(self.patient(survivor)?);
        }
        parts.extend(self.patient(owner)?);
        if self.is_of_patient() {
            parts.retain(|p| self.mode(p).is_sent());
            return Ok(parts);
        }
        for exam in &exams {
            let scope = scope::exam_scope(exam, owner, site, to);
            let key = own_key(site, EXAM_ARC, exam.id.0);
            parts.extend(self.part(
                &shape::service_request::SHAPE,
                Thing::Exam(exam.id),
                &scope,
                key,
            )?);
        }
        for study in &studies {
            let Some(thing) = scope::study_thing(study) else {
                continue;
            };
            let of_study: Vec<&Exam> = exams
                .iter()
                .copied()
                .filter(|e| belongs(e, study))
                .collect();
            let scope = scope::study_scope(study, &of_study, owner, site, to);
            let key = ("urn:dicom:uid".to_owned(), format!("urn:oid:{}", study.uid));
            parts.extend(self.part(&shape::imaging_study::SHAPE, thing, &scope, key)?);
        }
        if let Some(report) = &docs.report {
            let scope = scope::report_scope(report, &exams, &studies, owner, site, to);
            let key = own_key(site, REPORT_ARC, report.id.0);
            let thing = Thing::Report(report.id);
            parts.extend(self.part(&shape::diagnostic_report::SHAPE, thing, &scope, key)?);
        }
        let has = |resource: &str| {
            let mut all = parts.iter();
            all.any(|p| p.shape.type_name() == resource && self.mode(p).is_sent())
        };
        let own = match docs.subject {
            Subject::Patient(_) => "Patient",
            Subject::Exam(_) => "ServiceRequest",
            Subject::Performed(_) => "ImagingStudy",
            Subject::Report(_) => "DiagnosticReport",
        };
        Ok(if has(own) { parts } else { vec![] })
    }

    fn mode(&self, part: &Part<'_>) -> Mode {
        self.settings.references.mode(part.shape.type_name())
    }

    /// What references can lead to: the resources of the Bundle, those that another system owns, and the visits.
    fn things(&self, parts: &[Part<'_>]) -> BTreeMap<Thing, Entry> {
        let number = |field: Option<&Value>, type_| match field {
            Some(Value::Identifier(id)) => datatype::identifier(id, type_, &self.systems),
            _ => None,
        };
        let mut things = BTreeMap::new();
        for part in parts.iter().filter(|p| self.mode(p) != Mode::Off) {
            let exam = self
                .docs
                .exams
                .iter()
                .find(|e| Thing::Exam(e.id) == part.thing);
            let accession = exam.and_then(|e| e.order.first("accession_number"));
            let entry = Entry {
                resource: part.shape.type_name(),
                url: self.mode(part).is_sent().then(|| part.url.clone()),
                identity: Some(part.identity.clone()),
                number: number(accession, Some("ACSN")),
                display: None,
            };
            things.insert(part.thing, entry);
        }
        for exam in &self.docs.exams {
            let visit = scope::visit(exam, &self.docs.patient);
            if let Some(identity) = number(visit.first("number"), Some("VN")) {
                let entry = Entry {
                    resource: "Encounter",
                    url: None,
                    identity: Some(identity),
                    number: None,
                    display: None,
                };
                things.insert(Thing::Visit(exam.id), entry);
            }
        }
        things
    }

    fn is_of_patient(&self) -> bool {
        matches!(self.docs.subject, Subject::Patient(_))
    }

    fn studies(&self) -> Vec<Study<'a>> {
        let mut uids: Vec<&str> = self
            .docs
            .performed
            .iter()
            .filter_map(|p| p.study_uid.as_deref())
            .collect();
        uids.sort_unstable();
        uids.dedup();
        uids.into_iter()
            .map(|uid| Study::of(uid, &self.docs.performed, &self.settings.site.zone))
            .filter(Study::is_performed)
            .collect()
    }

    fn patient(&self, patient: &'a Patient) -> Result<Option<Part<'a>>, Held> {
        let site = &self.settings.site;
        let scope = scope::patient_scope(patient, site, &self.settings.target);
        let key = patient_key(patient, &self.systems)
            .unwrap_or_else(|| own_key(site, PATIENT_ARC, patient.id.0));
        let part = self.part(
            &shape::patient::SHAPE,
            Thing::Patient(patient.id),
            &scope,
            key,
        )?;
        Ok(part.map(|p| Part {
            patient: Some(patient),
            ..p
        }))
    }

    fn part(
        &self,
        shape: &'static Shape,
        thing: Thing,
        scope: &Node<'_>,
        key: (String, String),
    ) -> Result<Option<Part<'a>>, Held> {
        let Some(values) = self.mapping.outbound(shape.resource, scope)? else {
            return Ok(None);
        };
        let name = format!("{}|{}|{}", shape.type_name(), key.0, key.1);
        let root = Uuid::new_v5(&Uuid::NAMESPACE_OID, self.settings.site.oid_root.as_bytes());
        let url = format!("urn:uuid:{}", Uuid::new_v5(&root, name.as_bytes()));
        Ok(Some(Part {
            shape,
            thing,
            values,
            identity: json!({"system": key.0, "value": key.1}),
            key,
            url,
            patient: None,
        }))
    }

    fn entry(
        &self,
        part: &Part<'_>,
        entries: &BTreeMap<Thing, Entry>,
        notes: &RefCell<Vec<(String, String)>>,
    ) -> Result<Json, Held> {
        let type_ = part.shape.type_name();
        let settings = self.settings;
        let mut cx = Context::new(
            &settings.site.zone,
            &self.systems,
            entries,
            &self.docs.documents,
        );
        cx.identity = vec![part.identity.clone()];
        cx.references = &settings.references;
        if let Some(patient) = part.patient {
            cx.ins_qualified = scope::is_qualified(patient);
            cx.replaced_by = patient
                .merged_into
                .and_then(|into| entries.get(&Thing::Patient(into)))
                .and_then(|e| e.url.clone());
        }
        let resource = part.shape.make(&part.values, &cx)?;
        notes.borrow_mut().extend(cx.notes.into_inner());
        let (system, value) = &part.key;
        let query = format!("identifier={}", search_token(system, value));
        let request = match self.mode(part) {
            Mode::CreateIfMissing => {
                json!({"method": "POST", "url": type_, "ifNoneExist": query})
            }
            _ => json!({"method": "PUT", "url": format!("{type_}?{query}")}),
        };
        let entry = with(json!({"fullUrl": part.url}), "resource", resource);
        Ok(with(entry, "request", request))
    }
}

/// An object with one part more, moved in: `json!` would copy it part by part.
fn with(mut object: Json, name: &str, part: Json) -> Json {
    if let Some(parts) = object.as_object_mut() {
        parts.insert(name.to_owned(), part);
    }
    object
}

/// An exam is of a study if it was scheduled under its UID or one of its performed steps performs it.
fn belongs(exam: &Exam, study: &Study<'_>) -> bool {
    let performed = |p: &&PerformedStep| p.links.iter().any(|l| l.exam == exam.id);
    exam.study_uid() == Some(study.uid) || study.steps.iter().any(performed)
}

fn own_key(site: &Site, arc: u8, id: i64) -> (String, String) {
    (format!("urn:oid:{}.{arc}", site.oid_root), id.to_string())
}

/// The patient's own identifier with its authority, if FHIR can name that authority.
fn patient_key(patient: &Patient, systems: &Systems) -> Option<(String, String)> {
    match patient.fields.first("id")? {
        Value::Identifier(id) => {
            let system = systems.issuer(id.issuer.as_ref()?)?;
            let value = id.value.trim();
            (!value.is_empty() && !datatype::is_ins(id)).then(|| (system, value.to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "profile_tests.rs"]
mod profile_tests;
