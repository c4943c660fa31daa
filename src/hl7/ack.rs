//! Acknowledgements (v2.5.1 2.9, 2.13.1 and chapter 2.A for ERR): one answer for one message, whatever became of it.
//!
//! The request is read leniently ([`AckTo::peek`]), because a message that does not parse is answered too. What is echoed is
//! echoed byte for byte, control characters removed (a 1C in it would break the frame); everything else is ours, ASCII and escaped,
//! so an answer is valid in whatever character set the request declares.

use super::message::Separators;
use crate::domain::reason::{Hl7Place, Place, Reason, Refusal};
use crate::fuzzing;
use hl7_parser::builder::{
    ComponentBuilder, FieldBuilder, MessageBuilder, RepeatBuilder, SegmentBuilder,
};
use std::collections::HashMap;

/// MSA-1 (table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Application accept.
    AA,
    /// Application error: the content is wrong, do not resend unchanged.
    AE,
    /// Application reject: not for this receiver, or not now.
    AR,
    /// Commit accept (enhanced mode).
    CA,
    /// Commit error.
    CE,
    /// Commit reject.
    CR,
}

impl AckCode {
    /// The two letters.
    pub fn word(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    fn commit(self) -> Self {
        match self {
            Self::AA | Self::CA => Self::CA,
            Self::AE | Self::CE => Self::CE,
            Self::AR | Self::CR => Self::CR,
        }
    }

    fn is_accept(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }
}

/// The acknowledgement code of a reason and its code in table 0357.
///
/// AR says "not for me, or not now": unsupported messages, unknown senders and failures of our own. Everything that is wrong with
/// the content is AE. A link may override AE and AR per reason; this is the default.
pub fn code_of(reason: Reason) -> (AckCode, u16) {
    use AckCode::{AE, AR};
    match reason {
        Reason::MessageUnparsable => (AE, 100),
        Reason::FieldMissing => (AE, 101),
        Reason::FieldType
        | Reason::FieldConflict
        | Reason::CharsetUndecodable
        | Reason::CharsetContradicted
        | Reason::PatientMergeSelf
        | Reason::QueryKey => (AE, 102),
        Reason::CodeUnknown | Reason::CharsetUnknown | Reason::OrderControl => (AE, 103),
        Reason::FieldTooLong => (AE, 104),
        Reason::MessageType => (AR, 200),
        Reason::MessageEvent => (AR, 201),
        Reason::ProcessingId => (AR, 202),
        Reason::Version => (AR, 203),
        Reason::SenderUnknown => (AR, 103),
        Reason::OrderUnknown | Reason::PatientUnknown | Reason::MppsUnknown => (AE, 204),
        Reason::OrderConflict | Reason::PatientConflict | Reason::MppsDuplicate => (AE, 205),
        Reason::OrderFinal
        | Reason::OrderStarted
        | Reason::IdentityUnqualified
        | Reason::MppsFinal
        | Reason::MppsPatientMismatch => (AE, 207),
        Reason::Limit | Reason::StorageAway | Reason::Internal => (AR, 207),
        // Never said to a sender of HL7 (`Reason::is_of_http`).
        Reason::RequestParameter
        | Reason::RequestPath
        | Reason::RequestMethod
        | Reason::RequestBody
        | Reason::RecordUnknown
        | Reason::CorrectionImpossible => (AE, 207),
        Reason::AccessToken | Reason::AccessRole | Reason::AccessAttempts => (AR, 207),
    }
}

/// A code of table 0357 in messages older than v2.7, with which 104 came.
pub fn before_2_7(code: u16) -> u16 {
    if code == 104 { 102 } else { code }
}

/// The texts of table 0357 that Relais uses.
fn condition(code: u16) -> &'static str {
    match code {
        100 => "Segment sequence error",
        101 => "Required field missing",
        102 => "Data type error",
        103 => "Table value not found",
        104 => "Value too long",
        200 => "Unsupported message type",
        201 => "Unsupported event code",
        202 => "Unsupported processing id",
        203 => "Unsupported version id",
        204 => "Unknown key identifier",
        205 => "Duplicate key identifier",
        _ => "Application internal error",
    }
}

/// What an answer needs of its request: fields of MSH as raw bytes, control characters removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AckTo {
    separators: Separators,
    /// MSH-3 to MSH-18, raw.
    fields: Vec<Vec<u8>>,
}

/// The most bytes of one field that are echoed.
const MAX_ECHO: usize = 512;

impl AckTo {
    /// Reads the beginning of any bytes as far as they look like an MSH; never fails, what is not there is empty.
    pub fn peek(raw: &[u8]) -> Self {
        let head = raw.get(..super::mllp::OVERSIZE_HEAD).unwrap_or(raw);
        let Some(start) = memchr::memmem::find(head, b"MSH") else {
            return Self::default();
        };
        let line = head.get(start..).unwrap_or_default();
        let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
        let line = line.get(..end).unwrap_or_default();
        let found = Separators::of_header(line);
        let separators = found.unwrap_or_default();
        let split = found.map_or_else(|| line.get(3).copied().unwrap_or(b'|'), |s| s.field);
        let clean = |field: &[u8]| -> Vec<u8> {
            let keep = |b: &&u8| {
                let control = **b < 0x20 || **b == 0x7F;
                // Without delimiters of its own the answer takes the usual ones, which must not occur in an echo.
                !control && (found.is_some() || !b"|^~\\&".contains(*b))
            };
            field.iter().filter(keep).take(MAX_ECHO).copied().collect()
        };
        let fields = line
            .split(|&b| b == split)
            .skip(2)
            .take(16)
            .map(clean)
            .collect();
        Self { separators, fields }
    }

    /// MSH-`n` (3 to 18) as sent.
    fn field(&self, n: usize) -> &[u8] {
        let at = n.checked_sub(3).and_then(|i| self.fields.get(i));
        at.map(Vec::as_slice).unwrap_or_default()
    }

    /// Component `n` of MSH-`field` as text, for decisions of our own.
    fn part(&self, field: usize, n: usize) -> String {
        let mut parts = self.field(field).split(|&b| b == self.separators.component);
        let part = parts.nth(n.saturating_sub(1)).unwrap_or_default();
        String::from_utf8_lossy(part).trim().to_owned()
    }

    /// Sending application and facility (MSH-3.1, MSH-4.1), by which the link is found before the message is read.
    pub fn sender(&self) -> (String, String) {
        (self.part(3, 1), self.part(4, 1))
    }

    /// MSH-10 as sent, for logs and the journal; empty if there is none.
    pub fn control_id(&self) -> String {
        String::from_utf8_lossy(self.field(10)).into_owned()
    }

    /// True if MSH-15 or MSH-16 asks for enhanced mode (v2.5.1 2.9.2).
    pub fn is_enhanced(&self) -> bool {
        let valued = |n| !matches!(self.part(n, 1).as_str(), "" | "\"\"");
        valued(15) || valued(16)
    }

    /// What to answer on this connection when `code` (AA, AE or AR) is the outcome; `None`: the sender wants no answer.
    ///
    /// Original mode: the outcome itself. Enhanced mode: the accept acknowledgement if MSH-15 asks for it; Relais answers when the
    /// message is processed and stored, so it already tells the outcome (CA, CE, CR). With MSH-15 `NE`, the application
    /// acknowledgement if MSH-16 asks for it, which is then the same as original mode.
    pub fn answer(&self, code: AckCode) -> Option<AckCode> {
        if !self.is_enhanced() {
            return Some(code);
        }
        if wants(&self.part(15, 1), code) {
            return Some(code.commit());
        }
        wants(&self.part(16, 1), code).then_some(code)
    }

    /// MSH-12 as major and minor number; `None` if it is not one.
    fn version(&self) -> Option<(u8, u8)> {
        let version = self.part(12, 1);
        let mut numbers = version.split('.').map(|n| n.parse().ok());
        Some((numbers.next()??, numbers.next().unwrap_or(Some(0))?))
    }
}

/// Table 0155: `AL` always, `NE` never, `ER` on error, `SU` on success. Empty counts as never beside a valued other field.
fn wants(condition: &str, code: AckCode) -> bool {
    match condition {
        "AL" => true,
        "ER" => !code.is_accept(),
        "SU" => code.is_accept(),
        _ => false,
    }
}

/// Builds the answer. `stamp` is its own control id (MSH-10) and its time (MSH-7, `YYYYMMDDHHMMSS+ZZZZ`).
///
/// A refusal adds MSA-3 and an ERR in the form of the request's version: ERR-1 before 2.5, ERR-2/3/4/8 from then on.
pub fn ack(
    request: &AckTo,
    code: AckCode,
    refusal: Option<&Refusal>,
    stamp: (&str, &str),
) -> Vec<u8> {
    let mut echo = Echo::default();
    let event = request
        .field(9)
        .split(|&b| b == request.separators.component)
        .nth(1)
        .unwrap_or_default();
    let message_type = if event.is_empty() {
        FieldBuilder::from("ACK")
    } else {
        FieldBuilder::default()
            .with_component(1, "ACK")
            .with_component(2, echo.mark(event))
            .with_component(3, "ACK")
    };
    let or = |found: &[u8], usual: &'static str| {
        if found.is_empty() {
            usual.as_bytes().to_vec()
        } else {
            found.to_vec()
        }
    };
    let mut msh = SegmentBuilder::new("MSH")
        .with_field_value(3, echo.mark(request.field(5)))
        .with_field_value(4, echo.mark(request.field(6)))
        .with_field_value(5, echo.mark(request.field(3)))
        .with_field_value(6, echo.mark(request.field(4)))
        .with_field_value(7, ascii(stamp.1, 26))
        .with_field(9, message_type)
        .with_field_value(10, ascii(stamp.0, 199))
        .with_field_value(11, echo.mark(&or(request.field(11), "P")))
        .with_field_value(12, echo.mark(&or(request.field(12), "2.5.1")));
    if !request.field(18).is_empty() {
        msh = msh.with_field_value(18, echo.mark(request.field(18)));
    }
    let mut msa = SegmentBuilder::new("MSA")
        .with_field_value(1, code.word())
        .with_field_value(2, echo.mark(request.field(10)));
    let version = request.version().unwrap_or((2, 5));
    if let Some(refusal) = refusal {
        // MSA-3 holds 80 characters. From v2.5 on ERR-8 has the whole text; before, this is the only place for it.
        let limit = if version >= (2, 5) { 80 } else { 250 };
        msa = msa.with_field_value(3, ascii(&refusal.to_string(), limit));
    }
    let mut message = MessageBuilder::new(delimiters(request.separators))
        .with_segment(msh)
        .with_segment(msa);
    if let Some(refusal) = refusal {
        message.push_segment(error(refusal, version));
    }
    echo.fill(&format!("{message}\r"))
}

fn error(refusal: &Refusal, version: (u8, u8)) -> SegmentBuilder {
    let (_, number) = code_of(refusal.reason);
    let number = if version < (2, 7) {
        before_2_7(number)
    } else {
        number
    };
    let place = match &refusal.at {
        Some(Place::Hl7(place)) => place.clone(),
        _ => Hl7Place::default(),
    };
    let numbers = [
        place.occurrence,
        place.field,
        place.repetition,
        place.component,
        place.subcomponent,
    ];
    let located = |upto: usize| {
        let mut field =
            FieldBuilder::with_repeats(vec![RepeatBuilder::with_components(HashMap::new())]);
        if !place.segment.is_empty() {
            field.set_component(1, ascii(&place.segment, 3));
            for (component, number) in (2..).zip(numbers.into_iter().take(upto)) {
                if number > 0 {
                    field.set_component(component, number);
                }
            }
        }
        field
    };
    let code = [
        number.to_string(),
        condition(number).to_owned(),
        "HL70357".to_owned(),
    ];
    let parts = (1..).zip(code.iter().cloned());
    if version < (2, 5) {
        let code = ComponentBuilder::with_subcomponents(parts.collect());
        return SegmentBuilder::new("ERR").with_field(1, located(2).with_component(4, code));
    }
    let coded = parts.fold(FieldBuilder::default(), |field, (n, text)| {
        field.with_component(n, text)
    });
    let mut err = SegmentBuilder::new("ERR");
    if !place.segment.is_empty() {
        err = err.with_field(2, located(5));
    }
    err.with_field(3, coded)
        .with_field_value(4, "E")
        .with_field_value(8, ascii(&refusal.to_string(), 250))
}

fn delimiters(separators: Separators) -> hl7_parser::message::Separators {
    hl7_parser::message::Separators {
        field: char::from(separators.field),
        component: char::from(separators.component),
        subcomponent: char::from(separators.subcomponent),
        repetition: char::from(separators.repetition),
        escape: char::from(separators.escape),
        lenient_newlines: false,
    }
}

/// At most `limit` characters of printable ASCII: valid in every character set that a request may declare.
fn ascii(text: &str, limit: usize) -> String {
    text.chars()
        .take(limit)
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .collect()
}

/// Echoed bytes pass the builder as marks, private characters that it does not escape, and are filled in afterwards.
#[derive(Default)]
struct Echo {
    values: Vec<Vec<u8>>,
}

impl Echo {
    const FIRST: u32 = 0xE000;

    fn mark(&mut self, value: &[u8]) -> String {
        let number = u32::try_from(self.values.len()).unwrap_or_default();
        self.values.push(value.to_vec());
        char::from_u32(Self::FIRST + number)
            .map(String::from)
            .unwrap_or_default()
    }

    fn fill(&self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len());
        for c in text.chars() {
            let number = u32::from(c).checked_sub(Self::FIRST);
            match number.and_then(|n| self.values.get(n as usize)) {
                Some(value) => bytes.extend_from_slice(value),
                None => bytes.extend(u8::try_from(c).ok().filter(u8::is_ascii)),
            }
        }
        bytes
    }
}

/// Fuzz target: any request gets an answer that is one valid message without framing bytes in it.
pub fn fuzz_ack(data: &[u8]) -> u64 {
    let refusal = Refusal::new(Reason::FieldMissing, "nothing");
    let to = AckTo::peek(data);
    let answer = ack(&to, AckCode::AE, Some(&refusal), ("1", "20260602080000"));
    let control = |b: &u8| *b < 0x20 && *b != b'\r';
    assert!(
        !answer.iter().any(control),
        "an answer holds control characters"
    );
    assert_eq!(
        answer.split(|&b| b == b'\r').count(),
        4,
        "an answer is MSH, MSA and ERR"
    );
    assert!(
        answer.len() <= 16 * MAX_ECHO,
        "an answer grows with the request"
    );
    fuzzing::shape((
        to.fields.len(),
        to.version(),
        to.answer(AckCode::AE),
        to.answer(AckCode::AA),
        to.fields.iter().filter(|f| f.len() == MAX_ECHO).count(),
    ))
}

#[cfg(test)]
mod tests;
