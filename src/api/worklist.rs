//! The worklist as one station sees it: the very search that answers its C-FIND.

use super::gate::{Ask, Reply, Seen};
use super::json::{self, id};
use super::problem::Problem;
use crate::dicom::dataset::DataSet;
use crate::worklist::device::Device;
use crate::worklist::keys::{Query, STEP};
use serde_json::json;

/// `GET /api/worklist`
pub async fn worklist(ask: Ask) -> Result<Reply, Problem> {
    let station = ask.params.text("station").unwrap_or_default();
    let mut step = DataSet::new();
    step.put_text("ScheduledStationAETitle", station);
    if let Some(day) = ask.params.number("date") {
        step.put_text("ScheduledProcedureStepStartDate", &format!("{day:08}"));
    }
    if let Some(modality) = ask.params.text("modality") {
        step.put_text("Modality", modality);
    }
    let mut identifier = DataSet::new();
    identifier.put_items(STEP, vec![step]);
    let query = Query::parse(identifier)?;
    let set = ask.state.mappings.current();
    let device = Device::of(&set, station);
    let found = ask.state.worklist.seen(&set, &device, &query).await?;
    let mut seen = Seen::default();
    let items: Vec<_> = found
        .matches
        .iter()
        .map(|found| {
            seen.add(Seen::one(found.step.0, Some(found.patient.0)));
            json!({
                "exam": id(found.exam.0),
                "patient": id(found.patient.0),
                "step": id(found.step.0),
                "attributes": json::data_set(&found.item),
            })
        })
        .collect();
    let body = json!({ "station": station, "items": items, "truncated": found.truncated });
    Ok(Reply::json(body, seen))
}
