//! Names of coding systems and assigning authorities, and the addresses by which FHIR knows them.

use super::{BCP47, DCM};
use crate::domain::value::Issuer;
use std::collections::BTreeMap;

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
