//! A fresh database for each test, on either engine.
//!
//! PostgreSQL comes from `RELAIS_TEST_POSTGRES` (set by `make test`) or from a cluster of our own, which lives as long as this
//! process: `scripts/test-postgres.sh run` ends when our end of its standard input closes.

use super::scanner::runtime;
use sea_orm::ConnectionTrait;
use std::{
    fmt,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The two engines that every promise holds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// A directory of one test's own and the URL of its empty database. Removed when dropped.
#[derive(Debug)]
pub struct Database {
    /// For `[store] url`.
    pub url: String,
    /// Files of the test: SQLite, configuration, mappings.
    pub dir: PathBuf,
    created: Option<String>,
}

impl Database {
    /// A new database; on PostgreSQL with today's tables in it, if [`set_template`] was called.
    pub fn new(engine: Engine) -> Self {
        Self::of_template(engine, template())
    }

    /// A new database without a table.
    pub fn empty(engine: Engine) -> Self {
        Self::of_template(engine, None)
    }

    /// Runs SQL statements on it, several at once.
    pub fn execute(&self, sql: &str) {
        let url = match self.created {
            Some(_) => self.url.clone(),
            None => format!("{}?mode=rwc", self.url),
        };
        runtime().block_on(async {
            let db = sea_orm::Database::connect(url).await.unwrap();
            db.execute_unprepared(sql).await.unwrap();
            db.close().await.unwrap();
        });
    }

    /// True on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.created.is_some()
    }

    fn of_template(engine: Engine, template: Option<&str>) -> Self {
        let (name, dir) = new_directory();
        match engine {
            Engine::Sqlite => Self {
                url: format!("sqlite://{}", dir.join("relais.db").display()),
                dir,
                created: None,
            },
            Engine::Postgres => {
                match template {
                    Some(template) => psql(&format!("CREATE DATABASE {name} TEMPLATE {template}")),
                    None => psql(&format!("CREATE DATABASE {name}")),
                }
                Self {
                    url: database_url(&name),
                    dir,
                    created: Some(name),
                }
            }
        }
    }
}

fn new_directory() -> (String, PathBuf) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "relais_test_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let dir = std::env::temp_dir().join(&name);
    std::fs::create_dir_all(&dir).unwrap();
    (name, dir)
}

/// A PostgreSQL cluster of one test's own, which it may stop and start. Removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Its database.
    pub database: Database,
    dir: PathBuf,
}

impl Cluster {
    /// A new cluster, running.
    pub fn start() -> Self {
        let (_, dir) = new_directory();
        let data = dir.join("cluster");
        let url = cluster_script("start", &data);
        let created = None;
        Self {
            database: Database { url, dir, created },
            dir: data,
        }
    }

    /// Stops it at once, as a crash would.
    pub fn halt(&self) {
        cluster_script("halt", &self.dir);
    }

    /// Starts it again on the same data.
    pub fn resume(&self) {
        cluster_script("resume", &self.dir);
    }

    /// Runs one statement on it.
    pub fn run(&self, statement: &str) {
        psql_at(&self.database.url, statement);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        cluster_script("stop", &self.dir);
    }
}

/// What the script prints; standard error is ours, so that nothing of the cluster holds a pipe open.
fn cluster_script(verb: &str, dir: &Path) -> String {
    let output = Command::new(root().join("scripts/test-postgres.sh"))
        .arg(verb)
        .arg(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/test-postgres.sh starts");
    assert!(output.status.success(), "test-postgres.sh {verb}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Database {
    /// Which engine it is on.
    pub fn engine(&self) -> Engine {
        if self.url.starts_with("sqlite") {
            Engine::Sqlite
        } else {
            Engine::Postgres
        }
    }

    /// Does to a PostgreSQL database what no code of the product does.
    pub fn tamper(&self, statement: &str) {
        psql_at(&self.url, statement);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
        if let Some(name) = &self.created {
            psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

static TEMPLATE: OnceLock<String> = OnceLock::new();

/// Names a migrated database that new ones are copied from; `migrate` is given the URL of an empty one.
pub fn set_template(migrate: impl FnOnce(&str)) {
    let name = format!("relais_template_{}", std::process::id());
    psql(&format!("CREATE DATABASE {name}"));
    migrate(&database_url(&name));
    TEMPLATE.set(name).expect("the template is made once");
}

/// Drops the template again.
pub fn drop_template() {
    if let Some(name) = TEMPLATE.get() {
        psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }
}

fn template() -> Option<&'static str> {
    TEMPLATE.get().map(String::as_str)
}

/// The cluster's URL with another database name in its path.
fn database_url(name: &str) -> String {
    let url = cluster();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = path.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{name}?{query}")
}

fn cluster() -> &'static str {
    static CLUSTER: OnceLock<(String, Option<Child>)> = OnceLock::new();
    &CLUSTER
        .get_or_init(|| match given() {
            Some(url) => (url, None),
            None => started(),
        })
        .0
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test run's own setting, not the product's"
)]
fn given() -> Option<String> {
    std::env::var("RELAIS_TEST_POSTGRES").ok()
}

fn started() -> (String, Option<Child>) {
    let mut child = Command::new(root().join("scripts/test-postgres.sh"))
        .args(["run", "sh", "-c", "echo $RELAIS_TEST_POSTGRES; cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("scripts/test-postgres.sh starts");
    let mut url = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut url)
        .expect("the script prints the cluster's URL");
    assert!(
        url.starts_with("postgres://"),
        "no PostgreSQL: run make test-deps"
    );
    (url.trim().to_owned(), Some(child))
}

/// Runs one statement on the cluster of all tests.
fn psql(statement: &str) {
    psql_at(cluster(), statement);
}

fn psql_at(url: &str, statement: &str) {
    let output = Command::new("psql")
        .args([url, "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .output()
        .expect("psql is there: make test-deps");
    assert!(
        output.status.success(),
        "{statement}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
