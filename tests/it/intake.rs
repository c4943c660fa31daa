//! HL7 intake at the port: frames, acknowledgements, refusals.

use crate::{
    Test,
    app::TestApp,
    harness::{
        http,
        messages::Story,
        mllp::{accepted, frame},
    },
};

pub const TESTS: &[Test] = &[
    ("an_order_is_acknowledged", an_order_is_acknowledged),
    (
        "a01_frames_split_and_joined_anywhere_are_answered_in_order",
        a01_frames_split_and_joined_anywhere_are_answered_in_order,
    ),
    (
        "a01_noise_between_frames_harms_nothing",
        a01_noise_between_frames_harms_nothing,
    ),
    (
        "a01_garbage_is_refused_and_the_connection_lives_on",
        a01_garbage_is_refused_and_the_connection_lives_on,
    ),
    (
        "a07_a_test_message_is_refused_on_a_production_link_and_on_no_worklist",
        a07_a_test_message_is_refused_on_a_production_link_and_on_no_worklist,
    ),
    (
        "a08_an_unsupported_type_or_event_is_named_and_journalled",
        a08_an_unsupported_type_or_event_is_named_and_journalled,
    ),
    (
        "a09_a_missing_identifier_is_located",
        a09_a_missing_identifier_is_located,
    ),
    (
        "a01_line_ends_and_frame_ends_as_senders_have_them_are_read",
        a01_line_ends_and_frame_ends_as_senders_have_them_are_read,
    ),
    (
        "a06_a_resent_applied_message_gets_the_stored_ack_and_has_no_effect",
        a06_a_resent_applied_message_gets_the_stored_ack_and_has_no_effect,
    ),
    (
        "a06_a_refused_message_is_tried_again",
        a06_a_refused_message_is_tried_again,
    ),
    (
        "a06_the_same_control_id_with_other_content_is_processed_with_a_warning",
        a06_the_same_control_id_with_other_content_is_processed_with_a_warning,
    ),
    (
        "a07_versions_are_taken_by_structure_up_to_2_8",
        a07_versions_are_taken_by_structure_up_to_2_8,
    ),
    (
        "a08_a_link_may_take_what_nobody_reads",
        a08_a_link_may_take_what_nobody_reads,
    ),
    (
        "a11_each_message_of_a_batch_is_acknowledged_on_its_own",
        a11_each_message_of_a_batch_is_acknowledged_on_its_own,
    ),
    (
        "health_and_metrics_are_served",
        health_and_metrics_are_served,
    ),
];

const AT: &str = "20260602080000";

/// A message as text with one piece replaced, in UTF-8.
fn with(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert!(text.contains(from), "{from} is in the message");
    text.replacen(from, to, 1).into_bytes()
}

fn an_order_is_acknowledged(app: &TestApp) {
    let ack = app.ris().send(&Story::default().order("NW", AT));
    accepted(&ack);
    assert_eq!(ack.control_id(), "NW1");
    // Sender and receiver change places.
    assert_eq!(ack.field("MSH", 3), "RELAIS");
    assert_eq!(ack.field("MSH", 5), "RISX");
}

fn a01_frames_split_and_joined_anywhere_are_answered_in_order(app: &TestApp) {
    let mut ris = app.ris();
    let first = frame(&Story::of(1).order("NW", AT));
    // The second byte of "Î" comes in another packet.
    let cut = first.windows(2).position(|w| w == "Î".as_bytes()).unwrap() + 1;
    ris.write(&first[..cut]);
    ris.write(&first[cut..]);
    let rest: Vec<u8> = (2..=4)
        .flat_map(|n| frame(&Story::of(n).order("NW", AT)))
        .collect();
    ris.write(&rest);
    for n in 1..=4 {
        let ack = ris.ack().expect("an acknowledgement");
        accepted(&ack);
        assert_eq!(ack.control_id(), format!("NW{n}"));
    }
}

fn a01_noise_between_frames_harms_nothing(app: &TestApp) {
    let mut ris = app.ris();
    ris.write(b"\r\nhello\r\n");
    accepted(&ris.send(&Story::of(1).order("NW", AT)));
    ris.write(b"\r\n\x1c\r");
    accepted(&ris.send(&Story::of(2).order("NW", AT)));
}

fn a01_garbage_is_refused_and_the_connection_lives_on(app: &TestApp) {
    let mut ris = app.ris();
    for garbage in [&b"GARBAGE"[..], b"", b"MSH", b"MSH|^~\\&|\xff\xfe\r???\r"] {
        ris.write(&frame(garbage));
        let ack = ris.ack().expect("an acknowledgement");
        assert!(["AE", "AR"].contains(&ack.code()), "{}", ack.0);
    }
    accepted(&ris.send(&Story::default().order("NW", AT)));
}

fn a07_a_test_message_is_refused_on_a_production_link_and_on_no_worklist(app: &TestApp) {
    let message = with(&Story::default().order("NW", AT), "|P|2.5", "|T|2.5");
    for message in [
        message,
        with(&Story::default().order("NW", AT), "|P|2.5", "|D|2.5"),
    ] {
        let ack = app.ris().send(&message);
        assert_eq!((ack.code(), ack.error()), ("AR", "202"), "{}", ack.0);
    }
    assert_eq!(app.scanner("CT1_SCANNER").worklist(&[]).len(), 0);
}

fn a08_an_unsupported_type_or_event_is_named_and_journalled(app: &TestApp) {
    let order = Story::default().order("NW", AT);
    for (event, error) in [("ZZZ^Z99^ZZZ_Z99", "200"), ("ORU^R99^ORU_R99", "201")] {
        let ack = app.ris().send(&with(&order, "ORM^O01^ORM_O01", event));
        assert_eq!((ack.code(), ack.error()), ("AR", error), "{}", ack.0);
        let how = ack.field("ERR", 8);
        assert!(how.contains("mapping file"), "how to enable it: {}", ack.0);
    }
    let dump = app.whole_dump();
    let refused = dump
        .lines()
        .filter(|l| l.starts_with("journal ") && l.contains("message."));
    assert_eq!(refused.count(), 2, "{dump}");
}

fn a09_a_missing_identifier_is_located(app: &TestApp) {
    let story = Story::default();
    let order = story.order("NW", AT);
    let text = String::from_utf8(order).unwrap();
    let without: String = text
        .split_inclusive('\r')
        .map(|segment| match segment.strip_prefix("PID|1||") {
            Some(rest) => format!(
                "PID|1|||{}",
                rest.split_once('|').unwrap().1.trim_start_matches('|')
            ),
            None => segment.to_owned(),
        })
        .collect();
    let ack = app.ris().send(without.as_bytes());
    assert_eq!((ack.code(), ack.error()), ("AE", "101"), "{}", ack.0);
    assert!(ack.field("ERR", 2).starts_with("PID^1^3"), "{}", ack.0);
    assert!(!ack.0.contains(story.family), "no name in an error");
}

fn a01_line_ends_and_frame_ends_as_senders_have_them_are_read(app: &TestApp) {
    let text = |n| String::from_utf8(Story::of(n).order("NW", AT)).unwrap();
    let mut ris = app.ris();
    for (n, message) in [
        (1, text(1).replace('\r', "\n")),
        (2, text(2).replace('\r', "\r\n")),
        (3, text(3).trim_end().to_owned()),
    ] {
        let ack = ris.send(message.as_bytes());
        accepted(&ack);
        assert_eq!(ack.control_id(), format!("NW{n}"));
    }
    // A sender that ends its frames with FS alone waits for its answer before it sends the next.
    for n in 4..=5 {
        ris.write(frame(text(n).as_bytes()).strip_suffix(b"\r").unwrap());
        let ack = ris.ack().expect("an acknowledgement");
        accepted(&ack);
        assert_eq!(ack.control_id(), format!("NW{n}"));
    }
    let found = app.scanner("CT1_SCANNER").worklist(&[]);
    let names: Vec<_> = found
        .iter()
        .map(|i| i.text("PatientName").unwrap_or(""))
        .collect();
    assert_eq!(names, ["MAÎTREJEAN^Loïc"; 5]);
}

fn a06_a_resent_applied_message_gets_the_stored_ack_and_has_no_effect(app: &TestApp) {
    let story = Story::default();
    let message = story.order("NW", AT);
    let first = app.ris().send(&message);
    accepted(&first);
    accepted(&app.ris().send(&story.order("CA", "20260602090000")));
    app.drained();
    let before = app.dump();
    // Byte for byte the same answer, its own control id and time included; and the order stays cancelled.
    assert_eq!(app.ris().send(&message), first);
    let mut ris = app.ris();
    for _ in 0..3 {
        assert_eq!(ris.send(&message), first);
    }
    assert_eq!(app.dump(), before);
    // The same message of another link is another message.
    let other = with(&message, "|RISX|", "|LENIENT|");
    assert_ne!(
        app.ris().send(&other).field("MSH", 10),
        first.field("MSH", 10)
    );
}

fn a06_a_refused_message_is_tried_again(app: &TestApp) {
    let (first, second) = (Story::of(1), Story::of(2));
    accepted(&app.ris().send(&first.order("NW", AT)));
    accepted(&app.ris().send(&second.admission("A04", AT, second.family)));
    // The order of patient 1 under patient 2: refused, until the two are merged.
    let change = first.order("XO", "20260602081000");
    let change = with(&change, &first.patient_id(), &second.patient_id());
    let refused = app.ris().send(&change);
    assert_eq!(
        (refused.code(), refused.error()),
        ("AE", "205"),
        "{}",
        refused.0
    );
    let again = app.ris().send(&change);
    assert_eq!((again.code(), again.error()), ("AE", "205"), "{}", again.0);
    assert_ne!(
        again.field("MSH", 10),
        refused.field("MSH", 10),
        "judged anew"
    );
    accepted(&app.ris().send(&first.merge(&second, "20260602082000")));
    accepted(&app.ris().send(&change));
}

fn a06_the_same_control_id_with_other_content_is_processed_with_a_warning(app: &TestApp) {
    let story = Story::default();
    accepted(&app.ris().send(&story.order("NW", AT)));
    let other = Story {
        start: "20260602113000",
        ..Story::default()
    };
    let changed = with(&other.order("XO", "20260602081000"), "|XO1|", "|NW1|");
    accepted(&app.ris().send(&changed));
    let found = app
        .scanner("CT1_SCANNER")
        .worklist(&[("ScheduledProcedureStepStartTime", "1130-")]);
    assert_eq!(found.len(), 1, "the change is applied");
    let dump = app.whole_dump();
    let row = dump
        .lines()
        .find(|line| line.starts_with("journal ") && line.contains("control id"));
    assert!(row.is_some(), "the journal warns of the control id\n{dump}");
}

fn a07_versions_are_taken_by_structure_up_to_2_8(app: &TestApp) {
    let versions = [
        "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1",
        "2.8.2", "",
    ];
    let mut ris = app.ris();
    for (n, version) in (1..).zip(versions) {
        let order = with(
            &Story::of(n).order("NW", AT),
            "|P|2.5|",
            &format!("|P|{version}|"),
        );
        accepted(&ris.send(&order));
    }
    for version in ["2.9", "3.0", "1.0", "x"] {
        let order = with(
            &Story::of(99).order("NW", AT),
            "|P|2.5|",
            &format!("|P|{version}|"),
        );
        let ack = ris.send(&order);
        assert_eq!(ack.code(), "AR", "{version}: {}", ack.0);
        assert!(ack.0.contains("203"), "{version}: {}", ack.0);
    }
    assert_eq!(
        app.scanner("CT1_SCANNER").worklist(&[]).len(),
        versions.len()
    );
}

fn a08_a_link_may_take_what_nobody_reads(app: &TestApp) {
    let order = with(&Story::default().order("NW", AT), "|RISX|", "|LENIENT|");
    for event in ["ZZZ^Z99^ZZZ_Z99", "ORU^R99^ORU_R99"] {
        accepted(&app.ris().send(&with(&order, "ORM^O01^ORM_O01", event)));
    }
    assert_eq!(
        app.scanner("CT1_SCANNER").worklist(&[]).len(),
        0,
        "without effect"
    );
    let dump = app.whole_dump();
    let warned = dump
        .lines()
        .filter(|l| l.starts_with("journal ") && l.contains("taken without effect"));
    assert_eq!(
        warned.count(),
        2,
        "journalled with how to enable it\n{dump}"
    );
}

fn a11_each_message_of_a_batch_is_acknowledged_on_its_own(app: &TestApp) {
    let bad = with(&Story::of(2).order("NW", AT), "|P|2.5|", "|T|2.5|");
    let batch = [
        b"FHS|^~\\&|RISX|HOPA\rBHS|^~\\&|RISX|HOPA\r".to_vec(),
        Story::of(1).order("NW", AT),
        bad,
        Story::of(3).order("NW", AT),
        b"BTS|3\rFTS|1\r".to_vec(),
    ]
    .concat();
    let mut ris = app.ris();
    ris.write(&frame(&batch));
    for (n, code) in [(1, "AA"), (2, "AR"), (3, "AA")] {
        let ack = ris.ack().expect("an acknowledgement");
        assert_eq!(
            (ack.code(), ack.control_id()),
            (code, format!("NW{n}").as_str()),
            "{}",
            ack.0
        );
    }
    assert_eq!(app.scanner("CT1_SCANNER").worklist(&[]).len(), 2);
}

fn health_and_metrics_are_served(app: &TestApp) {
    accepted(&app.ris().send(&Story::default().order("NW", AT)));
    app.get("/health/live");
    app.get("/health/ready");
    let http = app.relais.lock().unwrap().http;
    let (status, problem) = http::get(http, "/nowhere").expect("an HTTP answer");
    assert_eq!(status, 404);
    assert!(problem.contains("\"title\""), "{problem}");
    let metrics = app.get("/metrics");
    assert!(metrics.contains("relais_mllp_messages_total"), "{metrics}");
}
