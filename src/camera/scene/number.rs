//! Numbers that are the same on every platform: chance, sine, rounding.
//!
//! Only `+ - * /`, square root and floor are used: IEEE 754 fixes their last bit, which it does not for a platform's
//! sine. Angles are in turns (1 is a full circle), so that reduction to one period is exact.

/// A stream of chance numbers: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014), with the finaliser constants of Stafford's variant 13.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

/// 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Scatters the bits of `value`.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Random {
    /// An independent stream for each pair of `seed` and `stream`.
    pub(super) const fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed.wrapping_mul(GOLDEN) ^ mix(stream.wrapping_add(GOLDEN))))
    }

    /// 64 even bits.
    pub(super) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// From 0 up to `limit`, which is left out; 0 if it is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let high = u128::from(self.bits() >> 32);
        usize::try_from((high * limit as u128) >> 32).unwrap_or(0)
    }

    /// From 0 up to 1, which is left out, in steps of 2^-24.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32")]
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// Even between two bounds.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of a few.
    pub(super) fn pick<T: Copy, const N: usize>(&mut self, of: &[T; N]) -> T {
        of[self.below(N)]
    }
}

/// Sine of an angle in turns; off by less than 1e-6. A Taylor series to the eleventh power over a quarter turn.
pub(super) fn sine(turns: f64) -> f32 {
    let turn = turns - turns.floor();
    // Fold to -1/4 to 1/4, where the series is best.
    let folded = if turn < 0.25 {
        turn
    } else if turn < 0.75 {
        0.5 - turn
    } else {
        turn - 1.0
    };
    let x = folded * std::f64::consts::TAU;
    let z = x * x;
    let series =
        1.0 - z / 6.0 * (1.0 - z / 20.0 * (1.0 - z / 42.0 * (1.0 - z / 72.0 * (1.0 - z / 110.0 * (1.0 - z / 156.0)))));
    single(x * series)
}

/// Cosine of an angle in turns.
pub(super) fn cosine(turns: f64) -> f32 {
    sine(turns + 0.25)
}

/// Sine and cosine of an angle in turns.
pub(super) fn circle(turns: f32) -> (f32, f32) {
    (sine(f64::from(turns)), cosine(f64::from(turns)))
}

/// The nearest single-precision number.
#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what is asked")]
pub(super) const fn single(x: f64) -> f32 {
    x as f32
}

/// The largest whole number not above `x`, for sizes below 2^31. No call into a library, which x86-64's baseline needs.
#[expect(clippy::cast_possible_truncation, reason = "saturates by definition")]
pub(super) fn floor(x: f32) -> i32 {
    let whole = x as i32;
    if real(whole) > x { whole.saturating_sub(1) } else { whole }
}

/// What is left of `x` above the largest whole number not above it.
pub(super) fn part(x: f32) -> f32 {
    x - real(floor(x))
}

/// A whole number of pixels or steps as a coordinate.
#[expect(clippy::cast_precision_loss, reason = "pictures are at most 8192 wide, worlds 2048")]
pub(super) const fn real(n: i32) -> f32 {
    n as f32
}

/// A count as a coordinate; saturates at 2^31 - 1.
pub(super) fn real_of(n: usize) -> f32 {
    real(i32::try_from(n).unwrap_or(i32::MAX))
}

/// The nearest byte; saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates by definition")]
pub(super) const fn byte(x: f32) -> u8 {
    (x + 0.5) as u8
}

/// A position on a ring of `ring` units as a fraction of 2^32, so that addition wraps with the ring.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ring's wrap is meant")]
pub(super) fn on_ring(x: f32, ring: f32) -> u32 {
    (f64::from(x) / f64::from(ring) * 4_294_967_296.0) as i64 as u32
}

/// Two bytes that are mixed at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(u32);

/// Two bytes side by side.
pub(super) const fn word([a, b]: [u8; 2]) -> Word {
    Word((a as u32) << 16 | b as u32)
}

impl Word {
    /// `share` of 256 of the other in each half. The halves cannot reach each other: 255 * 256 has 16 bits.
    pub(super) const fn mixed(self, other: Self, share: u32) -> Self {
        let sum = self.0.wrapping_mul(256u32.wrapping_sub(share)).wrapping_add(other.0.wrapping_mul(share));
        Self(sum >> 8 & 0x00ff_00ff)
    }

    /// The two bytes.
    pub(super) const fn halves(self) -> [u8; 2] {
        let [_, a, _, b] = self.0.to_be_bytes();
        [a, b]
    }

    /// The first byte with `share` of 256 of the second.
    pub(super) const fn joined(self, share: u32) -> u8 {
        let [a, b] = self.halves();
        let sum = (a as u32).wrapping_mul(256u32.wrapping_sub(share)).wrapping_add((b as u32).wrapping_mul(share));
        sum.to_le_bytes()[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_agrees_with_the_platform_to_six_digits() {
        for step in -400..400 {
            let turns = f64::from(step) / 97.0;
            let want = (turns * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(turns)) - want).abs() < 1e-6, "{turns}");
        }
    }

    #[test]
    fn chance_is_the_published_generator_and_even() {
        // First output of SplitMix64 from state 0.
        assert_eq!(Random(0).bits(), 0xE220_A839_7B1D_CDAF);
        let mut random = Random::new(1, 2);
        let mean = (0..4000).map(|_| random.unit()).sum::<f32>() / 4000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert!((0..1000).all(|_| random.below(7) < 7));
    }

    #[test]
    fn a_ring_wraps_both_ways() {
        assert_eq!(on_ring(-64.0, 256.0), on_ring(192.0, 256.0));
        assert_eq!(on_ring(256.0, 256.0), 0);
    }
}
