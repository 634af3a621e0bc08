//! After its first second the pipeline's own code allocates nothing per frame; only libraries may.
//!
//! Every allocation of the run is recorded with its call stack. One counts as ours when the innermost function that is
//! not of the standard library is voile's.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

mod fixture;

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use fixture::{SIZE, Seen, Spot};
use voile::base::clock::RealClock;
use voile::base::{FramePool, NoTelemetry, RawFrame};
use voile::camera::{Camera, CameraError, Mode};
use voile::detect::{self, Detector};
use voile::encode::{self, Encoder};
use voile::mask::{self, Mask};
use voile::pipeline::{self, Dark, Pace};

const DEPTH: usize = 40;
static RECORDING: AtomicBool = AtomicBool::new(false);
static STACKS: Mutex<Vec<[usize; DEPTH]>> = Mutex::new(Vec::new());

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

struct Recorder;

fn record() {
    if !RECORDING.load(Ordering::Relaxed) || INSIDE.try_with(|inside| inside.replace(true)).unwrap_or(true) {
        return;
    }
    let mut stack = [0; DEPTH];
    let mut depth = 0;
    backtrace::trace(|frame| {
        stack[depth] = frame.ip() as usize;
        depth += 1;
        depth < DEPTH
    });
    STACKS.lock().expect("not poisoned").push(stack);
    INSIDE.with(|inside| inside.set(false));
}

// SAFETY: every call is handed to the system's allocator unchanged; recording allocates only with INSIDE set.
unsafe impl GlobalAlloc for Recorder {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        record();
        // SAFETY: as asked of us by the caller.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, memory: Memory) {
        // SAFETY: as asked of us by the caller.
        unsafe { System.dealloc(pointer, memory) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, memory: Memory, size: usize) -> *mut u8 {
        record();
        // SAFETY: as asked of us by the caller.
        unsafe { System.realloc(pointer, memory, size) }
    }
}

#[global_allocator]
static RECORDER: Recorder = Recorder;

/// Starts the recording at one frame and stops it at another.
struct Recorded {
    camera: Spot,
    from: u64,
    to: u64,
}

impl Camera for Recorded {
    fn mode(&self) -> Mode {
        self.camera.mode()
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let at = self.camera.next;
        RECORDING.store((self.from..self.to).contains(&at), Ordering::Relaxed);
        self.camera.next(pool)
    }
}

/// Where a stack's innermost code stands that is neither the standard library's nor this recorder's: a file of ours, or
/// the name of a library or of one of its functions. Libraries are built without line tables, so they have only names.
fn innermost(stack: &[usize; DEPTH]) -> String {
    for &address in stack.iter().filter(|&&address| address != 0) {
        let mut found = None;
        backtrace::resolve(address as *mut _, |symbol| {
            if found.is_some() {
                return;
            }
            let file = symbol.filename().map(|file| file.to_string_lossy().into_owned());
            found = match file {
                Some(file) if file.contains("/rustc/") || file.contains("/library/") => None,
                Some(file) if file.contains("/backtrace-") || file.ends_with("tests/allocations.rs") => None,
                Some(file) if file.contains("/registry/") => Some(format!("library {file}")),
                Some(file) => Some(format!("ours {file}:{}", symbol.lineno().unwrap_or_default())),
                None => {
                    let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
                    let plain = name.trim_start_matches(['<', '&', '(', '[', '*']).trim_start_matches("dyn ");
                    let standard = ["std::", "core::", "alloc::", "backtrace::", "hashbrown::", "__r", "_R"];
                    let skipped = plain.is_empty() || standard.iter().any(|start| plain.starts_with(start));
                    (!skipped).then(|| format!("library {name}"))
                }
            };
        });
        if let Some(found) = found {
            return found;
        }
    }
    "unknown".to_owned()
}

fn is_ours(place: &str) -> bool {
    place.starts_with("ours ")
}

/// Runs 80 frames at 30 a second and gives who allocated while frames 40 to 70 came.
fn allocations(encoder: Box<dyn Encoder>, extra: bool) -> BTreeMap<String, usize> {
    let settings = detect::Settings { threads: 2, ..detect::Settings::default() };
    let mut detector = Detector::load(&settings).expect("built in");
    detector.prepare(SIZE).expect("prepared");
    let mut seen = Seen { letters: String::with_capacity(4096), units: Vec::with_capacity(4096), ..Seen::default() };
    let clock = RealClock::start();
    let stop = AtomicBool::new(false);
    let dark = Dark {
        camera: Box::new(Recorded { camera: Spot::frames(80), from: 40, to: 70 }),
        detector: &mut detector,
        telemetry: Box::new(NoTelemetry),
        canary: None,
        every: 1,
        mask: Mask::new(&mask::Settings::default(), SIZE),
        encoder,
        private: &|_| {},
    };
    if extra {
        RECORDING.store(true, Ordering::Relaxed);
        std::hint::black_box(voile::base::FramePool::new(Spot::frames(1).mode().shape, 1));
    }
    pipeline::run(dark, &mut seen, Pace { clock: &clock, realtime: false, stop: &stop });
    RECORDING.store(false, Ordering::Relaxed);
    let stacks = std::mem::take(&mut *STACKS.lock().expect("not poisoned"));
    let mut counts = BTreeMap::new();
    for stack in &stacks {
        *counts.entry(innermost(stack)).or_default() += 1;
    }
    counts
}

#[test]
fn our_code_allocates_nothing_per_frame() {
    // First that the recorder sees what it should: a pool is an allocation of ours.
    let control = allocations(Box::new(encode::Discard), true);
    assert!(control.keys().any(|name| is_ours(name)), "the recorder saw nothing of ours: {control:#?}");

    for codec in [encode::Codec::Av1, encode::Codec::H264] {
        let settings = encode::Settings { codec, threads: 1, ..encode::Settings::default() };
        let encoder = encode::open(&settings, SIZE, (30, 1), false).expect("an encoder");
        let counts = allocations(encoder, false);
        assert!(!counts.is_empty(), "the libraries allocate");
        let ours: Vec<_> = counts.iter().filter(|(name, _)| is_ours(name)).collect();
        let total: usize = ours.iter().map(|(_, count)| **count).sum();
        println!("{codec:?}: 30 frames, {total} allocations of our own, {} in all", counts.values().sum::<usize>());
        assert!(ours.is_empty(), "{codec:?}: {ours:#?}");
    }
}
