//! Finds cases that outlived their mapping file or its rules, without running them: they are told where they stand.

use super::{below, compile, read_bounded, relative, sources};
use crate::diagnostic::Diagnostic;
use crate::mapping::cases::stale;
use crate::mapping::{MappingSet, SourceFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The problems of the cases of all directories, and the texts that they stand in. `full` is the set of all directories; the cases of a
/// lower one are held against the stack up to it.
pub fn stale_cases(dirs: &[PathBuf], full: &MappingSet) -> (Vec<Diagnostic>, Vec<SourceFile>) {
    let (mut problems, mut texts) = (Vec::new(), Vec::new());
    for (index, dir) in dirs.iter().enumerate() {
        let found = wants(dir);
        if found.is_empty() {
            continue;
        }
        let is_last = index + 1 == dirs.len();
        let lower = (!is_last).then(|| compile(sources(&dirs[..=index])).0);
        let set = lower.as_ref().unwrap_or(full);
        let names: BTreeSet<&str> = set.files().iter().map(|f| f.name.as_str()).collect();
        for (name, want) in found {
            let Some((stem, _)) = name.split_once(".cases/") else {
                continue;
            };
            let file: Arc<str> = name.as_str().into();
            let mapping = format!("{stem}.toml");
            match set.models().find(|m| m.name == mapping) {
                Some(model) => problems.extend(stale(model, &file, &want)),
                None if names.contains(mapping.as_str()) => {}
                None => problems.push(
                    Diagnostic::error("M080", &file, 0..0, format!("there is no {mapping}"))
                        .hint("move the case beside the file that it proves, or remove it"),
                ),
            }
            texts.push(SourceFile {
                name,
                layer: index + 1,
                text: want.into(),
            });
        }
    }
    (problems, texts)
}

/// The readable `want.toml` of a directory, by name.
fn wants(dir: &Path) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    // A directory that cannot be read has been told with its files.
    let _ = below(dir, 0, &|_| true, &mut paths);
    let named = paths.iter().map(|path| (relative(dir, path), path));
    let wants = named.filter(|(name, _)| name.contains(".cases/") && name.ends_with("/want.toml"));
    wants
        .filter_map(|(name, path)| {
            let bytes = read_bounded(path).ok()?;
            Some((name, String::from_utf8(bytes).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shipped_case_outlived_its_rule() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let (set, _) = compile(sources(std::slice::from_ref(&root)));
        let (problems, texts) = stale_cases(&[root], &set);
        assert_eq!(super::super::render_all(&problems, &texts), "");
        assert!(texts.len() > 30, "{}", texts.len());
    }
}
