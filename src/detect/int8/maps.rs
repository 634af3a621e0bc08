//! Activations of one layer: channel-last bytes inside a border of zeros, so that a convolution needs no edge cases.

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::kernel::winograd::{Band, Cells};

/// Cells of border on each side: what a convolution of 3 x 3 with a dilation of 2, or of 5 x 5, reaches over the edge.
pub const BORDER: usize = 2;

/// A picture of `channels` bytes a cell.
pub struct Maps {
    width: usize,
    height: usize,
    channels: usize,
    /// The first layer is the picture itself: wiped when dropped.
    bytes: Zeroizing<Vec<u8>>,
}

impl Maps {
    /// All zero.
    pub fn new(width: usize, height: usize, channels: usize) -> Self {
        let cells = (width + 2 * BORDER) * (height + 2 * BORDER);
        Self { width, height, channels, bytes: Zeroizing::new(vec![0; cells * channels]) }
    }

    /// Bytes of a cell.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        (self.width + 2 * BORDER) * self.channels
    }

    /// Everything from a cell of the border on; (0, 0) is the border's own corner.
    pub fn beyond_corner(&self, column: usize, row: usize) -> &[u8] {
        &self.bytes[row * self.stride() + column * self.channels..]
    }

    /// All cells, those of the border too.
    pub fn cells(&self) -> Cells<&[u8]> {
        Cells { bytes: &self.bytes, columns: self.width + 2 * BORDER, border: BORDER }
    }

    /// The rows between the borders above and below in bands of `tall` rows, shared out among the items of `of`, each
    /// share with its item, for the threads of this pool.
    ///
    /// # Panics
    /// There is no item, so that rows would be left as they were.
    pub fn par_bands_mut<'a, T: Send>(
        &'a mut self,
        tall: usize,
        of: &'a mut [T],
    ) -> impl IndexedParallelIterator<Item = (&'a mut T, impl Iterator<Item = Band<'a>>)> {
        let (stride, columns) = (self.stride(), self.width + 2 * BORDER);
        assert!(!of.is_empty(), "an item for each thread");
        let share = self.height.div_ceil(tall).div_ceil(of.len()) * tall;
        let rows = &mut self.bytes[BORDER * stride..][..self.height * stride];
        of.par_iter_mut().zip(rows.par_chunks_mut((share * stride).max(1))).enumerate().map(
            move |(index, (item, rows))| {
                let bands = rows.chunks_mut(tall * stride).enumerate().map(move |(band, bytes)| Band {
                    cells: Cells { bytes, columns, border: BORDER },
                    above: index * share + band * tall,
                });
                (item, bands)
            },
        )
    }

    /// One row without its border.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.beyond_corner(BORDER, y + BORDER)[..self.width * self.channels]
    }

    /// All rows without their borders.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let (stride, height, inside) = (self.stride(), self.height, self.inside());
        self.bytes.chunks_exact_mut(stride).skip(BORDER).take(height).map(move |row| &mut row[inside.clone()])
    }

    /// All rows without their borders, with their numbers, for the threads of this pool.
    pub fn par_rows_mut(&mut self) -> impl IndexedParallelIterator<Item = (usize, &mut [u8])> {
        let (stride, height, inside) = (self.stride(), self.height, self.inside());
        let rows = self.bytes.par_chunks_exact_mut(stride).skip(BORDER).take(height);
        rows.enumerate().map(move |(y, row)| (y, &mut row[inside.clone()]))
    }

    fn inside(&self) -> std::ops::Range<usize> {
        BORDER * self.channels..(BORDER + self.width) * self.channels
    }
}
