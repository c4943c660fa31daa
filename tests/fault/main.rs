//! What breaks in a hospital: the process dies under load, the disk fills or fails, the database goes, the endpoint fails, hangs or
//! closes half way.
//!
//! The oracle is always an invariant of ARCHITECTURE.md: nothing acknowledged is lost, nothing is done twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;

mod crash;
mod endpoint;
mod load;
mod oracle;
mod postgres;
mod stop;
mod storage;
