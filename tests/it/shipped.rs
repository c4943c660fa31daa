//! Shipped mapping files beyond orders, patients and reports, seen from the port: their cases are sent, scanners and the window asked.

use crate::{Test, app::TestApp, harness::mllp::accepted};
use relais::api::access::Role;
use relais::dicom::dataset::DataSet;
use std::path::Path;

pub const TESTS: &[Test] = &[
    (
        "c10_an_appointment_places_moves_and_cancels_an_exam",
        c10_an_appointment_places_moves_and_cancels_an_exam,
    ),
    (
        "french_teleradiology_keeps_what_was_given_with_the_exam",
        french_teleradiology_keeps_what_was_given_with_the_exam,
    ),
    (
        "a_french_document_its_replacement_and_its_deletion_are_one_report",
        a_french_document_its_replacement_and_its_deletion_are_one_report,
    ),
];

/// The message of a shipped case.
fn case(file: &str, name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/inbound");
    std::fs::read(root.join(format!("{file}.cases/{name}/in.hl7"))).unwrap()
}

/// The only step on the list of a modality, if there is one.
fn listed(app: &TestApp, modality: &str) -> Option<DataSet> {
    let mut found = app.scanner("ANY1").worklist(&[("Modality", modality)]);
    assert!(found.len() < 2, "{found:#?}");
    found.pop()
}

fn c10_an_appointment_places_moves_and_cancels_an_exam(app: &TestApp) {
    let mut ris = app.ris();
    // A consultation is nobody's exam.
    accepted(&ris.send(&case("siu", "consultation_is_ignored")));
    accepted(&ris.send(&case("siu", "s12_known_procedure")));
    let start = |item: &DataSet| {
        let step = item.items("ScheduledProcedureStepSequence")[0].clone();
        let text = |keyword: &str| step.text(keyword).unwrap_or("").to_owned();
        format!(
            "{} {}",
            text("ScheduledProcedureStepStartDate"),
            text("ScheduledProcedureStepStartTime")
        )
    };
    let placed = listed(app, "DX").expect("placed");
    assert_eq!(placed.text("PatientName"), Some("LEFÈVRE^Noémie"));
    assert_eq!(start(&placed), "20260609 091500");
    accepted(&ris.send(&case("siu", "s13_moved")));
    assert_eq!(start(&listed(app, "DX").expect("moved")), "20260611 140000");
    accepted(&ris.send(&case("siu", "s14_arrived")));
    assert_eq!(
        start(&listed(app, "DX").expect("arrived")),
        "20260611 140000"
    );
    let exams = app.api(Role::Viewer).get("/api/exams");
    assert_eq!(
        exams["items"][0]["steps"][0]["status"], "arrived",
        "{exams}"
    );
    accepted(&ris.send(&case("siu", "s15_cancelled")));
    assert!(listed(app, "DX").is_none());
    let exams = app.api(Role::Viewer).get("/api/exams");
    assert_eq!(exams["items"].as_array().map(Vec::len), Some(1), "{exams}");
    assert_eq!(exams["items"][0]["status"], "canceled");
}

fn french_teleradiology_keeps_what_was_given_with_the_exam(app: &TestApp) {
    let mut ris = app.ris();
    accepted(&ris.send(&case("tlr_fr", "nw_request")));
    accepted(&ris.send(&case("tlr_fr", "ok_answer_with_protocol")));
    accepted(&ris.send(&case("tlr_fr", "sr_two_products_one_device")));
    let api = app.api(Role::Viewer);
    let exams = api.get("/api/exams");
    assert_eq!(exams["items"].as_array().map(Vec::len), Some(1), "{exams}");
    assert_eq!(exams["items"][0]["status"], "completed");
    let id = exams["items"][0]["id"].as_str().unwrap().to_owned();
    let exam = api.get(&format!("/api/exams/{id}"));
    let products = &exam["procedure"]["products"];
    assert_eq!(products["values"][0]["lot"][0], "LOT-7A", "{products}");
    assert_eq!(
        products["values"][1]["code"][0]["codings"][0]["code"],
        "N05BA01"
    );
    assert_eq!(
        exam["procedure"]["devices"]["values"][0]["serial"][0],
        "SN-4471"
    );
    assert_eq!(
        exam["extra"]["protocol"]["values"][0],
        "T1, T2, diffusion, T1 après gadolinium"
    );
}

fn a_french_document_its_replacement_and_its_deletion_are_one_report(app: &TestApp) {
    let mut ris = app.ris();
    for name in ["t02_new", "t10_replaces", "t04_deletes"] {
        accepted(&ris.send(&case("cda_fr", name)));
    }
    let refused = ris.send(&case("cda_fr", "event_and_status_disagree"));
    assert_eq!(refused.code(), "AE", "{}", refused.0);
    let exams = app.api(Role::Viewer).get("/api/exams");
    assert_eq!(exams["items"].as_array().map(Vec::len), Some(1), "{exams}");
    assert_eq!(exams["items"][0]["accession"], "A0000077");
    let dump = app.dump();
    let reports: Vec<&str> = dump.lines().filter(|l| l.starts_with("report ")).collect();
    assert_eq!(reports.len(), 1, "{reports:#?}");
    for kept in [
        "entered_in_error",
        "yann.petit@pro.mssante.example",
        "mss_professional",
    ] {
        assert!(reports[0].contains(kept), "{kept}: {}", reports[0]);
    }
    app.drained();
}
