//! One frame's itinerary: the dark half, the seam, the lit half. Touches no pixels, sockets or pins.
//!
//! ```text
//!  dark half                                                    seam          lit half
//!  camera ─▶ follow ─▶ wait for a later pass, redact ─▶ encode ─▶ access units ─▶ interlock ─▶ outlet
//!              └─ look ─▶ detect ─▶ evidence ──┘                  and health
//! ```
//!
//! Frames and passes go their own ways: the detector is given a copy to look at, as often as it is free or as the policy
//! asks, and a frame waits in a ring ([`Lookahead`]) until a pass over a later frame is in or its time is up. The halves
//! share nothing but the seam, one bounded queue, so that two processes can take their places without touching a room.
//! Raw frames exist only in the dark half. A full seam holds the dark half back; in real time frames are then dropped
//! and counted, otherwise the camera waits. So does an encoder that is too slow for the camera.
//!
//! A file each: capture (the first thread), detection (here, the second), redaction (the third), encoding (the fourth), what
//! crosses the seam, and the lit half. The canary and the ring of frames that wait stand beside them.
//!
//! Without a clock to race, a replay does what a detector would that takes no time: which passes a frame waits for
//! depends on capture times alone, so that the output is the same on every machine.

mod canary;
mod capture;
mod crossing;
mod encoding;
mod lit;
mod lookahead;
mod queue;
mod redaction;
pub mod split;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::base::{Clock, Fault, FramePool, Micros, Telemetry};
use crate::camera::{Camera, CameraError, Mode};
use crate::detect::{Detector, Evidence, Look, Looks};
use crate::encode::{self, Encoder};
use crate::mask::Mask;
use crate::track::Follower;
pub use canary::Canary;
use capture::Source;
use crossing::Seam;
pub use crossing::{Crossing, Health, Heard, Inward, Outward};
use encoding::Encoding;
pub use lit::{Nowhere, Outlet, Slates, lit_half};
pub use lookahead::{Arrival, Departure, Lookahead};
use queue::{Queue, Receiver, Sender};
use redaction::Redaction;

/// Frames and passes on their way to redaction. More only adds latency.
const EVENTS: usize = 4;
/// Messages that fit into the seam.
const SEAM: usize = 32;
/// Copies for the detector: one that it examines, one that waits for it, one that is being made.
const LOOKS: usize = 3;
/// Frames alive beside those that wait for a pass or, redacted, for the encoder: one in the camera's hands, one being
/// redacted, one being encoded, those on their way, and those that the encoder keeps.
const ON_THE_WAY: usize = 3 + EVENTS + encode::HELD;

/// Raw frames alive at once for a camera of `mode` and a mask that looks so far ahead. There are enough for the camera
/// when the encoder is behind.
pub fn frames_alive(mode: Mode, lookahead: Micros) -> usize {
    let waiting = Lookahead::frames(mode.rate, lookahead);
    waiting + for_encoder(waiting) + ON_THE_WAY
}

/// Redacted frames that wait for the encoder at most: as many as one pass can let go at once, as far as a pool has room.
fn for_encoder(waiting: usize) -> usize {
    waiting.min(FramePool::MOST.saturating_sub(ON_THE_WAY + waiting))
}

/// Everything that may see raw frames.
pub struct Dark<'a> {
    /// Where raw frames come from.
    pub camera: Box<dyn Camera + 'a>,
    /// Where the camera is and how it looks.
    pub telemetry: Box<dyn Telemetry + 'a>,
    /// Prepared for the camera's size.
    pub detector: &'a mut Detector,
    /// Asks now and then whether the network still sees; a replay goes without.
    pub canary: Option<Canary>,
    /// A pass over one frame in so many; see [`crate::detect::Settings::every`].
    pub every: u64,
    /// Made for the camera's size.
    pub mask: Mask,
    /// Opened for the camera's size.
    pub encoder: Box<dyn Encoder + 'a>,
    /// Given each buffer that will hold raw pixels, once, before the first frame: to be kept out of swap and dumps.
    pub private: &'a (dyn Fn(&mut [u8]) + Sync),
}

/// How the stream moves.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    /// Measures every duration, and in real time sets the pace.
    pub clock: &'a dyn Clock,
    /// Frames come when their capture time is there and are dropped if nobody can take them.
    pub realtime: bool,
    /// Set from outside to end the stream after the frames that are under way.
    pub stop: &'a AtomicBool,
}

/// How a stream ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Raw frames that came from the camera.
    pub frames: u64,
    /// Of those, the ones that were dropped before they were encoded.
    pub dropped: u64,
    /// Slates by cause, in the order of [`Fault::ALL`].
    pub slates: Slates,
    /// What tripped the interlock.
    pub tripped: Option<Fault>,
    /// What ended the clip before its end.
    pub camera: Option<CameraError>,
}

impl Outcome {
    /// Adds another stream's counts; the first trip stays. What ended a clip is told of each by itself.
    pub fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.dropped += other.dropped;
        for (sum, more) in self.slates.iter_mut().zip(other.slates) {
            *sum += more;
        }
        self.tripped = self.tripped.or(other.tripped);
    }
}

/// What comes to redaction: frames in the order of capture, and passes in the order of their frames.
enum Event {
    Arrival {
        arrival: Arrival,
        /// A pass over this frame is on its way, and what comes after is to wait for it.
        awaited: bool,
    },
    Pass(Pass),
    /// Something that ends the stream.
    Fault(Fault),
}

/// A finished pass.
struct Pass {
    sequence: u64,
    evidence: Result<Evidence, Fault>,
    took: Micros,
}

/// Raw frames that came, and those dropped before they were encoded.
#[derive(Default)]
struct Counts {
    frames: AtomicU64,
    dropped: AtomicU64,
}

/// Runs one stream to its end, both halves in this process.
pub fn run(dark: Dark<'_>, outlet: &mut dyn Outlet, pace: Pace<'_>) -> Outcome {
    let seam = Queue::new(SEAM);
    let mut outcome = Outcome::default();
    thread::scope(|scope| {
        let (sender, mut crossings) = seam.ends();
        let half = scope.spawn(move || dark_half(dark, sender, pace));
        outcome.tripped = lit_half(&mut crossings, outlet, pace.clock, &mut outcome.slates);
        // Whatever is still under way has nowhere to go; the dark half finds the seam closed and ends.
        drop(crossings);
        let (died, end) = half.join().map_or_else(|_| (true, DarkEnd::default()), |end| (end.died, end));
        if died {
            outcome.tripped = outcome.tripped.or(Some(Fault::SeamBroken));
        }
        (outcome.frames, outcome.dropped, outcome.camera) = (end.frames, end.dropped, end.camera);
    });
    outcome
}

/// How a dark half ended.
#[derive(Debug, Default)]
pub struct DarkEnd {
    /// Raw frames that came from the camera.
    pub frames: u64,
    /// Of those, the ones that were dropped before they were encoded.
    pub dropped: u64,
    /// What ended the clip before its end.
    pub camera: Option<CameraError>,
    /// One of its threads panicked.
    pub died: bool,
}

/// The dark half: raw frames end here. Ends with the camera, when it is told to stop, or when the seam is closed.
pub fn dark_half(dark: Dark<'_>, seam: impl Outward, pace: Pace<'_>) -> DarkEnd {
    let Dark { camera, telemetry, detector, canary, every, mask, encoder, private } = dark;
    let mode = camera.mode();
    let alive = frames_alive(mode, mask.lookahead());
    let mut source = Source {
        pool: FramePool::new(mode.shape, alive),
        follower: Follower::new(mode.shape.size, alive),
        looks: Looks::new(mode.shape, LOOKS),
        camera,
        telemetry,
        every: every.max(1),
    };
    source.pool.each_idle(private);
    source.looks.each_idle(private);
    let limit = Lookahead::frames(mode.rate, mask.lookahead());
    let lookahead = Lookahead::new(mask, limit);
    let counts = Counts::default();
    let halted = AtomicBool::new(false);
    let redacted = Queue::new(for_encoder(limit));
    let (looks, events) = (Queue::new(1), Queue::new(EVENTS));
    let door = Seam::new(seam);
    let mut end = DarkEnd::default();
    thread::scope(|scope| {
        let (counts, halted, door) = (&counts, &halted, &door);
        let (look_sender, look_receiver) = looks.ends();
        let (event_sender, event_receiver) = events.ends();
        let passes = event_sender.clone();
        let capturing = scope.spawn(move || source.capture(&event_sender, &look_sender, pace, halted, counts, door));
        scope.spawn(move || detect(detector, canary, look_receiver, &passes, pace.clock));
        let (redacted_sender, redacted_receiver) = redacted.ends();
        let encoding = Encoding { encoder, seam: door, units: Vec::with_capacity(SEAM), clock: pace.clock };
        let encoding = scope.spawn(move || encoding.run(redacted_receiver));
        let redaction = Redaction { lookahead, encoding: redacted_sender, seam: door, counts, pace };
        let redacted = catch_unwind(AssertUnwindSafe(|| redaction.run(event_receiver)));
        halted.store(true, Ordering::Relaxed);
        if redacted.is_err() {
            door.close();
        }
        let encoded = encoding.join();
        door.close();
        let captured = capturing.join();
        end.died = redacted.is_err() || encoded.is_err() || captured.is_err();
        end.camera = captured.ok().and_then(Result::err);
    });
    (end.frames, end.dropped) = (counts.frames.into_inner(), counts.dropped.into_inner());
    end
}

/// Dark half, second thread: evidence for the newest look. A pass that fails, in whatever way, is one pass less. The
/// canary goes before it: a network that it could not ask gives no evidence, one that does not see it ends the stream.
fn detect(
    detector: &mut Detector,
    mut canary: Option<Canary>,
    looks: Receiver<'_, Look>,
    passes: &Sender<'_, Event>,
    clock: &dyn Clock,
) {
    for look in looks {
        let start = clock.now();
        // Nothing of a pass that broke off is used: each begins by filling every buffer anew.
        let evidence = catch_unwind(AssertUnwindSafe(|| {
            if let Some(canary) = &mut canary {
                canary.tend(start)?;
            }
            detector.examine_look(&look)
        }));
        let evidence = evidence.unwrap_or(Err(Fault::DetectorFailed));
        if matches!(evidence, Err(Fault::CanaryClear)) {
            // A closed queue means that the stream has ended already.
            let _ = passes.send(Event::Fault(Fault::CanaryClear));
            return;
        }
        let took = clock.now().since(start);
        let sequence = look.sequence();
        drop(look);
        if passes.send(Event::Pass(Pass { sequence, evidence, took })).is_err() {
            return;
        }
    }
}
