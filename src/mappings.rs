//! The set of mapping files in force: the embedded ones as layer 0, the site's directories over them.
//!
//! Files are read here and nowhere else; `mapping` compiles and runs them. Rule upheld: a broken set never replaces a working one
//! ([`Mappings::candidate`] checks a whole set before [`Mappings::put`]). A shipped file is embedded, so that binary and files cannot differ in version.

use crate::diagnostic::{Diagnostic, Lines, Severity};
use crate::mapping::{MappingSet, SourceFile};
use arc_swap::ArcSwap;
use reload::Look;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

pub mod case_files;
pub mod find_cases;
mod fuzzed;
pub mod reload;
mod stale_cases;

use stale_cases::stale_cases;

pub use fuzzed::{fuzz_capture, fuzz_mpps, fuzz_translate};

macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../mappings/", $name)))
    };
}

/// The shipped files by name: layer 0.
pub const SHIPPED: &[(&str, &str)] = &[
    shipped!("inbound/adt.toml"),
    shipped!("inbound/cda_fr.toml"),
    shipped!("inbound/ihe_order.toml"),
    shipped!("inbound/mpps.toml"),
    shipped!("inbound/oru.toml"),
    shipped!("inbound/siu.toml"),
    shipped!("inbound/tlr_fr.toml"),
    shipped!("outbound/fhir/diagnostic_report.toml"),
    shipped!("outbound/fhir/imaging_study.toml"),
    shipped!("outbound/fhir/patient.toml"),
    shipped!("outbound/fhir/service_request.toml"),
    shipped!("profiles/eu-imaging@1.0.0-ballot.toml"),
    shipped!("profiles/fr-core@2.2.0.toml"),
    shipped!("segments/zbe.toml"),
    shipped!("segments/zds.toml"),
    shipped!("segments/zfa.toml"),
    shipped!("segments/zfd.toml"),
    shipped!("segments/zfm.toml"),
    shipped!("segments/zfp.toml"),
    shipped!("segments/zfs.toml"),
    shipped!("segments/zfv.toml"),
    shipped!("tables/adt_event.csv"),
    shipped!("tables/anatomical_region.csv"),
    shipped!("tables/cisis_action.csv"),
    shipped!("tables/code_systems.csv"),
    shipped!("tables/diagnostic_report_status.csv"),
    shipped!("tables/discontinuation.csv"),
    shipped!("tables/document_kind.csv"),
    shipped!("tables/document_types.csv"),
    shipped!("tables/endpoints.csv"),
    shipped!("tables/fr_identity_status.csv"),
    shipped!("tables/imaging_study_status.csv"),
    shipped!("tables/mes_flags.csv"),
    shipped!("tables/modality.csv"),
    shipped!("tables/mpps_status.csv"),
    shipped!("tables/order_control.csv"),
    shipped!("tables/pregnancy.csv"),
    shipped!("tables/priority.csv"),
    shipped!("tables/procedures.csv"),
    shipped!("tables/report_status.csv"),
    shipped!("tables/service_request_status.csv"),
    shipped!("tables/sex.csv"),
    shipped!("tables/siu_event.csv"),
    shipped!("tables/sps_status.csv"),
    shipped!("tables/stations.csv"),
    shipped!("tables/technical_obx.csv"),
    shipped!("tables/tlr_command.csv"),
    shipped!("tables/zfa_sharing.csv"),
    shipped!("worklist/default.toml"),
];

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;
/// Deepest directory below a layer, and most files of one.
const MAX_DEPTH: usize = 4;
const MAX_FILES: usize = 5_000;

/// The set in force and where it came from.
#[derive(Debug)]
pub struct Mappings {
    dirs: Vec<PathBuf>,
    /// What the directories looked like just before they were read.
    seen: Look,
    current: ArcSwap<MappingSet>,
    warnings: Vec<Diagnostic>,
    /// Why the files on disk were not what this began with.
    refused: Option<Arc<Refused>>,
}

/// Files as they were found, with the problems of finding them.
#[derive(Debug, Default)]
pub struct Sources {
    pub files: Vec<SourceFile>,
    pub problems: Vec<Diagnostic>,
}

impl Mappings {
    /// Reads and compiles the shipped files and the given layers; later directories win. Their cases are not run.
    ///
    /// # Errors
    /// Every problem of every file, as soon as one of them is an error.
    pub fn load(dirs: &[PathBuf]) -> Result<Self, Refused> {
        Self::begin(dirs, compiled)
    }

    /// As [`Mappings::load`], and the cases of every directory pass.
    ///
    /// # Errors
    /// Every problem, failed cases included.
    pub fn load_proven(dirs: &[PathBuf]) -> Result<Self, Refused> {
        Self::begin(dirs, proven)
    }

    fn begin(dirs: &[PathBuf], read: fn(&[PathBuf]) -> Checked) -> Result<Self, Refused> {
        let seen = reload::look(dirs);
        let (set, warnings) = read(dirs)?;
        Ok(Self {
            dirs: dirs.to_vec(),
            seen,
            current: ArcSwap::from_pointee(set),
            warnings,
            refused: None,
        })
    }

    /// Begins with the site's files that were in force before, over the shipped files of this binary, because those on disk are refused.
    ///
    /// # Errors
    /// The kept files have problems too (with the shipped files of another release): `refused` stands.
    pub fn from_kept(
        dirs: &[PathBuf],
        kept: Vec<SourceFile>,
        refused: Refused,
    ) -> Result<Self, Refused> {
        let seen = reload::look(dirs);
        let mut found = sources(&[]);
        found.files.extend(kept.into_iter().filter(|f| f.layer > 0));
        let (set, warnings) = compile(found);
        if is_broken(&warnings) {
            return Err(refused);
        }
        Ok(Self {
            dirs: dirs.to_vec(),
            seen,
            current: ArcSwap::from_pointee(set),
            warnings,
            refused: Some(Arc::new(refused)),
        })
    }

    /// The set in force. Holding on to it is fine: a reload does not touch it.
    pub fn current(&self) -> Arc<MappingSet> {
        self.current.load_full()
    }

    /// What was noticed when the first set was loaded.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The directories over the shipped files, in order; later ones win.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Why this began with kept files instead of those on disk, if so.
    pub fn refused(&self) -> Option<&Arc<Refused>> {
        self.refused.as_ref()
    }

    /// Reads and compiles the files again and runs the cases of every directory; the set in force stays as it is.
    ///
    /// # Errors
    /// Every problem; with one, the new set must not be put in force.
    pub fn candidate(&self) -> Result<MappingSet, Refused> {
        proven(&self.dirs).map(|(set, _)| set)
    }

    /// Puts a set in force, at once for everything that asks from now on.
    pub fn put(&self, set: MappingSet) {
        self.current.store(Arc::new(set));
    }
}

/// Why a set of files was not put in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub problems: Vec<Diagnostic>,
    /// The problems as a person reads them, each with its line underlined.
    pub text: String,
    /// The same by problem, for the log.
    pub each: Vec<String>,
}

/// A set without errors, with what was noticed.
type Checked = Result<(MappingSet, Vec<Diagnostic>), Refused>;

/// The set of the directories.
fn compiled(dirs: &[PathBuf]) -> Checked {
    let found = sources(dirs);
    let files = found.files.clone();
    let (set, problems) = compile(found);
    unbroken(set, problems, &files)
}

/// As [`compiled`], and the cases of every directory pass.
fn proven(dirs: &[PathBuf]) -> Checked {
    let (set, mut problems, files) = examine(dirs);
    if !is_broken(&problems) {
        problems.extend(case_files::failures(dirs, &set));
    }
    unbroken(set, problems, &files)
}

/// The set of the directories, everything that is wrong with files and cases before a case is run, and the texts that it stands in.
pub fn examine(dirs: &[PathBuf]) -> (MappingSet, Vec<Diagnostic>, Vec<SourceFile>) {
    let (set, mut problems) = compile(sources(dirs));
    let (stale, cases) = stale_cases(dirs, &set);
    problems.extend(stale);
    let files = set.files().iter().cloned().chain(cases).collect();
    (set, problems, files)
}

fn unbroken(set: MappingSet, problems: Vec<Diagnostic>, files: &[SourceFile]) -> Checked {
    if !is_broken(&problems) {
        return Ok((set, problems));
    }
    let each = render_each(&problems, files);
    let text = each.concat();
    Err(Refused {
        problems,
        each,
        text,
    })
}

fn is_broken(problems: &[Diagnostic]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// Compiles what was found; problems of finding come first.
pub fn compile(found: Sources) -> (MappingSet, Vec<Diagnostic>) {
    let (set, problems) = MappingSet::compile(found.files);
    let mut all = found.problems;
    let torn: BTreeSet<Arc<str>> = all
        .iter()
        .filter(|p| p.code == "M033")
        .map(|p| Arc::clone(&p.file))
        .collect();
    // What else a file of another character set seems to say follows from that.
    all.extend(problems.into_iter().filter(|p| !torn.contains(&p.file)));
    (set, all)
}

/// The shipped files and those of the directories, in layers.
pub fn sources(dirs: &[PathBuf]) -> Sources {
    let mut found = Sources::default();
    for (name, text) in SHIPPED {
        found.files.push(SourceFile {
            name: (*name).to_owned(),
            layer: 0,
            text: (*text).into(),
        });
    }
    for (index, dir) in dirs.iter().enumerate() {
        let mut paths = Vec::new();
        if let Err(error) = below(dir, 0, &|name| !name.ends_with(".cases"), &mut paths) {
            let file = dir.display().to_string().as_str().into();
            let message = format!("the directory cannot be read: {error}");
            found
                .problems
                .push(Diagnostic::error("M001", &file, 0..0, message));
        }
        for path in paths {
            read_source(dir, &path, index + 1, &mut found);
        }
    }
    found
}

fn read_source(dir: &Path, path: &Path, layer: usize, found: &mut Sources) {
    let name = relative(dir, path);
    let is_source = [".toml", ".csv"].iter().any(|e| name.ends_with(e));
    if !is_source {
        return;
    }
    let file: Arc<str> = name.as_str().into();
    let problem = |code, message: String| Diagnostic::error(code, &file, 0..0, message);
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("the file cannot be read: {error}");
            return found.problems.push(problem("M001", message));
        }
    };
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        // What can be read is kept, so that the place is shown with its line.
        let at = error.utf8_error().valid_up_to();
        let torn = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
        let hint = "save the file as UTF-8 (in Excel: \"CSV UTF-8\")";
        let told = Diagnostic::error("M033", &file, torn, "the file is not UTF-8");
        found.problems.push(
            told.label("this byte is of another character set")
                .hint(hint),
        );
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    });
    found.files.push(SourceFile {
        name,
        layer,
        text: text.into(),
    });
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_FILE {
        return Err(io::Error::other(format!("larger than {MAX_FILE} bytes")));
    }
    fs::read(path)
}

/// Name below the directory with `/`, on every platform.
fn relative(dir: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(dir).unwrap_or(path);
    let parts = inner.components().map(|c| c.as_os_str().to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// The mapping files of a directory (all `.toml` outside of cases): path, and name below the directory.
///
/// # Errors
/// The directory cannot be read.
pub fn mapping_files(dir: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut paths = Vec::new();
    below(dir, 0, &|name| !name.ends_with(".cases"), &mut paths)?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    let named = |path: PathBuf| {
        let name = relative(dir, &path);
        (path, name)
    };
    Ok(paths.into_iter().map(named).collect())
}

/// Files below a directory in order of name, hidden ones left out; directories that `enter` refuses are not entered.
fn below(
    dir: &Path,
    depth: usize,
    enter: &dyn Fn(&str) -> bool,
    found: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir)? {
        entries.push(entry?.path());
    }
    entries.sort();
    for path in entries {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let Some(name) = name.filter(|n| !n.starts_with('.')) else {
            continue;
        };
        if !path.is_dir() {
            if found.len() >= MAX_FILES {
                return Err(io::Error::other(format!("more than {MAX_FILES} files")));
            }
            found.push(path);
        } else if depth < MAX_DEPTH && enter(&name) {
            below(&path, depth + 1, enter, found)?;
        }
    }
    Ok(())
}

/// Most problems of one file that are told: a file with more is not what it should be.
const MOST_TOLD: usize = 100;

/// Problems as text, each with its line underlined.
pub fn render_all(problems: &[Diagnostic], files: &[SourceFile]) -> String {
    render_each(problems, files).concat()
}

/// As [`render_all`], one by one.
fn render_each(problems: &[Diagnostic], files: &[SourceFile]) -> Vec<String> {
    let mut sources: BTreeMap<&str, &SourceFile> = BTreeMap::new();
    for file in files {
        let top = sources.entry(&file.name).or_insert(file);
        if file.layer > top.layer {
            *top = file;
        }
    }
    let mut read: BTreeMap<&str, (Lines<'_>, usize)> = BTreeMap::new();
    let mut each = Vec::new();
    for problem in problems {
        let source = sources.get(&*problem.file).map_or("", |f| &f.text);
        let (lines, told) = read
            .entry(&problem.file)
            .or_insert_with(|| (Lines::of(source), 0));
        *told += 1;
        if *told <= MOST_TOLD {
            each.push(lines.render(problem));
        }
    }
    for (file, (_, told)) in read.iter().filter(|(_, (_, told))| *told > MOST_TOLD) {
        let more = told - MOST_TOLD;
        each.push(format!(
            "{file}: {more} more problems; mend the first ones\n"
        ));
    }
    each
}

#[cfg(test)]
mod tests;
