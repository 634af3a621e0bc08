//! The worst frames of a run, kept as small redacted pictures for the report.
//!
//! Worst is the frame with the most leaking heads, then with the lowest person cover, then with the least sent clear.
//! Only what goes to the encoder is ever seen here.

use std::cmp::Ordering;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::base::{Chroma, Fault, Micros, Plane, Size};

use super::coverage::Picture;
use super::figures::FrameScore;

/// How many frames are kept.
pub const KEPT: usize = 8;
/// Widest picture, in pixels.
const WIDEST: usize = 480;
/// Two kept frames of a clip are at least this far apart.
const APART: Micros = Micros::from_ms(500);

/// One of the worst frames.
#[derive(Clone, Debug)]
pub struct WorstFrame {
    /// Number in the stream, from 0.
    pub sequence: u64,
    /// When it was captured.
    pub captured: Micros,
    /// The still's stem; empty in a clip.
    pub stem: String,
    /// How it went.
    pub score: FrameScore,
    /// Why it was covered whole, if it was.
    pub slate: Option<Fault>,
    /// Size of the small picture.
    pub size: Size,
    /// The small picture, Y, Cb and Cr of each pixel in turn, full range.
    pub ycbcr: Vec<u8>,
}

/// Collects the worst frames while they pass.
pub struct Worst {
    kept: Vec<WorstFrame>,
    stills: bool,
    resizer: Resizer,
    packed: Vec<u8>,
    planes: [Vec<u8>; 3],
}

/// What a frame is, beside its pixels.
pub struct Passing<'a> {
    /// See [`WorstFrame::sequence`].
    pub sequence: u64,
    /// See [`WorstFrame::captured`].
    pub captured: Micros,
    /// See [`WorstFrame::stem`].
    pub stem: &'a str,
    /// See [`WorstFrame::score`].
    pub score: FrameScore,
    /// See [`WorstFrame::slate`].
    pub slate: Option<Fault>,
    /// Luma runs from 0 to 255.
    pub full_range: bool,
}

impl Worst {
    /// Empty; `stills` are all distinct moments, frames of a clip only 0.5 s apart.
    pub fn new(stills: bool) -> Self {
        Self {
            kept: Vec::with_capacity(KEPT),
            stills,
            resizer: Resizer::new(),
            packed: Vec::new(),
            planes: [const { Vec::new() }; 3],
        }
    }

    /// Keeps the frame if it is among the worst so far.
    pub fn offer(&mut self, passing: &Passing<'_>, sent: Picture<'_>) {
        let Some(place) = self.place(passing) else { return };
        let across = sent.luma.width.clamp(1, WIDEST);
        let size = Size::new(across, (sent.luma.height * across).div_ceil(sent.luma.width.max(1)).max(1));
        if !self.shrink(sent, size) {
            return;
        }
        let mut frame = if place < self.kept.len() {
            self.kept.swap_remove(place)
        } else {
            let (stem, ycbcr) = (String::new(), Vec::with_capacity(size.area() * 3));
            let (score, slate) = (passing.score, passing.slate);
            WorstFrame { sequence: 0, captured: Micros(0), stem, score, slate, size, ycbcr }
        };
        frame.sequence = passing.sequence;
        frame.captured = passing.captured;
        frame.stem.clear();
        frame.stem.push_str(passing.stem);
        frame.score = passing.score;
        frame.slate = passing.slate;
        frame.size = size;
        frame.ycbcr.clear();
        let [luma, cb, cr] = &self.planes;
        for ((&luma, &cb), &cr) in luma.iter().zip(cb).zip(cr) {
            let pixel = if passing.full_range { [luma, cb, cr] } else { stretch(luma, cb, cr) };
            frame.ycbcr.extend_from_slice(&pixel);
        }
        self.kept.push(frame);
    }

    /// Where in `kept` the frame goes: over another one, at the end, or nowhere.
    fn place(&self, passing: &Passing<'_>) -> Option<usize> {
        let near = self.kept.iter().position(|one| !self.stills && passing.captured.since(one.captured) < APART);
        let rival = match near {
            Some(near) => near,
            None if self.kept.len() < KEPT => return Some(self.kept.len()),
            None => {
                let best = self.kept.iter().enumerate().max_by(|(_, a), (_, b)| order(&a.score, &b.score));
                best.map(|(place, _)| place)?
            }
        };
        (order(&passing.score, &self.kept.get(rival)?.score) == Ordering::Less).then_some(rival)
    }

    /// Scales all planes to `size`; false if the picture cannot be read.
    fn shrink(&mut self, sent: Picture<'_>, size: Size) -> bool {
        let [luma, cb, cr] = &mut self.planes;
        let (packed, resizer) = (&mut self.packed, &mut self.resizer);
        let mut one = |plane: Plane<'_>, offset: usize, step: usize, to: &mut Vec<u8>| {
            packed.clear();
            for row in plane.rows() {
                packed.extend(row.iter().skip(offset).step_by(step));
            }
            to.resize(size.area(), 0);
            resize(resizer, packed, Size::new(plane.width / step, plane.height), to, size).is_some()
        };
        one(sent.luma, 0, 1, luma)
            && match sent.chroma {
                Chroma::I420(u, v) => one(u, 0, 1, cb) && one(v, 0, 1, cr),
                Chroma::Nv12(uv) => one(uv, 0, 2, cb) && one(uv, 1, 2, cr),
            }
    }

    /// The worst frames, worst first.
    pub fn sorted(&self) -> Vec<WorstFrame> {
        let mut sorted = self.kept.clone();
        sorted.sort_by(|a, b| order(&a.score, &b.score).then(a.sequence.cmp(&b.sequence)));
        sorted
    }
}

/// `Less` if `a` is worse than `b`.
fn order(a: &FrameScore, b: &FrameScore) -> Ordering {
    (b.leaking_heads.cmp(&a.leaking_heads))
        .then(a.person_cover.total_cmp(&b.person_cover))
        .then(a.clear_fraction.total_cmp(&b.clear_fraction))
}

fn resize(resizer: &mut Resizer, from: &[u8], size: Size, to: &mut [u8], to_size: Size) -> Option<()> {
    let side = |pixels| u32::try_from(pixels).ok();
    let source = ImageRef::new(side(size.width)?, side(size.height)?, from, PixelType::U8).ok()?;
    let mut target = Image::from_slice_u8(side(to_size.width)?, side(to_size.height)?, to, PixelType::U8).ok()?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    resizer.resize(&source, &mut target, &options).ok()
}

/// One pixel from 16..=235 to 0..=255, as JPEG wants it.
fn stretch(luma: u8, cb: u8, cr: u8) -> [u8; 3] {
    let clamp = |value: i32| u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX);
    let luma = ((i32::from(luma) - 16) * 255 + 109).div_euclid(219);
    let chroma = |value: u8| ((i32::from(value) - 128) * 255 + 112).div_euclid(224) + 128;
    [clamp(luma), clamp(chroma(cb)), clamp(chroma(cr))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(worst: &mut Worst, ms: u64, leaking_heads: u64, person_cover: f64) {
        let luma = Plane { data: &[235; 16], stride: 4, width: 4, height: 4 };
        let half = Plane { data: &[128; 4], stride: 2, width: 2, height: 2 };
        let score = FrameScore { leaking_heads, person_cover, clear_fraction: 0.5 };
        let captured = Micros::from_ms(ms);
        let passing = Passing { sequence: ms, captured, stem: "", score, slate: None, full_range: false };
        worst.offer(&passing, Picture { luma, chroma: Chroma::I420(half, half) });
    }

    fn sequences(worst: &Worst) -> Vec<u64> {
        worst.sorted().iter().map(|frame| frame.sequence).collect()
    }

    #[test]
    fn the_worst_come_first_and_half_a_second_apart() {
        let mut worst = Worst::new(false);
        offer(&mut worst, 0, 0, 1.0);
        offer(&mut worst, 100, 2, 0.9);
        offer(&mut worst, 200, 1, 0.1);
        offer(&mut worst, 700, 1, 0.8);
        offer(&mut worst, 1300, 1, 0.7);
        assert_eq!(sequences(&worst), [100, 1300, 700]);
        assert_eq!(worst.kept[0].ycbcr[..3], [255, 128, 128], "limited range is stretched");
    }

    #[test]
    fn no_more_than_eight_are_kept_and_stills_are_all_distinct() {
        let mut worst = Worst::new(true);
        for ms in 0..20 {
            offer(&mut worst, ms, ms % 10, 1.0);
        }
        assert_eq!(sequences(&worst), [9, 19, 8, 18, 7, 17, 6, 16]);
    }

    #[test]
    fn wide_pictures_shrink_and_keep_their_shape() {
        let mut worst = Worst::new(false);
        let bytes = vec![16; 1000 * 500];
        let luma = Plane { data: &bytes, stride: 1000, width: 1000, height: 500 };
        let uv = Plane { data: &bytes, stride: 1000, width: 1000, height: 250 };
        let score = FrameScore { leaking_heads: 0, person_cover: 1.0, clear_fraction: 1.0 };
        let passing = Passing { sequence: 0, captured: Micros(0), stem: "", score, slate: None, full_range: true };
        worst.offer(&passing, Picture { luma, chroma: Chroma::Nv12(uv) });
        assert_eq!(worst.kept[0].size, Size::new(480, 240));
        assert!(worst.kept[0].ycbcr.iter().all(|&byte| byte == 16));
    }
}
