//! Committed events, in the order of their ids.

use super::super::journal::{EVENT_COLUMNS, event};
use super::super::sql::{Columns, Sql};
use super::super::{Store, StoreError};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, ExamId};

impl Store {
    /// The next events after an id.
    ///
    /// # Errors
    /// As the database says; `Other` if a payload cannot be read.
    pub async fn events_after(&self, id: EventId, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = Sql::new(&self.read, EVENT_COLUMNS)
            .push(" WHERE id > ")
            .bind(id.0)
            .push(" ORDER BY id LIMIT ")
            .bind(i64::from(limit))
            .all(&self.read)
            .await?;
        rows.iter().map(event).collect()
    }

    /// The last `limit` events of an exam, oldest first.
    ///
    /// # Errors
    /// As the database says; `Other` if a payload cannot be read.
    pub async fn events_of_exam(&self, exam: ExamId, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = Sql::new(&self.read, EVENT_COLUMNS)
            .push(" WHERE exam_id = ")
            .bind(exam.0)
            .push(" ORDER BY id DESC LIMIT ")
            .bind(i64::from(limit))
            .all(&self.read)
            .await?;
        rows.iter().rev().map(event).collect()
    }

    /// The id of the newest event; 0 if there is none.
    ///
    /// # Errors
    /// As the database says.
    pub async fn newest_event(&self) -> Result<EventId, StoreError> {
        let row = Sql::new(&self.read, "SELECT MAX(id) FROM exam_event")
            .one(&self.read)
            .await?;
        let id: Option<i64> = row.map_or(Ok(None), |row| Columns::of(&row).next())?;
        Ok(EventId(id.unwrap_or(0)))
    }
}
