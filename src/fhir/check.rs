//! The last look before a resource leaves: read back through fhir-sdk's R4B types (whose JSON is R4's for these resources) and
//! compared with what would be sent, then checked for what those types let pass.
//!
//! This is "structure", not conformance to a profile. Rule upheld: an invalid resource is held, never sent.

use super::shape::Held;
use relais_fhir_structure::Unread;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Checks one resource. The refusal names the element; its rule is the caller's to add.
pub fn resource(resource: &Json) -> Result<(), Held> {
    let type_ = resource["resourceType"].as_str().unwrap_or_default();
    read_back(type_, resource)?;
    walk(type_, "", resource)?;
    contained(type_, resource)
}

/// Each reference to a contained resource leads to one, and none is there for nothing (dom-3, ref-1).
fn contained(type_: &str, resource: &Json) -> Result<(), Held> {
    fn anchors<'j>(value: &'j Json, found: &mut BTreeSet<&'j str>) {
        match value {
            Json::Array(items) => items.iter().for_each(|v| anchors(v, found)),
            Json::Object(members) => {
                let reference = members.get("reference").and_then(Json::as_str);
                found.extend(reference.and_then(|r| r.strip_prefix('#')));
                members.values().for_each(|v| anchors(v, found));
            }
            _ => {}
        }
    }
    let mut wanted = BTreeSet::new();
    anchors(resource, &mut wanted);
    let inside = resource["contained"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let there: BTreeSet<&str> = inside.iter().filter_map(|c| c["id"].as_str()).collect();
    match wanted == there && there.len() == inside.len() {
        true => Ok(()),
        false => Err(held(
            &format!("{type_}.contained"),
            "references inside and what is contained do not fit (dom-3, ref-1)",
        )),
    }
}

/// Checks a transaction Bundle: each resource, each request, and that every reference inside leads to an entry of the right type.
pub fn bundle(bundle: &Json) -> Result<(), Held> {
    let entries = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "transaction" || entries.is_empty() {
        return Err(held("Bundle", "not a transaction with entries"));
    }
    let mut urls: BTreeMap<&str, &str> = BTreeMap::new();
    for (i, entry) in entries.iter().enumerate() {
        let at = format!("Bundle.entry[{i}]");
        let url = entry["fullUrl"].as_str().unwrap_or_default();
        let type_ = entry["resource"]["resourceType"]
            .as_str()
            .unwrap_or_default();
        if !url.starts_with("urn:uuid:") || urls.insert(url, type_).is_some() {
            return Err(held(
                &format!("{at}.fullUrl"),
                "not a urn:uuid of its own (bdl-7)",
            ));
        }
        if entry["request"]["method"].as_str().is_none()
            || entry["request"]["url"].as_str().is_none()
        {
            return Err(held(&format!("{at}.request"), "missing (bdl-3)"));
        }
        resource(&entry["resource"])?;
    }
    for entry in entries {
        let type_ = entry["resource"]["resourceType"]
            .as_str()
            .unwrap_or_default();
        inner_references(type_, &entry["resource"], &urls)?;
    }
    Ok(())
}

fn held(target: &str, why: &str) -> Held {
    Held {
        target: target.to_owned(),
        rule: String::new(),
        why: why.to_owned(),
    }
}

/// Reads the resource as its type and compares: what the type does not know would be dropped, so it is not FHIR.
fn read_back(type_: &str, sent: &Json) -> Result<(), Held> {
    let back = relais_fhir_structure::read_back(sent).map_err(|unread| match unread {
        Unread::Type => held("resourceType", "no resource that is published here"),
        // The reader's own text may quote the value, which may be the patient's; the place says enough.
        Unread::Element(path) => held(
            &format!("{type_}.{path}"),
            "FHIR R4 does not read this element: missing, mistyped or not in its value set",
        ),
        Unread::Write => held(type_, "FHIR R4 cannot write this resource"),
    })?;
    match difference(type_, sent, &back) {
        None => Ok(()),
        Some(path) => Err(held(
            &path,
            "FHIR R4 has no such element here, or not with this value",
        )),
    }
}

/// The first place where what was sent is not what was read.
fn difference(path: &str, sent: &Json, back: &Json) -> Option<String> {
    match (sent, back) {
        (Json::Object(a), Json::Object(b)) => a
            .iter()
            .find_map(|(k, v)| match b.get(k) {
                Some(w) => difference(&format!("{path}.{k}"), v, w),
                None => Some(format!("{path}.{k}")),
            })
            .or_else(|| {
                b.keys()
                    .find(|k| !a.contains_key(*k))
                    .map(|k| format!("{path}.{k}"))
            }),
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (v, w))| difference(&format!("{path}[{i}]"), v, w)),
        (Json::String(a), Json::String(b)) => {
            (a != b && !same_moment(a, b)).then(|| path.to_owned())
        }
        _ => (sent != back).then(|| path.to_owned()),
    }
}

/// Two spellings of one moment (`+00:00` and `Z`, `.120` and `.12`).
fn same_moment(a: &str, b: &str) -> bool {
    let read = |t: &str| t.parse::<jiff::Timestamp>().ok();
    a.contains('T') && read(a).is_some_and(|x| read(b) == Some(x))
}

/// What the types let pass: blank and empty values, ids, uris, codes, and the invariants that can occur here.
fn walk(path: &str, name: &str, value: &Json) -> Result<(), Held> {
    match value {
        Json::Null => Err(held(path, "null is no FHIR value")),
        Json::String(text) => string(path, name, text),
        Json::Array(items) if items.is_empty() => Err(held(path, "an empty list is no FHIR value")),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, v)| walk(&format!("{path}[{i}]"), name, v)),
        Json::Object(members) if members.is_empty() => {
            Err(held(path, "an empty element is no FHIR value (ele-1)"))
        }
        Json::Object(members) => {
            invariants(path, name, value)?;
            members
                .iter()
                .try_for_each(|(k, v)| walk(&format!("{path}.{k}"), k, v))
        }
        Json::Bool(_) | Json::Number(_) => Ok(()),
    }
}

fn string(path: &str, name: &str, text: &str) -> Result<(), Held> {
    if text.trim().is_empty() {
        return Err(held(path, "a blank text is no FHIR value"));
    }
    if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(held(
            path,
            "control characters are not allowed in FHIR texts",
        ));
    }
    let is_id = |t: &str| {
        t.len() <= 64
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    };
    let good = match name {
        "id" | "uid" => is_id(text),
        "system" if path.contains(".telecom[") => true,
        // The parts of an extension are named inside it, not by an address.
        "url" if path.matches(".extension[").count() > 1 => is_uri(text) || is_id(text),
        "system" | "url" | "profile" | "fullUrl" => is_uri(text),
        "reference" => text.strip_prefix('#').map_or_else(|| is_uri(text), is_id),
        "code" => super::datatype::is_code(text),
        "contentType" => text
            .split_once('/')
            .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()),
        "language" => text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
        _ => true,
    };
    if good {
        Ok(())
    } else {
        let why = match name {
            "id" | "uid" => "an id has at most 64 letters, digits, dots and hyphens",
            "code" => "a code has no blanks at its ends and single ones inside",
            "contentType" => "a media type is written type/subtype",
            "language" => "a language is written as in BCP 47: fr, fr-FR",
            _ => "an address has a scheme and no blanks",
        };
        Err(held(path, why))
    }
}

/// An address without blanks; absolute, or a literal or conditional reference `Type/id`, `Type?identifier=...`.
fn is_uri(text: &str) -> bool {
    let blank = text.contains(|c: char| c.is_whitespace() || c.is_control());
    let relative = text
        .split_once(['/', '?'])
        .is_some_and(|(t, _)| t.starts_with(|c: char| c.is_ascii_uppercase()));
    let absolute = text
        .split_once(':')
        .is_some_and(|(s, rest)| !rest.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()));
    let oid = text.strip_prefix("urn:oid:").is_none_or(|o| {
        o.starts_with(['0', '1', '2']) && o.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    });
    !blank && oid && (absolute || relative)
}

fn invariants(path: &str, name: &str, element: &Json) -> Result<(), Held> {
    let has = |k: &str| element.get(k).is_some();
    if has("data") && !has("contentType") {
        return Err(held(
            path,
            "an attachment with data needs a contentType (att-1)",
        ));
    }
    if name == "telecom" && has("value") && !has("system") {
        return Err(held(
            path,
            "a contact point with a value needs a system (cpt-2)",
        ));
    }
    if name == "identifier" && !has("value") {
        return Err(held(path, "an identifier without value identifies nothing"));
    }
    Ok(())
}

/// Which resource types a reference may lead to, by element.
const TARGETS: &[(&str, &[&str])] = &[
    ("subject", &["Patient"]),
    ("basedOn", &["ServiceRequest"]),
    ("imagingStudy", &["ImagingStudy"]),
    ("other", &["Patient"]),
];

fn inner_references(path: &str, value: &Json, urls: &BTreeMap<&str, &str>) -> Result<(), Held> {
    match value {
        Json::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, v)| inner_references(&format!("{path}[{i}]"), v, urls)),
        Json::Object(members) => members.iter().try_for_each(|(k, v)| {
            if k == "reference"
                && let Some(url) = v.as_str().filter(|u| u.starts_with("urn:uuid:"))
            {
                let type_ = urls
                    .get(url)
                    .ok_or_else(|| held(path, "refers to nothing in the Bundle"))?;
                let element = path.rsplit('.').next().unwrap_or_default();
                let element = element.split('[').next().unwrap_or_default();
                let allowed = TARGETS.iter().find(|(e, _)| *e == element).map(|(_, t)| *t);
                if allowed.is_some_and(|a| !a.contains(type_)) {
                    return Err(held(path, "refers to a resource of another type"));
                }
            }
            inner_references(&format!("{path}.{k}"), v, urls)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patient() -> Json {
        json!({
            "resourceType": "Patient",
            "identifier": [{"system": "urn:oid:1.2.250.1", "value": "123"}],
            "name": [{"use": "official", "family": "Lefèvre", "given": ["Zoé"]}],
            "telecom": [{"system": "phone", "value": "0102030405"}],
            "gender": "female",
            "birthDate": "1979-03",
            "deceasedDateTime": "2026-06-02T08:30:00Z"
        })
    }

    #[test]
    fn a_good_resource_passes() {
        resource(&patient()).unwrap();
        resource(&json!({"resourceType": "ImagingStudy", "status": "available",
            "subject": {"reference": "urn:uuid:1"}, "started": "2026-06-02T08:30:15.12+02:00",
            "numberOfSeries": 1, "numberOfInstances": 0,
            "series": [{"uid": "1.2.3", "modality": {"system": super::super::datatype::DCM, "code": "CT"}, "numberOfInstances": 0}]}))
        .unwrap();
    }

    #[test]
    fn what_is_not_fhir_is_named() {
        let check = |pointer: &str, value: Json, expected: &str| {
            let mut bad = patient();
            match pointer.rsplit_once('/') {
                Some((parent, key)) => bad.pointer_mut(parent).unwrap()[key] = value,
                None => unreachable!(),
            }
            assert_eq!(resource(&bad).unwrap_err().target, expected, "{pointer}");
        };
        check("/gender", json!("femail"), "Patient.gender");
        check("/shoeSize", json!(38), "Patient.shoeSize");
        check(
            "/birthDate",
            json!("1979-03-02T00:00:00"),
            "Patient.birthDate",
        );
        check(
            "/deceasedDateTime",
            json!("2026-06-02T08:30:00"),
            "Patient.deceasedDateTime",
        );
        check("/name", json!([]), "Patient.name");
        check(
            "/maritalStatus",
            json!({"text": ""}),
            "Patient.maritalStatus.text",
        );
        check("/id", json!("é"), "Patient.id");
        check(
            "/address",
            json!([{"city": "a\u{1}"}]),
            "Patient.address[0].city",
        );
        for (key, value, expected) in [
            ("system", json!("not a uri"), "Patient.identifier[0].system"),
            (
                "system",
                json!("urn:oid:3.é"),
                "Patient.identifier[0].system",
            ),
            ("value", json!("  "), "Patient.identifier[0].value"),
        ] {
            let mut bad = patient();
            bad["identifier"][0][key] = value;
            assert_eq!(resource(&bad).unwrap_err().target, expected);
        }
        let mut bad = patient();
        bad["telecom"][0].as_object_mut().unwrap().remove("system");
        assert_eq!(resource(&bad).unwrap_err().target, "Patient.telecom[0]");
    }

    #[test]
    fn a_reference_leads_to_an_entry_of_its_type() {
        let bundle_of = |reference: &str| {
            let entry = |url: &str, resource: Json| json!({"fullUrl": url, "resource": resource, "request": {"method": "PUT", "url": "X?identifier=a|b"}});
            json!({"resourceType": "Bundle", "type": "transaction", "entry": [
                entry("urn:uuid:p", patient()),
                entry("urn:uuid:s", json!({"resourceType": "ImagingStudy", "status": "registered", "subject": {"reference": reference}})),
            ]})
        };
        bundle(&bundle_of("urn:uuid:p")).unwrap();
        for wrong in ["urn:uuid:s", "urn:uuid:none"] {
            let held = bundle(&bundle_of(wrong)).unwrap_err();
            assert_eq!(held.target, "ImagingStudy.subject", "{wrong}");
        }
    }
}
