//! Flies the canary: a stored picture through the network and the mask of the stream, again and again.
//!
//! What a frame's evidence cannot show is that the network still sees: a detector whose weights were replaced, whose
//! memory went bad or whose processor computes wrongly gives finite scores of the right shape, and "nobody". So a picture
//! whose people are known goes the same way, before the first evidence of a stream and every so often after it. It is
//! small, so that it takes a few milliseconds between two passes.
//!
//! It shares the stream's network, threads and policy, but neither its frames nor its memory of them: each flight begins
//! with an empty mask. Time is passed in.

use crate::base::{Fault, FramePool, Layout, Micros, Shape};
use crate::detect::{DetectError, Detector};
use crate::mask::{self, Mask, Paint, RedactedFrame, State, canary, redact};
use crate::track::Follower;

/// Frames of a flight: one to come from, and one that is looked at.
const FRAMES: usize = 2;
/// Between two frames of the canary's own time.
const FRAME: Micros = Micros::from_ms(33);

/// A canary for one stream.
pub struct Canary {
    detector: Detector,
    pool: FramePool,
    follower: Follower,
    mask: Mask,
    every: Micros,
    due: Micros,
    /// Frames so far, and the canary's own time.
    frames: u64,
}

impl Canary {
    /// A canary that shares the network of `detector` and the stream's policy; it flies every so often.
    ///
    /// # Errors
    /// The network cannot be compiled for the canary's size.
    pub fn new(detector: &Detector, settings: &mask::Settings, every: Micros) -> Result<Self, DetectError> {
        let mut detector = detector.twin();
        detector.prepare(canary::SIZE)?;
        // How it is covered and what is written over it decides nothing about what is.
        let settings = mask::Settings { paint: Paint::Solid, hud: false, ..settings.clone() };
        Ok(Self {
            detector,
            pool: FramePool::new(Shape::packed(canary::SIZE, Layout::I420), FRAMES),
            follower: Follower::new(canary::SIZE, FRAMES),
            mask: Mask::new(&settings, canary::SIZE),
            every,
            due: Micros(0),
            frames: 0,
        })
    }

    /// Flies if it is time to. One that could not is due again at once.
    ///
    /// # Errors
    /// As [`Canary::fly`]. Until it has flown, no pass may count: nobody knows whether the network sees.
    pub fn tend(&mut self, now: Micros) -> Result<(), Fault> {
        if now >= self.due {
            self.fly()?;
            self.due = now.plus(self.every);
        }
        Ok(())
    }

    /// Flies; the picture as it would be sent, with none of its people or vehicles in it.
    ///
    /// # Errors
    /// [`Fault::CanaryClear`] where one of them can be seen; what kept the network from being run.
    pub fn fly(&mut self) -> Result<RedactedFrame, Fault> {
        self.mask.forget();
        let mut last = None;
        for _ in 0..FRAMES {
            let mut frame = self.pool.take(self.frames, Micros(self.frames * FRAME.0));
            self.frames += 1;
            canary::draw(&mut frame);
            let ground = self.follower.follow(&frame)?;
            self.mask.follow(&ground);
            last = Some((frame, ground));
        }
        let (frame, ground) = last.ok_or(Fault::EvidenceMissing)?;
        self.mask.examined(Ok(self.detector.examine(&frame)?));
        let redacted = redact(frame, Ok(ground), None, &mut self.mask);
        match redacted.account().state {
            State::Redacted if canary::seen(&redacted) => Err(Fault::CanaryClear),
            State::Redacted => Ok(redacted),
            State::Slate(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect;
    use crate::mask::Bounds;

    fn canary(model: Option<&str>, settings: &mask::Settings, passes: usize) -> Canary {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
        let model = model.map(|name| folder.join(name));
        let detector = Detector::load(&detect::Settings { model, passes, ..detect::Settings::default() }).unwrap();
        Canary::new(&detector, settings, Micros::from_ms(10_000)).unwrap()
    }

    #[test]
    fn the_network_that_is_built_in_covers_it_and_clears_the_rest() {
        let (safe, age) = (mask::Settings::default(), Micros(0));
        let weakest = mask::Settings {
            person_threshold: *Bounds::PERSON_THRESHOLD.end(),
            vehicle_threshold: *Bounds::VEHICLE_THRESHOLD.end(),
            sure_threshold: *Bounds::SURE_THRESHOLD.end(),
            lookahead: Micros(0),
            evidence_age_max: age,
            ..safe.clone()
        };
        for (settings, passes) in [(&safe, 3), (&safe, 1), (&weakest, 1), (&weakest, 3)] {
            let mut canary = canary(None, settings, passes);
            for flight in 0..3 {
                let flown = canary.fly().unwrap_or_else(|fault| panic!("flight {flight}, {passes} passes: {fault}"));
                let clear = flown.account().clear_fraction;
                assert!((0.1..0.9).contains(&clear), "flight {flight}, {passes} passes: {clear} clear");
            }
        }
    }

    #[test]
    fn a_network_that_sees_nothing_is_found_out() {
        let mut canary = canary(Some("blind.onnx"), &mask::Settings::default(), 1);
        assert_eq!(canary.fly().err(), Some(Fault::CanaryClear));
        assert_eq!(canary.tend(Micros(0)), Err(Fault::CanaryClear), "due at once");
        assert_eq!(canary.tend(Micros::from_ms(10_000)), Err(Fault::CanaryClear));
    }

    #[test]
    fn until_it_has_flown_it_is_due() {
        let mut canary = canary(Some("nan.onnx"), &mask::Settings::default(), 1);
        assert_eq!(canary.fly().err(), Some(Fault::EvidenceMalformed));
        assert_eq!(canary.tend(Micros(0)), Err(Fault::EvidenceMalformed));
        assert_eq!(canary.tend(Micros(1)), Err(Fault::EvidenceMalformed), "the next pass is withheld as well");
        let mut canary = self::canary(None, &mask::Settings::default(), 1);
        assert_eq!(canary.tend(Micros(0)), Ok(()));
        assert_eq!((canary.due, canary.frames), (Micros::from_ms(10_000), 2));
        assert_eq!(canary.tend(Micros::from_ms(9_999)), Ok(()));
        assert_eq!(canary.frames, 2, "not due again yet");
        assert_eq!(canary.tend(Micros::from_ms(10_000)), Ok(()));
        assert_eq!((canary.due, canary.frames), (Micros::from_ms(20_000), 4), "due again and again");
    }
}
