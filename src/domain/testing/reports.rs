//! Reports, from the reporting system's side: versions by rank and age, exams known from a report only.

use super::*;
use crate::domain::exam::ExamStatus;
use crate::domain::report::Report;
use OrderAct::Schedule;

const NW: &str = "patient.id=4711^HOPA order.placer_number=P1^RIS order.accession_number=A1^RIS / step id=S1 modality=CT";
const ORU: &str =
    "patient.id=4711^HOPA report.id=R1^RIS report.accession_numbers=A1^RIS report.status=";

fn report(text: &str) -> Command {
    Command::Report(record(text))
}

fn status(status: &str, text: &str) -> Command {
    report(&format!("{ORU}{status} report.text={text}"))
}

fn stored(day: &Day) -> &Report {
    assert_eq!(day.world.reports.len(), 1);
    &day.world.reports.values().next().unwrap().doc
}

fn placed() -> Day {
    let mut day = Day::new();
    day.expect(0, order(Schedule, NW), &["patient.created", "order.placed"]);
    day
}

#[test]
fn f01_a_lower_status_or_an_older_time_never_overwrites() {
    for (messages, current) in [
        (&[(1, "preliminary"), (2, "final")][..], "final@2"),
        (&[(2, "final"), (1, "preliminary")], "final@2"),
        (&[(2, "preliminary"), (1, "final")], "final@1"),
        (&[(1, "final"), (9, "preliminary")], "final@1"),
        (
            &[(1, "final"), (3, "corrected"), (2, "corrected")],
            "corrected@3",
        ),
        (
            &[(1, "final"), (2, "corrected"), (3, "final")],
            "corrected@2",
        ),
        (
            &[(1, "final"), (2, "cancelled"), (3, "corrected")],
            "cancelled@2",
        ),
    ] {
        let mut day = placed();
        for (minute, word) in messages {
            let sent = day.send(*minute, &[status(word, &format!("{word}@{minute}"))]);
            assert!(sent.is_ok());
        }
        let got = stored(&day).current().unwrap().fields.text("text");
        assert_eq!(got, Some(current), "{messages:?}");
    }
}

#[test]
fn f01_versions_are_kept_and_a_repeated_one_changes_nothing() {
    let mut day = placed();
    day.expect(1, status("preliminary", "a"), &["report.received"]);
    day.expect(2, status("final", "b"), &["report.received"]);
    day.expect(3, status("final", "b"), &[]);
    day.expect(3, status("preliminary", "a"), &[]);
    day.expect(3, status("preliminary", "c"), &["report.superseded"]);
    // The history is the same whatever the order of arrival.
    let texts: Vec<_> = { stored(&day).versions.iter() }
        .map(|v| v.fields.text("text").unwrap_or(""))
        .collect();
    assert_eq!(texts, ["a", "c", "b"]);
    assert_eq!(stored(&day).exams, [day.exam(KeyKind::Accession, "A1").id]);
    assert_eq!(
        day.exam(KeyKind::Accession, "A1").status(),
        ExamStatus::Scheduled
    );
}

#[test]
fn c05_a_report_before_its_order_creates_the_exam_and_the_late_order_does_not_reopen_it() {
    let mut day = Day::new();
    day.expect(
        5,
        status("final", "a"),
        &["patient.created", "order.mentioned", "report.received"],
    );
    day.expect(0, order(Schedule, NW), &["order.placed"]);
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["completed"]);
    assert_eq!(stored(&day).exams, [day.exam(KeyKind::Placer, "P1").id]);
    // Registered only: nothing took place yet.
    let mut day = Day::new();
    assert!(day.send(5, &[status("registered", "a")]).is_ok());
    assert_eq!(
        day.exam(KeyKind::Accession, "A1").status(),
        ExamStatus::Mentioned
    );
    day.expect(0, order(Schedule, NW), &["order.placed"]);
    assert_eq!(day.steps(KeyKind::Placer, "P1"), ["scheduled"]);
}

#[test]
fn a_report_finds_its_exams_by_any_number() {
    for (numbers, exams, mentioned) in [
        ("report.accession_numbers=A1^RIS", 1, 0),
        (
            "report.accession_numbers=A1^RIS report.accession_numbers=A2^RIS",
            2,
            1,
        ),
        (
            "report.accession_numbers=A9^RIS report.placer_number=P1^RIS",
            1,
            0,
        ),
        ("report.placer_number=P1^RIS", 1, 0),
        ("order.placer_number=P1^RIS", 1, 0),
        ("report.study_uids=1.2.3", 1, 1),
        ("", 0, 0),
    ] {
        let mut day = placed();
        let text = format!("patient.id=4711^HOPA report.id=R1^RIS report.status=final {numbers}");
        assert!(day.send(1, &[report(&text)]).is_ok());
        assert_eq!(stored(&day).exams.len(), exams, "{numbers}");
        assert_eq!(day.world.exams.len(), 1 + mentioned, "{numbers}");
    }
}

#[test]
fn another_patients_report_is_refused() {
    let mut day = placed();
    day.refused(
        1,
        report(&format!("{ORU}final").replace("4711", "4712")),
        Reason::PatientConflict,
    );
    day.refused(
        1,
        report("patient.id=4711^HOPA report.status=final"),
        Reason::FieldMissing,
    );
    day.refused(
        1,
        report("patient.id=4711^HOPA report.id=R1^RIS"),
        Reason::FieldMissing,
    );
    // Nobody named: the exam's patient.
    let text = format!("{ORU}final").replace("patient.id=4711^HOPA ", "");
    day.expect(1, report(&text), &["report.received"]);
    assert_eq!(stored(&day).patient, day.patient("4711").id);
}

#[test]
fn a_report_moves_with_its_patient() {
    let mut day = placed();
    day.expect(1, status("final", "a"), &["report.received"]);
    let a40 = adt(
        PatientAct::Merge,
        "patient.id=9000^HOPA patient.merged_ids=4711^HOPA",
    );
    assert!(day.send(2, &[a40]).is_ok());
    assert_eq!(stored(&day).patient, day.patient("9000").id);
    day.expect(3, status("corrected", "b"), &["report.received"]);
}
