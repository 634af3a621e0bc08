//! Cuts a picture into overlapping tiles of one shape that the network takes.

use crate::base::Size;
use crate::base::geometry::SCORE_CELL;

/// A tile's sides are multiples of this: the network halves its input five times at most.
const STEP: usize = 32;
/// How far neighbouring tiles overlap at least, in pixels: what a cell at a tile's edge would otherwise miss of its
/// surroundings.
const OVERLAP: usize = 64;

/// Tiles of one shape over a picture. Together they cover it whole; a picture smaller than the tile is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Shape of every tile.
    pub tile: Size,
    across: Axis,
    down: Axis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    count: usize,
    side: usize,
    last: usize,
}

impl Axis {
    fn over(length: usize, side_max: usize) -> Self {
        let mut count = 1;
        loop {
            let side = (length + (count - 1) * OVERLAP).div_ceil(count).next_multiple_of(STEP);
            if side <= side_max {
                let last = length.next_multiple_of(SCORE_CELL).saturating_sub(side);
                return Self { count, side, last };
            }
            count += 1;
        }
    }

    /// Where tile `index` begins: spread evenly, on a score cell, never leaving a gap.
    fn origin(self, index: usize) -> usize {
        if self.count == 1 { 0 } else { index * self.last / (self.count - 1) / SCORE_CELL * SCORE_CELL }
    }
}

impl Tiling {
    /// The tiles for a picture of `size`, none with a side above `side_max`, which is a multiple of 32 from 256 on.
    pub fn over(size: Size, side_max: usize) -> Self {
        let (across, down) = (Axis::over(size.width, side_max), Axis::over(size.height, side_max));
        Self { tile: Size::new(across.side, down.side), across, down }
    }

    /// Left and top edge of each tile, in pixels, multiples of a score cell.
    pub fn origins(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.down.count)
            .flat_map(move |row| (0..self.across.count).map(move |column| (column, row)))
            .map(move |(column, row)| (self.across.origin(column), self.down.origin(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pixel_is_inside_a_tile(width in 1_usize..5000, height in 1_usize..5000, most in 8_usize..80) {
            let side_max = most * STEP;
            let tiling = Tiling::over(Size::new(width, height), side_max);
            for (axis, length) in [(tiling.across, width), (tiling.down, height)] {
                let mut reached = 0;
                for index in 0..axis.count {
                    let origin = axis.origin(index);
                    prop_assert!(origin <= reached, "gap before {origin}");
                    prop_assert!(index == 0 || reached - origin >= OVERLAP / 2, "overlap");
                    reached = origin + axis.side;
                }
                prop_assert!(reached >= length);
                prop_assert!(axis.side % STEP == 0 && axis.side <= side_max);
            }
        }
    }
}
