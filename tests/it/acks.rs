//! Acknowledgements at the port: what they mirror, how they say what is wrong, when there is none.

use crate::{
    Test,
    app::TestApp,
    harness::{
        messages::Story,
        mllp::{accepted, frame},
    },
};

pub const TESTS: &[Test] = &[
    (
        "a09_the_answer_mirrors_its_message",
        a09_the_answer_mirrors_its_message,
    ),
    (
        "a09_errors_have_the_form_of_the_messages_version",
        a09_errors_have_the_form_of_the_messages_version,
    ),
    (
        "a09_nothing_else_of_the_message_is_echoed",
        a09_nothing_else_of_the_message_is_echoed,
    ),
    (
        "a09_enhanced_mode_is_answered_as_msh_15_and_16_ask",
        a09_enhanced_mode_is_answered_as_msh_15_and_16_ask,
    ),
    (
        "acknowledgements_are_counted_by_link_code_and_reason",
        acknowledgements_are_counted_by_link_code_and_reason,
    ),
];

const AT: &str = "20260602080000";

/// The order of a story as text with a piece replaced.
fn order(n: u32, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(Story::of(n).order("NW", AT)).unwrap();
    assert!(text.contains(from), "{from} is in the message");
    text.replacen(from, to, 1).into_bytes()
}

fn a09_the_answer_mirrors_its_message(app: &TestApp) {
    let odd = "N W\\T\\1~é^x&y";
    let message = String::from_utf8(order(1, "|NW1|", &format!("|{odd}|"))).unwrap();
    let message = message.replacen(
        "|RISX|HOPA|RELAIS|HOPA|",
        "|RISX^1.2^ISO|HÔPITAL A|RELAIS&x|HOPB|",
        1,
    );
    let ack = app.ris().send(message.as_bytes());
    accepted(&ack);
    for (field, expected) in [
        (3, "RELAIS&x"),
        (4, "HOPB"),
        (5, "RISX^1.2^ISO"),
        (6, "HÔPITAL A"),
        (9, "ACK^O01^ACK"),
        (11, "P"),
        (12, "2.5"),
        (18, "UNICODE UTF-8"),
    ] {
        assert_eq!(ack.field("MSH", field), expected, "MSH-{field}: {}", ack.0);
    }
    assert_eq!(ack.control_id(), odd);
    assert!(!ack.field("MSH", 10).is_empty() && ack.field("MSH", 7).len() >= 14);
}

fn a09_errors_have_the_form_of_the_messages_version(app: &TestApp) {
    // An accession number of 17 characters: DICOM's SH has 16. Code 104 came with v2.7.
    let accession = Story::of(1).accession();
    let long = "A".repeat(17);
    for (version, code) in [
        ("2.3.1", "102"),
        ("2.5", "102"),
        ("2.6", "102"),
        ("2.7", "104"),
        ("2.8", "104"),
    ] {
        let message = String::from_utf8(order(1, "|P|2.5|", &format!("|P|{version}|"))).unwrap();
        let ack = app
            .ris()
            .send(message.replace(&accession, &long).as_bytes());
        assert_eq!(ack.code(), "AE", "{}", ack.0);
        let (form, reason) = match version {
            "2.3.1" => (ack.field("ERR", 1), format!("^{code}&")),
            _ => (ack.field("ERR", 3), format!("{code}^")),
        };
        assert!(form.contains(&reason), "{version}: {}", ack.0);
        if version == "2.3.1" {
            assert!(
                form.starts_with("OBR^1^18^") || form.starts_with("IPC^1^1^"),
                "{}",
                ack.0
            );
            assert_eq!(ack.field("ERR", 2), "", "{}", ack.0);
        } else {
            assert_eq!(ack.field("ERR", 1), "", "{}", ack.0);
            let place = ack.field("ERR", 2);
            assert!(
                place.starts_with("OBR^1^18") || place.starts_with("IPC^1^1"),
                "{}",
                ack.0
            );
            assert_eq!(ack.field("ERR", 4), "E", "{}", ack.0);
            assert!(
                ack.field("ERR", 8).contains("16"),
                "what is allowed: {}",
                ack.0
            );
        }
    }
}

fn a09_nothing_else_of_the_message_is_echoed(app: &TestApp) {
    // Framing bytes and segments smuggled into the fields that are echoed: the answer is one message all the same.
    let message = order(1, "|NW1|", "|NW\x0b1\x07|");
    let message =
        String::from_utf8(message)
            .unwrap()
            .replacen("ORM^O01^ORM_O01", "ZZZ^Z\x1b\x0b99", 1);
    let ack = app.ris().send(message.as_bytes());
    assert_eq!((ack.code(), ack.control_id()), ("AR", "NW1"), "{}", ack.0);
    let segments: Vec<_> = ack.0.split_terminator('\r').map(|s| &s[..3]).collect();
    assert_eq!(segments, ["MSH", "MSA", "ERR"]);
    let control = |c: char| c.is_control() && c != '\r';
    assert!(!ack.0.contains(control), "{:?}", ack.0);
    let story = Story::default();
    for said in [story.family, story.given, &story.patient_id()] {
        assert!(!ack.0.contains(said), "{said}: {}", ack.0);
    }
}

fn a09_enhanced_mode_is_answered_as_msh_15_and_16_ask(app: &TestApp) {
    // MSH-15, MSH-16, a message that is refused?, the answer. The last message of each connection is answered always: by its
    // control id the test sees which were not.
    let cases = [
        ("AL", "NE", false, Some("CA")),
        ("AL", "NE", true, Some("CR")),
        ("NE", "AL", false, Some("AA")),
        ("NE", "AL", true, Some("AR")),
        ("NE", "NE", false, None),
        ("NE", "NE", true, None),
        ("ER", "NE", false, None),
        ("ER", "NE", true, Some("CR")),
        ("SU", "NE", false, Some("CA")),
        ("SU", "NE", true, None),
    ];
    let mut ris = app.ris();
    for (n, (accept, application, bad, expected)) in (1..).zip(cases) {
        let processing = if bad { "T" } else { "P" };
        let message = order(
            n,
            "|P|2.5|||||",
            &format!("|{processing}|2.5|||{accept}|{application}|"),
        );
        ris.write(&frame(&message));
        ris.write(&frame(&Story::of(n).admission("A08", AT, "X")));
        let mut ack = ris.ack().expect("an acknowledgement");
        if let Some(code) = expected {
            assert_eq!(
                (ack.code(), ack.control_id()),
                (code, &*format!("NW{n}")),
                "{accept} {application}: {}",
                ack.0
            );
            ack = ris.ack().expect("an acknowledgement");
        }
        assert_eq!(
            ack.control_id(),
            format!("A08{n}{AT}"),
            "{accept} {application}: {}",
            ack.0
        );
    }
    let taken = cases.iter().filter(|(_, _, bad, _)| !bad).count();
    assert_eq!(
        app.scanner("CT1_SCANNER").worklist(&[]).len(),
        taken,
        "answered or not, it is stored"
    );
}

fn acknowledgements_are_counted_by_link_code_and_reason(app: &TestApp) {
    accepted(&app.ris().send(&Story::default().order("NW", AT)));
    app.ris().send(&order(2, "|P|2.5|", "|T|2.5|"));
    app.ris().send(b"GARBAGE");
    let metrics = app.get("/metrics");
    for line in [
        r#"relais_hl7_acks_total{link="ris",code="AA",reason=""} 1"#,
        r#"relais_hl7_acks_total{link="ris",code="AR",reason="processing_id"} 1"#,
        r#"relais_hl7_acks_total{link="default",code="AE",reason="message.unparsable"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
