//! What an operator may correct: a journalled message done again or marked as handled, an entry of the outbox sent again or given up,
//! a target paused. The command line and the HTTP API call these functions and no others.
//!
//! Rules upheld: the record changes through `workflow` only; every act is a journal row of its own with who, when and why, and names
//! the message that it is about by `cause_id`; no row that was there before is edited. Any node may correct while others serve: a
//! correction is a short transaction like a message's, by a node with ids of its own.

use crate::clock::Minter;
use crate::dicom::mpps_scp::MppsScp;
use crate::domain::ids::JournalId;
use crate::domain::reason::Reason;
use crate::intake::Intake;
use crate::store::{
    JournalEntry, JournalView, OutboxFilter, RefusedMessage, Steer, Store, StoreError,
};
use crate::workflow::{Outcome, Replay, Unit};
use crate::worklist::device::Device;
use std::sync::Arc;

/// Longest reason and name, in characters.
const WORDS: usize = 300;

/// Who corrects, through which port, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// `cli` or `http`.
    pub port: &'static str,
    /// `user@host`, or the name of the API's token.
    pub who: String,
    /// In the operator's words, without patient data; may be empty where a function does not ask for it.
    pub because: String,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Its own journal row.
    pub journal: JournalId,
    /// `Applied` or `Refused`.
    pub outcome: Outcome,
}

/// Why nothing was corrected. Without patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// It is there, and this cannot be done to it.
    #[error("{0}")]
    NotPossible(String),
    /// The request itself is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The database is away; nothing was changed.
    #[error("{0}")]
    Away(String),
}

impl From<StoreError> for CorrectionError {
    fn from(error: StoreError) -> Self {
        Self::Away(format!("nothing was changed: {error}"))
    }
}

/// The corrections of a running engine, or of a command beside it. Cheap to clone.
#[derive(Clone)]
pub struct Corrections {
    pub store: Store,
    pub intake: Arc<Intake>,
    pub mpps: Arc<MppsScp>,
    pub minter: Minter,
}

impl Corrections {
    /// Has a message done again: read by today's configuration and mapping files, as old as it was when it came, so that what came
    /// later stays. The replay is a journal row of its own; the original keeps the bytes.
    ///
    /// # Errors
    /// There is no such message, its bytes are not kept, or the database is away.
    pub async fn replay(&self, id: JournalId, by: &By) -> Result<Replayed, CorrectionError> {
        check(by, false)?;
        let original = self.original(id).await?;
        // A message that took effect is to be done differently now: its replay is the newer statement. One that never did keeps its
        // place among the others of its second.
        let anew =
            original.outcome == "applied" || self.store.was_replayed(original.entry.id).await?;
        let (of, entry) = (original.entry.id, original.entry.clone());
        let mut unit = self.reread(original)?;
        let journal = JournalId(self.minter.mint());
        if anew {
            unit.as_of.journal = journal;
        }
        unit.journal.id = journal;
        unit.journal.received = self.intake.clock.now();
        by.port.clone_into(&mut unit.journal.port);
        unit.journal.peer.clone_from(&by.who);
        unit.ack = None;
        unit.detect_resend = false;
        unit.replay = Some(Replay {
            of,
            because: by.because.clone(),
        });
        let outcome = self.intake.workflow.execute(unit).await;
        if let Outcome::Away(reason) = &outcome {
            return Err(CorrectionError::Away(format!(
                "nothing was changed: {}",
                reason.text()
            )));
        }
        tracing::info!(%journal, %of, link = entry.link, by = by.who, "message replayed");
        Ok(Replayed { journal, outcome })
    }

    /// Refused messages that nobody has dealt with yet, or `all` of them, oldest first; of one reason code if one is given.
    ///
    /// # Errors
    /// The database is away.
    pub async fn refused(
        &self,
        reason: Option<&str>,
        all: bool,
        limit: u32,
    ) -> Result<Vec<RefusedMessage>, CorrectionError> {
        Ok(self.store.refused_messages(reason, all, limit).await?)
    }

    /// Marks a refused message as handled. Returns the journal row that says so.
    ///
    /// # Errors
    /// It says no reason; there is no such message, it was not refused, or it is handled; or the database is away.
    pub async fn discard_message(
        &self,
        id: JournalId,
        by: &By,
    ) -> Result<JournalId, CorrectionError> {
        check(by, true)?;
        let original = self.original(id).await?;
        let mut entry = self.entry(by, "");
        // It is found with the message: same link, kind and control id.
        entry.link.clone_from(&original.entry.link);
        entry.kind.clone_from(&original.entry.kind);
        entry.control_id.clone_from(&original.entry.control_id);
        entry.hash = original.entry.hash;
        let of = original.entry.id;
        if original.outcome != "refused" {
            return Err(CorrectionError::NotPossible(format!(
                "message {of} was {}, only a refused one can be marked as handled",
                original.outcome
            )));
        }
        if !self.store.discard_message(of, &entry, &by.because).await? {
            return Err(CorrectionError::NotPossible(format!(
                "message {of} is handled already"
            )));
        }
        tracing::info!(journal = %entry.id, %of, by = by.who, "message marked as handled");
        Ok(entry.id)
    }

    /// Queues held, discarded and waiting entries again, due now. The ids of those that were.
    ///
    /// # Errors
    /// The database is away.
    pub async fn retry(&self, filter: &OutboxFilter, by: &By) -> Result<Vec<i64>, CorrectionError> {
        self.steer(Steer::Retry, filter, by).await
    }

    /// Sends delivered entries once more: of a subject the newest state, of an event the event. The receiver takes it as a repetition.
    ///
    /// # Errors
    /// The database is away.
    pub async fn resend(
        &self,
        filter: &OutboxFilter,
        by: &By,
    ) -> Result<Vec<i64>, CorrectionError> {
        self.steer(Steer::Resend, filter, by).await
    }

    /// Gives waiting and held entries up; what comes after them may go out. One that is being sent is left alone.
    ///
    /// # Errors
    /// The database is away.
    pub async fn skip(&self, filter: &OutboxFilter, by: &By) -> Result<Vec<i64>, CorrectionError> {
        self.steer(Steer::Skip, filter, by).await
    }

    /// Sends nothing to a target until it is resumed, also after a restart. What is in flight is finished. False if it was paused.
    ///
    /// # Errors
    /// No such target is configured, it says no reason, or the database is away.
    pub async fn pause(&self, target: &str, by: &By) -> Result<bool, CorrectionError> {
        check(by, true)?;
        self.known(target)?;
        let mut entry = self.entry(by, "target.pause");
        target.clone_into(&mut entry.link);
        Ok(self.store.pause_target(target, &entry, &by.because).await?)
    }

    /// Sends to a paused target again, within two seconds. False if it was not paused.
    ///
    /// # Errors
    /// The database is away.
    pub async fn resume(&self, target: &str, by: &By) -> Result<bool, CorrectionError> {
        check(by, false)?;
        let mut entry = self.entry(by, "target.resume");
        target.clone_into(&mut entry.link);
        Ok(self
            .store
            .resume_target(target, &entry, &by.because)
            .await?)
    }

    async fn steer(
        &self,
        steer: Steer,
        filter: &OutboxFilter,
        by: &By,
    ) -> Result<Vec<i64>, CorrectionError> {
        check(by, false)?;
        let entry = self.entry(by, &format!("outbox.{}", steer.word()));
        let mint = || self.minter.mint();
        let changed = self
            .store
            .steer_outbox(steer, filter, entry, &by.because, mint)
            .await?;
        tracing::info!(
            act = steer.word(),
            entries = changed.len(),
            by = by.who,
            "outbox corrected"
        );
        Ok(changed)
    }

    /// The message itself, also when the id is that of a resend or of a correction.
    async fn original(&self, id: JournalId) -> Result<JournalView, CorrectionError> {
        let unknown =
            || CorrectionError::Unknown(format!("there is no message {id} in the journal"));
        let row = self.store.journal(id).await?.ok_or_else(unknown)?;
        let original = match row.cause {
            Some(of) => self.store.journal(of).await?.ok_or_else(unknown)?,
            None => row,
        };
        let is_received = ["mllp", "dicom"].contains(&original.entry.port.as_str());
        if original.direction != "in" || !is_received {
            return Err(CorrectionError::NotPossible(format!(
                "journal row {id} is not a message that was received"
            )));
        }
        Ok(original)
    }

    fn reread(&self, original: JournalView) -> Result<Unit, CorrectionError> {
        let entry = original.entry;
        let of = entry.id;
        let bytes = original.body.ok_or_else(|| {
            CorrectionError::NotPossible(format!(
                "the bytes of message {of} are erased; its sender would have to send it again"
            ))
        })?;
        if original.reason.as_deref() == Some(Reason::Limit.code()) && entry.port == "mllp" {
            return Err(CorrectionError::NotPossible(format!(
                "of message {of} only the beginning is kept: raise mllp.max_message_mib and let its sender send it again"
            )));
        }
        let mappings = self.intake.mappings.current();
        let unit = if entry.port == "mllp" {
            self.intake.reread(&entry, &bytes)
        } else {
            let charset = |ae: &str| Device::of(&mappings, ae, None).charset;
            self.mpps.reread(&entry, bytes, charset)
        };
        unit.ok_or_else(|| {
            CorrectionError::NotPossible(format!(
                "message {of} cannot be read back from the journal"
            ))
        })
    }

    fn known(&self, target: &str) -> Result<(), CorrectionError> {
        let names: Vec<&str> = self
            .intake
            .config
            .targets
            .iter()
            .map(|t| t.name.as_str())
            .collect();
        if names.contains(&target) {
            return Ok(());
        }
        Err(CorrectionError::Unknown(format!(
            "no target is named {target}; configured: {}",
            names.join(", ")
        )))
    }

    fn entry(&self, by: &By, kind: &str) -> JournalEntry {
        JournalEntry {
            id: JournalId(self.minter.mint()),
            received: self.intake.clock.now(),
            port: by.port.to_owned(),
            link: String::new(),
            peer: by.who.clone(),
            kind: kind.to_owned(),
            control_id: String::new(),
            hash: [0; 32],
            charset: String::new(),
            zone: String::new(),
            mapping_rev: self.intake.mappings.current().revision().to_owned(),
        }
    }
}

/// A correction says who, and where it must, why.
fn check(by: &By, needs_reason: bool) -> Result<(), CorrectionError> {
    let wrong = |what: &str| Err(CorrectionError::Wrong(what.to_owned()));
    if by.who.trim().is_empty() {
        return wrong("a correction needs the name of who does it");
    }
    if needs_reason && by.because.trim().is_empty() {
        return wrong("say why: it is kept with the correction");
    }
    let too_long = [&by.who, &by.because]
        .iter()
        .any(|text| text.chars().count() > WORDS || text.chars().any(char::is_control));
    if too_long {
        return wrong("name and reason have at most 300 characters and no control characters");
    }
    Ok(())
}
