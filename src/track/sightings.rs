//! Score maps become sightings: connected cells, each patch with box and peak.
//!
//! Relies on the detector's promise that every cell was looked at. Never allocates after it was made and never leaves a
//! patch out in silence: more patches than fit are an error, which must cover the frame whole.
//!
//! One pass over the map in row order with union-find (Rosenfeld and Pfaltz, "Sequential operations in digital picture
//! processing", 1966): a cell joins the patches of its four neighbours that came before it (left, and the three above).

use crate::base::geometry::SCORE_CELL;
use crate::base::{Grid, Rect, Size};

/// Most patches in one score map.
pub const PATCHES: usize = 1024;
/// Most sightings in both maps of one frame.
pub const SIGHTINGS: usize = 2 * PATCHES;

/// What a score map is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Persons.
    Person,
    /// Vehicles.
    Vehicle,
}

/// A patch of score cells that touch, also at corners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which map it was found in.
    pub kind: Kind,
    /// Its box in pixels, whole score cells cut at the picture's edge.
    pub place: Rect,
    /// The highest score in it, 255 times the probability.
    pub peak: u8,
    /// Its area in score cells, at least 1.
    pub cells: usize,
}

/// Why the sightings of a frame are not complete. The frame must be covered whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SightingError {
    /// A map holds more than [`PATCHES`] patches.
    Overflow(Kind),
    /// A map has more or fewer scores than the picture has cells.
    MapShape(Kind),
}

impl std::fmt::Display for SightingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Overflow(kind) => write!(f, "the {kind:?} map holds more than {PATCHES} patches"),
            Self::MapShape(kind) => write!(f, "the {kind:?} map is not of the picture's shape"),
        }
    }
}

impl std::error::Error for SightingError {}

/// A patch while it grows. A patch that was joined to another only knows its parent.
#[derive(Clone, Copy)]
struct Patch {
    parent: usize,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    cells: usize,
    peak: u8,
}

/// Label of a cell that belongs to no patch.
const NONE: usize = usize::MAX;

/// Finds the sightings of frames of one size; everything is allocated when it is made.
pub struct Sightings {
    size: Size,
    grid: Grid,
    patches: Box<[Patch]>,
    above: Box<[usize]>,
    row: Box<[usize]>,
    found: Box<heapless::Vec<Sighting, SIGHTINGS>>,
}

impl Sightings {
    /// For frames of `size` pixels, each side at most [`Size::MAX_SIDE`]; the maps of any other frame are refused.
    pub fn new(size: Size) -> Self {
        let size = Size::new(size.width.min(Size::MAX_SIDE), size.height.min(Size::MAX_SIDE));
        let grid = Grid::over(size, SCORE_CELL);
        // Two cells that each begin a patch are never neighbours, so there is at most one in every square of 2 x 2.
        let most = grid.columns.div_ceil(2) * grid.rows.div_ceil(2);
        let patch = Patch { parent: 0, left: 0, top: 0, right: 0, bottom: 0, cells: 0, peak: 0 };
        Self {
            size,
            grid,
            patches: vec![patch; most].into_boxed_slice(),
            above: vec![NONE; grid.columns].into_boxed_slice(),
            row: vec![NONE; grid.columns].into_boxed_slice(),
            found: Box::default(),
        }
    }

    /// The sightings of the last frame, persons first; incomplete when [`Sightings::find`] gave an error.
    pub fn found(&self) -> &[Sighting] {
        &self.found
    }

    /// Finds the patches of cells with a score of at least `low` in each map; `maps` gives kind, scores in row order
    /// and `low` (1 to 255; 0 is taken as 1, for a score of 0 is never a sighting).
    ///
    /// # Errors
    /// [`SightingError::MapShape`] where a map has not one score per cell, [`SightingError::Overflow`] where it holds
    /// more than [`PATCHES`] patches. What was found until then stays in [`Sightings::found`].
    pub fn find(&mut self, maps: [(Kind, &[u8], u8); 2]) -> Result<&[Sighting], SightingError> {
        self.found.clear();
        for (kind, scores, low) in maps {
            if scores.len() != self.grid.cells() {
                return Err(SightingError::MapShape(kind));
            }
            let begun = self.label(scores, low.max(1));
            let full = self.found.len() + PATCHES;
            for label in 0..begun {
                let patch = self.patches[label];
                if patch.parent != label {
                    continue;
                }
                if self.found.len() == full {
                    return Err(SightingError::Overflow(kind));
                }
                let (x, y) = (patch.left * SCORE_CELL, patch.top * SCORE_CELL);
                let width = (patch.right * SCORE_CELL).min(self.size.width) - x;
                let height = (patch.bottom * SCORE_CELL).min(self.size.height) - y;
                let place = Rect::new(x, y, width, height);
                let sighting = Sighting { kind, place, peak: patch.peak, cells: patch.cells };
                self.found.push(sighting).map_err(|_| SightingError::Overflow(kind))?;
            }
        }
        Ok(&self.found)
    }

    /// Labels every cell of a map and returns how many labels were begun.
    fn label(&mut self, scores: &[u8], low: u8) -> usize {
        let mut begun = 0;
        self.above.fill(NONE);
        for (y, scores) in scores.chunks_exact(self.grid.columns.max(1)).enumerate() {
            self.row.fill(NONE);
            for (x, &score) in scores.iter().enumerate() {
                if score < low {
                    continue;
                }
                let right = (x + 2).min(self.above.len());
                let mut label = if x > 0 { self.row[x - 1] } else { NONE };
                for index in x.saturating_sub(1)..right {
                    let other = self.above[index];
                    label = match (label, other) {
                        (_, NONE) => label,
                        (NONE, _) => other,
                        _ => join(&mut self.patches, label, other),
                    };
                }
                if label == NONE {
                    label = begun;
                    begun += 1;
                    self.patches[label] =
                        Patch { parent: label, left: x, top: y, right: x, bottom: y, cells: 0, peak: 0 };
                }
                label = root(&mut self.patches, label);
                self.patches[label].take(x, y, score);
                self.row[x] = label;
            }
            std::mem::swap(&mut self.above, &mut self.row);
        }
        begun
    }
}

impl Patch {
    fn take(&mut self, x: usize, y: usize, score: u8) {
        self.left = self.left.min(x);
        self.right = self.right.max(x + 1);
        // Rows come in order: the top is where the patch began.
        self.bottom = self.bottom.max(y + 1);
        self.cells += 1;
        self.peak = self.peak.max(score);
    }
}

/// The label that stands for the patch of `label`; halves the way there for the next who asks.
fn root(patches: &mut [Patch], mut label: usize) -> usize {
    while patches[label].parent != label {
        patches[label].parent = patches[patches[label].parent].parent;
        label = patches[label].parent;
    }
    label
}

/// Makes two patches one, under the label that was begun first.
fn join(patches: &mut [Patch], one: usize, other: usize) -> usize {
    let (one, other) = (root(patches, one), root(patches, other));
    let (first, second) = (one.min(other), one.max(other));
    if first != second {
        let gone = patches[second];
        patches[second].parent = first;
        let stays = &mut patches[first];
        stays.left = stays.left.min(gone.left);
        stays.top = stays.top.min(gone.top);
        stays.right = stays.right.max(gone.right);
        stays.bottom = stays.bottom.max(gone.bottom);
        stays.cells += gone.cells;
        stays.peak = stays.peak.max(gone.peak);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map drawn in digits (times 25) and dots; a second, empty one for vehicles.
    fn drawn(rows: &[&str]) -> (Size, Vec<u8>, Vec<u8>) {
        let scores: Vec<u8> =
            rows.concat().bytes().map(|byte| if byte == b'.' { 0 } else { (byte - b'0') * 25 }).collect();
        let empty = vec![0; scores.len()];
        (Size::new(rows[0].len() * 8 - 3, rows.len() * 8), scores, empty)
    }

    fn persons(rows: &[&str], low: u8) -> Vec<Sighting> {
        let (size, person, vehicle) = drawn(rows);
        let mut sightings = Sightings::new(size);
        sightings.find([(Kind::Person, &person, low), (Kind::Vehicle, &vehicle, low)]).unwrap().to_vec()
    }

    #[test]
    fn corners_join_and_gaps_part() {
        let found = persons(&["4......", ".9...5.", "......."], 100);
        let one = Sighting { kind: Kind::Person, place: Rect::new(0, 0, 16, 16), peak: 225, cells: 2 };
        let two = Sighting { kind: Kind::Person, place: Rect::new(40, 8, 8, 8), peak: 125, cells: 1 };
        assert_eq!(found, [one, two]);
    }

    #[test]
    fn arms_that_meet_late_are_one_patch_cut_at_the_edge() {
        let found = persons(&["5.5.5.5", "5.5.5.5", "6555559"], 100);
        let all = Sighting { kind: Kind::Person, place: Rect::new(0, 0, 53, 24), peak: 225, cells: 15 };
        assert_eq!(found, [all]);
        assert_eq!(persons(&["5.5.5.5", "5.5.5.5", "6555559"], 226), []);
    }

    #[test]
    fn patches_are_those_of_a_flood_fill() {
        let mut seed = 1_u32;
        for (columns, rows) in [(1, 1), (1, 9), (13, 1), (31, 23), (64, 64)] {
            for _ in 0..40 {
                let map: Vec<u8> = (0..columns * rows)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (seed >> 24) as u8
                    })
                    .collect();
                let low = 140;
                let mut seen = vec![false; map.len()];
                let mut truth = Vec::new();
                for start in 0..map.len() {
                    let mut open = vec![start];
                    let (mut cells, mut peak) = (0, 0);
                    while let Some(at) = open.pop() {
                        if seen[at] || map[at] < low {
                            continue;
                        }
                        seen[at] = true;
                        cells += 1;
                        peak = peak.max(map[at]);
                        let (x, y) = (at % columns, at / columns);
                        for ny in y.saturating_sub(1)..(y + 2).min(rows) {
                            open.extend((x.saturating_sub(1)..(x + 2).min(columns)).map(|nx| ny * columns + nx));
                        }
                    }
                    if cells > 0 {
                        truth.push((cells, peak));
                    }
                }
                let mut sightings = Sightings::new(Size::new(columns * 8, rows * 8));
                let none = vec![0; map.len()];
                let found = sightings.find([(Kind::Vehicle, &map, low), (Kind::Person, &none, low)]).unwrap();
                let mut found: Vec<_> = found.iter().map(|sighting| (sighting.cells, sighting.peak)).collect();
                found.sort_unstable();
                truth.sort_unstable();
                assert_eq!(found, truth);
            }
        }
    }

    #[test]
    fn too_many_patches_and_wrong_maps_are_errors() {
        let size = Size::new(66 * 8, 64 * 8);
        let mut map = vec![0; 66 * 64];
        for patch in 0..PATCHES {
            map[patch / 32 * 2 * 66 + patch % 32 * 2] = 255;
        }
        let mut sightings = Sightings::new(size);
        assert_eq!(sightings.find([(Kind::Person, &map, 1), (Kind::Vehicle, &map, 0)]).unwrap().len(), SIGHTINGS);
        map[64] = 255;
        let full = sightings.find([(Kind::Person, &map, 1), (Kind::Vehicle, &map, 1)]);
        assert_eq!(full, Err(SightingError::Overflow(Kind::Person)));
        let short = sightings.find([(Kind::Person, &map, 1), (Kind::Vehicle, &map[1..], 1)]);
        assert!(short.is_err());
        let huge = sightings.find([(Kind::Person, &[], 1), (Kind::Vehicle, &[], 1)]);
        assert_eq!(huge, Err(SightingError::MapShape(Kind::Person)));
        assert_eq!(
            Sightings::new(Size::new(0, 9)).find([(Kind::Person, &[], 1), (Kind::Vehicle, &[], 1)]),
            Ok(&[][..])
        );
    }
}
