//! Queries in words: what people write (`Modality=CT`) and what the journal keeps ([`Query::keys_text`]), back into identifiers.

use super::keys::{MATCHED, MATCHED_STEP, Query, STEP};
use crate::diagnostic::did_you_mean;
use crate::dicom::dataset::{Content, DataSet, Element};
use crate::dicom::dictionary::tag_of;
use crate::mapping::definitions::worklist;

/// An identifier from keys in words: `Modality=CT`, `ScheduledProcedureStepSequence.ScheduledStationAETitle=CT2`. An attribute of the step
/// stands in the step sequence, with or without its name before it; an empty value is a return key.
///
/// # Errors
/// A keyword that DICOM does not have, or a value for an attribute that takes no text.
pub fn identifier<'k>(
    keys: impl IntoIterator<Item = (&'k str, &'k str)>,
) -> Result<DataSet, String> {
    let (mut root, mut step) = (DataSet::new(), None);
    for (path, value) in keys {
        let (in_step, keyword) = match path.split_once('.') {
            Some((STEP, keyword)) => (true, keyword),
            Some(_) => return Err(format!("{path}: only {STEP} may stand before the dot")),
            None => (is_of_step(path), path),
        };
        let Some(tag) = tag_of(keyword) else {
            let known = MATCHED.iter().chain(MATCHED_STEP).copied();
            let hint = did_you_mean(keyword, known).map(|h| format!(": {h}"));
            return Err(format!(
                "{keyword} is no DICOM keyword{}",
                hint.unwrap_or_default()
            ));
        };
        let mut element = Element::empty(tag);
        match &mut element.content {
            _ if value.is_empty() => {}
            Content::Text(texts) => *texts = value.split('\\').map(str::to_owned).collect(),
            _ => {
                return Err(format!(
                    "{keyword} takes no text: it can be asked for, not matched"
                ));
            }
        }
        match in_step {
            true => step.get_or_insert_with(DataSet::new).insert(element),
            false => root.insert(element),
        };
    }
    if let Some(step) = step {
        root.put_items(STEP, vec![step]);
    }
    Ok(root)
}

/// True for a keyword that stands in the step sequence and nowhere above it.
fn is_of_step(keyword: &str) -> bool {
    let places = || worklist().iter().map(|(path, _)| *path);
    let in_step =
        |path: &str| path.strip_prefix(STEP).and_then(|p| p.strip_prefix('.')) == Some(keyword);
    places().any(in_step) && !places().any(|path| path == keyword)
}

/// The query of a text that [`Query::keys_text`] wrote: it asks the same.
///
/// # Errors
/// A text that is none (a refused query is noted with its reason).
pub fn of_text(text: &str) -> Result<Query, String> {
    let mut keys: Vec<(&str, String)> = vec![];
    for word in text.split(' ') {
        let head = word
            .split_once('=')
            .filter(|(k, _)| *k == "start" || MATCHED.contains(k) || MATCHED_STEP.contains(k));
        match (head, keys.last_mut()) {
            (Some((keyword, value)), _) => keys.push((keyword, value.to_owned())),
            // A value with blanks in it.
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) if word.is_empty() => {}
            (None, None) => return Err("the query was not answered".to_owned()),
        }
    }
    let with_days = keys.iter().any(|(keyword, _)| *keyword == "start");
    let mut pairs: Vec<(&str, String)> = vec![];
    for (keyword, value) in keys {
        match keyword {
            "start" => pairs.extend(start(&value)),
            // One time on each of several days is not a range that begins on the first of them.
            TIME if with_days => pairs.push((TIME, one_time(&value).to_owned())),
            _ => pairs.push((keyword, value)),
        }
    }
    let identifier = identifier(pairs.iter().map(|(k, v)| (*k, v.as_str())))?;
    Query::parse(identifier).map_err(|refusal| refusal.to_string())
}

const TIME: &str = "ScheduledProcedureStepStartTime";

/// Date and time of a combined start, both ends of which are `yyyymmddhhmmss` or open.
fn start(value: &str) -> Vec<(&'static str, String)> {
    let (from, to) = value.split_once('-').unwrap_or((value, ""));
    let ends = |part: fn(&str) -> Option<&str>| {
        let [from, to] = [from, to].map(|end| part(end).unwrap_or_default());
        format!("{from}-{to}")
    };
    let times = ends(|end| end.get(8..));
    let whole_days = matches!(times.as_str(), "000000-235959" | "000000-" | "-235959");
    let mut pairs = vec![("ScheduledProcedureStepStartDate", ends(|end| end.get(..8)))];
    pairs.extend((!whole_days).then_some((TIME, times)));
    pairs
}

/// The time whose first and last second a range is: `080000-085959` is `08`.
fn one_time(range: &str) -> &str {
    let ends = range.split_once('-');
    let of = |n: usize| {
        let (from, to) = ends?;
        let time = from.get(..n)?;
        let fits = from.get(n..) == "000000".get(n..) && to.strip_prefix(time) == "595959".get(n..);
        fits.then_some(time)
    };
    [6, 4, 2].into_iter().find_map(of).unwrap_or(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_keeps_asks_the_same_again() {
        for keys in [
            vec![],
            vec![("Modality", "CT\\MR"), ("ScheduledStationAETitle", "CT 2")],
            vec![
                ("PatientName", "de la tour^théo*"),
                ("PatientBirthDate", "19700101-"),
            ],
            vec![("ScheduledProcedureStepStartDate", "20260602")],
            vec![
                ("ScheduledProcedureStepStartDate", "20260602-20260604"),
                ("ScheduledProcedureStepStartTime", "0800-10"),
            ],
            vec![("ScheduledProcedureStepStartDate", "-20260604")],
            vec![
                ("ScheduledProcedureStepStartDate", "20260601-20260603"),
                ("ScheduledProcedureStepStartTime", "08"),
            ],
            vec![("ScheduledProcedureStepStartTime", "0800-0900")],
        ] {
            let query = Query::parse(identifier(keys.iter().copied()).unwrap()).unwrap();
            let again = of_text(&query.keys_text()).unwrap();
            assert_eq!(again.keys_text(), query.keys_text(), "{keys:?}");
            assert_eq!(
                (again.keys, again.start),
                (query.keys, query.start),
                "{keys:?}"
            );
        }
        assert!(of_text("refused: query.key at PatientBirthDate").is_err());
    }

    #[test]
    fn a_misspelled_keyword_is_told_with_the_one_that_is_meant() {
        let problem = |key| identifier([(key, "CT")]).unwrap_err();
        assert!(problem("Modalty").contains("did you mean `Modality`?"));
        assert!(problem("RequestedProcedureCodeSequence.CodeValue").contains("before the dot"));
        assert!(problem("PregnancyStatus").contains("takes no text"));
    }
}
