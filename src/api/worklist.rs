//! The worklist as one station sees it, and why: the very search and the very gates that answer its C-FIND.

use super::gate::{Ask, Reply, Seen};
use super::json::{self, id};
use super::params::wrong;
use super::problem::Problem;
use crate::dicom::dataset::DataSet;
use crate::worklist::device::Device;
use crate::worklist::keys::{Query, STEP};
use crate::worklist::words::identifier;
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
    let device = Device::of(&set, station, None);
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

/// `GET /api/worklist/why-not`
pub async fn why_not(ask: Ask) -> Result<Reply, Problem> {
    let calling = ask.params.text("calling").unwrap_or_default();
    let number = ask.params.text("number").unwrap_or_default();
    let address = match ask.params.text("address").map(str::parse) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return Err(wrong("`address` is no IP address", "10.1.4.12")),
    };
    let keys = ask.params.text("query").unwrap_or_default().split(';');
    let keys: Option<Vec<(&str, &str)>> = keys
        .filter(|k| !k.is_empty())
        .map(|k| k.split_once('='))
        .collect();
    let allowed = "KEYWORD=VALUE;KEYWORD=VALUE";
    let keys = keys.ok_or_else(|| wrong("`query` has a key without `=`", allowed))?;
    let mut query = Query::parse(identifier(keys).map_err(|why| wrong(&why, allowed))?)?;
    if ask.params.flag("last") {
        let last = ask.state.worklist.last_query(calling).await?;
        query = last.ok_or_else(|| {
            wrong(
                "`last`: the scanner has asked nothing that could be read",
                "query",
            )
        })?;
    }
    let set = ask.state.mappings.current();
    let device = Device::of(&set, calling, address);
    let found = ask
        .state
        .worklist
        .why_not(&set, &device, &query, number)
        .await?;
    let mut seen = Seen::default();
    let steps: Vec<_> = found
        .iter()
        .map(|answer| {
            seen.add(Seen::one(answer.step.0, Some(answer.patient.0)));
            let gates = answer.lines.iter().map(|line| {
                json!({
                    "gate": line.gate,
                    "open": line.open,
                    "why": line.values.as_ref().unwrap_or(&line.why),
                    "cure": line.cure(),
                })
            });
            json!({
                "exam": id(answer.exam.0),
                "patient": id(answer.patient.0),
                "step": id(answer.step.0),
                "sps_id": answer.sps_id,
                "shown": answer.shown,
                "gates": gates.collect::<Vec<_>>(),
            })
        })
        .collect();
    let body = json!({ "calling": calling, "file": device.file.as_ref(), "steps": steps });
    Ok(Reply::json(body, seen))
}
