//! Frames that wait for a pass over a later one, in a ring of fixed size.
//!
//! A frame leaves, in its order, when a pass over a later frame has come in or its deadline is there, whichever is first;
//! or when the ring is full. What it then looks like is the mask's to say. Time is passed in.

use heapless::Deque;

use crate::base::{Fault, Micros, Pose, RawFrame};
use crate::camera::Rate;
use crate::detect::Evidence;
use crate::mask::{Mask, RedactedFrame, redact};
use crate::track::Ground;

/// Most frames that wait: half a second at 60 a second, and some.
const MOST: usize = 40;

/// A raw frame on its way.
pub struct Arrival {
    /// The frame.
    pub frame: RawFrame,
    /// What the follower says of it.
    pub ground: Result<Ground, Fault>,
    /// Where the camera was, as far as telemetry says.
    pub pose: Option<Pose>,
    /// When the camera handed it over.
    pub born: Micros,
    /// Time in the follower.
    pub follow: Micros,
}

/// A redacted frame, and what it took.
pub struct Departure {
    /// The frame.
    pub frame: RedactedFrame,
    /// When the camera handed it over.
    pub born: Micros,
    /// Time in the follower.
    pub follow: Micros,
    /// Time of the pass over this very frame; zero if there was none.
    pub detect: Micros,
}

struct Waiting {
    arrival: Arrival,
    detect: Micros,
}

/// The ring and the mask behind it.
pub struct Lookahead {
    mask: Mask,
    waiting: Deque<Waiting, MOST>,
    limit: usize,
}

impl Lookahead {
    /// Frames that wait at most at a frame rate, 1 to 40.
    pub fn frames(rate: Rate, lookahead: Micros) -> usize {
        let spans = u128::from(lookahead.0) * u128::from(rate.frames) / (u128::from(rate.seconds.max(1)) * 1_000_000);
        usize::try_from(spans).map_or(MOST, |spans| spans.saturating_add(2)).min(MOST)
    }

    /// A ring for `limit` frames (1 to 40), with nothing in it.
    pub fn new(mask: Mask, limit: usize) -> Self {
        Self { mask, waiting: Deque::new(), limit: limit.clamp(1, MOST) }
    }

    /// Takes the next frame in. `leave` is given the frames that must go for that: all, where the clock went back, for
    /// no pass from now on says anything of them; the oldest, where the ring is full.
    pub fn arrive(&mut self, arrival: Arrival, leave: &mut impl FnMut(Departure)) {
        if matches!(arrival.ground, Err(Fault::ClockBack)) {
            self.flush(leave);
            self.mask.forget();
        }
        while self.waiting.len() >= self.limit {
            self.first(leave);
        }
        if let Ok(ground) = &arrival.ground {
            self.mask.follow(ground);
        }
        // There is room now.
        let _ = self.waiting.push_back(Waiting { arrival, detect: Micros(0) });
    }

    /// Takes what a pass over frame `sequence` gave, and how long it took.
    pub fn examined(&mut self, sequence: u64, evidence: Result<Evidence, Fault>, took: Micros) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.arrival.frame.sequence() == sequence) {
            waiting.detect = took;
        }
        self.mask.examined(evidence);
    }

    /// Gives the frames that need not or must not wait at `now`.
    pub fn release(&mut self, now: Micros, leave: &mut impl FnMut(Departure)) {
        while self.waiting.front().is_some_and(|waiting| self.due(&waiting.arrival, now)) {
            self.first(leave);
        }
    }

    /// Gives all frames.
    pub fn flush(&mut self, leave: &mut impl FnMut(Departure)) {
        while !self.waiting.is_empty() {
            self.first(leave);
        }
    }

    /// Capture time of the newest frame that waits, or zero.
    pub fn newest(&self) -> Micros {
        self.waiting.back().map_or(Micros(0), |waiting| waiting.arrival.frame.captured())
    }

    /// When the oldest frame must go; `None` while none waits.
    pub fn deadline(&self) -> Option<Micros> {
        self.waiting.front().map(|waiting| waiting.arrival.frame.captured().plus(self.mask.lookahead()))
    }

    fn due(&self, arrival: &Arrival, now: Micros) -> bool {
        arrival.ground.is_err()
            || self.mask.lookahead() == Micros(0)
            || self.mask.newest_pass().is_some_and(|pass| pass > arrival.frame.sequence())
            || arrival.frame.captured().plus(self.mask.lookahead()) < now
    }

    fn first(&mut self, leave: &mut impl FnMut(Departure)) {
        if let Some(Waiting { arrival: Arrival { frame, ground, pose, born, follow }, detect }) =
            self.waiting.pop_front()
        {
            let frame = redact(frame, ground, pose, &mut self.mask);
            leave(Departure { frame, born, follow, detect });
        }
    }
}
