//! What becomes of values: absence and null, several values for one field, values that cannot be read, functions over them.

use super::{MSH, OBR, ORC, ORDER, PID, check, compile, extras, read};
use crate::domain::reason::Reason;
use crate::domain::value::Value;

#[test]
fn null_is_an_answer_and_absence_is_none() {
    let both = |twelve: &str, thirteen: &str| format!("OBR||D1||ACT1||||||||{twelve}|{thirteen}");
    for (rule, obr, expected) in [
        // `??` stops at a null: it was said on purpose.
        ("OBR-13 ?? OBR-12", both("x", "\"\""), vec![]),
        ("OBR-13 ?? OBR-12", both("x", ""), vec!["x"]),
        ("OBR-13 | upper", both("x", "\"\""), vec![]),
        (r#"concat(OBR-12, "_", OBR-13)"#, both("x", ""), vec![]),
        (
            r#"concat(OBR-12, "_", OBR-13)"#,
            both("x", "y"),
            vec!["x_y"],
        ),
        ("none", both("x", "y"), vec![]),
        // An absent part is unlike everything.
        (r#"OBR-4[.3 != "L"].1"#, both("", ""), vec!["ACT1"]),
        (r#"OBR-4[.3 == "L"].1"#, both("", ""), vec![]),
    ] {
        check(rule, &[ORC, &obr], &expected);
    }
}

#[test]
fn functions_over_texts_codes_and_names_do_what_they_say() {
    let obr = "OBR||D1||ACT1^Un acte^L^ALT9^Autre^L9||||||||||||99999000112&BERNARD&Luc^1~88^DUVAL^Ève^^^DR||||||||||||||||||99^BERNARD^Luc";
    for (rule, expected) in [
        ("OBR-4 | alternate", vec!["Autre"]),
        (r#"OBR-4.2 | before(" ")"#, vec!["Un"]),
        (r#"OBR-4.2 | after(" ")"#, vec!["acte"]),
        (r##"OBR-4.2 | after("#")"##, vec![]),
        (r#"OBR-4.2 | replace("acte", "geste")"#, vec!["Un geste"]),
        ("OBR-4.1 | digits", vec!["1"]),
        (r#"OBR-4.1 | pad(6, "0")"#, vec!["00ACT1"]),
        ("OBR-4.1 | cut(3)", vec!["ACT"]),
        (r#"OBR-4.1 | prefix("99")"#, vec!["99ACT1"]),
        // A person where the standard wants times, and one inside subcomponents.
        (r#"OBR-34 | as("XCN") | text"#, vec!["Luc BERNARD"]),
        (r#"OBR-16[1].1 | as("CNN") | text"#, vec!["Luc BERNARD"]),
        ("OBR-16[2] | text", vec!["DR Ève DUVAL"]),
    ] {
        check(rule, &[ORC, obr], &expected);
    }
}

#[test]
fn authorities_compare_by_oid_first_and_ignore_blanks() {
    let pid = "PID|||1^^^ASIP-SANTE- PS&1.2.250.1.71.4.2.1&ISO^PI~2^^^CHU-X&1.2.3&ISO^MR~3^^^CHU-X~4^^^OTHER^PI||A^B";
    for (rule, expected) in [
        (r#"PID-3 | authority("ASIP-SANTE-PS")"#, vec!["1"]),
        (r#"PID-3 | authority("1.2.250.1.71.4.2.1")"#, vec!["1"]),
        (r#"PID-3 | authority("NOBODY", "CHU-X")"#, vec!["2", "3"]),
        (
            r#"PID-3 | authority("CHU-X") | type("PI", "", "MR")"#,
            vec!["3"],
        ),
        (
            "PID-3 | authority(link.patient_authorities)",
            vec!["1", "2", "3", "4"],
        ),
        (r#"PID-3 | authority("NOBODY")"#, vec![]),
    ] {
        let lines = ORDER.replace("'PID-3'", "'PID-3[1]'");
        let (set, problems) = compile(
            "\"order\"",
            &format!("{lines}[extra]\nx = '''{rule}'''"),
            &[],
        );
        assert_eq!(problems, Vec::<String>::new(), "{rule}");
        assert_eq!(extras(&set, &[MSH, pid, ORC, OBR]), [expected], "{rule}");
    }
}

#[test]
fn several_values_for_one_field_are_refused_or_counted() {
    let lines = ORDER.replace("[procedure]", "accession_number = 'OBR-18'\n[procedure]");
    let (set, problems) = compile("\"order\"", &lines, &[]);
    assert_eq!(problems, Vec::<String>::new());
    let two = "OBR||D1||ACT1~ACT2^Deux^L||||||||||||||A1~A2";
    let refused = read(&set, &[MSH, PID, ORC, two]).map_err(|r| r.reason);
    assert_eq!(refused.err(), Some(Reason::FieldConflict));
    let same = two.replace("A1~A2", "A1~A1");
    let translation = read(&set, &[MSH, PID, ORC, &same]).expect("the same twice is one");
    let warned: Vec<_> = translation
        .warnings
        .iter()
        .map(|w| w.message.as_str())
        .collect();
    assert_eq!(warned, ["procedure.code: 1 of 2 is taken"]);
    let only = ORDER.replace("'OBR-4'", "'OBR-4 | only'");
    let (set, _) = compile("\"order\"", &only, &[]);
    let refused = read(&set, &[MSH, PID, ORC, two]).map_err(|r| r.reason);
    assert_eq!(refused.err(), Some(Reason::FieldConflict));
}

#[test]
fn demographics_that_cannot_be_read_are_left_out_with_a_warning() {
    let lines = ORDER.replace(
        "[order]",
        "birth_date = 'PID-7'\nsex = 'PID-8.1 | table(\"sex\", else: warn)'\n[order]",
    );
    let table = ("tables/sex.csv", "key:code,sex\nF,F\n");
    let (set, problems) = compile("\"order\"", &lines, &[table]);
    assert_eq!(problems, Vec::<String>::new());
    for (birth, read_as) in [
        ("00000000", None),
        ("date of birth", None),
        ("19840512", Some("19840512")),
        // As written, never moved by the offset.
        ("198405121126+0215", Some("198405121126")),
        ("1984", Some("1984")),
    ] {
        let pid = PID.replace("19840512|F", &format!("{birth}|Q"));
        let translation = read(&set, &[MSH, &pid, ORC, OBR]).expect(birth);
        let patient = translation.commands[0].record().section("patient");
        let digits = match patient.first("birth_date") {
            Some(Value::When(when)) => Some(when.digits.as_str()),
            _ => None,
        };
        assert_eq!((digits, patient.first("sex")), (read_as, None), "{birth}");
        let warnings = &translation.warnings;
        assert_eq!(
            warnings.len(),
            1 + usize::from(read_as.is_none()),
            "{birth}"
        );
        assert!(warnings.iter().all(|w| !w.message.contains(birth)));
    }
}

#[test]
fn a_requested_procedure_id_that_is_the_code_of_the_exam_is_worth_a_warning() {
    let (set, problems) = compile("\"order\"", &format!("{ORDER}id = 'OBR-19'"), &[]);
    assert_eq!(problems, Vec::<String>::new());
    let warned = |id: &str| {
        let obr = format!("OBR||D1||ACT1|||||||||||||||{id}");
        let translation = read(&set, &[MSH, PID, ORC, &obr]).expect("translated");
        translation.warnings.len()
    };
    assert_eq!((warned("RP7"), warned("ACT1")), (0, 1));
}
