//! People: a body of joints, the gait that moves it, clothes and skin.
//!
//! Lengths are shares of the person's height unless they say metres; proportions are those of an adult drawn eight
//! heads tall, broadened a little by clothes.

use super::canvas::{Brush, Canvas, Ink};
use super::light::Light;
use super::number::{Random, circle};
use super::shape::Limb;
use super::view::{P2, V3, View, v3};

/// What someone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pose {
    /// On foot; also running, by the length of the stride.
    Walk,
    /// Upright, shifting a little.
    Stand,
    /// On the ground, knees up.
    Sit,
    /// On a bench.
    Bench,
    /// On the back.
    Lie,
    /// On a cycle.
    Ride,
}

/// How someone looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Height in metres.
    pub(super) height: f32,
    build: f32,
    skin: Ink,
    hair: Ink,
    top: Ink,
    bottom: Ink,
    shoes: Ink,
    bare_arms: bool,
    bare_legs: bool,
    skirt: bool,
    bag: bool,
    long_hair: bool,
}

const SKIN: [Ink; 5] = [
    Ink::rgb(232.0, 190.0, 164.0),
    Ink::rgb(216.0, 170.0, 138.0),
    Ink::rgb(184.0, 132.0, 100.0),
    Ink::rgb(136.0, 92.0, 68.0),
    Ink::rgb(96.0, 66.0, 50.0),
];
const HAIR: [Ink; 5] = [
    Ink::rgb(34.0, 28.0, 26.0),
    Ink::rgb(58.0, 42.0, 32.0),
    Ink::rgb(98.0, 70.0, 46.0),
    Ink::rgb(176.0, 146.0, 98.0),
    Ink::rgb(158.0, 156.0, 154.0),
];
const TOPS: [Ink; 10] = [
    Ink::rgb(228.0, 228.0, 226.0),
    Ink::rgb(40.0, 42.0, 48.0),
    Ink::rgb(46.0, 64.0, 112.0),
    Ink::rgb(176.0, 48.0, 46.0),
    Ink::rgb(120.0, 124.0, 130.0),
    Ink::rgb(74.0, 110.0, 82.0),
    Ink::rgb(214.0, 178.0, 74.0),
    Ink::rgb(92.0, 140.0, 186.0),
    Ink::rgb(196.0, 130.0, 150.0),
    Ink::rgb(70.0, 54.0, 46.0),
];
const BOTTOMS: [Ink; 6] = [
    Ink::rgb(42.0, 50.0, 74.0),
    Ink::rgb(34.0, 34.0, 38.0),
    Ink::rgb(84.0, 100.0, 128.0),
    Ink::rgb(150.0, 134.0, 108.0),
    Ink::rgb(92.0, 92.0, 94.0),
    Ink::rgb(198.0, 194.0, 186.0),
];

impl Look {
    /// Someone, by chance.
    pub(super) fn new(random: &mut Random) -> Self {
        let child = random.chance(0.1);
        let height = if child { random.between(1.1, 1.5) } else { random.between(1.55, 1.92) };
        let skirt = random.chance(0.15);
        Self {
            height,
            build: random.between(0.95, 1.22),
            skin: random.pick(&SKIN),
            hair: random.pick(&HAIR),
            top: random.pick(&TOPS),
            bottom: random.pick(&BOTTOMS),
            shoes: if random.chance(0.5) { Ink::rgb(40.0, 38.0, 38.0) } else { Ink::rgb(196.0, 194.0, 190.0) },
            bare_arms: random.chance(0.5),
            bare_legs: skirt || random.chance(0.25),
            skirt,
            bag: random.chance(0.2),
            long_hair: random.chance(0.35),
        }
    }
}

/// Where someone is and which way they face.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stance {
    /// On the ground, in metres.
    pub(super) at: P2,
    /// Sine and cosine of the heading, clockwise from north.
    pub(super) facing: (f32, f32),
    pub(super) pose: Pose,
    /// Of the gait or the pedals, in turns.
    pub(super) phase: f32,
    /// Swing of the thigh to either side, in turns.
    pub(super) swing: f32,
}

/// A part of a body in space: the hull of two balls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) ends: (V3, V3),
    /// Metres.
    pub(super) radii: (f32, f32),
    pub(super) ink: Ink,
}

/// All parts of one body.
pub(super) type Body = heapless::Vec<Part, 28>;

/// A joint: forward, right, up.
type Joint = (f32, f32, f32);

/// Joints that differ from pose to pose. Left is first.
struct Joints {
    hips: Joint,
    neck: Joint,
    head: Joint,
    knees: [Joint; 2],
    ankles: [Joint; 2],
    elbows: [Joint; 2],
    hands: [Joint; 2],
    /// Direction in which the toes point, and the face.
    toes: Joint,
}

fn joints(stance: &Stance) -> Joints {
    let both = |part: &dyn Fn(f32) -> Joint| [part(-1.0), part(1.0)];
    match stance.pose {
        Pose::Walk | Pose::Stand => {
            let stand = stance.pose == Pose::Stand;
            let lean = if stand { 0.0 } else { 0.25 * stance.swing };
            let leg = |side: f32, bend: bool| {
                let (s, c) = circle(stance.phase + if side < 0.0 { 0.0 } else { 0.5 });
                let thigh = circle(s * stance.swing);
                let shin = circle(s * stance.swing - (c.max(0.0) * 1.6 + 0.25) * stance.swing);
                let knee = (thigh.0 * 0.24, side * 0.055, 0.52 - thigh.1 * 0.24);
                if bend { (knee.0 + shin.0 * 0.24, side * 0.06, (knee.2 - shin.1 * 0.24).max(0.03)) } else { knee }
            };
            let arm = |side: f32, fore: bool| {
                let (s, _) = circle(stance.phase + if side < 0.0 { 0.5 } else { 0.0 });
                let (upper, lower) =
                    (circle(s * stance.swing * 0.8), circle(s * stance.swing * 0.8 + 0.04 + 0.6 * lean));
                let elbow = (lean * 0.3 + upper.0 * 0.17, side * 0.155, 0.81 - upper.1 * 0.17);
                if fore { (elbow.0 + lower.0 * 0.16, side * 0.15, elbow.2 - lower.1 * 0.16) } else { elbow }
            };
            Joints {
                hips: (0.0, 0.0, 0.52),
                neck: (lean * 0.3, 0.0, 0.815),
                head: (lean * 0.4 + 0.01, 0.0, 0.93),
                knees: both(&|side| leg(side, false)),
                ankles: both(&|side| leg(side, true)),
                elbows: both(&|side| arm(side, false)),
                hands: both(&|side| arm(side, true)),
                toes: (0.07, 0.0, -0.015),
            }
        }
        Pose::Sit => Joints {
            hips: (-0.08, 0.0, 0.075),
            neck: (-0.11, 0.0, 0.37),
            head: (-0.09, 0.0, 0.485),
            knees: both(&|side| (0.12, side * 0.08, 0.22)),
            ankles: both(&|side| (0.28, side * 0.07, 0.04)),
            elbows: both(&|side| (-0.02, side * 0.16, 0.22)),
            hands: both(&|side| (0.10, side * 0.10, 0.22)),
            toes: (0.06, 0.0, 0.01),
        },
        Pose::Bench => Joints {
            hips: (0.0, 0.0, 0.29),
            neck: (-0.05, 0.0, 0.585),
            head: (-0.03, 0.0, 0.70),
            knees: both(&|side| (0.24, side * 0.08, 0.28)),
            ankles: both(&|side| (0.24, side * 0.08, 0.04)),
            elbows: both(&|side| (0.02, side * 0.16, 0.42)),
            hands: both(&|side| (0.16, side * 0.08, 0.34)),
            toes: (0.07, 0.0, -0.01),
        },
        Pose::Lie => Joints {
            hips: (-0.02, 0.0, 0.06),
            neck: (0.28, 0.0, 0.065),
            head: (0.40, 0.0, 0.07),
            knees: both(&|side| (-0.26, side * 0.07, 0.09)),
            ankles: both(&|side| (-0.48, side * 0.08, 0.035)),
            elbows: both(&|side| (0.13, side * 0.22, 0.05)),
            hands: both(&|side| (0.0, side * 0.20, 0.05)),
            toes: (-0.01, 0.0, 0.06),
        },
        Pose::Ride => {
            let pedal = |side: f32| circle(stance.phase + if side < 0.0 { 0.0 } else { 0.5 });
            Joints {
                hips: (-0.12, 0.0, 0.53),
                neck: (0.06, 0.0, 0.79),
                head: (0.12, 0.0, 0.90),
                knees: both(&|side| (0.10 + pedal(side).0 * 0.02, side * 0.06, 0.42 + pedal(side).1 * 0.07)),
                ankles: both(&|side| (0.0 + pedal(side).0 * 0.095, side * 0.06, 0.20 + pedal(side).1 * 0.095)),
                elbows: both(&|side| (0.15, side * 0.16, 0.66)),
                hands: both(&|side| (0.28, side * 0.14, 0.58)),
                toes: (0.07, 0.0, -0.01),
            }
        }
    }
}

/// The parts of someone's body in space.
pub(super) fn body(look: &Look, stance: &Stance) -> Body {
    let j = joints(stance);
    let (sine, cosine) = stance.facing;
    let h = look.height;
    let place = |(forward, right, up): Joint| {
        v3(
            stance.at.x + (forward * sine + right * cosine) * h,
            stance.at.y + (forward * cosine - right * sine) * h,
            (up * h).max(0.03),
        )
    };
    let plus = |a: Joint, b: Joint| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
    let mut body = Body::new();
    let mut add = |from: Joint, to: Joint, radii: (f32, f32), ink: Ink| {
        let part = Part { ends: (place(from), place(to)), radii: (radii.0 * h, radii.1 * h), ink };
        // The table below has fewer parts than there is room for.
        let _ = body.push(part);
    };
    let b = look.build;
    let sleeve = if look.bare_arms { look.skin } else { look.top.lit(0.94) };
    let shin = if look.bare_legs { look.skin } else { look.bottom };
    // Across the shoulders for someone upright; someone lying is as broad.
    for (side, index) in [(-1.0, 0), (1.0, 1)] {
        let hip = plus(j.hips, (0.0, side * 0.05, 0.0));
        let thigh = if look.bare_legs && stance.pose == Pose::Lie { look.skin } else { look.bottom };
        add(hip, j.knees[index], (0.058 * b, 0.042 * b), thigh);
        add(j.knees[index], j.ankles[index], (0.040 * b, 0.028), shin);
        add(j.ankles[index], plus(j.ankles[index], j.toes), (0.028, 0.024), look.shoes);
        let shoulder = plus(j.neck, (0.0, side * 0.115 * b, -0.005));
        add(shoulder, j.elbows[index], (0.042 * b, 0.034 * b), look.top);
        add(j.elbows[index], j.hands[index], (0.031, 0.024), sleeve);
        add(j.hands[index], j.hands[index], (0.027, 0.027), look.skin);
        add(
            plus(j.neck, (0.0, side * 0.07 * b, -0.02)),
            plus(j.hips, (0.0, side * 0.045, 0.03)),
            (0.068 * b, 0.064 * b),
            look.top,
        );
    }
    let spine = |part: f32| {
        let (n, p) = (j.neck, j.hips);
        (p.0 + (n.0 - p.0) * part, 0.0, p.2 + (n.2 - p.2) * part)
    };
    add(spine(0.95), spine(0.1), (0.075 * b, 0.07 * b), look.top);
    if look.skirt && matches!(stance.pose, Pose::Walk | Pose::Stand) {
        add(j.hips, (0.0, 0.0, 0.30), (0.08 * b, 0.11 * b), look.bottom);
    }
    if look.bag && matches!(stance.pose, Pose::Walk | Pose::Stand) {
        let at = |part: f32| plus(spine(part), (-0.10, 0.0, 0.0));
        add(at(0.85), at(0.35), (0.07, 0.075), look.shoes.lit(0.8));
    }
    add(j.neck, j.head, (0.035, 0.035), look.skin);
    let lying = stance.pose == Pose::Lie;
    // The face looks forward, or up; hair is on the other side and on the crown.
    let (face, crown) =
        if lying { ((0.0, 0.0, 0.022), (0.022, 0.0, -0.012)) } else { ((0.018, 0.0, -0.012), (-0.012, 0.0, 0.014)) };
    add(plus(j.head, face), plus(j.head, face), (0.060, 0.060), look.skin);
    add(plus(j.head, crown), plus(j.head, crown), (0.066, 0.066), look.hair);
    if look.long_hair && !lying {
        add(plus(j.head, crown), plus(j.neck, (-0.05, 0.0, 0.02)), (0.058, 0.045), look.hair);
    }
    body
}

/// Draws a body's parts, the far ones first. `lit` is the light where it stands.
pub(super) fn draw(body: &mut Body, lit: f32, view: &View, light: &Light, brush: Brush, canvas: &mut Canvas) {
    let distance = |part: &Part| {
        let off = (part.ends.0 + part.ends.1) * 0.5 - view.eye;
        // What is thick reaches nearer.
        off.length() - part.radii.0
    };
    body.sort_unstable_by(|a, b| distance(b).total_cmp(&distance(a)));
    // The sun's direction as it falls on the picture.
    let sun = P2 { x: view.right.dot(light.sun), y: view.down.dot(light.sun) };
    let strength = 1.0 - f32::from(u8::try_from(light.dark.min(255)).unwrap_or(255)) / 360.0;
    let sun = P2 { x: sun.x * strength, y: sun.y * strength };
    for part in body.iter() {
        if let (Some((a, near)), Some((b, far))) = (view.project(part.ends.0), view.project(part.ends.1)) {
            let limb = Limb { ends: (a, b), radii: (part.radii.0 * near, part.radii.1 * far) };
            canvas.limb(limb, part.ink.lit(lit), sun, brush);
        }
    }
}

/// Draws the shadow of a body on the ground, `depth` 0 to 255.
pub(super) fn shade(body: &Body, depth: f32, view: &View, light: &Light, canvas: &mut Canvas) {
    for part in body {
        let fall = |p: V3| view.project(v3(p.x + light.fall.x * p.z, p.y + light.fall.y * p.z, 0.0));
        if let (Some((a, near)), Some((b, far))) = (fall(part.ends.0), fall(part.ends.1)) {
            let limb = Limb { ends: (a, b), radii: (part.radii.0 * near * 0.9, part.radii.1 * far * 0.9) };
            canvas.limb_shade(limb, depth);
        }
    }
}
