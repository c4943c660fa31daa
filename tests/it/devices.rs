//! Device files at the port: each scanner gets its own list, nobody else's changes, and why-not names the gate.

use crate::{
    Test,
    app::TestApp,
    harness::{messages::Story, mllp::accepted, wait},
};
use relais::api::access::Role;
use relais::dicom::dataset::DataSet;
use serde_json::Value;
use std::fs;

pub const TESTS: &[Test] = &[
    (
        "d03_a_device_file_shapes_the_list_of_its_scanner_and_no_other",
        d03_a_device_file_shapes_the_list_of_its_scanner_and_no_other,
    ),
    (
        "d05_a_scanner_that_names_no_station_gets_its_list_by_its_file",
        d05_a_scanner_that_names_no_station_gets_its_list_by_its_file,
    ),
    (
        "d05_steps_that_have_begun_are_shown_to_the_scanner_whose_file_says_so",
        d05_steps_that_have_begun_are_shown_to_the_scanner_whose_file_says_so,
    ),
    (
        "d08_why_not_names_the_gate_that_kept_a_step_out",
        d08_why_not_names_the_gate_that_kept_a_step_out,
    ),
];

const AT: &str = "20260602080000";

/// Puts a device file in force.
fn device(app: &TestApp, nth: usize, text: &str) {
    let devices = app.database.dir.join("site/devices");
    fs::create_dir_all(&devices).unwrap();
    let head =
        "format = 1\nbase = \"worklist/default\"\n[from]\nmatch = { calling_ae = [\"CT2\"] }\n";
    fs::write(devices.join("ct2.toml"), format!("{head}{text}")).unwrap();
    let line = format!(r#"relais_mapping_reloads_total{{outcome="changed"}} {nth}"#);
    wait::until(&line, || {
        app.get("/metrics").lines().any(|l| l == line).then_some(())
    });
}

fn order(app: &TestApp, story: &Story) {
    accepted(&app.ris().send(&story.order("NW", AT)));
}

/// What a scanner gets of the attributes that device files change.
fn list(app: &TestApp, ae: &str, keys: &[(&str, &str)]) -> Vec<DataSet> {
    app.scanner(ae).ask(
        &[
            "PatientName",
            "RequestedProcedureDescription",
            "AccessionNumber",
        ],
        keys,
        &["ScheduledStationAETitle"],
    )
}

fn texts(items: &[DataSet], keyword: &str) -> Vec<String> {
    items
        .iter()
        .map(|item| item.text(keyword).unwrap_or("").to_owned())
        .collect()
}

fn d03_a_device_file_shapes_the_list_of_its_scanner_and_no_other(app: &TestApp) {
    order(
        app,
        &Story {
            family: "ŁUKASZEWSKI",
            ..Story::of(1)
        },
    );
    let before = list(app, "CT1", &[]);
    assert_eq!(texts(&before, "PatientName"), ["ŁUKASZEWSKI^Loïc"]);
    device(
        app,
        1,
        "[speaks]\ncharset = \"ISO_IR 100\"\n[limits]\nRequestedProcedureDescription = 20\n\
         [set]\nRequestedProcedureDescription = 'concat(\"2: \", inherited) | cut'\n",
    );
    let own = list(app, "CT2", &[]);
    assert_eq!(texts(&own, "PatientName"), ["LUKASZEWSKI^Loïc"]);
    assert_eq!(
        texts(&own, "RequestedProcedureDescription"),
        ["2: Scanographie du t"]
    );
    assert_eq!(list(app, "CT1", &[]), before, "the neighbour's list");
    // What the scanner shows is what it may ask for.
    let found = list(app, "CT2", &[("PatientName", "LUKASZEWSKI^LOIC")]);
    assert_eq!(found.len(), 1);

    device(
        app,
        2,
        "[speaks]\ncharset = \"ISO_IR 100\"\nunencodable = \"withhold\"\n",
    );
    assert_eq!(list(app, "CT2", &[]).len(), 0);
    assert_eq!(list(app, "CT1", &[]), before);
    device(app, 3, "[limits]\nAccessionNumber = 8\n");
    assert_eq!(list(app, "CT2", &[]).len(), 0, "a number is never cut");
    assert_eq!(list(app, "CT1", &[]), before);
}

fn d05_a_scanner_that_names_no_station_gets_its_list_by_its_file(app: &TestApp) {
    for (n, station) in [(1, "CT1_SCANNER"), (2, "CT2"), (3, "CTPOOL"), (4, "")] {
        order(
            app,
            &Story {
                station,
                ..Story::of(n)
            },
        );
    }
    let numbers = |ae: &str, keys: &[(&str, &str)]| texts(&list(app, ae, keys), "AccessionNumber");
    assert_eq!(numbers("CT2", &[]).len(), 3, "everything but the pool");
    device(
        app,
        1,
        "[shows]\nstations = [\"CT2\", \"CTPOOL\"]\nmodality = \"CT\"\n\
         [set.ScheduledProcedureStepSequence]\nScheduledStationAETitle = '\"CT2\"'\n",
    );
    let own = ["DEMO00000002", "DEMO00000003", "DEMO00000004"];
    assert_eq!(numbers("CT2", &[]), own);
    assert_eq!(numbers("CT2", &[("ScheduledStationAETitle", "CT2")]), own);
    assert_eq!(
        numbers("CT2", &[("ScheduledStationAETitle", "CTPOOL")]),
        [""; 0],
        "every item says CT2"
    );
    let station = |item: &DataSet| {
        item.items("ScheduledProcedureStepSequence")[0]
            .text("ScheduledStationAETitle")
            .map(str::to_owned)
    };
    let found = list(app, "CT2", &[("AccessionNumber", "DEMO00000003")]);
    assert_eq!(station(&found[0]).as_deref(), Some("CT2"));
    let other = list(app, "CT1", &[("AccessionNumber", "DEMO00000003")]);
    assert_eq!(station(&other[0]).as_deref(), Some("CTPOOL"));
}

fn d05_steps_that_have_begun_are_shown_to_the_scanner_whose_file_says_so(app: &TestApp) {
    let story = Story::default();
    order(app, &story);
    let scanner = app.scanner(story.station);
    assert_eq!(scanner.create(&crate::harness::scanner::Pps::of(&story)), 0);
    assert_eq!(list(app, "CT2", &[]).len(), 0);
    device(
        app,
        1,
        "[shows]\nstatuses = [\"SCHEDULED\", \"ARRIVED\", \"READY\", \"STARTED\"]\nstations = [\"CT1_SCANNER\"]\n",
    );
    assert_eq!(list(app, "CT2", &[]).len(), 1);
    assert_eq!(list(app, "CT1", &[]).len(), 0);
}

/// The closed gates of the only step of a number, as the window tells them.
fn closed(app: &TestApp, query: &str) -> Vec<String> {
    let api = app.api(Role::Viewer);
    let answer = api.get(&format!(
        "/api/worklist/why-not?calling=CT2&number=DEMO00000001{query}"
    ));
    let steps = answer["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{answer}");
    let gates = steps[0]["gates"].as_array().unwrap();
    let closed = |g: &&Value| g["open"] == false;
    let names: Vec<String> = gates
        .iter()
        .filter(closed)
        .map(|g| {
            assert!(g["cure"].is_string(), "{g}");
            g["gate"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(steps[0]["shown"], names.is_empty(), "{answer}");
    names
}

fn d08_why_not_names_the_gate_that_kept_a_step_out(app: &TestApp) {
    let story = Story::default();
    order(app, &story);
    assert_eq!(closed(app, ""), [""; 0]);
    assert_eq!(closed(app, "&query=Modality=MR"), ["Modality"]);
    assert_eq!(
        closed(
            app,
            "&query=ScheduledStationAETitle=CT2;PatientName=MARTIN*"
        ),
        ["PatientName", "ScheduledStationAETitle"]
    );
    device(
        app,
        1,
        "[limits]\nAccessionNumber = 8\n[shows]\nstations = [\"CT2\"]\ndays = { back = 0, ahead = 0 }\n\
         when = 'step.modality == \"MR\"'\n",
    );
    assert_eq!(closed(app, ""), ["days", "station", "when", "item"]);
    assert_eq!(list(app, "CT2", &[]).len(), 0);
    accepted(&app.ris().send(&story.order("CA", "20260602081000")));
    assert_eq!(closed(app, "")[0], "status");

    let why_not = |more: &[&str]| {
        let number = ["worklist", "why-not", "DEMO00000001", "--calling", "CT2"];
        app.try_cli(&[&number[..], more].concat())
    };
    let (code, told) = why_not(&[]);
    assert_eq!(code, 1, "{told}");
    for part in [
        "is not shown to CT2",
        "NO  status",
        "it is canceled; shown: scheduled, arrived, ready",
        "to open days: [shows] days",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    device(app, 2, "[speaks]\ncharset = \"ISO_IR 100\"\n");
    let (_, told) = why_not(&["--query", "PatientName=MARTIN*"]);
    assert!(
        told.contains("NO  PatientName") && told.contains("--show-phi"),
        "{told}"
    );
    assert!(!told.contains("MAÎTREJEAN"), "{told}");
    let (_, told) = why_not(&["--query", "PatientName=MARTIN*", "--show-phi"]);
    assert!(
        told.contains("asked MARTIN*, the item has MAÎTREJEAN^Loïc"),
        "{told}"
    );
    // The scanner's own words, from the journal of queries.
    list(app, "CT2", &[("Modality", "MR")]);
    let last = wait::until("the query is in the journal", || {
        let (_, told) = why_not(&["--last"]);
        told.contains("Modality").then_some(told)
    });
    assert!(last.contains("asked MR, the item has CT"), "{last}");
    let (code, told) = app.try_cli(&["worklist", "why-not", "NOBODY", "--calling", "CT2"]);
    assert_eq!(code, 1);
    assert!(told.contains("no step has this accession number"), "{told}");
}
