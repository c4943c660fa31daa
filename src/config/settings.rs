//! Every key of the configuration, declared once: the walk allows these and no others, the reference page and the editors' schema are
//! printed from them.

use serde_json::{Map, Value as Json, json};

/// One key.
#[derive(Debug)]
pub struct Setting {
    /// `site`, `link` ...
    pub section: &'static str,
    pub key: &'static str,
    /// What may stand there.
    pub allowed: &'static str,
    /// What holds if it is absent; empty = required.
    pub default: &'static str,
    pub doc: &'static str,
}

const fn s(
    section: &'static str,
    key: &'static str,
    allowed: &'static str,
    default: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        section,
        key,
        allowed,
        default,
        doc,
    }
}

/// The sections, with whether they repeat (`[[link]]`).
pub const SECTIONS: &[(&str, bool)] = &[
    ("site", false),
    ("store", false),
    ("mllp", false),
    ("dicom", false),
    ("http", false),
    ("mappings", false),
    ("retention", false),
    ("watch", false),
    ("policy", false),
    ("link", true),
    ("target", true),
];

/// The keys.
pub const SETTINGS: &[Setting] = &[
    s(
        "site",
        "name",
        "a text",
        "",
        "Name of the site, shown to people and sent as the institution.",
    ),
    s(
        "site",
        "oid_root",
        "an OID",
        "",
        "Our own identifiers and study UIDs hang under it.",
    ),
    s(
        "site",
        "timezone",
        "an IANA zone",
        "Europe/Paris",
        "Wall clock of the worklist and of times without offset.",
    ),
    s(
        "store",
        "url",
        "sqlite://PATH or postgres://...",
        "",
        "Where the record is kept.",
    ),
    s(
        "mllp",
        "listen",
        "ADDRESS:PORT",
        "127.0.0.1:2575",
        "HL7 v2 over MLLP.",
    ),
    s(
        "mllp",
        "max_message_mib",
        "1 to 256",
        "16",
        "Largest message; a larger one is answered AR and the connection goes on.",
    ),
    s(
        "mllp",
        "max_connections",
        "1 to 10000",
        "256",
        "Connections at one time; one more is closed at once.",
    ),
    s(
        "mllp",
        "max_connections_per_address",
        "1 to 10000",
        "128",
        "The same for one address: a host that keeps opening connections shuts nobody else out.",
    ),
    s(
        "mllp",
        "max_held_mib",
        "1 to 65536",
        "256",
        "Messages that are coming in or waiting for their answer, together; one that finds no room is answered AR and may be sent again.",
    ),
    s(
        "mllp",
        "idle_seconds",
        "1 to 86400",
        "3600",
        "A connection that is silent for so long is closed. A peer that is gone without a word is noticed within two minutes (TCP keepalive).",
    ),
    s(
        "mllp",
        "message_seconds",
        "1 to 86400",
        "300",
        "A message that is not complete so long after its first byte costs its sender the connection.",
    ),
    s(
        "mllp",
        "write_seconds",
        "1 to 3600",
        "30",
        "A sender that does not take its answer for so long is cut off.",
    ),
    s(
        "mllp",
        "unknown_sender",
        "accept, refuse",
        "accept",
        "A sender that no link but `default` matches; refused: AR 103, journalled.",
    ),
    s(
        "dicom",
        "listen",
        "ADDRESS:PORT",
        "127.0.0.1:11112",
        "C-ECHO, Modality Worklist C-FIND, MPPS N-CREATE and N-SET.",
    ),
    s(
        "dicom",
        "ae_title",
        "1 to 16 characters",
        "RELAIS",
        "Our AE title.",
    ),
    s(
        "dicom",
        "max_associations",
        "1 to 10000",
        "200",
        "Associations at one time; one more is refused 2/3/2 (local limit).",
    ),
    s(
        "dicom",
        "idle_seconds",
        "1 to 86400",
        "600",
        "An association that is silent for so long is aborted.",
    ),
    s(
        "dicom",
        "max_results",
        "1 to 100000",
        "1000",
        "Most items of one answer; then A700 with a comment.",
    ),
    s(
        "dicom",
        "item_cache_mib",
        "0 to 65536",
        "64",
        "Memory for rendered worklist items, about 100 a MiB; 0 renders every item of every query afresh.",
    ),
    s(
        "http",
        "listen",
        "ADDRESS:PORT",
        "127.0.0.1:8080",
        "The HTTP interface: health, metrics, the record, corrections. Anything but loopback needs tokens_file.",
    ),
    s(
        "http",
        "tokens_file",
        "a path",
        "none",
        "File of bearer tokens with their roles, made by `relais token new`. Without it nothing with patient data is served.",
    ),
    s(
        "mappings",
        "dirs",
        "a list of paths",
        "[]",
        "Layers over the shipped mappings; later ones win target by target.",
    ),
    s(
        "retention",
        "bodies_days",
        "1 to 36500",
        "90",
        "Bytes of messages in and out; their journal rows, and the origins of values, stay.",
    ),
    s(
        "retention",
        "journal_days",
        "7 to 36500",
        "730",
        "Journal rows; a message sent again is recognised as long.",
    ),
    s(
        "retention",
        "queries_days",
        "1 to 36500",
        "14",
        "Worklist queries with their answers.",
    ),
    s(
        "retention",
        "attempts_days",
        "1 to 36500",
        "90",
        "Attempts at publications, counted from their delivery.",
    ),
    s(
        "retention",
        "audit_days",
        "1 to 36500",
        "2190",
        "Who read or changed what: six years, as long as most rules on health data ask at the most.",
    ),
    s(
        "watch",
        "in_progress_minutes",
        "1 to 10080",
        "240",
        "A performed step in progress for longer counts as overdue in /metrics.",
    ),
    s(
        "policy",
        "unknown_order",
        "tombstone, refuse",
        "tombstone",
        "A cancel or change for an order that nobody announced.",
    ),
    s(
        "policy",
        "missing_study_uid",
        "generate, reject",
        "generate",
        "A step without Study Instance UID.",
    ),
    s(
        "policy",
        "cancel_after_start",
        "refuse, flag",
        "refuse",
        "A placer's cancel request for an exam that has started.",
    ),
    s(
        "policy",
        "discontinued_without_images",
        "reschedule, discontinue",
        "reschedule",
        "What a performed step that was discontinued without images does to its scheduled step.",
    ),
    s(
        "policy",
        "duplicate_mpps",
        "refuse, accept",
        "refuse",
        "A second N-CREATE of the same SOP Instance UID and content.",
    ),
    s(
        "policy",
        "mpps",
        "lenient, strict",
        "lenient",
        "Whether N-CREATE and N-SET are refused for what PS3.4 F.7 forbids and scanners do all the same.",
    ),
    s(
        "link",
        "name",
        "a text",
        "",
        "Name in logs, journal and mapping files; `default` takes everyone else.",
    ),
    s(
        "link",
        "kind",
        "mllp, dicom",
        "mllp",
        "The port that it speaks through.",
    ),
    s(
        "link",
        "match",
        "{ msh3, msh4, address, ae }",
        "{}",
        "Who it is; all that is given must fit; the first link that matches wins.",
    ),
    s(
        "link",
        "charset",
        "an HL7 table 0211 code",
        "none",
        "Character set of messages that declare none (then UTF-8, then windows-1252).",
    ),
    s(
        "link",
        "charset_contradiction",
        "refuse, utf8",
        "refuse",
        "A single-byte character set declared over valid UTF-8.",
    ),
    s(
        "link",
        "timezone",
        "an IANA zone",
        "site.timezone",
        "Zone of times without offset.",
    ),
    s(
        "link",
        "role",
        "order, scheduled, adt, report",
        "order",
        "What the feed is: decides what a cancel means and who wins at equal times.",
    ),
    s(
        "link",
        "default_issuer",
        "{ name, oid }",
        "none",
        "Issuer of identifiers that name none.",
    ),
    s(
        "link",
        "patient_authorities",
        "a list of names or OIDs",
        "[]",
        "Whose identifier is the patient's local one; empty = any.",
    ),
    s(
        "link",
        "ins_authorities",
        "a list of OIDs",
        "production INS OIDs",
        "OIDs of the national identifier (INS).",
    ),
    s(
        "link",
        "inbound",
        "a list of mapping files",
        "[]",
        "Files that read this link; empty = all; a file hides its base.",
    ),
    s(
        "link",
        "processing",
        "a list of P, D, T",
        "[\"P\"]",
        "Accepted processing ids (MSH-11); others are answered AR 202.",
    ),
    s(
        "link",
        "unsupported",
        "refuse, accept",
        "refuse",
        "A message type or event that no mapping file takes: AR 200 or 201, or AA without effect. Journalled either way.",
    ),
    s(
        "link",
        "policy",
        "a table as [policy]",
        "{}",
        "Choices of this link; link > site > built-in.",
    ),
    s(
        "target",
        "name",
        "a text",
        "",
        "Name in logs, outbox and metrics.",
    ),
    s(
        "target",
        "kind",
        "fhir",
        "",
        "What it speaks: FHIR R4 transaction Bundles.",
    ),
    s(
        "target",
        "url",
        "http(s)://...",
        "",
        "Base URL of the FHIR endpoint.",
    ),
    s(
        "target",
        "timeout_seconds",
        "1 to 300",
        "30",
        "Limit of one request.",
    ),
    s(
        "target",
        "profiles",
        "a list of NAME@VERSION",
        "[]",
        "Profile packs (mappings/profiles/) that resources for this target claim and follow: `fr-core@2.2.0`, `eu-imaging@1.0.0-ballot`.",
    ),
    s(
        "target",
        "references",
        "logical, conditional",
        "logical",
        "How things that are not sent there are referred to: by identifier and name, or as `Type?identifier=` for the server to resolve.",
    ),
    s(
        "target",
        "resources",
        "{ update, create-if-missing, reference, contained, off } with lists of types",
        "{}",
        "What becomes of a type: ours to write, made only if missing, another system's, inside the resource that refers to it, left out.",
    ),
];

/// The keys of a section.
pub fn keys_of(section: &str) -> Vec<&'static str> {
    SETTINGS
        .iter()
        .filter(|s| s.section == section)
        .map(|s| s.key)
        .collect()
}

/// The JSON schema of `relais.toml`, for editors.
pub fn schema() -> Json {
    let mut sections = Map::new();
    for (section, repeats) in SECTIONS {
        let mut keys = Map::new();
        for setting in SETTINGS.iter().filter(|s| s.section == *section) {
            let mut allowed = allowed(setting.allowed);
            allowed["description"] = json!(setting.doc);
            keys.insert(setting.key.to_owned(), allowed);
        }
        let table = json!({ "type": "object", "properties": keys, "additionalProperties": false });
        let schema = match repeats {
            true => json!({ "type": "array", "items": table }),
            false => table,
        };
        sections.insert((*section).to_owned(), schema);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Relais: configuration",
        "type": "object",
        "properties": sections,
        "additionalProperties": false
    })
}

/// What [`Setting::allowed`] says, as a schema.
fn allowed(text: &str) -> Json {
    let range = text.split_once(" to ");
    if let Some((Ok(least), Ok(most))) = range.map(|(a, b)| (a.parse::<i64>(), b.parse::<i64>())) {
        return json!({ "type": "integer", "minimum": least, "maximum": most });
    }
    if text.starts_with("a list of ") {
        return json!({ "type": "array", "items": { "type": "string" } });
    }
    if text.starts_with('{') || text.starts_with("a table") {
        return json!({ "type": "object" });
    }
    let words: Vec<&str> = text.split(", ").collect();
    let is_word = |w: &&str| {
        w.bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
    };
    match words.iter().all(is_word) {
        true => json!({ "enum": words }),
        false => json!({ "type": "string" }),
    }
}

/// The reference page, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Configuration reference\n\nPrinted by `relais reference config`; do not edit. One TOML file; paths are relative to it. \
         A setting of `[site]`, `[store]`, `[mllp]`, `[dicom]`, `[http]`, `[retention]` and `[watch]` may be given as an environment \
         variable, which wins: `RELAIS_STORE_URL` is `[store] url`.\n",
    );
    for (section, repeats) in SECTIONS {
        let header = if *repeats {
            format!("[[{section}]]")
        } else {
            format!("[{section}]")
        };
        page.push_str(&format!(
            "\n## {header}\n\n| key | allowed | default | meaning |\n|---|---|---|---|\n"
        ));
        for setting in SETTINGS.iter().filter(|s| s.section == *section) {
            let default = if setting.default.is_empty() {
                "required".to_owned()
            } else {
                format!("`{}`", setting.default)
            };
            page.push_str(&format!(
                "| `{}` | {} | {default} | {} |\n",
                setting.key, setting.allowed, setting.doc
            ));
        }
    }
    page
}
