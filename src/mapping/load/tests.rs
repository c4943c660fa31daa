use super::*;
use crate::diagnostic::{Severity, render};
use crate::mapping::MappingSet;
use crate::mapping::ast::ExprKind;
use std::path::Path;

/// The shipped files and a site file of these lines over `ihe_order`, without a problem.
pub fn over_orders(lines: &str) -> MappingSet {
    let mut files = shipped();
    files.push(SourceFile {
        name: "inbound/site.toml".to_owned(),
        layer: 1,
        text: format!("format = 1\nbase = \"ihe_order\"\n{lines}\n")
            .as_str()
            .into(),
    });
    let (set, problems) = MappingSet::compile(files);
    assert!(problems.is_empty(), "{problems:?}");
    set
}

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
fn a_z_segment_that_is_not_described_is_a_warning() {
    let site = "format = 1\nbase = \"ihe_order\"\norder.indication = 'ZZZ-1'\n";
    let (_, loaded) = with(&[("inbound/z.toml", site)]);
    let found: Vec<_> = loaded
        .problems
        .iter()
        .map(|p| (p.code, p.severity))
        .collect();
    assert_eq!(found, [("M050", Severity::Warning)]);
}

#[test]
fn a_table_in_braces_may_stand_over_several_lines() {
    let site = "format = 1\nfrom = {\n  kind = \"hl7v2\",\n  messages = [\"ORM^O01\"],\n  each = \"order\",\n}\n[command]\ndo = '\"note\"'\n";
    let (_, loaded) = with(&[("inbound/ihe_order.toml", site)]);
    assert_eq!(loaded.problems, []);
}

#[test]
fn a_long_chain_of_values_is_refused_not_followed() {
    let lines = |n: usize| format!("x{n} = 'extra.x{}'\n", n + 1);
    let chain: String = (0..5_000).map(lines).collect();
    let site = format!("format = 1\nbase = \"ihe_order\"\n[extra]\n{chain}");
    let (_, loaded) = with(&[("inbound/site.toml", &site)]);
    let found: Vec<_> = loaded.problems.iter().map(|p| p.code).collect();
    assert_eq!(found, ["M043"]);
}
