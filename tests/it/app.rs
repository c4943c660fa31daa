//! The product under test, with its database and its neighbours.

use crate::harness::{
    database::{Database, Engine},
    http,
    mllp::Sender,
    process::Process,
};

/// `relais serve` on a fresh database.
#[derive(Debug)]
pub struct TestApp {
    // Dropped first: the process must let go of the database.
    pub relais: Process,
    pub database: Database,
}

impl TestApp {
    /// Starts everything on one engine.
    pub fn start(engine: Engine) -> Self {
        let database = Database::new(engine);
        let relais = Process::start(&database, None);
        Self { relais, database }
    }

    /// A new connection of the RIS.
    pub fn ris(&self) -> Sender {
        Sender::connect(self.relais.mllp)
    }

    /// The body of a GET on the product's own HTTP port, which must succeed.
    pub fn get(&self, path: &str) -> String {
        let (status, body) = http::get(self.relais.http, path).expect("an HTTP answer");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}
