//! The engine without its ports and workers: store, mappings, the one door, and what reads messages. `relais serve` builds the rest
//! around it; a command that corrects something beside a running engine needs no more.

use crate::clock::{Clock, Minter};
use crate::config::Config;
use crate::corrections::Corrections;
use crate::dicom::mpps_scp::MppsScp;
use crate::intake::Intake;
use crate::mappings::reload::{files_json, files_of_json};
use crate::mappings::{Mappings, Refused};
use crate::publish::plan::TargetPlan;
use crate::store::{InUse, Store};
use crate::workflow::{Settings, Workflow};
use crate::worklist::seen::Worklist;
use anyhow::{Context, anyhow};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What every way of changing the record needs.
pub struct Core {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub minter: Minter,
    /// Our number among the nodes of the store.
    pub node: u16,
    pub store: Store,
    pub mappings: Arc<Mappings>,
    pub workflow: Workflow,
    pub intake: Arc<Intake>,
    pub mpps: Arc<MppsScp>,
    /// What devices see.
    pub worklist: Arc<Worklist>,
    stop: CancellationToken,
    writer: JoinHandle<()>,
    /// Given up when all else has ended.
    _in_use: InUse,
}

/// What a core is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// To serve: it brings the schema up to date, and its mapping files are those in force.
    Serving,
    /// A command beside a running engine, or in its absence: a node of its own, one transaction at a time like any other.
    Command,
}

impl Core {
    /// Loads the mapping files, opens the store and starts the writer. If the files on disk are refused, those in force last stay.
    ///
    /// # Errors
    /// The mapping files have problems and none were ever in force, or the store cannot be opened, read or written.
    pub async fn open(config: Config, purpose: For) -> anyhow::Result<Self> {
        let clock = Clock::default();
        let on_disk = match purpose {
            For::Serving => Mappings::load_proven(&config.mapping_dirs),
            For::Command => Mappings::load(&config.mapping_dirs),
        };
        let in_use = InUse::mark(&config.store_url).context("cannot open the store")?;
        let store = match purpose {
            For::Serving => Store::open(&config.store_url).await,
            For::Command => Store::open_existing(&config.store_url).await,
        };
        let store = store.context("cannot open the store")?;
        if purpose == For::Serving {
            store
                .migrate()
                .await
                .context("cannot bring the store's schema up to date")?;
        }
        let mappings = Arc::new(match on_disk {
            Ok(mappings) => mappings,
            Err(refused) => kept_mappings(&config, &store, refused).await?,
        });
        for target in &config.targets {
            if let Some(why) = mappings.current().missing_pack(&target.profiles) {
                return Err(anyhow!("target {}: {why}", target.name));
            }
        }
        let node = store
            .register_node(&node_name(&config, purpose), clock.now())
            .await
            .context("cannot register this node")?;
        let minter = Minter::new(clock.clone(), node);
        minter.advance_past(store.highest_id().await.context("cannot read the store")?);
        let set = mappings.current();
        let (revision, files) = (set.revision(), files_json(&set));
        match purpose {
            For::Serving => store.activate_mapping(revision, &files, clock.now()).await,
            For::Command => store.keep_mapping(revision, &files, clock.now()).await,
        }
        .context("cannot keep the mapping revision")?;
        let plans = config
            .targets
            .iter()
            .map(|t| TargetPlan {
                name: t.name.clone(),
                kind: t.kind,
            })
            .collect();
        let settings = Settings::new(
            config.site.oid_root.clone(),
            config.site.zone.clone(),
            plans,
        );
        let stop = CancellationToken::new();
        let (workflow, writer) = Workflow::start(
            store.clone(),
            settings,
            clock.clone(),
            minter.clone(),
            stop.clone(),
        );
        let config = Arc::new(config);
        let intake = Arc::new(Intake {
            config: Arc::clone(&config),
            mappings: Arc::clone(&mappings),
            workflow: workflow.clone(),
            clock: clock.clone(),
            minter: minter.clone(),
        });
        let mpps = Arc::new(MppsScp {
            config: Arc::clone(&config),
            mappings: Arc::clone(&mappings),
            workflow: workflow.clone(),
            clock: clock.clone(),
            minter: minter.clone(),
        });
        let worklist = Arc::new(Worklist::new(
            Arc::clone(&config),
            store.clone(),
            clock.clone(),
        ));
        Ok(Self {
            config,
            clock,
            minter,
            node,
            store,
            mappings,
            workflow,
            intake,
            mpps,
            worklist,
            stop,
            writer,
            _in_use: in_use,
        })
    }

    /// What operators may correct.
    pub fn corrections(&self) -> Corrections {
        Corrections {
            store: self.store.clone(),
            intake: Arc::clone(&self.intake),
            mpps: Arc::clone(&self.mpps),
            minter: self.minter.clone(),
        }
    }

    /// Commits and answers what waits; nothing enters any more.
    pub async fn stop_writer(&mut self) {
        self.stop.cancel();
        let _ = (&mut self.writer).await;
    }

    /// Stops the writer and closes the store.
    pub async fn close(mut self) {
        self.stop_writer().await;
        self.store.close().await;
    }
}

/// The mapping files that were in force last: those on disk are refused, and whoever restarts an engine wants it to work.
///
/// # Errors
/// Nothing was ever in force on this store, or it is no longer sound: why the files on disk are refused.
async fn kept_mappings(
    config: &Config,
    store: &Store,
    refused: Refused,
) -> anyhow::Result<Mappings> {
    let kept = store
        .active_mapping_files()
        .await
        .context("cannot read the mapping revision")?;
    let begun = match kept.as_deref().and_then(files_of_json) {
        Some(kept) => Mappings::from_kept(&config.mapping_dirs, kept, refused),
        None => Err(refused),
    };
    begun.map_err(|refused| {
        let first = refused
            .problems
            .first()
            .map(|p| format!("{}: {}", p.file, p.message))
            .unwrap_or_default();
        anyhow!(
            "{} problem(s) in the mapping files, first {first}; `relais check` shows them all",
            refused.problems.len()
        )
    })
}

/// Nodes that share a database differ by where they listen.
fn node_name(config: &Config, purpose: For) -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    match purpose {
        For::Serving => format!("{}/{}", host.trim(), config.mllp.listen),
        For::Command => format!("{}/command line", host.trim()),
    }
}
