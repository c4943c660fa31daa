//! Tests of what a target chooses: profile packs, additions, how resources are written and referred to. With the shipped files.

use super::tests::{performed_exam, shipped, shipped_with, subjects};
use super::*;
use crate::domain::ids::{PatientId, ReportId};
use crate::domain::report::ReportStatus;
use crate::fhir::reference::Style;
use crate::publish::testing as t;
use crate::publish::testing::settings;

const FR: &str = "https://hl7.fr/ig/fhir/core/StructureDefinition";
const EU: &str = "http://hl7.eu/fhir/imaging/StructureDefinition";

fn rendered(docs: &Subjects, set: &MappingSet, settings: &Settings) -> Result<Vec<Json>, Held> {
    let rendered = render(docs, set, settings)?.expect("something to send");
    let entries = rendered.bundle["entry"].as_array().unwrap();
    Ok(entries.clone())
}

fn with_packs(packs: &[&str]) -> Settings {
    let mut settings = settings();
    settings.target.profiles = packs.iter().map(|p| (*p).to_owned()).collect();
    settings
}

fn report() -> Subjects {
    let mut docs = performed_exam();
    docs.subject = Subject::Report(ReportId(4));
    docs.report = Some(t::report(ReportStatus::Final));
    docs.documents
        .insert("aa".to_owned(), Arc::from(&b"%PDF"[..]));
    docs
}

/// A patient with a national identity, its reliability, and a place of birth.
fn french(reliability: &str, birth_place: &str) -> Subjects {
    let mut docs = subjects(Subject::Patient(PatientId(1)));
    let mut ipp = t::identifier("8001234", "1.2.250.1.999.1");
    ipp.type_ = Some("PI".to_owned());
    let ins = t::identifier("287037505690103", "1.2.250.1.213.1.4.10");
    let (ipp, ins) = (Value::Identifier(ipp), Value::Identifier(ins));
    let name = docs.patient.fields.first("name").cloned().unwrap();
    docs.patient.fields.0.extend(
        t::fields(vec![
            ("id", vec![ipp.clone()]),
            ("identifiers", vec![ipp, ins.clone()]),
            ("ins", vec![ins]),
            ("birth_name", vec![name]),
            ("birth_place", t::text(birth_place)),
            ("reliability", t::text(reliability)),
            ("sex", t::text("O")),
        ])
        .0,
    );
    docs
}

fn patient(docs: &Subjects, packs: &[&str]) -> Json {
    let entries = rendered(docs, &shipped(), &with_packs(packs)).unwrap();
    entries[0]["resource"].clone()
}

#[test]
fn a_qualified_identity_claims_the_profile_of_qualified_identities_and_keeps_it() {
    let patient = patient(&french("VALI", "75056"), &["fr-core@2.2.0"]);
    assert_eq!(
        patient["meta"],
        json!({"profile": [format!("{FR}/fr-core-patient-ins")]})
    );
    let status = json!({"url": "identityStatus", "valueCoding": {
        "system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445", "code": "VALI"}});
    let place = json!({"extension": [{"url": format!("{FR}/fr-core-address-insee-code"), "valueCoding": {
        "system": "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM", "code": "75056"}}]});
    let extensions = patient["extension"].as_array().unwrap();
    let reliability =
        json!({"url": format!("{FR}/fr-core-identity-reliability"), "extension": [status]});
    assert!(extensions.contains(&reliability), "{extensions:?}");
    let birth = json!({"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": place});
    assert!(extensions.contains(&birth), "{extensions:?}");
    assert_eq!(patient["identifier"][0]["use"], "usual");
    assert_eq!(patient["identifier"][1]["use"], "official");
    assert_eq!(patient["gender"], "unknown", "FrCore has no `other`");
    assert_eq!(
        patient["name"][0]["extension"][0]["url"],
        format!("{FR}/fr-core-patient-birth-list-given-name")
    );
    assert_eq!(patient["name"][0]["given"].as_array().unwrap().len(), 1);
}

#[test]
fn any_other_patient_claims_the_general_profile_and_says_no_qualified_status() {
    let check = |reliability: &str, place: &str, status: Option<&str>| {
        let patient = patient(&french(reliability, place), &["fr-core@2.2.0"]);
        assert_eq!(
            patient["meta"]["profile"][0],
            format!("{FR}/fr-core-patient")
        );
        let extensions = patient["extension"].as_array().cloned().unwrap_or_default();
        let found = extensions
            .iter()
            .find(|e| e["url"] == format!("{FR}/fr-core-identity-reliability"));
        let code = found.map(|e| e["extension"][0]["valueCoding"]["code"].clone());
        assert_eq!(code, status.map(|s| json!(s)), "{reliability}");
    };
    check("PROV", "75056", Some("PROV"));
    check("UNHEARD-OF", "75056", None);
    // Qualified, but the place of birth has no code: the profile for qualified identities would not be kept.
    check("VALI", "Paris", Some("VALI"));
}

#[test]
fn without_a_pack_nothing_of_it_is_said() {
    let patient = patient(&french("VALI", "75056"), &[]);
    assert_eq!(patient.get("meta"), None);
    assert_eq!(patient.get("extension"), None);
    assert_eq!(patient["gender"], "other");
    assert_eq!(patient["identifier"][0].get("use"), None);
}

#[test]
fn a_pack_that_is_not_there_holds() {
    let held = rendered(
        &french("PROV", ""),
        &shipped(),
        &with_packs(&["fr-core@9.0.0"]),
    );
    assert!(held.unwrap_err().why.contains("fr-core@9.0.0"));
}

#[test]
fn the_european_pack_adds_codes_types_and_the_accession_number_beside_the_order() {
    let entries = rendered(
        &report(),
        &shipped(),
        &with_packs(&["eu-imaging@1.0.0-ballot"]),
    )
    .unwrap();
    let resource = |i: usize| &entries[i]["resource"];
    let accession = &resource(1)["identifier"][1];
    let types: Vec<&Json> = accession["type"]["coding"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(
        (types[0]["code"].as_str(), types[1]["code"].as_str()),
        (Some("ACSN"), Some("121022"))
    );
    assert_eq!(
        resource(2)["meta"]["profile"][0],
        format!("{EU}/ImagingStudyEuImaging")
    );
    assert_eq!(
        resource(2)["identifier"][0]["type"]["coding"][0]["code"],
        "110180"
    );
    let order = &resource(2)["basedOn"][0];
    assert_eq!(order["reference"], entries[1]["fullUrl"]);
    assert_eq!(order["identifier"]["value"], "A26001");
    let categories = resource(3)["category"].as_array().unwrap();
    let codes: Vec<&Json> = categories.iter().map(|c| &c["coding"][0]["code"]).collect();
    assert_eq!(codes, ["85430-7", "RAD", "Medical-Imaging"], "each once");
    // The report's profile wants the reference alone.
    assert_eq!(resource(3)["basedOn"][0].get("identifier"), None);
}

#[test]
fn what_a_profile_demands_and_the_record_lacks_holds_with_the_pack_named() {
    let strict = "format = 1\nsource = \"x\"\nlicence = \"x\"\n[Patient]\nrequired = [\"telecom\"]\n\
                  [[Patient.profile]]\nurl = \"https://x.example/p\"\n";
    let set = shipped_with(&[("profiles/strict@1.toml", strict)]);
    let held = rendered(&french("PROV", ""), &set, &with_packs(&["strict@1"])).unwrap_err();
    assert_eq!(held.target, "Patient.telecom");
    assert!(held.why.contains("strict@1"), "{held}");
}

#[test]
fn a_site_adds_what_fits_everywhere() {
    let site = r#"format = 1
base = "imaging_study"
[const]
test = { code = "TEST", system = "https://x.example/tags", display = "Essai" }
[[add.extension]]
url = "https://x.example/scanner-room"
valueString = 'study.performed_steps.description | first'
[[add.extension]]
url = "https://x.example/never"
valueString = 'study.performed_steps.location | first'
[[add.extension]]
url = "https://x.example/french-only"
valueBoolean = true
profile = "fr-core"
[[add.meta_tag]]
value = 'const.test'
[[add.note]]
value = '"Vu"'
when = 'study.status == "available"'
[[series.add.extension]]
url = "https://x.example/order"
valueReference = 'exams | first'
"#;
    let set = shipped_with(&[("outbound/fhir/site.toml", site)]);
    let study = |packs: &[&str]| {
        let entries = rendered(&performed_exam(), &set, &with_packs(packs)).unwrap();
        (
            entries[1]["fullUrl"].clone(),
            entries[2]["resource"].clone(),
        )
    };
    let (order, plain) = study(&[]);
    assert_eq!(
        plain["extension"],
        json!([{"url": "https://x.example/scanner-room", "valueString": "Scanner du thorax"}]),
        "an extension without a value is none, and one of a pack is for its targets"
    );
    assert_eq!(
        plain["meta"]["tag"],
        json!([{"system": "https://x.example/tags", "code": "TEST", "display": "Essai"}])
    );
    assert_eq!(plain["note"], json!([{"text": "Vu"}]));
    assert_eq!(
        plain["series"][0]["extension"],
        json!([{"url": "https://x.example/order", "valueReference": {"reference": order}}])
    );
    let (_, french) = study(&["fr-core@2.2.0"]);
    assert_eq!(
        french["extension"][1],
        json!({"url": "https://x.example/french-only", "valueBoolean": true})
    );
}

#[test]
fn a_table_keeps_the_senders_code_and_appends_the_rows() {
    let set = shipped_with(&[("tables/procedures.csv", "key:code,loinc\n24627-2,99999-9\n")]);
    let mut docs = performed_exam();
    docs.subject = Subject::Exam(docs.exams[0].id);
    let entries = rendered(&docs, &set, &settings()).unwrap();
    let codings = &entries[1]["resource"]["code"]["coding"];
    assert_eq!(codings[0]["code"], "24627-2");
    assert_eq!(
        codings[1],
        json!({"system": "http://loinc.org", "code": "99999-9"})
    );
}

#[test]
fn a_target_says_what_is_written_there_and_what_is_only_referred_to() {
    use Mode::{CreateIfMissing, Off, Reference};
    let mut settings = settings();
    let choose = |settings: &mut Settings, type_: &str, mode| {
        settings.references.choose(type_, mode).unwrap();
    };
    choose(&mut settings, "Patient", CreateIfMissing);
    choose(&mut settings, "ServiceRequest", Reference);
    let entries = rendered(&performed_exam(), &shipped(), &settings).unwrap();
    assert_eq!(
        entries[0]["request"],
        json!({"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:oid:1.2.250.1.999.1%7C8001234"})
    );
    assert_eq!(entries.len(), 2);
    assert_eq!(
        entries[1]["resource"]["basedOn"],
        json!([{"type": "ServiceRequest", "identifier": {"system": "urn:oid:1.2.250.1.999.9.1", "value": "2"}}])
    );
    settings.references.style = Style::Conditional;
    let entries = rendered(&performed_exam(), &shipped(), &settings).unwrap();
    assert_eq!(
        entries[1]["resource"]["basedOn"][0]["reference"],
        "ServiceRequest?identifier=urn:oid:1.2.250.1.999.9.1%7C2"
    );
    choose(&mut settings, "ServiceRequest", Off);
    let entries = rendered(&performed_exam(), &shipped(), &settings).unwrap();
    assert_eq!(entries[1]["resource"].get("basedOn"), None);
    // Nothing of a subject whose own resource is not sent.
    choose(&mut settings, "ImagingStudy", Off);
    assert_eq!(
        render(&performed_exam(), &shipped(), &settings).unwrap(),
        None
    );
}

#[test]
fn a_person_may_stand_inside_the_resource_once() {
    let mut docs = performed_exam();
    let person = crate::domain::value::Person {
        identifiers: vec![t::identifier("99999000161", "1.2.250.1.71.4.2.1")],
        name: crate::domain::value::Name {
            family: Some("Pérez".to_owned()),
            ..Default::default()
        },
    };
    let person = vec![Value::Person(person)];
    docs.exams[0]
        .order
        .0
        .extend(t::fields(vec![("requester", person.clone())]).0);
    docs.exams[0].steps[0]
        .fields
        .0
        .extend(t::fields(vec![("performer", person)]).0);
    let mut settings = settings();
    settings
        .references
        .choose("Practitioner", Mode::Contained)
        .unwrap();
    let entries = rendered(&docs, &shipped(), &settings).unwrap();
    let order = &entries[1]["resource"];
    let reference = json!({"reference": "#practitioner-1", "display": "Pérez"});
    assert_eq!(order["requester"], reference);
    assert_eq!(order["performer"], json!([reference]));
    assert_eq!(
        order["contained"],
        json!([{"resourceType": "Practitioner", "id": "practitioner-1",
            "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "99999000161"}],
            "name": [{"family": "Pérez"}]}])
    );
}
