//! ServiceRequest (FHIR R4): the order of one exam, one resource per Requested Procedure.

use super::KindName::{Concept, Identifier, Location, Organization, Person, Text, Thing, When};
use super::{Shape, Target, coded, many, one, required};

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
    ],
    targets: TARGETS,
    sections: &[],
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
        "identifier",
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
    required(one("subject", &[Thing], "the patient")),
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
