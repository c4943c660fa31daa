//! DIMSE messages in P-DATA-TF PDUs (PS3.8 9.3.5, annex E): reassembly with limits, and fragmentation that puts command and data set of
//! a message into one PDU where they fit.

use super::dimse::Command;
use super::read::ReadError;
use crate::fuzzing;

/// PDU type of P-DATA-TF.
pub const P_DATA_TF: u8 = 0x04;
/// Bytes before the variable field of a PDU.
pub const PDU_HEADER: usize = 6;
/// Longest PDU that we send to a peer that names no limit.
const UNLIMITED: usize = 131_072;
/// A PDU shorter than this cannot carry anything; peers that ask for less get this.
const SMALLEST: usize = 128;
/// Length field, context id and control header of a PDV.
const PDV_HEADER: usize = 6;

/// One presentation data value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pdv<'a> {
    /// Presentation context id.
    pub context: u8,
    /// Of the command set (else of the data set).
    pub is_command: bool,
    /// Last fragment of the command or data set.
    pub is_last: bool,
    /// The fragment.
    pub data: &'a [u8],
}

/// A whole DIMSE message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Presentation context id.
    pub context: u8,
    /// The command set.
    pub command: Command,
    /// Bytes of the data set, in the context's transfer syntax; empty if none.
    pub data: Vec<u8>,
}

/// Why P-DATA is refused; the association is then aborted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdataError {
    /// A PDV that does not fit into its PDU.
    #[error("a presentation data value runs past its PDU")]
    Malformed,
    /// A fragment of another context inside a message.
    #[error("fragments of two presentation contexts are interleaved")]
    Interleaved,
    /// A data fragment before the command set or after its end, or a command inside a data set.
    #[error("a fragment where none of its kind may be")]
    OutOfOrder,
    /// The command set is longer than the limit.
    #[error("command set longer than {0} bytes")]
    CommandTooLong(usize),
    /// The data set is longer than the limit.
    #[error("data set longer than {0} bytes")]
    DataTooLong(usize),
    /// The command set cannot be read.
    #[error("command set unreadable: {0}")]
    Command(#[from] ReadError),
}

/// Splits the variable field of a P-DATA-TF into its values.
pub fn pdvs(mut body: &[u8]) -> impl Iterator<Item = Result<Pdv<'_>, PdataError>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let pdv = split(body);
        body = pdv.as_ref().map_or(&[][..], |(_, rest)| rest);
        Some(pdv.map(|(pdv, _)| pdv))
    })
}

fn split(body: &[u8]) -> Result<(Pdv<'_>, &[u8]), PdataError> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or(PdataError::Malformed)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (value, rest) = rest.split_at_checked(length).ok_or(PdataError::Malformed)?;
    match value {
        [context, header, data @ ..] => {
            let pdv = Pdv {
                context: *context,
                is_command: header & 1 != 0,
                is_last: header & 2 != 0,
                data,
            };
            Ok((pdv, rest))
        }
        _ => Err(PdataError::Malformed),
    }
}

/// Puts messages together from fragments. After an error it is not to be used again.
#[derive(Debug)]
pub struct Reassembler {
    max_command: usize,
    max_data: usize,
    context: Option<u8>,
    command_bytes: Vec<u8>,
    command: Option<Command>,
    data: Vec<u8>,
}

impl Default for Reassembler {
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

impl Reassembler {
    /// Longest command set, bytes.
    pub const MAX_COMMAND: usize = 64 * 1024;

    /// With a limit for data sets, in bytes.
    pub fn new(max_data: usize) -> Self {
        Self {
            max_command: Self::MAX_COMMAND,
            max_data,
            context: None,
            command_bytes: Vec::new(),
            command: None,
            data: Vec::new(),
        }
    }

    /// True between messages.
    pub fn is_idle(&self) -> bool {
        self.context.is_none()
    }

    /// Bytes of the data set that is being received.
    pub fn held(&self) -> usize {
        self.data.len()
    }

    /// Takes a fragment; gives the message that it completes.
    pub fn push(&mut self, pdv: Pdv<'_>) -> Result<Option<Message>, PdataError> {
        if *self.context.get_or_insert(pdv.context) != pdv.context {
            return Err(PdataError::Interleaved);
        }
        match (pdv.is_command, &self.command) {
            (true, None) => {
                if self.command_bytes.len() + pdv.data.len() > self.max_command {
                    return Err(PdataError::CommandTooLong(self.max_command));
                }
                self.command_bytes.extend_from_slice(pdv.data);
                if !pdv.is_last {
                    return Ok(None);
                }
                let command = Command::read(&self.command_bytes)?;
                self.command_bytes.clear();
                let complete = !command.has_data;
                self.command = Some(command);
                Ok(if complete { self.finish() } else { None })
            }
            (false, Some(_)) => {
                if self.data.len() + pdv.data.len() > self.max_data {
                    return Err(PdataError::DataTooLong(self.max_data));
                }
                self.data.extend_from_slice(pdv.data);
                Ok(if pdv.is_last { self.finish() } else { None })
            }
            _ => Err(PdataError::OutOfOrder),
        }
    }

    fn finish(&mut self) -> Option<Message> {
        Some(Message {
            context: self.context.take()?,
            command: self.command.take()?,
            data: std::mem::take(&mut self.data),
        })
    }
}

/// Appends the P-DATA-TF PDUs of a message: as few as the peer's limit (`max_pdu`, length of the variable field, 0 = none) allows,
/// so that a small response is one PDU and one write. Fragments have even lengths.
pub fn fragment(out: &mut Vec<u8>, context: u8, command: &[u8], data: Option<&[u8]>, max_pdu: u32) {
    let limit = match max_pdu as usize {
        0 => UNLIMITED,
        n => n.clamp(SMALLEST, UNLIMITED),
    };
    out.reserve(command.len() + data.map_or(0, <[u8]>::len) + 4 * PDU_HEADER);
    let mut pdu = None;
    for (part, is_command) in [(Some(command), true), (data, false)] {
        let Some(mut rest) = part else { continue };
        loop {
            let at = *pdu.get_or_insert_with(|| open(out));
            let used = out.len() - at - PDU_HEADER;
            let room = limit.saturating_sub(used + PDV_HEADER) & !1;
            if room == 0 || (room < rest.len() && room < 32 && used > 0) {
                close(out, at);
                pdu = None;
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            rest = later;
            out.extend_from_slice(&(now.len() as u32 + 2).to_be_bytes());
            out.push(context);
            out.push(u8::from(is_command) | if rest.is_empty() { 2 } else { 0 });
            out.extend_from_slice(now);
            if rest.is_empty() {
                break;
            }
        }
    }
    if let Some(at) = pdu {
        close(out, at);
    }
}

fn open(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[P_DATA_TF, 0, 0, 0, 0, 0]);
    at
}

fn close(out: &mut [u8], at: usize) {
    let length = (out.len() - at - PDU_HEADER) as u32;
    if let Some(field) = out.get_mut(at + 2..at + PDU_HEADER) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// Fuzz target: any bytes as the variable field of a P-DATA-TF; nothing longer than the limits is put together.
pub fn fuzz_pdata(data: &[u8]) -> u64 {
    const LIMIT: usize = 4096;
    let mut reassembler = Reassembler::new(LIMIT);
    let mut messages = 0;
    for pdv in pdvs(data) {
        match pdv.and_then(|p| reassembler.push(p)) {
            Ok(Some(message)) => {
                assert!(message.data.len() <= LIMIT, "longer than the limit");
                messages += 1;
            }
            Ok(None) => {}
            Err(PdataError::Command(error)) => {
                return fuzzing::shape((messages.min(3), error.what));
            }
            Err(error) => return fuzzing::shape((messages.min(3), error.to_string())),
        }
    }
    fuzzing::shape((fuzzing::size(messages), reassembler.is_idle()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::dimse::{field, sop_class};
    use proptest::prelude::*;

    fn find(has_data: bool) -> Command {
        Command::c_request(
            field::C_FIND_RQ,
            sop_class::MODALITY_WORKLIST_FIND,
            3,
            has_data,
        )
    }

    fn bodies(mut pdus: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while let Some((head, rest)) = pdus.split_first_chunk::<6>() {
            assert_eq!(head[0], P_DATA_TF);
            let n = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
            found.push(&rest[..n]);
            pdus = &rest[n..];
        }
        found
    }

    fn reassemble(pdus: &[u8]) -> Result<Vec<Message>, PdataError> {
        let mut r = Reassembler::default();
        let mut messages = Vec::new();
        for body in bodies(pdus) {
            for pdv in pdvs(body) {
                messages.extend(r.push(pdv?)?);
            }
        }
        assert!(r.is_idle());
        Ok(messages)
    }

    #[test]
    fn a_small_response_is_one_pdu() {
        let mut out = Vec::new();
        fragment(&mut out, 1, &find(true).write(), Some(&[7; 600]), 16_384);
        assert_eq!(bodies(&out).len(), 1);
        assert_eq!(pdvs(bodies(&out)[0]).count(), 2);
    }

    #[test]
    fn fragments_out_of_place_and_over_the_limits_are_refused() {
        let pdv = |context, is_command, is_last, data| Pdv {
            context,
            is_command,
            is_last,
            data,
        };
        let command = find(true).write();
        let check = |given: &[Pdv<'_>], expected: PdataError| {
            let mut r = Reassembler::new(100);
            let found = given.iter().try_for_each(|p| r.push(*p).map(drop));
            assert_eq!(found, Err(expected));
        };
        check(&[pdv(1, false, true, b"x")], PdataError::OutOfOrder);
        check(
            &[pdv(1, true, false, b"x"), pdv(3, true, true, b"x")],
            PdataError::Interleaved,
        );
        check(
            &[pdv(1, true, true, &command), pdv(1, true, true, b"")],
            PdataError::OutOfOrder,
        );
        check(
            &[
                pdv(1, true, true, &command),
                pdv(1, false, false, &[0; 101]),
            ],
            PdataError::DataTooLong(100),
        );
        let long = vec![0; 70_000];
        check(
            &[pdv(1, true, false, &long)],
            PdataError::CommandTooLong(65_536),
        );
        assert_eq!(
            pdvs(b"\xFF\xFF\xFF\xFF\x01\x02").next(),
            Some(Err(PdataError::Malformed))
        );
        assert_eq!(
            pdvs(b"\0\0\0\x01\x01").next(),
            Some(Err(PdataError::Malformed))
        );
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_message(
            data in prop::option::of(prop::collection::vec(any::<u8>(), 0..3000)),
            max_pdu in prop_oneof![Just(0u32), 1u32..400, 4000u32..70_000],
        ) {
            let command = find(data.is_some());
            let mut out = Vec::new();
            fragment(&mut out, 5, &command.write(), data.as_deref(), max_pdu);
            for body in bodies(&out) {
                prop_assert!(max_pdu == 0 || body.len() <= (max_pdu as usize).max(SMALLEST));
            }
            let expected = Message { context: 5, command, data: data.unwrap_or_default() };
            prop_assert_eq!(reassemble(&out), Ok(vec![expected]));
        }

        #[test]
        fn any_cut_of_the_fragments_gives_the_same_message(
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let command = find(true);
            let (bytes, data) = (command.write(), vec![9u8; 300]);
            let mut r = Reassembler::default();
            let mut found = None;
            for (part, is_command) in [(&bytes, true), (&data, false)] {
                let mut rest = &part[..];
                let mut cut = cuts.iter().cycle();
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(cut.next().map_or(1, |c| *c).min(rest.len()));
                    rest = later;
                    found = r.push(Pdv { context: 1, is_command, is_last: rest.is_empty(), data: now }).expect("in order");
                }
            }
            prop_assert_eq!(found, Some(Message { context: 1, command, data }));
        }

        #[test]
        fn any_bytes_are_fragments_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_pdata(&data);
        }
    }
}
