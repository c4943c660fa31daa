use super::*;
use crate::domain::value::{Identifier, Name};

fn tag(keyword: &str) -> Tag {
    tag_of(keyword).expect(keyword)
}

fn check(keyword: &str, values: &[Value], expected: Result<&[&str], Fault>) {
    let found = element(values, tag(keyword), None).map_err(|e| e.fault);
    let found = found.map(|e| e.texts().to_vec());
    let expected = expected.map(|t| t.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    assert_eq!(found, expected, "{keyword}");
}

fn text(t: &str) -> Value {
    Value::Text(t.into())
}

fn id(t: &str) -> Value {
    Value::Identifier(Identifier {
        value: t.into(),
        ..Identifier::default()
    })
}

fn at(t: &str) -> Value {
    Value::When(When::parse(t).expect(t))
}

#[test]
fn values_take_the_form_of_their_attribute() {
    let name = Value::Name(Name {
        family: Some("Lefèvre".into()),
        given: vec!["Zoé".into()],
        ..Name::default()
    });
    check("PatientName", &[name], Ok(&["Lefèvre^Zoé"]));
    check("PatientID", &[id("IPP 1")], Ok(&["IPP 1"]));
    check("PatientID", &[id("A\\B")], Err(Fault::Form));
    check(
        "AccessionNumber",
        &[id("12345678901234567")],
        Err(Fault::TooLong),
    );
    check(
        "RequestingService",
        &[text("Méd\\urg\n2")],
        Ok(&["Méd/urg 2"]),
    );
    check("PatientComments", &[text("a\r\nb\\c")], Ok(&["a\r\nb\\c"]));
    check("PatientBirthDate", &[at("19791231")], Ok(&["19791231"]));
    check("PatientBirthDate", &[at("1979")], Err(Fault::Partial));
    check(
        "AdmittingTime",
        &[at("20260602080000.5")],
        Ok(&["080000.5"]),
    );
    check("AdmittingTime", &[at("20260602")], Err(Fault::Partial));
    check("Modality", &[text("ct")], Ok(&["CT"]));
    check("Modality", &[text("C-T")], Err(Fault::Form));
    check(
        "PatientWeight",
        &[Value::Number("72.12345678901201".into())],
        Ok(&["72.1234567890120"]),
    );
    check(
        "StudyInstanceUID",
        &[Value::Uid("2.25.1".into())],
        Ok(&["2.25.1"]),
    );
    check(
        "StudyInstanceUID",
        &[Value::Uid("x.y".into())],
        Err(Fault::Form),
    );
    check(
        "ScheduledStationAETitle",
        &[text("CT1"), text("CT2"), text("CT1")],
        Ok(&["CT1", "CT2"]),
    );
    check("Modality", &[text("CT"), text("MR")], Err(Fault::Many));
    check("PatientBirthDate", &[text("1979")], Err(Fault::Kind));
    check("PatientSex", &[], Ok(&[]));
}

#[test]
fn pregnancy_words_become_numbers() {
    for (word, number) in [("not_pregnant", 1), ("unknown", 4), ("2", 2)] {
        let e = element(&[text(word)], tag("PregnancyStatus"), None).expect(word);
        assert_eq!(e.u16s().collect::<Vec<_>>(), [number]);
    }
}

#[test]
fn an_offset_is_moved_to_the_site() {
    let paris = TimeZone::get("Europe/Paris").expect("bundled");
    let w = [at("20260601233000+0000")];
    let of = |k: &str, zone| {
        let e = element_in(&w, tag(k), None, zone).expect(k);
        e.text().map(str::to_owned)
    };
    let (date, time) = (
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
    );
    assert_eq!(of(date, Some(&paris)).as_deref(), Some("20260602"));
    assert_eq!(of(time, Some(&paris)).as_deref(), Some("013000"));
    assert_eq!(of(time, None).as_deref(), Some("233000"));
    let dt = element(&[at("20260601233000-0330")], Tag(0x0040, 0xA120), None);
    assert_eq!(dt.expect("DT").text(), Some("20260601233000-0330"));
}

#[test]
fn a_device_limit_is_below_the_vr() {
    let e = element(
        &[text("Scanner cérébral")],
        tag("RequestingService"),
        Some(10),
    );
    assert_eq!(e.map_err(|e| e.fault), Err(Fault::TooLong));
}

#[test]
fn the_static_check_knows_the_pairs() {
    for (kind, keyword, yes) in [
        (Kind::Name, "PatientName", true),
        (Kind::Concept, "RequestedProcedureCodeSequence", true),
        (Kind::Text(0), "RequestedProcedureCodeSequence", false),
        (Kind::When, "PatientBirthDate", true),
        (Kind::Location, "CurrentPatientLocation", false),
        (Kind::Identifier(64), "PatientID", true),
    ] {
        assert_eq!(accepts(kind, tag(keyword)), yes, "{keyword}");
    }
}
