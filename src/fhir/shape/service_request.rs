//! ServiceRequest (FHIR R4): the order of one exam, one resource per Requested Procedure.

use super::KindName::{Concept, Identifier, Location, Organization, Person, Text, Thing, When};
use super::build::{Build, Context};
use super::{Held, Values};
use super::{Shape, Target, coded, many, one, required};
use serde_json::Value as Json;

/// FHIR value set request-status.
pub const STATUSES: &[&str] = &[
    "draft",
    "active",
    "on-hold",
    "revoked",
    "completed",
    "entered-in-error",
    "unknown",
];
/// FHIR value set request-intent.
pub const INTENTS: &[&str] = &[
    "proposal",
    "plan",
    "directive",
    "order",
    "original-order",
    "reflex-order",
    "filler-order",
    "instance-order",
    "option",
];
/// FHIR value set request-priority.
pub const PRIORITIES: &[&str] = &["routine", "urgent", "asap", "stat"];

/// What a mapping file may fill.
pub const SHAPE: Shape = Shape {
    resource: "fhir.ServiceRequest",
    from: "exam",
    scope: &[
        "patient",
        "visit",
        "order",
        "procedure",
        "steps",
        "exam",
        "site",
        "target",
        "extra",
    ],
    targets: TARGETS,
    sections: &[],
    build,
};

const TARGETS: &[Target] = &[
    many(
        "identifier.accession",
        &[Identifier],
        "accession number (type ACSN)",
    ),
    many(
        "identifier.placer",
        &[Identifier],
        "placer order number (type PLAC)",
    ),
    many(
        "identifier.filler",
        &[Identifier],
        "filler order number (type FILL)",
    ),
    many(
        "identifier.other",
        &[Identifier],
        "further identifiers, with the type that they carry",
    ),
    one(
        "requisition",
        &[Identifier],
        "placer group number (type PGN)",
    ),
    coded(
        required(one(
            "status",
            &[Text],
            "status of the order, a FHIR code; from exam.status",
        )),
        STATUSES,
    ),
    coded(
        one("intent", &[Text], "`order` unless another code is given"),
        INTENTS,
    ),
    many("category", &[Concept], "kind of service"),
    coded(one("priority", &[Text], "a FHIR code"), PRIORITIES),
    one("code", &[Concept, Text], "the procedure asked for"),
    many(
        "orderDetail",
        &[Concept, Text],
        "how it is to be done: protocols; only with a code (prr-1)",
    ),
    required(one("subject", &[Thing], "the patient")),
    one("encounter", &[Thing], "the visit, by its number"),
    one(
        "occurrence",
        &[When],
        "when it is to take place (occurrenceDateTime)",
    ),
    one("authoredOn", &[When], "when it was ordered"),
    one(
        "requester",
        &[Person, Organization],
        "who asks for it, by identifier and name",
    ),
    many(
        "performer",
        &[Person, Organization],
        "who is to do it, by identifier and name",
    ),
    many(
        "locationReference",
        &[Location, Text],
        "where, by its description",
    ),
    many("reasonCode", &[Concept, Text], "why it is asked for"),
    many("bodySite", &[Concept, Text], "where on the body"),
    many("note", &[Text], "comments"),
    one("patientInstruction", &[Text], "what the patient is told"),
];

/// Builds the resource.
pub fn build(values: &Values, cx: &Context<'_>) -> Result<Json, Held> {
    let mut b = Build::resource("ServiceRequest", TARGETS, values, cx)?;
    let mut identifiers = b.identifiers("identifier.accession", Some("ACSN"));
    identifiers.extend(b.identifiers("identifier.placer", Some("PLAC")));
    identifiers.extend(b.identifiers("identifier.filler", Some("FILL")));
    identifiers.extend(b.identifiers("identifier.other", None));
    b.put_identifiers(identifiers);
    let group = b.identifiers("requisition", Some("PGN")).into_iter().next();
    b.out.put("requisition", group);
    b.put_code("status", "status")?;
    let intent = b.code("intent")?.unwrap_or("order");
    b.out.text("intent", Some(intent));
    let category = b.concepts("category");
    b.out.list("category", category);
    b.put_code("priority", "priority")?;
    let code = b.concepts("code").into_iter().next();
    let detail = match code {
        Some(_) => b.concepts("orderDetail"),
        None => vec![],
    };
    b.out.put("code", code);
    b.out.list("orderDetail", detail);
    let subject = b.subject("subject")?;
    b.out.put("subject", Some(subject));
    let encounter = b.references("encounter", "Encounter").into_iter().next();
    b.out.put("encounter", encounter);
    b.put_time("occurrenceDateTime", "occurrence");
    b.put_time("authoredOn", "authoredOn");
    let requester = b.actors("requester").into_iter().next();
    b.out.put("requester", requester);
    let performer = b.actors("performer");
    b.out.list("performer", performer);
    let places = b.places("locationReference");
    b.out.list("locationReference", places);
    let reasons = b.concepts("reasonCode");
    b.out.list("reasonCode", reasons);
    let sites = b.concepts("bodySite");
    b.out.list("bodySite", sites);
    let notes = b.annotations("note");
    b.out.list("note", notes);
    b.put_text("patientInstruction", "patientInstruction");
    Ok(b.done())
}
