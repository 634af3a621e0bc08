//! Paints wrongly on purpose and shows that coverage sees it.

use super::*;
use crate::base::{ChromaMut, FramePool, Layout, Micros, RawFrame, Shape};

const PAINT: [u8; 3] = [90, 120, 140];
/// A solid region of two by two cells.
const REGION: Rect = Rect::new(16, 16, 32, 32);

fn picture(frame: &RawFrame) -> Picture<'_> {
    Picture { luma: frame.luma(), chroma: frame.chroma() }
}

/// A textured scene; no luma sample has the paint's value.
fn scene(size: Size, layout: Layout) -> RawFrame {
    let pool = FramePool::new(Shape::packed(size, layout).aligned(8), 1);
    let mut frame = pool.take(0, Micros(0));
    let texture = |x: usize, y: usize| u8::try_from((x * 37 + y * 101 + x * y * 7) % 64).unwrap() + 150;
    let (mut luma, chroma) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        row.iter_mut().enumerate().for_each(|(x, sample)| *sample = texture(x, y));
    }
    let fill = |mut plane: crate::base::PlaneMut<'_>| {
        for (y, row) in plane.rows().enumerate() {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = texture(x + 3, y) - 100);
        }
    };
    match chroma {
        ChromaMut::I420(u, v) => {
            fill(u);
            fill(v);
        }
        ChromaMut::Nv12(uv) => fill(uv),
    }
    frame
}

fn put_luma(frame: &mut RawFrame, rect: Rect, value: u8) {
    let (mut luma, _) = frame.planes_mut();
    for y in rect.y..rect.bottom() {
        luma.row(y)[rect.x..rect.right()].fill(value);
    }
}

/// Paints chroma; `rect` in chroma samples.
fn put_chroma(frame: &mut RawFrame, rect: Rect, values: [u8; 2]) {
    match frame.planes_mut().1 {
        ChromaMut::I420(mut u, mut v) => {
            for y in rect.y..rect.bottom() {
                u.row(y)[rect.x..rect.right()].fill(values[0]);
                v.row(y)[rect.x..rect.right()].fill(values[1]);
            }
        }
        ChromaMut::Nv12(mut uv) => {
            for y in rect.y..rect.bottom() {
                uv.row(y)[2 * rect.x..2 * rect.right()]
                    .chunks_exact_mut(2)
                    .for_each(|pair| pair.copy_from_slice(&values));
            }
        }
    }
}

fn half(rect: Rect) -> Rect {
    Rect::new(rect.x / 2, rect.y / 2, rect.width.div_ceil(2), rect.height.div_ceil(2))
}

fn put(frame: &mut RawFrame, rect: Rect) {
    put_luma(frame, rect, PAINT[0]);
    put_chroma(frame, half(rect), [PAINT[1], PAINT[2]]);
}

fn derive(source: &RawFrame, sent: &RawFrame) -> Vec<u8> {
    Coverage::new(source.size()).derive(picture(source), picture(sent), COVERED).to_vec()
}

/// The pixels of `REGION` that are clear, as seen in a 64x64 scene painted by `paint`; outside it nothing may be covered.
fn clear_in_region(paint: impl Fn(&mut RawFrame)) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for layout in [Layout::I420, Layout::Nv12] {
        let size = Size::new(64, 64);
        let source = scene(size, layout);
        let mut sent = scene(size, layout);
        paint(&mut sent);
        let mask = derive(&source, &sent);
        let mut clear = Vec::new();
        for (index, &value) in mask.iter().enumerate() {
            let (x, y) = (index % 64, index / 64);
            if (REGION.x..REGION.right()).contains(&x) && (REGION.y..REGION.bottom()).contains(&y) {
                if value == CLEAR {
                    clear.push((x, y));
                }
            } else {
                assert_eq!(value, CLEAR, "({x}, {y}) outside the region");
            }
        }
        if layout == Layout::Nv12 {
            assert_eq!(clear, found, "the layouts agree");
        }
        found = clear;
    }
    found
}

/// Puts back what the scene had at these luma samples.
fn unpaint(frame: &mut RawFrame, rect: Rect) {
    let layout = frame.shape().layout;
    let source = scene(frame.size(), layout);
    let (mut luma, _) = frame.planes_mut();
    for y in rect.y..rect.bottom() {
        luma.row(y)[rect.x..rect.right()].copy_from_slice(&source.luma().row(y)[rect.x..rect.right()]);
    }
}

#[test]
fn a_well_painted_region_is_covered_to_the_pixel() {
    assert_eq!(clear_in_region(|sent| put(sent, REGION)), []);
}

#[test]
fn one_pixel_left_is_seen() {
    let seen = clear_in_region(|sent| {
        put(sent, REGION);
        unpaint(sent, Rect::new(21, 30, 1, 1));
    });
    assert_eq!(seen, [(21, 30)]);
}

#[test]
fn one_row_left_is_seen() {
    let seen = clear_in_region(|sent| {
        put(sent, REGION);
        unpaint(sent, Rect::new(16, 47, 32, 1));
    });
    assert_eq!(seen, (16..48).map(|x| (x, 47)).collect::<Vec<_>>());
}

#[test]
fn paint_shifted_by_one_is_seen() {
    let size = Size::new(64, 64);
    let (source, mut sent) = (scene(size, Layout::I420), scene(size, Layout::I420));
    put_luma(&mut sent, Rect::new(17, 16, 32, 32), PAINT[0]);
    put_chroma(&mut sent, half(Rect::new(16, 16, 34, 32)), [PAINT[1], PAINT[2]]);
    let mask = derive(&source, &sent);
    for y in 16..48 {
        assert_eq!([mask[y * 64 + 16], mask[y * 64 + 17], mask[y * 64 + 48], mask[y * 64 + 49]], [0, 255, 255, 0]);
    }
}

#[test]
fn one_cell_skipped_is_seen() {
    let seen = clear_in_region(|sent| {
        put(sent, Rect::new(16, 16, 32, 16));
        put(sent, Rect::new(32, 32, 16, 16));
    });
    assert_eq!(seen, (32..48).flat_map(|y| (16..32).map(move |x| (x, y))).collect::<Vec<_>>());
}

#[test]
fn chroma_left_raw_is_seen_in_either_plane_and_whole() {
    let everything: Vec<_> = (16..48).flat_map(|y| (16..48).map(move |x| (x, y))).collect();
    assert_eq!(clear_in_region(|sent| put_luma(sent, REGION, PAINT[0])), everything);
    // Only the chroma: the luma shows the person.
    assert_eq!(clear_in_region(|sent| put_chroma(sent, half(REGION), [PAINT[1], PAINT[2]])), everything);
}

#[test]
fn one_chroma_sample_left_shows_its_four_pixels() {
    let seen = clear_in_region(|sent| {
        put(sent, REGION);
        let source = scene(Size::new(64, 64), sent.shape().layout);
        let (u, v) = match source.chroma() {
            Chroma::I420(u, v) => (u.row(10)[12], v.row(10)[12]),
            Chroma::Nv12(uv) => (uv.row(10)[24], uv.row(10)[25]),
        };
        put_chroma(sent, Rect::new(12, 10, 1, 1), [u, v]);
    });
    assert_eq!(seen, [(24, 20), (25, 20), (24, 21), (25, 21)]);
}

#[test]
fn a_chance_of_equal_values_under_paint_is_no_leak() {
    let size = Size::new(64, 64);
    for layout in [Layout::I420, Layout::Nv12] {
        let (mut source, mut sent) = (scene(size, layout), scene(size, layout));
        // One sample, one 4 x 4 block and a whole cell's chroma happen to have the paint's values.
        put_luma(&mut source, Rect::new(21, 30, 1, 1), PAINT[0]);
        put_luma(&mut source, Rect::new(36, 36, 4, 4), PAINT[0]);
        put_chroma(&mut source, half(Rect::new(16, 16, 16, 16)), [PAINT[1], PAINT[2]]);
        put(&mut sent, REGION);
        assert_eq!(derive(&source, &sent).iter().filter(|&&value| value == COVERED).count(), 32 * 32);
    }
}

#[test]
fn a_grey_scene_under_grey_paint_is_covered_but_flat_chroma_beside_raw_chroma_is_not() {
    let size = Size::new(64, 64);
    let whole = Rect::new(0, 0, 32, 32);
    let (mut source, mut sent) = (scene(size, Layout::I420), scene(size, Layout::I420));
    put_chroma(&mut source, whole, [128; 2]);
    put_chroma(&mut sent, whole, [128; 2]);
    put_luma(&mut sent, REGION, PAINT[0]);
    assert_eq!(derive(&source, &sent).iter().filter(|&&value| value == COVERED).count(), 32 * 32);
    // A gaudy shirt in one cell stays: now it shows that nobody painted the chroma, also of the flat cells around.
    let shirt = |frame: &mut RawFrame| put_chroma(frame, Rect::new(9, 9, 1, 1), [40, 200]);
    shirt(&mut source);
    shirt(&mut sent);
    assert_eq!(derive(&source, &sent).iter().filter(|&&value| value == COVERED).count(), 0);
}

#[test]
fn odd_sizes_and_slates_reach_the_last_pixel() {
    for layout in [Layout::I420, Layout::Nv12] {
        for size in [Size::new(37, 19), Size::new(1, 1), Size::new(16, 33)] {
            let (source, mut sent) = (scene(size, layout), scene(size, layout));
            let mut coverage = Coverage::new(size);
            assert!(coverage.derive(picture(&source), picture(&sent), SLATE).iter().all(|&value| value == CLEAR));
            put(&mut sent, Rect::new(0, 0, size.width, size.height));
            assert!(coverage.derive(picture(&source), picture(&sent), SLATE).iter().all(|&value| value == SLATE));
            unpaint(&mut sent, Rect::new(size.width - 1, size.height - 1, 1, 1));
            let mask = coverage.derive(picture(&source), picture(&sent), SLATE);
            assert_eq!((mask.last(), mask.iter().filter(|&&value| value == CLEAR).count()), (Some(&CLEAR), 1));
        }
    }
}

#[test]
fn mosaic_of_any_alignment_is_covered() {
    let size = Size::new(64, 64);
    let (source, mut sent) = (scene(size, Layout::I420), scene(size, Layout::I420));
    for y in (16..48).step_by(6) {
        for x in (16..48).step_by(6) {
            let value = source.luma().row(y)[x];
            let rect = Rect::new(x, y, 6.min(48 - x), 6.min(48 - y));
            put_luma(&mut sent, rect, value);
            put_chroma(&mut sent, half(rect), [value / 2, value / 3]);
        }
    }
    let mask = derive(&source, &sent);
    assert_eq!(mask.iter().filter(|&&value| value == COVERED).count(), 32 * 32);
}
