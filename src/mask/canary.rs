//! The canary: a stored picture whose people and vehicle must never come out clear.
//!
//! Four people and a car that `voile scene` drew (seed 8), side by side. The network that is built in gives the least of
//! them 0.90 in one pass alone where the weakest thresholds allowed are 0.8 and 0.74.
//! Owns the picture and the look at what became of it; who flies it, and when, is the pipeline's.

use super::RedactedFrame;
use crate::base::{ChromaMut, PlaneMut, RawFrame, Rect, Size};

/// Size of the picture.
pub const SIZE: Size = Size::new(224, 96);

/// One frame of Y4M, so that stock players show it.
const FILE: &[u8] = include_bytes!("../../models/canary.y4m");
const LUMA: usize = SIZE.area();
const CHROMA: usize = SIZE.chroma().area();

/// The people's heads (the top quarter and middle 60 % of each, as `head_leak` has them), and the middle of the car.
const MARKS: [Rect; 5] = [
    Rect::new(20, 32, 12, 8),
    Rect::new(29, 16, 12, 8),
    Rect::new(54, 16, 10, 8),
    Rect::new(44, 37, 12, 6),
    Rect::new(161, 36, 30, 24),
];

/// Fills `frame` with the picture.
///
/// # Panics
/// If the frame has another size.
pub fn draw(frame: &mut RawFrame) {
    assert_eq!(frame.size(), SIZE, "a frame for the canary");
    let (_, samples) = FILE.split_at(FILE.len() - LUMA - 2 * CHROMA);
    let (luma, rest) = samples.split_at(LUMA);
    let (u, v) = rest.split_at(CHROMA);
    let fill = |mut plane: PlaneMut<'_>, samples: &[u8]| {
        let width = plane.width;
        plane.rows().zip(samples.chunks(width)).for_each(|(row, samples)| row.copy_from_slice(samples));
    };
    let (target, chroma) = frame.planes_mut();
    fill(target, luma);
    match chroma {
        ChromaMut::I420(to_u, to_v) => {
            fill(to_u, u);
            fill(to_v, v);
        }
        ChromaMut::Nv12(mut pairs) => {
            let width = SIZE.chroma().width;
            for (row, (u, v)) in pairs.rows().zip(u.chunks(width).zip(v.chunks(width))) {
                row.chunks_mut(2).zip(u.iter().zip(v)).for_each(|(pair, (&u, &v))| pair.copy_from_slice(&[u, v]));
            }
        }
    }
}

/// Whether any of them can still be seen in the picture as it was sent. Paint leaves one value over each; that of
/// `solid` does, so that is what a canary is painted with.
pub fn seen(frame: &RedactedFrame) -> bool {
    let luma = frame.luma();
    MARKS.iter().any(|mark| {
        let rows = (mark.y..mark.bottom()).map(|y| &luma.row(y)[mark.x..mark.right()]);
        let paint = luma.row(mark.y)[mark.x];
        rows.flatten().any(|&sample| sample != paint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fault, FramePool, Layout, Micros, Shape};
    use crate::mask::{Mask, Settings, redact};

    #[test]
    fn what_is_drawn_has_texture_under_every_mark_in_either_layout() {
        for layout in [Layout::I420, Layout::Nv12] {
            let mut frame = FramePool::new(Shape::packed(SIZE, layout), 1).take(0, Micros(0));
            draw(&mut frame);
            let luma = frame.luma();
            for mark in MARKS {
                let samples = (mark.y..mark.bottom()).flat_map(|y| &luma.row(y)[mark.x..mark.right()]);
                let (low, high) = samples.fold((u8::MAX, 0), |(low, high), &value| (low.min(value), high.max(value)));
                assert!(high - low > 16, "{mark:?}: {low} to {high}");
            }
        }
    }

    #[test]
    fn a_slate_hides_it() {
        let mut frame = FramePool::new(Shape::packed(SIZE, Layout::I420), 1).take(0, Micros(0));
        draw(&mut frame);
        let mut mask = Mask::new(&Settings::default(), SIZE);
        let redacted = redact(frame, Err(Fault::EvidenceMissing), None, &mut mask);
        let marks = MARKS.iter().flat_map(|mark| (mark.y..mark.bottom()).map(move |y| (y, mark.x..mark.right())));
        let mut samples = marks.flat_map(|(y, columns)| &redacted.luma().row(y)[columns]);
        assert!(samples.all(|sample| sample & 15 == 8), "a slate has 4 bits");
    }
}
