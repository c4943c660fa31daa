//! Lists of journal rows, latest first, without their bytes.

use super::super::corrections::{REFUSED, UNHANDLED};
use super::super::sql::{Columns, Sql, text};
use super::super::{Store, StoreError};
use super::{Page, between, equal, paged};
use crate::domain::ids::JournalId;
use crate::domain::time::Instant;
use sea_orm::QueryResult;

/// Which messages; everything empty = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// `in` or `out`.
    pub direction: Option<String>,
    /// `applied`, `refused`, `repeated` ...
    pub outcome: Option<String>,
    /// Reason code.
    pub reason: Option<String>,
    /// Name of the link or target.
    pub link: Option<String>,
    /// First and last receipt, microseconds of UTC, both included.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// MSH-10 or SOP Instance UID.
    pub control_id: Option<String>,
    /// Only refused messages that nobody has dealt with, as `relais messages list` shows them.
    pub open: bool,
}

/// A journal row in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    pub id: JournalId,
    pub at: Instant,
    pub direction: String,
    pub port: String,
    pub link: String,
    pub peer: String,
    pub kind: String,
    pub control_id: String,
    pub charset: String,
    pub mapping_rev: String,
    pub outcome: String,
    pub reason: Option<String>,
    /// Refusal text or warnings.
    pub detail: Option<String>,
    /// The message that this one repeats or answers.
    pub cause: Option<JournalId>,
    /// When its bytes were erased.
    pub body_erased_at: Option<Instant>,
}

const COLUMNS: &str = "SELECT id, at, dir, port, link, peer, kind, control_id, charset, mapping_rev, outcome, reason, detail, \
     cause_id, body_erased_at FROM journal r WHERE ";

impl Store {
    /// A page of messages.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list_messages(
        &self,
        filter: &MessageFilter,
        page: Page,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let rows = self.message_page(filter, page).all(&self.read).await?;
        rows.iter().map(message).collect()
    }

    pub(super) fn message_page(&self, filter: &MessageFilter, page: Page) -> Sql {
        let mut sql = Sql::new(&self.read, COLUMNS).push("1 = 1");
        for (column, value) in [
            ("outcome", &filter.outcome),
            ("reason", &filter.reason),
            ("link", &filter.link),
            ("control_id", &filter.control_id),
        ] {
            sql = equal(sql, column, value.as_deref().map(text));
        }
        if filter.open {
            sql = sql.push(" AND ").push(REFUSED).push(UNHANDLED);
        }
        // A sender's control id: the partial index serves only statements that name the direction.
        sql = match (filter.direction.as_deref(), &filter.control_id) {
            (Some("in"), _) | (None, Some(_)) => sql.push(" AND dir = 'in'"),
            (Some(_), _) => sql.push(" AND dir = 'out'"),
            (None, None) => sql,
        };
        paged(between(sql, "at", filter.from, filter.to), page, "at", "id")
    }

    /// One journal row and its positive acknowledgement.
    ///
    /// # Errors
    /// As the database says.
    pub async fn message(
        &self,
        id: JournalId,
    ) -> Result<Option<(MessageRow, Option<Vec<u8>>)>, StoreError> {
        let row = Sql::new(&self.read, COLUMNS)
            .push("id = ")
            .bind(id.0)
            .one(&self.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let ack = Sql::new(&self.read, "SELECT ack FROM journal WHERE id = ")
            .bind(id.0)
            .one(&self.read)
            .await?;
        let ack = ack.map_or(Ok(None), |row| Columns::of(&row).next())?;
        Ok(Some((message(&row)?, ack)))
    }
}

fn message(row: &QueryResult) -> Result<MessageRow, StoreError> {
    let mut c = Columns::of(row);
    Ok(MessageRow {
        id: JournalId(c.next()?),
        at: Instant(c.next()?),
        direction: c.next()?,
        port: c.next()?,
        link: c.next()?,
        peer: c.next()?,
        kind: c.next()?,
        control_id: c.next()?,
        charset: c.next()?,
        mapping_rev: c.next()?,
        outcome: c.next()?,
        reason: c.next()?,
        detail: c.next()?,
        cause: c.next::<Option<i64>>()?.map(JournalId),
        body_erased_at: c.next::<Option<i64>>()?.map(Instant),
    })
}
