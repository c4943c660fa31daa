//! DiagnosticReport (FHIR R4): one resource per report, in its version in force, its documents inside.

use super::KindName::{Concept, Document, Identifier, Organization, Person, Text, Thing, When};
use super::{Section, Shape, Target, coded, many, one, required};

/// FHIR value set diagnostic-report-status.
pub const STATUSES: &[&str] = &[
    "registered",
    "partial",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "appended",
    "cancelled",
    "entered-in-error",
    "unknown",
];

/// What a mapping file may fill.
pub const SHAPE: Shape = Shape {
    resource: "fhir.DiagnosticReport",
    from: "report",
    scope: &["report", "patient", "exams", "orders", "studies", "site"],
    targets: TARGETS,
    sections: &[Section {
        name: "document",
        over: "report.documents",
        targets: DOCUMENT,
        sections: &[],
    }],
};

const TARGETS: &[Target] = &[
    many(
        "identifier",
        &[Identifier],
        "the sender's identifiers; the one by which the server finds the report is added by the code",
    ),
    coded(
        required(one(
            "status",
            &[Text],
            "status of the report, a FHIR code; from report.status",
        )),
        STATUSES,
    ),
    many("category", &[Concept], "kind of service"),
    required(one("code", &[Concept, Text], "kind of report")),
    one("subject", &[Thing], "the patient"),
    one(
        "effective",
        &[When],
        "clinically relevant time (effectiveDateTime)",
    ),
    one(
        "issued",
        &[When],
        "when this version was released; needs a time to the second, else it is left out",
    ),
    many(
        "performer",
        &[Person, Organization],
        "who answers for it, by identifier and name",
    ),
    many(
        "resultsInterpreter",
        &[Person],
        "who wrote it, by identifier and name",
    ),
    many("basedOn", &[Thing], "the exams that it answers"),
    many("imagingStudy", &[Thing], "the studies that it reads"),
    many(
        "conclusion",
        &[Text],
        "impression; several join with a blank line",
    ),
    many("conclusionCode", &[Concept], "coded conclusions"),
    many(
        "presentedForm.text",
        &[Text],
        "the text of the report, one line per value, as a text/plain attachment",
    ),
];

const DOCUMENT: &[Target] = &[
    required(one(
        "content",
        &[Document],
        "the bytes; media type, size and hash follow",
    )),
    one("title", &[Text], "title of the document"),
    one("language", &[Text], "language of the document (BCP 47)"),
    one("creation", &[When], "when it was made"),
];
