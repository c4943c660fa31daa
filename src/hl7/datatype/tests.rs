//! Tests of [`super`] and of documents: one field in, one value out.

use super::*;
use crate::hl7::message::{Message, Reading};
use std::sync::Arc;

/// Reads the first repetition of a field that holds `raw`.
fn value(raw: &str, as_: &str, want: Kind) -> Result<Option<Value>, BadValue> {
    let text = format!("MSH|^~\\&|A\rZZZ|{raw}\r");
    let message = Message::parse(Arc::from(text.as_bytes()), &Reading::default()).unwrap();
    let rep = message.segment("ZZZ").unwrap().field(1).first();
    read(&rep, DataType::of_name(as_).unwrap(), want)
}

/// Compares with the value as it is stored: short to write, and the stored form is a promise too.
fn check(raw: &str, as_: &str, want: Kind, expected: &str) {
    let found = value(raw, as_, want).unwrap();
    let json = found.map_or("none".to_owned(), |v| serde_json::to_string(&v).unwrap());
    assert_eq!(json, expected, "{as_} {raw} as {}", want.name());
}

fn bad(raw: &str, as_: &str, want: Kind, expected: &str) {
    assert_eq!(
        value(raw, as_, want).unwrap_err().found,
        expected,
        "{as_} {raw}"
    );
}

#[test]
fn identifiers_keep_value_issuer_and_type_together() {
    let id = Kind::Identifier(64);
    for (raw, as_, expected) in [
        (
            "277076322082910^^^ASIP&1.2.250.1.213.1.4.10&ISO^INS-NIR",
            "CX",
            r#"{"i":{"value":"277076322082910","issuer":{"namespace":"ASIP","universal_id":"1.2.250.1.213.1.4.10","scheme":"ISO"},"type":"INS-NIR"}}"#,
        ),
        (" 42 ", "CX", r#"{"i":{"value":"42"}}"#),
        ("^^^HOP^PI", "CX", "none"),
        ("\"\"^^^HOP", "CX", "none"),
        ("\"\"", "CX", "none"),
        (
            "P17^RIS^1.2.3^ISO",
            "EI",
            r#"{"i":{"value":"P17","issuer":{"namespace":"RIS","universal_id":"1.2.3","scheme":"ISO"}}}"#,
        ),
        (
            "P17&RIS&1.2.3&ISO^F17&PACS",
            "EIP",
            r#"{"i":{"value":"P17","issuer":{"namespace":"RIS","universal_id":"1.2.3","scheme":"ISO"}}}"#,
        ),
        (
            "10001234567^MARTIN^ZOÉ^^^DR^^^&1.2.250.1.71.4.2.1&ISO^D^^^RPPS",
            "XCN",
            r#"{"i":{"value":"10001234567","issuer":{"universal_id":"1.2.250.1.71.4.2.1","scheme":"ISO"},"type":"RPPS"}}"#,
        ),
        ("ACC-1", "ST", r#"{"i":{"value":"ACC-1"}}"#),
    ] {
        check(raw, as_, id, expected);
    }
}

#[test]
fn names_and_persons_are_read_from_each_type_that_holds_them() {
    for (raw, as_, expected) in [
        (
            "D'ALMÉIDA&DE&MARTIN^ZOÉ^ZOÉ ANNE^JR^MME^^L",
            "XPN",
            r#"{"nm":{"family":"D'ALMÉIDA","given":["ZOÉ"],"middle":"ZOÉ ANNE","prefix":"MME","suffix":"JR","type":"L"}}"#,
        ),
        (
            "&VAN&DIJK^JAN",
            "XPN",
            r#"{"nm":{"family":"VAN DIJK","given":["JAN"]}}"#,
        ),
        ("^^^^^^L", "XPN", "none"),
        (
            "1&MARTIN&ZOÉ",
            "NDL",
            r#"{"nm":{"family":"MARTIN","given":["ZOÉ"]}}"#,
        ),
        ("MARTIN ZOÉ", "ST", r#"{"nm":{"family":"MARTIN ZOÉ"}}"#),
    ] {
        check(raw, as_, Kind::Name, expected);
    }
    for (raw, as_, expected) in [
        (
            "801^MARTIN^ZOÉ^ANNE^JR^DR^^^RIS^^^^RI",
            "XCN",
            r#"{"p":{"identifiers":[{"value":"801","issuer":{"namespace":"RIS"},"type":"RI"}],"name":{"family":"MARTIN","given":["ZOÉ"],"middle":"ANNE","prefix":"DR","suffix":"JR"}}}"#,
        ),
        (
            "801&MARTIN&ZOÉ&&&DR&&&RIS&1.2&ISO^20260602^^RAD",
            "NDL",
            r#"{"p":{"identifiers":[{"value":"801","issuer":{"namespace":"RIS","universal_id":"1.2","scheme":"ISO"}}],"name":{"family":"MARTIN","given":["ZOÉ"],"prefix":"DR"}}}"#,
        ),
        (
            "801^MARTIN^ZOÉ",
            "NDL",
            r#"{"p":{"identifiers":[{"value":"801"}],"name":{"family":"MARTIN","given":["ZOÉ"]}}}"#,
        ),
        (
            "801",
            "NDL",
            r#"{"p":{"identifiers":[{"value":"801"}],"name":{}}}"#,
        ),
        ("^MARTIN", "XCN", r#"{"p":{"name":{"family":"MARTIN"}}}"#),
        ("^^^^^DR", "XCN", "none"),
    ] {
        check(raw, as_, Kind::Person, expected);
    }
}

#[test]
fn concepts_keep_both_codings_and_the_text() {
    for (raw, as_, expected) in [
        (
            "IRMCER^IRM cérébrale^LOCAL^24590-2^MR Brain^LN^^^IRM du cerveau",
            "CWE",
            r#"{"c":{"codings":[{"code":"IRMCER","system":"LOCAL","display":"IRM cérébrale"},{"code":"24590-2","system":"LN","display":"MR Brain"}],"text":"IRM du cerveau"}}"#,
        ),
        (
            "^^^24590-2^MR^LN",
            "CE",
            r#"{"c":{"codings":[{"code":"24590-2","system":"LN","display":"MR"}]}}"#,
        ),
        ("^IRM sans code", "CE", r#"{"c":{"text":"IRM sans code"}}"#),
        ("^^LOCAL", "CE", "none"),
        ("MR", "ID", r#"{"c":{"codings":[{"code":"MR"}]}}"#),
        (
            "toux ^ fièvre & co",
            "TX",
            r#"{"c":{"text":"toux ^ fièvre & co"}}"#,
        ),
    ] {
        check(raw, as_, Kind::Concept, expected);
    }
}

#[test]
fn plain_kinds_are_checked_and_bad_ones_are_described_not_quoted() {
    check("IRM^x", "CE", Kind::Text(64), r#"{"t":"IRM"}"#);
    check("a ^ b & c", "ST", Kind::Text(64), r#"{"t":"a ^ b & c"}"#);
    check("", "ST", Kind::Text(64), "none");
    check(
        "20260602^M",
        "TS",
        Kind::When,
        r#"{"d":{"digits":"20260602"}}"#,
    );
    check(
        "202606020800+0200",
        "DTM",
        Kind::When,
        r#"{"d":{"digits":"202606020800","offset":120}}"#,
    );
    bad(
        "20261301",
        "TS",
        Kind::When,
        "8 characters, no such date or time in the calendar",
    );
    bad(
        "hier soir",
        "TS",
        Kind::When,
        "9 characters, not of the form YYYY[MM[DD[HH[MM[SS[.ffffff]]]]]][+ZZZZ]",
    );
    for (raw, expected) in [
        ("+072.50", "72.5"),
        ("-0.0", "0"),
        ("007", "7"),
        (".5", "0.5"),
        ("-3.", "-3"),
    ] {
        check(raw, "NM", Kind::Number, &format!(r#"{{"n":"{expected}"}}"#));
    }
    for raw in ["72,5", "-", ".", "1e3", "²"] {
        let length = raw.chars().count();
        bad(
            raw,
            "NM",
            Kind::Number,
            &format!("{length} characters that are no number"),
        );
    }
    check("Y", "ID", Kind::Bool, r#"{"b":true}"#);
    bad(
        "oui",
        "ID",
        Kind::Bool,
        "3 characters that are neither Y nor N",
    );
    check(
        "1.2.840.1^PACS^Application^DICOM",
        "RP",
        Kind::Uid,
        r#"{"u":"1.2.840.1"}"#,
    );
    bad("1..2", "EI", Kind::Uid, "4 characters that are no UID");
    bad(
        &"1".repeat(65),
        "EI",
        Kind::Uid,
        "65 characters that are no UID",
    );
}

#[test]
fn places_organizations_and_addresses() {
    check(
        "RAD^S12^L3^HOP&1.2&ISO^^^^^Bâtiment B",
        "PL",
        Kind::Location,
        r#"{"l":{"facility":"HOP","point_of_care":"RAD","room":"S12","bed":"L3","description":"Bâtiment B"}}"#,
    );
    check(
        "1&X^^^RAD^S12",
        "NDL",
        Kind::Location,
        r#"{"l":{"point_of_care":"RAD","room":"S12"}}"#,
    );
    check(
        "CH Nord^^^^^&1.2.250.1.71.4.2.2&ISO^FINEG^^^750000001",
        "XON",
        Kind::Organization,
        r#"{"o":{"identifiers":[{"value":"750000001","issuer":{"universal_id":"1.2.250.1.71.4.2.2","scheme":"ISO"},"type":"FINEG"}],"name":"CH Nord"}}"#,
    );
    check(
        "HOP^1.2.3^ISO",
        "HD",
        Kind::Organization,
        r#"{"o":{"identifiers":[{"value":"1.2.3"}],"name":"HOP"}}"#,
    );
    check(
        "&RUE DES LILAS&12^Bât. C^LYON^^69003^FRA^H",
        "XAD",
        Kind::Address,
        r#"{"a":{"lines":["12 RUE DES LILAS","Bât. C"],"city":"LYON","postal_code":"69003","country":"FRA","type":"H"}}"#,
    );
    check("^^^^^^BDL", "XAD", Kind::Address, "none");
}

#[test]
fn telephones_are_read_in_the_old_form_and_the_new() {
    for (raw, system, number, use_) in [
        (
            "01 23 45 67 89^PRN^PH",
            "phone",
            "01 23 45 67 89",
            Some("home"),
        ),
        ("06 12^ORN^CP", "phone", "06 12", Some("mobile")),
        (
            "^WPN^PH^^33^1^23456789^42",
            "phone",
            "+33 1 23456789 x42",
            Some("work"),
        ),
        ("^WPN^FX^^^^^^^^^01 02", "fax", "01 02", Some("work")),
        (
            "^NET^Internet^zoe@exemple.fr",
            "email",
            "zoe@exemple.fr",
            None,
        ),
        ("zoe@exemple.fr^NET", "email", "zoe@exemple.fr", None),
    ] {
        let use_ = use_.map_or(String::new(), |u| format!(r#","use":"{u}""#));
        let expected = format!(r#"{{"tel":{{"system":"{system}","value":"{number}"{use_}}}}}"#);
        check(raw, "XTN", Kind::Telecom, &expected);
    }
    check("^WPN", "XTN", Kind::Telecom, "none");
}

#[test]
fn a_component_is_read_by_its_subcomponents() {
    let message = Message::parse(
        Arc::from("MSH|^~\\&|A\rZZZ|x^^^HOP&1.2&ISO^IRM&IRM cérébrale&LOCAL\r".as_bytes()),
        &Reading::default(),
    )
    .unwrap();
    let rep = message.segment("ZZZ").unwrap().field(1).first();
    let found = read_component(&rep.component(5), DataType::Ce, Kind::Concept).unwrap();
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(
        json,
        r#"{"c":{"codings":[{"code":"IRM","system":"LOCAL","display":"IRM cérébrale"}]}}"#
    );
    let found = read_component(&rep.component(4), DataType::Hd, Kind::Text(0)).unwrap();
    assert_eq!(found, Some(Value::Text("HOP".to_owned())));
}

#[test]
fn documents_are_decoded_and_typed() {
    let check = |raw: &str, as_: &str, media_type: &str, bytes: &[u8]| {
        let Some(Value::Document(found)) = value(raw, as_, Kind::Document).unwrap() else {
            panic!("no document in {raw}");
        };
        assert_eq!(
            (found.media_type.as_str(), found.size),
            (media_type, bytes.len() as u64),
            "{raw}"
        );
        assert_eq!(found.bytes.as_deref(), Some(bytes));
        assert_eq!(found.sha256.len(), 64);
    };
    check(
        "^application^pdf^Base64^JVBERi0xLjQK",
        "ED",
        "application/pdf",
        b"%PDF-1.4\n",
    );
    check(
        "^AP^PDF^Base64^JVBE\\.br\\Ri0x LjQK",
        "ED",
        "application/pdf",
        b"%PDF-1.4\n",
    );
    check("JVBERi0xLjQK", "ED", "application/pdf", b"%PDF-1.4\n");
    check("^TEXT^XML^Hex^3C613E", "ED", "text/xml", b"<a>");
    check(
        "^TEXT^^A^fi\u{e8}vre ^ toux \\T\\ co",
        "ED",
        "text/plain",
        "fièvre ^ toux & co".as_bytes(),
    );
    check("^^^^du texte", "ED", "text/plain", b"du texte");
    check("^IM^JPEG^Base64^AAECAw", "ED", "image/jpeg", &[0, 1, 2, 3]);
    check(
        "compte rendu ^ fin",
        "TX",
        "text/plain",
        b"compte rendu ^ fin",
    );
    bad(
        "^AP^PDF^Base64^JVB*Ri0x",
        "ED",
        Kind::Document,
        "8 characters that stop being Base64 at character 4",
    );
    bad(
        "^AP^PDF^Rot13^abc",
        "ED",
        Kind::Document,
        "an encoding of ED.4 that is not known",
    );
    bad("1.2.3", "RP", Kind::Document, "a reference pointer (RP)");
}
