//! The FHIR endpoint of the tests: the simulated server behind a proxy that can be told to misbehave.

use super::{chaos::Chaos, scanner::runtime, wait};
use relais::{clock::Clock, simulate::fhir_server::FhirServer};
use serde_json::Value;

/// A running endpoint.
pub struct Endpoint {
    /// Base URL, through the proxy.
    pub url: String,
    /// What happens to requests on their way.
    pub chaos: Chaos,
    server: FhirServer,
}

impl Endpoint {
    /// An empty endpoint on a free port.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = {
            let _inside = runtime().enter();
            FhirServer::start(listener, Clock::default()).unwrap()
        };
        let chaos = Chaos::before(addr);
        Self {
            url: server
                .url
                .replace(&addr.to_string(), &chaos.addr.to_string()),
            chaos,
            server,
        }
    }

    /// Everything that it holds, by type and id.
    pub fn all(&self) -> Vec<Value> {
        self.server.resources()
    }

    /// The resources of a type.
    pub fn of(&self, kind: &str) -> Vec<Value> {
        self.all()
            .into_iter()
            .filter(|r| r["resourceType"] == kind)
            .collect()
    }

    /// Waits until there is exactly one resource of a type that fits.
    pub fn sole(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait::until(&format!("one {kind} that fits at the endpoint"), || {
            let mut found: Vec<Value> = self.of(kind).into_iter().filter(|r| fits(r)).collect();
            (found.len() == 1).then(|| found.remove(0))
        })
    }
}

/// A resource whose element has a value.
pub fn is(element: &'static str, value: &'static str) -> impl Fn(&Value) -> bool {
    move |resource| resource[element] == value
}
