//! What the test binaries share: databases, the product as a process, wire clients, messages, waiting for an observable.
//!
//! Everything here is blocking: tests read as the conversation they play. Nothing sleeps to "let things settle"; [`wait::until`] polls
//! what a test wants to see, with a deadline.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of the harness"
)]

pub mod api;
pub mod chaos;
pub mod cli;
pub mod database;
pub mod effort;
pub mod endpoint;
pub mod evidence;
pub mod http;
pub mod messages;
pub mod mllp;
pub mod process;
pub mod scanner;
pub mod schema;
pub mod tools;
pub mod wait;
