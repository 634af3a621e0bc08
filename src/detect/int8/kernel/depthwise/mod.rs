//! Convolutions of each channel by itself, 3 x 3 or 5 x 5, by stride 1 or 2.
//!
//! Few products for each code that is read, so what counts is that a code is widened once for all that it is multiplied
//! by. Weights lie in pairs of one tap above the other, as processors multiply and add two products of 16 bits at once.
//!
//! Owns the order of the weights and the check of a row, through which alone a kernel is reached. Allocates nothing while it
//! runs, and never writes outside the row that it is given.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;

use super::{Kernel, LANES};

/// Weights of [`LANES`] channels at a tap and the one below it: channel by channel, the upper one first; 0 below the last
/// row.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Pair([i16; 2 * LANES]);

/// The weights of a layer.
pub struct Weights {
    kernel: Kernel,
    /// Taps across and down: 3 or 5.
    pub side: usize,
    /// Cells of input from one output cell to the next: 1 or 2.
    pub step: usize,
    /// For each group of [`LANES`] channels, for each two rows of taps, from left to right.
    pairs: Vec<Pair>,
    /// Added to the sum, one per channel.
    pub bias: Vec<i32>,
    /// What the sum is multiplied by to become the output's code, one per channel; finite and positive.
    pub scale: Vec<f32>,
}

impl Weights {
    /// Orders `values` (channel by channel, row by row of the taps) for `kernel`.
    ///
    /// # Panics
    /// The side is not 3 or 5, the stride is not 1 or 2, the channels are no multiple of [`LANES`], or values or scales
    /// are not as many as they ask for.
    pub fn new(kernel: Kernel, [side, step]: [usize; 2], values: &[i8], bias: &[i32], scale: &[f32]) -> Self {
        let channels = bias.len();
        assert!(matches!(side, 3 | 5) && matches!(step, 1 | 2) && channels.is_multiple_of(LANES), "a layer taken here");
        assert!(values.len() == channels * side * side && scale.len() == channels, "values for each channel");
        let each = side.div_ceil(2) * side;
        let mut pairs = vec![Pair([0; 2 * LANES]); channels / LANES * each];
        for (index, &value) in values.iter().enumerate() {
            let (channel, row, column) = (index / (side * side), index / side % side, index % side);
            let pair = &mut pairs[channel / LANES * each + row / 2 * side + column];
            pair.0[channel % LANES * 2 + row % 2] = value.into();
        }
        Self { kernel, side, step, pairs, bias: bias.to_vec(), scale: scale.to_vec() }
    }

    /// The pairs of a group.
    pub(super) fn group(&self, group: usize) -> &[Pair] {
        let each = self.side.div_ceil(2) * self.side;
        &self.pairs[group * each..][..each]
    }

    /// The weight of a channel at a tap, row by row.
    pub(super) fn at(&self, channel: usize, tap: usize) -> i16 {
        let (row, column) = (tap / self.side, tap % self.side);
        self.group(channel / LANES)[row / 2 * self.side + column].0[channel % LANES * 2 + row % 2]
    }

    /// Computes one row.
    ///
    /// # Panics
    /// The row's input is too short for its output.
    pub fn run(&self, window: Window<'_>) {
        let channels = self.bias.len();
        let pixels = window.output.len() / channels;
        if pixels == 0 {
            return;
        }
        let needed = (self.side - 1) * window.stride + ((pixels - 1) * self.step + self.side) * channels;
        assert!(
            window.output.len() == pixels * channels && needed <= window.input.len(),
            "the row lies inside its input"
        );
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` found AVX2, which every processor with AVX-512 has; the row was checked above, and
            // weights are made for each channel.
            Kernel::Avx2 | Kernel::Avx512 => unsafe { avx2::row(self, window) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every AArch64 has NEON; the row was checked above, and weights are made for each channel.
            Kernel::Neon | Kernel::NeonDot => unsafe { neon::row(self, window) },
            Kernel::Scalar => super::scalar::depthwise(self, window),
        }
    }
}

/// One row of output pixels and where its input lies.
pub struct Window<'a> {
    /// From the first tap of the first pixel on, all channels of one cell after the other.
    pub input: &'a [u8],
    /// Bytes from one row of input to the next.
    pub stride: usize,
    /// Whole pixels.
    pub output: &'a mut [u8],
}
