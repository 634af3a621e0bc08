//! The AV1 encoder by itself: order, delay, groups, threads and bitrate.

use super::*;
use crate::base::Layout;
use crate::encode::tests::{Texture, settings};

const SIZE: Size = Size::new(160, 96);

fn encode(settings: &Settings, size: Size, layout: Layout, frames: u64, kind: Texture) -> Vec<AccessUnit> {
    let mut encoder = Av1::open(settings, size, (10, 1), false).expect("opened");
    let mut units = Vec::new();
    kind.play(size, layout, frames, |picture| {
        encoder.encode(picture, &mut units).expect("encoded");
        let behind = picture.sequence + 1 - u64::try_from(units.len()).expect("few");
        assert!(behind <= 4, "{behind} frames behind at {}", picture.sequence);
        assert!(encoder.memory.len() <= 12, "{} frame memories", encoder.memory.len());
    });
    encoder.finish(&mut units).expect("finished");
    units
}

#[test]
fn units_come_in_order_one_per_frame_and_each_group_starts_with_a_sequence_header() {
    let units = encode(&settings(Codec::Av1, 200), SIZE, Layout::I420, 25, Texture::Plain);
    let sequences: Vec<u64> = units.iter().map(|unit| unit.sequence).collect();
    assert_eq!(sequences, (0..25).collect::<Vec<u64>>());
    assert!(units.iter().all(|unit| unit.captured == Micros(unit.sequence * 100_000)));
    let mut group = None;
    for unit in &units {
        assert_eq!(unit.key, group != Some(unit.group), "a key frame starts each group, and only that");
        group = Some(unit.group);
        // Temporal delimiter first; a sequence header (type 1, with a size field) follows it in key units.
        assert_eq!(unit.data[..2], [0x12, 0]);
        assert_eq!(unit.data[2] == 0x0A, unit.key);
    }
    assert_eq!(group, Some(2), "groups of a second at 10 frames a second");
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let with = |threads| Settings { threads, tiles: 2, ..settings(Codec::Av1, 300) };
    let one = encode(&with(1), Size::new(256, 128), Layout::I420, 12, Texture::Cut);
    let two = encode(&with(2), Size::new(256, 128), Layout::I420, 12, Texture::Cut);
    assert_eq!(one, two);
}

#[test]
fn interleaved_chroma_gives_the_same_bytes() {
    let planar = encode(&settings(Codec::Av1, 200), Size::new(33, 17), Layout::I420, 3, Texture::Drift);
    let pairs = encode(&settings(Codec::Av1, 200), Size::new(33, 17), Layout::Nv12, 3, Texture::Drift);
    assert_eq!(planar, pairs);
}

#[test]
fn a_stream_without_frames_ends_without_units() {
    assert_eq!(encode(&settings(Codec::Av1, 200), SIZE, Layout::I420, 0, Texture::Drift), []);
}

#[test]
fn a_frame_of_another_size_is_refused() {
    let mut encoder = Av1::open(&settings(Codec::Av1, 200), SIZE, (10, 1), false).expect("opened");
    Texture::Drift.play(Size::new(64, 64), Layout::I420, 1, |picture| {
        assert_eq!(encoder.encode(picture, &mut Vec::new()), Err(Fault::EncoderFailed));
    });
}
