//! Bodies of the functions that [`super::functions`] declares.
//!
//! Absent and null pass through; what a function cannot read it leaves absent with a warning, so that no input stops an evaluation.

mod authority;
pub(super) mod cda;
mod each;

use super::ast::Call;
use super::eval::{Answer, Datum, Eval, Item};
use super::functions::F;
use super::text;
use super::typing;
use crate::dicom::datatype as dicom;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::time::When;
use crate::domain::value::{Kind, Value};
use authority::{authority, by_type, supply_issuer};
use each::each;

/// Calls a function.
pub fn apply<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    match call.function.id {
        F::Table => super::lookup::table(call, piped, ev, at),
        F::Rows => super::lookup::rows(call, piped, ev, at),
        F::Cda => Ok(cda::cda(call, piped, ev)),
        F::Authority => authority(call, piped, ev, at),
        F::Type => Ok(by_type(call, piped)),
        F::Issuer => supply_issuer(call, piped, ev, at),
        F::Concat => concat(call, ev, at),
        F::Datetime => datetime(call, ev, at),
        F::Id => identifier(call, ev, at),
        F::Only => only(piped, ev),
        F::Require => require(piped, ev),
        F::First => Ok(piped.into_iter().find(Item::says).into_iter().collect()),
        F::Distinct => Ok(distinct(piped)),
        F::Join => Ok(join(call.text_arg(0).unwrap_or(""), piped)),
        F::Earliest => Ok(earliest(piped)),
        _ => Ok(piped
            .into_iter()
            .filter_map(|item| each(call, item, ev))
            .collect()),
    }
}

fn concat<'m>(call: &Call, ev: &Eval<'_, 'm>, at: Option<&Item<'m>>) -> Answer<'m> {
    let mut whole: Option<Item<'m>> = None;
    let mut text = String::new();
    for arg in &call.args {
        let items = ev.expr(arg, at)?;
        let Some(item) = items.into_iter().find(Item::says) else {
            return Ok(vec![]);
        };
        text.push_str(&text::readable(&item).unwrap_or_default());
        whole = Some(merged(whole, item));
    }
    let with_text = |item: Item<'m>| item.with(Value::Text(text));
    Ok(whole.map(with_text).into_iter().collect())
}

/// Joins the places of two items; the first one with a place leads.
fn merged<'m>(first: Option<Item<'m>>, next: Item<'m>) -> Item<'m> {
    let Some(mut first) = first else { return next };
    first.others.push(next.spot);
    first.others.extend(next.others);
    first.others.truncate(7);
    first.via.extend(next.via);
    first
}

fn join<'m>(separator: &str, piped: Vec<Item<'m>>) -> Vec<Item<'m>> {
    if piped.iter().all(|i| !i.says()) {
        return piped
            .into_iter()
            .filter(|i| matches!(i.datum, Datum::Null))
            .collect();
    }
    let line = |i: &Item<'m>| text::readable(i).unwrap_or_default().into_owned();
    let lines: Vec<String> = piped.iter().map(line).collect();
    let joined = lines.join(separator);
    let whole = piped
        .into_iter()
        .fold(None, |whole, item| Some(merged(whole, item)));
    let text = joined.trim_end_matches(['\r', '\n']).to_owned();
    whole
        .map(|item| item.with(Value::Text(text)))
        .into_iter()
        .collect()
}

fn distinct<'m>(piped: Vec<Item<'m>>) -> Vec<Item<'m>> {
    let mut kept: Vec<Item<'m>> = Vec::new();
    for item in piped {
        let same = |k: &Item<'m>| match (&k.datum, &item.datum) {
            (Datum::Value(a), Datum::Value(b)) => a == b,
            (Datum::Hl7(_), Datum::Hl7(_)) => text::readable(k) == text::readable(&item),
            _ => false,
        };
        if !kept.iter().any(same) {
            kept.push(item);
        }
    }
    kept
}

fn earliest<'m>(piped: Vec<Item<'m>>) -> Vec<Item<'m>> {
    let when = |item: &Item<'m>| match typing::value(item, Kind::When) {
        Ok(Some(Value::When(when))) => Some(when),
        _ => None,
    };
    let timed = piped.into_iter().filter_map(|i| when(&i).map(|w| (w, i)));
    let first = timed.min_by(|(a, _), (b, _)| a.digits.cmp(&b.digits));
    first.map(|(_, item)| item).into_iter().collect()
}

fn only<'m>(piped: Vec<Item<'m>>, ev: &Eval<'_, 'm>) -> Answer<'m> {
    let found = distinct(piped);
    match found.as_slice() {
        [_, second, ..] => {
            let mut refusal = Refusal::new(
                Reason::FieldConflict,
                format!("{} different values", found.len()),
            );
            refusal.at = second.place();
            Err(refusal.allowed("one value").rule(ev.label))
        }
        _ => Ok(found),
    }
}

fn require<'m>(piped: Vec<Item<'m>>, ev: &Eval<'_, 'm>) -> Answer<'m> {
    match piped.iter().any(Item::says) {
        true => Ok(piped),
        false => Err(Refusal::new(Reason::FieldMissing, "nothing was found").rule(ev.label)),
    }
}

/// First text of an argument.
fn arg_text<'m>(
    call: &Call,
    n: usize,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Result<Option<(String, Item<'m>)>, Refusal> {
    let Some(arg) = call.args.get(n) else {
        return Ok(None);
    };
    let found = ev.expr(arg, at)?.into_iter().find_map(|item| {
        let text = item.comparable()?.into_owned();
        Some((text, item))
    });
    Ok(found)
}

fn datetime<'m>(call: &Call, ev: &Eval<'_, 'm>, at: Option<&Item<'m>>) -> Answer<'m> {
    let Some((date, item)) = arg_text(call, 0, ev, at)? else {
        return Ok(vec![]);
    };
    let time = arg_text(call, 1, ev, at)?;
    let offset = arg_text(call, 2, ev, at)?;
    let text = |t: &Option<(String, Item<'m>)>| t.as_ref().map(|(t, _)| t.clone());
    let read = dicom::when(&date, text(&time).as_deref(), text(&offset).as_deref());
    match read {
        Ok(when) => {
            let rest = [time, offset].into_iter().flatten().map(|(_, i)| i);
            let whole = rest.fold(item, |whole, next| merged(Some(whole), next));
            Ok(vec![whole.with(Value::When(when))])
        }
        Err(error) => {
            ev.warn(
                format!("failed to read date and time: {error}"),
                item.place(),
            );
            Ok(vec![])
        }
    }
}

fn identifier<'m>(call: &Call, ev: &Eval<'_, 'm>, at: Option<&Item<'m>>) -> Answer<'m> {
    let Some((value, item)) = arg_text(call, 0, ev, at)? else {
        return Ok(vec![]);
    };
    let namespace = arg_text(call, 1, ev, at)?.map(|(t, _)| t);
    let designators = match call.args.get(2) {
        Some(arg) => ev.expr(arg, at)?,
        None => vec![],
    };
    let sets: Vec<_> = designators
        .iter()
        .filter_map(|i| match i.datum {
            Datum::Item(set) => Some(set.clone()),
            _ => None,
        })
        .collect();
    let read = dicom::identifier(&value, namespace.as_deref(), &sets);
    let found = read.map(|id| item.with(Value::Identifier(id)));
    Ok(found.into_iter().collect())
}

/// The later of two times, for commands of several rows.
pub fn later(a: When, b: When) -> When {
    if b.digits > a.digits { b } else { a }
}
