//! Time as a value that is passed in: real for flight, simulated for replay.
//!
//! Rooms take `now` as a parameter; only the two halves of the pipeline hold a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Microseconds since the start of the stream. Monotonic within one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1000)
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The sum of two durations, or of a moment and a duration; stops at the largest value.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// In milliseconds, with the fraction.
    #[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
    pub fn as_ms(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// A source of the present moment.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Micros;
    /// Returns at `moment` or later. A simulated clock jumps there.
    fn sleep_until(&self, moment: Micros);
}

/// The machine's monotonic clock, zero when it was made.
#[derive(Debug)]
pub struct RealClock(Instant);

impl RealClock {
    /// A clock that reads zero now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// A clock that read zero so long ago: another process's clock, read from this one.
    pub fn started(ago: Micros) -> Self {
        let now = Instant::now();
        Self(now.checked_sub(Duration::from_micros(ago.0)).unwrap_or(now))
    }
}

impl Clock for RealClock {
    fn now(&self) -> Micros {
        Micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn sleep_until(&self, moment: Micros) {
        std::thread::sleep(Duration::from_micros(moment.since(self.now()).0));
    }
}

/// A clock that stands still until it is set; clones share the time.
#[derive(Clone, Debug, Default)]
pub struct SimulatedClock(Arc<AtomicU64>);

impl SimulatedClock {
    /// Sets the present moment, also backwards: tests do that on purpose.
    pub fn set(&self, now: Micros) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, moment: Micros) {
        self.0.fetch_max(moment.0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_started_elsewhere_goes_on() {
        assert!(RealClock::started(Micros::from_ms(5_000)).now() >= Micros::from_ms(5_000));
    }

    #[test]
    fn a_simulated_clock_moves_only_when_told() {
        let clock = SimulatedClock::default();
        assert_eq!(clock.now(), Micros(0));
        clock.sleep_until(Micros::from_ms(40));
        clock.sleep_until(Micros::from_ms(20));
        assert_eq!(clock.now(), Micros::from_ms(40));
        assert_eq!(Micros(3).since(Micros(5)), Micros(0));
    }
}
