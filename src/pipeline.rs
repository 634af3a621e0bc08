//! One frame's itinerary: the dark half, the seam, the lit half. Touches no pixels, sockets or pins.
//!
//! ```text
//!  dark half                                                    seam          lit half
//!  camera ─▶ follow ─▶ wait for a later pass ─▶ redact, encode ─▶ access units ─▶ interlock ─▶ outlet
//!              └─ look ─▶ detect ─▶ evidence ──┘                  and health
//! ```
//!
//! Frames and passes go their own ways: the detector is given a copy to look at, as often as it is free or as the policy
//! asks, and a frame waits in a ring ([`Lookahead`]) until a pass over a later frame is in or its time is up. The halves
//! share nothing but the seam, one bounded queue, so that two processes can take their places without touching a room.
//! Raw frames exist only in the dark half. A full seam holds the dark half back; in real time frames are then dropped
//! and counted, otherwise the camera waits.
//!
//! Without a clock to race, a replay does what a detector would that takes no time: which passes a frame waits for
//! depends on capture times alone, so that the output is the same on every machine.

mod canary;
mod lookahead;
mod queue;
pub mod split;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use heapless::Deque;

use crate::base::{Clock, Fault, FramePool, Micros, Telemetry};
use crate::camera::{Camera, CameraError, Mode};
use crate::detect::{Detector, Evidence, Look, Looks};
use crate::encode::{self, AccessUnit, Backend, Encoder};
use crate::interlock::{Interlock, Permit, Response, heartbeat};
use crate::mask::{Account, Mask, State};
use crate::track::Follower;
pub use canary::Canary;
pub use lookahead::{Arrival, Departure, Lookahead};
use queue::{Queue, Received, Receiver, Refused, Sender};

/// Frames and passes on their way to redaction. More only adds latency.
const EVENTS: usize = 4;
/// Messages that fit into the seam.
const SEAM: usize = 32;
/// Copies for the detector: one that it examines, one that waits for it, one that is being made.
const LOOKS: usize = 3;
/// Frames alive beside those that wait: one in the camera's hands, one being redacted and encoded, those on their way
/// between the two, and those that the encoder keeps.
const ON_THE_WAY: usize = 2 + EVENTS + encode::HELD;

/// Raw frames alive at once for a camera of `mode` and a mask that looks so far ahead.
pub fn frames_alive(mode: Mode, lookahead: Micros) -> usize {
    Lookahead::frames(mode.rate, lookahead) + ON_THE_WAY
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

    /// The camera has nothing yet, and the dark half lives.
    ///
    /// # Errors
    /// What a missing sign of life would be.
    fn pause(&mut self, _permit: Permit) -> Result<(), Fault> {
        Ok(())
    }

    /// All has come: sends what is still under way, in short time; `interlock` gives permits.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn drain(&mut self, _interlock: &Interlock) -> Result<(), Fault> {
        Ok(())
    }

    /// Goes on with what takes its time, before each look at the seam; `interlock` gives permits. When to come back at
    /// the latest, if anything waits.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn tend(&mut self, _interlock: &Interlock) -> Result<Option<Micros>, Fault> {
        Ok(None)
    }
}

/// An outlet that keeps nothing, for runs that only score.
pub struct Nowhere;

impl Outlet for Nowhere {
    fn send(&mut self, _unit: AccessUnit, _permit: &Permit) -> Result<(), Fault> {
        Ok(())
    }

    fn note(&mut self, _health: Health) -> Result<(), Fault> {
        Ok(())
    }
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
    /// Time in the follower: camera motion and motion witness.
    pub follow: Micros,
    /// Time of the pass over this very frame; zero if there was none.
    pub detect: Micros,
    /// Time from the camera's hands to redaction: on the way, in the follower, and waiting for a later pass.
    pub wait: Micros,
    /// Time in clearance, tracks and paint.
    pub redact: Micros,
    /// Time in the encoder.
    pub encode: Micros,
    /// Who encoded it.
    pub backend: Backend,
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
    /// Raw frames that were dropped before redaction.
    pub dropped: u64,
    /// Slates by cause, in the order of [`Fault::ALL`].
    pub slates: Slates,
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
#[derive(Debug)]
pub enum Crossing {
    /// A frame was redacted; comes before its unit.
    Health(Health),
    /// What was encoded of it.
    Unit(AccessUnit),
    /// Something that concerns the stream, not one frame.
    Fault(Fault),
    /// The camera has nothing yet, and the dark half lives.
    Pause,
    /// The dark half has sent all it had.
    End,
}

/// The dark half's end of the seam.
pub trait Outward: Send {
    /// Lets `crossing` through; whether there is still somebody to take it. Waits for room.
    fn cross(&mut self, crossing: Crossing) -> bool;

    /// Lets [`Crossing::Pause`] through if there is room at once. Halves in one process die together and need no word.
    fn pause(&mut self) {}
}

/// The lit half's end of the seam.
pub trait Inward {
    /// What comes next, within `longest` if that is given.
    fn next(&mut self, longest: Option<Duration>) -> Heard;

    /// Whether the dark half is gone, whatever of its still lies in the seam. One that ends in order waits until the lit
    /// half has sent all.
    fn abandoned(&self) -> bool {
        false
    }
}

/// What the lit half gets to hear.
pub enum Heard {
    /// Something came through.
    Crossing(Crossing),
    /// The time was up.
    Nothing,
    /// Nothing more will come: the dark half went without a word ([`Fault::SeamBroken`] in one process,
    /// [`Fault::DarkDied`] in two), or said what it may not ([`Fault::SeamGarbled`]).
    Fault(Fault),
}

impl Outward for Sender<'_, Crossing> {
    fn cross(&mut self, crossing: Crossing) -> bool {
        self.send(crossing).is_ok()
    }
}

impl Inward for Receiver<'_, Crossing> {
    fn next(&mut self, longest: Option<Duration>) -> Heard {
        match self.receive(longest) {
            Received::Item(crossing) => Heard::Crossing(crossing),
            Received::Nothing => Heard::Nothing,
            Received::Closed => Heard::Fault(Fault::SeamBroken),
        }
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

/// Raw frames that came, and those dropped before redaction.
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

/// The dark half's end of the seam, as its threads share it.
struct Seam<S>(Mutex<Option<S>>);

impl<S: Outward> Seam<S> {
    /// As [`Outward::cross`]; after the end, nobody is there.
    fn cross(&self, crossing: Crossing) -> bool {
        let mut seam = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seam.as_mut().is_some_and(|seam| seam.cross(crossing))
    }

    /// As [`Outward::pause`]; whoever is at the seam just now is a sign of life, too.
    fn pause(&self) {
        if let Ok(mut seam) = self.0.try_lock()
            && let Some(seam) = seam.as_mut()
        {
            seam.pause();
        }
    }

    fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// How a dark half ended.
#[derive(Debug, Default)]
pub struct DarkEnd {
    /// Raw frames that came from the camera.
    pub frames: u64,
    /// Raw frames that were dropped before redaction.
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
    let (looks, events) = (Queue::new(1), Queue::new(EVENTS));
    let door = Seam(Mutex::new(Some(seam)));
    let mut end = DarkEnd::default();
    thread::scope(|scope| {
        let (counts, halted, door) = (&counts, &halted, &door);
        let (look_sender, look_receiver) = looks.ends();
        let (event_sender, event_receiver) = events.ends();
        let passes = event_sender.clone();
        let capturing = scope.spawn(move || source.capture(&event_sender, &look_sender, pace, halted, counts, door));
        scope.spawn(move || detect(detector, canary, look_receiver, &passes, pace.clock));
        let redaction = Redaction { lookahead, encoder, seam: door, units: Vec::with_capacity(SEAM), pace };
        let redacted = catch_unwind(AssertUnwindSafe(|| redaction.run(event_receiver)));
        halted.store(true, Ordering::Relaxed);
        door.close();
        let captured = capturing.join();
        end.died = redacted.is_err() || captured.is_err();
        end.camera = captured.ok().and_then(Result::err);
    });
    (end.frames, end.dropped) = (counts.frames.into_inner(), counts.dropped.into_inner());
    end
}

/// Dark half, first thread: what it needs to bring frames in.
struct Source<'a> {
    camera: Box<dyn Camera + 'a>,
    telemetry: Box<dyn Telemetry + 'a>,
    pool: FramePool,
    follower: Follower,
    looks: Looks,
    every: u64,
}

impl Source<'_> {
    /// Frames from the camera to redaction, and looks at them to the detector.
    fn capture(
        &mut self,
        events: &Sender<'_, Event>,
        looks: &Sender<'_, Look>,
        pace: Pace<'_>,
        halted: &AtomicBool,
        counts: &Counts,
        seam: &Seam<impl Outward>,
    ) -> Result<(), CameraError> {
        // The newest frame that no pass is coming for, and the frames since one came.
        let (mut unseen, mut since) = (None, u64::MAX);
        let mut ended = Ok(());
        let interval = self.camera.mode().rate.moment(1);
        let word = heartbeat::word_every(interval).filter(|_| pace.realtime);
        while !pace.stop.load(Ordering::Relaxed) && !halted.load(Ordering::Relaxed) {
            if let Some(every) = word {
                // A camera that is silent for longer is no slow one any more: it stands in for itself.
                let until = pace.clock.now().plus(interval).plus(interval);
                while !self.camera.ready(Duration::from_micros(every.0)) && pace.clock.now() < until {
                    seam.pause();
                }
            }
            let frame = match self.camera.next(&self.pool) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            };
            counts.frames.fetch_add(1, Ordering::Relaxed);
            let born = if pace.realtime {
                let moment = frame.captured();
                while pace.clock.now() < moment && !pace.stop.load(Ordering::Relaxed) {
                    pace.clock.sleep_until(word.map_or(moment, |every| moment.min(pace.clock.now().plus(every))));
                    if word.is_some() && pace.clock.now() < moment {
                        seam.pause();
                    }
                }
                moment
            } else {
                pace.clock.now()
            };
            let start = pace.clock.now();
            let ground = self.follower.follow(&frame);
            let look = if ground.is_ok() {
                // Its memory is needed for the next.
                drop(unseen.take());
                self.looks.at(&frame)
            } else {
                None
            };
            let follow = pace.clock.now().since(start);
            let pose = self.telemetry.pose(frame.captured());
            since = since.saturating_add(1);
            let wanted = look.is_some() && since >= self.every;
            let event = Event::Arrival {
                arrival: Arrival { frame, ground, pose, born, follow },
                awaited: wanted && !pace.realtime,
            };
            let sent = if pace.realtime { events.try_send(event) } else { events.send(event) };
            match sent {
                Ok(()) => {}
                Err(Refused::Full(_)) => {
                    counts.dropped.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Err(Refused::Closed(_)) => return Ok(()),
            }
            match look {
                Some(look) if wanted => {
                    since = 0;
                    let sent = if pace.realtime { looks.replace(look) } else { looks.send(look) };
                    if sent.is_err() {
                        return Ok(());
                    }
                }
                look => unseen = look.or(unseen),
            }
        }
        if let Some(look) = unseen {
            // Frames since the last pass wait for one, and the last of them is the newest that there is. Where nobody
            // takes it, they are covered.
            let _ = looks.send(look);
        }
        ended
    }
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

/// Dark half, third thread: raw frames end here.
struct Redaction<'a, 'd, S: Outward> {
    lookahead: Lookahead,
    encoder: Box<dyn Encoder + 'a>,
    seam: &'d Seam<S>,
    units: Vec<AccessUnit>,
    pace: Pace<'a>,
}

/// Frames that came while the one before them waits for its pass; as many as a frame pool may hold.
const PENDING: usize = 64;

impl<S: Outward> Redaction<'_, '_, S> {
    fn run(self, events: Receiver<'_, Event>) {
        let Self { mut lookahead, encoder, seam, units, pace } = self;
        let mut door = Door { encoder, seam, units, clock: pace.clock, mark: Micros(0), open: true };
        let mut pending: Deque<(Arrival, bool), PENDING> = Deque::new();
        while door.open {
            // A microsecond more, so that the deadline has passed when the wait ends.
            let longest = lookahead.deadline().filter(|_| pace.realtime);
            let longest = longest.map(|moment| Duration::from_micros(moment.since(pace.clock.now()).0 + 1));
            let event = events.receive(longest);
            door.mark = pace.clock.now();
            let mut leave = |departure| door.leave(departure);
            match event {
                // The pool has no more frames than there are places.
                Received::Item(Event::Arrival { arrival, awaited }) => drop(pending.push_back((arrival, awaited))),
                Received::Item(Event::Pass(Pass { sequence, evidence, took })) => {
                    if pending.front().is_some_and(|(arrival, _)| arrival.frame.sequence() == sequence)
                        && let Some((arrival, _)) = pending.pop_front()
                    {
                        let now = arrival.frame.captured();
                        lookahead.release(now, &mut leave);
                        lookahead.arrive(arrival, &mut leave);
                    }
                    lookahead.examined(sequence, evidence, took);
                }
                Received::Item(Event::Fault(fault)) => {
                    door.fault(fault);
                    break;
                }
                Received::Nothing => {}
                Received::Closed => {
                    lookahead.flush(&mut leave);
                    break;
                }
            }
            while pending.front().is_some_and(|(_, awaited)| !awaited)
                && let Some((arrival, _)) = pending.pop_front()
            {
                let now = arrival.frame.captured();
                if !pace.realtime {
                    lookahead.release(now, &mut leave);
                }
                lookahead.arrive(arrival, &mut leave);
            }
            // Without a clock to race, it is as late as the newest frame says.
            let now = if pace.realtime { pace.clock.now() } else { lookahead.newest() };
            lookahead.release(now, &mut leave);
        }
        door.close();
    }
}

/// Where redacted frames go: through the encoder to the seam.
struct Door<'a, 'd, S: Outward> {
    encoder: Box<dyn Encoder + 'a>,
    seam: &'d Seam<S>,
    units: Vec<AccessUnit>,
    clock: &'a dyn Clock,
    /// When the last frame was done with, or the last event came: the start of the next frame's redaction.
    mark: Micros,
    open: bool,
}

impl<S: Outward> Door<'_, '_, S> {
    fn leave(&mut self, departure: Departure) {
        let Departure { frame, born, follow, detect } = departure;
        if !self.open {
            return;
        }
        let (sequence, captured, account) = (frame.sequence(), frame.captured(), frame.account());
        let middle = self.clock.now();
        let submitted = self.encoder.submit(frame, &mut self.units);
        let end = self.clock.now();
        let backend = self.encoder.backend();
        let (wait, redact, encode) = (self.mark.since(born), middle.since(self.mark), end.since(middle));
        self.mark = end;
        let health = Health { sequence, captured, born, account, follow, detect, wait, redact, encode, backend };
        self.open = self.seam.cross(Crossing::Health(health)) && hand_over(&mut self.units, submitted, self.seam);
    }

    /// Says what ends the stream; the frames that wait do not leave.
    fn fault(&mut self, fault: Fault) {
        self.open = false;
        // A closed seam means that the lit half has ended already.
        let _ = self.seam.cross(Crossing::Fault(fault));
    }

    fn close(mut self) {
        let finished = if self.open { self.encoder.finish(&mut self.units) } else { return };
        if hand_over(&mut self.units, finished, self.seam) {
            // A closed seam means that the lit half has ended already.
            let _ = self.seam.cross(Crossing::End);
        }
    }
}

/// Sends finished access units and a fault of the encoder through the seam; whether to go on.
fn hand_over(units: &mut Vec<AccessUnit>, result: Result<(), Fault>, seam: &Seam<impl Outward>) -> bool {
    for unit in units.drain(..) {
        if !seam.cross(Crossing::Unit(unit)) {
            return false;
        }
    }
    match result {
        Ok(()) => true,
        Err(fault) => {
            let _ = seam.cross(Crossing::Fault(fault));
            false
        }
    }
}

/// Slates by cause, in the order of [`Fault::ALL`].
pub type Slates = [u64; Fault::ALL.len()];

/// The lit half: nothing leaves without a permit, and nothing after a trip. Gives what ended it before the dark half had
/// sent all it had.
pub fn lit_half(
    seam: &mut dyn Inward,
    outlet: &mut dyn Outlet,
    clock: &dyn Clock,
    slates: &mut Slates,
) -> Option<Fault> {
    let mut interlock = Interlock::default();
    let (mut ended, mut gone) = (false, None);
    while !ended && interlock.tripped().is_none() {
        // Of a dark half that died nothing more is sent, however long the lit half itself was kept from looking: what it
        // left in the seam is only read, since it may say why.
        let abandoned = seam.abandoned();
        let tended = if abandoned { Ok(None) } else { outlet.tend(&interlock) };
        let result = match tended {
            Err(fault) => Err(fault),
            Ok(back) => match seam.next(back.map(|back| Duration::from_micros(back.since(clock.now()).0))) {
                Heard::Crossing(Crossing::Health(health)) => {
                    if let State::Slate(fault) = health.account.state {
                        count(slates, fault);
                        interlock.report(fault);
                    }
                    outlet.note(health)
                }
                Heard::Crossing(Crossing::Unit(_) | Crossing::Pause) if abandoned => Ok(()),
                Heard::Crossing(Crossing::Unit(unit)) => match interlock.permit(clock.now()) {
                    Some(permit) => outlet.send(unit, &permit),
                    None => break,
                },
                Heard::Crossing(Crossing::End) => {
                    ended = true;
                    if abandoned { Ok(()) } else { outlet.drain(&interlock) }
                }
                Heard::Crossing(Crossing::Pause) => match interlock.permit(clock.now()) {
                    Some(permit) => outlet.pause(permit),
                    None => break,
                },
                Heard::Nothing => Ok(()),
                Heard::Crossing(Crossing::Fault(fault)) => Err(fault),
                Heard::Fault(fault) => {
                    (ended, gone) = (true, Some(fault));
                    Err(fault)
                }
            },
        };
        if let Err(fault) = result
            && interlock.report(fault) == Response::Slate
        {
            count(slates, fault);
        }
    }
    interlock.tripped().or(gone)
}

fn count(slates: &mut Slates, fault: Fault) {
    slates[usize::from(fault.number())] += 1;
}
