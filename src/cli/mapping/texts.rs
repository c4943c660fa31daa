//! `relais mapping explain` and `fmt`: mapping files as sentences, and in their one form.

use super::{FAILED, OK, UNREADABLE};
use crate::diagnostic::did_you_mean;
use crate::mapping::fmt::format;
use crate::mappings::{compile, mapping_files, render_all, sources};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `relais mapping explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The file: a path, a name (`inbound/ihe_order.toml`) or its stem (`ihe_order`); without one, every file.
    file: Option<String>,
    /// Directories of mappings over the shipped ones.
    #[arg(long = "dir")]
    dirs: Vec<PathBuf>,
}

/// Prints the rules of a file as sentences.
///
/// # Errors
/// The output cannot be written.
pub fn explain(args: &ExplainArgs, out: &mut dyn Write) -> io::Result<u8> {
    let mut dirs = args.dirs.clone();
    let mut name = args.file.clone();
    // A path on the disk says which directory it belongs to.
    if let Some(path) = args.file.as_deref().map(Path::new).filter(|p| p.is_file())
        && let Some((dir, inner)) = split(path)
    {
        name = Some(inner);
        if dirs.is_empty() {
            dirs.push(dir);
        }
    }
    let (set, problems) = compile(sources(&dirs));
    write!(out, "{}", render_all(&problems, set.files()))?;
    let names: Vec<String> = match name {
        Some(name) => vec![name],
        None => set.models().map(|m| m.name.clone()).collect(),
    };
    for (n, name) in names.iter().enumerate() {
        match set.explain(name) {
            Some(explained) => {
                let blank = if n > 0 { "\n" } else { "" };
                write!(out, "{blank}{}", explained.text())?;
            }
            None => {
                let known = set.models().map(|m| m.name.as_str());
                let hint = did_you_mean(name, known).map_or(String::new(), |h| format!("; {h}"));
                writeln!(out, "error: there is no mapping file {name}{hint}")?;
                return Ok(UNREADABLE);
            }
        }
    }
    Ok(OK)
}

/// A path as the directory of mappings and the name below it.
fn split(path: &Path) -> Option<(PathBuf, String)> {
    let parts: Vec<String> = path
        .components()
        .map(|c| c.as_os_str().to_string_lossy().into_owned())
        .collect();
    let kinds = ["inbound", "worklist", "outbound", "devices"];
    let at = parts.iter().rposition(|p| kinds.contains(&p.as_str()))?;
    let dir: PathBuf = parts.get(..at)?.iter().collect();
    let dir = if at == 0 { PathBuf::from(".") } else { dir };
    Some((dir, parts.get(at..)?.join("/")))
}

/// Arguments of `relais mapping fmt`.
#[derive(Debug, clap::Args)]
pub struct FmtArgs {
    /// Directories of mappings, or single files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing; exit code 1 if a file is not in its form.
    #[arg(long)]
    check: bool,
}

/// Writes files in their one form, or says which are not in it.
///
/// # Errors
/// A file cannot be read or written.
pub fn fmt(args: &FmtArgs, out: &mut dyn Write) -> io::Result<u8> {
    let mut files = Vec::new();
    for path in &args.paths {
        match path.is_dir() {
            true => files.extend(mapping_files(path)?),
            false => {
                let name = split(path).map_or_else(|| path.display().to_string(), |(_, name)| name);
                files.push((path.clone(), name));
            }
        }
    }
    let (mut other, mut wrong) = (0, 0);
    for (path, name) in &files {
        let text = std::fs::read_to_string(path)?;
        match format(name, &text) {
            Ok(formatted) if formatted == text => {}
            Ok(formatted) => {
                other += 1;
                if args.check {
                    let line = 1 + text
                        .lines()
                        .zip(formatted.lines())
                        .take_while(|(a, b)| a == b)
                        .count();
                    writeln!(out, "{}:{line} is not in its form", path.display())?;
                } else {
                    std::fs::write(path, formatted)?;
                    writeln!(out, "formatted {}", path.display())?;
                }
            }
            Err(why) => {
                wrong += 1;
                writeln!(out, "{} is left alone: {why}", path.display())?;
            }
        }
    }
    let word = if args.check {
        "not in their form"
    } else {
        "formatted"
    };
    writeln!(
        out,
        "{} files: {other} {word}, {wrong} left alone",
        files.len()
    )?;
    Ok(match (wrong, args.check && other > 0) {
        (0, false) => OK,
        _ => FAILED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_are_in_their_form() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let mut out = Vec::new();
        let args = FmtArgs {
            paths: vec![root],
            check: true,
        };
        let code = fmt(&args, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            code, OK,
            "`relais mapping fmt mappings` writes them:\n{text}"
        );
    }

    #[test]
    fn a_path_says_its_directory() {
        let check = |path: &str, dir: &str, name: &str| {
            assert_eq!(
                split(Path::new(path)),
                Some((PathBuf::from(dir), name.to_owned()))
            );
        };
        check("site/inbound/x.toml", "site", "inbound/x.toml");
        check("inbound/x.toml", ".", "inbound/x.toml");
        check(
            "/a/site/outbound/fhir/patient.toml",
            "/a/site",
            "outbound/fhir/patient.toml",
        );
        assert_eq!(split(Path::new("x.toml")), None);
    }
}
