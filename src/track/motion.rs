//! The camera's own motion between two pictures, as a map of the ground.
//!
//! Relies on [`crate::base`] and the pyramid. Never says more than the texture shows: without texture, or when the
//! places it followed disagree, the confidence is low, and whoever asks has to cover.
//!
//! The map is a homography: what a plane seen by a moving camera does. A similarity cannot tell the near ground from
//! the far in an oblique view, and leaves residuals of pixels there.
//!
//! Places are in pixels of the full picture; the middle of the pixel in the top left corner is (0, 0).

mod estimate;
mod fit;
mod patch;
mod search;

pub use estimate::{Workings, estimate};

use super::kalman::Similarity;
use crate::base::Size;

/// Least share by which a place may shrink toward the horizon; beyond, it has no place in the other picture.
const NEAREST_HORIZON: f64 = 1e-3;
/// Least size of a determinant that is turned around.
const SMALLEST: f64 = 1e-9;

/// A three by three matrix in row order.
pub(super) type Matrix = [f64; 9];

/// No motion.
pub(super) const IDENTITY: Matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// `a` after `b`, brought back to a last element of 1; `None` where that one vanishes.
pub(super) fn product(a: &Matrix, b: &Matrix) -> Option<Matrix> {
    scaled(std::array::from_fn(|at| {
        let (row, column) = (at / 3 * 3, at % 3);
        a[row] * b[column] + a[row + 1] * b[column + 3] + a[row + 2] * b[column + 6]
    }))
}

/// The same map with a last element of 1.
fn scaled(matrix: Matrix) -> Option<Matrix> {
    let scaled = matrix.map(|value| value / matrix[8]);
    (matrix[8].abs() > SMALLEST && scaled.iter().all(|value| value.is_finite())).then_some(scaled)
}

/// Where a matrix puts a place; `None` beyond the horizon.
pub(super) fn put(m: &Matrix, x: f64, y: f64) -> Option<(f64, f64)> {
    let depth = m[6] * x + m[7] * y + m[8];
    let part = depth.recip();
    let place = ((m[0] * x + m[1] * y + m[2]) * part, (m[3] * x + m[4] * y + m[5]) * part);
    (depth > NEAREST_HORIZON && place.0.is_finite() && place.1.is_finite()).then_some(place)
}

/// Where the ground in one picture lies in a later one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    matrix: Matrix,
    size: Size,
    confidence: f32,
}

impl Motion {
    /// No motion between pictures of `size`, with full confidence.
    pub const fn still(size: Size) -> Self {
        Self { matrix: IDENTITY, size, confidence: 1.0 }
    }

    /// Nothing is known: no motion, with confidence 0.
    pub const fn unknown(size: Size) -> Self {
        Self { matrix: IDENTITY, size, confidence: 0.0 }
    }

    /// A homography in row order from pixels of the earlier picture to pixels of the later, for motion that is known
    /// from elsewhere, and its confidence (0 to 1, others the nearest). A matrix without inverse is unknown motion.
    pub fn from_matrix(size: Size, matrix: Matrix, confidence: f32) -> Self {
        let confidence = if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) };
        match scaled(matrix) {
            Some(matrix) if turned(&matrix).is_some() => Self { matrix, size, confidence },
            _ => Self::unknown(size),
        }
    }

    /// Share of the textured places that agree with this motion in place and in look, 0 to 1; less when few places have
    /// texture. For a chain of motions, that of its weakest part.
    pub const fn confidence(&self) -> f32 {
        self.confidence
    }

    /// Size of the two pictures.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Where the ground at (`x`, `y`) of the earlier picture lies in the later, in pixels; also outside the picture. A
    /// place beyond the horizon stays where it is.
    #[expect(clippy::cast_possible_truncation, reason = "a place in pixels needs no more than single precision")]
    pub fn map(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = self.place(f64::from(x), f64::from(y)).unwrap_or((f64::from(x), f64::from(y)));
        (x as f32, y as f32)
    }

    /// As [`Self::map`], in double precision; `None` beyond the horizon.
    pub(super) fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        put(&self.matrix, x, y)
    }

    /// From the later picture to the earlier.
    #[must_use]
    pub fn inverse(&self) -> Self {
        turned(&self.matrix).map_or_else(|| Self::unknown(self.size), |matrix| Self { matrix, ..*self })
    }

    /// This motion, then a `later` one, as one; unknown where the sizes differ.
    #[must_use]
    pub fn then(&self, later: &Self) -> Self {
        match product(&later.matrix, &self.matrix) {
            Some(matrix) if self.size == later.size => {
                Self { matrix, size: self.size, confidence: self.confidence.min(later.confidence) }
            }
            _ => Self::unknown(self.size),
        }
    }

    /// The farthest that a corner of the picture moves, in pixels; infinite if one goes beyond the horizon.
    #[expect(clippy::cast_possible_truncation, reason = "a distance in pixels needs no more than single precision")]
    pub fn speed(&self) -> f32 {
        let (right, bottom) = (real(self.size.width) - 1.0, real(self.size.height) - 1.0);
        let corners = [(0.0, 0.0), (right, 0.0), (0.0, bottom), (right, bottom)];
        let moved = corners.map(|(x, y)| {
            self.place(x, y).map_or(f64::INFINITY, |to| ((to.0 - x) * (to.0 - x) + (to.1 - y) * (to.1 - y)).sqrt())
        });
        moved.into_iter().fold(0.0, f64::max) as f32
    }
}

impl Motion {
    /// The similarity nearest to this motion: exact where the picture's middle goes, and turn and scale as the mean of
    /// what happens to a quarter of the picture's height to its right and below it. `None` where that is no motion from
    /// one picture to the next. For boxes, whose filters need one map for places, velocities and sides.
    pub fn similarity(&self) -> Option<Similarity> {
        let (x, y) = ((real(self.size.width) - 1.0) / 2.0, (real(self.size.height) - 1.0) / 2.0);
        let arm = (real(self.size.height) / 4.0).max(1.0);
        let (middle, right, below) = (self.place(x, y)?, self.place(x + arm, y)?, self.place(x, y + arm)?);
        let a = ((right.0 - middle.0) + (below.1 - middle.1)) / (2.0 * arm);
        let b = ((right.1 - middle.1) - (below.0 - middle.0)) / (2.0 * arm);
        Similarity::new(a, b, middle.0 - (a * x - b * y), middle.1 - (b * x + a * y))
    }
}

/// The inverse, with a last element of 1; `None` if there is none.
fn turned(m: &Matrix) -> Option<Matrix> {
    let minor = |a: usize, b: usize, c: usize, d: usize| m[a] * m[d] - m[b] * m[c];
    let adjoint = [
        minor(4, 5, 7, 8),
        -minor(1, 2, 7, 8),
        minor(1, 2, 4, 5),
        -minor(3, 5, 6, 8),
        minor(0, 2, 6, 8),
        -minor(0, 2, 3, 5),
        minor(3, 4, 6, 7),
        -minor(0, 1, 6, 7),
        minor(0, 1, 3, 4),
    ];
    let determinant = m[0] * adjoint[0] + m[1] * adjoint[3] + m[2] * adjoint[6];
    if determinant.abs() > SMALLEST { scaled(adjoint) } else { None }
}

/// A number of pixels as a real number.
#[expect(clippy::cast_precision_loss, reason = "pixels are fewer than 2^52")]
pub(super) const fn real(pixels: usize) -> f64 {
    pixels as f64
}
