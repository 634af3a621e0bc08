//! NEON: products of 16 bits, added in 32.

use std::arch::aarch64::*;
use std::array::from_fn;

use super::super::LANES;
use super::super::neon::{QUARTERS, write_codes};
use super::{Weights, Window};

/// One row of a depthwise layer.
///
/// # Safety
/// All channels of `weights.side` rows of as many pixels as the output's need can be read; the output is whole pixels.
#[target_feature(enable = "neon")]
pub unsafe fn row(weights: &Weights, window: Window<'_>) {
    // SAFETY: passed on.
    unsafe {
        match weights.side {
            3 => of_side::<3>(weights, window),
            _ => of_side::<5>(weights, window),
        }
    }
}

#[target_feature(enable = "neon")]
unsafe fn of_side<const SIDE: usize>(weights: &Weights, mut window: Window<'_>) {
    let pixels = window.output.len() / weights.bias.len();
    let mut pixel = 0;
    while pixel < pixels {
        // SAFETY: passed on; no block is longer than what is left.
        unsafe {
            if pixels - pixel >= 2 {
                block::<SIDE, 2>(weights, &mut window, pixel);
                pixel += 2;
            } else {
                block::<SIDE, 1>(weights, &mut window, pixel);
                pixel += 1;
            }
        }
    }
}

/// All channels of `X` pixels: products of 16 bits, added in 32.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn block<const SIDE: usize, const X: usize>(weights: &Weights, window: &mut Window<'_>, pixel: usize) {
    let channels = weights.bias.len();
    for group in 0..channels / LANES {
        // SAFETY: the caller promises that input, weights and output reach as far as is asked here.
        unsafe {
            let input = window.input.as_ptr().add(pixel * weights.step * channels + group * LANES);
            let mut pair = weights.group(group).as_ptr().cast::<i16>();
            let bias = weights.bias.as_ptr().add(group * LANES);
            let mut sums: [[int32x4_t; QUARTERS]; X] = [from_fn(|quarter| vld1q_s32(bias.add(quarter * 4))); X];
            for row in (0..SIDE).step_by(2) {
                for across in 0..SIDE {
                    let at = input.add(row * window.stride + across * channels);
                    // The upper tap's weights in the first of the two, the lower's in the other.
                    let (near, far) = (vld2q_s16(pair), vld2q_s16(pair.add(LANES)));
                    for (x, sums) in sums.iter_mut().enumerate() {
                        let at = at.add(x * weights.step * channels);
                        add_codes(sums, vld1q_u8(at), [near.0, far.0]);
                        if row + 1 < SIDE {
                            add_codes(sums, vld1q_u8(at.add(window.stride)), [near.1, far.1]);
                        }
                    }
                    pair = pair.add(2 * LANES);
                }
            }
            for (x, sums) in sums.into_iter().enumerate() {
                let output = window.output.as_mut_ptr().add((pixel + x) * channels + group * LANES);
                write_codes(sums, weights.scale.as_ptr().add(group * LANES), 0, output);
            }
        }
    }
}

/// Adds codes times weights, channel by channel.
#[target_feature(enable = "neon")]
#[inline]
fn add_codes(sums: &mut [int32x4_t; QUARTERS], codes: uint8x16_t, weights: [int16x8_t; 2]) {
    let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    let high = vreinterpretq_s16_u16(vmovl_high_u8(codes));
    let [a, b, c, d] = sums;
    *a = vmlal_s16(*a, vget_low_s16(low), vget_low_s16(weights[0]));
    *b = vmlal_high_s16(*b, low, weights[0]);
    *c = vmlal_s16(*c, vget_low_s16(high), vget_low_s16(weights[1]));
    *d = vmlal_high_s16(*d, high, weights[1]);
}
