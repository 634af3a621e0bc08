//! Which cells show something that moves otherwise than the ground.
//!
//! Relies on the camera's motion and the pyramid's half; knows no network and learns nothing. Where it cannot tell, the
//! cell moves: on the first look, where the ground has just come into the picture, and while the camera's motion is not
//! known.
//!
//! A person 20 pixels tall moves half a pixel from one picture to the next, so the picture is compared with the oldest
//! of the last six whose ground is still in view ([`compare`]). What differs adds up in each cell and travels with the
//! ground; two thresholds and a hold keep the cell from flickering.

mod compare;
mod smooth;

use super::motion::{Motion, real};
use super::pyramid::Pyramid;
use crate::base::geometry::CELL;
use crate::base::{Grid, Micros, Size};
use compare::Comparison;
use smooth::Smooth;

/// Pictures that are kept to compare with: what [`AGE`] needs at 30 pictures a second.
const BACK: usize = 6;
/// The oldest picture to compare with, but for the last one: in a fifth of a second a walker moves a foot.
const AGE: Micros = Micros::from_ms(210);
/// Below this confidence the camera's motion is not known.
const KNOWN: f32 = 0.35;

/// Luma steps times pixels of the half. Evidence from which a cell starts to move: eight pixels that differ by eight
/// more than noise and misfit explain, seen once, or by two, seen on and on.
const START: u16 = 64;
/// Evidence below which it stops, once the hold is over.
const STOP: u16 = 32;
/// Evidence that a look must add for the cell to start or go on: a pixel that differs by eight.
const FRESH: u16 = 8;
/// How long a cell keeps moving after its evidence has gone: a walker's middle may show no edge for a part of a step.
const HOLD: Micros = Micros::from_ms(150);
/// One part in so many of the evidence is lost in each [`TICK`]: at 30 pictures a second, what lasts adds up to four times
/// what one look shows.
const LOST: u16 = 4;
/// How long that takes; the same for any frame rate, or what has left would stay for a second at 10 pictures a second.
const TICK: Micros = Micros(33_333);
/// Most of those from one look to the next: nothing is left then.
const TICKS: u64 = 16;
/// Most evidence, so that a car that has left is forgotten in seven ticks and the hold.
const MOST: u16 = 192;

/// What is known of the ground under one cell.
#[derive(Clone, Copy, Default)]
struct Trace {
    evidence: u16,
    /// It moves until then.
    until: Option<Micros>,
    /// Where that ground lies, from the middle of the cell, in pixels.
    off: (f32, f32),
}

/// A picture of an earlier look.
struct Past {
    picture: Smooth,
    /// The camera's motion since.
    motion: Motion,
    looked: Micros,
}

impl Past {
    fn new(size: Size) -> Self {
        Self { picture: Smooth::new(size), motion: Motion::unknown(size), looked: Micros::default() }
    }
}

/// The witness of one stream. Holds raw pixels at half size.
pub struct Witness {
    size: Size,
    cells: Grid,
    /// Pictures of the last looks, newest first.
    past: [Past; BACK + 1],
    /// How many of them are filled and connected by known motion.
    known: usize,
    compare: Comparison,
    traces: Box<[Trace]>,
    carried: Box<[Trace]>,
    moving: Box<[bool]>,
}

impl Witness {
    /// Takes the memory for pictures of `size`. Every cell moves.
    pub fn new(size: Size) -> Self {
        let cells = Grid::over(size, CELL);
        Self {
            size,
            cells,
            past: std::array::from_fn(|_| Past::new(size)),
            known: 0,
            compare: Comparison::new(size),
            traces: vec![Trace::default(); cells.cells()].into_boxed_slice(),
            carried: vec![Trace::default(); cells.cells()].into_boxed_slice(),
            moving: vec![true; cells.cells()].into_boxed_slice(),
        }
    }

    /// The cells that move, in row order over the grid of 16 pixel cells.
    pub fn moving(&self) -> &[bool] {
        &self.moving
    }

    /// Forgets all pictures, after a gap in the stream: every cell moves.
    pub fn forget(&mut self) {
        self.known = 0;
        self.traces.fill(Trace::default());
        self.moving.fill(true);
    }

    /// Looks at the next picture, captured at `now`. `motion` is the camera's from the picture of the last look to this
    /// one; on the first look it does not matter. A picture of another size makes every cell move.
    pub fn look(&mut self, later: &Pyramid, motion: &Motion, now: Micros) {
        if later.size() != self.size || motion.size() != self.size {
            self.forget();
            return;
        }
        if self.known > 0 && motion.confidence() < KNOWN {
            self.forget();
        }
        let before = self.past[0].looked;
        self.past.rotate_right(1);
        let [newest, past @ ..] = &mut self.past;
        newest.picture.fill(&later.level(1));
        newest.motion = Motion::still(self.size);
        newest.looked = now;
        past.iter_mut().for_each(|past| past.motion = past.motion.then(motion));
        if self.known == 0 {
            self.known = 1;
            return;
        }
        self.known = (self.known + 1).min(BACK + 1);
        self.carry(motion);
        let young = |past: &Past| now.since(past.looked) <= AGE;
        let old = self.past[..self.known].iter().position(|past| !young(past)).unwrap_or(self.known);
        self.compare.measure(&self.past[..old.max(2)]);
        self.judge(now, now.since(before));
    }

    /// Moves what is known of the ground with the ground.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the grid before")]
    fn carry(&mut self, motion: &Motion) {
        self.carried.fill(Trace::default());
        #[expect(clippy::cast_precision_loss, reason = "cells are few")]
        let middle = |n: usize| (n * CELL) as f32 + 7.5;
        for (index, trace) in
            self.traces.iter().enumerate().filter(|(_, trace)| trace.evidence > 0 || trace.until.is_some())
        {
            let (column, row) = (index % self.cells.columns, index / self.cells.columns);
            let (x, y) = motion.map(middle(column) + trace.off.0, middle(row) + trace.off.1);
            let (across, down) = ((x + 0.5) / 16.0, (y + 0.5) / 16.0);
            let inside = |at: f32, count: usize| at >= 0.0 && f64::from(at) < real(count);
            if !inside(across, self.cells.columns) || !inside(down, self.cells.rows) {
                continue;
            }
            let (column, row) = (across as usize, down as usize);
            let to = &mut self.carried[self.cells.index(column, row)];
            let off = if trace.evidence >= to.evidence { (x - middle(column), y - middle(row)) } else { to.off };
            *to = Trace { evidence: trace.evidence.max(to.evidence), until: trace.until.max(to.until), off };
        }
        std::mem::swap(&mut self.traces, &mut self.carried);
    }

    /// Adds what this look shows, and says which cells move. The last look was `ago`.
    fn judge(&mut self, now: Micros, ago: Micros) {
        let ticks = ((ago.0 + TICK.0 / 2) / TICK.0).clamp(1, TICKS);
        for ((trace, seen), moving) in self.traces.iter_mut().zip(self.compare.seen()).zip(&mut self.moving) {
            let Some(seen) = *seen else {
                *trace = Trace::default();
                *moving = true;
                continue;
            };
            let kept = (0..ticks).fold(trace.evidence, |left, _| left - left.div_ceil(LOST));
            if seen > 0 && seen >= kept / 2 {
                trace.off = (0.0, 0.0);
            }
            trace.evidence = kept.saturating_add(seen).min(MOST);
            // What is left of earlier looks adds to this one's, but does not speak alone: a walker's trail would.
            trace.until = match trace.evidence {
                _ if seen < FRESH => trace.until.filter(|&until| now <= until),
                START.. => Some(now.plus(HOLD)),
                STOP.. if trace.until.is_some() => Some(now.plus(HOLD)),
                _ => trace.until.filter(|&until| now <= until),
            };
            *moving = trace.until.is_some();
        }
    }
}
