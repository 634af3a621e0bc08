//! Motion against known maps of a drawn ground.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "numbers in tests are small")]

use super::ground_tests::{draw, noise, pyramid, similarity};
use super::motion::{Motion, Workings, estimate};
use crate::base::Size;

const SIZE: Size = Size::new(640, 360);

/// The farthest by which two motions put a corner apart, in pixels.
fn apart(a: &Motion, b: &Motion) -> f32 {
    let (right, bottom) = (a.size().width as f32 - 1.0, a.size().height as f32 - 1.0);
    let corners = [(0.0, 0.0), (right, 0.0), (0.0, bottom), (right, bottom)];
    let each = corners.map(|(x, y)| {
        let (a, b) = (a.map(x, y), b.map(x, y));
        (a.0 - b.0).hypot(a.1 - b.1)
    });
    each.into_iter().fold(0.0, f32::max)
}

/// The estimate for a ground carried along by `truth`, the later picture touched up.
fn seen(truth: &Motion, touch: impl Fn(f32, f32, f32) -> f32) -> Motion {
    let size = truth.size();
    let earlier = pyramid(size, &draw(3, &Motion::still(size), |x, y, luma| luma + noise(8, x, y, 2.0)));
    let later = pyramid(size, &draw(3, truth, touch));
    estimate(&earlier, &later, &mut Workings::new(size))
}

#[test]
fn the_same_picture_twice_is_no_motion_for_certain() {
    for size in [SIZE, Size::new(1281, 719), Size::new(130, 98)] {
        let picture = pyramid(size, &draw(5, &Motion::still(size), |_, _, luma| luma));
        let motion = estimate(&picture, &picture, &mut Workings::new(size));
        assert_eq!(motion.confidence(), 1.0, "{size}");
        assert!(motion.speed() < 0.01, "{size}: {}", motion.speed());
    }
}

#[test]
fn known_motions_are_found() {
    let reach = SIZE.width as f64 / 8.0;
    let cases = [
        (0.0, 1.0, (0.3, -0.4)),
        (0.0, 1.0, (reach, 0.0)),
        (0.0, 1.0, (-reach, 20.0)),
        (3.0, 1.0, (0.0, 0.0)),
        (-3.0, 1.03, (12.0, 5.0)),
        (2.0, 0.97, (-reach, -30.0)),
    ];
    for (degrees, zoom, shift) in cases {
        let truth = similarity(SIZE, degrees, zoom, shift);
        let motion = seen(&truth, |x, y, luma| luma + noise(9, x, y, 2.0));
        let error = apart(&motion, &truth);
        assert!(error < 0.7, "{degrees} degrees, {zoom}, {shift:?}: off by {error}");
        assert!(motion.confidence() > 0.8, "{degrees} degrees, {zoom}, {shift:?}: {}", motion.confidence());
    }
}

#[test]
fn near_ground_may_move_faster_than_far_ground() {
    // A drone that flies forward and looks ahead.
    let truth = Motion::from_matrix(SIZE, [1.02, 0.0, -6.4, 0.0, 1.03, 1.0, 0.0, 0.00004, 1.0], 1.0);
    let motion = seen(&truth, |x, y, luma| luma + noise(9, x, y, 2.0));
    assert!(apart(&motion, &truth) < 0.7, "off by {}", apart(&motion, &truth));
}

#[test]
fn things_that_move_on_their_own_do_not_pull() {
    let truth = similarity(SIZE, 0.5, 1.0, (7.0, 3.0));
    let thing = |x: f32, y: f32| (x / 128.0) as i32 % 2 == 0 && (y / 90.0) as i32 % 2 == 0;
    let touch = |x: f32, y: f32, luma: f32| {
        if thing(x, y) { super::ground_tests::ground(3, x + 4.0, y - 9.0) } else { luma }
    };
    let motion = seen(&truth, touch);
    assert!(apart(&motion, &truth) < 1.0, "off by {}", apart(&motion, &truth));
    assert!((0.5..0.95).contains(&motion.confidence()), "{}", motion.confidence());
}

#[test]
fn light_may_change() {
    let truth = similarity(SIZE, 0.0, 1.0, (5.0, -2.0));
    let motion = seen(&truth, |x, _, luma| luma * 0.95 + 14.0 + x / 80.0);
    assert!(apart(&motion, &truth) < 0.7, "off by {}", apart(&motion, &truth));
    assert!(motion.confidence() > 0.8, "{}", motion.confidence());
}

#[test]
fn without_texture_nothing_is_known() {
    let flat = pyramid(SIZE, &vec![120; SIZE.area()]);
    let fog = |seed: u64| pyramid(SIZE, &draw(3, &Motion::still(SIZE), |x, y, _| 150.0 + noise(seed, x, y, 3.0)));
    let mut workings = Workings::new(SIZE);
    assert_eq!(estimate(&flat, &flat, &mut workings), Motion::unknown(SIZE));
    assert!(estimate(&fog(1), &fog(2), &mut workings).confidence() < 0.1, "noise is no texture");
    let ground = pyramid(SIZE, &draw(3, &Motion::still(SIZE), |_, _, luma| luma));
    assert!(estimate(&ground, &flat, &mut workings).confidence() < 0.1, "a picture gone flat");
    assert!(estimate(&flat, &ground, &mut workings).confidence() < 0.1, "a picture back from flat");
}

#[test]
fn one_lorry_over_bare_ground_is_not_the_camera() {
    // A sixteenth of the picture, the only thing with texture in it, moves by itself.
    let picture = |by: f32| {
        let inside = |x: f32, y: f32| (200.0..360.0).contains(&(x - by)) && (150.0..240.0).contains(&(y - by));
        let luma = |x: f32, y: f32| if inside(x, y) { super::ground_tests::ground(3, x - by, y - by) } else { 120.0 };
        pyramid(SIZE, &draw(3, &Motion::still(SIZE), |x, y, _| luma(x, y)))
    };
    let motion = estimate(&picture(0.0), &picture(4.0), &mut Workings::new(SIZE));
    assert!(motion.confidence() < 0.3, "{}", motion.confidence());
}

#[test]
fn after_a_cut_nothing_is_known() {
    let mut workings = Workings::new(SIZE);
    let picture = |seed: u64| pyramid(SIZE, &draw(seed * 100, &Motion::still(SIZE), |_, _, luma| luma));
    let mut earlier = picture(0);
    for seed in 1..12 {
        let later = picture(seed);
        let motion = estimate(&earlier, &later, &mut workings);
        assert!(motion.confidence() < 0.3, "cut {seed}: {}", motion.confidence());
        earlier = later;
    }
}

#[test]
fn beyond_the_search_nothing_is_known() {
    let truth = similarity(SIZE, 0.0, 1.0, (300.0, 0.0));
    assert!(seen(&truth, |_, _, luma| luma).confidence() < 0.35);
    let truth = similarity(SIZE, 40.0, 1.0, (0.0, 0.0));
    assert!(seen(&truth, |_, _, luma| luma).confidence() < 0.35);
}

#[test]
fn no_size_is_too_small_and_sizes_must_agree() {
    for (width, height) in
        [(0, 0), (1, 1), (2, 40), (16, 16), (17, 16), (16, 33), (31, 47), (64, 64), (65, 400), (900, 16)]
    {
        let size = Size::new(width, height);
        let picture = |seed| pyramid(size, &draw(seed, &Motion::still(size), |_, _, luma| luma));
        let motion = estimate(&picture(1), &picture(2), &mut Workings::new(size));
        assert!(motion.confidence() <= 1.0, "{size}");
        let motion = estimate(&picture(1), &picture(1), &mut Workings::new(size));
        assert!(motion.speed() < 0.1, "{size}");
    }
    let (a, b) = (super::pyramid::Pyramid::new(SIZE), super::pyramid::Pyramid::new(Size::new(640, 362)));
    assert_eq!(estimate(&a, &b, &mut Workings::new(SIZE)), Motion::unknown(SIZE));
    assert_eq!(estimate(&a, &a, &mut Workings::new(b.size())), Motion::unknown(SIZE));
}

#[test]
fn motions_chain_and_turn_around() {
    let a = similarity(SIZE, 2.0, 1.01, (30.0, -4.0));
    let b = Motion::from_matrix(SIZE, [1.0, 0.01, 3.0, 0.0, 1.02, 1.0, 0.00001, 0.00004, 1.0], 0.4);
    let both = a.then(&b);
    let (x, y) = a.map(100.0, 50.0);
    let (chained, stepped) = (both.map(100.0, 50.0), b.map(x, y));
    assert!((chained.0 - stepped.0).hypot(chained.1 - stepped.1) < 1e-3);
    assert_eq!(both.confidence(), 0.4, "the weakest part");
    assert!(apart(&both.then(&both.inverse()), &Motion::still(SIZE)) < 1e-3);
    assert_eq!(Motion::still(SIZE).speed(), 0.0);
    assert!((similarity(SIZE, 0.0, 1.0, (3.0, 4.0)).speed() - 5.0).abs() < 1e-4);
    assert_eq!(a.then(&Motion::still(Size::new(2, 2))).confidence(), 0.0, "sizes differ");
}

#[test]
fn no_matrix_makes_a_wild_place() {
    let nan = f64::NAN;
    for matrix in [[0.0; 9], [nan; 9], [1e300; 9], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]] {
        assert_eq!(Motion::from_matrix(SIZE, matrix, 1.0), Motion::unknown(SIZE));
    }
    let horizon = Motion::from_matrix(SIZE, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -0.01, 1.0], f32::NAN);
    assert_eq!(horizon.map(5.0, 300.0), (5.0, 300.0), "beyond it, a place stays");
    assert_eq!(horizon.speed(), f32::INFINITY);
    assert_eq!(horizon.confidence(), 0.0);
}
