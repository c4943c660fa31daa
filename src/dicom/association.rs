//! The acceptor's side of an association (PS3.8): framing of PDUs on a stream and the negotiation, over the PDU types of `dicom-ul`.
//!
//! `dicom-ul`'s own acceptor is not used: it cannot refuse for a local limit (2/3/2), compares the whole protocol version instead
//! of its bit 0, takes duplicate context ids, and closes without A-ABORT on a malformed PDU. What is spoken over the association is
//! [`super::scp`]'s concern.

use super::dimse::sop_class;
use super::pdata::{P_DATA_TF, PDU_HEADER};
use super::read::Syntax;
use crate::fuzzing;
use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AbortRQSource, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceProviderASCEReason, AssociationRJServiceProviderPresentationReason,
    AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ, Pdu,
    PresentationContextProposed, PresentationContextResult, PresentationContextResultReason,
    UserVariableItem, read_pdu, write_pdu,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest PDU that is taken whatever we announced: some peers exceed the announced length, and memory stays bounded.
const LONGEST_PDU: usize = 131_072;
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// UUID-derived (PS3.5 B.2), stable over versions.
const IMPLEMENTATION_CLASS: &str = "2.25.253147565236120032741632479687926376114";
const IMPLEMENTATION_VERSION: &str = concat!("RELAIS_", env!("CARGO_PKG_VERSION"));

/// PDU types (PS3.8 9.3).
pub(super) mod pdu_type {
    pub const ASSOCIATE_RQ: u8 = 0x01;
    pub const RELEASE_RQ: u8 = 0x05;
    pub const ABORT: u8 = 0x07;
}

/// Why the stream gives no further PDU.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The peer closed, cleanly or inside a PDU.
    #[error("connection closed by the peer")]
    Closed,
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("PDU of {0} bytes announced")]
    TooLong(usize),
    #[error("unknown PDU type {0:#04X}")]
    UnknownType(u8),
}

/// PDUs on a stream. Reading is safe to cancel: what was read stays in the buffer.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    inbox: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            inbox: Vec::with_capacity(8192),
        }
    }

    /// Type and body length of the PDU at the front of the buffer, once it is whole.
    fn front(&self) -> Result<Option<(u8, usize)>, Broken> {
        let Some(&[kind, _, a, b, c, d]) = self.inbox.first_chunk::<PDU_HEADER>() else {
            return Ok(None);
        };
        if !(0x01..=0x07).contains(&kind) {
            return Err(Broken::UnknownType(kind));
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > LONGEST_PDU {
            return Err(Broken::TooLong(length));
        }
        Ok((self.inbox.len() >= PDU_HEADER + length).then_some((kind, length)))
    }

    /// Waits for the next PDU and gives its type; its bytes are then [`Self::body`], until [`Self::done`].
    pub async fn next(&mut self) -> Result<u8, Broken> {
        loop {
            if let Some((kind, _)) = self.front()? {
                return Ok(kind);
            }
            self.more().await?;
        }
    }

    /// Waits for the first bytes of a PDU.
    pub async fn any(&mut self) -> Result<(), Broken> {
        if self.inbox.is_empty() {
            self.more().await?;
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<(), Broken> {
        self.inbox.reserve(4096);
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err(Broken::Closed),
            _ => Ok(()),
        }
    }

    /// The next PDU if it is there already.
    pub async fn next_now(&mut self) -> Result<Option<u8>, Broken> {
        tokio::select! {
            biased;
            kind = self.next() => kind.map(Some),
            () = std::future::ready(()) => Ok(None),
        }
    }

    /// Header and variable field of the current PDU.
    fn whole(&self) -> &[u8] {
        match self.front() {
            Ok(Some((_, length))) => self.inbox.get(..PDU_HEADER + length).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Variable field of the current PDU.
    pub fn body(&self) -> &[u8] {
        self.whole().get(PDU_HEADER..).unwrap_or_default()
    }

    /// The current PDU as a value; `None` if it is malformed.
    pub fn parsed(&self) -> Option<Pdu> {
        read_pdu(self.whole(), LONGEST_PDU as u32, true)
            .ok()
            .flatten()
    }

    /// Drops the current PDU.
    pub fn done(&mut self) {
        let length = self.whole().len();
        self.inbox.drain(..length);
    }

    /// Writes bytes, in one call where the kernel takes them.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes a PDU.
    pub async fn send(&mut self, pdu: &Pdu) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(256);
        write_pdu(&mut bytes, pdu).map_err(io::Error::other)?;
        self.write(&bytes).await
    }

    /// Ends our half and reads the rest away until the peer closes, so that our last PDU is not lost to a reset. Callers bound it
    /// in time.
    pub async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut sink = [0; 1024];
        for _ in 0..64 {
            if !matches!(self.stream.read(&mut sink).await, Ok(n) if n > 0) {
                return;
            }
        }
    }
}

/// A-ABORT by the service provider.
pub(super) fn abort(reason: AbortRQServiceProviderReason) -> Pdu {
    Pdu::AbortRQ {
        source: AbortRQSource::ServiceProvider(reason),
    }
}

/// An accepted presentation context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    /// Abstract syntax.
    pub class: &'static str,
    pub syntax: Syntax,
}

/// A negotiated association.
#[derive(Debug)]
pub(super) struct Accepted {
    pub answer: Pdu,
    pub contexts: BTreeMap<u8, Context>,
    /// The peer's maximum PDU length, 0 = none.
    pub peer_max_pdu: u32,
}

/// A refusal with transient result: too many associations (2/3/2).
pub(super) fn over_limit() -> AssociationRJ {
    AssociationRJ {
        result: AssociationRJResult::Transient,
        source: AssociationRJSource::ServiceProviderPresentation(
            AssociationRJServiceProviderPresentationReason::LocalLimitExceeded,
        ),
    }
}

/// A permanent refusal by the service user.
pub(super) fn refused(reason: AssociationRJServiceUserReason) -> AssociationRJ {
    AssociationRJ {
        result: AssociationRJResult::Permanent,
        source: AssociationRJSource::ServiceUser(reason),
    }
}

const CLASSES: [&str; 3] = [
    sop_class::VERIFICATION,
    sop_class::MODALITY_WORKLIST_FIND,
    sop_class::MODALITY_PERFORMED_PROCEDURE_STEP,
];

/// Answers an A-ASSOCIATE-RQ: our three services, each in the first of our two transfer syntaxes that the peer lists. Optional
/// negotiations are answered by their absence: synchronous operation, default roles, no extended negotiation.
pub(super) fn negotiate(rq: &AssociationRQ, max_pdu: u32) -> Result<Accepted, AssociationRJ> {
    // PS3.8 9.3.2: only bit 0 is tested.
    if rq.protocol_version & 1 == 0 {
        return Err(AssociationRJ {
            result: AssociationRJResult::Permanent,
            source: AssociationRJSource::ServiceProviderASCE(
                AssociationRJServiceProviderASCEReason::ProtocolVersionNotSupported,
            ),
        });
    }
    let pad = ['\0', ' '];
    if rq.application_context_name.trim_end_matches(pad) != APPLICATION_CONTEXT {
        return Err(refused(
            AssociationRJServiceUserReason::ApplicationContextNameNotSupported,
        ));
    }
    let mut seen = BTreeSet::new();
    let mut contexts = BTreeMap::new();
    let mut results = Vec::new();
    for proposed in &rq.presentation_contexts {
        // Ids are odd (PS3.8 9.3.2.2) and there are at most 128 of them; a repeated id cannot be answered twice.
        if proposed.id % 2 == 0 || !seen.insert(proposed.id) {
            return Err(refused(AssociationRJServiceUserReason::NoReasonGiven));
        }
        let (reason, syntax) = match choose(proposed) {
            Ok(context) => {
                contexts.insert(proposed.id, context);
                (PresentationContextResultReason::Acceptance, context.syntax)
            }
            Err(reason) => (reason, Syntax::ImplicitLe),
        };
        results.push(PresentationContextResult {
            id: proposed.id,
            reason,
            transfer_syntax: syntax.uid().to_owned(),
        });
    }
    let peer_max_pdu = rq.user_variables.iter().find_map(|v| match v {
        UserVariableItem::MaxLength(n) => Some(*n),
        _ => None,
    });
    let answer = Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        calling_ae_title: rq.calling_ae_title.clone(),
        called_ae_title: rq.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: vec![
            UserVariableItem::MaxLength(max_pdu),
            UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS.to_owned()),
            UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION.to_owned()),
        ],
    });
    Ok(Accepted {
        answer,
        contexts,
        // Absent means unlimited (PS3.8 D.1); 16 KiB is what every implementation takes.
        peer_max_pdu: peer_max_pdu.unwrap_or(16_384),
    })
}

fn choose(
    proposed: &PresentationContextProposed,
) -> Result<Context, PresentationContextResultReason> {
    let wanted = proposed.abstract_syntax.trim_end_matches(['\0', ' ']);
    let class = CLASSES
        .into_iter()
        .find(|c| *c == wanted)
        .ok_or(PresentationContextResultReason::AbstractSyntaxNotSupported)?;
    let syntax = proposed
        .transfer_syntaxes
        .iter()
        .find_map(|s| Syntax::of_uid(s))
        .ok_or(PresentationContextResultReason::TransferSyntaxesNotSupported)?;
    Ok(Context { class, syntax })
}

/// The request of a whole A-ASSOCIATE-RQ at the front of the connection.
pub(super) fn request<S: AsyncRead + AsyncWrite + Unpin>(
    conn: &Connection<S>,
) -> Option<AssociationRQ> {
    match conn.parsed()? {
        Pdu::AssociationRQ(rq) => Some(rq),
        _ => None,
    }
}

/// The reason of the A-ABORT that answers a PDU that may not come now or a broken stream; `None` if there is nobody to tell.
pub(super) fn abort_reason(broken: &Broken) -> Option<AbortRQServiceProviderReason> {
    match broken {
        Broken::Closed | Broken::Io(_) => None,
        Broken::TooLong(_) => Some(AbortRQServiceProviderReason::InvalidPduParameter),
        Broken::UnknownType(_) => Some(AbortRQServiceProviderReason::UnrecognizedPdu),
    }
}

/// True for PDUs that carry messages.
pub(super) fn is_data(kind: u8) -> bool {
    kind == P_DATA_TF
}

/// Fuzz target: any bytes as a PDU from the network, negotiated if it is a request.
pub fn fuzz_associate(data: &[u8]) -> u64 {
    match read_pdu(data, LONGEST_PDU as u32, true) {
        Ok(Some(Pdu::AssociationRQ(rq))) => match negotiate(&rq, 16_384) {
            Ok(accepted) => {
                let mut bytes = Vec::new();
                let written = write_pdu(&mut bytes, &accepted.answer).is_ok();
                fuzzing::shape((
                    fuzzing::size(rq.presentation_contexts.len()),
                    accepted.contexts.len().min(8),
                    rq.user_variables.len().min(8),
                    written,
                ))
            }
            Err(refused) => fuzzing::shape(format!("{refused:?}")),
        },
        Ok(Some(other)) => fuzzing::shape(std::mem::discriminant(&other)),
        Ok(None) => 1,
        Err(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rq(contexts: &[(u8, &str, &[&str])]) -> AssociationRQ {
        AssociationRQ {
            protocol_version: 3,
            calling_ae_title: "CT1".into(),
            called_ae_title: "RELAIS".into(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: contexts
                .iter()
                .map(|(id, class, syntaxes)| PresentationContextProposed {
                    id: *id,
                    abstract_syntax: (*class).into(),
                    transfer_syntaxes: syntaxes.iter().map(|s| (*s).into()).collect(),
                })
                .collect(),
            user_variables: vec![UserVariableItem::MaxLength(4096)],
        }
    }

    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";
    const JPEG: &str = "1.2.840.10008.1.2.4.50";

    #[test]
    fn each_context_is_answered_by_itself() {
        let mwl = sop_class::MODALITY_WORKLIST_FIND;
        let accepted = negotiate(
            &rq(&[
                (1, mwl, &[JPEG, EXPLICIT, IMPLICIT]),
                (3, sop_class::VERIFICATION, &[IMPLICIT]),
                (5, "1.2.840.10008.5.1.4.1.1.2", &[IMPLICIT]),
                (7, mwl, &[JPEG]),
            ]),
            16_384,
        )
        .expect("accepted");
        assert_eq!(accepted.peer_max_pdu, 4096);
        assert_eq!(
            accepted.contexts.keys().copied().collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(accepted.contexts[&1].syntax, Syntax::ExplicitLe);
        let Pdu::AssociationAC(ac) = accepted.answer else {
            panic!("an A-ASSOCIATE-AC")
        };
        use PresentationContextResultReason as R;
        let reasons: Vec<_> = ac
            .presentation_contexts
            .into_iter()
            .map(|c| c.reason)
            .collect();
        assert_eq!(
            reasons,
            [
                R::Acceptance,
                R::Acceptance,
                R::AbstractSyntaxNotSupported,
                R::TransferSyntaxesNotSupported
            ]
        );
    }

    #[test]
    fn requests_that_break_the_protocol_are_rejected() {
        let echo = sop_class::VERIFICATION;
        let twice = rq(&[(1, echo, &[IMPLICIT]), (1, echo, &[IMPLICIT])]);
        let even = rq(&[(2, echo, &[IMPLICIT])]);
        let mut version = rq(&[(1, echo, &[IMPLICIT])]);
        version.protocol_version = 2;
        let mut application = rq(&[(1, echo, &[IMPLICIT])]);
        application.application_context_name = "1.2".into();
        for rq in [twice, even, version, application] {
            let rj = negotiate(&rq, 16_384).expect_err("rejected");
            assert_eq!(rj.result, AssociationRJResult::Permanent);
        }
    }

    #[test]
    fn the_implementation_version_fits_its_field() {
        assert!(IMPLEMENTATION_VERSION.len() <= 16);
    }
}
