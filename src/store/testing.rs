//! Fresh, migrated stores for tests: a SQLite file in a directory of its own, and PostgreSQL when `RELAIS_TEST_POSTGRES` names a
//! server.

use super::Store;
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

/// A SQLite store.
pub(crate) async fn sqlite() -> Fresh {
    let dir = std::env::temp_dir().join(name());
    let url = format!("sqlite://{}/below/relais.db", dir.display());
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
