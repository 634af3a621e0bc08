//! Judges what was sent by what was really examined: the log of one run, and what the account must say.
//!
//! Knows the policy as numbers, the truth of every picture, and its own log of what came, what was examined and when the
//! mask was told. Shares no code with the mask: where a cell was in an examined picture comes from the camera's true
//! motion (`proof.rs`), and whether it was sent clear from its pixels.

use std::collections::VecDeque;

use voile::base::{Fault, Micros, Size};
use voile::mask::{self, State};

use crate::draw::Shot;
use crate::pixels::{Cell, Pixels};

/// The policy, as far as it says what may be clear.
#[derive(Clone, Debug)]
pub struct Rules {
    pub size: Size,
    /// Scores from which persons and vehicles may not be clear, 255 times the probability.
    pub limits: [f32; 2],
    pub age_max: Micros,
    /// A pass after the frame is needed too.
    pub ahead: bool,
    /// Pixels.
    pub pan_max: f32,
}

impl Rules {
    pub fn of(settings: &mask::Settings, size: Size) -> Self {
        Self {
            size,
            limits: [settings.person_threshold * 255.0, settings.vehicle_threshold * 255.0],
            age_max: settings.evidence_age_max,
            ahead: settings.lookahead > Micros(0),
            pan_max: settings.pan_max * size.width as f32,
        }
    }
}

/// A frame that came.
pub struct Came {
    pub sequence: u64,
    pub captured: Micros,
    /// Jumps of the clock before it.
    pub epoch: u32,
    /// What must be said of it, if it is not whole or not in order.
    pub flaw: Option<Fault>,
    pub shot: usize,
    /// It was not lost on its way to the ring.
    pub arrived: bool,
    raw: Option<Pixels>,
}

/// A pass over a frame that came.
pub struct Passed {
    pub delivery: usize,
    pub sequence: u64,
    pub captured: Micros,
    pub epoch: u32,
    pub shot: usize,
    /// Score cells that must be covered: column, row.
    pub lit: Vec<(i32, i32)>,
}

/// What left.
#[derive(Clone)]
pub struct Sent {
    pub sequence: u64,
    pub captured: Micros,
    pub state: State,
    pub clear_fraction: f32,
    pub evidence_age: Micros,
    pub pixels: Pixels,
}

/// What the oracle counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub frames: u64,
    pub cells: u64,
    pub clear: u64,
    /// Clear cells of frames that no pass looked at, so that those around them had to prove it.
    pub bracketed: u64,
    /// Slates by cause, in the order of [`Fault::ALL`].
    pub slates: [u64; Fault::ALL.len()],
    /// Persons and vehicles looked for in frames with clear cells, by exact truth.
    pub things: u64,
    /// The furthest that a sighting reached into a clear cell, in pixels: how wrong the camera's motion was.
    pub reached: i32,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.cells += other.cells;
        self.clear += other.clear;
        self.bracketed += other.bracketed;
        self.slates.iter_mut().zip(other.slates).for_each(|(sum, more)| *sum += more);
        self.things += other.things;
        self.reached = self.reached.max(other.reached);
    }
}

/// How much is known of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What the mask was told, and when.
    All,
    /// Which frames were looked at, but not when the mask was told: any pass will do.
    Looks,
    /// Nor which frames were lost on their way.
    Little,
}

/// The log of one run.
pub struct Oracle<'a> {
    pub rules: Rules,
    pub shots: &'a [Shot],
    pub known: Known,
    pub came: Vec<Came>,
    pub passes: Vec<Passed>,
    /// Capture time of the last frame that counts for the clock.
    last: Option<Micros>,
    highest: Option<u64>,
    epoch: u32,
    /// Frames that wait, oldest first.
    waiting: VecDeque<usize>,
    pub counts: Counts,
    pub objections: Vec<String>,
}

impl<'a> Oracle<'a> {
    pub fn new(rules: Rules, shots: &'a [Shot], known: Known) -> Self {
        Self {
            rules,
            shots,
            known,
            came: Vec::new(),
            passes: Vec::new(),
            last: None,
            highest: None,
            epoch: 0,
            waiting: VecDeque::new(),
            counts: Counts::default(),
            objections: Vec::new(),
        }
    }

    pub fn object(&mut self, what: String) {
        self.objections.push(what);
    }

    /// A frame has come from the camera; frames are counted by this, from 0. Whether it is whole.
    pub fn came(&mut self, sequence: u64, captured: Micros, torn: bool, shot: usize, raw: Pixels) -> bool {
        let mut flaw = None;
        if raw.size != self.rules.size {
            flaw = Some(Fault::FrameShape);
        } else if self.highest.is_some_and(|highest| sequence <= highest) {
            flaw = Some(Fault::FrameRepeated);
        } else if self.last.is_some_and(|last| captured < last) {
            self.epoch += 1;
            flaw = Some(Fault::ClockBack);
        }
        // What is not whole says nothing of the time either, unless the clock went back.
        if flaw == Some(Fault::ClockBack) || (flaw.is_none() && !torn) {
            self.last = Some(captured);
        }
        self.highest = self.highest.max(Some(sequence));
        if torn && flaw != Some(Fault::FrameShape) {
            flaw = Some(Fault::FrameTorn);
        }
        self.came.push(Came { sequence, captured, epoch: self.epoch, flaw, shot, arrived: false, raw: Some(raw) });
        flaw.is_none()
    }

    /// The frame that came last waits to be redacted.
    pub fn waits(&mut self) {
        self.waiting.push_back(self.came.len() - 1);
        if let Some(came) = self.came.last_mut() {
            came.arrived = true;
        }
    }

    /// The mask is told of a pass over a frame that came, with these scores.
    pub fn examined(&mut self, delivery: usize, scores: [&[u8]; 2]) {
        let came = &self.came[delivery];
        // A pass that is told after one over a later frame is none.
        let late = self.passes.last().is_some_and(|last| last.sequence >= came.sequence);
        if came.flaw.is_some() || !came.arrived || (late && self.known == Known::All) {
            return;
        }
        let columns = self.rules.size.width.div_ceil(8);
        let over = |index: &usize| (0..2).any(|kind| f32::from(scores[kind][*index]) >= self.rules.limits[kind]);
        let lit = (0..scores[0].len()).filter(over).map(|index| ((index % columns) as i32, (index / columns) as i32));
        let (sequence, captured, epoch, shot) = (came.sequence, came.captured, came.epoch, came.shot);
        self.passes.push(Passed { delivery, sequence, captured, epoch, shot, lit: lit.collect() });
    }

    /// A frame has left.
    pub fn sent(&mut self, sent: &Sent) {
        let named = |came: &Came| (came.sequence, came.captured) == (sent.sequence, sent.captured);
        let lossy = self.known == Known::Little;
        let mut skipped = 0;
        while lossy && self.waiting.get(skipped).is_some_and(|&waiting| !named(&self.came[waiting])) {
            skipped += 1;
        }
        let Some(index) = self.waiting.get(skipped).copied().filter(|&waiting| named(&self.came[waiting])) else {
            return self.object(format!("frame {} left out of turn, twice, or never came", sent.sequence));
        };
        self.waiting.drain(..=skipped);
        self.judge(index, sent);
    }

    /// All is over: nothing may be left behind.
    pub fn ended(&mut self) {
        if !self.waiting.is_empty() && self.known != Known::Little {
            self.object(format!("{} frames came and never left", self.waiting.len()));
        }
    }

    fn judge(&mut self, index: usize, sent: &Sent) {
        let Some(raw) = self.came[index].raw.take() else { return };
        if raw.size != sent.pixels.size {
            return self.object(format!("frame {} left in another size", sent.sequence));
        }
        let (columns, rows) = raw.cells();
        let mut clear = Vec::new();
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            match sent.pixels.cell(&raw, column, row) {
                Cell::Clear => clear.push((column, row)),
                Cell::Covered => {}
                Cell::Torn => {
                    self.object(format!("frame {}, cell {column},{row}: neither clear nor covered", sent.sequence));
                }
            }
        }
        self.counts.frames += 1;
        self.counts.cells += (columns * rows) as u64;
        self.counts.clear += clear.len() as u64;
        self.account(index, sent, clear.len(), columns * rows);
        for &(column, row) in &clear {
            if let Err(why) = self.provable(index, (column, row)) {
                self.object(format!("frame {}, cell {column},{row} is clear: {why}", sent.sequence));
            }
        }
        self.truth(index, &clear);
    }

    /// What the account says must be what the pixels say.
    fn account(&mut self, index: usize, sent: &Sent, clear: usize, cells: usize) {
        let (frame, flaw) = (sent.sequence, self.came[index].flaw);
        match sent.state {
            State::Slate(fault) => {
                let known = Fault::ALL.iter().position(|&known| known == fault);
                self.counts.slates[known.unwrap_or_default()] += 1;
                if flaw.is_some_and(|flaw| flaw != fault) {
                    self.object(format!("frame {frame} is a slate for {fault:?}, and is flawed by {flaw:?}"));
                }
                if clear > 0 {
                    self.object(format!("frame {frame} is a slate with {clear} clear cells"));
                }
            }
            State::Redacted => {
                if let Some(flaw) = flaw {
                    self.object(format!("frame {frame} is no slate in spite of {flaw:?}"));
                }
                if (sent.clear_fraction * cells as f32 - clear as f32).abs() > 0.01 {
                    self.object(format!("frame {frame}: {clear} of {cells} clear, told as {}", sent.clear_fraction));
                }
                if sent.evidence_age > self.rules.age_max {
                    self.object(format!("frame {frame}: evidence of {} ms", sent.evidence_age.as_ms()));
                }
            }
        }
    }
}
