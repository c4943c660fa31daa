//! Each datatype from record values to JSON.

use super::*;
use crate::domain::time::When;
use crate::domain::value::{Issuer, Person, Value};
use crate::fhir::shape::build::Context;
use jiff::tz::TimeZone;

fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap()
}

#[test]
fn a_time_is_never_given_more_than_was_said() {
    let check = |text: &str, expected: &str, zone_supplied: bool, shortened: bool| {
        let got = date_time(&When::parse(text).unwrap(), &paris()).unwrap();
        assert_eq!(
            (got.text.as_str(), got.zone_supplied, got.shortened),
            (expected, zone_supplied, shortened),
            "{text}"
        );
    };
    check("1979", "1979", false, false);
    check("197903", "1979-03", false, false);
    check("20260602", "2026-06-02", false, false);
    check("2026060208", "2026-06-02", false, true);
    check("202606020830", "2026-06-02T08:30:00+02:00", true, false);
    check("20260102083015", "2026-01-02T08:30:15+01:00", true, false);
    check(
        "20260602083015.1200-0330",
        "2026-06-02T08:30:15.12-03:30",
        false,
        false,
    );
    check(
        "20260602083015.000+0000",
        "2026-06-02T08:30:15Z",
        false,
        false,
    );
    // The hour that the clocks repeat, and the one that they skip.
    check("20261025023000", "2026-10-25", false, true);
    check("20260329023000", "2026-03-29", false, true);
    check(
        "20261025023000+0100",
        "2026-10-25T02:30:00+01:00",
        false,
        false,
    );
    assert_eq!(
        instant(&When::parse("202606020830").unwrap(), &paris()),
        None
    );
}

#[test]
fn an_issuer_is_an_address_or_a_name() {
    let check =
        |namespace: Option<&str>, id: Option<&str>, scheme: Option<&str>, expected: Json| {
            let systems = Systems::new(
                [],
                [("HIS".to_owned(), "https://chu.example/ipp".to_owned())],
            );
            let id = Identifier {
                value: " 123 ".to_owned(),
                issuer: Some(Issuer {
                    namespace: namespace.map(str::to_owned),
                    universal_id: id.map(str::to_owned),
                    scheme: scheme.map(str::to_owned),
                }),
                type_: Some("PI".to_owned()),
            };
            let mut got = identifier(&id, None, &systems).unwrap();
            assert_eq!(got["type"]["coding"][0]["code"], "PI");
            got.as_object_mut().unwrap().remove("type");
            assert_eq!(got, expected);
        };
    check(
        None,
        Some("1.2.250.1"),
        Some("ISO"),
        json!({"system": "urn:oid:1.2.250.1", "value": "123"}),
    );
    check(
        Some("HIS"),
        None,
        None,
        json!({"system": "https://chu.example/ipp", "value": "123"}),
    );
    check(
        None,
        Some("0B1F"),
        Some("UUID"),
        json!({"system": "urn:uuid:0b1f", "value": "123"}),
    );
    check(
        Some("OTHER"),
        None,
        None,
        json!({"value": "123", "assigner": {"display": "OTHER"}}),
    );
    check(
        None,
        Some("his.chu.example"),
        Some("DNS"),
        json!({"value": "123", "assigner": {"display": "his.chu.example"}}),
    );
}

#[test]
fn the_national_identifier_is_known_by_its_oid() {
    let id = Identifier {
        value: "253049912345678".to_owned(),
        issuer: Some(Issuer {
            universal_id: Some("1.2.250.1.213.1.4.10".to_owned()),
            scheme: Some("ISO".to_owned()),
            ..Issuer::default()
        }),
        type_: None,
    };
    let got = identifier(&id, None, &Systems::default()).unwrap();
    assert_eq!(got["use"], "official");
    assert_eq!(got["type"]["coding"][0]["code"], "INS-NIR-TEST");
    assert_eq!(got["type"]["coding"][0]["system"], FR_0203);
}

#[test]
fn an_unknown_coding_system_is_not_invented() {
    let check = |code: &str, system: &str, expected: Json| {
        let concept_ = Concept {
            codings: vec![Coding {
                code: code.to_owned(),
                system: Some(system.to_owned()),
                display: Some("IRM".to_owned()),
            }],
            text: None,
        };
        assert_eq!(concept(&concept_, &Systems::default()).unwrap(), expected);
    };
    check(
        "24587-8",
        "LN",
        json!({"coding": [{"system": "http://loinc.org", "code": "24587-8", "display": "IRM"}]}),
    );
    check(
        "IRM1",
        "99RIS",
        json!({"coding": [{"code": "IRM1", "display": "IRM"}]}),
    );
    check("", "99RIS", json!({"text": "IRM"}));
    check("A  B", "99RIS", json!({"text": "IRM"}));
}

#[test]
fn a_person_is_referred_to_by_an_identifier_that_means_something() {
    let person = |oid: Option<&str>| Person {
        identifiers: vec![Identifier {
            value: "10003456789".to_owned(),
            issuer: oid.map(|o| Issuer {
                universal_id: Some(o.to_owned()),
                scheme: Some("ISO".to_owned()),
                ..Issuer::default()
            }),
            type_: None,
        }],
        name: Name {
            family: Some("Bénard".to_owned()),
            given: vec!["Éloïse".to_owned()],
            prefix: Some("Dr".to_owned()),
            ..Name::default()
        },
    };
    let refer = |person: Person| {
        let (zone, systems) = (TimeZone::UTC, Systems::default());
        let (entries, documents) = Default::default();
        let cx = Context::new(&zone, &systems, &entries, &documents);
        cx.refer(&Value::Person(person)).ok()
    };
    assert_eq!(
        refer(person(Some("1.2.250.1.71.4.2.1"))).unwrap(),
        json!({"type": "Practitioner",
            "identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "10003456789"},
            "display": "Dr Éloïse Bénard"})
    );
    assert_eq!(
        refer(person(None)).unwrap(),
        json!({"type": "Practitioner", "display": "Dr Éloïse Bénard"})
    );
    assert_eq!(refer(Person::default()), None);
}

#[test]
fn an_attachment_carries_size_and_hash() {
    let document = Document {
        sha256: String::new(),
        media_type: "application/pdf".to_owned(),
        size: 3,
        bytes: None,
    };
    assert_eq!(
        attachment(&document, b"abc", Some("CR"), None, None).unwrap(),
        json!({"contentType": "application/pdf", "data": "YWJj", "size": 3,
            "hash": "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "title": "CR"})
    );
}
