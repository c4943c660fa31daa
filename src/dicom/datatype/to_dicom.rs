//! Record values to DICOM elements.

use super::{
    ConversionError, Fault, clean, is_uid,
    name::{name_text, person_name},
    sequence,
};
use crate::dicom::dataset::{Content, Element};
use crate::dicom::dictionary::{Tag, Vr, is_multi, keyword_of, tag_of, traits, vr_of};
use crate::domain::record::PREGNANCY;
use crate::domain::time::When;
use crate::domain::value::{Kind, Value};
use jiff::tz::TimeZone;

/// Whether values of a kind can become this attribute: the pair is checked when a mapping file is loaded.
pub fn accepts(kind: Kind, tag: Tag) -> bool {
    match vr_of(tag) {
        Vr::SQ => sequence::macro_of(tag).is_some_and(|m| sequence::takes(m, kind)),
        Vr::PN => matches!(kind, Kind::Name | Kind::Person | Kind::Text(_)),
        Vr::DA | Vr::TM | Vr::DT => matches!(kind, Kind::When),
        Vr::UI => matches!(kind, Kind::Uid | Kind::Text(_)),
        Vr::AE => matches!(kind, Kind::Ae | Kind::Text(_)),
        Vr::CS => matches!(kind, Kind::Word(_) | Kind::Text(_)),
        Vr::DS | Vr::IS => matches!(kind, Kind::Number | Kind::Text(_)),
        Vr::US | Vr::UL | Vr::SS | Vr::SL => {
            matches!(kind, Kind::Number | Kind::Text(_) | Kind::Word(_))
        }
        vr if traits(vr).text => matches!(
            kind,
            Kind::Text(_)
                | Kind::Word(_)
                | Kind::Number
                | Kind::Uid
                | Kind::Ae
                | Kind::Identifier(_)
                | Kind::Concept
                | Kind::Organization
                | Kind::Telecom
        ),
        _ => false,
    }
}

/// The element of an attribute from record values; none or only empty ones give zero length. `limit` is a device's own limit in
/// characters, below that of the VR (PS3.5 6.2).
pub fn element(
    values: &[Value],
    tag: Tag,
    limit: Option<usize>,
) -> Result<Element, ConversionError> {
    element_in(values, tag, limit, None)
}

/// As [`element`]; dates and times with an offset are moved to the wall clock of `zone`, the site's.
pub fn element_in(
    values: &[Value],
    tag: Tag,
    limit: Option<usize>,
    zone: Option<&TimeZone>,
) -> Result<Element, ConversionError> {
    let vr = vr_of(tag);
    let traits = traits(vr);
    let max = match (traits.max, limit.unwrap_or(0)) {
        (0, limit) => limit,
        (max, 0) => max,
        (max, limit) => max.min(limit),
    };
    let to = Target { tag, vr, max, zone };
    let content = match vr {
        Vr::SQ => Content::Sequence(sequence::items(tag, values)?),
        _ if traits.text => {
            let mut texts = Vec::with_capacity(values.len());
            for value in values {
                let text = to.text(value)?;
                if !text.is_empty() && !texts.contains(&text) {
                    texts.push(text);
                }
            }
            Content::Text(texts)
        }
        _ => {
            let mut bytes = Vec::new();
            for value in values {
                to.binary(value, &mut bytes)?;
            }
            Content::Bytes(bytes)
        }
    };
    let count = match &content {
        Content::Text(t) => t.len(),
        Content::Bytes(b) => b.len() / traits.unit,
        Content::Sequence(_) => 1,
    };
    if count > 1 && !is_multi(tag) {
        let found = format!("{count} different values");
        return Err(ConversionError::new(tag, Fault::Many, found, "one value"));
    }
    Ok(Element { tag, vr, content })
}

struct Target<'a> {
    tag: Tag,
    vr: Vr,
    /// 0 = none.
    max: usize,
    zone: Option<&'a TimeZone>,
}

impl Target<'_> {
    fn error(
        &self,
        fault: Fault,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) -> ConversionError {
        ConversionError::new(self.tag, fault, found, allowed)
    }

    fn no_pair(&self, value: &Value) -> ConversionError {
        let found = format!("a value of kind {}", kind_name(value));
        let allowed = format!("a kind that converts to {}", self.vr.to_string());
        self.error(Fault::Kind, found, allowed)
    }

    fn text(&self, value: &Value) -> Result<String, ConversionError> {
        match (self.vr, value) {
            (Vr::PN, Value::Name(n)) => Ok(person_name(n, self.max)),
            (Vr::PN, Value::Person(p)) => Ok(person_name(&p.name, self.max)),
            (Vr::PN, Value::Text(t)) => Ok(name_text(t, self.max)),
            (Vr::PN, other) => Err(self.no_pair(other)),
            (Vr::DA | Vr::TM | Vr::DT, Value::When(w)) => self.time(w),
            (Vr::DA | Vr::TM | Vr::DT, other) => Err(self.no_pair(other)),
            (Vr::UI, Value::Uid(u) | Value::Text(u)) => self.uid(u),
            (Vr::AE, Value::Text(t)) => self.exact(t),
            (Vr::CS, Value::Text(t)) => self.code_string(t),
            (Vr::DS, Value::Number(n) | Value::Text(n)) => self.decimal(n),
            (Vr::IS, Value::Number(n) | Value::Text(n)) => self.integer(n).map(|i| i.to_string()),
            (Vr::UI | Vr::AE | Vr::CS | Vr::DS | Vr::IS, other) => Err(self.no_pair(other)),
            (_, other) => self.prose(other),
        }
    }

    fn prose(&self, value: &Value) -> Result<String, ConversionError> {
        let multi_line = !traits(self.vr).split;
        match value {
            Value::Text(t) => self.fitting(clean(t, multi_line)),
            Value::Identifier(i) if keyword_of(self.tag) == Some("IssuerOfPatientID") => {
                let issuer = i.issuer.as_ref();
                let name = issuer.map_or("", |i| i.namespace.as_deref().unwrap_or(i.key()));
                self.fitting(clean(name, multi_line))
            }
            Value::Identifier(i) => self.exact(&i.value),
            Value::Number(t) | Value::Uid(t) => self.exact(t),
            Value::Concept(c) => self.fitting(clean(c.display().unwrap_or(""), multi_line)),
            Value::Organization(o) => {
                self.fitting(clean(o.name.as_deref().unwrap_or(""), multi_line))
            }
            Value::Telecom(t) => self.fitting(clean(&t.value, multi_line)),
            other => Err(self.no_pair(other)),
        }
    }

    /// Checks the length; nothing is cut here.
    fn fitting(&self, text: String) -> Result<String, ConversionError> {
        let text = text.trim().to_owned();
        // Bytes bound characters from above, so that short texts are not counted.
        if self.max > 0 && text.len() > self.max {
            let n = text.chars().count();
            if n > self.max {
                let found = format!("{n} characters");
                let allowed = format!("at most {} characters", self.max);
                return Err(self.error(Fault::TooLong, found, allowed));
            }
        }
        Ok(text)
    }

    /// For identifiers and titles: nothing may be altered.
    fn exact(&self, text: &str) -> Result<String, ConversionError> {
        let text = text.trim();
        if text.contains(|c: char| c.is_control() || c == '\\') {
            let found = "a control character or backslash";
            return Err(self.error(Fault::Form, found, "text without them"));
        }
        self.fitting(text.to_owned())
    }

    fn uid(&self, text: &str) -> Result<String, ConversionError> {
        let text = text.trim();
        if text.is_empty() || is_uid(text) {
            return Ok(text.to_owned());
        }
        let allowed = "digits and dots, at most 64 characters";
        Err(self.error(Fault::Form, "no UID", allowed))
    }

    fn code_string(&self, text: &str) -> Result<String, ConversionError> {
        let text = text.trim().to_ascii_uppercase();
        if text
            .bytes()
            .all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'_'))
        {
            return self.fitting(text);
        }
        let allowed = "capital letters, digits, blank and underscore";
        Err(self.error(Fault::Form, "other characters", allowed))
    }

    fn number(&self, text: &str) -> Result<f64, ConversionError> {
        let number = text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        number.ok_or_else(|| self.error(Fault::Form, "no number", "a decimal number"))
    }

    /// Decimal string: 16 characters; a longer one loses fraction digits.
    fn decimal(&self, text: &str) -> Result<String, ConversionError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(String::new());
        }
        let number = self.number(text)?;
        if text.len() <= 16
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b'.' || b == b'-')
        {
            return Ok(text.to_owned());
        }
        (0..=14)
            .rev()
            .map(|digits| format!("{number:.digits$}"))
            .find(|t| t.len() <= 16)
            .ok_or_else(|| self.error(Fault::TooLong, "a larger number", "16 characters"))
    }

    fn integer(&self, text: &str) -> Result<i64, ConversionError> {
        let number = self.number(text)?;
        if number.fract() != 0.0 || number.abs() > f64::from(i32::MAX) {
            return Err(self.error(Fault::Form, "no 32-bit integer", "a 32-bit integer"));
        }
        Ok(number as i64)
    }

    fn binary(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), ConversionError> {
        let (Value::Number(text) | Value::Text(text)) = value else {
            return Err(self.no_pair(value));
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        // (0010,21C0): 1 not pregnant .. 4 unknown, the order of the record's words.
        let word = PREGNANCY.iter().position(|w| *w == text.as_str());
        let number = match word {
            Some(at) if Some(self.tag) == tag_of("PregnancyStatus") => at as i64 + 1,
            _ => self.integer(text)?,
        };
        let range = || {
            self.error(
                Fault::Form,
                "a number out of range",
                "one of the VR's range",
            )
        };
        match self.vr {
            Vr::US => out.extend(u16::try_from(number).map_err(|_| range())?.to_le_bytes()),
            Vr::SS => out.extend(i16::try_from(number).map_err(|_| range())?.to_le_bytes()),
            Vr::UL => out.extend(u32::try_from(number).map_err(|_| range())?.to_le_bytes()),
            Vr::SL => out.extend(i32::try_from(number).map_err(|_| range())?.to_le_bytes()),
            _ => return Err(self.no_pair(value)),
        }
        Ok(())
    }

    fn time(&self, when: &When) -> Result<String, ConversionError> {
        if self.vr == Vr::DT {
            let offset = when.offset.filter(|_| when.time().is_some());
            let offset = offset.map_or(String::new(), |m| {
                let sign = if m < 0 { '-' } else { '+' };
                format!("{sign}{:02}{:02}", m.abs() / 60, m.abs() % 60)
            });
            return Ok(format!("{}{offset}", when.digits));
        }
        let moved = match (self.zone, when.offset, when.time()) {
            (Some(zone), Some(_), Some(_)) => when.local(zone).map(|l| format!("{:014}", l.0)),
            _ => None,
        };
        let digits = moved.as_deref().unwrap_or(&when.digits);
        let part = match self.vr {
            Vr::DA => digits.get(..8),
            _ => digits.get(8..).filter(|t| !t.is_empty()),
        };
        let partial = || match self.vr {
            Vr::DA => self.error(Fault::Partial, "a date without its day", "a full date"),
            _ => self.error(Fault::Partial, "a date without time", "a date with time"),
        };
        part.map(str::to_owned).ok_or_else(partial)
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::When(_) => "when",
        Value::Uid(_) => "uid",
        Value::Identifier(_) => "identifier",
        Value::Concept(_) => "concept",
        Value::Name(_) => "name",
        Value::Person(_) => "person",
        Value::Organization(_) => "organization",
        Value::Location(_) => "location",
        Value::Address(_) => "address",
        Value::Telecom(_) => "telecom",
        Value::Document(_) => "document",
        Value::Entry(_) => "entry",
        Value::Thing(_) => "thing",
    }
}

#[cfg(test)]
mod tests;
