//! What the density governor does to a source, so that coverage can be judged from the pixels that were sent.
//!
//! Where the governor coarsens rows, what is sent clear differs from what came from the camera, and a difference alone
//! proves nothing. So the same plan is applied to the source copy, and a cell counts as painted only if it is made of
//! flat blocks, as paint is, and differs from the governed source. Any other cell is taken as clear: figures err on the
//! honest side, since a cell that is only coarser still shows what is in it.

use crate::base::geometry::CELL;
use crate::base::{Chroma, ChromaMut, FramePool, Grid, Micros, Plane, PlaneMut, RawFrame, Rect, Shape, Telemetry};
use crate::mask::density::{Governor, Report, Settings};
use crate::mask::{RedactedFrame, State};

use super::coverage::Picture;

/// Side of the blocks that paint is made of.
const BLOCK: usize = 4;

/// Governs source copies as the mask governs frames; its own telemetry says the same.
pub struct Governed {
    governor: Governor,
    telemetry: Box<dyn Telemetry>,
    report: Report,
    grid: Grid,
    reference: RawFrame,
}

impl Governed {
    /// For frames of `shape`; `settings` and `telemetry` as the mask's.
    pub fn new(shape: Shape, settings: &Settings, telemetry: Box<dyn Telemetry>) -> Self {
        Self {
            governor: Governor::new(shape.size, settings),
            telemetry,
            report: Report::default(),
            grid: Grid::over(shape.size, CELL),
            reference: FramePool::new(shape, 1).take(0, Micros(0)),
        }
    }

    /// To be called for every frame in its order, as the mask plans for every frame.
    pub fn plan(&mut self, sent: &RedactedFrame) {
        let pose = self.telemetry.pose(sent.captured());
        self.report = self.governor.plan(pose, sent.captured());
    }

    /// What the frame of the last plan is to be compared with: `source` itself where nothing was governed.
    pub fn reference<'a>(&'a mut self, source: Picture<'a>, sent: &RedactedFrame) -> Picture<'a> {
        let size = self.reference.size();
        let same = (source.luma.width, source.luma.height) == (size.width, size.height) && sent.shape().size == size;
        if !self.report.governed || !same || sent.account().state != State::Redacted {
            return source;
        }
        copy(source, &mut self.reference);
        let (luma, chroma) = self.reference.planes_mut();
        self.governor.apply(luma, chroma);
        let sent = Picture::from(sent);
        for row in 0..self.grid.rows {
            for column in 0..self.grid.columns {
                let cell = self.grid.rect(column, row, size);
                let governed = self.reference.luma();
                let painted = flat(sent.luma, cell) && !same_luma(governed, sent.luma, cell);
                copy_cell(if painted { source } else { sent }, &mut self.reference, cell);
            }
        }
        Picture { luma: self.reference.luma(), chroma: self.reference.chroma() }
    }
}

/// Whether every block of the cell is one value.
fn flat(luma: Plane<'_>, cell: Rect) -> bool {
    (cell.y..cell.bottom()).all(|y| {
        let first = &luma.row(cell.y + (y - cell.y) / BLOCK * BLOCK)[cell.x..cell.right()];
        let row = &luma.row(y)[cell.x..cell.right()];
        row.chunks(BLOCK).zip(first.chunks(BLOCK)).all(|(block, first)| block.iter().all(|&pixel| pixel == first[0]))
    })
}

fn same_luma(one: Plane<'_>, other: Plane<'_>, cell: Rect) -> bool {
    (cell.y..cell.bottom()).all(|y| one.row(y)[cell.x..cell.right()] == other.row(y)[cell.x..cell.right()])
}

fn copy(from: Picture<'_>, to: &mut RawFrame) {
    let whole = Rect::new(0, 0, to.size().width, to.size().height);
    copy_cell(from, to, whole);
}

/// Copies the samples of a rectangle whose corner is even; other layouts are left as they are.
fn copy_cell(from: Picture<'_>, to: &mut RawFrame, cell: Rect) {
    let (mut luma, chroma) = to.planes_mut();
    let part = |from: Plane<'_>, to: &mut PlaneMut<'_>, rect: Rect| {
        for y in rect.y..rect.bottom() {
            to.row(y)[rect.x..rect.right()].copy_from_slice(&from.row(y)[rect.x..rect.right()]);
        }
    };
    part(from.luma, &mut luma, cell);
    let half = Rect::new(cell.x / 2, cell.y / 2, cell.width.div_ceil(2), cell.height.div_ceil(2));
    match (from.chroma, chroma) {
        (Chroma::I420(u, v), ChromaMut::I420(mut to_u, mut to_v)) => {
            part(u, &mut to_u, half);
            part(v, &mut to_v, half);
        }
        (Chroma::Nv12(uv), ChromaMut::Nv12(mut to)) => {
            part(uv, &mut to, Rect::new(half.x * 2, half.y, half.width * 2, half.height));
        }
        (Chroma::I420(..), ChromaMut::Nv12(_)) | (Chroma::Nv12(_), ChromaMut::I420(..)) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fault, Layout, NoTelemetry, Size};
    use crate::detect::{self, Detector};
    use crate::mask::{self, Mask, Parts, redact};
    use crate::regress::coverage::{CLEAR, COVERED, Coverage};
    use crate::track::Follower;

    const SIZE: Size = Size::new(160, 96);

    /// Textured ground, a flat field at the left, and a bright block in the cell (4, 2).
    fn drawn(layout: Layout) -> RawFrame {
        let mut frame = FramePool::new(Shape::packed(SIZE, layout).aligned(32), 1).take(0, Micros(0));
        let (mut luma, chroma) = frame.planes_mut();
        for (y, row) in luma.rows().enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                let texture = u8::try_from((x * 37 + y * 101 + x * y * 11) % 90).unwrap();
                let bright = (64..80).contains(&x) && (32..48).contains(&y);
                *pixel = if bright {
                    235
                } else if x < 32 {
                    60
                } else {
                    20 + texture
                };
            }
        }
        match chroma {
            ChromaMut::I420(mut u, mut v) => u.rows().chain(v.rows()).for_each(|row| row.fill(128)),
            ChromaMut::Nv12(mut uv) => uv.rows().for_each(|row| row.fill(128)),
        }
        frame
    }

    #[test]
    fn what_is_only_coarser_counts_as_clear_and_what_is_painted_as_covered() {
        for (layout, cap) in [(Layout::I420, 5.0), (Layout::Nv12, 5.0), (Layout::I420, 80.0)] {
            let density = Settings { max_px_per_m: cap, ..Settings::default() };
            let model = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/bright.onnx").into());
            let settings = detect::Settings { model, passes: 1, ..detect::Settings::default() };
            let mut detector = Detector::load(&settings).unwrap();
            detector.prepare(SIZE).unwrap();
            let settings =
                mask::Settings { density: density.clone(), parts: Parts::STILL, ..mask::Settings::default() };
            let mut mask = Mask::new(&settings, SIZE);
            let (frame, source) = (drawn(layout), drawn(layout));
            let ground = Follower::new(SIZE, 1).follow(&frame).unwrap();
            mask.follow(&ground);
            mask.examined(detector.examine(&frame));
            let sent = redact(frame, Ok(ground), None, &mut mask);
            assert_eq!(sent.account().state, State::Redacted);
            let coarser = sent.luma().row(90)[100..] != source.luma().row(90)[100..];
            assert_eq!(coarser, cap < 10.0, "the governor was at work");

            let mut governed = Governed::new(source.shape(), &density, Box::new(NoTelemetry));
            governed.plan(&sent);
            let picture = Picture { luma: source.luma(), chroma: source.chroma() };
            let mut coverage = Coverage::new(SIZE);
            let covered = coverage.derive(governed.reference(picture, &sent), Picture::from(&sent), COVERED);
            for y in 0..SIZE.height {
                for x in 0..SIZE.width {
                    // The block's cell, and the one above: the block is a person, and raises what lies over it.
                    let expected = if (64..80).contains(&x) && (16..48).contains(&y) { COVERED } else { CLEAR };
                    assert_eq!(covered[y * SIZE.width + x], expected, "{layout:?} {cap} {x},{y}");
                }
            }
        }
    }

    #[test]
    fn a_slate_is_compared_with_the_source_itself() {
        let density = Settings { max_px_per_m: 5.0, ..Settings::default() };
        let settings = mask::Settings { density: density.clone(), ..mask::Settings::default() };
        let (frame, source) = (drawn(Layout::I420), drawn(Layout::I420));
        let sent = redact(frame, Err(Fault::FrameTorn), None, &mut Mask::new(&settings, SIZE));
        let mut governed = Governed::new(source.shape(), &density, Box::new(NoTelemetry));
        governed.plan(&sent);
        let picture = Picture { luma: source.luma(), chroma: source.chroma() };
        let reference = governed.reference(picture, &sent);
        assert!(reference.luma.rows().eq(source.luma().rows()));
    }
}
