//! FHIR R4 resources through fhir-sdk's types and back.
//!
//! A crate of its own for one reason: a typed resource may contain any other one, so each of these readers is compiled from all of
//! FHIR's types. Here that happens once, and not with every change of the product.

use fhir_sdk::r4b::resources::{DiagnosticReport, ImagingStudy, Patient, ServiceRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// Why a resource cannot be read back. Never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// A type that is not published.
    Type,
    /// The element at this path is missing, mistyped or not in its value set; an empty path is the resource itself.
    Element(String),
    /// The types cannot write what they read.
    Write,
}

/// Reads a resource as its type and writes it again: what the type does not know is missing from the result.
///
/// R4B's JSON is R4's for these resources.
///
/// # Errors
/// See [`Unread`].
pub fn read_back(resource: &Json) -> Result<Json, Unread> {
    match resource["resourceType"].as_str().unwrap_or_default() {
        "Patient" => through::<Patient>(resource),
        "ServiceRequest" => through::<ServiceRequest>(resource),
        "ImagingStudy" => through::<ImagingStudy>(resource),
        "DiagnosticReport" => through::<DiagnosticReport>(resource),
        _ => Err(Unread::Type),
    }
}

fn through<T: DeserializeOwned + Serialize>(resource: &Json) -> Result<Json, Unread> {
    let typed: T = serde_path_to_error::deserialize(resource)
        .map_err(|e| Unread::Element(e.path().to_string()))?;
    serde_json::to_value(&typed).map_err(|_| Unread::Write)
}
