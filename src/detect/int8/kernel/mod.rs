//! Quantised convolution, by rows, by tiles and of each channel by itself: the one leaf of this room that is allowed
//! `unsafe`, for SIMD.
//!
//! Every kernel computes the same whole numbers as [`scalar`], bit for bit, and rounds them in the same way, so that a
//! score does not depend on the machine. Which one runs is chosen once, at run time, from what the processor has.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod depthwise;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
pub mod winograd;

pub use scalar::coded;

/// Channels that are computed together: the outputs of a layer are a multiple of this.
pub const LANES: usize = 16;
/// Channels that one tap reads: the inputs of a layer are a multiple of this.
pub const DEPTH: usize = 4;

/// The weights of one tap for [`LANES`] outputs: output by output, [`DEPTH`] inputs each.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Tap<T>(pub [T; LANES * DEPTH]);

/// The weights of a layer as one kernel reads them: for each group of [`LANES`] outputs, its taps in order.
pub struct Weights {
    kernel: Kernel,
    /// Taps per group.
    pub taps: usize,
    /// -127 to 127.
    pub narrow: Vec<Tap<i8>>,
    /// The taps of each group in the order in which AVX2 adds them; empty for the other kernels.
    #[cfg(target_arch = "x86_64")]
    pub runs: Vec<avx2::Runs>,
    /// For each four taps, in which quarters of the outputs all their products fit in 16 bits together, a bit each; for the
    /// kernel that adds products there, empty for the others.
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code, reason = "NEON alone adds products in 16 bits"))]
    pub deep: Vec<u8>,
    /// Added to the sum, one per output.
    pub bias: Vec<i32>,
    /// What the sum is multiplied by to become the output's code, one per output; finite and positive.
    pub scale: Vec<f32>,
    /// The output's code for 0.
    pub zero: u8,
}

impl Weights {
    /// Orders `values` (output by output, `taps * DEPTH` each) for `kernel`.
    pub fn new(kernel: Kernel, taps: usize, values: &[i8], bias: &[i32], scale: &[f32], zero: u8) -> Self {
        let groups = bias.len() / LANES;
        let mut narrow = Vec::with_capacity(groups * taps);
        for group in 0..groups {
            for tap in 0..taps {
                narrow.push(Tap(std::array::from_fn(|index| {
                    let output = group * LANES + index / DEPTH;
                    values[(output * taps + tap) * DEPTH + index % DEPTH]
                })));
            }
        }
        #[cfg(target_arch = "x86_64")]
        let runs = match kernel {
            Kernel::Avx2 => narrow.chunks(taps.max(1)).map(avx2::Runs::new).collect(),
            _ => Vec::new(),
        };
        let deep = match kernel {
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => neon::by_quarters(&mut narrow, taps),
            _ => Vec::new(),
        };
        let bias = match kernel {
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon | Kernel::NeonDot => neon::signed_bias(values, bias),
            _ => bias.to_vec(),
        };
        Self {
            kernel,
            taps,
            narrow,
            #[cfg(target_arch = "x86_64")]
            runs,
            deep,
            bias,
            scale: scale.to_vec(),
            zero,
        }
    }

    /// Groups of [`LANES`] outputs.
    pub fn groups(&self) -> usize {
        self.bias.len() / LANES
    }
}

/// One row of output pixels and where its input lies.
pub struct Row<'a> {
    /// From the first tap of the first pixel on.
    pub input: &'a [u8],
    /// Where each tap's [`DEPTH`] channels begin, in bytes from the pixel's first.
    pub taps: &'a [usize],
    /// Bytes of input from one output pixel to the next.
    pub step: usize,
    /// Whole pixels, all channels of one after the other.
    pub output: &'a mut [u8],
}

/// A way to compute a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Plain Rust: the reference.
    Scalar,
    /// x86-64 with AVX2: 8-bit products, added in 16 bits as far as they fit.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86-64 with AVX-512 and its 8-bit dot product.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AArch64: 8-bit products added in pairs.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AArch64 with the dot product of Armv8.2.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Kernel {
    /// Every kernel that this processor can run, the fastest last.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                found.push(Self::Avx2);
            }
            if avx512::detected() {
                found.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            found.push(Self::Neon);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                found.push(Self::NeonDot);
            }
        }
        found
    }

    /// The fastest kernel that this processor can run.
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Scalar)
    }

    /// Whether 3 x 3 taps by stride 1 are computed faster by tiles ([`winograd`]) than by rows: where there is no 8-bit dot
    /// product, a quarter of the products in 16 bits cost less than all of them in 8.
    pub fn prefers_tiles(self) -> bool {
        match self {
            Self::Scalar => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => false,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => false,
        }
    }

    /// Computes one row.
    ///
    /// # Panics
    /// The row's input is too short for its output, or the weights were not ordered for it.
    pub fn run(self, weights: &Weights, row: Row<'_>) {
        let channels = weights.bias.len();
        let pixels = row.output.len() / channels;
        if pixels == 0 {
            return;
        }
        let furthest = row.taps.iter().max().map_or(0, |tap| tap + (pixels - 1) * row.step + DEPTH);
        assert!(row.output.len() == pixels * channels && furthest <= row.input.len(), "the row lies inside its input");
        assert!(row.taps.len() == weights.taps && weights.scale.len() == channels, "weights for these taps");
        assert!(weights.kernel == self, "weights for this kernel");
        assert!(weights.narrow.len() == weights.groups() * weights.taps && channels == weights.groups() * LANES);
        match self {
            Self::Scalar => scalar::row(weights, row),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` found AVX2; the row and the weights were checked above, and weights for this kernel come
            // with `runs` of their taps for each group.
            Self::Avx2 => unsafe { avx2::row(weights, row) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` found the AVX-512 parts; the row and the weights were checked above.
            Self::Avx512 => unsafe { avx512::row(weights, row) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every AArch64 has NEON; the row and the weights were checked above, and weights for this kernel come
            // with `deep`.
            Self::Neon => unsafe { neon::row(weights, row) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: `available` found the dot product; the row and the weights were checked above.
            Self::NeonDot => unsafe { neon::row_dot(weights, row) },
        }
    }
}

#[cfg(test)]
mod tests;
