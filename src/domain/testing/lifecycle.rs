//! The course of an order: what comes before it, what ends it, what comes too late.

use super::orders::{ID, NW, placed, with};
use super::*;
use crate::domain::exam::ExamStatus;
use crate::domain::policy::{CancelAfterStart, UnknownOrder};
use OrderAct::*;

#[test]
fn c04_a_cancel_before_its_order_leaves_a_tombstone() {
    for (act, status) in [
        (Cancel, "canceled"),
        (CancelRequest, "canceled"),
        (Discontinue, "discontinued"),
        (Complete, "completed"),
    ] {
        let mut day = Day::new();
        day.expect(5, order(act, ID), &["patient.created", "order.tombstoned"]);
        day.expect(6, order(act, ID), &[]);
        day.expect(0, order(Schedule, NW), &["patient.updated", "order.placed"]);
        assert_eq!(day.steps(KeyKind::Accession, "A1"), [status], "{act:?}");
        assert!(day.exam(KeyKind::Accession, "A1").study_uid().is_some());
    }
}

#[test]
fn c04_a_change_before_its_order_creates_the_exam_and_the_late_order_fills_it_in() {
    let mut day = Day::new();
    let change = with(ID, "order.priority=stat / step start=202606021000");
    day.expect(
        5,
        order(Change, &change),
        &["patient.created", "order.placed"],
    );
    day.expect(
        0,
        order(Schedule, NW),
        &["patient.updated", "order.changed"],
    );
    let exam = day.exam(KeyKind::Accession, "A1");
    assert_eq!(exam.steps.len(), 1);
    assert_eq!(exam.steps[0].sps_id, "S1");
    assert_eq!(exam.steps[0].fields.text("start"), Some("202606021000"));
    assert_eq!(exam.study_uid(), Some("1.2.3.1"));
}

#[test]
fn c04_an_unknown_order_is_refused_where_the_site_says_so() {
    for act in OrderAct::ALL.into_iter().filter(|a| *a != Schedule) {
        let mut day = Day::new();
        day.policy.unknown_order = UnknownOrder::Refuse;
        day.refused(0, order(act, ID), Reason::OrderUnknown);
    }
    let mut day = Day::new();
    day.refused(
        0,
        order(Cancel, "order.placer_number=P1^RIS"),
        Reason::OrderUnknown,
    );
    day.refused(
        0,
        order(Schedule, "order.placer_number=P1^RIS"),
        Reason::FieldMissing,
    );
}

#[test]
fn c04_a_finished_exam_is_never_reopened_by_a_ris() {
    for (end, status) in [
        (Cancel, "canceled"),
        (Discontinue, "discontinued"),
        (Complete, "completed"),
    ] {
        let mut day = placed();
        day.expect(10, order(end, ID), &["step.status"]);
        day.expect(20, order(Schedule, NW), &[]);
        day.expect(21, order(Release, ID), &[]);
        day.refused(22, order(Hold, ID), Reason::OrderFinal);
        let further = format!("{ID} / step id=S7");
        day.refused(23, order(Schedule, &further), Reason::OrderFinal);
        day.expect(5, order(Schedule, &further), &["order.changed"]);
        assert_eq!(day.steps(KeyKind::Placer, "P1"), [status, status]);
    }
}

#[test]
fn an_older_act_never_undoes_a_newer_status() {
    let mut day = placed();
    day.expect(30, order(Start, ID), &["step.status"]);
    day.expect(20, order(Cancel, ID), &[]);
    day.expect(40, order(Complete, ID), &["step.status"]);
    day.expect(35, order(Discontinue, ID), &[]);
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["completed"]);
}

#[test]
fn c08_a_cancel_after_the_start_is_refused_or_flagged_by_policy() {
    for act in [Cancel, CancelRequest] {
        let mut day = placed();
        day.expect(1, order(Start, ID), &["step.status"]);
        day.refused(2, order(act, ID), Reason::OrderStarted);
        day.policy.cancel_after_start = CancelAfterStart::Flag;
        day.expect(3, order(act, ID), &["order.cancel_too_late"]);
        day.expect(4, order(Discontinue, ID), &["step.status"]);
        assert_eq!(day.steps(KeyKind::Placer, "P1"), ["discontinued"]);
    }
}

#[test]
fn c09_a_held_order_is_hidden_until_released() {
    let mut day = placed();
    day.expect(1, order(Hold, ID), &["order.held"]);
    day.expect(2, order(Hold, ID), &[]);
    assert_eq!(day.exam(KeyKind::Placer, "P1").status(), ExamStatus::Held);
    day.expect(3, order(Release, ID), &["order.held"]);
    assert_eq!(
        day.exam(KeyKind::Placer, "P1").status(),
        ExamStatus::Scheduled
    );
}

#[test]
fn an_act_that_names_steps_touches_these_only() {
    let mut day = Day::new();
    let two = format!("{ID} / step id=S1 / step id=S2");
    day.expect(
        0,
        order(Schedule, &two),
        &["patient.created", "order.placed"],
    );
    day.expect(
        1,
        order(Cancel, &format!("{ID} / step id=S2")),
        &["step.status"],
    );
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["scheduled", "canceled"]);
}

#[test]
fn a_status_that_a_row_states_is_an_act() {
    let mut day = placed();
    let row = |status: &str| format!("{ID} / step id=S1 status={status}");
    for (minute, status) in [
        (1, "arrived"),
        (2, "ready"),
        (3, "started"),
        (4, "completed"),
    ] {
        day.expect(minute, order(Change, &row(status)), &["step.status"]);
        assert_eq!(day.steps(KeyKind::Placer, "P1"), [status]);
    }
}

#[test]
fn c04_a_cancel_counts_whatever_its_time_unless_the_exam_has_begun() {
    let mut day = placed();
    // Dated before the order itself: a clock that goes wrong, not a wish to be ignored.
    day.expect(-5, order(Cancel, ID), &["step.status"]);
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["canceled"]);
    let mut day = placed();
    day.expect(30, order(Start, ID), &["step.status"]);
    day.expect(20, order(Cancel, ID), &[]);
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["started"]);
}

#[test]
fn c07a_a_start_without_time_of_day_is_listed_as_incomplete_and_none_is_made_up() {
    let mut day = placed();
    let bare = format!("{ID} / step id=S1 start=20260603");
    day.expect(1, order(Change, &bare), &["order.changed"]);
    let exam = day.exam(KeyKind::Placer, "P1");
    let step = &exam.steps[0];
    assert_eq!(step.fields.text("start"), Some("20260603"));
    let missing = exam.missing(day.patient("4711"));
    assert_eq!(missing, [crate::domain::exam::Missing::Start(step.id)]);
    assert!(missing[0].hides());
}
