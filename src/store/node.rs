//! Nodes that share the store, and the mapping revisions that were in force.

use super::sql::{Columns, Insert, Sql, text};
use super::{Store, StoreError};
use crate::domain::time::Instant;

/// Node numbers are ten bits of every id.
const NODES: i64 = 1024;

impl Store {
    /// Registers a node by name and returns its number, the same at every start: no two nodes mint the same id.
    ///
    /// # Errors
    /// As the database says; `Other` if all 1024 numbers are taken; `Conflict` if two nodes register at the same moment (try again).
    pub async fn register_node(&self, name: &str, now: Instant) -> Result<u16, StoreError> {
        Sql::new(
            &self.write,
            "INSERT INTO node (id, name, seen_at) SELECT COALESCE(MAX(id) + 1, 0), ",
        )
        .bind(text(name))
        .push(", ")
        .bind(now.0)
        // SQLite needs a WHERE here to tell ON CONFLICT from a join condition.
        .push(" FROM node WHERE 1 = 1 ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at")
        .execute(&self.write)
        .await?;
        let row = Sql::new(&self.write, "SELECT id FROM node WHERE name = ")
            .bind(text(name))
            .one(&self.write)
            .await?;
        let id: i64 = row.map_or(Ok(NODES), |row| Columns::of(&row).next())?;
        u16::try_from(id)
            .ok()
            .filter(|_| id < NODES)
            .ok_or_else(|| {
                StoreError::Other(
                    "all 1024 node numbers are taken: delete old rows of table node".to_owned(),
                )
            })
    }

    /// Records that a node is alive. It changes a row each time, so its success is the proof that the store can be written.
    ///
    /// # Errors
    /// As the database says.
    pub async fn heartbeat(&self, node: u16, now: Instant) -> Result<(), StoreError> {
        let beat = Sql::new(&self.write, "UPDATE node SET seen_at = ")
            .bind(now.0)
            .push(" WHERE id = ")
            .bind(i64::from(node))
            .execute(&self.write)
            .await;
        self.health.of_write(beat)?;
        self.health.written();
        Ok(())
    }

    /// Keeps the mapping files that are in force from now on, so that every value's rule can be shown years later. `files` is JSON:
    /// path to text.
    ///
    /// # Errors
    /// As the database says.
    pub async fn activate_mapping(
        &self,
        hash: &str,
        files: &str,
        now: Instant,
    ) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        let written = async {
            Sql::new(
                &txn.tx,
                "UPDATE mapping_revision SET active = 0 WHERE active = 1 AND hash <> ",
            )
            .bind(text(hash))
            .execute(&txn.tx)
            .await?;
            Sql::new(
                &txn.tx,
                "INSERT INTO mapping_revision (hash, at, files, active) VALUES (",
            )
            .bind(text(hash))
            .push(", ")
            .bind(now.0)
            .push(", ")
            .bind(text(files))
            .push(", 1) ON CONFLICT (hash) DO UPDATE SET active = 1")
            .execute(&txn.tx)
            .await
        };
        let written = written.await.map(|_| ());
        txn.end(written).await
    }

    /// Keeps mapping files that are used beside those in force: by a command that does not serve.
    ///
    /// # Errors
    /// As the database says.
    pub async fn keep_mapping(
        &self,
        hash: &str,
        files: &str,
        now: Instant,
    ) -> Result<(), StoreError> {
        let mut insert = Insert::into("mapping_revision", &["hash", "at", "files", "active"]);
        insert.row([text(hash), now.0.into(), text(files), 0_i64.into()]);
        insert
            .execute(&self.write, " ON CONFLICT (hash) DO NOTHING")
            .await?;
        Ok(())
    }

    /// The mapping files that were put in force last, as [`Store::activate_mapping`] kept them.
    ///
    /// # Errors
    /// As the database says.
    pub async fn active_mapping_files(&self) -> Result<Option<String>, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT files FROM mapping_revision WHERE active = 1 ORDER BY at DESC LIMIT 1",
        )
        .one(&self.read)
        .await?;
        row.map(|row| Columns::of(&row).next()).transpose()
    }

    /// The mapping files of a revision, as [`Store::activate_mapping`] kept them.
    ///
    /// # Errors
    /// As the database says.
    pub async fn mapping_files(&self, hash: &str) -> Result<Option<String>, StoreError> {
        let row = Sql::new(
            &self.read,
            "SELECT files FROM mapping_revision WHERE hash = ",
        )
        .bind(text(hash))
        .one(&self.read)
        .await?;
        row.map(|row| Columns::of(&row).next()).transpose()
    }
}
