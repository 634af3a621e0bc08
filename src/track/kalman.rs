//! Where a box is and how it moves: a Kalman filter, and the camera's motion.
//!
//! Relies on + - * / and sqrt alone, so that every board gives the same boxes. Never allocates, never holds a number
//! that is not finite, and never predicts that a box shrinks: that must have been seen.
//!
//! State of each axis: place, velocity; of each side: length, growth. Noise is alike on both axes (as in ByteTrack,
//! where both follow the box's height), so that one 2 x 2 covariance serves both, and a turn of the camera leaves it as
//! it is. Formulas, for one axis with x = (place, velocity), covariance P, time step T:
//! - Prediction: x' = F x, P' = F P Fᵀ + Q with F = [1 T; 0 1] and Q = q [T³/3 T²/2; T²/2 T], white noise acceleration
//!   in continuous time (Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001,
//!   6.2.2): two short steps give what one long step gives, so steps need not be regular.
//! - Correction with a place z of variance R: K = P Hᵀ / (P00 + R), x' = x + K (z - x0),
//!   P' = (I - K H) P (same book, chapter 5).
//! - Camera: x' = S x for a place, S without its shift for a velocity, P' = s² P with s the scale of S. A box's sides
//!   become those of the upright box around the turned one: w' = |a| w + |b| h, h' = |b| w + |a| h.

use crate::base::{Rect, Size};

/// Places are kept within this many pixels of the origin; four times the longest side of a picture.
const FAR: f64 = 4.0 * PICTURE;
/// The longest side of a picture in pixels.
#[expect(clippy::cast_precision_loss, reason = "8192 is exact")]
const PICTURE: f64 = Size::MAX_SIDE as f64;

/// A box in pixels with fractions; it has an area and its edges are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Right edge, right of the left one.
    pub right: f64,
    /// Bottom edge, below the top one.
    pub bottom: f64,
}

impl Bounds {
    /// The bounds of a rectangle, with sides of at least a pixel; edges stop at twice [`Size::MAX_SIDE`].
    pub fn of(rect: Rect) -> Self {
        let (left, top) = (pixels(rect.x), pixels(rect.y));
        Self { left, top, right: left + pixels(rect.width).max(1.0), bottom: top + pixels(rect.height).max(1.0) }
    }

    /// With every edge moved outward by `margin` pixels, 0 or more.
    #[must_use]
    pub fn grown(self, margin: f64) -> Self {
        let Self { left, top, right, bottom } = self;
        Self { left: left - margin, top: top - margin, right: right + margin, bottom: bottom + margin }
    }

    /// Intersection over union, 0 to 1.
    pub fn overlap(self, other: Self) -> f64 {
        let across = self.right.min(other.right) - self.left.max(other.left);
        let down = self.bottom.min(other.bottom) - self.top.max(other.top);
        if across <= 0.0 || down <= 0.0 {
            return 0.0;
        }
        let both = across * down;
        both / (self.area() + other.area() - both)
    }

    fn area(self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    /// The whole pixels it touches, cut at the origin and at [`Size::MAX_SIDE`]; `None` where nothing is left.
    pub fn pixels(self) -> Option<Rect> {
        let (x, y) = (whole(self.left.floor()), whole(self.top.floor()));
        let (right, bottom) = (whole(self.right.ceil()), whole(self.bottom.ceil()));
        (x < right && y < bottom).then(|| Rect::new(x, y, right - x, bottom - y))
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 8192")]
fn pixels(length: usize) -> f64 {
    length.min(Size::MAX_SIDE) as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=8192 before")]
fn whole(edge: f64) -> usize {
    edge.clamp(0.0, PICTURE) as usize
}

/// How the picture moved with the camera: (x, y) before is (a x - b y + tx, b x + a y + ty) now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The camera stood still.
    pub const STILL: Self = Self { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };

    /// A motion with scale times cosine `a`, scale times sine `b`, shift `tx` and `ty` in pixels. `None` where a number
    /// is not finite, the scale is not within 1/2 to 2 or a shift is more than four picture sides: no estimate of the
    /// motion from one frame to the next, and the caller must cover the frame whole.
    pub fn new(a: f64, b: f64, tx: f64, ty: f64) -> Option<Self> {
        let fits = (0.25..=4.0).contains(&(a * a + b * b)) && tx.abs() <= FAR && ty.abs() <= FAR;
        fits.then_some(Self { a, b, tx, ty })
    }

    fn turned(self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.a * x - self.b * y, self.b * x + self.a * y]
    }

    /// Sides of the upright box around a turned box.
    #[must_use]
    pub fn around(self, [width, height]: [f64; 2]) -> [f64; 2] {
        let (a, b) = (self.a.abs(), self.b.abs());
        [a * width + b * height, b * width + a * height]
    }

    /// By how much it can stretch an upright box's side or margin.
    pub fn stretch(self) -> f64 {
        self.a.abs() + self.b.abs()
    }
}

/// How things of one kind move and how well they are seen. A size is the root of a box's area: about 1 m for a standing
/// person seen from the side, 0.6 m from above, 2 m to 3 m for a car.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// Spread of the velocity at birth, sizes per second on each axis, 0.1 to 10.
    pub speed: f64,
    /// How much the velocity changes in one second (rms), sizes per second on each axis, 0.05 to 10.
    pub turn: f64,
    /// Spread of the growth of a side at birth, and how much it changes in one second (rms), sizes per second, 0.05
    /// to 5.
    pub growth: f64,
    /// How far an edge is from where it was seen (rms), pixels, 0.5 to 32.
    pub edge_px: f64,
    /// The part of that which grows with the box, sizes, 0 to 0.5.
    pub edge_share: f64,
}

impl Motion {
    /// With each field within its range; one that is not a number takes the high end, which covers most.
    #[must_use]
    pub fn within_range(self) -> Self {
        Self {
            speed: within(self.speed, 0.1, 10.0),
            turn: within(self.turn, 0.05, 10.0),
            growth: within(self.growth, 0.05, 5.0),
            edge_px: within(self.edge_px, 0.5, 32.0),
            edge_share: within(self.edge_share, 0.0, 0.5),
        }
    }
}

/// The nearest number in range; the high end for what is not a number.
pub(super) fn within(value: f64, low: f64, high: f64) -> f64 {
    if value.is_nan() { high } else { value.clamp(low, high) }
}

/// Covariance of a length in pixels and its rate in pixels per second.
#[derive(Clone, Copy, Debug)]
struct Spread {
    length: f64,
    both: f64,
    rate: f64,
}

impl Spread {
    /// `time` seconds on, also back: what is unknown grows both ways. `noise` is q, in px²/s³.
    fn after(self, time: f64, noise: f64) -> Self {
        let (span, square) = (time.abs(), time * time);
        Self {
            length: self.length + 2.0 * time * self.both + square * self.rate + noise * span * square / 3.0,
            both: self.both + time * self.rate + noise * time * span / 2.0,
            rate: self.rate + noise * span,
        }
    }

    /// The gain on length and rate from a length seen with `variance` > 0, and what is unknown then.
    fn corrected(self, variance: f64) -> ([f64; 2], Self) {
        let sum = self.length + variance;
        let gain = [self.length / sum, self.both / sum];
        // (1 - K0) P00 = R P00 / (P00 + R): written so that rounding cannot make it negative.
        let (length, both) = (self.length * variance / sum, self.both * variance / sum);
        (gain, Self { length, both, rate: (self.rate - gain[1] * self.both).max(0.0) })
    }

    fn stretched(self, scale: f64) -> Self {
        // Bounded, so that no row of zooms without a correction can leave the numbers.
        let by = |variance: f64, least: f64| (variance * scale * scale).clamp(least, FAR * FAR);
        Self { length: by(self.length, 0.0), both: by(self.both, -FAR * FAR), rate: by(self.rate, 0.0) }
    }
}

/// The filter of one box.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    centre: [f64; 2],
    velocity: [f64; 2],
    sides: [f64; 2],
    growth: [f64; 2],
    place: Spread,
    extent: Spread,
}

impl Filter {
    /// A box seen for the first time: velocity zero, with the spread that its kind has.
    pub fn new(seen: Bounds, motion: &Motion) -> Self {
        let (centre, sides) = measures(seen);
        let size = (sides[0] * sides[1]).sqrt();
        let edge = edge_variance(size, motion);
        let rate = |speed: f64| (speed * size) * (speed * size);
        Self {
            centre,
            velocity: [0.0; 2],
            sides,
            growth: [0.0; 2],
            place: Spread { length: edge / 2.0, both: 0.0, rate: rate(motion.speed) },
            extent: Spread { length: edge * 2.0, both: 0.0, rate: rate(motion.growth) },
        }
    }

    fn size(&self) -> f64 {
        (self.sides[0] * self.sides[1]).sqrt()
    }

    /// The box now.
    pub fn bounds(&self) -> Bounds {
        let ([x, y], [width, height]) = (self.centre, [self.sides[0] / 2.0, self.sides[1] / 2.0]);
        Bounds { left: x - width, top: y - height, right: x + width, bottom: y + height }
    }

    /// Whether it moves so little in `time` seconds that its boxes then and now overlap by half of each side.
    pub fn overlaps_itself(&self, time: f64) -> bool {
        (0..2).all(|axis| (self.velocity[axis] * time).abs() * 2.0 <= self.sides[axis])
    }

    /// Follows the camera: the state is then in the picture of now, at the time of before.
    pub fn follow(&mut self, camera: Similarity) {
        let [x, y] = camera.turned(self.centre);
        self.centre = [x + camera.tx, y + camera.ty];
        self.velocity = camera.turned(self.velocity);
        self.sides = camera.around(self.sides);
        self.growth = camera.around(self.growth);
        self.place = self.place.stretched((camera.a * camera.a + camera.b * camera.b).sqrt());
        // The larger eigenvalue of the map of sides; the exact covariance would be smaller along the other.
        self.extent = self.extent.stretched(camera.stretch());
        self.bound();
    }

    /// Predicts `time` seconds on (or back, where negative), at most an hour.
    #[must_use]
    pub fn after(mut self, time: f64, motion: &Motion) -> Self {
        let time = time.clamp(-3600.0, 3600.0);
        let size = self.size();
        for axis in 0..2 {
            self.centre[axis] += self.velocity[axis] * time;
            // A box that shrinks while nobody looks would uncover what it is there to cover.
            self.sides[axis] += (self.growth[axis] * time).max(0.0);
        }
        let noise = |rate: f64| (rate * size) * (rate * size);
        self.place = self.place.after(time, noise(motion.turn)).stretched(1.0);
        self.extent = self.extent.after(time, noise(motion.growth)).stretched(1.0);
        self.bound();
        self
    }

    /// Corrects the state by a sighting at its own time.
    pub fn correct(&mut self, seen: Bounds, motion: &Motion) {
        let (centre, sides) = measures(seen);
        // Both edges err alike and apart: their mean has half the variance of one, their distance twice.
        let edge = edge_variance(self.size(), motion);
        let ([place, velocity], spread) = self.place.corrected(edge / 2.0);
        self.place = spread;
        let ([length, growth], spread) = self.extent.corrected(edge * 2.0);
        self.extent = spread;
        for axis in 0..2 {
            let off = centre[axis] - self.centre[axis];
            self.centre[axis] += place * off;
            self.velocity[axis] += velocity * off;
            let off = sides[axis] - self.sides[axis];
            self.sides[axis] += length * off;
            self.growth[axis] += growth * off;
        }
        self.bound();
    }

    /// Standard deviation of an edge in pixels: the centre's, and half a side's.
    pub fn edge_deviation(&self) -> f64 {
        (self.place.length + self.extent.length / 4.0).max(0.0).sqrt()
    }

    /// Keeps every number finite, whatever came in.
    fn bound(&mut self) {
        for axis in 0..2 {
            self.centre[axis] = self.centre[axis].clamp(-FAR, FAR);
            self.velocity[axis] = self.velocity[axis].clamp(-FAR, FAR);
            self.sides[axis] = self.sides[axis].clamp(1.0, FAR);
            self.growth[axis] = self.growth[axis].clamp(-FAR, FAR);
        }
    }
}

fn measures(seen: Bounds) -> ([f64; 2], [f64; 2]) {
    let centre = [(seen.left + seen.right) / 2.0, (seen.top + seen.bottom) / 2.0];
    (centre, [seen.right - seen.left, seen.bottom - seen.top])
}

/// Variance of an edge of a sighting, in square pixels: at least a quarter for motions within range.
fn edge_variance(size: f64, motion: &Motion) -> f64 {
    let share = motion.edge_share * size;
    motion.edge_px * motion.edge_px + share * share
}

#[cfg(test)]
mod tests;
