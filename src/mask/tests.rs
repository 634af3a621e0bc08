//! The mask on evidence from real detector runs, and paint on random pixels.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::base::geometry::CELL;
use crate::base::{Chroma, ChromaMut, FramePool, Grid, Layout, Shape};
use crate::detect::{self, Detector};

const SIZE: Size = Size::new(160, 96);

fn detector(size: Size) -> Detector {
    let model = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/bright.onnx")));
    let mut detector = Detector::load(&detect::Settings { model, passes: 1, threads: 1 }).expect("a test network");
    detector.prepare(size).expect("prepared");
    detector
}

/// A frame whose samples are `value(plane, x, y)`.
fn drawn(size: Size, layout: Layout, at: u64, value: impl Fn(usize, usize, usize) -> u8) -> RawFrame {
    let mut frame = FramePool::new(Shape::packed(size, layout).aligned(32), 1).take(at, Micros::from_ms(at * 100));
    let (mut luma, chroma) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = value(0, x, y));
    }
    match chroma {
        ChromaMut::I420(mut u, mut v) => {
            for (plane, samples) in [(1, &mut u), (2, &mut v)] {
                for (y, row) in samples.rows().enumerate() {
                    row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(plane, x, y));
                }
            }
        }
        ChromaMut::Nv12(mut uv) => {
            for (y, row) in uv.rows().enumerate() {
                row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(1 + x % 2, x / 2, y));
            }
        }
    }
    frame
}

/// Dark, with a bright block of 16 px whose corner is `spot`.
fn with_spot(at: u64, spot: Option<(usize, usize)>) -> RawFrame {
    drawn(SIZE, Layout::I420, at, |plane, x, y| match (plane, spot) {
        (0, Some((left, top))) if (left..left + 16).contains(&x) && (top..top + 16).contains(&y) => 235,
        (0, _) => 20 + u8::try_from((x + y) % 8).expect("small"),
        _ => 128,
    })
}

fn covered_cells(before: &[u8], after: &RedactedFrame) -> Vec<(usize, usize)> {
    let grid = Grid::over(SIZE, CELL);
    let luma = after.luma();
    let changed = |column: usize, row: usize| {
        (0..CELL).any(|y| {
            (0..CELL).any(|x| {
                let (x, y) = (column * CELL + x, row * CELL + y);
                luma.row(y)[x] != before[y * SIZE.width + x]
            })
        })
    };
    (0..grid.rows)
        .flat_map(|row| (0..grid.columns).map(move |column| (column, row)))
        .filter(|&(column, row)| changed(column, row))
        .collect()
}

fn luma_of(frame: &RawFrame) -> Vec<u8> {
    frame.luma().rows().flatten().copied().collect()
}

#[test]
fn a_sighting_covers_its_cells_and_the_margin_and_nothing_else() {
    let mut detector = detector(SIZE);
    let mut mask = Mask::new(Settings { margin_px: 8, ..Settings::default() }, SIZE);
    let frame = with_spot(0, Some((64, 32)));
    let before = luma_of(&frame);
    let evidence = detector.examine(&frame);
    let redacted = redact(frame, evidence, &mut mask);
    // The spot is the cell (4, 2); 8 px of margin reach into the cells around it.
    let expected: Vec<_> = (1..=3).flat_map(|row| (3..=5).map(move |column| (column, row))).collect();
    assert_eq!(covered_cells(&before, &redacted), expected);
    assert_eq!(redacted.account().objects, 1);
    assert!((redacted.account().clear_fraction - 51.0 / 60.0).abs() < 1e-6);
}

#[test]
fn a_cell_stays_covered_for_the_hold_and_then_clears() {
    let mut detector = detector(SIZE);
    let mut mask = Mask::new(Settings { hold: Micros::from_ms(250), margin_px: 8, ..Settings::default() }, SIZE);
    let covered: Vec<usize> = (0..5)
        .map(|at| {
            let frame = with_spot(at, (at == 0).then_some((64, 32)));
            let before = luma_of(&frame);
            let evidence = detector.examine(&frame);
            covered_cells(&before, &redact(frame, evidence, &mut mask)).len()
        })
        .collect();
    assert_eq!(covered, [9, 9, 9, 0, 0], "frames are 100 ms apart");
}

#[test]
fn a_jump_of_the_clock_gives_one_slate_and_then_goes_on() {
    let mut detector = detector(SIZE);
    let mut mask = Mask::new(Settings::default(), SIZE);
    let mut states = Vec::new();
    for (sequence, ms) in [(0, 1000), (1, 1033), (2, 5), (3, 38)] {
        let mut frame = with_spot(sequence, None);
        frame.stamp(sequence, Micros::from_ms(ms));
        let evidence = detector.examine(&frame);
        states.push(redact(frame, evidence, &mut mask).account().state);
    }
    assert_eq!(states, [State::Redacted, State::Redacted, State::Slate(Fault::ClockBack), State::Redacted]);
}

#[test]
fn a_slate_has_few_blocks_and_says_why() {
    let size = Size::new(640, 360);
    let mut mask = Mask::new(Settings::default(), size);
    let frame = drawn(
        size,
        Layout::Nv12,
        0,
        |plane, x, y| if plane == 0 { u8::try_from((x * y) % 251).unwrap_or(0) } else { 90 },
    );
    let redacted = redact(frame, Err(Fault::EvidenceMissing), &mut mask);
    let luma = redacted.luma();
    let mut blocks = std::collections::BTreeSet::new();
    for y in 64..size.height {
        for x in 0..size.width {
            let corner = (x / 32 * 32, y / 32 * 32);
            blocks.insert(corner);
            assert_eq!(luma.row(y)[x], luma.row(corner.1)[corner.0], "block {corner:?} has one colour");
            assert_eq!(luma.row(y)[x] & 15, 8, "4 bits");
        }
    }
    assert!(blocks.len() <= 32 * 18);
    let ink = (0..44).flat_map(|y| luma.row(y).iter()).filter(|&&pixel| pixel == 216).count();
    assert!(ink > 16 * 40, "the caption is there: {ink} pixels of ink");
}

/// Cells of a small picture, covered or not.
fn cells() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(any::<bool>(), Grid::over(SIZE, CELL).cells())
}

fn noise(seed: u64, plane: usize, x: usize, y: usize) -> u8 {
    let mut state = seed ^ ((plane as u64) << 40) ^ ((x as u64) << 20) ^ y as u64;
    state = state.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^= state >> 29;
    state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    u8::try_from(state >> 56).unwrap_or(0)
}

fn samples(frame: &RawFrame) -> Vec<u8> {
    let mut all = luma_of(frame);
    match frame.chroma() {
        Chroma::I420(u, v) => u.rows().chain(v.rows()).for_each(|row| all.extend_from_slice(row)),
        Chroma::Nv12(uv) => uv.rows().for_each(|row| all.extend_from_slice(row)),
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In `solid` the output says nothing about what is covered.
    #[test]
    fn frames_that_differ_only_under_cover_come_out_the_same(
        covered in cells(),
        seeds in any::<(u64, u64)>(),
        nv12 in any::<bool>(),
    ) {
        let layout = if nv12 { Layout::Nv12 } else { Layout::I420 };
        let grid = Grid::over(SIZE, CELL);
        let under = |plane: usize, x: usize, y: usize| {
            let side = if plane == 0 { CELL } else { CELL / 2 };
            covered[grid.index(x / side, y / side)]
        };
        let mut painted = [seeds.0, seeds.1].map(|seed| {
            drawn(SIZE, layout, 0, |plane, x, y| noise(if under(plane, x, y) { seed } else { 7 }, plane, x, y))
        });
        let untouched = samples(&drawn(SIZE, layout, 0, |plane, x, y| noise(7, plane, x, y)));
        let mut painter = Painter::new(SIZE);
        for frame in &mut painted {
            painter.cover(frame, &covered, Paint::Solid);
        }
        prop_assert_eq!(samples(&painted[0]), samples(&painted[1]));
        let luma = luma_of(&painted[0]);
        for (index, (&after, &before)) in luma.iter().zip(&untouched).enumerate() {
            prop_assert!(under(0, index % SIZE.width, index / SIZE.width) || after == before, "clear pixel {} changed", index);
        }
    }

    /// In `mosaic` no block is smaller than a fifth of its region's shorter side, nor finer than 4 bits.
    #[test]
    fn a_mosaic_is_coarse(width in 1_usize..=10, height in 1_usize..=6, seed in any::<u64>()) {
        let grid = Grid::over(SIZE, CELL);
        let covered: Vec<bool> =
            (0..grid.cells()).map(|cell| cell % grid.columns < width && cell / grid.columns < height).collect();
        let mut frame = drawn(SIZE, Layout::I420, 0, |plane, x, y| noise(seed, plane, x, y));
        Painter::new(SIZE).cover(&mut frame, &covered, Paint::Mosaic);
        let side = width.min(height).div_ceil(5) * CELL;
        for y in 0..height * CELL {
            for x in 0..width * CELL {
                let pixel = frame.luma().row(y)[x];
                prop_assert_eq!(pixel, frame.luma().row(y / side * side)[x / side * side]);
                prop_assert_eq!(pixel & 15, 8);
            }
        }
    }
}
