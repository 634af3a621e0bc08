//! Everything that can go wrong in flight, as one list.
//!
//! A fault says what happened, never what to do: [`crate::interlock::response`] decides that, in one total match
//! without a wildcard, so that a fault cannot be added here without deciding what the radio sees.

/// Something went wrong in flight. Carries no payload: the pipeline knows which frame it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum Fault {
    /// The driver marked the raw frame as incomplete.
    #[error("torn frame")]
    FrameTorn,
    /// The camera delivered a frame again, or one older than the last.
    #[error("repeated frame")]
    FrameRepeated,
    /// The raw frame has another size or layout than the stream.
    #[error("frame size changed")]
    FrameShape,
    /// Capture time went backwards.
    #[error("clock went back")]
    ClockBack,
    /// No detector pass has looked at this frame.
    #[error("no evidence")]
    EvidenceMissing,
    /// The detector looked at another frame than this one.
    #[error("wrong evidence")]
    EvidenceMismatch,
    /// The detector looked too long ago.
    #[error("stale evidence")]
    EvidenceStale,
    /// No pass over a later frame had come in when this one had to leave: its time was up, or the look-ahead full.
    #[error("late evidence")]
    EvidenceLate,
    /// The model's output has the wrong shape or holds a value that is not finite.
    #[error("bad evidence")]
    EvidenceMalformed,
    /// The network could not be run.
    #[error("detector failed")]
    DetectorFailed,
    /// How the camera moved since the last pass cannot be told.
    #[error("camera motion unknown")]
    MotionUnknown,
    /// The camera moved further since the last pass than evidence can be carried.
    #[error("camera too fast")]
    MotionFast,
    /// More is in view than tracks can hold, so something may be without one.
    #[error("too many in view")]
    TracksFull,
    /// The encoder refused a frame or broke off.
    #[error("encoder failed")]
    EncoderFailed,
    /// What was encoded could not be handed on: disk full, pipe closed.
    #[error("output failed")]
    OutputFailed,
    /// One half of the pipeline died.
    #[error("pipeline broken")]
    SeamBroken,
    /// What came through the seam was no message, or one that the rules forbid: the other side is broken, or lies.
    #[error("seam garbled")]
    SeamGarbled,
    /// The operator's cover switch is closed, or cannot be read.
    #[error("cover closed")]
    CoverClosed,
    /// The dark side died; it is started again after a back-off.
    #[error("camera side died")]
    DarkDied,
    /// The lit side died; it is started again after a back-off.
    #[error("link side died")]
    LitDied,
    /// A side died more often than can be put down to chance.
    #[error("died too often")]
    DiedTooOften,
    /// The heartbeat's line could not be driven.
    #[error("heartbeat failed")]
    HeartbeatFailed,
    /// The hardware watchdog could not be fed.
    #[error("watchdog failed")]
    WatchdogFailed,
    /// A trip from an earlier run has not been reset.
    #[error("tripped before")]
    Latched,
    /// The people and the vehicle of the canary, or one of them, came out to be seen.
    #[error("canary came out clear")]
    CanaryClear,
    /// The camera gives no frames: unplugged, broken off or silent. It is started or opened again after a back-off.
    #[error("camera lost")]
    CameraLost,
}

impl Fault {
    /// Every fault, in the order of [`Fault::number`]. That is told on the seam, too: add at the end.
    pub const ALL: [Self; 26] = [
        Self::FrameTorn,
        Self::FrameRepeated,
        Self::FrameShape,
        Self::ClockBack,
        Self::EvidenceMissing,
        Self::EvidenceMismatch,
        Self::EvidenceStale,
        Self::EvidenceLate,
        Self::EvidenceMalformed,
        Self::DetectorFailed,
        Self::MotionUnknown,
        Self::MotionFast,
        Self::TracksFull,
        Self::EncoderFailed,
        Self::OutputFailed,
        Self::SeamBroken,
        Self::SeamGarbled,
        Self::CoverClosed,
        Self::DarkDied,
        Self::LitDied,
        Self::DiedTooOften,
        Self::HeartbeatFailed,
        Self::WatchdogFailed,
        Self::Latched,
        Self::CanaryClear,
        Self::CameraLost,
    ];

    /// Its place in [`Fault::ALL`].
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_place() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(fault.number()), place);
        }
    }
}
