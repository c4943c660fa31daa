//! What a device sees: the one answer to "which items match this identifier", for C-FIND and for everyone else who shows a worklist.
//!
//! The query runs in two halves. SQL narrows candidates with an index and may return too much, never too little; [`super::gates`]
//! decide, last of them the matching keys on the item as this device would see it. An item is rendered from its two documents, or taken from [`super::cache`] if it
//! was rendered from the same versions of them: the database says which versions those are, in every query. Nothing is held open
//! when the answer is given, so a slow scanner holds nothing back.

use super::cache::{Item, ItemCache, Key, Shown, Stamp};
use super::device::Device;
use super::gates::{Asked, Facts};
use super::keys::Query;
use super::matching::answer;
use super::scope::scope;
use super::walk::{WHEN, Walk};
use crate::clock::{Clock, Stopwatch};
use crate::config::Config;
use crate::dicom::dataset::DataSet;
use crate::domain::exam::Step;
use crate::domain::ids::{ExamId, PatientId, StepId};
use crate::domain::node::Node;
use crate::domain::time::LocalTime;
use crate::mapping::MappingSet;
use crate::store::{Candidate, Narrow, Sources, StepDocuments, Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Candidates read per page.
const PAGE: u32 = 500;
/// Longest search of one query.
const BUDGET: Duration = Duration::from_secs(5);
/// Items that are rendered without letting other tasks run.
const AT_ONCE: usize = 8;

/// The worklists of all devices.
#[derive(Debug)]
pub struct Worklist {
    pub(super) config: Arc<Config>,
    pub(super) store: Store,
    clock: Clock,
    items: ItemCache<Sources>,
}

/// A step that matches.
#[derive(Debug, Clone)]
pub struct Match {
    pub exam: ExamId,
    pub patient: PatientId,
    pub step: StepId,
    /// The whole item, whatever was asked for.
    pub item: Arc<DataSet>,
}

/// What a device sees.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// In the order of their start.
    pub matches: Vec<Match>,
    /// Why there may be more matches than these.
    pub truncated: Option<String>,
}

impl Seen {
    /// The responses: of each match what the identifier asks for, and nothing else.
    pub fn answers(self, identifier: DataSet) -> impl Iterator<Item = DataSet> + Send + 'static {
        self.matches
            .into_iter()
            .map(move |found| answer(&found.item, &identifier))
    }
}

impl Worklist {
    /// Worklists over a store; rendered items are kept in at most `[dicom] item_cache_mib`. The clock says which days a device is shown.
    pub fn new(config: Arc<Config>, store: Store, clock: Clock) -> Self {
        let items = ItemCache::new(config.dicom.item_cache);
        Self {
            config,
            store,
            clock,
            items,
        }
    }

    /// The items that answer a query of a device, at most `[dicom] max_results`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn seen(
        &self,
        set: &MappingSet,
        device: &Device,
        query: &Query,
    ) -> Result<Seen, StoreError> {
        let watch = Stopwatch::start();
        let asked = self.asked(set, device, query);
        let narrow = narrow(&asked, set);
        let limit = self.config.dicom.max_results;
        let mut seen = Seen::default();
        let mut cursor = None;
        loop {
            let page = self
                .store
                .worklist_candidates(&narrow, cursor, PAGE)
                .await?;
            for (candidate, item) in self.items(set, &asked, &page).await? {
                let mut walk = Walk::quiet();
                asked.answers(&item.data, &mut walk);
                if !walk.is_open() {
                    continue;
                }
                if seen.matches.len() == limit {
                    seen.truncated =
                        Some(format!("more than {limit} items match: narrow the query"));
                    return Ok(seen);
                }
                seen.matches.push(Match {
                    exam: candidate.sources.exam,
                    patient: candidate.sources.patient,
                    step: candidate.step,
                    item: Arc::clone(&item.data),
                });
            }
            cursor = page.last().map(Candidate::cursor);
            if page.len() < PAGE as usize {
                return Ok(seen);
            }
            if watch.elapsed() > BUDGET {
                seen.truncated = Some("the search takes too long: narrow the query".to_owned());
                return Ok(seen);
            }
        }
    }

    /// A query as a device asks it now.
    pub(super) fn asked<'q>(
        &self,
        set: &MappingSet,
        device: &Device,
        query: &'q Query,
    ) -> Asked<'q> {
        let today = self.clock.now().local(&self.config.site.zone);
        Asked::of(query, device, set, today)
    }

    /// The items of candidates as the asking device sees them, in their order; those that it does not see are left out.
    async fn items<'c>(
        &self,
        set: &MappingSet,
        asked: &Asked<'_>,
        page: &'c [Candidate],
    ) -> Result<Vec<(&'c Candidate, Arc<Item>)>, StoreError> {
        let revision: Arc<str> = set.revision().into();
        let known: Vec<Option<Shown>> = page
            .iter()
            .map(|c| self.known(c.step, c.sources, &revision, asked))
            .collect();
        let unknown: Vec<StepId> = page
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(candidate, _)| candidate.step)
            .collect();
        metrics::counter!("relais_worklist_cache_hits_total")
            .increment((page.len() - unknown.len()) as u64);
        let mut rendered = HashMap::new();
        if !unknown.is_empty() {
            metrics::counter!("relais_worklist_cache_misses_total").increment(unknown.len() as u64);
            let documents = self.store.worklist_documents(&unknown).await?;
            for (n, documents) in documents.iter().enumerate() {
                let shown = self.render(set, asked, documents, &revision);
                rendered.insert(documents.step, shown);
                if n % AT_ONCE == AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
        metrics::gauge!("relais_worklist_cache_bytes").set(self.items.bytes() as f64);
        let items = page.iter().zip(known).filter_map(|(candidate, known)| {
            // A step that is not on any worklist any more was read by nobody.
            match known.or_else(|| rendered.remove(&candidate.step))? {
                Shown::Item(item) => Some((candidate, item)),
                Shown::Withheld => {
                    metrics::counter!("relais_worklist_withheld_total").increment(1);
                    None
                }
                Shown::Hidden | Shown::Facts(_) => None,
            }
        });
        Ok(items.collect())
    }

    /// What is kept of a step in this state, and is enough to answer: an item whose gates are open, or that there is none for the device.
    fn known(
        &self,
        step: StepId,
        sources: Sources,
        revision: &Arc<str>,
        asked: &Asked<'_>,
    ) -> Option<Shown> {
        let stamp = Stamp {
            sources,
            revision: Arc::clone(revision),
        };
        let shown = self.items.get(&key(asked, step, false), &stamp)?;
        match &shown {
            Shown::Item(item) => Some(match admitted(asked, &item.facts) {
                true => shown,
                false => Shown::Hidden,
            }),
            Shown::Withheld | Shown::Hidden => Some(shown),
            Shown::Facts(facts) if !admitted(asked, facts) => Some(Shown::Hidden),
            Shown::Facts(facts) if facts.is_pool() => {
                self.items.get(&key(asked, step, true), &stamp)
            }
            Shown::Facts(_) => None,
        }
    }

    /// Renders the item of a step, if the gates before it are open, and keeps what was found.
    fn render(
        &self,
        set: &MappingSet,
        asked: &Asked<'_>,
        read: &StepDocuments,
        revision: &Arc<str>,
    ) -> Shown {
        let Some(step) = read.exam.step(read.step) else {
            return Shown::Withheld;
        };
        let stamp = Stamp {
            sources: read.sources,
            revision: Arc::clone(revision),
        };
        let facts = Facts::of(&read.exam, &read.patient, step, &self.config.site.zone);
        let of_pool = facts.is_pool();
        let admitted = admitted(asked, &facts);
        if of_pool || !admitted {
            let shown = Shown::Facts(Arc::new(facts.clone()));
            self.items
                .put(key(asked, read.step, false), stamp.clone(), shown.clone());
            if !admitted {
                return shown;
            }
        }
        let scope = self.scope(read, step, asked);
        let mut walk = Walk::quiet();
        let shown = match asked.render(set, &scope, &mut walk) {
            Some(item) => Shown::Item(Arc::new(Item {
                facts,
                data: Arc::new(item.data),
            })),
            None if walk.closed() == Some(WHEN) => Shown::Hidden,
            None => {
                tracing::debug!(step = %step.id, file = %asked.file, "item withheld");
                Shown::Withheld
            }
        };
        self.items
            .put(key(asked, read.step, of_pool), stamp, shown.clone());
        shown
    }

    fn scope<'d>(&self, read: &'d StepDocuments, step: &'d Step, asked: &Asked<'_>) -> Node<'d> {
        scope(
            &read.exam,
            &read.patient,
            step,
            &self.config.site.name,
            &self.config.site.timezone,
            &asked.ae,
        )
    }
}

fn admitted(asked: &Asked<'_>, facts: &Facts) -> bool {
    let mut walk = Walk::quiet();
    asked.admits(facts, &mut walk);
    walk.is_open()
}

fn key(asked: &Asked<'_>, step: StepId, of_pool: bool) -> Key {
    static ANY: OnceLock<Arc<str>> = OnceLock::new();
    Key {
        step: step.0,
        file: Arc::clone(&asked.file),
        ae: match of_pool {
            true => Arc::clone(&asked.ae),
            false => Arc::clone(ANY.get_or_init(|| "".into())),
        },
    }
}

/// What the database may narrow by. Where the device's file shows something else than the record's value, the key is left to matching.
fn narrow(asked: &Asked<'_>, set: &MappingSet) -> Narrow {
    let query = asked.query;
    let one = |keyword: &str| {
        query
            .equal(keyword)
            .filter(|v| v.len() == 1)
            .and_then(|v| v.first())
            .cloned()
    };
    let shows = |keyword: &str, field: &str| set.shows(&asked.file, keyword, field);
    let step = |name: &str| format!("ScheduledProcedureStepSequence.{name}");
    let plain = |keyword: &str, field: &str| one(keyword).filter(|_| shows(keyword, field));
    let starts = shows(&step("ScheduledProcedureStepStartDate"), "step.start");
    let by_query = query.start.filter(|_| starts).map(|r| {
        (
            LocalTime(r.from.unwrap_or(0)),
            LocalTime(r.to.unwrap_or(i64::MAX)),
        )
    });
    let start = match (by_query, asked.window) {
        (Some((a, b)), Some((from, to))) => Some((a.max(from), b.min(to))),
        (by_query, window) => by_query.or(window),
    };
    Narrow {
        stations: asked.slots(),
        modality: one("Modality").filter(|_| shows(&step("Modality"), "step.modality")),
        start,
        accession: plain("AccessionNumber", "order.accession_number"),
        patient_value: plain("PatientID", "patient.id"),
        name_prefix_fold: query
            .name_prefix()
            .filter(|_| shows("PatientName", "patient.name"))
            .map(str::to_owned),
        rp_id: plain("RequestedProcedureID", "procedure.id"),
        study_uid: plain("StudyInstanceUID", "procedure.study_instance_uid"),
        started_too: asked.started_too(),
    }
}

#[cfg(test)]
mod tests;
