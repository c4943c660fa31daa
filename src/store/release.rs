//! Which release made a database, and the way to today's schema.
//!
//! A binary migrates an older schema forward and leaves a newer one alone: what it does not know it could only harm.

use super::sql::{Columns, Sql};
use super::{Store, StoreError};
use relais_migrations::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, TransactionTrait};
use std::path::{Path, PathBuf};

/// Held on PostgreSQL while a node migrates: any number that nobody else uses ("relais", as letters of a telephone).
const MIGRATING: i64 = 735_247;

/// The schema of a database, seen from this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// No tables of ours.
    Empty,
    /// Made by an earlier release: so many migrations are missing.
    Older(usize),
    Current,
    /// Made by a later release; the first migration that is not known here.
    Newer(String),
}

/// The file of a `sqlite://` URL; `None` for another database.
pub fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite://")?;
    Some(path.split('?').next().unwrap_or(path))
}

/// The files that a `sqlite://` URL's database is made of; none for another database.
pub fn sqlite_files(url: &str) -> Vec<PathBuf> {
    let files = |path| ["", "-wal", "-shm"].map(|tail| PathBuf::from(format!("{path}{tail}")));
    sqlite_path(url).map(files).into_iter().flatten().collect()
}

impl Store {
    /// Opens a database that is there already and of this release's schema: for commands beside `serve`, which alone makes and migrates.
    ///
    /// # Errors
    /// `Unavailable` if there is none; `Other` if `relais serve` must migrate it first, or a later release made it.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = sqlite_path(url).filter(|p| !Path::new(p).exists()) {
            return Err(StoreError::Unavailable(format!(
                "there is no file {path}; `relais serve` makes it"
            )));
        }
        let store = Self::open(url).await?;
        let wrong = match store.schema().await? {
            Schema::Current => return Ok(store),
            Schema::Newer(migration) => newer(&migration),
            Schema::Empty => StoreError::Other(
                "it has no tables of Relais; `relais serve` makes them".to_owned(),
            ),
            Schema::Older(n) => StoreError::Other(format!(
                "an earlier release made it, {n} migration(s) are missing; `relais serve` of this release applies them"
            )),
        };
        store.close().await;
        Err(wrong)
    }

    /// Brings the schema to this release's; a second call changes nothing.
    ///
    /// # Errors
    /// `Other` if a later release made it: nothing was changed. Else as the database says.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        if self.is_sqlite() {
            return self.migrate_alone().await;
        }
        // Nodes that start together migrate one after the other; the lock ends with this transaction.
        let lock = self.write.begin().await?;
        Sql::new(&lock, "SELECT pg_advisory_xact_lock(")
            .bind(MIGRATING)
            .push(")")
            .all(&lock)
            .await?;
        let migrated = self.migrate_alone().await;
        lock.rollback().await?;
        migrated
    }

    async fn migrate_alone(&self) -> Result<(), StoreError> {
        if let Schema::Newer(migration) = self.schema().await? {
            return Err(newer(&migration));
        }
        Migrator::up(&self.write, None).await?;
        self.fold_names().await
    }

    /// What the database was made by.
    ///
    /// # Errors
    /// As the database says.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        schema(&self.write).await
    }
}

/// What a connection's database was made by.
pub(super) async fn schema<C: ConnectionTrait>(db: &C) -> Result<Schema, StoreError> {
    let table = if db.get_database_backend() == sea_orm::DbBackend::Sqlite {
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'"
    } else {
        "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'seaql_migrations'"
    };
    let row = Sql::new(db, table).one(db).await?;
    let tables: i64 = row.map_or(Ok(0), |row| Columns::of(&row).next())?;
    if tables == 0 {
        return Ok(Schema::Empty);
    }
    let rows = Sql::new(db, "SELECT version FROM seaql_migrations ORDER BY version")
        .all(db)
        .await?;
    let known: Vec<String> = Migrator::migrations()
        .iter()
        .map(|m| m.name().to_owned())
        .collect();
    let mut applied = 0;
    for row in &rows {
        let name: String = Columns::of(row).next()?;
        if !known.contains(&name) {
            return Ok(Schema::Newer(name));
        }
        applied += 1;
    }
    Ok(match known.len() - applied {
        0 => Schema::Current,
        missing => Schema::Older(missing),
    })
}

/// The refusal of a database that a later release made.
pub(super) fn newer(migration: &str) -> StoreError {
    StoreError::Other(format!(
        "a later release of Relais made it: this one ({}) does not know its migration {migration}. Start the later release, or restore the \
         backup from before the upgrade",
        env!("CARGO_PKG_VERSION")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Fresh, sqlite, stores};

    #[tokio::test]
    async fn h04_a_schema_of_another_release_is_told_from_todays() {
        for Fresh { store, .. } in &stores().await {
            assert_eq!(store.schema().await.unwrap(), Schema::Current);
            store
                .tamper("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m2099', 0)")
                .await;
            assert_eq!(
                store.schema().await.unwrap(),
                Schema::Newer("m2099".to_owned())
            );
            assert!(store.migrate().await.is_err());
            store
                .tamper("DELETE FROM seaql_migrations WHERE version <> 'm2026_11_23_initial'")
                .await;
            let missing = Migrator::migrations().len() - 1;
            assert_eq!(store.schema().await.unwrap(), Schema::Older(missing));
            store.tamper("DROP TABLE seaql_migrations").await;
            assert_eq!(store.schema().await.unwrap(), Schema::Empty);
        }
    }

    #[tokio::test]
    async fn a_command_beside_serve_neither_makes_nor_migrates_a_database() {
        let dir = std::env::temp_dir().join(format!("relais_unit_none_{}", std::process::id()));
        let url = format!("sqlite://{}/none.db", dir.display());
        let refused = Store::open_existing(&url).await.unwrap_err().to_string();
        assert!(
            refused.contains("there is no file") && !dir.exists(),
            "{refused}"
        );
        let fresh = sqlite().await;
        assert_eq!(fresh.store.schema().await.unwrap(), Schema::Current);
    }
}
