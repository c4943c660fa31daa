//! Bodies of the functions that [`super::functions`] declares.
//!
//! Absent and null pass through; what a function cannot read it leaves absent with a warning, so that no input stops an evaluation.

use super::ast::{Call, ExprKind};
use super::eval::{Answer, Datum, Eval, Item};
use super::functions::F;
use super::hl7_source::Slot;
use super::text;
use super::typing;
use crate::dicom::datatype as dicom;
use crate::domain::reason::{Reason, Refusal};
use crate::domain::time::When;
use crate::domain::value::{Coding, Concept, Identifier, Issuer, Kind, Value};
use crate::hl7::datatype::DataType;
use base64::Engine as _;

/// Calls a function.
pub fn apply<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    match call.function.id {
        F::Table => super::lookup::table(call, piped, ev, at),
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

/// Functions that treat each value alone.
fn each<'m>(call: &Call, item: Item<'m>, ev: &Eval<'_, 'm>) -> Option<Item<'m>> {
    if !item.says() {
        return Some(item);
    }
    let function = call.function.id;
    let changed = |new: String| (!new.is_empty()).then_some(Value::Text(new));
    let plain = || text::readable(&item).unwrap_or_default().into_owned();
    let arg = |n: usize| call.text_arg(n).unwrap_or("");
    let value = match function {
        F::As => return as_type(arg(0), item),
        F::SopRef => return Some(item),
        F::SkipLonger => {
            let long = ev.limit.is_some_and(|max| plain().chars().count() > max);
            if long {
                ev.warn("longer than the target allows: left out", item.place());
            }
            return (!long).then_some(item);
        }
        F::Text | F::OneLine => changed(plain()),
        F::Trim => changed(plain().trim().to_owned()),
        F::Upper => changed(plain().to_uppercase()),
        F::Lower => changed(plain().to_lowercase()),
        F::Digits => changed(plain().chars().filter(char::is_ascii_digit).collect()),
        F::FirstLine => changed(plain().lines().next().unwrap_or("").to_owned()),
        F::Before => changed(before(&plain(), arg(0))),
        F::After => plain()
            .split_once(arg(0))
            .and_then(|(_, rest)| changed(rest.to_owned())),
        F::Replace => changed(plain().replace(arg(0), arg(1))),
        F::Prefix => changed(format!("{}{}", arg(0), plain())),
        F::Pad => changed(pad(&plain(), integer(call, 0), arg(1))),
        F::Cut => changed(cut(&item, &plain(), call, ev)),
        F::Number => text::number(&plain()),
        F::Quantity => text::quantity(&item, arg(0)),
        F::Date => text::date(&plain(), arg(0)).map(Value::When),
        F::Base64Text => decoded(&plain()).and_then(changed),
        F::Alternate => alternate(&item),
        F::Code => with_system(&item, call),
        F::Drop => without(&item, arg(0)),
        _ => return Some(item),
    };
    // Nothing after a mark or no alternate code is an answer; a number that is none is worth a word.
    let reads = matches!(
        function,
        F::Number | F::Quantity | F::Date | F::Base64Text | F::Code | F::Drop
    );
    if value.is_none() && reads {
        let message = format!("`{}` cannot read this value: left out", call.function.name);
        ev.warn(message, item.place());
    }
    Some(item.with(value?))
}

fn before(text: &str, mark: &str) -> String {
    text.split_once(mark)
        .map_or(text, |(head, _)| head)
        .to_owned()
}

fn integer(call: &Call, n: usize) -> usize {
    match call.args.get(n).map(|a| &a.kind) {
        Some(ExprKind::Integer(n)) => usize::try_from(*n).unwrap_or(0).min(64_000),
        _ => 0,
    }
}

fn pad(text: &str, length: usize, with: &str) -> String {
    let missing = length.min(256).saturating_sub(text.chars().count());
    let fill: String = with.chars().cycle().take(missing).collect();
    format!("{fill}{text}")
}

/// At most n characters, or what the target holds; the cut is said.
fn cut<'m>(item: &Item<'m>, text: &str, call: &Call, ev: &Eval<'_, 'm>) -> String {
    let most = match call.args.is_empty() {
        true => ev.limit.unwrap_or(usize::MAX),
        false => integer(call, 0),
    };
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    ev.warn(
        format!("cut from {length} to {most} characters"),
        item.place(),
    );
    text.chars()
        .take(most)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn decoded(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()?;
    String::from_utf8(bytes).ok()
}

fn as_type<'m>(name: &str, item: Item<'m>) -> Option<Item<'m>> {
    let datatype = DataType::of_name(name)?;
    Some(match item.datum {
        Datum::Hl7(slot) => Item {
            datum: Datum::Hl7(slot.as_type(datatype)),
            ..item
        },
        _ => item,
    })
}

/// Components 4 to 6 of a code.
fn alternate(item: &Item<'_>) -> Option<Value> {
    let coding = match &item.datum {
        Datum::Hl7(Slot::Repetition(r, _)) => {
            let part = |n: u16| {
                let text = r.component(n).text().trim().to_owned();
                (!text.is_empty()).then_some(text)
            };
            Coding {
                code: part(4).or_else(|| part(5))?,
                system: part(6),
                display: part(5),
            }
        }
        Datum::Value(Value::Concept(c)) => c.codings.get(1)?.clone(),
        _ => return None,
    };
    Some(Value::Concept(Concept {
        codings: vec![coding],
        text: None,
    }))
}

fn with_system(item: &Item<'_>, call: &Call) -> Option<Value> {
    let mut value = typing::value(item, Kind::Concept).ok().flatten()?;
    let system = match call.named("system").map(|e| &e.kind) {
        Some(ExprKind::Text(system)) => system.clone(),
        _ => return Some(value),
    };
    if let Value::Concept(c) = &mut value {
        for coding in c.codings.iter_mut().filter(|c| c.system.is_none()) {
            coding.system = Some(system.clone());
        }
    }
    Some(value)
}

fn without(item: &Item<'_>, part: &str) -> Option<Value> {
    let mut value = typing::value(item, Kind::Name).ok().flatten()?;
    if let Value::Name(name) = &mut value {
        match part {
            "prefix" => name.prefix = None,
            "suffix" => name.suffix = None,
            "middle" => name.middle = None,
            _ => name.type_ = None,
        }
    }
    Some(value)
}

fn as_identifier<'m>(item: &Item<'m>) -> Option<Identifier> {
    match typing::value(item, Kind::Identifier(0)) {
        Ok(Some(Value::Identifier(id))) => Some(id),
        _ => None,
    }
}

/// True if an issuer is the one meant: by OID first, then by name, blanks ignored.
fn is_meant(issuer: &Issuer, wanted: &Issuer) -> bool {
    let squeeze = |t: &str| -> String { t.split_whitespace().collect() };
    let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => squeeze(a) == squeeze(b),
        _ => false,
    };
    same(&issuer.universal_id, &wanted.universal_id)
        || same(&issuer.namespace, &wanted.namespace)
        || same(&issuer.namespace, &wanted.universal_id)
        || same(&issuer.universal_id, &wanted.namespace)
}

/// The authorities that a call names: constants, or the issuers of a link setting.
fn authorities<'m>(
    call: &Call,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Result<Vec<Issuer>, Refusal> {
    let mut wanted = Vec::new();
    for arg in &call.args {
        for item in ev.expr(arg, at)? {
            match &item.datum {
                Datum::Issuer(id) => wanted.extend(id.issuer.clone()),
                _ => {
                    let name = item.comparable().map(|t| t.into_owned());
                    wanted.extend(name.map(super::section::issuer_of));
                }
            }
        }
    }
    Ok(wanted)
}

/// Repetitions of the first listed authority that has any; an identifier without issuer is of the link's default one.
fn authority<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let wanted = authorities(call, ev, at)?;
    if wanted.is_empty() {
        return Ok(piped);
    }
    let default = ev.link.and_then(|l| l.default_issuer.as_ref());
    for authority in &wanted {
        let of_it = |item: &&Item<'m>| {
            let id = as_identifier(item);
            id.is_some_and(|id| {
                let issuer = id.issuer.as_ref().or(default);
                issuer.is_some_and(|i| is_meant(i, authority))
            })
        };
        let found: Vec<Item<'m>> = piped.iter().filter(of_it).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(piped
        .into_iter()
        .filter(|i| matches!(i.datum, Datum::Null))
        .collect())
}

fn by_type<'m>(call: &Call, piped: Vec<Item<'m>>) -> Vec<Item<'m>> {
    for n in 0..call.args.len() {
        let wanted = call.text_arg(n).unwrap_or("");
        let of_it = |item: &&Item<'m>| {
            as_identifier(item).is_some_and(|id| id.type_.as_deref().unwrap_or("") == wanted)
        };
        let found: Vec<Item<'m>> = piped.iter().filter(of_it).cloned().collect();
        if !found.is_empty() {
            return found;
        }
    }
    piped
        .into_iter()
        .filter(|i| matches!(i.datum, Datum::Null))
        .collect()
}

fn supply_issuer<'m>(
    call: &Call,
    piped: Vec<Item<'m>>,
    ev: &Eval<'_, 'm>,
    at: Option<&Item<'m>>,
) -> Answer<'m> {
    let wanted = authorities(call, ev, at)?;
    let Some(first) = wanted.first() else {
        return Ok(piped);
    };
    let supplied = |item: Item<'m>| match as_identifier(&item) {
        Some(id) if id.issuer.is_none() => {
            let issuer = Some(first.clone());
            item.with(Value::Identifier(Identifier { issuer, ..id }))
        }
        _ => item,
    };
    Ok(piped.into_iter().map(supplied).collect())
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

/// The earlier of two times, for commands of several rows.
pub fn later(a: When, b: When) -> When {
    if b.digits > a.digits { b } else { a }
}
