//! The pixels of one redacted frame, as the encoders read them.
//!
//! Relies on base's planes; copies rows, and nothing else.

use crate::base::{Chroma, Micros, Plane, Size};
use crate::mask::RedactedFrame;

/// A look at a redacted frame.
pub(super) struct Picture<'a> {
    pub(super) size: Size,
    pub(super) sequence: u64,
    pub(super) captured: Micros,
    pub(super) luma: Plane<'a>,
    pub(super) chroma: Chroma<'a>,
}

impl<'a> Picture<'a> {
    /// The planes of `frame`.
    pub(super) fn of(frame: &'a RedactedFrame) -> Self {
        Self {
            size: frame.shape().size,
            sequence: frame.sequence(),
            captured: frame.captured(),
            luma: frame.luma(),
            chroma: frame.chroma(),
        }
    }

    /// Test pictures that no mask has touched: what is measured here is the encoder.
    #[cfg(test)]
    pub(super) fn test(frame: &'a crate::base::RawFrame) -> Self {
        Self {
            size: frame.size(),
            sequence: frame.sequence(),
            captured: frame.captured(),
            luma: frame.luma(),
            chroma: frame.chroma(),
        }
    }
}

/// What an encoder may hold on to and look at again: redacted frames, and in tests raw ones.
#[cfg(feature = "v4l2")]
pub(super) trait Shown: Send {
    /// Its pixels.
    fn picture(&self) -> Picture<'_>;
}

#[cfg(feature = "v4l2")]
impl Shown for RedactedFrame {
    fn picture(&self) -> Picture<'_> {
        Picture::of(self)
    }
}

#[cfg(all(test, feature = "v4l2"))]
impl Shown for crate::base::RawFrame {
    fn picture(&self) -> Picture<'_> {
        Picture::test(self)
    }
}

/// Copies the rows of `plane` into rows that start `stride` bytes apart.
pub(super) fn copy(plane: Plane<'_>, to: &mut [u8], stride: usize) {
    for (to, row) in to.chunks_mut(stride.max(1)).zip(plane.rows()) {
        to.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
    }
}

/// Parts interleaved pairs into rows that start `stride` bytes apart.
pub(super) fn part(pairs: Plane<'_>, u: &mut [u8], v: &mut [u8], stride: usize) {
    let targets = u.chunks_mut(stride.max(1)).zip(v.chunks_mut(stride.max(1)));
    for ((u, v), row) in targets.zip(pairs.rows()) {
        let (row, _) = row.as_chunks::<2>();
        for ((u, v), &[from_u, from_v]) in u.iter_mut().zip(v).zip(row) {
            (*u, *v) = (from_u, from_v);
        }
    }
}
