//! Pictures with exact truth: textured ground under a camera that pans, bright persons and dark vehicles.
//!
//! No sample of a picture has a value that paint can have: paint and caption keep to the middles of 4-bit steps (a low
//! half of 8) and to chroma 128, and drawn samples to neither. So one pixel that equals its source was sent clear, and
//! none equals it by chance.

use std::sync::OnceLock;

use voile::base::{ChromaMut, Fault, PlaneMut, RawFrame};

use crate::lot::Lot;

/// Sides of the ground, in pixels.
pub const GROUND: (i32, i32) = (720, 600);

/// A person or a vehicle, in pixels of the picture; may lie partly outside it.
#[derive(Clone, Copy, Debug)]
pub struct Thing {
    /// The same in every shot of a run.
    pub number: usize,
    pub left: i32,
    pub top: i32,
    pub width: i32,
    pub height: i32,
    pub vehicle: bool,
}

impl Thing {
    /// Pixels from its edges within which any 8 px block shows too little ground to be missed at the highest threshold:
    /// a bright person raises the mean of a block from 9/16 of it, a dark vehicle has to fill it.
    pub fn depth(&self) -> i32 {
        if self.vehicle { 8 } else { 5 }
    }
}

/// What the camera looks at in one frame.
#[derive(Clone, Debug)]
pub struct Shot {
    /// The ground's pixel in the picture's top left corner.
    pub at: (i32, i32),
    /// Fog: no ground is to be seen, so that nobody can tell how the camera moves.
    pub flat: bool,
    /// Bright blocks all over the picture, more than tracks can hold where it is large.
    pub crowd: bool,
    pub things: Vec<Thing>,
}

/// Samples that paint cannot have.
fn off_paint(value: u8) -> u8 {
    if value & 15 == 8 || value == 128 { value + 1 } else { value }
}

struct Ground {
    luma: Vec<u8>,
    chroma: [Vec<u8>; 2],
}

/// Value noise in four sizes, as fields and gravel have, and some grain.
fn ground() -> &'static Ground {
    static MADE: OnceLock<Ground> = OnceLock::new();
    MADE.get_or_init(|| {
        let lattice = |octave: u64, x: i32, y: i32| {
            Lot::of(octave, u64::from(x.unsigned_abs()) << 32 | u64::from(y.unsigned_abs())).real(-1.0, 1.0)
        };
        let noise = |octave: u64, pitch: f32, x: i32, y: i32| {
            let (u, v) = (x as f32 / pitch, y as f32 / pitch);
            let (i, j) = (u as i32, v as i32);
            let ease = |t: f32| t * t * (3.0 - 2.0 * t);
            let (s, t) = (ease(u.fract()), ease(v.fract()));
            let upper = lattice(octave, i, j) * (1.0 - s) + lattice(octave, i + 1, j) * s;
            let lower = lattice(octave, i, j + 1) * (1.0 - s) + lattice(octave, i + 1, j + 1) * s;
            upper * (1.0 - t) + lower * t
        };
        let (width, height) = GROUND;
        let plane = |width: i32, height: i32, value: &dyn Fn(i32, i32) -> f32| -> Vec<u8> {
            let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            places.map(|(x, y)| off_paint(value(x, y).clamp(45.0, 150.0) as u8)).collect()
        };
        let luma = |x: i32, y: i32| {
            let octaves = [(1, 61.0, 16.0), (2, 23.0, 20.0), (3, 9.0, 16.0), (4, 1.0, 2.0)];
            80.0 + octaves.iter().map(|&(octave, pitch, swing)| swing * noise(octave, pitch, x, y)).sum::<f32>()
        };
        let colour = |octave: u64| move |x: i32, y: i32| 128.0 + 9.0 * noise(octave, 5.0, x, y);
        Ground {
            luma: plane(width, height, &|x, y| luma(x, y).min(112.0)),
            chroma: [5, 6].map(|octave| plane(width / 2, height / 2, &colour(octave))),
        }
    })
}

/// Fills a frame of any size up to the ground's.
pub fn draw(shot: &Shot, frame: &mut RawFrame) {
    let ground = ground();
    let (luma, chroma) = frame.planes_mut();
    let (x, y) = (shot.at.0 as usize, shot.at.1 as usize);
    fill(luma, &ground.luma, (x, y), GROUND.0 as usize, shot.flat.then_some(85));
    let half = GROUND.0 as usize / 2;
    match chroma {
        ChromaMut::I420(u, v) => {
            fill(u, &ground.chroma[0], (x / 2, y / 2), half, shot.flat.then_some(119));
            fill(v, &ground.chroma[1], (x / 2, y / 2), half, shot.flat.then_some(133));
        }
        ChromaMut::Nv12(mut pairs) => {
            for (row, line) in pairs.rows().enumerate() {
                let from = (y / 2 + row) * half + x / 2;
                for (column, pair) in line.chunks_exact_mut(2).enumerate() {
                    let at = from + column;
                    let colour = if shot.flat { [119, 133] } else { [ground.chroma[0][at], ground.chroma[1][at]] };
                    pair.copy_from_slice(&colour);
                }
            }
        }
    }
    let (mut luma, _) = frame.planes_mut();
    for thing in &shot.things {
        let clip =
            |from: i32, length: i32, side: usize| from.clamp(0, side as i32)..(from + length).clamp(0, side as i32);
        let (columns, rows) = (clip(thing.left, thing.width, luma.width), clip(thing.top, thing.height, luma.height));
        for y in rows {
            for x in columns.clone() {
                // Cloth has a pattern that goes with its wearer.
                let pattern = ((x - thing.left) * 7 + (y - thing.top) * 3) as u8 % 6;
                luma.row(y as usize)[x as usize] = if thing.vehicle { 17 + pattern } else { 217 + pattern };
            }
        }
    }
    if shot.crowd {
        for (y, row) in luma.rows().enumerate() {
            // A person raises the score cell above, so another one stands in each third row.
            row.iter_mut().enumerate().for_each(|(x, luma)| *luma = if x % 16 < 8 && y % 24 < 8 { 219 } else { *luma });
        }
    }
}

fn fill(mut plane: PlaneMut<'_>, ground: &[u8], at: (usize, usize), wide: usize, flat: Option<u8>) {
    let width = plane.width;
    for (row, line) in plane.rows().enumerate() {
        match flat {
            Some(value) => line.fill(value),
            None => line.copy_from_slice(&ground[(at.1 + row) * wide + at.0..][..width]),
        }
    }
}

/// As if the transfer had stopped half-way: black below, and marked.
pub fn tear(frame: &mut RawFrame) {
    let lower = |mut plane: PlaneMut<'_>, value| {
        let half = plane.height / 2;
        plane.rows().skip(half).for_each(|row| row.fill(value));
    };
    let (luma, chroma) = frame.planes_mut();
    lower(luma, 0);
    match chroma {
        // Not 128, which the caption has.
        ChromaMut::I420(u, v) => [u, v].into_iter().for_each(|plane| lower(plane, 127)),
        ChromaMut::Nv12(pairs) => lower(pairs, 127),
    }
    frame.mark(Fault::FrameTorn);
}
