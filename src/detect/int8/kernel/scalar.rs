//! The reference: what every kernel has to compute, written to be read.

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

/// The output's code for a sum: scaled in f32, cut to 0 to 255 (which is the ReLU), rounded half to even, as ONNX
/// `QLinearConv` with a zero point of 0.
#[expect(clippy::cast_precision_loss, reason = "sums above 2^24 are rounded, in the same way by every kernel")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to 0 to 255 before")]
pub fn requantised(sum: i32, scale: f32) -> u8 {
    (sum as f32 * scale).clamp(0.0, 255.0).round_ties_even() as u8
}
