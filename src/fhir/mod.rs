//! FHIR R4: resource shapes, conversions, structure check, client.
