//! NEON: 8-bit products in pairs on any AArch64, in fours from Armv8.2 on.
//!
//! Both multiply signed by signed numbers. An activation is therefore read less 128, which is its top bit flipped, and
//! what this takes from a sum, 128 times its weights, is added to the bias, once for a row.
//!
//! It relies on weights of -127 to 127: two products with -128 to 127 fit in 16 bits, which halves the steps to 32
//! bits. Taps mostly lie side by side, as a layer has a multiple of 16 channels, and one load of 16 bytes reads four of
//! them; where they do not, the four are put together one by one.
//!
//! Instructions per product, 3 x 3, 48 to 48 channels, 160 cells a row: 0.25 in pairs, 0.09 in fours; plain f32 takes
//! 0.31. Pairs that leave one sum per output in place of two, the weights split by `ld2`, took 0.28 or more.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array::from_fn;

use super::{DEPTH, LANES, Row, Weights};

/// Bytes of a register.
const WIDTH: usize = 16;
/// Taps that fill a register with the input of a pixel.
const FOUR: usize = WIDTH / DEPTH;
/// Registers that the weights of a tap fill, or the sums of a pixel.
const QUARTERS: usize = LANES / 4;
/// Bytes of weights from one tap to the next.
const TAP: usize = LANES * DEPTH;

/// One row, without the dot product.
///
/// # Safety
/// For every pixel and tap, 4 bytes of input can be read; the output is whole pixels of `weights.groups()` times
/// [`LANES`] bytes; there are `weights.taps` weights for each group.
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
struct Group<'a> {
    input: *const u8,
    taps: &'a [usize],
    adjacent: bool,
    step: usize,
    weights: *const i8,
    bias: [int32x4_t; QUARTERS],
    scale: *const f32,
    output: *mut u8,
    channels: usize,
}

impl<'a> Group<'a> {
    /// Group `index` of the row.
    #[target_feature(enable = "neon")]
    unsafe fn new(weights: &Weights, row: &mut Row<'a>, index: usize, adjacent: bool) -> Self {
        // SAFETY: the caller promises that weights, bias, scale and output reach as far as this group.
        unsafe {
            let first = weights.narrow.as_ptr().add(index * weights.taps).cast::<i8>();
            let mut tap = first;
            let mut bias = [vdupq_n_s32(0); QUARTERS];
            for _ in 0..weights.taps {
                for (quarter, sum) in bias.iter_mut().enumerate() {
                    *sum = vpadalq_s16(*sum, vpaddlq_s8(vld1q_s8(tap.add(quarter * WIDTH))));
                }
                tap = tap.add(TAP);
            }
            for (quarter, sum) in bias.iter_mut().enumerate() {
                let given = vld1q_s32(weights.bias.as_ptr().add(index * LANES + quarter * 4));
                *sum = vaddq_s32(given, vshlq_n_s32::<7>(*sum));
            }
            Self {
                input: row.input.as_ptr(),
                taps: row.taps,
                adjacent,
                step: row.step,
                weights: first,
                bias,
                scale: weights.scale.as_ptr().add(index * LANES),
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
            for four in fours {
                let values = from_fn(|x| self.four(places[x].0, four));
                add_two::<X, 0, 1>(&mut sums, weights, values);
                add_two::<X, 2, 3>(&mut sums, weights.add(2 * TAP), values);
                weights = weights.add(FOUR * TAP);
            }
            for &at in rest {
                add_one::<X>(&mut sums, weights, from_fn(|x| one(places[x].0.add(at))));
                weights = weights.add(TAP);
            }
            for (sums, (_, output)) in sums.into_iter().zip(places) {
                let whole = from_fn(|quarter| {
                    let [low, high] = sums[quarter];
                    vaddq_s32(vpaddq_s32(low, high), self.bias[quarter])
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
            let mut sums = [self.bias; X];
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
            let [a, b, c, d] = from_fn(|quarter| {
                let scale = vld1q_f32(self.scale.add(quarter * 4));
                vcvtnq_u32_f32(vmulq_f32(vcvtq_f32_s32(sums[quarter]), scale))
            });
            let low = vqmovn_high_u32(vqmovn_u32(a), b);
            let high = vqmovn_high_u32(vqmovn_u32(c), d);
            vst1q_u8(output, vqmovn_high_u16(vqmovn_u16(low), high));
        }
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

/// Adds taps `A` and `B` of four. The instructions are written out because the compiler, given the same six one by one,
/// starts more products than it has registers for and moves sums to memory and back.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn add_two<const X: usize, const A: i32, const B: i32>(
    sums: &mut [[[int32x4_t; 2]; QUARTERS]; X],
    weights: *const i8,
    values: [int8x16_t; X],
) {
    let values: [[int32x4_t; 2]; X] = from_fn(|x| {
        let four = vreinterpretq_s32_s8(values[x]);
        [vdupq_laneq_s32::<A>(four), vdupq_laneq_s32::<B>(four)]
    });
    for quarter in 0..QUARTERS {
        // SAFETY: the caller promises the weights of two taps.
        let weights = unsafe { [vld1q_s8(weights.add(quarter * WIDTH)), vld1q_s8(weights.add(TAP + quarter * WIDTH))] };
        for (sums, values) in sums.iter_mut().zip(values) {
            let [low, high] = &mut sums[quarter];
            // SAFETY: every AArch64 has these, and they touch nothing but their registers.
            unsafe {
                asm!(
                    "smull  {first:v}.8h, {value_a:v}.8b, {weight_a:v}.8b",
                    "smull2 {second:v}.8h, {value_a:v}.16b, {weight_a:v}.16b",
                    "smlal  {first:v}.8h, {value_b:v}.8b, {weight_b:v}.8b",
                    "smlal2 {second:v}.8h, {value_b:v}.16b, {weight_b:v}.16b",
                    "sadalp {low:v}.4s, {first:v}.8h",
                    "sadalp {high:v}.4s, {second:v}.8h",
                    first = out(vreg) _,
                    second = out(vreg) _,
                    value_a = in(vreg) values[0],
                    value_b = in(vreg) values[1],
                    weight_a = in(vreg) weights[0],
                    weight_b = in(vreg) weights[1],
                    low = inout(vreg) *low,
                    high = inout(vreg) *high,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
        }
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
