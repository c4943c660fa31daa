//! Reads all files of all layers into models: base first, overrides line by line, every problem at once.
//!
//! A later layer's file hides the earlier one of the same name (and may name it as its base); every own line of a file is checked
//! where it stands, so that an inherited line is never reported twice.

mod reader;

pub use reader::{FileReader, with_inherited};

use super::check;
use super::definitions::{FieldDefinition, hl7_segments};
use super::model::*;
use super::{device, pack, section, table};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::fhir::shape;
use crate::toml_file::{At, Codes, Doc, Table};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Codes of TOML problems in mapping files.
pub const TOML_CODES: Codes = Codes {
    syntax: "M001",
    twice: "M015",
    unknown_key: "M002",
    bad_value: "M003",
    missing: "M004",
};

/// Most files that are open at once, each the next one's base: a chain is followed no further.
const MAX_OPEN: usize = 16;

/// Everything that was loaded.
#[derive(Debug, Default)]
pub struct Loaded {
    pub library: Library,
    /// By name; hidden files are not there.
    pub models: BTreeMap<String, Model>,
    pub problems: Vec<Diagnostic>,
}

/// Loads the files of all layers.
pub fn load(files: &[SourceFile]) -> Loaded {
    let mut loaded = Loaded::default();
    loaded.library.segments = hl7_segments().clone();
    let mut layers: BTreeMap<&str, Vec<&SourceFile>> = BTreeMap::new();
    for file in files {
        layers.entry(&file.name).or_default().push(file);
    }
    for versions in layers.values_mut() {
        versions.sort_by_key(|f| f.layer);
        let Some(top) = versions.last() else { continue };
        if let Some(name) = in_directory(&top.name, "tables/", ".csv") {
            load_table(top, name, &mut loaded);
        } else if in_directory(&top.name, "segments/", ".toml").is_some() {
            load_segment(top, &mut loaded);
        }
    }
    for versions in layers.values() {
        if let Some(top) = versions.last()
            && let Some(name) = pack::full_name(&top.name)
        {
            let problems = pack::load(top, name, &mut loaded.library);
            loaded.problems.extend(problems);
        }
    }
    let mut loader = Loader {
        layers: &layers,
        loaded: &mut loaded,
        built: BTreeMap::new(),
        open: vec![],
    };
    for (name, versions) in &layers {
        if is_mapping(name) {
            loader.build(name, versions.len() - 1);
        }
    }
    let built = std::mem::take(&mut loader.built);
    for (name, versions) in &layers {
        if let Some(Some(model)) = built.get(&((*name).to_owned(), versions.len() - 1)) {
            check::whole(model, &mut loaded);
            loaded.models.insert((*name).to_owned(), model.clone());
        }
    }
    let overlaps = device::overlaps(&loaded.models);
    loaded.problems.extend(overlaps);
    let rivals = check::senders(loaded.models.values(), &[]);
    loaded.problems.extend(rivals);
    loaded
        .problems
        .sort_by(|a, b| (&a.file, a.span.start, a.code).cmp(&(&b.file, b.span.start, b.code)));
    loaded.problems.dedup();
    loaded
}

fn in_directory<'n>(name: &'n str, directory: &str, extension: &str) -> Option<&'n str> {
    let rest = name.strip_prefix(directory)?.strip_suffix(extension)?;
    (!rest.contains('/')).then_some(rest)
}

/// True for the name of a file that holds rules.
pub fn is_mapping(name: &str) -> bool {
    ["inbound/", "worklist/", "devices/", "outbound/fhir/"]
        .iter()
        .any(|d| in_directory(name, d, ".toml").is_some())
}

fn load_table(file: &SourceFile, name: &str, loaded: &mut Loaded) {
    let shown = file.name.rsplit('/').next().unwrap_or(&file.name);
    let (table, problems) = table::read(shown, &file.text);
    let label: Arc<str> = file.name.as_str().into();
    let found = problems.into_iter().map(|p| p.in_file(&label));
    loaded.problems.extend(found);
    loaded.library.tables.insert(name.to_owned(), table);
}

/// `segment = "ZBE"`, `[field]` with `1 = { type = "EI", repeat = true }`.
fn load_segment(file: &SourceFile, loaded: &mut Loaded) {
    let label: Arc<str> = file.name.as_str().into();
    let doc = Doc::parse(&label, &file.text, TOML_CODES);
    let root = doc.root();
    root.integer("format", 1..=1);
    let id = root.required_text("segment").map(|t| t.value.to_owned());
    let mut fields: BTreeMap<usize, FieldDefinition> = BTreeMap::new();
    if let Some(table) = root.table("field") {
        for (key, item) in table.entries() {
            let number = key.value.parse().ok().filter(|n| (1..=999).contains(n));
            let (Some(number), Some(entry)) = (number, item.as_table(key.value)) else {
                item.wrong("fields by number: 1 = { type = \"EI\" }");
                continue;
            };
            let datatype = entry.required_text("type").map_or("ST", |t| t.value);
            let repeats = entry.boolean("repeat").is_some_and(|b| b.value);
            entry.finish(&["type", "repeat", "name"]);
            let datatype = datatype.to_owned();
            fields.insert(number, FieldDefinition { datatype, repeats });
        }
    }
    root.finish(&["format", "segment", "field", "name"]);
    let last = fields.keys().next_back().copied().unwrap_or(0);
    let unknown = || FieldDefinition {
        datatype: "-".to_owned(),
        repeats: true,
    };
    let list = (1..=last).map(|n| fields.remove(&n).unwrap_or_else(unknown));
    if let Some(id) = id {
        loaded.library.segments.insert(id, list.collect());
    }
    loaded.problems.extend(doc.into_problems());
}

type Layers<'f> = BTreeMap<&'f str, Vec<&'f SourceFile>>;

struct Loader<'a, 'f> {
    layers: &'a Layers<'f>,
    loaded: &'a mut Loaded,
    /// By name and index of the version; `None` = could not be built.
    built: BTreeMap<(String, usize), Option<Model>>,
    /// Files being built, for circles.
    open: Vec<(String, usize)>,
}

impl Loader<'_, '_> {
    fn build(&mut self, name: &str, version: usize) -> Option<Model> {
        let key = (name.to_owned(), version);
        if let Some(model) = self.built.get(&key) {
            return model.clone();
        }
        let file = *self.layers.get(name)?.get(version)?;
        self.open.push(key.clone());
        let label: Arc<str> = file.name.as_str().into();
        let doc = Doc::parse(&label, &file.text, TOML_CODES);
        let model = self.read(&doc, file, version);
        self.open.pop();
        self.loaded.problems.extend(doc.into_problems());
        self.built.insert(key, model.clone());
        model
    }

    fn read(&mut self, doc: &Doc<'_>, file: &SourceFile, version: usize) -> Option<Model> {
        let root = doc.root();
        if !root_keys_stand_at_the_root(&root) {
            return None;
        }
        if root.require("format") {
            root.integer("format", 1..=1);
        }
        let parent = match root.text("base") {
            Some(base) => Some(self.base(&root, &base, file, version)?),
            None => None,
        };
        let header = Header::read(&root, parent.as_ref())?;
        let mut model = match parent {
            Some(mut parent) => {
                parent.bases.insert(0, std::mem::take(&mut parent.name));
                parent
            }
            None => Model::empty(header.kind),
        };
        inherit(&mut model, file);
        model.kind = kind_in(header.kind, &root, file)?;
        too_deep(&model, &root);
        model.claims_at = root.text("base").map_or(0..0, |b| b.span);
        let mut reader = FileReader {
            doc,
            model: &mut model,
            library: &self.loaded.library,
        };
        reader.from(&root);
        reader.consts(&root);
        section::sections(&mut reader, &root);
        if matches!(header.kind, FileKind::Worklist | FileKind::Device) {
            device::read(&mut reader, &root);
        }
        Some(model)
    }

    /// The base, built; a base of the file's own name is the one of the layer below.
    fn base(
        &mut self,
        root: &Table<'_>,
        base: &At<&str>,
        file: &SourceFile,
        version: usize,
    ) -> Option<Model> {
        let directory = file.name.rsplit_once('/').map_or("", |(d, _)| d);
        let name = match base.value.contains('/') {
            true => format!("{}.toml", base.value),
            false => format!("{directory}/{}.toml", base.value),
        };
        let found = match self.layers.get(name.as_str()) {
            Some(_) if name == file.name => version.checked_sub(1),
            Some(versions) => Some(versions.len() - 1),
            None => None,
        };
        let Some(found) = found else {
            let names = self.layers.keys().filter(|n| n.starts_with(directory));
            let problem = Diagnostic::error(
                "M007",
                root.doc().file(),
                base.span.clone(),
                format!("there is no {name}"),
            );
            let hint = did_you_mean(base.value, names.map(|n| stem(n)));
            root.doc().report(problem.maybe_hint(hint));
            return None;
        };
        if self.open.len() >= MAX_OPEN {
            let message = format!("more than {MAX_OPEN} files deep");
            let file = root.doc().file();
            let problem = Diagnostic::error("M091", file, base.span.clone(), message);
            root.doc()
                .report(problem.hint("at most 4: put some of them together"));
            return None;
        }
        if self.open.contains(&(name.clone(), found)) {
            let message = format!("{name} is already based on this file");
            root.doc().report(
                Diagnostic::error("M008", root.doc().file(), base.span.clone(), message)
                    .hint("take the `base` line out of one of the files"),
            );
            return None;
        }
        self.build(&name, found)
    }
}

/// Gives a model its own name. A device's match is its own, unless the base is the same file of a layer below.
fn inherit(model: &mut Model, file: &SourceFile) {
    model.name.clone_from(&file.name);
    let same = model.bases.first() == Some(&file.name);
    model.device.matches = model
        .device
        .matches
        .take()
        .filter(|_| same)
        .map(|rule| device::Match { span: 0..0, ..rule });
}

/// The kind of a file, given its place: files of `devices/` are worklists of one device.
fn kind_in(kind: FileKind, root: &Table<'_>, file: &SourceFile) -> Option<FileKind> {
    use FileKind::{Device, Worklist};
    match (kind, file.name.starts_with("devices/")) {
        (Worklist | Device, true) => Some(Device),
        (Worklist | Device, false) => Some(Worklist),
        (kind, false) => Some(kind),
        (_, true) => {
            let place = root.item("base").map_or(0..0, |base| base.outer_span());
            let message = "a device file says what a scanner is told";
            let problem = Diagnostic::error("M118", root.doc().file(), place, message);
            let hint = "base = \"worklist/default\", or another file of devices/";
            root.doc().report(problem.hint(hint));
            None
        }
    }
}

/// Reports a file that stands on too many others: a value of a worklist passes through the default, a vendor's model and the device.
fn too_deep(model: &Model, root: &Table<'_>) {
    let (code, most, hint) = match model.kind {
        FileKind::Worklist | FileKind::Device => {
            ("M117", 3, "worklist/default, a vendor's model, the device")
        }
        _ => ("M091", 4, "put two of them together"),
    };
    // The same file of several layers is one step.
    let mut names: Vec<&str> = model.bases.iter().map(String::as_str).collect();
    names.push(&model.name);
    names.sort_unstable();
    names.dedup();
    if names.len() > most {
        let place = root.item("base").map_or(0..0, |base| base.outer_span());
        let message = format!("{} files deep", names.len());
        let problem = Diagnostic::error(code, root.doc().file(), place, message);
        let chain = model.bases.join(" <- ");
        let hint = format!("at most {most}: {hint}");
        root.doc().report(problem.label(chain).hint(hint));
    }
}

/// Reports `format` or `base` below a header, where they belong to the table before them; true if they are not there.
fn root_keys_stand_at_the_root(root: &Table<'_>) -> bool {
    let mut all = true;
    for key in ["format", "base"] {
        if root.has(key) {
            continue;
        }
        for (name, item) in root.entries() {
            if matches!(name.value, "const" | "extra") {
                continue;
            }
            let blocks = item.as_array().unwrap_or_else(|| vec![item]);
            let inside = blocks.into_iter().filter_map(|b| b.as_table(name.value));
            for (found, _) in inside.flat_map(|t| t.entries().collect::<Vec<_>>()) {
                if found.value == key
                    && let Some(problem) = section::wrong_table(name.value, key, &found.span)
                {
                    root.doc().report(problem.in_file(root.doc().file()));
                    all = false;
                }
            }
        }
    }
    all
}

/// What must be known before any rule can be read.
struct Header {
    kind: FileKind,
}

impl Header {
    fn read(root: &Table<'_>, parent: Option<&Model>) -> Option<Self> {
        let to = root.table("to");
        let from = root.table("from");
        let said =
            |table: &Option<Table<'_>>, key: &str| -> Option<(String, std::ops::Range<usize>)> {
                let text = table.as_ref()?.text(key)?;
                Some((text.value.to_owned(), text.span))
            };
        let resource = said(&to, "resource").or_else(|| said(&to, "shape"));
        let kind = match (said(&to, "kind"), resource, said(&from, "kind")) {
            (Some((word, _)), ..) if word == "dicom.mwl" => Ok(FileKind::Worklist),
            (_, Some((name, span)), _) => match shape::shape(&name) {
                Some(shape) => Ok(FileKind::Resource(shape)),
                None => Err((span, shape::SHAPES.iter().map(|s| s.resource).collect::<Vec<_>>().join(", "))),
            },
            (Some((_, span)), ..) => Err((span, "dicom.mwl".to_owned())),
            (None, None, Some((word, _))) if word == "hl7v2" => Ok(FileKind::Hl7),
            (None, None, Some((word, _))) if word == "dicom.mpps" => Ok(FileKind::Mpps),
            (None, None, other) => match (parent, other) {
                (Some(parent), None) => Ok(parent.kind),
                (_, other) => Err((
                    other.map_or(0..0, |(_, span)| span),
                    "[from] kind = \"hl7v2\" or \"dicom.mpps\", [to] kind = \"dicom.mwl\", [to] resource = \"fhir.Patient\" ..."
                        .to_owned(),
                )),
            },
        };
        match kind {
            Ok(kind) => Some(Self { kind }),
            Err((span, allowed)) => {
                let problem = Diagnostic::error(
                    "M009",
                    root.doc().file(),
                    span,
                    "it is not said what this file maps",
                );
                root.doc()
                    .report(problem.hint(format!("allowed: {allowed}")));
                None
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
