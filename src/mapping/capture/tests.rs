use super::*;
use crate::mapping::load::tests::shipped;
use proptest::prelude::*;
use std::sync::OnceLock;

fn set() -> &'static MappingSet {
    static SET: OnceLock<MappingSet> = OnceLock::new();
    SET.get_or_init(|| MappingSet::compile(shipped()).0)
}

fn link() -> LinkView {
    LinkView {
        role: "order".to_owned(),
        default_issuer: Some(Issuer {
            namespace: Some("HOPA".to_owned()),
            universal_id: Some("1.2.250.1.999.1.1".to_owned()),
            scheme: Some("ISO".to_owned()),
        }),
        ..LinkView::default()
    }
}

fn captured(text: &str) -> Result<Captured, String> {
    let message = Message::parse(text.as_bytes().into(), &Reading::default()).unwrap();
    capture(set(), &message, &link(), 4711)
}

fn all(captured: &Captured) -> String {
    let parts = captured.case.parts.values();
    parts
        .map(|p| String::from_utf8_lossy(p).into_owned())
        .collect()
}

const ORDER: &str = "MSH|^~\\&|RISX|CHU|RELAIS|CHU|20260602080000||ORM^O01|CTL77|P|2.3.1|||||FRA|UNICODE UTF-8\r\
    PID|1||12345678^^^HOPA&1.2.250.1.999.1.1&ISO^PI||DUPRÉ^Zoé^^^^^L||19790328|F|||4 rue des Lilas^^LILLE^^59000^FRA||0612345678\r\
    PV1||O|RADIO^12||||10003456^LEFÈVRE^Anaïs\r\
    ORC|NW|P100200|F100200||||^^^20260603101500^^R\r\
    OBR|1|P100200|F100200|ZBQH001^IRM de Zoé DUPRÉ^CCAM|||||||||claustrophobe|||||||||||MR\r\
    NTE|1||Madame DUPRÉ vient de Lille\rZPI|1|DUPRÉ|dupre@example.org\r";

#[test]
fn codes_stay_and_the_patient_goes() {
    let captured = captured(ORDER).unwrap();
    let message = String::from_utf8(captured.case.parts["in.hl7"].clone()).unwrap();
    assert_eq!(captured.case.file, "inbound/ihe_order.toml");
    for kept in [
        "ORM^O01",
        "|P|2.3.1|",
        "ORC|NW|",
        "ZBQH001^",
        "^CCAM",
        "|MR\r",
        "&ISO^PI|",
        "^L||",
        "|F|",
        "^FRA|",
        "PID|1|",
    ] {
        assert!(message.contains(kept), "{kept}: {message}");
    }
    let all = all(&captured).to_lowercase();
    for gone in [
        "dupr",
        "zoé",
        "12345678",
        "19790328",
        "lilas",
        "lille",
        "59000",
        "0612345678",
        "lefèvre",
        "anaïs",
        "10003456",
        "claustro",
        "madame",
        "p100200",
        "20260602",
        "20260603",
        "ctl77",
        "1.2.250.1.999",
        "hopa",
        "risx",
        "example",
    ] {
        assert!(!all.contains(gone), "{gone}: {all}");
    }
    // The same person under the same name; the same order under the same number.
    let of = |id: &str, n: usize| {
        let line = message.split('\r').find(|l| l.starts_with(id)).unwrap();
        line.split('|').nth(n).unwrap().to_owned()
    };
    assert_eq!(of("PID", 5).split('^').next().unwrap(), of("ZPI", 2));
    assert_eq!(of("ORC", 2), of("OBR", 2));
    assert_eq!(captured.notes.len(), 1, "{:?}", captured.notes);
}

#[test]
fn the_case_passes() {
    let captured = captured(ORDER).unwrap();
    assert_eq!(judge(set(), &captured.case).unwrap().difference, None);
    let want = captured.case.want().unwrap();
    assert!(
        want.contains("do = \"schedule\"") && want.contains("modality = \"MR\""),
        "{want}"
    );
}

#[test]
fn a_name_that_is_also_a_code_makes_no_case() {
    let why = captured(&ORDER.replace("DUPRÉ", "ZBQH001")).unwrap_err();
    assert!(
        why.contains("is left in in.hl7") && !why.contains("ZBQH001"),
        "{why}"
    );
    // A code that nobody knows is not kept.
    let order = ORDER.replace("ZBQH001", "ZOEDUPONT");
    assert!(!all(&captured(&order).unwrap()).contains("ZOEDUPONT"));
}

#[test]
fn a_message_that_nobody_reads_makes_no_case() {
    let why = captured(&ORDER.replace("ORM^O01", "ZZZ^Z99")).unwrap_err();
    assert!(why.starts_with("no mapping file reads it"), "{why}");
}

proptest! {
    /// Whatever is put wherever: nothing of it is in the case, or there is no case.
    #[test]
    fn nothing_of_a_person_is_in_a_case(
        family in "[A-ZÉÈ][A-ZÉÈ' -]{2,10}[A-Z]",
        given in "[A-Zé][a-zéèç]{3,9}",
        number in "[1-9][0-9]{4,11}",
        street in "[0-9]{1,2} rue [A-Z][a-z]{4,9}",
        places in proptest::collection::vec((0_usize..8, 1_usize..45, 0_usize..4), 1..14),
    ) {
        let values = [family.as_str(), given.as_str(), number.as_str(), street.as_str()];
        let mut lines: Vec<Vec<String>> = ORDER
            .replace("DUPRÉ", &family.replace(' ', "-"))
            .trim_end_matches('\r')
            .split('\r')
            .map(|l| l.split('|').map(str::to_owned).collect())
            .collect();
        for (line, field, value) in places {
            let line = &mut lines[line % 7];
            // The header says how the message is read.
            let field = if line[0] == "MSH" { 2 + field % 5 } else { field };
            line.resize(line.len().max(field + 1), String::new());
            line[field] = values[value].to_owned();
        }
        let lines: Vec<String> = lines.iter().map(|l| l.join("|")).collect();
        if let Ok(captured) = captured(&format!("{}\r", lines.join("\r"))) {
            let all = all(&captured).to_lowercase();
            for value in [&family, &given, &number, &street] {
                let value = value.to_lowercase();
                let placed = lines.join("|").to_lowercase().contains(&value);
                prop_assert!(!placed || !all.contains(&value), "{value}: {all}");
            }
            prop_assert_eq!(judge(set(), &captured.case).unwrap().difference, None);
        }
    }
}
