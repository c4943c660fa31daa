//! HL7 v2 on the wire: MLLP framing, message view with byte spans, character sets, escapes, data types, acknowledgements.
//!
//! Everything here but [`listener`] and [`sender`] is pure: bytes in, values or bytes out. Bytes of a peer never panic, never make
//! Relais allocate by a length the peer claims, and are never decoded with replacement characters.

pub mod ack;
pub mod batch;
pub mod build;
pub mod cda;
pub mod charset;
pub mod datatype;
pub mod escape;
pub mod listener;
pub mod message;
pub mod mllp;
pub mod sender;
pub mod view;
