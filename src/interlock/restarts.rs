//! How soon a side that died may start again, and when it has died too often.
//!
//! One value a side, kept by the supervisor. It starts nothing and reads no clock: it is told of a death and answers.
//! A side is never restarted silently: each death is a fault with a count, and its repetition is a trip.

use heapless::Deque;

use crate::base::Micros;

/// Most deaths that a policy can allow in its window.
pub const DEATHS_MAX: usize = 16;

/// How long to wait, and how often is too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Wait after a first death. Doubles with each further one in the window.
    pub first: Micros,
    /// Longest wait.
    pub most: Micros,
    /// Deaths further back than this are forgiven once something is sent again.
    pub window: Micros,
    /// Deaths in the window that are survived; one more trips. 1 to [`DEATHS_MAX`]; outside that, the nearest.
    pub deaths: usize,
}

impl Default for Policy {
    /// 100 ms doubling to 5 s; five deaths in a minute are survived. A side that dies at once whenever it starts
    /// trips after 3.1 s of waiting.
    fn default() -> Self {
        Self { first: Micros::from_ms(100), most: Micros::from_ms(5_000), window: Micros::from_ms(60_000), deaths: 5 }
    }
}

/// What to do after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start it again at this moment, not before.
    StartAt(Micros),
    /// It died too often: report [`crate::base::Fault::DiedTooOften`].
    Trip,
}

/// The deaths of one side.
#[derive(Debug)]
pub struct Restarts {
    policy: Policy,
    recent: Deque<Micros, DEATHS_MAX>,
    total: u64,
}

impl Restarts {
    /// No deaths yet.
    pub fn new(policy: Policy) -> Self {
        let deaths = policy.deaths.clamp(1, DEATHS_MAX);
        Self { policy: Policy { deaths, ..policy }, recent: Deque::new(), total: 0 }
    }

    /// Deaths since the start, for health.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Takes note of a death and says what to do; `sent` says whether anything had been sent in that life. One that died
    /// before had no time in which to earn forgiveness: a start may take longer than deaths need to be far apart. A death
    /// that a clock that went back puts into the future counts.
    pub fn died(&mut self, now: Micros, sent: bool) -> Next {
        self.total += 1;
        while sent && self.recent.front().is_some_and(|then| now.since(*then) > self.policy.window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.deaths {
            return Next::Trip;
        }
        // Cannot be full: it holds fewer than `deaths`.
        let _ = self.recent.push_back(now);
        let wait = (1..self.recent.len()).fold(self.policy.first, |wait, _| wait.plus(wait).min(self.policy.most));
        Next::StartAt(now.plus(wait.min(self.policy.most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(restarts: &mut Restarts, now: u64) -> Option<u64> {
        match restarts.died(Micros::from_ms(now), true) {
            Next::StartAt(moment) => Some(moment.0 / 1000 - now),
            Next::Trip => None,
        }
    }

    #[test]
    fn waits_double_up_to_the_most_and_then_it_trips() {
        let mut restarts = Restarts::new(Policy { deaths: 8, ..Policy::default() });
        let waits: Vec<_> = (0..9).map(|index| wait(&mut restarts, index * 10)).collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Some);
        assert_eq!(waits[..8], expected);
        assert_eq!(waits[8], None);
        assert_eq!(wait(&mut restarts, 90), None, "tripped it stays while the window lasts");
        assert_eq!(restarts.total(), 10);
    }

    #[test]
    fn deaths_outside_the_window_are_forgiven_one_by_one() {
        let mut restarts = Restarts::new(Policy::default());
        for index in 0..200 {
            // Five in any minute, the sixth just outside.
            assert!(wait(&mut restarts, index * 12_001).is_some(), "death {index}");
        }
        let mut restarts = Restarts::new(Policy::default());
        assert!((0..5).all(|index| wait(&mut restarts, index * 12_000).is_some()));
        assert_eq!(wait(&mut restarts, 60_000), None, "six in one minute");
    }

    #[test]
    fn a_side_that_dies_at_each_start_trips_however_long_a_start_takes() {
        let mut restarts = Restarts::new(Policy::default());
        let mut died = |minute: u64, sent| restarts.died(Micros::from_ms(minute * 60_001), sent);
        assert!((0..5).all(|minute| died(minute, false) != Next::Trip));
        assert_ne!(died(10, true), Next::Trip, "something was sent: all before is forgiven");
        assert!((20..24).all(|minute| died(minute, false) != Next::Trip));
        assert_eq!(died(24, false), Next::Trip);
    }

    #[test]
    fn a_lone_death_after_a_quiet_time_waits_the_least() {
        let mut restarts = Restarts::new(Policy::default());
        assert_eq!((wait(&mut restarts, 0), wait(&mut restarts, 1)), (Some(100), Some(200)));
        assert_eq!(wait(&mut restarts, 70_000), Some(100));
    }

    #[test]
    fn a_clock_that_goes_back_forgives_nothing() {
        let mut restarts = Restarts::new(Policy { deaths: 2, ..Policy::default() });
        assert_eq!((wait(&mut restarts, 90_000), wait(&mut restarts, 0)), (Some(100), Some(200)));
        assert_eq!(wait(&mut restarts, 5), None);
    }

    #[test]
    fn a_policy_out_of_range_is_brought_into_it() {
        let mut restarts = Restarts::new(Policy { deaths: 0, first: Micros::from_ms(9_000), ..Policy::default() });
        assert_eq!((wait(&mut restarts, 0), wait(&mut restarts, 1)), (Some(5_000), None), "never longer than the most");
        let mut restarts = Restarts::new(Policy { deaths: 99, ..Policy::default() });
        assert_eq!((0..99).filter_map(|now| wait(&mut restarts, now)).count(), DEATHS_MAX);
    }
}
