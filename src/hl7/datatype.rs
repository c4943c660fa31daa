//! HL7 data types to values of the record: one repetition (or one component, whose subcomponents then play the components) in,
//! one [`Value`] of the wanted kind out.
//!
//! The table is: what is wanted ([`Kind`]) decides which function reads, what is sent ([`DataType`]) decides which components it
//! looks at. Text can be read from any type. Component numbers are those of HL7 v2.5.1 chapter 2.A.
//! Closed lists and lengths are not judged here: the catalogue of the record knows them.

use super::{
    document,
    view::{Component, Repetition},
};
use crate::domain::{
    reason::{Place, Reason, Refusal},
    time::When,
    value::{
        Address, Coding, Concept, Identifier, Issuer, Kind, Location, Name, Organization, Person,
        Telecom, Value,
    },
};
use std::borrow::Cow;

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
    pub(super) fn new(found: impl Into<String>, allowed: impl Into<String>) -> Self {
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

/// A composite value: a repetition with its components, or a component with its subcomponents in their role.
#[derive(Debug, Clone, Copy)]
pub(super) enum Composite<'m> {
    Repetition(Repetition<'m>),
    Component(Component<'m>),
}

impl<'m> Composite<'m> {
    /// Part `n`, trimmed; `None` if empty or the HL7 null.
    pub(super) fn part(self, n: u16) -> Option<String> {
        match self {
            Self::Repetition(r) => filled(r.component(n).text()),
            Self::Component(c) => filled(c.subcomponent(n).text()),
        }
    }

    /// Subcomponent `n` of part `part`. A component's parts have no parts of their own: they are their first.
    fn sub(self, part: u16, n: u16) -> Option<String> {
        match self {
            Self::Repetition(r) => filled(r.component(part).subcomponent(n).text()),
            Self::Component(_) if n == 1 => self.part(part),
            Self::Component(_) => None,
        }
    }

    /// A part as a composite of its own.
    fn inner(self, n: u16) -> Self {
        match self {
            Self::Repetition(r) => Self::Component(r.component(n)),
            Self::Component(_) => self,
        }
    }

    pub(super) fn whole(self) -> Cow<'m, str> {
        match self {
            Self::Repetition(r) => r.whole_text(),
            Self::Component(c) => c.whole_text(),
        }
    }

    /// All text behind the `n`-th delimiter.
    pub(super) fn after(self, n: u16) -> Option<String> {
        match self {
            Self::Repetition(r) => filled(r.text_after(n)),
            Self::Component(_) => self.part(n + 1),
        }
    }

    fn is_empty(self) -> bool {
        match self {
            Self::Repetition(r) => r.is_empty() || r.is_null(),
            Self::Component(c) => c.is_empty() || c.is_null(),
        }
    }
}

fn filled(text: Cow<'_, str>) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty() && trimmed != "\"\"").then(|| trimmed.to_owned())
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
        Kind::Thing => {
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

/// The name whose family name is part `first` (an FN, v2.5.1 2.A.30), followed by given, further given, suffix and prefix.
fn name_from(c: Composite<'_>, first: u16, type_: Option<String>) -> Name {
    // FN.2 and FN.3 are the parts of FN.1; they are read where FN.1 is not sent.
    let own = || {
        let parts: Vec<_> = [c.sub(first, 2), c.sub(first, 3)]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    Name {
        family: c.sub(first, 1).or_else(own),
        given: c.part(first + 1).into_iter().collect(),
        middle: c.part(first + 2),
        suffix: c.part(first + 3),
        prefix: c.part(first + 4),
        type_,
    }
}

fn name(c: Composite<'_>, as_: DataType) -> Option<Name> {
    let found = match as_ {
        DataType::Xpn => name_from(c, 1, c.part(7)),
        DataType::Xcn => name_from(c, 2, c.part(10)),
        DataType::Cnn => name_from(c, 2, None),
        DataType::Ndl => return person(c, as_).map(|p| p.name).filter(is_name),
        DataType::Text => Name {
            family: filled(c.whole()),
            ..Name::default()
        },
        DataType::Ce => Name {
            family: c.part(2),
            ..Name::default()
        },
        _ => Name {
            family: c.part(1),
            ..Name::default()
        },
    };
    is_name(&found).then_some(found)
}

/// False for a name that is only a prefix, a suffix or a type.
fn is_name(name: &Name) -> bool {
    name.family.is_some() || !name.given.is_empty() || name.middle.is_some()
}

fn person(c: Composite<'_>, as_: DataType) -> Option<Person> {
    let (c, as_) = match as_ {
        DataType::Ndl => ndl(c),
        other => (c, other),
    };
    let identifiers: Vec<_> = match as_ {
        DataType::Xcn | DataType::Cnn | DataType::Ce | DataType::Cx | DataType::Ei => {
            identifier(c, as_).into_iter().collect()
        }
        _ => Vec::new(),
    };
    let name = name(c, as_).unwrap_or_default();
    (!identifiers.is_empty() || is_name(&name)).then_some(Person { identifiers, name })
}

/// OBR-32 to 35 are NDL, a CNN in their first component. Senders that write an XCN there are told apart by a second component that
/// is no time.
fn ndl(c: Composite<'_>) -> (Composite<'_>, DataType) {
    let is_flat = match c {
        Composite::Repetition(r) => {
            let second = c.part(2).or_else(|| c.part(3));
            !r.component(1).has_subcomponents()
                && second.is_some_and(|t| !t.starts_with(|d: char| d.is_ascii_digit()))
        }
        Composite::Component(_) => false,
    };
    if is_flat {
        (c, DataType::Xcn)
    } else {
        (c.inner(1), DataType::Cnn)
    }
}

fn organization(c: Composite<'_>, as_: DataType) -> Option<Organization> {
    let (name, id) = match as_ {
        DataType::Xon => (c.part(1), identifier(c, as_)),
        DataType::Hd => {
            let id = c.part(2).map(|value| Identifier {
                value,
                ..Identifier::default()
            });
            (c.part(1), id)
        }
        DataType::Ce => (c.part(2), identifier(c, as_)),
        DataType::Cx | DataType::Ei => (None, identifier(c, as_)),
        DataType::Text => (filled(c.whole()), None),
        _ => (c.part(1), None),
    };
    let identifiers: Vec<_> = id.into_iter().collect();
    (name.is_some() || !identifiers.is_empty()).then_some(Organization { identifiers, name })
}

fn location(c: Composite<'_>, as_: DataType) -> Option<Location> {
    let found = match as_ {
        DataType::Pl => Location {
            point_of_care: c.part(1),
            room: c.part(2),
            bed: c.part(3),
            facility: c.sub(4, 1).or_else(|| c.sub(4, 2)),
            description: c.part(9),
        },
        DataType::Ndl => Location {
            point_of_care: c.part(4),
            room: c.part(5),
            bed: c.part(6),
            facility: c.sub(7, 1).or_else(|| c.sub(7, 2)),
            description: None,
        },
        DataType::Text => Location {
            description: filled(c.whole()),
            ..Location::default()
        },
        _ => Location {
            description: c.part(1),
            ..Location::default()
        },
    };
    (found != Location::default()).then_some(found)
}

fn address(c: Composite<'_>, as_: DataType) -> Option<Address> {
    let found = match as_ {
        DataType::Xad => Address {
            lines: street(c).into_iter().chain(c.part(2)).collect(),
            city: c.part(3),
            postal_code: c.part(5),
            country: c.part(6),
            type_: c.part(7),
        },
        _ => Address {
            lines: filled(c.whole()).into_iter().collect(),
            ..Address::default()
        },
    };
    let is_place = !found.lines.is_empty()
        || found.city.is_some()
        || found.postal_code.is_some()
        || found.country.is_some();
    is_place.then_some(found)
}

/// SAD (v2.5.1 2.A.63): the whole line in SAD.1, else number and street name.
fn street(c: Composite<'_>) -> Option<String> {
    c.sub(1, 1).or_else(|| {
        let parts: Vec<_> = [c.sub(1, 3), c.sub(1, 2)].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    })
}

/// XTN (v2.5.1 2.A.89): XTN.12 or the old XTN.1 as one text, else country, area, local number and extension; XTN.4 for e-mail.
fn telecom(c: Composite<'_>, as_: DataType) -> Option<Telecom> {
    if as_ != DataType::Xtn {
        let value = filled(c.whole())?;
        let system = if value.contains('@') {
            "email"
        } else {
            "phone"
        };
        return Some(Telecom {
            system: system.to_owned(),
            value,
            use_: None,
        });
    }
    let equipment = c.part(3).unwrap_or_default().to_ascii_uppercase();
    let purpose = c.part(2).unwrap_or_default().to_ascii_uppercase();
    let one_text = c.part(12).or_else(|| c.part(1));
    let assembled = || {
        let country = c
            .part(5)
            .map(|code| format!("+{}", code.trim_start_matches('+')));
        let extension = c.part(8).map(|x| format!("x{x}"));
        let local = c.part(7)?;
        let parts: Vec<_> = [country, c.part(6), Some(local), extension]
            .into_iter()
            .flatten()
            .collect();
        Some(parts.join(" "))
    };
    let mail = c
        .part(4)
        .filter(|_| matches!(equipment.as_str(), "INTERNET" | "X.400" | ""));
    let is_mail = mail.is_some();
    let value = mail.or(one_text).or_else(assembled).or_else(|| c.part(4))?;
    let system = match equipment.as_str() {
        _ if is_mail => "email",
        "INTERNET" | "X.400" if value.contains("://") => "url",
        "INTERNET" | "X.400" => "email",
        "FX" => "fax",
        "BP" | "MD" | "SAT" => "other",
        _ if value.contains('@') => "email",
        _ => "phone",
    };
    let use_ = match purpose.as_str() {
        _ if equipment == "CP" => Some("mobile"),
        "PRN" | "ORN" | "VHN" | "PRS" => Some("home"),
        "WPN" => Some("work"),
        _ => None,
    };
    Some(Telecom {
        system: system.to_owned(),
        value,
        use_: use_.map(str::to_owned),
    })
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

#[cfg(test)]
mod tests;
