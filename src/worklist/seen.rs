//! What a device sees: the one answer to "which items match this identifier", for C-FIND and for everyone else who shows a worklist.
//!
//! The query runs in two halves. SQL narrows candidates with an index and may return too much, never too little; [`super::matching`]
//! decides on the item as this device would see it. An item is rendered from its two documents, or taken from [`super::cache`] if it
//! was rendered from the same versions of them: the database says which versions those are, in every query. Nothing is held open
//! when the answer is given, so a slow scanner holds nothing back.

use super::cache::{ItemCache, Key, Shown, Stamp};
use super::device::Device;
use super::keys::Query;
use super::matching::{answer, is_match};
use super::project::pool;
use super::scope::scope;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::dicom::dataset::DataSet;
use crate::domain::ids::{ExamId, PatientId, StepId};
use crate::domain::time::LocalTime;
use crate::mapping::MappingSet;
use crate::store::{Candidate, Narrow, Sources, StepDocuments, Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
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
    config: Arc<Config>,
    store: Store,
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
    /// Worklists over a store; rendered items are kept in at most `[dicom] item_cache_mib`.
    pub fn new(config: Arc<Config>, store: Store) -> Self {
        let items = ItemCache::new(config.dicom.item_cache);
        Self {
            config,
            store,
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
        let asked = Asked::of(query, device, set);
        let limit = self.config.dicom.max_results;
        let mut seen = Seen::default();
        let mut cursor = None;
        loop {
            let page = self
                .store
                .worklist_candidates(&asked.narrow, cursor, PAGE)
                .await?;
            for (candidate, item) in self.items(set, &asked, &page).await? {
                if !is_match(&item, query) {
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
                    item,
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

    /// The items of candidates as the asking device sees them, in their order; those that it does not see are left out.
    async fn items<'c>(
        &self,
        set: &MappingSet,
        asked: &Asked,
        page: &'c [Candidate],
    ) -> Result<Vec<(&'c Candidate, Arc<DataSet>)>, StoreError> {
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
                Shown::Pool(_) => None,
            }
        });
        Ok(items.collect())
    }

    /// What is kept of a step in this state; a pool that is not shown to the device is [`Shown::Pool`].
    fn known(
        &self,
        step: StepId,
        sources: Sources,
        revision: &Arc<str>,
        asked: &Asked,
    ) -> Option<Shown> {
        let stamp = Stamp {
            sources,
            revision: Arc::clone(revision),
        };
        let shown = self.items.get(&asked.key(step, false), &stamp)?;
        match &shown {
            Shown::Pool(modality) if asked.pool_is_shown(modality) => {
                self.items.get(&asked.key(step, true), &stamp)
            }
            _ => Some(shown),
        }
    }

    /// Renders the item of a step and keeps it.
    fn render(
        &self,
        set: &MappingSet,
        asked: &Asked,
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
        let of_pool = step.fields.values("station_aes").is_empty();
        if of_pool {
            let modality = step.fields.text("modality").unwrap_or_default();
            let shown = Shown::Pool(modality.into());
            self.items
                .put(asked.key(read.step, false), stamp.clone(), shown.clone());
            if !asked.pool_is_shown(modality) {
                return shown;
            }
        }
        let scope = scope(
            &read.exam,
            &read.patient,
            step,
            &self.config.site.name,
            &self.config.site.timezone,
            &asked.ae,
        );
        let shown = match set.worklist_item(&scope, None) {
            Ok(item) => Shown::Item(Arc::new(item.data)),
            Err(withheld) => {
                tracing::debug!(step = %step.id, keyword = %withheld.keyword, "item withheld");
                Shown::Withheld
            }
        };
        self.items
            .put(asked.key(read.step, of_pool), stamp, shown.clone());
        shown
    }
}

/// What a query asks for, seen from the device.
struct Asked {
    narrow: Narrow,
    /// The AE title that pool steps are shown under.
    ae: Arc<str>,
    /// Stands for the AE title where it does not matter.
    any: Arc<str>,
    /// Modalities whose pools are shown; without one no pool is shown, but for a query about one patient or order.
    pools: Vec<String>,
    about_one: bool,
}

impl Asked {
    fn of(query: &Query, device: &Device, set: &MappingSet) -> Self {
        let asked_for = |keyword| query.equal(keyword).unwrap_or_default().to_vec();
        let mut stations = asked_for("ScheduledStationAETitle");
        let station = stations.first().cloned();
        // A query may name another station than the one that asks: then that one's pool is meant.
        let of_station = station.as_deref().and_then(|s| Device::of(set, s).modality);
        let mut pools = asked_for("Modality");
        if pools.is_empty() {
            pools.extend(of_station.or_else(|| device.modality.clone()));
        }
        if !stations.is_empty() {
            stations.extend(pools.iter().map(|modality| pool(modality)));
        }
        let one = |keyword: &str| {
            query
                .equal(keyword)
                .filter(|v| v.len() == 1)
                .and_then(|v| v.first())
                .cloned()
        };
        // A site may show something else than the record's value: such a key is left to matching.
        let step = |name: &str| format!("ScheduledProcedureStepSequence.{name}");
        let plain = |keyword: &str, field: &str| one(keyword).filter(|_| set.shows(keyword, field));
        if !set.shows(&step("ScheduledStationAETitle"), "step.station_aes") {
            stations.clear();
        }
        let starts = set.shows(&step("ScheduledProcedureStepStartDate"), "step.start");
        let narrow = Narrow {
            stations,
            modality: one("Modality").filter(|_| set.shows(&step("Modality"), "step.modality")),
            start: query.start.filter(|_| starts).map(|r| {
                (
                    LocalTime(r.from.unwrap_or(0)),
                    LocalTime(r.to.unwrap_or(i64::MAX)),
                )
            }),
            accession: plain("AccessionNumber", "order.accession_number"),
            patient_value: plain("PatientID", "patient.id"),
            name_prefix_fold: query
                .name_prefix()
                .filter(|_| set.shows("PatientName", "patient.name"))
                .map(str::to_owned),
            rp_id: plain("RequestedProcedureID", "procedure.id"),
            study_uid: plain("StudyInstanceUID", "procedure.study_instance_uid"),
        };
        let about_one = narrow.accession.is_some()
            || narrow.patient_value.is_some()
            || narrow.name_prefix_fold.is_some();
        Self {
            narrow,
            ae: station.unwrap_or_else(|| device.ae.clone()).into(),
            any: "".into(),
            pools,
            about_one,
        }
    }

    fn key(&self, step: StepId, of_pool: bool) -> Key {
        let ae = if of_pool { &self.ae } else { &self.any };
        Key {
            step: step.0,
            ae: Arc::clone(ae),
        }
    }

    fn pool_is_shown(&self, modality: &str) -> bool {
        if self.pools.is_empty() {
            self.about_one
        } else {
            self.pools.iter().any(|pool| pool == modality)
        }
    }
}

#[cfg(test)]
mod tests;
