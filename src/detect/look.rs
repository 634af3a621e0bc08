//! Copies of raw frames for the detector, so that a frame need not wait in its hands.
//!
//! A look can be examined and nothing else: its pixels are private to this room and wiped when it is dropped.

use crate::base::{Chroma, ChromaMut, FramePool, Plane, PlaneMut, RawFrame, Shape};

/// What the detector sees of one named frame. Not `Clone`; only a detector can read it.
pub struct Look(pub(super) RawFrame);

impl Look {
    /// Number of the frame.
    pub const fn sequence(&self) -> u64 {
        self.0.sequence()
    }
}

/// A fixed number of looks, allocated once.
pub struct Looks(FramePool);

impl Looks {
    /// Allocates `count` looks (1 to 64; outside that, the nearest) at frames of `shape`.
    pub fn new(shape: Shape, count: usize) -> Self {
        Self(FramePool::new(shape, count))
    }

    /// As [`FramePool::each_idle`].
    pub fn each_idle(&self, see: impl FnMut(&mut [u8])) {
        self.0.each_idle(see);
    }

    /// A look at `frame`; waits until there is memory for one. `None` for a frame of another shape.
    pub fn at(&self, frame: &RawFrame) -> Option<Look> {
        if frame.shape() != self.0.shape() {
            return None;
        }
        let mut copy = self.0.take(frame.sequence(), frame.captured());
        let (luma, chroma) = copy.planes_mut();
        let plane = |from: Plane<'_>, to: PlaneMut<'_>| to.data.copy_from_slice(from.data);
        plane(frame.luma(), luma);
        match (frame.chroma(), chroma) {
            (Chroma::I420(u, v), ChromaMut::I420(to_u, to_v)) => {
                plane(u, to_u);
                plane(v, to_v);
            }
            (Chroma::Nv12(uv), ChromaMut::Nv12(to)) => plane(uv, to),
            // Shapes are the same, so layouts are.
            (Chroma::I420(..), ChromaMut::Nv12(_)) | (Chroma::Nv12(_), ChromaMut::I420(..)) => return None,
        }
        Some(Look(copy))
    }
}
