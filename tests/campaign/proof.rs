//! Whether what was examined proves that a cell may be clear, by the camera's true motion and by exact truth.

use voile::base::Micros;

use crate::draw::{Shot, Thing};
use crate::oracle::{Came, Known, Oracle, Passed};
use crate::pixels::CELL;

/// Side of a score cell in pixels.
const SCORE: i32 = 8;
/// Pixels that a cell may lie outside an examined picture, and by which a sighting may reach into a clear one: what the
/// mask documents (`RIM` and `SLACK` in `clearance.rs`).
const RIM: i32 = 4;
const SLACK: i32 = 1;
/// Pixels by which the camera's motion may be known wrongly, over up to half a second of pictures of 128 px.
const ASTRAY: i32 = 2;

impl Oracle<'_> {
    /// Whether what was examined proves that a cell may be clear; if not, why.
    pub fn provable(&mut self, index: usize, cell: (usize, usize)) -> Result<(), String> {
        let came = &self.came[index];
        if let Some(flaw) = came.flaw {
            return Err(format!("the frame is flawed by {flaw:?}"));
        }
        let mut reached = 0;
        let own = self.passes.iter().find(|pass| pass.delivery == index);
        let own = own.map(|own| self.unlit(index, own, cell, &mut reached));
        let outcome = match own {
            Some(Ok(())) => Ok(false),
            Some(Err(why)) if self.known == Known::All => Err(why),
            _ => self.between(index, cell, &mut reached).map(|()| true),
        };
        // Where little is known, passes are tried that nothing rests on.
        if outcome.is_ok() && self.known == Known::All {
            self.counts.reached = self.counts.reached.max(reached);
        }
        outcome.map(|bracketed| self.counts.bracketed += u64::from(bracketed))
    }

    /// By a pass before and one after, or by the one before alone where there is no look-ahead.
    fn between(&self, index: usize, cell: (usize, usize), reached: &mut i32) -> Result<(), String> {
        let came = &self.came[index];
        let same = |pass: &&Passed| pass.epoch == came.epoch;
        let before = self.passes.iter().filter(same).filter(|pass| pass.sequence < came.sequence).rev();
        self.beside(index, before, cell, reached).map_err(|why| format!("before it, {why}"))?;
        if !self.rules.ahead {
            return Ok(());
        }
        let after = self.passes.iter().filter(same).filter(|pass| pass.sequence > came.sequence);
        self.beside(index, after, cell, reached).map_err(|why| format!("after it, {why}"))
    }

    /// By the nearest of these passes, or by any where nobody knows which the mask was told of.
    fn beside<'p>(
        &self,
        index: usize,
        passes: impl Iterator<Item = &'p Passed>,
        cell: (usize, usize),
        reached: &mut i32,
    ) -> Result<(), String> {
        let mut outcome = Err("nothing was examined".to_owned());
        for pass in passes {
            outcome = self.carried(index, pass, cell, reached);
            if outcome.is_ok() || self.known == Known::All {
                break;
            }
        }
        outcome
    }

    /// A pass over another frame says that the cell is clear.
    fn carried(&self, index: usize, pass: &Passed, cell: (usize, usize), reached: &mut i32) -> Result<(), String> {
        let came = &self.came[index];
        let age = Micros(pass.captured.0.abs_diff(came.captured.0));
        if age > self.rules.age_max {
            return Err(format!("frame {} was examined {} ms away", pass.sequence, age.as_ms()));
        }
        let between = pass.delivery.min(index)..=pass.delivery.max(index);
        if self.came[between].iter().any(|came| self.bare(came)) {
            return Err(format!("between it and frame {} nobody can tell how the camera moved", pass.sequence));
        }
        let (from, to) = (&self.shots[pass.shot], &self.shots[came.shot]);
        let by = (to.at.0 - from.at.0, to.at.1 - from.at.1);
        if f64::from(by.0).hypot(f64::from(by.1)) > f64::from(self.rules.pan_max) + f64::from(ASTRAY) {
            return Err(format!("since frame {} the camera moved by {by:?}", pass.sequence));
        }
        let [left, top, right, bottom] = self.place(cell);
        let (width, height) = (self.rules.size.width as i32, self.rules.size.height as i32);
        let most = RIM + ASTRAY;
        if left + by.0 < -most || top + by.1 < -most || right + by.0 > width + most || bottom + by.1 > height + most {
            return Err(format!("in frame {} it was outside the picture", pass.sequence));
        }
        self.unlit(index, pass, cell, reached)
    }

    /// A picture without ground in which at most one thing is to be seen: how that moves says nothing of the camera.
    /// Several that move as one cannot be told from ground.
    fn bare(&self, came: &Came) -> bool {
        let shot = &self.shots[came.shot];
        let size = self.rules.size;
        let seen = |thing: &&Thing| {
            thing.left < size.width as i32
                && thing.top < size.height as i32
                && thing.left + thing.width > 0
                && thing.top + thing.height > 0
        };
        came.flaw.is_none() && came.arrived && shot.flat && !shot.crowd && shot.things.iter().filter(seen).count() < 2
    }

    /// No score that must be covered lies in the cell, carried there as the camera truly moved.
    fn unlit(&self, index: usize, pass: &Passed, cell: (usize, usize), reached: &mut i32) -> Result<(), String> {
        let most = if pass.delivery == index { 0 } else { SLACK + ASTRAY };
        let (from, to) = (self.shots[pass.shot].at, self.shots[self.came[index].shot].at);
        let [left, top, right, bottom] = self.place(cell);
        for &(column, row) in &pass.lit {
            let (x, y) = (column * SCORE + from.0 - to.0, row * SCORE + from.1 - to.1);
            let across = right.min(x + SCORE) - left.max(x);
            let down = bottom.min(y + SCORE) - top.max(y);
            let into = across.min(down);
            if into > most {
                return Err(format!("frame {} has a score in it, by {into} px", pass.sequence));
            }
            *reached = into.max(*reached);
        }
        Ok(())
    }

    /// A cell's left, top, right and bottom edge in pixels of its picture.
    fn place(&self, (column, row): (usize, usize)) -> [i32; 4] {
        let (left, top) = ((column * CELL) as i32, (row * CELL) as i32);
        let size = self.rules.size;
        [left, top, (left + CELL as i32).min(size.width as i32), (top + CELL as i32).min(size.height as i32)]
    }

    /// What a pass must have seen by exact truth, whatever scores it told, is not clear: where the pass saw it, and, if
    /// passes on both sides did, where it has walked to in between.
    pub fn truth(&mut self, index: usize, clear: &[(usize, usize)]) {
        let came = &self.came[index];
        if self.known != Known::All || came.flaw.is_some() || clear.is_empty() {
            return;
        }
        let same = |pass: &&Passed| pass.epoch == came.epoch;
        let near: Vec<&Passed> = match self.passes.iter().find(|pass| pass.delivery == index) {
            Some(own) => vec![own],
            None => {
                let before = self.passes.iter().filter(same).rfind(|pass| pass.sequence < came.sequence);
                let after = self.passes.iter().filter(same).find(|pass| pass.sequence > came.sequence);
                before.into_iter().chain(after).collect()
            }
        };
        let shot = &self.shots[came.shot];
        let shown = |thing: &Thing, from: (i32, i32)| {
            let x = thing.left + thing.width / 2 + from.0 - shot.at.0;
            let y = thing.top + thing.height / 2 + from.1 - shot.at.1;
            let cell = (x.div_euclid(CELL as i32), y.div_euclid(CELL as i32));
            clear.iter().any(|&(column, row)| (column as i32, row as i32) == cell)
        };
        let mut looked = 0;
        let mut objections = Vec::new();
        for pass in &near {
            let from = &self.shots[pass.shot];
            let astray = if pass.delivery == index { 0 } else { SLACK + ASTRAY };
            let sure = |thing: &&Thing| thing.width.min(thing.height) > 2 * (thing.depth() + astray);
            for thing in self.visible(from).filter(sure) {
                looked += 1;
                if shown(thing, from.at) {
                    objections.push(format!("frame {} shows {thing:?} that {} has seen", came.sequence, pass.sequence));
                }
            }
        }
        if near.len() == 2 {
            let seen = |thing: &&Thing| {
                let by = |pass: &&Passed| self.visible(&self.shots[pass.shot]).any(|seen| seen.number == thing.number);
                near.iter().all(by)
            };
            for thing in self.visible(shot).filter(seen) {
                looked += 1;
                if shown(thing, shot.at) {
                    objections.push(format!("frame {} shows {thing:?} between two passes", came.sequence));
                }
            }
        }
        self.counts.things += looked;
        self.objections.extend(objections);
    }

    /// What is whole in a picture, and neither over nor under something of the other kind.
    fn visible<'s>(&self, shot: &'s Shot) -> impl Iterator<Item = &'s Thing> + use<'s> {
        let size = self.rules.size;
        let inside = |from: i32, length: i32, side: usize| from >= 0 && from + length <= side as i32;
        let apart = |one: &Thing, other: &Thing| {
            other.vehicle == one.vehicle
                || other.left >= one.left + one.width
                || other.top >= one.top + one.height
                || other.left + other.width <= one.left
                || other.top + other.height <= one.top
        };
        shot.things.iter().filter(move |thing| {
            inside(thing.left, thing.width, size.width)
                && inside(thing.top, thing.height, size.height)
                && !shot.crowd
                && shot.things.iter().all(|other| apart(thing, other))
        })
    }
}
