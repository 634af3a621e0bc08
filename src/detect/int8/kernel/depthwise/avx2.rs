//! AVX2: products of 16 bits, added in pairs.
//!
//! 14 to 29 thousand million products a second, where reading and widening a code costs as much as multiplying it; a
//! code is widened once for four pixels.

use std::arch::x86_64::*;

use super::super::LANES;
use super::super::avx2::Codes;
use super::{Weights, Window};

/// One row of a depthwise layer.
///
/// # Safety
/// The processor has AVX2; all channels of `weights.side` rows of as many pixels as the output's need can be read; the
/// output is whole pixels.
#[target_feature(enable = "avx2")]
pub unsafe fn row(weights: &Weights, window: Window<'_>) {
    // SAFETY: passed on. The last two numbers are the columns that four pixels and one need.
    unsafe {
        match (weights.side, weights.step) {
            (3, 1) => side_and_step::<3, 1, 6, 3>(weights, window),
            (3, _) => side_and_step::<3, 2, 9, 3>(weights, window),
            (_, 1) => side_and_step::<5, 1, 8, 5>(weights, window),
            _ => side_and_step::<5, 2, 11, 5>(weights, window),
        }
    }
}

#[target_feature(enable = "avx2")]
unsafe fn side_and_step<const SIDE: usize, const STEP: usize, const FOUR: usize, const ONE: usize>(
    weights: &Weights,
    mut window: Window<'_>,
) {
    let pixels = window.output.len() / weights.bias.len();
    let mut pixel = 0;
    while pixel < pixels {
        // SAFETY: passed on; no block is longer than what is left.
        unsafe {
            if pixels - pixel >= 4 {
                block::<SIDE, STEP, 4, FOUR>(weights, &mut window, pixel);
                pixel += 4;
            } else {
                block::<SIDE, STEP, 1, ONE>(weights, &mut window, pixel);
                pixel += 1;
            }
        }
    }
}

/// All channels of `X` pixels, which see `COLUMNS` columns of input. Codes of two rows meet in pairs of 16 bits, which one
/// instruction multiplies and adds; they are paired once for all pixels that see them.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn block<const SIDE: usize, const STEP: usize, const X: usize, const COLUMNS: usize>(
    weights: &Weights,
    window: &mut Window<'_>,
    pixel: usize,
) {
    let channels = weights.bias.len();
    for group in 0..channels / LANES {
        // SAFETY: the caller promises that input, weights and output reach as far as is asked here.
        unsafe {
            let input = window.input.as_ptr().add(pixel * STEP * channels + group * LANES);
            let mut pair = weights.group(group).as_ptr().cast::<[__m256i; 2]>();
            let bias = weights.bias.as_ptr().add(group * LANES).cast::<__m256i>();
            let mut sums = [[_mm256_loadu_si256(bias), _mm256_loadu_si256(bias.add(1))]; X];
            for row in (0..SIDE).step_by(2) {
                let mut columns = [[_mm256_setzero_si256(); 2]; COLUMNS];
                for (column, both) in columns.iter_mut().enumerate() {
                    let at = input.add(row * window.stride + column * channels);
                    let upper = _mm_loadu_si128(at.cast());
                    let lower = match row + 1 < SIDE {
                        true => _mm_loadu_si128(at.add(window.stride).cast()),
                        false => _mm_setzero_si128(),
                    };
                    *both = [_mm_unpacklo_epi8(upper, lower), _mm_unpackhi_epi8(upper, lower)]
                        .map(|codes| _mm256_cvtepu8_epi16(codes));
                }
                for across in 0..SIDE {
                    let two = *pair;
                    for (x, sums) in sums.iter_mut().enumerate() {
                        for (half, sum) in sums.iter_mut().enumerate() {
                            let products = _mm256_madd_epi16(columns[x * STEP + across][half], two[half]);
                            *sum = _mm256_add_epi32(*sum, products);
                        }
                    }
                    pair = pair.add(1);
                }
            }
            let codes = Codes::new(weights.scale.as_ptr().add(group * LANES), 0);
            for (x, sums) in sums.iter().enumerate() {
                codes.write(sums, window.output.as_mut_ptr().add((pixel + x) * channels + group * LANES));
            }
        }
    }
}
