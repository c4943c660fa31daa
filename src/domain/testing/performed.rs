//! Performed steps, from the scanner's side: state machine, linking, what becomes of the scheduled step.

use super::*;
use crate::domain::performed::{LinkedBy, PerformedStep};
use crate::domain::policy::{DiscontinuedWithoutImages, DuplicateMpps};
use OrderAct::*;

const NW: &str = "patient.id=4711^HOPA order.placer_number=P1^RIS order.accession_number=A1^RIS procedure.id=RP1 \
    procedure.study_instance_uid=1.2.3.1 / step id=S1 modality=CT";
const PPS: &str = "performed_step.id=PPS1 performed_step.status=in_progress performed_step.modality=CT \
    performed_step.patient_id=4711";
const ITEM: &str = "/ link study_instance_uid=1.2.3.1 step_id=S1";
const DONE: &str = "performed_step.status=completed / series uid=1.2.9 // instance uid=1.2.9.1";
const BROKEN: &str = "performed_step.status=discontinued / series uid=1.2.9";

fn placed() -> Day {
    let mut day = Day::new();
    day.expect(0, order(Schedule, NW), &["patient.created", "order.placed"]);
    day
}

fn n_create(uid: &str) -> Command {
    create(uid, &format!("{PPS} {ITEM}"))
}

const STARTED: &[&str] = &["pps.created", "pps.linked", "exam.performed", "step.status"];
const ENDED: &[&str] = &["pps.set", "exam.performed", "step.status"];

fn started() -> Day {
    let mut day = placed();
    day.expect(10, n_create("1.1"), STARTED);
    day
}

fn pps<'d>(day: &'d Day, uid: &str) -> &'d PerformedStep {
    &day.world.performed[&day.world.performed_uids[uid]].doc
}

fn step(day: &Day) -> &'static str {
    day.steps(KeyKind::Placer, "P1")[0]
}

#[test]
fn e04_a_performed_step_starts_and_completes_its_scheduled_step() {
    let mut day = started();
    assert_eq!(step(&day), "started");
    day.expect(20, set("1.1", DONE), ENDED);
    assert_eq!(step(&day), "completed");
    let pps = pps(&day, "1.1");
    assert_eq!(pps.study_uid.as_deref(), Some("1.2.3.1"));
    assert_eq!(pps.patient, Some(day.patient("4711").id));
    assert!(pps.has_images());
}

#[test]
fn c08_a_discontinue_ends_what_a_scanner_began_in_spite_of_a_cancel_whenever_the_cancel_comes() {
    let by_number = |act| order(act, "order.placer_number=P1^RIS");
    let cancel = (5, by_number(Cancel));
    let start = (10, n_create("1.1"));
    let discontinue = (15, by_number(Discontinue));
    for messages in [
        [cancel.clone(), start.clone(), discontinue.clone()],
        [start.clone(), cancel.clone(), discontinue.clone()],
        [start, discontinue, cancel],
    ] {
        let mut day = placed();
        for (minute, message) in messages {
            assert!(day.send(minute, &[message]).is_ok());
        }
        assert_eq!(step(&day), "discontinued");
        // What the scanner does then is true whatever the RIS wished.
        day.expect(20, set("1.1", DONE), ENDED);
        assert_eq!(step(&day), "completed");
    }
}

#[test]
fn e01_a_final_performed_step_never_changes() {
    let mut day = started();
    day.expect(20, set("1.1", DONE), ENDED);
    let before = pps(&day, "1.1").clone();
    for text in [
        DONE,
        BROKEN,
        "performed_step.status=in_progress",
        "performed_step.comments=x",
    ] {
        day.refused(21, set("1.1", text), Reason::MppsFinal);
    }
    assert_eq!(*pps(&day, "1.1"), before);
}

#[test]
fn e01_duplicate_uids_are_refused() {
    let mut day = started();
    day.refused(11, n_create("1.1"), Reason::MppsDuplicate);
    day.policy.duplicate_mpps = DuplicateMpps::Accept;
    day.expect(12, n_create("1.1"), &[]);
    let other = create("1.1", &format!("{PPS} {ITEM}").replace("PPS1", "PPS2"));
    day.refused(13, other, Reason::MppsDuplicate);
}

#[test]
fn an_n_set_replaces_whole_series_and_leaves_what_is_created_once() {
    let mut day = started();
    let open = "performed_step.id=OTHER performed_step.description=TDM / series uid=1.2.9 / series uid=1.2.10";
    day.expect(11, set("1.1", open), &["pps.set", "exam.performed"]);
    // An older clock does not matter: the scanner has one voice.
    day.expect(
        5,
        set("1.1", "performed_step.description=TDM2 / series uid=1.2.11"),
        &["pps.set", "exam.performed"],
    );
    day.expect(6, set("1.1", "performed_step.description=TDM2"), &[]);
    let pps = pps(&day, "1.1");
    assert_eq!(pps.fields.text("id"), Some("PPS1"));
    assert_eq!(pps.fields.text("description"), Some("TDM2"));
    assert_eq!(pps.series.len(), 1);
}

#[test]
fn e01_a_status_that_dicom_does_not_know_is_refused() {
    let mut day = placed();
    let odd = format!("{PPS} {ITEM}").replace("in_progress", "paused");
    day.refused(1, create("1.1", &odd), Reason::FieldType);
}

#[test]
fn e03_steps_are_found_in_the_order_of_trust() {
    for (item, how) in [
        (
            "study_instance_uid=1.2.3.1 step_id=S1",
            Some(LinkedBy::StudyAndStep),
        ),
        (
            "study_instance_uid=9.9 accession_number=A1^RIS step_id=S1",
            Some(LinkedBy::AccessionAndStep),
        ),
        (
            "accession_number=A1 step_id=S1",
            Some(LinkedBy::AccessionAndStep),
        ),
        (
            "procedure_id=RP1 step_id=S1",
            Some(LinkedBy::ProcedureAndStep),
        ),
        ("study_instance_uid=1.2.3.1", Some(LinkedBy::Study)),
        (
            "study_instance_uid=1.2.3.1 step_id=WRONG",
            Some(LinkedBy::Study),
        ),
        ("accession_number=A1", Some(LinkedBy::Accession)),
        ("accession_number=A1^OTHER", None),
        ("step_id=S1", None),
        ("study_instance_uid=9.9", None),
    ] {
        let mut day = placed();
        assert!(
            day.send(1, &[create("1.1", &format!("{PPS} / link {item}"))])
                .is_ok()
        );
        let links = &pps(&day, "1.1").links;
        assert_eq!(links.first().map(|l| l.how), how, "{item}");
        assert_eq!(
            step(&day),
            if how.is_some() {
                "started"
            } else {
                "scheduled"
            }
        );
    }
}

#[test]
fn an_accession_number_alone_needs_the_modality() {
    let mut day = placed();
    let text = format!("{PPS} / link accession_number=A1").replace("modality=CT", "modality=MR");
    day.expect(1, create("1.1", &text), &["pps.created"]);
}

#[test]
fn e03_an_exam_that_nobody_scheduled_is_kept_unlinked() {
    let mut day = placed();
    day.expect(
        1,
        create("1.1", &format!("{PPS} / link study_instance_uid=9.9")),
        &["pps.created"],
    );
    day.expect(2, set("1.1", DONE), &["pps.set"]);
    assert!(pps(&day, "1.1").links.is_empty());
}

#[test]
fn e03_another_patient_is_never_linked_silently() {
    let mut day = placed();
    let text = format!("{PPS} {ITEM}").replace("4711", "4712");
    day.expect(1, create("1.1", &text), &["pps.created", "pps.mismatch"]);
    assert!(pps(&day, "1.1").mismatch);
    assert_eq!(step(&day), "scheduled");
}

#[test]
fn b03_a_scanner_that_knows_the_patient_by_a_retired_identifier_still_finds_the_exam() {
    let mut day = placed();
    let a40 = adt(
        PatientAct::Merge,
        "patient.id=9000^HOPA patient.merged_ids=4711^HOPA",
    );
    assert!(day.send(1, &[a40]).is_ok());
    day.expect(10, n_create("1.1"), STARTED);
    let a40 = adt(
        PatientAct::Merge,
        "patient.id=9001^HOPA patient.merged_ids=9000^HOPA",
    );
    let events = day.send(11, &[a40]);
    let moved = [
        "patient.created",
        "patient.merged",
        "patient.merged",
        "patient.keys_taken",
        "exam.moved",
        "pps.moved",
    ];
    assert_eq!(events.as_deref(), Ok(&moved[..]));
    assert_eq!(pps(&day, "1.1").patient, Some(day.patient("9001").id));
}

#[test]
fn e04_discontinued_without_images_returns_to_the_worklist_by_policy() {
    for (policy, text, status) in [
        (DiscontinuedWithoutImages::Reschedule, BROKEN, "scheduled"),
        (
            DiscontinuedWithoutImages::Discontinue,
            BROKEN,
            "discontinued",
        ),
        (
            DiscontinuedWithoutImages::Reschedule,
            "performed_step.status=discontinued / series uid=1 // instance uid=2",
            "discontinued",
        ),
    ] {
        let mut day = started();
        day.policy.discontinued_without_images = policy;
        day.expect(20, set("1.1", text), ENDED);
        assert_eq!(step(&day), status);
        // Begun anew.
        day.expect(30, n_create("1.2"), STARTED);
        assert_eq!(step(&day), "started");
    }
}

#[test]
fn e03_the_wrong_worklist_entry_is_unlinked() {
    let mut day = started();
    let wrong = format!("performed_step.discontinuation_reason=110514 {DONE}")
        .replace("completed", "discontinued");
    day.expect(
        20,
        set("1.1", &wrong),
        &["pps.set", "pps.unlinked", "exam.unlinked", "step.status"],
    );
    assert_eq!(step(&day), "scheduled");
    assert!(pps(&day, "1.1").links.is_empty());
    assert!(day.exam(KeyKind::Placer, "P1").performed.is_empty());
}

#[test]
fn e03_an_append_starts_a_completed_step_again() {
    let mut day = started();
    day.expect(20, set("1.1", DONE), ENDED);
    day.expect(30, n_create("1.2"), STARTED);
    assert_eq!(step(&day), "started");
    day.expect(40, set("1.2", BROKEN), ENDED);
    assert_eq!(step(&day), "completed");
}

#[test]
fn e03_one_performed_step_may_perform_a_group() {
    let mut day = placed();
    let second = NW
        .replace("P1", "P2")
        .replace("A1", "A2")
        .replace("S1", "S2")
        .replace("1.2.3.1", "1.2.3.2");
    day.expect(1, order(Schedule, &second), &["order.placed"]);
    let group = format!("{PPS} {ITEM} / link study_instance_uid=1.2.3.2 step_id=S2 {ITEM}");
    assert!(day.send(2, &[create("1.1", &group)]).is_ok());
    assert_eq!(pps(&day, "1.1").links.len(), 2);
    assert!(day.send(3, &[set("1.1", DONE)]).is_ok());
    for number in ["P1", "P2"] {
        assert_eq!(day.steps(KeyKind::Placer, number), ["completed"]);
    }
}

#[test]
fn c08_the_scanner_is_right_whatever_the_ris_wished() {
    for wish in [Cancel, Discontinue, Complete] {
        let mut day = placed();
        day.expect(15, order(wish, NW), &["step.status"]);
        day.expect(16, n_create("1.1"), STARTED);
        assert_eq!(step(&day), "started", "{wish:?}");
        day.expect(20, set("1.1", DONE), ENDED);
        assert_eq!(step(&day), "completed", "{wish:?}");
    }
}

#[test]
fn once_images_bear_a_study_uid_the_order_cannot_change_it() {
    let mut day = Day::new();
    let bare = "patient.id=4711^HOPA order.placer_number=P1^RIS";
    day.expect(
        0,
        order(Schedule, bare),
        &["patient.created", "order.placed"],
    );
    let uid = day
        .exam(KeyKind::Placer, "P1")
        .study_uid()
        .unwrap()
        .to_owned();
    let item = format!("{PPS} / link study_instance_uid={uid}");
    day.expect(1, create("1.1", &item), STARTED);
    let other = format!("{bare} procedure.study_instance_uid=1.2.3.9");
    day.refused(2, order(Change, &other), Reason::OrderConflict);
}

#[test]
fn e02_an_n_set_before_its_n_create_takes_effect_with_it() {
    for (sets, status) in [
        (&[DONE][..], "completed"),
        (
            &["performed_step.description=TDM", DONE, BROKEN],
            "completed",
        ),
        (
            &["performed_step.id=OTHER performed_step.description=TDM"],
            "started",
        ),
    ] {
        let mut day = placed();
        for (minute, text) in (5..).zip(sets) {
            day.expect(minute, set("1.1", text), &["pps.orphaned"]);
        }
        assert!(pps(&day, "1.1").orphan);
        assert_eq!(step(&day), "scheduled");
        assert!(day.send(10, &[n_create("1.1")]).is_ok());
        assert_eq!(step(&day), status, "{sets:?}");
        assert!(!pps(&day, "1.1").orphan);
        assert_eq!(pps(&day, "1.1").fields.text("id"), Some("PPS1"));
        day.refused(11, n_create("1.1"), Reason::MppsDuplicate);
    }
}

#[test]
fn e03_a_performed_step_before_its_order_is_linked_when_the_order_comes() {
    for early in [None, Some(DONE)] {
        let mut day = Day::new();
        day.expect(5, n_create("1.1"), &["pps.created"]);
        if let Some(text) = early {
            day.expect(6, set("1.1", text), &["pps.set"]);
        }
        let events = [
            "patient.created",
            "order.placed",
            "pps.linked",
            "exam.performed",
            "step.status",
        ];
        day.expect(0, order(Schedule, NW), &events);
        let expected = if early.is_some() {
            "completed"
        } else {
            "started"
        };
        assert_eq!(step(&day), expected);
        assert!(!pps(&day, "1.1").is_waiting());
    }
    // Another patient's is told apart then too, and linked once both are known to be one.
    let mut day = Day::new();
    let stranger = create("1.1", &format!("{PPS} {ITEM}").replace("4711", "9000"));
    day.expect(5, stranger, &["pps.created"]);
    let events = ["patient.created", "order.placed", "pps.mismatch"];
    day.expect(0, order(Schedule, NW), &events);
    assert_eq!(step(&day), "scheduled");
    let a40 = adt(
        PatientAct::Merge,
        "patient.id=9000^HOPA patient.merged_ids=4711^HOPA",
    );
    assert!(day.send(7, &[a40]).is_ok());
    assert_eq!((step(&day), pps(&day, "1.1").mismatch), ("started", false));
}

#[test]
fn e02_a_strict_site_keeps_no_early_n_set() {
    let mut day = placed();
    day.policy.mpps = crate::domain::policy::MppsConformance::Strict;
    day.refused(5, set("1.1", DONE), Reason::MppsUnknown);
    day.expect(10, n_create("1.1"), STARTED);
}
