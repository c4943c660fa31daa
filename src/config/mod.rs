//! Typed settings. One TOML file, walked with spans: all problems are reported at once, each with file:line and what is allowed.
//!
//! [`settings::SETTINGS`] declares every key once; the reference page is printed from it. Paths are relative to the configuration's file.

pub mod read;
pub mod settings;

use crate::domain::policy::Policy;
use crate::domain::time::Role;
use crate::domain::value::Issuer;
use crate::fhir::reference::References;
use crate::hl7::charset::Charset;
use crate::hl7::message::Contradiction;
use crate::mapping::LinkView;
pub use crate::publish::plan::TargetKind;
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that `relais serve` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    pub site: Site,
    pub store_url: String,
    pub mllp: Mllp,
    pub dicom: Dicom,
    pub http: Http,
    /// Mapping layers over the shipped one; later ones win target by target.
    pub mapping_dirs: Vec<PathBuf>,
    /// In order: the first that matches a peer is its link; the last one is always `default`.
    pub links: Vec<Link>,
    pub targets: Vec<Target>,
    pub retention: Retention,
    pub watch: Watch,
}

/// `[watch]`: what alarms are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// An exam in progress for longer is overdue.
    pub in_progress: Duration,
}

/// `[retention]`: how long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of messages in and out.
    pub bodies: Duration,
    /// Journal rows; resends are recognised as long.
    pub journal: Duration,
    /// Worklist queries.
    pub queries: Duration,
    /// Attempts at publications, after their delivery.
    pub attempts: Duration,
    /// Who read or changed what.
    pub audit: Duration,
}

/// `[site]`
#[derive(Debug, Clone)]
pub struct Site {
    pub name: String,
    /// Our own identifiers and study UIDs hang under it.
    pub oid_root: String,
    pub zone: TimeZone,
    /// IANA name of `zone`.
    pub timezone: String,
}

/// `[mllp]`
#[derive(Debug, Clone)]
pub struct Mllp {
    pub listen: SocketAddr,
    pub max_message_bytes: usize,
    /// Of all messages that are not yet answered.
    pub max_held_bytes: usize,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub idle: Duration,
    /// From the first byte of a message to its last.
    pub message: Duration,
    /// For an answer to be taken.
    pub write: Duration,
    pub unknown_sender: UnknownSender,
}

/// What becomes of a message whose sender is no link but `default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownSender {
    #[default]
    Accept,
    /// AR 103.
    Refuse,
}

/// `[dicom]`
#[derive(Debug, Clone)]
pub struct Dicom {
    pub listen: SocketAddr,
    pub ae_title: String,
    pub max_associations: usize,
    pub idle: Duration,
    /// Most items of one C-FIND answer; then A700.
    pub max_results: usize,
    /// Most memory for rendered worklist items, bytes; 0 = none are kept.
    pub item_cache: usize,
}

/// `[http]`
#[derive(Debug, Clone)]
pub struct Http {
    pub listen: SocketAddr,
    /// The file of tokens, see `api::access`.
    pub tokens_file: Option<PathBuf>,
}

/// What a peer must show to be a link; all that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Sending application.
    pub msh3: Option<String>,
    /// Sending facility.
    pub msh4: Option<String>,
    /// IP address of the peer.
    pub address: Option<std::net::IpAddr>,
    /// Calling AE title.
    pub ae: Option<String>,
}

/// The port that a link speaks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    Mllp,
    Dicom,
}

/// `[[link]]`: who may talk to us, and how to read them.
#[derive(Debug, Clone)]
pub struct Link {
    pub name: String,
    pub kind: LinkKind,
    pub matches: Match,
    /// Character set of messages that declare none.
    pub charset: Option<Charset>,
    /// A single-byte declaration over valid UTF-8.
    pub contradiction: Contradiction,
    /// Zone of times without offset.
    pub zone: TimeZone,
    /// IANA name of `zone`.
    pub timezone: String,
    pub role: Role,
    /// Issuer of identifiers that name none.
    pub default_issuer: Option<Issuer>,
    /// Authorities whose identifier is the patient's local one; empty = any.
    pub patient_authorities: Vec<Issuer>,
    /// OIDs of the national identifier.
    pub ins_authorities: Vec<Issuer>,
    /// Mapping files that read this link; empty = all.
    pub inbound: Vec<String>,
    /// Accepted values of MSH-11.
    pub processing: Vec<String>,
    pub unsupported: Unsupported,
    pub policy: Policy,
}

/// What becomes of a message whose type or event no mapping file of the link takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unsupported {
    /// AR 200 or 201.
    #[default]
    Refuse,
    /// AA without effect, journalled with a warning: for senders that stop at the first AR.
    Accept,
}

/// `[[target]]`: where publications go.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub kind: TargetKind,
    /// Base URL, without a slash at its end.
    pub url: String,
    /// Limit of one request.
    pub timeout: Duration,
    /// Profile packs by name and version, at most one version of each.
    pub profiles: Vec<String>,
    /// How resources are written there and referred to.
    pub references: References,
}

impl Config {
    /// The link of an HL7 peer: the first that matches, at last `default`.
    pub fn mllp_link(&self, msh3: &str, msh4: &str, peer: std::net::IpAddr) -> &Link {
        self.link_where(LinkKind::Mllp, |m| {
            m.msh3.as_ref().is_none_or(|x| x == msh3)
                && m.msh4.as_ref().is_none_or(|x| x == msh4)
                && m.address.is_none_or(|x| x == peer)
        })
    }

    /// The link of a DICOM peer.
    pub fn dicom_link(&self, calling_ae: &str, peer: std::net::IpAddr) -> &Link {
        self.link_where(LinkKind::Dicom, |m| {
            m.ae.as_ref().is_none_or(|x| x == calling_ae) && m.address.is_none_or(|x| x == peer)
        })
    }

    fn link_where(&self, kind: LinkKind, fits: impl Fn(&Match) -> bool) -> &Link {
        self.links
            .iter()
            .filter(|l| l.name != DEFAULT_LINK)
            .find(|l| l.kind == kind && fits(&l.matches))
            .or_else(|| self.links.iter().find(|l| l.name == DEFAULT_LINK))
            .unwrap_or_else(|| unreachable!("read() always adds the link `default`"))
    }
}

impl Link {
    /// What mapping expressions see of it (`link.role`, `link.default_issuer` ...).
    pub fn view(&self) -> LinkView {
        LinkView {
            name: self.name.clone(),
            role: match self.role {
                Role::Adt => "adt",
                Role::Scheduled => "scheduled",
                Role::Mention => "report",
                Role::Order | Role::Scanner | Role::Operator => "order",
            }
            .to_owned(),
            default_issuer: self.default_issuer.clone(),
            patient_authorities: self.patient_authorities.clone(),
            ins_authorities: self.ins_authorities.clone(),
            inbound: self.inbound.clone(),
            ..LinkView::default()
        }
    }
}

/// The link that takes everyone whom no other link matches; it always exists.
pub const DEFAULT_LINK: &str = "default";
