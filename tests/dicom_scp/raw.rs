//! A peer that speaks PDUs byte by byte, and may say anything.

use super::{Server, query};
use dicom_ul::pdu::{AssociationRQ, Pdu, PresentationContextProposed, UserVariableItem, write_pdu};
use relais::dicom::charset::Charset;
use relais::dicom::dimse::{Command, field, sop_class};
use relais::dicom::pdata::{Reassembler, pdvs};
use relais::dicom::read::Syntax;
use relais::dicom::scu::verify;
use relais::dicom::write::write;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest time that a peer waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const ABORT: u8 = 7;

/// The bytes of an A-ASSOCIATE-RQ: context 1 is the worklist, 3 is MPPS, 5 is verification, in Implicit VR Little Endian.
pub fn associate_rq() -> Vec<u8> {
    let classes = [
        (1, sop_class::MODALITY_WORKLIST_FIND),
        (3, sop_class::MODALITY_PERFORMED_PROCEDURE_STEP),
        (5, sop_class::VERIFICATION),
    ];
    let rq = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "CT1".into(),
        called_ae_title: "RELAIS".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: classes
            .map(|(id, class)| PresentationContextProposed {
                id,
                abstract_syntax: class.into(),
                transfer_syntaxes: vec![Syntax::ImplicitLe.uid().into()],
            })
            .into(),
        user_variables: vec![UserVariableItem::MaxLength(16_384)],
    };
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &Pdu::AssociationRQ(rq)).expect("writes");
    bytes
}

/// Command set of a C-FIND on the worklist.
pub fn find_command(message_id: u16) -> Vec<u8> {
    Command::c_request(
        field::C_FIND_RQ,
        sop_class::MODALITY_WORKLIST_FIND,
        message_id,
        true,
    )
    .write()
}

/// Data set of a query for `n` items.
pub fn find_data(n: &str) -> Vec<u8> {
    write(&query(n), Syntax::ImplicitLe, Charset::Ascii).expect("writes")
}

/// A presentation data value; `header` 1 = command, 2 = last.
pub fn pdv(context: u8, header: u8, data: &[u8]) -> Vec<u8> {
    let mut out = (data.len() as u32 + 2).to_be_bytes().to_vec();
    out.extend_from_slice(&[context, header]);
    out.extend_from_slice(data);
    out
}

/// A P-DATA-TF of some PDVs.
pub fn p_data(pdvs: &[Vec<u8>]) -> Vec<u8> {
    let body = pdvs.concat();
    let mut out = vec![4, 0];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend(body);
    out
}

/// One request for `n` items, in one PDU.
pub fn find_request(n: &str) -> Vec<u8> {
    p_data(&[pdv(1, 3, &find_command(1)), pdv(1, 2, &find_data(n))])
}

/// A connection.
pub struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("connects");
        stream.set_nodelay(true).expect("no delay");
        Self { stream }
    }

    /// Connects and associates.
    pub async fn associate(addr: SocketAddr) -> Self {
        let mut raw = Self::connect(addr).await;
        raw.send(&associate_rq()).await;
        assert_eq!(
            raw.pdu().await.map(|(kind, _)| kind),
            Some(2),
            "an A-ASSOCIATE-AC"
        );
        raw
    }

    /// Sends what the peer still takes.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes))
            .await
            .expect("written or refused in time");
    }

    /// The next PDU; `None` at the end.
    pub async fn pdu(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let mut head = [0; 6];
            self.stream.read_exact(&mut head).await.ok()?;
            let [kind, _, a, b, c, d] = head;
            let mut body = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
            self.stream.read_exact(&mut body).await.ok()?;
            Some((kind, body))
        };
        timeout(PATIENCE, read).await.expect("an answer in time")
    }

    /// Statuses of the responses up to the first that is not pending; `None` if the association ends before.
    pub async fn statuses(&mut self) -> Option<Vec<u16>> {
        let mut reassembler = Reassembler::default();
        let mut statuses = Vec::new();
        loop {
            let (kind, body) = self.pdu().await?;
            if kind != 4 {
                return None;
            }
            for pdv in pdvs(&body) {
                let Some(message) = reassembler.push(pdv.expect("whole")).expect("in order") else {
                    continue;
                };
                let status = message.command.status.expect("a status");
                statuses.push(status);
                if status != 0xFF00 {
                    return Some(statuses);
                }
            }
        }
    }

    /// Sends bytes and expects that the association is ended by an A-ABORT of the service provider with this reason.
    pub async fn ends_in_abort(mut self, bytes: &[u8], reason: u8) {
        self.send(bytes).await;
        let shown = &bytes[..bytes.len().min(24)];
        assert_eq!(
            self.pdu().await,
            Some((ABORT, vec![0, 0, 2, reason])),
            "{shown:02X?}"
        );
        assert_eq!(self.pdu().await, None);
    }
}

/// Another scanner is served as if nothing were.
pub async fn others_are_served(server: &Server) {
    let echo = timeout(PATIENCE, verify(server.addr, "MR1", "RELAIS")).await;
    assert_eq!(echo.expect("in time").expect("an association"), 0);
}
