//! The values of the record: HL7, DICOM and FHIR each say them in their own way, this is the way in between.
//!
//! A value is what one repetition of a field means. Conversions from and to the standards live with the standards
//! (`hl7::datatype`, `dicom::datatype`, `fhir::datatype`), never here.

use super::time::When;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who issued an identifier: an HL7 HD, a DICOM Hierarchic Designator, a FHIR system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Issuer {
    /// Local name (HD.1, LO 64).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Universal id (HD.2); an OID when `scheme` is `ISO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub universal_id: Option<String>,
    /// Type of the universal id (HD.3): `ISO`, `DNS`, `UUID` ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
}

impl Issuer {
    /// The text under which keys are stored: the universal id if there is one, else the namespace, else `""`.
    pub fn key(&self) -> &str {
        self.universal_id
            .as_deref()
            .or(self.namespace.as_deref())
            .unwrap_or("")
            .trim()
    }

    /// The OID, when the universal id is one.
    pub fn oid(&self) -> Option<&str> {
        self.universal_id
            .as_deref()
            .filter(|id| id.bytes().all(|b| b.is_ascii_digit() || b == b'.') && id.contains('.'))
    }
}

/// An identifier: value, issuer and type of ONE repetition stay together (HL7 CX/EI, FHIR Identifier).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// The value, blanks trimmed, never cut.
    pub value: String,
    /// Who issued it; filled from the link's default where the sender names nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// HL7 table 0203 code (`PI`, `INS-NIR` ...).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}

/// One code of one system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coding {
    /// The code.
    pub code: String,
    /// The coding system as the sender names it (HL7 table 0396, DICOM scheme designator, OID or URL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// One meaning, in as many codings as the sender gave (HL7 CE/CWE components 1-3 and 4-6, FHIR CodeableConcept).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Concept {
    /// Preferred first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codings: Vec<Coding>,
    /// Text of the whole (CWE.9), or all there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Concept {
    /// A readable text: the concept's own, else the first display, else the first code.
    pub fn display(&self) -> Option<&str> {
        self.text
            .as_deref()
            .or_else(|| self.codings.iter().find_map(|c| c.display.as_deref()))
            .or_else(|| self.codings.first().map(|c| c.code.as_str()))
    }
}

/// A person's name (HL7 XPN order: family, given, middle, suffix, prefix; DICOM PN swaps the last two).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Name {
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Given names, first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
    /// Second and further given names as one text (XPN.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle: Option<String>,
    /// "Dr" ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// "Jr" ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// HL7 table 0200 code: `L` legal (birth name in France), `D` display (used name) ...
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}

/// A person other than the patient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// RPPS, local numbers ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// The name.
    pub name: Name,
}

/// An organization, department or unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Organization {
    /// FINESS, local numbers ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A place (HL7 PL).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_of_care: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A postal address (HL7 XAD).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// HL7 table 0190 code (`H` home, `BDL` birth ...).
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}

/// A phone number or electronic address (HL7 XTN).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Telecom {
    /// `phone`, `fax`, `email`, `url` or `other`.
    pub system: String,
    /// The number or address.
    pub value: String,
    /// `home`, `work` or `mobile`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<String>,
}

/// A document's bytes, kept once under their hash in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Document {
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Media type, for example `application/pdf`.
    pub media_type: String,
    /// Length in bytes.
    pub size: u64,
    /// The bytes, while they travel from the message to the store; never in a stored JSON document.
    #[serde(skip)]
    pub bytes: Option<Arc<[u8]>>,
}

/// One row of a list inside a field: what was said together, by the names of its section of the catalogue (a product: code, lot,
/// quantity).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(pub BTreeMap<String, Vec<Value>>);

/// A thing of the record, as the source of a reference ("the patient of this study").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    Patient(super::ids::PatientId),
    Exam(super::ids::ExamId),
    /// The study of an exam or performed step; studies are told apart by their UID, so this carries the performed or exam id.
    Study(i64),
    Report(super::ids::ReportId),
    /// The visit of an exam.
    Visit(super::ids::ExamId),
}

/// One value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Text, an AE title, or a word of a closed list.
    #[serde(rename = "t")]
    Text(String),
    /// A decimal number, as its canonical text (`72.5`).
    #[serde(rename = "n")]
    Number(String),
    #[serde(rename = "b")]
    Bool(bool),
    #[serde(rename = "d")]
    When(When),
    /// A DICOM UID without prefix.
    #[serde(rename = "u")]
    Uid(String),
    #[serde(rename = "i")]
    Identifier(Identifier),
    #[serde(rename = "c")]
    Concept(Concept),
    #[serde(rename = "nm")]
    Name(Name),
    #[serde(rename = "p")]
    Person(Person),
    #[serde(rename = "o")]
    Organization(Organization),
    #[serde(rename = "l")]
    Location(Location),
    #[serde(rename = "a")]
    Address(Address),
    #[serde(rename = "tel")]
    Telecom(Telecom),
    #[serde(rename = "doc")]
    Document(Document),
    #[serde(rename = "e")]
    Entry(Entry),
    /// A record thing; only in outbound expressions, never stored.
    #[serde(skip)]
    Thing(Thing),
}

/// The type of a field or of an expression, as the static checks and the reference page see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most `n` characters (0 = no limit of its own).
    Text(u16),
    /// A word of a closed list.
    Word(&'static [&'static str]),
    Number,
    Bool,
    When,
    Uid,
    /// An AE title: 16 characters, no backslash or control.
    Ae,
    /// An identifier whose value has at most `n` characters: longer is refused, never cut.
    Identifier(u16),
    Concept,
    Name,
    Person,
    Organization,
    Location,
    Address,
    Telecom,
    Document,
    /// A row of named values; the section of the catalogue that names them.
    Entry(&'static str),
    /// A reference to a record thing (outbound only).
    Thing,
}

impl Kind {
    /// The name used in diagnostics and in the reference page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Word(_) => "word",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::When => "when",
            Self::Uid => "uid",
            Self::Ae => "ae",
            Self::Identifier(_) => "identifier",
            Self::Concept => "concept",
            Self::Name => "name",
            Self::Person => "person",
            Self::Organization => "organization",
            Self::Location => "location",
            Self::Address => "address",
            Self::Telecom => "telecom",
            Self::Document => "document",
            Self::Entry(_) => "entry",
            Self::Thing => "thing",
        }
    }

    /// The parts that an expression may take of a value of this kind (`order.accession_number.issuer`), with their kinds.
    /// A part may be a list (`name.given`).
    pub fn parts(self) -> &'static [(&'static str, Kind)] {
        const T: Kind = Kind::Text(0);
        match self {
            Self::Identifier(_) => &[
                ("value", T),
                ("issuer", T),
                ("type", T),
                ("issuer.namespace", T),
                ("issuer.oid", T),
            ],
            Self::Concept => &[("code", T), ("system", T), ("display", T), ("text", T)],
            Self::Name => &[
                ("family", T),
                ("given", T),
                ("middle", T),
                ("prefix", T),
                ("suffix", T),
                ("type", T),
            ],
            Self::Person => &[("name", Kind::Name), ("identifiers", Kind::Identifier(0))],
            Self::Organization => &[("name", T), ("identifiers", Kind::Identifier(0))],
            Self::Location => &[
                ("facility", T),
                ("point_of_care", T),
                ("room", T),
                ("bed", T),
                ("description", T),
            ],
            Self::Address => &[
                ("lines", T),
                ("city", T),
                ("postal_code", T),
                ("country", T),
                ("type", T),
            ],
            Self::Telecom => &[("system", T), ("value", T), ("use", T)],
            Self::Document => &[("media_type", T), ("size", Kind::Number)],
            _ => &[],
        }
    }
}

impl Value {
    /// The part of a value named in [`Kind::parts`]; empty when absent or unknown.
    pub fn part(&self, part: &str) -> Vec<Value> {
        let text = |t: &Option<String>| t.iter().cloned().map(Value::Text).collect::<Vec<_>>();
        match (self, part) {
            (Self::Identifier(i), "value") => vec![Self::Text(i.value.clone())],
            (Self::Identifier(i), "type") => text(&i.type_),
            (Self::Identifier(i), "issuer") => i
                .issuer
                .iter()
                .map(|x| Self::Text(x.key().to_owned()))
                .collect(),
            (Self::Identifier(i), "issuer.namespace") => {
                i.issuer.as_ref().map_or(vec![], |x| text(&x.namespace))
            }
            (Self::Identifier(i), "issuer.oid") => i
                .issuer
                .iter()
                .filter_map(|x| x.oid())
                .map(|o| Self::Text(o.to_owned()))
                .collect(),
            (Self::Concept(c), "code") => c
                .codings
                .iter()
                .take(1)
                .map(|x| Self::Text(x.code.clone()))
                .collect(),
            (Self::Concept(c), "system") => c.codings.first().map_or(vec![], |x| text(&x.system)),
            (Self::Concept(c), "display") => c
                .display()
                .map(|d| Self::Text(d.to_owned()))
                .into_iter()
                .collect(),
            (Self::Concept(c), "text") => text(&c.text),
            (Self::Person(p), "name") => vec![Self::Name(p.name.clone())],
            (Self::Person(p), "identifiers") => p
                .identifiers
                .iter()
                .cloned()
                .map(Self::Identifier)
                .collect(),
            (Self::Name(n), "family") => text(&n.family),
            (Self::Name(n), "given") => n.given.iter().cloned().map(Self::Text).collect(),
            (Self::Name(n), "middle") => text(&n.middle),
            (Self::Name(n), "prefix") => text(&n.prefix),
            (Self::Name(n), "suffix") => text(&n.suffix),
            (Self::Name(n), "type") => text(&n.type_),
            (Self::Organization(o), "name") => text(&o.name),
            (Self::Organization(o), "identifiers") => o
                .identifiers
                .iter()
                .cloned()
                .map(Self::Identifier)
                .collect(),
            (Self::Location(l), "facility") => text(&l.facility),
            (Self::Location(l), "point_of_care") => text(&l.point_of_care),
            (Self::Location(l), "room") => text(&l.room),
            (Self::Location(l), "bed") => text(&l.bed),
            (Self::Location(l), "description") => text(&l.description),
            (Self::Address(a), "lines") => a.lines.iter().cloned().map(Self::Text).collect(),
            (Self::Address(a), "city") => text(&a.city),
            (Self::Address(a), "postal_code") => text(&a.postal_code),
            (Self::Address(a), "country") => text(&a.country),
            (Self::Address(a), "type") => text(&a.type_),
            (Self::Telecom(t), "system") => vec![Self::Text(t.system.clone())],
            (Self::Telecom(t), "value") => vec![Self::Text(t.value.clone())],
            (Self::Telecom(t), "use") => text(&t.use_),
            (Self::Document(d), "media_type") => vec![Self::Text(d.media_type.clone())],
            (Self::Document(d), "size") => vec![Self::Number(d.size.to_string())],
            (Self::Entry(e), name) => e.0.get(name).cloned().unwrap_or_default(),
            _ => vec![],
        }
    }

    /// The text by which two values are compared in `==`, `in`, `matches` and table keys: the value of an identifier, the code
    /// of a concept, the digits of a time, the text itself.
    pub fn comparable(&self) -> Option<&str> {
        match self {
            Self::Text(t) | Self::Number(t) | Self::Uid(t) => Some(t),
            Self::Bool(b) => Some(if *b { "true" } else { "false" }),
            Self::When(w) => Some(&w.digits),
            Self::Identifier(i) => Some(&i.value),
            Self::Concept(c) => c
                .codings
                .first()
                .map(|x| x.code.as_str())
                .or(c.text.as_deref()),
            Self::Name(n) => n.family.as_deref(),
            Self::Person(p) => p
                .identifiers
                .first()
                .map(|i| i.value.as_str())
                .or(p.name.family.as_deref()),
            Self::Organization(o) => o.name.as_deref(),
            Self::Telecom(t) => Some(&t.value),
            Self::Location(l) => l
                .point_of_care
                .as_deref()
                .or(l.room.as_deref())
                .or(l.description.as_deref()),
            Self::Address(a) => a.city.as_deref(),
            Self::Document(d) => Some(&d.sha256),
            Self::Entry(_) | Self::Thing(_) => None,
        }
    }
}
