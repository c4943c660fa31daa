//! The set of mapping files in force: the embedded ones as layer 0, the site's directories over them.
//!
//! Files are read here and nowhere else; `mapping` compiles and runs them. Rule upheld: a broken set never replaces a working one
//! ([`Mappings::candidate`] checks a whole set before [`Mappings::put`]). A shipped file is embedded, so that binary and files cannot differ in version.

use crate::diagnostic::{Diagnostic, Severity, render};
use crate::dicom::read::{Limits, Syntax, read};
use crate::domain::ids::JournalId;
use crate::domain::reason::Refusal;
use crate::fuzzing;
use crate::hl7::message::{Message, Reading};
use crate::mapping::{LinkView, MappingSet, MppsOp, SourceFile, Translation};
use arc_swap::ArcSwap;
use reload::Look;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{fs, io};

pub mod case_files;
pub mod reload;

macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../mappings/", $name)))
    };
}

/// The shipped files by name: layer 0.
pub const SHIPPED: &[(&str, &str)] = &[
    shipped!("inbound/adt.toml"),
    shipped!("inbound/ihe_order.toml"),
    shipped!("inbound/mpps.toml"),
    shipped!("inbound/oru.toml"),
    shipped!("outbound/fhir/diagnostic_report.toml"),
    shipped!("outbound/fhir/imaging_study.toml"),
    shipped!("outbound/fhir/patient.toml"),
    shipped!("outbound/fhir/service_request.toml"),
    shipped!("segments/zbe.toml"),
    shipped!("segments/zds.toml"),
    shipped!("segments/zfa.toml"),
    shipped!("segments/zfd.toml"),
    shipped!("segments/zfm.toml"),
    shipped!("segments/zfp.toml"),
    shipped!("segments/zfs.toml"),
    shipped!("segments/zfv.toml"),
    shipped!("tables/adt_event.csv"),
    shipped!("tables/code_systems.csv"),
    shipped!("tables/diagnostic_report_status.csv"),
    shipped!("tables/discontinuation.csv"),
    shipped!("tables/document_kind.csv"),
    shipped!("tables/imaging_study_status.csv"),
    shipped!("tables/modality.csv"),
    shipped!("tables/mpps_status.csv"),
    shipped!("tables/order_control.csv"),
    shipped!("tables/pregnancy.csv"),
    shipped!("tables/priority.csv"),
    shipped!("tables/procedures.csv"),
    shipped!("tables/report_status.csv"),
    shipped!("tables/service_request_status.csv"),
    shipped!("tables/sex.csv"),
    shipped!("tables/sps_status.csv"),
    shipped!("tables/stations.csv"),
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
}

/// Files as they were found, with the problems of finding them.
#[derive(Debug, Default)]
pub struct Sources {
    pub files: Vec<SourceFile>,
    pub problems: Vec<Diagnostic>,
}

impl Mappings {
    /// Reads and compiles the shipped files and the given layers; later directories win.
    ///
    /// # Errors
    /// Every problem of every file, as soon as one of them is an error.
    pub fn load(dirs: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let seen = reload::look(dirs);
        let (set, problems) = compile(sources(dirs));
        if is_broken(&problems) {
            return Err(problems);
        }
        Ok(Self {
            dirs: dirs.to_vec(),
            seen,
            current: ArcSwap::from_pointee(set),
            warnings: problems,
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

    /// Reads and compiles the files again and runs the cases of every directory; the set in force stays as it is.
    ///
    /// # Errors
    /// Every problem; with one, the new set must not be put in force.
    pub fn candidate(&self) -> Result<MappingSet, Refused> {
        let found = sources(&self.dirs);
        let files = found.files.clone();
        let (set, mut problems) = compile(found);
        if !is_broken(&problems) {
            problems.extend(case_files::failures(&self.dirs, &set));
        }
        if is_broken(&problems) {
            let text = render_all(&problems, &files);
            return Err(Refused { problems, text });
        }
        Ok(set)
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
}

fn is_broken(problems: &[Diagnostic]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// Compiles what was found; problems of finding come first.
pub fn compile(found: Sources) -> (MappingSet, Vec<Diagnostic>) {
    let (set, problems) = MappingSet::compile(found.files);
    let mut all = found.problems;
    all.extend(problems);
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
    match String::from_utf8(bytes) {
        Ok(text) => found.files.push(SourceFile {
            name,
            layer,
            text: text.into(),
        }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let message = format!("byte {at} is not UTF-8");
            let hint = "save the file as UTF-8 (in Excel: \"CSV UTF-8\")";
            found.problems.push(problem("M033", message).hint(hint));
        }
    }
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

/// Problems as text, each with its line underlined.
pub fn render_all(problems: &[Diagnostic], files: &[SourceFile]) -> String {
    let mut text = String::new();
    for problem in problems {
        let versions = files.iter().filter(|f| *f.name == *problem.file);
        let source = versions.max_by_key(|f| f.layer).map_or("", |f| &f.text);
        text.push_str(&render(problem, source));
    }
    text
}

/// The shipped files, compiled once for the fuzz targets.
fn shipped() -> &'static MappingSet {
    static SHIPPED: OnceLock<MappingSet> = OnceLock::new();
    SHIPPED.get_or_init(|| compile(sources(&[])).0)
}

/// Fuzz target: any bytes as a message of a link, read by the shipped files.
pub fn fuzz_translate(data: &[u8]) -> u64 {
    let message = match Message::parse(Arc::from(data), &Reading::default()) {
        Ok(message) => message,
        Err(refusal) => return fuzzing::shape((refusal.reason, &refusal.at)),
    };
    of_translation(shipped().translate_hl7(&message, &LinkView::default(), JournalId(0)))
}

/// Fuzz target: any bytes as the data set of an N-CREATE (first byte even) or N-SET, read by the shipped files.
pub fn fuzz_mpps(data: &[u8]) -> u64 {
    let Some((&choice, data)) = data.split_first() else {
        return 0;
    };
    let Ok(set) = read(data, Syntax::ImplicitLe, Limits::default(), None) else {
        return 1;
    };
    let op = [MppsOp::Create, MppsOp::Set][usize::from(choice & 1)];
    let link = LinkView::default();
    of_translation(shipped().translate_mpps(op, "1.2.3", "CT1", &set, &link, JournalId(0)))
}

fn of_translation(translation: Result<Translation, Refusal>) -> u64 {
    match translation {
        Err(refusal) => fuzzing::shape((refusal.reason, &refusal.at)),
        Ok(found) => fuzzing::shape((
            found.file,
            found.ignored.is_some(),
            fuzzing::size(found.warnings.len()),
            found
                .commands
                .iter()
                .map(std::mem::discriminant)
                .take(4)
                .collect::<Vec<_>>(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")
    }

    #[test]
    fn every_file_under_mappings_is_embedded() {
        let mut paths = Vec::new();
        below(&root(), 0, &|n| !n.ends_with(".cases"), &mut paths).unwrap();
        let mut names: Vec<String> = paths.iter().map(|p| relative(&root(), p)).collect();
        names.retain(|n| n.ends_with(".toml") || n.ends_with(".csv"));
        names.sort();
        let embedded: Vec<&str> = SHIPPED.iter().map(|(n, _)| *n).collect();
        assert_eq!(names, embedded);
    }

    #[test]
    fn a_broken_layer_never_replaces_a_working_set() {
        let dir = std::env::temp_dir().join(format!("relais-mappings-{}", std::process::id()));
        fs::create_dir_all(dir.join("inbound")).unwrap();
        let site = dir.join("inbound/site.toml");
        let text = |rule: &str| {
            format!("format = 1\nbase = \"ihe_order\"\norder.accession_number = '{rule}'\n")
        };
        fs::write(&site, text("ORC-3")).unwrap();
        let mappings = Mappings::load(std::slice::from_ref(&dir))
            .map_err(|p| render_all(&p, &[]))
            .unwrap();
        let first = mappings.current().revision().to_owned();
        fs::write(&site, text("ORC-333")).unwrap();
        let codes = |refused: Refused| refused.problems.iter().map(|p| p.code).collect::<Vec<_>>();
        assert_eq!(codes(mappings.candidate().unwrap_err()), ["M051"]);
        assert_eq!(mappings.current().revision(), first);
        fs::write(&site, text("ORC-4")).unwrap();
        mappings.put(mappings.candidate().unwrap());
        assert_ne!(mappings.current().revision(), first);
        fs::write(dir.join("inbound/latin1.toml"), [0x66, 0xe9]).unwrap();
        assert_eq!(codes(mappings.candidate().unwrap_err()), ["M033"]);
        fs::remove_file(dir.join("inbound/latin1.toml")).unwrap();
        let case = dir.join("inbound/site.cases/accession_in_orc_3");
        fs::create_dir_all(&case).unwrap();
        fs::write(case.join("in.hl7"), "MSH|^~\\&|RIS\r").unwrap();
        fs::write(case.join("want.toml"), "# nothing\n").unwrap();
        let refused = mappings.candidate().unwrap_err();
        assert!(
            refused.text.contains("site.cases/accession_in_orc_3"),
            "{}",
            refused.text
        );
        assert_eq!(codes(refused), ["M081"]);
        fs::remove_dir_all(&dir).unwrap();
        assert!(mappings.candidate().is_err());
    }
}
