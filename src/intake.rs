//! THE FILE TO READ FIRST: how an HL7 message becomes state and an acknowledgement.
//!
//! 1. read: character set and structure (`hl7::message`), link by sender (`config`)
//! 2. translate: the link's mapping file turns the message into commands with origins (`mapping`), or a refusal with its place
//! 3. execute: journal, state, events, worklist and outbox in ONE commit (`workflow`)
//! 4. acknowledge: AA, AE or AR, only after the commit (`hl7::ack`)
//!
//! A message that cannot be applied is journalled with its reason, answered AE or AR, and can be sent again after the cause is mended.

use crate::clock::{Clock, Minter};
use crate::config::{Config, DEFAULT_LINK, Link, UnknownSender, Unsupported};
use crate::domain::ids::JournalId;
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use crate::domain::time::{AsOf, Instant, When};
use crate::fault::{self, Point};
use crate::hl7::ack::{AckCode, AckTo, ack, code_of};
use crate::hl7::batch;
use crate::hl7::listener::{Cut, Frame, Handler, Reply};
use crate::hl7::message::{Message, Reading};
use crate::hl7::mllp::OVERSIZE_HEAD;
use crate::mapping::Translation;
use crate::mappings::Mappings;
use crate::telemetry::peers;
use crate::workflow::{JournalEntry, Outcome, Unit, Workflow};
use metrics::counter;
use sha2::{Digest, Sha256};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// Versions of HL7 v2 whose structure we read.
const VERSIONS: [&str; 12] = [
    "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1",
];

/// The way from a frame to its acknowledgement.
pub struct Intake {
    pub config: Arc<Config>,
    pub mappings: Arc<Mappings>,
    pub workflow: Workflow,
    pub clock: Clock,
    pub minter: Minter,
}

/// What a message turned out to be, before it is executed.
struct Read {
    kind: String,
    charset: String,
    as_of: AsOf,
    decision: Result<Translation, Refusal>,
    warnings: Vec<String>,
    mapping_rev: String,
}

/// What became of a message.
#[derive(Debug)]
pub struct Taken {
    /// The acknowledgement, ready to be framed; `None` if the sender asked for none (MSH-15, MSH-16).
    pub ack: Option<Vec<u8>>,
    pub code: AckCode,
    /// MSH-9 as `TYPE^EVENT`.
    pub kind: String,
    pub refusal: Option<Refusal>,
    /// Names of the events that it caused; empty for a resend or a message without effect.
    pub changed: Vec<&'static str>,
}

impl Handler for Intake {
    fn handle(&self, frame: Frame) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        Box::pin(async move {
            let ranges = batch::messages(&frame.bytes);
            if ranges.len() < 2 || frame.cut.is_some() {
                let taken = self.take(&frame.bytes, frame.cut, frame.peer).await;
                return taken.ack.map_or(Reply::Silence, Reply::Answer);
            }
            // A batch: each message is judged and acknowledged on its own, in order.
            let mut answers = Vec::with_capacity(ranges.len());
            for range in ranges {
                let message = frame.bytes.get(range).unwrap_or_default();
                answers.extend(self.take(message, None, frame.peer).await.ack);
            }
            if answers.is_empty() {
                Reply::Silence
            } else {
                Reply::Answers(answers)
            }
        })
    }
}

impl Intake {
    /// Takes one message, from its bytes to its acknowledgement. What was queued is committed even if nobody waits for the answer.
    pub async fn take(&self, bytes: &[u8], cut: Option<Cut>, peer: SocketAddr) -> Taken {
        let received = self.clock.now();
        let journal = JournalId(self.minter.mint());
        let to = AckTo::peek(bytes);
        let unit = self.unit(&to, bytes, cut, peer, received, journal);
        fault::point(Point::AfterRead);
        let positive = unit.ack.clone();
        let kind = unit.journal.kind.clone();
        let link = unit.journal.link.clone();
        peers::heard(&link, received);
        let refused = |refusal: Refusal| {
            let (code, _) = code_of(refusal.reason);
            let ack = self.answer(&to, received, code, Some(&refusal));
            (ack, code, Some(refusal), vec![])
        };
        let (ack, code, refusal, changed) = match self.workflow.execute(unit).await {
            Outcome::Applied { events, .. } => {
                let changed = events.iter().map(|(name, _)| *name).collect();
                (positive, AckCode::AA, None, changed)
            }
            Outcome::Repeated { ack } => (ack, AckCode::AA, None, vec![]),
            Outcome::Refused(refusal) => {
                tracing::warn!(journal = %journal, link, reason = %refusal.reason, "message refused");
                refused(refusal)
            }
            Outcome::Away(reason) => {
                let refusal = Refusal::new(reason, "nothing was stored");
                refused(refusal.hint("send it again later"))
            }
        };
        // Links are those of the configuration and reasons a closed list: labels stay few, whatever is sent.
        let reason = refusal.as_ref().map_or("", |r| r.reason.code());
        counter!("relais_hl7_acks_total", "link" => link, "code" => code.word(), "reason" => reason)
            .increment(1);
        Taken {
            ack,
            code,
            kind,
            refusal,
            changed,
        }
    }

    /// A journalled message as today's configuration and mapping read it, from the address and of the age that it had when it came.
    /// `None` if the row does not say where it came from.
    pub fn reread(&self, entry: &JournalEntry, bytes: &[u8]) -> Option<Unit> {
        let peer = entry.peer.parse().ok()?;
        let to = AckTo::peek(bytes);
        // Of a message that was too large only this much was kept: it is as incomplete as it was.
        let was_cut = entry.kind.is_empty() && bytes.len() == OVERSIZE_HEAD;
        let cut = was_cut.then_some(Cut::TooLong);
        Some(self.unit(&to, bytes, cut, peer, entry.received, entry.id))
    }

    fn unit(
        &self,
        to: &AckTo,
        bytes: &[u8],
        cut: Option<Cut>,
        peer: SocketAddr,
        received: Instant,
        journal: JournalId,
    ) -> Unit {
        let (application, facility) = to.sender();
        let link = self.config.mllp_link(&application, &facility, peer.ip());
        let body: Arc<[u8]> = Arc::from(bytes);
        let read = self.read(&body, cut, link, journal, received);
        Unit {
            journal: JournalEntry {
                id: journal,
                received,
                port: "mllp".to_owned(),
                link: link.name.clone(),
                peer: peer.to_string(),
                kind: read.kind,
                control_id: to.control_id(),
                hash: Sha256::digest(&body).into(),
                charset: read.charset,
                zone: link.timezone.clone(),
                mapping_rev: read.mapping_rev,
            },
            body,
            decision: read.decision.map(|t| t.commands),
            as_of: read.as_of,
            zone: link.zone.clone(),
            policy: link.policy,
            ack: self.answer(to, received, AckCode::AA, None),
            warnings: read.warnings,
            detect_resend: true,
            replay: None,
        }
    }

    /// The acknowledgement of a message received at `at`; `None` if its sender asked for none.
    fn answer(
        &self,
        to: &AckTo,
        at: Instant,
        code: AckCode,
        refusal: Option<&Refusal>,
    ) -> Option<Vec<u8>> {
        let id = self.minter.mint().to_string();
        let at = at.hl7(&self.config.site.zone);
        to.answer(code)
            .map(|code| ack(to, code, refusal, (&id, &at)))
    }

    fn read(
        &self,
        body: &Arc<[u8]>,
        cut: Option<Cut>,
        link: &Link,
        journal: JournalId,
        received: Instant,
    ) -> Read {
        let set = self.mappings.current();
        let mut read = Read {
            kind: String::new(),
            charset: String::new(),
            as_of: AsOf {
                at: received,
                role: link.role,
                journal,
            },
            decision: Err(Refusal::new(Reason::MessageUnparsable, "")),
            warnings: vec![],
            mapping_rev: set.revision().to_owned(),
        };
        match cut {
            Some(Cut::TooLong) => {
                let limit = self.config.mllp.max_message_bytes;
                read.decision = Err(Refusal::new(Reason::Limit, "the message is too large")
                    .allowed(format!("at most {limit} bytes"))
                    .hint("raise mllp.max_message_mib, or send the document by reference"));
                return read;
            }
            Some(Cut::NoRoom) => {
                read.decision = Err(Refusal::new(Reason::Limit, "too much is being received")
                    .allowed("what mllp.max_held_mib leaves")
                    .hint("send it again later"));
                return read;
            }
            None => {}
        }
        let reading = Reading {
            charset: link.charset,
            contradiction: link.contradiction,
        };
        let message = match Message::parse(Arc::clone(body), &reading) {
            Ok(message) => message,
            Err(refusal) => {
                read.decision = Err(refusal);
                return read;
            }
        };
        let header = message.header();
        read.kind = format!("{}^{}", header.type_, header.event)
            .trim_end_matches('^')
            .to_owned();
        read.charset = message.charset().hl7_code().to_owned();
        read.warnings = message.warnings().to_vec();
        if let Err(refusal) = self.known(link).and_then(|()| acceptable(&message, link)) {
            read.decision = Err(refusal);
            return read;
        }
        let view = link.view();
        read.decision = set.translate_hl7(&message, &view, journal);
        if let (Err(refusal), Unsupported::Accept) = (&read.decision, link.unsupported)
            && matches!(refusal.reason, Reason::MessageType | Reason::MessageEvent)
        {
            // The journal keeps what would have been refused: it can be replayed once a mapping file takes it.
            read.warnings
                .push(format!("taken without effect, as the link says: {refusal}"));
            read.decision = Ok(Translation::without_effect());
        }
        let stated = match &read.decision {
            Ok(translation) => {
                read.warnings
                    .extend(translation.warnings.iter().map(ToString::to_string));
                translation.at.clone()
            }
            Err(_) => None,
        };
        let stated = stated.or_else(|| When::parse(&header.date).ok());
        read.as_of = AsOf::stated(stated.as_ref(), &link.zone, link.role, journal, received);
        read
    }
}

impl Intake {
    /// Whether the sender may talk to us at all.
    fn known(&self, link: &Link) -> Result<(), Refusal> {
        let stranger = link.name == DEFAULT_LINK;
        if stranger && self.config.mllp.unknown_sender == UnknownSender::Refuse {
            return Err(
                Refusal::new(Reason::SenderUnknown, "no link matches this sender")
                    .at(msh(3))
                    .allowed("the senders that [[link]] match names")
                    .hint("add a link for it, or set mllp.unknown_sender = \"accept\""),
            );
        }
        Ok(())
    }
}

/// A field of the header, whole.
fn msh(field: u16) -> Place {
    Place::Hl7(Hl7Place {
        segment: "MSH".to_owned(),
        occurrence: 1,
        field,
        repetition: 1,
        component: 1,
        subcomponent: 0,
    })
}

/// MSH-9, MSH-11 and MSH-12: what HL7 answers AR for (2.9.2.2).
fn acceptable(message: &Message, link: &Link) -> Result<(), Refusal> {
    let header = message.header();
    if header.type_.is_empty() {
        return Err(Refusal::new(Reason::FieldMissing, "the message type is empty").at(msh(9)));
    }
    let version = header.version.trim();
    if !version.is_empty() && !VERSIONS.contains(&version) && version != "2.8.2" {
        return Err(
            Refusal::new(Reason::Version, "a version that is not known here")
                .at(msh(12))
                .allowed("2.1 to 2.8.2"),
        );
    }
    let processing = header.processing_id.trim();
    if !processing.is_empty() && !link.processing.iter().any(|p| p == processing) {
        return Err(Refusal::new(
            Reason::ProcessingId,
            "a processing id that this link does not take",
        )
        .at(msh(11))
        .allowed(link.processing.join(", "))
        .hint(format!(
            "add it to `processing` of the link `{}`",
            link.name
        )));
    }
    Ok(())
}
