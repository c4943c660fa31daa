//! A RIS, a scanner and a Mon-espace-santé-style FHIR endpoint as real network peers, for the demo and the tests.

pub mod department;
pub mod fhir_server;
pub mod morning;
pub mod outcome;
pub mod pdf;
pub mod ris;
pub mod scanner;
