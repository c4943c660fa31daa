//! A transaction Bundle as the writes that it asks for.

use super::search::Query;
use super::store::{How, Refused, Write};
use serde_json::Value as Json;

/// The writes of a Bundle of type transaction, in their order.
///
/// # Errors
/// No transaction, or a request that is not supported.
pub fn writes_of(bundle: &Json) -> Result<Vec<Write>, Refused> {
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "transaction" {
        return Err(Refused::new(
            400,
            "not-supported",
            "a Bundle of type transaction is taken here",
        ));
    }
    let entries = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    entries
        .iter()
        .enumerate()
        .map(|(i, entry)| {
            write_of(entry).map_err(|refused| Refused {
                expression: Some(format!("Bundle.entry[{i}].request")),
                ..refused
            })
        })
        .collect()
}

fn write_of(entry: &Json) -> Result<Write, Refused> {
    let request = &entry["request"];
    let url = request["url"].as_str().unwrap_or_default();
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let (type_, id) = match path.split_once('/') {
        Some((type_, id)) => (type_.to_owned(), Some(id.to_owned())),
        None => (path.to_owned(), None),
    };
    let how = match (request["method"].as_str().unwrap_or_default(), id, query) {
        ("POST", None, None) => {
            let condition = request["ifNoneExist"].as_str().map(Query::condition);
            How::Create(type_, condition.transpose()?)
        }
        ("PUT", Some(id), None) => How::Update(type_, id),
        ("PUT", None, Some(query)) => How::ConditionalUpdate(type_, Query::condition(query)?),
        _ => {
            let why = "POST Type, PUT Type/id and PUT Type?identifier= are supported";
            return Err(Refused::new(400, "not-supported", why));
        }
    };
    Ok(Write {
        full_url: entry["fullUrl"].as_str().map(str::to_owned),
        resource: entry["resource"].clone(),
        how,
    })
}
