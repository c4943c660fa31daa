//! Tests of rendering, with a mapping made by hand.

use super::*;
use crate::domain::exam::StepStatus;
use crate::domain::ids::{ExamId, PatientId, PerformedId, ReportId};
use crate::domain::performed::PpsStatus;
use crate::domain::report::ReportStatus;
use crate::publish::testing as t;
use crate::publish::testing::{Paths, settings};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

pub(super) fn subjects(subject: Subject) -> Subjects {
    Subjects {
        subject,
        patient: t::patient(),
        survivor: None,
        exams: vec![],
        performed: vec![],
        report: None,
        documents: BTreeMap::new(),
    }
}

pub(super) fn performed_exam() -> Subjects {
    let mut docs = subjects(Subject::Performed(PerformedId(3)));
    docs.exams = vec![t::exam(StepStatus::Completed, &[PerformedId(3)])];
    let series = vec![t::series("1.2.3", &[("1.2.3.1", CT), ("1.2.3.2", CT)])];
    docs.performed = vec![t::performed(3, PpsStatus::Completed, false, series)];
    docs
}

fn bundle(docs: &Subjects) -> Json {
    render(docs, &Paths, &settings()).unwrap().unwrap().bundle
}

fn types(bundle: &Json) -> Vec<&str> {
    let entries = bundle["entry"].as_array().unwrap();
    entries
        .iter()
        .map(|e| e["resource"]["resourceType"].as_str().unwrap())
        .collect()
}

#[test]
fn a_patient_is_updated_by_its_own_identifier() {
    let bundle = bundle(&subjects(Subject::Patient(PatientId(1))));
    let entry = &bundle["entry"][0];
    assert_eq!(
        entry["request"],
        json!({"method": "PUT", "url": "Patient?identifier=urn:oid:1.2.250.1.999.1%7C8001234"})
    );
    // The national identity is not qualified here, so it stays at home.
    assert_eq!(
        entry["resource"],
        json!({"resourceType": "Patient",
            "identifier": [{"system": "urn:oid:1.2.250.1.999.1", "value": "8001234"}],
            "name": [{"use": "official", "family": "Lefèvre-Nuñez", "given": ["Zoé"]}],
            "birthDate": "1979-03-28"})
    );
}

#[test]
fn a_qualified_national_identity_is_shared() {
    let mut docs = subjects(Subject::Patient(PatientId(1)));
    docs.patient
        .fields
        .0
        .extend(t::fields(vec![("reliability", t::text("VALI"))]).0);
    let bundle = bundle(&docs);
    let ins = &bundle["entry"][0]["resource"]["identifier"][1];
    assert_eq!(ins["system"], "urn:oid:1.2.250.1.213.1.4.10");
}

#[test]
fn a_patient_without_named_authority_is_found_by_our_number() {
    let mut docs = subjects(Subject::Patient(PatientId(1)));
    let id = vec![Value::Identifier(t::identifier("77", ""))];
    docs.patient.fields = t::fields(vec![("id", id.clone()), ("identifiers", id)]);
    let bundle = bundle(&docs);
    let entry = &bundle["entry"][0];
    assert_eq!(
        entry["request"]["url"],
        "Patient?identifier=urn:oid:1.2.250.1.999.9.3%7C1"
    );
    assert_eq!(
        entry["resource"]["identifier"],
        json!([{"system": "urn:oid:1.2.250.1.999.9.3", "value": "1"},
            {"value": "77", "assigner": {"display": "CHU"}}])
    );
}

#[test]
fn a_merged_patient_points_at_its_survivor() {
    let mut docs = subjects(Subject::Patient(PatientId(1)));
    docs.patient.merged_into = Some(PatientId(9));
    let mut survivor = t::patient();
    survivor.id = PatientId(9);
    let id = vec![Value::Identifier(t::identifier(
        "8009999",
        "1.2.250.1.999.1",
    ))];
    survivor.fields.0.extend(t::fields(vec![("id", id)]).0);
    docs.survivor = Some(survivor);
    let bundle = bundle(&docs);
    assert_eq!(types(&bundle), ["Patient", "Patient"]);
    let merged = &bundle["entry"][1]["resource"];
    assert_eq!(merged["active"], false);
    assert_eq!(
        merged["link"],
        json!([{"other": {"reference": bundle["entry"][0]["fullUrl"]}, "type": "replaced-by"}])
    );
}

#[test]
fn an_order_brings_its_patient_and_nothing_that_was_not_done() {
    let mut docs = subjects(Subject::Exam(ExamId(2)));
    docs.exams = vec![t::exam(StepStatus::Scheduled, &[])];
    let bundle = bundle(&docs);
    assert_eq!(types(&bundle), ["Patient", "ServiceRequest"]);
    let entry = &bundle["entry"][1];
    assert_eq!(
        entry["request"]["url"],
        "ServiceRequest?identifier=urn:oid:1.2.250.1.999.9.1%7C2"
    );
    assert_eq!(
        entry["resource"],
        json!({"resourceType": "ServiceRequest",
            "identifier": [{"system": "urn:oid:1.2.250.1.999.9.1", "value": "2"},
                {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]},
                    "system": "urn:oid:1.2.250.1.999.2", "value": "A26001"}],
            "status": "active", "intent": "order",
            "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "Scanner du thorax"}]},
            "subject": {"reference": bundle["entry"][0]["fullUrl"]},
            "occurrenceDateTime": "2026-06-02T08:30:00+02:00"})
    );
}

#[test]
fn a_cancelled_exam_is_revoked() {
    let mut docs = subjects(Subject::Exam(ExamId(2)));
    docs.exams = vec![t::exam(StepStatus::Canceled, &[])];
    assert_eq!(bundle(&docs)["entry"][1]["resource"]["status"], "revoked");
}

#[test]
fn a_performed_step_makes_a_study_with_its_series() {
    let bundle = bundle(&performed_exam());
    assert_eq!(
        types(&bundle),
        ["Patient", "ServiceRequest", "ImagingStudy"]
    );
    let entry = &bundle["entry"][2];
    assert_eq!(
        entry["request"]["url"],
        "ImagingStudy?identifier=urn:dicom:uid%7Curn:oid:1.2"
    );
    let class = json!({"system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{CT}")});
    let ct = json!({"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"});
    assert_eq!(
        entry["resource"],
        json!({"resourceType": "ImagingStudy",
            "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2"},
                {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]},
                    "system": "urn:oid:1.2.250.1.999.2", "value": "A26001"}],
            "status": "available", "modality": [ct],
            "subject": {"reference": bundle["entry"][0]["fullUrl"]},
            "started": "2026-06-02T08:30:03+02:00",
            "basedOn": [{"reference": bundle["entry"][1]["fullUrl"]}],
            "numberOfSeries": 1, "numberOfInstances": 2,
            "description": "Scanner du thorax",
            "series": [{"uid": "1.2.3", "modality": ct, "description": "Thorax sans injection",
                "numberOfInstances": 2, "started": "2026-06-02T08:30:03+02:00",
                "instance": [{"uid": "1.2.3.1", "sopClass": class}, {"uid": "1.2.3.2", "sopClass": class}]}]})
    );
}

#[test]
fn a_final_report_carries_its_pdf() {
    let mut docs = performed_exam();
    docs.subject = Subject::Report(ReportId(4));
    docs.report = Some(t::report(ReportStatus::Final));
    docs.documents
        .insert("aa".to_owned(), Arc::from(&b"%PDF"[..]));
    let bundle = bundle(&docs);
    assert_eq!(
        types(&bundle),
        [
            "Patient",
            "ServiceRequest",
            "ImagingStudy",
            "DiagnosticReport"
        ]
    );
    let report = &bundle["entry"][3]["resource"];
    assert_eq!(
        report["identifier"][0]["system"],
        "urn:oid:1.2.250.1.999.9.2"
    );
    assert_eq!(report["status"], "final");
    assert_eq!(report["issued"], "2026-06-02T10:15:00+02:00");
    assert_eq!(
        report["imagingStudy"][0]["reference"],
        bundle["entry"][2]["fullUrl"]
    );
    assert_eq!(
        report["presentedForm"],
        json!([{"contentType": "application/pdf", "data": "JVBERg==", "size": 4, "hash": datatype::sha1_base64(b"%PDF")}])
    );
}

#[test]
fn a_missing_document_holds_the_report_with_element_and_rule() {
    let mut docs = performed_exam();
    docs.subject = Subject::Report(ReportId(4));
    docs.report = Some(t::report(ReportStatus::Final));
    let held = render(&docs, &Paths, &settings()).unwrap_err();
    assert_eq!(held.target, "DiagnosticReport.presentedForm[0].content");
    assert_eq!(held.rule, "test.toml:0");
}

#[test]
fn an_invalid_resource_is_held_with_the_rule_of_its_element() {
    let mut docs = subjects(Subject::Patient(PatientId(1)));
    let name = crate::domain::value::Name {
        family: Some("A\u{1}B".to_owned()),
        ..Default::default()
    };
    docs.patient
        .fields
        .0
        .extend(t::fields(vec![("name", vec![Value::Name(name)])]).0);
    let held = render(&docs, &Paths, &settings()).unwrap_err();
    assert_eq!(held.target, "Patient.name[0].family");
    assert_eq!(held.rule, "test.toml:1");
    assert!(!held.to_string().contains("A\u{1}B"));
}

#[test]
fn a_series_uid_that_is_none_holds_the_study() {
    let mut docs = performed_exam();
    docs.performed[0].series[0].fields = t::fields(vec![("uid", t::uid("not a uid"))]);
    let held = render(&docs, &Paths, &settings()).unwrap_err();
    assert_eq!(held.target, "ImagingStudy.series[0].uid");
}

#[test]
fn a_resend_is_the_same_message() {
    assert_eq!(bundle(&performed_exam()), bundle(&performed_exam()));
}

/// The shipped outbound files with the tables and packs that they use.
pub(super) fn shipped() -> MappingSet {
    shipped_with(&[])
}

/// The same with files of a site, by name and text.
pub(super) fn shipped_with(site: &[(&str, &str)]) -> MappingSet {
    macro_rules! files {
        ($($name:literal),* $(,)?) => {
            vec![$(crate::mapping::SourceFile {
                name: $name.to_owned(),
                layer: 0,
                text: include_str!(concat!("../../mappings/", $name)).into(),
            }),*]
        };
    }
    let mut files = files![
        "outbound/fhir/patient.toml",
        "outbound/fhir/service_request.toml",
        "outbound/fhir/imaging_study.toml",
        "outbound/fhir/diagnostic_report.toml",
        "tables/sex.csv",
        "tables/priority.csv",
        "tables/discontinuation.csv",
        "tables/service_request_status.csv",
        "tables/imaging_study_status.csv",
        "tables/diagnostic_report_status.csv",
        "tables/procedures.csv",
        "tables/endpoints.csv",
        "tables/anatomical_region.csv",
        "tables/fr_identity_status.csv",
        "profiles/fr-core@2.2.0.toml",
        "profiles/eu-imaging@1.0.0-ballot.toml",
    ];
    files.extend(site.iter().map(|(name, text)| crate::mapping::SourceFile {
        name: (*name).to_owned(),
        layer: 1,
        text: (*text).into(),
    }));
    let (set, problems) = MappingSet::compile(files);
    let problems: Vec<&String> = problems.iter().map(|p| &p.message).collect();
    assert!(problems.is_empty(), "{problems:?}");
    set
}

#[test]
fn the_shipped_mapping_publishes_a_report_with_its_study_order_and_patient() {
    let mut docs = performed_exam();
    docs.subject = Subject::Report(ReportId(4));
    docs.report = Some(t::report(ReportStatus::Final));
    docs.documents
        .insert("aa".to_owned(), Arc::from(&b"%PDF"[..]));
    let rendered = render(&docs, &shipped(), &settings()).unwrap().unwrap();
    let bundle = rendered.bundle;
    assert_eq!(
        types(&bundle),
        [
            "Patient",
            "ServiceRequest",
            "ImagingStudy",
            "DiagnosticReport"
        ]
    );
    let resource = |i: usize| &bundle["entry"][i]["resource"];
    assert_eq!(resource(0)["gender"], "female");
    assert_eq!(resource(0)["name"][0]["family"], "Lefèvre-Nuñez");
    assert_eq!(resource(1)["status"], "completed");
    assert_eq!(
        resource(1)["occurrenceDateTime"],
        "2026-06-02T08:30:00+02:00"
    );
    assert_eq!(resource(2)["status"], "available");
    assert_eq!(resource(2)["numberOfInstances"], 2);
    assert_eq!(
        resource(2)["series"][0]["started"],
        "2026-06-02T08:30:03+02:00"
    );
    assert_eq!(
        resource(2)["basedOn"][0]["reference"],
        bundle["entry"][1]["fullUrl"]
    );
    assert_eq!(resource(3)["status"], "final");
    assert_eq!(
        resource(3)["imagingStudy"][0]["reference"],
        bundle["entry"][2]["fullUrl"]
    );
    assert_eq!(resource(3)["conclusion"], "Pas d'anomalie.");
    assert_eq!(resource(3)["presentedForm"][0]["size"], 4);
}

#[test]
fn the_shipped_mapping_publishes_every_state_of_an_exam() {
    let check = |status: StepStatus, expected: &str| {
        let mut docs = subjects(Subject::Exam(ExamId(2)));
        docs.exams = vec![t::exam(status, &[])];
        let rendered = render(&docs, &shipped(), &settings()).unwrap().unwrap();
        assert_eq!(rendered.bundle["entry"][1]["resource"]["status"], expected);
    };
    check(StepStatus::Scheduled, "active");
    check(StepStatus::Started, "active");
    check(StepStatus::Completed, "completed");
    check(StepStatus::Canceled, "revoked");
    check(StepStatus::Discontinued, "revoked");
}

#[test]
fn a_study_without_images_and_one_on_the_wrong_entry_are_published_too() {
    for (status, wrong, expected) in [
        (PpsStatus::InProgress, false, "registered"),
        (PpsStatus::Discontinued, false, "cancelled"),
        (PpsStatus::Discontinued, true, "entered-in-error"),
    ] {
        let mut docs = performed_exam();
        docs.performed = vec![t::performed(3, status, wrong, vec![])];
        let rendered = render(&docs, &shipped(), &settings()).unwrap().unwrap();
        assert_eq!(rendered.bundle["entry"][2]["resource"]["status"], expected);
    }
}
