//! One run through the real pipeline and its threads, with a camera that stalls and dies and an encoder that checks.
//!
//! Without a clock to race the passes are known, in real time nobody knows which frames were looked at: the oracle then
//! takes any. The clock runs twenty times as fast as time.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use voile::base::clock::RealClock;
use voile::base::{Clock, Fault, FramePool, Micros, NoTelemetry, RawFrame};
use voile::camera::{Camera, CameraError, Mode, Rate};
use voile::encode::{AccessUnit, Encoder};
use voile::interlock::Permit;
use voile::mask::{Mask, RedactedFrame};
use voile::pipeline::{self, Dark, Health, Outlet, Pace};

use crate::bench::{Bench, Network};
use crate::oracle::Oracle;
use crate::pixels::Pixels;
use crate::reel::{BEGIN, Reel};
use crate::stream::sent;

/// How much faster than time the clock runs.
const FASTER: u64 = 20;

/// A clock that is in a hurry, and begins when the reel does.
struct Hasty(Instant);

impl Clock for Hasty {
    fn now(&self) -> Micros {
        Micros(BEGIN + u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX / FASTER) * FASTER)
    }

    fn sleep_until(&self, moment: Micros) {
        std::thread::sleep(Duration::from_micros(moment.since(self.now()).0 / FASTER));
    }
}

/// Plays a reel. Tells the oracle what comes and what is looked at.
struct Player<'a, 'o> {
    reel: &'a Reel,
    oracle: &'a Mutex<Oracle<'o>>,
    /// Scores of each delivery.
    scores: &'a [Option<[Vec<u8>; 2]>],
    clock: &'a dyn Clock,
    realtime: bool,
    dies: Option<usize>,
    next: usize,
    /// Frames since the last that was looked at, and the newest that was not.
    since: u64,
    unseen: Option<usize>,
}

impl Player<'_, '_> {
    /// Which frames are looked at: all that may be in real time, otherwise as the pipeline says.
    fn look(&mut self, oracle: &mut Oracle<'_>, index: usize, whole: bool) {
        self.since = self.since.saturating_add(1);
        if whole && (self.realtime || self.since >= self.reel.plan.every) {
            (self.since, self.unseen) = (0, None);
            self.tell(oracle, index);
        } else if whole {
            self.unseen = Some(index);
        }
    }

    fn tell(&self, oracle: &mut Oracle<'_>, index: usize) {
        if let Some([person, vehicle]) = &self.scores[index] {
            oracle.examined(index, [person, vehicle]);
        }
    }
}

impl Camera for Player<'_, '_> {
    fn mode(&self) -> Mode {
        let rate = Rate { frames: self.reel.plan.rate, seconds: 1 };
        Mode { shape: self.reel.plan.shape, rate, full_range: false, frames: None }
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let index = self.next;
        let dies = self.dies == Some(index);
        let delivery = self.reel.deliveries.get(index).filter(|_| !dies);
        let frame = delivery.map(|delivery| {
            if self.realtime {
                self.clock.sleep_until(delivery.arrives);
            }
            self.reel.frame(index, pool)
        });
        // Not while a frame is waited for: the encoder has to check others before one is free.
        let mut oracle = self.oracle.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(delivery), Some(frame)) = (delivery, frame) else {
            // The pipeline has the last frame looked at when all have come.
            if let Some(unseen) = self.unseen.take() {
                self.tell(&mut oracle, unseen);
            }
            let frame = index as u64;
            return if dies { Err(CameraError::Died { position: index + 1, frame }) } else { Ok(None) };
        };
        let raw = Pixels::of(frame.size(), frame.luma(), frame.chroma());
        let whole = oracle.came(frame.sequence(), frame.captured(), delivery.torn, delivery.shot, raw);
        oracle.waits();
        self.look(&mut oracle, index, whole);
        self.next += 1;
        Ok(Some(frame))
    }
}

/// Gives what it is to encode to the oracle, and a unit for each.
struct Check<'a, 'o>(&'a Mutex<Oracle<'o>>);

impl Encoder for Check<'_, '_> {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent(&sent(&frame));
        let (sequence, captured) = (frame.sequence(), frame.captured());
        out.push(AccessUnit { sequence, captured, group: 0, key: true, data: vec![0] });
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Counts what leaves.
#[derive(Default)]
struct Count {
    notes: u64,
    units: u64,
}

impl Outlet for Count {
    fn send(&mut self, _unit: AccessUnit, _permit: &Permit) -> Result<(), Fault> {
        self.units += 1;
        Ok(())
    }

    fn note(&mut self, _health: Health) -> Result<(), Fault> {
        self.notes += 1;
        Ok(())
    }
}

/// Plays the reel through the pipeline, in real time or not; the camera may die at a delivery.
pub fn play<'o>(reel: &Reel, bench: &mut Bench, oracle: Oracle<'o>, realtime: bool, dies: Option<usize>) -> Oracle<'o> {
    let size = reel.plan.shape.size;
    let detector = bench.detector(Network::Contrast, size);
    let pool = FramePool::new(reel.plan.shape, 1);
    let scores: Vec<_> = (0..reel.deliveries.len())
        .map(|index| {
            let evidence = detector.examine(&reel.frame(index, &pool)).ok()?;
            Some([evidence.person().to_vec(), evidence.vehicle().to_vec()])
        })
        .collect();
    let oracle = Mutex::new(oracle);
    let (hasty, real) = (Hasty(Instant::now()), RealClock::start());
    let clock: &dyn Clock = if realtime { &hasty } else { &real };
    let (next, since, unseen) = (0, u64::MAX, None);
    let camera = Player { reel, oracle: &oracle, scores: &scores, clock, realtime, dies, next, since, unseen };
    let mut count = Count::default();
    let dark = Dark {
        camera: Box::new(camera),
        telemetry: Box::new(NoTelemetry),
        detector,
        canary: None,
        every: reel.plan.every,
        mask: Mask::new(&reel.plan.settings, size),
        encoder: Box::new(Check(&oracle)),
        private: &|_| {},
    };
    let outcome = pipeline::run(dark, &mut count, Pace { clock, realtime, stop: &AtomicBool::new(false) });
    let mut oracle = oracle.into_inner().unwrap_or_else(PoisonError::into_inner);
    oracle.ended();
    let left = oracle.counts.frames;
    if (outcome.frames - outcome.dropped, outcome.frames) != (left, oracle.came.len() as u64)
        || (count.notes, count.units) != (left, left)
    {
        let (came, dropped) = (outcome.frames, outcome.dropped);
        oracle.object(format!("{came} frames came, {dropped} were dropped, {left} left, {} were sent", count.units));
    }
    if outcome.slates != oracle.counts.slates || outcome.tripped.is_some() || outcome.camera.is_some() != dies.is_some()
    {
        oracle.object(format!("the outcome is {outcome:?}, slates were {:?}", oracle.counts.slates));
    }
    oracle
}
