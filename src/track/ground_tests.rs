//! Ground to draw in tests: the same seed gives the same texture.
//!
//! Relies on no file; exact under any map. Value noise in five sizes, from half the width down to five pixels, as
//! fields and gravel have.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers in tests are small"
)]

use super::motion::Motion;
use super::pyramid::Pyramid;
use crate::base::{Plane, Size};

/// A number in 0..1 for a lattice point.
fn lot(seed: u64, x: i64, y: i64) -> f32 {
    let mut z = seed ^ (x as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (y as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f32 / 16_777_216.0
}

/// Luma of the ground at a place in pixels.
pub fn ground(seed: u64, x: f32, y: f32) -> f32 {
    let mut luma = 128.0;
    for (octave, (pitch, swing)) in
        [(320.0, 40.0), (97.0, 40.0), (41.0, 40.0), (17.0, 30.0), (5.0, 16.0)].iter().enumerate()
    {
        let (u, v) = (x / pitch + 0.37, y / pitch + 0.71);
        let (i, j) = (u.floor(), v.floor());
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (s, t) = (ease(u - i), ease(v - j));
        let at = |di: i64, dj: i64| lot(seed + octave as u64, i as i64 + di, j as i64 + dj) - 0.5;
        let upper = at(0, 0) * (1.0 - s) + at(1, 0) * s;
        let lower = at(0, 1) * (1.0 - s) + at(1, 1) * s;
        luma += swing * 2.0 * (upper * (1.0 - t) + lower * t);
    }
    luma
}

/// The picture of a ground that the camera's motion has carried along, pixel by pixel through `touch`, which is given
/// the place in the picture and the luma of the ground.
pub fn draw(seed: u64, motion: &Motion, touch: impl Fn(f32, f32, f32) -> f32) -> Vec<u8> {
    let (size, back) = (motion.size(), motion.inverse());
    let mut luma = Vec::with_capacity(size.area());
    for y in 0..size.height {
        for x in 0..size.width {
            let from = back.map(x as f32, y as f32);
            luma.push(touch(x as f32, y as f32, ground(seed, from.0, from.1)).round().clamp(0.0, 255.0) as u8);
        }
    }
    luma
}

/// Sensor noise for a pixel: the sum of four uniform numbers, of standard deviation `sigma`.
pub fn noise(seed: u64, x: f32, y: f32, sigma: f32) -> f32 {
    let sum: f32 = (0..4).map(|n| lot(seed * 4 + n, x as i64, y as i64) - 0.5).sum();
    sum * sigma * 1.732
}

/// Luma without gaps as a filled pyramid.
pub fn pyramid(size: Size, luma: &[u8]) -> Pyramid {
    let mut pyramid = Pyramid::new(size);
    pyramid.fill(Plane { data: luma, stride: size.width, width: size.width, height: size.height });
    pyramid
}

/// A turn in degrees and a zoom about the picture's middle, then a shift in pixels.
pub fn similarity(size: Size, degrees: f64, zoom: f64, shift: (f64, f64)) -> Motion {
    let (sine, cosine) = degrees.to_radians().sin_cos();
    let (p, q) = (cosine * zoom, sine * zoom);
    let (x, y) = ((size.width as f64 - 1.0) / 2.0, (size.height as f64 - 1.0) / 2.0);
    let matrix = [p, -q, x - p * x + q * y + shift.0, q, p, y - q * x - p * y + shift.1, 0.0, 0.0, 1.0];
    Motion::from_matrix(size, matrix, 1.0)
}
