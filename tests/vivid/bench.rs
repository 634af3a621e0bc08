//! A pair of vivid's nodes, and a camera whose stream has begun.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use voile::base::clock::RealClock;
use voile::base::{Chroma, Clock, Fault, FramePool, Micros, Plane, RawFrame, Size};
use voile::camera::v4l2::{Coding, Wish, open};
use voile::camera::{Camera, Mode};

use letters::letter;

#[path = "letters.rs"]
mod letters;

/// Devices are one to a machine, and tests run side by side.
static TURN: Mutex<()> = Mutex::new(());

/// A pair of nodes, one of which is heard by the other.
pub struct Pair {
    pub kind: &'static str,
    pub capture: String,
    pub output: String,
}

pub fn pairs() -> Option<(MutexGuard<'static, ()>, [Pair; 2])> {
    // The camera's own words, on standard error.
    let _ = env_logger::try_init();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let names = |variable| env::var(variable).ok().map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    match (names("VOILE_TEST_CAMERAS").as_deref(), names("VOILE_TEST_CAMERA_OUT").as_deref()) {
        (Some([a, b]), Some([c, d])) => {
            let pair = |kind, capture: &String, output: &String| Pair {
                kind,
                capture: capture.clone(),
                output: output.clone(),
            };
            let pairs = [pair("single-planar", a, c), pair("multi-planar", b, d)];
            pairs.iter().for_each(Pair::reset);
            Some((turn, pairs))
        }
        _ => {
            eprintln!("not run: VOILE_TEST_CAMERAS and VOILE_TEST_CAMERA_OUT name no nodes of vivid");
            None
        }
    }
}

pub fn tell(node: &str, options: &[&str]) {
    let done = Command::new("v4l2-ctl").arg("-d").arg(node).args(options).output().expect("v4l2-ctl");
    assert!(done.status.success(), "{node} {options:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Pair {
    pub fn set(&self, control: &str) {
        tell(&self.capture, &["-c", control]);
    }

    /// A webcam that shows plain red and nothing else.
    pub fn reset(&self) {
        tell(&self.capture, &["--set-input=0"]);
        // Red in full, limited BT.601: what every plane must then hold is known.
        let plain = "test_pattern=7,osd_text_mode=2,loop_video=0,wrap_sequence_number=0,wrap_timestamp=0,\
                     percentage_of_dropped_buffers=0,quantization=0";
        self.set(plain);
    }

    pub fn open(&self, size: Size, fps: u32, format: Option<Coding>) -> Bench {
        Bench::new(open(Path::new(&self.capture), Wish { size, fps, format }).unwrap())
    }

    pub fn refused(&self, size: Size, fps: u32, format: Option<Coding>) -> String {
        refused(&self.capture, Wish { size, fps, format })
    }
}

pub fn refused(node: &str, wish: Wish) -> String {
    let line = open(Path::new(node), wish).err().expect("refused").to_string();
    assert!(!line.contains('\n') && line.starts_with(node), "{line}");
    println!("  {line}");
    line
}

/// A camera whose stream has begun.
pub struct Bench {
    pub camera: Box<dyn Camera>,
    pub pool: FramePool,
    pub clock: Arc<RealClock>,
    pub stop: Arc<AtomicBool>,
    pub mode: Mode,
    pub last: Option<(u64, Micros)>,
}

impl Bench {
    pub fn new(mut camera: Box<dyn Camera>) -> Self {
        let (clock, stop) = (Arc::new(RealClock::start()), Arc::new(AtomicBool::new(false)));
        camera.begin(Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&stop));
        let mode = camera.mode();
        Self { pool: FramePool::new(mode.shape, 3), camera, clock, stop, mode, last: None }
    }

    /// The next frame; numbers and times must rise, and no time lies ahead.
    pub fn next(&mut self) -> RawFrame {
        let frame = self.camera.next(&self.pool).expect("no error ever").expect("no end");
        let at = (frame.sequence(), frame.captured());
        assert!(self.last.is_none_or(|last| at.0 > last.0 && at.1 > last.1), "{:?} then {at:?}", self.last);
        assert!(at.1 <= self.clock.now(), "captured before it is seen");
        self.last = Some(at);
        frame
    }

    /// The next frames in letters.
    pub fn letters(&mut self, frames: usize) -> String {
        (0..frames).map(|_| letter(&self.next())).collect()
    }

    /// The next frames that are the camera's, in letters. Stand-ins are left out: a simulated machine on a busy one
    /// stands still for a moment.
    pub fn frames(&mut self, frames: usize) -> String {
        let mut letters = String::new();
        for _ in 0..frames + 60 {
            letters += &self.letters(1).replace('L', "");
            if letters.len() == frames {
                break;
            }
        }
        letters
    }

    /// Frames come, and nothing is wrong with them but vivid's numbers, which it works out from jiffies: two frames bear
    /// the same now and then.
    pub fn runs(&mut self, frames: usize) {
        let letters = self.frames(frames);
        assert!(letters.len() == frames && letters.chars().all(|letter| "FR".contains(letter)), "{letters}");
    }

    /// Frames up to two whole ones after a `fault`, in letters; at most so many.
    pub fn recovered(&mut self, fault: char, most: usize) -> String {
        let mut letters = String::new();
        while !(letters.contains(fault) && letters.ends_with("FF")) {
            assert!(letters.len() < most, "no {fault} and then FF in {letters}");
            letters += &self.letters(1);
        }
        letters
    }
}

pub fn bytes(plane: Plane<'_>) -> Vec<u8> {
    plane.rows().flatten().copied().collect()
}

/// The frame's planes without gaps: Y, U, V.
pub fn planes(frame: &RawFrame) -> [Vec<u8>; 3] {
    let (u, v) = match frame.chroma() {
        Chroma::I420(u, v) => (bytes(u), bytes(v)),
        Chroma::Nv12(pairs) => {
            let pairs = bytes(pairs);
            (pairs.iter().copied().step_by(2).collect(), pairs.iter().copied().skip(1).step_by(2).collect())
        }
    };
    [bytes(frame.luma()), u, v]
}

/// Whether every sample of each plane is within 3 of these.
pub fn is_plain(frame: &RawFrame, colour: [u8; 3]) -> bool {
    planes(frame).iter().zip(colour).all(|(plane, value)| plane.iter().all(|byte| byte.abs_diff(value) <= 3))
}

pub const QVGA: Size = Size::new(320, 180);
pub const VGA: Size = Size::new(640, 480);
pub const HD: Size = Size::new(1280, 720);
pub const RED: [u8; 3] = [81, 90, 240];

/// The formats of a kind of node.
pub fn formats(pair: &Pair) -> Vec<Coding> {
    let split = pair.kind == "multi-planar";
    let all = [Coding::Nv12, Coding::Nv12Split, Coding::I420, Coding::I420Split, Coding::Yuyv].into_iter();
    all.filter(|coding| split || coding.memories() == 1).collect()
}

/// A format as `v4l2-ctl` names it.
pub fn letters_of(coding: Coding) -> String {
    String::from_utf8(coding.letters().to_vec()).unwrap()
}
