//! Functions that treat each value alone: texts, numbers, dates, codes, names.

use crate::domain::time::When;
use crate::domain::value::{Coding, Concept, Kind, Value};
use crate::hl7::datatype::DataType;
use crate::mapping::ast::{Call, ExprKind};
use crate::mapping::eval::{Datum, Eval, Item};
use crate::mapping::functions::F;
use crate::mapping::hl7_source::Slot;
use crate::mapping::{text, typing};
use base64::Engine as _;

/// Functions that treat each value alone.
pub(super) fn each<'m>(call: &Call, item: Item<'m>, ev: &Eval<'_, 'm>) -> Option<Item<'m>> {
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
        F::Zone => return zone(item, arg(0), ev),
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

/// A time without offset as one of a zone; a date alone stays a date, a time that a zone skips or repeats is read as clocks go on
/// (the earlier offset).
fn zone<'m>(item: Item<'m>, name: &str, ev: &Eval<'_, 'm>) -> Option<Item<'m>> {
    let when = match typing::value(&item, Kind::When) {
        Ok(Some(Value::When(when))) => when,
        Ok(_) => return None,
        Err(_) => {
            ev.warn("`zone` cannot read this value: left out", item.place());
            return None;
        }
    };
    let offset = text::offset_in(&when, name).or(when.offset);
    let known = when.offset.is_some();
    let mut item = item.with(Value::When(When { offset, ..when }));
    if !known && offset.is_some() {
        item.via.push(format!("zone {name}"));
    }
    Some(item)
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
