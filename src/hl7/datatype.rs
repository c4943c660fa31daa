//! HL7 data types to values of the record: one repetition (or one component, whose subcomponents then play the components) in,
//! one [`Value`] of the wanted kind out.
//!
//! The table is: what is wanted ([`Kind`]) decides which function reads, what is sent ([`DataType`]) decides which components it
//! looks at. Text can be read from any type. Component numbers are those of HL7 v2.5.1 chapter 2.A.
//! Closed lists and lengths are not judged here: the catalogue of the record knows them.

mod composite;
mod document;
mod parties;
#[cfg(test)]
mod tests;

use super::view::{Component, Repetition};
use crate::domain::{
    reason::{Place, Reason, Refusal},
    time::When,
    value::{Coding, Concept, Identifier, Issuer, Kind, Value},
};
use composite::{Composite, filled};
use parties::{address, location, name, organization, person, telecom};

/// The data types that are read apart; several standard types that are read alike share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// CX, extended composite id (PID-3).
    Cx,
    /// EI, entity identifier (ORC-2).
    Ei,
    /// EIP, pair of entity identifiers, placer first (OBR-29).
    Eip,
    /// HD, hierarchic designator (MSH-4).
    Hd,
    /// XPN, person name (PID-5); PN of v2.1 to v2.2 is its beginning.
    Xpn,
    /// XCN, person with id (ORC-12); CN of v2.1 to v2.3 is its beginning.
    Xcn,
    /// CNN, person with id inside an NDL; PPN reads alike.
    Cnn,
    /// NDL, person with times and place (OBR-32).
    Ndl,
    /// CE, CWE, CNE and CF.
    Ce,
    /// TS, DTM, DT, and the start of a DR.
    Ts,
    /// PL, person location (PV1-3).
    Pl,
    /// XON, organization (ORC-21).
    Xon,
    /// XAD and AD, address (PID-11).
    Xad,
    /// XTN and TN, telephone or electronic address (PID-13).
    Xtn,
    /// NM and SI, numbers.
    Nm,
    /// ED, encapsulated data (OBX-5).
    Ed,
    /// RP, reference pointer (ZDS-1): its pointer.
    Rp,
    /// ID and IS: a coded word.
    Id,
    /// ST, TX, FT: text whose stray delimiters belong to it.
    Text,
    /// Any other type: its first component.
    Other,
}

impl DataType {
    /// The type of a standard name, as in OBX-2 or in `as("XPN")`; `None` for a name that is no HL7 data type that Relais knows.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.trim() {
            "CX" | "CK" => Self::Cx,
            "EI" => Self::Ei,
            "EIP" => Self::Eip,
            "HD" => Self::Hd,
            "XPN" | "PN" => Self::Xpn,
            "XCN" | "CN" => Self::Xcn,
            "CNN" | "PPN" => Self::Cnn,
            "NDL" => Self::Ndl,
            "CE" | "CWE" | "CNE" | "CF" => Self::Ce,
            "TS" | "DTM" | "DT" | "DR" => Self::Ts,
            "PL" => Self::Pl,
            "XON" => Self::Xon,
            "XAD" | "AD" => Self::Xad,
            "XTN" | "TN" => Self::Xtn,
            "NM" | "SI" => Self::Nm,
            "ED" => Self::Ed,
            "RP" => Self::Rp,
            "ID" | "IS" => Self::Id,
            "ST" | "TX" | "FT" | "GTS" => Self::Text,
            "CM" | "CP" | "CQ" | "DLD" | "DLN" | "DLT" | "ELD" | "ERL" | "FC" | "FN" | "JCC"
            | "MA" | "MO" | "MOC" | "MSG" | "NA" | "NR" | "OSD" | "OSP" | "PT" | "QIP" | "RI"
            | "SAD" | "SN" | "SPS" | "SRT" | "TM" | "TQ" | "UVC" | "VID" | "VR" => Self::Other,
            _ => return None,
        })
    }
}

/// Why a value is not of the wanted kind. Describes, never quotes: the value may be a patient's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found}; allowed: {allowed}")]
pub struct BadValue {
    /// What is there, described.
    pub found: String,
    /// What would be read.
    pub allowed: String,
}

impl BadValue {
    fn new(found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            allowed: allowed.into(),
        }
    }

    /// The refusal `field.type` at a place.
    pub fn at(self, place: Place) -> Refusal {
        Refusal::new(Reason::FieldType, self.found)
            .at(place)
            .allowed(self.allowed)
    }
}

/// Reads one repetition as a value of kind `want`; `None` if there is nothing to read.
///
/// # Errors
/// [`BadValue`] if there is something and it is no such value.
pub fn read(rep: &Repetition<'_>, as_: DataType, want: Kind) -> Result<Option<Value>, BadValue> {
    read_composite(Composite::Repetition(*rep), as_, want)
}

/// Reads one component as a value of kind `want`; its subcomponents stand for the components of the type (`PID-3.4` as HD).
///
/// # Errors
/// As [`read`].
pub fn read_component(
    component: &Component<'_>,
    as_: DataType,
    want: Kind,
) -> Result<Option<Value>, BadValue> {
    read_composite(Composite::Component(*component), as_, want)
}

fn read_composite(c: Composite<'_>, as_: DataType, want: Kind) -> Result<Option<Value>, BadValue> {
    if c.is_empty() {
        return Ok(None);
    }
    // OBR-29 and ORC-8: the placer's identifier is the first of the pair.
    let (c, as_) = match as_ {
        DataType::Eip => (c.inner(1), DataType::Ei),
        other => (c, other),
    };
    Ok(match want {
        Kind::Text(_) | Kind::Word(_) | Kind::Ae => text(c, as_).map(Value::Text),
        Kind::Number => c.part(1).map(|t| number(&t)).transpose()?,
        Kind::Bool => c.part(1).map(|t| boolean(&t)).transpose()?,
        Kind::When => c.part(1).map(|t| when(&t)).transpose()?,
        Kind::Uid => c.part(1).map(|t| uid(&t)).transpose()?,
        Kind::Identifier(_) => identifier(c, as_).map(Value::Identifier),
        Kind::Concept => concept(c, as_).map(Value::Concept),
        Kind::Name => name(c, as_).map(Value::Name),
        Kind::Person => person(c, as_).map(Value::Person),
        Kind::Organization => organization(c, as_).map(Value::Organization),
        Kind::Location => location(c, as_).map(Value::Location),
        Kind::Address => address(c, as_).map(Value::Address),
        Kind::Telecom => telecom(c, as_).map(Value::Telecom),
        Kind::Document => document::read(c, as_)?.map(Value::Document),
        Kind::Entry(_) | Kind::Thing => {
            return Err(BadValue::new(
                "a field",
                "a reference to a thing of the record",
            ));
        }
    })
}

fn text(c: Composite<'_>, as_: DataType) -> Option<String> {
    match as_ {
        DataType::Text => filled(c.whole()),
        DataType::Xtn => telecom(c, as_).map(|t| t.value),
        _ => c.part(1),
    }
}

/// The canonical text of an NM (v2.5.1 2.A.47): no plus sign, no leading zeros, no trailing zeros of a fraction.
fn number(text: &str) -> Result<Value, BadValue> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return Err(BadValue::new(
            format!("{} characters that are no number", text.chars().count()),
            "a number: sign, digits, at most one decimal point",
        ));
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        kept => kept,
    };
    let fraction = fraction.trim_end_matches('0');
    let zero = whole == "0" && fraction.is_empty();
    let sign = if text.starts_with('-') && !zero {
        "-"
    } else {
        ""
    };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(Value::Number(format!("{sign}{whole}{point}{fraction}")))
}

fn boolean(text: &str) -> Result<Value, BadValue> {
    match text {
        "Y" | "y" => Ok(Value::Bool(true)),
        "N" | "n" => Ok(Value::Bool(false)),
        _ => Err(BadValue::new(
            format!(
                "{} characters that are neither Y nor N",
                text.chars().count()
            ),
            "Y or N (table 0136)",
        )),
    }
}

fn when(text: &str) -> Result<Value, BadValue> {
    When::parse(text).map(Value::When).map_err(|bad| {
        BadValue::new(
            format!("{} characters, {bad}", text.chars().count()),
            "a date or time of the calendar, YYYY[MM[DD[HH[MM[SS[.ffffff]]]]]][+ZZZZ]",
        )
    })
}

/// A UID (PS3.5 9.1). Leading zeros of a component are let through: RIS in use write them, and scanners take them as they are.
fn uid(text: &str) -> Result<Value, BadValue> {
    let parts = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 64 || !text.split('.').all(parts) {
        return Err(BadValue::new(
            format!("{} characters that are no UID", text.chars().count()),
            "a UID: digits and dots, at most 64 characters",
        ));
    }
    Ok(Value::Uid(text.to_owned()))
}

/// The HD in part `n`; or in the parts `n`, `n`+1, `n`+2 of a component, which has no deeper level.
fn issuer(c: Composite<'_>, n: u16) -> Option<Issuer> {
    issuer_of(c.sub(n, 1), c.sub(n, 2), c.sub(n, 3))
}

fn issuer_of(
    namespace: Option<String>,
    universal_id: Option<String>,
    scheme: Option<String>,
) -> Option<Issuer> {
    (namespace.is_some() || universal_id.is_some()).then_some(Issuer {
        namespace,
        universal_id,
        scheme,
    })
}

fn identifier(c: Composite<'_>, as_: DataType) -> Option<Identifier> {
    let (issuer, type_) = match as_ {
        DataType::Cx => (issuer(c, 4), c.part(5)),
        DataType::Ei => (issuer_of(c.part(2), c.part(3), c.part(4)), None),
        DataType::Xcn => (issuer(c, 9), c.part(13)),
        DataType::Cnn => (issuer_of(c.part(9), c.part(10), c.part(11)), None),
        DataType::Ndl => return identifier(c.inner(1), DataType::Cnn),
        DataType::Xon => (issuer(c, 6), c.part(7)),
        _ => (None, None),
    };
    let value = match as_ {
        DataType::Xon => c.part(10).or_else(|| c.part(3)),
        DataType::Text => filled(c.whole()),
        _ => c.part(1),
    };
    Some(Identifier {
        value: value?,
        issuer,
        type_,
    })
}

fn concept(c: Composite<'_>, as_: DataType) -> Option<Concept> {
    let coding = |first: u16| {
        Some(Coding {
            code: c.part(first)?,
            display: c.part(first + 1),
            system: c.part(first + 2),
        })
    };
    let found = match as_ {
        DataType::Ce => {
            let codings: Vec<_> = [coding(1), coding(4)].into_iter().flatten().collect();
            let only_text = || {
                codings
                    .is_empty()
                    .then(|| c.part(2).or_else(|| c.part(5)))
                    .flatten()
            };
            let text = c.part(9).or_else(only_text);
            Concept { codings, text }
        }
        DataType::Text => Concept {
            codings: Vec::new(),
            text: filled(c.whole()),
        },
        _ => Concept {
            codings: c
                .part(1)
                .map(|code| Coding {
                    code,
                    ..Coding::default()
                })
                .into_iter()
                .collect(),
            text: None,
        },
    };
    (!found.codings.is_empty() || found.text.is_some()).then_some(found)
}

/// Reads a repetition in every way: for the fuzz target and the properties.
pub(super) fn walk(rep: &Repetition<'_>) {
    const TYPES: [DataType; 8] = [
        DataType::Cx,
        DataType::Xcn,
        DataType::Ndl,
        DataType::Ce,
        DataType::Xtn,
        DataType::Xad,
        DataType::Ed,
        DataType::Text,
    ];
    const KINDS: [Kind; 15] = [
        Kind::Text(0),
        Kind::Number,
        Kind::Bool,
        Kind::When,
        Kind::Uid,
        Kind::Ae,
        Kind::Identifier(64),
        Kind::Concept,
        Kind::Name,
        Kind::Person,
        Kind::Organization,
        Kind::Location,
        Kind::Address,
        Kind::Telecom,
        Kind::Document,
    ];
    for as_ in TYPES {
        for want in KINDS {
            let _ = read(rep, as_, want);
            let _ = read_component(&rep.component(1), as_, want);
        }
    }
}
