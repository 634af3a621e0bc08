//! A picture into the driver's buffer, in the driver's layout, and in limited range whatever it came in.
//!
//! The one copy between the redacted frame and the hardware. Only picture bytes are copied; what lies beside them in
//! the buffer stays as the driver made it. The hardware refuses full-range pictures (bcm2835-codec), and `rpicam-vid`
//! gives no others, so the range is changed on the way.

use super::node::Raw;
use crate::base::{Chroma, Layout, Plane};
use crate::encode::picture::Picture;

/// Luma of full range in limited range, to the nearest (ITU-T T.871 and Rec. 601).
const fn luma(full: u8) -> u8 {
    squeeze(full, 219)
}

/// Chroma likewise; 128 stays 128.
const fn chroma(full: u8) -> u8 {
    squeeze(full, 224)
}

#[expect(clippy::cast_possible_truncation, reason = "at most 16 + 224")]
const fn squeeze(full: u8, span: u16) -> u8 {
    (16 + (full as u16 * span + 127) / 255) as u8
}

/// Copies `picture` to `to`, which holds at least `raw` says.
pub(super) fn fill(picture: &Picture<'_>, raw: Raw, full_range: bool, to: &mut [u8]) {
    let (to_luma, to_chroma) = to.split_at_mut((raw.stride * raw.rows).min(to.len()));
    rows(picture.luma, to_luma, raw.stride, full_range.then_some(luma));
    let change = full_range.then_some(chroma as fn(u8) -> u8);
    let half = raw.stride / 2;
    match (picture.chroma, raw.layout) {
        (Chroma::I420(u, v), Layout::I420) => {
            let (to_u, to_v) = to_chroma.split_at_mut((half * (raw.rows / 2)).min(to_chroma.len()));
            rows(u, to_u, half, change);
            rows(v, to_v, half, change);
        }
        (Chroma::Nv12(pairs), Layout::Nv12) => rows(pairs, to_chroma, raw.stride, change),
        (Chroma::I420(u, v), Layout::Nv12) => {
            for ((u, v), row) in u.rows().zip(v.rows()).zip(to_chroma.chunks_mut(raw.stride)) {
                for ((&u, &v), pair) in u.iter().zip(v).zip(row.as_chunks_mut().0) {
                    *pair = if full_range { [chroma(u), chroma(v)] } else { [u, v] };
                }
            }
        }
        (Chroma::Nv12(pairs), Layout::I420) => {
            let (to_u, to_v) = to_chroma.split_at_mut((half * (raw.rows / 2)).min(to_chroma.len()));
            for ((row, to_u), to_v) in pairs.rows().zip(to_u.chunks_mut(half)).zip(to_v.chunks_mut(half)) {
                for ((&[u, v], to_u), to_v) in row.as_chunks().0.iter().zip(to_u).zip(to_v) {
                    (*to_u, *to_v) = if full_range { (chroma(u), chroma(v)) } else { (u, v) };
                }
            }
        }
    }
}

fn rows(plane: Plane<'_>, to: &mut [u8], stride: usize, change: Option<impl Fn(u8) -> u8>) {
    for (row, to) in plane.rows().zip(to.chunks_mut(stride)) {
        match (&change, to.get_mut(..row.len())) {
            (None, Some(to)) => to.copy_from_slice(row),
            (Some(change), Some(to)) => to.iter_mut().zip(row).for_each(|(to, &from)| *to = change(from)),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ChromaMut, FramePool, Micros, RawFrame, Shape, Size};

    /// Luma 10 and up, U 110, V 120 and up, by row.
    fn frame(layout: Layout) -> RawFrame {
        let mut frame = FramePool::new(Shape::packed(Size::new(6, 4), layout).aligned(8), 1).take(0, Micros(0));
        let (mut luma, chroma) = frame.planes_mut();
        let value = |base: u8, row: usize| base + u8::try_from(row).unwrap();
        luma.rows().enumerate().for_each(|(y, row)| row.fill(value(10, y)));
        match chroma {
            ChromaMut::I420(mut u, mut v) => {
                u.rows().enumerate().for_each(|(y, row)| row.fill(value(110, y)));
                v.rows().enumerate().for_each(|(y, row)| row.fill(value(120, y)));
            }
            ChromaMut::Nv12(mut pairs) => pairs.rows().enumerate().for_each(|(y, row)| {
                row.as_chunks_mut().0.fill([value(110, y), value(120, y)]);
            }),
        }
        frame
    }

    #[test]
    fn any_layout_goes_into_any_and_nothing_lies_beside_it() {
        for layout in [Layout::I420, Layout::Nv12] {
            let raw = Raw { layout, stride: 16, rows: 6 };
            let chroma: Vec<u8> = match layout {
                Layout::I420 => [110, 111, 0, 120, 121, 0]
                    .map(|v: u8| [[v; 3], [0; 3]].concat())
                    .concat()
                    .chunks(6)
                    .flat_map(|row| if row[0] == 0 { [0; 8] } else { [row[0], row[0], row[0], 0, 0, 0, 0, 0] })
                    .collect(),
                Layout::Nv12 => [(110, 120), (111, 121), (0, 0)]
                    .iter()
                    .flat_map(|&(u, v)| [u, v, u, v, u, v, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                    .collect(),
            };
            let luma = [10, 11, 12, 13, 0, 0].iter().flat_map(|&y| [[y; 6].as_slice(), &[0; 10]].concat());
            let expected: Vec<u8> = luma.chain(chroma).collect();
            assert_eq!(expected.len(), raw.bytes());
            for from in [Layout::I420, Layout::Nv12] {
                let mut buffer = vec![0; raw.bytes()];
                fill(&Picture::test(&frame(from)), raw, false, &mut buffer);
                assert_eq!(buffer, expected, "{from:?} into {layout:?}");
            }
        }
    }

    #[test]
    fn full_range_becomes_limited_in_every_layout() {
        assert_eq!([0, 1, 128, 255].map(luma), [16, 17, 126, 235]);
        assert_eq!([0, 128, 255].map(chroma), [16, 128, 240]);
        for (from, layout) in [
            (Layout::I420, Layout::I420),
            (Layout::I420, Layout::Nv12),
            (Layout::Nv12, Layout::I420),
            (Layout::Nv12, Layout::Nv12),
        ] {
            let raw = Raw { layout, stride: 6, rows: 4 };
            let (mut full, mut limited) = (vec![0; raw.bytes()], vec![0; raw.bytes()]);
            fill(&Picture::test(&frame(from)), raw, false, &mut full);
            fill(&Picture::test(&frame(from)), raw, true, &mut limited);
            let change = |(at, &value): (usize, &u8)| if at < 24 { luma(value) } else { chroma(value) };
            assert!(full.iter().enumerate().map(change).eq(limited), "{from:?} into {layout:?}");
        }
    }

    #[test]
    fn a_buffer_that_is_too_short_is_filled_as_far_as_it_goes() {
        let raw = Raw { layout: Layout::I420, stride: 8, rows: 4 };
        for short in 0..raw.bytes() {
            fill(&Picture::test(&frame(Layout::Nv12)), raw, false, &mut vec![0; short]);
            fill(&Picture::test(&frame(Layout::I420)), raw, true, &mut vec![0; short]);
        }
    }
}
