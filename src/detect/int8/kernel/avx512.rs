//! AVX-512 with VNNI: one instruction multiplies and adds 64 pairs of 8-bit numbers.
//!
//! A block is 6 pixels by 48 outputs: 18 sums in registers, 3 registers of weights, one pixel's four channels broadcast
//! at a time, so that each load feeds three products. (8 pixels would fit in the registers, but the compiler spills them:
//! 88 against 228 thousand million products a second.)

use std::arch::x86_64::*;

use super::{LANES, Row, Weights};

/// Whether this processor has what [`row`] needs.
pub fn detected() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// One row.
///
/// # Safety
/// The processor has the features above; for every pixel and tap, 4 bytes of input can be read; the output is whole
/// pixels of `weights.groups()` times [`LANES`] bytes; there are `weights.taps` weights for each group.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub unsafe fn row(weights: &Weights, mut row: Row<'_>) {
    let mut group = 0;
    while group < weights.groups() {
        let count = (weights.groups() - group).min(3);
        // SAFETY: passed on.
        unsafe {
            match count {
                1 => groups::<1>(weights, &mut row, group),
                2 => groups::<2>(weights, &mut row, group),
                _ => groups::<3>(weights, &mut row, group),
            }
        }
        group += count;
    }
}

/// `V` groups of outputs of the whole row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn groups<const V: usize>(weights: &Weights, row: &mut Row<'_>, group: usize) {
    let pixels = row.output.len() / weights.bias.len();
    let mut pixel = 0;
    while pixel < pixels {
        // SAFETY: passed on; no block is longer than what is left.
        unsafe {
            pixel += match pixels - pixel {
                6.. if V == 3 => block::<V, 6>(weights, row, group, pixel),
                8.. if V < 3 => block::<V, 8>(weights, row, group, pixel),
                4.. => block::<V, 4>(weights, row, group, pixel),
                2.. => block::<V, 2>(weights, row, group, pixel),
                _ => block::<V, 1>(weights, row, group, pixel),
            };
        }
    }
}

/// `V` groups of outputs of `X` pixels; says how many pixels these were.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn block<const V: usize, const X: usize>(
    weights: &Weights,
    row: &mut Row<'_>,
    group: usize,
    pixel: usize,
) -> usize {
    // SAFETY: the caller promises that inputs, weights and output reach as far as is asked here.
    unsafe {
        let channels = weights.bias.len();
        let input: [*const u8; X] = std::array::from_fn(|x| row.input.as_ptr().add((pixel + x) * row.step));
        let taps: [*const super::Tap<i8>; V] =
            std::array::from_fn(|v| weights.narrow.as_ptr().add((group + v) * weights.taps));
        let bias: [__m512i; V] =
            std::array::from_fn(|v| _mm512_loadu_si512(weights.bias.as_ptr().add((group + v) * LANES).cast()));
        let mut sums = [bias; X];
        for (index, &at) in row.taps.iter().enumerate() {
            let tap: [__m512i; V] = std::array::from_fn(|v| _mm512_load_si512(taps[v].add(index).cast()));
            for (sums, input) in sums.iter_mut().zip(input) {
                let value = _mm512_set1_epi32(input.add(at).cast::<i32>().read_unaligned());
                for (sum, &tap) in sums.iter_mut().zip(&tap) {
                    *sum = _mm512_dpbusd_epi32(*sum, value, tap);
                }
            }
        }
        let below = f32::from(weights.zero);
        let (low, high) = (_mm512_set1_ps(-below), _mm512_set1_ps(255.0 - below));
        let zero = _mm512_set1_epi32(weights.zero.into());
        for v in 0..V {
            let scale = _mm512_loadu_ps(weights.scale.as_ptr().add((group + v) * LANES));
            for (x, sums) in sums.iter().enumerate() {
                let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[v]), scale);
                let codes = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(scaled, low), high));
                let at = row.output.as_mut_ptr().add((pixel + x) * channels + (group + v) * LANES);
                _mm_storeu_si128(at.cast(), _mm512_cvtepi32_epi8(_mm512_add_epi32(codes, zero)));
            }
        }
    }
    X
}
