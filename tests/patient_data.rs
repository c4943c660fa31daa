//! The last step of `make test`: everything that the product printed, scraped or answered as an error during the whole test run is
//! searched for the names and numbers of the people in it (invariant 9).
//!
//! The harness writes to target/test-logs what each process logged (level debug for the product), its last /metrics page, and the texts
//! of refusals at every port: ERR segments, DIMSE Error Comments, problem details, outputs of commands. A run that left nothing to
//! search, or knows nobody to search for, fails: so does a search that does not find what is planted in a text of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "harness/messages.rs"]
#[allow(dead_code, reason = "the stories' numbers are used here")]
mod messages;

use relais::simulate::department::Department;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use unicode_normalization::UnicodeNormalization;

/// Words of people that are also words of the product, and so prove nothing.
const COMMON: [&str; 0] = [];
/// Shorter ones stand in too many other words and numbers.
const SHORTEST: usize = 4;
/// Numbers of the stories (`messages::Story`), by their form: a prefix and so many digits.
const FORMS: [(&str, usize); 3] = [("DEMO", 8), ("28703750569", 4), ("8000", 4)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Upper case, without accents: `Loïc` is found as `LOIC`.
fn fold(text: &str) -> String {
    text.nfd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_uppercase)
        .collect()
}

/// What a text consists of: runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
}

/// The names and numbers that no text may show, folded.
struct Needles(BTreeSet<String>);

impl Needles {
    fn add(&mut self, text: &str) {
        for word in words(&fold(text)) {
            if word.chars().count() >= SHORTEST && !COMMON.contains(&word) {
                self.0.insert(word.to_owned());
            }
        }
    }

    /// Everybody in the department, the stories and the fixtures.
    fn collect() -> Self {
        let mut all = Self(BTreeSet::new());
        let department = Department::load();
        for p in department.patients.values() {
            for text in [
                &p.ipp,
                &p.family,
                &p.given,
                &p.used_name,
                &p.birth_date,
                &p.ins,
            ] {
                all.add(text);
            }
        }
        for p in department.physicians.values() {
            for text in [&p.rpps, &p.family, &p.given] {
                all.add(text);
            }
        }
        for n in 1..=2_000 {
            let story = messages::Story::of(n);
            for text in [&story.accession(), &story.patient_id()] {
                all.add(text);
            }
            all.add(story.family);
            all.add(story.given);
        }
        let mut files = vec![];
        files_below(&root().join("tests/fixtures/hl7"), &mut files);
        for file in files {
            all.add_patient_of(&fs::read(file).unwrap());
        }
        all
    }

    /// Identifiers, name, birth date, address and telephone of every PID of a message (PID-3, 5, 7, 11, 13).
    fn add_patient_of(&mut self, message: &[u8]) {
        let text = match std::str::from_utf8(message) {
            Ok(text) => text.to_owned(),
            Err(_) => message.iter().map(|b| char::from(*b)).collect(),
        };
        for segment in text.split(['\r', '\n']).filter(|s| s.starts_with("PID|")) {
            let fields: Vec<&str> = segment.split('|').collect();
            let field = |n: usize| fields.get(n).copied().unwrap_or_default();
            for identifier in field(3).split('~') {
                self.add(identifier.split('^').next().unwrap_or_default());
            }
            for name in field(5).split('~') {
                name.split('^').take(3).for_each(|part| self.add(part));
            }
            self.add(field(7));
            for address in field(11).split('~') {
                self.add(address.split('^').next().unwrap_or_default());
            }
            self.add(field(13).rsplit('^').next().unwrap_or_default());
        }
    }

    /// The words of a text that are somebody's.
    fn in_text<'t>(&self, text: &'t str) -> Vec<&'t str> {
        words(text)
            .filter(|word| {
                let folded = fold(word);
                self.0.contains(&folded) || FORMS.iter().any(|form| has_form(&folded, *form))
            })
            .collect()
    }
}

fn has_form(word: &str, (prefix, digits): (&str, usize)) -> bool {
    word.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == digits && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_search_finds_a_planted_name_and_a_planted_number() {
    let needles = Needles::collect();
    assert!(needles.0.len() > 200, "{} needles", needles.0.len());
    for (text, found) in [
        (
            "message refused journal=250695502251687936 link=ris",
            vec![],
        ),
        ("refused: MAÎTREJEAN^Loïc", vec!["MAÎTREJEAN", "Loïc"]),
        ("patient=maitrejean", vec!["maitrejean"]),
        ("born 19870314.", vec!["19870314"]),
        ("id 80000001", vec!["80000001"]),
        ("order DEMO26000101", vec!["DEMO26000101"]),
        ("ins=287037505690001", vec!["287037505690001"]),
        ("Dr. LEFÈVRE", vec!["LEFÈVRE"]),
    ] {
        assert_eq!(needles.in_text(text), found, "{text}");
    }
}

#[test]
fn h02_nothing_that_the_test_run_printed_scraped_or_refused_names_a_patient() {
    let needles = Needles::collect();
    let mut files = vec![];
    files_below(&root().join("target/test-logs"), &mut files);
    let ended = |suffix: &str| {
        files
            .iter()
            .filter(|f| f.to_string_lossy().ends_with(suffix))
            .count()
    };
    for (suffix, least) in [
        (".log", 20),
        (".metrics", 20),
        ("acks.told", 1),
        ("dimse.told", 1),
        ("problems.told", 1),
        ("commands.told", 1),
    ] {
        let n = ended(suffix);
        assert!(
            n >= least,
            "{n} files {suffix} in target/test-logs: run the whole of `make test` first"
        );
    }
    let (mut bytes, mut hits) = (0, vec![]);
    for file in &files {
        let content = fs::read(file).unwrap();
        bytes += content.len();
        let text = String::from_utf8_lossy(&content);
        for (n, line) in text.lines().enumerate() {
            let found = needles.in_text(line);
            if !found.is_empty() {
                hits.push(format!("{}:{}: {found:?} in {line}", file.display(), n + 1));
            }
        }
    }
    println!(
        "patient data: {} files with {bytes} bytes searched for {} names and numbers and {} forms of numbers: {} lines with a hit",
        files.len(),
        needles.0.len(),
        FORMS.len(),
        hits.len()
    );
    hits.truncate(30);
    assert!(hits.is_empty(), "\n{}", hits.join("\n"));
}
