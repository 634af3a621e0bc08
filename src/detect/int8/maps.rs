//! Activations: channel-last bytes inside a border of zeros, so that a convolution needs no edge cases, all layers in one
//! buffer.

use std::ops::{Deref, Range};

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::kernel::winograd::{Band, Cells};
use crate::base::Fault;

/// Cells of border on each side: what a convolution of 3 x 3 with a dilation of 2, or of 5 x 5, reaches over the edge.
pub const BORDER: usize = 2;

/// What layers begin at multiples of: a cache line.
const ALIGNED: usize = 64;

/// How many cells a layer has, and bytes a cell.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Cells of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes of a cell.
    pub channels: usize,
}

impl Shape {
    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        (self.width + 2 * BORDER) * self.channels
    }

    /// Bytes with the border.
    fn len(&self) -> usize {
        (self.height + 2 * BORDER) * self.stride()
    }

    fn inside(&self) -> Range<usize> {
        BORDER * self.channels..(BORDER + self.width) * self.channels
    }
}

/// The layers of a network in one buffer. Those that are not needed at the same time share their bytes.
pub struct Layers {
    /// What each is, and where it begins.
    places: Vec<(Shape, usize)>,
    /// The first layer is the picture itself: wiped when dropped.
    bytes: Zeroizing<Vec<u8>>,
}

/// The layers that share nothing with one that is being written.
pub struct Others<'a> {
    places: &'a [(Shape, usize)],
    /// What lies before and after it, and where that begins.
    sides: [(&'a [u8], usize); 2],
}

impl Layers {
    /// Layers of these shapes, each with the steps from that which writes it to behind the last that reads it.
    pub fn new(layers: &[(Shape, Range<usize>)]) -> Self {
        let mut places: Vec<(Shape, usize)> = Vec::with_capacity(layers.len());
        for (shape, needed) in layers {
            let beside = places.iter().zip(layers);
            let beside = beside.filter(|(_, (_, other))| other.start < needed.end && needed.start < other.end);
            let mut taken: Vec<(usize, usize)> = beside.map(|((shape, at), _)| (*at, at + shape.len())).collect();
            taken.sort_unstable();
            // The first gap that is large enough.
            let mut at = 0;
            for (start, end) in taken {
                if at + shape.len() <= start {
                    break;
                }
                at = at.max(end.next_multiple_of(ALIGNED));
            }
            places.push((*shape, at));
        }
        let len = places.iter().map(|(shape, at)| at + shape.len()).max().unwrap_or(0);
        Self { places, bytes: Zeroizing::new(vec![0; len]) }
    }

    /// Bytes of all of them together.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Shape of one.
    pub fn shape(&self, number: usize) -> Shape {
        self.places[number].0
    }

    /// One to read.
    pub fn read(&self, number: usize) -> Maps<&[u8]> {
        let (shape, at) = self.places[number];
        Maps { shape, bytes: &self.bytes[at..at + shape.len()] }
    }

    /// One to write, its border cleared of what lay there before, and those that can be read meanwhile.
    pub fn write(&mut self, number: usize) -> (Maps<&mut [u8]>, Others<'_>) {
        let (shape, at) = self.places[number];
        let (before, rest) = self.bytes.split_at_mut(at);
        let (bytes, after) = rest.split_at_mut(shape.len());
        let mut maps = Maps { shape, bytes };
        maps.clear_border();
        (maps, Others { places: &self.places, sides: [(before, 0), (after, at + shape.len())] })
    }
}

impl<'a> Others<'a> {
    /// One of them.
    ///
    /// # Errors
    /// [`Fault::DetectorFailed`] if it shares bytes with what is being written.
    pub fn read(&self, number: usize) -> Result<Maps<&'a [u8]>, Fault> {
        let (shape, at) = self.places[number];
        let bytes = self.sides.iter().find_map(|(side, start)| side.get(at.checked_sub(*start)?..)?.get(..shape.len()));
        Ok(Maps { shape, bytes: bytes.ok_or(Fault::DetectorFailed)? })
    }
}

/// One layer.
pub struct Maps<B> {
    shape: Shape,
    bytes: B,
}

impl<B: Deref<Target = [u8]>> Maps<B> {
    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Everything from a cell of the border on; (0, 0) is the border's own corner.
    pub fn beyond_corner(&self, column: usize, row: usize) -> &[u8] {
        &self.bytes[row * self.shape.stride() + column * self.shape.channels..]
    }

    /// All cells, those of the border too.
    pub fn cells(&self) -> Cells<&[u8]> {
        Cells { bytes: &self.bytes, columns: self.shape.width + 2 * BORDER, border: BORDER }
    }

    /// One row without its border.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.beyond_corner(BORDER, y + BORDER)[..self.shape.width * self.shape.channels]
    }
}

impl<'a> Maps<&'a mut [u8]> {
    fn clear_border(&mut self) {
        let (stride, inside) = (self.shape.stride(), self.shape.inside());
        let (above, rest) = self.bytes.split_at_mut(BORDER * stride);
        let (rows, below) = rest.split_at_mut(self.shape.height * stride);
        above.fill(0);
        for row in rows.chunks_exact_mut(stride) {
            row[..inside.start].fill(0);
            row[inside.end..].fill(0);
        }
        below.fill(0);
    }

    /// The rows between the borders above and below in bands of `tall` rows, shared out among the items of `of`, each
    /// share with its item, for the threads of this pool.
    ///
    /// # Panics
    /// There is no item, so that rows would be left as they were.
    pub fn par_bands_mut<T: Send>(
        self,
        tall: usize,
        of: &'a mut [T],
    ) -> impl IndexedParallelIterator<Item = (&'a mut T, impl Iterator<Item = Band<'a>>)> {
        let (stride, columns, height) = (self.shape.stride(), self.shape.width + 2 * BORDER, self.shape.height);
        assert!(!of.is_empty(), "an item for each thread");
        let share = height.div_ceil(tall).div_ceil(of.len()) * tall;
        let rows = &mut self.bytes[BORDER * stride..][..height * stride];
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

    /// All rows without their borders.
    pub fn rows_mut(self) -> impl Iterator<Item = &'a mut [u8]> {
        let (stride, height, inside) = (self.shape.stride(), self.shape.height, self.shape.inside());
        self.bytes.chunks_exact_mut(stride).skip(BORDER).take(height).map(move |row| &mut row[inside.clone()])
    }

    /// All rows without their borders, with their numbers, for the threads of this pool.
    pub fn par_rows_mut(self) -> impl IndexedParallelIterator<Item = (usize, &'a mut [u8])> {
        let (stride, height, inside) = (self.shape.stride(), self.shape.height, self.shape.inside());
        let rows = self.bytes.par_chunks_exact_mut(stride).skip(BORDER).take(height);
        rows.enumerate().map(move |(y, row)| (y, &mut row[inside.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer() -> impl Strategy<Value = (Shape, Range<usize>)> {
        (1..9_usize, 1..9_usize, 1..5_usize, 0..20_usize, 1..6_usize).prop_map(|(width, height, four, first, steps)| {
            (Shape { width, height, channels: 4 * four }, first..first + steps)
        })
    }

    proptest! {
        #[test]
        fn layers_needed_at_the_same_time_share_nothing(layers in prop::collection::vec(layer(), 1..20)) {
            let mut made = Layers::new(&layers);
            for (one, (_, needed)) in layers.iter().enumerate() {
                let (written, others) = made.write(one);
                written.rows_mut().for_each(|row| row.fill(7));
                for (other, (shape, also)) in layers.iter().enumerate() {
                    if one != other && needed.start < also.end && also.start < needed.end {
                        prop_assert_eq!(others.read(other).expect("beside").bytes.len(), shape.len());
                    }
                }
                prop_assert!(others.read(one).is_err(), "what is written");
                // Whatever lay there: the border is of zeros, and the rows are what was written.
                let seven = layers[one].0.width * layers[one].0.height * layers[one].0.channels;
                prop_assert_eq!(made.read(one).bytes.iter().filter(|byte| **byte == 7).count(), seven);
                prop_assert!(made.read(one).bytes.iter().all(|byte| matches!(byte, 0 | 7)));
            }
        }
    }

    #[test]
    fn a_layer_takes_the_place_of_one_that_is_not_needed_any_more() {
        let shape = Shape { width: 12, height: 12, channels: 4 };
        let made = Layers::new(&[(shape, 0..1), (shape, 0..2), (shape, 1..3), (shape, 2..4)]);
        assert_eq!(made.bytes.len(), 2 * shape.len(), "of two layers of 1,024 bytes at a time");
    }
}
