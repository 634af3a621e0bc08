//! The quantised runner against tract's own run of the same file, and files that it does not take.

use tract_onnx::prelude::*;

use super::*;

const MODEL: &[u8] = include_bytes!("../../../models/veil.onnx");
const SHAPE: Size = Size::new(128, 96);

/// Pixels that go through both: noise over a slope, so that every range of codes occurs.
fn pixel(x: usize, y: usize, channel: usize) -> u8 {
    let noise = (x * 7919 + y * 104_729 + channel * 1_299_709).wrapping_mul(2_654_435_761) >> 7;
    u8::try_from((x + y + noise % 160).min(255)).expect("cut to a byte")
}

fn ours(kernel: Kernel, threads: usize) -> Vec<f32> {
    let program = Arc::new(Program::read(MODEL, kernel).expect("the built-in network is quantised"));
    let mut runner = Runner::new(program, SHAPE, threads);
    for (y, row) in runner.pixels().enumerate() {
        for (x, cell) in row.chunks_exact_mut(4).enumerate() {
            cell.copy_from_slice(&[pixel(x, y, 0), pixel(x, y, 1), pixel(x, y, 2), 0]);
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    pool.install(|| runner.run().expect("run").to_vec())
}

#[test]
fn every_kernel_and_any_threads_give_the_same_logits() {
    let expected = ours(Kernel::Scalar, 1);
    assert!(expected.iter().any(|logit| (logit - expected[0]).abs() > 0.01), "not one value everywhere");
    for kernel in Kernel::available() {
        for threads in [1, 3] {
            assert!(ours(kernel, threads) == expected, "{kernel:?}, {threads} threads");
        }
    }
}

#[test]
fn tract_gives_the_same_logits_for_the_same_file() {
    let tensor = tract_ndarray::Array4::from_shape_fn((1, 3, SHAPE.height, SHAPE.width), |(_, c, y, x)| pixel(x, y, c));
    let outputs = tract_onnx::onnx()
        .with_ignore_output_shapes(true)
        .model_for_read(&mut &*MODEL)
        .and_then(|model| model.with_input_fact(0, u8::fact([1, 3, SHAPE.height, SHAPE.width]).into()))
        .and_then(InferenceModelExt::into_optimized)
        .and_then(|model| model.into_runnable())
        .and_then(|plan| plan.run(tvec!(Tensor::from(tensor).into())))
        .expect("tract runs the file");
    let theirs = outputs[0].try_as_plain_ram().expect("plain").as_slice::<f32>().expect("f32").to_vec();
    let ours = ours(Kernel::best(), 1);
    assert_eq!(ours.len(), theirs.len());
    // The last layer alone is in f32, where the order of a sum may differ.
    let furthest = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-4, "logits differ by {furthest}");
}

#[test]
fn the_built_in_network_needs_eleven_bytes_a_pixel() {
    let program = Arc::new(Program::read(MODEL, Kernel::best()).expect("quantised"));
    let shape = Size::new(1280, 736);
    let bytes = Runner::new(program, shape, 1).layers.bytes();
    assert!(bytes < 11 * shape.area(), "{bytes} bytes");
}

#[test]
fn a_network_in_real_numbers_is_left_to_tract() {
    let bytes = include_bytes!("../../../tests/models/bright.onnx");
    assert!(matches!(Program::read(bytes, Kernel::best()), Err(Unsupported::NotQuantised)));
}

#[test]
fn a_damaged_file_is_refused_or_runs_but_never_panics() {
    for at in (0..MODEL.len()).step_by(997).chain(MODEL.len() - 4096..MODEL.len()).step_by(3) {
        let mut bytes = MODEL.to_vec();
        bytes[at] ^= 0x55;
        if let Ok(program) = Program::read(&bytes, Kernel::best()) {
            let mut runner = Runner::new(Arc::new(program), Size::new(64, 32), 1);
            runner.run().expect("what was taken runs");
        }
    }
}

#[test]
fn a_bias_that_sums_cannot_hold_is_refused() {
    let model = tract_onnx::onnx().proto_model_for_read(&mut &*MODEL).expect("a model");
    let graph = model.graph.expect("a graph");
    let integer = tract_onnx::pb::tensor_proto::DataType::Int32 as i32;
    // Of a layer: the picture's halving has one for each colour.
    let biases = graph.initializer.iter().find(|tensor| tensor.data_type == integer && tensor.dims != [3]);
    let biases = biases.expect("a bias");
    let at =
        MODEL.windows(biases.raw_data.len()).position(|bytes| bytes == biases.raw_data).expect("as it is in the file");
    for bias in [i32::MAX, i32::MIN, i32::MAX - 1_000_000] {
        let mut bytes = MODEL.to_vec();
        bytes[at..at + 4].copy_from_slice(&bias.to_le_bytes());
        let refused = Program::read(&bytes, Kernel::best()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("has a bias beyond 2"), "{bias}: {refused}");
    }
}

#[test]
fn the_mean_of_four_pixels_is_rounded_half_to_even() {
    let rows = [[0, 1, 255, 9, 1, 0, 254, 9], [0, 3, 255, 9, 1, 2, 255, 9]];
    let mut mean = [7; 4];
    halve(rows.each_ref().map(|row| row.as_slice()), &mut mean);
    // 2 / 4, 6 / 4 and 1,019 / 4; the fourth byte means nothing.
    assert_eq!(mean[..3], [0, 2, 255]);
}

#[test]
fn what_is_convolved_by_more_than_one_cell_has_no_zero_point() {
    let zero: &[u8] = b"\x42\x05zero0\x4a\x01\x00";
    let at = MODEL.windows(zero.len()).position(|bytes| bytes == zero).expect("the zero point that ReLUs share");
    let mut bytes = MODEL.to_vec();
    bytes[at + zero.len() - 1] = 3;
    let refused = Program::read(&bytes, Kernel::best()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("of what has a zero point of 3, expected 0"), "{refused}");
}

/// ONNX Runtime's scores of 100 pictures and ours differ by one step of 255 at most.
#[test]
fn parity_with_onnx_runtime() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (python, data) = (root.join("target/bench-peer/bin/python"), root.join("../shared/data"));
    if !python.exists() || !data.exists() {
        println!(
            "parity_with_onnx_runtime: not run: needs target/bench-peer (scripts/bench makes it) and ../shared/data"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let done = std::process::Command::new(python)
        .arg(root.join("models/train/parity.py"))
        .arg(folder.path())
        .arg("--data")
        .arg(data)
        .status()
        .expect("python runs");
    assert!(done.success(), "parity.py");
    let shape = Size::new(640, 384);
    let pictures = std::fs::read(folder.path().join("pictures.rgb")).expect("pictures");
    let logits = std::fs::read(folder.path().join("logits.f32")).expect("logits");
    let theirs = logits.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")));
    let theirs: Vec<f32> = theirs.collect();
    let program = Arc::new(Program::read(MODEL, Kernel::best()).expect("quantised"));
    let mut runner = Runner::new(program, shape, 1);
    let (mut count, mut differ, mut furthest) = (0, 0, 0.0_f32);
    let each = shape.area() / (SCORE_CELL * SCORE_CELL) * 2;
    for (picture, theirs) in pictures.chunks_exact(shape.area() * 3).zip(theirs.chunks_exact(each)) {
        for (row, line) in runner.pixels().zip(picture.chunks_exact(shape.width * 3)) {
            for (cell, rgb) in row.chunks_exact_mut(4).zip(line.chunks_exact(3)) {
                cell[..3].copy_from_slice(rgb);
            }
        }
        let ours = runner.run().expect("run");
        for (ours, theirs) in ours.iter().zip(theirs) {
            let score = |logit: f32| 255.0 / (1.0 + (-logit).exp());
            let off = (score(*ours) - score(*theirs)).abs();
            differ += usize::from(off > 0.5);
            furthest = furthest.max(off);
        }
        count += 1;
    }
    println!(
        "parity_with_onnx_runtime: {count} pictures, furthest {furthest} of 255, {differ} scores off by over a half"
    );
    assert_eq!(count, 100);
    assert!(furthest <= 1.0, "a score is {furthest} of 255 from ONNX Runtime's");
}
