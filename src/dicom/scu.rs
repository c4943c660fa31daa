//! A DICOM client on `dicom-ul`: C-ECHO, C-FIND on Modality Worklist, N-CREATE and N-SET of MPPS. The simulated scanner, the tests and
//! the benches are its users.

use super::charset::fit;
use super::dataset::DataSet;
use super::dimse::{Command, field, sop_class, status};
use super::pdata::{Message, PdataError, Pdv, Reassembler, fragment};
use super::read::{Limits, ReadError, Syntax, read};
use super::write::{Unencodable, write_into};
use dicom_ul::association::client::AsyncClientAssociation;
use dicom_ul::pdu::{PDataValueType, Pdu, PresentationContextResultReason};
use dicom_ul::{ClientAssociationOptions, association::Association as _};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The three services of a scanner.
pub const SCANNER: &[&str] = &[
    sop_class::VERIFICATION,
    sop_class::MODALITY_WORKLIST_FIND,
    sop_class::MODALITY_PERFORMED_PROCEDURE_STEP,
];
/// Syntaxes offered by default, preferred first.
pub const SYNTAXES: &[Syntax] = &[Syntax::ExplicitLe, Syntax::ImplicitLe];
/// Time for a connection, a read or a write.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an operation of the client failed.
#[derive(Debug, thiserror::Error)]
pub enum ScuError {
    /// Connecting, negotiating or talking failed; the text has the peer's reason for a rejection.
    #[error("association with {peer} failed: {source}")]
    Association {
        peer: SocketAddr,
        #[source]
        source: Box<dicom_ul::association::Error>,
    },
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the peer accepted no presentation context for {0}")]
    NoContext(&'static str),
    #[error("the peer aborted the association")]
    Aborted,
    #[error("unexpected PDU or response: {0}")]
    Unexpected(String),
    #[error(transparent)]
    Pdata(#[from] PdataError),
    #[error("response data set unreadable: {0}")]
    Read(#[from] ReadError),
    #[error("request cannot be written: {0}")]
    Write(#[from] Unencodable),
}

/// The final response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status (0000,0900).
    pub status: u16,
    /// Affected SOP Instance UID.
    pub uid: Option<String>,
    /// The whole command set, for the comment, the error id and offending elements.
    pub command: Command,
}

impl Response {
    fn of(command: Command) -> Self {
        Self {
            // A response without status is read as a failure without name.
            status: command.status.unwrap_or(status::PROCESSING_FAILURE),
            uid: command.affected_instance.clone(),
            command,
        }
    }
}

/// What a C-FIND gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The matches.
    pub items: Vec<DataSet>,
    /// Final status.
    pub status: u16,
    /// True if a match came with FF01.
    pub warning: bool,
    /// Error Comment of the final response.
    pub comment: Option<String>,
}

/// Asks a peer whether it is there: associates, C-ECHO, releases. Gives the status of the echo.
pub async fn verify(peer: SocketAddr, calling: &str, called: &str) -> Result<u16, ScuError> {
    let mut association =
        Association::connect(peer, calling, called, &[sop_class::VERIFICATION]).await?;
    let status = association.echo().await?;
    association.release().await?;
    Ok(status)
}

/// An association as requestor.
#[derive(Debug)]
pub struct Association {
    peer: SocketAddr,
    inner: AsyncClientAssociation<TcpStream>,
    reassembler: Reassembler,
    pending: VecDeque<Message>,
    message_id: u16,
    out: Vec<u8>,
    data: Vec<u8>,
}

impl Association {
    /// Associates, offering the given SOP classes in both syntaxes.
    pub async fn connect(
        peer: SocketAddr,
        calling: &str,
        called: &str,
        classes: &[&str],
    ) -> Result<Self, ScuError> {
        Self::connect_with(peer, calling, called, classes, SYNTAXES).await
    }

    /// Associates, offering the given SOP classes in the given syntaxes.
    pub async fn connect_with(
        peer: SocketAddr,
        calling: &str,
        called: &str,
        classes: &[&str],
        syntaxes: &[Syntax],
    ) -> Result<Self, ScuError> {
        let mut options = ClientAssociationOptions::new()
            .calling_ae_title(calling)
            .called_ae_title(called)
            .max_pdu_length(65_536)
            .connection_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .write_timeout(PATIENCE);
        for class in classes {
            let syntaxes = syntaxes.iter().map(|s| s.uid()).collect();
            options = options.with_presentation_context(*class, syntaxes);
        }
        let mut inner = options
            .establish_async(peer)
            .await
            .map_err(|e| association(peer, e))?;
        inner.inner_stream().set_nodelay(true)?;
        Ok(Self {
            peer,
            inner,
            reassembler: Reassembler::default(),
            pending: VecDeque::new(),
            message_id: 0,
            out: Vec::with_capacity(1024),
            data: Vec::with_capacity(1024),
        })
    }

    /// C-ECHO.
    pub async fn echo(&mut self) -> Result<u16, ScuError> {
        let command = self.request(field::C_ECHO_RQ, sop_class::VERIFICATION);
        self.send(sop_class::VERIFICATION, command, None).await?;
        let (message, _) = self.receive().await?;
        Ok(Response::of(message.command).status)
    }

    /// C-FIND on Modality Worklist.
    pub async fn find(&mut self, query: &DataSet) -> Result<Found, ScuError> {
        self.find_until(query, usize::MAX).await
    }

    /// C-FIND that is cancelled after `enough` matches.
    pub async fn find_until(&mut self, query: &DataSet, enough: usize) -> Result<Found, ScuError> {
        let class = sop_class::MODALITY_WORKLIST_FIND;
        let command = self.request(field::C_FIND_RQ, class);
        let id = self.message_id;
        self.send(class, command, Some(query)).await?;
        let mut found = Found {
            items: Vec::new(),
            status: status::SUCCESS,
            warning: false,
            comment: None,
        };
        loop {
            let (message, syntax) = self.receive().await?;
            let response = Response::of(message.command);
            if !status::is_pending(response.status) {
                found.status = response.status;
                found.comment = response.command.comment;
                return Ok(found);
            }
            found.warning |= response.status == status::PENDING_WARNING;
            let item = read(&message.data, syntax, Limits::default(), None)?;
            found.items.push(item);
            if found.items.len() == enough {
                self.send(class, Command::cancel(id), None).await?;
            }
        }
    }

    /// N-CREATE of an MPPS; without UID the server chooses one.
    pub async fn n_create(
        &mut self,
        uid: Option<&str>,
        data: &DataSet,
    ) -> Result<Response, ScuError> {
        let class = sop_class::MODALITY_PERFORMED_PROCEDURE_STEP;
        let mut command = self.request(field::N_CREATE_RQ, class);
        command.affected_instance = uid.map(str::to_owned);
        self.operate(class, command, data).await
    }

    /// N-SET of an MPPS.
    pub async fn n_set(&mut self, uid: &str, data: &DataSet) -> Result<Response, ScuError> {
        let class = sop_class::MODALITY_PERFORMED_PROCEDURE_STEP;
        let mut command = self.request(field::N_SET_RQ, class);
        command.requested_class = command.affected_class.take();
        command.requested_instance = Some(uid.to_owned());
        self.operate(class, command, data).await
    }

    async fn operate(
        &mut self,
        class: &'static str,
        command: Command,
        data: &DataSet,
    ) -> Result<Response, ScuError> {
        self.send(class, command, Some(data)).await?;
        Ok(Response::of(self.receive().await?.0.command))
    }

    /// Sends any command set, as tests of odd peers need it, and gives the next response.
    pub async fn raw(
        &mut self,
        class: &'static str,
        command: Command,
        data: Option<&DataSet>,
    ) -> Result<Response, ScuError> {
        self.send(class, command, data).await?;
        Ok(Response::of(self.receive().await?.0.command))
    }

    /// Releases the association in an orderly way.
    pub async fn release(self) -> Result<(), ScuError> {
        let peer = self.peer;
        self.inner.release().await.map_err(|e| association(peer, e))
    }

    /// Aborts the association.
    pub async fn abort(self) -> Result<(), ScuError> {
        let peer = self.peer;
        self.inner.abort().await.map_err(|e| association(peer, e))
    }

    fn request(&mut self, field: u16, class: &str) -> Command {
        self.message_id = self.message_id.wrapping_add(1).max(1);
        Command::c_request(field, class, self.message_id, false)
    }

    fn context(&self, class: &'static str) -> Result<(u8, Syntax), ScuError> {
        self.inner
            .presentation_contexts()
            .iter()
            .filter(|c| {
                c.abstract_syntax == class
                    && c.reason == PresentationContextResultReason::Acceptance
            })
            .find_map(|c| Some((c.id, Syntax::of_uid(&c.transfer_syntax)?)))
            .ok_or(ScuError::NoContext(class))
    }

    async fn send(
        &mut self,
        class: &'static str,
        mut command: Command,
        data: Option<&DataSet>,
    ) -> Result<(), ScuError> {
        let (context, syntax) = self.context(class)?;
        command.has_data = data.is_some();
        self.data.clear();
        if let Some(data) = data {
            let fitted = fit(data, None);
            write_into(&mut self.data, &fitted.data, syntax, fitted.charset)?;
        }
        self.out.clear();
        let limit = self.inner.peer_max_pdu_length();
        let body = data.map(|_| &self.data[..]);
        fragment(&mut self.out, context, &command.write(), body, limit);
        let stream = self.inner.inner_stream();
        tokio::time::timeout(PATIENCE, stream.write_all(&self.out))
            .await
            .map_err(std::io::Error::from)??;
        Ok(())
    }

    /// The next message, with the transfer syntax of its context.
    async fn receive(&mut self) -> Result<(Message, Syntax), ScuError> {
        let peer = self.peer;
        loop {
            let message = match self.pending.pop_front() {
                Some(message) => message,
                None => {
                    self.take_pdu(peer).await?;
                    continue;
                }
            };
            let syntax = self
                .inner
                .presentation_contexts()
                .iter()
                .find(|c| c.id == message.context)
                .and_then(|c| Syntax::of_uid(&c.transfer_syntax))
                .ok_or_else(|| ScuError::Unexpected("a context that was not accepted".into()))?;
            return Ok((message, syntax));
        }
    }

    async fn take_pdu(&mut self, peer: SocketAddr) -> Result<(), ScuError> {
        let pdu = self
            .inner
            .receive()
            .await
            .map_err(|e| association(peer, e))?;
        match pdu {
            Pdu::PData { data } => {
                for value in &data {
                    let pdv = Pdv {
                        context: value.presentation_context_id,
                        is_command: value.value_type == PDataValueType::Command,
                        is_last: value.is_last,
                        data: &value.data,
                    };
                    self.pending.extend(self.reassembler.push(pdv)?);
                }
                Ok(())
            }
            Pdu::AbortRQ { .. } => Err(ScuError::Aborted),
            other => Err(ScuError::Unexpected(other.short_description().to_string())),
        }
    }
}

fn association(peer: SocketAddr, source: dicom_ul::association::Error) -> ScuError {
    ScuError::Association {
        peer,
        source: Box::new(source),
    }
}
