//! People, organizations and where to find them: XPN, XCN, CNN, NDL, XON, HD, PL, XAD, XTN.

use super::{
    DataType,
    composite::{Composite, filled},
    identifier,
};
use crate::domain::value::{Address, Identifier, Location, Name, Organization, Person, Telecom};

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

pub fn name(c: Composite<'_>, as_: DataType) -> Option<Name> {
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

pub fn person(c: Composite<'_>, as_: DataType) -> Option<Person> {
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

pub fn organization(c: Composite<'_>, as_: DataType) -> Option<Organization> {
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

pub fn location(c: Composite<'_>, as_: DataType) -> Option<Location> {
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

pub fn address(c: Composite<'_>, as_: DataType) -> Option<Address> {
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
pub fn telecom(c: Composite<'_>, as_: DataType) -> Option<Telecom> {
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
