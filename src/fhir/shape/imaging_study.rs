//! ImagingStudy (FHIR R4): one resource per Study Instance UID, whatever the number of exams and performed steps.

use super::KindName::{Concept, Identifier, Location, Number, Person, Text, Thing, Uid, When};
use super::build::{Build, Context};
use super::{Held, Values};
use super::{Section, Shape, Target, coded, many, one, required};
use crate::domain::value::Value;
use serde_json::{Value as Json, json};

/// FHIR value set imagingstudy-status.
pub const STATUSES: &[&str] = &[
    "registered",
    "available",
    "cancelled",
    "entered-in-error",
    "unknown",
];

/// What a mapping file may fill.
pub const SHAPE: Shape = Shape {
    resource: "fhir.ImagingStudy",
    from: "study",
    scope: &[
        "study", "exams", "orders", "patient", "visit", "site", "target",
    ],
    targets: TARGETS,
    sections: &[Section {
        name: "series",
        over: "study.series",
        element: "series",
        targets: SERIES,
        sections: &[Section {
            name: "instance",
            over: "series.instances",
            element: "instance",
            targets: INSTANCE,
            sections: &[],
        }],
    }],
    build,
};

const TARGETS: &[Target] = &[
    many(
        "identifier",
        &[Identifier],
        "accession numbers (type ACSN unless they carry another); the study UID is added by the code",
    ),
    coded(
        required(one(
            "status",
            &[Text],
            "status of the study, a FHIR code; from study.status",
        )),
        STATUSES,
    ),
    many(
        "modality",
        &[Text, Concept],
        "modalities of its series, DICOM codes",
    ),
    required(one("subject", &[Thing], "the patient")),
    one("encounter", &[Thing], "the visit, by its number"),
    one("started", &[When], "earliest start of its performed steps"),
    many("basedOn", &[Thing], "the exams: one ServiceRequest each"),
    one(
        "referrer",
        &[Person],
        "the requesting physician, by identifier and name",
    ),
    many(
        "interpreter",
        &[Person],
        "who reads it, by identifier and name",
    ),
    many(
        "endpoint",
        &[Text],
        "where it can be retrieved: the address or the literal reference of an Endpoint, or an AE title as its text",
    ),
    many(
        "procedureCode",
        &[Concept, Text],
        "the procedures performed",
    ),
    one("location", &[Location, Text], "where, by its description"),
    many("reasonCode", &[Concept, Text], "why it was asked for"),
    one("description", &[Text], "description of the study"),
    many("note", &[Text], "comments"),
];

const SERIES: &[Target] = &[
    required(one("uid", &[Uid], "Series Instance UID")),
    one("number", &[Number], "number of the series"),
    required(one(
        "modality",
        &[Text, Concept],
        "modality of the series, a DICOM code",
    )),
    one("description", &[Text], "description of the series"),
    one("started", &[When], "when the series began"),
    one("bodySite", &[Concept], "where on the body, coded"),
    many(
        "performer.PRF",
        &[Person],
        "performing physicians (function PRF)",
    ),
    many("performer.SPRF", &[Person], "operators (function SPRF)"),
    one(
        "performer.DEV",
        &[Text],
        "the device, by its name (function DEV)",
    ),
    many("endpoint", &[Text], "as for the study"),
];

const INSTANCE: &[Target] = &[
    required(one("uid", &[Uid], "SOP Instance UID")),
    required(one("sopClass", &[Uid], "SOP Class UID")),
    one("number", &[Number], "number of the instance"),
    one("title", &[Text], "description of the instance"),
];

/// Builds the resource; the study's own identifier comes with the context.
pub fn build(values: &Values, cx: &Context<'_>) -> Result<Json, Held> {
    let mut b = Build::resource("ImagingStudy", TARGETS, values, cx)?;
    let accessions = b.identifiers("identifier", Some("ACSN"));
    b.put_identifiers(accessions);
    b.put_code("status", "status")?;
    let modalities = b.modalities("modality");
    b.out.list("modality", modalities);
    let subject = b.subject("subject")?;
    b.out.put("subject", Some(subject));
    let encounter = b.references("encounter", "Encounter").into_iter().next();
    b.out.put("encounter", encounter);
    b.put_time("started", "started");
    let orders = b.references("basedOn", "ServiceRequest");
    b.out.list("basedOn", orders);
    let referrer = b.actors("referrer").into_iter().next();
    b.out.put("referrer", referrer);
    let interpreters = b.actors("interpreter");
    b.out.list("interpreter", interpreters);
    let endpoints = b.endpoints("endpoint");
    b.out.list("endpoint", endpoints);
    let series = values
        .section("series")
        .iter()
        .enumerate()
        .map(|(i, s)| series(&b, i, s))
        .collect::<Result<Vec<_>, _>>()?;
    if !series.is_empty() {
        let instances: u64 = series
            .iter()
            .filter_map(|s| s["numberOfInstances"].as_u64())
            .sum();
        b.out.put("numberOfSeries", Some(json!(series.len())));
        b.out.put("numberOfInstances", Some(json!(instances)));
    }
    let procedures = b.concepts("procedureCode");
    b.out.list("procedureCode", procedures);
    let place = b.places("location").into_iter().next();
    b.out.put("location", place);
    let reasons = b.concepts("reasonCode");
    b.out.list("reasonCode", reasons);
    let notes = b.annotations("note");
    b.out.list("note", notes);
    b.put_text("description", "description");
    b.out.list("series", series);
    Ok(b.done())
}

fn series(study: &Build<'_>, index: usize, values: &Values) -> Result<Json, Held> {
    let mut b = Build::new(study.below("series", index), SERIES, values, study.cx)?;
    put_uid(&mut b, "uid")?;
    b.put_number("number", "number");
    let modality = b.modalities("modality").into_iter().next();
    let modality = modality.ok_or_else(|| b.held("modality", "not a DICOM modality code"))?;
    b.out.put("modality", Some(modality));
    b.put_text("description", "description");
    let instances = values
        .section("instance")
        .iter()
        .enumerate()
        .map(|(i, v)| instance(&b, i, v))
        .collect::<Result<Vec<_>, _>>()?;
    b.out.put("numberOfInstances", Some(json!(instances.len())));
    let endpoints = b.endpoints("endpoint");
    b.out.list("endpoint", endpoints);
    if let Some(Value::Concept(site)) = values.first("bodySite") {
        let coding = site
            .codings
            .iter()
            .find_map(|c| crate::fhir::datatype::coding(c, b.cx.systems));
        b.out.put("bodySite", coding);
    }
    b.put_time("started", "started");
    let performers = performers(&b);
    b.out.list("performer", performers);
    b.out.list("instance", instances);
    Ok(b.done())
}

fn performers(b: &Build<'_>) -> Vec<Json> {
    const FUNCTIONS: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
    let mut all = Vec::new();
    for (target, code) in [("performer.PRF", "PRF"), ("performer.SPRF", "SPRF")] {
        for actor in b.actors(target) {
            all.push((code, actor));
        }
    }
    let device = b.text("performer.DEV");
    let device = device.and_then(|d| b.cx.references.outside("Device", None, Some(d)));
    all.extend(device.map(|d| ("DEV", d)));
    let performer = |(code, actor)| {
        json!({
            "function": {"coding": [{"system": FUNCTIONS, "code": code}]},
            "actor": actor,
        })
    };
    all.into_iter().map(performer).collect()
}

fn instance(series: &Build<'_>, index: usize, values: &Values) -> Result<Json, Held> {
    let path = series.below("instance", index);
    let mut b = Build::new(path, INSTANCE, values, series.cx)?;
    put_uid(&mut b, "uid")?;
    let class = uid(&b, "sopClass")?;
    let class = json!({"system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{class}")});
    b.out.put("sopClass", Some(class));
    b.put_number("number", "number");
    b.put_text("title", "title");
    Ok(b.done())
}

/// A UID without prefix, as FHIR's `id` wants it; PS3.5 9.1: digits and dots, at most 64.
fn uid<'a>(b: &Build<'a>, target: &str) -> Result<&'a str, Held> {
    b.text(target)
        .filter(|u| {
            u.len() <= 64
                && u.bytes().all(|c| c.is_ascii_digit() || c == b'.')
                && u.starts_with(|c: char| c.is_ascii_digit())
        })
        .ok_or_else(|| b.held(target, "not a DICOM UID"))
}

fn put_uid(b: &mut Build<'_>, target: &str) -> Result<(), Held> {
    let uid = uid(b, target)?;
    b.out.text("uid", Some(uid));
    Ok(())
}
