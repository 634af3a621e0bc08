//! How covered cells look: pixels are replaced on the planes, in place, for good.
//!
//! `solid` is black, so that the output is a constant function of what it hides, and so that ground which an encoder
//! predicts into a covered cell stands out and is corrected: in the mean colour of its surroundings, H.264 lets two to
//! seven times as many cells show something. That mean covers until the governor is done, for black would bleed into
//! what is clear there (1 to 3 dB). `mosaic` gives blocks of at least a fifth of a region's shorter side their mean
//! colour, quantised to 4 bits. There is no blur: published attacks identify most blurred faces.

use crate::base::geometry::CELL;
use crate::base::{ChromaMut, Grid, PlaneMut, RawFrame, Rect, Size};

use super::caption;

/// How covered cells look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Black.
    Solid,
    /// At most 5 blocks across a region's shorter side.
    Mosaic,
}

impl Paint {
    /// As the configuration writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Mosaic => "mosaic",
        }
    }
}

/// Blocks across a region's shorter side in a mosaic, at most.
const MOSAIC_ACROSS: usize = 5;
/// Blocks of a slate, across and down, at most.
const SLATE_BLOCKS: (usize, usize) = (32, 18);
/// What covers in `solid` in the end; the darkest that limited range knows.
const BLACK: [u8; 3] = [16, 128, 128];
/// What covers a region with no clear pixel around it, until then: mid grey.
const GREY: [u8; 3] = [126, 128, 128];

/// Sums over pixels of the three planes.
#[derive(Clone, Copy, Default)]
struct Sum {
    luma: u32,
    lumas: u32,
    chroma: [u32; 2],
    chromas: u32,
}

impl Sum {
    fn join(&mut self, other: &Self) {
        self.luma += other.luma;
        self.lumas += other.lumas;
        self.chromas += other.chromas;
        for (sum, more) in self.chroma.iter_mut().zip(other.chroma) {
            *sum += more;
        }
    }

    fn mean(&self) -> Option<[u8; 3]> {
        let mean = |sum: u32, count: u32| u8::try_from((sum + count / 2).checked_div(count)?).ok();
        Some([mean(self.luma, self.lumas)?, mean(self.chroma[0], self.chromas)?, mean(self.chroma[1], self.chromas)?])
    }
}

/// The colour in steps of 4 bits: the middle of the luma's, and for chroma those that have no colour, 128, among them.
fn four_bits([luma, chroma @ ..]: [u8; 3]) -> [u8; 3] {
    let [u, v] = chroma.map(|value| value.saturating_add(8) & 0xF0);
    [luma & 0xF0 | 8, u, v]
}

/// Paints one stream; everything is allocated when it is made.
pub struct Painter {
    size: Size,
    grid: Grid,
    /// Region number of each covered cell, from 1; 0 is clear or not visited.
    region: Box<[u32]>,
    /// Sums of the clear cells beside covered ones, once they are needed.
    sums: Box<[Option<Sum>]>,
    /// What each covered cell was painted with.
    colour: Box<[[u8; 3]]>,
    pending: Vec<usize>,
    members: Vec<usize>,
    /// What is laid over rows of luma and of chroma; the last is not used for interleaved chroma.
    lines: [Line; 3],
}

/// Colours of one row of samples, and where they are laid.
struct Line {
    colours: Box<[u8]>,
    /// 255 where a sample is covered.
    mask: Box<[u8]>,
}

impl Line {
    /// A line over rows of up to `samples`.
    fn new(samples: usize) -> Self {
        let line = || vec![0; samples].into_boxed_slice();
        Self { colours: line(), mask: line() }
    }

    /// Sets `length` samples from `start` on, two in turn; `shown` ones are left as they are.
    fn set(&mut self, start: usize, length: usize, [even, odd]: [u8; 2], shown: bool) {
        self.mask[start..][..length].fill(if shown { 0 } else { 255 });
        for pair in self.colours[start..][..length].chunks_exact_mut(2) {
            pair.copy_from_slice(&[even, odd]);
        }
    }

    fn lay(&self, row: &mut [u8]) {
        for ((sample, &colour), &mask) in row.iter_mut().zip(&self.colours).zip(&self.mask) {
            *sample = (*sample & !mask) | (colour & mask);
        }
    }
}

impl Painter {
    pub fn new(size: Size) -> Self {
        let grid = Grid::over(size, CELL);
        let cells = grid.cells();
        Self {
            size,
            grid,
            region: vec![0; cells].into_boxed_slice(),
            sums: vec![None; cells].into_boxed_slice(),
            colour: vec![GREY; cells].into_boxed_slice(),
            pending: Vec::with_capacity(cells),
            members: Vec::with_capacity(cells),
            lines: std::array::from_fn(|_| Line::new(grid.columns * CELL)),
        }
    }

    /// Covers the cells that `covered` names, in row order; returns the number of connected regions. If it is `governed`
    /// after that, in colours that may bleed into what is clear, and [`Painter::finish`] follows.
    pub fn cover(&mut self, frame: &mut RawFrame, covered: &[bool], paint: Paint, governed: bool) -> usize {
        self.region.fill(0);
        self.sums.fill(None);
        self.colour.fill(BLACK);
        let mut regions = 0;
        for seed in 0..self.grid.cells() {
            if !covered[seed] || self.region[seed] != 0 {
                continue;
            }
            regions += 1;
            self.flood(seed, regions, covered);
            match paint {
                Paint::Solid if governed => self.solid(frame, covered),
                Paint::Solid => {}
                Paint::Mosaic => self.mosaic(frame, regions),
            }
        }
        self.again(frame);
        usize::try_from(regions).unwrap_or(usize::MAX)
    }

    /// Paints the cells of the last [`Painter::cover`] as they are to be sent.
    pub fn finish(&mut self, frame: &mut RawFrame, paint: Paint) {
        if paint == Paint::Solid {
            self.colour.fill(BLACK);
        }
        self.again(frame);
    }

    /// Paints the cells of the last [`Painter::cover`] once more, as they were. A line of colours and a mask for each row
    /// of cells are laid over its pixels, so that the cost does not grow with what is covered.
    fn again(&mut self, frame: &mut RawFrame) {
        let (mut luma, mut chroma) = frame.planes_mut();
        for row in 0..self.grid.rows {
            let first = self.grid.index(0, row);
            let covered = self.region[first..][..self.grid.columns].iter().any(|&region| region != 0);
            if !covered {
                continue;
            }
            let interleaved = matches!(chroma, ChromaMut::Nv12(_));
            for column in 0..self.grid.columns {
                let cell = first + column;
                let (shown, [y, u, v]) = (self.region[cell] == 0, self.colour[cell]);
                let [over_luma, over_u, over_v] = &mut self.lines;
                over_luma.set(column * CELL, CELL, [y, y], shown);
                if interleaved {
                    over_u.set(column * CELL, CELL, [u, v], shown);
                } else {
                    over_u.set(column * CELL / 2, CELL / 2, [u, u], shown);
                    over_v.set(column * CELL / 2, CELL / 2, [v, v], shown);
                }
            }
            let [over_luma, over_u, over_v] = &self.lines;
            let (top, bottom) = (row * CELL, ((row + 1) * CELL).min(self.size.height));
            (top..bottom).for_each(|y| over_luma.lay(luma.row(y)));
            for y in top / 2..bottom.div_ceil(2) {
                match &mut chroma {
                    ChromaMut::I420(u, v) => {
                        over_u.lay(u.row(y));
                        over_v.lay(v.row(y));
                    }
                    ChromaMut::Nv12(uv) => over_u.lay(uv.row(y)),
                }
            }
        }
    }

    /// Collects the covered cells that share an edge or a corner with `seed`, and with those, into `members`.
    fn flood(&mut self, seed: usize, number: u32, covered: &[bool]) {
        self.members.clear();
        self.pending.push(seed);
        self.region[seed] = number;
        while let Some(cell) = self.pending.pop() {
            self.members.push(cell);
            let (column, row) = (cell % self.grid.columns, cell / self.grid.columns);
            for y in row.saturating_sub(1)..(row + 2).min(self.grid.rows) {
                for x in column.saturating_sub(1)..(column + 2).min(self.grid.columns) {
                    let next = self.grid.index(x, y);
                    if covered[next] && self.region[next] == 0 {
                        self.region[next] = number;
                        self.pending.push(next);
                    }
                }
            }
        }
    }

    /// Chooses one colour for the region until [`Painter::finish`]: the mean of the clear cells that share an edge with
    /// it, by every second row.
    fn solid(&mut self, frame: &mut RawFrame, covered: &[bool]) {
        let mut around = Sum::default();
        for &cell in &self.members {
            let (column, row) = (cell % self.grid.columns, cell / self.grid.columns);
            let beside = [
                (column > 0).then(|| cell - 1),
                (column + 1 < self.grid.columns).then_some(cell + 1),
                (row > 0).then(|| cell - self.grid.columns),
                (row + 1 < self.grid.rows).then_some(cell + self.grid.columns),
            ];
            for beside in beside.into_iter().flatten().filter(|&beside| !covered[beside]) {
                let rect = self.grid.rect(beside % self.grid.columns, beside / self.grid.columns, self.size);
                around.join(self.sums[beside].get_or_insert_with(|| {
                    let mut sum = Sum::default();
                    add(frame, rect, 2, &mut sum);
                    sum
                }));
            }
        }
        let colour = four_bits(around.mean().unwrap_or(GREY));
        self.members.iter().for_each(|&cell| self.colour[cell] = colour);
    }

    /// Chooses blocks of the region's own mean colours, so coarse that no object in it keeps its shape.
    fn mosaic(&mut self, frame: &mut RawFrame, number: u32) {
        let columns = || self.members.iter().map(|cell| cell % self.grid.columns);
        let rows = || self.members.iter().map(|cell| cell / self.grid.columns);
        let (Some(left), Some(right), Some(top), Some(bottom)) =
            (columns().min(), columns().max(), rows().min(), rows().max())
        else {
            return;
        };
        let shorter = (right - left + 1).min(bottom - top + 1);
        let side = shorter.div_ceil(MOSAIC_ACROSS);
        for block_top in (top..=bottom).step_by(side) {
            for block_left in (left..=right).step_by(side) {
                let (grid, region) = (self.grid, &self.region);
                let inside = || {
                    (block_top..(block_top + side).min(bottom + 1))
                        .flat_map(|row| {
                            (block_left..(block_left + side).min(right + 1)).map(move |column| (column, row))
                        })
                        .map(|(column, row)| grid.index(column, row))
                        .filter(|&cell| region[cell] == number)
                };
                let mut sum = Sum::default();
                inside().for_each(|cell| add(frame, self.rect(cell), 1, &mut sum));
                if let Some(mean) = sum.mean() {
                    inside().for_each(|cell| self.colour[cell] = four_bits(mean));
                }
            }
        }
    }

    /// Covers the whole frame by a coarse mosaic and says why.
    pub fn slate(&self, frame: &mut RawFrame, reason: &str) {
        let size = frame.size();
        let side = size.width.div_ceil(SLATE_BLOCKS.0).max(size.height.div_ceil(SLATE_BLOCKS.1)).next_multiple_of(CELL);
        for y in (0..size.height).step_by(side) {
            for x in (0..size.width).step_by(side) {
                let block = Rect::new(x, y, side.min(size.width - x), side.min(size.height - y));
                let mut sum = Sum::default();
                add(frame, block, 1, &mut sum);
                fill(frame, block, four_bits(sum.mean().unwrap_or(GREY)));
            }
        }
        caption::say(frame, reason);
    }

    fn rect(&self, cell: usize) -> Rect {
        self.grid.rect(cell % self.grid.columns, cell / self.grid.columns, self.size)
    }
}

fn sum_of(row: &[u8]) -> u32 {
    let sum = |row: &[u8]| row.iter().map(|&value| u32::from(value)).sum();
    // A length that the compiler knows is a few instructions.
    <&[u8; CELL]>::try_from(row).map_or_else(|_| sum(row), |row| sum(row))
}

/// The chroma samples of a rectangle whose corner is even.
fn chroma_rect(rect: Rect) -> Rect {
    Rect::new(rect.x / 2, rect.y / 2, rect.width.div_ceil(2), rect.height.div_ceil(2))
}

/// Adds the samples of every `step`th row of a rectangle whose corner is even.
fn add(frame: &mut RawFrame, rect: Rect, step: usize, sum: &mut Sum) {
    let (luma, chroma) = frame.planes_mut();
    let total = |plane: &PlaneMut<'_>, rect: Rect| -> u32 {
        plane.data[rect.y * plane.stride..]
            .chunks(plane.stride)
            .take(rect.height)
            .step_by(step)
            .map(|row| sum_of(&row[rect.x..rect.right()]))
            .sum()
    };
    let count = |rect: Rect| u32::try_from(rect.width * rect.height.div_ceil(step)).unwrap_or(u32::MAX);
    sum.luma += total(&luma, rect);
    sum.lumas += count(rect);
    let rect = chroma_rect(rect);
    sum.chromas += count(rect);
    match chroma {
        ChromaMut::I420(u, v) => {
            sum.chroma[0] += total(&u, rect);
            sum.chroma[1] += total(&v, rect);
        }
        ChromaMut::Nv12(mut uv) => {
            for y in (rect.y..rect.bottom()).step_by(step) {
                for pair in uv.row(y)[rect.x * 2..rect.right() * 2].chunks_exact(2) {
                    sum.chroma[0] += u32::from(pair[0]);
                    sum.chroma[1] += u32::from(pair[1]);
                }
            }
        }
    }
}

/// Sets every sample of a rectangle whose corner is even.
pub(super) fn fill(frame: &mut RawFrame, rect: Rect, [y, u, v]: [u8; 3]) {
    let (mut luma, chroma) = frame.planes_mut();
    let set = |plane: &mut PlaneMut<'_>, rect: Rect, value: u8| {
        for row in plane.data[rect.y * plane.stride..].chunks_mut(plane.stride).take(rect.height) {
            row[rect.x..rect.right()].fill(value);
        }
    };
    set(&mut luma, rect, y);
    let rect = chroma_rect(rect);
    match chroma {
        ChromaMut::I420(mut u_plane, mut v_plane) => {
            set(&mut u_plane, rect, u);
            set(&mut v_plane, rect, v);
        }
        ChromaMut::Nv12(mut uv) => {
            for row in rect.y..rect.bottom() {
                for pair in uv.row(row)[rect.x * 2..rect.right() * 2].chunks_exact_mut(2) {
                    pair.copy_from_slice(&[u, v]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::four_bits;

    #[test]
    fn four_bits_are_sixteen_levels_and_give_grey_no_colour() {
        let levels = |plane: usize| (0..=255).map(|value| four_bits([value; 3])[plane]).collect::<BTreeSet<u8>>().len();
        assert_eq!([0, 1, 2].map(levels), [16; 3]);
        assert!((0..=255).all(|luma| four_bits([luma, 128, 128])[1..] == [128; 2]));
    }
}
