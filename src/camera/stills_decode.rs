//! JPEG and PNG into a raw frame: the decoders and their limits.
//!
//! Sizes are checked before a picture's memory is asked for. Grey, palettes, 16 bits and transparency all become
//! 8-bit RGB first; transparency is dropped, so that what it hides is looked at too. A JPEG's orientation tag is not
//! applied. The RGB copy is wiped.

use std::io::Cursor;

use zeroize::Zeroizing;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::base::{ChromaMut, RawFrame, Size};

use super::{accepted_size, rgb};

/// Why a still is not taken, before the file is named.
#[derive(Debug)]
pub(super) struct Refusal {
    pub reason: String,
    pub mend: &'static str,
}

const REPAIR: &str = "save it again as JPEG or PNG: ffmpeg -i IN OUT.png";
const SCALE: &str = "scale it: ffmpeg -i IN -vf scale=1920:-2 OUT.png";
const REMOVE: &str = "take it out of the directory, or put the image back";

/// The memory that the PNG decoder may use beside the picture itself.
const PNG_MEMORY: usize = 64 << 20;

const JPEG: &[u8] = b"\xff\xd8\xff";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn repair(reason: impl std::fmt::Display) -> Refusal {
    Refusal { reason: reason.to_string(), mend: REPAIR }
}

fn accept(width: u64, height: u64) -> Result<Size, Refusal> {
    accepted_size(width, height).map_err(|reason| Refusal { reason, mend: SCALE })
}

/// The size in the header of `coded`.
pub(super) fn size(coded: &[u8]) -> Result<Size, Refusal> {
    if coded.starts_with(JPEG) {
        jpeg(coded).map(|(_, size)| size)
    } else if coded.starts_with(PNG) {
        png(coded).map(|(_, size)| size)
    } else {
        let reason = "neither a JPEG nor a PNG image, by its first bytes".to_owned();
        Err(Refusal { reason, mend: REMOVE })
    }
}

/// Decodes `coded` into `frame`, which is I420 and has the size that [`size`] gave.
pub(super) fn decode(coded: &[u8], frame: &mut RawFrame) -> Result<(), Refusal> {
    let (pixels, size) = if coded.starts_with(JPEG) { decode_jpeg(coded)? } else { decode_png(coded)? };
    if size != frame.size() {
        return Err(repair("the image changed its size while it was read"));
    }
    let (luma, ChromaMut::I420(u, v)) = frame.planes_mut() else {
        return Err(repair("stills become I420 only"));
    };
    rgb::to_i420(&pixels, luma, u, v);
    Ok(())
}

/// A decoder or a picture, and its size.
type WithSize<T> = Result<(T, Size), Refusal>;

fn jpeg(coded: &[u8]) -> WithSize<JpegDecoder<ZCursor<&[u8]>>> {
    // Strict: a picture cut short is refused, not filled up with grey. Our own limits give the better message.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(coded), options);
    decoder.decode_headers().map_err(repair)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let size = accept(width as u64, height as u64)?;
    if decoder.output_buffer_size() == Some(size.area() * 3) {
        Ok((decoder, size))
    } else {
        Err(repair("a JPEG that cannot be turned into RGB"))
    }
}

fn decode_jpeg(coded: &[u8]) -> WithSize<Zeroizing<Vec<u8>>> {
    let (mut decoder, size) = jpeg(coded)?;
    let mut rgb = Zeroizing::new(vec![0; size.area() * 3]);
    decoder.decode_into(&mut rgb).map_err(repair)?;
    Ok((rgb, size))
}

fn png(coded: &[u8]) -> WithSize<png::Reader<Cursor<&[u8]>>> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(coded), png::Limits { bytes: PNG_MEMORY });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let info = decoder.read_header_info().map_err(repair)?;
    let size = accept(info.width.into(), info.height.into())?;
    Ok((decoder.read_info().map_err(repair)?, size))
}

fn decode_png(coded: &[u8]) -> WithSize<Zeroizing<Vec<u8>>> {
    let (mut reader, size) = png(coded)?;
    let (colours, depth) = reader.output_color_type();
    let samples = colours.samples();
    if depth != png::BitDepth::Eight || reader.output_buffer_size() != Some(size.area() * samples) {
        return Err(repair("a PNG that cannot be turned into 8-bit RGB"));
    }
    let mut pixels = Zeroizing::new(vec![0; size.area() * samples]);
    let shown = reader.next_frame(&mut pixels).map_err(repair)?;
    if (u64::from(shown.width), u64::from(shown.height)) != (size.width as u64, size.height as u64) {
        return Err(repair("its first picture does not fill the image"));
    }
    if colours == png::ColorType::Rgb {
        return Ok((pixels, size));
    }
    // Grey and grey with transparency have one sample of colour, the others three.
    let grey = samples < 3;
    let mut rgb = Zeroizing::new(vec![0; size.area() * 3]);
    for (to, from) in rgb.chunks_exact_mut(3).zip(pixels.chunks_exact(samples)) {
        match from {
            [value, ..] if grey => to.fill(*value),
            [r, g, b, ..] => to.copy_from_slice(&[*r, *g, *b]),
            _ => {}
        }
    }
    Ok((rgb, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Chroma, FramePool, Layout, Micros, Shape};

    fn decoded(coded: &[u8]) -> Result<RawFrame, Refusal> {
        let shape = Shape::packed(size(coded)?, Layout::I420);
        let mut frame = FramePool::new(shape, 1).take(0, Micros(0));
        decode(coded, &mut frame).map(|()| frame)
    }

    /// A PNG of one repeated pixel.
    fn png(side: (u32, u32), colour: png::ColorType, depth: png::BitDepth, row: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side.0, side.1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == png::ColorType::Indexed {
            encoder.set_palette(vec![0, 0, 0, 255, 0, 0]);
            encoder.set_trns(vec![255, 10]);
        }
        encoder.write_header().unwrap().write_image_data(&row.repeat(side.1 as usize)).unwrap();
        bytes
    }

    fn jpeg(side: (u16, u16), colour: jpeg_encoder::ColorType, pixel: &[u8], progressive: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
        encoder.set_progressive(progressive);
        encoder.encode(&pixel.repeat(usize::from(side.0) * usize::from(side.1)), side.0, side.1, colour).unwrap();
        bytes
    }

    /// Every sample of the frame is within 2 of these.
    fn assert_colour(frame: &RawFrame, expected: [u8; 3]) {
        let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
        for (plane, expected) in [frame.luma(), u, v].into_iter().zip(expected) {
            assert!(
                plane.rows().flatten().all(|&byte| byte.abs_diff(expected) <= 2),
                "{:?} for {expected}",
                plane.row(0)
            );
        }
    }

    /// BT.601, limited range: red, and grey 200.
    const RED: [u8; 3] = [82, 90, 240];
    const GREY: [u8; 3] = [188, 128, 128];

    #[test]
    fn png_of_every_kind_becomes_i420() {
        use png::BitDepth::{Eight, One, Sixteen};
        use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let seven = |pixel: &[u8]| pixel.repeat(7);
        for (colour, depth, row, expected) in [
            (Rgb, Eight, seven(&[255, 0, 0]), RED),
            (Rgba, Eight, seven(&[255, 0, 0, 3]), RED),
            (Rgb, Sixteen, seven(&[255, 255, 0, 0, 0, 0]), RED),
            (Rgba, Sixteen, seven(&[255, 255, 0, 0, 0, 0, 0, 9]), RED),
            (Indexed, One, vec![0xff], RED),
            (Grayscale, Eight, seven(&[200]), GREY),
            (Grayscale, One, vec![0], [16, 128, 128]),
            (GrayscaleAlpha, Eight, seven(&[200, 0]), GREY),
            (Grayscale, Sixteen, seven(&[200, 9]), GREY),
        ] {
            let frame = decoded(&png((7, 5), colour, depth, &row)).unwrap();
            assert_eq!(frame.size(), Size::new(7, 5));
            assert_colour(&frame, expected);
        }
    }

    #[test]
    fn jpeg_of_every_kind_becomes_i420() {
        use jpeg_encoder::ColorType::{Cmyk, Luma, Rgb};
        for progressive in [false, true] {
            assert_colour(&decoded(&jpeg((33, 17), Rgb, &[255, 0, 0], progressive)).unwrap(), RED);
            assert_colour(&decoded(&jpeg((33, 17), Luma, &[200], progressive)).unwrap(), GREY);
        }
        assert_colour(&decoded(&jpeg((16, 8), Cmyk, &[0, 255, 255, 0], false)).unwrap(), RED);
        assert_colour(&decoded(&jpeg((1, 1), Rgb, &[200, 200, 200], false)).unwrap(), GREY);
    }

    #[test]
    fn edges_of_odd_pictures_are_filled() {
        let frame = decoded(&png((3, 3), png::ColorType::Rgb, png::BitDepth::Eight, &[255; 9])).unwrap();
        assert_colour(&frame, [235, 128, 128]);
    }

    #[test]
    fn bombs_are_refused_by_their_header() {
        // 16384x16384: as PNG by its IHDR, as JPEG by its SOF.
        let mut bomb = png((1, 1), png::ColorType::Grayscale, png::BitDepth::Eight, &[0]);
        bomb.splice(16..24, [0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let sum = crc(&bomb[12..29]);
        bomb.splice(29..33, sum.to_be_bytes());
        let mut large = jpeg((8, 8), jpeg_encoder::ColorType::Luma, &[0], false);
        let sof = large.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        large.splice(sof + 5..sof + 9, [0x40, 0, 0x40, 0]);
        for coded in [bomb, large] {
            let refusal = size(&coded).unwrap_err();
            assert_eq!(refusal.reason, "the picture is 16384x16384, more than 8192 on a side or 35389440 pixels");
            assert_eq!(refusal.mend, SCALE);
        }
    }

    #[test]
    fn no_cut_or_changed_byte_is_fatal() {
        let pixels = [9, 80, 200];
        let coded = [
            jpeg((24, 24), jpeg_encoder::ColorType::Rgb, &pixels, false),
            jpeg((24, 24), jpeg_encoder::ColorType::Rgb, &pixels, true),
            png((24, 24), png::ColorType::Rgb, png::BitDepth::Eight, &pixels.repeat(24)),
        ];
        for coded in coded {
            for at in 0..coded.len() {
                let mut changed = coded.clone();
                changed[at] ^= 0x55;
                // Some changes go unnoticed, none may panic.
                let _ = decoded(&changed);
                let _ = decoded(&coded[..at]);
            }
            assert!(decoded(&coded[..coded.len() / 2]).is_err());
        }
    }

    /// The check sum of a PNG chunk, bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes
            .iter()
            .fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1))))
    }
}
