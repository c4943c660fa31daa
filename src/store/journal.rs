//! The journal: every message in and out with its bytes; append-only. Rows of one batch are written by two statements.

use super::sql::{Columns, Insert, Sql, chunks, opt_bytes, opt_int, opt_text, text};
use super::{Store, StoreError, Txn};
use crate::domain::event::{Event, Happening, Subject};
use crate::domain::ids::{EventId, ExamId, JournalId, PatientId, PerformedId, ReportId};
use crate::domain::time::Instant;
use sea_orm::{ConnectionTrait, QueryResult, Value};

/// Version of the event payloads written.
const EVENT_V: i64 = 1;

/// Whether a message came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What a port knows of a message before anything is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub id: JournalId,
    /// When its last byte arrived (or, outbound, when it was sent).
    pub received: Instant,
    /// `mllp`, `dicom`, `http` or `cli`.
    pub port: String,
    /// Name of the configured link or target.
    pub link: String,
    /// Address or AE title of the peer.
    pub peer: String,
    /// `ORM^O01`, `N-CREATE` ...
    pub kind: String,
    /// MSH-10, or the DIMSE message's SOP Instance UID; may be empty.
    pub control_id: String,
    /// SHA-256 of the body.
    pub hash: [u8; 32],
    /// The character set by which it was read.
    pub charset: String,
    /// IANA name of the zone that its zone-less times are in.
    pub zone: String,
    /// Hash of the mapping files in force.
    pub mapping_rev: String,
}

/// A journal row to be written.
#[derive(Debug, Clone)]
pub struct JournalRow<'a> {
    pub entry: &'a JournalEntry,
    pub direction: Direction,
    /// The bytes; `None` when `cause` has the same ones.
    pub body: Option<&'a [u8]>,
    /// `applied`, `refused`, `repeated`, `sent` ...
    pub outcome: &'static str,
    /// Reason code of a refusal.
    pub reason: Option<&'static str>,
    /// Refusal text or warnings, without patient data.
    pub detail: Option<String>,
    /// The positive acknowledgement, kept for resends.
    pub ack: Option<&'a [u8]>,
    /// The message that this one repeats or answers.
    pub cause: Option<JournalId>,
    /// A resend of this applied message is answered with `ack`.
    pub once: bool,
}

/// A journal row as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalView {
    pub entry: JournalEntry,
    pub direction: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub cause: Option<JournalId>,
    /// The bytes, until they are erased; a resend has none of its own.
    pub body: Option<Vec<u8>>,
}

/// An applied message that a new one may repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub id: JournalId,
    pub link: String,
    pub control_id: String,
    pub hash: String,
    pub ack: Option<Vec<u8>>,
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{b:02x}");
            text
        })
}

fn unhex(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(at * 2..at * 2 + 2).unwrap_or("00");
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    bytes
}

/// Writes journal rows with their bodies on any connection.
pub(super) async fn insert<C: ConnectionTrait>(
    db: &C,
    rows: &[JournalRow<'_>],
) -> Result<(), StoreError> {
    let mut journal = Insert::into(
        "journal",
        &[
            "id",
            "at",
            "dir",
            "port",
            "link",
            "peer",
            "kind",
            "control_id",
            "hash",
            "charset",
            "zone",
            "mapping_rev",
            "outcome",
            "reason",
            "detail",
            "ack",
            "cause_id",
            "once",
        ],
    );
    let mut bodies = Insert::into("journal_body", &["journal_id", "bytes"]);
    for row in rows {
        let e = row.entry;
        journal.row([
            e.id.0.into(),
            e.received.0.into(),
            row.direction.word().into(),
            text(&e.port),
            text(&e.link),
            text(&e.peer),
            text(&e.kind),
            text(&e.control_id),
            hex(&e.hash).into(),
            text(&e.charset),
            text(&e.zone),
            text(&e.mapping_rev),
            row.outcome.into(),
            opt_text(row.reason),
            opt_text(row.detail.as_deref()),
            opt_bytes(row.ack),
            opt_int(row.cause.map(|id| id.0)),
            i64::from(row.once).into(),
        ]);
        if let Some(body) = row.body {
            bodies.row([e.id.0.into(), body.to_vec().into()]);
        }
    }
    journal.execute(db, "").await?;
    bodies.execute(db, "").await?;
    Ok(())
}

impl Txn {
    /// Writes the journal rows of a batch.
    pub(crate) async fn insert_journal(&self, rows: &[JournalRow<'_>]) -> Result<(), StoreError> {
        insert(&self.tx, rows).await
    }

    /// The applied messages of these (link, control id) pairs that are answered only once.
    pub(crate) async fn applied(&self, pairs: &[(&str, &str)]) -> Result<Vec<Applied>, StoreError> {
        let mut found = vec![];
        for chunk in chunks(pairs) {
            let wanted: Vec<Value> = chunk
                .iter()
                .flat_map(|(link, control)| [text(link), text(control)])
                .collect();
            let rows = Sql::new(
                &self.tx,
                "SELECT j.id, j.link, j.control_id, j.hash, j.ack FROM ",
            )
            .values(&wanted, 2)
            .push(
                " AS w CROSS JOIN journal j WHERE j.once = 1 AND j.outcome = 'applied' \
                     AND j.link = w.column1 AND j.control_id = w.column2 ORDER BY j.id",
            )
            .all(&self.tx)
            .await?;
            for row in &rows {
                let mut c = Columns::of(row);
                found.push(Applied {
                    id: JournalId(c.next()?),
                    link: c.next()?,
                    control_id: c.next()?,
                    hash: c.next()?,
                    ack: c.next()?,
                });
            }
        }
        Ok(found)
    }

    /// Writes events.
    pub(crate) async fn insert_events(&self, events: &[&Event]) -> Result<(), StoreError> {
        let mut insert = Insert::into(
            "exam_event",
            &[
                "id",
                "subject_kind",
                "subject_id",
                "exam_id",
                "journal_id",
                "at",
                "effective",
                "kind",
                "v",
                "payload",
            ],
        );
        for e in events {
            let payload = serde_json::to_string(&e.what)
                .map_err(|e| StoreError::Other(format!("an event cannot be written: {e}")))?;
            insert.row([
                e.id.0.into(),
                e.subject.kind().into(),
                e.subject.id().into(),
                opt_int(e.exam.map(|id| id.0)),
                e.journal.0.into(),
                e.at.0.into(),
                e.effective.0.into(),
                e.name().into(),
                EVENT_V.into(),
                payload.into(),
            ]);
        }
        insert.execute(&self.tx, "").await?;
        Ok(())
    }
}

impl Store {
    /// A journal row with its bytes.
    ///
    /// # Errors
    /// As the database says.
    pub async fn journal(&self, id: JournalId) -> Result<Option<JournalView>, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT j.id, j.at, j.port, j.link, j.peer, j.kind, j.control_id, j.hash, j.charset, j.zone, \
             j.mapping_rev, j.dir, j.outcome, j.reason, j.detail, j.cause_id, b.bytes \
             FROM journal j LEFT JOIN journal_body b ON b.journal_id = j.id WHERE j.id = ",
        )
        .bind(id.0)
        .one(&self.read)
        .await?;
        row.as_ref().map(view).transpose()
    }

    /// The events that a message caused, in their order.
    ///
    /// # Errors
    /// As the database says; `Other` if a payload cannot be read.
    pub async fn events_of_journal(&self, journal: JournalId) -> Result<Vec<Event>, StoreError> {
        let rows = Sql::new(&self.read, EVENT_COLUMNS)
            .push(" WHERE journal_id = ")
            .bind(journal.0)
            .push(" ORDER BY id")
            .all(&self.read)
            .await?;
        rows.iter().map(event).collect()
    }
}

fn view(row: &QueryResult) -> Result<JournalView, StoreError> {
    let mut c = Columns::of(row);
    let entry = JournalEntry {
        id: JournalId(c.next()?),
        received: Instant(c.next()?),
        port: c.next()?,
        link: c.next()?,
        peer: c.next()?,
        kind: c.next()?,
        control_id: c.next()?,
        hash: unhex(&c.next::<String>()?),
        charset: c.next()?,
        zone: c.next()?,
        mapping_rev: c.next()?,
    };
    Ok(JournalView {
        entry,
        direction: c.next()?,
        outcome: c.next()?,
        reason: c.next()?,
        detail: c.next()?,
        cause: c.next::<Option<i64>>()?.map(JournalId),
        body: c.next()?,
    })
}

/// What [`event`] reads.
pub(super) const EVENT_COLUMNS: &str = "SELECT id, subject_kind, subject_id, exam_id, journal_id, at, effective, payload FROM exam_event";

/// A row of [`EVENT_COLUMNS`].
pub(super) fn event(row: &QueryResult) -> Result<Event, StoreError> {
    let mut c = Columns::of(row);
    let id: i64 = c.next()?;
    let kind: String = c.next()?;
    let subject_id: i64 = c.next()?;
    let subject = match kind.as_str() {
        "patient" => Subject::Patient(PatientId(subject_id)),
        "exam" => Subject::Exam(ExamId(subject_id)),
        "performed" => Subject::Performed(PerformedId(subject_id)),
        "report" => Subject::Report(ReportId(subject_id)),
        _ => {
            return Err(StoreError::Other(format!(
                "event {id} has no known subject"
            )));
        }
    };
    Ok(Event {
        id: EventId(id),
        subject,
        exam: c.next::<Option<i64>>()?.map(ExamId),
        journal: JournalId(c.next()?),
        at: Instant(c.next()?),
        effective: Instant(c.next()?),
        what: serde_json::from_str::<Happening>(&c.next::<String>()?)
            .map_err(|e| StoreError::damaged("exam_event", id, &e))?,
    })
}
