//! From two pyramids to the camera's motion, and the room that it takes.
//!
//! Searches on the smallest levels, follows on the larger, fits after each. Relies on the leaves beside it. All memory
//! is in [`Workings`]; nothing is remembered from one estimate to the next.

use zeroize::Zeroize;

use super::fit::{Kind, Pair, by_lot, refine, shifted};
use super::patch::{BLOCK, EDGE, Patch, Slopes, slopes, texture};
use super::search::{PATCH, find, sharpen, shift};
use super::{Matrix, Motion, product, put, real};
use crate::base::{Plane, Size};
use crate::track::pyramid::Pyramid;

/// Tiles across and down; the most textured patch of each is followed.
const COLUMNS: usize = 16;
const ROWS: usize = 12;

/// Part of the picture's width by which a pan may move it either way.
const PAN: usize = 8;
/// Pixels of the smallest level beyond that, for turn and zoom.
const PAN_SLACK: usize = 2;
/// Pixels of the smallest level around the first guess in which each patch is looked for: a turn of 3 degrees and a
/// zoom of 3 % move the corners of a 16:9 picture by 3.8 pixels at 1/16.
const REACH: i32 = 4;
/// Pixels of the next level around the fit of the first.
const NEXT_REACH: i32 = 2;
/// Pixels of the smallest level within which places agree in the first fit.
const AGREE_COARSE: f64 = 1.0;
/// Pixels of a level below which errors count in full: how well a patch is followed there.
const FINE: f64 = 0.1;
/// Steps of following on one level.
const STEPS_A_LEVEL: usize = 2;

/// Pixels of the full picture. A place agrees if it was found within this of the fit: trees and houses up to a tenth of
/// the flight height still do at ten pixels a picture.
const AGREE: f64 = 1.0;
/// The same, as a share of the place's own motion.
const AGREE_SHARE: f64 = 1.0 / 16.0;
/// One part in so many of the tiles must have texture for full confidence. Two persons over fog, each on its own way, are
/// a seventh of a small picture's tiles and fit one camera's motion exactly; real ground has texture in nine tenths.
const ENOUGH: usize = 2;

/// Share of the picture over which what agrees must be spread for full confidence. Over ground without texture all of it
/// may lie on one lorry, which is not how the camera moves.
const SPREAD: f64 = 0.5;

/// Room to work in, for pictures of one size.
pub struct Workings {
    size: Size,
    /// Sharpened levels: the smallest of the earlier and the later picture, then the next.
    sharp: [Box<[u8]>; 4],
    sums: Box<[u16]>,
    blocks: Box<[Slopes]>,
    /// The most textured patch of each tile: how much, and its middle in pixels of the full picture.
    tiles: Box<[(f64, (f64, f64))]>,
    pairs: Vec<Pair>,
    errors: Vec<f64>,
}

impl Workings {
    /// Takes the memory for pictures of `size`; `estimate` takes none.
    pub fn new(size: Size) -> Self {
        let pyramid = Pyramid::new(size);
        let (top, next) = (pyramid.count(), pyramid.count().saturating_sub(1));
        let bytes = |n: usize| vec![0; pyramid.level(n).data.len()].into_boxed_slice();
        let tiles = COLUMNS * ROWS;
        Self {
            size,
            sharp: [bytes(top), bytes(top), bytes(next), bytes(next)],
            sums: vec![0; pyramid.level(next).width].into_boxed_slice(),
            blocks: vec![[0; 3]; pyramid.level(next).data.len() / (BLOCK * BLOCK)].into_boxed_slice(),
            tiles: vec![(0.0, (0.0, 0.0)); tiles].into_boxed_slice(),
            pairs: Vec::with_capacity(tiles),
            errors: Vec::with_capacity(tiles),
        }
    }

    /// Finds the most textured patch of each tile.
    fn pick(&mut self, level: &Plane<'_>, n: usize) {
        self.tiles.fill((0.0, (0.0, 0.0)));
        let (columns, rows) = slopes(level, &mut self.blocks);
        for row in 1..rows {
            for column in 1..columns {
                let at = |row: usize, column: usize| self.blocks[row * columns + column];
                let four = [at(row - 1, column - 1), at(row - 1, column), at(row, column - 1), at(row, column)];
                let texture = texture(
                    four.iter()
                        .fold([0; 3], |sum, block| std::array::from_fn(|part| sum[part].wrapping_add(block[part]))),
                );
                let tile = (row - 1) * ROWS / (rows - 1) * COLUMNS + (column - 1) * COLUMNS / (columns - 1);
                if texture > self.tiles[tile].0 {
                    let middle = |block: usize| full(real(EDGE + block * BLOCK) - 0.5, n);
                    self.tiles[tile] = (texture, (middle(column), middle(row)));
                }
            }
        }
    }

    fn textured(&self) -> impl Iterator<Item = (f64, f64)> {
        self.tiles.iter().filter(|tile| tile.0 > 0.0).map(|tile| tile.1)
    }
}

impl Drop for Workings {
    /// The sharpened levels show what the picture showed.
    fn drop(&mut self) {
        self.sharp.iter_mut().for_each(|level| level.zeroize());
    }
}

/// A place of level `n` in pixels of the full picture.
fn full(place: f64, n: usize) -> f64 {
    (place + 0.5) * real(1 << n) - 0.5
}

/// A place of the full picture in pixels of level `n`.
fn small(place: f64, n: usize) -> f64 {
    (place + 0.5) / real(1 << n) - 0.5
}

/// The nearest pixel at which a patch around `middle` begins.
#[expect(clippy::cast_possible_truncation, reason = "clamped before; not a number becomes 0")]
fn corner(middle: f64) -> i32 {
    (middle - 3.5 + 0.5).clamp(-1e9, 1e9).floor() as i32
}

/// Centred coordinates in which half the width is 1.
#[derive(Clone, Copy)]
struct Unit {
    middle: (f64, f64),
    half: f64,
}

impl Unit {
    fn of(size: Size) -> Self {
        let (width, height) = (real(size.width), real(size.height));
        Self { middle: ((width - 1.0) / 2.0, (height - 1.0) / 2.0), half: (width / 2.0).max(1.0) }
    }

    fn to(self, place: (f64, f64)) -> (f64, f64) {
        ((place.0 - self.middle.0) / self.half, (place.1 - self.middle.1) / self.half)
    }

    fn from(self, place: (f64, f64)) -> (f64, f64) {
        (place.0 * self.half + self.middle.0, place.1 * self.half + self.middle.1)
    }

    /// A map of places in pixels, from one of places in units.
    fn pixels(self, map: &Matrix) -> Option<Matrix> {
        let (x, y) = self.middle;
        let (one, part) = (self.half, 1.0 / self.half);
        let to = [part, 0.0, -x * part, 0.0, part, -y * part, 0.0, 0.0, 1.0];
        let from = [one, 0.0, x, 0.0, one, y, 0.0, 0.0, 1.0];
        product(&from, &product(map, &to)?)
    }
}

/// The camera's motion from the earlier picture to the later. Without texture, after a cut, or with motion beyond what
/// is searched (an eighth of the width either way, 3 degrees, 3 %), the confidence is low; unknown motion where sizes
/// differ or nothing can be fitted.
pub fn estimate(earlier: &Pyramid, later: &Pyramid, workings: &mut Workings) -> Motion {
    let size = earlier.size();
    if size != later.size() || size != workings.size {
        return Motion::unknown(size);
    }
    trace(earlier, later, workings).unwrap_or_else(|| Motion::unknown(size))
}

fn trace(earlier: &Pyramid, later: &Pyramid, workings: &mut Workings) -> Option<Motion> {
    let size = earlier.size();
    let unit = Unit::of(size);
    let top = earlier.count();
    let next = (top - 1).max(1);
    workings.pick(&earlier.level(next), next);
    if workings.textured().count() < 2 {
        return None;
    }
    let mut map = coarse(earlier, later, workings, unit)?;
    let mut tally = Tally::default();
    for n in (1..=next).rev() {
        let fine = FINE * real(1 << n) / unit.half;
        tally = follow_all(&earlier.level(n), &later.level(n), n, &map, workings, unit);
        map = refine(&workings.pairs, map, Kind::Homography, fine, &mut workings.errors);
    }
    let share = tally.agreeing(&map, &workings.pairs, unit) * spread(&map, workings, unit);
    #[expect(clippy::cast_possible_truncation, reason = "a share")]
    Some(Motion::from_matrix(size, unit.pixels(&map)?, share as f32))
}

/// A similarity from whole pixels on the two smallest levels.
fn coarse(earlier: &Pyramid, later: &Pyramid, workings: &mut Workings, unit: Unit) -> Option<Matrix> {
    let top = earlier.count();
    let next = (top - 1).max(1);
    let Workings { sharp, sums, .. } = workings;
    let [small_earlier, small_later, next_earlier, next_later] = sharp;
    sharpen(&earlier.level(top), sums, small_earlier);
    sharpen(&later.level(top), sums, small_later);
    sharpen(&earlier.level(next), sums, next_earlier);
    sharpen(&later.level(next), sums, next_later);
    let reach = i32::try_from(((earlier.size().width / PAN) >> top) + PAN_SLACK).ok()?;
    let by = {
        let (a, b) = (
            Plane { data: &workings.sharp[0], ..earlier.level(top) },
            Plane { data: &workings.sharp[1], ..later.level(top) },
        );
        shift(&a, &b, (reach, reach))
    };
    let pixel = real(1 << top) / unit.half;
    let mut map = shifted(f64::from(by.0) * pixel, f64::from(by.1) * pixel);
    search_all(earlier, later, (top, REACH), 0, &map, workings, unit);
    map = by_lot(&workings.pairs, AGREE_COARSE * pixel)?;
    map = refine(&workings.pairs, map, Kind::Similarity, FINE * 4.0 * pixel, &mut workings.errors);
    if next < top {
        search_all(earlier, later, (next, NEXT_REACH), 2, &map, workings, unit);
        map = refine(&workings.pairs, map, Kind::Similarity, FINE * 2.0 * pixel, &mut workings.errors);
    }
    Some(map)
}

/// Looks for each textured patch around where `map` puts it.
fn search_all(
    earlier: &Pyramid,
    later: &Pyramid,
    (n, reach): (usize, i32),
    sharp: usize,
    map: &Matrix,
    workings: &mut Workings,
    unit: Unit,
) {
    let a = Plane { data: &workings.sharp[sharp], ..earlier.level(n) };
    let b = Plane { data: &workings.sharp[sharp + 1], ..later.level(n) };
    workings.pairs.clear();
    for &(_, middle) in workings.tiles.iter().filter(|tile| tile.0 > 0.0) {
        let from = (corner(small(middle.0, n)), corner(small(middle.1, n)));
        let at = |corner: i32| full(f64::from(corner) + 3.5, n);
        let start = unit.to((at(from.0), at(from.1)));
        let Some(there) = put(map, start.0, start.1).map(|there| unit.from(there)) else { continue };
        let near = (corner(small(there.0, n)), corner(small(there.1, n)));
        if let Some(to) = find(&a, &b, from, near, reach) {
            workings.pairs.push(Pair { from: start, to: unit.to((at(to.0), at(to.1))) });
        }
    }
}

/// What became of the patches on one level.
#[derive(Default)]
struct Tally {
    /// Patches whose place is inside the later picture.
    seen: usize,
    /// Tiles that there are.
    tiles: usize,
}

impl Tally {
    /// The share of the patches that were found where the map puts them.
    fn agreeing(&self, map: &Matrix, pairs: &[Pair], unit: Unit) -> f64 {
        let agree = pairs.iter().filter(|pair| agrees(pair, map, unit));
        real(agree.count()) / real(self.seen.max(self.tiles / ENOUGH).max(1))
    }
}

/// Whether a patch was found where the map puts it.
fn agrees(pair: &Pair, map: &Matrix, unit: Unit) -> bool {
    let (x, y) = (pair.to.0 - pair.from.0, pair.to.1 - pair.from.1);
    let reach = AGREE / unit.half + AGREE_SHARE * (x * x + y * y).sqrt();
    pair.error(map) <= reach * reach
}

/// How far what agrees is spread, as a part of [`SPREAD`], at most 1: by the median distances from the median place,
/// which a few places elsewhere do not move. All over the picture they are a quarter of its sides.
fn spread(map: &Matrix, workings: &mut Workings, unit: Unit) -> f64 {
    let Workings { pairs, errors, size, .. } = workings;
    let mut median = |value: &dyn Fn(&Pair) -> f64| {
        errors.clear();
        errors.extend(pairs.iter().filter(|pair| agrees(pair, map, unit)).map(value));
        let middle = errors.len() / 2;
        if errors.is_empty() { 0.0 } else { *errors.select_nth_unstable_by(middle, f64::total_cmp).1 }
    };
    let (x, y) = (median(&|pair| pair.from.0), median(&|pair| pair.from.1));
    let (across, down) = (median(&|pair| (pair.from.0 - x).abs()), median(&|pair| (pair.from.1 - y).abs()));
    // In units the picture is 2 wide, so a quarter of its width is a half.
    let share = across * 2.0 * down * 2.0 * real(size.width) / real(size.height).max(1.0);
    (share / SPREAD).min(1.0)
}

/// Follows each textured patch from where `map` puts it; pairs are kept of those that look as they did.
fn follow_all(
    earlier: &Plane<'_>,
    later: &Plane<'_>,
    n: usize,
    map: &Matrix,
    workings: &mut Workings,
    unit: Unit,
) -> Tally {
    let mut tally = Tally { seen: 0, tiles: COLUMNS * ROWS };
    workings.pairs.clear();
    let pixel = real(1 << n) / unit.half;
    for &(_, middle) in workings.tiles.iter().filter(|tile| tile.0 > 0.0) {
        let from = (corner(small(middle.0, n)), corner(small(middle.1, n)));
        let (Ok(x), Ok(y)) = (usize::try_from(from.0), usize::try_from(from.1)) else { continue };
        let at = |corner: f64| full(corner + 3.5, n);
        let start = unit.to((at(f64::from(from.0)), at(f64::from(from.1))));
        let Some(to) = put(map, start.0, start.1) else { continue };
        let Some(below) = put(map, start.0, start.1 + pixel) else { continue };
        let slant = ((below.0 - to.0) / pixel, (below.1 - to.1) / pixel);
        let there = unit.from(to);
        let guess = (small(there.0, n) - 3.5, small(there.1, n) - 3.5);
        let inside = |place: f64, side: usize| place >= 1.0 && place + real(PATCH) + 1.0 < real(side);
        if !inside(guess.0, later.width) || !inside(guess.1, later.height) {
            continue;
        }
        tally.seen += 1;
        let found = Patch::new(earlier, x, y).and_then(|patch| patch.follow(later, guess, slant, STEPS_A_LEVEL));
        if let Some(found) = found.filter(|found| found.alike) {
            workings.pairs.push(Pair { from: start, to: unit.to((at(found.place.0), at(found.place.1))) });
        }
    }
    tally
}
