//! Streams in letters: what a scripted driver does, and what comes out.
//!
//! | In | The driver, once a period | | Out | The stream |
//! |---|---|---|---|---|
//! | `F` | fills a buffer | | `F` | a frame |
//! | `E` | fills it and marks it damaged | | `T` | a torn one |
//! | `S` | one byte too few | | `R` | a repeated one |
//! | `O` | claims bytes that are not mapped | | `C` | one from an impossible time |
//! | `X` | names a plane of a buffer that there is not | | `L` | a stand-in: camera lost |
//! | `R` | counts the frame before again | | | |
//! | `G` | has lost two frames before this | | | |
//! | `A` | stamps an hour ahead | | | |
//! | `-` | does nothing | | | |
//! | `I` | `EIO` when asked for a buffer | | | |
//! | `P` | `EIO` when waited for | | | |
//! | `Q` | fills a buffer and does not take it back | | | |
//! | `U` | is unplugged: `ENODEV` until it is opened again | | | |

use std::sync::Mutex;

use super::scripted::{PERIOD, SIZE, Scripted, Seen, agreed};
use super::*;
use crate::base::clock::SimulatedClock;
use crate::base::{Chroma, Layout};
use crate::camera::v4l2::coding::{Coding, Plan};
use letters::letter;

#[path = "../../../../tests/vivid/letters.rs"]
mod letters;

/// A camera over a scripted driver that has begun, with what tests need beside it.
struct Bench {
    camera: Capture<Scripted>,
    pool: FramePool,
    clock: SimulatedClock,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
}

fn bench(script: &str, change: impl FnOnce(&mut Scripted)) -> Bench {
    let driver = Scripted::new(script);
    let (clock, seen) = (driver.clock.clone(), Arc::clone(&driver.seen));
    let mut camera = Capture::new(driver, "cam".to_owned()).unwrap();
    change(&mut camera.driver);
    let stop = Arc::new(AtomicBool::new(false));
    camera.begin(Arc::new(clock.clone()), Arc::clone(&stop));
    let pool = FramePool::new(camera.mode().shape, 2);
    seen.lock().unwrap().calls.clear();
    Bench { camera, pool, clock, stop, seen }
}

impl Bench {
    fn next(&mut self) -> RawFrame {
        let before = self.clock.now();
        let frame = self.camera.next(&self.pool).unwrap().unwrap();
        assert!(self.clock.now().since(before) <= Micros::from_ms(3_000), "a look at the wish to stop in time");
        frame
    }

    /// The stream's next frames as letters; numbers and times must rise.
    fn letters(&mut self, frames: usize) -> String {
        let mut last = None;
        let mut letters = String::new();
        for _ in 0..frames {
            let frame = self.next();
            let at = (frame.sequence(), frame.captured());
            assert!(last.is_none_or(|(sequence, captured)| at.0 > sequence && at.1 > captured), "{last:?} {at:?}");
            last = Some(at);
            letters.push(letter(&frame));
        }
        letters
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.seen.lock().unwrap().calls)
    }
}

/// Pixels of the first and the last row, and of the first chroma row.
fn samples(frame: &RawFrame) -> [u8; 3] {
    let Chroma::Nv12(pairs) = frame.chroma() else { panic!("layout") };
    [frame.luma().row(0)[7], frame.luma().row(15)[31], pairs.row(0)[1]]
}

#[test]
fn what_a_driver_says_of_its_buffers_is_seen_in_the_stream() {
    let mut bench = bench("FEFSFOFXFRFGFAF", |_| {});
    assert_eq!(bench.letters(15), "FTFTFTFTFRFFFCF");
    assert_eq!(bench.seen.lock().unwrap().out, [0; 4], "every buffer is home");
    assert!(bench.calls().is_empty(), "none of it is a reason to start again");
    assert_eq!(bench.camera.stamps.lost(), 2);
}

#[test]
fn pixels_come_through_where_they_may_and_grey_where_not() {
    let mut bench = bench("FES-------", |_| {});
    assert_eq!(samples(&bench.next()), [7, 255, 1]);
    let damaged = bench.next();
    assert_eq!((letter(&damaged), samples(&damaged)), ('T', [7, 255, 1]), "all bytes are there");
    drop(damaged);
    let short = bench.next();
    assert_eq!((letter(&short), samples(&short)), ('T', [GREY; 3]));
    drop(short);
    let stand_in = bench.next();
    assert_eq!((letter(&stand_in), samples(&stand_in)), ('L', [GREY; 3]));
}

#[test]
fn capture_times_are_the_drivers_on_the_streams_clock() {
    let mut bench = bench("FFG", |_| {});
    let told = (0..3).map(|_| bench.next()).map(|frame| (frame.sequence(), frame.captured().0)).collect::<Vec<_>>();
    assert_eq!(told, [(0, 30_000), (1, 70_000), (4, 110_000)]);
}

#[test]
fn an_error_gives_a_stand_in_at_once_and_a_restart() {
    for script in ["FFIFF", "FFPFF"] {
        let mut bench = bench(script, |_| {});
        assert_eq!(bench.letters(2), "FF");
        let before = bench.clock.now();
        assert_eq!(bench.letters(1), "L");
        assert_eq!(bench.clock.now().since(before), PERIOD, "as soon as the driver said so");
        assert_eq!(bench.letters(2), "FF");
        assert_eq!(bench.calls(), ["restart"]);
    }
}

#[test]
fn a_buffer_that_is_not_taken_back_restarts_the_device_and_its_picture_counts() {
    let mut bench = bench("FQFF", |_| {});
    assert_eq!(bench.letters(5), "FFLFF");
    assert_eq!(bench.calls(), ["restart"]);
    assert_eq!(bench.seen.lock().unwrap().out, [0; 4]);
}

#[test]
fn a_device_that_errs_every_time_is_tried_ever_more_rarely() {
    let mut bench = bench(&"I".repeat(400), |_| {});
    let stand_ins = bench.letters(100);
    assert!(stand_ins.chars().all(|letter| letter == 'L'));
    assert!(bench.clock.now() >= Micros::from_ms(99 * 200), "at the low pace");
    let calls = bench.calls();
    let tries = calls.iter().filter(|&&call| call != "close").count();
    assert!((8..=16).contains(&tries), "{tries} tries in 20 s");
    assert_eq!(calls[..4], ["restart", "restart", "restart", "close"], "then from scratch");
}

#[test]
fn unplugged_and_plugged_in_again_goes_on() {
    let mut bench = bench("FFUFF", |driver| driver.opens = 4);
    assert_eq!(bench.letters(2), "FF");
    let mut letters = String::new();
    while !letters.ends_with("FF") {
        letters += &bench.letters(1);
    }
    assert_eq!(letters.trim_start_matches('L'), "FF");
    // Tries after 0, 100, 300, 700 and 1500 ms; a stand-in every 200.
    assert!((7..=9).contains(&(letters.len() - 2)), "{letters}");
    assert_eq!(bench.calls(), ["close", "open"].repeat(5), "restarting a device that is gone is not tried");
}

#[test]
fn another_camera_in_its_place_is_not_taken() {
    let change: [fn(&mut Agreed); 3] = [
        |agreed| agreed.full_range = true,
        |agreed| agreed.rate.frames = 50,
        |agreed| *agreed = self::agreed(Coding::I420, 25),
    ];
    for change in change {
        let mut bench = bench("FU", |driver| change(&mut driver.agreed));
        assert_eq!(bench.letters(20), "F".to_owned() + &"L".repeat(19));
        let calls = bench.calls();
        assert!(calls.starts_with(&["close", "open", "close"]) && !calls.contains(&"restart"), "{calls:?}");
    }
    let mut bench = bench("FUFF", |driver| {
        // The same frames from rows that are padded otherwise.
        driver.agreed.plan = Plan::new(Coding::Nv12, SIZE, &[40]).unwrap();
        driver.memory = vec![9; 40 * 24];
    });
    assert_eq!(bench.letters(3), "FLF");
}

#[test]
fn a_restart_that_fails_leads_to_opening_anew() {
    let mut bench = bench("FIFF", |driver| driver.restarts = 9);
    let mut letters = bench.letters(2);
    while !letters.ends_with('F') {
        letters += &bench.letters(1);
    }
    assert_eq!(bench.calls(), ["restart", "restart", "restart", "close", "open"]);
}

#[test]
fn silence_is_covered_and_later_started_again() {
    // 25 frames a second: quiet after 250 ms, dead after 3 s.
    let mut bench = bench(&format!("F{}F", "-".repeat(12)), |_| {});
    assert_eq!(bench.letters(1), "F");
    let before = bench.clock.now();
    assert_eq!(bench.letters(1), "L");
    assert_eq!(bench.clock.now().since(before).0, 250_000);
    assert_eq!(bench.letters(2), "LF");
    assert!(bench.calls().is_empty(), "it came back by itself");

    let mut hung = self::bench("F", |_| {});
    assert_eq!(hung.letters(15), "F".to_owned() + &"L".repeat(14));
    assert!(hung.calls().is_empty());
    assert_eq!(hung.letters(5), "LLLLL");
    assert_eq!(hung.calls(), ["restart"], "after three seconds");
}

#[test]
fn a_caller_that_is_late_is_no_silence_of_the_camera() {
    for (script, letters) in [("FFFFFF", "FFFFFF"), ("FIFFFF", "FLLFFFF"), ("FUFFFF", "FLLFFFF")] {
        let mut bench = bench(script, |_| {});
        let mut seen = String::new();
        for _ in 0..letters.len() {
            seen += &bench.letters(1);
            // Longer than it takes to miss a frame, and than from one stand-in to the next.
            bench.clock.set(bench.clock.now().plus(Micros::from_ms(300)));
        }
        assert_eq!(seen, letters);
    }
}

#[test]
fn a_camera_of_one_frame_a_second_is_not_taken_for_silent() {
    let mut driver = Scripted::new(&("-".repeat(24) + "F").repeat(4));
    driver.agreed = agreed(Coding::Nv12, 1);
    let clock = driver.clock.clone();
    let mut camera = Capture::new(driver, "cam".to_owned()).unwrap();
    camera.begin(Arc::new(clock), Arc::default());
    let pool = FramePool::new(camera.mode().shape, 1);
    let letters: String = (0..4).map(|_| letter(&camera.next(&pool).unwrap().unwrap())).collect();
    assert_eq!(letters, "FFFF");
}

#[test]
fn a_camera_that_may_not_be_opened_again_ends_when_it_is_gone() {
    let driver = Scripted::new("FFU");
    let clock = driver.clock.clone();
    let mut camera = Capture::new(driver, "cam".to_owned()).unwrap().opened_once(Micros::from_ms(2_000));
    camera.begin(Arc::new(clock), Arc::default());
    let pool = FramePool::new(camera.mode().shape, 1);
    let mut letters = String::new();
    let line = loop {
        match camera.next(&pool) {
            Ok(frame) => letters.push(letter(&frame.unwrap())),
            Err(error) => break error.to_string(),
        }
    };
    assert!(letters.starts_with("FFLL") && letters.len() < 20, "{letters}");
    assert!(line.starts_with("cam: frame ") && line.ends_with("the device is gone: plug it in again"), "{line}");
}

#[test]
fn the_wish_to_stop_is_heard_while_nothing_comes() {
    for script in ["F", "FU", "FI"] {
        let mut bench = bench(script, |driver| driver.opens = u32::MAX);
        bench.letters(3);
        bench.stop.store(true, Ordering::Relaxed);
        let before = bench.clock.now();
        assert!(bench.camera.next(&bench.pool).unwrap().is_none());
        assert!(bench.clock.now().since(before) <= SLICE);
    }
}

#[test]
fn frames_from_before_the_beginning_go_home_unseen() {
    let driver = Scripted::new("FFFF");
    let clock = driver.clock.clone();
    let mut camera = Capture::new(driver, "cam".to_owned()).unwrap();
    // The stream begins on a clock of its own, two and a half periods after the driver.
    clock.set(Micros(100_000));
    let stream = SimulatedClock::default();
    camera.begin(Arc::new(stream.clone()), Arc::default());
    stream.set(Micros(60_000));
    let pool = FramePool::new(camera.mode().shape, 1);
    let frame = camera.next(&pool).unwrap().unwrap();
    assert_eq!(
        (frame.sequence(), frame.captured().0, frame.fault()),
        (0, 10_000, None),
        "the third, captured at 110 ms"
    );
}

#[test]
fn mistakes_of_the_caller_are_errors() {
    let mut camera = Capture::new(Scripted::new("F"), "cam".to_owned()).unwrap();
    let pool = FramePool::new(camera.mode().shape, 1);
    let line = camera.next(&pool).err().unwrap().to_string();
    assert_eq!(line, "cam: the stream has not begun: call begin before next");
    let other = FramePool::new(Shape::packed(SIZE, Layout::I420), 1);
    assert!(matches!(camera.next(&other), Err(CameraError::Pool { .. })));
}

#[test]
fn a_device_that_cannot_be_opened_at_the_start_is_an_error() {
    let mut driver = Scripted::new("F");
    driver.opens = 1;
    assert_eq!(Capture::new(driver, "cam".to_owned()).err().unwrap().to_string(), "it: gone: plug it in");
}
