//! Which cells may be sent clear: everything is covered until all four conditions hold.
//!
//! A cell of a frame is clear when
//! 1. it was inside a pass over this very frame, or inside one before and one after it (before alone, without
//!    look-ahead), none further away than `evidence_age_max`;
//! 2. nothing in those passes scores as much as its threshold there, each pass moved to this frame as the camera moved;
//! 3. no track covers it, and nothing there moves otherwise than the ground;
//! 4. the camera's motion between those passes and this frame is known, and no corner of the picture has moved further
//!    than `pan_max`.

use std::ops::RangeInclusive;

use crate::base::geometry::{CELL, SCORE_CELL};
use crate::base::{Fault, Grid, Micros, Rect, Size};
use crate::detect::Evidence;
use crate::track::{self, Bounds as Edges, Ground, Kind, KindPolicy, Motion, Sightings, Similarity, Tracks};

use super::Settings;
use super::history::History;

/// What the settings may be: beyond the weak end a value would clear what it should not, so it is refused at start.
pub struct Bounds;

impl Bounds {
    /// Pixels. None is allowed: a sighting always covers the whole clearance cell around its score cell.
    pub const MARGIN_PX: RangeInclusive<usize> = 0..=128;
    /// Milliseconds. The detector misses a head for single frames; shorter than this, each miss shows.
    pub const HOLD_MS: RangeInclusive<u64> = 100..=1000;
    /// Milliseconds. The detector misses a person for some frames on end; shorter than this, each miss shows.
    pub const COAST_MS: RangeInclusive<u64> = 200..=5000;
    /// Milliseconds. None is allowed: tracks then cover what may have moved since the last pass. Longer, no operator
    /// can fly by the picture.
    pub const LOOKAHEAD_MS: RangeInclusive<u64> = 0..=500;
    /// Milliseconds. A person at 2 m/s walks a metre in the longest.
    pub const EVIDENCE_AGE_MAX_MS: RangeInclusive<u64> = 0..=500;
    /// What the network gives for a person, 0 to 1. At the weak end a sixth of the heads on its held-out sequences leak from
    /// a single look (`models/README.md`, Thresholds).
    pub const PERSON_THRESHOLD: RangeInclusive<f32> = 0.01..=0.8;
    /// What the network gives for a vehicle, 0 to 1. At the weak end two thirds of the vehicles' area is covered there.
    pub const VEHICLE_THRESHOLD: RangeInclusive<f32> = 0.01..=0.74;
    /// As the thresholds. Above, too little is left of what only one look has seen.
    pub const SURE_THRESHOLD: RangeInclusive<f32> = 0.01..=0.8;
    /// Share of the textured places that agree with the camera's motion. Below, what agrees may be one moving lorry.
    pub const CONFIDENCE_MIN: RangeInclusive<f32> = 0.3..=1.0;
    /// Share of the picture's width. Beyond, a third of the picture was never examined.
    pub const PAN_MAX: RangeInclusive<f32> = 0.0..=0.33;
}

/// Pixels by which what was moved with the camera may reach into a cell without covering it: what the camera's motion
/// is wrong by. Score cells are eight times as wide.
const SLACK: f32 = 1.0;
/// Pixels that a cell may lie outside an examined picture: what is only as wide is not seen whole by a network of 8 px
/// cells either, and a camera that trembles would else lose its rim.
const RIM: f32 = 4.0;

/// Score cells in a row that are moved as one. Their middle is exact, their ends are as the picture's middle turns.
const RUN: usize = 4;

/// Scores from which a cell counts: persons, vehicles.
type Limits = [u8; 2];

/// The clearance grid of one stream; everything is allocated when it is made.
pub struct Clearance {
    settings: Settings,
    size: Size,
    cells: Grid,
    scores: Grid,
    /// Scores from which persons and vehicles are covered.
    limits: Limits,
    /// The same for passes that are not what clears a frame.
    sure: Limits,
    history: History,
    sightings: Sightings,
    tracks: Tracks,
    covered: Box<[bool]>,
    /// For each corner of a cell, in two rows: whether it was examined.
    corners: [Box<[bool]>; 2],
    /// Number of the frame that the tracks have stepped to.
    stepped: Option<u64>,
    /// Why the last pass gave no evidence.
    fault: Option<Fault>,
}

/// The score from which a cell counts, so that rounding covers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=255 before")]
fn score(threshold: f32) -> u8 {
    (threshold * 255.0).floor().clamp(1.0, 255.0) as u8
}

impl Clearance {
    pub fn new(size: Size, settings: &Settings) -> Self {
        let cells = Grid::over(size, CELL);
        let (person, vehicle) = (score(settings.person_threshold), score(settings.vehicle_threshold));
        let sure = [person, vehicle].map(|score_limit| score(settings.sure_threshold).max(score_limit));
        let mut policy = settings.tracks.clone();
        // What a pass covers prolongs a track; what it is sure of begins one.
        policy.person = KindPolicy { low: person, high: sure[0], ..policy.person };
        policy.vehicle = KindPolicy { low: vehicle, high: sure[1], ..policy.vehicle };
        let corners = || vec![false; cells.columns + 1].into_boxed_slice();
        Self {
            settings: settings.clone(),
            size,
            cells,
            scores: Grid::over(size, SCORE_CELL),
            limits: [person, vehicle],
            sure,
            history: History::new(size, settings.confidence_min),
            sightings: Sightings::new(size),
            tracks: Tracks::new(policy),
            covered: vec![true; cells.cells()].into_boxed_slice(),
            corners: [corners(), corners()],
            stepped: None,
            fault: None,
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

    /// Number of the frame of the newest pass.
    pub fn newest_pass(&self) -> Option<u64> {
        self.history.newest_pass()
    }

    /// Drops all that is known, after a jump of the clock. The frame at the jump is a slate.
    pub fn forget(&mut self) {
        self.history.forget();
        self.tracks.forget();
        self.stepped = None;
        self.fault = None;
    }

    /// Notes the next frame of the stream, long before it is redacted.
    pub fn follow(&mut self, ground: &Ground) {
        self.history.step(ground);
    }

    /// Takes what a pass gave; one that cannot be used is no pass, and says why the frames around it are covered.
    pub fn examined(&mut self, evidence: Result<Evidence, Fault>) {
        self.fault = evidence.and_then(|evidence| self.take(evidence)).err();
    }

    fn take(&mut self, evidence: Evidence) -> Result<(), Fault> {
        let (sequence, captured) = (evidence.sequence(), evidence.captured());
        let evidence = self.history.pass(evidence)?;
        let policy = self.tracks.policy();
        let maps = [
            (Kind::Person, evidence.person(), policy.person.low),
            (Kind::Vehicle, evidence.vehicle(), policy.vehicle.low),
        ];
        let complete = self.sightings.find(maps).is_ok();
        let camera = self.stepped.and_then(|last| self.history.motion(last, sequence)?.similarity());
        match camera {
            Some(camera) => self.tracks.step(captured, camera, self.sightings.found()),
            None => {
                // Nobody knows where the tracks are now: as at the start of the stream, there are none.
                self.tracks.forget();
                self.tracks.step(captured, track::Similarity::STILL, self.sightings.found());
            }
        }
        if !complete {
            self.tracks.miss(captured);
        }
        let (grid, [person, vehicle]) = (self.scores, self.limits);
        if let Some(evidence) = self.history.bracket(sequence).own {
            self.tracks.find(|kind, place| {
                let (scores, limit) = match kind {
                    Kind::Person => (evidence.person(), person),
                    Kind::Vehicle => (evidence.vehicle(), vehicle),
                };
                lit(scores, limit, grid, place)
            });
        }
        self.stepped = Some(sequence);
        Ok(())
    }

    /// Works out the covered cells of a frame that was followed; gives the time to the furthest pass that cleared it.
    ///
    /// # Errors
    /// Why no cell of it can be clear.
    pub fn examine(&mut self, ground: &Ground) -> Result<Micros, Fault> {
        let (sequence, captured) = (ground.sequence(), ground.captured());
        if !self.history.knows(sequence, captured) || ground.moving().len() != self.covered.len() {
            return Err(Fault::EvidenceMismatch);
        }
        self.history.release(sequence, captured, self.settings.hold);
        if self.history.lacks(captured, self.settings.hold) {
            return Err(Fault::EvidenceMissing);
        }
        let bracket = self.history.bracket(sequence);
        let age = |pass: &Evidence| Micros(pass.captured().0.abs_diff(captured.0));
        let in_time = |pass: &&Evidence| age(pass) <= self.settings.evidence_age_max;
        let (before, after) = (bracket.before.filter(in_time), bracket.after.filter(in_time));
        let ahead = self.settings.lookahead > Micros(0);
        let furthest = match (bracket.own, before, after) {
            (Some(_), _, _) => Micros(0),
            (None, Some(before), Some(after)) => age(before).max(age(after)),
            (None, Some(before), None) if !ahead => age(before),
            (None, None, _) if bracket.before.is_some() => return Err(self.fault.unwrap_or(Fault::EvidenceStale)),
            (None, None, _) => return Err(self.fault.unwrap_or(Fault::EvidenceMissing)),
            (None, Some(_), None) => return Err(self.fault.unwrap_or(Fault::EvidenceLate)),
        };
        self.covered.fill(false);
        let mut cover = Cover { size: self.size, cells: self.cells, covered: &mut self.covered };
        let scored = self.settings.parts.scores;
        if let Some(own) = bracket.own {
            cover.sightings(own, self.scores, scored.then_some(self.limits), self.settings.margin_px, None);
        }
        for pass in self.history.around(sequence, captured, self.settings.hold) {
            // The passes on either side count in full also beside one over this very frame, which alone misses what they
            // see. Older ones only keep what they were sure of, not what one look was wrong about.
            let proof = |of: Option<&Evidence>| of.is_some_and(|of| of.sequence() == pass.sequence());
            let beside = proof(before) || proof(after);
            let needed = bracket.own.is_none() && beside;
            let motion = match self.history.motion(pass.sequence(), sequence) {
                Some(motion) => motion,
                None if needed => return Err(Fault::MotionUnknown),
                // Nobody knows where its sightings are now: as at the start of the stream, there is nothing to hold.
                None => continue,
            };
            if needed && motion.speed() > pan_max(self.settings.pan_max, self.size) {
                return Err(Fault::MotionFast);
            }
            let limits = if beside { self.limits } else { self.sure };
            let limits = scored.then_some(limits);
            cover.sightings(pass, self.scores, limits, self.settings.margin_px, Some(&motion));
            if needed {
                cover.unexamined(&motion.inverse(), &mut self.corners);
            }
        }
        if self.settings.parts.tracks {
            if self.tracks.overflow() {
                return Err(Fault::TracksFull);
            }
            let from = self.stepped.ok_or(Fault::EvidenceMissing)?;
            match self.history.motion(from, sequence) {
                Some(motion) => {
                    let still = from == sequence;
                    self.tracks.covers(captured).for_each(|place| cover.moved(place, (!still).then_some(&motion)));
                }
                // Nobody knows where the tracks are here, and a pass over this very frame may have missed one.
                None => return Err(Fault::MotionUnknown),
            }
        }
        if self.settings.parts.witness {
            self.covered.iter_mut().zip(ground.moving()).for_each(|(covered, &moving)| *covered |= moving);
        }
        Ok(furthest)
    }
}

/// The share of a place's score cells that reach `limit`; none where it lies outside the picture.
fn lit(scores: &[u8], limit: u8, grid: Grid, place: Rect) -> f32 {
    let (mut lit, mut cells) = (0_u16, 0_u16);
    for row in place.y / SCORE_CELL..place.bottom().div_ceil(SCORE_CELL).min(grid.rows) {
        for column in place.x / SCORE_CELL..place.right().div_ceil(SCORE_CELL).min(grid.columns) {
            cells = cells.saturating_add(1);
            lit = lit.saturating_add(u16::from(scores[grid.index(column, row)] >= limit));
        }
    }
    f32::from(lit) / f32::from(cells.max(1))
}

/// The furthest that a corner may move, in pixels.
#[expect(clippy::cast_precision_loss, reason = "at most 8192")]
fn pan_max(share: f32, size: Size) -> f32 {
    share * size.width as f32
}

#[expect(clippy::cast_precision_loss, reason = "within a few pictures' sides")]
fn real(pixels: usize) -> f32 {
    pixels as f32
}

/// The cells of one frame while they are being covered.
struct Cover<'a> {
    size: Size,
    cells: Grid,
    covered: &'a mut [bool],
}

impl Cover<'_> {
    /// Covers what a pass has sighted, where the camera's motion since has put it.
    fn sightings(
        &mut self,
        pass: &Evidence,
        scores: Grid,
        limits: Option<Limits>,
        margin: usize,
        motion: Option<&Motion>,
    ) {
        let Some([persons, vehicles]) = limits else { return };
        let scored = |(&person, &vehicle): (&u8, &u8)| person >= persons || vehicle >= vehicles;
        let near = motion.and_then(Motion::similarity);
        let rows = pass.person().chunks_exact(scores.columns).zip(pass.vehicle().chunks_exact(scores.columns));
        for (row, (person, vehicle)) in rows.enumerate() {
            let mut column = 0;
            while let Some(skipped) = person[column..].iter().zip(&vehicle[column..]).position(scored) {
                column += skipped;
                let run = person[column..].iter().zip(&vehicle[column..]).take(RUN).take_while(|&both| scored(both));
                let cells = run.count();
                let run = Rect::new(column * SCORE_CELL, row * SCORE_CELL, cells * SCORE_CELL, SCORE_CELL);
                match motion {
                    Some(motion) => self.carried(run, margin, motion, near),
                    None => self.touched(grown(run, margin)),
                }
                column += cells;
            }
        }
    }

    /// Covers the cells that a few score cells, grown by `margin` pixels, touch after they were moved: their middle says
    /// where they are, and one similarity for the whole picture how large; twice as large where there is none.
    #[expect(clippy::cast_possible_truncation, reason = "a few pixels")]
    fn carried(&mut self, run: Rect, margin: usize, motion: &Motion, near: Option<Similarity>) {
        let middle = |edge: usize, side: usize| real(edge) + real(side) / 2.0 - 0.5;
        let (x, y) = motion.map(middle(run.x, run.width), middle(run.y, run.height));
        let (x, y) = (x + 0.5, y + 0.5);
        let sides = [run.width, run.height].map(|side| f64::from(real(side + 2 * margin)));
        let sides = near.map_or_else(|| sides.map(|side| side * 2.0), |near| near.around(sides));
        let [across, down] = sides.map(|side| side as f32 / 2.0 - SLACK);
        self.span([x - across, y - down, x + across, y + down]);
    }

    /// Covers the cells that a box touches after it was moved. It may reach beyond the picture it was in.
    #[expect(clippy::cast_possible_truncation, reason = "at most a few pictures' sides")]
    fn moved(&mut self, place: Edges, motion: Option<&Motion>) {
        let [left, top, right, bottom] = [place.left, place.top, place.right, place.bottom].map(|edge| edge as f32);
        let Some(motion) = motion else { return self.span([left, top, right, bottom]) };
        // Pixel middles are whole numbers, so a pixel's edge lies half a pixel before.
        let [left, top, right, bottom] = [left, top, right, bottom].map(|edge| edge - 0.5);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| motion.map(x, y));
        let low = |value: fn(&(f32, f32)) -> f32| corners.iter().map(value).fold(f32::INFINITY, f32::min) + 0.5 + SLACK;
        let high =
            |value: fn(&(f32, f32)) -> f32| corners.iter().map(value).fold(f32::NEG_INFINITY, f32::max) + 0.5 - SLACK;
        self.span([low(|at| at.0), low(|at| at.1), high(|at| at.0), high(|at| at.1)]);
    }

    /// Covers the cells that a box touches, given by its left, top, right and bottom edge.
    fn span(&mut self, [left, top, right, bottom]: [f32; 4]) {
        let (left, top, right, bottom) = (before(left), before(top), after(right), after(bottom));
        if left < right && top < bottom {
            self.touched(Rect::new(left, top, right - left, bottom - top));
        }
    }

    fn touched(&mut self, place: Rect) {
        let (right, bottom) = (place.right().min(self.size.width), place.bottom().min(self.size.height));
        for row in place.y / CELL..bottom.div_ceil(CELL) {
            for column in place.x / CELL..right.div_ceil(CELL) {
                self.covered[self.cells.index(column, row)] = true;
            }
        }
    }

    /// Covers the cells that were not inside the picture of a pass; `back` leads from this frame to that picture.
    fn unexamined(&mut self, back: &Motion, [upper, lower]: &mut [Box<[bool]>; 2]) {
        let (width, height) = (real(self.size.width) - 0.5 + RIM, real(self.size.height) - 0.5 + RIM);
        let line = |row: usize, line: &mut [bool]| {
            for (column, inside) in line.iter_mut().enumerate() {
                let (x, y) = ((column * CELL).min(self.size.width), (row * CELL).min(self.size.height));
                let (x, y) = back.map(real(x) - 0.5, real(y) - 0.5);
                *inside = (-0.5 - RIM..=width).contains(&x) && (-0.5 - RIM..=height).contains(&y);
            }
        };
        line(0, upper);
        for row in 0..self.cells.rows {
            line(row + 1, lower);
            let examined = upper.windows(2).zip(lower.windows(2));
            let cells = &mut self.covered[row * self.cells.columns..][..self.cells.columns];
            for (covered, (above, below)) in cells.iter_mut().zip(examined) {
                *covered |= !(above[0] && above[1] && below[0] && below[1]);
            }
            std::mem::swap(upper, lower);
        }
    }
}

/// A rectangle and what lies within `margin` pixels of it.
fn grown(place: Rect, margin: usize) -> Rect {
    let (x, y) = (place.x.saturating_sub(margin), place.y.saturating_sub(margin));
    Rect::new(x, y, place.right() + margin - x, place.bottom() + margin - y)
}

/// The nearest whole pixel edge at or before `edge` that a picture can have.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before; not a number becomes 0")]
fn before(edge: f32) -> usize {
    edge.clamp(0.0, real(Size::MAX_SIDE)) as usize
}

/// The nearest whole pixel edge at or after `edge` that a picture can have.
fn after(edge: f32) -> usize {
    let whole = before(edge);
    whole + usize::from(real(whole) < edge && whole < Size::MAX_SIDE)
}
