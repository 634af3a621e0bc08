//! An encoder that may fail, and one that takes over: the stream goes on at a key frame, and no frame is lost.
//!
//! Hardware encoders run out of memory, hang or vanish in flight. What such a one has not given back by then is encoded
//! again by the other, from the first frame that has no unit, in order: the lit side hears of every frame exactly once.
//! There is no way back within a run. The one that failed is kept until the end: to close a driver that hangs would
//! hang this side, too.

use super::{AccessUnit, Backend, EncodeError, Encoder};
use crate::base::Fault;
use crate::mask::RedactedFrame;

/// An encoder that keeps each frame until it has given its unit.
pub(super) trait Fragile<F>: Send {
    /// As [`Encoder::submit`]. After an error it is not asked to encode any more.
    ///
    /// # Errors
    /// As [`Encoder::submit`]; units that were ready are in `out` all the same.
    fn submit(&mut self, frame: F, out: &mut Vec<AccessUnit>) -> Result<(), Fault>;

    /// As [`Encoder::finish`].
    ///
    /// # Errors
    /// As [`Fragile::submit`].
    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault>;

    /// The oldest frame that was submitted and has no unit, until there is none.
    fn take_back(&mut self) -> Option<F>;

    /// As [`Encoder::key_frame`].
    fn key_frame(&mut self);

    /// As [`Encoder::bitrate`].
    fn bitrate(&mut self, kbps: u32);
}

/// Opens the encoder that takes over.
pub(super) type Open = Box<dyn Fn() -> Result<Box<dyn Encoder>, EncodeError> + Send>;

/// Encodes with the first as long as it works, and with the second from then on.
pub(super) struct Falling {
    first: Box<dyn Fragile<RedactedFrame>>,
    open: Open,
    second: Option<Box<dyn Encoder>>,
    /// The bitrate that was asked for last.
    kbps: Option<u32>,
    /// The group of the last unit.
    group: Option<u64>,
    /// What is added to the second one's groups.
    base: u64,
}

impl Falling {
    /// `first`, and what `open` gives when that fails.
    pub(super) fn new(first: Box<dyn Fragile<RedactedFrame>>, open: Open) -> Self {
        Self { first, open, second: None, kbps: None, group: None, base: 0 }
    }

    /// The first one has failed: opens the second, and gives it the frames that have no unit yet.
    fn fall(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let mut second = (self.open)().map_err(|error| {
            log::error!("no other encoder takes over: {error}");
            Fault::EncoderFailed
        })?;
        if let Some(kbps) = self.kbps {
            second.bitrate(kbps);
        }
        self.base = self.group.map_or(0, |group| group + 1);
        self.second = Some(second);
        let mut again = 0;
        while let Some(frame) = self.first.take_back() {
            self.after(frame, out)?;
            again += 1;
        }
        log::error!("another encoder has taken over with group {}, {again} frames were encoded again", self.base);
        Ok(())
    }

    /// Encodes with the second one.
    fn after(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let before = out.len();
        let Some(second) = &mut self.second else { return Err(Fault::EncoderFailed) };
        let done = second.submit(frame, out);
        self.shift(before, out);
        done
    }

    fn shift(&self, before: usize, out: &mut [AccessUnit]) {
        out.iter_mut().skip(before).for_each(|unit| unit.group += self.base);
    }

    fn note(&mut self, before: usize, out: &[AccessUnit]) {
        if let Some(last) = out.iter().skip(before).next_back() {
            self.group = Some(last.group);
        }
    }
}

impl Encoder for Falling {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        if self.second.is_some() {
            return self.after(frame, out);
        }
        let before = out.len();
        let done = self.first.submit(frame, out);
        self.note(before, out);
        done.or_else(|_| self.fall(out))
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        if self.second.is_none() {
            let before = out.len();
            let done = self.first.finish(out);
            self.note(before, out);
            if done.is_ok() {
                return Ok(());
            }
            self.fall(out)?;
        }
        let before = out.len();
        let Some(second) = &mut self.second else { return Err(Fault::EncoderFailed) };
        let done = second.finish(out);
        self.shift(before, out);
        done
    }

    fn key_frame(&mut self) {
        match &mut self.second {
            Some(second) => second.key_frame(),
            None => self.first.key_frame(),
        }
    }

    fn bitrate(&mut self, kbps: u32) {
        self.kbps = Some(kbps);
        match &mut self.second {
            Some(second) => second.bitrate(kbps),
            None => self.first.bitrate(kbps),
        }
    }

    fn backend(&self) -> Backend {
        self.second.as_ref().map_or(Backend::M2m, |second| second.backend())
    }
}

#[cfg(test)]
mod tests;
