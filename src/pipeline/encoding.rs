//! Dark half, fourth thread: redacted frames through the encoder to the seam.
//!
//! Owns the encoder; holds no raw frame and judges none. Says of each frame what was done to it before it hands out what
//! the encoder made of it, so that the lit half hears nothing of a frame whose encoder hangs.

use super::Departure;
use super::crossing::{Crossing, Health, Outward, Seam};
use super::queue::Receiver;
use crate::base::{Clock, Fault, Micros};
use crate::encode::{AccessUnit, Encoder};

/// What comes from redaction.
pub(super) enum Redacted {
    Frame {
        departure: Departure,
        /// Time from the camera's hands to redaction.
        wait: Micros,
        /// Time in redaction.
        redact: Micros,
    },
    /// That was all. A redaction that goes without this word has failed.
    End,
}

/// What it needs to let frames out.
pub(super) struct Encoding<'a, 'd, S: Outward> {
    pub(super) encoder: Box<dyn Encoder + 'a>,
    pub(super) seam: &'d Seam<S>,
    pub(super) units: Vec<AccessUnit>,
    pub(super) clock: &'a dyn Clock,
}

impl<S: Outward> Encoding<'_, '_, S> {
    pub(super) fn run(mut self, frames: Receiver<'_, Redacted>) {
        for redacted in frames {
            match redacted {
                Redacted::Frame { departure, wait, redact } => {
                    if !self.encode(departure, wait, redact) {
                        return;
                    }
                }
                Redacted::End => {
                    let finished = self.encoder.finish(&mut self.units);
                    if self.hand_over(finished) {
                        // A closed seam means that the lit half has ended already.
                        let _ = self.seam.cross(Crossing::End);
                    }
                    return;
                }
            }
        }
    }

    /// Encodes one frame; whether to go on.
    fn encode(&mut self, departure: Departure, wait: Micros, redact: Micros) -> bool {
        let Departure { frame, born, follow, detect } = departure;
        let (sequence, captured, account) = (frame.sequence(), frame.captured(), frame.account());
        let start = self.clock.now();
        let submitted = self.encoder.submit(frame, &mut self.units);
        let encode = self.clock.now().since(start);
        let backend = self.encoder.backend();
        let health = Health { sequence, captured, born, account, follow, detect, wait, redact, encode, backend };
        self.seam.cross(Crossing::Health(health)) && self.hand_over(submitted)
    }

    /// Sends finished access units and a fault of the encoder through the seam; whether to go on.
    fn hand_over(&mut self, result: Result<(), Fault>) -> bool {
        for unit in self.units.drain(..) {
            if !self.seam.cross(Crossing::Unit(unit)) {
                return false;
            }
        }
        match result {
            Ok(()) => true,
            Err(fault) => {
                let _ = self.seam.cross(Crossing::Fault(fault));
                false
            }
        }
    }
}
