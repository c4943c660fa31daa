//! The store: the only module that speaks SQL, the same text on SQLite and PostgreSQL.
//!
//! Reads go through [`Store`] on a pool of readers and return owned values: no snapshot outlives a call. Writes of exam state go
//! through a [`Txn`], which only `workflow` opens; the outbox settles its own rows. On SQLite there is one writing connection, every
//! transaction is BEGIN IMMEDIATE, and a commit is on the disk when it returns (WAL, synchronous = FULL).

mod backup;
mod corrections;
mod documents;
mod dump;
mod error;
mod figures;
mod health;
mod journal;
mod keys;
mod node;
mod outbox;
mod query_log;
mod read;
mod release;
mod retention;
mod schema;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod worklist;

pub use backup::{BackupError, Copied, InUse, Restored, backup, restore};
pub use corrections::{Correction, Pause, RefusedMessage, Steer};
pub use documents::Study;
pub use dump::LeaveOut;
pub use error::StoreError;
pub use journal::{Direction, JournalEntry, JournalRow, JournalView};
pub use outbox::{Attempt, Claim, OutboxFilter, OutboxRow};
pub use query_log::QueryLogRow;
pub use read::*;
pub use release::{Schema, sqlite_files, sqlite_path};
pub use retention::Kept;
pub use worklist::{Candidate, Cursor, Narrow, Sources, StepDocuments};
pub(crate) use {journal::hex, outbox::Queue};

use crate::private;
use health::Health;
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sql::{Columns, Sql};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a statement waits for another process's lock before it fails.
const BUSY: Duration = Duration::from_secs(5);
/// Readers of a SQLite file; connections to PostgreSQL beside the writer.
const READERS: u32 = 8;
/// Pages that a reader of a SQLite file keeps, in KiB with a minus sign: the upper levels of all indexes of a large site.
const READER_CACHE: &str = "-16384";
/// Prepared statements kept per connection: all texts of [`sql`] at all their sizes.
const STATEMENTS: usize = 400;

/// The database: one writing connection (SQLite) and a pool of readers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    write: DatabaseConnection,
    read: DatabaseConnection,
    health: Arc<Health>,
}

/// One transaction of the writer. Dropped without [`Txn::commit`] it is rolled back.
pub struct Txn {
    tx: DatabaseTransaction,
    health: Arc<Health>,
}

impl Store {
    /// Opens `sqlite://path` (missing directories and the file are created) or `postgres://...`. Applies no migration.
    ///
    /// # Errors
    /// `Unavailable` if the URL is of another kind, or the database cannot be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = sqlite_path(url) {
            Self::open_sqlite(path).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await
        } else {
            Err(StoreError::Unavailable(
                "the store's URL must begin with sqlite:// or postgres://".to_owned(),
            ))
        }
    }

    async fn open_sqlite(path: &str) -> Result<Self, StoreError> {
        if let Some(dir) = Path::new(path)
            .parent()
            .filter(|d| !d.as_os_str().is_empty())
        {
            std::fs::create_dir_all(dir).map_err(|e| {
                StoreError::Unavailable(format!("cannot create {}: {e}", dir.display()))
            })?;
        }
        // SQLite gives its write-ahead log and the log's index the mode of the file.
        private::make(Path::new(path))
            .map_err(|e| StoreError::Unavailable(format!("cannot create {path}: {e}")))?;
        // The file's name is given as it is: in a URL `?`, `#` and `%` would mean something.
        let file = path.to_owned();
        let pragmas = move |o: SqliteConnectOptions| {
            o.filename(&file)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY)
                .foreign_keys(true)
                .statement_cache_capacity(STATEMENTS)
        };
        let of_writer = pragmas.clone();
        let health = Arc::new(Health::default());
        let mut writer = options("sqlite://relais.db".to_owned());
        let trusted = Arc::clone(&health);
        writer
            .max_connections(1)
            .map_sqlx_sqlite_opts(move |o| of_writer(o).create_if_missing(true))
            .map_sqlx_sqlite_before_acquire(move |connection, of| {
                // After a commit that failed SQLite is in no transaction and the driver thinks that it is in one: the next would be
                // a savepoint, its end no commit, and messages would be acknowledged that are not on the disk.
                let usable = !connection.is_in_transaction() && trusted.trusts(of.age);
                Box::pin(async move { Ok(usable) })
            });
        let write = Database::connect(writer).await?;
        let mut reader = options("sqlite://relais.db".to_owned());
        reader
            .max_connections(READERS)
            .map_sqlx_sqlite_opts(move |o| {
                pragmas(o)
                    .pragma("query_only", "1")
                    .pragma("cache_size", READER_CACHE)
            });
        let read = Database::connect(reader).await?;
        Ok(Self {
            write,
            read,
            health,
        })
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let mut settings = options(url.to_owned());
        let health = Arc::new(Health::default());
        let trusted = Arc::clone(&health);
        settings
            .map_sqlx_postgres_before_acquire(move |_, of| {
                let trusted = trusted.trusts(of.age);
                Box::pin(async move { Ok(trusted) })
            })
            .max_connections(READERS + 2)
            .test_before_acquire_if_idle_for(Duration::from_secs(30))
            .map_sqlx_postgres_opts(|o| o.statement_cache_capacity(STATEMENTS));
        let pool = Database::connect(settings).await?;
        Ok(Self {
            write: pool.clone(),
            read: pool,
            health,
        })
    }

    /// Closes all connections; on SQLite this checkpoints the write-ahead log.
    pub async fn close(&self) {
        // A failure to close leaves nothing to do: what was committed is on the disk.
        let _ = self.read.close_by_ref().await;
        let _ = self.write.close_by_ref().await;
    }

    /// True on SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.write.get_database_backend() == DbBackend::Sqlite
    }

    /// The settings on which durability rests, read back from the writing connection.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pragmas(&self) -> Result<Vec<(String, String)>, StoreError> {
        let names: &[&str] = if self.is_sqlite() {
            &[
                "journal_mode",
                "synchronous",
                "busy_timeout",
                "foreign_keys",
            ]
        } else {
            &[
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "server_version",
            ]
        };
        let verb = if self.is_sqlite() { "PRAGMA" } else { "SHOW" };
        let mut found = vec![];
        for name in names {
            let row = Sql::new(&self.write, &format!("{verb} {name}"))
                .one(&self.write)
                .await?;
            if let Some(row) = row {
                let value = row
                    .try_get_by_index::<String>(0)
                    .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))?;
                found.push(((*name).to_owned(), value));
            }
        }
        Ok(found)
    }

    /// Succeeds if the database answers.
    ///
    /// # Errors
    /// As the database says.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = Sql::new(&self.read, "SELECT 1").one(&self.read).await;
        self.health.of_read(answer).map(|_| ())
    }

    /// Why nothing can be written, as far as the last writes say; it changes when a write fails, and when one succeeds again.
    pub fn away(&self) -> watch::Receiver<Option<String>> {
        self.health.away()
    }

    /// Opens the writer's transaction; on SQLite it holds the write lock from the start.
    ///
    /// # Errors
    /// `Unavailable` if the lock is not to be had in five seconds.
    pub async fn begin(&self) -> Result<Txn, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: self.is_sqlite().then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begun = self.write.begin_with_options(options).await;
        Ok(Txn {
            tx: self.health.of_write(begun.map_err(StoreError::from))?,
            health: Arc::clone(&self.health),
        })
    }

    /// The largest id stored: a node that starts must mint above it even if its clock was set back.
    ///
    /// # Errors
    /// As the database says.
    pub async fn highest_id(&self) -> Result<i64, StoreError> {
        let mut highest = 0;
        for table in [
            "journal",
            "exam_event",
            "outbox",
            "attempt",
            "exam",
            "patient",
            "audit",
        ] {
            let row = Sql::new(&self.read, &format!("SELECT MAX(id) FROM {table}"))
                .one(&self.read)
                .await?;
            if let Some(row) = row {
                highest = highest.max(Columns::of(&row).next::<Option<i64>>()?.unwrap_or(0));
            }
        }
        Ok(highest)
    }
}

impl Txn {
    /// Makes everything durable and visible at once.
    ///
    /// # Errors
    /// As the database says; then nothing was stored.
    pub async fn commit(self) -> Result<(), StoreError> {
        let done = self.tx.commit().await;
        self.health.of_write(done.map_err(StoreError::from))
    }

    /// Undoes everything, because of a failure of the store or (`None`) of something else.
    pub async fn rollback(self, because: Option<&StoreError>) {
        if let Some(error) = because {
            self.health.failed(error);
        }
        // A connection that cannot roll back is not used again, and the database rolls back by itself.
        let _ = self.tx.rollback().await;
    }

    /// Commits what succeeded, undoes what did not.
    ///
    /// # Errors
    /// The one given, or as the database says of the commit.
    pub(super) async fn end<T>(self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        match done {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => {
                self.rollback(Some(&error)).await;
                Err(error)
            }
        }
    }
}

fn options(url: String) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .acquire_timeout(BUSY)
        .test_before_acquire(false);
    options
}
