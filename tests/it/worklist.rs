//! Orders and what the scanners see of them.

use crate::{
    Test,
    app::TestApp,
    harness::{messages::Story, mllp::accepted},
};

pub const TESTS: &[Test] = &[
    (
        "an_order_is_on_the_list_of_its_scanner_with_its_accents",
        an_order_is_on_the_list_of_its_scanner_with_its_accents,
    ),
    (
        "d05_an_order_without_a_station_is_on_the_lists_of_its_modality",
        d05_an_order_without_a_station_is_on_the_lists_of_its_modality,
    ),
    (
        "a_cancelled_order_leaves_the_list_and_a_late_new_order_does_not_bring_it_back",
        a_cancelled_order_leaves_the_list_and_a_late_new_order_does_not_bring_it_back,
    ),
    (
        "a_cancel_before_its_order_wins",
        a_cancel_before_its_order_wins,
    ),
    (
        "d05_a_held_order_is_hidden_until_it_is_released",
        d05_a_held_order_is_hidden_until_it_is_released,
    ),
    (
        "a_corrected_name_is_shown_by_the_next_query",
        a_corrected_name_is_shown_by_the_next_query,
    ),
    (
        "an_older_correction_does_not_undo_a_newer_one",
        an_older_correction_does_not_undo_a_newer_one,
    ),
    ("matching_keys_choose", matching_keys_choose),
    (
        "an_answer_holds_what_was_asked_for_and_no_more",
        an_answer_holds_what_was_asked_for_and_no_more,
    ),
    (
        "what_was_taken_is_there_after_a_restart",
        what_was_taken_is_there_after_a_restart,
    ),
];

const AT: &str = "20260602080000";

/// The names on a station's list.
fn names(app: &TestApp, station: &str) -> Vec<String> {
    let found = app
        .scanner(station)
        .worklist(&[("ScheduledStationAETitle", station)]);
    found
        .iter()
        .map(|item| item.text("PatientName").unwrap_or("").to_owned())
        .collect()
}

fn order(app: &TestApp, story: &Story) {
    accepted(&app.ris().send(&story.order("NW", AT)));
}

fn an_order_is_on_the_list_of_its_scanner_with_its_accents(app: &TestApp) {
    order(app, &Story::of(1));
    let latin = Story {
        charset: "8859/1",
        ..Story::of(2)
    };
    order(app, &latin);
    assert_eq!(names(app, "CT1_SCANNER"), ["MAÎTREJEAN^Loïc"; 2]);
    assert_eq!(names(app, "CT2_URG"), [""; 0]);
}

fn d05_an_order_without_a_station_is_on_the_lists_of_its_modality(app: &TestApp) {
    let story = Story {
        station: "",
        ..Story::default()
    };
    order(app, &story);
    // A scanner that nobody configured says its modality in the query.
    let found = app
        .scanner("CT9")
        .worklist(&[("ScheduledStationAETitle", "CT9"), ("Modality", "CT")]);
    assert_eq!(found.len(), 1);
    let step = &found[0].items("ScheduledProcedureStepSequence")[0];
    assert_eq!(
        step.text("ScheduledStationAETitle"),
        Some("CT9"),
        "the item says who asked"
    );
    let found = app
        .scanner("MR9")
        .worklist(&[("ScheduledStationAETitle", "MR9"), ("Modality", "MR")]);
    assert_eq!(found.len(), 0);
}

fn a_cancelled_order_leaves_the_list_and_a_late_new_order_does_not_bring_it_back(app: &TestApp) {
    let story = Story::default();
    order(app, &story);
    accepted(&app.ris().send(&story.order("CA", "20260602081000")));
    assert_eq!(names(app, story.station).len(), 0);
    let late = String::from_utf8(story.order("NW", "20260602082000")).unwrap();
    accepted(
        &app.ris()
            .send(late.replace("|NW1|P|", "|NW1B|P|").as_bytes()),
    );
    assert_eq!(names(app, story.station).len(), 0);
}

fn a_cancel_before_its_order_wins(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("CA", "20260602081000")));
    order(app, &story);
    assert_eq!(names(app, story.station).len(), 0);
}

fn d05_a_held_order_is_hidden_until_it_is_released(app: &TestApp) {
    let story = Story::default();
    order(app, &story);
    accepted(&app.ris().send(&story.order("HD", "20260602081000")));
    assert_eq!(names(app, story.station).len(), 0);
    accepted(&app.ris().send(&story.order("RL", "20260602082000")));
    assert_eq!(names(app, story.station).len(), 1);
}

fn a_corrected_name_is_shown_by_the_next_query(app: &TestApp) {
    let story = Story::default();
    order(app, &story);
    accepted(
        &app.ris()
            .send(&story.admission("A08", "20260602083000", "ŒUVRARD")),
    );
    assert_eq!(names(app, story.station), ["ŒUVRARD^Loïc"]);
}

fn an_older_correction_does_not_undo_a_newer_one(app: &TestApp) {
    let story = Story::default();
    order(app, &story);
    accepted(
        &app.ris()
            .send(&story.admission("A08", "20260602083000", "GUÉGUEN")),
    );
    accepted(
        &app.ris()
            .send(&story.admission("A08", "20260602081500", "DUPONT")),
    );
    assert_eq!(names(app, story.station), ["GUÉGUEN^Loïc"]);
}

fn matching_keys_choose(app: &TestApp) {
    order(app, &Story::of(1));
    let other = Story {
        family: "GUÉGUEN",
        given: "Soazig",
        start: "20260603141500",
        ..Story::of(2)
    };
    order(app, &other);
    let one = Story::of(1);
    let accession = one.accession();
    let patient = one.patient_id();
    let study = one.study_uid();
    let cases: &[(&[(&str, &str)], usize)] = &[
        (&[], 2),
        (&[("AccessionNumber", &accession)], 1),
        (&[("PatientID", &patient)], 1),
        (&[("StudyInstanceUID", &study)], 1),
        (&[("RequestedProcedureID", "RP2")], 1),
        (&[("PatientName", "GUEGUEN*")], 1),
        (&[("PatientName", "gué?uen^soazig")], 1),
        (&[("PatientName", "X*")], 0),
        (&[("Modality", "CT")], 2),
        (&[("Modality", "MR")], 0),
        (&[("ScheduledProcedureStepStartDate", "20260602")], 1),
        (
            &[("ScheduledProcedureStepStartDate", "20260602-20260603")],
            2,
        ),
        (&[("ScheduledProcedureStepStartDate", "20260603-")], 1),
        (&[("ScheduledProcedureStepStartDate", "-20260601")], 0),
        // PS3.4 K.4: a date range with a time range is one range from the first to the last.
        (
            &[
                ("ScheduledProcedureStepStartDate", "20260602-20260603"),
                ("ScheduledProcedureStepStartTime", "1000-1500"),
            ],
            1,
        ),
        (
            &[
                ("ScheduledProcedureStepStartDate", "20260602-20260603"),
                ("ScheduledProcedureStepStartTime", "0800-1000"),
            ],
            1,
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(
            app.scanner("CT1_SCANNER").worklist(keys).len(),
            *expected,
            "{keys:?}"
        );
    }
}

fn an_answer_holds_what_was_asked_for_and_no_more(app: &TestApp) {
    order(app, &Story::default());
    let found = app
        .scanner("CT1_SCANNER")
        .ask(&["PatientName", "PatientID"], &[], &["Modality"]);
    let keywords = |data: &relais::dicom::dataset::DataSet| {
        data.iter()
            .map(relais::dicom::dataset::Element::name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keywords(&found[0]),
        [
            "SpecificCharacterSet",
            "PatientName",
            "PatientID",
            "ScheduledProcedureStepSequence"
        ]
    );
    assert_eq!(
        keywords(&found[0].items("ScheduledProcedureStepSequence")[0]),
        ["Modality"]
    );
}

fn what_was_taken_is_there_after_a_restart(app: &TestApp) {
    order(app, &Story::default());
    let mut relais = app.relais.lock().unwrap();
    assert!(relais.terminate().success());
    relais.restart();
    drop(relais);
    assert_eq!(names(app, "CT1_SCANNER").len(), 1);
}
