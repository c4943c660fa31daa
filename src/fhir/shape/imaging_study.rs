//! ImagingStudy (FHIR R4): one resource per Study Instance UID, whatever the number of exams and performed steps.

use super::KindName::{Concept, Identifier, Location, Number, Person, Text, Thing, Uid, When};
use super::{Section, Shape, Target, coded, many, one, required};

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
    scope: &["study", "exams", "orders", "patient", "site"],
    targets: TARGETS,
    sections: &[Section {
        name: "series",
        over: "study.series",
        targets: SERIES,
        sections: &[Section {
            name: "instance",
            over: "series.instances",
            targets: INSTANCE,
            sections: &[],
        }],
    }],
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
    many("endpoint", &[Text], "as for the study"),
];

const INSTANCE: &[Target] = &[
    required(one("uid", &[Uid], "SOP Instance UID")),
    required(one("sopClass", &[Uid], "SOP Class UID")),
    one("number", &[Number], "number of the instance"),
    one("title", &[Text], "description of the instance"),
];
