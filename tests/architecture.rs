//! Modules stand in numbered layers; a module imports lower numbers only. The table is the architecture: see ARCHITECTURE.md.

use std::{fs, path::Path};

/// (path below `src/`, layer, external crates it must not name). The longest matching path decides for a file.
const LAYERS: &[(&str, u8, &[&str])] = &[
    (
        "domain",
        0,
        &[
            "tokio",
            "sea_orm",
            "actix_web",
            "dicom_core",
            "dicom_ul",
            "hl7_parser",
            "toml",
            "fhir_sdk",
            "reqwest",
        ],
    ),
    ("diagnostic", 0, &["tokio", "sea_orm", "actix_web"]),
    ("fault", 0, &["tokio", "sea_orm", "actix_web"]),
    ("fuzzing", 0, &["tokio", "sea_orm", "actix_web"]),
    ("toml_file", 1, &["tokio", "sea_orm", "actix_web"]),
    (
        "hl7",
        1,
        &["tokio", "sea_orm", "actix_web", "dicom_core", "dicom_ul"],
    ),
    ("dicom", 1, &["tokio", "sea_orm", "actix_web", "dicom_ul"]),
    ("fhir", 1, &["tokio", "sea_orm", "actix_web", "reqwest"]),
    ("mapping", 2, &["tokio", "sea_orm", "actix_web", "reqwest"]),
    ("worklist", 3, &["tokio", "sea_orm", "actix_web"]),
    ("publish", 3, &["tokio", "sea_orm", "actix_web", "reqwest"]),
    ("clock", 4, &["actix_web", "sea_orm"]),
    ("config", 4, &["actix_web", "sea_orm", "tokio"]),
    ("telemetry", 4, &["actix_web", "sea_orm"]),
    ("socket", 4, &["actix_web", "sea_orm"]),
    ("private", 4, &["actix_web", "sea_orm", "tokio"]),
    ("store", 5, &["actix_web", "reqwest", "dicom_ul"]),
    ("hl7/listener", 5, &["actix_web", "sea_orm"]),
    ("hl7/sender", 5, &["actix_web", "sea_orm"]),
    ("dicom/association", 5, &["actix_web", "sea_orm"]),
    ("dicom/scp", 5, &["actix_web", "sea_orm"]),
    ("dicom/scu", 5, &["actix_web", "sea_orm"]),
    ("fhir/client", 5, &["actix_web", "sea_orm"]),
    ("workflow", 6, &["actix_web", "sea_orm"]),
    ("retention", 6, &["actix_web", "sea_orm"]),
    ("worklist/seen", 6, &["actix_web", "sea_orm"]),
    ("worklist/why_not", 7, &["actix_web", "sea_orm"]),
    // Its test changes the record through the door and swaps mapping files.
    ("worklist/seen/tests", 8, &["actix_web", "sea_orm"]),
    ("mappings", 7, &["actix_web", "sea_orm"]),
    ("intake", 8, &["actix_web", "sea_orm"]),
    ("dicom/worklist_scp", 8, &["actix_web", "sea_orm"]),
    ("dicom/query_journal", 6, &["actix_web", "sea_orm"]),
    ("dicom/mpps_scp", 8, &["actix_web", "sea_orm"]),
    ("publish/worker", 8, &["actix_web", "sea_orm"]),
    ("publish/fhir", 8, &["actix_web", "sea_orm"]),
    // The worker is tested against the simulated endpoint.
    ("watch", 8, &["actix_web", "sea_orm"]),
    ("publish/worker/tests", 12, &["actix_web", "sea_orm"]),
    ("corrections", 9, &["actix_web", "sea_orm"]),
    ("api", 10, &["sea_orm"]),
    ("simulate", 10, &["sea_orm"]),
    ("app", 11, &["sea_orm"]),
    ("cli", 12, &["sea_orm"]),
];

fn layer_of(path: &str) -> (u8, &'static [&'static str]) {
    LAYERS
        .iter()
        .filter(|(prefix, ..)| {
            path == *prefix
                || path
                    .strip_prefix(prefix)
                    .is_some_and(|rest| rest.starts_with('/'))
        })
        .max_by_key(|(prefix, ..)| prefix.len())
        .map(|(_, layer, banned)| (*layer, *banned))
        .unwrap_or_else(|| panic!("src/{path} stands in no layer: add it to LAYERS"))
}

fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("readable source directory") {
        let path = entry.expect("directory entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

/// The paths below `src/` that the code of `module` names by `crate::` or `super::`, as `a/b/c`; groups are expanded.
fn imports(code: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        expand(&code[at + "crate::".len()..], "", &mut found);
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let (mut rest, mut base) = (&code[at..], module);
        while let Some(after) = rest.strip_prefix("super::") {
            rest = after;
            base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        expand(rest, base, &mut found);
    }
    found
}

/// The code of a file, comment lines left out.
fn code_of(file: &str) -> String {
    let text = fs::read_to_string(file).expect("readable source");
    text.lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .map(|l| format!("{l}\n"))
        .collect()
}

#[test]
fn only_store_and_workflow_open_a_transaction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let relative = file
            .strip_prefix(&format!("{}/", root.display()))
            .expect("below src");
        // Tests of the worker fill their store by hand.
        let exempt = relative.starts_with("store/")
            || relative.starts_with("workflow/")
            || relative.ends_with("/tests.rs");
        let code = code_of(file);
        let named = |word: &str| {
            code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|w| w == word)
        };
        if !exempt && (code.contains(".begin(") || named("Txn")) {
            wrong.push(relative);
        }
    }
    assert!(
        wrong.is_empty(),
        "these open a transaction of the store: {wrong:?}"
    );
}

/// Reads one use tree below `base`, `a::{b, c::d}`, and gives the text after it.
fn expand<'t>(tree: &'t str, base: &str, found: &mut Vec<String>) -> &'t str {
    let end = tree
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(tree.len());
    let path = tree[..end].trim_end_matches(':').replace("::", "/");
    let path = [base, &path]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/");
    let Some(mut rest) = tree[end..].strip_prefix('{') else {
        found.push(path);
        return &tree[end..];
    };
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if rest.is_empty() {
            return rest;
        }
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        rest = expand(rest, &path, found);
        // `as other` says nothing about the path.
        rest = &rest[rest.find([',', '}']).unwrap_or(rest.len())..];
    }
}

/// The code of a file without comments, with the module that each part stands in: `super` in an inline module is the file's own.
fn parts(text: &str, module: &str) -> [(String, String); 2] {
    let (mut outer, mut inner) = (String::new(), String::new());
    let mut inside = false;
    for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
        inside = if inside {
            line != "}"
        } else {
            line.contains("mod ") && line.ends_with('{') && !line.starts_with(' ')
        };
        let part = if inside { &mut inner } else { &mut outer };
        part.push_str(line);
        part.push('\n');
    }
    [
        (outer, module.to_owned()),
        (inner, format!("{module}/inline")),
    ]
}

#[test]
fn groups_and_super_are_resolved() {
    let check = |code: &str, wanted: &[&str]| {
        let found: Vec<String> = parts(code, "dicom/scp/session")
            .iter()
            .flat_map(|(code, module)| imports(code, module))
            .collect();
        assert_eq!(found, wanted, "{code}");
    };
    check("use crate::domain::ids::Id;", &["domain/ids/Id"]);
    check(
        "use crate::{\n    domain::{ids, time as t},\n    store::Store,\n};",
        &["domain/ids", "domain/time", "store/Store"],
    );
    check("use super::Shared;", &["dicom/scp/Shared"]);
    check("use super::super::read::read;", &["dicom/read/read"]);
    check(
        "use super::{super_glue, End};",
        &["dicom/scp/super_glue", "dicom/scp/End"],
    );
    check("use super::*;", &["dicom/scp"]);
    check("mod tests {\n    use super::*;\n}", &["dicom/scp/session"]);
    check("// use super::Nothing;", &[]);
}

#[test]
fn modules_import_lower_layers_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let relative = file
            .strip_prefix(&format!("{}/", root.display()))
            .expect("below src");
        let module = relative.trim_end_matches(".rs").trim_end_matches("/mod");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let (layer, banned) = layer_of(module);
        let text = fs::read_to_string(file).expect("readable source");
        let parts = parts(&text, module);
        for name in parts.iter().flat_map(|(code, own)| imports(code, own)) {
            let Some(first) = name.split('/').next().filter(|n| !n.is_empty()) else {
                continue;
            };
            if first.chars().next().is_some_and(char::is_uppercase) {
                continue;
            }
            let (other, _) = layer_of(&name);
            let same_room = module.split('/').next() == Some(first);
            if other > layer || (other == layer && !same_room) {
                wrong.push(format!(
                    "src/{relative} (layer {layer}) imports crate::{} (layer {other})",
                    name.replace('/', "::")
                ));
            }
        }
        for name in banned {
            let path = format!("{name}::");
            if parts.iter().any(|(code, _)| code.contains(&path)) {
                wrong.push(format!("src/{relative} names the crate {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
