//! `[[target]]`: where the record is published.

use super::{CODES, CONFLICT, Walk, seconds};
use crate::config::settings::keys_of;
use crate::config::{Target, TargetKind};

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
            });
        }
        targets
    }
}
