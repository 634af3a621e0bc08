//! H.264 by a hardware encoder behind a V4L2 memory-to-memory node.
//!
//! ```text
//!  redacted frame ─▶ held ─copy─▶ buffer ─▶ driver ─▶ buffer ─copy─▶ access unit
//!                     └── until its unit is there, so that another encoder can take over ──┘
//! ```
//!
//! One thread and no callback: a frame is queued, and its unit is waited for, for no more than half the time between
//! two frames; what is not ready by then comes out with a later frame. A frame is held until its unit is there. Units
//! are matched to frames by the time stamp that the driver copies; one that comes out of turn, empty, marked as broken
//! or not at all is [`Fault::EncoderFailed`], and the frames that are held can be taken back ([`Fragile`]), so that
//! none is lost.
//!
//! v4l2r's own encoder is not used: it runs a thread that panics on an error and waits without end. Its calls are.
//! After [`M2m::find`] only these system calls are made: `ppoll`, `ioctl` with `VIDIOC_QBUF`, `VIDIOC_DQBUF`,
//! `VIDIOC_S_EXT_CTRLS`, and `VIDIOC_STREAMOFF`, `VIDIOC_STREAMON` where a driver knows no other way to a key frame; at
//! the end `munmap` and `close`.

mod control;
mod fill;
mod node;
mod opening;
mod queue;
mod sets;

use std::io;
use std::time::Duration;

use heapless::Deque;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use v4l2r::{PixelFormat, QueueType};

use super::AccessUnit;
use super::falling::Fragile;
use super::picture::Shown;
use crate::base::{Fault, Micros, Size};
use crate::mask::RedactedFrame;
use node::Node;
use queue::{Done, Queue};
use sets::{Content, Sets};

/// The queue of raw pictures, which V4L2 names from the program's side …
const INPUT: QueueType = QueueType::VideoOutputMplane;
/// … and that of coded ones.
const OUTPUT: QueueType = QueueType::VideoCaptureMplane;
/// Frames that may be inside the hardware. One that keeps more back is of no use on a live link.
pub(crate) const INSIDE: usize = 3;
/// Buffers for coded pictures: one for each frame inside, one for parameter sets that come alone.
const CODED_BUFFERS: u32 = 4;
/// Longest that a frame may be inside. The CM4's encoder takes 30 ms at 1080p.
const STALL: Micros = Micros::from_ms(500);
/// Longest wait for a frame's own unit, however slow the stream.
const SOON: Micros = Micros::from_ms(100);
/// Latest time stamp that a frame gets for its own, in microseconds: a century, which the kernel can tell in
/// nanoseconds.
const LATEST: i64 = 1 << 52;
/// Signals that a wait outlives.
const SIGNALS: usize = 8;

/// What comes out of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coded {
    H264,
    /// The kernel's test codec, for a kernel without hardware.
    #[cfg(test)]
    Fwht,
}

impl Coded {
    const fn format(self) -> PixelFormat {
        match self {
            Self::H264 => PixelFormat::from_fourcc(b"H264"),
            #[cfg(test)]
            Self::Fwht => PixelFormat::from_fourcc(b"FWHT"),
        }
    }
}

/// What the driver has of a frame.
struct Held<F> {
    frame: F,
    /// What it was stamped with.
    stamp: i64,
}

/// The hardware encoder.
pub(super) struct M2m<F = RedactedFrame> {
    // Dropped in this order: mappings before the device.
    input: Queue,
    output: Queue,
    node: Node,
    size: Size,
    full_range: bool,
    held: Deque<Held<F>, { INSIDE + 1 }>,
    coded: Coded,
    sets: Sets,
    /// The stamp of the last frame.
    last: i64,
    /// Number of the group of the last unit.
    group: Option<u64>,
    /// Longest time from one key frame to the next.
    group_time: Micros,
    /// When the last frame that was to be a key frame was captured.
    group_start: Option<Micros>,
    /// The next frame is to be a key frame, whatever the time.
    key_wanted: bool,
    /// Longest wait for a frame's own unit.
    soon: Micros,
    /// The driver makes a key frame when it is asked to; otherwise it is stopped and started.
    asks: bool,
}

impl<F: Shown> M2m<F> {
    /// Encodes a frame; see [`Encoder::submit`].
    fn encode(&mut self, frame: F, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let picture = frame.picture();
        let (sequence, captured, size) = (picture.sequence, picture.captured, picture.size);
        let stamp = i64::try_from(captured.0).unwrap_or(LATEST).min(LATEST).max(self.last.saturating_add(1));
        self.last = stamp;
        // There is a place: the last frame has not ended with more than INSIDE.
        let _ = self.held.push_back(Held { frame, stamp });
        let done = if size == self.size {
            self.pass(captured, out)
        } else {
            Err(io::Error::other(format!("{size} in a stream of {}", self.size)))
        };
        done.map_err(|error| self.failed(sequence, &error))
    }

    /// Brings the newest held frame into the hardware and takes out what is ready.
    fn pass(&mut self, captured: Micros, out: &mut Vec<AccessUnit>) -> io::Result<()> {
        self.collect(out)?;
        let late = |held: &Held<F>| captured.since(held.frame.picture().captured) > STALL;
        if self.held.len() > 1 && self.held.front().is_some_and(late) {
            return Err(io::Error::other("a frame went in and nothing came out"));
        }
        while self.held.len() > INSIDE || self.input.free().is_none() {
            self.wait_for_unit(STALL, out)?;
        }
        let over = |start| self.key_wanted || captured.since(start) >= self.group_time;
        if self.group_start.is_some_and(over) {
            self.make_key_frame(out)?;
            self.group_start = None;
        }
        self.group_start.get_or_insert(captured);
        self.key_wanted = false;
        let index = self.input.free().ok_or_else(|| io::Error::other("no buffer is free"))?;
        let Some(Held { frame, stamp }) = self.held.back() else { return Ok(()) };
        let raw = self.node.raw;
        fill::fill(&frame.picture(), raw, self.full_range, self.input.memory(index));
        self.input.queue(&self.node.fd, index, raw.bytes(), *stamp)?;
        if self.ready(self.soon)? { self.collect(out) } else { Ok(()) }
    }

    /// Makes the next frame that is queued a key frame.
    fn make_key_frame(&mut self, out: &mut Vec<AccessUnit>) -> io::Result<()> {
        if self.asks {
            self.asks = control::key_frame(&self.node.fd);
        }
        if self.asks {
            return Ok(());
        }
        // All but the newest frame are inside.
        while self.held.len() > 1 {
            self.wait_for_unit(STALL, out)?;
        }
        self.input.off(&self.node.fd)?;
        self.output.off(&self.node.fd)?;
        self.output.queue_all(&self.node.fd)?;
        self.input.on(&self.node.fd)?;
        self.output.on(&self.node.fd)
    }

    /// Waits for the next unit or buffer, and takes out what is ready.
    fn wait_for_unit(&mut self, longest: Micros, out: &mut Vec<AccessUnit>) -> io::Result<()> {
        let before = (self.held.len(), self.input.free());
        // Parameter sets may come in a buffer of their own, before the unit.
        for _ in 0..CODED_BUFFERS {
            if !self.ready(longest)? {
                return Err(io::Error::other(format!("nothing came out for {} ms", longest.0 / 1000)));
            }
            self.collect(out)?;
            if (self.held.len(), self.input.free()) != before {
                return Ok(());
            }
        }
        Err(io::Error::other("it said that something is ready and gave nothing"))
    }

    /// Whether a coded buffer is ready, within `longest`.
    fn ready(&self, longest: Micros) -> io::Result<bool> {
        let longest = Timespec::try_from(Duration::from_micros(longest.0)).map_err(io::Error::other)?;
        let mut node = [PollFd::new(&self.node.fd, PollFlags::IN)];
        for _ in 0..SIGNALS {
            match poll(&mut node, Some(&longest)) {
                Err(Errno::INTR) => {}
                other => return Ok(other? > 0),
            }
        }
        Ok(false)
    }

    /// Takes out every unit that is ready, and gets back the buffers of raw pictures.
    fn collect(&mut self, out: &mut Vec<AccessUnit>) -> io::Result<()> {
        while let Some(done) = self.output.done(&self.node.fd)? {
            let unit = self.unit(&done)?;
            self.output.queue(&self.node.fd, done.index, 0, 0)?;
            out.extend(unit);
        }
        while let Some(done) = self.input.done(&self.node.fd)? {
            if done.error {
                return Err(io::Error::other("it could not read a picture"));
            }
        }
        Ok(())
    }

    /// The unit in a buffer; none where it holds only what belongs to the next.
    fn unit(&mut self, done: &Done) -> io::Result<Option<AccessUnit>> {
        let content = self.output.memory(done.index).get(done.content.clone()).unwrap_or_default();
        if done.error || content.is_empty() {
            return Err(io::Error::other("it could not code a picture"));
        }
        let mut data = content.to_vec();
        let content = match self.coded {
            Coded::H264 => self.sets.complete(&mut data),
            #[cfg(test)]
            Coded::Fwht => tests::fwht_content(&data),
        };
        // Not by the buffer's flag: not every driver sets it, and only what is in the unit counts for a decoder.
        let key = match content {
            Content::Key => true,
            Content::Picture => false,
            Content::Sets => return Ok(None),
            Content::Undecodable => return Err(io::Error::other("it gives no parameter sets")),
        };
        if self.held.front().is_none_or(|held| held.stamp != done.stamp) {
            return Err(io::Error::other("it left out a frame, or changed the order"));
        }
        let group = match (self.group, key) {
            (None, true) => 0,
            (None, false) => return Err(io::Error::other("it did not begin with a key frame")),
            (Some(group), true) => group + 1,
            (Some(group), false) => group,
        };
        self.group = Some(group);
        let Some(Held { frame, .. }) = self.held.pop_front() else { return Ok(None) };
        let picture = frame.picture();
        let (sequence, captured) = (picture.sequence, picture.captured);
        Ok(Some(AccessUnit { sequence, captured, group, key, data }))
    }

    /// Takes out what is still inside.
    fn drain(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        while let Some(Held { frame, .. }) = self.held.front() {
            let sequence = frame.picture().sequence;
            self.wait_for_unit(STALL, out).map_err(|error| self.failed(sequence, &error))?;
        }
        Ok(())
    }

    fn failed(&self, sequence: u64, error: &io::Error) -> Fault {
        log::error!("frame {sequence}: hardware encoder {}: {error}", self.node.name);
        Fault::EncoderFailed
    }
}

impl<F: Shown> Fragile<F> for M2m<F> {
    fn submit(&mut self, frame: F, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.encode(frame, out)
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.drain(out)
    }

    fn take_back(&mut self) -> Option<F> {
        self.held.pop_front().map(|held| held.frame)
    }

    fn key_frame(&mut self) {
        self.key_wanted = true;
    }

    fn bitrate(&mut self, kbps: u32) {
        control::bitrate(&self.node.fd, kbps);
    }
}

#[cfg(test)]
mod tests;
