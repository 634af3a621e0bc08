//! Convolutions of 3 x 3 by stride 1 with a quarter of the products, to the same whole numbers.
//!
//! Winograd's minimal filtering F(4 x 4, 3 x 3), as in Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (CVPR 2016): a tile of 6 x 6 cells and the weights are each transformed, 36 products take the place of 144,
//! and their sums are transformed back to 4 x 4 cells. The paper's matrices have fractions; here they stand multiplied
//! out, so that nothing is rounded:
//!
//! * a transformed tile of codes lies within ±17,340 and transformed weights of -127 to 127 within ±6,223. Both fit in the
//!   16 bits in which processors multiply and add in pairs;
//! * sums are kept modulo 2^32 and come out 576 times too large, less the powers of two that [`back`] cancels. The 9 in it
//!   is undone by its inverse modulo 2^32, the rest by a shift of 6 bits at most, exact where the true sum is below 2^25
//!   either way. A layer whose weights could come to more is computed row by row.
//!
//! Owns the transforms and the order of work, in plain Rust; a kernel calls them from a function that has its instructions
//! on, and brings the products. Allocates nothing while it runs, and never writes outside the band that it is given.

use super::{Kernel, LANES};

/// Cells of output along a tile's side.
const TILE: usize = 4;
/// Cells of input along a tile's side.
const REACH: usize = TILE + 2;
/// Products of a tile for each pair of channels.
const POSITIONS: usize = REACH * REACH;
/// Tiles that are transformed, multiplied and transformed back together: the weights are read once for all of them.
const TILES: usize = 20;
/// Channels that are transformed together.
const WIDE: usize = 16;
/// What sums have to stay below.
const SUM_MAX: u32 = 1 << 25;
/// 9 times this is 1, modulo 2^32.
const NINTH: i32 = 0x38E3_8E39;
/// By which power of two each row of [`back`] is divided.
const CANCELLED: [u32; TILE] = [0, 1, 2, 2];

/// Transformed weights of two inputs for [`LANES`] outputs, as the kernel multiplies them: for AVX2 output by output, for
/// the others input by input.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct Two(pub [i16; 2 * LANES]);

/// The weights of a layer: for each position in a tile, for each group of [`LANES`] outputs, all inputs.
pub struct Weights {
    kernel: Kernel,
    /// Cells from one tap to the next.
    dilation: usize,
    inputs: usize,
    twos: Vec<Two>,
    /// Bias and scale of each group of [`LANES`] outputs.
    ends: Vec<([i32; LANES], [f32; LANES])>,
}

/// Cells with a border of zeros around.
pub struct Cells<T> {
    /// Whole rows, all channels of one cell after the other.
    pub bytes: T,
    /// Cells of a row, those of the border too.
    pub columns: usize,
    /// Cells of border on each side.
    pub border: usize,
}

/// Tiles that are multiplied side by side: as many as have their sums in registers.
const SIDE_BY_SIDE: usize = 5;

/// How a kernel multiplies.
pub(super) trait Products {
    /// The products of a position in `X` tiles: for each tile, its inputs times their weights, added.
    ///
    /// # Safety
    /// The processor has what the kernel needs; there are `X` tiles of two inputs for each of the weights, and `X` sums.
    unsafe fn of<const X: usize>(tiles: &[i16], weights: &[Two], sums: &mut [[i32; LANES]]);
}

/// Rows to be computed, of which there are [`Weights::rows`] at most. The borders that lie in them are left alone.
pub struct Band<'a> {
    /// The rows, with their borders left and right.
    pub cells: Cells<&'a mut [u8]>,
    /// How many rows of output are above them.
    pub above: usize,
}

/// Room for the tiles that a thread has in hand.
pub struct Scratch {
    tiles: Vec<i16>,
    sums: Vec<[i32; LANES]>,
}

impl Scratch {
    /// For layers of `inputs` channels at most.
    pub fn new(inputs: usize) -> Self {
        Self { tiles: vec![0; POSITIONS * TILES * inputs], sums: vec![[0; LANES]; POSITIONS * TILES] }
    }
}

impl Weights {
    /// Orders `values` (output by output, row by row of the 3 x 3, all inputs of each) for `kernel`; `None` if inputs are
    /// not a multiple of 16, or so many or so large that sums might not be exact.
    pub fn new(kernel: Kernel, dilation: usize, values: &[i8], bias: &[i32], scale: &[f32]) -> Option<Self> {
        let each = values.len() / bias.len().max(1);
        let inputs = each / 9;
        if inputs == 0 || !inputs.is_multiple_of(WIDE) || each > 1 << 16 || values.chunks(each).any(|of| !exact(of)) {
            return None;
        }
        let groups = bias.len() / LANES;
        let mut twos = vec![Two([0; 2 * LANES]); POSITIONS * groups * inputs / 2];
        for (output, values) in values.chunks_exact(each).enumerate() {
            for input in 0..inputs {
                let taps = std::array::from_fn(|tap| i16::from(values[tap * inputs + input]));
                let (lane, second) = (output % LANES, input % 2);
                let place = match kernel {
                    #[cfg(target_arch = "x86_64")]
                    Kernel::Avx2 => 2 * lane + second,
                    _ => second * LANES + lane,
                };
                for (position, weight) in transformed(taps).as_flattened().iter().enumerate() {
                    let first = (position * groups + output / LANES) * inputs;
                    twos[(first + input) / 2].0[place] = *weight;
                }
            }
        }
        let ends = bias.as_chunks().0.iter().copied().zip(scale.as_chunks().0.iter().copied()).collect();
        Some(Self { kernel, dilation, inputs, twos, ends })
    }

    /// Channels of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Most rows of a band.
    pub fn rows(&self) -> usize {
        TILE * self.dilation
    }

    /// Computes a band. Borders are at least as wide as taps lie apart.
    ///
    /// # Panics
    /// The band is not of rows of the input's width, or the scratch was made for fewer channels.
    pub fn run(&self, input: &Cells<&[u8]>, band: Band<'_>, scratch: &mut Scratch) {
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` found AVX2.
            Kernel::Avx2 => unsafe { super::avx2::band(self, input, band, scratch) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: every AArch64 has NEON.
            Kernel::Neon => unsafe { super::neon::band(self, input, band, scratch) },
            _ => self.run_with::<LANES, super::scalar::Plain>(input, band, scratch),
        }
    }

    /// As [`Weights::run`]. `N` sums, which divide [`LANES`], are transformed back together.
    #[inline(always)]
    pub(super) fn run_with<const N: usize, P: Products>(
        &self,
        input: &Cells<&[u8]>,
        mut band: Band<'_>,
        scratch: &mut Scratch,
    ) {
        let (dilation, wide) = (self.dilation, input.columns - 2 * input.border);
        assert!(band.cells.columns == input.columns && dilation <= input.border, "a band of this input");
        // Tiles of one phase hold every dilation-th cell, so that they look like any others.
        let across = wide.div_ceil(TILE * dilation) * dilation;
        let column = |tile: usize| tile / dilation * TILE * dilation + tile % dilation;
        for phase in 0..dilation {
            for first in (0..across).step_by(TILES) {
                let count = TILES.min(across - first);
                for tile in 0..count {
                    let corner = [band.above + phase, column(first + tile)];
                    let corner = corner.map(|cell| cell + input.border - dilation);
                    self.forward(input, corner, tile, scratch);
                }
                for group in 0..self.ends.len() {
                    for position in 0..POSITIONS {
                        let twos =
                            &self.twos[(position * self.ends.len() + group) * self.inputs / 2..][..self.inputs / 2];
                        let tiles = &scratch.tiles[position * TILES * self.inputs..][..count * self.inputs];
                        multiply::<P>(tiles, twos, &mut scratch.sums[position * TILES..][..count]);
                    }
                    for tile in 0..count {
                        let sums = &scratch.sums[tile..];
                        let corner = [phase, column(first + tile)];
                        for part in 0..LANES / N {
                            self.backward::<N>(sums, (group, part), corner, &mut band.cells);
                        }
                    }
                }
            }
        }
    }

    /// Transforms the tile whose first cell is `corner` (row, column). What lies outside the input's border is zero.
    #[inline(always)]
    fn forward(&self, from: &Cells<&[u8]>, corner: [usize; 2], tile: usize, scratch: &mut Scratch) {
        let (stride, inputs) = (from.columns * self.inputs, self.inputs);
        for channel in (0..inputs).step_by(WIDE) {
            let mut half = [[[0_i16; WIDE]; REACH]; REACH];
            for across in 0..REACH {
                let column = corner[1] + across * self.dilation;
                let mut cells = [[0_i16; WIDE]; REACH];
                if column < from.columns {
                    for (down, cell) in cells.iter_mut().enumerate() {
                        let at = (corner[0] + down * self.dilation) * stride + column * inputs + channel;
                        if let Some(codes) = from.bytes.get(at..).and_then(|rest| rest.first_chunk::<WIDE>()) {
                            *cell = codes.map(i16::from);
                        }
                    }
                }
                for (row, value) in half.iter_mut().zip(forth(&cells)) {
                    row[across] = value;
                }
            }
            for (down, row) in half.iter().enumerate() {
                for (across, values) in forth(row).iter().enumerate() {
                    let at = ((down * REACH + across) * TILES + tile) * inputs + channel;
                    scratch.tiles[at..at + WIDE].copy_from_slice(values);
                }
            }
        }
    }

    /// Transforms sums back, from `sums` on those of one tile, and writes the codes of part of a group at `corner` (row,
    /// column).
    #[inline(always)]
    fn backward<const N: usize>(
        &self,
        sums: &[[i32; LANES]],
        (group, part): (usize, usize),
        corner: [usize; 2],
        to: &mut Cells<&mut [u8]>,
    ) {
        let channels = self.ends.len() * LANES;
        let mut rows = [[[0_i32; N]; REACH]; TILE];
        for across in 0..REACH {
            let column = std::array::from_fn(|down| {
                let sums = &sums[(down * REACH + across) * TILES];
                sums.as_chunks::<N>().0[part]
            });
            for (row, value) in rows.iter_mut().zip(back(&column)) {
                row[across] = value;
            }
        }
        let (bias, scale) = &self.ends[group];
        let (bias, scale) = (&bias.as_chunks::<N>().0[part], &scale.as_chunks::<N>().0[part]);
        for (down, row) in rows.iter().enumerate() {
            for (across, sums) in back(row).iter().enumerate() {
                let column = corner[1] + across * self.dilation;
                let cell = (corner[0] + down * self.dilation) * to.columns + to.border + column;
                let at = cell * channels + group * LANES + part * N;
                let codes = to.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<N>());
                if let (Some(codes), true) = (codes, column < to.columns - 2 * to.border) {
                    let shift = 6 - CANCELLED[down] - CANCELLED[across];
                    *codes = std::array::from_fn(|lane| {
                        let sum = (sums[lane].wrapping_mul(NINTH) >> shift).wrapping_add(bias[lane]);
                        super::scalar::requantised(sum, scale[lane], 0)
                    });
                }
            }
        }
    }
}

/// The products of a position in some tiles.
#[inline(always)]
fn multiply<P: Products>(tiles: &[i16], weights: &[Two], sums: &mut [[i32; LANES]]) {
    let each = 2 * weights.len();
    assert!(tiles.len() == sums.len() * each, "values for each tile");
    let tiles = tiles.chunks(each * SIDE_BY_SIDE);
    for (tiles, sums) in tiles.zip(sums.chunks_mut(SIDE_BY_SIDE)) {
        // SAFETY: `run` asked for this kernel, and there are as many tiles as sums, both counted here.
        unsafe {
            match sums.len() {
                SIDE_BY_SIDE => P::of::<SIDE_BY_SIDE>(tiles, weights, sums),
                4 => P::of::<4>(tiles, weights, sums),
                3 => P::of::<3>(tiles, weights, sums),
                2 => P::of::<2>(tiles, weights, sums),
                _ => P::of::<1>(tiles, weights, sums),
            }
        }
    }
}

/// Whether sums of codes times these weights stay below [`SUM_MAX`] either way.
fn exact(weights: &[i8]) -> bool {
    let most = |sign: i8| -> u32 {
        weights.iter().filter(|weight| weight.signum() == sign).map(|weight| u32::from(weight.unsigned_abs())).sum()
    };
    255 * most(1).max(most(-1)) < SUM_MAX
}

/// The transform of 3 x 3 weights, each row of it times what makes it whole: 4, -6, -6, 24, 24 and 1.
fn transformed(taps: [i16; 9]) -> [[i16; REACH]; REACH] {
    let one = |[a, b, c]: [i16; 3]| [a, a + b + c, a - b + c, a + 2 * b + 4 * c, a - 2 * b + 4 * c, c];
    let [top, middle, bottom] = [0, 3, 6].map(|row| one([taps[row], taps[row + 1], taps[row + 2]]));
    let columns: [_; REACH] = std::array::from_fn(|across| one([top[across], middle[across], bottom[across]]));
    std::array::from_fn(|down| columns.map(|column| column[down]))
}

/// One way of the transform of codes: rows 4 0 -5 0 1 0, 0 -4 -4 1 1 0, 0 4 -4 -1 1 0, 0 -2 -1 2 1 0, 0 2 -1 -2 1 0 and
/// 0 4 0 -5 0 1.
#[inline(always)]
fn forth(from: &[[i16; WIDE]; REACH]) -> [[i16; WIDE]; REACH] {
    let mut to = [[0; WIDE]; REACH];
    for lane in 0..WIDE {
        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|row: usize| from[row][lane]);
        let five = |value: i16| (value << 2).wrapping_add(value);
        let (even, odd) = (e.wrapping_sub(c << 2), d.wrapping_sub(b << 2));
        let (even_too, odd_too) = (e.wrapping_sub(c), d.wrapping_sub(b) << 1);
        to[0][lane] = (a << 2).wrapping_sub(five(c)).wrapping_add(e);
        to[1][lane] = even.wrapping_add(odd);
        to[2][lane] = even.wrapping_sub(odd);
        to[3][lane] = even_too.wrapping_add(odd_too);
        to[4][lane] = even_too.wrapping_sub(odd_too);
        to[5][lane] = (b << 2).wrapping_sub(five(d)).wrapping_add(f);
    }
    to
}

/// One way of the transform back, times 24 and over what [`CANCELLED`] says: rows 6 -4 -4 1 1 0, 0 -2 2 1 -1 0,
/// 0 -1 -1 1 1 0 and 0 -1 1 2 -2 6.
#[inline(always)]
fn back<const N: usize>(from: &[[i32; N]; REACH]) -> [[i32; N]; TILE] {
    let mut to = [[0; N]; TILE];
    for lane in 0..N {
        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|row: usize| from[row][lane]);
        let six = |value: i32| (value << 2).wrapping_add(value << 1);
        let (sum, difference) = (b.wrapping_add(c), b.wrapping_sub(c));
        let (sum_too, difference_too) = (d.wrapping_add(e), d.wrapping_sub(e));
        to[0][lane] = six(a).wrapping_sub(sum << 2).wrapping_add(sum_too);
        to[1][lane] = difference_too.wrapping_sub(difference << 1);
        to[2][lane] = sum_too.wrapping_sub(sum);
        to[3][lane] = six(f).wrapping_sub(difference).wrapping_add(difference_too << 1);
    }
    to
}
