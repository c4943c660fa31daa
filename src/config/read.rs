//! From the text of a configuration to [`Config`], or to every problem it has.

use super::settings::{SECTIONS, keys_of};
use super::{
    Config, DEFAULT_LINK, Dicom, Http, Link, LinkKind, Match, Mllp, Site, Target, TargetKind,
};
use crate::diagnostic::Diagnostic;
use crate::domain::policy::Policy;
use crate::domain::time::Role;
use crate::domain::value::Issuer;
use crate::hl7::charset::Charset;
use crate::hl7::message::Contradiction;
use crate::toml_file::{At, Codes, Doc, Table};
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CODES: Codes = Codes {
    syntax: "C001",
    unknown_key: "C002",
    bad_value: "C003",
    missing: "C004",
};
/// Sections whose settings the environment may give: single values only.
const SCALAR: [&str; 5] = ["site", "store", "mllp", "dicom", "http"];
/// A value that contradicts another one.
const CONFLICT: &str = "C005";

/// INS-NIR and INS-NIA in production (identity framework of the Agence du numérique en santé).
const INS_OIDS: [&str; 2] = ["1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"];

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
        Some(Config {
            site: site?,
            store_url: store_url?,
            mllp: mllp?,
            dicom: dicom?,
            http: http?,
            mapping_dirs,
            links,
            targets,
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

    fn wrong(&self, span: Range<usize>, section: &str, key: &str, allowed: &str) {
        self.root.report(
            CODES.bad_value,
            span,
            format!("{section}.{key} is not {allowed}"),
        );
    }

    fn site(&self) -> Option<Site> {
        self.section("site");
        let name = self.required("site", "name");
        let root = self.required("site", "oid_root");
        if let Some(root) = root.as_ref().filter(|r| !is_oid(r.value)) {
            self.wrong(
                root.span.clone(),
                "site",
                "oid_root",
                "an OID: numbers with dots, at most 40 characters",
            );
        }
        let (timezone, zone) = match self.text("site", "timezone") {
            Some(text) => (text.value.to_owned(), self.zone(&text, "site.timezone")?),
            None => (
                "Europe/Paris".to_owned(),
                TimeZone::get("Europe/Paris").ok()?,
            ),
        };
        Some(Site {
            name: name?.value.to_owned(),
            oid_root: root?.value.to_owned(),
            zone,
            timezone,
        })
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

    fn store_url(&self) -> Option<String> {
        self.section("store");
        let url = self.required("store", "url")?;
        if let Some(path) = url.value.strip_prefix("sqlite://") {
            return Some(format!("sqlite://{}", self.dir.join(path).display()));
        }
        if url.value.starts_with("postgres://") || url.value.starts_with("postgresql://") {
            return Some(url.value.to_owned());
        }
        self.wrong(
            url.span,
            "store",
            "url",
            "sqlite://PATH or postgres://USER@HOST/DATABASE",
        );
        None
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

    fn mllp(&self) -> Option<Mllp> {
        self.section("mllp");
        Some(Mllp {
            max_message_bytes: size(self.number("mllp", "max_message_mib", 1..=256, 16)) << 20,
            max_connections: size(self.number("mllp", "max_connections", 1..=10_000, 256)),
            idle: seconds(self.number("mllp", "idle_seconds", 1..=86_400, 3_600)),
            listen: self.address("mllp", "127.0.0.1:2575")?.value,
        })
    }

    fn dicom(&self) -> Option<Dicom> {
        self.section("dicom");
        let ae = self.text("dicom", "ae_title").unwrap_or(At {
            value: "RELAIS",
            span: 0..0,
        });
        if !is_ae(ae.value) {
            self.wrong(
                ae.span.clone(),
                "dicom",
                "ae_title",
                "an AE title: 1 to 16 printable characters without backslash",
            );
        }
        Some(Dicom {
            ae_title: ae.value.to_owned(),
            max_associations: size(self.number("dicom", "max_associations", 1..=10_000, 200)),
            idle: seconds(self.number("dicom", "idle_seconds", 1..=86_400, 600)),
            max_results: size(self.number("dicom", "max_results", 1..=100_000, 1_000)),
            listen: self.address("dicom", "127.0.0.1:11112")?.value,
        })
    }

    fn http(&self) -> Option<Http> {
        self.section("http");
        let listen = self.address("http", "127.0.0.1:8080")?;
        let token_file = self
            .text("http", "token_file")
            .map(|t| self.dir.join(t.value));
        if !listen.value.ip().is_loopback() && token_file.is_none() {
            let text = "http.listen is not a loopback address: set http.token_file, or listen on 127.0.0.1";
            self.root.report(CONFLICT, listen.span, text);
        }
        Some(Http {
            listen: listen.value,
            token_file,
        })
    }

    fn links(&self, site_zone: &(String, TimeZone), site_policy: Policy) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for table in self.root.tables("link") {
            table.finish(&keys_of("link"));
            let Some(link) = self.link(&table, site_zone, site_policy) else {
                continue;
            };
            if links.iter().any(|l| l.name == link.name) {
                table.report(
                    CONFLICT,
                    table.span(),
                    format!("two links are named `{}`", link.name),
                );
            }
            links.push(link);
        }
        if !links.iter().any(|l| l.name == DEFAULT_LINK) {
            links.push(Link {
                name: DEFAULT_LINK.to_owned(),
                kind: LinkKind::Mllp,
                matches: Match::default(),
                charset: None,
                contradiction: Contradiction::Refuse,
                zone: site_zone.1.clone(),
                timezone: site_zone.0.clone(),
                role: Role::Order,
                default_issuer: None,
                patient_authorities: vec![],
                ins_authorities: INS_OIDS.map(oid).to_vec(),
                inbound: vec![],
                processing: vec!["P".to_owned()],
                policy: site_policy,
            });
        }
        links
    }

    fn link(
        &self,
        table: &Table<'d>,
        site_zone: &(String, TimeZone),
        site_policy: Policy,
    ) -> Option<Link> {
        let name = table.required_text("name");
        let charset = table.text("charset").and_then(|text| {
            let charset = Charset::of_hl7(text.value);
            if charset.is_none() {
                let message = format!("link.charset: no character set `{}`; use a code of HL7 table 0211, such as 8859/1 or UNICODE UTF-8", text.value);
                table.report(CODES.bad_value, text.span, message);
            }
            charset
        });
        let zone = table
            .text("timezone")
            .and_then(|t| Some((t.value.to_owned(), self.zone(&t, "link.timezone")?)));
        let (timezone, zone) = zone.unwrap_or_else(|| site_zone.clone());
        let texts = |key| {
            table
                .texts(key)
                .unwrap_or_default()
                .iter()
                .map(|t| t.value.to_owned())
                .collect::<Vec<_>>()
        };
        let issuers = |key| {
            table
                .texts(key)
                .map(|list| list.iter().map(|t| issuer_of(t.value)).collect::<Vec<_>>())
        };
        let processing = table.has("processing").then(|| texts("processing"));
        Some(Link {
            kind: match table.word("kind", &["mllp", "dicom"]).map(|w| w.value) {
                Some("dicom") => LinkKind::Dicom,
                _ => LinkKind::Mllp,
            },
            matches: table
                .table("match")
                .map(|t| matches(&t))
                .unwrap_or_default(),
            charset,
            contradiction: match table
                .word("charset_contradiction", &["refuse", "utf8"])
                .map(|w| w.value)
            {
                Some("utf8") => Contradiction::TakeAsUtf8,
                _ => Contradiction::Refuse,
            },
            zone,
            timezone,
            role: match table
                .word("role", &["order", "scheduled", "adt", "report"])
                .map(|w| w.value)
            {
                Some("scheduled") => Role::Scheduled,
                Some("adt") => Role::Adt,
                Some("report") => Role::Mention,
                _ => Role::Order,
            },
            default_issuer: table
                .table("default_issuer")
                .and_then(|t| default_issuer(&t)),
            patient_authorities: issuers("patient_authorities").unwrap_or_default(),
            ins_authorities: issuers("ins_authorities")
                .unwrap_or_else(|| INS_OIDS.map(oid).to_vec()),
            inbound: texts("inbound"),
            processing: processing.unwrap_or_else(|| vec!["P".to_owned()]),
            policy: table.table("policy").map_or(site_policy, |t| {
                t.finish(&keys_of("policy"));
                policy(&t, site_policy)
            }),
            name: name?.value.to_owned(),
        })
    }

    fn targets(&self) -> Vec<Target> {
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

fn matches(table: &Table<'_>) -> Match {
    table.finish(&["msh3", "msh4", "address", "ae"]);
    let text = |key| table.text(key).map(|t| t.value.to_owned());
    let address = table.text("address").and_then(|t| {
        let address = t.value.parse().ok();
        if address.is_none() {
            table.report(
                CODES.bad_value,
                t.span,
                "link.match.address is not an IP address",
            );
        }
        address
    });
    Match {
        msh3: text("msh3"),
        msh4: text("msh4"),
        address,
        ae: text("ae"),
    }
}

fn default_issuer(table: &Table<'_>) -> Option<Issuer> {
    table.finish(&["name", "oid"]);
    let namespace = table.text("name").map(|t| t.value.to_owned());
    let oid = table.text("oid").filter(|t| {
        let good = is_oid(t.value);
        if !good {
            table.report(
                CODES.bad_value,
                t.span.clone(),
                "link.default_issuer.oid is not an OID",
            );
        }
        good
    });
    if namespace.is_none() && oid.is_none() {
        table.report(
            CODES.missing,
            table.span(),
            "link.default_issuer needs a name, an oid or both",
        );
        return None;
    }
    let scheme = oid.as_ref().map(|_| "ISO".to_owned());
    Some(Issuer {
        namespace,
        universal_id: oid.map(|o| o.value.to_owned()),
        scheme,
    })
}

fn policy(table: &Table<'_>, base: Policy) -> Policy {
    use crate::domain::policy::{
        CancelAfterStart, DiscontinuedWithoutImages, DuplicateMpps, MissingStudyUid, UnknownOrder,
    };
    let word = |key, words: &[&'static str]| table.word(key, words).map(|w| w.value);
    Policy {
        unknown_order: match word("unknown_order", &["tombstone", "refuse"]) {
            Some("tombstone") => UnknownOrder::Tombstone,
            Some(_) => UnknownOrder::Refuse,
            None => base.unknown_order,
        },
        missing_study_uid: match word("missing_study_uid", &["generate", "reject"]) {
            Some("generate") => MissingStudyUid::Generate,
            Some(_) => MissingStudyUid::Reject,
            None => base.missing_study_uid,
        },
        cancel_after_start: match word("cancel_after_start", &["refuse", "flag"]) {
            Some("refuse") => CancelAfterStart::Refuse,
            Some(_) => CancelAfterStart::Flag,
            None => base.cancel_after_start,
        },
        discontinued_without_images: match word(
            "discontinued_without_images",
            &["reschedule", "discontinue"],
        ) {
            Some("reschedule") => DiscontinuedWithoutImages::Reschedule,
            Some(_) => DiscontinuedWithoutImages::Discontinue,
            None => base.discontinued_without_images,
        },
        duplicate_mpps: match word("duplicate_mpps", &["refuse", "accept"]) {
            Some("refuse") => DuplicateMpps::Refuse,
            Some(_) => DuplicateMpps::Accept,
            None => base.duplicate_mpps,
        },
    }
}

fn is_oid(text: &str) -> bool {
    text.len() <= 40
        && text.contains('.')
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn is_ae(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text
            .bytes()
            .all(|b| (0x20..0x7f).contains(&b) && b != b'\\')
        && !text.trim().is_empty()
}

fn oid(text: &str) -> Issuer {
    Issuer {
        namespace: None,
        universal_id: Some(text.to_owned()),
        scheme: Some("ISO".to_owned()),
    }
}

fn issuer_of(text: &str) -> Issuer {
    if is_oid(text) {
        oid(text)
    } else {
        Issuer {
            namespace: Some(text.to_owned()),
            ..Issuer::default()
        }
    }
}

fn size(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(n.unsigned_abs())
}

/// Fuzz target: any bytes as a configuration.
pub fn fuzz_config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = read("fuzz.toml", text, Path::new("."), &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::render;

    const GOOD: &str = include_str!("../../relais.toml");

    fn problems(text: &str) -> Vec<String> {
        match read("relais.toml", text, Path::new("/site"), &[]) {
            Ok(_) => vec![],
            Err(problems) => problems.iter().map(|p| render(p, text)).collect(),
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
