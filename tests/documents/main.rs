//! Documents stay true: links lead somewhere, files and tests that they name exist, every block of code does what the page says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fences;
mod site;
mod snippets;
#[path = "../harness/wait.rs"]
#[allow(
    dead_code,
    reason = "each test binary uses its own part of the harness"
)]
mod wait;

use relais::telemetry::catalogue::METRICS;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a directory with one of the endings.
fn files(dir: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, endings, found);
        } else if endings.iter().any(|e| name.ends_with(e)) {
            found.push(path);
        }
    }
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(root(), &[".md"], &mut found);
    found
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The words between back quotes, code blocks left out.
fn quoted(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or("");
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !path.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn h02_alarms_are_made_of_metrics_that_exist_and_say_what_they_mean() {
    let text = fs::read_to_string(root().join("docs/alerts/relais.yml")).unwrap();
    let operations = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let rules: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 10);
    for rule in rules {
        let name = rule.lines().next().unwrap();
        assert!(
            operations.contains(name),
            "docs/operations.md explains no {name}"
        );
        for part in ["expr: ", "severity: ", "summary: "] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
        let metrics: Vec<&str> = rule
            .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .filter(|word| word.starts_with("relais_"))
            .collect();
        assert!(!metrics.is_empty(), "{name} looks at nothing");
        for word in metrics {
            let known = METRICS.iter().any(|m| {
                word.strip_prefix(m.name)
                    .is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            });
            assert!(known, "{name}: no metric {word}");
        }
    }
}

#[test]
fn files_that_are_named_exist() {
    const PLACES: [&str; 6] = [
        "src/",
        "tests/",
        "docs/",
        "mappings/",
        "migrations/",
        "scripts/",
    ];
    let mut missing = Vec::new();
    for (path, text) in documents() {
        // Checklists name files that a reader will add.
        let checklist = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .starts_with("adding-");
        for word in quoted(&text) {
            let named =
                PLACES.iter().any(|p| word.starts_with(p)) && !word.contains(['*', '<', '{', ' ']);
            let exists = root().join(word).exists() || path.parent().unwrap().join(word).exists();
            if named && !checklist && !exists {
                missing.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_invariant_names_tests_that_exist_or_the_issue_that_brings_them() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("\n## Invariants\n").unwrap();
    let (table, _) = rest.split_once("\n## ").unwrap();
    let mut sources = Vec::new();
    files(&root().join("src"), &[".rs"], &mut sources);
    files(&root().join("tests"), &[".rs"], &mut sources);
    let sources: Vec<String> = sources
        .iter()
        .map(|p| fs::read_to_string(p).unwrap())
        .collect();
    let rows: Vec<&str> = table
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| |"))
        .collect();
    assert_eq!(rows.len(), 11);
    for row in rows {
        let held_by = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests: Vec<&str> = quoted(held_by)
            .into_iter()
            .filter(|w| w.contains('_'))
            .collect();
        assert!(!tests.is_empty() || held_by.contains("issue"), "{row}");
        for test in tests {
            let declared = format!("fn {test}(");
            assert!(
                sources.iter().any(|s| s.contains(&declared)),
                "no test {test}"
            );
        }
    }
}

/// The page on real messages promises a test or a case for each row.
#[test]
fn every_row_about_real_messages_names_a_test_or_case_that_exists() {
    let text = fs::read_to_string(root().join("docs/mapping/real-messages.md")).unwrap();
    let mut sources = Vec::new();
    for dir in ["src", "tests"] {
        files(&root().join(dir), &[".rs"], &mut sources);
    }
    let sources: Vec<String> = sources
        .iter()
        .map(|p| fs::read_to_string(p).unwrap())
        .collect();
    let rows: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| |"))
        .collect();
    assert_eq!(rows.len(), 28);
    for row in rows {
        let held_by = row.trim_end_matches('|').rsplit(" | ").next().unwrap();
        let names = quoted(held_by);
        assert!(!names.is_empty(), "{row}");
        for name in names {
            let declared = format!("fn {name}(");
            let exists = sources.iter().any(|s| s.contains(&declared))
                || root().join("mappings/inbound").join(name).is_dir()
                || root().join("tests/sites").join(name).is_dir();
            assert!(exists, "neither a test nor a case: {name}");
        }
    }
}
