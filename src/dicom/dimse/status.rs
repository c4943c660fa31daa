//! Status (0000,0900) values that Relais sends or understands (PS3.7 annex C), with the standard's words.

pub const SUCCESS: u16 = 0x0000;
/// C-FIND match, all optional keys supported.
pub const PENDING: u16 = 0xFF00;
/// C-FIND match, some optional keys not supported for matching.
pub const PENDING_WARNING: u16 = 0xFF01;
pub const CANCEL: u16 = 0xFE00;
pub const NO_SUCH_ATTRIBUTE: u16 = 0x0105;
pub const INVALID_ATTRIBUTE_VALUE: u16 = 0x0106;
pub const ATTRIBUTE_LIST_ERROR: u16 = 0x0107;
pub const PROCESSING_FAILURE: u16 = 0x0110;
pub const DUPLICATE_SOP_INSTANCE: u16 = 0x0111;
pub const NO_SUCH_SOP_INSTANCE: u16 = 0x0112;
pub const ATTRIBUTE_VALUE_OUT_OF_RANGE: u16 = 0x0116;
pub const INVALID_SOP_INSTANCE: u16 = 0x0117;
pub const NO_SUCH_SOP_CLASS: u16 = 0x0118;
pub const CLASS_INSTANCE_CONFLICT: u16 = 0x0119;
pub const MISSING_ATTRIBUTE: u16 = 0x0120;
pub const MISSING_ATTRIBUTE_VALUE: u16 = 0x0121;
pub const SOP_CLASS_NOT_SUPPORTED: u16 = 0x0122;
pub const NOT_AUTHORIZED: u16 = 0x0124;
pub const DUPLICATE_INVOCATION: u16 = 0x0210;
pub const UNRECOGNIZED_OPERATION: u16 = 0x0211;
pub const MISTYPED_ARGUMENT: u16 = 0x0212;
pub const RESOURCE_LIMITATION: u16 = 0x0213;
pub const OUT_OF_RESOURCES: u16 = 0xA700;
pub const IDENTIFIER_DOES_NOT_MATCH: u16 = 0xA900;
/// C-FIND: unable to process, a key cannot be read.
pub const UNABLE_TO_PROCESS_KEY: u16 = 0xC001;
/// C-FIND: unable to process, our failure.
pub const UNABLE_TO_PROCESS: u16 = 0xC002;
/// Error ID (0000,0903) of an N-SET on a final MPPS (PS3.4 F.7.2.2.2).
pub const MAY_NO_LONGER_BE_UPDATED: u16 = 0xA710;

/// The standard's words for a status.
pub fn name(status: u16) -> &'static str {
    match status {
        SUCCESS => "success",
        PENDING => "pending",
        PENDING_WARNING => "pending, optional keys not supported",
        CANCEL => "cancelled",
        NO_SUCH_ATTRIBUTE => "no such attribute",
        INVALID_ATTRIBUTE_VALUE => "invalid attribute value",
        ATTRIBUTE_LIST_ERROR => "attribute list error",
        PROCESSING_FAILURE => "processing failure",
        DUPLICATE_SOP_INSTANCE => "duplicate SOP instance",
        NO_SUCH_SOP_INSTANCE => "no such SOP instance",
        ATTRIBUTE_VALUE_OUT_OF_RANGE => "attribute value out of range",
        INVALID_SOP_INSTANCE => "invalid SOP instance",
        NO_SUCH_SOP_CLASS => "no such SOP class",
        CLASS_INSTANCE_CONFLICT => "class-instance conflict",
        MISSING_ATTRIBUTE => "missing attribute",
        MISSING_ATTRIBUTE_VALUE => "missing attribute value",
        SOP_CLASS_NOT_SUPPORTED => "SOP class not supported",
        NOT_AUTHORIZED => "not authorized",
        DUPLICATE_INVOCATION => "duplicate invocation",
        UNRECOGNIZED_OPERATION => "unrecognized operation",
        MISTYPED_ARGUMENT => "mistyped argument",
        RESOURCE_LIMITATION => "resource limitation",
        OUT_OF_RESOURCES => "out of resources",
        IDENTIFIER_DOES_NOT_MATCH => "identifier does not match SOP class",
        0xC000..=0xCFFF => "unable to process",
        _ => "unknown status",
    }
}

/// True for both pending statuses.
pub fn is_pending(status: u16) -> bool {
    matches!(status, PENDING | PENDING_WARNING)
}
