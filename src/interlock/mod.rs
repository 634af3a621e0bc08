//! Whether anything may leave now: what each fault does, the latch, and the permit.
//!
//! [`response`] is one total match over every fault. Two responses exist: a slate (this frame is covered, the stream lives)
//! and a trip (nothing more leaves until an operator resets it on the ground). Only this room makes a [`Permit`]; whatever
//! sends must hold one and check it against the clock at the moment of sending.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::base::{Fault, Micros};

/// What a fault does to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// This frame is covered whole; the stream goes on.
    Slate,
    /// No more permits, latched.
    Trip,
}

/// The table. Every fault that concerns one frame's pixels or evidence covers that frame; what breaks the way from the
/// paint to the receiver stops it.
pub const fn response(fault: Fault) -> Response {
    match fault {
        Fault::FrameTorn
        | Fault::FrameRepeated
        | Fault::FrameShape
        | Fault::ClockBack
        | Fault::EvidenceMissing
        | Fault::EvidenceMismatch
        | Fault::EvidenceStale
        | Fault::EvidenceLate
        | Fault::EvidenceMalformed
        | Fault::DetectorFailed
        | Fault::MotionUnknown
        | Fault::MotionFast
        | Fault::TracksFull => Response::Slate,
        Fault::EncoderFailed | Fault::OutputFailed | Fault::SeamBroken => Response::Trip,
    }
}

/// Leave to send one access unit, for a short time. Not `Clone`: each sending needs a fresh one.
#[derive(Debug)]
pub struct Permit {
    from: Micros,
    until: Micros,
}

impl Permit {
    /// How long a permit lasts.
    const LIFE: Micros = Micros::from_ms(100);

    /// Whether it may still be used at `now`. A clock that went back ends it too.
    pub fn holds(&self, now: Micros) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// The latch. Starts permissive; the first fault that trips it stays.
#[derive(Debug, Default)]
pub struct Interlock {
    tripped: Option<Fault>,
}

impl Interlock {
    /// Takes note of a fault and says what to do.
    pub fn report(&mut self, fault: Fault) -> Response {
        let response = response(fault);
        if response == Response::Trip {
            self.tripped.get_or_insert(fault);
        }
        response
    }

    /// What tripped it, if anything did.
    pub const fn tripped(&self) -> Option<Fault> {
        self.tripped
    }

    /// Leave to send at `now`, unless tripped.
    pub fn permit(&self, now: Micros) -> Option<Permit> {
        match self.tripped {
            Some(_) => None,
            None => Some(Permit { from: now, until: now.plus(Permit::LIFE) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trip_latches_and_a_slate_does_not() {
        let mut interlock = Interlock::default();
        interlock.report(Fault::EvidenceMissing);
        assert!(interlock.permit(Micros(0)).is_some());
        interlock.report(Fault::EncoderFailed);
        interlock.report(Fault::OutputFailed);
        assert_eq!(interlock.tripped(), Some(Fault::EncoderFailed), "the first cause stays");
        assert!(interlock.permit(Micros(0)).is_none());
    }

    #[test]
    fn a_permit_ends_with_time_and_with_a_clock_that_goes_back() {
        let permit = Interlock::default().permit(Micros::from_ms(500)).expect("permissive");
        assert!(permit.holds(Micros::from_ms(500)) && permit.holds(Micros::from_ms(599)));
        assert!(!permit.holds(Micros::from_ms(600)) && !permit.holds(Micros::from_ms(499)));
    }
}
