//! What the FHIR endpoint holds after orders, exams and reports.

use crate::{
    Test,
    app::TestApp,
    harness::{
        endpoint::is,
        messages::Story,
        mllp::accepted,
        scanner::{Pps, runtime},
        wait,
    },
};
use relais::simulate::morning::{self, Peers};
use relais::telemetry::catalogue::METRICS;
use serde_json::Value;

pub const TESTS: &[Test] = &[
    (
        "the_morning_of_the_department_ends_as_its_script_says",
        the_morning_of_the_department_ends_as_its_script_says,
    ),
    (
        "g01_an_exam_is_published_from_its_order_to_its_final_report",
        g01_an_exam_is_published_from_its_order_to_its_final_report,
    ),
    (
        "g02_the_imaging_study_follows_what_the_scanner_reports",
        g02_the_imaging_study_follows_what_the_scanner_reports,
    ),
    (
        "f01_a_late_preliminary_report_changes_nothing",
        f01_a_late_preliminary_report_changes_nothing,
    ),
    ("a_corrected_name_arrives", a_corrected_name_arrives),
    ("a_cancelled_order_is_revoked", a_cancelled_order_is_revoked),
    (
        "everything_sent_twice_leaves_the_same_dump",
        everything_sent_twice_leaves_the_same_dump,
    ),
    ("the_journal_only_grows", the_journal_only_grows),
    (
        "errors_logs_and_metrics_carry_no_patient_data",
        errors_logs_and_metrics_carry_no_patient_data,
    ),
    (
        "h02_each_scraped_metric_is_listed_and_each_listed_one_that_is_not_rare_is_scraped",
        h02_each_scraped_metric_is_listed_and_each_listed_one_that_is_not_rare_is_scraped,
    ),
];

const STATION: &str = "CT1_SCANNER";

fn the_morning_of_the_department_ends_as_its_script_says(app: &TestApp) {
    let peers = {
        let relais = app.relais.lock().unwrap();
        Peers {
            mllp: relais.mllp,
            dicom: relais.dicom,
            ae_title: "RELAIS".to_owned(),
            fhir: app.endpoint.url.clone(),
            day: "20260602".to_owned(),
        }
    };
    let mut told = Vec::new();
    let summary = runtime().block_on(morning::run(&peers, &mut told));
    let summary =
        summary.unwrap_or_else(|error| panic!("{error:?}\n{}", String::from_utf8_lossy(&told)));
    wait::until_ok("the endpoint holds what the morning made", || {
        let left = summary.expected.differences(&app.endpoint.all());
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("\n"))
        }
    });
}

/// Order, exam and final report of a story, each as sent.
fn whole_story(app: &TestApp, story: &Story) -> Vec<Vec<u8>> {
    let messages = vec![
        story.admission("A04", "20260602075000", story.family),
        story.order("NW", "20260602080000"),
        story.report("P", "20260602100000"),
        story.report("F", "20260602110000"),
    ];
    let mut ris = app.ris();
    let pps = Pps::of(story);
    accepted(&ris.send(&messages[0]));
    accepted(&ris.send(&messages[1]));
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(scanner.complete(&pps), 0x0000);
    accepted(&ris.send(&messages[2]));
    accepted(&ris.send(&messages[3]));
    messages
}

fn reference(resource: &Value, element: &str) -> String {
    let found = &resource[element];
    let found = if found.is_array() { &found[0] } else { found };
    found["reference"].as_str().unwrap_or("").to_owned()
}

fn name(resource: &Value) -> String {
    format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap()
    )
}

fn g01_an_exam_is_published_from_its_order_to_its_final_report(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", "20260602080000")));
    let order = app.endpoint.sole("ServiceRequest", is("status", "active"));
    let patient = app.endpoint.sole("Patient", |_| true);
    assert_eq!(patient["name"][0]["family"], story.family);
    assert_eq!(reference(&order, "subject"), name(&patient));

    let pps = Pps::of(&story);
    let scanner = app.scanner(STATION);
    assert_eq!(scanner.create(&pps), 0x0000);
    assert_eq!(scanner.complete(&pps), 0x0000);
    let study = app.endpoint.sole("ImagingStudy", is("status", "available"));
    assert_eq!(
        study["identifier"][0]["value"],
        format!("urn:oid:{}", story.study_uid())
    );
    assert_eq!(
        study["series"][0]["uid"],
        format!("{}.1", story.study_uid())
    );
    assert_eq!(study["series"][0]["instance"].as_array().unwrap().len(), 2);
    assert_eq!(reference(&study, "basedOn"), name(&order));
    let order = app
        .endpoint
        .sole("ServiceRequest", is("status", "completed"));

    accepted(&app.ris().send(&story.report("P", "20260602100000")));
    app.endpoint
        .sole("DiagnosticReport", is("status", "preliminary"));
    accepted(&app.ris().send(&story.report("F", "20260602110000")));
    let report = app.endpoint.sole("DiagnosticReport", is("status", "final"));
    assert_eq!(reference(&report, "basedOn"), name(&order));
    assert_eq!(reference(&report, "imagingStudy"), name(&study));
    assert_eq!(reference(&report, "subject"), name(&patient));
    let forms = report["presentedForm"].as_array().unwrap();
    assert!(
        forms
            .iter()
            .any(|f| f["contentType"] == "application/pdf" && f["data"].is_string()),
        "{report}"
    );
}

fn g02_the_imaging_study_follows_what_the_scanner_reports(app: &TestApp) {
    let scanner = app.scanner(STATION);
    let of = |story: &Story, status: &str| {
        let uid = format!("urn:oid:{}", story.study_uid());
        app.endpoint.sole("ImagingStudy", |s| {
            s["identifier"][0]["value"] == uid.as_str() && s["status"] == status
        })
    };
    let (done, broken_off) = (Story::of(1), Story::of(2));
    for story in [&done, &broken_off] {
        accepted(&app.ris().send(&story.order("NW", "20260602080000")));
        assert_eq!(scanner.create(&Pps::of(story)), 0x0000);
        let begun = of(story, "registered");
        assert_eq!(begun["series"], Value::Null, "nothing is acquired yet");
    }
    assert_eq!(scanner.complete(&Pps::of(&done)), 0x0000);
    let study = of(&done, "available");
    assert_eq!(study["numberOfSeries"], 1);
    assert_eq!(study["numberOfInstances"], 2);
    assert_eq!(study["modality"][0]["code"], "CT");
    assert_eq!(scanner.discontinue(&Pps::of(&broken_off), "110501"), 0x0000);
    of(&broken_off, "cancelled");
}

fn f01_a_late_preliminary_report_changes_nothing(app: &TestApp) {
    let story = Story::default();
    whole_story(app, &story);
    let report = app.endpoint.sole("DiagnosticReport", is("status", "final"));
    app.drained();
    let before = app.endpoint.all();
    // An older time, and then even a newer one: a lower rank never overwrites.
    for at in ["20260602103000", "20260602120000"] {
        accepted(&app.ris().send(&story.report("P", at)));
    }
    app.drained();
    assert_eq!(app.endpoint.all(), before);
    assert_eq!(report["status"], "final");
}

fn a_corrected_name_arrives(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", "20260602080000")));
    app.endpoint
        .sole("Patient", |p| p["name"][0]["family"] == story.family);
    accepted(
        &app.ris()
            .send(&story.admission("A08", "20260602083000", "LE GOFF")),
    );
    app.endpoint
        .sole("Patient", |p| p["name"][0]["family"] == "LE GOFF");
}

fn a_cancelled_order_is_revoked(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", "20260602080000")));
    accepted(&app.ris().send(&story.order("CA", "20260602081000")));
    app.endpoint.sole("ServiceRequest", is("status", "revoked"));
}

fn everything_sent_twice_leaves_the_same_dump(app: &TestApp) {
    let stories = [
        Story::of(1),
        Story {
            charset: "8859/1",
            ..Story::of(2)
        },
    ];
    let messages: Vec<_> = stories
        .iter()
        .flat_map(|story| whole_story(app, story))
        .collect();
    app.drained();
    let (dump, published) = (app.dump(), app.endpoint.all());
    assert!(dump.contains("outbox"), "the dump shows the tables");
    let mut ris = app.ris();
    for message in &messages {
        accepted(&ris.send(message));
    }
    for story in &stories {
        // A scanner that repeats is told so, and nothing moves.
        let scanner = app.scanner(STATION);
        assert_eq!(scanner.create(&Pps::of(story)), 0x0111);
        assert_eq!(scanner.complete(&Pps::of(story)), 0x0110);
    }
    app.drained();
    assert_eq!(app.dump(), dump);
    assert_eq!(app.endpoint.all(), published);
}

fn the_journal_only_grows(app: &TestApp) {
    let story = Story::default();
    let messages = whole_story(app, &story);
    let mut ris = app.ris();
    ris.send(b"garbage");
    let journal = |app: &TestApp| -> Vec<String> {
        let lines = app.whole_dump();
        lines
            .lines()
            .filter(|l| l.starts_with("journal"))
            .map(str::to_owned)
            .collect()
    };
    let before = journal(app);
    for message in &messages {
        accepted(&ris.send(message));
    }
    accepted(&ris.send(&story.admission("A08", "20260602120000", "DUPONT")));
    let after = journal(app);
    assert!(after.len() > before.len());
    for line in before {
        assert!(after.contains(&line), "{line}");
    }
}

/// What is replaced in a message, and by what.
type Change = (&'static str, &'static str);

/// A message in which each of `changes` took place.
fn spoiled(message: &str, changes: &[Change]) -> String {
    changes.iter().fold(message.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the message");
        text.replace(from, to)
    })
}

fn errors_logs_and_metrics_carry_no_patient_data(app: &TestApp) {
    let story = Story::default();
    whole_story(app, &story);
    let text = String::from_utf8(story.order("NW", "20260602080000")).unwrap();
    let mut ris = app.ris();
    let mut told = String::new();
    let hyphens = ("|19870314|", "|1987-03-14|");
    let cases: [(&[Change], &str, &str); 5] = [
        (
            &[("|NW1|", "|X1|"), ("UNICODE UTF-8", "8859/1")],
            "AE",
            "102",
        ),
        (
            &[("|NW1|", "|X2|"), ("DEMO00000001", "DEMO00000001-TOO-LONG")],
            "AE",
            "102",
        ),
        (&[("|NW1|", "|X3|"), ("ORC|NW|", "ORC|QQ|")], "AE", "103"),
        (
            &[("|NW1|", "|X4|"), ("ORC|NW|", "ORC|QQ|"), hyphens],
            "AE",
            "103",
        ),
        // An unreadable birth date alone does not hold an exam up: it is left out, with a warning.
        (&[("|NW1|", "|X5|"), hyphens], "AA", ""),
    ];
    for (changes, code, error) in cases {
        let ack = ris.send(spoiled(&text, changes).as_bytes());
        assert_eq!((ack.code(), ack.error()), (code, error), "{}", ack.0);
        told.push_str(&ack.0);
    }

    let scanner = app.scanner(STATION);
    let again = scanner.try_create(&Pps::of(&story));
    assert_eq!(again.status, 0x0111);
    told.push_str(&again.command.comment.expect("an Error Comment"));
    let name = format!("{}^{}", story.family, story.given);
    let found = scanner.find(
        &[],
        &[
            ("PatientName", name.as_str()),
            ("PatientID", &story.patient_id()),
            ("ScheduledProcedureStepStartDate", "1987-03-14"),
        ],
        &[],
    );
    assert_eq!(found.status, 0xA900);
    told.push_str(&found.comment.expect("an Error Comment"));

    app.drained();
    told.push_str(&app.relais.lock().unwrap().log());
    told.push_str(&app.get("/metrics"));
    for secret in [
        "JEAN",
        "Loïc",
        "LOIC",
        "19870314",
        "1987-03-14",
        "28703750569",
        &story.patient_id(),
    ] {
        assert!(!told.contains(secret), "{secret} in:\n{told}");
    }
}

fn h02_each_scraped_metric_is_listed_and_each_listed_one_that_is_not_rare_is_scraped(
    app: &TestApp,
) {
    whole_story(app, &Story::default());
    let mine = [("ScheduledStationAETitle", STATION)];
    app.scanner(STATION).worklist(&mine);
    app.drained();
    let listed = |name: &str| METRICS.iter().find(|m| m.name == name);
    wait::until_ok("every listed metric is on the page", || {
        let page = app.get("/metrics");
        let scraped: Vec<(&str, &str)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .collect();
        for (name, kind) in &scraped {
            let metric = listed(name).unwrap_or_else(|| panic!("{name} is not in the list"));
            assert_eq!(metric.kind.name(), *kind, "{name}");
            let help = format!("# HELP {name} {}", metric.meaning);
            assert!(page.contains(&help), "{name} has no description");
        }
        let missing: Vec<&str> = METRICS
            .iter()
            .filter(|m| !m.rare && !scraped.iter().any(|(name, _)| *name == m.name))
            .map(|m| m.name)
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("missing: {missing:?}"))
        }
    });
}
