//! The pyramid against sums done by hand.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers in tests are small")]

use super::ground_tests::{draw, pyramid};
use super::motion::Motion;
use super::pyramid::{Pyramid, stretch};
use crate::base::{Plane, Size};

#[test]
fn each_pixel_is_the_mean_of_four() {
    let size = Size::new(263, 141);
    let luma = draw(1, &Motion::still(size), |_, _, luma| luma);
    let pyramid = pyramid(size, &luma);
    assert_eq!(pyramid.count(), 2, "a third would have 17 rows");
    let mut above = Plane { data: &luma, stride: size.width, width: size.width, height: size.height };
    for n in 1..=pyramid.count() {
        let level = pyramid.level(n);
        assert_eq!((level.width, level.height), (size.width >> n, size.height >> n));
        for y in 0..level.height {
            for x in 0..level.width {
                let at = |dx: usize, dy: usize| u32::from(above.row(2 * y + dy)[2 * x + dx]);
                let mean = (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4;
                assert_eq!(u32::from(level.row(y)[x]), mean, "level {n} at ({x}, {y})");
            }
        }
        above = level;
    }
}

#[test]
fn levels_reach_a_sixteenth_at_720_rows() {
    assert_eq!(Pyramid::new(Size::new(1280, 720)).count(), 4);
    assert_eq!(Pyramid::new(Size::new(1920, 1080)).count(), 5);
    assert_eq!(Pyramid::new(Size::new(16, 16)).count(), 1);
    let pyramid = Pyramid::new(Size::new(1280, 720));
    assert_eq!((pyramid.level(4).width, pyramid.level(4).height), (80, 45));
    assert_eq!(pyramid.level(9).width, 80, "the nearest that there is");
    assert_eq!(pyramid.level(0).width, 640);
}

#[test]
fn rows_with_gaps_and_luma_that_does_not_fit() {
    let mut pyramid = Pyramid::new(Size::new(64, 64));
    let mut luma = vec![200; 64 * 80];
    luma.chunks_mut(80).for_each(|row| row[..64].fill(90));
    let plane = Plane { data: luma.as_slice(), stride: 80, width: 64, height: 64 };
    pyramid.fill(plane);
    assert!(pyramid.level(1).data.iter().all(|&luma| luma == 90), "gaps are not picture");
    pyramid.fill(Plane { data: &luma[..80 * 63], ..plane });
    assert!(pyramid.level(1).data.iter().all(|&luma| luma == 0), "a row is missing");
    pyramid.fill(plane);
    pyramid.fill(Plane { width: 62, ..plane });
    assert!(pyramid.level(1).data.iter().all(|&luma| luma == 0), "another size");
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(0, 0), (1, 1), (2, 1), (1, 9), (3, 2), (16, 16), (17, 31), (8000, 2)] {
        let size = Size::new(width, height);
        let pyramid = pyramid(size, &vec![77; size.area()]);
        assert!(pyramid.level(1).data.iter().all(|&luma| luma == 77), "{size}");
    }
}

#[test]
fn a_stretch_interpolates_between_four() {
    let luma: Vec<u8> = (0..12 * 4).map(|n| (n * 5) as u8).collect();
    let plane = Plane { data: luma.as_slice(), stride: 12, width: 12, height: 4 };
    let at = |x: i32, y: i32| stretch(&plane, x, y).map(|row| row[0]);
    assert_eq!(at(32, 32), Some(13 * 5 * 16), "on a pixel");
    assert_eq!(at(48, 32), Some(13 * 5 * 16 + 40), "half to the right");
    assert_eq!(at(32, 48), Some(13 * 5 * 16 + 12 * 5 * 8), "half down");
    for outside in [(-1, 0), (0, -1), (4 * 32, 0), (0, 3 * 32), (i32::MIN, 0), (i32::MAX, i32::MAX)] {
        assert_eq!(at(outside.0, outside.1), None, "{outside:?}");
    }
    assert!(at(3 * 32 + 31, 2 * 32 + 31).is_some(), "the last place that there is");
}
