//! Modality Worklist SCP: answers C-FIND on 1.2.840.10008.5.1.4.31.
//!
//! [`crate::worklist::seen`] finds what the asking device sees; here the identifier is read, the answer is put into DIMSE terms, and
//! the query is noted in the journal. Standard: PS3.4 Annex K; matching C.2.2.2.

use crate::clock::{Clock, Stopwatch};
use crate::dicom::charset::Charset;
use crate::dicom::dataset::DataSet;
use crate::dicom::dimse::status;
use crate::dicom::query_journal::{Asked, QueryJournal};
use crate::dicom::scp::{DimseFailure, FindAnswer, Peer};
use crate::domain::reason::{Place, Refusal};
use crate::mapping::MappingSet;
use crate::mappings::Mappings;
use crate::telemetry::peers;
use crate::worklist::device::Device;
use crate::worklist::keys::Query;
use crate::worklist::seen::Worklist;
use std::sync::Arc;
use std::time::Duration;

/// The worklist service.
pub struct WorklistScp {
    pub mappings: Arc<Mappings>,
    pub worklist: Arc<Worklist>,
    pub clock: Clock,
    pub journal: QueryJournal,
}

impl WorklistScp {
    /// The repertoire that a device reads and, lacking a declaration, writes.
    pub fn charset_of(&self, peer: &Peer) -> Option<Charset> {
        self.device(&self.mappings.current(), peer).charset
    }

    fn device(&self, set: &MappingSet, peer: &Peer) -> Device {
        Device::of(set, &peer.calling_ae, Some(peer.addr.ip().to_canonical()))
    }

    /// Finds the items that answer an identifier.
    pub async fn find(&self, peer: &Peer, identifier: DataSet) -> Result<FindAnswer, DimseFailure> {
        let watch = Stopwatch::start();
        let query = Query::parse(identifier).map_err(|refusal| {
            self.note_refused(peer, &refusal, watch.elapsed());
            failure(&refusal)
        })?;
        let set = self.mappings.current();
        let device = self.device(&set, peer);
        let mut seen = self
            .worklist
            .seen(&set, &device, &query)
            .await
            .map_err(|error| {
                tracing::error!(%error, "the worklist cannot be read");
                DimseFailure::new(status::OUT_OF_RESOURCES, "the database is not available")
            })?;
        metrics::histogram!("relais_cfind_seconds").record(watch.elapsed().as_secs_f64());
        metrics::counter!("relais_cfind_items_total").increment(seen.matches.len() as u64);
        let known = device.known.then_some(device.ae.as_str());
        peers::asked(known, seen.matches.len() as u64, self.clock.now());
        self.journal.note(Asked {
            device: device.ae,
            keys: query.keys_text(),
            steps: seen.matches.iter().map(|found| found.step.0).collect(),
            took: watch.elapsed(),
            at: self.clock.now(),
        });
        Ok(FindAnswer {
            charset: device.charset,
            warning: !query.ignored.is_empty(),
            truncated: seen.truncated.take(),
            items: Box::new(seen.answers(query.identifier)),
        })
    }

    /// A query that cannot be read is also a question that somebody asks about later.
    fn note_refused(&self, peer: &Peer, refusal: &Refusal, took: Duration) {
        let place = refusal.at.as_ref().map(|at| format!(" at {at}"));
        self.journal.note(Asked {
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
