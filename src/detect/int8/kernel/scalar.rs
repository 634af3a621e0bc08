//! The reference: what every kernel has to compute, written to be read.

use super::depthwise::{self, Window};
use super::winograd::{Products, Two};
use super::{DEPTH, LANES, Row, Weights};

/// One row, output by output.
pub fn row(weights: &Weights, row: Row<'_>) {
    for (pixel, output) in row.output.chunks_exact_mut(weights.bias.len()).enumerate() {
        let input = &row.input[pixel * row.step..];
        for (channel, code) in output.iter_mut().enumerate() {
            let taps = &weights.narrow[channel / LANES * weights.taps..][..weights.taps];
            let mut sum = weights.bias[channel];
            for (tap, &at) in taps.iter().zip(row.taps) {
                let mine = &tap.0[channel % LANES * DEPTH..][..DEPTH];
                for (&weight, &value) in mine.iter().zip(&input[at..at + DEPTH]) {
                    sum = sum.wrapping_add(i32::from(weight) * i32::from(value));
                }
            }
            *code = requantised(sum, weights.scale[channel], weights.zero);
        }
    }
}

/// One row of a depthwise layer, channel by channel.
pub fn depthwise(weights: &depthwise::Weights, window: Window<'_>) {
    let channels = weights.bias.len();
    let place = |tap: usize| tap / weights.side * window.stride + tap % weights.side * channels;
    for (pixel, output) in window.output.chunks_exact_mut(channels).enumerate() {
        for (channel, code) in output.iter_mut().enumerate() {
            let first = pixel * weights.step * channels + channel;
            let products = (0..weights.side * weights.side)
                .map(|tap| i32::from(weights.at(channel, tap)) * i32::from(window.input[first + place(tap)]));
            *code = requantised(weights.bias[channel] + products.sum::<i32>(), weights.scale[channel], 0);
        }
    }
}

/// Products of tiles, one by one.
pub struct Plain;

impl Products for Plain {
    unsafe fn of<const X: usize>(tiles: &[i16], weights: &[Two], sums: &mut [[i32; LANES]]) {
        for (tile, sums) in tiles.chunks_exact(2 * weights.len()).zip(sums) {
            *sums = [0; LANES];
            for (values, weights) in tile.chunks_exact(2).zip(weights) {
                for (&value, weights) in values.iter().zip(weights.0.chunks_exact(LANES)) {
                    for (sum, &weight) in sums.iter_mut().zip(weights) {
                        *sum = sum.wrapping_add(i32::from(value) * i32::from(weight));
                    }
                }
            }
        }
    }
}

/// The output's code for a sum: scaled in f32 and coded, as ONNX `QLinearConv`.
#[expect(clippy::cast_precision_loss, reason = "sums above 2^24 are rounded, in the same way by every kernel")]
pub fn requantised(sum: i32, scale: f32, zero: u8) -> u8 {
    coded(sum as f32 * scale, zero)
}

/// A value rounded half to even, `zero` added, and cut to 0 to 255 (which is the ReLU where `zero` is 0).
///
/// Adding 1.5 * 2^23 leaves no room for a fraction, so that the addition itself rounds, as IEEE 754 says, and the low
/// byte is the whole number. Unlike `round_ties_even` the compiler makes SIMD of it on every target.
#[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
pub fn coded(value: f32, zero: u8) -> u8 {
    const NO_FRACTION: f32 = 12_582_912.0;
    let below = f32::from(zero);
    ((value.clamp(-below, 255.0 - below) + NO_FRACTION).to_bits() as u8).wrapping_add(zero)
}
