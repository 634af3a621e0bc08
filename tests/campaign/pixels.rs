//! What a frame shows, cell by cell, read off its samples.

use voile::base::{Chroma, Plane, Size};

/// Side of a clearance cell in pixels.
pub const CELL: usize = 16;

/// A frame's samples without gaps: luma, then the two chroma planes.
#[derive(Clone)]
pub struct Pixels {
    pub size: Size,
    pub planes: [Vec<u8>; 3],
}

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Every sample is the source's.
    Clear,
    /// No sample is the source's, and blocks of 4 px have one colour each.
    Covered,
    /// Neither: something of the source is left, or something else shows through.
    Torn,
}

impl Pixels {
    pub fn of(size: Size, luma: Plane<'_>, chroma: Chroma<'_>) -> Self {
        let packed = |plane: Plane<'_>| plane.rows().flatten().copied().collect::<Vec<u8>>();
        let [u, v] = match chroma {
            Chroma::I420(u, v) => [packed(u), packed(v)],
            Chroma::Nv12(pairs) => [0, 1].map(|which| {
                pairs.rows().flat_map(|row| row.iter().skip(which).step_by(2)).copied().collect::<Vec<u8>>()
            }),
        };
        Self { size, planes: [packed(luma), u, v] }
    }

    /// Cells across and down.
    pub fn cells(&self) -> (usize, usize) {
        (self.size.width.div_ceil(CELL), self.size.height.div_ceil(CELL))
    }

    /// What became of a cell of `source` in this picture.
    pub fn cell(&self, source: &Self, column: usize, row: usize) -> Cell {
        let (mut clear, mut covered) = (true, true);
        for plane in 0..3 {
            let (size, side) = if plane == 0 { (self.size, CELL) } else { (self.size.chroma(), CELL / 2) };
            let (left, top) = (column * side, row * side);
            let (right, bottom) = ((left + side).min(size.width), (top + side).min(size.height));
            let block = side / 4;
            for y in top..bottom {
                let line = |pixels: &[u8], y: usize| -> std::ops::Range<usize> {
                    debug_assert_eq!(pixels.len(), size.area());
                    y * size.width + left..y * size.width + right
                };
                let (now, was) = (&self.planes[plane], &source.planes[plane]);
                let (now_line, was_line) = (&now[line(now, y)], &was[line(was, y)]);
                clear = clear && now_line == was_line;
                if covered {
                    let head = &now[line(now, top + (y - top) / block * block)];
                    covered = now_line.iter().zip(was_line).all(|(now, was)| now != was)
                        && now_line == head
                        && head.chunks(block).all(|chunk| chunk.iter().all(|&sample| sample == chunk[0]));
                }
                if !clear && !covered {
                    return Cell::Torn;
                }
            }
        }
        if clear { Cell::Clear } else { Cell::Covered }
    }
}
