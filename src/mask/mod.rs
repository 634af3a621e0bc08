//! What is covered, and how: clearance, paint, and the mint of redacted frames.
//!
//! The picture is a grid of 16 px cells. Every cell starts covered; one is sent clear only when passes before and after it
//! looked there in time, found nothing of a person or vehicle, no track covers it, nothing there moves otherwise than the
//! ground, and the camera's motion is known (`clearance.rs` has the conditions). What is covered loses its pixels for
//! good; what is sent clear is no finer than the density governor allows (`density/`). Knows nothing of files, sockets or
//! threads.
//!
//! The mask is told of every frame when it comes ([`Mask::follow`]) and of every pass when it is done
//! ([`Mask::examined`]); frames are redacted later, in their order, once a later pass is in or time is up.

pub mod canary;
mod caption;
mod clearance;
pub mod density;
mod history;
mod paint;
pub mod redacted;

pub use clearance::Bounds;
pub use paint::Paint;
pub use redacted::{Account, RedactedFrame, State, redact};

use crate::base::{Fault, Micros, Pose, RawFrame, Size};
use crate::detect::Evidence;
use crate::track::{self, Ground};
use clearance::Clearance;
use density::Governor;
use paint::Painter;

/// The part of the policy that decides what is covered and how. The default is the safe one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How covered cells look.
    pub paint: Paint,
    /// A score cell covers everything within this many pixels of it.
    pub margin_px: usize,
    /// How long a frame waits for a pass over a later one; without any, it is redacted as it comes.
    pub lookahead: Micros,
    /// What a pass has sighted stays covered so long, also where later passes no longer see it.
    pub hold: Micros,
    /// What tracks are told; each kind's scores are the thresholds here.
    pub tracks: track::Policy,
    /// Largest time between a frame and a pass that clears cells of it.
    pub evidence_age_max: Micros,
    /// Person scores from this one up cover, 0 to 1.
    pub person_threshold: f32,
    /// Vehicle scores from this one up cover, 0 to 1.
    pub vehicle_threshold: f32,
    /// From this score up (and at least the kind's threshold), 0 to 1, a sighting is kept over the hold and begins a track.
    pub sure_threshold: f32,
    /// Least share of the textured places that must agree with the camera's motion, 0 to 1; below, it is not known.
    pub confidence_min: f32,
    /// The furthest that a corner of the picture may move between a pass and a frame, as a share of its width, 0 to 1.
    pub pan_max: f32,
    /// How fine the ground may be.
    pub density: density::Settings,
    /// Whether the operator is told the state in a line at the top of each redacted frame.
    pub hud: bool,
    /// What takes part.
    pub parts: Parts,
}

/// Which witnesses take part. All do, except over a still, which has no frame before it; and in the measurements of what
/// each of them buys. No configuration reaches this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The detector's scores, beside the proof that it has looked.
    pub scores: bool,
    /// Tracks that coast between and behind passes.
    pub tracks: bool,
    /// The motion witness.
    pub witness: bool,
}

impl Parts {
    /// All.
    pub const ALL: Self = Self { scores: true, tracks: true, witness: true };
    /// What can be told from one picture.
    pub const STILL: Self = Self { scores: true, tracks: false, witness: false };
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            paint: Paint::Solid,
            margin_px: 0,
            lookahead: Micros::from_ms(250),
            hold: Micros::from_ms(200),
            tracks: track::Policy::default(),
            evidence_age_max: Micros::from_ms(500),
            person_threshold: 0.67,
            vehicle_threshold: 0.65,
            sure_threshold: 0.75,
            confidence_min: 0.35,
            pan_max: 0.25,
            density: density::Settings::default(),
            hud: false,
            parts: Parts::ALL,
        }
    }
}

/// Decides and paints for one stream; everything is allocated when it is made.
pub struct Mask {
    size: Size,
    lookahead: Micros,
    paint: Paint,
    clearance: Clearance,
    painter: Painter,
    governor: Governor,
    hud: bool,
}

impl Mask {
    /// A mask for frames of `size`, with everything still covered.
    pub fn new(settings: &Settings, size: Size) -> Self {
        Self {
            size,
            lookahead: settings.lookahead,
            paint: settings.paint,
            clearance: Clearance::new(size, settings),
            painter: Painter::new(size),
            governor: Governor::new(size, &settings.density),
            hud: settings.hud,
        }
    }

    /// Notes a frame of the stream when it comes, in the order of capture.
    pub fn follow(&mut self, ground: &Ground) {
        self.clearance.follow(ground);
    }

    /// Takes what a pass over one of those frames gave, in the same order.
    pub fn examined(&mut self, evidence: Result<Evidence, Fault>) {
        self.clearance.examined(evidence);
    }

    /// How long a frame may wait for a pass over a later one.
    pub const fn lookahead(&self) -> Micros {
        self.lookahead
    }

    /// Number of the frame of the newest pass.
    pub fn newest_pass(&self) -> Option<u64> {
        self.clearance.newest_pass()
    }

    /// Drops all that is known of frames and passes, after a jump of the clock.
    pub fn forget(&mut self) {
        self.clearance.forget();
    }

    /// Covers `frame` in place, but for the cells that are proven clear; whole where anything is wrong.
    ///
    /// Paint comes before the governor, so that what it hides does not bleed into what is clear, and again after it, so
    /// that regions keep their edges and have the colour that is sent.
    fn cover(&mut self, frame: &mut RawFrame, ground: Result<Ground, Fault>, pose: Option<Pose>) -> Account {
        let density = self.governor.plan(pose, frame.captured());
        match self.admit(frame, ground).and_then(|ground| self.clearance.examine(&ground)) {
            Ok(age) => {
                let objects = self.painter.cover(frame, self.clearance.covered(), self.paint, density.governed);
                if density.governed {
                    let (luma, chroma) = frame.planes_mut();
                    self.governor.apply(luma, chroma);
                    self.painter.finish(frame, self.paint);
                }
                let clear_fraction = self.clearance.clear_fraction();
                let px_per_m = density.worst_px_per_m;
                let account = Account { state: State::Redacted, clear_fraction, objects, evidence_age: age, px_per_m };
                if self.hud {
                    caption::hud(frame, &account);
                }
                account
            }
            Err(fault) => {
                self.painter.slate(frame, &fault.to_string());
                let (state, evidence_age) = (State::Slate(fault), Micros(0));
                Account { state, clear_fraction: 0.0, objects: 1, evidence_age, px_per_m: 0.0 }
            }
        }
    }

    /// Checks that the frame is whole and that it is the one that was followed.
    fn admit(&self, frame: &RawFrame, ground: Result<Ground, Fault>) -> Result<Ground, Fault> {
        if frame.size() != self.size {
            return Err(Fault::FrameShape);
        }
        if let Some(fault) = frame.fault() {
            return Err(fault);
        }
        let ground = ground?;
        if (ground.sequence(), ground.captured()) != (frame.sequence(), frame.captured()) {
            return Err(Fault::EvidenceMismatch);
        }
        Ok(ground)
    }
}

#[cfg(test)]
mod tests;
