//! From a device node to an encoder that runs: everything that must happen before rights are given up.
//!
//! Formats, buffers and mappings are made here and stay. Starts no thread.

use std::path::Path;

use heapless::Deque;

use super::control::{self, Wishes};
use super::node::{self, Node, Refusal};
use super::queue::Queue;
use super::sets::Sets;
use super::{CODED_BUFFERS, Coded, INPUT, INSIDE, M2m, OUTPUT, SOON};
use crate::base::{Micros, Size};
use crate::encode::picture::Shown;
use crate::encode::{EncodeError, Settings};

impl<F: Shown> M2m<F> {
    /// Opens the first hardware encoder for H.264 that answers.
    ///
    /// # Errors
    /// [`EncodeError::Hardware`] names the nodes and why they cannot be used.
    pub(in crate::encode) fn find(
        settings: &Settings,
        size: Size,
        rate: (u32, u32),
        full_range: bool,
    ) -> Result<Self, EncodeError> {
        let mut reasons = Vec::new();
        let nodes = node::nodes();
        for path in &nodes {
            match Self::open(path, Coded::H264, settings, size, rate, full_range) {
                Ok(encoder) => {
                    log::info!("{} encodes, rows of {} bytes", encoder.node.name, encoder.node.raw.stride);
                    return Ok(encoder);
                }
                Err(Refusal::Other) => {}
                Err(Refusal::Unfit(reason)) => reasons.push(format!("{}: {reason}", path.display())),
            }
        }
        if reasons.is_empty() {
            reasons.push(format!("none of the {} nodes /dev/video* takes pictures and gives H.264", nodes.len()));
        }
        let mend =
            "use \"auto\" or \"openh264\", or give the right to open the node (group video), or a kernel that has one";
        Err(EncodeError::Hardware { reason: reasons.join("; "), mend })
    }

    /// Opens the node at `path`, which is to give `coded`; nothing is allocated after that but units.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn open(
        path: &Path,
        coded: Coded,
        settings: &Settings,
        size: Size,
        rate: (u32, u32),
        full_range: bool,
    ) -> Result<Self, Refusal> {
        if !size.width.is_multiple_of(2) || !size.height.is_multiple_of(2) {
            return Err(Refusal::Unfit(format!("{size} has an odd side: crop it")));
        }
        let node = Node::open(path, coded, size)?;
        let (frames, seconds) = (u64::from(rate.0.max(1)), u64::from(rate.1.max(1)));
        let interval = Micros(seconds * 1_000_000 / frames);
        let group_time = Micros::from_ms(u64::from(settings.group_ms));
        let group = (group_time.0 / interval.0.max(1)).max(1);
        control::set_up(&node.fd, &Wishes { size, rate, kbps: settings.bitrate_kbps, group });
        let input = Queue::allocate(&node.fd, INPUT, u32::try_from(INSIDE).unwrap_or(1))?;
        if input.smallest() < node.raw.bytes() {
            return Err(Refusal::Unfit(format!("its buffers hold {} of {} bytes", input.smallest(), node.raw.bytes())));
        }
        let mut output = Queue::allocate(&node.fd, OUTPUT, CODED_BUFFERS)?;
        output.queue_all(&node.fd)?;
        input.on(&node.fd)?;
        output.on(&node.fd)?;
        // Asked before the first frame, which is a key frame anyway.
        let asks = control::key_frame(&node.fd);
        Ok(Self {
            input,
            output,
            node,
            size,
            full_range,
            held: Deque::new(),
            coded,
            sets: Sets::new(),
            last: 0,
            group: None,
            // Half an interval less, so that jitter of the stamps makes no group a frame longer.
            group_time: group_time.since(Micros(interval.0 / 2)),
            group_start: None,
            key_wanted: false,
            soon: Micros(interval.0 / 2).min(SOON),
            asks,
        })
    }
}
