//! The H.264 encoder by itself: parameter sets, groups, threads and layouts.

use super::*;
use crate::base::Layout;
use crate::encode::tests::{Texture, settings};

fn encode(settings: &Settings, layout: Layout, frames: u64, kind: Texture) -> Vec<AccessUnit> {
    let size = Size::new(98, 66);
    let mut encoder = H264::open(settings, size, (10, 1), false).expect("opened");
    let mut units = Vec::new();
    kind.play(size, layout, frames, |picture| {
        encoder.encode(picture, &mut units).expect("encoded");
        assert_eq!(units.last().map(|unit| unit.sequence), Some(picture.sequence), "at once");
    });
    encoder.finish(&mut units).expect("finished");
    units
}

/// The types of the NAL units in an Annex B unit.
fn types(data: &[u8]) -> Vec<u8> {
    data.windows(4).filter(|window| window[..3] == [0, 0, 1]).map(|window| window[3] & 31).collect()
}

#[test]
fn key_frames_carry_their_parameter_sets_and_no_frame_is_skipped() {
    let units = encode(&settings(Codec::H264, 200), Layout::I420, 35, Texture::Cut);
    assert_eq!(units.len(), 35);
    let mut group = None;
    for unit in &units {
        assert_eq!(unit.key, group != Some(unit.group), "a key frame starts each group, and only that");
        group = Some(unit.group);
        assert_eq!(types(&unit.data), if unit.key { vec![7, 8, 5] } else { vec![1] });
    }
    assert!(group.is_some_and(|last| last >= 3), "a group a second, and one per scene");
}

#[test]
fn key_frames_in_a_row_differ_in_their_number() {
    let short = Settings { group_ms: 100, ..settings(Codec::H264, 200) };
    let units = encode(&short, Layout::I420, 12, Texture::Cut);
    assert!(units.iter().all(|unit| unit.key));
    let numbers: Vec<u64> = units.iter().map(|unit| picture_number(&unit.data)).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
}

/// The identifier in the slice header of a key frame: the fifth value after first macroblock, type, set and number.
fn picture_number(data: &[u8]) -> u64 {
    let at = data.windows(4).position(|window| window[..3] == [0, 0, 1] && window[3] & 31 == 5).expect("slice");
    let sps = data.windows(4).position(|window| window[..3] == [0, 0, 1] && window[3] & 31 == 7).expect("set");
    let mut bits = Bits { data: &data[at + 4..], at: 0 };
    let (_first, _type, _set) = (bits.exponential(), bits.exponential(), bits.exponential());
    // Profile, constraints and level take three bytes; then the set's own number and the length of frame numbers.
    let mut set = Bits { data: &data[sps + 7..], at: 0 };
    let (_number, length) = (set.exponential(), set.exponential() + 4);
    bits.read(length);
    bits.exponential()
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: u64) -> u64 {
        (0..count).fold(0, |value, _| {
            let bit = self.data[self.at / 8] >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u64::from(bit)
        })
    }

    fn exponential(&mut self) -> u64 {
        let mut zeros = 0;
        while self.read(1) == 0 {
            zeros += 1;
        }
        (1 << zeros) - 1 + self.read(zeros)
    }
}

#[test]
fn neither_threads_nor_the_chroma_layout_change_a_byte() {
    let with = |threads| Settings { threads, ..settings(Codec::H264, 150) };
    let one = encode(&with(1), Layout::I420, 15, Texture::Drift);
    assert_eq!(one, encode(&with(2), Layout::I420, 15, Texture::Drift));
    assert_eq!(one, encode(&with(1), Layout::Nv12, 15, Texture::Drift));
}
