//! Whole-pixel search on small levels: the first guess, and patches around it.
//!
//! Relies on the pyramid's levels. Works on luma without its slow changes ([`sharpen`]), so that a change of exposure
//! or a shadow across the picture does not move the match. Integers only; on a draw the first place wins, in an order
//! that starts at no motion.

use crate::base::Plane;

/// Side of a patch in pixels of its level.
pub(super) const PATCH: usize = 8;

/// The byte for luma that equals its surroundings.
const MIDDLE: i32 = 128;

/// Pixels left and right, above and below, whose mean is a pixel's surroundings.
const AROUND: usize = 3;

/// Luma less the mean of 7 x 7 pixels around it, doubled, plus 128. `sums` is room for one row.
pub(super) fn sharpen(level: &Plane<'_>, sums: &mut [u16], out: &mut [u8]) {
    let (width, height) = (level.width, level.height);
    if width == 0 || height == 0 || sums.len() < width || out.len() < width * height {
        return;
    }
    let sums = &mut sums[..width];
    // Sums of columns slide down: rows beyond an edge repeat the edge.
    sums.fill(0);
    for y in 0..=2 * AROUND {
        add(sums, level.row(y.saturating_sub(AROUND).min(height - 1)));
    }
    for (y, out) in out.chunks_exact_mut(width).take(height).enumerate() {
        sharpen_row(level.row(y), sums, out);
        take(sums, level.row(y.saturating_sub(AROUND)));
        add(sums, level.row((y + AROUND + 1).min(height - 1)));
    }
}

fn add(sums: &mut [u16], row: &[u8]) {
    sums.iter_mut().zip(row).for_each(|(sum, &luma)| *sum = sum.wrapping_add(u16::from(luma)));
}

fn take(sums: &mut [u16], row: &[u8]) {
    sums.iter_mut().zip(row).for_each(|(sum, &luma)| *sum = sum.wrapping_sub(u16::from(luma)));
}

#[expect(clippy::cast_sign_loss, reason = "clamped to a byte before")]
fn sharpen_row(row: &[u8], sums: &[u16], out: &mut [u8]) {
    let last = row.len() - 1;
    let at = |x: usize| i32::from(sums[x.min(last)]);
    let mut sum = (0..=2 * AROUND).map(|x| at(x.saturating_sub(AROUND))).sum::<i32>();
    for (x, (out, &luma)) in out.iter_mut().zip(row).enumerate() {
        // 1338 / 65536 is 1 / 49 to four digits; twice the luma is compared with twice the mean.
        let mean = sum.wrapping_mul(1338) >> 15;
        *out = (2 * i32::from(luma) - mean + MIDDLE).clamp(0, 255) as u8;
        sum += at(x + AROUND + 1) - at(x.saturating_sub(AROUND));
    }
}

/// Sum of absolute differences of two rows of the same length.
fn difference(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).fold(0, |sum: u32, (&a, &b)| sum.wrapping_add(u32::from(a.abs_diff(b))))
}

/// 0, 1, -1, 2, -2 up to `reach`: nearest first.
fn outward(reach: i32) -> impl Iterator<Item = i32> {
    (0..=2 * reach).map(|n| if n % 2 == 0 { -(n / 2) } else { (n + 1) / 2 })
}

/// The shift of the whole picture, up to `reach` pixels of the level either way, under which `earlier` looks most like
/// `later`: pixel (x, y) of the one is at (x + shift) of the other. At least half of either side overlaps.
pub(super) fn shift(earlier: &Plane<'_>, later: &Plane<'_>, reach: (i32, i32)) -> (i32, i32) {
    let (width, height) = (earlier.width, earlier.height);
    let half = |side: usize| i32::try_from(side / 2).unwrap_or(0);
    let reach = (reach.0.min(half(width)), reach.1.min(half(height)));
    let mut best = (u64::MAX, (0, 0));
    for down in outward(reach.1) {
        for across in outward(reach.0) {
            let columns = overlap(width, across);
            let rows = overlap(height, down);
            let mut sum = 0_u64;
            for n in 0..rows.2 {
                let a = &earlier.row(rows.0 + n)[columns.0..][..columns.2];
                let b = &later.row(rows.1 + n)[columns.1..][..columns.2];
                sum = sum.wrapping_add(u64::from(difference(a, b)));
            }
            // The mean difference, to 1/4096 of a step.
            let mean = (sum << 12) / (columns.2 as u64 * rows.2 as u64).max(1);
            if mean < best.0 {
                best = (mean, (across, down));
            }
        }
    }
    best.1
}

/// First pixel of the earlier row, of the later one, and the length that both share under a shift.
fn overlap(side: usize, shift: i32) -> (usize, usize, usize) {
    let by = usize::try_from(shift.unsigned_abs()).unwrap_or(side).min(side);
    if shift >= 0 { (0, by, side - by) } else { (by, 0, side - by) }
}

/// The eight by eight pixels at (`x`, `y`), or `None` where they leave the level.
fn block<'a>(level: &Plane<'a>, x: i32, y: i32) -> Option<[&'a [u8; PATCH]; PATCH]> {
    let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
    if x + PATCH > level.width || y + PATCH > level.height {
        return None;
    }
    let mut rows = [&[0; PATCH]; PATCH];
    for (n, row) in rows.iter_mut().enumerate() {
        *row = level.row(y + n)[x..].first_chunk()?;
    }
    Some(rows)
}

/// Where the patch at `from` (its top left pixel) of `earlier` lies in `later`: the best place at most `reach` pixels
/// from `near`, or `None` if the patch, or every such place, leaves the level.
pub(super) fn find(
    earlier: &Plane<'_>,
    later: &Plane<'_>,
    from: (i32, i32),
    near: (i32, i32),
    reach: i32,
) -> Option<(i32, i32)> {
    let patch = block(earlier, from.0, from.1)?;
    let mut best: Option<(u32, (i32, i32))> = None;
    for down in outward(reach) {
        for across in outward(reach) {
            let place = (near.0 + across, near.1 + down);
            let Some(there) = block(later, place.0, place.1) else { continue };
            let sum = patch.iter().zip(there).fold(0, |sum: u32, (&a, b)| sum.wrapping_add(difference(a, b)));
            if best.is_none_or(|(least, _)| sum < least) {
                best = Some((sum, place));
            }
        }
    }
    best.map(|(_, place)| place)
}
