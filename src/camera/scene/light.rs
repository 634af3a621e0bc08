//! Light of a scene: the sun, the hour, exposure and the sensor's noise.
//!
//! One sun per scene: every shadow falls the same way and is as long for its height.

use super::canvas::Canvas;
use super::number::{Random, byte, cosine, mix, part, sine};
use super::view::{P2, V3, v3};
use crate::base::{ChromaMut, RawFrame};

/// Places in the table of noise where a row may begin; a power of two.
const NOISE: usize = 1 << 15;

/// How bright a scene is and where its light comes from.
pub(super) struct Light {
    /// Where a shadow's tip falls for each metre of height, in metres.
    pub(super) fall: P2,
    /// Direction to the sun, one long.
    pub(super) sun: V3,
    /// What full shadow leaves, of 256.
    pub(super) dark: u32,
    /// Street lamps are lit and cars have their lights on.
    pub(super) lamps: bool,
    /// Ground and things before exposure; 1 by day.
    gain: f32,
    /// Shift of the chroma planes.
    cast: (f32, f32),
    /// Loss of colour, 1 keeps all.
    colour: f32,
    /// Phase of the exposure's drift.
    drift: f64,
    noise: Box<[i8]>,
    seed: u64,
}

impl Light {
    /// The hour of a seed, for pictures of this width.
    pub(super) fn new(seed: u64, width: usize) -> Self {
        let mut random = Random::new(seed, 2);
        let hour = random.unit();
        let (dark, length, gain, colour, cast, sigma) = if hour < 0.5 {
            (118, random.between(0.5, 1.3), 1.0, 1.0, (-1.0, 1.5), 1.3)
        } else if hour < 0.75 {
            (222, 0.3, random.between(0.8, 0.95), 0.85, (1.5, -1.0), 1.6)
        } else if hour < 0.9 {
            (150, random.between(2.0, 2.8), random.between(0.55, 0.7), 0.9, (-5.0, 5.0), 2.2)
        } else {
            (226, 0.4, random.between(0.36, 0.46), 0.65, (-2.0, 2.0), 3.4)
        };
        let way = f64::from(random.unit());
        let fall = P2 { x: sine(way) * length, y: cosine(way) * length };
        let to = v3(-fall.x, -fall.y, 1.0);
        // A sum of six even numbers is close to normal.
        let normal = |random: &mut Random| (0..6).map(|_| random.unit() - 0.5).sum::<f32>() * 1.414;
        let noise = (0..NOISE + width).map(|_| {
            let value = normal(&mut random) * sigma;
            i8::try_from(i16::from(byte(value + 64.0)) - 64).unwrap_or(0)
        });
        let noise = noise.collect();
        let drift = f64::from(random.unit());
        Self { fall, sun: to * (1.0 / to.length()), dark, lamps: hour >= 0.9, gain, cast, colour, drift, noise, seed }
    }

    /// How much brighter than the scene's gain it is at a place: lamps stand every 32 m.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        if !self.lamps {
            return 1.0;
        }
        let off = |v: f32| 32.0 * part(v / 32.0) - 16.0;
        let (dx, dy) = (off(x), off(y));
        let near = (1.0 - (dx * dx + dy * dy) / 196.0).max(0.0);
        0.75 + 1.5 * near * near
    }

    /// How a face that looks along `normal` (one long) is lit: 1 where it lies flat.
    pub(super) fn on(&self, normal: V3) -> f32 {
        let direct = f32::from(u8::try_from(256 - self.dark.min(256)).unwrap_or(0)) / 256.0;
        let sun = normal.dot(self.sun).max(0.0) / self.sun.z.max(0.3);
        (0.80 * (1.0 - direct) + direct * sun.min(1.5) + 0.2 + 0.1 * normal.z.max(0.0) - 0.1).clamp(0.35, 1.35)
    }

    /// Exposes the canvas into `frame`: gain that drifts, a colour cast, noise of its own for each frame number.
    pub(super) fn expose(&self, canvas: &Canvas, number: u64, seconds: f64, frame: &mut RawFrame) {
        let gain = self.gain * (1.0 + 0.05 * sine(seconds / 23.0 + self.drift) + 0.02 * sine(seconds / 7.3));
        let mut luma = [16; 256];
        let mut chroma = [[128; 256]; 2];
        for (level, entry) in (0u8..=255).zip(0..) {
            let level = f32::from(level);
            let above = ((level - 16.0) * gain).max(0.0);
            // A soft shoulder above 200 keeps white from clipping.
            let above = if above > 184.0 { 184.0 + (above - 184.0) * 0.6 } else { above };
            luma[entry] = i16::from(byte((16.0 + above).min(235.0)));
            for (table, cast) in chroma.iter_mut().zip([self.cast.0, self.cast.1]) {
                table[entry] = i16::from(byte((128.0 + (level - 128.0) * self.colour + cast).clamp(16.0, 240.0)));
            }
        }
        let (mut plane, colours) = frame.planes_mut();
        let start = |row: usize, plane: u64| mix(self.seed ^ (number << 20) ^ (plane << 16) ^ row as u64);
        let width = canvas.size.width;
        for (row, (out, from)) in plane.rows().zip(canvas.luma.chunks_exact(width)).enumerate() {
            let noise = self.grain(start(row, 0), width);
            for ((out, &level), &grain) in out.iter_mut().zip(from).zip(noise) {
                *out = sample(luma[usize::from(level)] + i16::from(grain));
            }
        }
        let width = canvas.size.chroma().width;
        let rows = canvas.chroma.chunks_exact(width);
        let tone = |pair: [u8; 2], grain: i8| {
            [0, 1].map(|part: usize| sample(chroma[part][usize::from(pair[part])] + i16::from(grain / 2)))
        };
        match colours {
            ChromaMut::I420(mut u, mut v) => {
                let both = u.rows().zip(v.rows());
                for (row, ((u, v), from)) in both.zip(rows).enumerate() {
                    let noise = self.grain(start(row, 1), width);
                    for (((u, v), &pair), &grain) in u.iter_mut().zip(v).zip(from).zip(noise) {
                        [*u, *v] = tone(pair, grain);
                    }
                }
            }
            ChromaMut::Nv12(mut plane) => {
                for (row, (out, from)) in plane.rows().zip(rows).enumerate() {
                    let noise = self.grain(start(row, 1), width);
                    for ((out, &pair), &grain) in out.chunks_exact_mut(2).zip(from).zip(noise) {
                        out.copy_from_slice(&tone(pair, grain));
                    }
                }
            }
        }
    }

    /// `length` values of noise from a place in the table that the row's number chooses.
    fn grain(&self, place: u64, length: usize) -> &[i8] {
        let place = usize::try_from(place % NOISE as u64).unwrap_or(0);
        self.noise.get(place..place + length).unwrap_or_default()
    }
}

/// A sample in limited range.
fn sample(level: i16) -> u8 {
    u8::try_from(level.clamp(16, 240)).unwrap_or(16)
}
