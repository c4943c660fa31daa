//! Tests of [`super`]: answers as bytes.

use super::*;
use proptest::prelude::*;

const STAMP: (&str, &str) = ("A1", "20260602080000+0200");

fn missing() -> Refusal {
    Refusal::new(Reason::FieldMissing, "empty")
        .at(Place::Hl7(Hl7Place {
            segment: "PID".to_owned(),
            occurrence: 1,
            field: 3,
            repetition: 1,
            component: 4,
            subcomponent: 0,
        }))
        .allowed("a local & unique id")
}

fn check(request: &[u8], code: AckCode, refusal: Option<&Refusal>, expected: &[u8]) {
    let answer = ack(&AckTo::peek(request), code, refusal, STAMP);
    assert_eq!(
        String::from_utf8_lossy(&answer).replace('\r', "\n"),
        String::from_utf8_lossy(expected).replace('\r', "\n")
    );
    assert_eq!(answer, expected);
}

#[test]
fn an_accept_mirrors_sender_and_receiver_and_echoes_the_rest() {
    check(
        b"MSH|^~\\&|RIS^1.2^ISO|HOP|RELAIS|RAD|20260602||ORM^O01^ORM_O01|M\\T\\1\xE9|P^T|2.5.1^FRA|||||FRA|8859/1\rPID|1\r",
        AckCode::AA,
        None,
        b"MSH|^~\\&|RELAIS|RAD|RIS^1.2^ISO|HOP|20260602080000+0200||ACK^O01^ACK|A1|P^T|2.5.1^FRA||||||8859/1\rMSA|AA|M\\T\\1\xE9\r",
    );
}

#[test]
fn an_error_names_place_and_code_in_the_form_of_the_version() {
    check(
        b"MSH|^~\\&|RIS|HOP|RELAIS|RAD|||ADT^A08|7|P|2.5",
        AckCode::AE,
        Some(&missing()),
        b"MSH|^~\\&|RELAIS|RAD|RIS|HOP|20260602080000+0200||ACK^A08^ACK|A1|P|2.5\r\
          MSA|AE|7|a required field is missing at PID-3.4: empty; allowed: a local \\T\\ unique id\r\
          ERR||PID^1^3^1^4|101^Required field missing^HL70357|E||||a required field is missing at PID-3.4: empty; allowed: a local \\T\\ unique id\r",
    );
    check(
        b"MSH|^~\\&|RIS|HOP|RELAIS|RAD|||ADT^A08|7|P|2.3.1",
        AckCode::AE,
        Some(&missing()),
        b"MSH|^~\\&|RELAIS|RAD|RIS|HOP|20260602080000+0200||ACK^A08^ACK|A1|P|2.3.1\r\
          MSA|AE|7|a required field is missing at PID-3.4: empty; allowed: a local \\T\\ unique id\r\
          ERR|PID^1^3^101&Required field missing&HL70357\r",
    );
}

#[test]
fn a_value_that_is_too_long_has_a_code_of_its_own_from_2_7_on() {
    let long = Refusal::new(Reason::FieldTooLong, "20 characters");
    let error = |version: &str| {
        let request = format!("MSH|^~\\&|A|B|C|D|||ADT^A08|7|P|{version}");
        let answer = ack(
            &AckTo::peek(request.as_bytes()),
            AckCode::AE,
            Some(&long),
            STAMP,
        );
        let answer = String::from_utf8(answer).unwrap();
        let error = answer.split("ERR|").nth(1).unwrap();
        error.trim_start_matches(['|', '^'])[..3].to_owned()
    };
    assert_eq!(error("2.7"), "104");
    assert_eq!(error("2.5.1"), "102");
    assert_eq!(error("2.3"), "102");
}

#[test]
fn bytes_that_are_no_message_are_answered_too() {
    let refusal = Refusal::new(Reason::MessageUnparsable, "line 1 is not MSH");
    check(
        b"GET / HTTP/1.1",
        AckCode::AE,
        Some(&refusal),
        b"MSH|^~\\&|||||20260602080000+0200||ACK|A1|P|2.5.1\r\
          MSA|AE||the bytes are not a message: line 1 is not MSH\r\
          ERR|||100^Segment sequence error^HL70357|E||||the bytes are not a message: line 1 is not MSH\r",
    );
    let request = AckTo::peek(b"\xEF\xBB\xBF MSH|^~|RIS|HOP|X|Y|||ADT|9\x1C\x0B9|P|2.3");
    assert_eq!(request.control_id(), "99");
}

#[test]
fn nothing_of_the_request_breaks_the_frame_or_the_segments() {
    let refusal = Refusal::new(Reason::CodeUnknown, "code \"A\rMSA|AA|x\x1C\"");
    let answer = ack(
        &AckTo::peek(b"MSH|^~\\&|A\x1C\x0BB|||||\x00|ORM^O01|1\x1C2|P|2.3\rMSA|AA"),
        AckCode::AE,
        Some(&refusal),
        STAMP,
    );
    assert!(!answer.iter().any(|&b| b < 0x20 && b != b'\r'));
    assert_eq!(answer.iter().filter(|&&b| b == b'\r').count(), 3);
}

#[test]
fn unusual_delimiters_are_those_of_the_answer() {
    check(
        b"MSH#*!?%#RIS#HOP#RELAIS#RAD###ORM*O01#7#P#2.4",
        AckCode::AA,
        None,
        b"MSH#*!?%#RELAIS#RAD#RIS#HOP#20260602080000+0200##ACK*O01*ACK#A1#P#2.4\rMSA#AA#7\r",
    );
}

#[test]
fn enhanced_mode_answers_what_was_asked_for() {
    use AckCode::{AA, AE, AR, CA, CE, CR};
    let answer = |accept: &str, application: &str, code| {
        let request = format!("MSH|^~\\&|A|B|C|D|||ORM^O01|7|P|2.5|||{accept}|{application}");
        AckTo::peek(request.as_bytes()).answer(code)
    };
    for (accept, application, code, expected) in [
        ("", "", AA, Some(AA)),
        ("", "", AR, Some(AR)),
        ("AL", "NE", AA, Some(CA)),
        ("AL", "AL", AE, Some(CE)),
        ("ER", "NE", AA, None),
        ("ER", "NE", AR, Some(CR)),
        ("SU", "", AA, Some(CA)),
        ("NE", "AL", AA, Some(AA)),
        ("NE", "ER", AA, None),
        ("NE", "ER", AE, Some(AE)),
        ("NE", "NE", AE, None),
        ("", "AL", AA, Some(AA)),
        ("\"\"", "\"\"", AA, Some(AA)),
    ] {
        assert_eq!(
            answer(accept, application, code),
            expected,
            "{accept} {application} {code:?}"
        );
    }
}

#[test]
fn every_reason_has_a_code_and_only_what_may_pass_later_or_elsewhere_is_rejected() {
    use crate::domain::reason::Class;
    for &reason in Reason::ALL {
        let (code, _) = code_of(reason);
        let rejected = matches!(reason.class(), Class::Unsupported | Class::Temporary)
            && reason != Reason::OrderControl;
        assert_eq!(code == AckCode::AR, rejected, "{reason}");
    }
}

proptest! {
    #[test]
    fn any_request_gets_a_valid_answer(data in proptest::collection::vec(any::<u8>(), 0..80)) {
        fuzz_ack(&data);
        fuzz_ack(&[b"MSH|^~\\&|".as_slice(), &data].concat());
        fuzz_ack(&[b"MSH".as_slice(), &data].concat());
    }
}
