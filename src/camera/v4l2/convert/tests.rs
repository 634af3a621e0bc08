//! Pictures in buffers that are as they should be, padded, short and empty.

use super::*;
use crate::base::{Chroma, FramePool, Micros, Plane, Shape};

/// Bytes that look like nothing in particular.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

fn bytes(plane: Plane<'_>) -> Vec<u8> {
    plane.rows().flatten().copied().collect()
}

/// Converts a picture whose memory planes have rows of `strides` bytes; `pool` rows start at multiples of `align`.
fn filled(
    coding: Coding,
    size: Size,
    strides: &[usize],
    memories: [&[u8]; PLANES],
    align: usize,
) -> Result<Vec<Vec<u8>>, Torn> {
    let plan = Plan::new(coding, size, strides).unwrap();
    let mut frame = FramePool::new(Shape::packed(size, coding.layout()).aligned(align), 1).take(0, Micros(0));
    Converter::new(coding, size, plan).fill(memories, &mut frame)?;
    Ok(match frame.chroma() {
        Chroma::I420(u, v) => vec![bytes(frame.luma()), bytes(u), bytes(v)],
        Chroma::Nv12(pairs) => vec![bytes(frame.luma()), bytes(pairs)],
    })
}

/// The picture bytes of a plane that was laid out with gaps.
fn cut(memory: &[u8], offset: usize, stride: usize, width: usize, rows: usize) -> Vec<u8> {
    (0..rows).flat_map(|row| memory[offset + row * stride..][..width].to_vec()).collect()
}

#[test]
fn rows_are_copied_as_they_are_whatever_their_padding() {
    let size = Size::new(34, 10);
    for align in [1, 32] {
        for stride in [34, 36, 64] {
            let memory = noise(stride * 15);
            let got = filled(Coding::Nv12, size, &[stride], [&memory, &[], &[]], align).unwrap();
            assert_eq!(got, [cut(&memory, 0, stride, 34, 10), cut(&memory, stride * 10, stride, 34, 5)]);
            let got = filled(Coding::I420, size, &[stride], [&memory, &[], &[]], align).unwrap();
            let half = stride / 2;
            let (u, v) = (stride * 10, stride * 10 + half * 5);
            assert_eq!(
                got,
                [cut(&memory, 0, stride, 34, 10), cut(&memory, u, half, 17, 5), cut(&memory, v, half, 17, 5)]
            );
            let (y, c) = (noise(stride * 10), noise(stride * 5));
            let got = filled(Coding::Nv12Split, size, &[stride, stride], [&y, &c, &[]], align).unwrap();
            assert_eq!(got, [cut(&y, 0, stride, 34, 10), cut(&c, 0, stride, 34, 5)]);
            let got = filled(Coding::I420Split, size, &[stride, 17, stride], [&y, &noise(85), &c], align).unwrap();
            assert_eq!(got, [cut(&y, 0, stride, 34, 10), noise(85), cut(&c, 0, stride, 17, 5)]);
        }
    }
}

/// YUYV in the plainest way: luma as it is, chroma the mean of two rows, rounded up.
fn plain_yuyv(memory: &[u8], size: Size, stride: usize) -> Vec<Vec<u8>> {
    let sample = |x: usize, y: usize, at: usize| memory[y * stride + 4 * x + at];
    let luma = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    let luma = luma.map(|(x, y)| sample(x / 2, y, 2 * (x % 2))).collect();
    let chroma = |at: usize| {
        let half = size.chroma();
        let all = (0..half.height).flat_map(|y| (0..half.width).map(move |x| (x, y)));
        all.map(|(x, y)| {
            let (top, bottom) = (sample(x, 2 * y, at), sample(x, (2 * y + 1).min(size.height - 1), at));
            u8::try_from((u16::from(top) + u16::from(bottom)).div_ceil(2)).unwrap()
        })
        .collect()
    };
    vec![luma, chroma(1), chroma(3)]
}

#[test]
fn yuyv_is_taken_apart_with_every_row_and_column() {
    // Widths on both sides of what vector code takes at once, odd ones, odd heights, padded rows, and a buffer that
    // ends with the picture instead of the row.
    for width in [16, 18, 31, 33, 64, 65, 130] {
        for height in [16, 17] {
            let size = Size::new(width, height);
            let row = 4 * size.chroma().width;
            for stride in [row, row + 20] {
                let memory = noise(stride * (height - 1) + row);
                let got = filled(Coding::Yuyv, size, &[stride], [&memory, &[], &[]], 1).unwrap();
                assert!(got == plain_yuyv(&memory, size, stride), "{size} {stride}");
                let got = filled(Coding::Yuyv, size, &[stride], [&memory, &[], &[]], 64).unwrap();
                assert!(got == plain_yuyv(&memory, size, stride), "{size} {stride}, padded frame");
            }
        }
    }
}

#[test]
fn a_byte_too_few_is_torn_in_every_format() {
    let size = Size::new(32, 16);
    for (coding, strides) in [
        (Coding::Nv12, &[32][..]),
        (Coding::Nv12Split, &[32, 32]),
        (Coding::I420, &[48]),
        (Coding::I420Split, &[32, 16, 24]),
        (Coding::Yuyv, &[80]),
    ] {
        let plan = Plan::new(coding, size, strides).unwrap();
        let whole: [Vec<u8>; PLANES] = std::array::from_fn(|memory| noise(plan.need(memory)));
        let all = whole.each_ref().map(Vec::as_slice);
        assert!(filled(coding, size, strides, all, 1).is_ok(), "{coding:?}");
        for memory in 0..coding.memories() {
            let mut short = all;
            short[memory] = &all[memory][..all[memory].len() - 1];
            assert_eq!(filled(coding, size, strides, short, 1), Err(Torn), "{coding:?}, memory {memory}");
            short[memory] = &[];
            assert_eq!(filled(coding, size, strides, short, 1), Err(Torn), "{coding:?}, memory {memory}");
        }
    }
}

#[test]
fn a_frame_of_another_size_or_layout_is_left_alone() {
    let plan = Plan::new(Coding::Nv12, Size::new(32, 16), &[32]).unwrap();
    let memory = noise(32 * 24);
    let mut converter = Converter::new(Coding::Nv12, Size::new(32, 16), plan);
    for (size, layout) in
        [(Size::new(32, 18), crate::base::Layout::Nv12), (Size::new(32, 16), crate::base::Layout::I420)]
    {
        let mut frame = FramePool::new(Shape::packed(size, layout), 1).take(0, Micros(0));
        assert_eq!(converter.fill([&memory, &[], &[]], &mut frame), Err(Torn));
    }
}

/// What a frame costs from the driver's buffer into the pool's frame, beside a plain copy of as many bytes. To be run
/// by hand: `cargo test --release --features v4l2 --lib cost -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and judges nothing"]
fn cost_of_a_frame() {
    const HD: Size = Size::new(1280, 720);
    let cpu_ms = |mut work: Box<dyn FnMut() + '_>| {
        let now = || {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            std::time::Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
        };
        (0..5).for_each(|_| work());
        // The best of several rounds: others work on this machine.
        let round = |_| {
            let start = now();
            (0..20).for_each(|_| work());
            (now() - start).as_secs_f64() * 1000.0 / 20.0
        };
        (0..15).map(round).fold(f64::INFINITY, f64::min)
    };
    println!("| Format, 1280x720 | Bytes | CPU-ms a frame | memcpy of as many, CPU-ms |\n|---|---|---|---|");
    let photo: Vec<u8> = (0..HD.area())
        .flat_map(|at| {
            let (x, y) = (at % HD.width, at / HD.width);
            let byte = |value: usize| value.to_le_bytes()[0];
            [byte(x * y / 4096 + x % 7), byte(x / 5 + y % 5 * 3), byte(y / 3 + (x ^ y) % 11)]
        })
        .collect();
    let mut jpegs = Vec::new();
    for sampling in [jpeg_encoder::SamplingFactor::R_4_2_2, jpeg_encoder::SamplingFactor::R_4_2_0] {
        let mut coded = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut coded, 85);
        encoder.set_sampling_factor(sampling);
        encoder.encode(&photo, 1280, 720, jpeg_encoder::ColorType::Rgb).unwrap();
        jpegs.push(coded);
    }
    type Case<'a> = (&'a str, Coding, &'a [usize], Option<&'a [u8]>);
    let cases: [Case<'_>; 8] = [
        ("NV12", Coding::Nv12, &[1280], None),
        ("NV12, rows of 1344", Coding::Nv12, &[1344], None),
        ("NM12", Coding::Nv12Split, &[1280, 1280], None),
        ("YU12", Coding::I420, &[1280], None),
        ("YM12", Coding::I420Split, &[1280, 640, 640], None),
        ("YUYV", Coding::Yuyv, &[2560], None),
        ("MJPG 4:2:2", Coding::Mjpeg, &[0], Some(&jpegs[0])),
        ("MJPG 4:2:0", Coding::Mjpeg, &[0], Some(&jpegs[1])),
    ];
    for (name, coding, strides, jpeg) in cases {
        let plan = Plan::new(coding, HD, strides).unwrap();
        let buffers: [Vec<u8>; PLANES] =
            std::array::from_fn(|memory| jpeg.map_or_else(|| noise(plan.need(memory)), <[u8]>::to_vec));
        let memories: [&[u8]; PLANES] =
            std::array::from_fn(|memory| if memory < coding.memories() { buffers[memory].as_slice() } else { &[] });
        let bytes: usize = memories.iter().map(|memory| memory.len()).sum();
        let mut frame = FramePool::new(Shape::packed(HD, coding.layout()), 1).take(0, Micros(0));
        let mut converter = Converter::new(coding, HD, plan);
        let cost = cpu_ms(Box::new(|| converter.fill(std::hint::black_box(memories), &mut frame).unwrap()));
        let (from, mut to) = (noise(bytes), vec![0; bytes]);
        let plain = cpu_ms(Box::new(|| std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from))));
        println!("| {name} | {bytes} | {cost:.3} | {plain:.3} |");
    }
}
