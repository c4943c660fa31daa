//! Fresh, migrated stores for tests: a SQLite file in a directory of its own, and PostgreSQL when `RELAIS_TEST_POSTGRES` names a
//! server.

use super::sql::Sql;
use super::{Store, StoreError};
use crate::domain::world::World;
use sea_orm::ConnectionTrait;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A store of one test; its files are removed with it.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    dir: Option<PathBuf>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("relais_unit_{}_{n}", std::process::id())
}

impl Store {
    /// Does to the database what no code of ours does.
    pub(crate) async fn tamper(&self, sql: &str) {
        self.write.execute_unprepared(sql).await.unwrap();
    }

    /// Every document of the store.
    pub(crate) async fn whole_world(&self) -> Result<World, StoreError> {
        let mut world = World::default();
        for table in ["patient", "exam", "performed", "report"] {
            let rows = Sql::new(
                &self.read,
                &format!("SELECT doc, version FROM {table} ORDER BY id"),
            );
            for row in rows.all(&self.read).await? {
                let doc: String = row.try_get_by_index(0)?;
                let stored: i64 = row.try_get_by_index(1)?;
                match table {
                    "patient" => world.insert_patient(serde_json::from_str(&doc).unwrap(), stored),
                    "exam" => world.insert_exam(serde_json::from_str(&doc).unwrap(), stored),
                    "performed" => {
                        world.insert_performed(serde_json::from_str(&doc).unwrap(), stored)
                    }
                    _ => world.insert_report(serde_json::from_str(&doc).unwrap(), stored),
                }
            }
        }
        Ok(world)
    }

    /// Lets the SQLite file grow by `pages` and no further: a full disk. `None` lifts the limit.
    pub(crate) async fn limit_growth(&self, pages: Option<i64>) {
        let limit = match pages {
            Some(pages) => {
                let row = Sql::new(&self.write, "PRAGMA page_count")
                    .one(&self.write)
                    .await
                    .unwrap();
                row.unwrap().try_get_by_index::<i64>(0).unwrap() + pages
            }
            None => 1 << 30,
        };
        let pragma = format!("PRAGMA max_page_count = {limit}");
        self.write.execute_unprepared(&pragma).await.unwrap();
    }
}

/// A SQLite store.
pub(crate) async fn sqlite() -> Fresh {
    let dir = std::env::temp_dir().join(name());
    let url = format!("sqlite://{}/be low#1%20/relais.db", dir.display());
    let store = Store::open(&url).await.unwrap();
    store.migrate().await.unwrap();
    Fresh {
        store,
        dir: Some(dir),
    }
}

/// One store of each kind that is at hand.
pub(crate) async fn stores() -> Vec<Fresh> {
    let mut stores = vec![sqlite().await];
    if let Some(url) = postgres_url() {
        let name = name();
        let server = Store::open(&url).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        server.write.execute_unprepared(&create).await.unwrap();
        server.close().await;
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let (host, _) = path.rsplit_once('/').unwrap();
        let store = Store::open(&format!("{host}/{name}?{query}"))
            .await
            .unwrap();
        store.migrate().await.unwrap();
        stores.push(Fresh { store, dir: None });
    }
    stores
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test run's own setting, not the product's"
)]
fn postgres_url() -> Option<String> {
    std::env::var("RELAIS_TEST_POSTGRES").ok()
}
