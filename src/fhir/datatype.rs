//! Values of the record as FHIR R4 datatypes (Identifier, CodeableConcept, HumanName, dateTime, Reference ...).
//!
//! Every function yields either a JSON value without empty strings, arrays, objects or nulls, or `None`. Nothing is invented: an
//! unknown coding system leaves the coding without `system`, a person without identifier becomes a display.

use crate::domain::time::{Precision, When};
use crate::domain::value::{
    Address, Coding, Concept, Document, Identifier, Issuer, Location, Name, Organization, Person,
    Telecom,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

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

/// Coding systems as HL7 v2 (table 0396) and DICOM name them, with their FHIR address.
const CODE_SYSTEMS: &[(&str, &str)] = &[
    ("LN", "http://loinc.org"),
    ("LOINC", "http://loinc.org"),
    ("SCT", "http://snomed.info/sct"),
    ("SNM3", "http://snomed.info/sct"),
    ("DCM", DCM),
    ("UCUM", "http://unitsofmeasure.org"),
    ("I10", "http://hl7.org/fhir/sid/icd-10"),
    ("ICD10", "http://hl7.org/fhir/sid/icd-10"),
    ("ISO639", BCP47),
    ("ISO639-1", BCP47),
    ("ISO0639", BCP47),
    ("RADLEX", "http://www.radlex.org"),
    ("CCAM", "urn:oid:1.2.250.1.213.2.5"),
];

/// Names of coding systems and of assigning authorities with their FHIR addresses: what a site adds to the built-in names.
#[derive(Debug, Clone, Default)]
pub struct Systems {
    codes: BTreeMap<String, String>,
    issuers: BTreeMap<String, String>,
}

impl Systems {
    /// Adds rows: (name, address) of coding systems, (namespace, address) of authorities. A row beats a built-in name.
    pub fn new(
        codes: impl IntoIterator<Item = (String, String)>,
        issuers: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Self {
            codes: codes
                .into_iter()
                .map(|(n, a)| (n.to_ascii_uppercase(), a))
                .collect(),
            issuers: issuers.into_iter().collect(),
        }
    }

    /// The address of a coding system: a known name, an OID, or an address as it is.
    pub fn code(&self, system: &str) -> Option<String> {
        let system = system.trim();
        let upper = system.to_ascii_uppercase();
        let known = self.codes.get(&upper).cloned().or_else(|| {
            CODE_SYSTEMS
                .iter()
                .find(|(name, _)| *name == upper)
                .map(|(_, address)| (*address).to_owned())
        });
        known.or_else(|| address(system))
    }

    /// The address of an assigning authority: its OID, UUID or URI, else what the site says of its name.
    pub fn issuer(&self, issuer: &Issuer) -> Option<String> {
        let universal = issuer.universal_id.as_deref().and_then(|id| {
            match issuer.scheme.as_deref().map(str::to_ascii_uppercase) {
                Some(scheme) if scheme == "UUID" || scheme == "GUID" => {
                    Some(format!("urn:uuid:{}", id.trim().to_ascii_lowercase()))
                }
                _ => address(id.trim()),
            }
        });
        let named = |name: &Option<String>| {
            name.as_deref()
                .and_then(|n| self.issuers.get(n.trim()).cloned())
        };
        universal
            .or_else(|| named(&issuer.universal_id))
            .or_else(|| named(&issuer.namespace))
    }
}

/// A text that is an address by itself: a dotted OID, a `urn:` or an `http` address.
fn address(text: &str) -> Option<String> {
    let dotted = text.contains('.')
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.starts_with(['0', '1', '2']);
    if dotted {
        return Some(format!("urn:oid:{text}"));
    }
    let absolute = ["urn:", "http://", "https://"]
        .iter()
        .any(|p| text.starts_with(p));
    (absolute && !text.contains(char::is_whitespace)).then(|| text.to_owned())
}

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

/// Reference to a person by identifier and name: no Practitioner resource is owned here.
pub fn practitioner(person: &Person, systems: &Systems) -> Option<Json> {
    logical(
        "Practitioner",
        &person.identifiers,
        display(&person.name).as_deref(),
        systems,
    )
}

/// Reference to an organization by identifier and name.
pub fn organization(org: &Organization, systems: &Systems) -> Option<Json> {
    logical(
        "Organization",
        &org.identifiers,
        org.name.as_deref(),
        systems,
    )
}

fn logical(
    type_: &str,
    identifiers: &[Identifier],
    display: Option<&str>,
    systems: &Systems,
) -> Option<Json> {
    // Without a system the value means nothing outside the sender, so such an identifier is no reference.
    let known = identifiers
        .iter()
        .filter(|i| {
            i.issuer
                .as_ref()
                .is_some_and(|x| systems.issuer(x).is_some())
        })
        .find_map(|i| identifier(i, None, systems));
    let mut out = Element::new();
    out.put("identifier", known).text("display", display);
    let Json::Object(parts) = out.done()? else {
        return None;
    };
    let mut whole = Element::new();
    whole.text("type", Some(type_));
    for (key, value) in parts {
        whole.put(&key, Some(value));
    }
    whole.done()
}

/// Reference to a place by its words.
pub fn location(location: &Location) -> Option<Json> {
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
    (!words.is_empty()).then(|| json!({"type": "Location", "display": words.join(" ")}))
}

/// A FHIR time with how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// FHIR text.
    pub text: String,
    /// The offset is the site's zone, not the sender's statement.
    pub zone_supplied: bool,
    /// A time of day was stated and left out: no zone could be told, or minutes are missing.
    pub shortened: bool,
}

/// date: year, month or day, as written.
pub fn date(when: &When) -> Option<String> {
    let d = |from, to| when.digits.get(from..to);
    Some(match when.precision() {
        Precision::Year => d(0, 4)?.to_owned(),
        Precision::Month => format!("{}-{}", d(0, 4)?, d(4, 6)?),
        _ => format!("{}-{}-{}", d(0, 4)?, d(4, 6)?, d(6, 8)?),
    })
}

/// dateTime: a time of day gets the sender's offset, else the site's; without minutes, or in the hour that the clocks repeat or
/// skip, only the date is said. Seconds that were not written are zero, as FHIR's schema demands.
pub fn date_time(when: &When, zone: &TimeZone) -> Option<Time> {
    let day = date(when)?;
    let short = |shortened| Time {
        text: day.clone(),
        zone_supplied: false,
        shortened,
    };
    if when.time().is_none() {
        return Some(short(false));
    }
    if when.precision() < Precision::Minute {
        return Some(short(true));
    }
    let start = when.civil_start()?;
    let offset = match when.offset {
        Some(minutes) => i32::from(minutes) * 60,
        None => {
            let ambiguous = zone.to_ambiguous_zoned_datetime(start);
            if ambiguous.is_ambiguous() {
                return Some(short(true));
            }
            ambiguous.compatible().ok()?.offset().seconds()
        }
    };
    let fraction: String = when
        .digits
        .split_once('.')
        .map(|(_, f)| f.trim_end_matches('0'))
        .filter(|f| !f.is_empty())
        .map(|f| format!(".{f}"))
        .unwrap_or_default();
    let clock = start.strftime("%H:%M:%S").to_string();
    Some(Time {
        text: format!("{day}T{clock}{fraction}{}", offset_text(offset)),
        zone_supplied: when.offset.is_none(),
        shortened: false,
    })
}

/// instant: a dateTime to the second; anything less is no instant.
pub fn instant(when: &When, zone: &TimeZone) -> Option<Time> {
    (when.precision() >= Precision::Second)
        .then(|| date_time(when, zone))?
        .filter(|t| !t.shortened)
}

fn offset_text(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
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
mod tests {
    use super::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    #[test]
    fn a_time_is_never_given_more_than_was_said() {
        let check = |text: &str, expected: &str, zone_supplied: bool, shortened: bool| {
            let got = date_time(&When::parse(text).unwrap(), &paris()).unwrap();
            assert_eq!(
                (got.text.as_str(), got.zone_supplied, got.shortened),
                (expected, zone_supplied, shortened),
                "{text}"
            );
        };
        check("1979", "1979", false, false);
        check("197903", "1979-03", false, false);
        check("20260602", "2026-06-02", false, false);
        check("2026060208", "2026-06-02", false, true);
        check("202606020830", "2026-06-02T08:30:00+02:00", true, false);
        check("20260102083015", "2026-01-02T08:30:15+01:00", true, false);
        check(
            "20260602083015.1200-0330",
            "2026-06-02T08:30:15.12-03:30",
            false,
            false,
        );
        check(
            "20260602083015.000+0000",
            "2026-06-02T08:30:15Z",
            false,
            false,
        );
        // The hour that the clocks repeat, and the one that they skip.
        check("20261025023000", "2026-10-25", false, true);
        check("20260329023000", "2026-03-29", false, true);
        check(
            "20261025023000+0100",
            "2026-10-25T02:30:00+01:00",
            false,
            false,
        );
        assert_eq!(
            instant(&When::parse("202606020830").unwrap(), &paris()),
            None
        );
    }

    #[test]
    fn an_issuer_is_an_address_or_a_name() {
        let check =
            |namespace: Option<&str>, id: Option<&str>, scheme: Option<&str>, expected: Json| {
                let systems = Systems::new(
                    [],
                    [("HIS".to_owned(), "https://chu.example/ipp".to_owned())],
                );
                let id = Identifier {
                    value: " 123 ".to_owned(),
                    issuer: Some(Issuer {
                        namespace: namespace.map(str::to_owned),
                        universal_id: id.map(str::to_owned),
                        scheme: scheme.map(str::to_owned),
                    }),
                    type_: Some("PI".to_owned()),
                };
                let mut got = identifier(&id, None, &systems).unwrap();
                assert_eq!(got["type"]["coding"][0]["code"], "PI");
                got.as_object_mut().unwrap().remove("type");
                assert_eq!(got, expected);
            };
        check(
            None,
            Some("1.2.250.1"),
            Some("ISO"),
            json!({"system": "urn:oid:1.2.250.1", "value": "123"}),
        );
        check(
            Some("HIS"),
            None,
            None,
            json!({"system": "https://chu.example/ipp", "value": "123"}),
        );
        check(
            None,
            Some("0B1F"),
            Some("UUID"),
            json!({"system": "urn:uuid:0b1f", "value": "123"}),
        );
        check(
            Some("OTHER"),
            None,
            None,
            json!({"value": "123", "assigner": {"display": "OTHER"}}),
        );
        check(
            None,
            Some("his.chu.example"),
            Some("DNS"),
            json!({"value": "123", "assigner": {"display": "his.chu.example"}}),
        );
    }

    #[test]
    fn the_national_identifier_is_known_by_its_oid() {
        let id = Identifier {
            value: "253049912345678".to_owned(),
            issuer: Some(Issuer {
                universal_id: Some("1.2.250.1.213.1.4.10".to_owned()),
                scheme: Some("ISO".to_owned()),
                ..Issuer::default()
            }),
            type_: None,
        };
        let got = identifier(&id, None, &Systems::default()).unwrap();
        assert_eq!(got["use"], "official");
        assert_eq!(got["type"]["coding"][0]["code"], "INS-NIR-TEST");
        assert_eq!(got["type"]["coding"][0]["system"], FR_0203);
    }

    #[test]
    fn an_unknown_coding_system_is_not_invented() {
        let check = |code: &str, system: &str, expected: Json| {
            let concept_ = Concept {
                codings: vec![Coding {
                    code: code.to_owned(),
                    system: Some(system.to_owned()),
                    display: Some("IRM".to_owned()),
                }],
                text: None,
            };
            assert_eq!(concept(&concept_, &Systems::default()).unwrap(), expected);
        };
        check(
            "24587-8",
            "LN",
            json!({"coding": [{"system": "http://loinc.org", "code": "24587-8", "display": "IRM"}]}),
        );
        check(
            "IRM1",
            "99RIS",
            json!({"coding": [{"code": "IRM1", "display": "IRM"}]}),
        );
        check("", "99RIS", json!({"text": "IRM"}));
        check("A  B", "99RIS", json!({"text": "IRM"}));
    }

    #[test]
    fn a_person_is_referred_to_by_an_identifier_that_means_something() {
        let person = |oid: Option<&str>| Person {
            identifiers: vec![Identifier {
                value: "10003456789".to_owned(),
                issuer: oid.map(|o| Issuer {
                    universal_id: Some(o.to_owned()),
                    scheme: Some("ISO".to_owned()),
                    ..Issuer::default()
                }),
                type_: None,
            }],
            name: Name {
                family: Some("Bénard".to_owned()),
                given: vec!["Éloïse".to_owned()],
                prefix: Some("Dr".to_owned()),
                ..Name::default()
            },
        };
        assert_eq!(
            practitioner(&person(Some("1.2.250.1.71.4.2.1")), &Systems::default()).unwrap(),
            json!({"type": "Practitioner",
                "identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "10003456789"},
                "display": "Dr Éloïse Bénard"})
        );
        assert_eq!(
            practitioner(&person(None), &Systems::default()).unwrap(),
            json!({"type": "Practitioner", "display": "Dr Éloïse Bénard"})
        );
        assert_eq!(practitioner(&Person::default(), &Systems::default()), None);
    }

    #[test]
    fn an_attachment_carries_size_and_hash() {
        let document = Document {
            sha256: String::new(),
            media_type: "application/pdf".to_owned(),
            size: 3,
            bytes: None,
        };
        assert_eq!(
            attachment(&document, b"abc", Some("CR"), None, None).unwrap(),
            json!({"contentType": "application/pdf", "data": "YWJj", "size": 3,
                "hash": "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "title": "CR"})
        );
    }
}
