//! HL7 intake at the port: frames, acknowledgements, refusals.

use crate::{
    Test,
    app::TestApp,
    harness::{
        messages::Story,
        mllp::{accepted, frame},
    },
};

pub const TESTS: &[Test] = &[
    ("an_order_is_acknowledged", an_order_is_acknowledged),
    (
        "frames_split_and_joined_anywhere_are_answered_in_order",
        frames_split_and_joined_anywhere_are_answered_in_order,
    ),
    (
        "noise_between_frames_harms_nothing",
        noise_between_frames_harms_nothing,
    ),
    (
        "garbage_is_refused_and_the_connection_lives_on",
        garbage_is_refused_and_the_connection_lives_on,
    ),
    (
        "a_test_message_is_refused_on_a_production_link",
        a_test_message_is_refused_on_a_production_link,
    ),
    (
        "an_unsupported_type_or_event_is_named",
        an_unsupported_type_or_event_is_named,
    ),
    (
        "a_missing_identifier_is_located",
        a_missing_identifier_is_located,
    ),
    (
        "a_charset_that_lies_is_refused",
        a_charset_that_lies_is_refused,
    ),
    (
        "a_resend_gets_the_same_acknowledgement",
        a_resend_gets_the_same_acknowledgement,
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

fn frames_split_and_joined_anywhere_are_answered_in_order(app: &TestApp) {
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

fn noise_between_frames_harms_nothing(app: &TestApp) {
    let mut ris = app.ris();
    ris.write(b"\r\nhello\r\n");
    accepted(&ris.send(&Story::of(1).order("NW", AT)));
    ris.write(b"\r\n\x1c\r");
    accepted(&ris.send(&Story::of(2).order("NW", AT)));
}

fn garbage_is_refused_and_the_connection_lives_on(app: &TestApp) {
    let mut ris = app.ris();
    for garbage in [&b"GARBAGE"[..], b"", b"MSH", b"MSH|^~\\&|\xff\xfe\r???\r"] {
        ris.write(&frame(garbage));
        let ack = ris.ack().expect("an acknowledgement");
        assert!(["AE", "AR"].contains(&ack.code()), "{}", ack.0);
    }
    accepted(&ris.send(&Story::default().order("NW", AT)));
}

fn a_test_message_is_refused_on_a_production_link(app: &TestApp) {
    let message = with(&Story::default().order("NW", AT), "|P|2.5", "|T|2.5");
    let ack = app.ris().send(&message);
    assert_eq!((ack.code(), ack.error()), ("AR", "202"), "{}", ack.0);
}

fn an_unsupported_type_or_event_is_named(app: &TestApp) {
    let order = Story::default().order("NW", AT);
    for (event, error) in [("ZZZ^Z99^ZZZ_Z99", "200"), ("ORU^R99^ORU_R99", "201")] {
        let ack = app.ris().send(&with(&order, "ORM^O01^ORM_O01", event));
        assert_eq!((ack.code(), ack.error()), ("AR", error), "{}", ack.0);
    }
}

fn a_missing_identifier_is_located(app: &TestApp) {
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

fn a_charset_that_lies_is_refused(app: &TestApp) {
    let message = with(&Story::default().order("NW", AT), "UNICODE UTF-8", "8859/1");
    let ack = app.ris().send(&message);
    assert_eq!(ack.code(), "AE", "{}", ack.0);
    let latin = Story {
        charset: "8859/1",
        ..Story::default()
    };
    let mut message = latin.order("NW", AT);
    let at = message.windows(6).position(|w| w == b"8859/1").unwrap();
    message.splice(at..at + 6, *b"UNICODE UTF-8");
    let ack = app.ris().send(&message);
    assert_eq!(ack.code(), "AE", "{}", ack.0);
    accepted(&app.ris().send(&latin.order("NW", AT)));
}

fn a_resend_gets_the_same_acknowledgement(app: &TestApp) {
    let message = Story::default().order("NW", AT);
    let first = app.ris().send(&message);
    accepted(&first);
    assert_eq!(app.ris().send(&message), first);
}

fn health_and_metrics_are_served(app: &TestApp) {
    accepted(&app.ris().send(&Story::default().order("NW", AT)));
    app.get("/health/live");
    app.get("/health/ready");
    let metrics = app.get("/metrics");
    assert!(metrics.contains("relais_mllp_messages_total"), "{metrics}");
}
