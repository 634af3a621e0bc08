//! A test chart on the plane of heads and a camera to film it; tests only.
//!
//! Shares nothing with the governor's geometry: rays are cast through a rotated camera, and density is measured by
//! moving a point and looking where its picture goes.
//!
//! The chart is tiled; each tile has bars of one width, 1/5 to 1/500 m ("5 to 500 px/m": a bar is a pixel there), in
//! one of four directions. A bar pattern is drawn as the sum of its harmonics, each faded out before it reaches half a
//! cycle a pixel at that very place: exactly what supersampling without end would give, and without its noise.

use std::f64::consts::PI;

use crate::base::Size;

use super::geometry::{HEADS_M, real};

type Vector = [f64; 3];

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn mix(a: Vector, s: f64, b: Vector, t: f64) -> Vector {
    std::array::from_fn(|axis| a[axis] * s + b[axis] * t)
}

fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// A camera at a pose. Axes of the world: right, forward, up; the camera's foot is the origin on the plane of heads.
#[derive(Clone, Copy)]
pub struct Camera {
    height: f64,
    focal: f64,
    size: Size,
    right: Vector,
    forward: Vector,
    up: Vector,
}

impl Camera {
    pub fn new(size: Size, hfov_deg: f64, height_m: f64, pitch_deg: f64, roll_deg: f64, zoom: f64) -> Self {
        let (pitch, roll) = (pitch_deg.to_radians(), roll_deg.to_radians());
        let forward = [0.0, pitch.cos(), pitch.sin()];
        let level = [1.0, 0.0, 0.0];
        let upright = cross(level, forward);
        Self {
            height: height_m - HEADS_M,
            focal: real(size.width) / 2.0 / (hfov_deg.to_radians() / 2.0).tan() * zoom,
            size,
            right: mix(level, roll.cos(), upright, roll.sin()),
            forward,
            up: mix(level, -roll.sin(), upright, roll.cos()),
        }
    }

    /// The same camera's chroma planes.
    pub fn halved(self) -> Self {
        Self { focal: self.focal / 2.0, size: self.size.chroma(), ..self }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    fn ray(&self, x: f64, y: f64) -> Vector {
        let (x, y) = (x - real(self.size.width) / 2.0, y - real(self.size.height) / 2.0);
        mix(self.forward, self.focal, mix(self.right, x, self.up, -y), 1.0)
    }

    fn project(&self, point: Vector) -> [f64; 2] {
        let depth = dot(point, self.forward) / self.focal;
        [dot(point, self.right) / depth, -dot(point, self.up) / depth]
    }

    /// Pixels a metre of a thing at the head under a point of the picture, in the worst direction; `None` above the
    /// horizon.
    pub fn density(&self, x: f64, y: f64) -> Option<f64> {
        let ray = self.ray(x, y);
        if ray[2] >= -1e-9 {
            return None;
        }
        let head = ray.map(|axis| axis * self.height / -ray[2]);
        let small = dot(head, head).sqrt() * 1e-5;
        let here = self.project(head);
        let side = cross(head, [0.3, 0.4, 0.5]);
        let other = cross(head, side);
        let [a, b] = [side, other].map(|way| {
            let there = self.project(mix(head, 1.0, way, small / dot(way, way).sqrt()));
            [(there[0] - here[0]) / small, (there[1] - here[1]) / small]
        });
        // The larger singular value of the two columns.
        let (aa, bb, ab) = (a[0] * a[0] + a[1] * a[1], b[0] * b[0] + b[1] * b[1], a[0] * b[0] + a[1] * b[1]);
        Some(((aa + bb) / 2.0 + ((aa - bb).powi(2) / 4.0 + ab * ab).sqrt()).sqrt())
    }

    /// Where the middle of a pixel lies on the plane, and how that moves with x and with y.
    fn ground(&self, x: f64, y: f64) -> Option<[[f64; 2]; 3]> {
        let ray = self.ray(x, y);
        if ray[2] >= -1e-3 * self.focal {
            return None;
        }
        let slope =
            |way: Vector, axis: usize| -self.height * (way[axis] * ray[2] - ray[axis] * way[2]) / (ray[2] * ray[2]);
        let at = [0, 1].map(|axis| -ray[axis] * self.height / ray[2]);
        let down = self.up.map(|axis| -axis);
        Some([at, [slope(self.right, 0), slope(self.right, 1)], [slope(down, 0), slope(down, 1)]])
    }

    /// Films the chart; sky is grey.
    pub fn film(&self, chart: Chart) -> Vec<u8> {
        let mut picture = Vec::with_capacity(self.size.area());
        let mut tile = chart.tile(0.0, 0.0);
        for y in 0..self.size.height {
            for x in 0..self.size.width {
                let value = self.ground(real(x) + 0.5, real(y) + 0.5).map_or(0.0, |ground| {
                    let [column, row] = ground[0].map(|metres| (metres / chart.side).floor());
                    if [column, row] != [tile.column, tile.row] {
                        tile = chart.tile(column, row);
                    }
                    tile.at(chart.side, ground)
                });
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                picture.push((126.0 + value).round().clamp(0.0, 255.0) as u8);
            }
        }
        picture
    }
}

/// Bars on the plane of heads.
#[derive(Clone, Copy)]
pub struct Chart {
    /// Metres of a tile's side.
    pub side: f64,
    /// Bars to the metre, from and to; most tiles take the second.
    pub bars: [[f64; 2]; 2],
    pub seed: u64,
}

/// Swing of the bars about grey. A pattern of which only the first harmonic is left swings by a quarter more, and
/// kernels overshoot; what was cut off at black or white would be new harmonics, not detail that was left.
const SWING: f64 = 85.0;
/// Bars to the metre that a chart may have.
pub const COARSEST_FINEST: [f64; 2] = [5.0, 500.0];

/// One tile: where it lies, and how many cycles its bars have to the metre, each way.
struct Tile {
    column: f64,
    row: f64,
    cycles: [f64; 2],
}

impl Chart {
    fn tile(self, column: f64, row: f64) -> Tile {
        let mut random = Random(self.seed ^ column.to_bits().rotate_left(17) ^ row.to_bits().rotate_left(40));
        let [low, high] = self.bars[usize::from(!random.bits().is_multiple_of(4))];
        let bars = random.octaves(low, high).clamp(COARSEST_FINEST[0], COARSEST_FINEST[1]);
        let (sin, cos) = (f64::from(random.below(4)) * PI / 4.0).sin_cos();
        Tile { column, row, cycles: [cos, sin].map(|share| share * bars / 2.0) }
    }
}

impl Tile {
    /// Brightness at a place, given how the place moves with the pixel.
    fn at(&self, side: f64, [[x, y], across, down]: [[f64; 2]; 3]) -> f64 {
        let cycles = |[x, y]: [f64; 2]| x * self.cycles[0] + y * self.cycles[1];
        let fastest = cycles(across).abs().max(cycles(down).abs());
        let (sin, cos) = (2.0 * PI * cycles([x, y])).sin_cos();
        // sin(n + 2)x = 2 cos 2x sin nx - sin(n - 2)x
        let (mut before, mut wave) = (-sin, sin);
        let (mut value, mut harmonic) = (0.0, 1.0);
        while harmonic * fastest < 0.48 && harmonic < 30.0 {
            let fade = (0.48 - harmonic * fastest) / 0.13;
            value += wave / harmonic * if fade < 1.0 { 0.5 - 0.5 * (PI * fade).cos() } else { 1.0 };
            (before, wave) = (wave, 2.0 * (2.0 * cos * cos - 1.0) * wave - before);
            harmonic += 2.0;
        }
        // Tiles fade into each other through grey, or their edges would be finer than pixels.
        let inside = |metres: f64, index: f64| {
            let edge = (metres / side - index - 0.5).abs();
            ((0.5 - edge) * 8.0).min(1.0)
        };
        value * 4.0 / PI * SWING * inside(x, self.column) * inside(y, self.row)
    }
}

/// A small generator: the same poses on every machine.
pub struct Random(pub u64);

impl Random {
    /// Steele, Lea and Flood, SplitMix64.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ bits >> 31
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.bits() >> 32).unwrap()) / 4_294_967_296.0
    }

    pub fn below(&mut self, end: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a u32")]
        let index = (self.share() * f64::from(end)) as u32;
        index
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// As many in each octave.
    pub fn octaves(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.share())
    }
}
