//! Patient (FHIR R4): demographics and identifiers of the record's patient; a merged patient points at its survivor.

use super::KindName::{Address, Bool, Concept, Identifier, Name, Telecom, Text, When};
use super::{Shape, Target, coded, many, one};

/// FHIR value set administrative-gender.
pub const GENDERS: &[&str] = &["male", "female", "other", "unknown"];

/// What a mapping file may fill.
pub const SHAPE: Shape = Shape {
    resource: "fhir.Patient",
    from: "patient",
    scope: &["patient", "visit", "site"],
    targets: TARGETS,
    sections: &[],
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
];
