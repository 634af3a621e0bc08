//! The H.264 encoder by itself: parameter sets, groups, threads, layouts, and what shows in covered cells.

use openh264::decoder::Decoder;

use super::*;
use crate::base::geometry::CELL;
use crate::base::{FramePool, Grid, Layout, Rect, Shape};
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

/// Where the ground is covered: regions of three by three cells, which move on by a cell every half second.
fn covered(size: Size, number: u64) -> impl Iterator<Item = Rect> {
    let (grid, moved) = (Grid::over(size, CELL), usize::try_from(number / 5).expect("few"));
    let cells = (0..grid.rows).flat_map(move |row| (0..grid.columns).map(move |column| (column, row)));
    cells
        .filter(move |(column, row)| ((column + moved) / 3 + row / 3) % 2 == 0)
        .map(move |(column, row)| grid.rect(column, row, size))
}

/// Squared deviation from the mean in a cell, per mille of a level.
fn spread(plane: &[u8], stride: usize, cell: Rect) -> u64 {
    let rows = plane.chunks(stride).skip(cell.y).take(cell.height);
    let pixels = rows.flat_map(|row| &row[cell.x..cell.right()]).map(|&pixel| u64::from(pixel));
    let (count, sum, squares) = pixels.fold((0, 0, 0), |(n, s, ss), pixel| (n + 1, s + pixel, ss + pixel * pixel));
    (count * squares - sum * sum) * 1000 / (count * count)
}

#[test]
fn clear_ground_does_not_come_through_in_covered_cells() {
    let size = Size::new(288, 192);
    let pool = FramePool::new(Shape::packed(size, Layout::I420), 1);
    // So little that the quantiser ends among the coarse ones.
    let mut encoder = H264::open(&settings(Codec::H264, 50), size, (10, 1), false).expect("opened");
    let mut decoder = Decoder::new().expect("a decoder");
    let (mut cells, mut shown, mut units) = (0, 0, Vec::new());
    for number in 0..40 {
        let mut frame = pool.take(number, Micros(number * 100_000));
        Texture::Drift.paint(&mut frame, number);
        let mut luma = frame.planes_mut().0;
        for cell in covered(size, number) {
            (cell.y..cell.bottom()).for_each(|y| luma.row(y)[cell.x..cell.right()].fill(120));
        }
        units.clear();
        encoder.encode(&Picture::test(&frame), &mut units).expect("encoded");
        let decoded = decoder.decode(&units[0].data).expect("decoded").expect("a picture");
        for cell in covered(size, number) {
            cells += 1;
            // A deviation of 1.5 levels or more counts as showing something, as it does in `regress`.
            shown += u64::from(spread(decoded.y(), decoded.strides().0, cell) >= 2250);
        }
    }
    assert!(encoder.quantiser >= 32, "a coarse quantiser: {}", encoder.quantiser);
    // With the loop filter on, 19 of 100 do; with low complexity, 4.
    assert!(shown * 100 <= cells * 2, "{shown} of {cells} covered cells show something");
}
