//! Every format in every size, rates, and the range of the samples.

use voile::base::{Clock, Fault, Layout, Micros, Size};
use voile::camera::v4l2::Coding;

use super::bench::{HD, QVGA, RED, VGA, formats, is_plain, letters_of, pairs, tell};

#[test]
fn every_format_in_every_size() {
    let Some((_turn, pairs)) = pairs() else { return };
    println!("\n| Node | Format | Size | Asked, got fps | Frames | Lost, repeated by vivid; stand-ins |");
    println!("|---|---|---|---|---|---|");
    for pair in &pairs {
        for coding in formats(pair) {
            for (size, fps) in [
                (QVGA, 60),
                (Size::new(640, 360), 30),
                (VGA, 25),
                (HD, 10),
                (Size::new(1920, 1080), 5),
                (Size::new(3840, 2160), 2),
            ] {
                let mut bench = pair.open(size, fps, Some(coding));
                assert_eq!((bench.mode.shape.size, bench.mode.shape.layout), (size, coding.layout()));
                assert!(!bench.mode.full_range);
                let frames = if size == HD { 20 } else { 6 };
                let (mut plain, mut repeated, mut missed) = (0_u64, 0, 0);
                let first = bench.next().sequence();
                while plain < frames - 1 {
                    let frame = bench.next();
                    match frame.fault() {
                        None => {}
                        // vivid works its numbers out from jiffies: at 60 a second two frames bear the same now and
                        // then.
                        Some(Fault::FrameRepeated) => repeated += 1,
                        // A simulated machine on a busy one stands still for a moment.
                        Some(Fault::CameraLost) => {
                            missed += 1;
                            assert!(missed < 60, "{} {coding:?} {size}", pair.kind);
                            continue;
                        }
                        Some(fault) => panic!("{} {coding:?} {size}: {fault}", pair.kind),
                    }
                    assert!(is_plain(&frame, RED), "{} {coding:?} {size}", pair.kind);
                    plain += 1;
                }
                assert!(repeated * 3 <= frames, "{repeated} of {frames}");
                let lost = bench.last.unwrap().0 - first + 1 - (frames + missed);
                let rate = bench.mode.rate;
                let kind = pair.kind;
                let name = letters_of(coding);
                let got = format!("{fps}, {}/{}", rate.frames, rate.seconds);
                println!("| {kind} | {name} | {size} | {got} | {frames} | {lost}, {repeated}; {missed} |");
            }
        }
    }
}

#[test]
fn the_cheapest_format_is_taken_and_the_extremes_of_the_rate() {
    let Some((_turn, pairs)) = pairs() else { return };
    for pair in &pairs {
        let mut slow = pair.open(QVGA, 1, None);
        assert_eq!(slow.mode.shape.layout, Layout::Nv12);
        assert_eq!((slow.mode.rate.frames, slow.mode.rate.seconds), (1, 1));
        let start = slow.clock.now();
        slow.runs(3);
        assert!(slow.clock.now().since(start) > Micros::from_ms(1_500), "one frame a second");
        drop(slow);
        assert!(pair.refused(QVGA, 120, None).contains("60 (NV12)"), "vivid has no 120");
    }
}

#[test]
fn full_range_is_the_drivers_word() {
    let Some((_turn, pairs)) = pairs() else { return };
    for pair in &pairs {
        for (quantization, full) in [("quantization=1", true), ("quantization=2", false)] {
            tell(&pair.capture, &["--set-input=1", "--set-dv-bt-timings", "index=0"]);
            pair.set(quantization);
            assert_eq!(pair.open(VGA, 60, Some(Coding::I420)).mode.full_range, full, "{} {quantization}", pair.kind);
        }
        pair.reset();
    }
}
