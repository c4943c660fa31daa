use super::*;
use crate::mapping::load::tests::shipped;
use std::path::{Path, PathBuf};

/// Every case below a directory of mappings, with its directory.
fn cases_below(dir: &Path, root: &Path, found: &mut Vec<(PathBuf, Case)>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    entries.sort();
    for path in entries {
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let Some(file) = name.strip_suffix(".cases") else {
            cases_below(&path, root, found);
            continue;
        };
        let mut inner: Vec<PathBuf> = std::fs::read_dir(&path)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        inner.sort();
        for case in inner {
            let parts = std::fs::read_dir(&case)
                .unwrap()
                .map(|e| e.unwrap().path())
                .map(|p| {
                    let name = p.file_name().unwrap().to_string_lossy().into_owned();
                    (name, std::fs::read(&p).unwrap())
                })
                .collect();
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            let file = format!("{file}.toml");
            found.push((case, Case { file, name, parts }));
        }
    }
}

/// `UPDATE_GOLDEN=1` writes the results; read them before you commit them.
#[test]
fn every_shipped_case_gives_what_it_wants() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let (set, problems) = MappingSet::compile(shipped());
    assert!(problems.is_empty(), "{problems:?}");
    let mut found = vec![];
    cases_below(&root, &root, &mut found);
    let bless = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut failures = String::new();
    for (directory, case) in &found {
        let label = format!("{} case {}", case.file, case.name);
        match run(&set, case) {
            Ok(given) if bless => std::fs::write(directory.join("want.toml"), given).unwrap(),
            Ok(given) => {
                if let Some(diff) = difference(case.want().unwrap_or(""), &given) {
                    let _ = writeln!(failures, "{label}:\n{diff}");
                }
            }
            Err(problem) => {
                let _ = writeln!(failures, "{label}: {problem}");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(found.len() >= 40, "{} cases", found.len());
}

#[test]
fn a_difference_shows_wanted_and_given_lines_only() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(
        difference("a\nb\nc\n", "a\nx\nc\n").as_deref(),
        Some("- b\n+ x\n")
    );
}
