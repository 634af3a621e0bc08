//! AVX2: 8-bit products, added in 16 bits as far as they fit there, then in 32.
//!
//! The instruction that multiplies 8-bit numbers adds its products in pairs and cuts the sum at 16 bits. Activations are
//! 0 or more, so a sum lies between 255 times the weights below zero and 255 times those above: each may come to
//! [`ROOM`]. When the weights are ordered, a tap that asks for more is read twice, with half of each weight, and taps
//! whose weights find room together become a run, which is added up in 16 bits and only then to the sums of 32.
//!
//! The built-in network's scales are chosen so that no pair asks for more (`models/train/quantise.py`), and its runs have
//! 2.2 taps: 90 thousand million products a second on a core where 16-bit products alone came to 48. Without that choice,
//! four taps in ten were read twice: 60.
//!
//! Layers of 3 x 3 by stride 1 come by tiles instead ([`winograd`]): 16-bit products, a quarter of them, in 0.53 to 0.56 of
//! the time that their rows took.

use std::arch::x86_64::*;

use super::winograd::{self, Band, Cells, Products, Scratch, Two};
use super::{DEPTH, LANES, Row, Tap, Weights};

/// What the weights that meet in 16 bits may come to, those above zero and those below by themselves: 255 times this fits.
const ROOM: u16 = 128;
/// Taps in the longest run.
const LONGEST: usize = 4;
/// Pairs of weights of a tap.
const PAIRS: usize = LANES * DEPTH / 2;

/// The taps of a group in the order they are read: runs of [`LONGEST`] taps first, then shorter ones.
pub struct Runs {
    /// How many runs there are of each length, the longest first.
    counts: [usize; LONGEST],
    /// Which tap's input is read.
    taps: Vec<usize>,
    weights: Vec<Tap<i8>>,
}

impl Runs {
    /// Orders the taps of one group.
    pub fn new(group: &[Tap<i8>]) -> Self {
        let mut parts = Vec::with_capacity(group.len() * 3 / 2);
        for (index, tap) in group.iter().enumerate() {
            if Load::of(tap).0.iter().all(|&sum| sum <= ROOM) {
                parts.push(Part::new(index, *tap));
            } else {
                // Of 127 these are 63 and 64, of -128 twice -64: two of each find room.
                let half = Tap(tap.0.map(|weight| weight / 2));
                let rest = Tap(std::array::from_fn(|place| tap.0[place] - half.0[place]));
                parts.extend([Part::new(index, half), Part::new(index, rest)]);
            }
        }
        // The largest first, each into the first run that has room.
        parts.sort_by_key(|part| std::cmp::Reverse(part.load.0.iter().max().copied()));
        let mut runs: Vec<(Vec<Part>, Load)> = Vec::new();
        for part in parts {
            match runs.iter_mut().find(|(run, taken)| run.len() < LONGEST && taken.has_room_for(&part.load)) {
                Some((run, taken)) => {
                    taken.0.iter_mut().zip(part.load.0).for_each(|(taken, more)| *taken += more);
                    run.push(part);
                }
                None => runs.push((vec![part], part.load)),
            }
        }
        runs.sort_by_key(|(run, _)| std::cmp::Reverse(run.len()));
        let ordered = || runs.iter().flat_map(|(run, _)| run);
        Self {
            counts: std::array::from_fn(|shorter| {
                runs.iter().filter(|(run, _)| run.len() == LONGEST - shorter).count()
            }),
            taps: ordered().map(|part| part.tap).collect(),
            weights: ordered().map(|part| part.weights).collect(),
        }
    }
}

/// A tap, or one of the two that it is read as.
#[derive(Clone, Copy)]
struct Part {
    tap: usize,
    weights: Tap<i8>,
    load: Load,
}

impl Part {
    fn new(tap: usize, weights: Tap<i8>) -> Self {
        Self { tap, weights, load: Load::of(&weights) }
    }
}

/// What the weights of each pair come to: those above zero, and those below without their sign.
#[derive(Clone, Copy)]
struct Load([u16; 2 * PAIRS]);

impl Load {
    fn of(tap: &Tap<i8>) -> Self {
        let (pairs, _) = tap.0.as_chunks::<2>();
        let mut load = [0; 2 * PAIRS];
        let (above, below) = load.split_at_mut(PAIRS);
        for ((above, below), pair) in above.iter_mut().zip(below).zip(pairs) {
            for weight in pair {
                *(if *weight > 0 { &mut *above } else { &mut *below }) += u16::from(weight.unsigned_abs());
            }
        }
        Self(load)
    }

    fn has_room_for(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(taken, more)| taken + more <= ROOM)
    }
}

/// One row.
///
/// # Safety
/// The processor has AVX2; for every pixel and tap, 4 bytes of input can be read; the output is whole pixels of
/// `weights.groups()` times [`LANES`] bytes; there are [`Runs`] of these taps for each group.
#[target_feature(enable = "avx2")]
pub unsafe fn row(weights: &Weights, mut row: Row<'_>) {
    let pixels = row.output.len() / weights.bias.len();
    for (group, runs) in weights.runs.iter().enumerate() {
        let mut pixel = 0;
        while pixel < pixels {
            // SAFETY: passed on; no block is longer than what is left.
            unsafe {
                pixel += match pixels - pixel {
                    3.. => block::<3>(weights, runs, &mut row, group, pixel),
                    2 => block::<2>(weights, runs, &mut row, group, pixel),
                    _ => block::<1>(weights, runs, &mut row, group, pixel),
                };
            }
        }
    }
}

/// One group of outputs of `X` pixels; says how many pixels these were.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn block<const X: usize>(
    weights: &Weights,
    runs: &Runs,
    row: &mut Row<'_>,
    group: usize,
    pixel: usize,
) -> usize {
    // SAFETY: the caller promises that inputs, weights and output reach as far as is asked here.
    unsafe {
        let channels = weights.bias.len();
        let mut reader = Reader {
            input: row.input.as_ptr().add(pixel * row.step),
            step: row.step,
            places: row.taps.as_ptr(),
            taps: runs.taps.as_ptr(),
            weights: runs.weights.as_ptr().cast(),
        };
        let bias = weights.bias.as_ptr().add(group * LANES).cast::<__m256i>();
        let mut sums = [[_mm256_loadu_si256(bias), _mm256_loadu_si256(bias.add(1))]; X];
        let [four, three, two, one] = runs.counts;
        for _ in 0..four {
            reader.add::<X, 4>(&mut sums);
        }
        for _ in 0..three {
            reader.add::<X, 3>(&mut sums);
        }
        for _ in 0..two {
            reader.add::<X, 2>(&mut sums);
        }
        for _ in 0..one {
            reader.add::<X, 1>(&mut sums);
        }
        let codes = Codes::new(weights.scale.as_ptr().add(group * LANES), weights.zero);
        for (x, sums) in sums.iter().enumerate() {
            codes.write(sums, row.output.as_mut_ptr().add((pixel + x) * channels + group * LANES));
        }
    }
    X
}

/// From the sums of [`LANES`] outputs to their codes.
pub struct Codes {
    scale: [__m256; 2],
    low: __m256,
    high: __m256,
    zero: __m256i,
}

impl Codes {
    /// For the scales that lie there and the code for 0.
    ///
    /// # Safety
    /// The processor has AVX2, and a scale for each output can be read.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub unsafe fn new(scale: *const f32, zero: u8) -> Self {
        let below = f32::from(zero);
        // SAFETY: the caller promises a scale for each output.
        let scale = unsafe { [_mm256_loadu_ps(scale), _mm256_loadu_ps(scale.add(LANES / 2))] };
        let (low, high) = (_mm256_set1_ps(-below), _mm256_set1_ps(255.0 - below));
        Self { scale, low, high, zero: _mm256_set1_epi16(zero.into()) }
    }

    /// Writes the codes of a pixel.
    ///
    /// # Safety
    /// The processor has AVX2, and there is room for a code for each output.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub unsafe fn write(&self, sums: &[__m256i; 2], to: *mut u8) {
        let [a, b] = [0, 1].map(|half: usize| {
            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[half]), self.scale[half]);
            _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(scaled, self.low), self.high))
        });
        // Packing goes by halves of a register: outputs 0 to 3, 8 to 11, 4 to 7, 12 to 15, put in order.
        let codes = _mm256_add_epi16(_mm256_packs_epi32(a, b), self.zero);
        let codes = _mm256_permute4x64_epi64(codes, 0b11_01_10_00);
        let codes = _mm_packus_epi16(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
        // SAFETY: the caller promises room for them.
        unsafe { _mm_storeu_si128(to.cast(), codes) };
    }
}

/// Where the next run lies.
struct Reader {
    input: *const u8,
    step: usize,
    places: *const usize,
    taps: *const usize,
    weights: *const [__m256i; 2],
}

impl Reader {
    /// Adds a run of `L` taps to the sums of `X` pixels.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn add<const X: usize, const L: usize>(&mut self, sums: &mut [[__m256i; 2]; X]) {
        // SAFETY: the caller promises another run of this length, and 4 bytes of input for each pixel at each of its taps.
        unsafe {
            let mut short = [[_mm256_setzero_si256(); 2]; X];
            for index in 0..L {
                let input = self.input.add(*self.places.add(*self.taps.add(index)));
                let weights = *self.weights.add(index);
                for (x, short) in short.iter_mut().enumerate() {
                    let values = _mm256_set1_epi32(input.add(x * self.step).cast::<i32>().read_unaligned());
                    for (short, weights) in short.iter_mut().zip(weights) {
                        let products = _mm256_maddubs_epi16(values, weights);
                        *short = if index == 0 { products } else { _mm256_add_epi16(*short, products) };
                    }
                }
            }
            for (sums, short) in sums.iter_mut().zip(short) {
                for (sum, short) in sums.iter_mut().zip(short) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(short, _mm256_set1_epi16(1)));
                }
            }
            self.taps = self.taps.add(L);
            self.weights = self.weights.add(L);
        }
    }
}

/// A band of tiles.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn band(weights: &winograd::Weights, input: &Cells<&[u8]>, band: Band<'_>, scratch: &mut Scratch) {
    weights.run_with::<{ LANES / 2 }, Tiles>(input, band, scratch);
}

/// Products of tiles.
struct Tiles;

impl Products for Tiles {
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn of<const X: usize>(tiles: &[i16], weights: &[Two], sums: &mut [[i32; LANES]]) {
        let inputs = 2 * weights.len();
        let mut totals = [[_mm256_setzero_si256(); 2]; X];
        // SAFETY: each tile has two values for each of the weights, and sums for them.
        unsafe {
            let mut tile = tiles.as_ptr();
            for two in weights {
                let two = two.0.as_ptr().cast::<__m256i>();
                let two = [_mm256_load_si256(two), _mm256_load_si256(two.add(1))];
                for (x, totals) in totals.iter_mut().enumerate() {
                    let values = _mm256_set1_epi32(tile.add(x * inputs).cast::<i32>().read_unaligned());
                    for (total, two) in totals.iter_mut().zip(two) {
                        *total = _mm256_add_epi32(*total, _mm256_madd_epi16(values, two));
                    }
                }
                tile = tile.add(2);
            }
            for (sums, totals) in sums.iter_mut().zip(totals) {
                let sums = sums.as_mut_ptr().cast::<__m256i>();
                _mm256_storeu_si256(sums, totals[0]);
                _mm256_storeu_si256(sums.add(1), totals[1]);
            }
        }
    }
}
