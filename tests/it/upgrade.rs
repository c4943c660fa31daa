//! From the database of a release to today's: tests/fixtures/releases/ holds what earlier binaries wrote, as SQL.

use crate::{
    Test,
    app::TestApp,
    harness::{
        api::Api,
        cli::relais,
        database::{Database, Engine, root},
        endpoint::{Endpoint, is},
        mllp::{Sender, accepted},
        process::Process,
        scanner::{Pps, Scanner},
    },
};
use relais::api::access::Role;
use std::fs;

pub const TESTS: &[Test] = &[
    (
        "h04_a_database_of_the_previous_release_is_migrated_and_served_on",
        h04_a_database_of_the_previous_release_is_migrated_and_served_on,
    ),
    (
        "h04_a_database_of_a_later_release_is_left_alone",
        h04_a_database_of_a_later_release_is_left_alone,
    ),
];

fn message(name: &str) -> Vec<u8> {
    fs::read(root().join("tests/fixtures/hl7").join(name)).unwrap()
}

/// The tests of this file have databases of their own; the one that comes with a test says on which engine.
fn engine(app: &TestApp) -> Engine {
    if app.database.is_postgres() {
        Engine::Postgres
    } else {
        Engine::Sqlite
    }
}

fn h04_a_database_of_the_previous_release_is_migrated_and_served_on(app: &TestApp) {
    let engine = engine(app);
    let database = Database::empty(engine);
    let sql = root().join(format!("tests/fixtures/releases/0.1.0.{engine}.sql"));
    database.execute(&fs::read_to_string(sql).unwrap());
    let endpoint = Endpoint::start();
    // However old the fixture is by now: its evidence is kept.
    let kept = vec![
        ("RELAIS_RETENTION_JOURNAL_DAYS", "36500".to_owned()),
        ("RELAIS_RETENTION_BODIES_DAYS", "36500".to_owned()),
    ];
    let engine = Process::start_with(&database, Some(&endpoint.url), kept);

    // The worklist is answered from the documents of then.
    let scanner = Scanner {
        peer: engine.dicom,
        ae: "MG1_MAMMO".to_owned(),
    };
    let found = scanner.worklist(&[("Modality", "MG")]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text("AccessionNumber"), Some("DEMO26000107"));
    assert_eq!(found[0].text("PatientName"), Some("CASANOVA^Letizia"));

    // So is the window, by names that the old release did not fold.
    let api = Api {
        addr: engine.http,
        role: Some(Role::Viewer),
    };
    let named = api.get("/api/patients?name=casanova%5Elet");
    assert_eq!(named["items"].as_array().map(Vec::len), Some(1), "{named}");

    // A resend is recognised across the upgrade, a change and a report find their exam, the open performed step is ended.
    let mut ris = Sender::connect(engine.mllp);
    let nothing_new = ris.send(&message("orm_nw.hl7"));
    accepted(&nothing_new);
    accepted(&ris.send(&message("orm_ca.hl7")));
    let open = Pps {
        uid: "1.2.250.1.999.1.88.2".to_owned(),
        patient_id: "80010518".to_owned(),
        name: "BEN YOUSSEF^Mohamed".to_owned(),
        study: "1.2.250.1.999.1.9.26.109".to_owned(),
        accession: "DEMO26000109".to_owned(),
        procedure: "RP26-0109".to_owned(),
        step: "SP26-0109B".to_owned(),
    };
    assert_eq!(scanner.create(&open), 0x0111, "it is there already");
    assert_eq!(scanner.complete(&open), 0);

    // What the old release could not deliver arrives, with what came since.
    endpoint.sole("DiagnosticReport", is("status", "final"));
    endpoint.sole("ImagingStudy", is("status", "available"));
    endpoint.sole("ServiceRequest", is("status", "revoked"));
    assert_eq!(endpoint.of("Patient").len(), 3);
}

fn h04_a_database_of_a_later_release_is_left_alone(app: &TestApp) {
    assert!(app.relais.lock().unwrap().terminate().success());
    app.database.execute(
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2099_01_01_future', 0)",
    );
    let before = app.whole_dump();
    for command in [&["serve"][..], &["outbox", "list"], &["purge"]] {
        let told = relais(&app.database, command);
        assert_eq!(told.code, 1, "{command:?}: {}", told.text);
        for part in ["a later release of Relais", "m2099_01_01_future", "backup"] {
            assert!(told.text.contains(part), "{command:?}: {}", told.text);
        }
    }
    assert_eq!(app.whole_dump(), before);
}
