//! DIMSE command sets (PS3.7 6.3.1, 9.3, 10.3, annex C, annex E): group 0000 in Implicit VR Little Endian, with group length.
//!
//! One flat [`Command`] for all services: which attributes a service needs is the dispatcher's concern ([`super::scp`]).

pub mod field;
pub mod status;

use super::dataset::Tag;
use super::read::ReadError;
use crate::fuzzing;

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

/// Fuzz target: any bytes as a command set; what is read can be written and read back, and is then the same for ever.
pub fn fuzz_command(data: &[u8]) -> u64 {
    let command = match Command::read(data) {
        Ok(command) => command,
        Err(error) => return fuzzing::shape((error.what, error.tag.map(|t| t.1))),
    };
    let again = Command::read(&command.write());
    let last = again.as_ref().map(|c| Command::read(&c.write()));
    assert!(
        last.is_ok_and(|last| last == again),
        "what is written is not read back"
    );
    fuzzing::shape((
        command.field,
        (command.message_id.is_some(), command.responded_to.is_some()),
        (command.class().is_some(), command.instance().is_some()),
        (command.has_data, command.comment.is_some()),
        fuzzing::size(command.attributes.len() + command.offending.len()),
    ))
}

#[cfg(test)]
mod tests;
