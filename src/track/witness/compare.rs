//! How far each cell differs from earlier pictures of the same ground.
//!
//! Relies on smoothed halves and on the camera's motion, which is taken out first. Each cell is compared with the
//! oldest picture that shows its ground. What remains of the difference falls into three: the ground's own small misfit
//! and a change of light, which the cell shares with its neighbours and which are solved for and taken out; noise and
//! interpolation, which grow with the slope and stay under a floor; and the rest, which moves.
//!
//! Misfit is bounded: what moves faster than [`MISFIT`] is not explained by it, however large it is.

use super::super::motion::{Motion, real};
use super::super::pyramid::{STEPS, STRETCH, stretch};
use super::Past;
use super::smooth::RIM;
use crate::base::geometry::CELL;
use crate::base::{Grid, Plane, Size};

/// Side of a cell in the half.
const SIDE: usize = CELL / 2;
/// Pixels of a cell.
const AREA: usize = SIDE * SIDE;

/// Pixels of the half by which the ground may miss its place: trees and walls that the plane does not explain.
const MISFIT: f64 = 0.4;
/// Luma steps by which the light on a cell may change between the pictures compared.
const LIGHT: f64 = 8.0;
/// Sum of squared slopes over nine cells, in luma steps across two pixels, that counts as none: misfit is not solved
/// from noise.
const FLAT: f64 = 2500.0;

/// Every so many rows are compared for the later half of the way, which only bounds what the whole of it shows.
const SPARSE: usize = 2;
/// What the later half of the way counts against the whole.
const LATER: u16 = 4;
/// Standard deviations of the noise under the floor.
const FLOOR: u32 = 3;
/// Sixteenths of a luma step: bounds of the floor.
const FLOOR_LEAST: u32 = 24;
const FLOOR_MOST: u32 = 128;

/// Sums over a cell: slopes across and down, difference; products of slopes; products of slope and difference.
type Sums = [i32; 8];

/// Measures cells.
pub(super) struct Comparison {
    cells: Grid,
    /// Sixteenths of a luma step, cell by cell; later less earlier.
    differences: Box<[[[i16; STRETCH]; SIDE]]>,
    sums: Box<[Sums]>,
    seen: Box<[Option<u16>]>,
    /// Mean absolute remainder of each cell, counted in sixteenths of a luma step; the last place also counts the rest.
    counts: Box<[u32; 256]>,
    /// Sixteenths of a luma step below which a remainder is noise.
    floor: u16,
}

impl Comparison {
    pub(super) fn new(size: Size) -> Self {
        let cells = Grid::over(size, CELL);
        let count = cells.cells();
        Self {
            cells,
            differences: vec![[[0; STRETCH]; SIDE]; count].into_boxed_slice(),
            sums: vec![[0; 8]; count].into_boxed_slice(),
            seen: vec![None; count].into_boxed_slice(),
            counts: Box::new([0; 256]),
            floor: 40,
        }
    }

    /// For each cell, what moves: luma steps times pixels of the half; `None` where no earlier picture shows its
    /// ground.
    pub(super) fn seen(&self) -> &[Option<u16>] {
        &self.seen
    }

    /// Compares the first picture with the others, newest first, each with the motion from it to the first.
    pub(super) fn measure(&mut self, past: &[Past]) {
        let Some((newest, past)) = past.split_first() else { return };
        let newest = newest.picture.plane();
        if newest.width < SIDE + 2 * RIM || newest.height < SIDE + 2 * RIM {
            self.seen.fill(None);
            return;
        }
        // At most as many as the witness keeps; the oldest first.
        let back: [Option<(Plane<'_>, Motion)>; super::BACK] = std::array::from_fn(|n| {
            let past = past.len().checked_sub(n + 1).and_then(|n| past.get(n))?;
            Some((past.picture.plane(), past.motion.inverse()))
        });
        for row in 0..self.cells.rows {
            for column in 0..self.cells.columns {
                let index = self.cells.index(column, row);
                let at = corner(column, row, &newest);
                let found = back.iter().flatten().find_map(|(earlier, motion)| {
                    difference(&newest, earlier, motion, at, &mut self.differences[index], 1)
                });
                self.seen[index] = found.map(|()| 0);
                self.sums[index] = if found.is_some() { sums(&newest, at, &self.differences[index]) } else { [0; 8] };
            }
        }
        let between = back.iter().flatten().nth(back.iter().flatten().count() / 2).copied();
        // With a single picture there is none between.
        let between = between.filter(|_| past.len() > 1);
        self.counts.fill(0);
        for row in 0..self.cells.rows {
            for column in 0..self.cells.columns {
                let index = self.cells.index(column, row);
                if self.seen[index].is_none() {
                    continue;
                }
                let explained = self.explained(column, row);
                let at = corner(column, row, &newest);
                let (over, mean) = remainder(&newest, at, &self.differences[index], explained, self.floor, 1);
                let over =
                    if over > 0 { over.min(self.still_there(&newest, at, between, explained, index)) } else { 0 };
                self.seen[index] = Some(over);
                self.counts[usize::from(mean)] += 1;
            }
        }
        self.settle();
    }

    /// The most that a cell may count, by a picture half as old: what has left the cell since the oldest picture differs
    /// from that one alone. What moves on shows half of its way in half of the time, less what the floor takes.
    fn still_there(
        &mut self,
        newest: &Plane<'_>,
        at: (usize, usize),
        between: Option<(Plane<'_>, Motion)>,
        explained: [i16; 3],
        index: usize,
    ) -> u16 {
        let Some((earlier, motion)) = between else { return u16::MAX };
        match difference(newest, &earlier, &motion, at, &mut self.differences[index], SPARSE) {
            Some(()) => {
                let half = explained.map(|part| part / 2);
                remainder(newest, at, &self.differences[index], half, self.floor, SPARSE).0.saturating_mul(LATER)
            }
            None => u16::MAX,
        }
    }

    /// What misfit and light explain around a cell: sixteenths of a luma step for a slope of 1 across and down, times
    /// 16; and for all pixels.
    #[expect(clippy::cast_possible_truncation, reason = "clamped before; not a number becomes 0")]
    fn explained(&self, column: usize, row: usize) -> [i16; 3] {
        let mut total = [0_i32; 8];
        let mut count = 0.0;
        for row in row.saturating_sub(1)..(row + 2).min(self.cells.rows) {
            for column in column.saturating_sub(1)..(column + 2).min(self.cells.columns) {
                let index = self.cells.index(column, row);
                if self.seen[index].is_some() {
                    count += real(AREA);
                    total = std::array::from_fn(|n| total[n].wrapping_add(self.sums[index][n]));
                }
            }
        }
        let [x, y, d, xx, xy, yy, xd, yd] = total.map(f64::from);
        // The light is the mean that is left: it is taken out of the sums first.
        let (xx, xy, yy) = (xx - x * x / count + FLAT, xy - x * y / count, yy - y * y / count + FLAT);
        let (xd, yd) = (xd - x * d / count, yd - y * d / count);
        let determinant = xx * yy - xy * xy;
        let (across, down) = ((xd * yy - yd * xy) / determinant, (yd * xx - xd * xy) / determinant);
        // A slope is across two pixels: a misfit of one pixel is 8 sixteenths of it. Bounded by its length.
        let longest = MISFIT * 8.0;
        let shrink = longest / (across * across + down * down).sqrt().max(longest);
        let (across, down) = (across * shrink, down * shrink);
        let light = ((d - across * x - down * y) / count).clamp(-LIGHT * 16.0, LIGHT * 16.0);
        [(across * 16.0) as i16, (down * 16.0) as i16, light as i16]
    }

    /// Sets the floor for the next look from the middle cell of this one: most cells are ground.
    fn settle(&mut self) {
        let half = self.counts.iter().sum::<u32>() / 2;
        let mut below = 0;
        let middle = self.counts.iter().position(|&count| {
            below += count;
            below > half
        });
        let Some(middle) = middle.and_then(|middle| u32::try_from(middle).ok()) else { return };
        // The mean of the absolute value of normal noise is 0.8 of its standard deviation.
        let floor = (middle * FLOOR * 5 / 4).clamp(FLOOR_LEAST, FLOOR_MOST);
        self.floor = u16::try_from(floor).unwrap_or(u16::MAX);
    }
}

/// The first pixel of a cell in the half, without the rim; cells that hang over the edge are moved in.
fn corner(column: usize, row: usize, half: &Plane<'_>) -> (usize, usize) {
    ((column * SIDE).min(half.width - 2 * RIM - SIDE), (row * SIDE).min(half.height - 2 * RIM - SIDE))
}

/// The cell less the same ground in an earlier picture, in every `step`th row; `None` if part of that lies outside. `back`
/// is the motion from the newest picture to the earlier.
fn difference(
    newest: &Plane<'_>,
    earlier: &Plane<'_>,
    back: &Motion,
    at: (usize, usize),
    out: &mut [[i16; STRETCH]; SIDE],
    step: usize,
) -> Option<()> {
    // Rows are taken straight, from the middle of each: the ends of a row of 16 pixels that turns by 1 degree are off
    // by 0.14 pixels.
    let full = |half: f64| half * 2.0 + 0.5;
    let (x, y) = (real(at.0) + 3.5, real(at.1));
    let top = back.place(full(x), full(y))?;
    let bottom = back.place(full(x), full(y + 7.0))?;
    let small = |full: f64| (full - 0.5) / 2.0;
    let (x, y) = (fixed(small(top.0) - 3.5), fixed(small(top.1)));
    let slant = ((bottom.0 - top.0) / 14.0, (bottom.1 - top.1) / 14.0);
    for (n, out) in out.iter_mut().enumerate().step_by(step) {
        let down = real(n);
        let x = x.saturating_add(fixed(slant.0 * down)).saturating_add(32);
        let y = y.saturating_add(fixed(slant.1 * down)).saturating_add(32);
        let there = stretch(earlier, x, y)?;
        let here: &[u8; STRETCH] = newest.row(at.1 + n + RIM)[at.0 + RIM..].first_chunk()?;
        *out = std::array::from_fn(|i| (i16::from(here[i]) << 4).wrapping_sub(there[i]));
    }
    Some(())
}

/// Steps of [`stretch`] beyond which no picture reaches.
const FAR: f64 = 1e8;

/// A place in steps of [`stretch`].
#[expect(clippy::cast_possible_truncation, reason = "clamped before; not a number becomes 0")]
fn fixed(pixels: f64) -> i32 {
    // Truncation rounds down what is not negative, without a call.
    ((pixels * STEPS + 0.5).clamp(-FAR, FAR) + FAR) as i32 - FAR as i32
}

/// The slopes of row `n` of a cell: differences across two pixels.
#[inline]
fn slopes(newest: &Plane<'_>, at: (usize, usize), n: usize) -> Option<([i16; STRETCH], [i16; STRETCH])> {
    let here: &[u8; STRETCH + 2] = newest.row(at.1 + n + RIM)[at.0..].first_chunk()?;
    let above: &[u8; STRETCH] = newest.row(at.1 + n)[at.0 + RIM..].first_chunk()?;
    let below: &[u8; STRETCH] = newest.row(at.1 + n + 2)[at.0 + RIM..].first_chunk()?;
    let across = std::array::from_fn(|i| i16::from(here[i + 2]) - i16::from(here[i]));
    let down = std::array::from_fn(|i| i16::from(below[i]) - i16::from(above[i]));
    Some((across, down))
}

fn sums(newest: &Plane<'_>, at: (usize, usize), differences: &[[i16; STRETCH]; SIDE]) -> Sums {
    let mut lanes = [[0_i32; STRETCH]; 8];
    for (n, difference) in differences.iter().enumerate() {
        let Some((across, down)) = slopes(newest, at, n) else { continue };
        for i in 0..STRETCH {
            let (x, y, d) = (i32::from(across[i]), i32::from(down[i]), i32::from(difference[i]));
            let parts = [x, y, d, x * x, x * y, y * y, x.wrapping_mul(d), y.wrapping_mul(d)];
            for (lane, part) in lanes.iter_mut().zip(parts) {
                lane[i] = lane[i].wrapping_add(part);
            }
        }
    }
    lanes.map(|lane| lane.into_iter().fold(0, i32::wrapping_add))
}

/// What of a cell's difference is over the floor, in luma steps times pixels, and the mean of all of it, in sixteenths;
/// judged by every `step`th row.
fn remainder(
    newest: &Plane<'_>,
    at: (usize, usize),
    differences: &[[i16; STRETCH]; SIDE],
    [across, down, light]: [i16; 3],
    floor: u16,
    step: usize,
) -> (u16, u8) {
    let (mut over, mut all) = ([0_u16; STRETCH], [0_u16; STRETCH]);
    for (n, difference) in differences.iter().enumerate().step_by(step) {
        let Some((x, y)) = slopes(newest, at, n) else { continue };
        for i in 0..STRETCH {
            let explained = x[i].wrapping_mul(across).wrapping_add(y[i].wrapping_mul(down)) >> 4;
            let left = difference[i].wrapping_sub(explained).wrapping_sub(light).unsigned_abs();
            let slope = x[i].unsigned_abs().wrapping_add(y[i].unsigned_abs());
            over[i] = over[i].wrapping_add(left.saturating_sub(floor.wrapping_add(slope)));
            all[i] = all[i].wrapping_add(left);
        }
    }
    let total =
        |lanes: [u16; STRETCH]| lanes.into_iter().map(u32::from).sum::<u32>() * u32::try_from(step).unwrap_or(1);
    let mean = total(all) / 64;
    (u16::try_from(total(over) / 16).unwrap_or(u16::MAX), u8::try_from(mean).unwrap_or(u8::MAX))
}
