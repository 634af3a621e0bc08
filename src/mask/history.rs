//! What is known of the last frames: how the camera moved between them, and the passes over some of them.
//!
//! Fixed capacity, forgets the oldest: a frame whose passes were forgotten has none, and is covered; so is one for which a
//! forgotten pass would still be held. Only frames that a follower has looked at are steps, and a pass counts only if it
//! names such a step by number and capture time.

use heapless::Deque;

use crate::base::{Fault, Micros, Size};
use crate::detect::Evidence;
use crate::track::{Ground, Motion};

/// Frames back to which motion is known: over two seconds at 60 a second.
const STEPS: usize = 128;
/// Passes that are kept: those around the frames that wait, of which the oldest is redacted as soon as a later one is in,
/// and those of the hold before it. Enough for the longest hold at 60 passes a second.
pub const PASSES: usize = 64;

/// A frame, and how the camera moved since the step before it.
struct Step {
    sequence: u64,
    captured: Micros,
    motion: Motion,
}

/// Steps and passes of one stream, in the order of capture.
pub struct History {
    size: Size,
    confidence_min: f32,
    steps: Box<Deque<Step, STEPS>>,
    passes: Box<Deque<Evidence, PASSES>>,
    /// When the newest pass was captured that there was no more room for.
    lost: Option<Micros>,
}

/// The passes around one frame.
pub struct Bracket<'a> {
    /// Over this very frame.
    pub own: Option<&'a Evidence>,
    /// The newest before it.
    pub before: Option<&'a Evidence>,
    /// The oldest after it.
    pub after: Option<&'a Evidence>,
}

impl History {
    /// Nothing is known yet. Motion of less than `confidence_min` (0 to 1) is not known either.
    pub fn new(size: Size, confidence_min: f32) -> Self {
        Self { size, confidence_min, steps: Box::default(), passes: Box::default(), lost: None }
    }

    /// Notes the next frame.
    pub fn step(&mut self, ground: &Ground) {
        let connected = self.steps.back().is_some_and(|last| Some(last.sequence) == ground.after());
        let motion = if connected { *ground.motion() } else { Motion::unknown(self.size) };
        if self.steps.is_full() {
            self.steps.pop_front();
        }
        // There is room now.
        let _ = self.steps.push_back(Step { sequence: ground.sequence(), captured: ground.captured(), motion });
    }

    /// Whether a frame of this number and time was noted.
    pub fn knows(&self, sequence: u64, captured: Micros) -> bool {
        self.at(sequence).is_some_and(|index| self.nth(index).is_some_and(|step| step.captured == captured))
    }

    /// Keeps a pass.
    ///
    /// # Errors
    /// [`Fault::EvidenceMalformed`] for another size or maps that do not fit it, [`Fault::EvidenceMismatch`] where it
    /// names no frame that was noted, or none after the last pass's.
    pub fn pass(&mut self, evidence: Evidence) -> Result<&Evidence, Fault> {
        if evidence.size() != self.size || evidence.person().len() != evidence.grid().cells() {
            return Err(Fault::EvidenceMalformed);
        }
        let newer = self.passes.back().is_none_or(|last| last.sequence() < evidence.sequence());
        if !newer || !self.knows(evidence.sequence(), evidence.captured()) {
            return Err(Fault::EvidenceMismatch);
        }
        if self.passes.is_full() {
            self.lost = self.passes.pop_front().map(|pass| pass.captured());
        }
        // There is room now.
        let _ = self.passes.push_back(evidence);
        self.passes.back().ok_or(Fault::EvidenceMissing)
    }

    /// Drops the passes that no frame from this one on needs: those older than `hold` and not the newest before it.
    pub fn release(&mut self, sequence: u64, captured: Micros, hold: Micros) {
        while self.passes.front().is_some_and(|first| captured.since(first.captured()) > hold)
            && self.passes.iter().nth(1).is_some_and(|next| next.sequence() <= sequence)
        {
            self.passes.pop_front();
        }
    }

    /// Whether a pass that is no longer here would still be held for a frame.
    pub fn lacks(&self, captured: Micros, hold: Micros) -> bool {
        self.lost.is_some_and(|lost| captured.since(lost) <= hold)
    }

    /// The passes that say something of a frame beside one over itself: those of the last `hold` before it, the newest
    /// before it, and the oldest after it.
    pub fn around(&self, sequence: u64, captured: Micros, hold: Micros) -> impl Iterator<Item = &Evidence> {
        let bracket = self.bracket(sequence);
        let newest = bracket.before.map(Evidence::sequence);
        let held = move |pass: &&Evidence| {
            pass.sequence() < sequence && (captured.since(pass.captured()) <= hold || Some(pass.sequence()) == newest)
        };
        self.passes.iter().filter(held).chain(bracket.after)
    }

    /// Number of the frame of the newest pass.
    pub fn newest_pass(&self) -> Option<u64> {
        self.passes.back().map(Evidence::sequence)
    }

    /// The passes around frame `sequence`.
    pub fn bracket(&self, sequence: u64) -> Bracket<'_> {
        let own = self.passes.iter().find(|pass| pass.sequence() == sequence);
        let before = self.passes.iter().rfind(|pass| pass.sequence() < sequence);
        let after = self.passes.iter().find(|pass| pass.sequence() > sequence);
        Bracket { own, before, after }
    }

    /// How the camera moved from one frame to another, earlier or later; `None` where it is not known.
    pub fn motion(&self, from: u64, to: u64) -> Option<Motion> {
        let (start, end) = (self.at(from)?, self.at(to)?);
        let mut motion = Motion::still(self.size);
        for step in self.steps.iter().skip(start.min(end) + 1).take(start.abs_diff(end)) {
            motion = motion.then(&step.motion);
        }
        let motion = if start <= end { motion } else { motion.inverse() };
        (motion.confidence() >= self.confidence_min).then_some(motion)
    }

    /// Forgets all, after a jump of the clock.
    pub fn forget(&mut self) {
        self.steps.clear();
        self.passes.clear();
        self.lost = None;
    }

    fn nth(&self, index: usize) -> Option<&Step> {
        self.steps.iter().nth(index)
    }

    fn at(&self, sequence: u64) -> Option<usize> {
        // Steps rise by number; most questions are about the newest.
        let back = self.steps.iter().rev().position(|step| step.sequence <= sequence)?;
        let index = self.steps.len() - 1 - back;
        self.nth(index).filter(|step| step.sequence == sequence).map(|_| index)
    }
}
