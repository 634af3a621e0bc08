//! Space and the lens: points, directions, and where they fall in the picture.
//!
//! The world is in metres: x east, y north, z up, ground at 0. It repeats every [`WORLD`] metres both ways, so that a
//! flight never reaches an edge. A view is a pinhole camera without distortion.

use std::ops::{Add, Mul, Sub};

use super::number::{floor, real, real_of};
use crate::base::Size;

/// Side of the ground that repeats, in metres.
pub(super) const WORLD: f32 = 256.0;

/// Nearest depth that is drawn, in metres.
const NEAR: f32 = 0.4;

/// A point or a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct V3 {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

/// A point or a direction from its parts.
pub(super) const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl Add for V3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        v3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for V3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        v3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for V3 {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        v3(self.x * k, self.y * k, self.z * k)
    }
}

impl V3 {
    pub(super) fn dot(self, o: Self) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    pub(super) fn cross(self, o: Self) -> Self {
        v3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }
}

/// A point of the picture in pixels; the centre of the first pixel is at one half, one half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct P2 {
    pub(super) x: f32,
    pub(super) y: f32,
}

/// Corners of a convex shape in the picture: four, one more where the near plane cut it.
pub(super) type Outline = heapless::Vec<P2, 6>;

/// Where the camera is and looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) eye: V3,
    pub(super) right: V3,
    pub(super) down: V3,
    pub(super) forward: V3,
    /// Focal length in pixels.
    pub(super) focal: f32,
    /// Middle of the picture.
    pub(super) middle: P2,
    /// Ground point at the middle of what is seen; copies of things are chosen around it.
    pub(super) centre: P2,
}

impl View {
    /// A camera at `eye`. `yaw` is (sine, cosine) of the heading clockwise from north, `pitch` of the angle below the
    /// horizon, `roll` of the lean to the right.
    pub(super) fn new(eye: V3, yaw: (f32, f32), pitch: (f32, f32), roll: (f32, f32), focal: f32, size: Size) -> Self {
        let ahead = v3(yaw.0, yaw.1, 0.0);
        let level = v3(yaw.1, -yaw.0, 0.0);
        let up = v3(0.0, 0.0, 1.0);
        let forward = ahead * pitch.1 - up * pitch.0;
        let below = (ahead * pitch.0 + up * pitch.1) * -1.0;
        let right = level * roll.1 + below * roll.0;
        let down = below * roll.1 - level * roll.0;
        let middle = P2 { x: real_of(size.width) / 2.0, y: real_of(size.height) / 2.0 };
        let mut view = Self { eye, right, down, forward, focal, middle, centre: P2::default() };
        // Halfway between what the top and the bottom edge see.
        let reach = |y: f32| view.ground(P2 { x: middle.x, y });
        let (far, near) = (reach(0.0), reach(2.0 * middle.y));
        view.centre = P2 { x: (far.x + near.x) / 2.0, y: (far.y + near.y) / 2.0 };
        view
    }

    /// The direction in which a pixel looks, one metre deep.
    pub(super) fn ray(&self, at: P2) -> V3 {
        let (x, y) = ((at.x - self.middle.x) / self.focal, (at.y - self.middle.y) / self.focal);
        self.right * x + self.down * y + self.forward
    }

    /// The ground point a pixel sees; far away for pixels at or above the horizon.
    pub(super) fn ground(&self, at: P2) -> P2 {
        let ray = self.ray(at);
        let depth = self.eye.z / (-ray.z).max(0.01);
        P2 { x: self.eye.x + ray.x * depth, y: self.eye.y + ray.y * depth }
    }

    /// The copy of a thing at `x`, `y` that is nearest to what is seen.
    pub(super) fn nearest(&self, x: f32, y: f32) -> P2 {
        let turn = |at: f32, to: f32| at - WORLD * real(floor((at - to) / WORLD + 0.5));
        P2 { x: turn(x, self.centre.x), y: turn(y, self.centre.y) }
    }

    /// As the camera has it: x to the right, y down, z deep.
    pub(super) fn seen(&self, point: V3) -> V3 {
        let from = point - self.eye;
        v3(self.right.dot(from), self.down.dot(from), self.forward.dot(from))
    }

    /// Pixel of a point in front of the camera, and the pixels a metre takes there.
    pub(super) fn project(&self, point: V3) -> Option<(P2, f32)> {
        let seen = self.seen(point);
        (seen.z > NEAR).then(|| self.flatten(seen))
    }

    fn flatten(&self, seen: V3) -> (P2, f32) {
        let scale = self.focal / seen.z;
        (P2 { x: self.middle.x + seen.x * scale, y: self.middle.y + seen.y * scale }, scale)
    }

    /// Outline of a convex shape, cut where it comes too near; empty if nothing is left.
    pub(super) fn outline(&self, corners: &[V3]) -> Outline {
        let mut outline = Outline::new();
        for (index, &corner) in corners.iter().enumerate() {
            let from = self.seen(corners[(index + corners.len() - 1) % corners.len()]);
            let to = self.seen(corner);
            if (from.z > NEAR) != (to.z > NEAR) {
                let cut = from + (to - from) * ((NEAR * 1.01 - from.z) / (to.z - from.z));
                let _ = outline.push(self.flatten(cut).0);
            }
            if to.z > NEAR {
                let _ = outline.push(self.flatten(to).0);
            }
        }
        outline
    }
}

/// A plane in space with two axes on it: gives the place on the plane that a pixel sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sheet {
    a: V3,
    b: V3,
    n: V3,
    middle: P2,
    focal: f32,
}

impl Sheet {
    /// The plane through `origin`; a whole `a` or `b` is one unit along that axis.
    pub(super) fn new(view: &View, origin: V3, a: V3, b: V3) -> Self {
        let turn = |d: V3| v3(view.right.dot(d), view.down.dot(d), view.forward.dot(d));
        let (o, a, b) = (view.seen(origin), turn(a), turn(b));
        Self { a: b.cross(o), b: o.cross(a), n: a.cross(b), middle: view.middle, focal: view.focal }
    }

    /// How far along the two axes the pixel sees the plane.
    pub(super) fn at(&self, pixel: P2) -> (f32, f32) {
        let ray = v3((pixel.x - self.middle.x) / self.focal, (pixel.y - self.middle.y) / self.focal, 1.0);
        let n = ray.dot(self.n);
        let inverse = if n == 0.0 { 0.0 } else { 1.0 / n };
        (ray.dot(self.a) * inverse, ray.dot(self.b) * inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::super::number::circle;
    use super::*;

    #[test]
    fn a_pixel_sees_the_ground_point_that_falls_on_it() {
        let view =
            View::new(v3(10.0, 20.0, 30.0), circle(0.13), circle(0.15), circle(0.01), 800.0, Size::new(1280, 720));
        for at in [P2 { x: 3.0, y: 700.0 }, P2 { x: 900.0, y: 200.0 }] {
            let ground = view.ground(at);
            let (back, _) = view.project(v3(ground.x, ground.y, 0.0)).expect("in front");
            assert!((back.x - at.x).abs() < 0.05 && (back.y - at.y).abs() < 0.05, "{at:?} {back:?}");
            let sheet = Sheet::new(&view, v3(1.0, 2.0, 0.0), v3(2.0, 0.0, 0.0), v3(0.0, 4.0, 0.0));
            let (a, b) = sheet.at(at);
            assert!((1.0 + 2.0 * a - ground.x).abs() < 0.01 && (2.0 + 4.0 * b - ground.y).abs() < 0.01);
        }
    }
}
