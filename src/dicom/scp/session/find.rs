//! C-FIND on an association: matches sent in few writes, C-CANCEL heard while the query runs and between matches.

use super::{Session, count, unreadable};
use crate::dicom::association::Context;
use crate::dicom::charset::fit;
use crate::dicom::dictionary::name_of;
use crate::dicom::dimse::{field, status};
use crate::dicom::pdata::{Message, fragment};
use crate::dicom::scp::{End, FindAnswer};
use crate::dicom::write::write_into;
use std::future::Future;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Longest identifier of a query, bytes.
const MAX_IDENTIFIER: usize = 1 << 20;
/// Responses are gathered up to this many bytes before they are written.
const WRITE_AT: usize = 32 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<'_, S> {
    pub(super) async fn find(&mut self, message: Message, context: Context) -> Result<(), End> {
        let query = match self.read(&message, context, MAX_IDENTIFIER) {
            Ok(query) => query,
            Err(error) => {
                let why = unreadable(status::UNABLE_TO_PROCESS_KEY, "identifier", &error);
                return self.refuse(&message, why).await;
            }
        };
        let services = Arc::clone(&self.shared.services);
        let peer = self.peer.clone();
        let id = message.command.message_id;
        let Some(answer) = self
            .unless_cancelled(id, services.find(&peer, query))
            .await?
        else {
            return self
                .finish_find(&message, Vec::new(), status::CANCEL, None)
                .await;
        };
        match answer {
            Ok(answer) => self.send_matches(&message, context, answer).await,
            Err(why) => self.refuse(&message, why).await,
        }
    }

    /// Runs an operation and listens meanwhile: `None` if the peer cancelled it.
    async fn unless_cancelled<T>(
        &mut self,
        id: Option<u16>,
        operation: impl Future<Output = T>,
    ) -> Result<Option<T>, End> {
        let mut operation = std::pin::pin!(operation);
        loop {
            let kind = tokio::select! {
                biased;
                done = &mut operation => return Ok(Some(done)),
                kind = self.conn.next() => kind?,
            };
            self.take(kind)?;
            if self.is_cancelled(id) {
                return Ok(None);
            }
        }
    }

    /// True if a C-CANCEL for the running operation waits; it is taken out.
    fn is_cancelled(&mut self, id: Option<u16>) -> bool {
        let before = self.waiting.len();
        self.waiting
            .retain(|m| m.command.field != field::C_CANCEL_RQ || m.command.responded_to != id);
        self.waiting.len() < before
    }

    async fn send_matches(
        &mut self,
        message: &Message,
        context: Context,
        answer: FindAnswer,
    ) -> Result<(), End> {
        let mut pending = message.command.response(if answer.warning {
            status::PENDING_WARNING
        } else {
            status::PENDING
        });
        pending.has_data = true;
        let pending = pending.write();
        let (mut out, mut data) = (Vec::with_capacity(4096), Vec::with_capacity(1024));
        for item in answer.items {
            while let Some(kind) = self.conn.next_now().await? {
                self.take(kind)?;
            }
            if self.is_cancelled(message.command.message_id) {
                return self.finish_find(message, out, status::CANCEL, None).await;
            }
            let fitted = fit(&item, answer.charset);
            if !fitted.changed.is_empty() {
                let keywords: Vec<_> = fitted.changed.iter().map(|t| name_of(*t)).collect();
                tracing::debug!(
                    calling = self.peer.calling_ae,
                    ?keywords,
                    "text transliterated for the device"
                );
            }
            data.clear();
            if let Err(error) = write_into(&mut data, &fitted.data, context.syntax, fitted.charset)
            {
                tracing::error!(calling = self.peer.calling_ae, %error, "worklist item left out: it cannot be written");
                continue;
            }
            fragment(
                &mut out,
                message.context,
                &pending,
                Some(&data),
                self.peer_max_pdu,
            );
            if out.len() >= WRITE_AT {
                self.write(&out).await?;
                out.clear();
            }
        }
        let code = match answer.truncated {
            Some(_) => status::OUT_OF_RESOURCES,
            None => status::SUCCESS,
        };
        self.finish_find(message, out, code, answer.truncated).await
    }

    /// The final response, in one write with the matches before it.
    async fn finish_find(
        &mut self,
        message: &Message,
        mut out: Vec<u8>,
        code: u16,
        comment: Option<String>,
    ) -> Result<(), End> {
        let mut last = message.command.response(code);
        last.comment = comment;
        count(message, code);
        fragment(
            &mut out,
            message.context,
            &last.write(),
            None,
            self.peer_max_pdu,
        );
        self.write(&out).await
    }
}
