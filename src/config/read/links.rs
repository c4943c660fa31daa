//! `[[link]]` and `[policy]`: who may talk to us, how to read them, what the site chooses.

use super::{CODES, CONFLICT, Walk, is_oid};
use crate::config::settings::keys_of;
use crate::config::{DEFAULT_LINK, Link, LinkKind, Match, Unsupported};
use crate::domain::policy::Policy;
use crate::domain::time::Role;
use crate::domain::value::Issuer;
use crate::hl7::charset::Charset;
use crate::hl7::message::Contradiction;
use crate::toml_file::Table;
use jiff::tz::TimeZone;

/// INS-NIR and INS-NIA in production (identity framework of the Agence du numérique en santé).
const INS_OIDS: [&str; 2] = ["1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"];

impl<'d> Walk<'d> {
    pub(super) fn links(&self, site_zone: &(String, TimeZone), site_policy: Policy) -> Vec<Link> {
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
                unsupported: Unsupported::Refuse,
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
            unsupported: match table
                .word("unsupported", &["refuse", "accept"])
                .map(|w| w.value)
            {
                Some("accept") => Unsupported::Accept,
                _ => Unsupported::Refuse,
            },
            policy: table.table("policy").map_or(site_policy, |t| {
                t.finish(&keys_of("policy"));
                policy(&t, site_policy)
            }),
            name: name?.value.to_owned(),
        })
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

pub(super) fn policy(table: &Table<'_>, base: Policy) -> Policy {
    use crate::domain::policy::{
        CancelAfterStart, DiscontinuedWithoutImages, DuplicateMpps, MissingStudyUid,
        MppsConformance, UnknownOrder,
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
        mpps: match word("mpps", &["lenient", "strict"]) {
            Some("lenient") => MppsConformance::Lenient,
            Some(_) => MppsConformance::Strict,
            None => base.mpps,
        },
    }
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
