//! The picture's luma in ever smaller sizes, for whoever measures motion.
//!
//! Relies on [`crate::base`] alone. All memory is taken when it is made; nothing here allocates or panics later, and
//! the same luma gives the same bytes everywhere: integers only.
//!
//! Level `n` is the picture divided by `2^n`, odd ends cut off. Its pixel `i` lies at `(i + 1/2) * 2^n - 1/2` of the
//! full picture, where the middle of the full picture's pixel 0 is 0.
//!
//! The levels are raw pixels: people can be recognised in the larger ones.

use zeroize::Zeroize;

use crate::base::{Plane, Size};

/// Most levels; the longest side that any room accepts is halved to 32 pixels by eight.
const MOST: usize = 8;
/// Pixels. Halving ends before the shorter side would fall below: too little is left to tell one place from another.
const SHORTEST: usize = 32;

/// Pixels that [`stretch`] gives at once: one row of a patch or of a clearance cell at half size.
pub(super) const STRETCH: usize = 8;
/// Steps between two pixels in a place for [`stretch`].
pub(super) const STEPS: f64 = 32.0;
/// The same as a shift.
const STEP_BITS: u32 = 5;

/// Luma at 1/2, 1/4, 1/8, 1/16 of the picture, and on while both sides keep at least 32 pixels (1/32 for 1080 rows).
/// A picture of less than 128 rows or columns has fewer; the half is always there.
pub struct Pyramid {
    size: Size,
    /// Bytes of level n + 1, rows without gaps.
    levels: [Box<[u8]>; MOST],
    count: usize,
}

/// Size of level `n`.
const fn shrunk(size: Size, n: usize) -> Size {
    Size::new(size.width >> n, size.height >> n)
}

/// The mean of each two by two pixels of a pair of rows, halves rounded up.
#[expect(clippy::cast_possible_truncation, reason = "the mean of four bytes is a byte")]
fn halve(upper: &[u8], lower: &[u8], half: &mut [u8]) {
    let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    for (half, (&upper, &lower)) in half.iter_mut().zip(pairs) {
        // Pairs are read as one word and taken apart by mask and shift, which the compiler turns into SIMD.
        let (upper, lower) = (u16::from_le_bytes(upper), u16::from_le_bytes(lower));
        *half = (((upper & 255) + (upper >> 8) + (lower & 255) + (lower >> 8) + 2) >> 2) as u8;
    }
}

impl Pyramid {
    /// Takes the memory for pictures of `size`: a third of the picture's area in bytes. All levels are black.
    pub fn new(size: Size) -> Self {
        let tall = |n: usize| (size.width >> n).min(size.height >> n) >= SHORTEST;
        let count = (1..=MOST).take_while(|&n| n == 1 || tall(n)).count();
        let bytes = |n: usize| if n < count { shrunk(size, n + 1).area() } else { 0 };
        Self { size, levels: std::array::from_fn(|n| vec![0; bytes(n)].into_boxed_slice()), count }
    }

    /// Size of the full picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Number of levels, 1 to 8.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Fills all levels from a picture's luma. Luma of another size, or with bytes missing, leaves all levels black:
    /// flat, so that no motion can be read from them.
    pub fn fill(&mut self, luma: Plane<'_>) {
        let need = luma.stride.saturating_mul(luma.height.saturating_sub(1)).saturating_add(luma.width);
        let fits = (luma.width, luma.height) == (self.size.width, self.size.height)
            && luma.stride >= luma.width
            && luma.data.len() >= need;
        if !fits || self.size.width < 2 {
            self.levels.iter_mut().for_each(|level| level.fill(0));
            return;
        }
        let (first, rest) = self.levels.split_at_mut(1);
        let width = shrunk(self.size, 1).width;
        let mut above = &mut first[0];
        for (half, pair) in above.chunks_exact_mut(width).zip(luma.data.chunks(luma.stride * 2)) {
            let (upper, lower) = pair.split_at(luma.stride.min(pair.len()));
            halve(upper, lower, half);
        }
        for (n, level) in rest.iter_mut().enumerate().take(self.count - 1) {
            let (wide, width) = (shrunk(self.size, n + 1).width, shrunk(self.size, n + 2).width);
            for (half, pair) in level.chunks_exact_mut(width).zip(above.chunks_exact(wide * 2)) {
                let (upper, lower) = pair.split_at(wide);
                halve(upper, lower, half);
            }
            above = level;
        }
    }

    /// Level `n`, 1 for the half; outside 1 to [`Self::count`], the nearest. Rows lie without gaps.
    pub fn level(&self, n: usize) -> Plane<'_> {
        let n = n.clamp(1, self.count);
        let Size { width, height } = shrunk(self.size, n);
        Plane { data: &self.levels[n - 1], stride: width, width, height }
    }
}

impl Drop for Pyramid {
    fn drop(&mut self) {
        self.levels.iter_mut().for_each(|level| level.zeroize());
    }
}

/// Eight pixels in a row whose first lies at (`x`, `y`) in 1/32 pixels, interpolated between four neighbours, in 1/16
/// of a luma step; `None` where a neighbour is outside the plane.
#[inline]
#[expect(clippy::cast_sign_loss, reason = "fractions are 0 to 31")]
#[expect(clippy::cast_possible_wrap, reason = "16 times a byte fits")]
pub(super) fn stretch(plane: &Plane<'_>, x: i32, y: i32) -> Option<[i16; STRETCH]> {
    let left = usize::try_from(x >> STEP_BITS).ok()?;
    let top = usize::try_from(y >> STEP_BITS).ok()?;
    if left + STRETCH >= plane.width || top + 1 >= plane.height {
        return None;
    }
    let start = top * plane.stride + left;
    let upper: &[u8; STRETCH + 1] = plane.data.get(start..)?.first_chunk()?;
    let lower: &[u8; STRETCH + 1] = plane.data.get(start + plane.stride..)?.first_chunk()?;
    let (across, down) = ((x & 31) as u16, (y & 31) as u16);
    // At most 255 * 32 / 4, then 255 * 8 * 32: both fit 16 bits, so the sums may wrap in name only.
    let column = |i: usize| {
        let sum = u16::from(upper[i]).wrapping_mul(32 - down).wrapping_add(u16::from(lower[i]).wrapping_mul(down));
        sum.wrapping_add(2) >> 2
    };
    let (here, next): ([u16; STRETCH], [u16; STRETCH]) =
        (std::array::from_fn(column), std::array::from_fn(|i| column(i + 1)));
    Some(std::array::from_fn(|i| {
        let sum = here[i].wrapping_mul(32 - across).wrapping_add(next[i].wrapping_mul(across));
        (sum.wrapping_add(8) >> 4) as i16
    }))
}
