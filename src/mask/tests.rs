//! The mask on evidence from real detector runs, and paint on random pixels.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::base::geometry::CELL;
use crate::base::{Chroma, ChromaMut, FramePool, Grid, Layout, Shape};
use crate::detect::{self, Detector};
use crate::track::Follower;

const SIZE: Size = Size::new(160, 96);

fn detector(size: Size) -> Detector {
    let model = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/bright.onnx")));
    let mut detector =
        Detector::load(&detect::Settings { model, passes: 1, ..detect::Settings::default() }).expect("a test network");
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

/// Ground with texture to follow, shown `shift` pixels further left in each frame, with or without the bright block.
fn ground(at: u64, shift: usize, spot: Option<(usize, usize)>) -> RawFrame {
    drawn(SIZE, Layout::I420, at, |plane, x, y| match (plane, spot) {
        (0, Some((left, top))) if (left..left + 16).contains(&x) && (top..top + 16).contains(&y) => 235,
        (0, _) => 20 + noise(5, 0, (x + shift * usize::try_from(at).expect("few")) / 8, y / 8) / 6,
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

/// A stream in the mask's hands: follows each frame, examines those it is told to, and redacts one at a time.
struct Stream {
    detector: Detector,
    follower: Follower,
    mask: Mask,
    waiting: Vec<(RawFrame, Result<Ground, Fault>)>,
}

impl Stream {
    fn new(settings: &Settings) -> Self {
        let (detector, follower) = (detector(SIZE), Follower::new(SIZE, 8));
        Self { detector, follower, mask: Mask::new(settings, SIZE), waiting: Vec::new() }
    }

    /// A frame comes, with a pass over it or without.
    fn come(&mut self, frame: RawFrame, examined: bool) {
        let ground = self.follower.follow(&frame);
        if let Ok(ground) = &ground {
            self.mask.follow(ground);
        }
        if examined {
            let evidence = self.detector.examine(&frame);
            self.mask.examined(evidence);
        }
        self.waiting.push((frame, ground));
    }

    /// The oldest frame goes; its covered cells and its account.
    fn go(&mut self) -> (Vec<(usize, usize)>, Account) {
        let (frame, ground) = self.waiting.remove(0);
        let before = luma_of(&frame);
        let redacted = redact(frame, ground, None, &mut self.mask);
        (covered_cells(&before, &redacted), redacted.account())
    }
}

/// Without tracks and motion witness, which see the changes that these tests make on purpose.
fn scores() -> Settings {
    Settings { parts: Parts::STILL, ..Settings::default() }
}

#[test]
fn a_sighting_covers_its_cells_and_the_margin_and_nothing_else() {
    let mut stream = Stream::new(&Settings { margin_px: 8, ..scores() });
    stream.come(with_spot(0, Some((64, 32))), true);
    let (covered, account) = stream.go();
    // The spot is the cell (4, 2); 8 px of margin reach into the cells around it.
    let expected: Vec<_> = (1..=3).flat_map(|row| (3..=5).map(move |column| (column, row))).collect();
    assert_eq!(covered, expected);
    assert_eq!(account.objects, 1);
    assert!((account.clear_fraction - 51.0 / 60.0).abs() < 1e-6);
}

#[test]
fn who_walks_in_between_two_passes_is_covered_before_the_second_saw_them() {
    let mut stream = Stream::new(&scores());
    for at in 0..3 {
        stream.come(ground(at, 0, (at > 0).then_some((64, 32))), at != 1);
    }
    let gone: Vec<_> = (0..3).map(|_| stream.go()).collect();
    for (at, (covered, account)) in gone.iter().enumerate() {
        assert_eq!(account.state, State::Redacted, "{at}");
        assert!(covered.contains(&(4, 2)) && covered.len() <= 4, "{at}: {covered:?}");
    }
    assert_eq!(gone[1].1.evidence_age, Micros::from_ms(100));
}

#[test]
fn a_frame_without_a_pass_on_either_side_is_a_slate() {
    let mut stream = Stream::new(&scores());
    for at in 0..4 {
        stream.come(ground(at, 0, None), at == 1 || at == 2);
    }
    let states: Vec<_> = (0..4).map(|_| stream.go().1.state).collect();
    let (missing, late) = (State::Slate(Fault::EvidenceMissing), State::Slate(Fault::EvidenceLate));
    assert_eq!(states, [missing, State::Redacted, State::Redacted, late]);
}

#[test]
fn without_look_ahead_a_pass_before_is_enough_until_it_is_stale() {
    let mut stream = Stream::new(&Settings { lookahead: Micros(0), ..scores() });
    let states: Vec<_> = (0..8)
        .map(|at| {
            stream.come(ground(at, 0, None), at == 0);
            stream.go().1.state
        })
        .collect();
    assert!(states[..=5].iter().all(|&state| state == State::Redacted), "{states:?}");
    assert_eq!(states[6..], [State::Slate(Fault::EvidenceStale); 2], "frames are 100 ms apart");
}

#[test]
fn a_sighting_is_kept_for_the_hold_and_then_clears() {
    let mut stream = Stream::new(&Settings { hold: Micros::from_ms(250), ..scores() });
    let covered: Vec<usize> = (0..5)
        .map(|at| {
            stream.come(ground(at, 0, (at == 0).then_some((64, 32))), true);
            stream.go().0.len()
        })
        .collect();
    assert_eq!(covered, [2, 2, 2, 0, 0], "its cell and the one above; frames are 100 ms apart");
}

#[test]
fn between_passes_over_a_flat_picture_nobody_knows_how_the_camera_moved() {
    let mut stream = Stream::new(&scores());
    for at in 0..3 {
        stream.come(drawn(SIZE, Layout::I420, at, |_, _, _| 90), at != 1);
    }
    let states: Vec<_> = (0..3).map(|_| stream.go().1.state).collect();
    assert_eq!(states, [State::Redacted, State::Slate(Fault::MotionUnknown), State::Redacted]);
}

#[test]
fn a_frame_that_is_dropped_after_it_was_followed_breaks_no_hold() {
    // Whom the passes over the first two frames saw, all later ones miss; the camera pans on.
    let settings = Settings { hold: Micros::from_ms(450), ..scores() };
    let mut covered = [false, true].map(|handed_on| {
        let mut stream = Stream::new(&settings);
        (0..2).for_each(|at| stream.come(ground(at, 2, Some((64, 32))), true));
        let dropped = stream.follower.follow(&ground(2, 2, None)).unwrap();
        let frame = ground(3, 2, None);
        let mut followed = stream.follower.follow(&frame).unwrap();
        if handed_on {
            followed = followed.with_dropped(&dropped);
            assert_eq!(followed.after(), Some(1));
        }
        stream.mask.follow(&followed);
        let evidence = stream.detector.examine(&frame);
        stream.mask.examined(evidence);
        stream.waiting.push((frame, Ok(followed)));
        (0..2).for_each(|_| drop(stream.go()));
        stream.go().0
    });
    assert!(covered[0].is_empty(), "{covered:?}");
    covered[1].retain(|&(column, row)| (3..=4).contains(&column) && (1..=2).contains(&row));
    assert!(!covered[1].is_empty(), "what was seen is held where it has come to");
}

#[test]
fn before_a_cut_nobody_knows_where_the_tracks_are() {
    // The last frame before the cut has its own pass, which has missed whom the one before it saw.
    let mut stream = Stream::new(&Settings { parts: Parts { witness: false, ..Parts::ALL }, ..Settings::default() });
    let cut = |at| drawn(SIZE, Layout::I420, at, |plane, x, y| noise(99, plane, x / 8, y / 8));
    (0..4).for_each(|at| stream.come(ground(at, 0, (at < 3).then_some((64, 32))), true));
    stream.come(cut(4), true);
    let states: Vec<_> = (0..5).map(|_| stream.go().1.state).collect();
    assert_eq!(states[3..], [State::Slate(Fault::MotionUnknown), State::Redacted]);
}

#[test]
fn a_hold_that_holds_more_passes_than_are_kept_is_a_slate() {
    let mut stream = Stream::new(&Settings { hold: Micros::from_ms(1000), ..scores() });
    let come = |stream: &mut Stream, at: u64, ms: u64| {
        let mut frame = ground(0, 0, (at == 0).then_some((64, 32)));
        frame.stamp(at, Micros::from_ms(ms));
        stream.come(frame, true);
        stream.go()
    };
    // 30 passes a second fit, and the first stays covered for its second.
    for at in 0..30 {
        assert_eq!(come(&mut stream, at, 33 * at).0.len(), 2, "{at}");
    }
    // 200 a second do not.
    let states: Vec<_> = (0..100).map(|at| come(&mut stream, 30 + at, 2000 + 5 * at).1.state).collect();
    assert_eq!((states[0], states[99]), (State::Redacted, State::Slate(Fault::EvidenceMissing)));
}

#[test]
fn a_pan_covers_what_no_pass_has_seen_and_a_faster_one_all() {
    // 8 px a frame: of the frame between the passes, a column of cells lies outside each.
    let pan = |settings: &Settings| {
        let mut stream = Stream::new(settings);
        (0..3).for_each(|at| stream.come(ground(at, 8, None), at != 1));
        stream.go();
        stream.go()
    };
    let (covered, account) = pan(&scores());
    assert_eq!(account.state, State::Redacted);
    for row in 0..6 {
        assert!(covered.contains(&(0, row)) && covered.contains(&(9, row)), "{covered:?}");
    }
    assert!(!covered.contains(&(4, 3)), "{covered:?}");
    let fast = Settings { pan_max: 0.04, ..scores() };
    let (_, account) = pan(&fast);
    assert_eq!(account.state, State::Slate(Fault::MotionFast));
    // A frame with a pass of its own needs no other, but what another saw is held at any speed.
    let mut stream = Stream::new(&fast);
    (0..2).for_each(|at| stream.come(ground(at, 8, (at == 0).then_some((64, 32))), true));
    stream.go();
    let (covered, account) = stream.go();
    assert_eq!(account.state, State::Redacted);
    assert!(covered.contains(&(3, 2)), "{covered:?}");
}

#[test]
fn what_moves_is_covered_whatever_the_network_says() {
    let settings = Settings { parts: Parts { scores: false, ..Parts::ALL }, ..Settings::default() };
    let mut stream = Stream::new(&settings);
    let covered: Vec<_> = (0..6)
        .map(|at| {
            let walker = (32 + 4 * usize::try_from(at).expect("few"), 40);
            stream.come(ground(at, 0, Some(walker)), true);
            stream.go().0
        })
        .collect();
    assert_eq!(covered[0].len(), 60, "nothing to compare with");
    for (at, covered) in covered.iter().enumerate().skip(3) {
        let column = (32 + 4 * at + 12) / CELL;
        assert!(covered.contains(&(column, 2)) && covered.contains(&(column, 3)), "{at}: {covered:?}");
        assert!(covered.len() < 20, "{at}: {covered:?}");
    }
}

#[test]
fn a_jump_of_the_clock_gives_one_slate_and_then_goes_on() {
    let mut stream = Stream::new(&scores());
    let mut states = Vec::new();
    for (sequence, ms) in [(0, 1000), (1, 1033), (2, 5), (3, 38)] {
        let mut frame = ground(sequence, 0, None);
        frame.stamp(sequence, Micros::from_ms(ms));
        if sequence == 2 {
            stream.mask.forget();
        }
        stream.come(frame, true);
        states.push(stream.go().1.state);
    }
    assert_eq!(states, [State::Redacted, State::Redacted, State::Slate(Fault::ClockBack), State::Redacted]);
}

#[test]
fn a_slate_has_few_blocks_and_says_why() {
    let size = Size::new(640, 360);
    let mut mask = Mask::new(&Settings::default(), size);
    let frame = drawn(
        size,
        Layout::Nv12,
        0,
        |plane, x, y| if plane == 0 { u8::try_from((x * y) % 251).unwrap_or(0) } else { 90 },
    );
    let redacted = redact(frame, Err(Fault::EvidenceMissing), None, &mut mask);
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
    #![proptest_config(ProptestConfig::with_cases(10_000))]

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
            painter.cover(frame, &covered, Paint::Solid, true);
        }
        prop_assert_eq!(samples(&painted[0]), samples(&painted[1]));
        let luma = luma_of(&painted[0]);
        for (index, (&after, &before)) in luma.iter().zip(&untouched).enumerate() {
            prop_assert!(under(0, index % SIZE.width, index / SIZE.width) || after == before, "clear pixel {} changed", index);
        }
        // Nor does it once the governor has coarsened it, which would let what is hidden bleed into what is clear.
        let mut governor = Governor::new(SIZE, &density::Settings { max_px_per_m: 5.0, ..density::Settings::default() });
        prop_assert!(governor.plan(None, Micros(0)).governed);
        for frame in &mut painted {
            let (luma, chroma) = frame.planes_mut();
            governor.apply(luma, chroma);
            painter.finish(frame, Paint::Solid);
        }
        prop_assert_eq!(samples(&painted[0]), samples(&painted[1]));
        // What is sent is black, and at once where nothing is governed.
        let mut at_once = drawn(SIZE, layout, 0, |plane, x, y| noise(seeds.0, plane, x, y));
        painter.cover(&mut at_once, &covered, Paint::Solid, false);
        for (index, pixels) in luma_of(&painted[0]).iter().zip(luma_of(&at_once)).enumerate() {
            let hidden = under(0, index % SIZE.width, index / SIZE.width);
            prop_assert!(!hidden || pixels == (&16, 16), "pixel {} is not black", index);
        }
    }

    /// In `mosaic` they differ only in means of 4 bits, one to a cell at the finest, and nowhere in what is clear.
    #[test]
    fn frames_that_differ_only_under_cover_differ_in_quantised_means_alone(
        covered in cells(),
        seeds in any::<(u64, u64)>(),
    ) {
        let grid = Grid::over(SIZE, CELL);
        let under = |plane: usize, x: usize, y: usize| {
            let side = if plane == 0 { CELL } else { CELL / 2 };
            covered[grid.index(x / side, y / side)]
        };
        let painted = [seeds.0, seeds.1].map(|seed| {
            let mut frame = drawn(SIZE, Layout::I420, 0, |plane, x, y| {
                noise(if under(plane, x, y) { seed } else { 7 }, plane, x, y)
            });
            Painter::new(SIZE).cover(&mut frame, &covered, Paint::Mosaic, false);
            frame
        });
        for y in 0..SIZE.height {
            for x in 0..SIZE.width {
                let pixels = painted.each_ref().map(|frame| frame.luma().row(y)[x]);
                if under(0, x, y) {
                    let corners = painted.each_ref().map(|frame| frame.luma().row(y / CELL * CELL)[x / CELL * CELL]);
                    prop_assert_eq!(pixels, corners);
                    prop_assert_eq!(pixels.map(|pixel| pixel & 15), [8, 8]);
                } else {
                    prop_assert_eq!(pixels[0], pixels[1]);
                }
            }
        }
    }

    /// In `mosaic` no block is smaller than a fifth of its region's shorter side, nor finer than 4 bits.
    #[test]
    fn a_mosaic_is_coarse(width in 1_usize..=10, height in 1_usize..=6, seed in any::<u64>()) {
        let grid = Grid::over(SIZE, CELL);
        let covered: Vec<bool> =
            (0..grid.cells()).map(|cell| cell % grid.columns < width && cell / grid.columns < height).collect();
        let mut frame = drawn(SIZE, Layout::I420, 0, |plane, x, y| noise(seed, plane, x, y));
        let mut painter = Painter::new(SIZE);
        painter.cover(&mut frame, &covered, Paint::Mosaic, true);
        let once = frame.luma().data.to_vec();
        painter.finish(&mut frame, Paint::Mosaic);
        prop_assert!(once == frame.luma().data, "painted again it looks the same");
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
