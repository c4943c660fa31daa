//! DICOM JSON (PS3.18 Annex F) as the input of MPPS cases: readable in a diff. Tags by number, values by the VR that is stated.

use crate::dicom::dataset::{Content, DataSet, Element, Tag};
use crate::dicom::dictionary;
use serde_json::Value as Json;

/// Deepest nesting of sequences.
const DEPTH: usize = 8;

/// A data set.
pub fn data_set(text: &str) -> Result<DataSet, String> {
    let json: Json = serde_json::from_str(text).map_err(|e| e.to_string())?;
    object(&json, 0)
}

fn object(json: &Json, depth: usize) -> Result<DataSet, String> {
    let Json::Object(entries) = json else {
        return Err("a data set is an object".to_owned());
    };
    if depth > DEPTH {
        return Err(format!("sequences nest deeper than {DEPTH}"));
    }
    let mut set = DataSet::new();
    for (tag, entry) in entries {
        let number = u32::from_str_radix(tag, 16).map_err(|_| format!("{tag} is no tag"))?;
        let tag = Tag((number >> 16) as u16, (number & 0xffff) as u16);
        set.insert(element(tag, entry, depth)?);
    }
    Ok(set)
}

fn element(tag: Tag, entry: &Json, depth: usize) -> Result<Element, String> {
    let mut element = Element::empty(tag);
    let name = dictionary::name_of(tag);
    let Some(values) = entry.get("Value").and_then(Json::as_array) else {
        return Ok(element);
    };
    element.content = match &element.content {
        Content::Sequence(_) => {
            let items: Result<_, _> = values.iter().map(|v| object(v, depth + 1)).collect();
            Content::Sequence(items?)
        }
        Content::Text(_) => {
            let texts: Option<Vec<String>> = values.iter().map(text).collect();
            Content::Text(texts.ok_or_else(|| format!("{name}: a value is no text"))?)
        }
        Content::Bytes(_) => return Err(format!("{name}: binary values are not supported here")),
    };
    Ok(element)
}

/// A text, a number, or a person's name by its alphabetic group; null is an empty value.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => Some(String::new()),
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Object(groups) => groups.get("Alphabetic")?.as_str().map(str::to_owned),
        _ => None,
    }
}
