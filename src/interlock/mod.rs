//! Whether anything may leave now: faults, latch, permit, and pins that show it.
//!
//! [`response`] is one total match over every fault. Two responses exist: a slate (this frame is covered, the stream
//! lives) and a trip (nothing more leaves until an operator resets it on the ground). Only this room makes a
//! [`Permit`]; whatever sends must hold one and check it against the clock at the moment of sending.
//!
//! Around that stand, a file each: [`heartbeat`] (spent permits as edges on a line, which the board times out),
//! [`led`] (what the pilot sees), [`cover`] (the operator's switch, owned by the dark side), [`latch`] (a trip
//! outlives the power), [`restarts`] (how often a side may die), [`progress`] (whether both sides live) and
//! [`watchdog`] (who resets the board if not). None of them reads a clock; the files and devices they use are given
//! to them.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod cover;
mod error;
pub mod heartbeat;
pub mod latch;
pub mod led;
pub mod pins;
pub mod progress;
pub mod restarts;
pub mod watchdog;
mod watchdog_ioctl;

use std::path::PathBuf;

use crate::base::{Fault, Micros};
pub use cover::Cover;
pub use error::InterlockError;
pub use heartbeat::Heartbeat;
pub use latch::Latch;
pub use led::Led;
pub use progress::Progress;
pub use restarts::Restarts;
pub use watchdog::Watchdog;

/// The interlock's pins, devices and folders. The defaults use no pin and no hardware watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The heartbeat's line; see [`pins::Place`] for the form. The lit side's.
    pub heartbeat: Option<String>,
    /// The status LED's line. The lit side's.
    pub led: Option<String>,
    /// The cover switch's line. The dark side's.
    pub cover: Option<String>,
    /// The hardware watchdog's device. The lit side's.
    pub watchdog: Option<PathBuf>,
    /// Seconds without progress after which the hardware watchdog resets the board.
    pub watchdog_s: u32,
    /// The folder of the latch. It must outlive the power.
    pub state: PathBuf,
}

impl Settings {
    /// Seconds that the hardware watchdog may be set to. Less could reset a board that only hesitates, for example
    /// while a side is started again; more leaves a hung one too long.
    pub const WATCHDOG_S: std::ops::RangeInclusive<u32> = 5..=60;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: None,
            led: None,
            cover: None,
            watchdog: None,
            watchdog_s: 15,
            state: PathBuf::from("/var/lib/voile"),
        }
    }
}

/// What a fault does to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// This frame is covered whole; the stream goes on.
    Slate,
    /// No more permits, latched.
    Trip,
}

/// The table. Every fault that concerns one frame's pixels or evidence covers that frame; what breaks the way from
/// the paint to the receiver stops it. A side that died sends nothing by
/// itself: it costs frames until it is back, and only its repetition trips. What keeps the promise when the program does
/// not (heartbeat, watchdog) trips when it fails, and so does a detector that no longer sees what it must (canary).
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
        | Fault::TracksFull
        | Fault::CoverClosed
        | Fault::CameraLost
        | Fault::DarkDied
        | Fault::LitDied => Response::Slate,
        Fault::EncoderFailed
        | Fault::OutputFailed
        | Fault::SeamBroken
        | Fault::SeamGarbled
        | Fault::DiedTooOften
        | Fault::HeartbeatFailed
        | Fault::WatchdogFailed
        | Fault::Latched
        | Fault::CanaryClear => Response::Trip,
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
    fn a_death_costs_frames_and_its_repetition_the_permits() {
        let mut interlock = Interlock::default();
        for fault in [Fault::DarkDied, Fault::LitDied, Fault::CoverClosed] {
            assert_eq!(interlock.report(fault), Response::Slate, "{fault}");
        }
        assert!(interlock.permit(Micros(0)).is_some());
        assert_eq!(interlock.report(Fault::DiedTooOften), Response::Trip);
        assert!(interlock.permit(Micros(0)).is_none());
    }

    #[test]
    fn a_latch_from_before_gives_no_permit_ever() {
        let mut interlock = Interlock::default();
        interlock.report(Fault::Latched);
        assert!([0, 1, 1_000_000].into_iter().all(|now| interlock.permit(Micros(now)).is_none()));
    }

    #[test]
    fn a_permit_ends_with_time_and_with_a_clock_that_goes_back() {
        let permit = Interlock::default().permit(Micros::from_ms(500)).expect("permissive");
        assert!(permit.holds(Micros::from_ms(500)) && permit.holds(Micros::from_ms(599)));
        assert!(!permit.holds(Micros::from_ms(600)) && !permit.holds(Micros::from_ms(499)));
    }
}
