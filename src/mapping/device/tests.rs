//! Device files: what is wrong with one is said where it stands, what is right reaches its device and no other.

use super::*;
use crate::diagnostic::Diagnostic;
use crate::domain::node::Node;
use crate::domain::time::When;
use crate::domain::value::Value;
use crate::domain::value::{Identifier, Name};
use crate::mapping::SourceFile;
use crate::mapping::load::tests::shipped;

/// The shipped files with these over them.
fn with(files: &[(&str, &str)]) -> (MappingSet, Vec<Diagnostic>) {
    let mut all = shipped();
    all.extend(files.iter().map(|(name, text)| SourceFile {
        name: (*name).to_owned(),
        layer: 1,
        text: (*text).into(),
    }));
    MappingSet::compile(all)
}

const HEAD: &str = "format = 1\nbase = \"worklist/default\"\n";
const CT2: &str = "[from]\nmatch = { calling_ae = [\"CT2\"] }\n";

/// A device file, the code it gets, what is underlined, and a word of label or hint.
fn check(body: &str, code: &str, underlined: &str, cure: &str) {
    let text = format!("{HEAD}{body}");
    let (_, problems) = with(&[("devices/ct2.toml", &text)]);
    let found = problems.iter().find(|p| p.code == code);
    let Some(found) = found else {
        panic!("{body}\nno {code} among {problems:#?}");
    };
    let words = format!("{} {}", found.label, found.hint.as_deref().unwrap_or(""));
    assert_eq!(&text[found.span.clone()], underlined, "{body}");
    assert!(words.contains(cure), "{body}\n{words}");
}

#[test]
fn each_mistake_of_a_device_file_is_told_where_it_stands() {
    check(
        "[set]\nEventElapsedTimes = '\"X\"'\n",
        "M110",
        "EventElapsedTimes",
        "K.6-1",
    );
    check(
        "[limits]\nPatientNam = 20\n",
        "M111",
        "PatientNam",
        "did you mean `PatientName`",
    );
    check(
        "[limits]\nModality = 3\n",
        "M111",
        "Modality",
        "\"ScheduledProcedureStepSequence.Modality\" = 3",
    );
    check(
        "[limits]\nPatientBirthDate = 4\n",
        "M111",
        "PatientBirthDate",
        "names, texts and identifiers",
    );
    check("[limits]\nPatientName = 100\n", "M112", "100", "smaller");
    check(
        "[limits]\nPatientName = \"20\"\n",
        "M003",
        "\"20\"",
        "a number of characters",
    );
    check(
        "[speaks]\ncharset = \"ISO_IR 10\"\n",
        "M113",
        "ISO_IR 10",
        "ISO_IR 100",
    );
    check(
        "[speaks]\nunencodable = \"withhold\"\n",
        "M114",
        "withhold",
        "charset",
    );
    check(
        "[speaks]\nunencodable = \"drop\"\n",
        "M003",
        "drop",
        "transliterate, withhold",
    );
    check(
        "[from]\nmatch = { calling_ae = [\"TITLE OF 18 LETTERS\"] }\n",
        "M116",
        "TITLE OF 18 LETTERS",
        "16 characters",
    );
    check(
        "[from]\nmatch = { address = [\"10.1.4\"] }\n",
        "M116",
        "10.1.4",
        "10.1.4.12",
    );
    check("[from]\nmatch = {}\n", "M116", "{}", "calling_ae");
    check(
        "[from]\nmatch = { callin_ae = [\"CT2\"] }\n",
        "M002",
        "callin_ae",
        "did you mean `calling_ae`",
    );
    check(
        "[shows]\nstatuses = [\"SCHEDULD\"]\n",
        "M121",
        "SCHEDULD",
        "did you mean `SCHEDULED`",
    );
    check(
        "[shows]\nstatuses = [\"COMPLETED\"]\n",
        "M121",
        "COMPLETED",
        "STARTED",
    );
    check(
        "[shows]\nday = { back = 1, ahead = 1 }\n",
        "M002",
        "day",
        "did you mean `days`",
    );
    check("[shows]\ndays = { back = 1 }\n", "M004", "", "");
    check(
        "[shows]\nwhen = 'step.modalty == \"CT\"'\n",
        "M040",
        "modalty",
        "did you mean `modality`",
    );
    check(
        "[show]\nstations = [\"CT2\"]\n",
        "M041",
        "show",
        "did you mean `shows`",
    );
    check(
        "[set.ScheduledProcedureStepSequence]\nScheduledStationAETitle = '\"CT2\"'\n",
        "M119",
        "\"CT2\"",
        "stations",
    );
    check("[set]\nPatientID = 'none'\n", "M120", "", "");
    check(
        "[set]\nPatientAddress = 'patient.addresses | one_line'\n",
        "M045",
        "patient.addresses | one_line",
        "first",
    );
    check(
        "[set]\nPatientIdentity = 'patient.id'\n",
        "M060",
        "PatientIdentity",
        "",
    );
    check(
        "[set]\nModality = 'step.modality'\n",
        "M061",
        "Modality",
        "[set.ScheduledProcedureStepSequence]",
    );
    check(
        "[set]\nPatientID = 'patient.sex | table(\"sexe\", else: none)'\n",
        "M026",
        "\"sexe\"",
        "did you mean `sex`",
    );
}

#[test]
fn where_a_file_stands_and_what_it_is_based_on_is_checked() {
    let codes = |files: &[(&str, &str)]| -> Vec<(String, &'static str)> {
        let (_, problems) = with(files);
        problems
            .iter()
            .map(|p| (p.file.to_string(), p.code))
            .collect()
    };
    let one = |file: &str, code: &'static str| vec![(file.to_owned(), code)];
    let device = format!("{HEAD}{CT2}");
    let on = |base: &str| format!("format = 1\nbase = \"{base}\"\n");
    assert_eq!(codes(&[("devices/ct2.toml", &device)]), []);
    assert_eq!(
        codes(&[("devices/ct2.toml", &device), ("devices/x.toml", &device)]),
        one("devices/x.toml", "M115")
    );
    assert_eq!(
        codes(&[("worklist/ct2.toml", &device)]),
        one("worklist/ct2.toml", "M118")
    );
    assert_eq!(
        codes(&[("devices/ct2.toml", &on("inbound/adt"))]),
        one("devices/ct2.toml", "M118")
    );
    assert_eq!(
        codes(&[(
            "worklist/x.toml",
            &format!("{}[shows]\nstations = [\"CT2\"]\n", on("default"))
        )]),
        one("worklist/x.toml", "M118")
    );
    // The default, the site's own default, a model, the device: four files, three steps.
    let of_site = [
        ("worklist/default.toml", on("default")),
        ("devices/model.toml", HEAD.to_owned()),
        ("devices/ct2.toml", format!("{}{CT2}", on("model"))),
    ];
    let files: Vec<(&str, &str)> = of_site.iter().map(|(n, t)| (*n, t.as_str())).collect();
    assert_eq!(codes(&files), []);
    let deeper = on("ct2");
    let files = [files, vec![("devices/ct3.toml", deeper.as_str())]].concat();
    assert_eq!(codes(&files), one("devices/ct3.toml", "M117"));
    let (a, b) = (on("b"), on("a"));
    let circle = codes(&[("devices/a.toml", &a), ("devices/b.toml", &b)]);
    assert!(
        circle.iter().all(|(_, code)| *code == "M008") && !circle.is_empty(),
        "{circle:?}"
    );
}

#[test]
fn matches_overlap_where_one_peer_could_be_meant_by_both() {
    let matching = |ae: &[&str], address: &[&str]| Match {
        calling_ae: ae.iter().map(|a| (*a).to_owned()).collect(),
        address: address.iter().map(|a| a.parse().unwrap()).collect(),
        span: 0..0,
    };
    for (a, b, both) in [
        (matching(&["CT2"], &[]), matching(&["CT3"], &[]), None),
        (
            matching(&["CT2"], &[]),
            matching(&["CT3", "CT2"], &[]),
            Some("AE title CT2 from any address"),
        ),
        (
            matching(&["CT2"], &["10.0.0.1"]),
            matching(&["CT2"], &["10.0.0.2"]),
            None,
        ),
        (
            matching(&["CT2"], &["10.0.0.1"]),
            matching(&["CT2"], &[]),
            Some("AE title CT2 from address 10.0.0.1"),
        ),
        (
            matching(&[], &["10.0.0.1"]),
            matching(&["CT2"], &[]),
            Some("AE title CT2 from address 10.0.0.1"),
        ),
    ] {
        assert_eq!(a.both(&b).as_deref(), both);
        assert_eq!(b.both(&a).as_deref(), both);
    }
}

fn step() -> Node<'static> {
    let text = |t: &str| Node::text(t);
    let number = |v: &str| {
        Node::Values(vec![Value::Identifier(Identifier {
            value: v.to_owned(),
            ..Identifier::default()
        })])
    };
    let name = Name {
        family: Some("LEFÈVRE".to_owned()),
        given: vec!["Zoé".to_owned()],
        prefix: Some("DR".to_owned()),
        ..Name::default()
    };
    Node::object(vec![
        (
            "patient",
            Node::object(vec![
                ("id", number("80000001")),
                ("name", Node::Values(vec![Value::Name(name)])),
            ]),
        ),
        (
            "order",
            Node::object(vec![
                ("accession_number", number("ACC000001")),
                ("placer_number", number("PLACER-2026-0001")),
            ]),
        ),
        (
            "procedure",
            Node::object(vec![
                ("id", text("RP1")),
                (
                    "study_instance_uid",
                    Node::Values(vec![Value::Uid("1.2.3".to_owned())]),
                ),
                ("description", text("Scanographie du thorax")),
            ]),
        ),
        (
            "step",
            Node::object(vec![
                ("id", text("S1")),
                ("modality", text("CT")),
                (
                    "start",
                    Node::Values(vec![Value::When(When::parse("20260602081500").unwrap())]),
                ),
                ("station_aes", text("CT2")),
                ("status", text("scheduled")),
            ]),
        ),
    ])
}

#[test]
fn limits_cut_prose_shorten_names_and_withhold_numbers() {
    let shown = |limits: &str, keyword: &str| {
        let text = format!("{HEAD}{CT2}[limits]\n{limits}\n");
        let (set, problems) = with(&[("devices/ct2.toml", &text)]);
        assert_eq!(problems, []);
        match set.worklist_item("devices/ct2.toml", &step()) {
            Ok(item) => item.data.text(keyword).unwrap_or("").to_owned(),
            Err(withheld) => format!("withheld: {}", withheld.keyword),
        }
    };
    for (limits, keyword, expected) in [
        (
            "RequestedProcedureDescription = 12",
            "RequestedProcedureDescription",
            "Scanographie",
        ),
        ("PatientName = 14", "PatientName", "LEFÈVRE^Zoé"),
        ("PatientName = 9", "PatientName", "LEFÈVRE^Z"),
        ("AccessionNumber = 9", "AccessionNumber", "ACC000001"),
        (
            "AccessionNumber = 8",
            "AccessionNumber",
            "withheld: AccessionNumber",
        ),
        (
            "PlacerOrderNumberImagingServiceRequest = 8",
            "AccessionNumber",
            "withheld: PlacerOrderNumberImagingServiceRequest",
        ),
    ] {
        assert_eq!(shown(limits, keyword), expected, "{limits}");
    }
}

/// Whatever one scanner's file says, every other scanner sees what it saw.
#[test]
fn a_device_file_cannot_touch_another_scanner() {
    let (plain, _) = with(&[]);
    let text = format!(
        "{HEAD}{CT2}[speaks]\ncharset = \"ISO_IR 100\"\n[limits]\nPatientName = 8\n\
         [shows]\nstations = [\"CT2\"]\nwhen = 'patient.sex == \"F\"'\nstatuses = [\"STARTED\"]\ndays = {{ back = 0, ahead = 0 }}\n\
         [set]\nPatientID = '\"X\"'\nOtherPatientNames = 'none'\n[set.ScheduledProcedureStepSequence]\nModality = '\"OT\"'\n"
    );
    let (set, problems) = with(&[("devices/ct2.toml", &text)]);
    assert_eq!(problems, []);
    for ae in ["CT1", "CT22", "ct2", ""] {
        assert!(set.device(ae, None).is_none(), "{ae}");
    }
    let item = |set: &MappingSet| set.worklist_item(DEFAULT, &step()).map(|i| i.data);
    assert_eq!(item(&set), item(&plain));
    let rules = |set: &MappingSet| format!("{:?}", set.view(DEFAULT).map(|m| &m.device));
    assert_eq!(rules(&set), rules(&plain));
    assert_eq!(set.hidden_by(DEFAULT, &step()), None);
    assert_eq!(
        set.hidden_by("devices/ct2.toml", &step()).as_deref(),
        Some("devices/ct2.toml:11")
    );
}

#[test]
fn a_child_has_what_its_base_says_and_conditions_add_up() {
    let model = format!(
        "{HEAD}[speaks]\ncharset = \"ISO_IR 100\"\n[limits]\nPatientName = 40\n[shows]\nwhen = 'step.modality == \"CT\"'\n\
         [set]\nPatientComments = '\"model\"'\n"
    );
    let ct2 = format!(
        "format = 1\nbase = \"model\"\n{CT2}[limits]\nAccessionNumber = 12\n[shows]\nwhen = 'step.id == \"S2\"'\n\
         [set]\nPatientComments = 'concat(inherited, \" ct2\")'\n"
    );
    let (set, problems) = with(&[("devices/model.toml", &model), ("devices/ct2.toml", &ct2)]);
    assert_eq!(problems, []);
    let rules = &set.view("devices/ct2.toml").unwrap().device;
    assert_eq!(rules.charset, Some(Charset::Latin1));
    assert_eq!(rules.limits.len(), 2);
    assert_eq!(rules.shows.when.len(), 2);
    assert_eq!(
        set.hidden_by("devices/ct2.toml", &step()).as_deref(),
        Some("devices/ct2.toml:8")
    );
    let item = set.worklist_item("devices/ct2.toml", &step()).unwrap();
    assert_eq!(item.data.text("PatientComments"), Some("model ct2"));
    assert!(
        set.device("CT2", None)
            .is_some_and(|m| m.name == "devices/ct2.toml")
    );
}
