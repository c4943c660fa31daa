//! What is printed for a wrong mapping file, to the letter: each golden of `src/mapping/goldens/` is a wrong site directory and the text
//! that `relais mapping check` (and, if that finds no error, `relais mapping test`) prints for it.
//!
//! `BLESS=1 cargo test --test diagnostics` rewrites the texts; read the difference. A new code needs its golden `CODE.txt`; further ones
//! are named `CODE-what_it_is_about.txt`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use relais::diagnostic::Severity;
use relais::mapping::codes::{self, Golden};
use relais::mappings::{Mappings, case_files, examine, render_all};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mapping/goldens")
}

/// Every golden: name without ending, and text.
fn goldens() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(path.extension().is_some_and(|e| e == "txt"), "{path:?}");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// The site directory of a golden on the disk.
fn written(name: &str, golden: &Golden<'_>) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("relais-golden-{}-{name}", std::process::id()));
    for (file, text) in &golden.files {
        let (path, bytes) = match file.strip_suffix(" in ISO 8859-1") {
            Some(path) => (path, text.chars().map(|c| c as u8).collect()),
            None => (*file, text.clone().into_bytes()),
        };
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

/// What is printed for a site directory: the static problems, else those of the cases.
fn printed(dir: &Path) -> String {
    let dirs = [dir.to_owned()];
    let (set, mut problems, files) = examine(&dirs);
    if problems.iter().all(|p| p.severity != Severity::Error) {
        problems.extend(case_files::failures(&dirs, &set));
    }
    render_all(&problems, &files).replace(&dir.display().to_string(), "site")
}

#[test]
fn every_golden_is_what_is_printed() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut stale = String::new();
    for (name, text) in goldens() {
        let golden = Golden::read(&text);
        let dir = written(&name, &golden);
        let got = printed(&dir);
        fs::remove_dir_all(&dir).unwrap();
        if got == golden.want {
            continue;
        }
        if bless {
            let path = root().join(format!("{name}.txt"));
            fs::write(path, Golden::with_want(&text, &got)).unwrap();
        } else {
            stale.push_str(&format!(
                "{name}: wanted\n{}but printed\n{got}\n",
                golden.want
            ));
        }
    }
    assert!(stale.is_empty(), "{stale}BLESS=1 rewrites them");
}

/// The codes that a printed text begins problems with.
fn codes_of(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter(|l| l.contains(" error: ") || l.contains(" warning: "))
        .filter_map(|l| l.split(' ').next())
        .filter(|word| word.starts_with('M'))
        .collect()
}

#[test]
fn every_code_has_a_golden_that_produces_it_and_every_golden_a_code() {
    for code in codes::all() {
        let golden = code.golden();
        assert!(
            codes_of(&golden.want).contains(code.code),
            "the golden of {} prints\n{}",
            code.code,
            golden.want
        );
    }
    for (name, text) in goldens() {
        let code = name.split('-').next().unwrap();
        assert!(
            codes::code(code).is_some(),
            "{name}.txt is named by no code"
        );
        let printed = Golden::read(&text).want;
        assert!(codes_of(&printed).contains(code), "{name}: {printed}");
    }
}

#[test]
fn a_refused_reload_says_what_the_check_prints() {
    for (name, text) in goldens() {
        let golden = Golden::read(&text);
        if !golden.want.contains(" error: ") {
            continue;
        }
        let dir = written(&format!("reload-{name}"), &golden);
        let refused = Mappings::load_proven(std::slice::from_ref(&dir)).unwrap_err();
        fs::remove_dir_all(&dir).unwrap();
        let stable = |t: &str| t.replace(&dir.display().to_string(), "site");
        assert_eq!(stable(&refused.text), golden.want, "{name}: the API");
        assert_eq!(
            stable(&refused.each.concat()),
            golden.want,
            "{name}: the log"
        );
    }
}

#[test]
fn every_problem_that_is_printed_says_what_to_do() {
    for (name, text) in goldens() {
        let want = Golden::read(&text).want;
        let mut mute = Vec::new();
        for problem in want.split("\nM").filter(|p| !p.is_empty()) {
            let carets = problem
                .lines()
                .find(|l| l.contains(" | ") && l.contains('^'));
            let label = carets.is_some_and(|l| !l.ends_with('^'));
            if !label && !problem.contains("= hint: ") {
                mute.push(problem);
            }
        }
        assert!(mute.is_empty(), "{name}: {mute:#?}");
    }
}

/// Every text `"M014"` of the source below a directory.
fn used(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("src/mapping/codes") {
            continue;
        }
        if path.is_dir() {
            used(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let is_code = |t: &&str| {
                t.len() == 4 && t.starts_with('M') && t[1..].bytes().all(|b| b.is_ascii_digit())
            };
            found.extend(text.split('"').filter(is_code).map(str::to_owned));
        }
    }
}

#[test]
fn every_code_that_is_used_is_explained_and_every_explained_one_used() {
    let mut found = BTreeSet::new();
    used(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    let explained: BTreeSet<String> = codes::all().map(|c| c.code.to_owned()).collect();
    assert_eq!(found, explained);
}

/// A file of a site.
const SITE: &str = "inbound/risx.toml";
const HEAD: &str = "format = 1\nbase   = \"ihe_order\"\n";

/// Ten usual mistakes: what it is, file, lines of the file, code, line and column of the underlined text in that file, a word of the cure.
const MISTAKES: &[(&str, &str, &str, &str, &str, &str)] = &[
    (
        "wrong field number",
        SITE,
        "patient.name = 'PID-50'\n",
        "M051",
        "PID-50'",
        "PID-40",
    ),
    (
        "component beyond the type",
        SITE,
        "order.filler_number = 'ORC-3.7'\n",
        "M052",
        "ORC-3.7'",
        "ORC-3.4",
    ),
    (
        "misspelled keyword",
        "worklist/default.toml",
        "[set]\nPatientsName = 'patient.name'\n",
        "M060",
        "PatientsName",
        "`PatientName`",
    ),
    (
        "missing else",
        SITE,
        "patient.sex = 'PID-8.1 | table(\"sex\")'\n",
        "M025",
        "table(\"sex\")",
        "else: refuse",
    ),
    (
        "identifier cut",
        SITE,
        "order.accession_number = 'ORC-3.1 | cut(16)'\n",
        "M046",
        "cut(16)",
        "take `cut` away",
    ),
    (
        "two rules for one target",
        SITE,
        "order.priority = 'OBR-5'\norder.priority = 'TQ1-9.1'\n",
        "M015",
        "priority = 'TQ1-9.1'",
        "keep one",
    ),
    (
        "unknown table column",
        SITE,
        "step.modality = 'OBR-24.1 | table(\"modality\", column: \"modalty\", else: none)'\n",
        "M027",
        "\"modalty\"",
        "`modality`",
    ),
    (
        "bad date format",
        SITE,
        "step.start = 'OBR-7 | date(\"DD/MM/YYY\")'\n",
        "M029",
        "\"DD/MM/YYY\"",
        "`DD/MM/YYYY`",
    ),
    (
        "case for a rule that is gone",
        "inbound/risx.cases/nw/want.toml",
        "[[command]]\ndo = \"schedule\"\n\n[command.extra]\nroom = \"3\"\n",
        "M082",
        "room = \"3\"",
        "its rule again",
    ),
    (
        "two files for one sender",
        "inbound/risy.toml",
        "",
        "M070",
        "ihe_order",
        "under [from]",
    ),
];

/// The files of a site that makes these mistakes.
fn site_with(
    mistakes: &[&(&'static str, &'static str, &'static str, &str, &str, &str)],
) -> Vec<(&'static str, String)> {
    let mut files: Vec<(&str, String)> = vec![(SITE, HEAD.to_owned())];
    for (_, file, lines, ..) in mistakes {
        let head = match *file {
            "worklist/default.toml" => "format = 1\nbase   = \"default\"\n",
            "inbound/risy.toml" => HEAD,
            _ => "",
        };
        match files.iter_mut().find(|(name, _)| name == file) {
            Some((_, text)) => text.push_str(lines),
            None => files.push((file, format!("{head}{lines}"))),
        }
    }
    files
}

/// Every mistake is told once, at its line and column, with what to do; nothing else is told.
fn told_at_their_places(
    mistakes: &[&(&'static str, &'static str, &'static str, &str, &str, &str)],
) {
    let golden = Golden {
        files: site_with(mistakes),
        want: String::new(),
    };
    let dir = written(
        &format!("ten-{}-{}", mistakes.len(), mistakes[0].3),
        &golden,
    );
    let text = printed(&dir);
    fs::remove_dir_all(&dir).unwrap();
    for (what, file, _, code, underlined, cure) in mistakes {
        let source = &golden
            .files
            .iter()
            .find(|(name, _)| name == file)
            .unwrap()
            .1;
        let at = source.find(underlined).unwrap();
        let line = source[..at].matches('\n').count() + 1;
        let column = at - source[..at].rfind('\n').map_or(0, |n| n + 1) + 1;
        let place = format!("--> {file}:{line}:{column}\n");
        let told: Vec<&str> = text
            .split_inclusive("\nM")
            .filter(|p| p.contains(&place))
            .collect();
        assert_eq!(told.len(), 1, "{what}: {place}{text}");
        assert!(told[0].contains(cure), "{what}: {}", told[0]);
        assert!(text.contains(&format!("{code} ")), "{what}: {text}");
    }
    assert_eq!(text.matches(" --> ").count(), mistakes.len(), "{text}");
}

#[test]
fn each_of_ten_mistakes_is_told_at_its_line_and_column_with_its_cure() {
    for mistake in MISTAKES {
        told_at_their_places(&[mistake]);
    }
}

#[test]
fn ten_mistakes_in_one_site_are_told_all_at_once() {
    told_at_their_places(&MISTAKES.iter().collect::<Vec<_>>());
}
