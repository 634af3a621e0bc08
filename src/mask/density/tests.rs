//! The governor's promises as properties: sizes, strides, poses, rubbish.

use proptest::prelude::*;

use super::chart::{Camera, Random};
use super::geometry::real;
use super::*;
use crate::base::{Chroma, FramePool, Layout, Shape};

const NOW: Micros = Micros::from_ms(5000);

/// Luma, U and V, packed.
type Picture = [Vec<u8>; 3];

fn noise(size: Size, seed: u64) -> Picture {
    let mut random = Random(seed);
    [size, size.chroma(), size.chroma()].map(|size| (0..size.area()).map(|_| random.bits().to_le_bytes()[0]).collect())
}

fn frame_of(picture: &Picture, size: Size, layout: Layout, align: usize) -> RawFrame {
    let mut frame = FramePool::new(Shape::packed(size, layout).aligned(align), 1).take(0, NOW);
    let (mut luma, chroma) = frame.planes_mut();
    let fill = |plane: &mut PlaneMut<'_>, values: &[u8], step: usize, first: usize| {
        let width = plane.width / step;
        for (row, values) in plane.rows().zip(values.chunks(width)) {
            row.iter_mut().skip(first).step_by(step).zip(values).for_each(|(pixel, value)| *pixel = *value);
        }
    };
    fill(&mut luma, &picture[0], 1, 0);
    match chroma {
        ChromaMut::I420(mut u, mut v) => {
            fill(&mut u, &picture[1], 1, 0);
            fill(&mut v, &picture[2], 1, 0);
        }
        ChromaMut::Nv12(mut uv) => {
            fill(&mut uv, &picture[1], 2, 0);
            fill(&mut uv, &picture[2], 2, 1);
        }
    }
    frame
}

fn picture_of(frame: &RawFrame) -> Picture {
    let luma = frame.luma().rows().flatten().copied().collect();
    match frame.chroma() {
        Chroma::I420(u, v) => [luma, u.rows().flatten().copied().collect(), v.rows().flatten().copied().collect()],
        Chroma::Nv12(uv) => {
            let half = |first: usize| uv.rows().flat_map(|row| row.iter().skip(first).step_by(2)).copied().collect();
            [luma, half(0), half(1)]
        }
    }
}

fn pose(height_m: f32, pitch_deg: f32, roll_deg: f32, zoom: f32) -> Pose {
    Pose { measured: NOW, height_m, pitch_deg, roll_deg, zoom }
}

fn sizes() -> impl Strategy<Value = Size> {
    prop_oneof![
        Just(Size::new(33, 15)),
        Just(Size::new(2, 2)),
        Just(Size::new(1, 1)),
        Just(Size::new(1, 70)),
        Just(Size::new(90, 1)),
        (1..130_usize, 1..130_usize).prop_map(|(width, height)| Size::new(width, height)),
    ]
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::I420), Just(Layout::Nv12)]
}

/// What may be believed, at or above 30 m.
fn poses() -> impl Strategy<Value = Pose> {
    (30.0..200.0_f32, -95.0..95.0_f32, -180.0..180.0_f32, 1.0..40.0_f32)
        .prop_map(|(height_m, pitch_deg, roll_deg, zoom)| pose(height_m, pitch_deg, roll_deg, zoom))
}

/// Every value there is, with a liking for odd ones.
fn any_pose() -> impl Strategy<Value = Option<Pose>> {
    let value = || prop_oneof![any::<f32>(), -100.0..100.0_f32, Just(f32::NAN), Just(f32::INFINITY), Just(0.0)];
    proptest::option::of((any::<u64>(), value(), value(), value(), value()).prop_map(
        |(measured, height_m, pitch_deg, roll_deg, zoom)| Pose {
            measured: Micros(measured),
            height_m,
            pitch_deg,
            roll_deg,
            zoom,
        },
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Rows under the cap keep every bit; noise in the others changes. A flat picture stays flat, so nothing was
    /// covered for want of a working filter.
    #[test]
    fn only_rows_above_the_cap_are_touched(
        size in sizes(), layout in layouts(), align in 1..40_usize, pose in poses(), cap in 5.0..80.0_f32, seed in any::<u64>()
    ) {
        let settings = Settings { max_px_per_m: cap, ..Settings::default() };
        let mut governor = Governor::new(size, &settings);
        let before = noise(size, seed);
        let mut frame = frame_of(&before, size, layout, align);
        let report = governor.govern(&mut frame, Some(pose), NOW);
        let after = picture_of(&frame);
        prop_assert!(!report.strict && report.worst_px_per_m <= cap * 1.000_001);
        prop_assert_eq!(report.governed, governor.steps.iter().any(|&step| step > 0));
        let rows = governor.lens.densities(View::about(pose.height_m, pose.zoom, [pose.pitch_deg, pose.roll_deg], 2.0));
        let rows: Vec<f64> = rows.map(|density| density / f64::from(cap)).collect();
        for plane in 0..3 {
            let (size, limit) = if plane == 0 { (size, 1.0) } else { (size.chroma(), 2.0) };
            let rows = rows.chunks(if plane == 0 { 1 } else { 2 }).map(|pair| pair.iter().copied().fold(0.0, f64::max));
            let lines = before[plane].chunks(size.width).zip(after[plane].chunks(size.width));
            for (excess, (before, after)) in rows.zip(lines) {
                if excess <= limit {
                    prop_assert_eq!(before, after);
                } else if size.width > 8 {
                    prop_assert_ne!(before, after);
                }
            }
        }

        let flat: Picture = before.map(|plane| vec![77; plane.len()]);
        let mut frame = frame_of(&flat, size, layout, align);
        governor.govern(&mut frame, Some(pose), NOW);
        prop_assert!(picture_of(&frame).iter().flatten().all(|value| value.abs_diff(77) <= 1));
    }

    /// The same plan does the same to another copy, in whatever memory, also through another governor.
    #[test]
    fn a_plan_is_repeatable(size in sizes(), align in 1..40_usize, pose in any_pose(), seed in any::<u64>()) {
        let before = noise(size, seed);
        let settings = Settings { min_height_m: 5.0, ..Settings::default() };
        let mut results = Vec::new();
        for layout in [Layout::I420, Layout::Nv12] {
            let mut governor = Governor::new(size, &settings);
            let mut frame = frame_of(&before, size, layout, 1);
            let report = governor.govern(&mut frame, pose, NOW);
            let mut again = frame_of(&before, size, layout, align);
            let (luma, chroma) = again.planes_mut();
            governor.apply(luma, chroma);
            results.push((report, picture_of(&frame)));
            results.push((report, picture_of(&again)));
        }
        for result in &results {
            prop_assert_eq!(result, &results[0]);
        }
    }

    /// Doubt is at least as strict, row by row, as any belief at or above the lowest height.
    #[test]
    fn doubt_is_never_weaker_than_belief(
        size in sizes(), pose in poses(), lower in 0.0..30.0_f32, hfov in 5.0..120.0_f32, late in 1_u64..1 << 40
    ) {
        // Also where the aircraft was lower than the settings say.
        let pose = Pose { height_m: pose.height_m - lower, ..pose };
        let settings = Settings { hfov_deg: hfov, ..Settings::default() };
        let mut governor = Governor::new(size, &settings);
        prop_assert!(!governor.plan(Some(pose), NOW).strict);
        let believed = governor.steps.clone();
        let stale = NOW.plus(settings.telemetry_age_max).plus(Micros(late));
        prop_assert!(governor.plan(Some(pose), stale).strict);
        prop_assert!(governor.steps.iter().zip(&believed).all(|(doubted, believed)| doubted >= believed));
        prop_assert!(governor.plan(None, stale).strict);
        prop_assert!(governor.steps.iter().zip(&believed).all(|(doubted, believed)| doubted >= believed));
    }

    /// So it is for a mount that is held, as far as it is held.
    #[test]
    fn doubt_of_a_held_mount_is_never_weaker(
        pose in poses(), held in -90.0..0.0_f32, off in -6.0..6.0_f32, roll in -4.0..4.0_f32
    ) {
        let settings = Settings { pitch_deg: Some(held), ..Settings::default() };
        let mut governor = Governor::new(Size::new(64, 48), &settings);
        let pose = Pose { pitch_deg: (held + off).max(-95.0), roll_deg: roll, ..pose };
        prop_assert!(!governor.plan(Some(pose), NOW).strict);
        let believed = governor.steps.clone();
        prop_assert!(governor.plan(None, NOW).strict);
        prop_assert!(governor.steps.iter().zip(&believed).all(|(doubted, believed)| doubted >= believed));
    }

    /// Against rays cast through the picture: no pixel is denser than its row is said to be, though the attitude be off
    /// by the slack.
    #[test]
    fn no_pixel_is_denser_than_its_row(
        pose in poses(), hfov in 5.0..120.0_f32, off in 0.0..1.4_f64, turn in 0.0..1.4_f64, seed in any::<u64>()
    ) {
        let size = Size::new(64, 48);
        let lens = Lens::new(size, hfov);
        let view = View::about(pose.height_m, pose.zoom, [pose.pitch_deg, pose.roll_deg], geometry::ATTITUDE_SLACK_DEG);
        let rows: Vec<f64> = lens.densities(view).collect();
        let mut random = Random(seed);
        let sign = |random: &mut Random| if random.below(2) == 0 { -1.0 } else { 1.0 };
        let pitch = f64::from(pose.pitch_deg) + off * sign(&mut random);
        let roll = f64::from(pose.roll_deg) + turn * sign(&mut random);
        let camera = Camera::new(size, hfov.into(), pose.height_m.into(), pitch, roll, pose.zoom.into());
        for _ in 0..40 {
            let (x, y) = (random.share() * 64.0, random.share() * 48.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a row")]
            let said = rows[y as usize];
            let seen = camera.density(x, y).unwrap_or(0.0);
            prop_assert!(seen <= said * 1.0001, "{seen} at {x}, {y} where {said} was said");
        }
    }

    /// Rubbish of every kind: no panic, and the cap holds.
    #[test]
    fn rubbish_is_borne(
        size in sizes(), poses in proptest::collection::vec((any_pose(), any::<u64>()), 1..5),
        values in proptest::array::uniform3(any::<f32>()), pitch in proptest::option::of(any::<f32>()), age in any::<u64>()
    ) {
        let [max_px_per_m, min_height_m, hfov_deg] = values;
        let settings =
            Settings { max_px_per_m, min_height_m, hfov_deg, pitch_deg: pitch, telemetry_age_max: Micros(age) };
        let mut governor = Governor::new(size, &settings);
        let mut frame = frame_of(&noise(size, 1), size, Layout::Nv12, 8);
        for (pose, now) in poses {
            let report = governor.govern(&mut frame, pose, Micros(now));
            prop_assert!(report.worst_px_per_m <= *Bounds::MAX_PX_PER_M.end() * 1.000_001);
        }
    }
}

#[test]
fn known_views_have_known_densities() {
    let size = Size::new(1280, 720);
    let row = |view: View, row: usize| Lens::new(size, 90.0).densities(view).nth(row).unwrap();
    // Straight down from 34 m: f = 640 px, 32 m to the heads, so 20 px/m in the middle, and 1 / cos more at the side.
    assert!((row(View::about(34.0, 1.0, [-90.0, 0.0], 0.0), 360) - 20.0 * 2f64.sqrt()).abs() < 0.01);
    // Level: the horizon is in the middle, nothing above it, and the lower edge dips by atan(360 / 640).
    let level = View::about(34.0, 1.0, [0.0, 0.0], 0.0);
    assert!(row(level, 359) < 0.1 && row(level, 100) == 0.0);
    let v: f64 = 360.0 / 640.0;
    assert!((row(level, 719) - 20.0 * (2.0 + v * v).sqrt() * v).abs() < 0.01);
    // Zoom doubles the focal length and narrows the picture.
    assert!((row(View::about(34.0, 2.0, [-90.0, 0.0], 0.0), 360) - 40.0 * 1.25f64.sqrt()).abs() < 0.01);
    // Among the heads, and in doubt, every row counts as the corner.
    let corner = 640.0 * (2.0 + v * v);
    for view in [View::any(3.0, 1.0), View::any(-40.0, 1.0), View::about(2.9, 1.0, [0.0, 0.0], 0.0)] {
        assert!((row(view, 0) - corner).abs() < 0.01 && (row(view, 500) - corner).abs() < 0.01);
    }
}

#[test]
fn steps_are_rounded_to_the_covered_side() {
    for tenth in 1..100_000_u32 {
        let excess = f64::from(tenth) / 10.0;
        let step = geometry::step(excess);
        assert!(geometry::factor(step) >= excess, "{excess}");
        assert!(step == 0 || geometry::factor(step - 1) < excess, "{excess}");
    }
    assert_eq!([f64::NAN, f64::INFINITY, f64::MAX, -1.0, 1.0].map(geometry::step), [255, 255, 255, 0, 0]);
}

#[test]
fn smooth_pictures_show_no_seams() {
    let size = Size::new(320, 240);
    let slope = |x: usize, y: usize| 40.0 + 0.3 * real(x) + 0.35 * real(y);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "40 to 220")]
    let luma: Vec<u8> = (0..size.area()).map(|index| slope(index % 320, index / 320).round() as u8).collect();
    let half = vec![128; size.chroma().area()];
    let before = [luma, half.clone(), half];
    let mut governor = Governor::new(size, &Settings { min_height_m: 3.0, ..Settings::default() });
    let mut frame = frame_of(&before, size, Layout::I420, 1);
    governor.govern(&mut frame, Some(pose(4.0, -35.0, 4.0, 1.0)), NOW);
    let mut bands = governor.steps.to_vec();
    bands.dedup();
    assert!(bands.len() > 5 && bands.contains(&0), "{bands:?}");
    let after = picture_of(&frame);
    // The picture's own edges bend the slope, as far as the kernels reach.
    for y in 12..240 - 60 {
        for x in 60..320 - 60 {
            let change = i32::from(after[0][y * 320 + x]) - i32::from(before[0][y * 320 + x]);
            assert!(change.abs() <= 2, "{change} at {x}, {y}");
        }
    }
}

#[test]
fn the_memory_is_enough_for_every_view() {
    // Flat stays flat wherever the filter works; what it cannot do it covers.
    for size in [Size::new(1280, 720), Size::new(333, 1001)] {
        let flat: Picture = [size, size.chroma(), size.chroma()].map(|size| vec![77; size.area()]);
        let settings = Settings { min_height_m: 3.0, max_px_per_m: 5.0, ..Settings::default() };
        let mut governor = Governor::new(size, &settings);
        for layout in [Layout::I420, Layout::Nv12] {
            for (height, pitch, roll, zoom) in [
                (3.0, -10.0, 0.0, 1.0),
                (3.1, -1.0, 2.0, 1.0),
                (3.1, 10.0, 90.0, 1.0),
                (120.0, -3.0, 0.0, 100.0),
                (2.0, 0.0, 0.0, 1.0),
            ] {
                let mut frame = frame_of(&flat, size, layout, 1);
                assert!(governor.govern(&mut frame, Some(pose(height, pitch, roll, zoom)), NOW).governed);
                assert!(picture_of(&frame).iter().flatten().all(|value| value.abs_diff(77) <= 1));
            }
        }
        assert_eq!(governor.filter.kept_by_resizer(), 0, "pixels in memory that is never wiped");
    }
}

#[test]
fn what_does_not_fit_is_covered_whole() {
    let mut governor = Governor::new(Size::new(64, 48), &Settings::default());
    let covered = |frame: &RawFrame| picture_of(frame).iter().flatten().all(|&value| value == filter::GREY);
    let size = Size::new(64, 48);
    let mut frame = frame_of(&noise(size, 3), size, Layout::I420, 1);
    let (luma, chroma) = frame.planes_mut();
    governor.apply(luma, chroma);
    assert!(covered(&frame), "no plan yet");

    let close = Some(pose(3.0, -90.0, 0.0, 30.0));
    let far = Some(pose(120.0, -90.0, 0.0, 1.0));
    for (size, layout) in [(Size::new(66, 48), Layout::I420), (Size::new(64, 50), Layout::Nv12)] {
        for (measured, governed) in [(close, true), (far, false)] {
            let mut governor = Governor::new(Size::new(64, 48), &Settings::default());
            let mut frame = frame_of(&noise(size, 3), size, layout, 1);
            assert_eq!(governor.govern(&mut frame, measured, NOW).governed, governed);
            assert!(covered(&frame));
        }
    }
    assert!(Governor::new(Size::new(0, 0), &Settings::default()).plan(close, NOW).worst_px_per_m == 0.0);
}
