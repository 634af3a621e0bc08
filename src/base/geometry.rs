//! Sizes, rectangles and the two grids that are laid over a picture.
//!
//! Everything is in luma pixels of the full picture, origin top left, unless a name says otherwise.

/// Side of a clearance cell, in pixels: the unit in which the picture is covered or sent clear.
pub const CELL: usize = 16;
/// Side of a score cell, in pixels: the network gives one score per map and score cell.
pub const SCORE_CELL: usize = 8;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// The longest side that any room accepts: what the detector's tiling was tried up to.
    pub const MAX_SIDE: usize = 8192;

    /// A size in pixels.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Pixels in the picture.
    pub const fn area(self) -> usize {
        self.width * self.height
    }

    /// Size of a 4:2:0 chroma plane: odd sides round up.
    pub const fn chroma(self) -> Self {
        Self::new(self.width.div_ceil(2), self.height.div_ceil(2))
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A rectangle of pixels: `x..x + width`, `y..y + height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Rect {
    /// A rectangle from its corner and sides.
    pub const fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// First column right of the rectangle.
    pub const fn right(self) -> usize {
        self.x + self.width
    }

    /// First row below the rectangle.
    pub const fn bottom(self) -> usize {
        self.y + self.height
    }
}

/// A grid of square cells over a picture; cells at the right and bottom edge may hang over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Side of a cell in pixels.
    pub side: usize,
    /// Cells across.
    pub columns: usize,
    /// Cells down.
    pub rows: usize,
}

impl Grid {
    /// The grid of cells of `side` pixels that covers `size` whole.
    pub const fn over(size: Size, side: usize) -> Self {
        Self { side, columns: size.width.div_ceil(side), rows: size.height.div_ceil(side) }
    }

    /// Number of cells.
    pub const fn cells(self) -> usize {
        self.columns * self.rows
    }

    /// Index of a cell in row order.
    pub const fn index(self, column: usize, row: usize) -> usize {
        row * self.columns + column
    }

    /// The pixels of a cell, cut at the picture's edge.
    pub fn rect(self, column: usize, row: usize, size: Size) -> Rect {
        let (x, y) = (column * self.side, row * self.side);
        Rect::new(x, y, self.side.min(size.width - x), self.side.min(size.height - y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_covers_odd_sizes_whole() {
        let size = Size::new(33, 15);
        let grid = Grid::over(size, CELL);
        assert_eq!((grid.columns, grid.rows), (3, 1));
        assert_eq!(grid.rect(2, 0, size), Rect::new(32, 0, 1, 15));
        assert_eq!(size.chroma(), Size::new(17, 8));
    }
}
