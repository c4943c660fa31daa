//! MLLP framing (HL7 v2 Transport, Minimal Lower Layer Protocol): `<VT> message <FS><CR>`. Pure: bytes in, frames out.
//!
//! Memory is bounded by the limit of one message and by the [`Room`] that all connections share, never by what a peer announces or
//! sends: of a message beyond either only the beginning is kept, enough to answer it by name. Whatever pieces the bytes arrive in,
//! the frames are the same.

mod room;

pub use room::{Held, Room};

use crate::fuzzing;
use std::collections::VecDeque;
use std::sync::Arc;

/// Start of a block.
pub const VT: u8 = 0x0B;
/// End of a block, followed by CR.
pub const FS: u8 = 0x1C;
const CR: u8 = 0x0D;
const LF: u8 = 0x0A;

/// How much of an oversize message is kept: its MSH, so that an AR can name the control id.
pub const OVERSIZE_HEAD: usize = 4096;

/// Why only the beginning of a message was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// It is longer than a message may be: it will never be taken.
    TooLong,
    /// Other messages held the memory at that moment: it may be sent again.
    NoRoom,
}

/// A message taken out of its frame.
#[derive(Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// The message; only its beginning if `cut`.
    pub bytes: Vec<u8>,
    /// Why only its beginning was kept, if so.
    pub cut: Option<Cut>,
    /// How long the message was.
    pub length: u64,
    /// Its share of the room, given back when it is dropped.
    pub held: Held,
}

/// Takes frames out of a stream of bytes.
#[derive(Debug)]
pub struct FrameReader {
    limit: usize,
    state: State,
    buffer: Vec<u8>,
    held: Held,
    cut: Option<Cut>,
    length: u64,
    frames: VecDeque<RawFrame>,
    noise: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    Inside,
    /// Inside, and the last byte was FS: what follows decides whether the frame ends.
    AfterFs,
}

impl FrameReader {
    /// A reader of messages of at most `limit` bytes, in a room of its own.
    pub fn new(limit: usize) -> Self {
        Self::within(limit, &Room::of(usize::MAX))
    }

    /// A reader of messages of at most `limit` bytes that shares a room with others.
    pub fn within(limit: usize, room: &Arc<Room>) -> Self {
        Self {
            limit,
            state: State::Outside,
            buffer: Vec::new(),
            held: Held::nothing(room),
            cut: None,
            length: 0,
            frames: VecDeque::new(),
            noise: 0,
        }
    }

    /// Takes the next bytes of the stream. Pop all frames before pushing more: completed frames wait in memory.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(&next) = bytes.first() {
            match self.state {
                State::Outside => {
                    let start = memchr::memchr(VT, bytes);
                    let (before, rest) = bytes.split_at(start.unwrap_or(bytes.len()));
                    // Line ends between frames are manners, not noise.
                    let noise = before.iter().filter(|b| !matches!(**b, CR | LF)).count();
                    self.noise += noise as u64;
                    bytes = rest.get(1..).unwrap_or_default();
                    if start.is_some() {
                        self.state = State::Inside;
                    }
                }
                State::Inside => {
                    let end = memchr::memchr(FS, bytes);
                    let (data, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                    self.keep(data);
                    bytes = rest.get(1..).unwrap_or_default();
                    if end.is_some() {
                        self.state = State::AfterFs;
                    }
                }
                State::AfterFs => match next {
                    CR => {
                        self.complete();
                        self.state = State::Outside;
                        bytes = bytes.get(1..).unwrap_or_default();
                    }
                    // A sender that leaves the CR out begins its next frame.
                    VT => {
                        self.complete();
                        self.state = State::Outside;
                    }
                    // FS does not belong into a message, but cutting the message there would lose its end.
                    _ => {
                        self.keep(&[FS]);
                        self.state = State::Inside;
                    }
                },
            }
        }
    }

    /// The next complete frame.
    pub fn pop(&mut self) -> Option<RawFrame> {
        self.frames.pop_front()
    }

    /// True while a frame has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.state != State::Outside
    }

    /// True if the last byte was the FS of a frame that has begun: nothing but its CR is missing.
    pub fn is_ending(&self) -> bool {
        self.state == State::AfterFs
    }

    /// Ends the frame whose FS was the last byte: nothing came for so long that its sender leaves the CR out.
    pub fn end(&mut self) {
        if self.is_ending() {
            self.complete();
            self.state = State::Outside;
        }
    }

    /// How many bytes stood outside any frame so far.
    pub fn noise(&self) -> u64 {
        self.noise
    }

    /// How many bytes are held for the frame that has begun.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    fn keep(&mut self, data: &[u8]) {
        self.length += data.len() as u64;
        if self.cut.is_none() {
            if self.length > self.limit as u64 {
                self.cut = Some(Cut::TooLong);
            } else if !self.held.more(data.len()) {
                self.cut = Some(Cut::NoRoom);
            } else {
                self.buffer.extend_from_slice(data);
                return;
            }
        }
        let head = OVERSIZE_HEAD.min(self.limit);
        let missing = head.saturating_sub(self.buffer.len());
        let more = data.get(..missing.min(data.len())).unwrap_or_default();
        self.buffer.extend_from_slice(more);
        self.buffer.truncate(head);
        self.buffer.shrink_to(head);
        self.held.give_back();
    }

    fn complete(&mut self) {
        let mut cut = self.cut.take();
        let held = self.held.take();
        let mut bytes = std::mem::take(&mut self.buffer);
        let mut length = std::mem::take(&mut self.length);
        // A sender that broke off and began again: the frame that never ended expects no answer.
        if let Some(restart) = memchr::memmem::rfind(&bytes, b"\x0BMSH") {
            self.noise += restart as u64 + 1;
            length -= restart as u64 + 1;
            bytes.drain(..=restart);
        }
        // What there was no room for may be too long all the same, and that is what helps its sender.
        if cut.is_some() && length > self.limit as u64 {
            cut = Some(Cut::TooLong);
        }
        self.frames.push_back(RawFrame {
            bytes,
            cut,
            length,
            held,
        });
    }
}

/// A message in its frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(message.len() + 3);
    framed.push(VT);
    framed.extend_from_slice(message);
    framed.extend_from_slice(&[FS, CR]);
    framed
}

/// Fuzz target: any bytes, in pieces of any size, stay within the limit and give the same frames as in one piece.
pub fn fuzz_mllp_frame(data: &[u8]) -> u64 {
    const LIMIT: usize = 64;
    let Some((&size, stream)) = data.split_first() else {
        return 0;
    };
    let mut at_once = FrameReader::new(LIMIT);
    at_once.push(stream);
    let mut in_pieces = FrameReader::new(LIMIT);
    for piece in stream.chunks(usize::from(size).max(1)) {
        in_pieces.push(piece);
        assert!(
            in_pieces.held() <= LIMIT,
            "more is held than the limit allows"
        );
    }
    assert_eq!(
        at_once.frames, in_pieces.frames,
        "frames depend on the pieces"
    );
    assert_eq!(
        at_once.noise, in_pieces.noise,
        "noise depends on the pieces"
    );
    let frames = at_once.frames.iter();
    fuzzing::shape((
        fuzzing::size(at_once.frames.len()),
        frames.filter(|f| f.cut.is_some()).count().min(2),
        fuzzing::size(at_once.noise as usize),
        at_once.is_inside(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(stream: &[u8], expected: &[&[u8]], noise: u64) {
        let mut reader = FrameReader::new(100);
        reader.push(stream);
        let found: Vec<_> = std::iter::from_fn(|| reader.pop())
            .map(|f| f.bytes)
            .collect();
        assert_eq!(found, expected);
        assert_eq!(reader.noise(), noise);
    }

    #[test]
    fn frames_are_taken_out_of_noise_in_order() {
        check(b"\x0BMSH|a\x1C\r", &[b"MSH|a"], 0);
        check(
            b"GET / HTTP\r\n\x0BMSH|a\x1C\r\r\n\x0BMSH|b\x1C\r",
            &[b"MSH|a", b"MSH|b"],
            10,
        );
        check(b"\x0B\x1C\r", &[b""], 0);
        check(b"no frame at all", &[], 15);
        check(b"\x0BMSH|open", &[], 0);
    }

    #[test]
    fn a_missing_cr_after_fs_ends_the_frame_when_the_next_begins() {
        check(b"\x0BMSH|a\x1C\x0BMSH|b\x1C\r", &[b"MSH|a", b"MSH|b"], 0);
    }

    #[test]
    fn an_fs_inside_a_message_does_not_cut_it() {
        check(b"\x0BMSH|a\x1Cb\x1C\x1C\r", &[b"MSH|a\x1Cb\x1C"], 0);
    }

    #[test]
    fn a_frame_that_was_begun_again_is_only_its_second_half() {
        check(b"\x0BMSH|bro\x0BMSH|whole\x1C\r", &[b"MSH|whole"], 8);
        check(
            b"\x0BMSH|a soft\x0Bbreak\x1C\r",
            &[b"MSH|a soft\x0Bbreak"],
            0,
        );
    }

    #[test]
    fn an_oversize_message_keeps_its_head_and_the_stream_goes_on() {
        let mut reader = FrameReader::new(10_000);
        let long = [b"MSH|^~\\&|".as_slice(), &[b'x'; 50_000]].concat();
        for piece in frame(&long).chunks(777) {
            reader.push(piece);
            assert!(reader.held() <= 10_000);
        }
        reader.push(&frame(b"MSH|next"));
        let first = reader.pop().expect("an oversize frame");
        assert_eq!(first.cut, Some(Cut::TooLong));
        assert_eq!((first.bytes.len(), first.length), (OVERSIZE_HEAD, 50_009));
        assert_eq!(&first.bytes[..9], b"MSH|^~\\&|");
        let second = reader.pop().expect("the next frame");
        assert_eq!(
            (second.bytes.as_slice(), second.cut),
            (b"MSH|next".as_slice(), None)
        );
    }

    #[test]
    fn a_message_of_exactly_the_limit_is_not_oversize() {
        let mut reader = FrameReader::new(8);
        reader.push(&[frame(b"MSH|next"), frame(b"MSH|next.")].concat());
        assert_eq!(reader.pop().map(|f| f.cut), Some(None));
        assert_eq!(reader.pop().map(|f| f.cut), Some(Some(Cut::TooLong)));
    }

    #[test]
    fn a_frame_whose_cr_never_comes_can_be_ended() {
        let mut reader = FrameReader::new(100);
        reader.push(b"\x0BMSH|a\x1C");
        assert!(reader.is_ending() && reader.pop().is_none());
        reader.end();
        assert_eq!(reader.pop().map(|f| f.bytes), Some(b"MSH|a".to_vec()));
        // The CR comes after all: it is the end of a line between frames.
        reader.push(b"\r\x0BMSH|b");
        reader.end();
        assert!(reader.pop().is_none() && reader.is_inside());
        assert_eq!(reader.noise(), 0);
    }

    #[test]
    fn readers_share_a_room_and_what_finds_none_is_cut() {
        let room = Room::of(100);
        let readers = || FrameReader::within(90, &room);
        let (mut first, mut second, mut third) = (readers(), readers(), readers());
        first.push(&frame(&[b'a'; 60]));
        second.push(&frame(&[b'b'; 50]));
        let first = first.pop().expect("the first frame");
        let cut = second.pop().expect("the second frame");
        assert_eq!(
            (first.cut, cut.cut, cut.length),
            (None, Some(Cut::NoRoom), 50)
        );
        // A message in hand holds its room until it is dropped, one that was cut holds none.
        third.push(&frame(&[b'c'; 41]));
        assert_eq!(third.pop().map(|f| f.cut), Some(Some(Cut::NoRoom)));
        drop(first);
        third.push(&frame(&[b'c'; 50]));
        assert_eq!(third.pop().map(|f| f.cut), Some(None));
        third.push(b"\x0Bnever ended");
        drop(third);
        assert_eq!(room.used(), 0);
    }

    proptest! {
        #[test]
        fn frames_are_the_same_wherever_the_stream_is_split(
            stream in proptest::collection::vec(prop_oneof![Just(VT), Just(FS), Just(CR), Just(b'M'), Just(b'S'), Just(b'H'), any::<u8>()], 0..200),
            size in 1u8..20,
        ) {
            fuzz_mllp_frame(&[&[size], stream.as_slice()].concat());
        }

        #[test]
        fn what_is_framed_is_read_back(message in "[^\u{B}\u{1C}]{0,80}") {
            let mut reader = FrameReader::new(1000);
            reader.push(&frame(message.as_bytes()));
            prop_assert_eq!(reader.pop().map(|f| f.bytes), Some(message.into_bytes()));
        }
    }
}
