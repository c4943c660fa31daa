//! Values of the record as FHIR R4 datatypes (Identifier, CodeableConcept, HumanName, dateTime, Reference ...).
//!
//! Every function yields either a JSON value without empty strings, arrays, objects or nulls, or `None`. Nothing is invented: an
//! unknown coding system leaves the coding without `system`, a person without identifier becomes a display.

use crate::domain::value::{
    Address, Coding, Concept, Document, Identifier, Location, Name, Telecom,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

mod systems;
mod time;

pub use systems::Systems;
pub use time::{Time, date, date_time, instant};

/// Identifier types (HL7 v2 table 0203).
pub const V2_0203: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// DICOM's own codes, modalities among them.
pub const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
/// French identifier types (INS-NIR ...), which table 0203 does not have.
const FR_0203: &str = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203";
/// Identifier types that are France's own.
const FR_TYPES: &[&str] = &[
    "ADELI",
    "RPPS",
    "IDNPS",
    "NNFRA",
    "NDP",
    "INS-C",
    "INS-NIA",
    "INS-NIR",
    "INS-NIR-TEST",
    "INS-NIR-DEMO",
    "FINEJ",
    "FINEG",
    "SIREN",
    "SIRET",
    "IDNST",
    "INTRN",
    "EXTRN",
];
const BCP47: &str = "urn:ietf:bcp:47";

/// Root of the OIDs of the French national identifier: `.8` NIR, `.9` NIA, `.10` test, `.11` demonstration.
const INS_ROOT: &str = "1.2.250.1.213.1.4.";

/// A JSON object that takes no empty member.
#[derive(Debug, Default)]
pub struct Element(Map<String, Json>);

impl Element {
    /// An empty element.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member unless it is nothing.
    pub fn put(&mut self, name: &str, value: Option<Json>) -> &mut Self {
        if let Some(value) = value.filter(|v| !is_nothing(v)) {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    /// Adds a text unless it is blank.
    pub fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.put(name, value.and_then(text))
    }

    /// Adds a list unless it is empty.
    pub fn list(&mut self, name: &str, values: Vec<Json>) -> &mut Self {
        self.put(name, Some(Json::Array(values)))
    }

    /// The object; `None` without members.
    pub fn done(self) -> Option<Json> {
        (!self.0.is_empty()).then_some(Json::Object(self.0))
    }
}

fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(s) => s.is_empty(),
        Json::Array(a) => a.is_empty(),
        Json::Object(o) => o.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

/// A string: trimmed, absent when blank.
pub fn text(value: &str) -> Option<Json> {
    let trimmed = value.trim();
    (!trimmed.is_empty()).then(|| Json::String(trimmed.to_owned()))
}

/// Identifier. `type_` is the table 0203 code to use when the identifier carries none.
pub fn identifier(id: &Identifier, type_: Option<&str>, systems: &Systems) -> Option<Json> {
    let value = text(&id.value)?;
    let issuer = id.issuer.as_ref();
    let system = issuer.and_then(|i| systems.issuer(i));
    let kind = id.type_.as_deref().map(str::trim).filter(|t| !t.is_empty());
    let mut out = Element::new();
    if is_ins(id) {
        out.text("use", Some("official"));
    }
    if let Some(code) = ins_type(id).or(kind).or(type_) {
        let system = if FR_TYPES.contains(&code) {
            FR_0203
        } else {
            V2_0203
        };
        out.put(
            "type",
            Some(json!({"coding": [{"system": system, "code": code}]})),
        );
    }
    if system.is_none()
        && let Some(name) = issuer.and_then(|i| text(i.key()))
    {
        out.put("value", Some(value));
        out.put("assigner", Some(json!({"display": name})));
    } else {
        out.text("system", system.as_deref());
        out.put("value", Some(value));
    }
    out.done()
}

/// True for the French national identifier (INS), by its OID.
pub fn is_ins(id: &Identifier) -> bool {
    ins_type(id).is_some()
}

fn ins_type(id: &Identifier) -> Option<&'static str> {
    let oid = id.issuer.as_ref()?.oid()?;
    match oid.strip_prefix(INS_ROOT)? {
        "8" => Some("INS-NIR"),
        "9" => Some("INS-NIA"),
        "10" => Some("INS-NIR-TEST"),
        "11" => Some("INS-NIR-DEMO"),
        _ => None,
    }
}

/// Coding; absent when the code is no FHIR code.
pub fn coding(coding: &Coding, systems: &Systems) -> Option<Json> {
    let code = coding.code.trim();
    if code.is_empty() || !is_code(code) {
        return None;
    }
    let system = coding.system.as_deref().and_then(|s| systems.code(s));
    let code = if system.as_deref() == Some(BCP47) {
        code.to_ascii_lowercase()
    } else {
        code.to_owned()
    };
    let mut out = Element::new();
    out.text("system", system.as_deref())
        .text("code", Some(&code))
        .text("display", coding.display.as_deref());
    out.done()
}

/// True for text of FHIR type code: no blank at either end, single blanks inside.
pub fn is_code(code: &str) -> bool {
    !code.is_empty()
        && code.trim() == code
        && !code.contains("  ")
        && !code.contains(|c: char| c.is_control())
}

/// CodeableConcept. A code that FHIR cannot carry is kept as text.
pub fn concept(concept: &Concept, systems: &Systems) -> Option<Json> {
    let codings: Vec<Json> = concept
        .codings
        .iter()
        .filter_map(|c| coding(c, systems))
        .collect();
    let fallback = if codings.is_empty() {
        concept.display()
    } else {
        None
    };
    let mut out = Element::new();
    out.list("coding", codings)
        .text("text", concept.text.as_deref().or(fallback));
    out.done()
}

/// HumanName with a use.
pub fn name(name: &Name, use_: Option<&str>) -> Option<Json> {
    let mut out = Element::new();
    out.text("family", name.family.as_deref());
    let given = name
        .given
        .iter()
        .chain(&name.middle)
        .filter_map(|g| text(g))
        .collect();
    out.list("given", given)
        .list(
            "prefix",
            name.prefix.as_deref().and_then(text).into_iter().collect(),
        )
        .list(
            "suffix",
            name.suffix.as_deref().and_then(text).into_iter().collect(),
        );
    let Json::Object(parts) = out.done()? else {
        return None;
    };
    let mut whole = Element::new();
    whole.text("use", use_);
    for (key, value) in parts {
        whole.put(&key, Some(value));
    }
    whole.done()
}

/// FHIR name-use of an HL7 table 0200 code.
pub fn name_use(type_: Option<&str>) -> Option<&'static str> {
    match type_?.trim() {
        "L" | "C" => Some("official"),
        "D" | "U" => Some("usual"),
        "M" => Some("maiden"),
        "N" => Some("nickname"),
        "S" | "A" => Some("anonymous"),
        "T" => Some("temp"),
        _ => None,
    }
}

/// A readable name: "Dr Éloïse Bénard".
pub fn display(name: &Name) -> Option<String> {
    let parts: Vec<&str> = name
        .prefix
        .iter()
        .chain(name.given.first())
        .chain(&name.family)
        .chain(&name.suffix)
        .map(|p| p.trim())
        .filter(|p| !p.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Address; a place of birth is no address of the patient.
pub fn address_of(address: &Address) -> Option<Json> {
    let kind = address.type_.as_deref().unwrap_or("").trim();
    if matches!(kind, "BDL" | "N" | "BR" | "F") {
        return None;
    }
    let (use_, type_) = match kind {
        "H" | "P" => (Some("home"), None),
        "B" | "O" => (Some("work"), None),
        "C" | "V" => (Some("temp"), None),
        "BA" => (Some("old"), None),
        "BI" => (Some("billing"), None),
        "M" => (None, Some("postal")),
        _ => (None, None),
    };
    let lines = address.lines.iter().filter_map(|l| text(l)).collect();
    let mut place = Element::new();
    place
        .list("line", lines)
        .text("city", address.city.as_deref())
        .text("postalCode", address.postal_code.as_deref())
        .text("country", address.country.as_deref());
    let Json::Object(parts) = place.done()? else {
        return None;
    };
    let mut whole = Element::new();
    whole.text("use", use_).text("type", type_);
    for (key, value) in parts {
        whole.put(&key, Some(value));
    }
    whole.done()
}

/// ContactPoint.
pub fn telecom(telecom: &Telecom) -> Option<Json> {
    let system = match telecom.system.trim() {
        known @ ("phone" | "fax" | "email" | "pager" | "url" | "sms") => known,
        _ => "other",
    };
    let value = text(&telecom.value)?;
    let mut out = Element::new();
    out.text("system", Some(system)).put("value", Some(value));
    if let Some(known @ ("home" | "work" | "temp" | "old" | "mobile")) =
        telecom.use_.as_deref().map(str::trim)
    {
        out.text("use", Some(known));
    }
    out.done()
}

/// The first identifier that means something outside its sender: one whose authority has an address.
pub fn known(identifiers: &[Identifier], systems: &Systems) -> Option<Json> {
    let has_address = |i: &&Identifier| {
        let issuer = i.issuer.as_ref();
        issuer.is_some_and(|x| systems.issuer(x).is_some())
    };
    let mut all = identifiers.iter().filter(has_address);
    all.find_map(|i| identifier(i, None, systems))
}

/// The words of a place.
pub fn location(location: &Location) -> Option<String> {
    let words: Vec<&str> = [
        &location.facility,
        &location.point_of_care,
        &location.room,
        &location.bed,
        &location.description,
    ]
    .into_iter()
    .filter_map(|w| w.as_deref().map(str::trim).filter(|w| !w.is_empty()))
    .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Attachment with its bytes: size in bytes, hash as FHIR wants it (SHA-1, base64).
pub fn attachment(
    document: &Document,
    bytes: &[u8],
    title: Option<&str>,
    language: Option<&str>,
    creation: Option<&str>,
) -> Option<Json> {
    let mut out = Element::new();
    out.text("contentType", Some(&document.media_type))
        .text("language", language)
        .put("data", Some(Json::String(STANDARD.encode(bytes))))
        .put("size", Some(json!(bytes.len())))
        .put("hash", Some(Json::String(sha1_base64(bytes))))
        .text("title", title)
        .text("creation", creation);
    out.done()
}

/// SHA-1 of the bytes in base64: Attachment.hash.
pub fn sha1_base64(bytes: &[u8]) -> String {
    STANDARD.encode(sha1_smol::Sha1::from(bytes).digest().bytes())
}

#[cfg(test)]
mod tests;
