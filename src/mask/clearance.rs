//! Which cells may be sent clear: everything is covered until evidence says otherwise.

use std::ops::RangeInclusive;

use crate::base::geometry::{CELL, SCORE_CELL};
use crate::base::{Grid, Micros, Size};
use crate::detect::Evidence;

use super::Settings;

/// What the settings may be: beyond the weak end a value would clear what it should not, so it is refused at start.
pub struct Bounds;

impl Bounds {
    /// Pixels. None is allowed: a sighting always covers the whole clearance cell around its score cell.
    pub const MARGIN_PX: RangeInclusive<usize> = 0..=128;
    /// Milliseconds. The detector misses single frames; shorter than this, each miss shows.
    pub const HOLD_MS: RangeInclusive<u64> = 100..=5000;
    /// Milliseconds. A person at 2 m/s walks a metre in the longest.
    pub const EVIDENCE_AGE_MAX_MS: RangeInclusive<u64> = 0..=500;
    /// What the network gives for a person, 0 to 1. Above, more than a fifth of the heads on its held-out sequences leak
    /// from a single look (the sweep in `models/README.md`).
    pub const PERSON_THRESHOLD: RangeInclusive<f32> = 0.01..=0.75;
    /// What the network gives for a vehicle, 0 to 1. Above, less than 0.6 of the vehicles' area is covered, as above.
    pub const VEHICLE_THRESHOLD: RangeInclusive<f32> = 0.01..=0.74;
}

/// The clearance grid of one stream.
pub struct Clearance {
    scores: Grid,
    cells: Grid,
    size: Size,
    margin: usize,
    hold: Micros,
    person: u8,
    vehicle: u8,
    covered: Box<[bool]>,
    /// Until when each cell stays covered after a sighting.
    until: Box<[Option<Micros>]>,
}

/// The score from which a cell counts, so that rounding covers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=255 before")]
fn score(threshold: f32) -> u8 {
    (threshold * 255.0).floor().clamp(1.0, 255.0) as u8
}

impl Clearance {
    pub fn new(size: Size, settings: &Settings) -> Self {
        let cells = Grid::over(size, CELL);
        Self {
            scores: Grid::over(size, SCORE_CELL),
            cells,
            size,
            margin: settings.margin_px,
            hold: settings.hold,
            person: score(settings.person_threshold),
            vehicle: score(settings.vehicle_threshold),
            covered: vec![true; cells.cells()].into_boxed_slice(),
            until: vec![None; cells.cells()].into_boxed_slice(),
        }
    }

    /// The covered cells, in row order.
    pub fn covered(&self) -> &[bool] {
        &self.covered
    }

    /// Share of cells that are clear.
    #[expect(clippy::cast_precision_loss, reason = "cells are fewer than 2^23")]
    pub fn clear_fraction(&self) -> f32 {
        let clear = self.covered.iter().filter(|&&covered| !covered).count();
        clear as f32 / self.covered.len() as f32
    }

    /// Drops every hold, after a jump of the clock. The frame at the jump is a slate; the next one has its own evidence.
    pub fn forget(&mut self) {
        self.until.fill(None);
    }

    /// Works out the covered cells of the frame captured at `now` from evidence about it.
    pub fn examine(&mut self, evidence: &Evidence, now: Micros) {
        let until = now.plus(self.hold);
        for (index, (&person, &vehicle)) in evidence.person().iter().zip(evidence.vehicle()).enumerate() {
            if person < self.person && vehicle < self.vehicle {
                continue;
            }
            let (x, y) = (index % self.scores.columns * SCORE_CELL, index / self.scores.columns * SCORE_CELL);
            let right = (x + SCORE_CELL + self.margin).min(self.size.width).div_ceil(CELL);
            let bottom = (y + SCORE_CELL + self.margin).min(self.size.height).div_ceil(CELL);
            for row in y.saturating_sub(self.margin) / CELL..bottom {
                for column in x.saturating_sub(self.margin) / CELL..right {
                    self.until[self.cells.index(column, row)] = Some(until);
                }
            }
        }
        for (covered, until) in self.covered.iter_mut().zip(&self.until) {
            *covered = until.is_some_and(|until| now <= until);
        }
    }
}
