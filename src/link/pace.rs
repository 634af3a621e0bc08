//! When the next packet may leave: a bucket of bytes that fills at a rate.
//!
//! A radio drops what comes in bursts, so a unit's packets are spread. The bucket fills at twice the encoder's rate, so
//! that a usual unit takes half its frame interval, or as fast as what waits needs to be gone within two intervals if
//! that is more, so that a key frame costs at most that much delay. Where frames come slowly, what waits is gone sooner
//! than that: a dark side that hangs must leave nothing under way for longer than a permit lives. The bucket never holds
//! more than four packets.

use super::settings::Stream;
use crate::base::Micros;

/// Packets of full size that may leave at once.
const BURST: u64 = 4;
/// Frame intervals after which what waits is gone.
const INTERVALS: u64 = 2;
/// Microseconds after which it is gone at any frame rate.
const GONE: u64 = 80_000;
/// Share of the encoder's rate at which usual units leave.
const SPEED: u64 = 2;
const MICROS: u64 = 1_000_000;

/// The bucket. Its content is counted in millionths of a byte, so that no rounding adds up.
#[derive(Debug)]
pub(super) struct Pace {
    floor: u64,
    /// Microseconds within which what waits is to be gone.
    within: u64,
    capacity: u64,
    /// Bytes a second.
    rate: u64,
    content: u64,
    filled: Micros,
}

impl Pace {
    pub(super) fn new(stream: Stream, mtu: usize) -> Self {
        let floor = (u64::from(stream.bitrate_kbps) * 1000 / 8 * SPEED).max(1000);
        let capacity = number(mtu) * BURST * MICROS;
        let within = stream.interval.0.saturating_mul(INTERVALS).clamp(2000, GONE);
        Self { floor, within, capacity, rate: floor, content: capacity, filled: Micros(0) }
    }

    /// Sets the rate by what waits, of which `earlier` bytes did before; called when a unit was laid in. What waits
    /// already never leaves later for what comes behind it.
    pub(super) fn waiting(&mut self, bytes: usize, earlier: usize) {
        let kept = if earlier > 0 { self.rate } else { self.floor };
        self.rate = kept.max(number(bytes) * MICROS / self.within);
    }

    /// When a packet of this size may leave: `now`, or later.
    pub(super) fn moment(&mut self, bytes: usize, now: Micros) -> Micros {
        let grown = now.since(self.filled).0.saturating_mul(self.rate);
        self.content = self.content.saturating_add(grown).min(self.capacity);
        self.filled = now;
        let missing = number(bytes).saturating_mul(MICROS).saturating_sub(self.content);
        now.plus(Micros(missing.div_ceil(self.rate)))
    }

    /// A packet of this size has left.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.content = self.content.saturating_sub(number(bytes) * MICROS);
    }
}

fn number(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Codec;

    /// Sends packets of `bytes` as soon as each may leave; gives the moments.
    fn moments(pace: &mut Pace, bytes: &[usize], mut now: Micros) -> Vec<u64> {
        bytes
            .iter()
            .map(|&bytes| {
                while pace.moment(bytes, now) > now {
                    now = pace.moment(bytes, now);
                }
                pace.spend(bytes);
                now.0
            })
            .collect()
    }

    fn pace(bitrate_kbps: u32) -> Pace {
        Pace::new(Stream { codec: Codec::H264, bitrate_kbps, interval: Micros(33_333) }, 1400)
    }

    #[test]
    fn a_usual_unit_takes_half_its_interval_and_starts_with_a_small_burst() {
        // 4 Mb/s at 30 frames a second are 16.7 kB a frame: 12 packets.
        let mut pace = pace(4000);
        pace.waiting(12 * 1400, 0);
        let moments = moments(&mut pace, &[1400; 12], Micros(0));
        assert_eq!(moments[..4], [0; 4], "four at once");
        assert!(moments[4] > 1000, "then one at a time: {moments:?}");
        assert!((9_000..=16_700).contains(&moments[11]), "{moments:?}");
        assert!(moments[4..].windows(2).all(|pair| (1300..=1500).contains(&(pair[1] - pair[0]))), "{moments:?}");
    }

    #[test]
    fn a_key_frame_is_gone_within_two_intervals() {
        let mut pace = pace(1000);
        pace.waiting(200 * 1400, 0);
        let moments = moments(&mut pace, &[1400; 200], Micros(0));
        assert!((60_000..=66_700).contains(&moments[199]), "{}", moments[199]);
    }

    #[test]
    fn a_unit_behind_a_key_frame_does_not_slow_it_down() {
        let mut pace = pace(1000);
        pace.waiting(40 * 1400, 0);
        let first = moments(&mut pace, &[1400; 20], Micros(0));
        let then = Micros(first[19].max(33_333));
        pace.waiting(21 * 1400, 20 * 1400);
        let second = moments(&mut pace, &[1400; 20], then);
        assert!(second[19] <= 66_700, "{}", second[19]);
        // Once all is gone, the rate is the usual one again.
        pace.waiting(1400, 0);
        assert_eq!(pace.rate, pace.floor);
    }

    #[test]
    fn where_frames_come_slowly_a_unit_is_gone_before_a_permit_ends() {
        for interval in [Micros(100_000), Micros(1_000_000)] {
            let mut pace = Pace::new(Stream { codec: Codec::Av1, bitrate_kbps: 1000, interval }, 1400);
            pace.waiting(100 * 1400, 0);
            let moments = moments(&mut pace, &[1400; 100], Micros(0));
            assert!((70_000..=GONE).contains(&moments[99]), "{}", moments[99]);
        }
    }

    #[test]
    fn rest_earns_no_more_than_the_burst_and_a_clock_that_goes_back_earns_nothing() {
        let mut pace = pace(1000);
        moments(&mut pace, &[1400; 8], Micros(0));
        let later = moments(&mut pace, &[1400; 5], Micros::from_ms(10_000));
        assert_eq!(later.iter().filter(|&&moment| moment == 10_000_000).count(), 4);
        assert!(pace.moment(1400, Micros(5)) > Micros(5));
    }
}
