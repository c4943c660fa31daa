//! Copies of a SQLite database: taken while the engine runs, checked, and put back.
//!
//! `VACUUM INTO` reads one snapshot: everything of a commit or nothing, whatever is written meanwhile, and writers do not wait. The copy
//! gets its name only when it is checked and on the disk: a file of that name is a whole backup. Whoever uses a database holds a shared
//! lock beside it ([`InUse`]); putting a backup in its place takes that lock alone.

use super::release::{Schema, newer, schema};
use super::sql::{Columns, Sql};
use super::{Store, StoreError, sqlite_path};
use crate::private;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{Database, DatabaseConnection};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why there is no backup, or nothing was restored. Nothing was changed unless the text says so.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The store is no SQLite file.
    #[error("the store is PostgreSQL, which has its own programs for this")]
    NotSqlite,
    /// The file of a backup is there already.
    #[error("{} is there already: nothing is overwritten, choose another name", .0.display())]
    Exists(PathBuf),
    /// An engine uses the database.
    #[error("a running Relais uses {}: stop it first", .0.display())]
    Running(PathBuf),
    /// A file cannot be read or written.
    #[error("{what} {}: {error}", .path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// The copy is not what it should be.
    #[error("{} is no whole database: {found}", .path.display())]
    Damaged { path: PathBuf, found: String },
    #[error("{}: {error}", .path.display())]
    Store { path: PathBuf, error: StoreError },
}

/// What a checked copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub bytes: u64,
    pub journal_rows: u64,
    pub exams: u64,
    /// Current, or older if it is of an earlier release.
    pub schema: Schema,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub copied: Copied,
    /// Where the database of before is; `None` if there was none.
    pub aside: Option<PathBuf>,
}

/// Says to others that a database is used, as long as it lives; the system forgets it with the process.
#[derive(Debug)]
pub struct InUse {
    _lock: Option<File>,
}

impl InUse {
    /// Marks a database as used. Nothing to mark on PostgreSQL.
    ///
    /// # Errors
    /// `Running` if a backup is being put in its place at this moment; `File` if the lock's file cannot be made.
    pub fn mark(url: &str) -> Result<Self, BackupError> {
        let lock = match sqlite_path(url) {
            Some(path) => Some(lock(Path::new(path), File::try_lock_shared)?),
            None => None,
        };
        Ok(Self { _lock: lock })
    }
}

/// Copies the database of a URL to `file`, while an engine may be writing to it.
///
/// # Errors
/// As [`BackupError`] says; then there is no `file`.
pub async fn backup(url: &str, file: &Path) -> Result<Copied, BackupError> {
    sqlite_path(url).ok_or(BackupError::NotSqlite)?;
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let store = Store::open_existing(url).await.map_err(|error| {
        let path = PathBuf::from(sqlite_path(url).unwrap_or(url));
        BackupError::Store { path, error }
    })?;
    let partial = beside(file, ".partial");
    let copied = copy_of(&store, &partial).await;
    store.close().await;
    let published = copied.and_then(|copied| publish(&partial, file).map(|()| copied));
    // After a success the name is gone already or a second name of the file.
    let _ = fs::remove_file(&partial);
    published
}

/// Puts the backup `file` in the place of the database of a URL. The database of before is kept beside it.
///
/// # Errors
/// As [`BackupError`] says; then the database is as it was.
pub async fn restore(url: &str, file: &Path, stamp: &str) -> Result<Restored, BackupError> {
    let target = PathBuf::from(sqlite_path(url).ok_or(BackupError::NotSqlite)?);
    let copied = check(file).await?;
    if let Some(dir) = directory(&target) {
        fs::create_dir_all(dir).map_err(|e| on(dir, "cannot create")(e))?;
    }
    let _alone = lock(&target, File::try_lock)?;
    let partial = beside(&target, ".partial");
    let placed = place(file, &target, &partial, stamp).await;
    let _ = fs::remove_file(&partial);
    Ok(Restored {
        copied,
        aside: placed?,
    })
}

async fn copy_of(store: &Store, partial: &Path) -> Result<Copied, BackupError> {
    create(partial)?;
    Sql::new(&store.write, "VACUUM INTO ")
        .bind(partial.display().to_string())
        .execute(&store.write)
        .await
        .map_err(of(partial))?;
    check(partial).await
}

/// The way to the final name: on the disk first, then a name that nobody has; a file of that name is never replaced.
fn publish(partial: &Path, file: &Path) -> Result<(), BackupError> {
    sync(partial)?;
    match fs::hard_link(partial, file) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(file.to_owned()));
        }
        other => other.map_err(on(file, "cannot create"))?,
    }
    sync_names(file)
}

async fn place(
    file: &Path,
    target: &Path,
    partial: &Path,
    stamp: &str,
) -> Result<Option<PathBuf>, BackupError> {
    let mut new = create(partial)?;
    let mut old = File::open(file).map_err(on(file, "cannot read"))?;
    io::copy(&mut old, &mut new).map_err(on(partial, "cannot write"))?;
    sync(partial)?;
    check(partial).await?;
    let aside = target
        .exists()
        .then(|| beside(target, &format!(".before-restore-{stamp}")));
    if let Some(aside) = &aside {
        settle(target).await;
        // What could not be settled goes along: a write-ahead log must never meet another database.
        for tail in ["-wal", "-shm"] {
            let (from, to) = (beside(target, tail), beside(aside, tail));
            if from.exists() {
                fs::rename(&from, to).map_err(on(&from, "cannot move aside"))?;
            }
        }
        fs::hard_link(target, aside).map_err(on(aside, "cannot create"))?;
    }
    fs::rename(partial, target).map_err(on(target, "cannot replace"))?;
    sync_names(target)?;
    Ok(aside)
}

/// Writes the write-ahead log into its database, so that the file alone is all of it. A database too damaged for that stays as it is.
async fn settle(target: &Path) {
    if let Ok(store) = Store::open(&format!("sqlite://{}", target.display())).await {
        let _ = Sql::new(&store.write, "PRAGMA wal_checkpoint(TRUNCATE)")
            .all(&store.write)
            .await;
        store.close().await;
    }
}

/// Reads a copy through: whole, ours, and not of a later release.
async fn check(file: &Path) -> Result<Copied, BackupError> {
    let bytes = fs::metadata(file).map_err(on(file, "cannot read"))?.len();
    let path = file.to_owned();
    let mut options = super::options("sqlite://copy".to_owned());
    // Immutable: neither a lock nor a write-ahead log appears beside a copy that is only read.
    options.max_connections(1).map_sqlx_sqlite_opts(move |_| {
        SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true)
            .immutable(true)
    });
    let damaged = |found: String| BackupError::Damaged {
        path: file.to_owned(),
        found,
    };
    let db = Database::connect(options)
        .await
        .map_err(|e| of(file)(e.into()))?;
    let found = read_through(&db).await;
    let _ = db.close().await;
    let (integrity, schema, journal_rows, exams) = found.map_err(of(file))?;
    if integrity != "ok" {
        return Err(damaged(integrity));
    }
    match schema {
        Schema::Empty => Err(damaged("it has no tables of Relais".to_owned())),
        Schema::Newer(migration) => Err(of(file)(newer(&migration))),
        schema => Ok(Copied {
            bytes,
            journal_rows,
            exams,
            schema,
        }),
    }
}

async fn read_through(db: &DatabaseConnection) -> Result<(String, Schema, u64, u64), StoreError> {
    let row = Sql::new(db, "PRAGMA integrity_check(1)").one(db).await?;
    let integrity: String = row.map_or(Ok(String::new()), |row| Columns::of(&row).next())?;
    let schema = schema(db).await?;
    let mut counts = [0, 0];
    if schema != Schema::Empty {
        for (count, table) in counts.iter_mut().zip(["journal", "exam"]) {
            let row = Sql::new(db, &format!("SELECT COUNT(*) FROM {table}"))
                .one(db)
                .await?;
            let n: i64 = row.map_or(Ok(0), |row| Columns::of(&row).next())?;
            *count = u64::try_from(n).unwrap_or(0);
        }
    }
    let [journal, exams] = counts;
    Ok((integrity, schema, journal, exams))
}

/// An empty file that only its owner reads: it will hold patients.
fn create(path: &Path) -> Result<File, BackupError> {
    // A run that was cut off may have left one; nobody else uses the name.
    let _ = fs::remove_file(path);
    private::options()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(on(path, "cannot create"))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(on(path, "cannot write to the disk"))
}

/// Makes new names of a directory durable.
fn sync_names(path: &Path) -> Result<(), BackupError> {
    sync(directory(path).unwrap_or(Path::new(".")))
}

fn directory(path: &Path) -> Option<&Path> {
    path.parent().filter(|d| !d.as_os_str().is_empty())
}

/// The path with something appended to its name.
fn beside(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    PathBuf::from(name)
}

fn lock(database: &Path, take: fn(&File) -> Result<(), TryLockError>) -> Result<File, BackupError> {
    let path = beside(database, ".lock");
    if let Some(dir) = directory(database) {
        fs::create_dir_all(dir).map_err(on(dir, "cannot create"))?;
    }
    let file = private::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(on(&path, "cannot create"))?;
    match take(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Running(database.to_owned())),
        Err(TryLockError::Error(error)) => Err(on(&path, "cannot lock")(error)),
    }
}

fn on(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::File { what, path, error }
}

fn of(path: &Path) -> impl Fn(StoreError) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Store {
        path: path.clone(),
        error,
    }
}
