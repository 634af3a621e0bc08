//! The last layer, in f32: two logits a cell, so that thresholds are not bound to the steps of a code.

use super::maps::{Maps, Shape};

/// Partial sums, so that the compiler can make SIMD of a sum whose order is fixed.
const LANES: usize = 8;

/// A 1 x 1 convolution to two maps.
pub struct Head {
    /// Number of the maps it reads.
    pub from: usize,
    /// What a code of 1 stands for.
    pub scale: f32,
    /// One row per output, one weight per input channel.
    pub weights: [Vec<f32>; 2],
    /// One per output.
    pub bias: [f32; 2],
}

impl Head {
    /// Logits of the first output, then of the second, row order.
    pub fn run(&self, from: &Maps<&[u8]>, logits: &mut [f32]) {
        let cells = logits.len() / 2;
        let (first, second) = logits.split_at_mut(cells);
        let Shape { width, channels, .. } = from.shape();
        let rows = first.chunks_exact_mut(width).zip(second.chunks_exact_mut(width));
        for (y, (first, second)) in rows.enumerate() {
            for ((cell, first), second) in from.row(y).chunks_exact(channels).zip(first).zip(second) {
                *first = self.logit(0, cell);
                *second = self.logit(1, cell);
            }
        }
    }

    fn logit(&self, output: usize, cell: &[u8]) -> f32 {
        let mut sums = [0.0_f32; LANES];
        for (codes, weights) in cell.chunks_exact(LANES).zip(self.weights[output].chunks_exact(LANES)) {
            for ((sum, &code), &weight) in sums.iter_mut().zip(codes).zip(weights) {
                *sum += f32::from(code) * self.scale * weight;
            }
        }
        sums.iter().sum::<f32>() + self.bias[output]
    }
}
