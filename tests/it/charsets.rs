//! HL7 text at the port: character sets, delimiters and escapes, as the scanner sees them in the end.

use crate::{
    Test,
    app::TestApp,
    harness::{
        messages::Story,
        mllp::{Ack, accepted},
    },
};

pub const TESTS: &[Test] = &[
    (
        "a04_msh_18_governs_how_names_are_read",
        a04_msh_18_governs_how_names_are_read,
    ),
    (
        "a04_undecodable_bytes_are_refused_with_their_offset",
        a04_undecodable_bytes_are_refused_with_their_offset,
    ),
    (
        "a04_a_single_byte_set_over_utf_8_is_refused_or_taken_as_the_link_says",
        a04_a_single_byte_set_over_utf_8_is_refused_or_taken_as_the_link_says,
    ),
    (
        "a04_without_a_declaration_the_link_decides_then_the_bytes",
        a04_without_a_declaration_the_link_decides_then_the_bytes,
    ),
    (
        "a04_a_set_that_is_not_supported_is_refused_at_msh_18",
        a04_a_set_that_is_not_supported_is_refused_at_msh_18,
    ),
    (
        "a05_delimiters_are_those_of_the_message",
        a05_delimiters_are_those_of_the_message,
    ),
    (
        "a05_escapes_become_the_text_that_was_meant",
        a05_escapes_become_the_text_that_was_meant,
    ),
];

const AT: &str = "20260602080000";

/// An order all in ASCII but for the family name, which comes as these bytes, under a declaration.
fn order(n: u32, sender: &str, declared: &str, family: &[u8]) -> Vec<u8> {
    let story = Story {
        family: "@",
        given: "Loic",
        ..Story::of(n)
    };
    let text = String::from_utf8(story.order("NW", AT)).unwrap();
    let text = text
        .replace("FRANÇOIS^Zoé", "FRANCOIS^Zoe")
        .replace("|RISX|", &format!("|{sender}|"))
        .replace("UNICODE UTF-8", declared);
    assert!(text.is_ascii());
    let (before, after) = text.split_once('@').unwrap();
    [before.as_bytes(), family, after.as_bytes()].concat()
}

/// The family names on the list, sorted.
fn names(app: &TestApp) -> Vec<String> {
    let found = app.scanner("CT1_SCANNER").worklist(&[]);
    let name = |n: &str| n.split('^').next().unwrap_or("").to_owned();
    let mut names: Vec<_> = found
        .iter()
        .map(|item| name(item.text("PatientName").unwrap_or("")))
        .collect();
    names.sort();
    names
}

fn refused(ack: &Ack, error: &str) {
    assert_eq!((ack.code(), ack.error()), ("AE", error), "{}", ack.0);
}

fn a04_msh_18_governs_how_names_are_read(app: &TestApp) {
    let sets: &[(&str, &[u8], &str)] = &[
        ("ASCII", b"MARTIN", "MARTIN"),
        ("8859/1", b"GU\xC9GUEN", "GUÉGUEN"),
        ("8859/2", b"\xA3\xD3D\xAC", "ŁÓDŹ"),
        ("8859/3", b"\xA1AL", "ĦAL"),
        ("8859/4", b"\xD3EPA", "ĶEPA"),
        ("8859/5", b"\xB8\xB2\xB0\xBD\xBE\xB2", "ИВАНОВ"),
        ("8859/6", b"\xC7\xC8\xC7", "ابا"),
        ("8859/7", b"\xD0\xC1\xD0", "ΠΑΠ"),
        ("8859/8", b"\xE0\xE1", "אב"),
        ("8859/9", b"\xDDPEK", "İPEK"),
        ("8859/15", b"\xBCUVRARD", "ŒUVRARD"),
        ("UNICODE UTF-8", "MAÎTREJEAN".as_bytes(), "MAÎTREJEAN"),
        ("UNICODE", "LŒUIL".as_bytes(), "LŒUIL"),
    ];
    let mut ris = app.ris();
    for (n, (declared, bytes, _)) in (1..).zip(sets) {
        let ack = ris.send(&order(n, "RISX", declared, bytes));
        accepted(&ack);
        assert_eq!(
            ack.field("MSH", 18),
            *declared,
            "the answer declares the same"
        );
    }
    let mut expected: Vec<_> = sets.iter().map(|(_, _, name)| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(names(app), expected);
}

fn a04_undecodable_bytes_are_refused_with_their_offset(app: &TestApp) {
    let sets: &[(&str, &[u8], usize)] = &[
        ("UNICODE UTF-8", b"GU\xC9GUEN", 2),
        ("ASCII", b"GU\xC9GUEN", 2),
        ("8859/7", b"\xC1\xD2", 1),
        ("8859/9", b"\xDDPEK\x93", 4),
        // A lone surrogate and an overlong form are no UTF-8.
        ("UNICODE UTF-8", b"A\xED\xA0\x80", 1),
        ("UNICODE UTF-8", b"A\xC0\x80", 1),
    ];
    for (n, (declared, bytes, at)) in (1..).zip(sets) {
        let message = order(n, "RISX", declared, bytes);
        let start = message
            .windows(bytes.len())
            .position(|w| w == *bytes)
            .unwrap();
        let ack = app.ris().send(&message);
        refused(&ack, "102");
        assert!(ack.field("ERR", 2).starts_with("PID^1^5"), "{}", ack.0);
        let why = ack.field("ERR", 8);
        assert!(why.contains(&format!("offset {}", start + at)), "{}", ack.0);
    }
    assert_eq!(names(app), [""; 0]);
}

fn a04_a_single_byte_set_over_utf_8_is_refused_or_taken_as_the_link_says(app: &TestApp) {
    for (n, declared) in (1..).zip(["8859/1", "8859/15", "ASCII"]) {
        let message = order(n, "RISX", declared, "GUÉGUEN".as_bytes());
        let ack = app.ris().send(&message);
        refused(&ack, "102");
        assert!(ack.field("ERR", 2).starts_with("MSH^1^18"), "{}", ack.0);
        let believed = order(n, "LENIENT", declared, "GUÉGUEN".as_bytes());
        accepted(&app.ris().send(&believed));
    }
    assert_eq!(names(app), ["GUÉGUEN"; 3]);
}

fn a04_without_a_declaration_the_link_decides_then_the_bytes(app: &TestApp) {
    // The link `ris` is set to 8859/1, the other one to nothing.
    accepted(&app.ris().send(&order(1, "RISX", "", b"GU\xC9GUEN")));
    accepted(&app.ris().send(&order(2, "LENIENT", "", "LŒUIL".as_bytes())));
    accepted(&app.ris().send(&order(3, "LENIENT", "", b"\x8CUVRARD")));
    assert_eq!(names(app), ["GUÉGUEN", "LŒUIL", "ŒUVRARD"]);
    let dump = app.whole_dump();
    let warned = dump
        .lines()
        .filter(|l| l.starts_with("journal ") && l.contains("read as windows-1252"));
    assert_eq!(warned.count(), 1, "{dump}");
    // windows-1252 has holes: nothing is guessed there.
    refused(&app.ris().send(&order(4, "LENIENT", "", b"A\x81")), "102");
}

fn a04_a_set_that_is_not_supported_is_refused_at_msh_18(app: &TestApp) {
    for declared in [
        "UNICODE UTF-16",
        "UNICODE UTF-32",
        "BIG-5",
        "ISO IR87",
        "8859/16",
        "LATIN",
    ] {
        let ack = app.ris().send(&order(1, "RISX", declared, b"MARTIN"));
        refused(&ack, "103");
        assert!(ack.field("ERR", 2).starts_with("MSH^1^18"), "{}", ack.0);
    }
}

fn a05_delimiters_are_those_of_the_message(app: &TestApp) {
    let usual = String::from_utf8(Story::default().order("NW", AT)).unwrap();
    assert!(
        !usual.contains(['!', '%', '*', '/', '?']),
        "free to be delimiters"
    );
    let other = usual
        .replace('|', "!")
        .replace('^', "%")
        .replace('~', "*")
        .replace('\\', "/")
        .replace('&', "?");
    let ack = app.ris().send(other.as_bytes());
    assert!(ack.0.starts_with("MSH!%*/?!RELAIS!"), "{}", ack.0);
    assert!(ack.0.contains("MSA!AA!NW1"), "{}", ack.0);
    let found = app.scanner("CT1_SCANNER").worklist(&[]);
    assert_eq!(found[0].text("PatientName"), Some("MAÎTREJEAN^Loïc"));
    assert_eq!(found[0].text("AccessionNumber"), Some("DEMO00000001"));
}

fn a05_escapes_become_the_text_that_was_meant(app: &TestApp) {
    let cases = [
        ("UNICODE UTF-8", r"T\T\A \S\ \R\ \F\", "T&A ^ ~ |"),
        ("UNICODE UTF-8", r"caf\XC3A9\ \H\gras\N\", "café gras"),
        ("8859/1", r"caf\XE9\", "café"),
        ("8859/15", r"\XBD\il", "œil"),
        ("UNICODE UTF-8", r"a\.sk3\b", "a   b"),
    ];
    let mut ris = app.ris();
    for (n, (declared, written, meant)) in (1..).zip(cases) {
        let message = String::from_utf8(order(n, "RISX", declared, b"MARTIN")).unwrap();
        let message = message.replace("Scanographie du thorax", written);
        accepted(&ris.send(message.as_bytes()));
        let key = [("AccessionNumber", &*Story::of(n).accession())];
        let found = app.scanner("CT1_SCANNER").worklist(&key);
        assert_eq!(
            found[0].text("RequestedProcedureDescription"),
            Some(meant),
            "{written}"
        );
    }
    // A hostile count is capped: the order is taken, its text stays small.
    let hostile = String::from_utf8(order(9, "RISX", "ASCII", b"MARTIN")).unwrap();
    let hostile = hostile.replace("Scanographie du thorax", &r"\.sk99999\".repeat(1_000));
    accepted(&ris.send(hostile.as_bytes()));
    let key = [("AccessionNumber", &*Story::of(9).accession())];
    let found = app.scanner("CT1_SCANNER").worklist(&key);
    let text = found[0].text("RequestedProcedureDescription").unwrap_or("");
    assert!(text.len() <= 64, "{} characters", text.len());
}
