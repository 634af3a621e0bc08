//! Coverage: which pixels of a redacted frame show nothing, judged from pixels.
//!
//! Compares what came from the camera with what goes to the encoder and believes nobody else. A pixel is covered where
//! its luma and both its chroma samples are covered; one plane left as it was leaves the pixel clear. A sample is covered
//!
//! 1. where it differs from the source;
//! 2. where it equals the source by chance: the block around it (4 x 4 luma, 2 x 2 chroma samples) is one value in the
//!    redacted picture and differs from the source somewhere, or a sample right beside it has the same value in the
//!    redacted picture and differs from the source;
//! 3. in luma, where a 4 x 4 block is one value and the same in both pictures (a shadow as black as the paint), if
//!    another block of its 16 px cell has that very value by rule 2;
//! 4. in chroma, where a block is one value and the same in both pictures (a grey scene, grey paint): such a block cannot
//!    say whether it was painted. It goes with the luma, unless the plane shows untouched texture under painted luma in
//!    this cell or one of the eight around it: then the chroma was not painted, and the block is clear.
//!
//! A cell whose luma is untouched is clear. Rules 2 to 4 never cover a sample that is alone in a painted block and has
//! another value than the paint, so that one forgotten pixel shows.

use crate::base::geometry::CELL;
use crate::base::{Chroma, Grid, Plane, Rect, Size};
use crate::mask::RedactedFrame;

/// Sent clear.
pub const CLEAR: u8 = 0;
/// Covered by a slate, or for want of evidence.
pub const SLATE: u8 = 128;
/// Covered by evidence or margin.
pub const COVERED: u8 = 255;

/// A picture to read, whoever owns it.
#[derive(Clone, Copy)]
pub struct Picture<'a> {
    /// Luma.
    pub luma: Plane<'a>,
    /// Chroma.
    pub chroma: Chroma<'a>,
}

impl<'a> From<&'a RedactedFrame> for Picture<'a> {
    fn from(frame: &'a RedactedFrame) -> Self {
        Self { luma: frame.luma(), chroma: frame.chroma() }
    }
}

/// Samples across a cell's chroma.
const HALF: usize = CELL / 2;
/// U shows untouched texture under painted luma; V is one bit further.
const RAW: u8 = 1;
/// U has a block that cannot say whether it was painted; V is one bit further.
const SILENT: u8 = 4;

/// The coverage of one picture at a time; its memory is kept from frame to frame.
pub struct Coverage {
    size: Size,
    grid: Grid,
    mask: Box<[u8]>,
    /// What each cell's chroma said: [`RAW`] and [`SILENT`].
    notes: Box<[u8]>,
}

impl Coverage {
    /// For pictures of `size`.
    pub fn new(size: Size) -> Self {
        let grid = Grid::over(size, CELL);
        Self { size, grid, mask: vec![0; size.area()].into(), notes: vec![0; grid.cells()].into() }
    }

    /// Size of the pictures.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// One byte per pixel in row order, from the last [`Coverage::derive`].
    pub fn mask(&self) -> &[u8] {
        &self.mask
    }

    /// Everything clear: the honest answer where no source is left to compare with.
    pub fn clear(&mut self) -> &[u8] {
        self.mask.fill(CLEAR);
        &self.mask
    }

    /// Compares; covered pixels get `covered`, others [`CLEAR`]. Both pictures must have this coverage's size.
    pub fn derive(&mut self, source: Picture<'_>, sent: Picture<'_>, covered: u8) -> &[u8] {
        for row in 0..self.grid.rows {
            for column in 0..self.grid.columns {
                let rect = self.grid.rect(column, row, self.size);
                let notes = if luma_untouched(source.luma, sent.luma, rect) {
                    self.fill(rect, CLEAR);
                    0
                } else {
                    self.cell(source, sent, rect, covered, 0)
                };
                self.notes[self.grid.index(column, row)] = notes;
            }
        }
        for row in 0..self.grid.rows {
            for column in 0..self.grid.columns {
                let silent = self.notes[self.grid.index(column, row)] / SILENT;
                let raw = if silent == 0 { 0 } else { self.raw_around(column, row) & silent };
                if raw != 0 {
                    self.cell(source, sent, self.grid.rect(column, row, self.size), covered, raw);
                }
            }
        }
        &self.mask
    }

    /// Which chroma planes are seen raw in this cell or beside it.
    fn raw_around(&self, column: usize, row: usize) -> u8 {
        let mut raw = 0;
        for y in row.saturating_sub(1)..(row + 2).min(self.grid.rows) {
            for x in column.saturating_sub(1)..(column + 2).min(self.grid.columns) {
                raw |= self.notes[self.grid.index(x, y)];
            }
        }
        raw & (SILENT - 1)
    }

    /// Judges one cell whose luma was touched; `raw` names the chroma planes whose silent blocks are clear.
    fn cell(&mut self, source: Picture<'_>, sent: Picture<'_>, rect: Rect, covered: u8, raw: u8) -> u8 {
        let luma = judge_luma(&gather(source.luma, rect, 1, 0), &gather(sent.luma, rect, 1, 0));
        let half = Rect::new(rect.x / 2, rect.y / 2, rect.width.div_ceil(2), rect.height.div_ceil(2));
        let (u, v) = match (source.chroma, sent.chroma) {
            (Chroma::I420(u, v), Chroma::I420(sent_u, sent_v)) => (
                judge_chroma(&gather(u, half, 1, 0), &gather(sent_u, half, 1, 0), &luma, raw & RAW != 0),
                judge_chroma(&gather(v, half, 1, 0), &gather(sent_v, half, 1, 0), &luma, raw & (RAW << 1) != 0),
            ),
            (Chroma::Nv12(uv), Chroma::Nv12(sent_uv)) => (
                judge_chroma(&gather(uv, half, 2, 0), &gather(sent_uv, half, 2, 0), &luma, raw & RAW != 0),
                judge_chroma(&gather(uv, half, 2, 1), &gather(sent_uv, half, 2, 1), &luma, raw & (RAW << 1) != 0),
            ),
            // Two layouts cannot be compared sample by sample: nothing is proven, so nothing is covered.
            _ => (Judged::NOTHING, Judged::NOTHING),
        };
        if luma.all && u.all && v.all {
            self.fill(rect, covered);
        } else {
            self.paint(rect, |x, y| {
                let (below, along) = (y / 2, x / 2);
                if luma.hidden[y][x] && u.hidden[below][along] && v.hidden[below][along] { covered } else { CLEAR }
            });
        }
        u.notes | v.notes << 1
    }

    fn fill(&mut self, rect: Rect, value: u8) {
        for row in self.mask.chunks_exact_mut(self.size.width).skip(rect.y).take(rect.height) {
            row[rect.x..rect.right()].fill(value);
        }
    }

    fn paint(&mut self, rect: Rect, value: impl Fn(usize, usize) -> u8) {
        let rows = self.mask.chunks_exact_mut(self.size.width).skip(rect.y).take(rect.height);
        for (y, row) in rows.enumerate() {
            for (x, pixel) in row[rect.x..rect.right()].iter_mut().enumerate() {
                *pixel = value(x, y);
            }
        }
    }
}

/// Whether both pictures have the same luma in `rect`.
fn luma_untouched(source: Plane<'_>, sent: Plane<'_>, rect: Rect) -> bool {
    (rect.y..rect.bottom()).all(|y| {
        let (source, sent) = (&source.row(y)[rect.x..rect.right()], &sent.row(y)[rect.x..rect.right()]);
        match (source.first_chunk::<CELL>(), sent.first_chunk::<CELL>()) {
            // A whole cell's row is two machine words: no call.
            (Some(source), Some(sent)) => source == sent,
            _ => source == sent,
        }
    })
}

/// A square of samples; `step` bytes apart, from byte `offset`. Beyond the picture the last sample repeats.
fn gather<const N: usize>(plane: Plane<'_>, rect: Rect, step: usize, offset: usize) -> [[u8; N]; N] {
    let mut square = [[0; N]; N];
    for (y, line) in square.iter_mut().enumerate() {
        let row = &plane.row(rect.y + y.min(rect.height - 1))[rect.x * step..];
        match row.first_chunk::<N>() {
            Some(chunk) if step == 1 && rect.width == N => *line = *chunk,
            _ => {
                for (x, sample) in line.iter_mut().enumerate() {
                    *sample = row[x.min(rect.width - 1) * step + offset];
                }
            }
        }
    }
    square
}

/// Which samples of a cell are covered in one plane.
struct Judged<const N: usize> {
    /// All of them.
    all: bool,
    hidden: [[bool; N]; N],
    notes: u8,
}

impl<const N: usize> Judged<N> {
    const ALL: Self = Self { all: true, hidden: [[true; N]; N], notes: 0 };
    const NOTHING: Self = Self { all: false, hidden: [[false; N]; N], notes: 0 };

    /// Rule 1.
    fn changed(source: &[[u8; N]; N], sent: &[[u8; N]; N]) -> Self {
        let mut hidden = [[false; N]; N];
        for y in 0..N {
            for x in 0..N {
                hidden[y][x] = source[y][x] != sent[y][x];
            }
        }
        Self { all: false, hidden, notes: 0 }
    }

    fn fill(&mut self, x: usize, y: usize, side: usize, hidden: bool) {
        for row in &mut self.hidden[y..y + side] {
            row[x..x + side].fill(hidden);
        }
    }

    fn any(&self, x: usize, y: usize, side: usize) -> bool {
        self.hidden[y..y + side].iter().any(|row| row[x..x + side].contains(&true))
    }

    fn every(&self, x: usize, y: usize, side: usize) -> bool {
        self.hidden[y..y + side].iter().all(|row| !row[x..x + side].contains(&false))
    }

    /// The second half of rule 2, for one block; `changed` is rule 1.
    fn beside(&mut self, sent: &[[u8; N]; N], changed: &[[bool; N]; N], x: usize, y: usize, side: usize) {
        let same = |x: usize, y: usize, value: u8| x < N && y < N && changed[y][x] && sent[y][x] == value;
        for (y, row) in self.hidden.iter_mut().enumerate().skip(y).take(side) {
            for (x, hidden) in row.iter_mut().enumerate().skip(x).take(side) {
                let value = sent[y][x];
                *hidden |= same(x.wrapping_sub(1), y, value)
                    || same(x + 1, y, value)
                    || same(x, y.wrapping_sub(1), value)
                    || same(x, y + 1, value);
            }
        }
    }
}

/// The one value of a block, if it has only one.
fn constant<const N: usize>(square: &[[u8; N]; N], x: usize, y: usize, side: usize) -> Option<u8> {
    let value = square[y][x];
    square[y..y + side].iter().all(|row| row[x..x + side].iter().all(|&sample| sample == value)).then_some(value)
}

/// The corners of the blocks of `side` in a square of `N`.
fn blocks<const N: usize>(side: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..N).step_by(side).flat_map(move |y| (0..N).step_by(side).map(move |x| (x, y)))
}

fn whole_is_one_value<const N: usize>(square: &[[u8; N]; N]) -> bool {
    let line = [square[0][0]; N];
    square.iter().all(|row| *row == line)
}

/// Rules 1 to 3. The cell's luma is known to differ somewhere.
fn judge_luma(source: &[[u8; CELL]; CELL], sent: &[[u8; CELL]; CELL]) -> Judged<CELL> {
    if whole_is_one_value(sent) {
        return Judged::ALL;
    }
    let mut judged = Judged::changed(source, sent);
    let changed = judged.hidden;
    // Values of the blocks that rule 2 covered, one bit per value.
    let mut painted = [0u128; 2];
    let mut silent = false;
    for (x, y) in blocks::<CELL>(4) {
        match (constant(sent, x, y, 4), judged.any(x, y, 4)) {
            (Some(value), true) => {
                painted[usize::from(value >> 7)] |= 1 << (value & 127);
                judged.fill(x, y, 4, true);
            }
            (Some(_), false) => silent = true,
            (None, true) => judged.beside(sent, &changed, x, y, 4),
            (None, false) => {}
        }
    }
    if silent {
        for (x, y) in blocks::<CELL>(4) {
            let same = |value: u8| painted[usize::from(value >> 7)] >> (value & 127) & 1 == 1;
            if !judged.any(x, y, 4) && constant(sent, x, y, 4).is_some_and(same) {
                judged.fill(x, y, 4, true);
            }
        }
    }
    judged.all = judged.every(0, 0, CELL);
    judged
}

/// Rules 1, 2 and 4 for U or V. Notes are for U; the caller shifts those of V.
fn judge_chroma(
    source: &[[u8; HALF]; HALF],
    sent: &[[u8; HALF]; HALF],
    luma: &Judged<CELL>,
    silent_is_clear: bool,
) -> Judged<HALF> {
    if whole_is_one_value(sent) && source != sent {
        return Judged::ALL;
    }
    let mut judged = Judged::changed(source, sent);
    let changed = judged.hidden;
    let mut notes = 0;
    for (x, y) in blocks::<HALF>(2) {
        match (constant(sent, x, y, 2).is_some(), judged.any(x, y, 2)) {
            (true, true) => judged.fill(x, y, 2, true),
            (true, false) => {
                notes |= SILENT;
                judged.fill(x, y, 2, !silent_is_clear);
            }
            (false, touched) => {
                judged.beside(sent, &changed, x, y, 2);
                if !touched && !judged.every(x, y, 2) && luma.every(2 * x, 2 * y, 4) {
                    notes |= RAW;
                }
            }
        }
    }
    judged.notes = notes;
    judged.all = judged.every(0, 0, HALF);
    judged
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
