//! MPPS SCP: N-CREATE and N-SET on 1.2.840.10008.3.1.2.3.3 (PS3.4 Annex F), through the same door as HL7.
//!
//! The data sets are kept as journal bodies, unchanged. What is refused and with which code is decided by the domain; this file says
//! it in DIMSE: 0110 with Error ID A710 for a final step, 0111, 0112, 0106, 0120. What Table F.7.2-1 wants of the data set itself is
//! refused where the policy `mpps` is strict, and noted in the journal where it is lenient.

use crate::clock::{Clock, Minter};
use crate::config::Config;
use crate::dicom::charset::Charset;
use crate::dicom::dictionary::tag_of;
use crate::dicom::dimse::status;
use crate::dicom::mpps_rules::{Defect, Fault, Service, check};
use crate::dicom::read::{Limits, Syntax, read};
use crate::dicom::scp::{Body, DimseFailure, Peer};
use crate::domain::ids::JournalId;
use crate::domain::policy::MppsConformance;
use crate::domain::reason::{Class, Place, Reason, Refusal};
use crate::domain::time::{AsOf, Instant, Role};
use crate::fault::{self, Point};
use crate::mapping::MppsOp;
use crate::mappings::Mappings;
use crate::workflow::{JournalEntry, Outcome, Unit, Workflow};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;

/// The MPPS service.
pub struct MppsScp {
    pub config: Arc<Config>,
    pub mappings: Arc<Mappings>,
    pub workflow: Workflow,
    pub clock: Clock,
    pub minter: Minter,
}

impl MppsScp {
    /// N-CREATE. Returns the SOP Instance UID: the sender's, or one of ours if it gave none (it is optional in the request).
    pub async fn create(
        &self,
        peer: &Peer,
        uid: Option<String>,
        body: Body,
    ) -> Result<String, DimseFailure> {
        let uid = uid
            .unwrap_or_else(|| format!("{}.9.{}", self.config.site.oid_root, self.minter.mint()));
        self.execute(peer, MppsOp::Create, &uid, body).await?;
        Ok(uid)
    }

    /// N-SET.
    pub async fn set(&self, peer: &Peer, uid: String, body: Body) -> Result<(), DimseFailure> {
        self.execute(peer, MppsOp::Set, &uid, body).await
    }

    async fn execute(
        &self,
        peer: &Peer,
        op: MppsOp,
        uid: &str,
        body: Body,
    ) -> Result<(), DimseFailure> {
        let received = self.clock.now();
        let journal = JournalId(self.minter.mint());
        let sender = (peer.calling_ae.as_str(), peer.addr);
        let defects = defects(op, &body);
        let unit = self.unit(sender, op, uid, body, received, journal);
        fault::point(Point::AfterRead);
        let strict = unit.policy.mpps == MppsConformance::Strict;
        match self.workflow.execute(unit).await {
            Outcome::Applied { .. } | Outcome::Repeated { .. } => Ok(()),
            Outcome::Refused(refusal) => {
                tracing::warn!(journal = %journal, ae = %peer.calling_ae, reason = %refusal.reason, "MPPS refused");
                let nonconformant = nonconformant(&defects).filter(|_| strict);
                Err(nonconformant.unwrap_or_else(|| failure(&refusal)))
            }
            Outcome::Away(reason) => {
                Err(DimseFailure::new(status::PROCESSING_FAILURE, reason.text()))
            }
        }
    }

    /// A journalled data set as today's configuration and mapping read it, of the sender and age that it had when it came. `None` if
    /// the row does not say what it was, or its bytes cannot be read.
    pub fn reread(
        &self,
        entry: &JournalEntry,
        bytes: Vec<u8>,
        fallback: impl FnOnce(&str) -> Option<Charset>,
    ) -> Option<Unit> {
        let (word, syntax) = entry.kind.split_once(' ')?;
        let op = [MppsOp::Create, MppsOp::Set]
            .into_iter()
            .find(|op| op.word() == word)?;
        let syntax = Syntax::of_uid(syntax)?;
        // An AE title may hold blanks, an address none.
        let (ae, address) = entry.peer.rsplit_once(' ')?;
        // It was within the port's limit when it came.
        let limits = Limits {
            bytes: bytes.len(),
            ..Limits::default()
        };
        let data = read(&bytes, syntax, limits, fallback(ae)).ok()?;
        let body = Body {
            bytes,
            syntax,
            data,
        };
        let sender = (ae, address.parse().ok()?);
        Some(self.unit(
            sender,
            op,
            &entry.control_id,
            body,
            entry.received,
            entry.id,
        ))
    }

    fn unit(
        &self,
        (ae, address): (&str, SocketAddr),
        op: MppsOp,
        uid: &str,
        body: Body,
        received: Instant,
        journal: JournalId,
    ) -> Unit {
        let link = self.config.dicom_link(ae, address.ip());
        let set = self.mappings.current();
        let translated = set.translate_mpps(op, uid, ae, &body.data, &link.view(), journal);
        let mut warnings: Vec<String> = translated
            .as_ref()
            .map(|t| t.warnings.iter().map(ToString::to_string).collect())
            .unwrap_or_default();
        let defects = defects(op, &body);
        let decision = match (defects.first(), link.policy.mpps) {
            (Some(first), MppsConformance::Strict) => Err(refusal(first)),
            _ => translated.map(|t| t.commands),
        };
        if !defects.is_empty() {
            let defects: Vec<_> = defects.iter().map(ToString::to_string).collect();
            warnings.push(format!("PS3.4 Table F.7.2-1: {}", defects.join(", ")));
        }
        // A scanner's clock decides nothing: its messages arrive in order on the state machine of F.7.2.
        let as_of = AsOf::stated(None, &link.zone, Role::Scanner, journal, received);
        let bytes: Arc<[u8]> = Arc::from(body.bytes);
        Unit {
            journal: JournalEntry {
                id: journal,
                received,
                port: "dicom".to_owned(),
                link: link.name.clone(),
                peer: format!("{ae} {address}"),
                // The transfer syntax belongs to the evidence: without it the stored bytes cannot be read again.
                kind: format!("{} {}", op.word(), body.syntax.uid()),
                control_id: uid.to_owned(),
                hash: Sha256::digest(&bytes).into(),
                charset: body
                    .data
                    .text("SpecificCharacterSet")
                    .unwrap_or_default()
                    .to_owned(),
                zone: link.timezone.clone(),
                mapping_rev: set.revision().to_owned(),
            },
            body: bytes,
            decision,
            as_of,
            zone: link.zone.clone(),
            policy: link.policy,
            ack: None,
            warnings,
            // The standard's own answer to a repeated N-CREATE is 0111; a repeated N-SET is judged by the state.
            detect_resend: false,
            replay: None,
        }
    }
}

fn defects(op: MppsOp, body: &Body) -> Vec<Defect> {
    let service = match op {
        MppsOp::Create => Service::Create,
        MppsOp::Set => Service::Set,
    };
    check(service, &body.data)
}

/// A defect as the journal and the operator see it.
fn refusal(defect: &Defect) -> Refusal {
    let (reason, allowed) = match defect.fault {
        Fault::Missing | Fault::Empty => (Reason::FieldMissing, "an attribute with a value"),
        Fault::Value => (Reason::FieldType, "a status that this message may have"),
        Fault::NotAllowed => (Reason::FieldType, "the attributes of an N-SET"),
    };
    Refusal::new(reason, defect.fault.word())
        .at(Place::Dicom(defect.keyword.to_owned()))
        .allowed(allowed)
        .hint("PS3.4 Table F.7.2-1; the policy mpps = \"lenient\" takes it")
}

/// The response to a data set with defects: the status of the gravest, with all attributes that have it.
fn nonconformant(defects: &[Defect]) -> Option<DimseFailure> {
    let fault = defects.first()?.fault;
    let same: Vec<&Defect> = defects.iter().filter(|d| d.fault == fault).collect();
    let keywords: Vec<&str> = same.iter().map(|d| d.keyword).collect();
    let comment = format!("{}: {}", fault.word(), keywords.join(", "));
    let mut failure = DimseFailure::new(fault.status(), comment);
    failure
        .offending
        .extend(same.iter().filter_map(|d| d.tag()));
    Some(failure)
}

/// The DIMSE face of a refusal (PS3.7 C, PS3.4 F.7.2).
fn failure(refusal: &Refusal) -> DimseFailure {
    let offending = match &refusal.at {
        Some(Place::Dicom(path)) => path.rsplit('.').next().and_then(tag_of),
        _ => None,
    };
    let mut failure = match refusal.reason {
        Reason::MppsFinal => {
            let mut failure = DimseFailure::new(
                status::PROCESSING_FAILURE,
                "Performed Procedure Step Object may no longer be updated",
            );
            failure.error_id = Some(status::MAY_NO_LONGER_BE_UPDATED);
            failure
        }
        Reason::MppsDuplicate => {
            DimseFailure::new(status::DUPLICATE_SOP_INSTANCE, refusal.to_string())
        }
        Reason::MppsUnknown => DimseFailure::new(status::NO_SUCH_SOP_INSTANCE, refusal.to_string()),
        Reason::FieldMissing => DimseFailure::new(status::MISSING_ATTRIBUTE, refusal.to_string()),
        reason if reason.class() == Class::Content => {
            DimseFailure::new(status::INVALID_ATTRIBUTE_VALUE, refusal.to_string())
        }
        _ => DimseFailure::new(status::PROCESSING_FAILURE, refusal.to_string()),
    };
    failure.offending.extend(offending);
    failure
}
