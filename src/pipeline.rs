//! One frame's itinerary: the dark half, the seam, the lit half. Touches no pixels, sockets or pins.
//!
//! ```text
//!  dark half                                        seam          lit half
//!  camera ─▶ detect ─▶ redact, encode ─▶ access units and health ─▶ interlock ─▶ outlet
//! ```
//!
//! The halves share nothing but the seam, one bounded channel, so that two processes can take their places without
//! touching a room. Raw frames exist only in the dark half. A full seam holds the dark half back; in real time frames are
//! then dropped before detection and counted, otherwise the camera waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use crate::base::{Clock, Fault, FramePool, Micros, RawFrame};
use crate::camera::{Camera, CameraError};
use crate::detect::{Detector, Evidence};
use crate::encode::{AccessUnit, Encoder};
use crate::interlock::{Interlock, Permit, Response};
use crate::mask::{Account, Mask, State, redact};

/// Frames between two threads. More only adds latency: each thread needs one to work on and one waiting.
const QUEUE: usize = 1;
/// Messages that fit into the seam.
const SEAM: usize = 32;
/// Raw frames alive at once: one in the camera's hands, one in each of three threads' and the two queues between them.
pub const FRAMES_ALIVE: usize = 4 + 2 * QUEUE;

/// Everything that may see raw frames.
pub struct Dark<'a> {
    /// Where raw frames come from.
    pub camera: Box<dyn Camera + 'a>,
    /// Prepared for the camera's size.
    pub detector: &'a mut Detector,
    /// Made for the camera's size.
    pub mask: Mask,
    /// Opened for the camera's size.
    pub encoder: Box<dyn Encoder + 'a>,
}

/// What the lit half hands things to.
pub trait Outlet {
    /// Takes an access unit, if `permit` still holds at the moment of sending.
    ///
    /// # Errors
    /// [`Fault::OutputFailed`]; the reason is the outlet's to tell.
    fn send(&mut self, unit: AccessUnit, permit: &Permit) -> Result<(), Fault>;

    /// Takes note of a frame's health. Comes before the frame's access unit.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn note(&mut self, health: Health) -> Result<(), Fault>;
}

/// What crosses the seam about one frame: numbers that say nothing about who is in it.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// Number of the frame.
    pub sequence: u64,
    /// Capture time.
    pub captured: Micros,
    /// When the camera handed it over, on the pace's clock: the start of its latency.
    pub born: Micros,
    /// What was done to it.
    pub account: Account,
    /// Time in the detector.
    pub detect: Micros,
    /// Time in clearance and paint.
    pub redact: Micros,
    /// Time in the encoder.
    pub encode: Micros,
}

/// How the stream moves.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    /// Measures every duration, and in real time sets the pace.
    pub clock: &'a dyn Clock,
    /// Frames come when their capture time is there and are dropped if the detector is not free.
    pub realtime: bool,
    /// Set from outside to end the stream after the frames that are under way.
    pub stop: &'a AtomicBool,
}

/// How a stream ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Raw frames that came from the camera.
    pub frames: u64,
    /// Raw frames that were dropped before detection.
    pub dropped: u64,
    /// Slates by cause, in the order of [`Fault::ALL`].
    pub slates: [u64; Fault::ALL.len()],
    /// What tripped the interlock.
    pub tripped: Option<Fault>,
    /// What ended the clip before its end.
    pub camera: Option<CameraError>,
}

impl Outcome {
    /// Adds another stream's counts; of several ends that were not clean, the first stays.
    pub fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.dropped += other.dropped;
        for (sum, more) in self.slates.iter_mut().zip(other.slates) {
            *sum += more;
        }
        self.tripped = self.tripped.or(other.tripped);
        if self.camera.is_none() {
            self.camera = other.camera;
        }
    }
}

/// What goes through the seam.
enum Crossing {
    Health(Health),
    Unit(AccessUnit),
    Fault(Fault),
    /// The dark half has sent all it had.
    End,
}

/// A raw frame on its way, and when the camera handed it over.
struct Arrival {
    frame: RawFrame,
    born: Micros,
}

/// A raw frame and what the detector says of it.
struct Examined {
    arrival: Arrival,
    evidence: Result<Evidence, Fault>,
    detect: Micros,
}

/// Raw frames that came, and those dropped before detection.
#[derive(Default)]
struct Counts {
    frames: AtomicU64,
    dropped: AtomicU64,
}

/// Runs one stream to its end.
pub fn run(dark: Dark<'_>, outlet: &mut dyn Outlet, pace: Pace<'_>) -> Outcome {
    let Dark { camera, detector, mut mask, encoder } = dark;
    let pool = FramePool::new(camera.mode().shape, FRAMES_ALIVE);
    let counts = Counts::default();
    let halted = AtomicBool::new(false);
    let (arrivals, to_detect) = sync_channel(if pace.realtime { 1 } else { QUEUE });
    let (examined, to_encode) = sync_channel(QUEUE);
    let (seam, crossings) = sync_channel(SEAM);
    let mut outcome = Outcome::default();
    thread::scope(|scope| {
        let (counts, halted, pool) = (&counts, &halted, &pool);
        let capturing = scope.spawn(move || capture(camera, pool, &arrivals, pace, halted, counts));
        let detecting = scope.spawn(move || detect(detector, &to_detect, &examined, pace.clock));
        let encoding = scope.spawn(move || redact_and_encode(&mut mask, encoder, &to_encode, &seam, pace.clock));
        lit_half(&crossings, outlet, pace, &mut outcome);
        // Whatever is still under way has nowhere to go; senders find the seam closed and end.
        halted.store(true, Ordering::Relaxed);
        drop(crossings);
        let died = [detecting.join().is_err(), encoding.join().is_err()];
        match capturing.join() {
            Ok(result) => outcome.camera = result.err(),
            Err(_) => outcome.tripped = outcome.tripped.or(Some(Fault::SeamBroken)),
        }
        if died.contains(&true) {
            outcome.tripped = outcome.tripped.or(Some(Fault::SeamBroken));
        }
    });
    outcome.frames = counts.frames.into_inner();
    outcome.dropped = counts.dropped.into_inner();
    outcome
}

/// Dark half, first thread: frames from the camera to the detector.
fn capture(
    mut camera: Box<dyn Camera + '_>,
    pool: &FramePool,
    arrivals: &SyncSender<Arrival>,
    pace: Pace<'_>,
    halted: &AtomicBool,
    counts: &Counts,
) -> Result<(), CameraError> {
    while !pace.stop.load(Ordering::Relaxed) && !halted.load(Ordering::Relaxed) {
        let Some(frame) = camera.next(pool)? else { break };
        counts.frames.fetch_add(1, Ordering::Relaxed);
        let arrival = if pace.realtime {
            let captured = frame.captured();
            pace.clock.sleep_until(captured);
            Arrival { frame, born: captured }
        } else {
            Arrival { frame, born: pace.clock.now() }
        };
        if pace.realtime {
            match arrivals.try_send(arrival) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    counts.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => break,
            }
        } else if arrivals.send(arrival).is_err() {
            break;
        }
    }
    Ok(())
}

/// Dark half, second thread: evidence for each frame.
fn detect(detector: &mut Detector, arrivals: &Receiver<Arrival>, examined: &SyncSender<Examined>, clock: &dyn Clock) {
    for arrival in arrivals {
        let start = clock.now();
        let evidence = detector.examine(&arrival.frame);
        let detect = clock.now().since(start);
        if examined.send(Examined { arrival, evidence, detect }).is_err() {
            return;
        }
    }
}

/// Dark half, third thread: the raw frame ends here.
fn redact_and_encode(
    mask: &mut Mask,
    mut encoder: Box<dyn Encoder + '_>,
    examined: &Receiver<Examined>,
    seam: &SyncSender<Crossing>,
    clock: &dyn Clock,
) {
    let mut units = Vec::with_capacity(SEAM);
    for Examined { arrival: Arrival { frame, born }, evidence, detect } in examined {
        let start = clock.now();
        let (sequence, captured) = (frame.sequence(), frame.captured());
        let redacted = redact(frame, evidence, mask);
        let account = redacted.account();
        let middle = clock.now();
        let submitted = encoder.submit(redacted, &mut units);
        let end = clock.now();
        let (redact, encode) = (middle.since(start), end.since(middle));
        let health = Health { sequence, captured, born, account, detect, redact, encode };
        if seam.send(Crossing::Health(health)).is_err() || !hand_over(&mut units, submitted, seam) {
            return;
        }
    }
    let finished = encoder.finish(&mut units);
    if hand_over(&mut units, finished, seam) {
        // A closed seam means that the lit half has ended already.
        let _ = seam.send(Crossing::End);
    }
}

/// Sends finished access units and a fault of the encoder through the seam; whether to go on.
fn hand_over(units: &mut Vec<AccessUnit>, result: Result<(), Fault>, seam: &SyncSender<Crossing>) -> bool {
    for unit in units.drain(..) {
        if seam.send(Crossing::Unit(unit)).is_err() {
            return false;
        }
    }
    match result {
        Ok(()) => true,
        Err(fault) => {
            let _ = seam.send(Crossing::Fault(fault));
            false
        }
    }
}

/// The lit half: nothing leaves without a permit, and nothing after a trip.
fn lit_half(crossings: &Receiver<Crossing>, outlet: &mut dyn Outlet, pace: Pace<'_>, outcome: &mut Outcome) {
    let mut interlock = Interlock::default();
    let mut ended = false;
    while !ended && interlock.tripped().is_none() {
        let result = match crossings.recv() {
            Ok(Crossing::Health(health)) => {
                if let State::Slate(fault) = health.account.state {
                    count(outcome, fault);
                    interlock.report(fault);
                }
                outlet.note(health)
            }
            Ok(Crossing::Unit(unit)) => match interlock.permit(pace.clock.now()) {
                Some(permit) => outlet.send(unit, &permit),
                None => break,
            },
            Ok(Crossing::Fault(fault)) => Err(fault),
            Ok(Crossing::End) => {
                ended = true;
                Ok(())
            }
            // The dark half went without a word.
            Err(_) => Err(Fault::SeamBroken),
        };
        if let Err(fault) = result
            && interlock.report(fault) == Response::Slate
        {
            count(outcome, fault);
        }
    }
    outcome.tripped = interlock.tripped();
}

fn count(outcome: &mut Outcome, fault: Fault) {
    if let Some(index) = Fault::ALL.iter().position(|&known| known == fault) {
        outcome.slates[index] += 1;
    }
}
