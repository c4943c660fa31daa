//! From the text of a configuration to [`Config`], or to every problem it has. One file below for each group of sections.

mod links;
mod ports;
mod retention;
mod targets;

use super::Config;
use super::settings::{SECTIONS, keys_of};
use crate::diagnostic::Diagnostic;
use crate::domain::policy::Policy;
use crate::fuzzing;
use crate::toml_file::{At, Codes, Doc, Table};
use jiff::tz::TimeZone;
use links::policy;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CODES: Codes = Codes {
    syntax: "C001",
    twice: "C001",
    unknown_key: "C002",
    bad_value: "C003",
    missing: "C004",
};
/// Sections whose settings the environment may give: single values only.
const SCALAR: [&str; 7] = [
    "site",
    "store",
    "mllp",
    "dicom",
    "http",
    "retention",
    "watch",
];
/// A value that contradicts another one.
const CONFLICT: &str = "C005";

/// Reads the text of a configuration file. `dir` is where relative paths start. `environment` holds `RELAIS_SECTION_KEY` variables,
/// which win over the file.
pub fn read(
    file: &str,
    text: &str,
    dir: &Path,
    environment: &[(String, String)],
) -> Result<Config, Vec<Diagnostic>> {
    let file: Arc<str> = Arc::from(file);
    let doc = Doc::parse(&file, text, CODES);
    let config = Walk {
        root: doc.root(),
        dir,
        environment,
    }
    .config();
    let problems = doc.into_problems();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

struct Walk<'d> {
    root: Table<'d>,
    dir: &'d Path,
    environment: &'d [(String, String)],
}

impl<'d> Walk<'d> {
    fn config(&self) -> Option<Config> {
        let sections: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        self.root.finish(&sections);
        self.check_environment();
        let site = self.site();
        let policy = self
            .section("policy")
            .map_or_else(Policy::default, |t| policy(&t, Policy::default()));
        let zone = site
            .as_ref()
            .map_or(("Europe/Paris".to_owned(), TimeZone::UTC), |s| {
                (s.timezone.clone(), s.zone.clone())
            });
        let store_url = self.store_url();
        let mllp = self.mllp();
        let dicom = self.dicom();
        let http = self.http();
        let mapping_dirs = self
            .section("mappings")
            .and_then(|t| t.texts("dirs"))
            .unwrap_or_default();
        let mapping_dirs = mapping_dirs
            .iter()
            .map(|d| self.dir.join(d.value))
            .collect();
        let links = self.links(&zone, policy);
        let targets = self.targets();
        let retention = self.retention();
        let watch = self.watch();
        Some(Config {
            site: site?,
            store_url: store_url?,
            mllp: mllp?,
            dicom: dicom?,
            http: http?,
            mapping_dirs,
            links,
            targets,
            retention,
            watch,
        })
    }

    /// A `[section]`, its unknown keys reported.
    fn section(&self, name: &str) -> Option<Table<'d>> {
        let table = self.root.table(name)?;
        table.finish(&keys_of(name));
        Some(table)
    }

    fn env(&self, section: &str, key: &str) -> Option<&'d str> {
        let name = format!("RELAIS_{}_{}", section.to_uppercase(), key.to_uppercase());
        self.environment
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    fn check_environment(&self) {
        let single = |name: &&(&str, bool)| !name.1;
        for (name, _) in self.environment {
            let known = SECTIONS
                .iter()
                .filter(single)
                .filter(|(section, _)| SCALAR.contains(section))
                .any(|(section, _)| {
                    keys_of(section).iter().any(|key| {
                        *name == format!("RELAIS_{}_{}", section.to_uppercase(), key.to_uppercase())
                    })
                });
            if !known {
                self.root.report(
                    CODES.unknown_key,
                    0..0,
                    format!("the environment variable {name} is no setting"),
                );
            }
        }
    }

    /// A text setting: the environment, else the file.
    fn text(&self, section: &str, key: &'static str) -> Option<At<&'d str>> {
        let table = self.section_quiet(section);
        if let Some(value) = self.env(section, key) {
            return Some(At { value, span: 0..0 });
        }
        table.and_then(|t| t.text(key))
    }

    fn section_quiet(&self, name: &str) -> Option<Table<'d>> {
        self.root.table(name)
    }

    fn required(&self, section: &str, key: &'static str) -> Option<At<&'d str>> {
        let found = self.text(section, key);
        if found.is_none() && !self.section_quiet(section).is_some_and(|t| t.has(key)) {
            self.root
                .report(CODES.missing, 0..0, format!("{section}.{key} is missing"));
        }
        found
    }

    fn number(
        &self,
        section: &str,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        default: i64,
    ) -> i64 {
        if let Some(text) = self.env(section, key) {
            match text.parse().ok().filter(|n| range.contains(n)) {
                Some(n) => return n,
                None => self.wrong(
                    0..0,
                    section,
                    key,
                    &format!("a whole number from {} to {}", range.start(), range.end()),
                ),
            }
        }
        self.section_quiet(section)
            .and_then(|t| t.integer(key, range))
            .map_or(default, |n| n.value)
    }

    fn word(
        &self,
        section: &str,
        key: &'static str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let text = self.text(section, key)?;
        let found = words.iter().find(|word| **word == text.value).copied();
        if found.is_none() {
            self.wrong(text.span, section, key, &words.join(" or "));
        }
        found
    }

    fn wrong(&self, span: Range<usize>, section: &str, key: &str, allowed: &str) {
        self.root.report(
            CODES.bad_value,
            span,
            format!("{section}.{key} is not {allowed}"),
        );
    }

    fn zone(&self, text: &At<&str>, what: &str) -> Option<TimeZone> {
        let zone = TimeZone::get(text.value).ok();
        if zone.is_none() {
            self.root.report(
                CODES.bad_value,
                text.span.clone(),
                format!(
                    "{what}: no IANA time zone `{}`, such as Europe/Paris",
                    text.value
                ),
            );
        }
        zone
    }

    fn address(&self, section: &str, default: &str) -> Option<At<SocketAddr>> {
        let text = self.text(section, "listen").unwrap_or(At {
            value: "",
            span: 0..0,
        });
        let value = if text.value.is_empty() {
            default
        } else {
            text.value
        };
        match value.parse() {
            Ok(value) => Some(At {
                value,
                span: text.span,
            }),
            Err(_) => {
                self.wrong(
                    text.span,
                    section,
                    "listen",
                    "ADDRESS:PORT, such as 127.0.0.1:2575",
                );
                None
            }
        }
    }
}

fn is_oid(text: &str) -> bool {
    text.len() <= 40
        && text.contains('.')
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn size(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(n.unsigned_abs())
}

/// Fuzz target: any bytes as a configuration.
pub fn fuzz_config(data: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(data) else {
        return 0;
    };
    match read("fuzz.toml", text, Path::new("."), &[]) {
        Ok(config) => fuzzing::shape((
            fuzzing::size(config.links.len()),
            fuzzing::size(config.targets.len()),
        )),
        Err(problems) => {
            for problem in &problems {
                crate::diagnostic::render(problem, text);
            }
            // The first word of a message names the key.
            let key = |p: &Diagnostic| {
                let mut words = p.message.split([' ', ':']);
                (p.code, words.next().map(str::len))
            };
            fuzzing::shape(problems.iter().map(key).collect::<BTreeSet<_>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_LINK;
    use crate::diagnostic::render;
    use crate::domain::value::Issuer;
    use crate::fhir::reference::{Mode, Style};

    const GOOD: &str = include_str!("../../relais.toml");

    fn problems(text: &str) -> Vec<String> {
        match read("relais.toml", text, Path::new("/site"), &[]) {
            Ok(_) => vec![],
            Err(problems) => problems.iter().map(|p| render(p, text)).collect(),
        }
    }

    #[test]
    fn a_target_chooses_packs_and_how_resources_are_written() {
        let with = |lines: &str| format!("{GOOD}\n{lines}\n");
        let good = with(
            "profiles = [\"fr-core@2.2.0\"]\nreferences = \"conditional\"\n\
             resources = { contained = [\"Practitioner\"], create-if-missing = [\"Patient\"] }",
        );
        let config = read("relais.toml", &good, Path::new("/site"), &[]).expect("good");
        let target = config.targets.last().expect("a target");
        assert_eq!(target.profiles, ["fr-core@2.2.0"]);
        assert_eq!(target.references.mode("Practitioner"), Mode::Contained);
        assert_eq!(target.references.mode("Patient"), Mode::CreateIfMissing);
        assert_eq!(target.references.style, Style::Conditional);
        for (lines, cure) in [
            ("profiles = [\"fr-core\"]", "with its version"),
            ("profiles = [\"a@1\", \"a@2\"]", "two versions"),
            (
                "resources = { contained = [\"Patient\"] }",
                "create-if-missing",
            ),
            (
                "resources = { off = [\"Device\"], reference = [\"Device\"] }",
                "two words",
            ),
            ("resources = { contaned = [] }", "contained"),
        ] {
            let found = problems(&with(lines));
            assert!(
                found.len() == 1 && found[0].contains(cure),
                "{lines}: {found:?}"
            );
        }
    }

    #[test]
    fn the_default_configuration_is_safe_and_complete() {
        let config =
            read("relais.toml", GOOD, Path::new("/site"), &[]).expect("the default configuration");
        assert!(config.mllp.listen.ip().is_loopback() && config.dicom.listen.ip().is_loopback());
        assert_eq!(config.store_url, "sqlite:///site/data/relais.db");
        assert_eq!(
            config.links.last().map(|l| l.name.as_str()),
            Some(DEFAULT_LINK)
        );
        let ris = config.mllp_link("RISX", "", "127.0.0.1".parse().expect("address"));
        assert_eq!(ris.name, "ris");
        assert_eq!(
            ris.default_issuer.as_ref().map(Issuer::key),
            Some("1.2.250.1.999.1.1")
        );
        assert_eq!(
            config
                .mllp_link("OTHER", "", "127.0.0.1".parse().expect("address"))
                .name,
            DEFAULT_LINK
        );
    }

    #[test]
    fn every_problem_is_reported_at_once_with_its_line() {
        let text = "[site]\nname = \"X\"\noid_root = \"one\"\ntimezone = \"Europe/Pari\"\n[store]\nurl = \"mysql://x\"\n\
                    [http]\nlisten = \"0.0.0.0:8080\"\n[mlp]\n[[link]]\nnme = \"ris\"\ncharset = \"latin1\"\nprocesing = [\"P\"]\n";
        let found = problems(text);
        for expected in [
            "relais.toml:3:",
            "relais.toml:4:",
            "relais.toml:6:",
            "relais.toml:8:",
            "relais.toml:9:",
            "relais.toml:10:",
            "relais.toml:11:",
            "relais.toml:12:",
            "relais.toml:13:",
        ] {
            assert!(
                found.iter().any(|p| p.contains(expected)),
                "no problem at {expected} in\n{}",
                found.join("\n")
            );
        }
    }

    #[test]
    fn retention_has_safe_defaults_and_no_body_outlives_its_row() {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let read = |text: &str| read("relais.toml", text, Path::new("/site"), &[]);
        let kept = read(GOOD).expect("the default configuration").retention;
        assert_eq!(
            [
                kept.bodies,
                kept.journal,
                kept.queries,
                kept.attempts,
                kept.audit
            ],
            [days(90), days(730), days(14), days(90), days(2_190)]
        );
        let (before, rest) = GOOD.split_once("[retention]").expect("a section");
        let (_, after) = rest.split_once("\n\n").expect("sections after it");
        let with = |lines: &str| format!("{before}[retention]\n{lines}\n\n{after}");
        let kept = read(&with("bodies_days = 7\njournal_days = 7")).expect("a short one");
        assert_eq!(kept.retention.journal, days(7));
        for wrong in ["journal_days = 6", "bodies_days = 800", "queries_days = 0"] {
            assert_eq!(problems(&with(wrong)).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_variable_of_the_environment_wins_and_an_unknown_one_is_a_problem() {
        let set = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let read = |environment: &[(String, String)]| {
            read("relais.toml", GOOD, Path::new("/site"), environment)
        };
        let config = read(&set("RELAIS_MLLP_LISTEN", "127.0.0.1:9")).expect("known variable");
        assert_eq!(config.mllp.listen.port(), 9);
        assert!(read(&set("RELAIS_MLLP_LISTN", "127.0.0.1:9")).is_err());
    }
}
