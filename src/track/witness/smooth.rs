//! The half of a picture, smoothed, as the witness keeps it.
//!
//! Relies on the pyramid's first level. A 3 x 3 binomial takes out what the halving folded back and what interpolation
//! would change, and leaves a person of eight pixels half of the contrast.

use zeroize::Zeroize;

use crate::base::{Plane, Size};

/// Pixels that are repeated around the edge, so that neighbours can be read.
pub(super) const RIM: usize = 1;

/// A smoothed half with a rim of one pixel.
pub(super) struct Smooth {
    width: usize,
    height: usize,
    /// Rows of `width + 2`.
    luma: Box<[u8]>,
    /// One row of sums.
    sums: Box<[u16]>,
}

impl Smooth {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width / 2 + 2 * RIM, size.height / 2 + 2 * RIM);
        let (luma, sums) = (vec![0; width * height].into_boxed_slice(), vec![0; width].into_boxed_slice());
        Self { width, height, luma, sums }
    }

    /// With the rim: pixel (x, y) of the half is (x + 1, y + 1) here.
    pub(super) fn plane(&self) -> Plane<'_> {
        Plane { data: &self.luma, stride: self.width, width: self.width, height: self.height }
    }

    /// Fills it from a level of its size.
    pub(super) fn fill(&mut self, half: &Plane<'_>) {
        let inside = self.width - 2 * RIM;
        if inside == 0 || half.height == 0 || half.width != inside || half.height + 2 * RIM != self.height {
            return;
        }
        for (y, out) in self.luma.chunks_exact_mut(self.width).enumerate() {
            let y = y.saturating_sub(RIM).min(half.height - 1);
            let rows = [half.row(y.saturating_sub(1)), half.row(y), half.row((y + 1).min(half.height - 1))];
            down(rows, &mut self.sums[RIM..][..inside]);
            self.sums[0] = self.sums[RIM];
            self.sums[inside + RIM] = self.sums[inside];
            across(&self.sums, &mut out[RIM..][..inside]);
            out[0] = out[RIM];
            out[inside + RIM] = out[inside];
        }
    }
}

impl Drop for Smooth {
    fn drop(&mut self) {
        self.luma.zeroize();
        self.sums.zeroize();
    }
}

/// Each column of three rows, the middle one twice.
fn down(rows: [&[u8]; 3], sums: &mut [u16]) {
    for (((sum, &above), &here), &below) in sums.iter_mut().zip(rows[0]).zip(rows[1]).zip(rows[2]) {
        *sum = u16::from(above) + 2 * u16::from(here) + u16::from(below);
    }
}

/// Each three sums, the middle one twice, over 16.
#[expect(clippy::cast_possible_truncation, reason = "a weighted mean of bytes is a byte")]
fn across(sums: &[u16], out: &mut [u8]) {
    for (((out, &left), &here), &right) in out.iter_mut().zip(sums).zip(&sums[1..]).zip(&sums[2..]) {
        *out = (left.wrapping_add(here.wrapping_mul(2)).wrapping_add(right).wrapping_add(8) >> 4) as u8;
    }
}
