//! The aircraft: where the camera is and looks at any moment.
//!
//! A flight wanders around the middle of the town. Its height follows from how tall people shall look: 8 to 120 pixels
//! in a picture of 720 rows or more, less in a smaller one. It pans, yaws, climbs and sinks, and shakes a little.

use super::number::{Random, circle, real_of, sine};
use super::view::{P2, View, v3};
use crate::base::Size;

/// Half of the longer side over the focal length: 78 degrees across, as small drones have.
const HALF_WIDTH: f32 = 0.81;
/// What the flight height is reckoned for, in metres.
const PERSON: f32 = 1.72;
/// Lowest flight and farthest view, in metres.
const LOWEST: f32 = 6.8;
const FARTHEST: f32 = 190.0;

/// A slow wave: size, hertz, phase in turns.
#[derive(Clone, Copy, Debug)]
struct Wave(f32, f64, f64);

impl Wave {
    fn at(self, seconds: f64) -> f32 {
        self.0 * sine(seconds * self.1 + self.2)
    }
}

/// The course of one seed.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    size: Size,
    focal: f32,
    middle: P2,
    height: f32,
    /// Angle below the horizon and heading at the start, in turns.
    pitch: f32,
    yaw: f32,
    /// Turns a second.
    spin: f64,
    east: [Wave; 2],
    north: [Wave; 2],
    climb: Wave,
    nod: Wave,
    pan: Wave,
    shake: [Wave; 6],
}

impl Flight {
    /// The course of a seed for a picture of this size.
    pub(super) fn new(seed: u64, size: Size) -> Self {
        let mut random = Random::new(seed, 4);
        let (width, height) = (real_of(size.width), real_of(size.height));
        let focal = width.max(height) / (2.0 * HALF_WIDTH);
        let mut wave = |size: f32, least: f32, most: f32| {
            let period = f64::from(random.between(least, most));
            Wave(size, 1.0 / period, f64::from(random.unit()))
        };
        let east = [wave(26.0, 45.0, 90.0), wave(7.0, 17.0, 29.0)];
        let north = [wave(20.0, 45.0, 90.0), wave(7.0, 17.0, 29.0)];
        let nod = wave(0.008, 11.0, 23.0);
        let pan = wave(0.05, 14.0, 31.0);
        let shake = [
            wave(0.0004, 0.6, 1.1),
            wave(0.00022, 0.14, 0.22),
            wave(0.0004, 0.6, 1.1),
            wave(0.00022, 0.14, 0.22),
            wave(0.0012, 1.1, 2.3),
            wave(0.00022, 0.14, 0.22),
        ];
        let mut climb = wave(0.0, 21.0, 47.0);
        // Oblique, steep, or straight down.
        let kind = random.unit();
        let down = if kind < 0.5 {
            random.between(0.095, 0.135)
        } else if kind < 0.8 {
            random.between(0.135, 0.19)
        } else {
            random.between(0.232, 0.245)
        };
        // The top row stays well below the horizon: half the picture's height in turns, from the arc's first terms.
        let slope = height / (2.0 * focal);
        let arc =
            (slope - slope * slope * slope / 3.0 + slope * slope * slope * slope * slope / 5.0) / std::f32::consts::TAU;
        let pitch = down.max(arc + 0.034).min(0.245);
        // How tall people look in the middle: even chances for each doubling.
        let tall = [15.0, 15.0, 21.0, 30.0, 42.0, 58.0, 88.0];
        let tall = random.pick(&tall) * random.between(0.85, 1.15);
        let tall = tall.min(height * 0.25);
        let (sink, level) = circle(pitch);
        let slant = focal * PERSON * level.max(0.42) / tall;
        let (top_sink, top_level) = circle(pitch - arc - 0.012);
        let highest = FARTHEST * 0.8 * top_sink / top_level.max(0.05);
        let height = (slant * sink).clamp(LOWEST, highest.clamp(LOWEST, 110.0));
        climb.0 = random.between(0.12, 0.3);
        let spin = if random.chance(0.35) { random.between(-0.012, 0.012) } else { 0.0 };
        let yaw = random.unit();
        // Look at the park, the square, or the road between them; a low flight wanders less.
        let reach = (height * level / sink).min(90.0);
        let (s, c) = circle(yaw);
        let x = random.pick(&[104.0, 128.0, 152.0]);
        let middle = P2 { x: x - s * reach * 0.8, y: 96.0 - c * reach * 0.8 };
        let roam = (0.3 + height / 30.0).min(1.0);
        let [east, north] =
            [east, north].map(|waves| waves.map(|Wave(size, hertz, start)| Wave(size * roam, hertz, start)));
        Self { size, focal, middle, height, pitch, yaw, spin: f64::from(spin), east, north, climb, nod, pan, shake }
    }

    /// The camera after so many seconds.
    pub(super) fn view(&self, seconds: f64) -> View {
        let sum = |waves: &[Wave]| waves.iter().map(|wave| wave.at(seconds)).sum::<f32>();
        let rise = 1.0 + self.climb.at(seconds);
        let eye = v3(
            self.middle.x + sum(&self.east),
            self.middle.y + sum(&self.north),
            (self.height * rise).max(LOWEST * 0.85),
        );
        let turned = seconds * self.spin;
        let yaw = f64::from(self.yaw + self.pan.at(seconds) + sum(&self.shake[..2])) + (turned - turned.floor());
        let pitch = self.pitch + self.nod.at(seconds) + sum(&self.shake[2..4]);
        let roll = sum(&self.shake[4..]) + 0.15 * self.pan.at(seconds + 1.0) * self.pan.0;
        let yaw = (sine(yaw), sine(yaw + 0.25));
        View::new(eye, yaw, circle(pitch), circle(roll), self.focal, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_never_seen_and_the_far_edge_is_within_one_world() {
        for seed in 0..60 {
            for size in [Size::new(1280, 720), Size::new(320, 180), Size::new(640, 640)] {
                let flight = Flight::new(seed, size);
                for step in 0..40 {
                    let view = flight.view(f64::from(step) * 1.7);
                    assert!(view.ray(P2 { x: 0.0, y: 0.0 }).z < -0.05, "seed {seed} at {size}");
                    let far = view.ground(P2 { x: 0.0, y: 0.0 });
                    let off = ((far.x - view.eye.x).abs()).max((far.y - view.eye.y).abs());
                    assert!(off < 256.0, "seed {seed} at {size}: {off} m");
                }
            }
        }
    }
}
