//! The texture of the ground, painted once from the plan.
//!
//! Grass, earth, asphalt with its marks, slabs, and the shadows of what stands. Texels are an eighth of a metre; the
//! texture repeats with the world.

use super::canvas::Ink;
use super::light::Light;
use super::number::{Random, byte, floor, mix, part, real, real_of, sine};
use super::town::{Block, LINES, PITCH, Road, Town, crossing};
use super::view::{P2, WORLD};

/// Texels along a side of the world; a power of two.
pub(super) const TEXELS: usize = 2048;
/// Texels in a metre.
const FINE: f32 = 8.0;
/// Side of the tables of noise; a power of two.
pub(super) const TILE: usize = 512;

const GRASS: Ink = Ink::rgb(102.0, 114.0, 72.0);
const DRY: Ink = Ink::rgb(142.0, 134.0, 88.0);
const EARTH: Ink = Ink::rgb(136.0, 114.0, 88.0);
const GRAVEL: Ink = Ink::rgb(172.0, 162.0, 140.0);
const ASPHALT: Ink = Ink::rgb(106.0, 106.0, 108.0);
const KERB: Ink = Ink::rgb(178.0, 176.0, 170.0);
const PAVEMENT: Ink = Ink::rgb(150.0, 146.0, 140.0);
const SLAB: Ink = Ink::rgb(166.0, 158.0, 146.0);
const MARK: Ink = Ink::rgb(216.0, 216.0, 210.0);

/// Noise that repeats every [`TILE`] steps, from -1 to 1: the sum of lattices of `cells` cells a side, each half as
/// strong as the one before.
pub(super) fn noise(seed: u64, cells: &[usize]) -> Box<[f32]> {
    let mut sum = vec![0.0; TILE * TILE];
    let (mut strength, mut total) = (1.0, 0.0);
    for &cells in cells {
        let mut random = Random::new(seed, 100 + cells as u64);
        let lattice: Vec<f32> = (0..cells * cells).map(|_| random.between(-1.0, 1.0)).collect();
        // Place along a side: cell, next cell, and how far from one to the other, eased.
        let place = |step: usize| {
            let at = real_of(step) * real_of(cells) / real_of(TILE);
            let (cell, past) = (step * cells / TILE, part(at));
            (cell, (cell + 1) % cells, past * past * (3.0 - 2.0 * past))
        };
        let columns: Vec<_> = (0..TILE).map(place).collect();
        for (row, line) in sum.chunks_exact_mut(TILE).enumerate() {
            let (top, bottom, down) = place(row);
            for (value, &(left, right, across)) in line.iter_mut().zip(&columns) {
                let pair = |row: usize| {
                    let (a, b) = (lattice[row * cells + left], lattice[row * cells + right]);
                    a + (b - a) * across
                };
                let (a, b) = (pair(top), pair(bottom));
                *value += strength * (a + (b - a) * down);
            }
        }
        total += strength;
        strength *= 0.7;
    }
    sum.iter().map(|value| value / total * 1.6).collect()
}

/// Everything the texture is painted from.
struct Painter<'a> {
    town: &'a Town,
    /// One step a texel.
    rough: Box<[f32]>,
    /// One step four texels; only slow change.
    slow: Box<[f32]>,
    seed: u64,
}

/// Luma of each texel and chroma of each two by two.
pub(super) struct Texture {
    pub(super) luma: Vec<u8>,
    pub(super) chroma: Vec<[u8; 2]>,
    /// Depth of standing shadow, 0 to 255, for each square metre.
    pub(super) shade: Vec<u8>,
}

/// Paints the ground of a plan in its light.
pub(super) fn paint(town: &Town, light: &Light, seed: u64) -> Texture {
    let painter =
        Painter { town, rough: noise(seed, &[32, 64, 128, 256, 512]), slow: noise(seed ^ 1, &[4, 16, 32]), seed };
    let shadow = shadows(town, light, &painter.rough);
    let mut texture = Texture {
        luma: vec![0; TEXELS * TEXELS],
        chroma: vec![[0; 2]; TEXELS * TEXELS / 4],
        shade: vec![0; TEXELS * TEXELS / 64],
    };
    let dark = 1.0 - real(i32::try_from(light.dark).unwrap_or(256)) / 256.0;
    for (row, line) in texture.luma.chunks_exact_mut(TEXELS).enumerate() {
        let y = (real_of(row) + 0.5) / FINE;
        for (column, luma) in line.iter_mut().enumerate() {
            let x = (real_of(column) + 0.5) / FINE;
            let ink = painter.surface(P2 { x, y }, column, row);
            let depth = shadow[row * TEXELS + column];
            let ink = ink.lit((1.0 - dark * f32::from(depth) / 255.0) * light.at(x, y));
            *luma = byte(ink.y);
            if row % 2 == 0 && column % 2 == 0 {
                texture.chroma[row / 2 * (TEXELS / 2) + column / 2] = [byte(ink.u), byte(ink.v)];
            }
            if row % 8 == 4 && column % 8 == 4 {
                texture.shade[row / 8 * (TEXELS / 8) + column / 8] = depth;
            }
        }
    }
    texture
}

impl Painter<'_> {
    fn rough(&self, column: usize, row: usize) -> f32 {
        self.rough[row % TILE * TILE + column % TILE]
    }

    /// Distance to the nearest line of an axis, and that line's road.
    fn line(&self, axis: usize, at: f32) -> (f32, Road) {
        let line = floor(at / PITCH + 0.5);
        let road = self.town.roads[axis][usize::try_from(line).unwrap_or(0) % LINES];
        (at - real(line) * PITCH, road)
    }

    /// What the ground looks like at a place.
    fn surface(&self, at: P2, column: usize, row: usize) -> Ink {
        let (rough, slow) = (self.rough(column, row), self.slow[row / 4 * TILE + column / 4]);
        let (dx, along_x) = self.line(0, at.x);
        let (dy, along_y) = self.line(1, at.y);
        let (ax, ay) = (dx.abs(), dy.abs());
        let grain = 1.0 + 0.05 * rough + 0.06 * slow;
        let (on_x, on_y) = (ax < along_x.half(), ay < along_y.half());
        let tarred = |on: bool, road: Road| on && road != Road::Path;
        if tarred(on_x, along_x) || tarred(on_y, along_y) {
            // Patches of newer tar.
            let patch = if slow + 0.3 * rough > 0.55 { 0.86 } else { 1.0 };
            let both = ax < along_x.half() && ay < along_y.half();
            let mark = if both {
                false
            } else if tarred(on_x, along_x) {
                marked(ax, along_x, at.y, ay - along_y.half(), along_y)
            } else {
                marked(ay, along_y, at.x, ax - along_x.half(), along_x)
            };
            let worn = rough + 0.4 * slow < 0.5;
            return if mark && worn { MARK.lit(grain) } else { ASPHALT.lit(grain * patch) };
        }
        if ax < along_x.verge() || ay < along_y.verge() {
            if along_x == Road::Path && on_x || along_y == Road::Path && on_y {
                return GRAVEL.lit(grain + 0.05 * rough);
            }
            let kerb = |off: f32, road: Road| road != Road::Path && off < road.half() + 0.25;
            if kerb(ax, along_x) || kerb(ay, along_y) {
                return KERB.lit(grain);
            }
            return PAVEMENT.lit(grain * self.slab(at, 0.75, 0.03));
        }
        let block = self.town.blocks[floor(at.x / PITCH).unsigned_abs() as usize % LINES]
            [floor(at.y / PITCH).unsigned_abs() as usize % LINES];
        self.block(block, at, rough, slow)
    }

    fn block(&self, block: Block, at: P2, rough: f32, slow: f32) -> Ink {
        let grass =
            |dry: f32| blend(GRASS, DRY, (slow * 0.9 + rough * 0.35 + dry).clamp(0.0, 1.0)).lit(1.0 + 0.17 * rough);
        let inside = P2 { x: PITCH * part(at.x / PITCH), y: PITCH * part(at.y / PITCH) };
        match block {
            Block::Park => {
                // A path that swings around the block's middle, worn at its edges.
                let swing = sine(f64::from(inside.x / 40.0)) * 9.0 + PITCH / 2.0;
                let off = (inside.y - swing).abs() + 0.25 * rough;
                if off < 1.3 {
                    GRAVEL.lit(1.0 + 0.1 * rough)
                } else if slow + 0.3 * rough < -0.75 {
                    EARTH.lit(1.0 + 0.12 * rough)
                } else {
                    grass(0.05)
                }
            }
            Block::Plaza => {
                let tone = if part(inside.x / 16.0) < 0.5 { 1.0 } else { 0.90 };
                SLAB.lit(tone * (1.0 + 0.04 * rough + 0.05 * slow) * self.slab(at, 1.5, 0.06))
            }
            Block::Houses => {
                if part(inside.x / 12.0) < 0.22 && inside.y < 20.0 {
                    SLAB.lit(0.95 + 0.06 * rough)
                } else {
                    grass(-0.1)
                }
            }
            Block::CarPark => {
                let (bay, lane) = (2.5 * part(inside.x / 2.5), 16.0 * part(inside.y / 16.0));
                let mark = (bay < 0.14 && !(5.5..10.5).contains(&lane)) || lane < 0.14;
                if mark && rough < 0.5 { MARK.lit(0.97) } else { ASPHALT.lit(0.94 + 0.06 * rough + 0.08 * slow) }
            }
            Block::Field => {
                let furrow = 0.06 * sine(f64::from((inside.x + 0.3 * rough) / 1.6));
                if slow + 0.2 * rough > 0.15 { grass(0.55) } else { EARTH.lit(1.0 + 0.12 * rough + furrow) }
            }
        }
    }

    /// Tone of a slab of `side` metres and of the joint around it.
    fn slab(&self, at: P2, side: f32, play: f32) -> f32 {
        let (i, j) = (floor(at.x / side), floor(at.y / side));
        let joint = (at.x / side - real(i)).min(at.y / side - real(j)) * side;
        let chance = mix(self.seed ^ (u64::from(i.unsigned_abs()) << 24) ^ u64::from(j.unsigned_abs())) & 0xff;
        let tone = 1.0 + play * (real(i32::try_from(chance).unwrap_or(0)) / 127.5 - 1.0);
        if joint < 0.1 { tone * 0.9 } else { tone }
    }
}

/// Whether paint marks the carriageway `off` metres from its middle, `along` it, `before` metres ahead of a crossing
/// with `other`.
fn marked(off: f32, road: Road, along: f32, before: f32, other: Road) -> bool {
    if other != Road::Path && before < 8.0 {
        // A zebra, a stop line behind it, nothing else near a crossing.
        let stripe = part(off + 0.25) < 0.5;
        return (3.2..6.2).contains(&before) && stripe || (6.9..7.25).contains(&before) && off > 0.1;
    }
    let dash = part(along / 8.0) < 0.375;
    let edge = (off - road.half() + 0.3).abs() < 0.08;
    match road {
        Road::Street => dash && off < 0.1 || edge,
        Road::Avenue => (off - 0.22).abs() < 0.08 || dash && (off - 3.4).abs() < 0.1 || edge,
        Road::Path => false,
    }
}

fn blend(a: Ink, b: Ink, share: f32) -> Ink {
    let mix = |a: f32, b: f32| a + (b - a) * share;
    Ink { y: mix(a.y, b.y), u: mix(a.u, b.u), v: mix(a.v, b.v) }
}

/// Depth of the shadows of houses and trees at each texel.
fn shadows(town: &Town, light: &Light, rough: &[f32]) -> Vec<u8> {
    let mut depth = vec![0; TEXELS * TEXELS];
    let fall = light.fall;
    for house in &town.houses {
        let reach = P2 { x: fall.x * house.height, y: fall.y * house.height };
        let low =
            P2 { x: house.at.x - house.half.x + reach.x.min(0.0), y: house.at.y - house.half.y + reach.y.min(0.0) };
        let high =
            P2 { x: house.at.x + house.half.x + reach.x.max(0.0), y: house.at.y + house.half.y + reach.y.max(0.0) };
        let back = P2 { x: -reach.x, y: -reach.y };
        darken(&mut depth, low, high, |at| {
            crossing(house, house.at, at, back).filter(|&(first, last)| first < 1.0 && last > 0.0).map_or(0, |_| 255)
        });
    }
    for tree in &town.trees {
        let at = P2 { x: tree.at.x + fall.x * tree.middle, y: tree.at.y + fall.y * tree.middle };
        let r = tree.radius * 1.1;
        let (low, high) = (P2 { x: at.x - r, y: at.y - r }, P2 { x: at.x + r, y: at.y + r });
        darken(&mut depth, low, high, |p| {
            let (dx, dy) = (p.x - at.x, p.y - at.y);
            let (i, j) = (floor(p.x * FINE) & 511, floor(p.y * FINE) & 511);
            let ragged = rough[j.unsigned_abs() as usize * TILE + i.unsigned_abs() as usize];
            let inside = 1.0 - (dx * dx + dy * dy).sqrt() / tree.radius + 0.3 * ragged;
            byte((inside * 4.0).clamp(0.0, 1.0) * (225.0 + 30.0 * ragged))
        });
    }
    depth
}

/// Deepens the shadow in a box, over the world's edge too.
fn darken(depth: &mut [u8], low: P2, high: P2, shade: impl Fn(P2) -> u8) {
    let mask = TEXELS - 1;
    for j in floor(low.y * FINE)..=floor(high.y * FINE) {
        for i in floor(low.x * FINE)..=floor(high.x * FINE) {
            let shade = shade(P2 { x: (real(i) + 0.5) / FINE, y: (real(j) + 0.5) / FINE });
            let wrap = |n: i32| (n & 2047).unsigned_abs() as usize & mask;
            let texel = &mut depth[wrap(j) * TEXELS + wrap(i)];
            *texel = (*texel).max(shade);
        }
    }
}

/// Depth of standing shadow at a place, 0 to 1.
pub(super) fn shade_at(shade: &[u8], x: f32, y: f32) -> f32 {
    let side = TEXELS / 8;
    let wrap = |at: f32| floor(WORLD * part(at / WORLD)).unsigned_abs() as usize & (side - 1);
    shade.get(wrap(y) * side + wrap(x)).map_or(0.0, |&depth| f32::from(depth) / 255.0)
}
