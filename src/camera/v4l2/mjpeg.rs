//! One JPEG of a camera into an I420 frame.
//!
//! Any sampling, baseline or progressive, grey too. Relies on `zune-jpeg`, told to be strict: a picture that is cut
//! short is torn, not filled up with grey. What the decoder does with garbage is its own affair: an error or a panic
//! of it loses one frame and no more. It gives three bytes a pixel whatever the sampling was, so that 4:2:2 and 4:4:4
//! cost as much as 4:2:0 and need no path of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zeroize::Zeroize;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::base::{PlaneMut, Size};

use super::convert::Torn;

/// Start of image.
const START: &[u8] = &[0xff, 0xd8];
/// A segment by which the decoder knows a camera's JPEG and takes the usual Huffman tables where it brings none, as the
/// USB video class allows and many cameras do: APP0, 16 bytes long, "AVI1", polarity 0.
const CAMERA: &[u8] = &[0xff, 0xe0, 0, 16, b'A', b'V', b'I', b'1', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Marker of Huffman tables and of the scan.
const TABLES: u8 = 0xc4;
const SCAN: u8 = 0xda;
/// Colour without colour.
const GREY: u8 = 128;

/// Decodes `coded` into `to`. `pixels` holds three bytes for each pixel; `completed` is room for the JPEG itself.
///
/// # Errors
/// [`Torn`] for whatever is no whole JPEG of this size.
pub(super) fn decode(
    coded: &[u8],
    pixels: &mut [u8],
    completed: &mut Vec<u8>,
    to: [PlaneMut<'_>; 3],
) -> Result<(), Torn> {
    let [luma, u, v] = to;
    let size = Size::new(luma.width, luma.height);
    let rest = coded.strip_prefix(START).ok_or(Torn)?;
    let coded = if has_tables(rest) {
        coded
    } else {
        completed.zeroize();
        // Room for all of it at once: a vector that grows leaves copies behind that nobody wipes.
        completed.reserve_exact(START.len() + CAMERA.len() + rest.len());
        completed.extend([START, CAMERA, rest].into_iter().flatten());
        completed
    };
    let decoded = catch_unwind(AssertUnwindSafe(|| samples(coded, size, pixels)));
    match decoded {
        Ok(Ok(3)) => {
            colour(pixels, luma, u, v);
            Ok(())
        }
        Ok(Ok(1)) => grey(pixels, luma, u, v),
        Ok(Ok(_) | Err(_)) | Err(_) => Err(Torn),
    }
}

/// Whether Huffman tables come before the first scan. Looks at segments only: a byte each of marker and two of length.
fn has_tables(mut rest: &[u8]) -> bool {
    while let [0xff, marker, behind @ ..] = rest {
        match (*marker, behind) {
            (TABLES, _) => return true,
            (SCAN, _) => return false,
            // Fill bytes, and markers that stand alone.
            (0xff, _) => rest = rest.get(1..).unwrap_or_default(),
            (0x01 | 0xd0..=0xd7, _) => rest = behind,
            (_, [high, low, ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = behind.get(length.max(2)..).unwrap_or_default();
            }
            _ => return true,
        }
    }
    // Garbage is the decoder's to refuse.
    true
}

/// Decodes into `pixels` and says how many samples a pixel has: 3 (Y, Cb, Cr) or 1 (Y).
fn samples(coded: &[u8], size: Size, pixels: &mut [u8]) -> Result<usize, Torn> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(size.width)
        .set_max_height(size.height)
        .jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(coded), options);
    decoder.decode_headers().map_err(|_| Torn)?;
    if decoder.dimensions() != Some((size.width, size.height)) {
        return Err(Torn);
    }
    let space = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr) => ColorSpace::YCbCr,
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        _ => return Err(Torn),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let bytes = decoder.output_buffer_size().ok_or(Torn)?;
    decoder.decode_into(pixels.get_mut(..bytes).ok_or(Torn)?).map_err(|_| Torn)?;
    Ok(space.num_components())
}

/// Takes pixels apart; a chroma sample is the mean of its four pixels, at an odd edge of those there are.
fn colour(pixels: &[u8], mut luma: PlaneMut<'_>, mut u: PlaneMut<'_>, mut v: PlaneMut<'_>) {
    let stride = 3 * luma.width;
    for (from, to) in pixels.chunks_exact(stride).zip(luma.rows()) {
        for (pixel, y) in from.chunks_exact(3).zip(to) {
            *y = pixel[0];
        }
    }
    for ((pair, to_u), to_v) in pixels.chunks(2 * stride).zip(u.rows()).zip(v.rows()) {
        let (top, bottom) = pair.split_at(stride.min(pair.len()));
        let bottom = if bottom.is_empty() { top } else { bottom };
        for (((top, bottom), u), v) in top.chunks(6).zip(bottom.chunks(6)).zip(to_u).zip(to_v) {
            // Four pixels, or at the edge two of them twice.
            let right = top.len() - 3;
            let mean = |at: usize| {
                let sum: u16 = [top[at], top[right + at], bottom[at], bottom[right + at]].map(u16::from).iter().sum();
                u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX)
            };
            (*u, *v) = (mean(1), mean(2));
        }
    }
}

fn grey(pixels: &[u8], mut luma: PlaneMut<'_>, mut u: PlaneMut<'_>, mut v: PlaneMut<'_>) -> Result<(), Torn> {
    for (from, to) in pixels.chunks_exact(luma.width).zip(luma.rows()) {
        to.copy_from_slice(from);
    }
    u.rows().chain(v.rows()).for_each(|row| row.fill(GREY));
    Ok(())
}

#[cfg(test)]
mod tests;
