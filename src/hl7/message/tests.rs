//! Tests of [`super`] and of the views.

use super::*;
use proptest::prelude::*;

fn parse(raw: &[u8]) -> Result<Message, Refusal> {
    Message::parse(Arc::from(raw), &Reading::default())
}

fn ids(message: &Message) -> Vec<String> {
    let named = |s: Segment<'_>| format!("{}{}", s.id(), s.occurrence());
    message.segments().map(named).collect()
}

const MSH: &str =
    "MSH|^~\\&|RIS|HOP|RELAIS|RAD|20260602||ORM^O01^ORM_O01|42|P^T|2.5.1|||AL|NE||UNICODE UTF-8\r";

#[test]
fn lines_are_segments_whatever_ends_them_and_blanks_are_tolerated_aloud() {
    let check = |raw: &str, expected: &[&str], warnings: &[&str]| {
        let message = parse(raw.as_bytes()).unwrap();
        assert_eq!(ids(&message), expected, "{raw:?}");
        assert_eq!(message.warnings(), warnings, "{raw:?}");
    };
    check(
        "MSH|^~\\&|A\rPID|1\rPID|2\r",
        &["MSH1", "PID1", "PID2"],
        &[],
    );
    check("MSH|^~\\&|A\nPID|1\nOBX|2", &["MSH1", "PID1", "OBX1"], &[]);
    check("MSH|^~\\&|A\r\nPID|1\r\n", &["MSH1", "PID1"], &[]);
    check(
        "MSH|^~\\&|A\rPV1\rOBR  \rZDS|",
        &["MSH1", "PV11", "OBR1", "ZDS1"],
        &[],
    );
    check(
        "MSH|^~\\&|A\r\rPID|1\r",
        &["MSH1", "PID1"],
        &["line 2 is blank"],
    );
    check(
        "MSH|^~\\&|A\r PID|1",
        &["MSH1", "PID1"],
        &["blanks before the segment in line 2"],
    );
    check(
        "\u{FEFF}\r\n MSH|^~\\&|A",
        &["MSH1"],
        &[
            "a byte order mark before MSH was ignored",
            "line 1 is blank",
            "blanks before MSH were ignored",
        ],
    );
}

#[test]
fn what_is_no_message_is_refused_by_line() {
    let check = |raw: &str, found: &str| {
        let refusal = parse(raw.as_bytes()).unwrap_err();
        assert_eq!(
            (refusal.reason, refusal.found.as_str()),
            (Reason::MessageUnparsable, found),
            "{raw:?}"
        );
    };
    check("", "nothing but blanks");
    check("\r\n \r", "nothing but blanks");
    check("GET / HTTP/1.1\r\n", "line 1 is not MSH");
    check("BHS|^~\\&|A\rMSH|^~\\&|A", "line 1 is not MSH");
    for msh in [
        "MSH",
        "MSH|",
        "MSH|^~\\",
        "MSH|^~\\^|A",
        "MSH|^~\\&#!|A",
        "MSHA^~\\&A",
        "MSH|^~\\|A",
        "MSH|^é\\&|",
    ] {
        check(msh, "line 1 has no usable delimiters in MSH-1 and MSH-2");
    }
    check("MSH|^~\\&|A\rZABC|1\rPID|1", "line 2 is no segment");
    check("MSH|^~\\&|A\rPID|1\r???", "line 3 is no segment");
    check("MSH|^~\\&|A\rpid|1", "line 2 is no segment");
    check("MSH|^~\\&|A\r1ID|1", "line 2 is no segment");
    check("MSH|^~\\&|A\rPID^1", "line 2 is no segment");
    check("MSH|^~\\&|A\n\nsuite du texte\n", "line 3 is no segment");
    check(
        "MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B",
        "line 3 begins a second message",
    );
    let many = format!("MSH|^~\\&|A\r{}", "OBX|\r".repeat(MAX_SEGMENTS));
    check(&many, "line 10001 is one segment too many");
}

#[test]
fn a_bare_line_feed_inside_a_text_belongs_to_it() {
    let message = parse(b"MSH|^~\\&|A\rOBX|1|TX|||ligne 1\nligne 2\n\nfin|F\rNTE|1\r").unwrap();
    assert_eq!(ids(&message), ["MSH1", "OBX1", "NTE1"]);
    let obx = message.segment("OBX").unwrap();
    assert_eq!(obx.field(5).whole_text(), "ligne 1\nligne 2\n\nfin");
    assert_eq!(message.warnings().len(), 3);
}

#[test]
fn delimiters_come_from_the_message() {
    let message = parse(b"MSH*!?%#*RIS*HOP\rPID*1**4#2!B?5**A%T%B").unwrap();
    let pid = message.segment("PID").unwrap();
    let read: Vec<_> = pid
        .field(3)
        .repetitions()
        .map(|r| r.component(1).subcomponent(1).text().into_owned())
        .collect();
    assert_eq!(read, ["4", "5"]);
    assert_eq!(pid.field(3).first().component(2).text(), "B");
    assert_eq!(pid.field(5).whole_text(), "A#B");
    let newer = parse(b"MSH|^~\\&#|RIS|HOP\rPID|||a\\P\\b").unwrap();
    assert_eq!(newer.header().sending_application, "RIS");
    assert_eq!(newer.segment("PID").unwrap().field(3).whole_text(), "a#b");
}

#[test]
fn msh_counts_its_delimiters_as_fields() {
    let message = parse(MSH.as_bytes()).unwrap();
    let msh = message.segment("MSH").unwrap();
    assert_eq!(msh.field(1).first().text(), "|");
    assert_eq!(msh.field(2).first().text(), "^~\\&");
    assert_eq!(msh.field(2).repetitions().count(), 1);
    assert_eq!(msh.field(3).first().text(), "RIS");
    let header = message.header();
    assert_eq!(
        [
            &*header.type_,
            &*header.event,
            &*header.structure,
            &*header.control_id,
            &*header.processing_id,
            &*header.version,
            &*header.accept_ack,
            &*header.application_ack,
        ],
        ["ORM", "O01", "ORM_O01", "42", "P", "2.5.1", "AL", "NE"]
    );
    let old = parse(b"MSH|^~\\&|A|B|C|D|||ADT|1|P|2.1").unwrap();
    assert_eq!((&*old.header().type_, &*old.header().event), ("ADT", ""));
}

#[test]
fn absent_empty_and_null_are_told_apart() {
    let message = parse(b"MSH|^~\\&|A\rPID|1||~B^^C&D|\"\"|^^&|A~~\"\"").unwrap();
    let pid = message.segment("PID").unwrap();
    assert_eq!(pid.field(2).repetitions().count(), 0);
    assert!(pid.field(2).is_empty() && pid.field(99).is_empty() && !pid.field(1).is_empty());
    let second = pid.field(3).repetition(2);
    assert!(
        pid.field(3).first().is_empty()
            && second.component(2).is_empty()
            && second.component(9).is_empty()
    );
    assert_eq!(second.component(3).subcomponent(2).text(), "D");
    assert_eq!(
        (second.component(3).text(), second.component(3).whole_text()),
        ("C".into(), "C&D".into())
    );
    assert!(pid.field(4).is_null() && pid.field(4).first().is_null() && !pid.field(4).is_empty());
    assert!(pid.field(5).is_empty() && pid.field(5).first().is_empty());
    let nulls: Vec<_> = pid
        .field(6)
        .repetitions()
        .map(|r| (r.index(), r.is_null()))
        .collect();
    assert_eq!(nulls, [(1, false), (2, false), (3, true)]);
    assert_eq!(
        second.component(3).subcomponent(2).place().to_string(),
        "PID-3[2].3.2"
    );
}

#[test]
fn the_declared_set_decides_and_nothing_is_mangled() {
    let with = |set: &str, rest: &[u8]| {
        [
            format!("MSH|^~\\&|A||||||||||||||| {set}\rPID|||").as_bytes(),
            rest,
        ]
        .concat()
    };
    let text = |raw: &[u8], reading: &Reading| {
        let message = Message::parse(Arc::from(raw), reading)?;
        let text = message
            .segment("PID")
            .unwrap()
            .field(3)
            .whole_text()
            .into_owned();
        Ok::<_, Refusal>((text, message.charset(), message.warnings().len()))
    };
    let strict = Reading::default();
    let latin = Reading {
        charset: Some(Charset::Latin9),
        ..strict
    };
    let tolerant = Reading {
        contradiction: Contradiction::TakeAsUtf8,
        ..strict
    };
    let check = |set: &str, bytes: &[u8], reading: &Reading, expected: (&str, Charset, usize)| {
        let (found, charset, warnings) = text(&with(set, bytes), reading).unwrap();
        assert_eq!((found.as_str(), charset, warnings), expected, "{set}");
    };
    check(
        "8859/1",
        b"H\xE9l\xE8ne",
        &strict,
        ("Hélène", Charset::Latin1, 0),
    );
    check(
        "8859/1~UNICODE",
        b"H\xE9l\xE8ne",
        &strict,
        ("Hélène", Charset::Latin1, 0),
    );
    check(
        "UNICODE UTF-8",
        "Zoë".as_bytes(),
        &latin,
        ("Zoë", Charset::Utf8, 0),
    );
    check("", b"c\xBDur", &latin, ("cœur", Charset::Latin9, 0));
    check("\"\"", b"c\xBDur", &latin, ("cœur", Charset::Latin9, 0));
    check("", "Zoë".as_bytes(), &strict, ("Zoë", Charset::Utf8, 0));
    check("", b"c\x9Cur", &strict, ("cœur", Charset::Windows1252, 1));
    check(
        "ASCII",
        b"caf\\XE9\\",
        &strict,
        ("caf\\XE9\\", Charset::Ascii, 0),
    );
    check(
        "8859/1",
        b"caf\\XE9\\",
        &strict,
        ("café", Charset::Latin1, 0),
    );
    check(
        "8859/1",
        "Zoë".as_bytes(),
        &tolerant,
        ("Zoë", Charset::Utf8, 1),
    );
    check(
        "8859/1",
        b"c\x9Cur \xE9",
        &tolerant,
        ("cœur é", Charset::Windows1252, 1),
    );

    let refused = |set: &str, bytes: &[u8], reading: &Reading, expected: &str| {
        let refusal = text(&with(set, bytes), reading).unwrap_err();
        let place = refusal
            .at
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert_eq!(
            format!("{} {place}: {}", refusal.reason, refusal.found),
            expected
        );
    };
    refused(
        "8859/1",
        "Zoë".as_bytes(),
        &strict,
        "charset.contradicted MSH-18: MSH-18 declares ISO-8859-1 and the bytes are UTF-8",
    );
    refused(
        "ASCII",
        "Zoë".as_bytes(),
        &strict,
        "charset.contradicted MSH-18: MSH-18 declares US-ASCII and the bytes are UTF-8",
    );
    refused(
        "8859/1",
        b"c\x9Cur",
        &strict,
        "charset.contradicted MSH-18: MSH-18 declares ISO-8859-1 and the bytes are windows-1252",
    );
    refused(
        "",
        "Zoë".as_bytes(),
        &latin,
        "charset.contradicted MSH-18: the link is set to ISO-8859-15 and the bytes are UTF-8",
    );
    refused(
        "UNICODE UTF-8",
        b"Zo\xEB",
        &tolerant,
        "charset.undecodable PID-3: byte EB at offset 48 is not UTF-8",
    );
    refused(
        "8859/15",
        b"c\x9Cur",
        &tolerant,
        "charset.undecodable PID-3: byte 9C at offset 41 is not ISO-8859-15",
    );
    refused(
        "",
        b"\x81",
        &strict,
        "charset.undecodable PID-3: byte 81 at offset 33 is not windows-1252",
    );
    refused(
        "UNICODE UTF-16",
        b"",
        &strict,
        "charset.unknown MSH-18: \"UNICODE UTF-16\"",
    );
}

#[test]
fn text_keeps_stray_delimiters_when_read_whole() {
    let message =
        parse("MSH|^~\\&|A\rOBX|1|TX|||Tumeur ~ 3 cm ^ T&N \\T\\ fin~suite\r".as_bytes()).unwrap();
    let field = message.segment("OBX").unwrap().field(5);
    assert_eq!(field.whole_text(), "Tumeur ~ 3 cm ^ T&N & fin~suite");
    assert_eq!(field.repetition(2).whole_text(), " 3 cm ^ T&N & fin");
    assert_eq!(field.repetition(2).text(), " 3 cm ");
}

/// A message of any shape: segments of fields of repetitions, components, subcomponents and escapes.
fn any_message() -> impl Strategy<Value = String> {
    let field = "[a-zé&^~\\\\FT\" ]{0,12}";
    let segment = ("[A-Z][A-Z0-9]{2}", proptest::collection::vec(field, 0..6))
        .prop_filter("one header", |(id, _)| id != "MSH")
        .prop_map(|(id, fields)| format!("{id}|{}\r", fields.join("|")));
    proptest::collection::vec(segment, 0..6)
        .prop_map(|s| format!("MSH|^~\\&|A|B|C|D\r{}", s.concat()))
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_hl7_message(&data);
        fuzz_hl7_message(&[b"MSH|^~\\&|".as_slice(), &data].concat());
    }

    #[test]
    fn a_message_put_together_from_its_segments_is_the_message(raw in any_message()) {
        let message = parse(raw.as_bytes()).unwrap();
        let again: String = message.segments().map(|s| format!("{}\r", String::from_utf8_lossy(s.raw()))).collect();
        prop_assert_eq!(again, raw);
    }

    #[test]
    fn a_span_holds_the_bytes_that_decode_to_the_text(raw in any_message()) {
        let message = parse(raw.as_bytes()).unwrap();
        let separators = message.separators();
        for segment in message.segments() {
            for n in 3..8 {
                let field = segment.field(n);
                for repetition in field.repetitions() {
                    for component in repetition.components() {
                        let sub = component.subcomponent(1);
                        let (start, end) = sub.span();
                        let bytes = &raw.as_bytes()[start as usize..end as usize];
                        let decoded = message.charset().decode_strict(bytes).unwrap();
                        let text = crate::hl7::escape::unescape(&decoded, &separators, message.charset());
                        prop_assert_eq!(text, component.text());
                        let (outer_start, outer_end) = field.span();
                        prop_assert!(outer_start <= start && end <= outer_end);
                    }
                }
            }
        }
    }
}

#[test]
fn a_field_is_found_however_many_stand_before_it() {
    let fields: Vec<String> = (1..=70).map(|n| format!("f{n}")).collect();
    let message = parse(format!("{MSH}ZZZ|{}\rPID|1||3\r", fields.join("|")).as_bytes()).unwrap();
    let zzz = message.segment("ZZZ").unwrap();
    for n in 1..=70 {
        assert_eq!(zzz.field(n).whole_text(), format!("f{n}"), "ZZZ-{n}");
    }
    let empty = |id: &str, n| {
        let field = message.segment(id).unwrap().field(n);
        field.whole_text().is_empty() && field.span() == (field.span().1, field.span().1)
    };
    for (id, n) in [
        ("ZZZ", 0),
        ("ZZZ", 71),
        ("ZZZ", u16::MAX),
        ("PID", 2),
        ("PID", 4),
        ("PID", 64),
    ] {
        assert!(empty(id, n), "{id}-{n}");
    }
    assert_eq!(message.segment("PID").unwrap().field(3).whole_text(), "3");
}
