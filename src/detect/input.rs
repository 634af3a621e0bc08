//! From a frame's planes to what the network takes: RGB at whole size, halved for the next scale, cut into tiles.

use fast_image_resize as resize;
use resize::images::{TypedImage, TypedImageRef};
use resize::pixels::U8x3;
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPlanarImage};
use zeroize::Zeroize;

use crate::base::{Chroma, Fault, RawFrame, Size, colour};

/// A frame as RGB at one scale, and the buffers to get there.
pub struct Picture {
    size: Size,
    rgb: Vec<U8x3>,
    resizer: resize::Resizer,
}

impl Picture {
    /// Buffers for frames of `size` at 1 / 2^`scale`.
    pub fn new(size: Size, scale: usize) -> Self {
        let side = |length: usize| length.div_ceil(1 << scale).max(1);
        let size = Size::new(side(size.width), side(size.height));
        Self { size, rgb: vec![U8x3::new([0; 3]); size.area()], resizer: resize::Resizer::new() }
    }

    /// Size at this scale.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Fills the picture from a frame of its size.
    ///
    /// The range is taken as limited: a full-range source then has its darkest and brightest 7 % clipped, which the
    /// network was trained to bear.
    pub fn convert(&mut self, frame: &RawFrame) -> Result<(), Fault> {
        let side = |length: usize| u32::try_from(length).map_err(|_| Fault::FrameShape);
        let (width, height) = (side(self.size.width)?, side(self.size.height)?);
        let luma = frame.luma();
        let luma_stride = side(luma.stride)?;
        let out_stride = width.checked_mul(3).ok_or(Fault::FrameShape)?;
        let rgb: &mut [u8] = bytes_of(&mut self.rgb);
        let (range, matrix) = (colour::range(false), colour::MATRIX);
        match frame.chroma() {
            Chroma::I420(u, v) => {
                let image = YuvPlanarImage {
                    y_plane: luma.data,
                    y_stride: luma_stride,
                    u_plane: u.data,
                    u_stride: side(u.stride)?,
                    v_plane: v.data,
                    v_stride: side(v.stride)?,
                    width,
                    height,
                };
                yuv::yuv420_to_rgb(&image, rgb, out_stride, range, matrix)
            }
            Chroma::Nv12(uv) => {
                let image = YuvBiPlanarImage {
                    y_plane: luma.data,
                    y_stride: luma_stride,
                    uv_plane: uv.data,
                    uv_stride: side(uv.stride)?,
                    width,
                    height,
                };
                yuv::yuv_nv12_to_rgb(&image, rgb, out_stride, range, matrix, YuvConversionMode::Balanced)
            }
        }
        .map_err(|_| Fault::FrameShape)
    }

    /// Fills the picture with the mean of each 2x2 block of `larger`.
    pub fn halve(&mut self, larger: &Self) -> Result<(), Fault> {
        let side = |length: usize| u32::try_from(length).map_err(|_| Fault::FrameShape);
        let source = TypedImageRef::new(side(larger.size.width)?, side(larger.size.height)?, &larger.rgb)
            .map_err(|_| Fault::FrameShape)?;
        let (width, height) = (side(self.size.width)?, side(self.size.height)?);
        let mut target = TypedImage::from_pixels_slice(width, height, &mut self.rgb).map_err(|_| Fault::FrameShape)?;
        let options = resize::ResizeOptions::new().resize_alg(resize::ResizeAlg::Convolution(resize::FilterType::Box));
        self.resizer.resize_typed(&source, &mut target, &options).map_err(|_| Fault::FrameShape)
    }

    /// Writes the tile at (`column`, `row`) as rows of four bytes a pixel; the picture's edge is repeated where the tile
    /// hangs over it.
    pub fn fill_pixels<'a>(&self, column: usize, row: usize, rows: impl Iterator<Item = &'a mut [u8]>) {
        for (y, target) in rows.enumerate() {
            let y = (row + y).min(self.size.height - 1);
            widen(&self.rgb[y * self.size.width + column..(y + 1) * self.size.width], target);
        }
    }

    /// Writes the tile at (`column`, `row`) as three planes of `shape`, 0 to 1; the picture's edge is repeated where
    /// the tile hangs over it.
    pub fn fill_planes(&self, column: usize, row: usize, shape: Size, planes: &mut [f32]) {
        const UNIT: f32 = 1.0 / 255.0;
        let inside = shape.width.min(self.size.width - column);
        let (red, rest) = planes.split_at_mut(shape.area());
        let (green, blue) = rest.split_at_mut(shape.area());
        let rows = red.chunks_mut(shape.width).zip(green.chunks_mut(shape.width)).zip(blue.chunks_mut(shape.width));
        for (y, ((red, green), blue)) in rows.enumerate() {
            let y = (row + y).min(self.size.height - 1);
            let source = &self.rgb[y * self.size.width + column..][..inside];
            for (x, pixel) in source.iter().enumerate() {
                let [r, g, b] = pixel.0;
                red[x] = f32::from(r) * UNIT;
                green[x] = f32::from(g) * UNIT;
                blue[x] = f32::from(b) * UNIT;
            }
            for plane in [red, green, blue] {
                let edge = plane[inside - 1];
                plane[inside..].fill(edge);
            }
        }
    }
}

impl Drop for Picture {
    /// Shows what the frame showed, so it is wiped as the frame is.
    fn drop(&mut self) {
        bytes_of(&mut self.rgb).zeroize();
    }
}

/// Writes `pixels` four bytes each; the last is repeated to the row's end.
fn widen(pixels: &[U8x3], row: &mut [u8]) {
    let mut cells = row.chunks_exact_mut(4);
    let mut last = [0; 4];
    for (pixel, cell) in pixels.iter().zip(&mut cells) {
        let [r, g, b] = pixel.0;
        last = [r, g, b, 0];
        cell.copy_from_slice(&last);
    }
    cells.for_each(|cell| cell.copy_from_slice(&last));
}

/// Pixels as the bytes that a converter writes.
fn bytes_of(pixels: &mut [U8x3]) -> &mut [u8] {
    use resize::pixels::InnerPixel;
    U8x3::components_mut(pixels)
}
