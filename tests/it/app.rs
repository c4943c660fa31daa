//! The product under test, with its database and its neighbours.

use crate::harness::{
    api::Api,
    database::{Database, Engine},
    endpoint::Endpoint,
    http,
    mllp::Sender,
    process::Process,
    scanner::{Scanner, runtime},
    wait,
};
use relais::{
    api::access::Role,
    store::{LeaveOut, Store},
};
use std::sync::Mutex;

/// `relais serve` on a fresh database, publishing to an endpoint of its own.
pub struct TestApp {
    // Dropped first: the process must let go of the database.
    pub relais: Mutex<Process>,
    pub endpoint: Endpoint,
    pub database: Database,
}

impl TestApp {
    /// Starts everything on one engine.
    pub fn start(engine: Engine) -> Self {
        let database = Database::new(engine);
        let endpoint = Endpoint::start();
        let relais = Mutex::new(Process::start(&database, Some(&endpoint.url)));
        Self {
            relais,
            endpoint,
            database,
        }
    }

    /// A new connection of the RIS.
    pub fn ris(&self) -> Sender {
        Sender::connect(self.relais.lock().unwrap().mllp)
    }

    /// A scanner of an AE title.
    pub fn scanner(&self, ae: &str) -> Scanner {
        Scanner {
            peer: self.relais.lock().unwrap().dicom,
            ae: ae.to_owned(),
        }
    }

    /// The body of a GET on the product's own HTTP port, which must succeed.
    pub fn get(&self, path: &str) -> String {
        let addr = self.relais.lock().unwrap().http;
        let (status, body) = http::get(addr, path).expect("an HTTP answer");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Runs `relais` with the configuration of the running engine, beside it; what it printed. It must succeed.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let (code, told) = self.try_cli(arguments);
        assert_eq!(code, 0, "{arguments:?}: {told}");
        told
    }

    /// As [`TestApp::cli`]: exit code and what it printed.
    pub fn try_cli(&self, arguments: &[&str]) -> (i32, String) {
        self.relais.lock().unwrap().command(arguments)
    }

    /// The HTTP interface, with the token of a role.
    pub fn api(&self, role: Role) -> Api {
        Api {
            addr: self.relais.lock().unwrap().http,
            role: Some(role),
        }
    }

    /// Waits until nothing is left to publish.
    pub fn drained(&self) {
        let store = self.store();
        wait::until("the outbox is drained", || {
            let counts = runtime().block_on(store.outbox_counts()).unwrap();
            counts
                .iter()
                .all(|(_, state, n)| state == "delivered" || *n == 0)
                .then_some(())
        });
        runtime().block_on(store.close());
    }

    /// The tables as text, without the evidence that something was received and the traces of delivery.
    pub fn dump(&self) -> String {
        self.dump_without(&LeaveOut::EVIDENCE)
    }

    /// All tables as text.
    pub fn whole_dump(&self) -> String {
        self.dump_without(&LeaveOut::NOTHING)
    }

    fn dump_without(&self, what: &LeaveOut) -> String {
        let store = self.store();
        let dump = runtime().block_on(store.dump(what)).unwrap();
        runtime().block_on(store.close());
        dump
    }

    pub fn store(&self) -> Store {
        runtime().block_on(Store::open(&self.database.url)).unwrap()
    }
}
