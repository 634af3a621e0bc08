//! Networks in whole numbers: 8-bit weights and activations, run by our own kernels.
//!
//! The engine that loads every other network (tract) runs the convolutions of quantised ones in f32 or slowly, lays
//! pictures out channel by channel, and allocates every result anew. Here the whole quantised graph is one operator: it
//! is read once into a list of steps, its activations lie channel-last in a buffer that is made once for a tile, and
//! each step splits its rows over the threads of the pool it is called in. Convolutions of 3 x 3 by stride 1 take a quarter
//! of the products where a processor has no 8-bit dot product ([`kernel::winograd`]), those of each channel by itself have
//! kernels of their own ([`kernel::depthwise`]). The outcome is that of the ONNX operators to the bit, on any processor and
//! any number of threads; a test holds it against tract's own run of the same file.
//!
//! A graph is taken if it consists of what a plain convolutional network exports to (see [`graph`]); any other is left
//! to tract.

mod conv;
mod graph;
mod head;
mod kernel;
mod maps;
mod tensors;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::geometry::SCORE_CELL;
use crate::base::{Fault, Size};
use conv::Conv;
pub use graph::Unsupported;
use head::Head;
pub use kernel::Kernel;
use kernel::depthwise::{self, Window};
use kernel::winograd::{self, Scratch};
use kernel::{DEPTH, coded};
use maps::{BORDER, Layers, Shape};
use rayon::prelude::*;

/// One step of a network. Numbers name the layers that it reads and writes; it never writes what it reads.
enum Step {
    /// Convolution, bias and requantisation, which is the ReLU where the code for 0 is 0.
    Conv { from: usize, to: usize, conv: Conv },
    /// The same for 3 x 3 taps by stride 1, computed by tiles.
    Tiles { from: usize, to: usize, weights: winograd::Weights },
    /// The same of each channel by itself.
    Depthwise { from: usize, to: usize, weights: depthwise::Weights },
    /// The mean of each 2 x 2 of the picture's pixels.
    Halve { from: usize, to: usize },
    /// What two maps stand for, added.
    Add { from: [usize; 2], to: usize, given: [Code; 2], made: Code },
    /// Each cell repeated twice each way.
    Double { from: usize, to: usize },
    /// The channels of one map after those of the other.
    Join { from: [usize; 2], to: usize },
}

impl Step {
    /// The layers that it reads, and the one that it writes.
    fn layers(&self) -> ([usize; 2], usize) {
        match *self {
            Self::Conv { from, to, .. }
            | Self::Tiles { from, to, .. }
            | Self::Depthwise { from, to, .. }
            | Self::Halve { from, to }
            | Self::Double { from, to } => ([from; 2], to),
            Self::Add { from, to, .. } | Self::Join { from, to } => (from, to),
        }
    }
}

/// What codes stand for: a code less that of 0, times the scale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Code {
    scale: f32,
    zero: u8,
}

/// The layer that a step writes: how much smaller than the picture they are, and how many channels they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    shrink: usize,
    channels: usize,
}

/// A quantised network, read and checked.
pub struct Program {
    steps: Vec<Step>,
    kinds: Vec<Kind>,
    head: Head,
    kernel: Kernel,
}

/// Rows that are worth handing to another thread.
const ROWS_AT_LEAST: usize = 4;

/// A program with its buffer for tiles of one shape.
pub struct Runner {
    program: Arc<Program>,
    layers: Layers,
    taps: Vec<Vec<usize>>,
    /// For each thread.
    scratch: Vec<Scratch>,
    logits: Box<[f32]>,
}

impl Program {
    /// Reads an ONNX file that has passed its hash check.
    ///
    /// # Errors
    /// The first thing in it that has no place here.
    pub fn read(bytes: &[u8], kernel: Kernel) -> Result<Self, Unsupported> {
        graph::read(bytes, kernel)
    }

    /// The kernel that was chosen.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }
}

impl Runner {
    /// A buffer for tiles of `shape`, whose sides are multiples of 32, and for at most `threads` at a time.
    pub fn new(program: Arc<Program>, shape: Size, threads: usize) -> Self {
        let mut needed = vec![0..0; program.kinds.len()];
        for (number, step) in program.steps.iter().enumerate() {
            let (from, to) = step.layers();
            needed[to] = number..number + 1;
            for from in from {
                needed[from].end = number + 1;
            }
        }
        needed[program.head.from].end = program.steps.len() + 1;
        let shapes = program.kinds.iter().map(|kind| Shape {
            width: shape.width / kind.shrink,
            height: shape.height / kind.shrink,
            channels: kind.channels,
        });
        let layers = Layers::new(&shapes.zip(needed).collect::<Vec<_>>());
        let taps = program
            .steps
            .iter()
            .map(|step| match step {
                Step::Conv { from, conv, .. } => conv.taps(layers.shape(*from)),
                _ => Vec::new(),
            })
            .collect();
        let inputs = program.steps.iter().filter_map(|step| match step {
            Step::Tiles { weights, .. } => Some(weights.inputs()),
            _ => None,
        });
        let most = inputs.max();
        let scratch =
            most.into_iter().flat_map(|inputs| (0..threads.max(1)).map(move |_| Scratch::new(inputs))).collect();
        let cells = shape.width / SCORE_CELL * (shape.height / SCORE_CELL);
        let logits = vec![0.0; cells * 2].into_boxed_slice();
        Self { program, layers, taps, scratch, logits }
    }

    /// The rows of the tile, four bytes for each pixel: red, green, blue and one that is not looked at.
    pub fn pixels(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.layers.write(0).0.rows_mut()
    }

    /// Runs the network over the pixels: logits of persons, then of vehicles, row order.
    ///
    /// # Errors
    /// [`Fault::DetectorFailed`] if a step reads what it writes, which the layers' places rule out.
    pub fn run(&mut self) -> Result<&[f32], Fault> {
        let kernel = self.program.kernel;
        for (step, taps) in self.program.steps.iter().zip(&self.taps) {
            match step {
                Step::Conv { from, to, conv } => {
                    let (to, others) = self.layers.write(*to);
                    let from = others.read(*from)?;
                    to.par_rows_mut().with_min_len(ROWS_AT_LEAST).for_each(|(y, row)| {
                        conv.run_row(kernel, &from, taps, y, row);
                    });
                }
                Step::Tiles { from, to, weights } => {
                    let (to, others) = self.layers.write(*to);
                    let from = others.read(*from)?;
                    let input = from.cells();
                    to.par_bands_mut(weights.rows(), &mut self.scratch).for_each(|(scratch, bands)| {
                        for band in bands {
                            weights.run(&input, band, scratch);
                        }
                    });
                }
                Step::Depthwise { from, to, weights } => {
                    let (to, others) = self.layers.write(*to);
                    let from = others.read(*from)?;
                    let corner = BORDER - weights.side / 2;
                    to.par_rows_mut().with_min_len(ROWS_AT_LEAST).for_each(|(y, output)| {
                        let input = from.beyond_corner(corner, y * weights.step + corner);
                        weights.run(Window { input, stride: from.shape().stride(), output });
                    });
                }
                Step::Halve { from, to } => {
                    let (to, others) = self.layers.write(*to);
                    let from = others.read(*from)?;
                    to.par_rows_mut().with_min_len(ROWS_AT_LEAST).for_each(|(y, row)| {
                        halve([from.row(2 * y), from.row(2 * y + 1)], row);
                    });
                }
                Step::Add { from: [a, b], to, given, made } => {
                    let (to, others) = self.layers.write(*to);
                    let (a, b) = (others.read(*a)?, others.read(*b)?);
                    to.par_rows_mut().with_min_len(ROWS_AT_LEAST).for_each(|(y, row)| {
                        add([a.row(y), b.row(y)], *given, *made, row);
                    });
                }
                Step::Double { from, to } => {
                    let (to, others) = self.layers.write(*to);
                    let from = others.read(*from)?;
                    let channels = to.shape().channels;
                    to.par_rows_mut().with_min_len(ROWS_AT_LEAST).for_each(|(y, row)| {
                        let pairs = row.chunks_exact_mut(2 * channels);
                        for (pair, cell) in pairs.zip(from.row(y / 2).chunks_exact(channels)) {
                            let (left, right) = pair.split_at_mut(channels);
                            left.copy_from_slice(cell);
                            right.copy_from_slice(cell);
                        }
                    });
                }
                Step::Join { from: [a, b], to } => {
                    let (to, others) = self.layers.write(*to);
                    let (a, b) = (others.read(*a)?, others.read(*b)?);
                    let (channels, first) = (to.shape().channels, a.shape().channels);
                    to.par_rows_mut().with_min_len(ROWS_AT_LEAST).for_each(|(y, row)| {
                        let cells = a.row(y).chunks_exact(first).zip(b.row(y).chunks_exact(channels - first));
                        for (cell, (a, b)) in row.chunks_exact_mut(channels).zip(cells) {
                            cell[..first].copy_from_slice(a);
                            cell[first..].copy_from_slice(b);
                        }
                    });
                }
            }
        }
        let program = &self.program;
        program.head.run(&self.layers.read(program.head.from), &mut self.logits);
        Ok(&self.logits)
    }
}

/// ONNX `QuantizeLinear(DequantizeLinear(a) + DequantizeLinear(b))`.
fn add([a, b]: [&[u8]; 2], given: [Code; 2], made: Code, sum: &mut [u8]) {
    let [a_zero, b_zero] = given.map(|code| f32::from(code.zero));
    for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
        let real = (f32::from(a) - a_zero) * given[0].scale + (f32::from(b) - b_zero) * given[1].scale;
        *sum = coded(real / made.scale, made.zero);
    }
}

/// Pixels of four bytes, each the mean of two by two, half to even.
fn halve(rows: [&[u8]; 2], mean: &mut [u8]) {
    let [upper, lower] = rows.map(|row| row.chunks_exact(2 * DEPTH));
    for ((mean, upper), lower) in mean.chunks_exact_mut(DEPTH).zip(upper).zip(lower) {
        for (channel, mean) in mean.iter_mut().enumerate() {
            let four = [upper, lower].map(|two| u16::from(two[channel]) + u16::from(two[DEPTH + channel]));
            let sum = four[0] + four[1];
            *mean = ((sum + 1 + (sum >> 2 & 1)) >> 2).to_le_bytes()[0];
        }
    }
}
