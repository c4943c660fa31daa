//! DiagnosticReport (FHIR R4): one resource per report, in its version in force, its documents inside.

use super::KindName::{Concept, Document, Identifier, Organization, Person, Text, Thing, When};
use super::build::{Build, Context};
use super::{Held, Values};
use super::{Section, Shape, Target, coded, many, one, required};
use crate::domain::value::{Document as RecordDocument, Value};
use crate::fhir::datatype;
use serde_json::Value as Json;

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
    scope: &[
        "report", "patient", "visit", "exams", "orders", "studies", "site", "target",
    ],
    targets: TARGETS,
    sections: &[Section {
        name: "document",
        over: "report.documents",
        element: "presentedForm",
        targets: DOCUMENT,
        sections: &[],
    }],
    build,
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
    one("encounter", &[Thing], "the visit, by its number"),
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

/// Builds the resource.
pub fn build(values: &Values, cx: &Context<'_>) -> Result<Json, Held> {
    let mut b = Build::resource("DiagnosticReport", TARGETS, values, cx)?;
    let identifiers = b.identifiers("identifier", None);
    b.put_identifiers(identifiers);
    let orders = b.references("basedOn", "ServiceRequest");
    b.out.list("basedOn", orders);
    b.put_code("status", "status")?;
    let category = b.concepts("category");
    b.out.list("category", category);
    let code = b.concepts("code").into_iter().next();
    let code = code.ok_or_else(|| b.held("code", "neither a code nor a text"))?;
    b.out.put("code", Some(code));
    let subject = b.references("subject", "Patient").into_iter().next();
    b.out.put("subject", subject);
    let encounter = b.references("encounter", "Encounter").into_iter().next();
    b.out.put("encounter", encounter);
    b.put_time("effectiveDateTime", "effective");
    b.put_instant("issued", "issued");
    let performer = b.actors("performer");
    b.out.list("performer", performer);
    let interpreters = b.actors("resultsInterpreter");
    b.out.list("resultsInterpreter", interpreters);
    let studies = b.references("imagingStudy", "ImagingStudy");
    b.out.list("imagingStudy", studies);
    b.out.text(
        "conclusion",
        joined(values, "conclusion", "\n\n").as_deref(),
    );
    let codes = b.concepts("conclusionCode");
    b.out.list("conclusionCode", codes);
    let forms = presented_forms(&b)?;
    b.out.list("presentedForm", forms);
    Ok(b.done())
}

fn joined(values: &Values, target: &str, separator: &str) -> Option<String> {
    let texts: Vec<&str> = values
        .all(target)
        .iter()
        .filter_map(Value::comparable)
        .collect();
    (!texts.is_empty()).then(|| texts.join(separator))
}

/// The report's documents in their order, then its text.
fn presented_forms(report: &Build<'_>) -> Result<Vec<Json>, Held> {
    let mut forms = Vec::new();
    for (i, values) in report.values.section("document").iter().enumerate() {
        let path = report.below("presentedForm", i);
        let b = Build::new(path, DOCUMENT, values, report.cx)?;
        let Some(Value::Document(document)) = values.first("content") else {
            continue;
        };
        let bytes = report.cx.documents.get(&document.sha256).ok_or_else(|| {
            b.held(
                "content",
                "the document's bytes are not in the store; send the report again",
            )
        })?;
        forms.extend(datatype::attachment(
            document,
            bytes,
            b.text("title"),
            b.text("language"),
            b.time("creation").as_deref(),
        ));
    }
    if let Some(text) = joined(report.values, "presentedForm.text", "\n") {
        let plain = RecordDocument {
            sha256: String::new(),
            media_type: "text/plain;charset=utf-8".to_owned(),
            size: text.len() as u64,
            bytes: None,
        };
        forms.extend(datatype::attachment(
            &plain,
            text.as_bytes(),
            None,
            None,
            None,
        ));
    }
    Ok(forms)
}
