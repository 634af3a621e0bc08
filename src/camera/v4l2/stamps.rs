//! The driver's frame numbers and capture times as the stream's own.
//!
//! The stream's always rise. Drivers count in 32 bits, start again when they are opened, and stamp on the machine's
//! monotonic clock; the stream counts in 64 bits from 0 and has a clock of its own. Whatever cannot be true (a time to
//! come, a time before the frame before, one that is long past) is replaced by the moment of arrival and the frame is
//! marked [`Fault::ClockBack`]: it is covered, and the pace of the stream does not wait for it. Never reads a clock.

use crate::base::{Fault, Micros};

/// A frame is late at the driver by no more than this and the frames that its buffers hold; older stamps are wrong.
const LATE: Micros = Micros::from_ms(2_000);
/// Buffers that may lie filled when the stream begins.
const EARLY: u8 = 32;

/// Where a frame stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its number; gaps are frames that the driver lost.
    pub sequence: u64,
    /// When it was captured, on the stream's clock.
    pub captured: Micros,
    /// What is wrong with its number or its time.
    pub fault: Option<Fault>,
}

/// Places frames in the stream.
#[derive(Debug)]
pub(super) struct Stamps {
    /// What the driver's clock was ahead of the stream's, in microseconds.
    ahead: i128,
    /// From one frame to the next.
    period: Micros,
    /// Number and time of the last frame that was placed.
    last: Option<(u64, Micros)>,
    /// It was a stand-in that we made.
    stand_in: bool,
    /// The driver's last number.
    counted: Option<u32>,
    /// Frames from before the beginning that may still come.
    early: u8,
    /// Frames that the driver has lost.
    lost: u64,
}

impl Stamps {
    /// For a driver whose clock read `driver` when the stream's read `stream`.
    pub(super) fn new(driver: Micros, stream: Micros, period: Micros) -> Self {
        let ahead = i128::from(driver.0) - i128::from(stream.0);
        Self { ahead, period, last: None, stand_in: false, counted: None, early: EARLY, lost: 0 }
    }

    /// The driver starts to count anew.
    pub(super) fn restarted(&mut self) {
        self.counted = None;
        self.early = EARLY;
    }

    /// Frames that the driver has lost so far, by its own numbers.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// A frame of ours in place of the camera's.
    pub(super) fn stand_in(&mut self, now: Micros) -> (u64, Micros) {
        let placed = (self.next(1), self.last.map_or(now, |(_, last)| now.max(last.plus(Micros(1)))));
        self.last = Some(placed);
        self.stand_in = true;
        placed
    }

    /// Places the driver's frame number `counted`, captured at `stamp` on the driver's clock (if it says so), that came
    /// in at `now`. `None` for a frame from before the stream began, or before the stand-in that went out for it.
    pub(super) fn place(&mut self, counted: u32, stamp: Option<Micros>, now: Micros) -> Option<Placed> {
        let oldest = now.0.saturating_sub(LATE.plus(Micros(self.period.0.saturating_mul(EARLY.into()))).0);
        let told = stamp.map_or(i128::from(now.0), |stamp| i128::from(stamp.0) - self.ahead);
        let after = self.last.map_or(0, |(_, last)| last.0.saturating_add(1));
        let mut fault = None;
        let captured = match u64::try_from(told) {
            Err(_) if self.early > 0 => {
                self.early -= 1;
                return None;
            }
            // Drivers that work the time out from the camera's own clock are ahead by a little now and then.
            Ok(told) if told > now.0 && told - now.0 <= self.period.0 => now.0,
            Ok(told) if (oldest..=now.0).contains(&told) => told,
            Ok(_) | Err(_) => {
                fault = Some(Fault::ClockBack);
                now.0
            }
        };
        if captured < after && self.stand_in && fault.is_none() {
            return None;
        }
        if captured < after {
            fault = Some(Fault::ClockBack);
        }
        // Half of all numbers lie ahead, the others behind.
        let step = self.counted.map_or(1, |before| counted.wrapping_sub(before));
        let ahead = (1..=u32::MAX / 2).contains(&step);
        if !ahead {
            fault = Some(Fault::FrameRepeated);
        }
        let step = if ahead { step.into() } else { 1 };
        self.lost += step - 1;
        self.counted = Some(counted);
        self.early = 0;
        self.stand_in = false;
        let (sequence, captured) = (self.next(step), Micros(captured.max(after)));
        self.last = Some((sequence, captured));
        Some(Placed { sequence, captured, fault })
    }

    fn next(&self, step: u64) -> u64 {
        self.last.map_or(0, |(sequence, _)| sequence.saturating_add(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 33_333;
    /// The driver's clock when the stream's reads zero.
    const BOOT: u64 = 7_000_000_000;

    fn stamps() -> Stamps {
        Stamps::new(Micros(BOOT + 500), Micros(500), Micros(PERIOD))
    }

    fn at(moment: u64) -> Option<Micros> {
        Some(Micros(BOOT + moment))
    }

    fn placed(sequence: u64, captured: u64, fault: Option<Fault>) -> Option<Placed> {
        Some(Placed { sequence, captured: Micros(captured), fault })
    }

    #[test]
    fn numbers_start_at_zero_and_keep_their_gaps_over_a_wrap() {
        let mut stamps = stamps();
        let counted = [u32::MAX - 2, u32::MAX - 1, u32::MAX, 0, 1, 5];
        let got: Vec<u64> = (1..)
            .zip(counted)
            .map(|(n, counted)| stamps.place(counted, at(n * PERIOD), Micros(n * PERIOD + 9)).unwrap())
            .inspect(|placed| assert_eq!(placed.fault, None))
            .map(|placed| placed.sequence)
            .collect();
        assert_eq!(got, [0, 1, 2, 3, 4, 8]);
        assert_eq!(stamps.lost(), 3);
    }

    #[test]
    fn a_number_that_does_not_rise_is_marked_and_the_stream_goes_on() {
        let mut stamps = stamps();
        let mut place = |counted, n: u64| stamps.place(counted, at(n * PERIOD), Micros(n * PERIOD)).unwrap();
        assert_eq!(place(7, 1).fault, None);
        assert_eq!((place(7, 2).fault, place(3, 3).fault), (Some(Fault::FrameRepeated), Some(Fault::FrameRepeated)));
        let after = place(4, 4);
        assert_eq!((after.sequence, after.fault), (3, None), "counted from where the driver is now");
    }

    #[test]
    fn frames_from_before_the_beginning_are_left_out_but_not_for_ever() {
        let mut stamps = stamps();
        assert_eq!(stamps.place(0, Some(Micros(BOOT - 9)), Micros(4)), None);
        assert_eq!(stamps.place(1, at(3), Micros(4)), placed(0, 3, None), "no gap to what was left out");
        let mut wrong = self::stamps();
        let faults = (0..50).filter_map(|n| wrong.place(n, Some(Micros(1)), Micros(u64::from(n) * PERIOD))).count();
        assert_eq!(faults, 50 - usize::from(EARLY), "a clock that is always behind gives covered frames");
    }

    #[test]
    fn times_that_cannot_be_are_covered_and_never_fall() {
        let mut stamps = stamps();
        assert_eq!(stamps.place(0, at(100_000), Micros(110_000)), placed(0, 100_000, None));
        let back = Some(Fault::ClockBack);
        let far = Some(Micros(u64::MAX));
        assert_eq!(stamps.place(1, far, Micros(140_000)), placed(1, 140_000, back), "a time to come");
        assert_eq!(stamps.place(2, at(120_000), Micros(170_000)), placed(2, 140_001, back), "before the one before");
        assert_eq!(stamps.place(3, at(200_010), Micros(200_000)), placed(3, 200_000, None), "ahead by a hair");
        let later = 60_000_000;
        assert_eq!(stamps.place(4, at(300_000), Micros(later)), placed(4, later, back), "long past");
    }

    #[test]
    fn a_driver_without_a_clock_is_told_by_arrival() {
        let mut stamps = stamps();
        assert_eq!(stamps.place(0, None, Micros(5)), placed(0, 5, None));
        assert_eq!(stamps.place(1, None, Micros(40_000)), placed(1, 40_000, None));
    }

    #[test]
    fn stand_ins_take_numbers_and_what_they_stood_for_is_left_out() {
        let mut stamps = stamps();
        assert_eq!(stamps.place(9, at(100), Micros(200)), placed(0, 100, None));
        assert_eq!(stamps.stand_in(Micros(300_000)), (1, Micros(300_000)));
        assert_eq!(stamps.stand_in(Micros(300_000)), (2, Micros(300_001)), "even if the clock stands still");
        assert_eq!(stamps.place(10, at(290_000), Micros(310_000)), None);
        stamps.restarted();
        assert_eq!(stamps.place(0, at(320_000), Micros(330_000)), placed(3, 320_000, None));
    }
}
