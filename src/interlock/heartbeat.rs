//! The heartbeat: spent permits as edges on a line; no sending, no edge.
//!
//! Relies on the board to cut the radio when edges stop, because a hung side and a dead one both leave the line as it
//! was: high, on many boards. Owns the output pin. Never toggles by a timer: each edge costs a [`Permit`], and a
//! permit comes only from an interlock that has not tripped.
//!
//! # What the board must do
//!
//! A retriggerable monostable that either edge restarts, 80 ms nominal, keeps the radio on:
//!
//! | Part of 100 ms | ms |
//! |---|---|
//! | monostable, 80 ms, parts within 15 % | 68 to 92 |
//! | load switch or transmit-enable, until the radio is silent | 5 |
//! | ours: from a packet's leaving to its edge ([`OURS`]) | 3 |
//!
//! So the radio is dark at most 100 ms after the last sending, and stays on as long as edges are at most 68 ms apart
//! ([`GAP_MAX`]). Ours is one system call after the sending; in simulated time it is nothing.
//!
//! The line enables the transmitter, not the supply of whatever takes the packets: a network interface without supply
//! takes none, so that no edge would ever switch it on.
//!
//! # What counts as progress
//!
//! | Frames a second | Edge | Both sides alive, longest gap | Dead, hung or tripped side: last edge |
//! |---|---|---|---|
//! | 20 to 60 | a packet of the stream was sent | 50 ms and the stream's jitter | with the last packet |
//! | 5 to under 20 | as above, or a pause was told | 40 ms and the jitter | with the last unit or word |
//! | under 5 | none that lasts | | the radio is dark between frames |
//!
//! Below 20 frames a second units are further apart than the board may wait, so that units alone cannot tell a slow
//! stream from a dead one. There the dark side's capturing thread also says, each time that it has waited
//! [`WORD_EVERY`] for the camera in vain, that it waits; not the redacting one, which an encoder may hold for longer
//! than the board may wait. Such a word is worth one edge, if the lit side holds a permit, and if a unit was sent no
//! longer than a frame and a half ago. So a hung process of either side still stops the line at once, while a camera
//! that hangs behind a living process stops it within 300 ms at 5 frames a second; nothing is there to be sent
//! meanwhile.

use embedded_hal::digital::OutputPin;

use super::Permit;
use crate::base::{Fault, Micros};

/// At most one edge in this time, so that a burst of units does not use up what the board's filter lets through.
pub const EDGE_EVERY: Micros = Micros::from_ms(10);
/// Longest time between edges that every board built as above still takes for life.
pub const GAP_MAX: Micros = Micros::from_ms(68);
/// What the board and the radio need at most from the last edge to silence.
pub const BOARD: Micros = Micros::from_ms(97);
/// What is left for us, from the last sending to its edge.
pub const OURS: Micros = Micros::from_ms(3);
/// Between two words of a dark side that waits for a slow camera.
pub const WORD_EVERY: Micros = Micros::from_ms(40);
/// Up to this frame interval, units alone keep the board content.
const UNITS_ALONE: Micros = Micros::from_ms(50);
/// The longest frame interval for which pauses are bridged: 5 frames a second.
const INTERVAL_MAX: Micros = Micros::from_ms(200);

/// How often the dark side is to say that it waits, for frames so far apart; `None` where units alone suffice.
pub fn word_every(interval: Micros) -> Option<Micros> {
    (interval > UNITS_ALONE).then_some(WORD_EVERY)
}

/// The heartbeat on its line. High is active. When dropped, the line is inactive.
pub struct Heartbeat<P: OutputPin> {
    pin: P,
    high: bool,
    edge: Option<Micros>,
    unit: Option<Micros>,
    /// Age of the last unit up to which a pause counts; zero: never.
    bridged: Micros,
}

impl<P: OutputPin> Heartbeat<P> {
    /// A heartbeat that rests, for frames `interval` apart. The pin is already an output and inactive; it is driven
    /// inactive once more, to find out now whether it can be.
    ///
    /// # Errors
    /// [`Fault::HeartbeatFailed`] if the pin cannot be driven.
    pub fn new(mut pin: P, interval: Micros) -> Result<Self, Fault> {
        pin.set_low().map_err(|_| Fault::HeartbeatFailed)?;
        let interval = interval.min(INTERVAL_MAX);
        let bridged = if interval > UNITS_ALONE { interval.plus(Micros(interval.0 / 2)) } else { Micros(0) };
        Ok(Self { pin, high: false, edge: None, unit: None, bridged })
    }

    /// A packet of the stream left under `permit`, just now. Whether the line changed.
    ///
    /// # Errors
    /// [`Fault::HeartbeatFailed`] if the pin could not be driven; the level is then unknown, but it is static.
    pub fn sent(&mut self, permit: Permit, now: Micros) -> Result<bool, Fault> {
        if permit.holds(now) {
            self.unit = Some(now);
        }
        self.spend(&permit, now)
    }

    /// The dark side has said that it waits for the camera: nothing to send, both sides alive. One call for each such
    /// word. Whether the line changed.
    ///
    /// # Errors
    /// As [`Heartbeat::sent`].
    pub fn paused(&mut self, permit: Permit, now: Micros) -> Result<bool, Fault> {
        match self.unit {
            Some(unit) if now >= unit && now.since(unit) < self.bridged => self.spend(&permit, now),
            Some(_) | None => Ok(false),
        }
    }

    /// Makes the line inactive at once; for a trip and an orderly stop.
    ///
    /// # Errors
    /// As [`Heartbeat::sent`].
    pub fn rest(&mut self) -> Result<(), Fault> {
        self.unit = None;
        self.high = false;
        self.pin.set_low().map_err(|_| Fault::HeartbeatFailed)
    }

    fn spend(&mut self, permit: &Permit, now: Micros) -> Result<bool, Fault> {
        // A clock that went back gives no edge until it has caught up: the radio is dark, which is the covered side.
        let early = self.edge.is_some_and(|edge| now.since(edge) < EDGE_EVERY);
        if early || !permit.holds(now) {
            return Ok(false);
        }
        let driven = if self.high { self.pin.set_low() } else { self.pin.set_high() };
        driven.map_err(|_| Fault::HeartbeatFailed)?;
        self.high = !self.high;
        self.edge = Some(now);
        Ok(true)
    }
}

impl<P: OutputPin> Drop for Heartbeat<P> {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure; the line is static either way.
        let _ = self.pin.set_low();
    }
}

#[cfg(test)]
#[path = "heartbeat_tests.rs"]
mod tests;
