//! The plan of the ground: roads, blocks, houses, trees and benches.
//!
//! Each seed has its own. Roads run along both axes every [`PITCH`] metres; between them lie square blocks of five
//! kinds. The plan is drawn into the ground's texture by [`super::paint`], and what stands up from it by
//! [`super::relief`].

use super::canvas::Ink;
use super::number::{Random, real_of};
use super::view::P2;

/// Metres from one road's middle to the next.
pub(super) const PITCH: f32 = 64.0;
/// Roads along each axis, and blocks along each side of the world.
pub(super) const LINES: usize = 4;
/// Most houses: each has a bit in a mask, and bit 0 stands for none.
pub(super) const HOUSES: usize = 63;

/// What runs along a line of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Road {
    /// One lane each way, a pavement on both sides.
    Street,
    /// Two lanes each way.
    Avenue,
    /// Gravel, on foot only.
    Path,
}

impl Road {
    /// Half the width of the carriageway in metres.
    pub(super) const fn half(self) -> f32 {
        match self {
            Self::Street => 3.6,
            Self::Avenue => 6.8,
            Self::Path => 1.4,
        }
    }

    /// Distance of the pavement's far edge from the middle in metres.
    pub(super) const fn verge(self) -> f32 {
        match self {
            Self::Street => 6.8,
            Self::Avenue => 10.8,
            Self::Path => 1.4,
        }
    }
}

/// What a block is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Lawns, a winding path, trees.
    Park,
    /// Slabs, a few trees.
    Plaza,
    /// Houses in gardens.
    Houses,
    /// Rows of bays on asphalt.
    CarPark,
    /// Bare and tilled earth, dry grass.
    Field,
}

/// A house: an upright box, sides along the axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct House {
    pub(super) at: P2,
    /// Half its length along x and y, in metres.
    pub(super) half: P2,
    pub(super) height: f32,
    pub(super) wall: Ink,
    pub(super) roof: Ink,
    /// The roof falls to two sides of the x axis; flat otherwise.
    pub(super) gable: bool,
}

/// A tree: a trunk and a round crown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree {
    pub(super) at: P2,
    /// Radius and height of the crown's middle, in metres.
    pub(super) radius: f32,
    pub(super) middle: f32,
    pub(super) leaf: Ink,
    /// Which of the crowns' pictures.
    pub(super) crown: usize,
}

/// Where things are that do not move.
pub(super) struct Town {
    /// Roads that run north (at x = index * pitch) and east (at y = index * pitch).
    pub(super) roads: [[Road; LINES]; 2],
    /// Blocks, by column and row; a block's low corner is at index * pitch.
    pub(super) blocks: [[Block; LINES]; LINES],
    pub(super) houses: heapless::Vec<House, HOUSES>,
    pub(super) trees: Vec<Tree>,
    /// Middle of each bench; it runs along x, people look north.
    pub(super) benches: Vec<P2>,
}

const WALLS: [Ink; 5] = [
    Ink::rgb(214.0, 205.0, 188.0),
    Ink::rgb(188.0, 172.0, 150.0),
    Ink::rgb(150.0, 92.0, 76.0),
    Ink::rgb(200.0, 200.0, 198.0),
    Ink::rgb(172.0, 178.0, 170.0),
];
const ROOFS: [Ink; 6] = [
    Ink::rgb(150.0, 82.0, 62.0),
    Ink::rgb(120.0, 70.0, 58.0),
    Ink::rgb(98.0, 100.0, 106.0),
    Ink::rgb(150.0, 148.0, 142.0),
    Ink::rgb(74.0, 110.0, 150.0),
    Ink::rgb(126.0, 116.0, 104.0),
];
const LEAVES: [Ink; 5] = [
    Ink::rgb(86.0, 118.0, 56.0),
    Ink::rgb(70.0, 104.0, 54.0),
    Ink::rgb(104.0, 124.0, 60.0),
    Ink::rgb(58.0, 92.0, 50.0),
    Ink::rgb(122.0, 118.0, 70.0),
];

impl Town {
    /// The plan of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let mut roads = [[Road::Street; LINES]; 2];
        for road in roads.iter_mut().flat_map(|axis| axis.iter_mut().skip(1)) {
            *road = random.pick(&[Road::Street, Road::Street, Road::Avenue, Road::Path]);
        }
        let mut blocks = [[Block::Park; LINES]; LINES];
        for block in blocks.iter_mut().flatten() {
            *block = random.pick(&[
                Block::Park,
                Block::Park,
                Block::Plaza,
                Block::Houses,
                Block::Houses,
                Block::CarPark,
                Block::Field,
            ]);
        }
        // Every world has somewhere to sit and somewhere to meet; the flight begins between the two.
        blocks[1][1] = Block::Park;
        blocks[2][1] = Block::Plaza;
        let mut town = Self {
            roads,
            blocks,
            houses: heapless::Vec::new(),
            trees: Vec::with_capacity(512),
            benches: Vec::with_capacity(64),
        };
        for (column, row) in (0..LINES).flat_map(|column| (0..LINES).map(move |row| (column, row))) {
            town.furnish(column, row, &mut random);
        }
        town
    }

    /// The two corners of the part of a block that is inside its pavements.
    pub(super) fn inside(&self, column: usize, row: usize) -> (P2, P2) {
        let edge = |axis: usize, line: usize| self.roads[axis][line % LINES].verge();
        let low = P2 { x: real_of(column) * PITCH + edge(0, column), y: real_of(row) * PITCH + edge(1, row) };
        let high =
            P2 { x: real_of(column + 1) * PITCH - edge(0, column + 1), y: real_of(row + 1) * PITCH - edge(1, row + 1) };
        (low, high)
    }

    /// Puts houses, trees and benches on one block.
    fn furnish(&mut self, column: usize, row: usize, random: &mut Random) {
        let (low, high) = self.inside(column, row);
        let block = self.blocks[column][row];
        if block == Block::Houses {
            self.build(low, high, random);
        }
        let trees = match block {
            Block::Park => 20,
            Block::Plaza => 6,
            Block::Houses => 9,
            Block::CarPark => 4,
            Block::Field => 3,
        };
        for _ in 0..trees {
            let at = P2 { x: random.between(low.x + 1.5, high.x - 1.5), y: random.between(low.y + 1.5, high.y - 1.5) };
            let radius = random.between(1.3, 2.7);
            let clear = |house: &House| {
                (at.x - house.at.x).abs() > house.half.x + radius || (at.y - house.at.y).abs() > house.half.y + radius
            };
            if self.houses.iter().all(clear) {
                self.plant(at, radius, random);
            }
        }
        if matches!(block, Block::Park | Block::Plaza) {
            for _ in 0..5 {
                let at =
                    P2 { x: random.between(low.x + 4.0, high.x - 4.0), y: random.between(low.y + 4.0, high.y - 4.0) };
                self.benches.push(at);
            }
        }
        // A row along the southern pavement.
        if random.chance(0.6) {
            for step in 0..5 {
                let x = low.x + (real_of(step) + 0.5) * (high.x - low.x) / 5.0;
                let radius = random.between(1.1, 1.8);
                self.plant(P2 { x, y: low.y + 0.3 }, radius, random);
            }
        }
    }

    fn plant(&mut self, at: P2, radius: f32, random: &mut Random) {
        // The crown stays above everything that moves beneath it.
        let middle = 2.2 + radius + random.between(0.1, 0.9);
        self.trees.push(Tree { at, radius, middle, leaf: random.pick(&LEAVES), crown: random.below(4) });
    }

    fn build(&mut self, low: P2, high: P2, random: &mut Random) {
        let (columns, rows) = random.pick(&[(2, 2), (3, 2), (2, 1), (1, 2)]);
        for (i, j) in (0..columns).flat_map(|i| (0..rows).map(move |j| (i, j))) {
            let lot = P2 { x: (high.x - low.x) / real_of(columns), y: (high.y - low.y) / real_of(rows) };
            let half = P2 { x: lot.x * random.between(0.24, 0.38), y: lot.y * random.between(0.24, 0.38) };
            let house = House {
                at: P2 { x: low.x + (real_of(i) + 0.5) * lot.x, y: low.y + (real_of(j) + 0.5) * lot.y },
                half: P2 { x: half.x.min(11.0), y: half.y.min(9.0) },
                height: random.between(3.0, 5.4),
                wall: random.pick(&WALLS),
                roof: random.pick(&ROOFS),
                gable: random.chance(0.6),
            };
            // A full town keeps the houses it has.
            let _ = self.houses.push(house);
        }
    }
}

/// A part of a house's side that a shadow or a sight line crosses: where `from + t * by` enters and leaves the box, as
/// a span of `t`, or nothing.
pub(super) fn crossing(house: &House, at: P2, from: P2, by: P2) -> Option<(f32, f32)> {
    let (mut first, mut last) = (f32::MIN, f32::MAX);
    for (at, half, from, by) in [(at.x, house.half.x, from.x, by.x), (at.y, house.half.y, from.y, by.y)] {
        if by.abs() < 1e-6 {
            if (from - at).abs() > half {
                return None;
            }
        } else {
            let (a, b) = ((at - half - from) / by, (at + half - from) / by);
            first = first.max(a.min(b));
            last = last.min(a.max(b));
        }
    }
    (first < last).then_some((first, last))
}
