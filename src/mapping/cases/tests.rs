use super::*;
use crate::mapping::load::tests::shipped;

/// A case of an order of ours, with its want.
fn order(want: &str) -> Case {
    let message = "MSH|^~\\&|RISX|CHU|RELAIS|CHU|20260602080000||ORM^O01|1|P|2.3.1|||||FRA|UNICODE UTF-8\r\
                   PID|||12345^^^HOPA&1.2.250.1.999.1.1&ISO^PI||DUPRÉ^Zoé||19790328|F\rORC|NW|P1|F1\rOBR||P1|F1|MRTETE^IRM tête^99LOCAL\r";
    let parts = [("in.hl7", message), ("want.toml", want)];
    Case {
        file: "inbound/ihe_order.toml".to_owned(),
        name: "an_order".to_owned(),
        parts: parts
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .collect(),
    }
}

#[test]
fn a_difference_shows_lines_with_their_place_and_their_rule() {
    let (set, _) = MappingSet::compile(shipped());
    let right = judge(&set, &order("")).unwrap().blessed;
    assert_eq!(judge(&set, &order(&right)).unwrap().difference, None);
    let line = 1 + right.lines().position(|l| l == "sex = \"F\"").unwrap();
    let wrong = right.replace("sex = \"F\"", "sex = \"M\"");
    let shown = judge(&set, &order(&wrong)).unwrap().difference.unwrap();
    let rule = set
        .models()
        .find(|m| m.name == "inbound/ihe_order.toml")
        .and_then(|m| m.rule("patient", "sex"))
        .unwrap();
    assert_eq!(
        shown,
        format!(
            "want.toml:{line} [command.patient]\n  - sex = \"M\"\n  + sex = \"F\"\n      rule {}\n",
            rule.label
        )
    );
    // A line that is not there and one that nobody writes.
    let wrong = right
        .replace("sex = \"F\"\n", "")
        .replace("[command.patient]\n", "[command.patient]\nsexe = \"F\"\n");
    let shown = judge(&set, &order(&wrong)).unwrap().difference.unwrap();
    assert!(
        shown.contains("  - sexe = \"F\"\n") && shown.contains("  + sex = \"F\"\n      rule "),
        "{shown}"
    );
}

#[test]
fn a_case_may_say_where_values_come_from() {
    let (set, _) = MappingSet::compile(shipped());
    let right = judge(&set, &order("")).unwrap().blessed;
    let check = |origins: &str, wanted: Option<&str>| {
        let want = format!("{right}\n[origins]\n{origins}\n");
        let found = judge(&set, &order(&want)).unwrap().difference;
        assert_eq!(found.as_deref(), wanted, "{origins}");
    };
    check("\"command.patient.sex\" = \"PID-8.1, table sex.csv\"", None);
    check(
        "\"command[1].patient.sex\" = \"PID-8.1, table sex.csv\"",
        None,
    );
    check(
        "\"command.patient.sex\" = \"PID-9\"",
        Some("want.toml [origins] command.patient.sex\n  - PID-9\n  + PID-8.1, table sex.csv\n"),
    );
    check(
        "\"command.patient.sax\" = \"PID-8.1\"",
        Some(
            "want.toml [origins] command.patient.sax: there is no such value; did you mean `command.patient.sex`?\n",
        ),
    );
    let want = format!("{right}\n[origins]\n\"command.patient.sex\" = \"?\"\n");
    let blessed = judge(&set, &order(&want)).unwrap().blessed;
    assert_eq!(judge(&set, &order(&blessed)).unwrap().difference, None);
    assert!(blessed.ends_with("\"command.patient.sex\" = \"PID-8.1, table sex.csv\"\n"));
}

#[test]
fn files_that_are_no_part_of_a_case_are_named() {
    let (set, _) = MappingSet::compile(shipped());
    let check = |rename: (&str, &str), file: &str, wanted: &str| {
        let mut case = order("");
        case.file = file.to_owned();
        let bytes = case.parts.remove(rename.0).unwrap();
        case.parts.insert(rename.1.to_owned(), bytes);
        let why = judge(&set, &case).unwrap_err();
        assert!(why.contains(wanted), "{why}");
    };
    let file = "inbound/ihe_order.toml";
    check(
        ("want.toml", "wants.toml"),
        file,
        "did you mean `want.toml`",
    );
    check(("in.hl7", "in.json"), file, "in.json is no part of a case");
    check(
        ("in.hl7", "in.hl7"),
        "inbound/ihe_oder.toml",
        "did you mean `inbound/ihe_order.toml`",
    );
}
