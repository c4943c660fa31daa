//! Changed mapping files take effect while Relais runs, whole or not at all.
//!
//! All roads lead to [`Reloader::reload`]: the files' own change ([`watch`]), SIGHUP, the HTTP API and through it the command line. A new
//! set is compiled and its cases run beside the traffic; its files are stored under their revision; then it is swapped in, and every
//! message and publication that begins afterwards names the new revision. Otherwise the old set stays and [`Reloader::status`] says why.
//!
//! The files are looked at, not subscribed to: notifications of the file system miss bind mounts and network file systems. A change must
//! be seen twice alike before it is read, so that a half-written file is waited for.

use super::{Mappings, Refused, below, relative};
use crate::clock::Clock;
use crate::domain::time::Instant;
use crate::mapping::{MappingSet, SourceFile};
use crate::store::Store;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often the directories are looked at. A change takes effect after two looks.
const LOOK: Duration = Duration::from_millis(500);

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The files say what is in force.
    Unchanged,
    /// A new set is in force.
    Changed,
    /// The old set stays.
    Refused(Arc<Refused>),
    /// The revision could not be stored, so the old set stays; tried again at the next look.
    Away(String),
}

/// Which set is in force, since when, and what is wrong with the files on disk if they are not it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub revision: String,
    /// When this process put it in force.
    pub since: Instant,
    pub files: usize,
    /// When the files on disk were last refused, and why.
    pub refused: Option<(Instant, Arc<Refused>)>,
}

/// Puts new sets in force, one at a time.
#[derive(Debug)]
pub struct Reloader {
    mappings: Arc<Mappings>,
    store: Store,
    clock: Clock,
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// Since when the set in force is, and what is wrong with the files on disk.
#[derive(Debug, Clone)]
struct State {
    since: Instant,
    refused: Option<(Instant, Arc<Refused>)>,
}

impl Status {
    /// What an operator must know although work goes on: that the files on disk are not those in force.
    pub fn notice(&self) -> Option<String> {
        let (at, refused) = self.refused.as_ref()?;
        Some(format!(
            "the mapping files on disk are refused since {} ({} problems); revision {} is in force; `relais mapping status` says why",
            at.rfc3339(),
            refused.problems.len(),
            self.revision.get(..12).unwrap_or(&self.revision),
        ))
    }
}

impl Reloader {
    /// A reloader of the set that is in force now and whose revision is stored.
    pub fn new(mappings: Arc<Mappings>, store: Store, clock: Clock) -> Self {
        let since = clock.now();
        let refused = mappings.refused().map(|why| (since, Arc::clone(why)));
        metrics::gauge!("relais_mapping_refused").set(f64::from(u8::from(refused.is_some())));
        if let Some((_, why)) = &refused {
            say(why);
            tracing::error!(
                problems = why.problems.len(),
                revision = mappings.current().revision(),
                "started with the mapping files of before, from the database: those on disk are refused"
            );
        }
        Self {
            mappings,
            store,
            clock,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State { since, refused }),
        }
    }

    /// Reads, checks and, if all is well and something changed, puts in force what is on disk.
    pub async fn reload(&self) -> Reloaded {
        let _turn = self.turn.lock().await;
        let mappings = Arc::clone(&self.mappings);
        let candidate = tokio::task::spawn_blocking(move || mappings.candidate()).await;
        let outcome = match candidate {
            Ok(Ok(set)) => self.put(set).await,
            Ok(Err(refused)) => self.refuse(refused),
            Err(error) => Reloaded::Away(format!("the files could not be compiled: {error}")),
        };
        let word = match &outcome {
            Reloaded::Unchanged => "unchanged",
            Reloaded::Changed => "changed",
            Reloaded::Refused(_) => "refused",
            Reloaded::Away(_) => "away",
        };
        metrics::counter!("relais_mapping_reloads_total", "outcome" => word).increment(1);
        metrics::gauge!("relais_mapping_refused").set(f64::from(u8::from(word == "refused")));
        outcome
    }

    async fn put(&self, set: MappingSet) -> Reloaded {
        let now = self.clock.now();
        if set.revision() == self.mappings.current().revision() {
            self.state().refused = None;
            return Reloaded::Unchanged;
        }
        // Stored before it is used: a journal row never names files that nobody kept.
        let stored = self
            .store
            .activate_mapping(set.revision(), &files_json(&set), now)
            .await;
        if let Err(error) = stored {
            tracing::error!(%error, "the mapping files changed and their revision cannot be stored; the old ones stay in force");
            return Reloaded::Away(error.to_string());
        }
        tracing::info!(
            revision = set.revision(),
            files = set.files().len(),
            "the mapping files changed and are in force"
        );
        self.mappings.put(set);
        *self.state() = State {
            since: now,
            refused: None,
        };
        Reloaded::Changed
    }

    fn refuse(&self, refused: Refused) -> Reloaded {
        let refused = Arc::new(refused);
        say(&refused);
        tracing::error!(
            problems = refused.problems.len(),
            revision = self.mappings.current().revision(),
            "the changed mapping files are not put in force; the old ones stay"
        );
        self.state().refused = Some((self.clock.now(), Arc::clone(&refused)));
        Reloaded::Refused(refused)
    }

    /// What is in force, and what is wrong with the files on disk.
    pub fn status(&self) -> Status {
        let set = self.mappings.current();
        let State { since, refused } = self.state().clone();
        Status {
            revision: set.revision().to_owned(),
            since,
            files: set.files().len(),
            refused,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(refused: &Refused) {
    // To the letter what `relais mapping check` prints and the API answers.
    for problem in &refused.each {
        tracing::error!("{}", problem.trim_end());
    }
}

/// The texts of a mapping revision, for the store: layer and name to text, hidden files included.
pub fn files_json(set: &MappingSet) -> String {
    let files: serde_json::Map<String, serde_json::Value> = set
        .files()
        .iter()
        .map(|f| (format!("{}:{}", f.layer, f.name), f.text.as_ref().into()))
        .collect();
    serde_json::Value::Object(files).to_string()
}

/// The files of a revision that [`files_json`] kept; `None` if the text is none of its.
pub fn files_of_json(text: &str) -> Option<Vec<SourceFile>> {
    let entries: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let file = |(key, text): (&String, &serde_json::Value)| {
        let (layer, name) = key.split_once(':')?;
        Some(SourceFile {
            name: name.to_owned(),
            layer: layer.parse().ok()?,
            text: text.as_str()?.into(),
        })
    };
    entries.iter().map(file).collect()
}

/// Names, sizes and times of change of all files: equal twice = nobody is writing.
pub(super) type Look = Vec<(String, u64, Option<SystemTime>)>;

pub(super) fn look(dirs: &[PathBuf]) -> Look {
    let mut seen = Look::new();
    for dir in dirs {
        let mut paths = Vec::new();
        // A directory that is away is a change like any other; reading it says what is wrong.
        let _ = below(dir, 0, &|_| true, &mut paths);
        for path in paths {
            let Ok(meta) = fs::metadata(&path) else {
                continue;
            };
            seen.push((relative(dir, &path), meta.len(), meta.modified().ok()));
        }
        seen.push((dir.display().to_string(), 0, None));
    }
    seen
}

/// Reloads when files change and on SIGHUP, until it is stopped.
pub async fn watch(reloader: Arc<Reloader>, stop: CancellationToken) {
    let dirs = reloader.mappings.dirs().to_vec();
    let looked = || {
        let dirs = dirs.clone();
        async move { tokio::task::spawn_blocking(move || look(&dirs)).await }
    };
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be received; mapping files are not watched");
            return;
        }
    };
    let mut read = reloader.mappings.seen.clone();
    let mut before = read.clone();
    let mut beat = tokio::time::interval(LOOK);
    loop {
        let hung_up = tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => true,
            _ = beat.tick() => false,
        };
        let Ok(now) = looked().await else { continue };
        let settled = before == now;
        if hung_up || settled && read != now {
            match reloader.reload().await {
                Reloaded::Away(_) => {}
                _ => read.clone_from(&now),
            }
        }
        before = now;
    }
}
