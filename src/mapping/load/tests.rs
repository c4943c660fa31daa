use super::*;
use crate::diagnostic::{Severity, render};
use crate::mapping::ast::ExprKind;
use std::path::Path;

/// Every shipped file, as the binary embeds it.
pub fn shipped() -> Vec<SourceFile> {
    fn below(dir: &Path, root: &Path, files: &mut Vec<SourceFile>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && !name.ends_with(".cases") {
                below(&path, root, files);
            } else if name.ends_with(".toml") || name.ends_with(".csv") {
                let text = std::fs::read_to_string(&path).unwrap().into();
                files.push(SourceFile {
                    name,
                    layer: 0,
                    text,
                });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let mut files = vec![];
    below(&root, &root, &mut files);
    files
}

fn with(extra: &[(&str, &str)]) -> (Vec<SourceFile>, Loaded) {
    let mut files = shipped();
    files.extend(extra.iter().map(|(name, text)| SourceFile {
        name: (*name).to_owned(),
        layer: 1,
        text: (*text).into(),
    }));
    let loaded = load(&files);
    (files, loaded)
}

#[test]
fn the_shipped_files_have_no_problem() {
    let (files, loaded) = with(&[]);
    let text: String = loaded
        .problems
        .iter()
        .map(|p| {
            let source = files
                .iter()
                .find(|f| *f.name == *p.file)
                .map_or("", |f| &f.text);
            render(p, source)
        })
        .collect();
    assert!(text.is_empty(), "{text}");
    assert!(loaded.models.len() >= 9, "{:?}", loaded.models.keys());
}

#[test]
fn a_site_file_replaces_single_lines_of_its_base() {
    let site = "format = 1\nbase = \"ihe_order\"\norder.accession_number = 'ORC-4'\nprocedure.id = 'none'\n\
                step.modality = ['inherited', '\"OT\"']\n";
    let (_, loaded) = with(&[("inbound/risx.toml", site)]);
    assert_eq!(loaded.problems, []);
    let model = &loaded.models["inbound/risx.toml"];
    let label = |section, name| model.rule(section, name).map(|r| r.label.to_string());
    assert_eq!(model.bases, ["inbound/ihe_order.toml"]);
    assert_eq!(
        label("order", "accession_number").as_deref(),
        Some("inbound/risx.toml:3")
    );
    assert_eq!(label("procedure", "id"), None);
    assert!(
        label("order", "placer_number").is_some_and(|l| l.starts_with("inbound/ihe_order.toml:"))
    );
    let modality = model.rule("step", "modality").unwrap();
    assert!(matches!(&modality.exprs[0].kind, ExprKind::Attempts(list) if list.len() == 2));
}

#[test]
fn a_later_layer_hides_a_file_and_may_be_based_on_it() {
    let site = "format = 1\nbase = \"ihe_order\"\norder.accession_number = 'ORC-4'\n";
    let (_, loaded) = with(&[("inbound/ihe_order.toml", site)]);
    assert_eq!(loaded.problems, []);
    let model = &loaded.models["inbound/ihe_order.toml"];
    assert!(model.rule("order", "placer_number").is_some());
}

/// A line of a site file, the code it gets, the text that is underlined, a word of the hint or label.
fn check(line: &str, code: &str, underlined: &str, cure: &str) {
    let text = format!("format = 1\nbase = \"ihe_order\"\n{line}\n");
    let (_, loaded) = with(&[("inbound/site.toml", &text)]);
    let problems: Vec<_> = loaded
        .problems
        .iter()
        .filter(|p| &*p.file == "inbound/site.toml")
        .collect();
    let found: Vec<String> = problems
        .iter()
        .map(|p| {
            format!(
                "{} {:?} {} | {} | {:?}",
                p.code,
                &text[p.span.clone()],
                p.message,
                p.label,
                p.hint
            )
        })
        .collect();
    let hit = problems.iter().any(|p| {
        let words = format!("{} {}", p.label, p.hint.as_deref().unwrap_or(""));
        p.code == code && &text[p.span.clone()] == underlined && words.contains(cure)
    });
    assert!(hit, "{line}\n{}", found.join("\n"));
}

#[test]
fn each_slip_has_its_code_its_place_and_its_cure() {
    check(
        "order.acession_number = 'ORC-3'",
        "M040",
        "acession_number",
        "accession_number",
    );
    check(
        "ordre.accession_number = 'ORC-3'",
        "M041",
        "ordre",
        "`order`",
    );
    check(
        "order.accession_number = \"ORC-3\"",
        "M005",
        "\"ORC-3\"",
        "'ORC-3'",
    );
    check(
        "order.priority = 'ROUTINE'",
        "M013",
        "ROUTINE",
        "'\"ROUTINE\"'",
    );
    check("order.priority = 12", "M006", "12", "'\"12\"'");
    check(
        "order.accession_number = 'ORC-3 | table(\"x\", else: none)'",
        "M026",
        "\"x\"",
        "",
    );
    check(
        "patient.sex = 'PID-8 | table(\"sex\")'",
        "M025",
        "table",
        "else:",
    );
    check(
        "patient.sex = 'PID-8 | table(\"sex\", column: \"sx\", else: none)'",
        "M027",
        "\"sx\"",
        "`sex`",
    );
    check(
        "command.do = 'table(\"order_control\", ORC-1, else: refuse)'",
        "M028",
        "table",
        "orc5",
    );
    check("patient.name = 'PIX-5'", "M050", "PIX", "");
    check("patient.name = 'PID-99'", "M051", "PID-99", "");
    check("patient.id = 'PID-3.19'", "M052", "PID-3.19", "");
    check("procedure.comments = 'NTE-3'", "M053", "NTE", "PID/NTE-3");
    check(
        "step.modality = 'steps.modality'",
        "M042",
        "steps",
        "`step`",
    );
    check("patient.id = 'PID-3 | upper(\"x\")'", "M022", "upper", "");
    check(
        "patient.id = 'PID-5 | drop(\"prefix\")'",
        "M044",
        "PID-5 | drop(\"prefix\")",
        "",
    );
    check(
        "from.mesages = [\"ORM^O01\"]",
        "M002",
        "mesages",
        "messages",
    );
    check(
        "[visit]\norder.priority = 'OBR-5'",
        "M040",
        "priority",
        "above the first [table]",
    );
    check(
        "step.id = 'step.status'\nstep.status = 'step.id'",
        "M043",
        "step.status",
        "",
    );
}

#[test]
fn bases_are_found_or_reported() {
    let (_, loaded) = with(&[
        ("inbound/a.toml", "format = 1\nbase = \"b\"\n"),
        ("inbound/b.toml", "format = 1\nbase = \"a\"\n"),
        ("inbound/c.toml", "format = 1\nbase = \"ihe_ordr\"\n"),
        ("inbound/d.toml", "format = 1\n[from]\nkind = \"hl7\"\n"),
    ]);
    let codes: Vec<_> = loaded.problems.iter().map(|p| p.code).collect();
    assert!(
        codes.contains(&"M008") && codes.contains(&"M007") && codes.contains(&"M009"),
        "{codes:?}"
    );
    let c = loaded.problems.iter().find(|p| p.code == "M007").unwrap();
    assert_eq!(c.hint.as_deref(), Some("did you mean `ihe_order`?"));
}

#[test]
fn every_code_used_is_documented_once() {
    for (i, (code, title, help)) in crate::mapping::codes::CODES.iter().enumerate() {
        assert!(!title.is_empty() && !help.is_empty());
        assert!(
            crate::mapping::codes::CODES[..i]
                .iter()
                .all(|(c, ..)| c < code),
            "{code}"
        );
    }
    let (_, loaded) = with(&[(
        "inbound/z.toml",
        "format = 1\nbase = \"ihe_order\"\norder.indication = 'ZZZ-1'\n",
    )]);
    assert!(
        loaded
            .problems
            .iter()
            .all(|p| p.severity == Severity::Warning)
    );
    assert!(
        loaded
            .problems
            .iter()
            .all(|p| crate::mapping::codes::title(p.code).is_some())
    );
}
