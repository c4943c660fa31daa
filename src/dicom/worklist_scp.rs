//! Modality Worklist SCP: answers C-FIND on 1.2.840.10008.5.1.4.31.
//!
//! The query runs in two halves. SQL narrows candidates with an index and may return too much, never too little;
//! [`crate::worklist::matching`] decides on the item as this device would see it. Documents are read and the snapshot closed before
//! the first response leaves, so a slow scanner holds nothing back. Standard: PS3.4 Annex K; matching C.2.2.2.

use crate::clock::{Clock, Stopwatch};
use crate::config::Config;
use crate::dicom::charset::Charset;
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::status;
use crate::dicom::query_journal::{Asked as Noted, QueryJournal};
use crate::dicom::scp::{DimseFailure, FindAnswer, Peer};
use crate::domain::reason::{Place, Refusal};
use crate::domain::time::LocalTime;
use crate::mapping::MappingSet;
use crate::mapping::table::{Row, values};
use crate::mappings::Mappings;
use crate::store::{Candidate, Narrow, Store};
use crate::worklist::keys::Query;
use crate::worklist::matching::{answer, is_match};
use crate::worklist::project::pool;
use crate::worklist::scope::scope;
use std::sync::Arc;
use std::time::Duration;

/// Candidates read per page.
const PAGE: u32 = 500;
/// Longest search of one query; then the answer ends with A700.
const BUDGET: Duration = Duration::from_secs(5);

/// The worklist service.
pub struct WorklistScp {
    pub config: Arc<Config>,
    pub mappings: Arc<Mappings>,
    pub store: Store,
    pub clock: Clock,
    pub journal: QueryJournal,
}

/// What is known of the device that asks: a row of `tables/stations.csv`.
#[derive(Debug, Clone, Default)]
struct Device {
    modality: Option<String>,
    charset: Option<Charset>,
}

impl WorklistScp {
    /// The repertoire that a device reads and, lacking a declaration, writes.
    pub fn charset_of(&self, calling_ae: &str) -> Option<Charset> {
        charset_of(&self.mappings.current(), calling_ae)
    }

    /// Finds the items that answer an identifier.
    pub async fn find(&self, peer: &Peer, identifier: DataSet) -> Result<FindAnswer, DimseFailure> {
        let watch = Stopwatch::start();
        let query = Query::parse(identifier).map_err(|refusal| {
            self.note_refused(peer, &refusal, watch.elapsed());
            failure(&refusal)
        })?;
        let set = self.mappings.current();
        let device = device(&set, &peer.calling_ae);
        let asked = Asked::of(&query, peer, &device, &set);
        let limit = self.config.dicom.max_results;
        let mut items = Vec::new();
        let mut steps = Vec::new();
        let mut truncated = None;
        let mut cursor = None;
        'pages: loop {
            let page = self
                .store
                .worklist_candidates(&asked.narrow, cursor, PAGE)
                .await
                .map_err(|error| {
                    tracing::error!(%error, "the worklist cannot be read");
                    DimseFailure::new(status::OUT_OF_RESOURCES, "the database is not available")
                })?;
            for candidate in &page {
                let Some(item) = self.item(&set, candidate, &asked) else {
                    continue;
                };
                if !is_match(&item, &query) {
                    continue;
                }
                if items.len() == limit {
                    truncated = Some(format!("more than {limit} items match: narrow the query"));
                    break 'pages;
                }
                items.push(answer(&item, &query.identifier));
                steps.push(candidate.step.0);
            }
            cursor = page.last().map(Candidate::cursor);
            if page.len() < PAGE as usize {
                break;
            }
            if watch.elapsed() > BUDGET {
                truncated = Some("the search takes too long: narrow the query".to_owned());
                break;
            }
        }
        metrics::histogram!("relais_cfind_seconds").record(watch.elapsed().as_secs_f64());
        metrics::counter!("relais_cfind_items_total").increment(items.len() as u64);
        self.journal.note(Noted {
            device: peer.calling_ae.clone(),
            keys: query.keys_text(),
            steps,
            took: watch.elapsed(),
            at: self.clock.now(),
        });
        Ok(FindAnswer {
            items: Box::new(items.into_iter()),
            charset: device.charset,
            warning: !query.ignored.is_empty(),
            truncated,
        })
    }

    /// A query that cannot be read is also a question that somebody asks about later.
    fn note_refused(&self, peer: &Peer, refusal: &Refusal, took: Duration) {
        let place = refusal.at.as_ref().map(|at| format!(" at {at}"));
        self.journal.note(Noted {
            device: peer.calling_ae.clone(),
            keys: format!(
                "refused: {}{}",
                refusal.reason.code(),
                place.unwrap_or_default()
            ),
            steps: vec![],
            took,
            at: self.clock.now(),
        });
    }

    /// The item of a candidate as the asking device sees it; `None` if a required attribute has no value (why-not says which).
    fn item(&self, set: &MappingSet, candidate: &Candidate, asked: &Asked) -> Option<DataSet> {
        let step = candidate.exam.step(candidate.step)?;
        if step.fields.values("station_aes").is_empty()
            && !asked.pool_is_shown(step.fields.text("modality")?)
        {
            return None;
        }
        let scope = scope(
            &candidate.exam,
            &candidate.patient,
            step,
            &self.config.site.name,
            &self.config.site.timezone,
            &asked.ae,
        );
        match set.worklist_item(&scope, None) {
            Ok(item) => Some(item.data),
            Err(withheld) => {
                tracing::debug!(step = %step.id, keyword = %withheld.keyword, "item withheld");
                metrics::counter!("relais_worklist_withheld_total").increment(1);
                None
            }
        }
    }
}

/// What a query asks for, seen from the device.
struct Asked {
    narrow: Narrow,
    /// The AE title that pool steps are shown under.
    ae: String,
    /// Modalities whose pools are shown; without one no pool is shown, but for a query about one patient or order.
    pools: Vec<String>,
    about_one: bool,
}

impl Asked {
    fn of(query: &Query, peer: &Peer, device: &Device, set: &MappingSet) -> Self {
        let asked_for = |keyword| query.equal(keyword).unwrap_or_default().to_vec();
        let mut stations = asked_for("ScheduledStationAETitle");
        let station = stations.first().cloned();
        // A query may name another station than the one that asks: then that one's pool is meant.
        let of_station = station
            .as_deref()
            .and_then(|s| self::device(set, s).modality);
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
            ae: station.unwrap_or_else(|| peer.calling_ae.clone()),
            pools,
            about_one,
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

/// The repertoire in which a device writes what it does not declare.
pub fn charset_of(set: &MappingSet, calling_ae: &str) -> Option<Charset> {
    device(set, calling_ae).charset
}

/// The device of a calling AE title: the row of `tables/stations.csv` that names it.
fn device(set: &MappingSet, calling_ae: &str) -> Device {
    let find = || {
        let stations = set.table("stations")?;
        let ae = stations.column(Some("ae"))?;
        let named = |row: &&Row| {
            row.cells
                .get(ae)
                .is_some_and(|cell| values(cell).any(|v| v == calling_ae))
        };
        let row = stations.rows().iter().find(named)?;
        let cell = |name| {
            stations
                .column(Some(name))
                .and_then(|c| row.cells.get(c))
                .filter(|cell| !cell.is_empty())
        };
        Some(Device {
            modality: cell("modality").cloned(),
            charset: cell("charset").and_then(|term| Charset::of_term(term)),
        })
    };
    find().unwrap_or_default()
}

fn failure(refusal: &Refusal) -> DimseFailure {
    let tag = match &refusal.at {
        Some(Place::Dicom(keyword)) => crate::dicom::dictionary::tag_of(keyword),
        _ => None,
    };
    let mut failure = DimseFailure::new(status::IDENTIFIER_DOES_NOT_MATCH, refusal.to_string());
    failure.offending.extend(tag);
    failure
}
