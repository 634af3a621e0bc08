//! Numbers by lot: the same seed gives the same numbers on every machine.

/// A stream of numbers (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone)]
pub struct Lot(u64);

impl Lot {
    /// The numbers of run number `run` of the campaign of `seed`.
    pub fn of(seed: u64, run: u64) -> Self {
        let mut lot = Self(seed);
        // Mixed before the run's number is added, so that neighbouring seeds share no runs.
        Self(lot.next() ^ run.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1).unsigned_abs()) as i64
    }

    /// Microseconds, from so many milliseconds to so many.
    pub fn ms(&mut self, low: i64, high: i64) -> u64 {
        self.between(low * 1000, high * 1000).unsigned_abs()
    }

    /// A real number from `low` to `high`.
    pub fn real(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 40) as f32 / 16_777_216.0)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(0, 99) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as i64 - 1) as usize]
    }
}
