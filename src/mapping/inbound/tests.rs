//! The language over HL7 messages, rule by rule: a file of a few lines, a message of a few segments, and what is said in the end.

mod values;

use crate::domain::ids::JournalId;
use crate::domain::reason::{Reason, Refusal};
use crate::hl7::message::{Message, Reading};
use crate::mapping::load::tests::shipped;
use crate::mapping::{LinkView, MappingSet, SourceFile, Translation};

const MSH: &str = "MSH|^~\\&|RIS|CHU|RELAIS|CHU|20260602080000||ORM^O01|1|P|2.5.1";
const PID: &str = "PID|||80001234^^^HOPA^PI||LEFÈVRE^Noémie||19840512|F";
const ORC: &str = "ORC|NW|D1";
const OBR: &str = "OBR||D1||ACT1^Un acte^L";

/// A file of its own for ORM^O01, with these lines below its header; `each` of `[from]` and further files.
fn compile(each: &str, lines: &str, more: &[(&str, &str)]) -> (MappingSet, Vec<String>) {
    let text = format!(
        "format = 1\n[from]\nkind = \"hl7v2\"\nmessages = [\"ORM^O01\"]\neach = {each}\n[command]\ndo = '\"schedule\"'\n{lines}\n"
    );
    let mut files = vec![SourceFile {
        name: "inbound/probe.toml".into(),
        layer: 0,
        text: text.into(),
    }];
    for (name, text) in more {
        files.push(SourceFile {
            name: (*name).to_owned(),
            layer: 0,
            text: (*text).into(),
        });
    }
    let (set, problems) = MappingSet::compile(files);
    let problems = problems
        .iter()
        .map(|p| format!("{} {}", p.code, p.message))
        .collect();
    (set, problems)
}

fn read(set: &MappingSet, lines: &[&str]) -> Result<Translation, Refusal> {
    let text = lines.join("\r");
    let message = Message::parse(text.as_bytes().into(), &Reading::default()).expect("a message");
    set.translate_hl7(&message, &LinkView::default(), JournalId(1))
}

/// The lines that every order needs.
const ORDER: &str = "[patient]\nid = 'PID-3'\n[order]\nplacer_number = 'ORC-2 ?? OBR-2'\n[procedure]\ncode = 'OBR-4'\n";

/// Values of `[extra] x`, one list for each command.
fn extras(set: &MappingSet, lines: &[&str]) -> Vec<Vec<String>> {
    let translation = read(set, lines).expect("translated");
    let of = |command: &crate::domain::command::Command| {
        let values = command.record().section("extra").values("x").iter();
        values
            .filter_map(|v| v.comparable().map(str::to_owned))
            .collect()
    };
    translation.commands.iter().map(of).collect()
}

/// What a rule finds in a message of one order.
fn check(rule: &str, segments: &[&str], expected: &[&str]) {
    let (set, problems) = compile(
        "\"order\"",
        &format!("{ORDER}[extra]\nx = '''{rule}'''"),
        &[],
    );
    // `!=` of what may be absent is warned of (M048), and it is what some rules here are about.
    let wrong: Vec<&String> = problems.iter().filter(|p| !p.starts_with("M048")).collect();
    assert_eq!(wrong, Vec::<&String>::new(), "{rule}");
    let mut lines = vec![MSH, PID];
    lines.extend(segments);
    assert_eq!(extras(&set, &lines), [expected], "{rule}");
}

#[test]
fn notes_and_observations_are_found_by_their_owner() {
    let segments = [
        "NTE|1||of the patient",
        ORC,
        OBR,
        "NTE|1||of the request",
        "OBX|1|ST|A||1",
        "NTE|1||of A",
        "OBX|2|ST|B||2",
        "NTE|1||of B",
        "NTE|2||also of B",
    ];
    for (rule, expected) in [
        ("PID/NTE-3", vec!["of the patient"]),
        ("OBR/NTE-3", vec!["of the request"]),
        ("OBX/NTE-3", vec!["of A", "of B", "also of B"]),
        (r#"OBX[-3.1 == "B"]/NTE[2]-3"#, vec!["also of B"]),
        ("OBX[2]/NTE-3 | join(\" \")", vec!["of B also of B"]),
        ("order/OBX-5", vec!["1", "2"]),
        ("message/NTE/NTE-3", vec![]),
    ] {
        check(rule, &segments, &expected);
    }
}

#[test]
fn a_bare_note_is_refused_when_the_file_is_read() {
    let (_, problems) = compile("\"order\"", &format!("{ORDER}[extra]\nx = 'NTE-3'"), &[]);
    assert!(problems[0].starts_with("M053"), "{problems:?}");
}

#[test]
fn a_specimen_owns_its_observations() {
    let segments = [
        ORC,
        OBR,
        "OBX|1|ST|A||of the order",
        "SPM|1|S1",
        "OBX|2|ST|B||of S1",
        "SPM|2|S2",
        "OBX|3|ST|C||of S2",
    ];
    check("SPM[-2.1 == \"S1\"]/OBX-5", &segments, &["of S1"]);
    check("specimen/OBX-5", &segments, &["of S1", "of S2"]);
    let lines = format!("{ORDER}[extra]\nx = 'SPM/OBX-5'");
    let (set, problems) = compile("\"specimen\"", &lines, &[]);
    assert_eq!(problems, Vec::<String>::new());
    // Two specimens of one order: two rows of one exam.
    let mut all = vec![MSH, PID];
    all.extend(segments);
    assert_eq!(extras(&set, &all), [["of S1", "of S2"]]);
}

#[test]
fn group_words_reach_siblings_from_inside_a_loop() {
    let lines = format!(
        "{ORDER}[procedure.product]\neach = 'OBX[-3.1 == \"P\"]'\ncode = 'OBX-5'\nlot = 'order/OBX[-3.1 == \"LOT\"]-5'\nquantity = 'message/OBX-5 | join(\"+\")'"
    );
    let (set, problems) = compile("\"order\"", &lines, &[]);
    assert_eq!(problems, Vec::<String>::new());
    let second = "ORC|NW|D2";
    let messages = [
        MSH,
        PID,
        ORC,
        OBR,
        "OBX|1|ST|P||a",
        "OBX|2|ST|LOT||7",
        second,
        "OBR||D2||ACT2",
        "OBX|1|ST|P||b",
        "OBX|2|ST|LOT||9",
    ];
    let translation = read(&set, &messages).expect("translated");
    let part = |n: usize, name: &str| {
        let products = translation.commands[n].record().section("procedure");
        let value = products.first("products").expect("a product").part(name);
        value
            .first()
            .and_then(|v| v.comparable().map(str::to_owned))
    };
    assert_eq!(part(0, "lot").as_deref(), Some("7"));
    assert_eq!(part(1, "lot").as_deref(), Some("9"));
    assert_eq!(part(1, "quantity").as_deref(), Some("a+7+b+9"));
}

#[test]
fn a_loop_groups_its_occurrences_and_several_blocks_feed_one_list() {
    let lines = format!(
        "{ORDER}[[product]]\neach = 'OBX[-3.1 == \"P\"]'\ngroup_by = 'OBX-4 | before(\".\")'\ncode = 'OBX[-4 matches \".*[.]1\"]-5'\nlot = 'OBX[-4 matches \".*[.]2\"]-5'\n\
         [[product]]\neach = 'OBX[-3.1 == \"Q\"]'\ncode = 'OBX-5'"
    );
    let (set, problems) = compile("\"order\"", &lines, &[]);
    assert_eq!(problems, Vec::<String>::new());
    let observations = [
        "OBX|1|ST|P|2.1|second",
        "OBX|2|ST|P|1.1|first",
        "OBX|3|ST|P|2.2|L2",
        "OBX|4|ST|Q||third",
    ];
    let mut all = vec![MSH, PID, ORC, OBR];
    all.extend(observations);
    let translation = read(&set, &all).expect("translated");
    let products = translation.commands[0]
        .record()
        .section("procedure")
        .values("products");
    let found: Vec<String> = products
        .iter()
        .map(|p| {
            let text = |name: &str| {
                let part = p.part(name);
                part.first()
                    .map(|v| v.comparable().unwrap_or("").to_owned())
                    .unwrap_or_default()
            };
            format!("{}/{}", text("code"), text("lot"))
        })
        .collect();
    assert_eq!(found, ["second/L2", "first/", "third/"]);
}

#[test]
fn a_loop_runs_over_repetitions_and_over_rows_of_a_table() {
    let over_field =
        format!("{ORDER}[step]\neach = 'OBR-4.2 ?? OBR-31'\ndescription = 'item | upper'");
    let (set, problems) = compile("\"order\"", &over_field, &[]);
    assert_eq!(problems, Vec::<String>::new());
    let steps = |set: &MappingSet, obr: &str, name: &str| -> Vec<String> {
        let translation = read(set, &[MSH, PID, ORC, obr]).expect("translated");
        let steps = translation.commands[0].record().list("step").iter();
        steps
            .map(|s| s.section("step").text(name).unwrap_or("-").to_owned())
            .collect()
    };
    assert_eq!(steps(&set, OBR, "description"), ["UN ACTE"]);
    let reasons = "OBR||D1||ACT1|||||||||||||||||||||||||||a~b";
    assert_eq!(steps(&set, reasons, "description"), ["A", "B"]);

    let table = "key:code,key:step,modality,ae\nACT1,1,CT,CT1;CT2\nACT1,2,PT,PT1\n*,1,OT,\n";
    let over_rows = |if_none: &str| {
        let lines = format!(
            "{ORDER}[step]\neach = 'OBR-4.1 | rows(\"protocols\")'\nif_none = \"{if_none}\"\nmodality = ['row.modality', '\"CR\"']\nid = 'row.step'\nstation_aes = 'row.ae'"
        );
        let (set, problems) = compile("\"order\"", &lines, &[("tables/protocols.csv", table)]);
        assert_eq!(problems, Vec::<String>::new());
        set
    };
    let set = over_rows("skip");
    assert_eq!(steps(&set, OBR, "modality"), ["CT", "PT"]);
    assert_eq!(steps(&set, OBR, "id"), ["1", "2"]);
    assert_eq!(steps(&set, "OBR||D1||ACT9^Autre", "modality"), ["OT"]);
    let translation = read(&set, &[MSH, PID, ORC, OBR]).expect("translated");
    let first = &translation.commands[0].record().list("step")[0];
    assert_eq!(first.section("step").values("station_aes").len(), 2);
    let origin = &first.section("step").get("modality").expect("said").origins[0];
    assert_eq!(
        (origin.path.as_str(), origin.via.as_slice()),
        ("OBR-4.1", &["table protocols.csv:2".to_owned()][..])
    );
    // No code at all: nothing, once, or a refusal.
    let none = "OBR||D1||^Sans code";
    let once = over_rows("once");
    assert_eq!(steps(&once, none, "modality"), ["CR"]);
    let refused = read(&over_rows("refuse"), &[MSH, PID, ORC, none]);
    assert_eq!(
        refused.map_err(|r| r.reason).err(),
        Some(Reason::FieldMissing)
    );
}

#[test]
fn rows_and_items_out_of_place_are_reported_when_the_file_is_read() {
    let table = ("tables/t.csv", "key:code,modality\nA,CT\n");
    for (lines, code) in [
        ("[step]\nmodality = 'row.modality'", "M042"),
        ("[step]\nmodality = 'item'", "M042"),
        ("[step]\neach = 'OBR-4'\nmodality = 'row.modality'", "M042"),
        ("[step]\neach = 'OBR-4'\nmodality = 'item.code'", "M042"),
        (
            "[step]\neach = 'OBR-4.1 | rows(\"t\")'\nmodality = 'row.modalty'",
            "M027",
        ),
        (
            "[step]\neach = 'OBR-4.1 | rows(\"u\")'\nmodality = 'row.x'",
            "M026",
        ),
        (
            "[step]\neach = 'rows(\"t\")'\nmodality = 'row.modality'",
            "M028",
        ),
        ("[step]\nmodality = 'OBR-4.1 | rows(\"t\")'", "M023"),
        ("[step]\nstart = 'OBR-7 | zone(\"Mars/Olympus\")'", "M023"),
        ("[report]\nid = 'OBX-5 | cda(\"author\")'", "M023"),
        (
            "[visit]\nclass = 'step.modality'\n[step]\nmodality = 'visit.class'",
            "M043",
        ),
    ] {
        let (_, problems) = compile("\"order\"", &format!("{ORDER}{lines}"), &[table]);
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert!(problems[0].starts_with(code), "{lines}: {problems:?}");
    }
}

#[test]
fn names_reach_the_fields_of_other_sections() {
    let lines = format!(
        "{ORDER}[step]\nmodality = 'if order.placer_number == \"D1\" then visit.class'\n[visit]\nclass = 'extra.x'\n[extra]\nx = 'procedure.code.code'"
    );
    let (set, problems) = compile("\"order\"", &lines, &[]);
    assert_eq!(problems, Vec::<String>::new());
    let translation = read(&set, &[MSH, PID, ORC, OBR]).expect("translated");
    let step = &translation.commands[0].record().list("step")[0];
    assert_eq!(step.section("step").text("modality"), Some("ACT1"));
}

#[test]
fn a_time_is_read_in_the_zone_that_the_rule_names() {
    let lines =
        format!("{ORDER}[step]\nmodality = '\"CT\"'\nstart = 'OBR-7 | zone(\"Europe/Paris\")'");
    let (set, problems) = compile("\"order\"", &lines, &[]);
    assert_eq!(problems, Vec::<String>::new());
    for (sent, digits, offset) in [
        ("20260602083000", "20260602083000", Some(120)),
        ("20261202083000", "20261202083000", Some(60)),
        ("20260602083000+0530", "20260602083000+0530", Some(330)),
        ("20260602", "20260602", None),
    ] {
        let obr = format!("OBR||D1||ACT1^Un acte^L|||{sent}");
        let translation = read(&set, &[MSH, PID, ORC, &obr]).expect("translated");
        let step = translation.commands[0].record().list("step")[0].section("step");
        let crate::domain::value::Value::When(when) = step.first("start").expect("a start") else {
            panic!("no time");
        };
        let digits = digits.split('+').next().unwrap_or("");
        assert_eq!(
            (when.digits.as_str(), when.offset),
            (digits, offset),
            "{sent}"
        );
        let via = &step.get("start").expect("said").origins[0].via;
        assert_eq!(
            via.is_empty(),
            sent != "20260602083000" && sent != "20261202083000"
        );
    }
}

#[test]
fn a_cda_says_whose_it_is_and_which_exam_it_answers() {
    use base64::Engine as _;
    let xml = "<ClinicalDocument><id root=\"1.2.7.2\"/><setId root=\"1.2.7.1\"/><versionNumber value=\"2\"/><recordTarget><patientRole><id root=\"1.2.1\" extension=\"80001234\"/></patientRole></recordTarget>\
               <inFulfillmentOf><order><accessionNumber root=\"1.2.3\" extension=\"A1\"/></order></inFulfillmentOf><documentationOf><serviceEvent><id root=\"1.2.5.1\"/></serviceEvent></documentationOf>\
               <relatedDocument typeCode=\"RPLC\"><parentDocument><id root=\"1.2.7.1\"/></parentDocument></relatedDocument></ClinicalDocument>";
    let data = base64::engine::general_purpose::STANDARD.encode(xml);
    let obx = format!("OBX|1|ED|18748-4||^TEXT^XML^Base64^{data}");
    // Bare Base64 in the first component, and raw XML with delimiters in it behind "A".
    let bare = format!("OBX|1|ED|18748-4||{data}");
    let raw = format!(
        "OBX|1|ED|18748-4||^TEXT^XML^A^{}",
        xml.replace("1.2.3\"", "1.2.3\" x=\"a^b\"")
    );
    for (what, expected) in [
        ("id", "1.2.7.2"),
        ("set_id", "1.2.7.1"),
        ("version", "2"),
        ("patient", "80001234"),
        ("accession", "A1"),
        ("study_uid", "1.2.5.1"),
        ("replaces", "1.2.7.1"),
    ] {
        let rule = format!("OBX-5 | cda(\"{what}\")");
        for form in [&obx, &bare, &raw] {
            check(&rule, &[ORC, OBR, form], &[expected]);
        }
        check(
            &rule,
            &[ORC, OBR, "OBX|1|ED|X||^APPLICATION^PDF^Base64^JVBERi0xLjQK"],
            &[],
        );
        check(&rule, &[ORC, OBR, "OBX|1|ED|X"], &[]);
    }
    let lines = format!("{ORDER}[extra]\nx = 'OBX-5 | cda(\"id\")'");
    let (set, _) = compile("\"order\"", &lines, &[]);
    let pdf = "OBX|1|ED|X||^APPLICATION^PDF^Base64^JVBERi0xLjQK";
    let warned = read(&set, &[MSH, PID, ORC, OBR, pdf])
        .expect("translated")
        .warnings;
    assert!(warned[0].message.contains("no CDA"), "{warned:?}");
}

#[test]
fn a_file_that_says_which_messages_it_means_goes_before_one_that_takes_any() {
    let plain = "format = 1\n[from]\nkind = \"hl7v2\"\nmessages = [\"ORM^O01\"]\n[command]\ndo = '\"note\"'\n";
    let when = plain.replace("messages", "when = 'MSH-3 == \"RISX\"'\nmessages");
    let file = |name: &str, text: &str| SourceFile {
        name: format!("inbound/{name}.toml"),
        layer: 0,
        text: text.into(),
    };
    let (set, _) = MappingSet::compile(vec![file("any", plain), file("x", &when)]);
    let chosen = |sender: &str| {
        let msh = MSH.replace("|RIS|", &format!("|{sender}|"));
        read(&set, &[&msh, PID]).map(|t| t.file)
    };
    assert_eq!(chosen("RISX").as_deref(), Ok("inbound/x.toml"));
    assert_eq!(chosen("OTHER").as_deref(), Ok("inbound/any.toml"));
    let (set, _) = MappingSet::compile(vec![file("x", &when), file("y", &when)]);
    let refused = read(&set, &[&MSH.replace("|RIS|", "|RISX|"), PID]);
    assert_eq!(
        refused.map_err(|r| r.reason).err(),
        Some(Reason::MessageEvent)
    );
}

#[test]
fn shipped_files_of_one_message_do_not_clash() {
    let (set, _) = MappingSet::compile(shipped());
    let chosen = |event: &str, profile: &str| {
        let msh = format!(
            "MSH|^~\\&|RIS|CHU|RELAIS|CHU|20260602080000||{event}|1|P|2.5.1|||||FRA|UNICODE UTF-8|||{profile}"
        );
        match read(&set, &[&msh, PID, ORC, OBR]) {
            Ok(translation) => translation.file,
            Err(refusal) => refusal
                .rule
                .unwrap_or_default()
                .split(':')
                .next()
                .unwrap_or("")
                .to_owned(),
        }
    };
    for (event, profile, file) in [
        ("ORM^O01", "", "inbound/ihe_order.toml"),
        ("ORM^O01", "1.0^CISIS_TLR_HL7_V2", "inbound/tlr_fr.toml"),
        ("ORU^R01", "1.0^CISIS_TLR_HL7_V2", "inbound/tlr_fr.toml"),
        ("ORU^R01", "", "inbound/oru.toml"),
        ("ORU^R01", "2.1^CISIS_CDA_HL7_V2", "inbound/cda_fr.toml"),
    ] {
        assert_eq!(chosen(event, profile), file, "{event} {profile}");
    }
}
