//! Cars, vans and cycles: shapes, paint, glass, wheels and lamps.
//!
//! A car is a box with a cabin on it, both open to the eye only on the sides that face the camera. Lengths in metres.

use super::canvas::{Brush, Canvas, Ink};
use super::figure::{Body, Part};
use super::light::Light;
use super::number::{Random, circle};
use super::view::{P2, Sheet, V3, View, v3};

/// Shape and paint of a vehicle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    /// Half the length and width.
    half: P2,
    /// Height of the bonnet and of the roof.
    waist: f32,
    roof: f32,
    /// The cabin from back to front, at the waist and at the roof.
    cabin: [f32; 4],
    van: bool,
    paint: Ink,
}

const PAINTS: [Ink; 9] = [
    Ink::rgb(228.0, 228.0, 226.0),
    Ink::rgb(236.0, 236.0, 234.0),
    Ink::rgb(38.0, 38.0, 42.0),
    Ink::rgb(62.0, 64.0, 70.0),
    Ink::rgb(150.0, 152.0, 156.0),
    Ink::rgb(176.0, 178.0, 180.0),
    Ink::rgb(146.0, 40.0, 40.0),
    Ink::rgb(44.0, 70.0, 124.0),
    Ink::rgb(150.0, 136.0, 104.0),
];
const GLASS: Ink = Ink::rgb(40.0, 48.0, 56.0);
const TYRE: Ink = Ink::rgb(30.0, 30.0, 32.0);
const RIM: Ink = Ink::rgb(150.0, 150.0, 152.0);
const HEAD: Ink = Ink::rgb(236.0, 232.0, 216.0);
const TAIL: Ink = Ink::rgb(168.0, 34.0, 34.0);
const PLATE: Ink = Ink::rgb(222.0, 222.0, 214.0);

/// Where a vehicle is and which way it points; sine and cosine of the heading, clockwise from north.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parked {
    pub(super) at: P2,
    pub(super) facing: (f32, f32),
}

impl Parked {
    fn place(&self, forward: f32, right: f32, up: f32) -> V3 {
        let (sine, cosine) = self.facing;
        v3(self.at.x + forward * sine + right * cosine, self.at.y + forward * cosine - right * sine, up)
    }
}

/// What a side of a vehicle shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Flank,
    Nose,
    Tail,
    Deck,
    Screen,
    Window,
    Roof,
}

impl Make {
    /// A car or a van, by chance.
    pub(super) fn new(random: &mut Random) -> Self {
        let paint = random.pick(&PAINTS);
        if random.chance(0.2) {
            let half = P2 { x: random.between(2.4, 2.9), y: 0.97 };
            let cabin = [-half.x + 0.02, half.x - 0.85, -half.x + 0.1, half.x - 1.45];
            return Self { half, waist: 1.05, roof: 2.02, cabin, van: true, paint };
        }
        let half = P2 { x: random.between(1.95, 2.3), y: 0.89 };
        // A saloon has a boot, a hatchback none.
        let back = if random.chance(0.5) { -half.x + 0.55 } else { -half.x + 0.08 };
        let cabin = [back, half.x - 1.2, back + 0.5, half.x - 1.95];
        Self { half, waist: 0.88, roof: random.between(1.42, 1.6), cabin, van: false, paint }
    }

    /// Metres from the middle that no part exceeds.
    pub(super) fn reach(&self) -> f32 {
        self.half.x + 0.5
    }

    /// Draws the sides that face the camera. `lit` is the light where it stands.
    pub(super) fn draw(&self, at: &Parked, lit: f32, view: &View, light: &Light, brush: Brush, canvas: &mut Canvas) {
        let (x, y) = (self.half.x, self.half.y);
        let [rear, front, roof_rear, roof_front] = self.cabin;
        let (w, r) = (self.waist, self.roof);
        let inner = y - if self.van { 0.08 } else { 0.2 };
        let p = |forward: f32, right: f32, up: f32| at.place(forward, right, up);
        let corner = |forward: f32, right: f32| [p(forward, right, 0.05), p(forward, right, w)];
        let ([a, a2], [b, b2], [c, c2], [d, d2]) = (corner(-x, -y), corner(x, -y), corner(x, y), corner(-x, y));
        // First corner, then along the base, then back along the top.
        let sides = [
            (Side::Flank, [a, b, b2, a2]),
            (Side::Flank, [d, c, c2, d2]),
            (Side::Nose, [b, c, c2, b2]),
            (Side::Tail, [a, d, d2, a2]),
            (Side::Deck, [a2, b2, c2, d2]),
            (Side::Window, [p(rear, -y, w), p(front, -y, w), p(roof_front, -inner, r), p(roof_rear, -inner, r)]),
            (Side::Window, [p(rear, y, w), p(front, y, w), p(roof_front, inner, r), p(roof_rear, inner, r)]),
            (Side::Screen, [p(front, -y, w), p(front, y, w), p(roof_front, inner, r), p(roof_front, -inner, r)]),
            (
                if self.van { Side::Roof } else { Side::Screen },
                [p(rear, -y, w), p(rear, y, w), p(roof_rear, inner, r), p(roof_rear, -inner, r)],
            ),
            (
                Side::Roof,
                [p(roof_rear, -inner, r), p(roof_front, -inner, r), p(roof_front, inner, r), p(roof_rear, inner, r)],
            ),
        ];
        let heart = p(0.0, 0.0, w * 0.7);
        for (side, corners) in sides {
            let [origin, end, _, up] = corners;
            let (along, over) = (end - origin, up - origin);
            let mut normal = along.cross(over);
            normal = normal * (1.0 / normal.length().max(1e-6));
            if normal.dot(origin - heart) < 0.0 {
                normal = normal * -1.0;
            }
            if normal.dot(view.eye - origin) <= 0.0 {
                continue;
            }
            let tone = lit * light.on(normal);
            // A trapezium is measured on its base and its middle height.
            let sheet = Sheet::new(view, origin, along, over);
            canvas.face(&view.outline(&corners), brush, |pixel| {
                let (a, b) = sheet.at(pixel);
                let lamp = light.lamps && matches!(side, Side::Nose | Side::Tail);
                let (ink, lamps) = self.colour(side, a, b)?;
                Some(ink.lit(if lamp && lamps { 1.6 } else { tone }))
            });
        }
    }

    /// Colour at a place on a side, `a` along and `b` up, both 0 to 1; whether it is a lamp; nothing where one sees
    /// through.
    fn colour(&self, side: Side, a: f32, b: f32) -> Option<(Ink, bool)> {
        let paint = self.paint;
        let ink = match side {
            Side::Flank => {
                let (x, z) = (a * 2.0 * self.half.x, b * (self.waist - 0.05) + 0.05);
                let wheel = |at: f32| {
                    let (dx, dz) = (x - at, z - 0.33);
                    dx * dx + dz * dz
                };
                let near = wheel(0.82).min(wheel(2.0 * self.half.x - 0.88));
                if near < 0.033 {
                    RIM
                } else if near < 0.11 {
                    TYRE
                } else if z < 0.2 {
                    return None;
                } else if near < 0.15 || z < 0.3 {
                    paint.lit(0.55)
                } else if (a - 0.40).abs() < 0.006 || (a - 0.64).abs() < 0.006 {
                    paint.lit(0.7)
                } else {
                    paint.lit(0.9 + 0.12 * b)
                }
            }
            Side::Nose | Side::Tail => {
                let lamp = !(0.22..0.78).contains(&a) && (0.45..0.75).contains(&b);
                if b < 0.2 {
                    TYRE
                } else if lamp {
                    return Some((if side == Side::Nose { HEAD } else { TAIL }, true));
                } else if (0.37..0.63).contains(&a) && (0.38..0.53).contains(&b) {
                    PLATE
                } else if side == Side::Nose && (0.25..0.75).contains(&a) && (0.5..0.75).contains(&b) {
                    TYRE.lit(1.6)
                } else {
                    paint.lit(0.95)
                }
            }
            Side::Deck => paint,
            Side::Screen => {
                let frame = !(0.06..0.94).contains(&a) || !(0.04..0.93).contains(&b);
                if frame { paint } else { GLASS.lit(1.0 + 0.5 * b) }
            }
            Side::Window => {
                let glass = if self.van {
                    (0.68..0.93).contains(&a) && (0.08..0.75).contains(&b)
                } else {
                    (0.08..0.88).contains(&b) && (a - 0.52).abs() > 0.025 && (0.06..0.97).contains(&a)
                };
                if glass { GLASS } else { paint.lit(0.95) }
            }
            Side::Roof => paint.lit(1.02),
        };
        Some((ink, false))
    }

    /// Draws the shadow on the ground, `depth` 0 to 255, and the dark beneath.
    pub(super) fn shade(&self, at: &Parked, depth: f32, view: &View, light: &Light, canvas: &mut Canvas) {
        let (x, y) = (self.half.x, self.half.y);
        let [rear, front, roof_rear, roof_front] = self.cabin;
        let flat = |forward: f32, right: f32, up: f32| {
            let p = at.place(forward, right, 0.0);
            v3(p.x + light.fall.x * up, p.y + light.fall.y * up, 0.0)
        };
        let ring = |back: f32, ahead: f32, wide: f32, up: f32| {
            [flat(back, -wide, up), flat(ahead, -wide, up), flat(ahead, wide, up), flat(back, wide, up)]
        };
        let mut fill = |corners: [V3; 4], depth: f32| canvas.face_shade(&view.outline(&corners), depth);
        fill(ring(-x, x, y, 0.0), 255.0);
        // The hull of a solid's shadow: bottom, top, and the strips that each edge sweeps between them.
        let solids = [
            (ring(-x, x, y, 0.1), ring(-x, x, y, self.waist)),
            (ring(rear, front, y, self.waist), ring(roof_rear, roof_front, y - 0.2, self.roof)),
        ];
        for (low, high) in solids {
            fill(high, depth);
            for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
                fill([low[from], low[to], high[to], high[from]], depth);
            }
        }
    }
}

/// A cycle without its rider, as parts like a body's.
pub(super) fn cycle(at: &Parked, paint: Ink) -> Body {
    let mut parts = Body::new();
    let mut add = |from: (f32, f32), to: (f32, f32), right: (f32, f32), radius: f32, ink: Ink| {
        let ends = (at.place(from.0, right.0, from.1), at.place(to.0, right.1, to.1));
        // The frame below has fewer parts than there is room for.
        let _ = parts.push(Part { ends, radii: (radius, radius), ink });
    };
    for hub in [-0.52, 0.54] {
        for spoke in [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875] {
            let rim = |turn: f32| {
                let (sine, cosine) = circle(turn);
                (hub + 0.33 * sine, 0.35 + 0.33 * cosine)
            };
            add(rim(spoke), rim(spoke + 0.125), (0.0, 0.0), 0.026, TYRE);
        }
    }
    let (hub, crank, saddle, head, fork) = ((-0.52, 0.35), (-0.02, 0.32), (-0.22, 0.88), (0.40, 0.86), (0.54, 0.35));
    for (from, to) in [(hub, crank), (hub, saddle), (crank, saddle), (saddle, head), (crank, head), (head, fork)] {
        add(from, to, (0.0, 0.0), 0.028, paint);
    }
    add((0.44, 1.0), (0.44, 1.0), (-0.27, 0.27), 0.022, TYRE);
    add((-0.30, 0.92), (-0.10, 0.92), (0.0, 0.0), 0.06, TYRE);
    parts
}

/// A frame's paint, by chance.
pub(super) fn paint(random: &mut Random) -> Ink {
    random.pick(&PAINTS)
}
