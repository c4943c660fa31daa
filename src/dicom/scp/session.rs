//! One established association: messages in, responses out.

mod find;

use super::door::Place;
use super::{Body, DimseFailure, End, Peer, Shared, UNIT};
use crate::dicom::association::{Accepted, Connection, Context, is_data, pdu_type};
use crate::dicom::charset::Charset;
use crate::dicom::dataset::DataSet;
use crate::dicom::datatype::is_uid;
use crate::dicom::dictionary::name_of;
use crate::dicom::dimse::{Command, field, sop_class, status};
use crate::dicom::pdata::{Message, Reassembler, fragment, pdvs};
use crate::dicom::read::{Limits, ReadError, read};
use crate::fault::{self, Point};
use dicom_ul::pdu::AbortRQServiceProviderReason as Reason;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

/// Requests that may wait while one runs; asynchronous operation is not negotiated, so one is already more than allowed.
const MAX_WAITING: usize = 4;

pub(super) struct Session<'a, S> {
    conn: &'a mut Connection<S>,
    peer: Peer,
    contexts: BTreeMap<u8, Context>,
    peer_max_pdu: u32,
    shared: &'a Shared,
    place: &'a Place,
    fallback: Option<Charset>,
    reassembler: Reassembler,
    /// When the request that is being received was begun.
    begun: Option<Instant>,
    /// Held for a long data set until its request is answered.
    memory: Option<OwnedSemaphorePermit>,
    waiting: VecDeque<Message>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Session<'a, S> {
    pub fn new(
        conn: &'a mut Connection<S>,
        peer: Peer,
        accepted: Accepted,
        shared: &'a Shared,
        place: &'a Place,
    ) -> Self {
        Self {
            fallback: shared.services.fallback_charset(&peer),
            conn,
            peer,
            contexts: accepted.contexts,
            peer_max_pdu: accepted.peer_max_pdu,
            shared,
            place,
            reassembler: Reassembler::new(shared.settings.max_data_set),
            begun: None,
            memory: None,
            waiting: VecDeque::new(),
        }
    }

    /// Serves messages until the association ends.
    pub async fn run(mut self) -> End {
        let end = loop {
            match self.message().await {
                Ok(message) => {
                    if let Err(end) = self.dispatch(message).await {
                        break end;
                    }
                }
                Err(end) => break end,
            }
        };
        tracing::debug!(
            calling = self.peer.calling_ae,
            end = end.name(),
            "DICOM association ended"
        );
        end
    }

    /// Waits for the next request.
    async fn message(&mut self) -> Result<Message, End> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(message);
            }
            if self.reassembler.is_idle() {
                self.memory = None;
            }
            let kind = self.pdu().await?;
            self.take(kind)?;
        }
    }

    /// Waits for the next PDU: at rest for the idle time, within a request until it should be whole.
    async fn pdu(&mut self) -> Result<u8, End> {
        let settings = &self.shared.settings;
        if self.begun.is_none() {
            let short = settings.rest.min(settings.idle);
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return Err(End::Stopped),
                any = timeout(short, self.conn.any()) => match any {
                    Ok(any) => any?,
                    Err(_) => {
                        let rest = self.place.rest();
                        let idle = settings.idle.saturating_sub(short);
                        tokio::select! {
                            () = self.shared.stop.cancelled() => return Err(End::Stopped),
                            () = rest.disturbed() => return Err(End::Idle),
                            any = timeout(idle, self.conn.any()) => any.map_err(|_| End::Idle)??,
                        }
                    }
                },
            }
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let kind = timeout_at(begun + settings.request, self.conn.next()).await;
        Ok(kind.map_err(|_| End::Unfinished)??)
    }

    /// Takes the PDU at the front of the connection.
    fn take(&mut self, kind: u8) -> Result<(), End> {
        let taken = match kind {
            kind if is_data(kind) => self.take_data(),
            pdu_type::RELEASE_RQ => Err(End::Released),
            pdu_type::ABORT => Err(End::Aborted),
            _ => Err(End::Violation(Reason::UnexpectedPdu)),
        };
        self.conn.done();
        if self.reassembler.is_idle() {
            self.begun = None;
        }
        taken
    }

    /// Reserves memory for what a long data set takes beyond its first bytes.
    fn reserve(&mut self) -> Result<(), End> {
        let wanted = self.reassembler.held() / UNIT;
        let have = self.memory.as_ref().map_or(0, |m| m.num_permits());
        let Some(more) = wanted.checked_sub(have).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.shared.memory).try_acquire_many_owned(more) else {
            tracing::warn!(
                calling = self.peer.calling_ae,
                held = self.reassembler.held(),
                "DICOM association aborted: long data sets of all associations take too much memory"
            );
            return Err(End::Memory);
        };
        match &mut self.memory {
            Some(memory) => memory.merge(permit),
            None => self.memory = Some(permit),
        }
        Ok(())
    }

    fn take_data(&mut self) -> Result<(), End> {
        for pdv in pdvs(self.conn.body()) {
            let message = pdv.and_then(|pdv| self.reassembler.push(pdv));
            match message {
                Ok(Some(message)) if self.waiting.len() < MAX_WAITING => {
                    self.waiting.push_back(message);
                }
                Ok(Some(_)) => return Err(End::Violation(Reason::UnexpectedPdu)),
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(calling = self.peer.calling_ae, %error, "DICOM association aborted");
                    return Err(End::Violation(Reason::InvalidPduParameter));
                }
            }
        }
        self.reserve()
    }

    async fn dispatch(&mut self, message: Message) -> Result<(), End> {
        let Some(context) = self.contexts.get(&message.context).copied() else {
            return Err(End::Violation(Reason::InvalidPduParameter));
        };
        let command = &message.command;
        if command.is_response() {
            return Err(End::Violation(Reason::UnexpectedPdu));
        }
        match (context.class, command.field) {
            // Too late: the operation is over.
            (_, field::C_CANCEL_RQ) => Ok(()),
            // Scanners ping on whatever context they have.
            (_, field::C_ECHO_RQ) => {
                self.respond(message.context, command.response(status::SUCCESS))
                    .await
            }
            (class, _) if command.class().is_none_or(|c| c != class) => {
                let (code, comment) = match command.field {
                    field::C_FIND_RQ => (
                        status::SOP_CLASS_NOT_SUPPORTED,
                        "SOP class is not the context's",
                    ),
                    _ => (status::NO_SUCH_SOP_CLASS, "SOP class is not the context's"),
                };
                self.refuse(&message, failure(code, comment)).await
            }
            (sop_class::MODALITY_WORKLIST_FIND, field::C_FIND_RQ) => {
                self.find(message, context).await
            }
            (sop_class::MODALITY_PERFORMED_PROCEDURE_STEP, field::N_CREATE_RQ) => {
                self.create(message, context).await
            }
            (sop_class::MODALITY_PERFORMED_PROCEDURE_STEP, field::N_SET_RQ) => {
                self.set(message, context).await
            }
            _ => {
                let why = failure(
                    status::UNRECOGNIZED_OPERATION,
                    "operation not supported for this SOP class",
                );
                self.refuse(&message, why).await
            }
        }
    }

    async fn create(&mut self, mut message: Message, context: Context) -> Result<(), End> {
        let uid = message.command.affected_instance.clone();
        if uid.as_deref().is_some_and(|uid| !is_uid(uid)) {
            return self.refuse(&message, bad_uid()).await;
        }
        let body = match self.body(&mut message, context) {
            Ok(body) => body,
            Err(why) => return self.refuse(&message, why).await,
        };
        let created = self.shared.services.create(&self.peer, uid, body).await;
        match created {
            Ok(uid) => {
                let mut response = message.command.response(status::SUCCESS);
                response.affected_instance = Some(uid);
                self.respond(message.context, response).await
            }
            Err(why) => self.refuse(&message, why).await,
        }
    }

    async fn set(&mut self, mut message: Message, context: Context) -> Result<(), End> {
        let uid = match message.command.instance() {
            Some(uid) if is_uid(uid) => uid.to_owned(),
            _ => return self.refuse(&message, bad_uid()).await,
        };
        let body = match self.body(&mut message, context) {
            Ok(body) => body,
            Err(why) => return self.refuse(&message, why).await,
        };
        let set = self.shared.services.set(&self.peer, uid, body).await;
        match set {
            Ok(()) => {
                let response = message.command.response(status::SUCCESS);
                self.respond(message.context, response).await
            }
            Err(why) => self.refuse(&message, why).await,
        }
    }

    fn read(&self, message: &Message, context: Context, most: usize) -> Result<DataSet, ReadError> {
        let limits = Limits {
            bytes: most,
            ..Limits::default()
        };
        let data = read(&message.data, context.syntax, limits, self.fallback)?;
        for warning in data.warnings() {
            tracing::debug!(
                calling = self.peer.calling_ae,
                keyword = name_of(warning.tag),
                what = warning.what,
                "odd data set"
            );
        }
        Ok(data)
    }

    /// The data set of a message, which loses its bytes: they can be many.
    fn body(&self, message: &mut Message, context: Context) -> Result<Body, DimseFailure> {
        let data = self
            .read(message, context, self.shared.settings.max_data_set)
            .map_err(|e| unreadable(status::PROCESSING_FAILURE, "data set", &e))?;
        Ok(Body {
            bytes: std::mem::take(&mut message.data),
            syntax: context.syntax,
            data,
        })
    }

    async fn refuse(&mut self, message: &Message, why: DimseFailure) -> Result<(), End> {
        tracing::info!(
            calling = self.peer.calling_ae,
            service = field::name(message.command.field),
            status = format_args!("{:#06X}", why.status),
            comment = why.comment,
            "DIMSE request refused"
        );
        let mut response = message.command.response(why.status);
        response.comment = (!why.comment.is_empty()).then_some(why.comment);
        response.error_id = why.error_id;
        if message.command.field == field::C_FIND_RQ {
            response.offending = why.offending;
        } else {
            response.attributes = why.offending;
        }
        self.respond(message.context, response).await
    }

    async fn respond(&mut self, context: u8, response: Command) -> Result<(), End> {
        let code = response.status.unwrap_or_default();
        metrics::counter!("relais_dimse_requests_total", "service" => field::name(response.field), "status" => format!("{code:04X}"))
            .increment(1);
        let mut out = Vec::with_capacity(256);
        fragment(
            &mut out,
            context,
            &response.write(),
            None,
            self.peer_max_pdu,
        );
        self.write(&out).await?;
        fault::point(Point::AfterAnswer);
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        match timeout(self.shared.settings.artim, self.conn.write(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Lost),
        }
    }
}

fn count(message: &Message, code: u16) {
    metrics::counter!("relais_dimse_requests_total", "service" => field::name(message.command.field), "status" => format!("{code:04X}"))
        .increment(1);
}

fn failure(status: u16, comment: &str) -> DimseFailure {
    DimseFailure {
        status,
        comment: comment.to_owned(),
        ..DimseFailure::default()
    }
}

fn bad_uid() -> DimseFailure {
    failure(
        status::INVALID_SOP_INSTANCE,
        "SOP Instance UID missing or not a UID",
    )
}

fn unreadable(status: u16, what: &str, error: &ReadError) -> DimseFailure {
    let mut why = failure(
        status,
        &format!("{what} unreadable at byte {}: {}", error.offset, error.what),
    );
    why.offending = error.tag.into_iter().collect();
    why
}
