//! What can go wrong on the seam, each with its message.
//!
//! Everything here is a small value that can be kept and told again: a pipe that went wrong once stays wrong.

use std::io::ErrorKind;

use super::message::Side;

/// Why nothing more comes, or why a message was not sent. The message names side, place and mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeamError {
    /// The other side sent what it may not: it is broken, or it lies.
    #[error("pipe from the {from} side, byte {offset}: {wrong}: restart voile on the ground and keep the log")]
    Garbled {
        /// Who sent it.
        from: Side,
        /// Bytes of the stream before the place.
        offset: u64,
        /// What was wrong there.
        wrong: Wrong,
    },
    /// The other side was built for another form of the seam.
    #[error(
        "the {from} side speaks version {theirs} of the seam, this side version {ours}: start both from one binary"
    )]
    Version {
        /// Who sent it.
        from: Side,
        /// The version it named.
        theirs: u16,
        /// [`super::VERSION`].
        ours: u16,
    },
    /// The pipe ended before the other side had said that it would.
    #[error("pipe from the {from} side, byte {offset}: it ended without a word: see why that side died")]
    Broken {
        /// Who died.
        from: Side,
        /// Bytes that came.
        offset: u64,
    },
    /// The system refused to read.
    #[error("pipe from the {from} side, byte {offset}: {reason}: restart voile on the ground")]
    Read {
        /// Whose pipe.
        from: Side,
        /// Bytes that came before.
        offset: u64,
        /// What the system said.
        reason: ErrorKind,
    },
    /// The other side has said that it ends, and its pipe ended with that. Nothing is wrong.
    #[error("pipe from the {from} side: over, as was said: receive no more")]
    Over {
        /// Who ended.
        from: Side,
    },
    /// The message breaks the rules that the other side would hold it to. Nothing was sent; the pipe is as before.
    #[error("message {number} of the {from} side: {wrong}: it was not sent, send what the rules allow")]
    Refused {
        /// Who wanted to send it.
        from: Side,
        /// Which message it would have been, from 0.
        number: u64,
        /// What is wrong with it.
        wrong: Wrong,
    },
    /// No byte of the message found room in time. The pipe is as before: the same message or another may be tried.
    #[error("message {number} of the {from} side: the pipe is full: the other side hangs, trip or try again")]
    Full {
        /// Who wanted to send it.
        from: Side,
        /// Which message, from 0.
        number: u64,
    },
    /// Part of the message found room in time, the rest did not. The pipe is dead.
    #[error("message {number} of the {from} side: torn after {written} of {length} bytes: restart voile on the ground")]
    Torn {
        /// Who wanted to send it.
        from: Side,
        /// Which message, from 0.
        number: u64,
        /// Bytes that went out.
        written: usize,
        /// Bytes that it has.
        length: usize,
    },
    /// The system refused to write, `BrokenPipe` where the other side is gone. The pipe is dead.
    #[error("message {number} of the {from} side: {reason}: see why the other side died")]
    Write {
        /// Who wanted to send it.
        from: Side,
        /// Which message, from 0.
        number: u64,
        /// What the system said.
        reason: ErrorKind,
    },
    /// What was handed over as one end of the seam is not a pipe, or cannot be made ready.
    #[error("the seam's descriptor: {reason}: start voile by its service or `voile run`, not by hand")]
    Descriptor {
        /// What is wrong with it.
        reason: ErrorKind,
    },
}

impl SeamError {
    /// Whether the other side sent what it may not, rather than dying or hanging.
    pub const fn garbled(&self) -> bool {
        matches!(self, Self::Garbled { .. } | Self::Version { .. })
    }

    /// Whether a writer may go on after it: nothing of the message went out.
    pub const fn may_go_on(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Full { .. })
    }
}

/// What was wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The first bytes are not those of this side's stream.
    #[error("this is not how its stream opens")]
    Opening,
    /// A head whose check does not hold.
    #[error("damaged head of a message")]
    Head,
    /// A body whose check does not hold.
    #[error("damaged body of a message")]
    Body,
    /// A message is lost, came twice, or out of turn.
    #[error("message {got} where {due} was due")]
    Number {
        /// The number it carries.
        got: u64,
        /// The number it should carry.
        due: u64,
    },
    /// No such message from this side.
    #[error("unknown kind of message {0:#04x}")]
    Kind(u8),
    /// Another length than messages of its kind have.
    #[error("{kind} of {got} bytes, {low} to {high} are allowed")]
    Length {
        /// What kind of message.
        kind: &'static str,
        /// The length it announces.
        got: usize,
        /// The shortest.
        low: usize,
        /// The longest.
        high: usize,
    },
    /// A number outside its range.
    #[error("{field} {got}, outside {low} to {high}")]
    Range {
        /// Which.
        field: &'static str,
        /// The number.
        got: u64,
        /// The smallest that is allowed.
        low: u64,
        /// The largest that is allowed.
        high: u64,
    },
    /// A fraction outside its range, negative (also -0) or not a number.
    #[error("{field} {}, outside 0 to {}", f32::from_bits(*.bits), f32::from_bits(*.high_bits))]
    Fraction {
        /// Which.
        field: &'static str,
        /// The bits of the number.
        bits: u32,
        /// The bits of the largest that is allowed.
        high_bits: u32,
    },
    /// More pixels than [`super::AREA_MAX`].
    #[error("picture of {width}x{height}, more than {} pixels", super::AREA_MAX)]
    Area {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// Slower than 1/10 or faster than 240 frames a second.
    #[error("frame rate {frames}/{seconds}, outside 1/10 to 240")]
    Rate {
        /// Frames …
        frames: u32,
        /// … in so many seconds.
        seconds: u32,
    },
    /// A value too large for its place.
    #[error("{0} with a value too large for its place")]
    Unfit(&'static str),
    /// Something before the hello.
    #[error("{0} before the hello")]
    Early(&'static str),
    /// A second hello.
    #[error("a second hello")]
    Twice,
    /// Something after the last message.
    #[error("more after the end")]
    Late,
    /// A slate that claims to send something clear.
    #[error("a slate that claims to send something clear")]
    ClearSlate,
    /// A redacted frame whose number is not above all before it.
    #[error("redacted frame {got} after frame {before}")]
    Back {
        /// Its number.
        got: u64,
        /// The highest number before it.
        before: u64,
    },
    /// More frames under way than any encoder holds.
    #[error("{0} frames without a unit")]
    Waiting(usize),
    /// A unit of another frame than the oldest that has none.
    #[error("unit of frame {got}, which is not the next to come")]
    Stranger {
        /// The frame it names.
        got: u64,
    },
    /// A unit in the wrong group: each key frame begins the next one, and the first unit is a key frame in group 0.
    #[error("unit of group {got}, key {key}, where group {due} was due")]
    Group {
        /// The group it names.
        got: u64,
        /// Whether it is a key frame.
        key: bool,
        /// The group it should name.
        due: u64,
    },
    /// Counts that contradict what was sent.
    #[error("{frames} frames at the end, after {reported} reports and {dropped} dropped")]
    Tally {
        /// Frames it claims.
        frames: u64,
        /// Dropped frames it claims.
        dropped: u64,
        /// Health reports that came.
        reported: u64,
    },
}

/// Something wrong so many bytes into a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Bytes of the body before the place.
    pub at: usize,
    /// What was wrong there.
    pub wrong: Wrong,
}
