//! NEON: 8-bit products, added in pairs or fours on any AArch64, by the dot product from Armv8.2 on.
//!
//! Both multiply signed by signed numbers. An activation is therefore read less 128, which is its top bit flipped, and
//! what this takes from a sum, 128 times its weights, is in the bias that the weights for these kernels come with.
//!
//! Without the dot product, products are added in 16 bits before they are added to a sum of 32. Two of them fit, of
//! -128 to 127 and weights of -127 to 127; four fit where the weights of an output at four taps come to 255 or less
//! without their signs, as nine in ten do in a trained network. Which do is found when the weights are ordered.
//!
//! Taps mostly lie side by side, as a layer has a multiple of 16 channels, and one load of 16 bytes reads four of them;
//! where they do not, the four are put together one by one.
//!
//! Layers of 3 x 3 by stride 1 come by tiles instead where there is no dot product ([`winograd`]): products of 16 bits,
//! added in 32, but a quarter of them.
//!
//! A frame of 1280x720 took a network of 3x3 convolutions 483 million instructions without the dot product (771 by rows
//! alone, 833 with pairs alone) and 311 with it (`scripts/instructions`). Tried as well, for pairs: one sum per output in place of
//! two, the weights split by `ld2`; it took a tenth more.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array::from_fn;

use super::winograd::{self, Band, Cells, Products, Scratch, Two};
use super::{DEPTH, LANES, Row, Tap, Weights};

/// Bytes of a register.
const WIDTH: usize = 16;
/// Taps that fill a register with the input of a pixel.
const FOUR: usize = WIDTH / DEPTH;
/// Registers that the weights of a tap fill, or the sums of a pixel.
pub const QUARTERS: usize = LANES / 4;
/// Bytes of weights of a tap.
const TAP: usize = LANES * DEPTH;
/// What the weights of four taps may come to without their signs: 128 times this fits in 16 bits.
const DEEP: u16 = 255;

/// Orders each four taps of `weights`, `taps` in a group, by quarters: all that is multiplied for four outputs lies side by
/// side. Says of which quarters the products of all four fit in 16 bits together, the first in bit 0.
pub fn by_quarters(weights: &mut [Tap<i8>], taps: usize) -> Vec<u8> {
    let mut deep = Vec::with_capacity(weights.len() / FOUR);
    for group in weights.chunks_mut(taps.max(1)) {
        let (fours, _) = group.as_chunks_mut::<FOUR>();
        for four in fours {
            let before = *four;
            let of = |quarter: usize, tap: usize| &before[tap].0[quarter * WIDTH..][..WIDTH];
            let mut fits = 0;
            for (quarter, ordered) in four.iter_mut().enumerate() {
                for (tap, place) in ordered.0.chunks_exact_mut(WIDTH).enumerate() {
                    place.copy_from_slice(of(quarter, tap));
                }
                let all =
                    |lane: usize| (0..FOUR).map(|tap| u16::from(of(quarter, tap)[lane].unsigned_abs())).sum::<u16>();
                fits |= u8::from((0..WIDTH).all(|lane| all(lane) <= DEEP)) << quarter;
            }
            deep.push(fits);
        }
    }
    deep
}

/// The bias for activations less 128, of weights output by output.
pub fn signed_bias(weights: &[i8], bias: &[i32]) -> Vec<i32> {
    let sum = |weights: &[i8]| weights.iter().copied().map(i32::from).sum::<i32>();
    bias.iter()
        .zip(weights.chunks((weights.len() / bias.len().max(1)).max(1)))
        .map(|(bias, weights)| bias + 128 * sum(weights))
        .collect()
}

/// One row, without the dot product.
///
/// # Safety
/// For every pixel and tap, 4 bytes of input can be read; the output is whole pixels of `weights.groups()` times
/// [`LANES`] bytes; there are `weights.taps` weights for each group, ordered by [`by_quarters`] with what it said.
#[target_feature(enable = "neon")]
pub unsafe fn row(weights: &Weights, mut row: Row<'_>) {
    let pixels = row.output.len() / weights.bias.len();
    let adjacent = adjacent(row.taps);
    for index in 0..weights.groups() {
        // SAFETY: passed on; no block is longer than what is left.
        unsafe {
            let group = Group::new(weights, &mut row, index, adjacent);
            let mut pixel = 0;
            while pixel < pixels {
                pixel += match pixels - pixel {
                    2.. => group.block::<2>(pixel),
                    _ => group.block::<1>(pixel),
                };
            }
        }
    }
}

/// One row, with the dot product.
///
/// # Safety
/// As for [`row`], and the processor has the dot product.
#[target_feature(enable = "neon,dotprod")]
pub unsafe fn row_dot(weights: &Weights, mut row: Row<'_>) {
    let pixels = row.output.len() / weights.bias.len();
    let adjacent = adjacent(row.taps);
    for index in 0..weights.groups() {
        // SAFETY: passed on; no block is longer than what is left.
        unsafe {
            let group = Group::new(weights, &mut row, index, adjacent);
            let mut pixel = 0;
            while pixel < pixels {
                pixel += match pixels - pixel {
                    6.. => group.block_dot::<6>(pixel),
                    4.. => group.block_dot::<4>(pixel),
                    2.. => group.block_dot::<2>(pixel),
                    _ => group.block_dot::<1>(pixel),
                };
            }
        }
    }
}

/// Whether one load reads any four taps that are computed together.
fn adjacent(taps: &[usize]) -> bool {
    let (fours, _) = taps.as_chunks::<FOUR>();
    fours.iter().all(|four| four.windows(2).all(|two| two[0].checked_add(DEPTH) == Some(two[1])))
}

/// [`LANES`] outputs of a row.
struct Group<'a, 'w> {
    input: *const u8,
    taps: &'a [usize],
    adjacent: bool,
    step: usize,
    weights: *const i8,
    deep: &'w [u8],
    bias: *const i32,
    scale: *const f32,
    zero: u8,
    output: *mut u8,
    channels: usize,
}

impl<'a, 'w> Group<'a, 'w> {
    /// Group `index` of the row.
    unsafe fn new(weights: &'w Weights, row: &mut Row<'a>, index: usize, adjacent: bool) -> Self {
        let fours = weights.taps / FOUR;
        // SAFETY: the caller promises that weights, bias, scale and output reach as far as this group.
        unsafe {
            Self {
                input: row.input.as_ptr(),
                taps: row.taps,
                adjacent,
                step: row.step,
                weights: weights.narrow.as_ptr().add(index * weights.taps).cast::<i8>(),
                deep: weights.deep.get(index * fours..(index + 1) * fours).unwrap_or_default(),
                bias: weights.bias.as_ptr().add(index * LANES),
                scale: weights.scale.as_ptr().add(index * LANES),
                zero: weights.zero,
                output: row.output.as_mut_ptr().add(index * LANES),
                channels: weights.bias.len(),
            }
        }
    }

    /// `X` pixels without the dot product, in two sums for each output; says how many pixels these were.
    #[target_feature(enable = "neon")]
    #[inline]
    unsafe fn block<const X: usize>(&self, pixel: usize) -> usize {
        // SAFETY: the caller promises that inputs, weights and output reach as far as is asked here.
        unsafe {
            let places = self.places::<X>(pixel);
            let (fours, rest) = self.taps.as_chunks::<FOUR>();
            let mut weights = self.weights;
            let mut sums = [[[vdupq_n_s32(0); 2]; QUARTERS]; X];
            for (four, &deep) in fours.iter().zip(self.deep) {
                let values = from_fn(|x| self.four(places[x].0, four));
                add_four::<X>(&mut sums, weights, values, deep);
                weights = weights.add(FOUR * TAP);
            }
            for &at in rest {
                add_one::<X>(&mut sums, weights, from_fn(|x| one(places[x].0.add(at))));
                weights = weights.add(TAP);
            }
            for (sums, (_, output)) in sums.into_iter().zip(places) {
                let whole = from_fn(|quarter| {
                    let [low, high] = sums[quarter];
                    vaddq_s32(vpaddq_s32(low, high), self.bias(quarter))
                });
                self.write(whole, output);
            }
        }
        X
    }

    /// `X` pixels with the dot product; says how many these were.
    #[target_feature(enable = "neon,dotprod")]
    #[inline]
    unsafe fn block_dot<const X: usize>(&self, pixel: usize) -> usize {
        // SAFETY: the caller promises that inputs, weights and output reach as far as is asked here.
        unsafe {
            let places = self.places::<X>(pixel);
            let (fours, rest) = self.taps.as_chunks::<FOUR>();
            let mut weights = self.weights;
            let mut sums = [from_fn(|quarter| self.bias(quarter)); X];
            for four in fours {
                let values = from_fn(|x| self.four(places[x].0, four));
                add_dot::<X, 0>(&mut sums, weights, values);
                add_dot::<X, 1>(&mut sums, weights.add(TAP), values);
                add_dot::<X, 2>(&mut sums, weights.add(2 * TAP), values);
                add_dot::<X, 3>(&mut sums, weights.add(3 * TAP), values);
                weights = weights.add(FOUR * TAP);
            }
            for &at in rest {
                add_dot::<X, 0>(&mut sums, weights, from_fn(|x| one(places[x].0.add(at))));
                weights = weights.add(TAP);
            }
            for (sums, (_, output)) in sums.into_iter().zip(places) {
                self.write(sums, output);
            }
        }
        X
    }

    /// What is added to the sums of a quarter.
    #[target_feature(enable = "neon")]
    #[inline]
    unsafe fn bias(&self, quarter: usize) -> int32x4_t {
        // SAFETY: the caller promises a bias for each sum.
        unsafe { vld1q_s32(self.bias.add(quarter * 4)) }
    }

    /// Where the taps of `X` pixels are counted from, and where the codes go; the checked products are made once.
    #[target_feature(enable = "neon")]
    #[inline]
    unsafe fn places<const X: usize>(&self, pixel: usize) -> [(*const u8, *mut u8); X] {
        // SAFETY: the caller promises input and output for the first of these pixels.
        let (mut input, mut output) =
            unsafe { (self.input.add(pixel * self.step), self.output.add(pixel * self.channels)) };
        from_fn(|_| {
            let place = (input, output);
            (input, output) = (input.wrapping_add(self.step), output.wrapping_add(self.channels));
            place
        })
    }

    /// The input of a pixel at four taps.
    #[target_feature(enable = "neon")]
    #[inline]
    unsafe fn four(&self, input: *const u8, taps: &[usize; FOUR]) -> int8x16_t {
        // SAFETY: the caller promises 4 bytes at each tap; four adjacent ones are 16 bytes.
        unsafe {
            if self.adjacent {
                less_128(vld1q_u8(input.add(taps[0])))
            } else {
                let four: [u32; FOUR] = from_fn(|tap| input.add(taps[tap]).cast::<u32>().read_unaligned());
                less_128(vreinterpretq_u8_u32(vld1q_u32(four.as_ptr())))
            }
        }
    }

    /// Writes the codes of a pixel. The reference cuts to 0 to 255 and rounds; here the conversions round and then cut
    /// by themselves, which is the same, as both ends are whole.
    #[target_feature(enable = "neon")]
    #[inline]
    unsafe fn write(&self, sums: [int32x4_t; QUARTERS], output: *mut u8) {
        // SAFETY: the caller promises an output and a scale for each sum.
        unsafe {
            write_codes(sums, self.scale, self.zero, output);
        }
    }
}

/// Writes the codes of [`LANES`] sums.
///
/// # Safety
/// There is a scale for each sum, and room for its code.
#[target_feature(enable = "neon")]
#[inline]
pub unsafe fn write_codes(sums: [int32x4_t; QUARTERS], scale: *const f32, zero: u8, output: *mut u8) {
    // SAFETY: the caller promises an output and a scale for each sum.
    unsafe {
        let [a, b, c, d] = from_fn(|quarter| {
            let scale = vld1q_f32(scale.add(quarter * 4));
            vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(sums[quarter]), scale))
        });
        let zero = vdupq_n_s16(zero.into());
        let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero);
        let high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), zero);
        vst1q_u8(output, vqmovun_high_s16(vqmovun_s16(low), high));
    }
}

/// The input at one tap, four times.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn one(input: *const u8) -> int8x16_t {
    // SAFETY: the caller promises 4 bytes.
    let four = unsafe { input.cast::<u32>().read_unaligned() };
    less_128(vreinterpretq_u8_u32(vdupq_n_u32(four)))
}

/// Codes as signed numbers.
#[target_feature(enable = "neon")]
#[inline]
fn less_128(codes: uint8x16_t) -> int8x16_t {
    vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(0x80)))
}

/// Adds four taps, whose weights are ordered by quarters; `deep` says of which quarters all four fit in 16 bits.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn add_four<const X: usize>(
    sums: &mut [[[int32x4_t; 2]; QUARTERS]; X],
    weights: *const i8,
    values: [int8x16_t; X],
    deep: u8,
) {
    let values: [[int32x4_t; FOUR]; X] = from_fn(|x| {
        let four = vreinterpretq_s32_s8(values[x]);
        [vdupq_laneq_s32::<0>(four), vdupq_laneq_s32::<1>(four), vdupq_laneq_s32::<2>(four), vdupq_laneq_s32::<3>(four)]
    });
    // One by one, since the compiler does not unroll a loop with branches, and a sum with an index that it does not know
    // lies in memory.
    // SAFETY: the caller promises the weights of all four.
    unsafe {
        add_quarter::<X, 0>(sums, weights, values, deep);
        add_quarter::<X, 1>(sums, weights, values, deep);
        add_quarter::<X, 2>(sums, weights, values, deep);
        add_quarter::<X, 3>(sums, weights, values, deep);
    }
}

/// Adds four taps to a quarter of the sums.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn add_quarter<const X: usize, const QUARTER: usize>(
    sums: &mut [[[int32x4_t; 2]; QUARTERS]; X],
    weights: *const i8,
    values: [[int32x4_t; FOUR]; X],
    deep: u8,
) {
    // SAFETY: the caller promises the weights of four taps.
    let weights: [int8x16_t; FOUR] = from_fn(|tap| unsafe { vld1q_s8(weights.add((QUARTER * FOUR + tap) * WIDTH)) });
    let [a, b, c, d] = weights;
    for (sums, values) in sums.iter_mut().zip(values) {
        let sums = &mut sums[QUARTER];
        let [low, high] = products([a, b], [values[0], values[1]]);
        if deep >> QUARTER & 1 == 1 {
            let (third, fourth) = (vreinterpretq_s8_s32(values[2]), vreinterpretq_s8_s32(values[3]));
            let low = vmlal_s8(low, vget_low_s8(third), vget_low_s8(c));
            let high = vmlal_high_s8(high, third, c);
            let low = vmlal_s8(low, vget_low_s8(fourth), vget_low_s8(d));
            let high = vmlal_high_s8(high, fourth, d);
            add(sums, [low, high]);
        } else {
            add(sums, [low, high]);
            add(sums, products([c, d], [values[2], values[3]]));
        }
    }
}

/// The products of two taps, added: of the first two outputs of a quarter and of the others. The instructions are written
/// out because the compiler, given the same four one by one, starts more products than it has registers for and moves sums
/// to memory and back.
#[target_feature(enable = "neon")]
#[inline]
fn products(weights: [int8x16_t; 2], values: [int32x4_t; 2]) -> [int16x8_t; 2] {
    let (low, high);
    // SAFETY: every AArch64 has these, and they touch nothing but their registers.
    unsafe {
        asm!(
            "smull  {low:v}.8h, {value_a:v}.8b, {weight_a:v}.8b",
            "smull2 {high:v}.8h, {value_a:v}.16b, {weight_a:v}.16b",
            "smlal  {low:v}.8h, {value_b:v}.8b, {weight_b:v}.8b",
            "smlal2 {high:v}.8h, {value_b:v}.16b, {weight_b:v}.16b",
            low = out(vreg) low,
            high = out(vreg) high,
            value_a = in(vreg) values[0],
            value_b = in(vreg) values[1],
            weight_a = in(vreg) weights[0],
            weight_b = in(vreg) weights[1],
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    [low, high]
}

/// Adds products to a quarter of the sums.
#[target_feature(enable = "neon")]
#[inline]
fn add(sums: &mut [int32x4_t; 2], products: [int16x8_t; 2]) {
    for (sum, products) in sums.iter_mut().zip(products) {
        *sum = vpadalq_s16(*sum, products);
    }
}

/// Adds one tap, which is there four times.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn add_one<const X: usize>(
    sums: &mut [[[int32x4_t; 2]; QUARTERS]; X],
    weights: *const i8,
    values: [int8x16_t; X],
) {
    for quarter in 0..QUARTERS {
        // SAFETY: the caller promises the weights of a tap.
        let weights = unsafe { vld1q_s8(weights.add(quarter * WIDTH)) };
        for (sums, values) in sums.iter_mut().zip(values) {
            let [low, high] = &mut sums[quarter];
            *low = vpadalq_s16(*low, vmull_s8(vget_low_s8(values), vget_low_s8(weights)));
            *high = vpadalq_s16(*high, vmull_high_s8(values, weights));
        }
    }
}

/// Adds tap `LANE` of four with the dot product, which Rust 1.95 has no stable function for.
#[target_feature(enable = "neon,dotprod")]
#[inline]
unsafe fn add_dot<const X: usize, const LANE: i32>(
    sums: &mut [[int32x4_t; QUARTERS]; X],
    weights: *const i8,
    values: [int8x16_t; X],
) {
    for quarter in 0..QUARTERS {
        // SAFETY: the caller promises the weights of a tap.
        let weights = unsafe { vld1q_s8(weights.add(quarter * WIDTH)) };
        for (sums, values) in sums.iter_mut().zip(values) {
            // SAFETY: the caller promises the instruction, and it touches nothing but its registers.
            unsafe {
                asm!(
                    "sdot {sum:v}.4s, {weights:v}.16b, {values:v}.4b[{lane}]",
                    sum = inout(vreg) sums[quarter],
                    weights = in(vreg) weights,
                    values = in(vreg) values,
                    lane = const LANE,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
        }
    }
}

/// A band of tiles, without the dot product.
///
/// # Safety
/// None: every AArch64 has NEON.
#[target_feature(enable = "neon")]
pub unsafe fn band(weights: &winograd::Weights, input: &Cells<&[u8]>, band: Band<'_>, scratch: &mut Scratch) {
    weights.run_with::<LANES, Tiles>(input, band, scratch);
}

/// Inputs of a tile that fill a register.
const EIGHT: usize = WIDTH / 2;

/// Products of tiles.
struct Tiles;

impl Products for Tiles {
    #[target_feature(enable = "neon")]
    #[inline]
    unsafe fn of<const X: usize>(tiles: &[i16], weights: &[Two], sums: &mut [[i32; LANES]]) {
        let inputs = 2 * weights.len();
        let mut totals = [[vdupq_n_s32(0); QUARTERS]; X];
        let weights = weights.as_ptr().cast::<i16>();
        // SAFETY: each tile has as many values as there are weights for an output, and sums for all outputs.
        unsafe {
            for input in (0..inputs).step_by(EIGHT) {
                let values = from_fn(|x| vld1q_s16(tiles.as_ptr().add(x * inputs + input)));
                let weights = weights.add(input * LANES);
                add_input::<X, 0>(&mut totals, weights, values);
                add_input::<X, 1>(&mut totals, weights.add(LANES), values);
                add_input::<X, 2>(&mut totals, weights.add(2 * LANES), values);
                add_input::<X, 3>(&mut totals, weights.add(3 * LANES), values);
                add_input::<X, 4>(&mut totals, weights.add(4 * LANES), values);
                add_input::<X, 5>(&mut totals, weights.add(5 * LANES), values);
                add_input::<X, 6>(&mut totals, weights.add(6 * LANES), values);
                add_input::<X, 7>(&mut totals, weights.add(7 * LANES), values);
            }
            for (sums, totals) in sums.iter_mut().zip(totals) {
                for (quarter, total) in totals.into_iter().enumerate() {
                    vst1q_s32(sums.as_mut_ptr().add(quarter * 4), total);
                }
            }
        }
    }
}

/// Adds the products of one input, which is in lane `LANE` of each tile's values.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn add_input<const X: usize, const LANE: i32>(
    totals: &mut [[int32x4_t; QUARTERS]; X],
    weights: *const i16,
    values: [int16x8_t; X],
) {
    // SAFETY: the caller promises weights for all outputs.
    let [low, high] = unsafe { [vld1q_s16(weights), vld1q_s16(weights.add(EIGHT))] };
    for (totals, values) in totals.iter_mut().zip(values) {
        totals[0] = vmlal_laneq_s16::<LANE>(totals[0], vget_low_s16(low), values);
        totals[1] = vmlal_high_laneq_s16::<LANE>(totals[1], low, values);
        totals[2] = vmlal_laneq_s16::<LANE>(totals[2], vget_low_s16(high), values);
        totals[3] = vmlal_high_laneq_s16::<LANE>(totals[3], high, values);
    }
}
