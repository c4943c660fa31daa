//! DICOM data sets as a source: paths of keywords through sequences.

use super::ast::{DicomPath, KeywordStep, Selector};
use super::eval::{Answer, Datum, Eval, Item, Spot};
use crate::dicom::dataset::{Content, DataSet};

/// What a path selects from a data set or an item of a sequence that stands at `base`.
pub fn select<'m>(set: &'m DataSet, base: &str, path: &DicomPath, ev: &Eval<'_, 'm>) -> Answer<'m> {
    step(set, base, &path.steps, ev)
}

fn step<'m>(set: &'m DataSet, base: &str, steps: &[KeywordStep], ev: &Eval<'_, 'm>) -> Answer<'m> {
    let Some((first, rest)) = steps.split_first() else {
        return Ok(vec![]);
    };
    let place = match base {
        "" => first.keyword.clone(),
        base => format!("{base}.{}", first.keyword),
    };
    let Some(element) = set.by_keyword(&first.keyword) else {
        return Ok(vec![]);
    };
    if element.is_empty() {
        // Zero length clears what an earlier data set said (N-SET); in the middle of a path there is nothing.
        let null = Item::new(Datum::Null, Spot::Dicom(place));
        return Ok(if rest.is_empty() { vec![null] } else { vec![] });
    }
    let Content::Sequence(items) = &element.content else {
        let item = Item::new(Datum::Element(element), Spot::Dicom(place));
        return Ok(if rest.is_empty() { vec![item] } else { vec![] });
    };
    let mut found = Vec::new();
    for (index, inner) in items.iter().enumerate() {
        let place = format!("{place}[{}]", index + 1);
        let item = Item::new(Datum::Item(inner), Spot::Dicom(place.clone()));
        let keep = match &first.select {
            None => true,
            Some(Selector::Index(n)) => *n == index + 1,
            Some(Selector::Cond(cond)) => ev.cond(cond, Some(&item))?,
        };
        match (keep, rest.is_empty()) {
            (true, true) => found.push(item),
            (true, false) => found.extend(step(inner, &place, rest, ev)?),
            _ => {}
        }
    }
    Ok(found)
}
