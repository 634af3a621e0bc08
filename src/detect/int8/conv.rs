//! One quantised convolution: where its taps lie in the input, and its weights in the order the kernels read.

use super::kernel::{DEPTH, Kernel, Row, Weights};
use super::maps::{BORDER, Maps, Shape};

/// Geometry and weights.
pub struct Conv {
    /// Taps across and down: 1 or 3.
    pub side: usize,
    /// Cells of input from one output cell to the next: 1 or 2.
    pub stride: usize,
    /// Cells from one tap to the next: 1 or 2.
    pub dilation: usize,
    /// Weights, bias and scale.
    pub weights: Weights,
}

impl Conv {
    /// Cells that the taps reach to each side; the picture is as if continued by as many zeros.
    fn reach(&self) -> usize {
        self.side / 2 * self.dilation
    }

    /// Where each tap of a cell lies, in bytes from the cell's first tap.
    pub fn taps(&self, from: Shape) -> Vec<usize> {
        let place = |row: usize, column: usize| (row * from.stride() + column * from.channels) * self.dilation;
        let taps = (0..self.side).flat_map(|row| (0..self.side).map(move |column| (row, column)));
        taps.flat_map(|(row, column)| {
            (0..from.channels).step_by(DEPTH).map(move |channel| place(row, column) + channel)
        })
        .collect()
    }

    /// Computes row `y`.
    pub fn run_row(&self, kernel: Kernel, from: &Maps<&[u8]>, taps: &[usize], y: usize, output: &mut [u8]) {
        let corner = BORDER - self.reach();
        let input = from.beyond_corner(corner, y * self.stride + corner);
        kernel.run(&self.weights, Row { input, taps, step: self.stride * from.shape().channels, output });
    }
}
