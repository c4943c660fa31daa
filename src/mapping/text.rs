//! Readable text, numbers, quantities and dates of other forms: what several functions share.

use super::eval::{Datum, Item};
use super::hl7_source::{Slot, observed};
use crate::domain::time::When;
use crate::domain::value::{Address, Kind, Location, Name, Value};
use std::borrow::Cow;

/// Readable text of any value on one line; `None` for null and things.
pub fn readable<'i>(item: &'i Item<'_>) -> Option<Cow<'i, str>> {
    match &item.datum {
        Datum::Value(value) => of_value(value),
        Datum::Hl7(slot) => slot_text(*slot).map(Cow::Owned),
        Datum::Element(element) => {
            let texts = element.texts();
            (!texts.is_empty()).then(|| Cow::Owned(texts.join(", ")))
        }
        Datum::Issuer(_) => item.comparable(),
        _ => None,
    }
}

fn slot_text(slot: Slot<'_>) -> Option<String> {
    use crate::hl7::datatype::DataType as T;
    let composite = |kind: Kind| match slot.value(kind) {
        Ok(Some(value)) => of_value(&value).map(Cow::into_owned),
        _ => None,
    };
    let datatype = match slot {
        Slot::Segment(segment) => return slot_text(observed(segment)?),
        Slot::Repetition(_, t) | Slot::Component(_, t) => t,
        Slot::Subcomponent(_) => T::Text,
    };
    let read = match datatype {
        T::Ce => composite(Kind::Concept),
        T::Xpn => composite(Kind::Name),
        T::Xcn | T::Cnn | T::Ndl => composite(Kind::Person),
        T::Xad => composite(Kind::Address),
        T::Pl => composite(Kind::Location),
        T::Xtn => composite(Kind::Telecom),
        T::Xon => composite(Kind::Organization),
        _ => None,
    };
    read.or_else(|| slot.text().map(Cow::into_owned))
}

fn of_value(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Concept(c) => Cow::Borrowed(c.display()?),
        Value::Name(name) => Cow::Owned(of_name(name)),
        Value::Person(person) => Cow::Owned(of_name(&person.name)),
        Value::Address(address) => Cow::Owned(of_address(address)),
        Value::Location(location) => Cow::Owned(of_location(location)),
        other => Cow::Borrowed(other.comparable()?),
    })
}

fn of_name(name: &Name) -> String {
    let given = name.given.iter().map(String::as_str);
    let parts = name
        .prefix
        .as_deref()
        .into_iter()
        .chain(given)
        .chain(name.family.as_deref());
    parts.collect::<Vec<_>>().join(" ")
}

fn of_address(a: &Address) -> String {
    let town: Vec<&str> = [&a.postal_code, &a.city]
        .into_iter()
        .filter_map(|t| t.as_deref())
        .collect();
    let lines = a.lines.iter().map(String::as_str);
    let mut parts: Vec<String> = lines.map(str::to_owned).collect();
    parts.extend((!town.is_empty()).then(|| town.join(" ")));
    parts.extend(a.country.clone());
    parts.join(", ")
}

fn of_location(l: &Location) -> String {
    if let Some(text) = &l.description {
        return text.clone();
    }
    let parts = [&l.point_of_care, &l.room, &l.bed, &l.facility];
    let said: Vec<&str> = parts.into_iter().filter_map(|t| t.as_deref()).collect();
    said.join(" ")
}

/// A decimal with point or comma, in canonical form.
pub fn number(text: &str) -> Option<Value> {
    let text = text.trim().replace(',', ".");
    let plain = text.strip_prefix('+').unwrap_or(&text);
    let digits = plain.strip_prefix('-').unwrap_or(plain);
    let shaped = !digits.is_empty()
        && digits.len() <= 24
        && digits.matches('.').count() <= 1
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().any(|b| b.is_ascii_digit());
    shaped.then(|| Value::Number(canonical(plain)))
}

fn canonical(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        kept => kept,
    };
    match fraction.trim_end_matches('0') {
        "" if whole == "0" => "0".to_owned(),
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// Units by name: dimension and size in its base unit (kg, m, min).
const UNITS: &[(&str, char, f64)] = &[
    ("kg", 'w', 1.0),
    ("g", 'w', 0.001),
    ("lb", 'w', 0.453_592_37),
    ("[lb_av]", 'w', 0.453_592_37),
    ("m", 'l', 1.0),
    ("cm", 'l', 0.01),
    ("mm", 'l', 0.001),
    ("in", 'l', 0.0254),
    ("[in_i]", 'l', 0.0254),
    ("min", 't', 1.0),
    ("h", 't', 60.0),
    ("s", 't', 1.0 / 60.0),
];

/// The number of an OBX (unit in OBX-6), a CQ (unit in .2) or a bare number, in the wanted unit. An OBX without a unit, or a unit
/// that is not known, gives nothing: a weight is never guessed.
pub fn quantity(item: &Item<'_>, wanted: &str) -> Option<Value> {
    let (text, unit) = match item.datum {
        Datum::Hl7(Slot::Segment(segment)) => {
            let value = observed(segment)?.text()?.into_owned();
            let unit = segment.field(6).first().text().trim().to_owned();
            if unit.is_empty() {
                return None;
            }
            (value, unit)
        }
        Datum::Hl7(Slot::Repetition(r, _)) => {
            let unit = r.component(2).text().trim().to_owned();
            (r.text().into_owned(), unit)
        }
        _ => (item.comparable()?.into_owned(), String::new()),
    };
    let Value::Number(number) = number(&text)? else {
        return None;
    };
    // A number that was sent without its unit could be anything; one that a rule gives is in the unit that the rule names.
    let unit = match (unit.is_empty(), &item.datum) {
        (true, Datum::Hl7(_)) => return None,
        (true, _) => wanted.to_owned(),
        _ => unit.to_lowercase(),
    };
    if unit == wanted {
        return Some(Value::Number(number));
    }
    let find = |name: &str| UNITS.iter().find(|(n, ..)| *n == name);
    let ((_, from_dimension, from), (_, to_dimension, to)) = (find(&unit)?, find(wanted)?);
    if from_dimension != to_dimension {
        return None;
    }
    let converted = number.parse::<f64>().ok()? * from / to;
    Some(Value::Number(canonical(&format!("{converted:.4}"))))
}

/// A date of the form that a pattern describes (`DD/MM/YYYY HH:mm`).
pub fn date(text: &str, pattern: &str) -> Option<When> {
    let mut fields = [
        (b'Y', String::new()),
        (b'M', String::new()),
        (b'D', String::new()),
        (b'H', String::new()),
        (b'm', String::new()),
        (b's', String::new()),
    ];
    let mut chars = text.trim().chars();
    for wanted in pattern.chars() {
        let Some(c) = chars.next() else { break };
        let field = fields
            .iter_mut()
            .find(|(name, _)| char::from(*name) == wanted);
        match field {
            Some((_, digits)) if c.is_ascii_digit() => digits.push(c),
            Some(_) => return None,
            None if c == wanted => {}
            None => return None,
        }
    }
    if chars.next().is_some() {
        return None;
    }
    let digits: String = fields.into_iter().map(|(_, d)| d).collect();
    When::parse(&digits).ok()
}

/// The offset of a time zone at a time that states none, in minutes east of UTC; `None` for a date alone or an unknown zone.
pub fn offset_in(when: &When, zone: &str) -> Option<i16> {
    if when.offset.is_some() || when.time().is_none() {
        return None;
    }
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let zoned = when.civil_start()?.to_zoned_datetime(zone).ok()?;
    i16::try_from(zoned.offset().seconds() / 60).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_units_and_dates_are_read_or_left() {
        let n = |t: &str| match number(t) {
            Some(Value::Number(n)) => n,
            _ => "-".to_owned(),
        };
        assert_eq!(
            [n("072,50"), n("+3"), n("-0.0"), n("1.2.3"), n("."), n("x")],
            ["72.5", "3", "0", "-", "-", "-"]
        );
        let kg = |t: &str| quantity(&Item::text(t), "kg");
        assert_eq!(kg("80"), Some(Value::Number("80".into())));
        let d = |t: &str, p: &str| date(t, p).map(|w| w.digits);
        assert_eq!(
            d("02/06/2026 08:05", "DD/MM/YYYY HH:mm").as_deref(),
            Some("202606020805")
        );
        assert_eq!(
            d("02/06/2026", "DD/MM/YYYY HH:mm").as_deref(),
            Some("20260602")
        );
        assert_eq!(d("32/06/2026", "DD/MM/YYYY"), None);
        assert_eq!(d("été", "DD/MM/YYYY"), None);
    }
}
