//! Whether both sides live, told from their work.
//!
//! The work is a frame redacted and an access unit sent. Decides when watchdogs are fed, and nothing else does. It is
//! told of work and never asked by a timer: between two feedings both sides must have done something new. It reads no
//! clock and touches no device.

use crate::base::Micros;

/// The work of both sides since the watchdogs were last fed.
#[derive(Debug)]
pub struct Progress {
    bound: Micros,
    rest: Micros,
    redacted: Option<Micros>,
    sent: Option<Micros>,
    fed: Option<Micros>,
}

impl Progress {
    /// Work counts for `bound`, and a feeding is worth `rest`: the watchdogs are not fed more often, to spare system
    /// calls. `rest` is at most half of the shortest watchdog, `bound` the time that a frame may take to its sending.
    pub const fn new(bound: Micros, rest: Micros) -> Self {
        Self { bound, rest, redacted: None, sent: None, fed: None }
    }

    /// The dark side has redacted a frame. Whether to feed the watchdogs, now.
    #[must_use]
    pub fn redacted(&mut self, now: Micros) -> bool {
        self.redacted = Some(now);
        self.feed(now)
    }

    /// The lit side has sent an access unit, or was told by the network that it takes none: the side lives, and a
    /// reset would not bring the network back. Whether to feed the watchdogs, now.
    #[must_use]
    pub fn sent(&mut self, now: Micros) -> bool {
        self.sent = Some(now);
        self.feed(now)
    }

    fn feed(&mut self, now: Micros) -> bool {
        let fresh = |work: Option<Micros>| work.is_some_and(|then| then <= now && now.since(then) <= self.bound);
        let rested = self.fed.is_none_or(|then| now.since(then) >= self.rest);
        if !rested || !fresh(self.redacted) || !fresh(self.sent) {
            return false;
        }
        (self.redacted, self.sent, self.fed) = (None, None, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters 100 ms apart: `r` redacted, `s` sent, `b` both, `-` nothing; answers `F` fed, `.` not.
    fn fed(letters: &str) -> String {
        let mut progress = Progress::new(Micros::from_ms(300), Micros::from_ms(500));
        (0..)
            .zip(letters.chars())
            .map(|(index, letter)| {
                let now = Micros::from_ms(100 * index);
                let fed = match letter {
                    'r' => progress.redacted(now),
                    's' => progress.sent(now),
                    'b' => progress.redacted(now) | progress.sent(now),
                    _ => false,
                };
                if fed { 'F' } else { '.' }
            })
            .collect()
    }

    #[test]
    fn both_sides_must_have_worked_since_the_last_feeding() {
        assert_eq!(fed("bbbbbbbbbbbbbbbb"), "F....F....F....F");
        assert_eq!(fed("rrrrrrrrrrrr"), "............", "the lit side is dead");
        assert_eq!(fed("ssssssssssss"), "............", "the dark side is dead");
        assert_eq!(fed("b-----r-----r---"), "F...............", "one of them died later");
        assert_eq!(fed("b----------------"), "F................", "nobody feeds by waiting");
        assert_eq!(fed("r-s----r-s"), "..F......F");
    }

    #[test]
    fn old_work_of_one_side_does_not_vouch_for_it() {
        assert_eq!(fed("r---ssss"), "........", "redacted 400 ms ago");
        assert_eq!(fed("r--s"), "...F", "300 ms ago");
    }

    #[test]
    fn one_piece_of_work_feeds_once() {
        let mut progress = Progress::new(Micros::from_ms(1_000), Micros::from_ms(100));
        let at = Micros::from_ms;
        assert!(!progress.redacted(at(0)) && progress.sent(at(1)));
        assert!(!progress.sent(at(200)), "the frame was counted already");
        assert!(progress.redacted(at(201)));
        assert!(!progress.redacted(at(400)), "the unit was counted already");
    }

    #[test]
    fn a_clock_that_goes_back_feeds_only_when_it_has_caught_up() {
        let mut progress = Progress::new(Micros::from_ms(300), Micros::from_ms(500));
        let at = Micros::from_ms;
        assert!(!progress.redacted(at(5_000)));
        assert!(!progress.sent(at(1_000)), "redacted in the future");
        assert!(progress.redacted(at(1_000)));
        assert!(!progress.redacted(at(0)) && !progress.sent(at(0)));
    }
}
