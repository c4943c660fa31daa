//! Command Field (0000,0100), PS3.7 E.1. A response is the request with the top bit set.

pub const C_FIND_RQ: u16 = 0x0020;
pub const C_FIND_RSP: u16 = 0x8020;
pub const C_ECHO_RQ: u16 = 0x0030;
pub const C_ECHO_RSP: u16 = 0x8030;
pub const N_GET_RQ: u16 = 0x0110;
pub const N_SET_RQ: u16 = 0x0120;
pub const N_SET_RSP: u16 = 0x8120;
pub const N_CREATE_RQ: u16 = 0x0140;
pub const N_CREATE_RSP: u16 = 0x8140;
pub const C_CANCEL_RQ: u16 = 0x0FFF;
/// The bit that makes a response.
pub const RESPONSE: u16 = 0x8000;

/// The name of the service of a request or response.
pub fn name(field: u16) -> &'static str {
    match field & !RESPONSE {
        C_FIND_RQ => "C-FIND",
        C_ECHO_RQ => "C-ECHO",
        N_GET_RQ => "N-GET",
        N_SET_RQ => "N-SET",
        N_CREATE_RQ => "N-CREATE",
        C_CANCEL_RQ => "C-CANCEL",
        _ => "unknown",
    }
}
