//! Orders, from the sender's side: matching, merging by age. Their course is in `lifecycle`.

use super::*;
use crate::domain::exam::{ExamStatus, Missing};
use crate::domain::policy::MissingStudyUid;
use OrderAct::{Cancel, Change, Schedule};

pub(super) const NW: &str = "patient.id=4711^HOPA patient.name=LEFÈVRE^Zoé patient.sex=F order.placer_number=P1^RIS \
    order.filler_number=F1^RIS order.accession_number=A1^RIS procedure.id=RP1 procedure.code=IRMCER \
    procedure.study_instance_uid=1.2.3.1 / step id=S1 modality=MR start=202606020900 station_aes=IRM1";
pub(super) const ID: &str = "patient.id=4711^HOPA order.placer_number=P1^RIS";

pub(super) fn with(base: &str, more: &str) -> String {
    match base.split_once(" / ") {
        Some((top, rows)) => format!("{top} {more} / {rows}"),
        None => format!("{base} {more}"),
    }
}

pub(super) fn placed() -> Day {
    let mut day = Day::new();
    day.expect(0, order(Schedule, NW), &["patient.created", "order.placed"]);
    day
}

#[test]
fn an_order_creates_patient_and_exam_and_repeated_it_changes_nothing() {
    let mut day = placed();
    let exam = day.exam(KeyKind::Accession, "A1");
    assert_eq!(exam.status(), ExamStatus::Scheduled);
    assert_eq!(exam.steps[0].sps_id, "S1");
    assert_eq!(day.name("4711"), "LEFÈVRE");
    day.expect(5, order(Schedule, NW), &[]);
}

#[test]
fn fields_merge_one_by_one_by_age_and_not_by_arrival() {
    let mut day = placed();
    let step = |text: &str| format!("{ID} / step id=S1 {text}");
    day.expect(
        30,
        order(Change, &step("start=202606021030")),
        &["order.changed"],
    );
    // Older than the move, newer than the order: its start is late news, its description is not.
    day.expect(
        20,
        order(Change, &step("start=202606021000 description=IRM")),
        &["order.changed"],
    );
    let fields = &day.exam(KeyKind::Placer, "P1").steps[0].fields;
    assert_eq!(fields.text("start"), Some("202606021030"));
    assert_eq!(fields.text("description"), Some("IRM"));
    // The same value said later makes what lies between late, though nothing changed.
    day.expect(50, order(Change, &step("start=202606021030")), &[]);
    day.expect(40, order(Change, &step("start=202606021200")), &[]);
}

#[test]
fn b05_empty_quotes_clear_a_field_and_never_a_number() {
    let mut day = placed();
    let cleared = with(ID, "order.accession_number= procedure.code=");
    day.expect(9, order(Change, &cleared), &["order.changed"]);
    let exam = day.exam(KeyKind::Accession, "A1");
    assert!(exam.procedure.first("code").is_none());
    assert_eq!(exam.order.text("accession_number"), Some("A1"));
}

#[test]
fn c06_what_the_sender_leaves_out_is_generated_once() {
    let mut day = Day::new();
    day.expect(0, order(Schedule, ID), &["patient.created", "order.placed"]);
    let exam = day.exam(KeyKind::Placer, "P1").clone();
    let uid = exam.study_uid().expect("generated").to_owned();
    assert!(uid.starts_with("2.25."));
    assert_eq!(exam.procedure.text("id").map(str::len), Some(13));
    assert_eq!(exam.steps[0].sps_id.len(), 13);
    day.expect(
        1,
        order(Change, &with(ID, "procedure.code=X")),
        &["order.changed"],
    );
    assert_eq!(day.exam(KeyKind::Placer, "P1").study_uid(), Some(&*uid));
    // What the sender states later takes the place of ours, which still finds the exam.
    let stated = with(
        ID,
        "procedure.study_instance_uid=1.2.3.9 procedure.id=RP9 / step id=S9",
    );
    day.expect(2, order(Change, &stated), &["order.changed"]);
    let exam = day.exam(KeyKind::Study, &uid);
    assert_eq!(exam.study_uid(), Some("1.2.3.9"));
    assert_eq!((exam.steps.len(), exam.steps[0].sps_id.as_str()), (1, "S9"));
}

#[test]
fn c06_a_missing_study_uid_is_refused_where_the_site_says_so() {
    let mut day = Day::new();
    day.policy.missing_study_uid = MissingStudyUid::Reject;
    day.refused(0, order(Schedule, ID), Reason::FieldMissing);
}

#[test]
fn c03_numbers_that_contradict_are_refused_and_nothing_is_guessed() {
    for (text, reason) in [
        // Two different hits.
        (
            "order.placer_number=P1^RIS order.accession_number=A2^RIS",
            Reason::OrderConflict,
        ),
        // A number that contradicts the stored one.
        (
            "order.placer_number=P1^RIS order.accession_number=A9^RIS",
            Reason::OrderConflict,
        ),
        (
            "order.placer_number=P9^RIS order.filler_number=F1^RIS",
            Reason::OrderConflict,
        ),
        (
            "procedure.id=RP1 order.placer_number=P1^RIS procedure.study_instance_uid=1.2.3.9",
            Reason::OrderConflict,
        ),
        (
            "procedure.study_instance_uid=1.2.3.1 order.placer_number=P9^RIS",
            Reason::OrderConflict,
        ),
        ("procedure.code=X", Reason::FieldMissing),
    ] {
        let mut day = placed();
        let second = NW
            .replace("P1", "P2")
            .replace("F1", "F2")
            .replace("A1", "A2");
        let second = second
            .replace("RP1", "RP2")
            .replace("1.2.3.1", "1.2.3.2")
            .replace("S1", "S2");
        day.expect(1, order(Schedule, &second), &["order.placed"]);
        day.refused(
            2,
            order(Change, &with("patient.id=4711^HOPA", text)),
            reason,
        );
    }
}

#[test]
fn c03_two_numbers_of_different_exams_name_neither_even_where_none_contradicts() {
    let mut day = Day::new();
    let patient = "patient.id=4711^HOPA";
    let by = |number: &str| order(Schedule, &with(patient, number));
    day.expect(
        0,
        by("order.placer_number=P1^RIS"),
        &["patient.created", "order.placed"],
    );
    day.expect(1, by("order.accession_number=A2^RIS"), &["order.placed"]);
    // Neither exam has the other's number: only the two hits say that something is wrong.
    for act in [Schedule, Change, Cancel] {
        let both = with(
            patient,
            "order.placer_number=P1^RIS order.accession_number=A2^RIS",
        );
        day.refused(2, order(act, &both), Reason::OrderConflict);
    }
}

#[test]
fn c03_every_number_narrows_what_the_ones_before_it_found() {
    let mut day = Day::new();
    for n in 1..=2 {
        let exam = format!(
            "patient.id=4711^HOPA order.placer_number=P1^RIS order.accession_number=A{n}^RIS procedure.id=RP{n}"
        );
        assert!(day.send(0, &[order(Schedule, &exam)]).is_ok());
    }
    let second = "patient.id=4711^HOPA order.placer_number=P1^RIS order.accession_number=A2^RIS";
    day.expect(1, order(Cancel, second), &["step.status"]);
    assert_eq!(day.steps(KeyKind::Procedure, "RP1"), ["scheduled"]);
    assert_eq!(day.steps(KeyKind::Procedure, "RP2"), ["canceled"]);
}

#[test]
fn c03_the_same_value_under_another_issuer_is_another_number() {
    let mut day = placed();
    let other = "patient.id=4712^HOPA order.placer_number=P1^OTHER";
    day.expect(
        1,
        order(Schedule, other),
        &["patient.created", "order.placed"],
    );
    assert_eq!(day.world.exams.len(), 2);
}

#[test]
fn c03_another_patients_order_is_refused() {
    for patient in ["4712^HOPA", "4711^OTHER"] {
        let mut day = placed();
        day.expect(
            1,
            adt(PatientAct::Admit, "patient.id=4712^HOPA"),
            &["patient.created"],
        );
        let text = NW.replace("4711^HOPA", patient);
        day.refused(2, order(Change, &text), Reason::PatientConflict);
        day.refused(2, order(Cancel, &text), Reason::PatientConflict);
    }
}

#[test]
fn c03_one_request_may_own_several_exams() {
    let mut day = placed();
    let second = "patient.id=4711^HOPA order.placer_number=P1^RIS order.accession_number=A1^RIS \
        procedure.id=RP2 procedure.study_instance_uid=1.2.3.2 / step id=S2 modality=CT";
    day.expect(1, order(Schedule, second), &["order.placed"]);
    assert_eq!(day.world.exams.len(), 2);
    day.refused(2, order(Change, ID), Reason::OrderConflict);
    day.expect(
        2,
        order(Change, &with(ID, "procedure.id=RP2 procedure.code=X")),
        &["order.changed"],
    );
    // The whole request is cancelled.
    day.expect(3, order(Cancel, ID), &["step.status", "step.status"]);
    assert_eq!(day.steps(KeyKind::Procedure, "RP2"), ["canceled"]);
}

#[test]
fn c06_siblings_without_uid_get_uids_of_their_own() {
    let mut day = Day::new();
    let commands =
        ["RP1", "RP2"].map(|rp| order(Schedule, &with(ID, &format!("procedure.id={rp}"))));
    assert!(day.send(0, &commands).is_ok());
    let uids: Vec<_> = ["RP1", "RP2"]
        .map(|rp| {
            day.exam(KeyKind::Procedure, rp)
                .study_uid()
                .map(str::to_owned)
        })
        .into();
    assert_ne!(uids[0], uids[1]);
}

#[test]
fn c01_one_bad_order_takes_the_whole_message_back() {
    let mut day = placed();
    let fresh = with("patient.id=4799^HOPA", "order.placer_number=P7^RIS");
    let bad = NW.replace("4711", "4799");
    let got = day.send(1, &[order(Schedule, &fresh), order(Schedule, &bad)]);
    assert_eq!(got.map_err(|r| r.reason), Err(Reason::PatientConflict));
}

#[test]
fn steps_are_matched_by_id_then_by_position() {
    for (stored, said, steps) in [
        (
            "/ step id=S1 / step id=S2",
            "/ step id=S2 modality=CT / step id=S1",
            "S1 S2",
        ),
        ("/ step id=S1", "/ step modality=CT", "S1"),
        ("/ step id=S1", "/ step id=S2", "S1 S2"),
        (
            "/ step id=S1 / step id=S2",
            "/ step id=S1 / step modality=CT",
            "S1 S2",
        ),
        ("/ step modality=CT", "/ step id=S1", "S1"),
    ] {
        let mut day = Day::new();
        let send = |day: &mut Day, minute, rows: &str| {
            assert!(
                day.send(minute, &[order(Schedule, &format!("{ID} {rows}"))])
                    .is_ok()
            );
        };
        send(&mut day, 0, stored);
        send(&mut day, 1, said);
        let ids: Vec<&str> = day
            .exam(KeyKind::Placer, "P1")
            .steps
            .iter()
            .map(|s| &*s.sps_id)
            .collect();
        assert_eq!(ids.join(" "), steps, "{stored} then {said}");
    }
}

#[test]
fn c07a_what_a_worklist_item_lacks_is_listed() {
    let mut day = Day::new();
    day.expect(0, order(Schedule, ID), &["patient.created", "order.placed"]);
    let exam = day.exam(KeyKind::Placer, "P1");
    let step = exam.steps[0].id;
    assert_eq!(
        exam.missing(day.patient("4711")),
        [
            Missing::PatientName,
            Missing::Procedure,
            Missing::Modality(step),
            Missing::Start(step),
            Missing::Station(step)
        ]
    );
    let day = placed();
    let exam = day.exam(KeyKind::Placer, "P1");
    assert_eq!(exam.missing(day.patient("4711")), []);
}
