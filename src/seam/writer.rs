//! The sending end: each message whole, in time, and by the reader's rules.
//!
//! A message goes out whole or the pipe is dead. What is left of a torn message is not kept to be sent later: a reader
//! that leaves a full pipe standing beyond the deadline is hung, and a stream that goes on where it was torn would only
//! bring it old pictures when it wakes. A message of which no byte went out is as if it had never been tried. Those of
//! up to 4096 bytes (all but large units) the kernel takes whole or not at all, so they never tear.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use crate::base::{Clock, Micros};

use super::direction::Direction;
use super::error::{SeamError, Wrong};
use super::head::{self, HEAD, Head, OPENING};

/// Bytes held from the start, as by the reader.
const FIRST: usize = 64 << 10;

/// Where bytes go.
pub trait Sink {
    /// Writes some bytes.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there was room for none within `longest`, which may be zero;
    /// [`ErrorKind::Interrupted`] by a signal; what the system says.
    fn write_within(&mut self, longest: Duration, bytes: &[u8]) -> io::Result<usize>;
}

/// Whatever writes. It is not told how long it may wait: where that matters, it must not wait at all.
impl<W: Write> Sink for W {
    fn write_within(&mut self, _longest: Duration, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }
}

/// Writes messages to a sink.
pub struct Writer<K, D> {
    sink: K,
    direction: D,
    /// The message under way.
    bytes: Vec<u8>,
    opened: bool,
    /// Messages so far.
    number: u64,
    dead: Option<SeamError>,
}

impl<K: Sink, D: Direction> Writer<K, D> {
    /// A writer at the start of a stream.
    pub fn new(sink: K) -> Self {
        let bytes = Vec::with_capacity(FIRST);
        Self { sink, direction: D::default(), bytes, opened: false, number: 0, dead: None }
    }

    /// Sends the opening ahead of the first message, so that the other side learns of another version at once.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub fn open(&mut self, clock: &dyn Clock, until: Micros) -> Result<(), SeamError> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        self.bytes.clear();
        if !self.opened {
            self.bytes.extend(head::opening(D::FROM));
        }
        self.write(clock, until)
    }

    /// Sends `message` by `until` on `clock`; tries once where that is in the past.
    ///
    /// # Errors [`SeamError::Refused`] and [`SeamError::Full`]: nothing went out, and the writer may go on.
    /// [`SeamError::Torn`] and [`SeamError::Write`]: the pipe is dead, and the same comes again.
    pub fn send(&mut self, message: &D::Message<'_>, clock: &dyn Clock, until: Micros) -> Result<(), SeamError> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        self.stage(message).map_err(|wrong| SeamError::Refused { from: D::FROM, number: self.number, wrong })?;
        self.write(clock, until)?;
        self.direction.note(message);
        self.number += 1;
        Ok(())
    }

    /// Where they go.
    pub const fn sink(&self) -> &K {
        &self.sink
    }

    /// Writes out what goes through the pipe, and reads it back as the other side will.
    fn stage(&mut self, message: &D::Message<'_>) -> Result<(), Wrong> {
        self.bytes.clear();
        if !self.opened {
            self.bytes.extend(head::opening(D::FROM));
        }
        let start = self.bytes.len();
        self.bytes.extend([0; HEAD]);
        let kind = D::encode(message, &mut self.bytes);
        let (front, body) = self.bytes.split_at_mut_checked(start + HEAD).ok_or(Wrong::Unfit("message"))?;
        self.direction.expect(kind, body.len())?;
        let back = D::decode(kind, body).map_err(|misread| misread.wrong)?;
        if !D::same(message, &back) {
            return Err(Wrong::Unfit("message"));
        }
        self.direction.check(message)?;
        let head = Head::of(kind, self.number, body).ok_or(Wrong::Unfit("message"))?;
        front.iter_mut().skip(start).zip(head.bytes()).for_each(|(byte, made)| *byte = made);
        Ok(())
    }

    fn write(&mut self, clock: &dyn Clock, until: Micros) -> Result<(), SeamError> {
        let (from, number, length) = (D::FROM, self.number, self.bytes.len());
        let mut written = 0;
        while let Some(rest) = self.bytes.get(written..).filter(|rest| !rest.is_empty()) {
            let left = until.since(clock.now());
            let reason = match self.sink.write_within(Duration::from_micros(left.0), rest) {
                Ok(0) => Some(ErrorKind::WriteZero),
                Ok(more) => {
                    written = written.saturating_add(more).min(length);
                    None
                }
                Err(error) if error.kind() == ErrorKind::Interrupted && left > Micros(0) => None,
                Err(error) => Some(error.kind()),
            };
            let error = match reason {
                None if left > Micros(0) || written == length => continue,
                None | Some(ErrorKind::WouldBlock | ErrorKind::Interrupted) if written == 0 => {
                    return Err(SeamError::Full { from, number });
                }
                None | Some(ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    SeamError::Torn { from, number, written, length }
                }
                Some(reason) => SeamError::Write { from, number, reason },
            };
            self.dead = Some(error);
            return Err(error);
        }
        self.opened |= length >= OPENING;
        Ok(())
    }
}
