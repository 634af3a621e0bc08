//! What is covered, and how: clearance, paint, and the mint of redacted frames.
//!
//! The picture is a grid of 16 px cells. Every cell starts covered; one is sent clear only when this very frame was
//! examined and nothing of a person or vehicle was found in the cell or within a margin of it, now or a moment ago.
//! What is covered loses its pixels for good. Knows nothing of files, sockets or threads.

mod caption;
mod clearance;
mod paint;
pub mod redacted;

pub use clearance::Bounds;
pub use paint::Paint;
pub use redacted::{Account, RedactedFrame, State, redact};

use crate::base::{Fault, Micros, RawFrame, Size};
use crate::detect::Evidence;
use clearance::Clearance;
use paint::Painter;

/// The part of the policy that decides what is covered and how. The default is the safe one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How covered cells look.
    pub paint: Paint,
    /// A score cell covers everything within this many pixels of it.
    pub margin_px: usize,
    /// A cell stays covered this long after the last sighting in it.
    pub hold: Micros,
    /// Largest time between a frame and the pass that examined it; beyond it the frame is a slate.
    pub evidence_age_max: Micros,
    /// Person scores from this one up cover, 0 to 1.
    pub person_threshold: f32,
    /// Vehicle scores from this one up cover, 0 to 1.
    pub vehicle_threshold: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paint: Paint::Solid,
            margin_px: 0,
            hold: Micros::from_ms(200),
            evidence_age_max: Micros::from_ms(500),
            person_threshold: 0.55,
            vehicle_threshold: 0.57,
        }
    }
}

/// Decides and paints for one stream; everything is allocated when it is made.
pub struct Mask {
    settings: Settings,
    size: Size,
    clearance: Clearance,
    painter: Painter,
    last: Option<(u64, Micros)>,
}

impl Mask {
    /// A mask for frames of `size`, with everything still covered.
    pub fn new(settings: Settings, size: Size) -> Self {
        let clearance = Clearance::new(size, &settings);
        Self { settings, size, clearance, painter: Painter::new(size), last: None }
    }

    /// Covers `frame` in place by what `evidence` clears, or whole where anything is wrong.
    fn cover(&mut self, frame: &mut RawFrame, evidence: Result<Evidence, Fault>) -> Account {
        match self.admit(frame, evidence) {
            Ok(evidence) => {
                let age = Micros(frame.captured().0.abs_diff(evidence.captured().0));
                self.clearance.examine(&evidence, frame.captured());
                let objects = self.painter.cover(frame, self.clearance.covered(), self.settings.paint);
                Account {
                    state: State::Redacted,
                    clear_fraction: self.clearance.clear_fraction(),
                    objects,
                    evidence_age: age,
                }
            }
            Err(fault) => {
                self.painter.slate(frame, &fault.to_string());
                Account { state: State::Slate(fault), clear_fraction: 0.0, objects: 1, evidence_age: Micros(0) }
            }
        }
    }

    /// Checks that the frame is whole and in order and that the evidence is about this very frame.
    fn admit(&mut self, frame: &RawFrame, evidence: Result<Evidence, Fault>) -> Result<Evidence, Fault> {
        if frame.size() != self.size {
            return Err(Fault::FrameShape);
        }
        if let Some((sequence, captured)) = self.last {
            if frame.sequence() <= sequence {
                return Err(Fault::FrameRepeated);
            }
            if frame.captured() < captured {
                // The new time counts from here, or one jump back would slate everything until it is caught up.
                self.last = Some((frame.sequence(), frame.captured()));
                self.clearance.forget();
                return Err(Fault::ClockBack);
            }
        }
        self.last = Some((frame.sequence(), frame.captured()));
        if let Some(fault) = frame.fault() {
            return Err(fault);
        }
        let evidence = evidence?;
        if evidence.size() != self.size || evidence.person().len() != evidence.grid().cells() {
            return Err(Fault::EvidenceMalformed);
        }
        if frame.captured().0.abs_diff(evidence.captured().0) > self.settings.evidence_age_max.0 {
            return Err(Fault::EvidenceStale);
        }
        if evidence.sequence() != frame.sequence() {
            return Err(Fault::EvidenceMismatch);
        }
        Ok(evidence)
    }
}

#[cfg(test)]
mod tests;
