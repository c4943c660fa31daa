//! Patient (FHIR R4): demographics and identifiers of the record's patient; a merged patient points at its survivor.

use super::KindName::{
    Address, Bool, Concept, Identifier, Name, Organization, Telecom, Text, When,
};
use super::build::{Build, Context};
use super::{Held, Values};
use super::{Shape, Target, coded, many, one};
use crate::domain::value::Value;
use crate::fhir::datatype;
use serde_json::{Value as Json, json};

/// FHIR value set administrative-gender.
pub const GENDERS: &[&str] = &["male", "female", "other", "unknown"];

/// What a mapping file may fill.
pub const SHAPE: Shape = Shape {
    resource: "fhir.Patient",
    from: "patient",
    scope: &["patient", "visit", "site", "target"],
    targets: TARGETS,
    sections: &[],
    build,
};

const TARGETS: &[Target] = &[
    many(
        "identifier",
        &[Identifier],
        "all identifiers; the one by which the server finds the patient is added by the code",
    ),
    one(
        "name.official",
        &[Name],
        "legal name, in France the birth name (use official)",
    ),
    one("name.usual", &[Name], "name in use (use usual)"),
    many("name.other", &[Name], "further names, without a use"),
    coded(
        one("gender", &[Text], "administrative gender, a FHIR code"),
        GENDERS,
    ),
    one("birthDate", &[When], "date of birth with its precision"),
    one(
        "deceased",
        &[Bool, When],
        "deceasedBoolean or deceasedDateTime, by the value",
    ),
    many("telecom", &[Telecom], "phone numbers and e-mail addresses"),
    many("address", &[Address], "postal addresses"),
    one(
        "language",
        &[Concept, Text],
        "language to speak in (communication, preferred)",
    ),
    one(
        "managingOrganization",
        &[Organization],
        "whose patient record it is, by identifier and name",
    ),
];

/// Builds the resource.
pub fn build(values: &Values, cx: &Context<'_>) -> Result<Json, Held> {
    let mut b = Build::resource("Patient", TARGETS, values, cx)?;
    let identifiers = identifiers(values, cx);
    b.put_identifiers(identifiers);
    if cx.replaced_by.is_some() {
        b.out.put("active", Some(json!(false)));
    }
    b.out.list("name", names(values));
    let telecoms = values.all("telecom").iter().filter_map(|v| match v {
        Value::Telecom(t) => datatype::telecom(t),
        _ => None,
    });
    b.out.list("telecom", telecoms.collect());
    b.put_code("gender", "gender")?;
    if let Some(Value::When(when)) = values.first("birthDate") {
        b.out.text("birthDate", datatype::date(when).as_deref());
    }
    match values.first("deceased") {
        Some(Value::Bool(dead)) => {
            b.out.put("deceasedBoolean", Some(json!(dead)));
        }
        Some(Value::When(_)) => b.put_time("deceasedDateTime", "deceased"),
        _ => {}
    }
    let addresses = values.all("address").iter().filter_map(|v| match v {
        Value::Address(a) => datatype::address_of(a),
        _ => None,
    });
    b.out.list("address", addresses.collect());
    let language = b.concepts("language").into_iter().next();
    if let Some(language) = language {
        let spoken = json!({"language": language, "preferred": true});
        b.out.list("communication", vec![spoken]);
    }
    let organization = b.actors("managingOrganization").into_iter().next();
    b.out.put("managingOrganization", organization);
    if let Some(survivor) = &cx.replaced_by {
        let link = json!({"other": {"reference": survivor}, "type": "replaced-by"});
        b.out.list("link", vec![link]);
    }
    Ok(b.done())
}

/// All identifiers but a national one that is not qualified: it must not be shared.
fn identifiers(values: &Values, cx: &Context<'_>) -> Vec<Json> {
    let mut all = Vec::new();
    for value in values.all("identifier") {
        let Value::Identifier(id) = value else {
            continue;
        };
        if datatype::is_ins(id) && !cx.ins_qualified {
            let why = "left out: the national identity is not qualified".to_owned();
            cx.notes
                .borrow_mut()
                .push(("Patient.identifier".to_owned(), why));
            continue;
        }
        all.extend(datatype::identifier(id, None, cx.systems));
    }
    all
}

/// The names in the order official, usual, others; one that says the same again is dropped.
fn names(values: &Values) -> Vec<Json> {
    let fixed = [
        ("name.official", Some("official")),
        ("name.usual", Some("usual")),
    ];
    let mut all: Vec<Json> = Vec::new();
    for (target, use_) in fixed {
        if let Some(Value::Name(n)) = values.first(target) {
            all.extend(datatype::name(n, use_));
        }
    }
    for value in values.all("name.other") {
        if let Value::Name(n) = value {
            let other = datatype::name(n, datatype::name_use(n.type_.as_deref()));
            let said = |o: &&Json| {
                let same = |k: &Json| k["family"] == o["family"] && k["given"] == o["given"];
                all.iter().any(same)
            };
            if other.as_ref().is_some_and(|o| !said(&o)) {
                all.extend(other);
            }
        }
    }
    all
}
