//! Composition root: builds everything, starts listeners and workers, drains on shutdown.
//!
//! Order of stopping: no new connections; ports finish what is in hand; the writer commits what waits; workers settle what is in
//! flight; HTTP; the store. What needs no port is built by `core`.

mod core;
mod heartbeat;

pub use self::core::{Core, For};

use crate::api::access::Tokens;
use crate::api::{ApiState, serve};
use crate::clock::Clock;
use crate::config::{Config, Target};
use crate::dicom::charset::Charset;
use crate::dicom::dataset::DataSet;
use crate::dicom::mpps_scp::MppsScp;
use crate::dicom::query_journal::QueryJournal;
use crate::dicom::scp::{Body, BoxFuture, DimseFailure, FindAnswer, Peer, ScpSettings, Services};
use crate::dicom::worklist_scp::WorklistScp;
use crate::domain::value::Organization;
use crate::hl7::listener::MllpSettings;
use crate::mappings::reload::{Reloader, watch};
use crate::private::{Exposed, exposed};
use crate::publish::fhir::FhirTarget;
use crate::publish::render::{Outbound, Settings as Rendering};
use crate::publish::scope::{Destination, Site};
use crate::publish::worker::{self, Mapping};
use crate::store::{Store, sqlite_files};
use crate::workflow::Workflow;
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long ports may finish what is in hand.
const DRAIN: Duration = Duration::from_secs(10);

/// A running engine.
pub struct App {
    /// Bound addresses: with port 0 in the configuration, the ones that were given.
    pub mllp: SocketAddr,
    pub dicom: SocketAddr,
    pub http: SocketAddr,
    /// What ports and workers share, for callers in the same process.
    pub core: Core,
    /// Puts changed mapping files in force.
    pub reloader: Arc<Reloader>,
    ports_stop: CancellationToken,
    ports: Vec<JoinHandle<()>>,
    workers_stop: CancellationToken,
    workers: Vec<JoinHandle<()>>,
    api: actix_web::dev::ServerHandle,
}

struct DicomServices {
    worklist: WorklistScp,
    mpps: Arc<MppsScp>,
}

impl Services for DicomServices {
    fn fallback_charset(&self, peer: &Peer) -> Option<Charset> {
        self.worklist.charset_of(peer)
    }

    fn find<'a>(
        &'a self,
        peer: &'a Peer,
        query: DataSet,
    ) -> BoxFuture<'a, Result<FindAnswer, DimseFailure>> {
        Box::pin(self.worklist.find(peer, query))
    }

    fn create<'a>(
        &'a self,
        peer: &'a Peer,
        uid: Option<String>,
        body: Body,
    ) -> BoxFuture<'a, Result<String, DimseFailure>> {
        Box::pin(self.mpps.create(peer, uid, body))
    }

    fn set<'a>(
        &'a self,
        peer: &'a Peer,
        uid: String,
        body: Body,
    ) -> BoxFuture<'a, Result<(), DimseFailure>> {
        Box::pin(self.mpps.set(peer, uid, body))
    }
}

impl App {
    /// Builds and starts everything that the configuration names. On failure nothing is left running.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let metrics = crate::telemetry::metrics();
        let core = Core::open(config, For::Serving).await?;
        say_who_runs(&core.clock);
        let config = Arc::clone(&core.config);
        warn_of_exposed_files(&config);
        let reloader = Arc::new(Reloader::new(
            Arc::clone(&core.mappings),
            core.store.clone(),
            core.clock.clone(),
        ));

        // Everything is bound before anything is served, so that a taken port leaves no half-started engine.
        let bind = |address: SocketAddr, what: &'static str| async move {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address} ({what}.listen)"))
        };
        let mllp = bind(config.mllp.listen, "mllp").await?;
        let dicom = bind(config.dicom.listen, "dicom").await?;
        let http = std::net::TcpListener::bind(config.http.listen)
            .with_context(|| format!("cannot listen on {} (http.listen)", config.http.listen))?;
        let tokens = read_tokens(&config)?;
        let targets = config
            .targets
            .iter()
            .map(|target| {
                let fhir = FhirTarget::new(&target.url, target.timeout, rendering(&config, target))
                    .with_context(|| format!("target {} cannot be set up", target.name))?;
                Ok((target.name.clone(), fhir))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let (mllp_at, dicom_at, http_at) =
            (mllp.local_addr()?, dicom.local_addr()?, http.local_addr()?);

        let (ports_stop, workers_stop) = (CancellationToken::new(), CancellationToken::new());
        let store = core.store.clone();
        let (journal, journal_task) =
            QueryJournal::start(store.clone(), core.minter.clone(), workers_stop.clone());
        let services = Arc::new(DicomServices {
            worklist: WorklistScp {
                mappings: Arc::clone(&core.mappings),
                worklist: Arc::clone(&core.worklist),
                clock: core.clock.clone(),
                journal,
            },
            mpps: Arc::clone(&core.mpps),
        });
        let mllp_settings = MllpSettings {
            max_message: config.mllp.max_message_bytes,
            max_held: config.mllp.max_held_bytes,
            idle_timeout: config.mllp.idle,
            message_timeout: config.mllp.message,
            write_timeout: config.mllp.write,
            max_connections: config.mllp.max_connections,
            max_connections_per_address: config.mllp.max_connections_per_address,
            drain: DRAIN,
        };
        let scp_settings = ScpSettings {
            ae_title: config.dicom.ae_title.clone(),
            max_associations: config.dicom.max_associations,
            idle: config.dicom.idle,
            drain: DRAIN,
            ..ScpSettings::default()
        };
        let ports = vec![
            tokio::spawn(crate::hl7::listener::serve(
                mllp,
                mllp_settings,
                core.intake.clone(),
                ports_stop.clone(),
            )),
            tokio::spawn(crate::dicom::scp::serve(
                dicom,
                scp_settings,
                services,
                ports_stop.clone(),
            )),
        ];
        let mut workers = vec![
            journal_task,
            tokio::spawn(watch(Arc::clone(&reloader), workers_stop.clone())),
            tokio::spawn(heartbeat::run(
                store.clone(),
                core.clock.clone(),
                core.node,
                config.targets.iter().map(|t| t.name.clone()).collect(),
                workers_stop.clone(),
            )),
            tokio::spawn(crate::retention::keep(
                store.clone(),
                config.retention,
                core.clock.clone(),
                workers_stop.clone(),
            )),
        ];
        workers.push(tokio::spawn(crate::watch::watch(
            store.clone(),
            Arc::clone(&config),
            Arc::clone(&core.mappings),
            core.clock.clone(),
            workers_stop.clone(),
        )));
        let mapping: Mapping = {
            let mappings = Arc::clone(&core.mappings);
            Arc::new(move || -> Arc<dyn Outbound + Send + Sync> { mappings.current() })
        };
        for (name, target) in targets {
            let worker = worker::start(
                &name,
                target,
                store.clone(),
                core.clock.clone(),
                core.minter.clone(),
                Arc::clone(&mapping),
                core.workflow.committed(),
                workers_stop.clone(),
            );
            workers.push(worker.task);
        }
        let ready_of = (store, core.workflow.clone(), Arc::clone(&reloader));
        let ready: crate::api::Ready = Arc::new(move || {
            let (store, workflow, reloader) = ready_of.clone();
            Box::pin(async move {
                readiness(&store, &workflow).await?;
                Ok(reloader.status().notice())
            })
        });
        let api = serve(
            http,
            ApiState {
                metrics,
                ready,
                tokens,
                attempts: Arc::default(),
                loopback: config.http.listen.ip().is_loopback(),
                config: Arc::clone(&config),
                mappings: Arc::clone(&core.mappings),
                reloader: Arc::clone(&reloader),
                store: core.store.clone(),
                worklist: Arc::clone(&core.worklist),
                workflow: core.workflow.clone(),
                corrections: core.corrections(),
                clock: core.clock.clone(),
                minter: core.minter.clone(),
                streams: ApiState::streams(),
                stop: workers_stop.clone(),
                runtime: tokio::runtime::Handle::current(),
            },
        )?;
        Ok(Self {
            mllp: mllp_at,
            dicom: dicom_at,
            http: http_at,
            core,
            reloader,
            ports_stop,
            ports,
            workers_stop,
            workers,
            api,
        })
    }

    /// Drains and stops. Returns when everything that was acknowledged is on disk and nothing of ours runs any more.
    pub async fn stop(mut self) {
        self.ports_stop.cancel();
        for port in self.ports {
            let _ = port.await;
        }
        self.core.stop_writer().await;
        self.workers_stop.cancel();
        for worker in self.workers {
            let _ = worker.await;
        }
        self.api.stop(true).await;
        self.core.store.close().await;
    }
}

/// Why no message can be stored now, if so.
async fn readiness(store: &Store, workflow: &Workflow) -> Result<(), String> {
    if !workflow.is_alive() {
        return Err("the writer has ended: restart the engine".to_owned());
    }
    if let Some(why) = store.away().borrow().as_deref() {
        return Err(format!("no message can be stored: {why}"));
    }
    store
        .ping()
        .await
        .map_err(|e| format!("the database cannot be read: {e}"))
}

/// What publications say of the site, and by which addresses FHIR knows its authorities.
fn rendering(config: &Config, target: &Target) -> Rendering {
    let issuers = config.links.iter().filter_map(|link| {
        let issuer = link.default_issuer.as_ref()?;
        Some((
            issuer.namespace.clone()?,
            format!("urn:oid:{}", issuer.oid()?),
        ))
    });
    Rendering {
        site: Site {
            oid_root: config.site.oid_root.clone(),
            name: config.site.name.clone(),
            institution: Some(Organization {
                identifiers: vec![],
                name: Some(config.site.name.clone()),
            }),
            language: Some("fr-FR".to_owned()),
            timezone: config.site.timezone.clone(),
            zone: config.site.zone.clone(),
        },
        issuers: issuers.collect(),
        target: Destination {
            name: target.name.clone(),
            profiles: target.profiles.clone(),
        },
        references: target.references.clone(),
    }
}

/// The release and the start of this process, as metrics.
fn say_who_runs(clock: &Clock) {
    metrics::gauge!("relais_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!("relais_start_timestamp_seconds").set(clock.now().seconds());
}

/// Files of an earlier release, or made by hand, may be open to others: said, and left as they are.
fn warn_of_exposed_files(config: &Config) {
    let mut files = sqlite_files(&config.store_url);
    files.extend(config.http.tokens_file.clone());
    for Exposed { path, mode } in exposed(files) {
        let file = path.display();
        tracing::warn!(
            "{file} has mode {mode:04o}: others than its owner may use it; `chmod 600 {file}` keeps it to the user that Relais runs as"
        );
    }
}

/// The tokens of `[http] tokens_file`, if one is configured.
///
/// # Errors
/// The file cannot be read, or a line is none.
pub fn read_tokens(config: &Config) -> anyhow::Result<Option<Arc<Tokens>>> {
    let path = config.http.tokens_file.as_deref();
    let tokens = path.map(Tokens::load).transpose();
    Ok(tokens.map_err(anyhow::Error::msg)?.map(Arc::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Minter;
    use crate::store::testing::sqlite;
    use crate::workflow::Settings;
    use jiff::tz::TimeZone;

    #[tokio::test]
    async fn an_engine_whose_writer_has_died_is_not_ready() {
        let fresh = sqlite().await;
        let clock = Clock::default();
        let (workflow, writer) = Workflow::start(
            fresh.store.clone(),
            Settings::new("1.2.3", TimeZone::UTC, vec![]),
            clock.clone(),
            Minter::new(clock, 0),
            CancellationToken::new(),
        );
        assert_eq!(readiness(&fresh.store, &workflow).await, Ok(()));
        writer.abort();
        let _ = writer.await;
        let why = readiness(&fresh.store, &workflow).await.unwrap_err();
        assert!(why.contains("writer"), "{why}");
    }
}
