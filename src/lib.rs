//! Relais: a radiology workflow integration engine.
//!
//! HL7 v2 orders become DICOM Modality Worklist entries, MPPS from the scanners is followed, FHIR is published. ARCHITECTURE.md has
//! the map; `intake` is the file to read first. Modules stand in numbered layers and import lower numbers only
//! (`tests/architecture.rs`).

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod corrections;
pub mod diagnostic;
pub mod dicom;
pub mod domain;
pub mod fault;
pub mod fhir;
pub mod fuzzing;
pub mod hl7;
pub mod intake;
pub mod mapping;
pub mod mappings;
pub mod private;
pub mod publish;
pub mod retention;
pub mod simulate;
pub mod socket;
pub mod store;
pub mod telemetry;
pub mod toml_file;
pub mod watch;
pub mod workflow;
pub mod worklist;
