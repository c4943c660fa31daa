//! What a receiver wants of each resource type, and how things that are not in the Bundle are referred to: a target's choice, data.
//!
//! `config` reads it, `publish::render` obeys it for the resources, `shape::build` for the references. Rule upheld: a reference is
//! made from a thing of the record and its identifier, never from text.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// How a resource that is not in the Bundle is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `Reference.identifier` and `display`: asks nothing of the server.
    #[default]
    Logical,
    /// `Type?identifier=system|value`: the server resolves it, and refuses the Bundle if it cannot.
    Conditional,
}

/// What becomes of resources of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `PUT Type?identifier=`: in the Bundle, ours to write.
    Update,
    /// `POST` with `ifNoneExist`: in the Bundle, made if the server has none, else left as it is.
    CreateIfMissing,
    /// Another system's: referred to only.
    Reference,
    /// Inside the resource that refers to it.
    Contained,
    /// Neither sent nor referred to.
    Off,
}

impl Mode {
    /// Every mode with its word in `[target] resources`.
    pub const WORDS: &[(&str, Self)] = &[
        ("update", Self::Update),
        ("create-if-missing", Self::CreateIfMissing),
        ("reference", Self::Reference),
        ("contained", Self::Contained),
        ("off", Self::Off),
    ];

    /// True if the resource is an entry of the Bundle.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::Update | Self::CreateIfMissing)
    }
}

use Mode::{Contained, CreateIfMissing, Off, Reference, Update};

/// Resource types that a site decides about, with the modes that they can have; the first one holds unless another is chosen.
pub const TYPES: &[(&str, &[Mode])] = &[
    ("Patient", &[Update, CreateIfMissing, Reference]),
    ("ServiceRequest", &[Update, CreateIfMissing, Reference, Off]),
    ("ImagingStudy", &[Update, CreateIfMissing, Reference, Off]),
    ("DiagnosticReport", &[Update, CreateIfMissing, Off]),
    ("Practitioner", &[Reference, Contained, Off]),
    ("Organization", &[Reference, Contained, Off]),
    ("Encounter", &[Reference, Off]),
    ("Location", &[Reference, Off]),
    ("Endpoint", &[Reference, Off]),
    ("Device", &[Reference, Off]),
];

/// A target's choices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    pub style: Style,
    chosen: BTreeMap<&'static str, Mode>,
}

impl References {
    /// Chooses the mode of a type.
    ///
    /// # Errors
    /// What would be right: the type is unknown, or cannot be written so.
    pub fn choose(&mut self, type_: &str, mode: Mode) -> Result<(), String> {
        let Some((name, modes)) = TYPES.iter().find(|(name, _)| *name == type_) else {
            let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            return Err(names.join(", "));
        };
        if !modes.contains(&mode) {
            let word = |mode: &Mode| Mode::WORDS.iter().find(|(_, m)| m == mode).map(|(w, _)| *w);
            let words: Vec<&str> = modes.iter().filter_map(word).collect();
            return Err(format!("{name}: {}", words.join(", ")));
        }
        self.chosen.insert(name, mode);
        Ok(())
    }

    /// The mode of a type.
    pub fn mode(&self, type_: &str) -> Mode {
        let first = || TYPES.iter().find(|(name, _)| *name == type_);
        let chosen = self.chosen.get(type_).copied();
        chosen
            .or_else(|| first().and_then(|(_, modes)| modes.first().copied()))
            .unwrap_or(Reference)
    }

    /// A reference to a resource outside the Bundle; `None` if it is switched off or nothing is known of it.
    pub fn outside(
        &self,
        type_: &str,
        identifier: Option<Json>,
        display: Option<&str>,
    ) -> Option<Json> {
        if self.mode(type_) == Off {
            return None;
        }
        let display = display.map(str::trim).filter(|d| !d.is_empty());
        let mut out = json!({"type": type_});
        match (&identifier, self.style) {
            (Some(id), Style::Conditional) if id["system"].is_string() => {
                let part = |name: &str| id[name].as_str().unwrap_or_default();
                let token = search_token(part("system"), part("value"));
                out["reference"] = json!(format!("{type_}?identifier={token}"));
            }
            (Some(id), _) => out["identifier"] = id.clone(),
            (None, _) => {}
        }
        if let Some(display) = display {
            out["display"] = json!(display);
        }
        (identifier.is_some() || display.is_some()).then_some(out)
    }
}

/// `system|value` as a search token: FHIR's escapes, then the URI's.
pub fn search_token(system: &str, value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '$' | '|') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    let mut out = String::new();
    for byte in system.bytes().chain([b'|']).chain(escaped.bytes()) {
        let plain = byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_outside_the_bundle_is_referred_to_as_the_receiver_wants_it() {
        let id = || Some(json!({"system": "urn:oid:1.2", "value": "a|b"}));
        let bare = || Some(json!({"value": "7", "assigner": {"display": "CHU"}}));
        let check = |style, identifier, display, expected: Option<Json>| {
            let references = References {
                style,
                ..References::default()
            };
            assert_eq!(
                references.outside("Practitioner", identifier, display),
                expected
            );
        };
        check(
            Style::Logical,
            id(),
            Some("Dr Bénard"),
            Some(json!({"type": "Practitioner", "identifier": id(), "display": "Dr Bénard"})),
        );
        check(
            Style::Conditional,
            id(),
            None,
            Some(
                json!({"type": "Practitioner", "reference": "Practitioner?identifier=urn:oid:1.2%7Ca%5C%7Cb"}),
            ),
        );
        // Without a system the server cannot search for it.
        check(
            Style::Conditional,
            bare(),
            None,
            Some(json!({"type": "Practitioner", "identifier": bare()})),
        );
        check(
            Style::Conditional,
            None,
            Some("Dr Bénard"),
            Some(json!({"type": "Practitioner", "display": "Dr Bénard"})),
        );
        check(Style::Logical, None, Some(" "), None);
    }

    #[test]
    fn a_token_is_escaped_for_search_and_for_the_address() {
        let token = search_token;
        assert_eq!(token("urn:oid:1.2", "a,b c"), "urn:oid:1.2%7Ca%5C%2Cb%20c");
        assert_eq!(token("urn:oid:1.2", "é|"), "urn:oid:1.2%7C%C3%A9%5C%7C");
    }

    #[test]
    fn a_type_is_written_only_as_it_can_be() {
        let mut references = References::default();
        assert_eq!(references.mode("Patient"), Mode::Update);
        assert_eq!(references.mode("Practitioner"), Mode::Reference);
        assert_eq!(references.choose("Practitioner", Mode::Contained), Ok(()));
        assert_eq!(references.mode("Practitioner"), Mode::Contained);
        let patient = references.choose("Patient", Mode::Off);
        assert_eq!(
            patient,
            Err("Patient: update, create-if-missing, reference".to_owned())
        );
        assert!(references.choose("Pateint", Mode::Update).is_err());
        assert_eq!(references.choose("Endpoint", Mode::Off), Ok(()));
        assert_eq!(references.outside("Endpoint", None, Some("PACS")), None);
    }
}
