//! Bands of rows are low-passed, decimated and drawn again in their old size.
//!
//! A band is a run of rows that become equally coarse. Its coarse pixels lie on a grid that is anchored at the
//! picture's top left corner, and both ways look beyond the band's edge as far as their kernels reach: what a row
//! becomes depends on the picture and its own step, not on where its band begins. All bands are taken down before the
//! first is drawn, because one's context is the other's pixels. Detail that one band keeps and the next does not would
//! still break off at a line, which is itself finer than the cap: so a band fades out over some rows of its finer
//! neighbour. (Without, the chart test finds -37 dB in columns that cross a seam, and 15 levels squared where there was
//! nothing.) Rows that are under the cap are never faded into. At the picture's own edge the kernels are cut off: in
//! the outermost coarse pixel, some detail from above the cap is folded below it (-19 dB), where elsewhere there is
//! none (-62 dB).
//!
//! Vertical first on the way down and last on the way up, so that the horizontal passes, which are the dear ones, run
//! on decimated rows only. Each pass is a call of its own: the resizer then keeps no pixels in its own memory, which
//! nobody could wipe. Buffers here are wiped on drop.

use std::f64::consts::PI;

use fast_image_resize::images::{TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x2};
use fast_image_resize::{CropBox, PixelTrait, ResizeOptions, Resizer, SrcCropping};
use zeroize::Zeroize;

use crate::base::{PlaneMut, Size};

use super::geometry::{self, real};
use super::kernel;

/// Covers what cannot be filtered.
pub const GREY: u8 = 128;
/// Planes that are filtered at once: U and V.
const PLANES: usize = 2;
/// Bands of one plane; steep views take about a dozen. Whatever does not fit becomes as coarse as the coarsest of it.
const BANDS: usize = 32;
/// Rows below which a band is joined to its neighbour, at the coarser of the two: setting up a band costs as much as
/// filtering so many rows.
const ROWS_MIN: usize = 8;
/// Coarse rows that a band holds beyond its own, at most: on both sides a fade, the reach of the way up, and a cut one.
const EXTRA_ROWS: usize = 2 * (6 + kernel::UP_REACH + 1);

/// Rows of a fade for each time that a band is coarser than the picture: eight pixels at the cap.
const FADE_ROWS: f64 = 8.0;
/// Rows of a fade that are worked on at once.
const FADE_CHUNK: usize = 32;

/// A run of rows that become equally coarse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Band {
    top: usize,
    bottom: usize,
    step: u8,
    /// The rows it is drawn in: its own, and those of finer neighbours that it fades out over.
    from: usize,
    to: usize,
    /// Its coarse rows, on the grid over the whole plane …
    first: usize,
    last: usize,
    /// … how many there are in that grid, and how many pixels in each.
    rows: usize,
    columns: usize,
    /// Where its coarse pixels lie in the store, in bytes.
    start: usize,
}

/// Coarsens planes; all memory is taken when it is made.
pub struct Filter {
    resizer: Resizer,
    down: ResizeOptions,
    up: ResizeOptions,
    bands: heapless::Vec<Band, BANDS>,
    /// The coarse pixels of all bands of a plane.
    store: Box<[u8]>,
    /// Between the vertical and the horizontal pass of one band.
    between: Box<[u8]>,
    /// Some rows of a band before they are mixed with another's.
    fade: Box<[u8]>,
}

/// A pass that could not be made; the plane is covered instead.
struct Refused;

impl Filter {
    /// A filter for the planes of pictures of `size`, in any layout.
    pub fn new(size: Size) -> Self {
        // Luma needs most; chroma, together, half of its rows. The odd column of interleaved chroma may need more.
        let row = size.width.max(size.chroma().width * 2);
        let least = geometry::factor(1) * kernel::MARGIN;
        let (rows, columns) = (coarse(size.height, least), coarse(row, least) + 1);
        Self {
            resizer: Resizer::new(),
            down: kernel::down(),
            up: kernel::up(),
            bands: heapless::Vec::new(),
            store: vec![0; (rows + 1 + BANDS * EXTRA_ROWS) * columns].into_boxed_slice(),
            between: vec![0; (rows + 1 + EXTRA_ROWS) * row].into_boxed_slice(),
            fade: vec![0; FADE_CHUNK * row].into_boxed_slice(),
        }
    }

    /// Coarsens the rows of planes of `size` for which `step` is not 0; the others are not touched. A pixel is
    /// `SAMPLES` bytes, 1 or 2. Planes of another size than promised are covered whole.
    ///
    /// Two planes at once are cheaper than one after the other: setting up a horizontal pass takes as long as filtering
    /// 50 rows. At most [`PLANES`] fit.
    pub fn planes<const SAMPLES: usize>(
        &mut self,
        planes: &mut [&mut PlaneMut<'_>],
        size: Size,
        step: impl Fn(usize) -> u8,
    ) {
        let fits = |plane: &PlaneMut<'_>| {
            let whole = plane.stride.checked_mul(plane.height);
            plane.width == size.width * SAMPLES
                && plane.height == size.height
                && plane.stride >= plane.width
                && whole.is_some_and(|whole| plane.data.len() >= whole)
        };
        self.gather(size, step);
        let done = planes.len() <= PLANES
            && planes.iter().all(|plane| fits(plane))
            && self.take_down::<SAMPLES>(planes).is_ok()
            && self.draw::<SAMPLES>(planes).is_ok();
        if !done {
            planes.iter_mut().for_each(|plane| plane.data.fill(GREY));
        }
    }

    /// Bytes of pixels that the resizer holds on to.
    #[cfg(test)]
    pub fn kept_by_resizer(&self) -> usize {
        self.resizer.size_of_internal_buffers()
    }

    /// Finds the bands of a plane and lays them out.
    fn gather(&mut self, size: Size, step: impl Fn(usize) -> u8) {
        self.bands.clear();
        for row in 0..size.height {
            let step = step(row);
            if step == 0 {
                continue;
            }
            let full = self.bands.is_full();
            if let Some(band) = self.bands.last_mut() {
                let joins = band.bottom == row && (band.step == step || row - band.top < ROWS_MIN);
                if joins || full {
                    // When the list is full, rows between that were under the cap are taken along: covering, not
                    // forgetting.
                    band.step = band.step.max(step);
                    band.bottom = row + 1;
                    continue;
                }
            }
            // Cannot overflow: a full list never gets here.
            let _ = self.bands.push(Band { top: row, bottom: row + 1, step, ..Band::default() });
        }
        for index in 0..self.bands.len() {
            let finer = |beside: Option<&Band>, band: &Band| beside.filter(|beside| beside.step < band.step).copied();
            let mut band = self.bands[index];
            let factor = geometry::factor(band.step) * kernel::MARGIN;
            let fade = floor(geometry::factor(band.step) * FADE_ROWS);
            let above = index.checked_sub(1).and_then(|index| self.bands.get(index));
            let above = finer(above, &band).filter(|above| above.bottom == band.top);
            let below = finer(self.bands.get(index + 1), &band).filter(|below| below.top == band.bottom);
            band.from = above.map_or(band.top, |above| band.top.saturating_sub(fade).max(above.top));
            band.to = below.map_or(band.bottom, |below| (band.bottom + fade).min(below.bottom));
            (band.rows, band.columns) = (coarse(size.height, factor), coarse(size.width, factor));
            let each = real(size.height) / real(band.rows);
            let reach = kernel::UP_REACH;
            band.first = floor(real(band.from) / each).saturating_sub(reach);
            band.last = (floor(real(band.to) / each) + 1 + reach).min(band.rows);
            self.bands[index] = band;
        }
        // Finer ones are drawn first, so that the coarser can fade out over them.
        self.bands.sort_unstable_by_key(|band| (band.step, band.top));
    }

    /// Fills the store with the coarse pixels of all bands.
    fn take_down<const SAMPLES: usize>(&mut self, planes: &[&mut PlaneMut<'_>]) -> Result<(), Refused> {
        let Self { resizer, down, bands, store, between, .. } = self;
        let mut start = 0;
        for band in bands {
            let count = band.last - band.first;
            for (index, plane) in planes.iter().enumerate() {
                let whole = cut(plane.data, 0, plane.stride * plane.height)?;
                let whole = TypedImageRef::<U8>::from_buffer(side(plane.stride)?, side(plane.height)?, whole)?;
                let whole = TypedCroppedImage::from_ref(&whole, 0, 0, side(plane.width)?, side(plane.height)?)?;
                let thin = cut_mut(between, index * count * plane.width, count * plane.width)?;
                let mut thin = TypedImage::<U8>::from_buffer(side(plane.width)?, side(count)?, thin)?;
                let each = real(plane.height) / real(band.rows);
                let rows = [real(band.first) * each, real(band.last) * each];
                resizer.resize_typed(&whole, &mut thin, &rows_of(down, plane.width, rows, plane.height))?;
            }
            band.start = start;
            let width = planes.first().map_or(0, |plane| plane.width);
            let rows = count * planes.len();
            let bytes = rows * band.columns * SAMPLES;
            let (thin, small) = (cut(between, 0, rows * width)?, cut_mut(store, start, bytes)?);
            across::<SAMPLES>(resizer, down, (thin, width / SAMPLES), (small, band.columns), rows)?;
            start += bytes;
        }
        Ok(())
    }

    /// Draws all bands into the planes from the store.
    fn draw<const SAMPLES: usize>(&mut self, planes: &mut [&mut PlaneMut<'_>]) -> Result<(), Refused> {
        let Self { resizer, up, bands, store, between, fade, .. } = self;
        for band in bands {
            let count = band.last - band.first;
            let width = planes.first().map_or(0, |plane| plane.width);
            let rows = count * planes.len();
            let small = cut(store, band.start, rows * band.columns * SAMPLES)?;
            let wide = cut_mut(between, 0, rows * width)?;
            across::<SAMPLES>(resizer, up, (small, band.columns), (wide, width / SAMPLES), rows)?;
            for (index, plane) in planes.iter_mut().enumerate() {
                let wide = cut(between, index * count * width, count * width)?;
                let wide = TypedImageRef::<U8>::from_buffer(side(width)?, side(count)?, wide)?;
                let each = real(plane.height) / real(band.rows);
                // Draws some rows of the picture into memory whose rows are `stride` bytes apart.
                let mut rows = |top: usize, bottom: usize, target: &mut [u8], stride: usize| -> Result<(), Refused> {
                    let target = TypedImage::<U8>::from_buffer(side(stride)?, side(bottom - top)?, target)?;
                    let mut target = TypedCroppedImageMut::new(target, 0, 0, side(width)?, side(bottom - top)?)?;
                    let rows = [top, bottom].map(|row| real(row) / each - real(band.first));
                    Ok(resizer.resize_typed(&wide, &mut target, &rows_of(up, width, rows, count))?)
                };
                let own = cut_mut(plane.data, band.top * plane.stride, (band.bottom - band.top) * plane.stride)?;
                rows(band.top, band.bottom, own, plane.stride)?;
                for (from, to) in [(band.from, band.top), (band.bottom, band.to)] {
                    for top in (from..to).step_by(FADE_CHUNK) {
                        let bottom = to.min(top + FADE_CHUNK);
                        let fade = cut_mut(fade, 0, (bottom - top) * width)?;
                        rows(top, bottom, fade, width)?;
                        for (row, coarser) in (top..bottom).zip(fade.chunks_exact(width)) {
                            let distance = if row < band.top { band.top - row } else { row + 1 - band.bottom };
                            mix(plane.row(row), coarser, weight(distance, to - from));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// How much of a band is left so many rows from it, of 256, where it is gone after `length`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 256")]
fn weight(distance: usize, length: usize) -> u16 {
    let turn = PI * (real(distance) - 0.5) / real(length);
    (128.0 + 128.0 * turn.cos()).round() as u16
}

/// Mixes `coarser` into `row`.
fn mix(row: &mut [u8], coarser: &[u8], weight: u16) {
    for (pixel, coarser) in row.iter_mut().zip(coarser) {
        // At most 255 * 256 + 128, so the upper byte is the rounded mean.
        let sum = u16::from(*pixel) * (256 - weight) + u16::from(*coarser) * weight + 128;
        *pixel = (sum >> 8).to_le_bytes()[0];
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        self.store.zeroize();
        self.between.zeroize();
        self.fade.zeroize();
    }
}

/// Resizes `rows` packed rows from one number of pixels to another.
fn across<const SAMPLES: usize>(
    resizer: &mut Resizer,
    options: &ResizeOptions,
    (source, from): (&[u8], usize),
    (target, to): (&mut [u8], usize),
    rows: usize,
) -> Result<(), Refused> {
    fn typed<P: InnerPixel + PixelTrait>(
        resizer: &mut Resizer,
        options: &ResizeOptions,
        (source, from): (&[u8], usize),
        (target, to): (&mut [u8], usize),
        rows: usize,
    ) -> Result<(), Refused> {
        let source = TypedImageRef::<P>::from_buffer(side(from)?, side(rows)?, source)?;
        let mut target = TypedImage::<P>::from_buffer(side(to)?, side(rows)?, target)?;
        Ok(resizer.resize_typed(&source, &mut target, options)?)
    }
    match SAMPLES {
        1 => typed::<U8>(resizer, options, (source, from), (target, to), rows),
        2 => typed::<U8x2>(resizer, options, (source, from), (target, to), rows),
        _ => Err(Refused),
    }
}

/// `count` bytes from `start`. The resizer reads and writes on past an image's height for as long as its memory lasts,
/// so every image gets exactly what it needs.
fn cut(bytes: &[u8], start: usize, count: usize) -> Result<&[u8], Refused> {
    bytes.get(start..start.saturating_add(count)).ok_or(Refused)
}

/// As [`cut`].
fn cut_mut(bytes: &mut [u8], start: usize, count: usize) -> Result<&mut [u8], Refused> {
    bytes.get_mut(start..start.saturating_add(count)).ok_or(Refused)
}

/// Options that look at the rows from one height to another, of `height`.
fn rows_of(options: &ResizeOptions, width: usize, [top, bottom]: [f64; 2], height: usize) -> ResizeOptions {
    let top = top.max(0.0);
    let mut tall = bottom.min(real(height)) - top;
    // Rounding may put the sum just past the edge, which would be refused.
    while top + tall > real(height) {
        tall = tall.next_down();
    }
    let crop = CropBox { left: 0.0, top, width: real(width), height: tall };
    ResizeOptions { cropping: SrcCropping::Crop(crop), ..*options }
}

/// Coarse pixels of a side; always fewer than allowed rather than more, but at least one.
fn coarse(pixels: usize, factor: f64) -> usize {
    floor(real(pixels) / factor).max(1)
}

fn side(count: usize) -> Result<u32, Refused> {
    u32::try_from(count).map_err(|_| Refused)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a picture's side")]
fn floor(value: f64) -> usize {
    value as usize
}

/// What the resizer refuses is a mistake in this file; pixels are covered then, so its reason is not needed.
macro_rules! refused_from {
    ($($error:ty),*) => { $(impl From<$error> for Refused { fn from(_: $error) -> Self { Self } })* };
}
refused_from!(fast_image_resize::ResizeError, fast_image_resize::ImageBufferError, fast_image_resize::CropBoxError);
