use super::*;
use crate::mapping::load::tests::{over_orders, shipped};

#[test]
fn each_rule_is_a_sentence() {
    let check = |rule: &str, wanted: &str| {
        let (target, _) = rule.split_once(" = ").unwrap();
        let explained = over_orders(rule).explain("site").unwrap();
        let found = explained.rules.iter().find(|r| r.target == target);
        let found = found.unwrap_or_else(|| panic!("{}", explained.text()));
        assert_eq!(
            (found.text.as_str(), found.rule.as_str()),
            (wanted, "inbound/site.toml:3")
        );
    };
    check(
        r#"patient.name = 'PID-5[.7 == "L"] ?? PID-5'"#,
        r#"the name PID-5 of type "L", else the name PID-5"#,
    );
    check(
        r#"patient.other_names = 'PID-5[.7 in ("S", "M")]'"#,
        r#"the name PID-5 of type "S" or "M""#,
    );
    check(
        r#"patient.telecoms = ['PID-13', 'PID-14']"#,
        "all of: the phone or mail address PID-13; and the phone or mail address PID-14",
    );
    check(
        r#"step.modality = ['OBR-24.1 | upper | table("modality", else: none)', 'OBR-4.1 | table("procedures", column: "modality", else: refuse)']"#,
        "the first with a result: OBR-24.1, in upper case, looked up in table modality (an unknown one is left out); else OBR-4.1, looked up \
         in table procedures column \"modality\" (an unknown one refuses the message)",
    );
    check(
        r#"procedure.comments = 'OBR/NTE-3 | join("\n")'"#,
        r#"the text NTE-3 that belongs to OBR, joined by "\n""#,
    );
    check(
        r#"order.clinical.weight_kg = 'OBX[-3.1 == "29463-7" or -3.2 == "Body Weight"] | quantity("kg")'"#,
        r#"OBX where its field 3.1 is "29463-7" or its field 3.2 is "Body Weight", in "kg""#,
    );
    check(
        r#"order.accession_number = 'if command.do == "schedule" and ORC-3.1 matches ".{1,16}" then ORC-3'"#,
        r#"if command.do is "schedule" and ORC-3.1 looks like ".{1,16}": the identifier ORC-3"#,
    );
}

#[test]
fn the_final_rule_is_told_with_the_file_it_comes_from() {
    let set = over_orders("patient.name = 'PID-5'");
    let explained = set.explain("inbound/site.toml").unwrap();
    let rule = |target: &str| {
        let found = explained.rules.iter().find(|r| r.target == target);
        found.map(|r| r.rule.split(':').next().unwrap_or("").to_owned())
    };
    assert_eq!(rule("patient.name").as_deref(), Some("inbound/site.toml"));
    assert_eq!(
        rule("patient.sex").as_deref(),
        Some("inbound/ihe_order.toml")
    );
    assert!(
        explained
            .about
            .contains(&"based on inbound/ihe_order.toml".to_owned())
    );
    assert_eq!(set.explain("inbound/nothing.toml"), None);
}

/// Every rule of every shipped file is told, in words and at a line.
#[test]
fn all_shipped_files_can_be_explained() {
    let (set, _) = MappingSet::compile(shipped());
    for model in set.models() {
        let explained = set.explain(&model.name).unwrap();
        let rules: usize = model.sections.iter().map(|s| s.rules.len()).sum();
        assert!(explained.rules.len() >= rules, "{}", model.name);
        for rule in &explained.rules {
            let line = rule.rule.rsplit(':').next().unwrap_or("");
            assert!(
                !rule.text.is_empty() && line.parse::<usize>().is_ok(),
                "{}: {rule:?}",
                model.name
            );
            // What the language means by its signs is said in words.
            assert!(
                !rule.text.contains("??") && !rule.text.contains(" | "),
                "{rule:?}"
            );
        }
    }
}
