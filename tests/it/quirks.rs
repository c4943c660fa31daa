//! What real scanners were seen to send (read in other projects' threads, written here with bytes of our own).

use crate::{
    Test,
    app::TestApp,
    harness::{messages::Story, mllp::accepted, scanner::Pps, scanner::runtime},
};
use relais::dicom::dataset::{Content, DataSet, Element, Tag, Vr};
use relais::dicom::scu::{Association, Found, Response, SCANNER, ScuError};

pub const TESTS: &[Test] = &[
    (
        "d01_an_ultrasounds_query_with_an_empty_code_item_group_lengths_and_private_attributes_is_answered",
        d01_an_ultrasounds_query_with_an_empty_code_item_group_lengths_and_private_attributes_is_answered,
    ),
    (
        "d02_a_query_without_the_step_sequence_is_answered_without_it",
        d02_a_query_without_the_step_sequence_is_answered_without_it,
    ),
    (
        "d04_a_scanner_that_aborts_after_success_may_come_again",
        d04_a_scanner_that_aborts_after_success_may_come_again,
    ),
    (
        "e02_an_n_create_with_group_lengths_in_every_group_is_taken",
        e02_an_n_create_with_group_lengths_in_every_group_is_taken,
    ),
    (
        "e01_a_refused_n_create_names_the_attribute",
        e01_a_refused_n_create_names_the_attribute,
    ),
];

/// Runs an operation of the station's on an association of its own.
fn on_association<T>(
    app: &TestApp,
    operation: impl AsyncFnOnce(&mut Association) -> Result<T, ScuError>,
) -> T {
    let peer = app.scanner("US2_DOPPLER").peer;
    let done = runtime().block_on(async {
        let mut association = Association::connect(peer, "US2_DOPPLER", "RELAIS", SCANNER).await?;
        let done = operation(&mut association).await?;
        association.release().await?;
        Ok::<_, ScuError>(done)
    });
    done.unwrap()
}

fn find(app: &TestApp, query: &DataSet) -> Found {
    on_association(app, async |association| association.find(query).await)
}

fn create(app: &TestApp, uid: &str, data: &DataSet) -> Response {
    on_association(app, async |association| {
        association.n_create(Some(uid), data).await
    })
}

fn ordered(app: &TestApp) -> Story {
    let story = Story {
        station: "US2_DOPPLER",
        modality: "US",
        ..Story::default()
    };
    accepted(&app.ris().send(&story.order("NW", "20260602080000")));
    story
}

fn asks(keywords: &[&str]) -> DataSet {
    let mut query = DataSet::new();
    for keyword in keywords {
        query.put_text(keyword, "");
    }
    query
}

/// A group length that counts nothing that is there.
fn group_length(group: u16) -> Element {
    Element {
        tag: Tag(group, 0),
        vr: Vr::UL,
        content: Content::Bytes(vec![0x42, 0, 0, 0]),
    }
}

fn private(element: u16, value: &str) -> Element {
    Element {
        tag: Tag(0x0029, element),
        vr: Vr::LO,
        content: Content::Text(vec![value.to_owned()]),
    }
}

fn d01_an_ultrasounds_query_with_an_empty_code_item_group_lengths_and_private_attributes_is_answered(
    app: &TestApp,
) {
    let story = ordered(app);
    let mut step = asks(&["Modality", "ScheduledProcedureStepStartDate"]);
    step.put_text("ScheduledStationAETitle", "US2_DOPPLER");
    let code = asks(&["CodeValue", "CodingSchemeDesignator", "CodeMeaning"]);
    step.put_items("ScheduledProtocolCodeSequence", vec![code]);
    step.insert(group_length(0x0040));
    let mut query = asks(&["PatientName", "AccessionNumber", "PatientWeight"]);
    query.put_items("ScheduledProcedureStepSequence", vec![step]);
    query.put("PregnancyStatus", Content::Bytes(vec![]));
    for element in [
        group_length(0x0008),
        group_length(0x0010),
        group_length(0x0040),
        private(0x0010, "ACME 1.1"),
        private(0x1001, "X"),
    ] {
        query.insert(element);
    }
    let found = find(app, &query);
    assert_eq!(
        (found.status, found.warning, found.items.len()),
        (0, false, 1)
    );
    let item = &found.items[0];
    assert_eq!(
        item.text("AccessionNumber"),
        Some(story.accession().as_str())
    );
    let strange = |e: &Element| e.tag.1 == 0 || e.tag.0 % 2 == 1;
    assert!(!item.iter().any(strange), "nothing strange comes back");
}

fn d02_a_query_without_the_step_sequence_is_answered_without_it(app: &TestApp) {
    ordered(app);
    let found = find(app, &asks(&["PatientName", "PatientID"]));
    assert_eq!(found.items.len(), 1);
    let sequence = found.items[0].by_keyword("ScheduledProcedureStepSequence");
    assert!(sequence.is_none());
}

fn d04_a_scanner_that_aborts_after_success_may_come_again(app: &TestApp) {
    ordered(app);
    let scanner = app.scanner("US2_DOPPLER");
    for _ in 0..3 {
        let aborted = runtime().block_on(async {
            let mut association =
                Association::connect(scanner.peer, "US2_DOPPLER", "RELAIS", SCANNER).await?;
            let found = association.find(&asks(&["PatientName"])).await?;
            association.abort().await?;
            Ok::<_, ScuError>(found.status)
        });
        assert_eq!(aborted.unwrap(), 0);
    }
    assert_eq!(scanner.worklist(&[]).len(), 1);
}

fn e02_an_n_create_with_group_lengths_in_every_group_is_taken(app: &TestApp) {
    let pps = Pps::of(&ordered(app));
    let mut item = asks(&["ReferencedStudySequence"]);
    item.put_items("ReferencedStudySequence", vec![]);
    item.put_text("StudyInstanceUID", &pps.study);
    item.put_text("ScheduledProcedureStepID", &pps.step);
    item.insert(group_length(0x0020));
    item.insert(group_length(0x0040));
    let mut data = DataSet::new();
    data.put_items("ScheduledStepAttributesSequence", vec![item]);
    data.put_text("PatientID", &pps.patient_id);
    data.put_text("PerformedProcedureStepStatus", "IN PROGRESS");
    for group in [0x0008, 0x0010, 0x0020, 0x0040] {
        data.insert(group_length(group));
    }
    assert_eq!(create(app, &pps.uid, &data).status, 0);
    let scanner = app.scanner("US2_DOPPLER");
    assert_eq!(
        scanner.worklist(&[]).len(),
        0,
        "its step was found and started"
    );
}

fn e01_a_refused_n_create_names_the_attribute(app: &TestApp) {
    let mut data = DataSet::new();
    data.put_text("PerformedProcedureStepStatus", "STARTED");
    let refused = create(app, "1.2.250.1.999.1.88.1", &data);
    assert_eq!(refused.status, 0x0106);
    assert_eq!(refused.command.attributes, [Tag(0x0040, 0x0252)]);
    assert_eq!(create(app, "1.02.x", &data).status, 0x0117);
}
