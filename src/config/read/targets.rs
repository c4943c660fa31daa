//! `[[target]]`: where the record is published.

use super::{CODES, CONFLICT, Walk, seconds};
use crate::config::settings::keys_of;
use crate::config::{Target, TargetKind};
use crate::fhir::reference::{Mode, References, Style};
use crate::toml_file::Table;

impl Walk<'_> {
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for table in self.root.tables("target") {
            table.finish(&keys_of("target"));
            let (name, url) = (table.required_text("name"), table.required_text("url"));
            table.require("kind");
            let kind = table.word("kind", &["fhir"]);
            if let Some(url) = url
                .as_ref()
                .filter(|u| !u.value.starts_with("http://") && !u.value.starts_with("https://"))
            {
                table.report(
                    CODES.bad_value,
                    url.span.clone(),
                    "target.url is not http://... or https://...",
                );
            }
            let timeout = table
                .integer("timeout_seconds", 1..=300)
                .map_or(30, |n| n.value);
            let (Some(name), Some(url), Some(_)) = (name, url, kind) else {
                continue;
            };
            if targets.iter().any(|t| t.name == name.value) {
                table.report(
                    CONFLICT,
                    name.span,
                    format!("two targets are named `{}`", name.value),
                );
            }
            targets.push(Target {
                name: name.value.to_owned(),
                kind: TargetKind::Fhir,
                url: url.value.trim_end_matches('/').to_owned(),
                timeout: seconds(timeout),
                profiles: packs(&table),
                references: references(&table),
            });
        }
        targets
    }
}

/// `profiles = ["fr-core@2.2.0"]`; whether there is such a pack is seen when the mapping files are there.
fn packs(table: &Table<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for pack in table.texts("profiles").unwrap_or_default() {
        let name = pack.value.split('@').next().unwrap_or_default();
        let same = |known: &String| known.split('@').next() == Some(name);
        if name == pack.value || name.is_empty() {
            let message = "a profile pack is named with its version: \"fr-core@2.2.0\"";
            table.report(CODES.bad_value, pack.span, message);
        } else if found.iter().any(same) {
            let message = format!("two versions of the profile pack `{name}`");
            table.report(CONFLICT, pack.span, message);
        } else {
            found.push(pack.value.to_owned());
        }
    }
    found
}

/// `references = "logical"`, `resources = { contained = ["Practitioner"] }`.
fn references(table: &Table<'_>) -> References {
    let mut references = References::default();
    let style = table.word("references", &["logical", "conditional"]);
    if style.is_some_and(|s| s.value == "conditional") {
        references.style = Style::Conditional;
    }
    let Some(resources) = table.table("resources") else {
        return references;
    };
    let words: Vec<&str> = Mode::WORDS.iter().map(|(word, _)| *word).collect();
    resources.finish(&words);
    let mut seen: Vec<&str> = Vec::new();
    for (word, mode) in Mode::WORDS {
        for type_ in resources.texts(word).unwrap_or_default() {
            if seen.contains(&type_.value) {
                let message = format!("`{}` stands under two words", type_.value);
                table.report(CONFLICT, type_.span, message);
                continue;
            }
            seen.push(type_.value);
            if let Err(allowed) = references.choose(type_.value, *mode) {
                let message = format!("`{}` cannot be `{word}`; allowed: {allowed}", type_.value);
                table.report(CODES.bad_value, type_.span, message);
            }
        }
    }
    references
}
