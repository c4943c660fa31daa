//! The mapping language: files that say which value of a message becomes which field of the record, and back.
//!
//! A file is read ([`load`]), merged with its base, checked whole, and kept compiled in a [`MappingSet`]; evaluation is pure, total and
//! bounded, and every value knows its place in the message and its rule. `mappings` (layer 7) finds the files.
//!
//! Read in this order: `ast` and `parser` (the language), `load`, `section` and `check` (a file), `eval` with its three sources and
//! `apply` (an expression), `inbound`, `command` and `translate` (a message), `item` and `outbound` (a worklist item, a resource). Tools on
//! files and messages: `cases`, `explain`, `fmt`, `coverage`, `compare`, `capture`.

mod apply;
pub mod ast;
pub mod capture;
pub mod cases;
pub mod check;
pub mod codes;
mod command;
pub mod compare;
pub mod coverage;
pub mod definitions;
pub mod device;
mod dicom_source;
mod eval;
pub mod explain;
pub mod fmt;
pub mod functions;
mod hl7_source;
mod inbound;
mod item;
mod lexer;
pub mod load;
mod lookup;
pub mod model;
mod outbound;
mod pack;
pub mod parser;
mod record_source;
pub mod schema;
pub mod scope;
mod section;
pub mod table;
mod text;
mod translate;
mod typing;

pub use eval::{LinkView, Warning};
pub use item::{Withheld, WorklistItem};
pub use model::SourceFile;
pub use translate::{MppsOp, Translation};

use crate::diagnostic::Diagnostic;
use model::{Library, Model};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// All files of all layers, compiled: immutable, shared, replaced whole.
#[derive(Debug, Default)]
pub struct MappingSet {
    library: Library,
    models: BTreeMap<String, Model>,
    files: Vec<SourceFile>,
    revision: String,
}

impl MappingSet {
    /// Compiles files. The set holds what could be compiled; with an error among the problems it must not replace a working one.
    pub fn compile(files: Vec<SourceFile>) -> (Self, Vec<Diagnostic>) {
        let loaded = load::load(&files);
        let mut hash = Sha256::new();
        let mut ordered: Vec<&SourceFile> = files.iter().collect();
        ordered.sort_by(|a, b| (&a.name, a.layer).cmp(&(&b.name, b.layer)));
        for file in ordered {
            hash.update(file.name.as_bytes());
            hash.update([0]);
            hash.update(file.text.as_bytes());
            hash.update([0]);
        }
        let mut revision = String::new();
        for byte in hash.finalize() {
            let _ = write!(revision, "{byte:02x}");
        }
        let set = Self {
            library: loaded.library,
            models: loaded.models,
            files,
            revision,
        };
        (set, loaded.problems)
    }

    /// SHA-256 of all texts, in hexadecimal: names the set in journal rows.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The files that the set was compiled from.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The compiled files by name; hidden ones are not there.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// Files among those that a link reads (all for an empty list) that take the same message and cannot be told apart.
    pub fn rivals(&self, inbound: &[String]) -> Vec<Diagnostic> {
        check::senders(self.models.values(), inbound)
    }

    /// What is wrong with the profile packs that a target names: the first one that is not there, with those that are.
    pub fn missing_pack(&self, packs: &[String]) -> Option<String> {
        let known = &self.library.packs;
        let missing = packs.iter().find(|p| !known.contains_key(*p))?;
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        Some(format!(
            "there is no profile pack {missing}; there are {}",
            names.join(", ")
        ))
    }

    /// A code table by name without `.csv`.
    pub fn table(&self, name: &str) -> Option<&table::Table> {
        self.library.tables.get(name)
    }
}

/// Fuzz target: any bytes as a mapping file.
pub fn fuzz_mapping_file(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    let file = |name: &str| SourceFile {
        name: name.to_owned(),
        layer: 0,
        text: text.into(),
    };
    let (set, problems) = MappingSet::compile(vec![
        file("inbound/fuzz.toml"),
        file("worklist/fuzz.toml"),
        file("devices/fuzz.toml"),
        file("segments/fuzz.toml"),
        file("outbound/fhir/patient.toml"),
    ]);
    for problem in &problems {
        crate::diagnostic::render(problem, text);
    }
    crate::fuzzing::shape((
        problems
            .iter()
            .map(|p| p.code)
            .collect::<std::collections::BTreeSet<_>>(),
        crate::fuzzing::size(problems.len()),
        set.models().count(),
    ))
}
