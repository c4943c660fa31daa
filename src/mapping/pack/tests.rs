//! Mistakes of packs and of the outbound side of mapping files: each with its code and place.

use crate::diagnostic::Severity;
use crate::domain::node::Node;
use crate::mapping::MappingSet;
use crate::mapping::load::load;
use crate::mapping::load::tests::shipped;
use crate::mapping::model::SourceFile;

/// The codes that a file of a site gets, and the text that the first one underlines.
fn problems(name: &str, text: &str) -> Vec<(&'static str, String, String)> {
    let mut files = shipped();
    files.push(SourceFile {
        name: name.to_owned(),
        layer: 1,
        text: text.into(),
    });
    let loaded = load(&files);
    let own = loaded.problems.iter().filter(|p| &*p.file == name);
    own.map(|p| {
        let words = format!(
            "{} {} {}",
            p.message,
            p.label,
            p.hint.as_deref().unwrap_or("")
        );
        (p.code, text[p.span.clone()].to_owned(), words)
    })
    .collect()
}

fn check(name: &str, text: &str, code: &str, underlined: &str, cure: &str) {
    let found = problems(name, text);
    let hit = found
        .iter()
        .any(|(c, place, words)| *c == code && place == underlined && words.contains(cure));
    assert!(hit, "{text}\n{found:#?}");
}

#[test]
fn each_slip_of_an_outbound_file_has_its_code_its_place_and_its_cure() {
    let file = |base: &str, lines: &str| format!("format = 1\nbase = \"{base}\"\n{lines}\n");
    let report = |lines: &str, code: &str, underlined: &str, cure: &str| {
        let text = file("diagnostic_report", lines);
        check("outbound/fhir/site.toml", &text, code, underlined, cure);
    };
    report(
        "[profile.fr-coeur]\nbirthPlace = 'patient.birth_place'",
        "M092",
        "fr-coeur",
        "fr-core",
    );
    report(
        "[profile.eu-imaging]\nregion = 'const.imaging'",
        "M062",
        "region",
        "eu-imaging",
    );
    report(
        "[[add.extention]]\nurl = \"https://x.example\"",
        "M093",
        "extention",
        "`extension`",
    );
    report(
        "[[add.modifierExtension]]\nurl = \"https://x.example\"",
        "M093",
        "modifierExtension",
        "meaning",
    );
    report("[[add.note]]\nvalue = '\"x\"'", "M093", "note", "category");
    report(
        "[[document.add.category]]\nvalue = 'const.imaging'",
        "M093",
        "category",
        "extension",
    );
    report(
        "[[add.extension]]\nurl = \"room\"\nvalueString = '\"x\"'",
        "M094",
        "room",
        "https://",
    );
    report(
        "[[add.extension]]\nurl = \"https://x.example\"\nvalueString = 'patient.name'\nvalueCode = '\"x\"'",
        "M094",
        "valueCode",
        "one value",
    );
    report(
        "[[add.extension]]\nurl = \"https://x.example\"\nvalueBoolean = 'patient.name'",
        "M044",
        "patient.name",
        "bool",
    );
    report(
        "[[add.extension]]\nurl = \"https://x.example\"\nvalueStrin = 'patient.name'",
        "M002",
        "valueStrin",
        "valueString",
    );
    report(
        "[[add.meta_tag]]\nvalue = 'const.imaging'\nprofile = \"fr-cor\"",
        "M092",
        "fr-cor",
        "fr-core",
    );
    report(
        "[[add.extension]]\nurl = \"http://hl7.eu/fhir/imaging/StructureDefinition/AnatomicalRegionExtension\"\nvalueString = '\"x\"'",
        "M094",
        "http://hl7.eu/fhir/imaging/StructureDefinition/AnatomicalRegionExtension",
        "[profile.eu-imaging]",
    );
    report("set.status = '\"finale\"'", "M064", "\"finale\"", "final");
    report(
        "set.status = 'report.status | table(\"diagnostic_report_status\", else: \"finale\")'",
        "M064",
        "\"finale\"",
        "`final`",
    );
    report("set.status = 'none'", "M063", "", "status");
    report(
        "set.subject = '\"Patient/1\"'",
        "M044",
        "\"Patient/1\"",
        "thing",
    );
    report("set.conclusion = 12", "M044", "12", "text");
    report("[document]\ncontent = 'none'", "M063", "", "content");
    report(
        "[const]\nx = { endpoint = \"main-pacs\" }",
        "M090",
        "main-pacs",
        "endpoints.csv",
    );
    report("[const]\nx = { cod = \"1\" }", "M002", "cod", "`code`");
    report("set.status = 'report.status is empty'", "M010", "is", "");
}

#[test]
fn a_table_that_feeds_a_closed_list_holds_only_its_codes() {
    let table = "key:status,fhir\nfinal,finale\n";
    let mut files = shipped();
    files.push(SourceFile {
        name: "tables/diagnostic_report_status.csv".to_owned(),
        layer: 1,
        text: table.into(),
    });
    let loaded = load(&files);
    let found = loaded.problems.iter().find(|p| p.code == "M064").unwrap();
    assert!(found.message.contains("`finale` in line 2"), "{found:?}");
    assert_eq!(found.hint.as_deref(), Some("did you mean `final`?"));
    // What a pack would hold is a warning: which targets use it is not known here.
    let mut files = shipped();
    files.push(SourceFile {
        name: "tables/sex.csv".to_owned(),
        layer: 1,
        text: "key:code,sex,dicom,fhir\nO,O,O,other\n".into(),
    });
    let loaded = load(&files);
    let found = loaded.problems.iter().find(|p| p.code == "M095").unwrap();
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.message.contains("fr-core@2.2.0"), "{found:?}");
}

#[test]
fn each_slip_of_a_pack_has_its_code_its_place_and_its_cure() {
    let pack = |lines: &str, code: &str, underlined: &str, cure: &str| {
        let text = format!("format = 1\nsource = \"x\"\nlicence = \"x\"\n{lines}\n");
        check("profiles/x@1.toml", &text, code, underlined, cure);
    };
    let url = "[[Patient.profile]]\nurl = \"https://x.example/p\"\n";
    let with = |lines: &str| format!("{url}{lines}");
    pack("[Pateint]", "M002", "Pateint", "Patient");
    pack(
        "[Patient]\nrequired = []",
        "M092",
        "[Patient]",
        "[[Patient.profile]]",
    );
    pack(
        "[[Patient.profile]]\nurl = \"fr-core\"",
        "M094",
        "fr-core",
        "http",
    );
    pack(
        &with("when = 'patient.qualified'"),
        "M040",
        "qualified",
        "ins_qualified",
    );
    pack(
        &with("required = [\"gendre\"]"),
        "M062",
        "gendre",
        "`gender`",
    );
    pack(
        &with("[Patient.codes]\ngender = [\"femme\"]"),
        "M064",
        "femme",
        "female",
    );
    pack(
        &with("[Patient.fixed]\ngender = []"),
        "M092",
        "gender",
        "several codes",
    );
    pack(
        &with("[Patient.identifier.PI]\nuse = \"usuel\""),
        "M003",
        "usuel",
        "usual",
    );
    pack(
        &with("[Patient.target.gender]\nstructure = \"extension\""),
        "M092",
        "gender",
        "names of its own",
    );
    pack(
        &with("[Patient.target.x]\nstructure = \"free\""),
        "M003",
        "free",
        "extension-complex",
    );
    pack(
        &with(
            "[Patient.target.x]\nstructure = \"extension\"\nurl = \"https://x.example\"\ntype = \"Text\"",
        ),
        "M092",
        "Text",
        "string",
    );
    pack(
        &with("[Patient.target.x]\nstructure = \"extension\"\nurl = \"https://x.example\""),
        "M004",
        "",
        "type",
    );
    let text = "[Patient]\nbased_on = \"identifier-only\"\n[[Patient.profile]]\nurl = \"https://x.example/p\"";
    pack(text, "M092", "identifier-only", "basedOn");
}

#[test]
fn a_file_stands_on_three_others_at_the_most() {
    let mut files = shipped();
    for (name, base) in [("a", "patient"), ("b", "a"), ("c", "b"), ("d", "c")] {
        files.push(SourceFile {
            name: format!("outbound/fhir/{name}.toml"),
            layer: 1,
            text: format!("format = 1\nbase = \"{base}\"\n").into(),
        });
    }
    let found: Vec<_> = load(&files).problems;
    let found: Vec<_> = found.iter().map(|p| (p.code, &*p.file)).collect();
    assert_eq!(found, [("M091", "outbound/fhir/d.toml")]);
}

#[test]
fn a_site_s_file_over_the_shipped_one_of_its_name_fills_the_resource() {
    let mut files = shipped();
    files.push(SourceFile {
        name: "outbound/fhir/patient.toml".to_owned(),
        layer: 1,
        text: "format = 1\nbase = \"patient\"\n[set]\nlanguage = 'none'\n".into(),
    });
    let (set, _) = MappingSet::compile(files);
    let scope = Node::object(vec![("patient", Node::object(vec![]))]);
    let filled = set.outbound("fhir.Patient", &scope).unwrap();
    assert!(filled.is_some());
}
