//! JPEGs of every kind that a camera might send, and what is none.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;
use crate::base::{Chroma, ChromaMut, FramePool, Layout, Micros, RawFrame, Shape};

/// A picture with an edge across it: left half of one colour, right half of the other.
fn jpeg(size: Size, sampling: SamplingFactor, progressive: bool, colours: [[u8; 3]; 2]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 95);
    encoder.set_progressive(progressive);
    encoder.set_sampling_factor(sampling);
    let pixels: Vec<u8> =
        (0..size.area()).flat_map(|n| colours[usize::from(n % size.width >= size.width / 2)]).collect();
    let side = |side: usize| u16::try_from(side).unwrap();
    encoder.encode(&pixels, side(size.width), side(size.height), ColorType::Rgb).unwrap();
    bytes
}

fn decoded(coded: &[u8], size: Size) -> Result<RawFrame, Torn> {
    let mut frame = FramePool::new(Shape::packed(size, Layout::I420).aligned(8), 1).take(0, Micros(0));
    let (luma, ChromaMut::I420(u, v)) = frame.planes_mut() else { panic!("layout") };
    decode(coded, &mut vec![0; 3 * size.area()], &mut Vec::new(), [luma, u, v])?;
    Ok(frame)
}

/// Y, U and V at a corner and its opposite.
fn corners(frame: &RawFrame) -> [[u8; 3]; 2] {
    let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
    let last = |plane: crate::base::Plane<'_>| plane.row(plane.height - 1)[plane.width - 1];
    [[frame.luma().row(0)[0], u.row(0)[0], v.row(0)[0]], [last(frame.luma()), last(u), last(v)]]
}

/// BT.601 in full range, as JFIF has it.
const RED: [u8; 3] = [76, 85, 255];
const BLUE: [u8; 3] = [29, 255, 107];

#[test]
fn every_sampling_becomes_i420_in_full_range() {
    use SamplingFactor::{R_4_1_1, R_4_2_0, R_4_2_2, R_4_4_0, R_4_4_4};
    for sampling in [R_4_2_0, R_4_2_2, R_4_4_4, R_4_4_0, R_4_1_1] {
        for progressive in [false, true] {
            for size in [Size::new(64, 32), Size::new(33, 17), Size::new(16, 16), Size::new(130, 90)] {
                let coded = jpeg(size, sampling, progressive, [[255, 0, 0], [0, 0, 255]]);
                let Ok(frame) = decoded(&coded, size) else { panic!("{sampling:?} {progressive} {size}") };
                for (got, wanted) in corners(&frame).iter().flatten().zip([RED, BLUE].iter().flatten()) {
                    assert!(got.abs_diff(*wanted) <= 6, "{sampling:?} {progressive} {size}: {:?}", corners(&frame));
                }
            }
        }
    }
}

#[test]
fn grey_pictures_are_grey() {
    let mut coded = Vec::new();
    Encoder::new(&mut coded, 95).encode(&[200; 32 * 16], 32, 16, ColorType::Luma).unwrap();
    let frame = decoded(&coded, Size::new(32, 16)).unwrap_or_else(|_| panic!("torn"));
    assert_eq!(corners(&frame), [[200, 128, 128]; 2]);
}

/// Without its Huffman tables, as many cameras send it.
fn without_tables(coded: &[u8]) -> Vec<u8> {
    let mut kept = coded[..2].to_vec();
    let mut at = 2;
    while coded[at + 1] != SCAN {
        let length = 2 + usize::from(u16::from_be_bytes([coded[at + 2], coded[at + 3]]));
        if coded[at + 1] != TABLES {
            kept.extend(&coded[at..at + length]);
        }
        at += length;
    }
    kept.extend(&coded[at..]);
    kept
}

#[test]
fn missing_tables_are_the_usual_ones() {
    let size = Size::new(64, 32);
    let coded = jpeg(size, SamplingFactor::R_4_2_2, false, [[255, 0, 0], [0, 0, 255]]);
    let bare = without_tables(&coded);
    assert!(bare.len() + 400 < coded.len(), "four tables are gone");
    let whole = decoded(&coded, size).map(|frame| corners(&frame));
    assert!(whole.is_ok());
    assert_eq!(decoded(&bare, size).map(|frame| corners(&frame)), whole);
}

#[test]
fn what_follows_the_picture_does_not_matter() {
    let size = Size::new(32, 32);
    let mut coded = jpeg(size, SamplingFactor::R_4_2_0, false, [[255, 0, 0], [0, 0, 255]]);
    for tail in [&[0; 4096][..], &[0xff; 64], &[0xff, 0xd8, 0xff, 0xe0]] {
        let length = coded.len();
        coded.extend(tail);
        assert!(decoded(&coded, size).is_ok());
        coded.truncate(length);
    }
}

#[test]
fn another_size_is_torn() {
    let coded = jpeg(Size::new(64, 32), SamplingFactor::R_4_2_0, false, [[9; 3]; 2]);
    for size in [Size::new(64, 16), Size::new(32, 64), Size::new(128, 64), Size::new(65, 32)] {
        assert!(decoded(&coded, size).is_err(), "{size}");
    }
}

#[test]
fn a_picture_that_is_cut_short_is_torn_and_nothing_panics() {
    let size = Size::new(48, 32);
    for progressive in [false, true] {
        let coded = jpeg(size, SamplingFactor::R_4_2_2, progressive, [[255, 0, 0], [0, 200, 255]]);
        let scan = coded.windows(2).position(|pair| pair == [0xff, SCAN]).unwrap();
        for length in 0..coded.len() {
            let short = decoded(&coded[..length], size);
            // The last bytes of the scan may hold nothing but padding, and the end marker no picture at all.
            assert!(
                short.is_err() || length > scan + (coded.len() - scan) / 2,
                "{progressive}: {length} of {}",
                coded.len()
            );
        }
    }
}

#[test]
fn changed_bytes_and_garbage_never_panic() {
    let size = Size::new(48, 32);
    let noise = |length: usize, seed: usize| -> Vec<u8> {
        (0..length).map(|n| (n + seed).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
    };
    for progressive in [false, true] {
        let coded = jpeg(size, SamplingFactor::R_4_4_4, progressive, [[255, 0, 0], [0, 200, 255]]);
        for at in 0..coded.len() {
            for flip in [0x01, 0x55, 0xff] {
                let mut changed = coded.clone();
                changed[at] ^= flip;
                let _ = decoded(&changed, size);
                let _ = decoded(&without_marker(&changed), size);
            }
        }
    }
    for seed in 0..200 {
        let mut garbage = noise(seed * 7, seed);
        assert!(decoded(&garbage, size).is_err());
        garbage.splice(0..0, [0xff, 0xd8, 0xff, 0xdb]);
        assert!(decoded(&garbage, size).is_err());
    }
    for bytes in
        [&[][..], &[0xff], &[0xff, 0xd8], &[0xff, 0xd8, 0xff], &[0xff, 0xd8, 0xff, 0xff], &[0xff, 0xd8, 0xff, 0xc4]]
    {
        assert!(decoded(bytes, size).is_err());
    }
}

/// With its first Huffman tables named something else, so that the decoder gets its own.
fn without_marker(coded: &[u8]) -> Vec<u8> {
    let mut changed = coded.to_vec();
    if let Some(at) = changed.windows(2).position(|pair| pair == [0xff, TABLES]) {
        changed[at + 1] = 0xfe;
    }
    changed
}
