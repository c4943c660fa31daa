//! What scanners report (MPPS) and what follows from it.

use crate::{
    Test,
    app::TestApp,
    harness::{messages::Story, mllp::accepted, scanner::Pps},
};

pub const TESTS: &[Test] = &[
    (
        "e04_a_started_exam_leaves_the_list_and_a_completed_one_stays_away",
        e04_a_started_exam_leaves_the_list_and_a_completed_one_stays_away,
    ),
    (
        "e01_n_set_on_a_final_step_is_refused",
        e01_n_set_on_a_final_step_is_refused,
    ),
    (
        "e01_an_unknown_and_a_duplicate_step_are_told_apart",
        e01_an_unknown_and_a_duplicate_step_are_told_apart,
    ),
    (
        "e04_an_exam_broken_off_without_images_returns_to_the_list",
        e04_an_exam_broken_off_without_images_returns_to_the_list,
    ),
    (
        "e03_a_wrong_worklist_entry_returns_to_the_list",
        e03_a_wrong_worklist_entry_returns_to_the_list,
    ),
    (
        "c08_a_cancel_after_the_start_is_refused",
        c08_a_cancel_after_the_start_is_refused,
    ),
    (
        "e03_a_step_of_another_patient_is_not_linked",
        e03_a_step_of_another_patient_is_not_linked,
    ),
    (
        "e03_an_exam_without_an_order_is_accepted",
        e03_an_exam_without_an_order_is_accepted,
    ),
    (
        "e02_an_n_set_before_its_n_create_takes_effect_with_it",
        e02_an_n_set_before_its_n_create_takes_effect_with_it,
    ),
    (
        "e03_a_step_before_its_order_is_linked_when_the_order_comes",
        e03_a_step_before_its_order_is_linked_when_the_order_comes,
    ),
    (
        "c04_a_cancel_older_than_its_order_counts",
        c04_a_cancel_older_than_its_order_counts,
    ),
    (
        "c05_a_report_before_its_order_keeps_the_late_order_off_the_list",
        c05_a_report_before_its_order_keeps_the_late_order_off_the_list,
    ),
];

const AT: &str = "20260602080000";
const STATION: &str = "CT1_SCANNER";

fn ordered(app: &TestApp) -> (Story, Pps) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", AT)));
    let pps = Pps::of(&story);
    (story, pps)
}

fn listed(app: &TestApp) -> usize {
    app.scanner(STATION)
        .worklist(&[("ScheduledStationAETitle", STATION)])
        .len()
}

fn e04_a_started_exam_leaves_the_list_and_a_completed_one_stays_away(app: &TestApp) {
    let (_, pps) = ordered(app);
    let scanner = app.scanner(STATION);
    assert_eq!(listed(app), 1);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(listed(app), 0);
    assert_eq!(scanner.complete(&pps), 0x0000);
    assert_eq!(listed(app), 0);
}

fn e01_n_set_on_a_final_step_is_refused(app: &TestApp) {
    let (_, pps) = ordered(app);
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(scanner.complete(&pps), 0x0000);
    assert_eq!(scanner.complete(&pps), 0x0110);
    assert_eq!(scanner.discontinue(&pps, "110501"), 0x0110);
}

fn e01_an_unknown_and_a_duplicate_step_are_told_apart(app: &TestApp) {
    let (_, pps) = ordered(app);
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.complete(&pps), 0x0112);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(scanner.create(&pps), 0x0111);
}

fn e04_an_exam_broken_off_without_images_returns_to_the_list(app: &TestApp) {
    let (_, pps) = ordered(app);
    let scanner = app.scanner(STATION);
    scanner.create(&pps);
    assert_eq!(scanner.discontinue(&pps, "110501"), 0x0000);
    assert_eq!(listed(app), 1);
}

fn e03_a_wrong_worklist_entry_returns_to_the_list(app: &TestApp) {
    let (_, pps) = ordered(app);
    let scanner = app.scanner(STATION);
    scanner.create(&pps);
    assert_eq!(scanner.discontinue(&pps, "110514"), 0x0000);
    assert_eq!(listed(app), 1);
}

fn c08_a_cancel_after_the_start_is_refused(app: &TestApp) {
    let (story, pps) = ordered(app);
    app.scanner(STATION).create(&pps);
    // Said after the scanner's statement: an older one would have no effect at all. A clock ahead of ours counts as now.
    let ack = app.ris().send(&story.order("CA", "20990101000000"));
    assert_eq!(ack.code(), "AE", "{}", ack.0);
}

fn e03_a_step_of_another_patient_is_not_linked(app: &TestApp) {
    let (_, pps) = ordered(app);
    let stranger = Pps {
        patient_id: "80099999".to_owned(),
        ..pps
    };
    assert_eq!(
        app.scanner(STATION).create(&stranger),
        0x0000,
        "the scanner is not refused"
    );
    assert_eq!(listed(app), 1, "but its exam is not taken for done");
}

fn e03_an_exam_without_an_order_is_accepted(app: &TestApp) {
    let pps = Pps {
        accession: String::new(),
        procedure: String::new(),
        step: String::new(),
        ..Pps::of(&Story::default())
    };
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(scanner.complete(&pps), 0x0000);
}

fn e02_an_n_set_before_its_n_create_takes_effect_with_it(app: &TestApp) {
    let (_, pps) = ordered(app);
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.complete(&pps), 0x0112);
    assert_eq!(listed(app), 1);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(listed(app), 0);
    assert_eq!(scanner.complete(&pps), 0x0110, "it is completed");
}

fn e03_a_step_before_its_order_is_linked_when_the_order_comes(app: &TestApp) {
    let story = Story::default();
    let pps = Pps::of(&story);
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.create(&pps), 0x0000);
    accepted(&app.ris().send(&story.order("NW", AT)));
    assert_eq!(listed(app), 0, "the exam has begun");
    assert_eq!(scanner.discontinue(&pps, "110501"), 0x0000);
    assert_eq!(listed(app), 1, "and follows its scanner");
}

fn c04_a_cancel_older_than_its_order_counts(app: &TestApp) {
    let (story, _) = ordered(app);
    accepted(&app.ris().send(&story.order("CA", "20260602070000")));
    assert_eq!(listed(app), 0);
    accepted(&app.ris().send(&story.order("XO", "20260602090000")));
    assert_eq!(listed(app), 0);
}

fn c05_a_report_before_its_order_keeps_the_late_order_off_the_list(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.report("F", "20260602100000")));
    accepted(&app.ris().send(&story.order("NW", AT)));
    assert_eq!(listed(app), 0);
}
