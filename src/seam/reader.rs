//! The receiving end: bytes as they trickle in, messages as they become whole.
//!
//! Treats the other side as hostile. A length is believed only as far as bytes have come: the buffer grows when it is
//! full of bytes of one message, never because a head asks for it, and no further than the longest message. What was
//! wrong once stays wrong: after an error nothing more is read. A message that comes byte by byte is kept over any
//! number of calls; that nothing whole has come in time is the caller's to judge, by its own clock.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::time::Duration;

use crate::base::{Clock, Micros};

use super::direction::Direction;
use super::error::{SeamError, Wrong};
use super::head::{self, HEAD, Head, OPENING, VERSION};
use super::report::BODY_MAX;

/// Bytes held from the start: a usual key frame at 720p.
const FIRST: usize = 64 << 10;
/// Bytes held at most: the longest message.
const MOST: usize = HEAD + BODY_MAX;

/// Where bytes come from.
pub trait Source {
    /// Reads some bytes; 0 where there will be none any more.
    ///
    /// # Errors [`ErrorKind::WouldBlock`] if none came within `longest`, which may be zero; [`ErrorKind::Interrupted`]
    /// by a signal; what the system says.
    fn read_within(&mut self, longest: Duration, into: &mut [u8]) -> io::Result<usize>;
}

/// Whatever reads. It is not told how long it may wait: where that matters, it must not wait at all.
impl<R: Read> Source for R {
    fn read_within(&mut self, _longest: Duration, into: &mut [u8]) -> io::Result<usize> {
        self.read(into)
    }
}

/// Reads messages from a source.
pub struct Reader<S, D> {
    source: S,
    direction: D,
    bytes: Vec<u8>,
    /// Of `bytes`, those that have come and were not taken yet.
    unread: Range<usize>,
    /// Bytes of the stream before the unread ones.
    offset: u64,
    opened: bool,
    /// Messages so far.
    number: u64,
    /// The head of the message under way, checked.
    head: Option<Head>,
    dead: Option<SeamError>,
}

impl<S: Source, D: Direction> Reader<S, D> {
    /// A reader at the start of a stream.
    pub fn new(source: S) -> Self {
        Self {
            source,
            direction: D::default(),
            bytes: vec![0; FIRST],
            unread: 0..0,
            offset: 0,
            opened: false,
            number: 0,
            head: None,
            dead: None,
        }
    }

    /// The next message; `None` if none has become whole by `until` on `clock`. Looks at least once, also where that is
    /// in the past, and keeps what has come of a message for the next call.
    ///
    /// # Errors [`SeamError::Garbled`] or [`SeamError::Version`] where the other side sends what it may not,
    /// [`SeamError::Broken`] where it ends without a word, [`SeamError::Over`] where it has ended as it said,
    /// [`SeamError::Read`]. From then on the same again.
    pub fn receive(&mut self, clock: &dyn Clock, until: Micros) -> Result<Option<D::Message<'_>>, SeamError> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        let whole = self.gather(clock, until);
        let (head, body, offset) = match whole {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.dead = Some(error);
                return Err(error);
            }
        };
        let body = self.bytes.get(body).unwrap_or_default();
        let (at, wrong) = if head.fits(body) {
            match D::decode(head.kind, body) {
                Ok(message) => match self.direction.check(&message) {
                    Ok(()) => {
                        self.direction.note(&message);
                        return Ok(Some(message));
                    }
                    Err(wrong) => (0, wrong),
                },
                Err(misread) => (misread.at, misread.wrong),
            }
        } else {
            (0, Wrong::Body)
        };
        let error = garbled::<D>(offset, at, wrong);
        self.dead = Some(error);
        Err(error)
    }

    /// Bytes of memory that the reader holds: 64 KiB, or at most twice the longest message that has come so far.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes of the stream that whole messages have taken.
    pub const fn offset(&self) -> u64 {
        self.offset - if self.head.is_some() { HEAD as u64 } else { 0 }
    }

    /// Where they come from.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Reads until a message is whole: its head, where its body lies, and the offset of that.
    fn gather(&mut self, clock: &dyn Clock, until: Micros) -> Result<Option<(Head, Range<usize>, u64)>, SeamError> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Some(message));
            }
            let left = until.since(clock.now());
            self.make_room();
            let room = self.bytes.get_mut(self.unread.end..).unwrap_or_default();
            match self.source.read_within(Duration::from_micros(left.0), room) {
                Ok(0) if self.direction.over() => return Err(SeamError::Over { from: D::FROM }),
                Ok(0) => return Err(SeamError::Broken { from: D::FROM, offset: self.come() }),
                // A source that claims more than there was room for would be at fault itself.
                Ok(read) => self.unread.end = self.unread.end.saturating_add(read).min(self.bytes.len()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted && left > Micros(0) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(None),
                Err(error) => {
                    return Err(SeamError::Read { from: D::FROM, offset: self.come(), reason: error.kind() });
                }
            }
            // The last look: what has come may be whole, but there is no time to wait for more.
            if left == Micros(0) {
                return self.whole();
            }
        }
    }

    /// Takes the message at the front, if all of it has come.
    fn whole(&mut self) -> Result<Option<(Head, Range<usize>, u64)>, SeamError> {
        if !self.opened {
            let Some(opening) = self.first::<OPENING>() else { return Ok(None) };
            match head::version(D::FROM, &opening) {
                Ok(VERSION) => {}
                Ok(theirs) => return Err(SeamError::Version { from: D::FROM, theirs, ours: VERSION }),
                Err(at) => return Err(garbled::<D>(self.offset, at, Wrong::Opening)),
            }
            self.take(OPENING);
            self.opened = true;
        }
        let head = match self.head {
            Some(head) => head,
            None if self.direction.over() && !self.unread.is_empty() => {
                return Err(garbled::<D>(self.offset, 0, Wrong::Late));
            }
            None => {
                let Some(bytes) = self.first::<HEAD>() else { return Ok(None) };
                let head = self.admit(&bytes).map_err(|wrong| garbled::<D>(self.offset, 0, wrong))?;
                self.take(HEAD);
                self.head = Some(head);
                head
            }
        };
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if self.unread.len() < length {
            return Ok(None);
        }
        let (body, offset) = (self.unread.start..self.unread.start + length, self.offset);
        self.take(length);
        self.head = None;
        self.number += 1;
        Ok(Some((head, body, offset)))
    }

    /// A head that may come now.
    fn admit(&self, bytes: &[u8; HEAD]) -> Result<Head, Wrong> {
        let head = Head::read(bytes)?;
        if head.number != self.number {
            return Err(Wrong::Number { got: head.number, due: self.number });
        }
        self.direction.expect(head.kind, usize::try_from(head.length).unwrap_or(usize::MAX))?;
        Ok(head)
    }

    /// The first `N` unread bytes.
    fn first<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes.get(self.unread.clone()).and_then(<[u8]>::first_chunk).copied()
    }

    /// Counts `count` unread bytes as taken.
    fn take(&mut self, count: usize) {
        self.unread.start += count;
        self.offset += wide(count);
    }

    /// Bytes that have come.
    fn come(&self) -> u64 {
        self.offset + wide(self.unread.len())
    }

    /// Makes room behind the unread bytes: moves them to the front, or grows where that is of no use. As no message is
    /// whole, a full buffer of [`MOST`] bytes cannot be.
    fn make_room(&mut self) {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.bytes.len() {
            if self.unread.start > 0 {
                self.bytes.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            } else {
                let longer = self.bytes.len().saturating_mul(2).min(MOST);
                self.bytes.reserve_exact(longer - self.bytes.len());
                self.bytes.resize(longer, 0);
            }
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn garbled<D: Direction>(offset: u64, at: usize, wrong: Wrong) -> SeamError {
    SeamError::Garbled { from: D::FROM, offset: offset.saturating_add(wide(at)), wrong }
}
