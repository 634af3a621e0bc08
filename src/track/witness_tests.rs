//! The witness against walkers drawn on a known ground.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers in tests are small"
)]

use super::ground_tests::{draw, noise, pyramid, similarity};
use super::motion::{Motion, Workings, estimate};
use super::pyramid::Pyramid;
use super::witness::Witness;
use crate::base::geometry::CELL;
use crate::base::{Grid, Micros, Size};

const SIZE: Size = Size::new(336, 208);

/// The time of a look at 30 pictures a second.
const fn time(look: u64) -> Micros {
    Micros(look * 33_333)
}

/// Shows a camera that moves by `step` a picture over a ground with noise of 3 steps, and calls `judge` after each look
/// with the look, the motion since the first picture, and the witness.
fn show(
    step: &Motion,
    looks: u64,
    touch: impl Fn(u64, f32, f32, f32) -> f32,
    mut judge: impl FnMut(u64, &Motion, &Witness),
) {
    let mut witness = Witness::new(SIZE);
    let mut workings = Workings::new(SIZE);
    let (mut earlier, mut way) = (Pyramid::new(SIZE), Motion::still(SIZE));
    for look in 0..looks {
        let luma = draw(7, &way, |x, y, luma| touch(look, x, y, luma) + noise(look + 1, x, y, 3.0));
        let later = pyramid(SIZE, &luma);
        let motion = estimate(&earlier, &later, &mut workings);
        witness.look(&later, &motion, time(look));
        judge(look, &way, &witness);
        earlier = later;
        way = way.then(step);
    }
}

/// Share of the cells at least `rim` cells from the edge that move.
fn share(witness: &Witness, rim: usize) -> f32 {
    let grid = Grid::over(SIZE, CELL);
    let inner = |index: usize| {
        let (column, row) = (index % grid.columns, index / grid.columns);
        (rim..grid.columns - rim).contains(&column) && (rim..grid.rows - rim).contains(&row)
    };
    let cells: Vec<bool> =
        witness.moving().iter().enumerate().filter(|(index, _)| inner(*index)).map(|(_, &moving)| moving).collect();
    cells.iter().filter(|&&moving| moving).count() as f32 / cells.len() as f32
}

#[test]
fn the_first_look_covers_everything() {
    let ground = pyramid(SIZE, &draw(7, &Motion::still(SIZE), |_, _, luma| luma));
    let mut witness = Witness::new(SIZE);
    assert!(witness.moving().iter().all(|&moving| moving), "before any");
    witness.look(&ground, &Motion::still(SIZE), time(0));
    assert!(witness.moving().iter().all(|&moving| moving), "after the first");
    witness.look(&ground, &Motion::still(SIZE), time(1));
    assert!(witness.moving().iter().all(|&moving| !moving), "the same again");
    witness.look(&ground, &Motion::unknown(SIZE), time(2));
    assert!(witness.moving().iter().all(|&moving| moving), "nothing known of the camera");
    witness.look(&ground, &Motion::still(SIZE), time(3));
    witness.look(&Pyramid::new(Size::new(320, 208)), &Motion::still(SIZE), time(4));
    assert!(witness.moving().iter().all(|&moving| moving), "another size");
}

#[test]
fn ground_under_a_moving_camera_is_quiet() {
    for step in [similarity(SIZE, 0.0, 1.0, (0.0, 0.0)), similarity(SIZE, 0.2, 1.002, (2.3, -1.1))] {
        show(
            &step,
            14,
            |_, _, _, luma| luma,
            |look, _, witness| {
                assert!(look < 2 || share(witness, 1) < 0.02, "look {look}: {}", share(witness, 1));
            },
        );
    }
}

#[test]
fn light_that_changes_is_no_motion() {
    let still = Motion::still(SIZE);
    show(
        &still,
        12,
        |look, _, _, luma| luma + look as f32 * 0.8,
        |look, _, witness| {
            assert!(look < 2 || share(witness, 0) < 0.02, "look {look}: {}", share(witness, 0));
        },
    );
}

#[test]
fn a_walker_of_eight_pixels_is_found() {
    for (step, pace) in [((0.0, 0.0), 1.0), ((1.6, 0.7), 1.0), ((0.0, 0.0), 0.5)] {
        let camera = similarity(SIZE, 0.0, 1.0, step);
        // Three pixels wide and eight tall, bright on mixed ground, from (130, 90) of the first picture.
        let place = |look: u64| {
            let look = look as f64;
            let (x, y) = (130.0 + look * (step.0 + pace), 90.0 + look * step.1);
            (x as f32, y as f32)
        };
        let touch = |look: u64, x: f32, y: f32, luma: f32| {
            let (left, top) = place(look);
            let part = |at: f32, from: f32, long: f32| {
                (at + 0.5 - from).clamp(0.0, 1.0).min((from + long + 0.5 - at).clamp(0.0, 1.0))
            };
            luma + (215.0 - luma) * part(x, left, 3.0) * part(y, top, 8.0)
        };
        let mut found = 0;
        show(&camera, 24, touch, |look, _, witness| {
            let (left, top) = place(look);
            let column = (left as usize + 1) / CELL;
            let grid = Grid::over(SIZE, CELL);
            let rows = top as usize / CELL..=(top as usize + 7) / CELL;
            let hit = rows.into_iter().any(|row| witness.moving()[grid.index(column, row)]);
            found += u32::from(look >= 8 && hit);
            assert!(look < 8 || share(witness, 1) < 0.03, "look {look}: {}", share(witness, 1));
        });
        assert!(found >= 15, "{step:?}, {pace} pixels a picture: found in {found} of 16");
    }
}

#[test]
fn who_has_stopped_is_let_go() {
    let touch = |look: u64, x: f32, y: f32, luma: f32| {
        let left = 100.0 + look.min(10) as f32 * 2.0;
        if (left..left + 8.0).contains(&x) && (80.0..100.0).contains(&y) { 30.0 } else { luma }
    };
    let mut last = 1.0;
    show(&Motion::still(SIZE), 32, touch, |look, _, witness| {
        last = share(witness, 0);
        assert!(!(5..=10).contains(&look) || last > 0.0, "walks at look {look}");
    });
    assert!(last < 0.002, "{last}");
}

#[test]
fn ground_new_in_the_picture_is_covered() {
    let camera = similarity(SIZE, 0.0, 1.0, (-20.0, 0.0));
    let grid = Grid::over(SIZE, CELL);
    show(
        &camera,
        6,
        |_, _, _, luma| luma,
        |look, _, witness| {
            for row in 0..grid.rows {
                assert!(witness.moving()[grid.index(grid.columns - 1, row)], "look {look}, row {row}");
            }
        },
    );
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(0, 0), (1, 1), (2, 40), (16, 16), (17, 16), (15, 33), (31, 47), (65, 400), (900, 16)] {
        let size = Size::new(width, height);
        let mut witness = Witness::new(size);
        for look in 0..10 {
            let luma = draw(look, &Motion::still(size), |_, _, luma| luma);
            let wild = Motion::from_matrix(size, [1.3, 0.2, 50.0, -0.4, 0.9, -3.0, 0.001, -0.02, 1.0], 1.0);
            witness.look(&pyramid(size, &luma), &wild, time(look));
            assert_eq!(witness.moving().len(), Grid::over(size, CELL).cells());
        }
    }
}
