//! What stands still above the ground: houses, trees, benches.
//!
//! Crowns of trees are pictures of leaves, drawn once per seed and laid over everything that moves: whatever moves is
//! lower than any crown, so a sight line that meets both meets the crown first.

use super::canvas::{Brush, Canvas, Ink, SCENERY};
use super::light::Light;
use super::number::{Random, byte, floor, part, real, real_of, word};
use super::shape::Limb;
use super::town::{House, Town, Tree, crossing};
use super::view::{P2, Sheet, V3, View, v3};

/// Sides of a crown's pictures in texels.
const SIDES: [usize; 3] = [128, 64, 32];
/// Different crowns.
pub(super) const CROWNS: usize = 4;

/// A crown at several sizes: cover and light of each texel.
struct Crown {
    sizes: [Vec<[u8; 2]>; SIDES.len()],
}

/// Pictures of crowns.
pub(super) struct Relief {
    crowns: Vec<Crown>,
}

const BARK: Ink = Ink::rgb(92.0, 76.0, 62.0);
const WOOD: Ink = Ink::rgb(132.0, 98.0, 66.0);
const PANE: Ink = Ink::rgb(62.0, 72.0, 82.0);
const LAMP_LIT: Ink = Ink::rgb(250.0, 214.0, 140.0);

impl Crown {
    fn new(seed: u64, variant: usize) -> Self {
        let mut random = Random::new(seed, 50 + variant as u64);
        let side = SIDES[0];
        let mut cover = vec![0.0_f32; side * side];
        let mut light = vec![0.0_f32; side * side];
        // Bunches of leaves, the lower ones first: each lit from above, darker at its rim.
        for bunch in 0..110 {
            let high = real(bunch) / 110.0;
            let reach = 0.78 * (1.0 - 0.55 * high);
            let (x, y, r) = (random.between(-1.0, 1.0), random.between(-1.0, 1.0), random.between(0.10, 0.24));
            let off = (x * x + y * y).sqrt().max(1.0);
            let (x, y) = (x / off * reach, y / off * reach - 0.12 * high);
            let tone = 0.62 + 0.38 * high + random.between(-0.12, 0.12);
            for (index, (cover, light)) in cover.iter_mut().zip(&mut light).enumerate() {
                let at = |n: usize| (real_of(n) + 0.5) / real_of(side) * 2.0 - 1.0;
                let (dx, dy) = (at(index % side) - x, at(index / side) - y);
                let inside = 1.0 - (dx * dx + dy * dy).sqrt() / r;
                if inside > 0.0 {
                    let soft = (inside * 5.0).min(1.0);
                    *light += (tone * (0.8 + 0.35 * inside - 0.5 * dy) - *light) * soft;
                    *cover = cover.max(soft);
                }
            }
        }
        let texels = cover.iter().zip(&light).map(|(&cover, &light)| {
            let leaf = 1.0 + random.between(-0.26, 0.26);
            let gap = if random.chance(0.04) { 0.72 } else { 1.0 };
            [byte(cover * 255.0), byte((light * leaf * gap * 160.0).min(255.0))]
        });
        let whole: Vec<[u8; 2]> = texels.collect();
        let half = shrink(&whole, SIDES[0]);
        let quarter = shrink(&half, SIDES[1]);
        Self { sizes: [whole, half, quarter] }
    }

    /// Cover (0 to 1) and light (about 1) at a place from -1 to 1, mixed from four texels of one of the sizes.
    #[inline(always)]
    fn at(&self, x: f32, y: f32, size: usize) -> (f32, f32) {
        let side = SIDES[size];
        // In 256ths of a texel; the rim of every picture is empty, so what lies beyond is as well.
        let place = |at: f32| floor((at + 1.0) * real_of(side) * 128.0 - 128.0);
        let (x, y) = (place(x), place(y));
        let last = i32::try_from(side * 256).unwrap_or(i32::MAX) - 512;
        if x < 0 || y < 0 || x > last || y > last {
            return (0.0, 0.0);
        }
        let (i, j) = ((x >> 8).unsigned_abs() as usize, (y >> 8).unsigned_abs() as usize);
        let (right, down) = ((x & 255).unsigned_abs(), (y & 255).unsigned_abs());
        let texels = &self.sizes[size];
        let pair = |row: usize| match texels.get(row * side + i..row * side + i + 2) {
            Some(&[a, b]) => word(a).mixed(word(b), right),
            _ => word([0, 0]),
        };
        let both = pair(j).mixed(pair(j + 1), down).halves();
        (f32::from(both[0]) / 255.0, f32::from(both[1]) / 160.0)
    }
}

/// Half the size; light is weighed by cover.
fn shrink(texels: &[[u8; 2]], side: usize) -> Vec<[u8; 2]> {
    let quad = |x: usize, y: usize| [y * side + x, y * side + x + 1, (y + 1) * side + x, (y + 1) * side + x + 1];
    let mean = |at: [usize; 4]| {
        let (mut cover, mut light) = (0, 0);
        for [c, l] in at.map(|at| texels[at].map(u32::from)) {
            cover += c;
            light += c * l;
        }
        [cover / 4, light / cover.max(1)].map(|value| u8::try_from(value).unwrap_or(u8::MAX))
    };
    (0..side).step_by(2).flat_map(|y| (0..side).step_by(2).map(move |x| mean(quad(x, y)))).collect()
}

impl Relief {
    /// The crowns of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { crowns: (0..CROWNS).map(|variant| Crown::new(seed, variant)).collect() }
    }

    /// A tree's crown. `behind` as in [`Brush`].
    pub(super) fn crown(&self, tree: &Tree, view: &View, light: &Light, behind: u64, canvas: &mut Canvas) {
        let at = view.nearest(tree.at.x, tree.at.y);
        let Some((middle, scale)) = view.project(v3(at.x, at.y, tree.middle)) else { return };
        let r = tree.radius * scale * 1.15;
        // What would brush the lens fades before it fills the picture.
        let fade = (view.focal / scale / 2.0 - 1.2).clamp(0.0, 1.0);
        let (low, high) = (P2 { x: middle.x - r, y: middle.y - r }, P2 { x: middle.x + r, y: middle.y + r });
        let size = if r > 48.0 {
            0
        } else if r > 20.0 {
            1
        } else {
            2
        };
        let (Some(crown), leaf) = (self.crowns.get(tree.crown), tree.leaf.lit(light.at(at.x, at.y))) else { return };
        canvas.stamp(low, high, Brush { owner: SCENERY, behind }, |p| {
            let (cover, light) = crown.at((p.x - middle.x) / r, (p.y - middle.y) / r, size);
            (cover * fade, Ink { y: 16.0 + (leaf.y - 16.0) * light, ..leaf })
        });
    }
}

/// A tree's trunk.
pub(super) fn trunk(tree: &Tree, view: &View, light: &Light, behind: u64, canvas: &mut Canvas) {
    let at = view.nearest(tree.at.x, tree.at.y);
    let foot = view.project(v3(at.x, at.y, 0.0));
    let top = view.project(v3(at.x, at.y, tree.middle));
    if let (Some((foot, wide)), Some((top, narrow))) = (foot, top) {
        // Where the crown has faded, the trunk goes too.
        if narrow * 3.4 > view.focal {
            return;
        }
        let limb = Limb { ends: (foot, top), radii: (0.07 * tree.radius * wide, 0.05 * tree.radius * narrow) };
        canvas.limb(limb, BARK.lit(light.at(at.x, at.y)), P2::default(), Brush { owner: SCENERY, behind });
    }
}

/// A bench, drawn before those who sit on it.
pub(super) fn bench(place: P2, view: &View, light: &Light, behind: u64, canvas: &mut Canvas) {
    let at = view.nearest(place.x, place.y);
    let brush = Brush { owner: SCENERY, behind };
    let lit = light.at(at.x, at.y);
    for (y, z, ink) in [(0.15, 0.10, BARK), (0.1, 0.40, WOOD), (0.3, 0.42, WOOD), (-0.1, 0.75, WOOD)] {
        let end = |x: f32| view.project(v3(at.x + x, at.y + y, z));
        if let (Some((a, scale)), Some((b, _))) = (end(-0.9), end(0.9)) {
            let limb = Limb { ends: (a, b), radii: (0.09 * scale, 0.09 * scale) };
            canvas.limb(limb, ink.lit(lit), P2::default(), brush);
        }
    }
}

/// The houses that stand between the camera and a place, as bits; bit n is house n of the town, from 1.
pub(super) fn hidden_by(town: &Town, view: &View, at: P2) -> u64 {
    let way = P2 { x: at.x - view.eye.x, y: at.y - view.eye.y };
    let eye = P2 { x: view.eye.x, y: view.eye.y };
    let mut bits = 0;
    for (number, house) in (1u32..).zip(&town.houses) {
        let stands = view.nearest(house.at.x, house.at.y);
        if crossing(house, stands, eye, way).is_some_and(|(first, last)| first < 1.0 && last > 0.0) {
            bits |= 1u64.checked_shl(number).unwrap_or(0);
        }
    }
    bits
}

/// One house: the walls that face the camera, then the roof.
pub(super) fn house(house: &House, owner: u16, view: &View, light: &Light, canvas: &mut Canvas) {
    let at = view.nearest(house.at.x, house.at.y);
    let brush = Brush { owner, behind: 0 };
    let (hx, hy, top) = (house.half.x, house.half.y, house.height);
    let lit = light.at(at.x, at.y);
    let corner = |x: f32, y: f32, z: f32| v3(at.x + x, at.y + y, z);
    let up = v3(0.0, 0.0, top);
    for (x, y, along, normal) in [
        (-hx, -hy, v3(2.0 * hx, 0.0, 0.0), v3(0.0, -1.0, 0.0)),
        (hx, hy, v3(-2.0 * hx, 0.0, 0.0), v3(0.0, 1.0, 0.0)),
        (-hx, hy, v3(0.0, -2.0 * hy, 0.0), v3(-1.0, 0.0, 0.0)),
        (hx, -hy, v3(0.0, 2.0 * hy, 0.0), v3(1.0, 0.0, 0.0)),
    ] {
        let foot = corner(x, y, 0.0);
        if (view.eye - foot).dot(normal) <= 0.0 {
            continue;
        }
        let sheet = Sheet::new(view, foot, along, up);
        let wall = house.wall.lit(lit * light.on(normal) * 0.95);
        let length = along.length();
        let glow = if light.lamps { LAMP_LIT.lit(1.4) } else { PANE.lit(lit) };
        let corners = [foot, foot + along, foot + along + up, foot + up];
        canvas.face(&view.outline(&corners), brush, |p| {
            let (a, b) = sheet.at(p);
            let (bay, height) = (a * length / 2.4, b * top);
            let pane = (0.28..0.72).contains(&part(bay)) && (0.35..0.81).contains(&part(height / 2.6));
            // One window in three is lit.
            let dark = floor(bay) % 3 != 1 && light.lamps;
            let ink = match (pane, dark) {
                (true, true) => PANE.lit(0.7),
                (true, false) => glow,
                (false, _) => wall,
            };
            Some(Ink { y: 16.0 + (ink.y - 16.0) * (0.86 + 0.14 * b), ..ink })
        });
    }
    let roof = |normal: V3| house.roof.lit(lit * light.on(normal));
    let (left, right) = if house.gable {
        (roof(v3(0.0, -0.42, 0.91)), roof(v3(0.0, 0.42, 0.91)))
    } else {
        (roof(v3(0.0, 0.0, 1.0)), roof(v3(0.0, 0.0, 1.0)))
    };
    let origin = corner(-hx, -hy, top);
    let (a, b) = (v3(2.0 * hx, 0.0, 0.0), v3(0.0, 2.0 * hy, 0.0));
    let sheet = Sheet::new(view, origin, a, b);
    canvas.face(&view.outline(&[origin, origin + a, origin + a + b, origin + b]), brush, |p| {
        let (a, b) = sheet.at(p);
        let ink = if b < 0.5 { left } else { right };
        // Courses of tiles, or a parapet around a flat roof.
        let (x, y) = (a * 2.0 * hx, b * 2.0 * hy);
        let course = part(y / 0.45);
        let rim = (x.min(y)).min((2.0 * hx - x).min(2.0 * hy - y));
        let tone = if house.gable {
            let ridge = (b - 0.5).abs() * 2.0 * hy < 0.12;
            if ridge { 1.15 } else { 0.94 + 0.12 * course }
        } else if rim < 0.3 {
            1.16
        } else {
            // A hatch and a few stains give the flat roof a grain.
            let hatch = (x - hx * 0.7).abs() < 0.7 && (y - hy * 1.3).abs() < 0.6;
            let stain = floor(x * 1.7) * 7 + floor(y * 1.3) * 13;
            if hatch { 0.72 } else { 0.97 + real(stain.rem_euclid(5)) * 0.015 }
        };
        Some(Ink { y: 16.0 + (ink.y - 16.0) * tone, ..ink })
    });
}
