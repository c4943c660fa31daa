//! `[site]`, `[store]`, `[mllp]`, `[dicom]`, `[http]`: who we are, where the record is, which ports are served.

use super::{CONFLICT, Walk, is_oid, seconds, size};
use crate::config::{Dicom, Http, Mllp, Site, UnknownSender};
use crate::toml_file::At;
use jiff::tz::TimeZone;

impl Walk<'_> {
    pub(super) fn site(&self) -> Option<Site> {
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

    pub(super) fn store_url(&self) -> Option<String> {
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

    pub(super) fn mllp(&self) -> Option<Mllp> {
        self.section("mllp");
        Some(Mllp {
            max_message_bytes: size(self.number("mllp", "max_message_mib", 1..=256, 16)) << 20,
            max_held_bytes: size(self.number("mllp", "max_held_mib", 1..=65_536, 256)) << 20,
            max_connections: size(self.number("mllp", "max_connections", 1..=10_000, 256)),
            max_connections_per_address: size(self.number(
                "mllp",
                "max_connections_per_address",
                1..=10_000,
                128,
            )),
            idle: seconds(self.number("mllp", "idle_seconds", 1..=86_400, 3_600)),
            message: seconds(self.number("mllp", "message_seconds", 1..=86_400, 300)),
            write: seconds(self.number("mllp", "write_seconds", 1..=3_600, 30)),
            unknown_sender: match self.word("mllp", "unknown_sender", &["accept", "refuse"]) {
                Some("refuse") => UnknownSender::Refuse,
                _ => UnknownSender::Accept,
            },
            listen: self.address("mllp", "127.0.0.1:2575")?.value,
        })
    }

    pub(super) fn dicom(&self) -> Option<Dicom> {
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
            item_cache: size(self.number("dicom", "item_cache_mib", 0..=65_536, 64)) << 20,
            listen: self.address("dicom", "127.0.0.1:11112")?.value,
        })
    }

    pub(super) fn http(&self) -> Option<Http> {
        self.section("http");
        let listen = self.address("http", "127.0.0.1:8080")?;
        let tokens_file = self
            .text("http", "tokens_file")
            .map(|t| self.dir.join(t.value));
        if !listen.value.ip().is_loopback() && tokens_file.is_none() {
            let text = "http.listen is not a loopback address: set http.tokens_file, or listen on 127.0.0.1";
            self.root.report(CONFLICT, listen.span, text);
        }
        Some(Http {
            listen: listen.value,
            tokens_file,
        })
    }
}

fn is_ae(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text
            .bytes()
            .all(|b| (0x20..0x7f).contains(&b) && b != b'\\')
        && !text.trim().is_empty()
}
