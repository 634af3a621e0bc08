//! When to try again and when to stand in while a camera gives nothing.
//!
//! A plan only: whoever has the device and the frames acts on it. Never reads a clock.

use crate::base::Micros;

/// From one stand-in to the next, at least: enough for the operator to read why, and little to send.
const PACE: Micros = Micros::from_ms(200);
/// The first wait before the second try; it doubles from try to try.
const FIRST: Micros = Micros::from_ms(100);
/// The longest wait.
const LONGEST: Micros = Micros::from_ms(2_000);
/// A frame is missed after this, or after three periods where that is longer.
const QUIET: Micros = Micros::from_ms(250);
/// A camera is taken for dead after this, or after ten periods: some need two seconds for their first picture.
const DEAD: Micros = Micros::from_ms(3_000);

/// How long a camera of one frame rate may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until a stand-in goes out.
    pub quiet: Micros,
    /// Until the device is started again.
    pub dead: Micros,
    /// From one stand-in to the next.
    pub pace: Micros,
}

impl Patience {
    /// For a frame every `period`.
    pub(super) fn new(period: Micros) -> Self {
        let times = |n: u64| Micros(period.0.saturating_mul(n));
        Self { quiet: QUIET.max(times(3)), dead: DEAD.max(times(10)), pace: PACE.max(period) }
    }
}

/// A camera is silent or broken off.
#[derive(Debug)]
pub(super) struct Outage {
    /// Since when.
    pub since: Micros,
    /// When the next stand-in is due.
    pub stand_in: Micros,
    /// When to start or open the device again.
    pub again: Micros,
    /// The device has to be opened anew, not only started.
    pub from_scratch: bool,
    tries: u32,
}

impl Outage {
    /// One that begins at `now`: a stand-in is due at once.
    pub(super) const fn new(now: Micros) -> Self {
        Self { since: now, stand_in: now, again: now, from_scratch: false, tries: 0 }
    }

    /// No stand-in has gone out yet.
    pub(super) fn fresh(&self) -> bool {
        self.stand_in == self.since
    }

    /// Attempts so far.
    pub(super) const fn tries(&self) -> u32 {
        self.tries
    }

    /// Another attempt did not help, or the first is due: when the next one is.
    pub(super) fn failed(&mut self, now: Micros) {
        let wait = match self.tries {
            0 => Micros(0),
            tries => Micros(FIRST.0 << (tries - 1).min(10)).min(LONGEST),
        };
        self.tries = self.tries.saturating_add(1);
        self.again = now.plus(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_at_once_and_then_further_and_further_apart() {
        let mut outage = Outage::new(Micros(0));
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                outage.failed(Micros(0));
                outage.again.0 / 1000
            })
            .collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 2000, 2000]);
        (0..100).for_each(|_| outage.failed(Micros(0)));
        assert_eq!(outage.again, LONGEST);
    }

    #[test]
    fn slow_cameras_are_given_time() {
        let fast = Patience::new(Micros(8_333));
        assert_eq!((fast.quiet, fast.dead, fast.pace), (QUIET, DEAD, PACE));
        let slow = Patience::new(Micros::from_ms(1_000));
        assert_eq!((slow.quiet.0, slow.dead.0, slow.pace.0), (3_000_000, 10_000_000, 1_000_000));
    }
}
