//! Every kernel against the reference, bit for bit.

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
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1_usize..=7, 1_usize..=40, 0_usize..=27, 1_usize..=24, any::<u64>());
    sizes.prop_map(|(groups, taps, pixels, step, seed)| {
        let mut state = seed | 1;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 40).expect("24 bits")
        };
        let step = step * DEPTH;
        let channels = groups * LANES;
        // None, half or all of the taps lie side by side, as most do in a layer: kernels may read several at once.
        let near = [0, taps / 2, taps][next() % 3];
        let taps: Vec<usize> = (0..taps).map(|tap| if tap < near { tap * DEPTH } else { next() % 300 }).collect();
        // The ends of both ranges come often: that is where products overflow and codes saturate.
        let extreme = next() % 2 == 0;
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
        Case { taps, step, pixels, input, values, bias, scale }
    })
}

fn computed(kernel: Kernel, case: &Case) -> Vec<u8> {
    let weights = Weights::new(kernel, case.taps.len(), &case.values, &case.bias, &case.scale);
    let mut output = vec![0xAA; case.pixels * case.bias.len()];
    kernel.run(&weights, Row { input: &case.input, taps: &case.taps, step: case.step, output: &mut output });
    output
}

proptest! {
    #[test]
    fn every_kernel_computes_what_the_reference_does(case in cases()) {
        let expected = computed(Kernel::Scalar, &case);
        for kernel in Kernel::available() {
            prop_assert!(computed(kernel, &case) == expected, "{kernel:?}");
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
        };
        for kernel in Kernel::available() {
            assert_eq!(computed(kernel, &case), [code; LANES], "{kernel:?} {sum}");
        }
    }
}

#[test]
#[should_panic(expected = "the row lies inside its input")]
fn a_row_that_ends_outside_its_input_is_refused() {
    let weights = Weights::new(Kernel::best(), 1, &[0; LANES * DEPTH], &[0; LANES], &[1.0; LANES]);
    Kernel::best().run(&weights, Row { input: &[0; 7], taps: &[0], step: DEPTH, output: &mut [0; 2 * LANES] });
}
