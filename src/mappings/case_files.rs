//! Finds the cases beside mapping files, runs them and writes what is blessed.

use super::{below, compile, find_cases, read_bounded, relative, sources};
use crate::diagnostic::Diagnostic;
use crate::mapping::MappingSet;
use crate::mapping::cases::{self, Case};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As wanted.
    Passed,
    /// `want.toml` was written or rewritten.
    Blessed,
    /// The result differs: what was wanted and what came, line by line.
    Differs(String),
    /// The case itself is wrong.
    Broken(String),
}

/// One case and how it ended.
#[derive(Debug, Clone)]
pub struct CaseResult {
    /// `inbound/adt.cases/a04`.
    pub name: String,
    pub outcome: Outcome,
}

/// Runs the cases of a directory against a set, those whose name contains one of `filter` (none = all); with `bless` a differing
/// `want.toml` is rewritten.
///
/// # Errors
/// The directory cannot be read, or a `want.toml` not written.
pub fn run_cases(
    set: &MappingSet,
    dir: &Path,
    filter: &[String],
    bless: bool,
) -> io::Result<Vec<CaseResult>> {
    let (found, mut results) = find(dir)?;
    for (name, case) in found {
        if !filter.is_empty() && !filter.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let outcome = match find_cases::judge(set, &case) {
            Err(why) => Outcome::Broken(why),
            Ok(verdict) if case.want().is_some() && verdict.difference.is_none() => Outcome::Passed,
            Ok(verdict) if bless => {
                fs::write(dir.join(&name).join("want.toml"), verdict.blessed)?;
                Outcome::Blessed
            }
            Ok(verdict) => match verdict.difference.filter(|_| case.want().is_some()) {
                Some(difference) => Outcome::Differs(difference),
                None => {
                    Outcome::Broken("want.toml is missing: run with --bless and read it".to_owned())
                }
            },
        };
        results.push(CaseResult { name, outcome });
    }
    Ok(results)
}

/// The cases of a directory.
///
/// # Errors
/// The directory cannot be read.
pub fn cases_of(dir: &Path) -> io::Result<Vec<Case>> {
    Ok(find(dir)?.0.into_values().collect())
}

/// The cases of a directory by name, and what should be one and is not.
fn find(dir: &Path) -> io::Result<(BTreeMap<String, Case>, Vec<CaseResult>)> {
    let mut paths = Vec::new();
    below(dir, 0, &|_| true, &mut paths)?;
    let mut found: BTreeMap<String, Case> = BTreeMap::new();
    let mut results = Vec::new();
    for path in paths {
        let name = relative(dir, &path);
        let broken = |why: &str| CaseResult {
            name: name.clone(),
            outcome: Outcome::Broken(why.to_owned()),
        };
        let Some((file, rest)) = name.split_once(".cases/") else {
            if cases::is_part(name.rsplit('/').next().unwrap_or(&name)) {
                results.push(broken(
                    "it belongs to no case: cases stand in FILE.cases/CASE/",
                ));
            }
            continue;
        };
        let Some((case, part)) = rest.split_once('/') else {
            results.push(broken("a case is a directory of its own"));
            continue;
        };
        let entry = found.entry(format!("{file}.cases/{case}")).or_default();
        entry.file = format!("{file}.toml");
        entry.name = case.to_owned();
        entry.parts.insert(part.to_owned(), read_bounded(&path)?);
    }
    Ok((found, results))
}

/// The failing cases of all layers as problems; `full` is the set of all of them. A directory's cases run against the stack up to it, so
/// that a layer may override what a lower one proves.
pub fn failures(dirs: &[PathBuf], full: &MappingSet) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (index, dir) in dirs.iter().enumerate() {
        let is_last = index + 1 == dirs.len();
        let lower = (!is_last).then(|| compile(sources(&dirs[..=index])).0);
        match run_cases(lower.as_ref().unwrap_or(full), dir, &[], false) {
            Ok(results) => problems.extend(results.iter().filter_map(|r| failure(dir, r))),
            Err(error) => {
                let file = dir.display().to_string().as_str().into();
                let message = format!("the cases cannot be read: {error}");
                problems.push(Diagnostic::error("M001", &file, 0..0, message));
            }
        }
    }
    problems
}

fn failure(dir: &Path, result: &CaseResult) -> Option<Diagnostic> {
    let message = match &result.outcome {
        Outcome::Passed | Outcome::Blessed => return None,
        Outcome::Differs(text) => {
            let lines = text.lines().filter(|l| l.starts_with("  "));
            format!("the case fails: {} lines differ", lines.count())
        }
        Outcome::Broken(why) => format!("the case cannot be run: {why}"),
    };
    let hint = format!(
        "`relais mapping test {}` shows the difference",
        dir.display()
    );
    let file = result.name.as_str().into();
    Some(Diagnostic::error("M081", &file, 0..0, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mappings::Mappings;

    /// All cases of a directory, against the stack up to it, pass; `least` of them are there.
    fn pass(layers: &[PathBuf], dir: &str, least: usize) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
        let mappings = Mappings::load(layers)
            .map_err(|refused| refused.text)
            .unwrap();
        let results = run_cases(&mappings.current(), &root, &[], false).unwrap();
        let failed: Vec<_> = results
            .iter()
            .filter(|r| r.outcome != Outcome::Passed)
            .collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert!(results.len() >= least, "{}", results.len());
    }

    #[test]
    fn the_shipped_cases_pass() {
        pass(&[], "mappings", 30);
    }

    /// A site with a scanner of its own ways: device files, and queries from the message to the scanner's list.
    #[test]
    fn d05_the_cases_of_the_example_site_say_who_sees_what() {
        let dir = "tests/fixtures/sites/ct2";
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
        pass(&[site], dir, 4);
    }

    #[test]
    fn the_cases_of_example_sites_pass_over_the_shipped_files() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sites");
        let mut sites: Vec<PathBuf> = fs::read_dir(&root)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.is_dir())
            .collect();
        sites.sort();
        for site in &sites {
            pass(std::slice::from_ref(site), site.to_str().unwrap(), 1);
        }
        assert!(sites.len() >= 19, "{}", sites.len());
    }
}
