//! Publication: what is to be sent ([`plan`]), when again ([`retry`]), how it reads ([`render`]), and the workers that deliver it
//! ([`worker`]), one file per kind of target ([`fhir`]).

pub mod fhir;
pub mod plan;
pub mod render;
pub mod retry;
pub mod scope;
pub mod study;
#[cfg(test)]
pub(crate) mod testing;
pub mod worker;
