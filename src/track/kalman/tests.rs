//! The filter against its textbook form, and against absurd numbers.

use super::*;

const WALK: Motion = Motion { speed: 1.0, turn: 0.7, growth: 0.3, edge_px: 4.0, edge_share: 0.1 };

fn bounds(x: f64, y: f64, width: f64, height: f64) -> Bounds {
    Bounds { left: x, top: y, right: x + width, bottom: y + height }
}

fn near(one: f64, other: f64) {
    assert!((one - other).abs() <= 1e-9 * other.abs().max(1.0), "{one} is not {other}");
}

#[test]
fn one_long_step_is_many_short_ones() {
    let start = Filter::new(bounds(100.0, 50.0, 30.0, 80.0), &WALK);
    let long = start.after(1.0, &WALK);
    let short = (0..10).fold(start, |filter, _| filter.after(0.1, &WALK));
    near(long.place.length, short.place.length);
    near(long.place.both, short.place.both);
    near(long.place.rate, short.place.rate);
    near(long.extent.length, short.extent.length);
}

#[test]
fn a_steady_walk_is_learnt_within_a_second() {
    let at = |time: f64| bounds(100.0 + 60.0 * time, 50.0 - 20.0 * time, 30.0, 80.0);
    let mut filter = Filter::new(at(0.0), &WALK);
    let blind = filter.after(1.0, &WALK).edge_deviation();
    for step in 1..=10 {
        filter = filter.after(0.1, &WALK);
        filter.correct(at(f64::from(step) / 10.0), &WALK);
    }
    let ahead = filter.after(0.5, &WALK);
    assert!(ahead.bounds().overlap(at(1.5)) > 0.75, "{:?}", ahead.bounds());
    assert!(filter.after(1.0, &WALK).edge_deviation() < blind);
    assert!(filter.edge_deviation() < ahead.edge_deviation());
    assert!(filter.after(-0.1, &WALK).bounds().overlap(at(0.9)) > 0.85);
}

#[test]
fn correction_is_the_textbook_one() {
    let spread = Spread { length: 9.0, both: 4.0, rate: 16.0 };
    let ([place, velocity], after) = spread.corrected(3.0);
    near(place, 0.75);
    near(velocity, 4.0 / 12.0);
    near(after.length, 0.25 * 9.0);
    near(after.both, 0.25 * 4.0);
    near(after.rate, 16.0 - 4.0 * 4.0 / 12.0);
}

#[test]
fn a_camera_that_pans_turns_and_zooms_takes_the_box_along() {
    let mut filter = Filter::new(bounds(90.0, 40.0, 20.0, 20.0), &WALK);
    filter.velocity = [10.0, 0.0];
    let place = filter.place.length;
    // A quarter turn with double scale: (x, y) goes to (-2 y + 300, 2 x + 7).
    filter.follow(Similarity::new(0.0, 2.0, 300.0, 7.0).unwrap());
    assert_eq!((filter.centre, filter.velocity, filter.sides), ([200.0, 207.0], [0.0, 20.0], [40.0, 40.0]));
    near(filter.place.length, 4.0 * place);
    for (a, tx) in [(f64::NAN, 0.0), (0.1, 0.0), (3.0, 0.0), (1.0, f64::INFINITY), (1.0, f64::NAN)] {
        assert_eq!(Similarity::new(a, 0.0, tx, 0.0), None);
    }
}

#[test]
fn a_box_does_not_shrink_unseen() {
    let mut filter = Filter::new(bounds(0.0, 0.0, 100.0, 100.0), &WALK);
    for side in [90.0, 80.0, 70.0, 60.0] {
        filter = filter.after(0.1, &WALK);
        filter.correct(bounds(0.0, 0.0, side, side), &WALK);
    }
    assert!(filter.growth[0] < 0.0);
    assert_eq!(filter.after(1.0, &WALK).sides, filter.sides);
}

#[test]
fn absurd_numbers_stay_finite() {
    let motion = Motion { speed: f64::NAN, turn: f64::INFINITY, growth: -1.0, edge_px: 0.0, edge_share: f64::NAN }
        .within_range();
    let zoom = Similarity::new(1.4, 1.4, FAR, -FAR).unwrap();
    for rect in [Rect::new(0, 0, 0, 0), Rect::new(usize::MAX, usize::MAX, usize::MAX, usize::MAX)] {
        let mut filter = Filter::new(Bounds::of(rect), &motion);
        for step in 0..2000 {
            filter.follow(zoom);
            filter = filter.after(if step % 3 == 0 { f64::MAX } else { 1e-6 }, &motion);
            if step % 7 == 0 {
                filter.correct(Bounds::of(rect), &motion);
            }
            let Bounds { left, top, right, bottom } = filter.bounds();
            assert!([left, top, right, bottom, filter.edge_deviation()].iter().all(|number| number.is_finite()));
        }
    }
}

#[test]
fn bounds_overlap_and_cover_whole_pixels() {
    let one = bounds(0.0, 0.0, 10.0, 10.0);
    near(one.overlap(bounds(5.0, 0.0, 10.0, 10.0)), 1.0 / 3.0);
    assert_eq!(one.overlap(bounds(10.0, 0.0, 10.0, 10.0)), 0.0);
    assert_eq!(bounds(1.5, 2.0, 3.0, 3.1).pixels(), Some(Rect::new(1, 2, 4, 4)));
    assert_eq!(bounds(-5.0, -5.0, 6.0, 5.0).pixels(), None);
    assert_eq!(bounds(9000.0, 0.0, 6.0, 5.0).pixels(), None);
}
