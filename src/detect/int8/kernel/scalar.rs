//! The reference: what every kernel has to compute, written to be read.

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
            *code = requantised(sum, weights.scale[channel]);
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

/// The output's code for a sum: scaled in f32 and coded, as ONNX `QLinearConv` with a zero point of 0.
#[expect(clippy::cast_precision_loss, reason = "sums above 2^24 are rounded, in the same way by every kernel")]
pub fn requantised(sum: i32, scale: f32) -> u8 {
    coded(sum as f32 * scale)
}

/// A value cut to 0 to 255 (which is the ReLU) and rounded half to even.
///
/// Adding 1.5 * 2^23 leaves no room for a fraction, so that the addition itself rounds, as IEEE 754 says, and the low
/// byte is the whole number. Unlike `round_ties_even` the compiler makes SIMD of it on every target.
#[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
pub fn coded(value: f32) -> u8 {
    const NO_FRACTION: f32 = 12_582_912.0;
    (value.clamp(0.0, 255.0) + NO_FRACTION).to_bits() as u8
}
