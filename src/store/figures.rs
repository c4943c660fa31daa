//! Figures for those who watch: counted by index, a few rows a time.

use super::sql::{Columns, Sql, chunks, text};
use super::{Store, StoreError};
use crate::domain::performed::PpsStatus;
use crate::domain::time::LocalTime;
use sea_orm::Value;
use std::collections::BTreeMap;

impl Store {
    /// Performed steps in progress: all, and those that were started before a time.
    ///
    /// # Errors
    /// As the database says.
    pub async fn in_progress(&self, started_before: LocalTime) -> Result<(u64, u64), StoreError> {
        let row = Sql::new(&self.read, "SELECT COUNT(*), COUNT(CASE WHEN started < ")
            .bind(started_before.0)
            .push(" THEN 1 END) FROM performed WHERE status = ")
            .bind(PpsStatus::InProgress.word())
            .one(&self.read)
            .await?;
        let Some(row) = row else { return Ok((0, 0)) };
        let mut c = Columns::of(&row);
        let (all, before): (i64, i64) = (c.next()?, c.next()?);
        Ok((
            u64::try_from(all).unwrap_or(0),
            u64::try_from(before).unwrap_or(0),
        ))
    }

    /// How many visible steps stand under each of these AE titles and pools, starting between two times, both included.
    ///
    /// # Errors
    /// As the database says.
    pub async fn steps_of_stations(
        &self,
        stations: &[String],
        (from, to): (LocalTime, LocalTime),
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for chunk in chunks(stations) {
            let names: Vec<Value> = chunk.iter().map(|s| text(s)).collect();
            let rows = Sql::new(
                &self.read,
                "SELECT station, COUNT(*) FROM worklist_slot WHERE station IN ",
            )
            .list(&names)
            .push(" AND start >= ")
            .bind(from.0)
            .push(" AND start <= ")
            .bind(to.0)
            .push(" GROUP BY station")
            .all(&self.read)
            .await?;
            for row in &rows {
                let mut c = Columns::of(row);
                let (station, n): (String, i64) = (c.next()?, c.next()?);
                counts.insert(station, u64::try_from(n).unwrap_or(0));
            }
        }
        Ok(counts)
    }
}
