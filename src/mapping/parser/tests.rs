use super::*;
use proptest::prelude::*;

#[test]
fn rules_of_the_worked_files_are_read() {
    for (rule, dialect) in [
        (
            "PID-3 | authority(link.patient_authorities) | type(\"PI\", \"MR\", \"PT\", \"\")",
            Dialect::Hl7,
        ),
        (
            "PID-5[.7 in (\"D\", \"S\", \"M\", \"N\", \"A\")]",
            Dialect::Hl7,
        ),
        (
            "OBX[-3.1 == \"29463-7\" or -3.2 == \"Body Weight\"] | quantity(\"kg\")",
            Dialect::Hl7,
        ),
        (
            "if \"B6\" in PV1-15 then \"possibly_pregnant\"",
            Dialect::Hl7,
        ),
        ("OBR/NTE-3 ?? OBX/NTE-3 | join(\"\\n\")", Dialect::Hl7),
        ("OBX/PRT[-4.1 == \"SB\"]-5", Dialect::Hl7),
        (
            "table(\"order_control\", ORC-1, ORC-5, link.role, column: \"do\", else: refuse)",
            Dialect::Hl7,
        ),
        (
            "OBX[-2 in (\"TX\", \"FT\") and not -3.1 ?? -3.2 in table(\"technical_obx\")]-5 | text | join(\"\\n\")",
            Dialect::Hl7,
        ),
        ("order/OBX[2]-5", Dialect::Hl7),
        (
            "PerformedSeriesSequence[ProtocolName == \"X\"].SeriesInstanceUID",
            Dialect::Dicom,
        ),
        ("identifier(PatientID, IssuerOfPatientID)", Dialect::Dicom),
        ("patient.identifiers[. != patient.id]", Dialect::Record),
        (
            "patient.telecoms[.system == \"phone\"].value | skip_longer",
            Dialect::Record,
        ),
        (
            "(studies.started_at | first) ?? report.observed_at",
            Dialect::Record,
        ),
    ] {
        if let Err(problem) = expression(rule, 0, dialect) {
            panic!("{rule}: {problem:?}");
        }
    }
    for when in [
        "MSH-21.2 == \"CISIS\" or MSH-3 == \"FILLER\"",
        "not OBX[-3.1 in table(\"document_types\")]",
        "(PID-3 ?? PID-2) == \"x\" and (PID-8 or PID-7)",
        "(PID-3 | text) matches \"[0-9]+\"",
    ] {
        if let Err(problem) = condition(when, 0, Dialect::Hl7) {
            panic!("{when}: {problem:?}");
        }
    }
}

#[test]
fn a_slip_gets_its_code_its_place_and_its_cure() {
    let check = |rule: &str, code: &str, place: &str, hint: &str| {
        let problem = expression(rule, 0, Dialect::Hl7).expect_err(rule);
        assert_eq!(
            (problem.code, &rule[problem.span.clone()]),
            (code, place),
            "{rule}: {problem:?}"
        );
        let cure = problem.hint.unwrap_or_default();
        assert!(cure.contains(hint), "{rule}: {cure}");
    };
    check("PID-3 | first ?? PID-2", "M011", "??", "(a | f) ?? b");
    check("ROUTINE", "M013", "ROUTINE", "'\"ROUTINE\"'");
    check("PID-3 | uper", "M020", "uper", "did you mean `upper`");
    check("OBX[.3.1 == \"x\"]-5", "M010", ".", "write -3");
    check("PID-3[-5 == \"PI\"]", "M010", "-", "PID-3[.5");
    check("PID.3", "M010", ".", "PID-3");
    check("ORC-1 & ORC-5", "M010", "&", "concat");
    check("PID-3 == \"x\"", "M010", "==", "when/ignore");
    check("if PID-3 in [\"a\"] then \"b\"", "M010", "[", "(\"a\"");
}

#[test]
fn deep_and_long_rules_are_refused_not_followed() {
    let deep = format!("{}PID-3{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(
        expression(&deep, 0, Dialect::Hl7).map_err(|p| p.code),
        Err("M012")
    );
    let nested = format!("{}PID-3{}", "(".repeat(60), ")".repeat(60));
    assert_eq!(
        expression(&nested, 0, Dialect::Hl7).map_err(|p| p.code),
        Err("M012")
    );
    let filters = "A".to_owned() + &"[A".repeat(60);
    assert_eq!(
        expression(&filters, 0, Dialect::Dicom).map_err(|p| p.code),
        Err("M012")
    );
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_panic(text in "\\PC{0,80}") {
        fuzz_rule(text.as_bytes());
    }

    #[test]
    fn any_heap_of_tokens_is_parsed_without_panic(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "PID", "-3", "[", "]", "(", ")", "|", "??", "first", "table", "\"a\"", ",", ":", "not", "and", "in", "==", ".5",
                "/", "NTE", "if", "then", "else", "order", "link.x", "none", "1", "matches",
            ]),
            0..60,
        ),
    ) {
        fuzz_rule(words.join(" ").as_bytes());
    }
}
