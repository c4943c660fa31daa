//! Profile packs: `profiles/NAME@VERSION.toml`, read and held against the shapes.
//!
//! A pack says, by resource, which profile is claimed when, which targets and codes it demands and which targets it opens. What can be
//! wrong with it is found here; `fhir::shape::dress` does what it says. Rule upheld: a pack cannot ask for a structure that is no code.

use super::check;
use super::load::{FileReader, TOML_CODES};
use super::model::{FileKind, Guard, Library, Model, SourceFile};
use super::parser::Problem;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::fhir::profile::{BasedOn, Code, IdentifierRule, Own, Profile, Structure, value_type};
use crate::fhir::shape::add::VALUE_TYPES;
use crate::fhir::shape::{KindName, SHAPES, Shape, Target};
use crate::toml_file::{At, Doc, Item, Table};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A loaded pack.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    /// `fr-core`.
    pub name: String,
    /// By resource type.
    pub resources: BTreeMap<&'static str, Vec<Choice>>,
}

/// A profile, and when it is the one to claim.
#[derive(Debug, Clone)]
pub struct Choice {
    pub when: Option<Guard>,
    pub profile: Arc<Profile>,
}

impl Pack {
    /// The target of a name that the pack opens in a resource.
    pub fn own(&self, type_: &str, name: &str) -> Option<&Own> {
        self.profiles(type_).find_map(|p| p.own(name))
    }

    /// Its profiles of a resource.
    pub fn profiles(&self, type_: &str) -> impl Iterator<Item = &Profile> {
        let choices = self.resources.get(type_);
        choices.into_iter().flatten().map(|c| c.profile.as_ref())
    }
}

/// The packs of a name, or the one of a name with its version.
pub fn packs_of<'l>(library: &'l Library, name: &'l str) -> impl Iterator<Item = &'l Pack> {
    let meant = move |(full, pack): &(&String, &Pack)| *full == name || pack.name == name;
    library.packs.iter().filter(meant).map(|(_, pack)| pack)
}

/// `fr-core@2.2.0` of `profiles/fr-core@2.2.0.toml`.
pub fn full_name(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("profiles/")?.strip_suffix(".toml")?;
    (!rest.contains('/')).then_some(rest)
}

/// Reads a pack into the library; problems are those of its file.
pub fn load(file: &SourceFile, full: &str, library: &mut Library) -> Vec<Diagnostic> {
    let label: Arc<str> = file.name.as_str().into();
    let doc = Doc::parse(&label, &file.text, TOML_CODES);
    let root = doc.root();
    if root.require("format") {
        root.integer("format", 1..=1);
    }
    root.required_text("source");
    root.required_text("licence");
    let Some((name, version)) = full
        .split_once('@')
        .filter(|(n, v)| !n.is_empty() && !v.is_empty())
    else {
        let message = "the name of a pack has no version";
        let problem = Diagnostic::error("M092", doc.file(), 0..0, message);
        doc.report(problem.hint("name the file NAME@VERSION.toml: profiles/fr-core@2.2.0.toml"));
        return doc.into_problems();
    };
    let mut pack = Pack {
        name: name.to_owned(),
        ..Pack::default()
    };
    let types: Vec<&str> = SHAPES.iter().map(|s| s.type_name()).collect();
    let mut known = vec!["format", "source", "licence"];
    known.extend(&types);
    root.finish(&known);
    for shape in SHAPES {
        if let Some(table) = root.table(shape.type_name()) {
            let mut reader = Reader {
                doc: &doc,
                library,
                shape,
                pack: format!("{name}@{version}"),
            };
            let choices = reader.resource(&table);
            pack.resources.insert(shape.type_name(), choices);
        }
    }
    library.packs.insert(full.to_owned(), pack);
    doc.into_problems()
}

struct Reader<'r, 'd> {
    doc: &'r Doc<'d>,
    library: &'r Library,
    shape: &'static Shape,
    pack: String,
}

impl Reader<'_, '_> {
    fn report(&self, problem: Problem) {
        self.doc.report(problem.in_file(self.doc.file()));
    }

    fn resource(&mut self, table: &Table<'_>) -> Vec<Choice> {
        table.finish(&[
            "profile",
            "required",
            "codes",
            "fixed",
            "identifier",
            "identity",
            "based_on",
            "target",
        ]);
        let own = self.own_targets(table);
        let shared = Profile {
            pack: self.pack.clone(),
            url: String::new(),
            required: vec![],
            codes: self.codes(table),
            fixed: self.fixed(table),
            identifiers: self.identifiers(table),
            identity: table.table("identity").and_then(|t| code(&t)),
            based_on: self.based_on(table),
            own,
        };
        let always = self.required(table, &shared.own);
        let mut choices = Vec::new();
        for entry in table.tables("profile") {
            entry.finish(&["url", "when", "required"]);
            let Some(url) = entry.required_text("url") else {
                continue;
            };
            self.absolute(&url);
            let when = entry.item("when").and_then(|item| self.condition(&item));
            let mut required = always.clone();
            required.extend(self.required(&entry, &shared.own));
            choices.push(Choice {
                when,
                profile: Arc::new(Profile {
                    url: url.value.to_owned(),
                    required,
                    ..shared.clone()
                }),
            });
        }
        if choices.is_empty() {
            let message = format!("{} claims no profile", self.shape.type_name());
            self.report(Problem::new("M092", table.span(), message).hint(format!(
                "add [[{}.profile]] with its url",
                self.shape.type_name()
            )));
        }
        choices
    }

    /// A condition over the names that the shape's rules see.
    fn condition(&self, item: &Item<'_>) -> Option<Guard> {
        let mut model = Model::empty(FileKind::Resource(self.shape));
        let reader = FileReader {
            doc: self.doc,
            model: &mut model,
            library: self.library,
        };
        let cond = reader.condition(item, check::Place::Selection)?;
        let label = reader.label(item.span().start);
        Some(Guard { cond, label })
    }

    fn absolute(&self, url: &At<&str>) {
        if !url.value.starts_with("http://") && !url.value.starts_with("https://") {
            let problem = Problem::new("M094", url.span.clone(), "this is no absolute address");
            self.report(problem.label("http://... or https://..."));
        }
    }

    fn known(&self, name: &At<&str>, own: &[Own]) -> bool {
        let names = || {
            let shapes = self.shape.targets.iter().map(|t| t.name);
            shapes.chain(own.iter().map(|o| o.name.as_str()))
        };
        let known = names().any(|n| n == name.value);
        if !known {
            let message = format!("{} has no target `{}`", self.shape.resource, name.value);
            let hint = did_you_mean(name.value, names());
            self.report(Problem::new("M062", name.span.clone(), message).maybe_hint(hint));
        }
        known
    }

    fn required(&self, table: &Table<'_>, own: &[Own]) -> Vec<String> {
        let listed = table.texts("required").unwrap_or_default();
        let known = listed.iter().filter(|name| self.known(name, own));
        known.map(|name| name.value.to_owned()).collect()
    }

    /// Value sets: none may allow what FHIR does not.
    fn codes(&self, table: &Table<'_>) -> BTreeMap<String, Vec<String>> {
        let mut sets = BTreeMap::new();
        let Some(table) = table.table("codes") else {
            return sets;
        };
        for (key, _) in table.entries() {
            if !self.known(&key, &[]) {
                continue;
            }
            let codes = table.texts(key.value).unwrap_or_default();
            let allowed = self.shape.target(key.value).map_or(&[][..], |t| t.codes);
            for code in codes.iter().filter(|_| !allowed.is_empty()) {
                if !allowed.contains(&code.value) {
                    let message = format!("`{}` is no code of FHIR here", code.value);
                    self.report(
                        Problem::new("M064", code.span.clone(), message)
                            .label(format!("allowed: {}", allowed.join(", "))),
                    );
                }
            }
            let codes = codes.iter().map(|c| c.value.to_owned()).collect();
            sets.insert(key.value.to_owned(), codes);
        }
        sets
    }

    /// Codes that must be there: targets that take several concepts.
    fn fixed(&self, table: &Table<'_>) -> BTreeMap<String, Vec<Code>> {
        let mut fixed = BTreeMap::new();
        let Some(table) = table.table("fixed") else {
            return fixed;
        };
        for (key, item) in table.entries() {
            let target = self.shape.target(key.value);
            let fits = target.is_some_and(|t| t.list && t.kinds.contains(&KindName::Concept));
            if !fits {
                let message = format!("`{}` does not take several codes", key.value);
                let several = |t: &&Target| t.list && t.kinds.contains(&KindName::Concept);
                let several = self.shape.targets.iter().filter(several);
                let several: Vec<&str> = several.map(|t| t.name).collect();
                let allowed = match several.as_slice() {
                    [] => format!("no target of {} does", self.shape.resource),
                    several => format!("allowed: {}", several.join(", ")),
                };
                self.report(Problem::new("M092", key.span.clone(), message).label(allowed));
                continue;
            }
            let entries = item.as_array().unwrap_or_else(|| vec![item]);
            let entries = entries.iter().filter_map(|e| e.as_table(key.value));
            let codes: Vec<Code> = entries.filter_map(|e| code(&e)).collect();
            fixed.insert(key.value.to_owned(), codes);
        }
        fixed
    }

    fn identifiers(&self, table: &Table<'_>) -> BTreeMap<String, IdentifierRule> {
        const USES: &[&str] = &["usual", "official", "temp", "secondary", "old"];
        let mut rules = BTreeMap::new();
        let Some(table) = table.table("identifier") else {
            return rules;
        };
        for (key, item) in table.entries() {
            let Some(entry) = item.as_table(key.value) else {
                item.wrong("a table with use or type");
                continue;
            };
            entry.finish(&["use", "type"]);
            let rule = IdentifierRule {
                use_: entry.word("use", USES).map(|w| w.value.to_owned()),
                type_: entry.table("type").and_then(|t| code(&t)),
            };
            rules.insert(key.value.to_owned(), rule);
        }
        rules
    }

    fn based_on(&self, table: &Table<'_>) -> BasedOn {
        let words: Vec<&'static str> = BasedOn::WORDS.iter().map(|(w, _)| *w).collect();
        let Some(word) = table.word("based_on", &words) else {
            return BasedOn::default();
        };
        if self.shape.target("basedOn").is_none() {
            let message = format!("{} has no basedOn", self.shape.resource);
            let problem = Problem::new("M092", word.span.clone(), message);
            self.report(problem.hint("take the line out"));
        }
        let found = BasedOn::WORDS.iter().find(|(w, _)| *w == word.value);
        found.map_or(BasedOn::default(), |(_, form)| *form)
    }

    fn own_targets(&self, table: &Table<'_>) -> Vec<Own> {
        let Some(table) = table.table("target") else {
            return vec![];
        };
        let mut own = Vec::new();
        for (key, item) in table.entries() {
            if self.shape.target(key.value).is_some() {
                let message = format!("{} has a target `{}`", self.shape.resource, key.value);
                self.report(
                    Problem::new("M092", key.span.clone(), message)
                        .hint("a pack opens targets under names of its own"),
                );
                continue;
            }
            match item.as_table(key.value) {
                Some(entry) => own.extend(self.own(key.value, &entry)),
                None => item.wrong("a table with structure and url"),
            }
        }
        own
    }

    fn own(&self, name: &str, entry: &Table<'_>) -> Option<Own> {
        let words: Vec<&'static str> = Structure::WORDS.iter().map(|(w, ..)| *w).collect();
        entry.require("structure");
        let word = entry.word("structure", &words)?;
        let (_, structure, needed) = Structure::WORDS.iter().find(|(w, ..)| *w == word.value)?;
        let mut known = vec!["structure", "url", "codes", "system"];
        known.extend(*needed);
        entry.finish(&known);
        let url = entry.required_text("url")?;
        self.absolute(&url);
        let text = |key: &str| match needed.contains(&key) {
            true => entry.required_text(key).map(|t| t.value.to_owned()),
            false => Some(String::new()),
        };
        let type_ = match needed.contains(&"type") {
            true => {
                let type_ = entry.required_text("type")?;
                let found = value_type(type_.value);
                if found.is_none() {
                    let names: Vec<&str> = VALUE_TYPES.iter().map(|t| t.fhir()).collect();
                    let message = format!("there is no type `{}`", type_.value);
                    self.report(
                        Problem::new("M092", type_.span.clone(), message)
                            .label(format!("types: {}", names.join(", ")))
                            .maybe_hint(did_you_mean(type_.value, names.iter().copied())),
                    );
                }
                found?
            }
            false => VALUE_TYPES.first()?,
        };
        let codes = entry.texts("codes").unwrap_or_default();
        Some(Own {
            name: name.to_owned(),
            structure: *structure,
            url: url.value.to_owned(),
            part: text("part")?,
            type_,
            system: entry.text("system").map(|s| s.value.to_owned()),
            codes: codes.iter().map(|c| c.value.to_owned()).collect(),
            code_url: text("code_url")?,
            code_system: text("code_system")?,
        })
    }
}

/// `{ system, code, display }`.
fn code(entry: &Table<'_>) -> Option<Code> {
    entry.finish(&["system", "code", "display"]);
    Some(Code {
        system: entry.required_text("system")?.value.to_owned(),
        code: entry.required_text("code")?.value.to_owned(),
        display: entry.text("display").map(|d| d.value.to_owned()),
    })
}

#[cfg(test)]
mod tests;
