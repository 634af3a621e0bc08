//! Every kernel against the reference, bit for bit.

use super::winograd::{Band, Cells, Scratch};
use super::*;
use proptest::prelude::*;

/// What a layer and a row of it are made of.
#[derive(Debug)]
struct Case {
    taps: Vec<usize>,
    step: usize,
    pixels: usize,
    input: Vec<u8>,
    values: Vec<i8>,
    bias: Vec<i32>,
    scale: Vec<f32>,
    zero: u8,
}

/// Endless numbers of 24 bits.
fn numbers(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).expect("24 bits")
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1_usize..=7, 1_usize..=40, 0_usize..=27, 1_usize..=24, any::<u64>());
    sizes.prop_map(|(groups, taps, pixels, step, seed)| {
        let mut next = numbers(seed);
        let step = step * DEPTH;
        let channels = groups * LANES;
        // None, half or all of the taps lie side by side, as most do in a layer: kernels may read several at once.
        let near = [0, taps / 2, taps][next() % 3];
        let taps: Vec<usize> = (0..taps).map(|tap| if tap < near { tap * DEPTH } else { next() % 300 }).collect();
        // The ends of both ranges come often: that is where products overflow and codes saturate.
        let extreme = next().is_multiple_of(2);
        let input = (0..320 + 27 * step)
            .map(|_| match next() % 4 {
                0 if extreme => 255,
                1 if extreme => 0,
                _ => u8::try_from(next() % 256).expect("a byte"),
            })
            .collect();
        // Small weights are added in 16 bits by more than two; about 64 it is some that can be.
        let most = [127_i8, 64, 63, 30][next() % 4];
        let values = (0..channels * taps.len() * DEPTH)
            .map(|_| match next() % 4 {
                0 if extreme => most,
                1 if extreme => -most,
                _ => i8::try_from(i32::try_from(next() % 255).expect("a byte") - 127)
                    .expect("a weight")
                    .clamp(-most, most),
            })
            .collect();
        let bias = (0..channels).map(|_| i32::try_from(next() % 200_000).expect("24 bits") - 100_000).collect();
        #[expect(clippy::cast_precision_loss, reason = "any scale will do")]
        let scale = (0..channels).map(|_| (1 + next() % 4096) as f32 / 262_144.0).collect();
        let zero = [0, 128, 255][next() % 3];
        Case { taps, step, pixels, input, values, bias, scale, zero }
    })
}

fn computed(kernel: Kernel, case: &Case) -> Vec<u8> {
    let weights = Weights::new(kernel, case.taps.len(), &case.values, &case.bias, &case.scale, case.zero);
    let mut output = vec![0xAA; case.pixels * case.bias.len()];
    kernel.run(&weights, Row { input: &case.input, taps: &case.taps, step: case.step, output: &mut output });
    output
}

proptest! {
    #[test]
    fn every_kernel_computes_a_channel_by_itself_as_the_reference_does(
        (groups, pixels, wide, step) in (1_usize..=5, 0_usize..=13, any::<bool>(), 1_usize..=2), seed in any::<u64>(),
    ) {
        let mut next = numbers(seed);
        let (channels, side) = (groups * LANES, if wide { 5 } else { 3 });
        let stride = (pixels * step + side) * channels;
        let extreme = next().is_multiple_of(2);
        let input: Vec<u8> = (0..side * stride)
            .map(|_| if extreme { [0, 255][next() % 2] } else { u8::try_from(next() % 256).expect("a byte") })
            .collect();
        let values: Vec<i8> = (0..channels * side * side)
            .map(|_| if extreme { 127 } else { [1, -1][next() % 2] * i8::try_from(next() % 128).expect("a weight") })
            .collect();
        let bias: Vec<i32> = (0..channels).map(|_| i32::try_from(next() % 200_000).expect("24 bits") - 100_000).collect();
        #[expect(clippy::cast_precision_loss, reason = "any scale will do")]
        let scale: Vec<f32> = (0..channels).map(|_| (1 + next() % 4096) as f32 / 1_048_576.0).collect();
        let of = |kernel| {
            let mut output = vec![0xAA; pixels * channels];
            let weights = depthwise::Weights::new(kernel, [side, step], &values, &bias, &scale);
            weights.run(depthwise::Window { input: &input, stride, output: &mut output });
            output
        };
        let expected = of(Kernel::Scalar);
        for kernel in Kernel::available() {
            prop_assert!(of(kernel) == expected, "{kernel:?}");
        }
    }

    #[test]
    fn every_kernel_computes_what_the_reference_does(case in cases()) {
        let expected = computed(Kernel::Scalar, &case);
        for kernel in Kernel::available() {
            prop_assert!(computed(kernel, &case) == expected, "{kernel:?}");
        }
    }
}

/// A layer of 3 x 3 taps by stride 1 over a picture whose sides are no multiples of a tile's.
#[derive(Debug)]
struct Layer {
    width: usize,
    height: usize,
    dilation: usize,
    inputs: usize,
    picture: Vec<u8>,
    values: Vec<i8>,
    bias: Vec<i32>,
    scale: Vec<f32>,
}

/// Cells around the picture of a layer.
const AROUND: usize = 2;

fn layers() -> impl Strategy<Value = Layer> {
    let sizes = (1_usize..=90, 1_usize..=19, 1_usize..=2, 1_usize..=3, 1_usize..=3, any::<u64>());
    sizes.prop_map(|(width, height, dilation, inputs, groups, seed)| {
        let mut next = numbers(seed);
        let inputs = inputs * 16;
        let extreme = next().is_multiple_of(2);
        let picture = (0..width * height * inputs)
            .map(|_| if extreme { [0, 255][next() % 2] } else { u8::try_from(next() % 256).expect("a byte") })
            .collect();
        let values = (0..groups * LANES * 9 * inputs)
            .map(|_| if extreme { [127, -127][next() % 2] } else { i8::try_from(next() % 128).expect("a weight") - 64 })
            .collect();
        let bias = (0..groups * LANES).map(|_| i32::try_from(next() % 200_000).expect("24 bits") - 100_000).collect();
        #[expect(clippy::cast_precision_loss, reason = "any scale will do")]
        let scale = (0..groups * LANES).map(|_| (1 + next() % 4096) as f32 / 16_777_216.0).collect();
        Layer { width, height, dilation, inputs, picture, values, bias, scale }
    })
}

impl Layer {
    fn bordered(&self) -> Vec<u8> {
        let stride = (self.width + 2 * AROUND) * self.inputs;
        let mut cells = vec![0; (self.height + 2 * AROUND) * stride];
        let rows = cells.chunks_exact_mut(stride).skip(AROUND);
        for (row, picture) in rows.zip(self.picture.chunks_exact(self.width * self.inputs)) {
            row[AROUND * self.inputs..][..picture.len()].copy_from_slice(picture);
        }
        cells
    }

    fn by_rows(&self) -> Vec<u8> {
        let stride = (self.width + 2 * AROUND) * self.inputs;
        let place = |tap: usize| (tap / 3 * stride + tap % 3 * self.inputs) * self.dilation;
        let taps: Vec<usize> =
            (0..9).flat_map(|tap| (0..self.inputs).step_by(DEPTH).map(move |input| place(tap) + input)).collect();
        let weights = Weights::new(Kernel::Scalar, taps.len(), &self.values, &self.bias, &self.scale, 0);
        let mut codes = vec![0xAA; self.width * self.height * self.bias.len()];
        let cells = self.bordered();
        for (y, output) in codes.chunks_exact_mut(self.width * self.bias.len()).enumerate() {
            let corner = AROUND - self.dilation;
            let input = &cells[(y + corner) * stride + corner * self.inputs..];
            Kernel::Scalar.run(&weights, Row { input, taps: &taps, step: self.inputs, output });
        }
        codes
    }

    fn by_tiles(&self, kernel: Kernel) -> Vec<u8> {
        let weights = winograd::Weights::new(kernel, self.dilation, &self.values, &self.bias, &self.scale);
        let weights = weights.expect("a layer for tiles");
        let (cells, columns, channels) = (self.bordered(), self.width + 2 * AROUND, self.bias.len());
        let input = Cells { bytes: cells.as_slice(), columns, border: AROUND };
        let mut scratch = Scratch::new(self.inputs);
        let mut codes = vec![0xAA; columns * self.height * channels];
        let tall = weights.rows();
        for (band, bytes) in codes.chunks_mut(tall * columns * channels).enumerate() {
            let cells = Cells { bytes, columns, border: AROUND };
            weights.run(&input, Band { cells, above: band * tall }, &mut scratch);
        }
        let mut inside = Vec::new();
        for row in codes.chunks_exact(columns * channels) {
            let (left, rest) = row.split_at(AROUND * channels);
            let (middle, right) = rest.split_at(self.width * channels);
            assert!(left.iter().chain(right).all(|&byte| byte == 0xAA), "{kernel:?} wrote into a border");
            inside.extend_from_slice(middle);
        }
        inside
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn tiles_are_what_rows_are(layer in layers()) {
        let expected = layer.by_rows();
        for kernel in Kernel::available() {
            prop_assert!(layer.by_tiles(kernel) == expected, "{kernel:?}");
        }
    }
}

#[test]
fn the_largest_sums_by_tiles_are_exact_and_larger_ones_refused() {
    for weight in [127, -127] {
        let layer = |inputs: usize| Layer {
            width: 9,
            height: 6,
            dilation: 1,
            inputs,
            picture: vec![255; 9 * 6 * inputs],
            values: vec![weight; LANES * 9 * inputs],
            bias: vec![if weight > 0 { -32_000_000 } else { 32_700_000 }; LANES],
            scale: vec![1.0 / 16_384.0; LANES],
        };
        let most = layer(112);
        let expected = most.by_rows();
        assert!(expected.iter().any(|&code| code > 0 && code < 255), "sums of which some are seen");
        let more = layer(128);
        for kernel in Kernel::available() {
            assert!(most.by_tiles(kernel) == expected, "{kernel:?}");
            let refused = winograd::Weights::new(kernel, 1, &more.values, &more.bias, &more.scale);
            assert!(refused.is_none(), "{kernel:?}: 33.5 million fit, 37.3 do not");
        }
    }
}

#[test]
fn sums_of_four_products_at_the_end_of_16_bits_are_whole() {
    for (four, input) in [([64, 64, 64, 63], 0), ([64, 64, 64, 64], 0), ([127; 4], 0), ([127; 4], 255)] {
        for sign in [1, -1] {
            let weights: [i8; 4] = four.map(|weight: i8| weight * sign);
            let sum = weights.iter().map(|&weight| i32::from(weight) * input).sum::<i32>() * 4;
            let case = Case {
                taps: (0..4).map(|tap| tap * DEPTH).collect(),
                step: 16,
                pixels: 3,
                input: vec![u8::try_from(input).expect("a code"); 48],
                values: weights.map(|weight| [weight; DEPTH]).as_flattened().repeat(LANES),
                bias: vec![100 - sum; LANES],
                scale: vec![1.0; LANES],
                zero: 0,
            };
            for kernel in Kernel::available() {
                assert_eq!(computed(kernel, &case), [100; 3 * LANES], "{kernel:?} {weights:?} {input}");
            }
        }
    }
}

#[test]
fn rounding_is_half_to_even_and_saturates() {
    let halves = [(1, 0), (3, 2), (5, 2), (7, 4), (509, 254), (511, 255), (100_000, 255), (-1, 0), (-100_000, 0)];
    for (sum, code) in halves {
        let case = Case {
            taps: vec![0],
            step: DEPTH,
            pixels: 1,
            input: vec![0; DEPTH],
            values: vec![0; LANES * DEPTH],
            bias: vec![sum; LANES],
            scale: vec![0.5; LANES],
            zero: 0,
        };
        for kernel in Kernel::available() {
            assert_eq!(computed(kernel, &case), [code; LANES], "{kernel:?} {sum}");
        }
    }
}

#[test]
#[should_panic(expected = "the row lies inside its input")]
fn a_row_that_ends_outside_its_input_is_refused() {
    let weights = Weights::new(Kernel::best(), 1, &[0; LANES * DEPTH], &[0; LANES], &[1.0; LANES], 0);
    Kernel::best().run(&weights, Row { input: &[0; 7], taps: &[0], step: DEPTH, output: &mut [0; 2 * LANES] });
}
