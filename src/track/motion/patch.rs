//! Patches of eight by eight pixels: where texture is, and where it went.
//!
//! Relies on the pyramid's levels. Never follows what has no texture in both directions.
//!
//! Following is Lucas and Kanade's in its inverse form (Baker and Matthews 2004), to a fraction of a pixel: the patch's
//! slopes are taken once from the earlier picture; a change of brightness is an unknown of its own.

use super::super::pyramid::{STEPS, STRETCH, stretch};
use super::real;
use super::search::PATCH;
use crate::base::Plane;

/// Side of the blocks in which slopes are added up; a patch is two by two of them.
pub(super) const BLOCK: usize = 4;
/// Pixels at a level's edge that have no slope.
pub(super) const EDGE: usize = 1;

/// Least mean square, over a patch, of the difference across two pixels in the direction that differs less. Noise of 3
/// luma steps in the picture leaves 0.4 at 1/8; dry grass in flat light has 4.
const TEXTURE: i32 = 2;

/// Pixels of the level. A step longer than this is no refinement.
const LONGEST_STEP: f64 = 2.0;
/// Least share of a patch's own variation that the place found explains.
const EXPLAINED: f64 = 0.6;
/// Mean square error, in luma steps, that is always allowed: noise of 3 steps in both pictures, halved once.
const NOISE: f64 = 4.0;

/// Sums of slopes: across squared, across times down, down squared; a slope is the difference across two pixels.
pub(super) type Slopes = [i32; 3];

/// Adds up the slopes of a level, block by block in row order. Returns the blocks across and down.
pub(super) fn slopes(level: &Plane<'_>, blocks: &mut [Slopes]) -> (usize, usize) {
    let count = |side: usize| side.saturating_sub(2 * EDGE) / BLOCK;
    let (columns, rows) = (count(level.width), count(level.height));
    if columns == 0 || rows == 0 || blocks.len() < columns * rows {
        return (0, 0);
    }
    blocks.fill([0; 3]);
    for (y, blocks) in blocks.chunks_exact_mut(columns).take(rows).enumerate() {
        for line in EDGE + y * BLOCK..EDGE + (y + 1) * BLOCK {
            let (above, here, below) = (level.row(line - 1), level.row(line), level.row(line + 1));
            let above = above[EDGE..].as_chunks::<BLOCK>().0;
            let below = below[EDGE..].as_chunks::<BLOCK>().0;
            let (left, right) = (here.as_chunks::<BLOCK>().0, here[2 * EDGE..].as_chunks::<BLOCK>().0);
            for (((block, above), below), (left, right)) in
                blocks.iter_mut().zip(above).zip(below).zip(left.iter().zip(right))
            {
                for n in 0..BLOCK {
                    let across = i32::from(right[n]) - i32::from(left[n]);
                    let down = i32::from(below[n]) - i32::from(above[n]);
                    block[0] = block[0].wrapping_add(across * across);
                    block[1] = block[1].wrapping_add(across * down);
                    block[2] = block[2].wrapping_add(down * down);
                }
            }
        }
    }
    (columns, rows)
}

/// How much a patch of these slopes differs in the direction in which it differs less: the smaller eigenvalue. Zero
/// where that is too little to follow.
pub(super) fn texture(slopes: Slopes) -> f64 {
    let [xx, xy, yy] = slopes.map(f64::from);
    let least = (xx + yy - ((xx - yy) * (xx - yy) + 4.0 * xy * xy).sqrt()) / 2.0;
    if least >= f64::from(TEXTURE) * 64.0 { least } else { 0.0 }
}

/// A patch of the earlier picture, ready to be followed.
pub(super) struct Patch {
    luma: [[i16; PATCH]; PATCH],
    across: [[i16; PATCH]; PATCH],
    down: [[i16; PATCH]; PATCH],
    /// Inverse of the sums of products of slopes across, down and 1.
    inverse: [f64; 6],
    /// Sum of squared differences from the mean, in luma steps.
    variation: f64,
}

/// Where a patch was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Top left pixel of the patch if it were not turned, in pixels of the level.
    pub(super) place: (f64, f64),
    /// It looks there as it did.
    pub(super) alike: bool,
}

/// Sum of products of two patches.
fn dot(a: &[[i16; PATCH]; PATCH], b: &[[i16; PATCH]; PATCH]) -> f64 {
    let row = |(a, b): (&[i16; PATCH], &[i16; PATCH])| {
        a.iter().zip(b).fold(0, |sum: i32, (&a, &b)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b))))
    };
    f64::from(a.iter().zip(b).map(row).fold(0, i32::wrapping_add))
}

/// Sum of a patch.
fn sum(a: &[[i16; PATCH]; PATCH]) -> f64 {
    f64::from(a.as_flattened().iter().fold(0, |sum: i32, &value| sum.wrapping_add(i32::from(value))))
}

impl Patch {
    /// The patch whose top left pixel is (`x`, `y`); `None` at the level's edge or without texture.
    pub(super) fn new(level: &Plane<'_>, x: usize, y: usize) -> Option<Self> {
        if x < EDGE || y < EDGE || x + PATCH + EDGE > level.width || y + PATCH + EDGE > level.height {
            return None;
        }
        let mut patch = Self {
            luma: [[0; PATCH]; PATCH],
            across: [[0; PATCH]; PATCH],
            down: [[0; PATCH]; PATCH],
            inverse: [0.0; 6],
            variation: 0.0,
        };
        for n in 0..PATCH {
            let here: &[u8; PATCH + 2] = level.row(y + n)[x - 1..].first_chunk()?;
            let above: &[u8; PATCH] = level.row(y + n - 1)[x..].first_chunk()?;
            let below: &[u8; PATCH] = level.row(y + n + 1)[x..].first_chunk()?;
            patch.luma[n] = std::array::from_fn(|i| i16::from(here[i + 1]) << 4);
            patch.across[n] = std::array::from_fn(|i| i16::from(here[i + 2]) - i16::from(here[i]));
            patch.down[n] = std::array::from_fn(|i| i16::from(below[i]) - i16::from(above[i]));
        }
        let (xx, xy, yy) =
            (dot(&patch.across, &patch.across), dot(&patch.across, &patch.down), dot(&patch.down, &patch.down));
        let (x, y, n) = (sum(&patch.across), sum(&patch.down), 64.0);
        // Adjoint of the symmetric matrix [xx xy x; xy yy y; x y n].
        let adjoint =
            [yy * n - y * y, x * y - xy * n, xy * y - yy * x, xx * n - x * x, xy * x - xx * y, xx * yy - xy * xy];
        let determinant = xx * adjoint[0] + xy * adjoint[1] + x * adjoint[2];
        // Slopes that are flat in one direction once their mean is taken out leave next to nothing.
        if determinant < 64.0 * 64.0 * (xx + yy) {
            return None;
        }
        patch.inverse = adjoint.map(|value| value / determinant);
        // Luma is in sixteenths here; squares of it need more than 32 bits.
        let steps = patch.luma.map(|row| row.map(|luma| luma >> 4));
        let total = sum(&steps);
        patch.variation = dot(&steps, &steps) - total * total / n;
        Some(patch)
    }

    /// Follows the patch into a later level from a first guess of its place, its rows `slant` pixels apart. `None`
    /// where it leaves the level or runs away.
    pub(super) fn follow(
        &self,
        later: &Plane<'_>,
        guess: (f64, f64),
        slant: (f64, f64),
        rounds: usize,
    ) -> Option<Found> {
        let mut place = guess;
        let mut alike = false;
        for _ in 0..rounds {
            let mut off = [[0_i16; PATCH]; PATCH];
            let start = (fixed(place.0), fixed(place.1));
            for (n, (off, luma)) in off.iter_mut().zip(&self.luma).enumerate() {
                let down = real(n) - 3.5;
                let x = start.0 + fixed(slant.0 * down);
                let y = start.1 + fixed(slant.1 * down + 3.5);
                let there = stretch(later, x, y)?;
                *off = std::array::from_fn(|i| there[i].wrapping_sub(luma[i]));
            }
            let (u, v, c) = (dot(&self.across, &off), dot(&self.down, &off), sum(&off));
            let [a, b, d, e, f, g] = self.inverse;
            // Slopes are across two pixels, luma is in sixteenths: a step of one pixel is 8 of their ratio.
            let (x, y) = ((a * u + b * v + d * c) / 8.0, (b * u + e * v + f * c) / 8.0);
            let shift = d * u + f * v + g * c;
            if !(x.abs() < LONGEST_STEP && y.abs() < LONGEST_STEP) {
                return None;
            }
            // What the place explains is judged after the step, to first order: the error less the part that the step
            // takes away.
            let left = (dot(&off, &off) - 8.0 * (x * u + y * v) - shift * c) / 256.0;
            alike = left < (1.0 - EXPLAINED) * self.variation + 64.0 * NOISE;
            place = (f64::from(start.0) / STEPS - x, f64::from(start.1) / STEPS - y);
        }
        Some(Found { place, alike })
    }
}

/// A place in steps of [`stretch`]; far outside any level stays far outside.
#[expect(clippy::cast_possible_truncation, reason = "clamped before; not a number becomes 0")]
fn fixed(pixels: f64) -> i32 {
    // Not `round`, which older targets call out for.
    (pixels * STEPS + 0.5).clamp(-1e9, 1e9).floor() as i32
}

const _: () = assert!(PATCH == STRETCH, "a patch's row is one stretch");
