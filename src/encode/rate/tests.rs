//! The loop against made-up content: drift, cuts, pans and dropped frames.

use super::*;

/// Bytes of a frame at the scale's first quantiser: as a key frame, and as any other.
type Content = fn(u64) -> (u64, u64);

/// Bytes of a frame as a pretend encoder codes it: up to a tenth off the model, as real ones are.
fn coded(scale: &Scale, content: Content, frame: u64, key: bool, quantiser: u8) -> u64 {
    let (key_bytes, inter) = content(frame);
    let sizes = scale.at(Sizes { quantiser: scale.first, key: key_bytes, inter }, quantiser);
    let bytes = if key { sizes.key } else { sizes.inter };
    let wobble = frame.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
    (bytes * (922 + wobble * 204 / 255) / 1024).max(20)
}

struct Run {
    units: Vec<(u64, u64)>,
    keys: u64,
    coded: u64,
}

/// Codes `frames` frames captured `interval` apart, with the nominal rate of 10 a second.
fn run(abilities: Abilities, content: Content, frames: u64, interval: u64) -> Run {
    let scale = abilities.scale;
    let mut rate = Rate::new(abilities, 800, (10, 1), 1000);
    let mut run = Run { units: Vec::new(), keys: 0, coded: 0 };
    let (mut frame, mut first) = (0, 0);
    let mut quantiser = rate.begin(Micros(0));
    while frame < frames {
        let key = frame == first;
        let bytes = coded(scale, content, frame, key, quantiser);
        run.coded += 1;
        let at = Micros(frame * interval);
        match rate.judge(bytes, at) {
            Verdict::Again => {
                first = frame;
                quantiser = rate.begin(at);
                continue;
            }
            Verdict::Measure => {
                run.coded += 2;
                rate.measured(bytes, coded(scale, content, frame + 1, false, quantiser));
                quantiser = rate.begin(at);
                continue;
            }
            verdict => {
                run.units.push((at.0, bytes));
                run.keys += u64::from(key);
                let full = rate.is_last(frame - first + 1, at);
                frame += 1;
                if verdict == Verdict::Cut || full {
                    if verdict == Verdict::Keep {
                        rate.end();
                    }
                    first = frame;
                    quantiser = rate.begin(Micros(frame * interval));
                }
            }
        }
    }
    run
}

/// Smallest and largest bitrate over any full window, per mille of the target of 800 kb/s.
fn extremes(run: &Run, settled: u64) -> (u64, u64) {
    let last = run.units.last().expect("units").0;
    let rates = run.units.iter().filter(|unit| unit.0 >= settled && unit.0 + WINDOW <= last).map(|&(from, _)| {
        let bytes: u64 =
            run.units.iter().filter(|unit| (from..from + WINDOW).contains(&unit.0)).map(|unit| unit.1).sum();
        bytes * 1000 / 300_000
    });
    (rates.clone().min().expect("windows"), rates.max().expect("windows"))
}

const AV1_ABILITIES: Abilities = Abilities { scale: &AV1, measures: true };
const H264_ABILITIES: Abilities = Abilities { scale: &H264, measures: false };

#[test]
fn any_window_keeps_to_the_target() {
    let contents: [(&str, Content); 3] = [
        ("steady", |_| (50_000, 4_000)),
        ("far from the first guess", |_| (300_000, 24_000)),
        ("drift", |frame| (30_000 + frame * 300, 2_000 + frame * 60)),
    ];
    for abilities in [AV1_ABILITIES, H264_ABILITIES] {
        for (name, content) in contents {
            let run = run(abilities, content, 300, 100_000);
            let (least, most) = extremes(&run, 0);
            assert!(least >= 900 && most <= 1100, "{name}: {least} to {most} per mille");
            assert!(run.coded < 320, "{name}: {} frames coded for 300", run.coded);
            assert_eq!(run.keys, 30, "{name}: no group ends early");
        }
    }
}

#[test]
fn sudden_changes_every_few_seconds_stay_near_the_target() {
    let contents: [(&str, Content); 2] = [
        ("cuts", |frame| if frame / 37 % 2 == 0 { (20_000, 1_500) } else { (90_000, 20_000) }),
        ("a fast pan in between", |frame| (50_000, if (63..101).contains(&frame) { 24_000 } else { 4_000 })),
    ];
    for abilities in [AV1_ABILITIES, H264_ABILITIES] {
        for (name, content) in contents {
            let run = run(abilities, content, 300, 100_000);
            let (least, most) = extremes(&run, 0);
            assert!(least >= 800 && most <= 1200, "{name}: {least} to {most} per mille");
            assert!(run.coded < 380, "{name}: {} frames coded for 300", run.coded);
        }
    }
}

#[test]
fn dropped_frames_leave_the_bitrate_where_it_was() {
    let run = run(AV1_ABILITIES, |_| (50_000, 4_000), 120, 200_000);
    let (least, most) = extremes(&run, 6_000_000);
    assert!(least >= 800 && most <= 1200, "{least} to {most} per mille");
}

#[test]
fn a_scene_that_cannot_fill_the_budget_gets_the_finest_quantiser() {
    let mut rate = Rate::new(AV1_ABILITIES, 800, (10, 1), 1000);
    rate.begin(Micros(0));
    rate.measured(100, 10);
    assert_eq!(rate.begin(Micros(0)), AV1.min);
}

#[test]
fn a_group_is_full_by_count_or_by_time() {
    let rate = Rate::new(AV1_ABILITIES, 800, (30_000, 1001), 1000);
    assert!(!rate.is_last(29, Micros(29 * 33_366 - 33_366)));
    assert!(rate.is_last(30, Micros(30 * 33_366 - 33_366)));
    assert!(rate.is_last(8, Micros(1_000_000)), "frames were dropped");
    assert_eq!(Rate::new(H264_ABILITIES, 800, (1, 1), 100).frames, 1, "never an empty group");
}
