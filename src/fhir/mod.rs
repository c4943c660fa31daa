//! FHIR R4: how a resource is built from mapped values ([`shape`], [`datatype`], what profiles add is in [`profile`]) and checked before it leaves ([`check`]).
//!
//! Pure but for its client. A mapping file names targets at the level of datatypes; structure, constants, identifiers, references and
//! counters are here, so that a file cannot make an invalid resource.

pub mod check;
pub mod client;
pub mod datatype;
pub mod outcome;
pub mod profile;
pub mod reference;
pub mod shape;
