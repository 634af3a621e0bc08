//! AVX2: 16-bit products added in pairs, which is exact where the 8-bit form would overflow.
//!
//! A block is 2 pixels by 16 outputs: 8 registers of sums, two per output, added at the end. (3 pixels fill all 16
//! registers and are spilled: 50 against 75 thousand million products a second.)

use std::arch::x86_64::*;

use super::{LANES, Row, Weights};

/// One row.
///
/// # Safety
/// The processor has AVX2; for every pixel and tap, 4 bytes of input can be read; the output is whole pixels of
/// `weights.groups()` times [`LANES`] bytes; there are `weights.taps` wide weights for each group.
#[target_feature(enable = "avx2")]
pub unsafe fn row(weights: &Weights, mut row: Row<'_>) {
    let pixels = row.output.len() / weights.bias.len();
    for group in 0..weights.groups() {
        let mut pixel = 0;
        while pixel < pixels {
            // SAFETY: passed on; no block is longer than what is left.
            unsafe {
                pixel += match pixels - pixel {
                    2.. => block::<2>(weights, &mut row, group, pixel),
                    _ => block::<1>(weights, &mut row, group, pixel),
                };
            }
        }
    }
}

/// One group of outputs of `X` pixels; says how many pixels these were.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn block<const X: usize>(weights: &Weights, row: &mut Row<'_>, group: usize, pixel: usize) -> usize {
    // SAFETY: the caller promises that inputs, weights and output reach as far as is asked here.
    unsafe {
        let channels = weights.bias.len();
        let input: [*const u8; X] = std::array::from_fn(|x| row.input.as_ptr().add((pixel + x) * row.step));
        let taps = weights.wide.as_ptr().add(group * weights.taps);
        let mut sums = [[_mm256_setzero_si256(); 4]; X];
        for (index, &at) in row.taps.iter().enumerate() {
            let tap = taps.add(index).cast::<__m256i>();
            for (sums, input) in sums.iter_mut().zip(input) {
                let four = _mm_set1_epi32(input.add(at).cast::<i32>().read_unaligned());
                let values = _mm256_cvtepu8_epi16(four);
                for (quarter, sum) in sums.iter_mut().enumerate() {
                    let products = _mm256_madd_epi16(values, _mm256_load_si256(tap.add(quarter)));
                    *sum = _mm256_add_epi32(*sum, products);
                }
            }
        }
        let (low, high) = (_mm256_setzero_ps(), _mm256_set1_ps(255.0));
        let whole = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
        for (x, sums) in sums.iter().enumerate() {
            let mut halves = [_mm_setzero_si128(); 2];
            for (half, codes) in halves.iter_mut().enumerate() {
                let at = group * LANES + half * 8;
                let bias = _mm256_loadu_si256(weights.bias.as_ptr().add(at).cast());
                let scale = _mm256_loadu_ps(weights.scale.as_ptr().add(at));
                // The sum of each neighbouring pair, outputs 0 1 4 5 2 3 6 7, put in order.
                let pairs = _mm256_hadd_epi32(sums[half * 2], sums[half * 2 + 1]);
                let sum = _mm256_add_epi32(_mm256_permutevar8x32_epi32(pairs, whole), bias);
                let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
                let rounded = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(scaled, low), high));
                *codes = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
            }
            let at = row.output.as_mut_ptr().add((pixel + x) * channels + group * LANES);
            _mm_storeu_si128(at.cast(), _mm_packus_epi16(halves[0], halves[1]));
        }
    }
    X
}
