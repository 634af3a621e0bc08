//! V4L2: a camera behind a device node of the kernel.
//!
//! USB, or CSI behind an ISP; single-planar or multi-planar. [`open`] settles format, size and rate and maps the
//! buffers; from then on a frame costs one copy out of the driver's buffer (`convert`), which goes home at once
//! (`driver`). All that can go wrong while frames come ends on the covered side: a short, damaged or undecodable
//! buffer, a number that repeats, a time that cannot be, silence, an unplugged device (`capture`).
//!
//! ```text
//!  node (kernel, v4l2r) ─▶ driver (one small trait; the tests script another) ─▶ capture ─▶ RawFrame
//!    └ asked ─▶ negotiate ─▶ coding (where planes lie)     stamps (numbers, times), outage (when to try again)
//! ```
//!
//! Relies on the kernel and on v4l2r's calls. Never believes a driver about sizes, starts no thread, and reads no clock
//! but the one it is given and, beside it, the one that drivers stamp on.

mod asked;
mod capture;
mod coding;
mod convert;
mod driver;
mod mjpeg;
mod negotiate;
mod node;
mod outage;
mod stamps;

use std::path::Path;

use crate::base::{Micros, Size};

use super::error::path_name;
use super::{Camera, CameraError};
use capture::Capture;
pub use coding::Coding;
use node::Node;

/// How long a device that is gone is stood in for where it cannot be opened again.
const GONE: Micros = Micros::from_ms(2_000);

/// What a camera is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Width and height in pixels, met exactly: 16x16 to 8192x4320.
    pub size: Size,
    /// Frames a second, 1 to 120, met within a hundredth.
    pub fps: u32,
    /// The one pixel format to take; `None` takes the cheapest that has size and rate.
    pub format: Option<Coding>,
}

/// Opens the camera at `path` and starts it. Before the first frame it must be told the stream's clock, by
/// [`Camera::begin`].
///
/// # Errors
/// [`CameraError::Open`] names the node, what it is or offers, and the mend: no camera, not allowed, busy, no capture
/// node, no format that is understood, another size or rate, or a driver whose claims cannot be true.
pub fn open(path: &Path, wish: Wish) -> Result<Box<dyn Camera>, CameraError> {
    capture(path, wish).map(|capture| Box::new(capture) as _)
}

/// As [`open`], for a process that gives up the right to open devices: a camera that is gone is stood in for two seconds
/// and ends then with [`CameraError::Broke`].
///
/// # Errors
/// As [`open`].
pub fn open_once(path: &Path, wish: Wish) -> Result<Box<dyn Camera>, CameraError> {
    capture(path, wish).map(|capture| Box::new(capture.opened_once(GONE)) as _)
}

fn capture(path: &Path, wish: Wish) -> Result<Capture<Node>, CameraError> {
    let node = Node::new(path.to_owned(), wish);
    Capture::new(node, path_name(path))
}
