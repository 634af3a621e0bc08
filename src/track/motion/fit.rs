//! One map for many places, in spite of those that move on their own.
//!
//! Relies on nothing but numbers handed in. Never lets a place far from the map pull at it: a draw by lot finds what
//! most places share, weights that fall to nothing (Tukey's biweight) refine it. The lot is seeded, so the same places
//! give the same map.
//!
//! Coordinates are centred on the picture and divided by half its width, so that all unknowns are of one size.

use super::{IDENTITY, Matrix, put};

/// Unknowns of a homography: turn and zoom (two), shift (two), stretch and shear (two), perspective (two).
const UNKNOWNS: usize = 8;
/// The first of those that a similarity lacks.
const EXTRA: usize = 4;

/// What stretch, shear and perspective are likely to be between two pictures: a drone at 10 m/s, 20 m up, 30 pictures a
/// second, moves the near ground by 2 % of its distance. Without enough places, the fit stays near a similarity.
const LIKELY: f64 = 0.02;

/// Turns by lot. At half of the places wrong, all of 80 pairs hold a wrong one once in 10^10.
const TURNS: usize = 80;
/// The most that a similarity from the lot turns or zooms: above what the search finds, so a chance pair is refused.
const STEEPEST: f64 = 0.12;

/// Rounds of refinement; the weights settle in two or three.
const ROUNDS: usize = 3;
/// Tukey's constant, in standard deviations, for 95 % efficiency on normal errors (Holland and Welsch 1977).
const TUKEY: f64 = 4.685;
/// Standard deviations in a median absolute error in the plane (Rayleigh's median is 1.1774 sigma).
const MEDIAN: f64 = 1.0 / 1.1774;

/// A place in both pictures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair {
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

impl Pair {
    /// Squared distance between where a map puts the place and where it was found.
    pub(super) fn error(&self, map: &Matrix) -> f64 {
        put(map, self.from.0, self.from.1).map_or(f64::INFINITY, |to| {
            (to.0 - self.to.0) * (to.0 - self.to.0) + (to.1 - self.to.1) * (to.1 - self.to.1)
        })
    }
}

/// How many unknowns a fit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Similarity,
    Homography,
}

/// Numbers by lot: xorshift with a fixed seed (Marsaglia 2003).
struct Lot(u64);

impl Lot {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % (count as u64).max(1)).unwrap_or(0)
    }
}

/// The similarity that most places share to within `reach`; `None` with fewer than two places or no likely pair.
pub(super) fn by_lot(pairs: &[Pair], reach: f64) -> Option<Matrix> {
    let mut lot = Lot(0x9E37_79B9_7F4A_7C15);
    let mut best: Option<(f64, Matrix)> = None;
    for _ in 0..TURNS {
        let a = pairs.get(lot.below(pairs.len()))?;
        let b = pairs.get(lot.below(pairs.len()))?;
        let Some(map) = through(a, b) else { continue };
        let cost: f64 = pairs.iter().map(|pair| pair.error(&map).min(reach * reach)).sum();
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, map));
        }
    }
    best.map(|(_, map)| map)
}

/// The similarity through two pairs.
fn through(a: &Pair, b: &Pair) -> Option<Matrix> {
    let (x, y) = (b.from.0 - a.from.0, b.from.1 - a.from.1);
    let (u, v) = (b.to.0 - a.to.0, b.to.1 - a.to.1);
    let square = x * x + y * y;
    // Pairs closer than an eighth of the half width say little about turn and zoom.
    if square < 1.0 / 64.0 {
        return None;
    }
    let (p, q) = ((u * x + v * y) / square, (v * x - u * y) / square);
    if (p - 1.0) * (p - 1.0) + q * q > STEEPEST * STEEPEST {
        return None;
    }
    let (across, down) = (a.to.0 - p * a.from.0 + q * a.from.1, a.to.1 - q * a.from.0 - p * a.from.1);
    Some([p, -q, across, q, p, down, 0.0, 0.0, 1.0])
}

/// Refines `map`. Errors below `fine` count in full. `errors` is room for as many numbers as there are pairs. Where the
/// places do not settle it, the map stays as it was.
pub(super) fn refine(pairs: &[Pair], map: Matrix, kind: Kind, fine: f64, errors: &mut Vec<f64>) -> Matrix {
    let mut map = map;
    for _ in 0..ROUNDS {
        errors.clear();
        errors.extend(pairs.iter().map(|pair| pair.error(&map)));
        let middle = errors.len() / 2;
        if errors.len() < 2 {
            break;
        }
        let median = errors.select_nth_unstable_by(middle, f64::total_cmp).1.sqrt();
        let spread = (median * MEDIAN).max(fine);
        let Some(next) = weighted(pairs, &map, kind, spread) else { break };
        map = next;
    }
    map
}

/// One least-squares fit with the weights that `map` gives.
fn weighted(pairs: &[Pair], map: &Matrix, kind: Kind, spread: f64) -> Option<Matrix> {
    let mut normal = [[0.0; UNKNOWNS + 1]; UNKNOWNS];
    let reach = TUKEY * TUKEY * spread * spread;
    for pair in pairs {
        let share = 1.0 - (pair.error(map) / reach).min(1.0);
        let weight = share * share;
        if weight <= 0.0 {
            continue;
        }
        let ((x, y), (u, v)) = (pair.from, pair.to);
        let across = [x, -y, 1.0, 0.0, x, y, -u * x, -u * y, u];
        let down = [y, x, 0.0, 1.0, -y, x, -v * x, -v * y, v];
        for (row, sums) in normal.iter_mut().enumerate() {
            let (a, b) = (across[row] * weight, down[row] * weight);
            for (sum, (across, down)) in sums.iter_mut().zip(across.iter().zip(down)).skip(row) {
                *sum += a * across + b * down;
            }
        }
    }
    let hold = match kind {
        Kind::Similarity => 1e12,
        Kind::Homography => spread * spread / (LIKELY * LIKELY),
    };
    (EXTRA..UNKNOWNS).for_each(|n| normal[n][n] += hold);
    let [p, q, across, down, stretch, shear, g, h] = solved(normal)?;
    let map = [p + stretch, shear - q, across, q + shear, p - stretch, down, g, h, 1.0];
    map.iter().all(|value| value.is_finite()).then_some(map)
}

/// Solves a symmetric system from its upper half (Gauss without pivots, which positive definite ones do not need).
fn solved(mut normal: [[f64; UNKNOWNS + 1]; UNKNOWNS]) -> Option<[f64; UNKNOWNS]> {
    for n in 0..UNKNOWNS {
        let pivot = normal[n];
        if pivot[n] <= 1e-9 {
            return None;
        }
        for (row, lower) in normal.iter_mut().enumerate().skip(n + 1) {
            let factor = pivot[row] / pivot[n];
            lower.iter_mut().zip(pivot).skip(row).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut found = [0.0; UNKNOWNS];
    for n in (0..UNKNOWNS).rev() {
        let known: f64 = (n + 1..UNKNOWNS).map(|column| normal[n][column] * found[column]).sum();
        found[n] = (normal[n][UNKNOWNS] - known) / normal[n][n];
    }
    Some(found)
}

/// A shift alone.
pub(super) const fn shifted(across: f64, down: f64) -> Matrix {
    let mut map = IDENTITY;
    map[2] = across;
    map[5] = down;
    map
}
