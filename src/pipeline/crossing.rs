//! What goes through the seam between the halves, and its two ends.
//!
//! In one process the seam is a bounded queue; in two it is a pipe ([`super::split`]). Neither end carries pixels.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::queue::{Received, Receiver, Sender};
use crate::base::{Fault, Micros};
use crate::encode::{AccessUnit, Backend};
use crate::mask::Account;

/// What crosses the seam about one frame: numbers that say nothing about who is in it.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// Number of the frame.
    pub sequence: u64,
    /// Capture time.
    pub captured: Micros,
    /// When the camera handed it over, on the pace's clock: the start of its latency.
    pub born: Micros,
    /// What was done to it.
    pub account: Account,
    /// Time in the follower: camera motion and motion witness.
    pub follow: Micros,
    /// Time of the pass over this very frame; zero if there was none.
    pub detect: Micros,
    /// Time from the camera's hands to redaction: on the way, in the follower, and waiting for a later pass.
    pub wait: Micros,
    /// Time in clearance, tracks and paint.
    pub redact: Micros,
    /// Time in the encoder.
    pub encode: Micros,
    /// Who encoded it.
    pub backend: Backend,
}

/// What goes through the seam.
#[derive(Debug)]
pub enum Crossing {
    /// A frame was redacted; comes before its unit.
    Health(Health),
    /// What was encoded of it.
    Unit(AccessUnit),
    /// Something that concerns the stream, not one frame.
    Fault(Fault),
    /// The camera has nothing yet, and the dark half lives.
    Pause,
    /// The dark half has sent all it had.
    End,
}

/// The dark half's end of the seam.
pub trait Outward: Send {
    /// Lets `crossing` through; whether there is still somebody to take it. Waits for room.
    fn cross(&mut self, crossing: Crossing) -> bool;

    /// Lets [`Crossing::Pause`] through if there is room at once. Halves in one process die together and need no word.
    fn pause(&mut self) {}
}

/// The lit half's end of the seam.
pub trait Inward {
    /// What comes next, within `longest` if that is given.
    fn next(&mut self, longest: Option<Duration>) -> Heard;

    /// Whether the dark half is gone, whatever of its still lies in the seam. One that ends in order waits until the lit
    /// half has sent all.
    fn abandoned(&self) -> bool {
        false
    }
}

/// What the lit half gets to hear.
pub enum Heard {
    /// Something came through.
    Crossing(Crossing),
    /// The time was up.
    Nothing,
    /// Nothing more will come: the dark half went without a word ([`Fault::SeamBroken`] in one process,
    /// [`Fault::DarkDied`] in two), or said what it may not ([`Fault::SeamGarbled`]).
    Fault(Fault),
}

impl Outward for Sender<'_, Crossing> {
    fn cross(&mut self, crossing: Crossing) -> bool {
        self.send(crossing).is_ok()
    }
}

impl Inward for Receiver<'_, Crossing> {
    fn next(&mut self, longest: Option<Duration>) -> Heard {
        match self.receive(longest) {
            Received::Item(crossing) => Heard::Crossing(crossing),
            Received::Nothing => Heard::Nothing,
            Received::Closed => Heard::Fault(Fault::SeamBroken),
        }
    }
}

/// The dark half's end of the seam, as its threads share it.
pub(super) struct Seam<S>(Mutex<Option<S>>);

impl<S: Outward> Seam<S> {
    pub(super) fn new(end: S) -> Self {
        Self(Mutex::new(Some(end)))
    }

    /// As [`Outward::cross`]; after the end, nobody is there.
    pub(super) fn cross(&self, crossing: Crossing) -> bool {
        let mut seam = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seam.as_mut().is_some_and(|seam| seam.cross(crossing))
    }

    /// As [`Outward::pause`]; whoever is at the seam just now is a sign of life, too.
    pub(super) fn pause(&self) {
        if let Ok(mut seam) = self.0.try_lock()
            && let Some(seam) = seam.as_mut()
        {
            seam.pause();
        }
    }

    pub(super) fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
