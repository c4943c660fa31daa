//! DIMSE command sets (PS3.7 6.3.1, 9.3, 10.3, annex C, annex E): group 0000 in Implicit VR Little Endian, with group length.
//!
//! One flat [`Command`] for all services: which attributes a service needs is the dispatcher's concern ([`super::scp`]).

use super::dataset::Tag;
use super::read::ReadError;

/// Command Field (0000,0100). A response is the request with the top bit set.
pub mod field {
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
}

/// Status (0000,0900) values that Relais sends or understands.
pub mod status {
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
}

/// SOP classes of the services.
pub mod sop_class {
    pub const VERIFICATION: &str = "1.2.840.10008.1.1";
    pub const MODALITY_WORKLIST_FIND: &str = "1.2.840.10008.5.1.4.31";
    pub const MODALITY_PERFORMED_PROCEDURE_STEP: &str = "1.2.840.10008.3.1.2.3.3";
}

/// Command Data Set Type of a message without data set.
const NO_DATA_SET: u16 = 0x0101;
/// Longest Error Comment (LO), characters.
pub const MAX_COMMENT: usize = 64;

/// A command set. Attributes that a service does not use are `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Command Field (0000,0100), see [`field`].
    pub field: u16,
    /// Affected SOP Class UID (0000,0002).
    pub affected_class: Option<String>,
    /// Requested SOP Class UID (0000,0003).
    pub requested_class: Option<String>,
    /// Message ID (0000,0110).
    pub message_id: Option<u16>,
    /// Message ID Being Responded To (0000,0120).
    pub responded_to: Option<u16>,
    /// Priority (0000,0700).
    pub priority: Option<u16>,
    /// Whether a data set follows (0000,0800).
    pub has_data: bool,
    /// Status (0000,0900).
    pub status: Option<u16>,
    /// Offending Element (0000,0901).
    pub offending: Vec<Tag>,
    /// Error Comment (0000,0902), cut at 64 characters when written.
    pub comment: Option<String>,
    /// Error ID (0000,0903).
    pub error_id: Option<u16>,
    /// Affected SOP Instance UID (0000,1000).
    pub affected_instance: Option<String>,
    /// Requested SOP Instance UID (0000,1001).
    pub requested_instance: Option<String>,
    /// Attribute Identifier List (0000,1005).
    pub attributes: Vec<Tag>,
}

impl Command {
    /// A request of a C-service.
    pub fn c_request(field: u16, class: &str, message_id: u16, has_data: bool) -> Self {
        Self {
            field,
            affected_class: Some(class.to_owned()),
            message_id: Some(message_id),
            priority: (field == field::C_FIND_RQ).then_some(0),
            has_data,
            ..Self::default()
        }
    }

    /// C-CANCEL of a running request.
    pub fn cancel(message_id: u16) -> Self {
        Self {
            field: field::C_CANCEL_RQ,
            responded_to: Some(message_id),
            ..Self::default()
        }
    }

    /// The response to this request, with a status and without data set. SOP Class and Instance come back as affected ones.
    pub fn response(&self, status: u16) -> Self {
        Self {
            field: self.field | field::RESPONSE,
            affected_class: self.class().map(str::to_owned),
            responded_to: self.message_id,
            status: Some(status),
            affected_instance: self
                .requested_instance
                .clone()
                .or_else(|| self.affected_instance.clone()),
            ..Self::default()
        }
    }

    /// The SOP class of the request, affected or requested.
    pub fn class(&self) -> Option<&str> {
        self.requested_class
            .as_deref()
            .or(self.affected_class.as_deref())
    }

    /// The SOP instance of the request, affected or requested.
    pub fn instance(&self) -> Option<&str> {
        self.requested_instance
            .as_deref()
            .or(self.affected_instance.as_deref())
    }

    /// True for responses.
    pub fn is_response(&self) -> bool {
        self.field & field::RESPONSE != 0
    }

    /// The bytes of the command set, group length first.
    pub fn write(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(160);
        let mut put = |element: u16, value: &[u8], pad: u8| {
            let odd = value.len() % 2;
            body.extend_from_slice(&[0, 0]);
            body.extend_from_slice(&element.to_le_bytes());
            body.extend_from_slice(&((value.len() + odd) as u32).to_le_bytes());
            body.extend_from_slice(value);
            body.extend(std::iter::repeat_n(pad, odd));
        };
        let mut text = |element: u16, value: &Option<String>| {
            if let Some(value) = value {
                put(element, value.as_bytes(), 0);
            }
        };
        text(0x0002, &self.affected_class);
        text(0x0003, &self.requested_class);
        put(0x0100, &self.field.to_le_bytes(), 0);
        let mut number = |element: u16, value: Option<u16>| {
            if let Some(value) = value {
                put(element, &value.to_le_bytes(), 0);
            }
        };
        number(0x0110, self.message_id);
        number(0x0120, self.responded_to);
        number(0x0700, self.priority);
        number(
            0x0800,
            Some(if self.has_data { 0x0001 } else { NO_DATA_SET }),
        );
        number(0x0900, self.status);
        put_tags(&mut put, 0x0901, &self.offending);
        if let Some(comment) = &self.comment {
            let ascii = super::charset::transliterate(comment, super::charset::Charset::Ascii);
            let comment: String = ascii
                .chars()
                .map(|c| {
                    if c.is_ascii_control() || c == '\\' {
                        ' '
                    } else {
                        c
                    }
                })
                .take(MAX_COMMENT)
                .collect();
            put(0x0902, comment.as_bytes(), b' ');
        }
        if let Some(id) = self.error_id {
            put(0x0903, &id.to_le_bytes(), 0);
        }
        for (element, uid) in [
            (0x1000, &self.affected_instance),
            (0x1001, &self.requested_instance),
        ] {
            if let Some(uid) = uid {
                put(element, uid.as_bytes(), 0);
            }
        }
        put_tags(&mut put, 0x1005, &self.attributes);
        let mut out = Vec::with_capacity(12 + body.len());
        out.extend_from_slice(&[0, 0, 0, 0, 4, 0, 0, 0]);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.append(&mut body);
        out
    }

    /// Reads a command set. Elements of no interest are passed over; the same element twice counts the first time.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut command = Self::default();
        let (mut at, mut field, mut data) = (0, None, None);
        while at < bytes.len() {
            let (tag, value, next) = element(bytes, at)?;
            if tag.0 != 0 {
                return Err(error(
                    at,
                    tag,
                    "an element of another group in a command set",
                ));
            }
            let u16 = || match value {
                [a, b] => Ok(u16::from_le_bytes([*a, *b])),
                _ => Err(error(at, tag, "not one 16-bit value")),
            };
            match tag.1 {
                0x0002 => first(&mut command.affected_class, uid(value)),
                0x0003 => first(&mut command.requested_class, uid(value)),
                0x0100 => first(&mut field, Some(u16()?)),
                0x0110 => first(&mut command.message_id, Some(u16()?)),
                0x0120 => first(&mut command.responded_to, Some(u16()?)),
                0x0700 => first(&mut command.priority, Some(u16()?)),
                0x0800 => first(&mut data, Some(u16()?)),
                0x0900 => first(&mut command.status, Some(u16()?)),
                0x0901 => command.offending = tags(value),
                0x0902 => first(&mut command.comment, text(value)),
                0x0903 => first(&mut command.error_id, Some(u16()?)),
                0x1000 => first(&mut command.affected_instance, uid(value)),
                0x1001 => first(&mut command.requested_instance, uid(value)),
                0x1005 => command.attributes = tags(value),
                _ => {}
            }
            at = next;
        }
        let missing = |element, what| error(bytes.len(), Tag(0, element), what);
        command.field = field.ok_or_else(|| missing(0x0100, "no command field"))?;
        let data = data.ok_or_else(|| missing(0x0800, "no command data set type"))?;
        command.has_data = data != NO_DATA_SET;
        Ok(command)
    }
}

fn put_tags(put: &mut impl FnMut(u16, &[u8], u8), element: u16, tags: &[Tag]) {
    if !tags.is_empty() {
        let bytes: Vec<u8> = tags
            .iter()
            .flat_map(|Tag(g, e)| [g.to_le_bytes(), e.to_le_bytes()].concat())
            .collect();
        put(element, &bytes, 0);
    }
}

fn error(offset: usize, tag: Tag, what: &'static str) -> ReadError {
    ReadError {
        offset,
        tag: Some(tag),
        what,
    }
}

fn first<T>(slot: &mut Option<T>, value: Option<T>) {
    if slot.is_none() {
        *slot = value;
    }
}

/// Tag, value field and offset of the next element.
fn element(bytes: &[u8], at: usize) -> Result<(Tag, &[u8], usize), ReadError> {
    let short = |tag| ReadError {
        offset: at,
        tag,
        what: "command set ends inside an element",
    };
    let rest = bytes.get(at..).unwrap_or_default();
    let (&[g0, g1, e0, e1, a, b, c, d], rest) =
        rest.split_first_chunk::<8>().ok_or_else(|| short(None))?;
    let tag = Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let value = rest.get(..length).ok_or_else(|| short(Some(tag)))?;
    Ok((tag, value, at + 8 + length))
}

fn text(value: &[u8]) -> Option<String> {
    let text = super::charset::lenient(value);
    let text = text.trim_matches([' ', '\0']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn uid(value: &[u8]) -> Option<String> {
    text(value)
}

fn tags(value: &[u8]) -> Vec<Tag> {
    value
        .chunks_exact(4)
        .filter_map(|c| <[u8; 4]>::try_from(c).ok())
        .map(|[g0, g1, e0, e1]| Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1])))
        .collect()
}

/// Fuzz target: any bytes as a command set; what is read is written and read back as the same.
pub fn fuzz_command(data: &[u8]) {
    if let Ok(command) = Command::read(data) {
        let _ = Command::read(&command.write());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_echo_request_is_these_bytes() {
        let command = Command::c_request(field::C_ECHO_RQ, sop_class::VERIFICATION, 1, false);
        let bytes = command.write();
        assert_eq!(
            bytes,
            b"\0\0\0\0\x04\0\0\0\x38\0\0\0\
              \0\0\x02\0\x12\0\0\x001.2.840.10008.1.1\0\
              \0\0\0\x01\x02\0\0\0\x30\0\
              \0\0\x10\x01\x02\0\0\0\x01\0\
              \0\0\0\x08\x02\0\0\0\x01\x01"
        );
        assert_eq!(Command::read(&bytes), Ok(command));
    }

    #[test]
    fn a_response_names_what_it_answers() {
        let request = Command {
            field: field::N_SET_RQ,
            requested_class: Some(sop_class::MODALITY_PERFORMED_PROCEDURE_STEP.into()),
            requested_instance: Some("2.25.1".into()),
            message_id: Some(7),
            has_data: true,
            ..Command::default()
        };
        let mut response = request.response(status::PROCESSING_FAILURE);
        response.error_id = Some(status::MAY_NO_LONGER_BE_UPDATED);
        response.comment = Some("état \\ final ".repeat(9));
        let back = Command::read(&response.write()).expect("reads");
        assert_eq!(back.field, field::N_SET_RSP);
        assert_eq!(back.responded_to, Some(7));
        assert_eq!(back.affected_instance.as_deref(), Some("2.25.1"));
        assert_eq!(back.error_id, Some(0xA710));
        let comment = back.comment.expect("comment");
        assert!(comment.len() <= MAX_COMMENT && comment.starts_with("etat   final"));
        assert_eq!(back.requested_instance, None);
    }

    #[test]
    fn broken_command_sets_are_refused_with_the_place() {
        for (bytes, what) in [
            (
                &b"\0\0\0\x01\xFF\xFF\xFF\xFF"[..],
                "command set ends inside an element",
            ),
            (b"\0\0\0\x01\x04\0\0\0\x30\0\0\0", "not one 16-bit value"),
            (
                b"\x08\0\x05\0\0\0\0\0",
                "an element of another group in a command set",
            ),
            (b"", "no command field"),
        ] {
            assert_eq!(Command::read(bytes).map_err(|e| e.what), Err(what));
        }
    }

    fn uid() -> impl Strategy<Value = Option<String>> {
        prop::option::of("[0-2](\\.[0-9]{1,5}){1,8}")
    }

    prop_compose! {
        fn command()(
            field in any::<u16>(),
            (affected_class, requested_class, affected_instance, requested_instance) in (uid(), uid(), uid(), uid()),
            (message_id, responded_to, priority, status, error_id) in any::<(Option<u16>, Option<u16>, Option<u16>, Option<u16>, Option<u16>)>(),
            has_data in any::<bool>(),
            tags in prop::collection::vec(any::<(u16, u16)>(), 0..4),
        ) -> Command {
            let tags: Vec<Tag> = tags.into_iter().map(|(g, e)| Tag(g, e)).collect();
            Command {
                field, affected_class, requested_class, message_id, responded_to, priority, has_data, status,
                offending: tags.clone(), comment: None, error_id, affected_instance, requested_instance, attributes: tags,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(command in command()) {
            prop_assert_eq!(Command::read(&command.write()), Ok(command));
        }

        #[test]
        fn any_bytes_are_a_command_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_command(&data);
        }
    }
}
