//! One run through follower, detector, ring and mask, in simulated time: the same for a seed on every machine.
//!
//! Does what `pipeline.rs` does between its threads, with a detector that takes time and breaks as the reel says. A
//! pass is run when its result is told, which gives the same numbers.

use std::collections::VecDeque;

use voile::base::{Fault, FramePool, Micros, Pose};
use voile::camera::Rate;
use voile::detect::Evidence;
use voile::mask::{Mask, RedactedFrame, Settings};
use voile::pipeline::{Arrival, Departure, Lookahead};
use voile::track::Follower;

use crate::bench::{Bench, Network};
use crate::lot::Lot;
use crate::oracle::{Oracle, Sent};
use crate::pixels::Pixels;
use crate::plan::Kind;
use crate::reel::Reel;

/// What the mask is told.
#[derive(Clone, Copy, Debug)]
enum Report {
    /// A pass over a delivery.
    Pass(usize),
    Failed(usize),
    Malformed(usize),
    /// A pass over the picture of a delivery that names another number and time.
    Forged(usize, u64, Micros),
    /// The same with the right name, and of another size.
    OtherSize(usize),
}

/// A pass that is under way, or a detector that is down.
struct Busy {
    until: Micros,
    report: Option<Report>,
    twice: bool,
    /// Told after the next one.
    held: bool,
}

/// What a redacted frame shows and says.
pub fn sent(frame: &RedactedFrame) -> Sent {
    let account = frame.account();
    Sent {
        sequence: frame.sequence(),
        captured: frame.captured(),
        state: account.state,
        clear_fraction: account.clear_fraction,
        evidence_age: account.evidence_age,
        pixels: Pixels::of(frame.shape().size, frame.luma(), frame.chroma()),
    }
}

pub struct Stream<'a, 'o> {
    reel: &'a Reel,
    bench: &'a mut Bench,
    oracle: &'a mut Oracle<'o>,
    /// Counts a fault of the detector that has struck.
    injected: &'a mut Vec<Kind>,
    lot: Lot,
    pool: FramePool,
    follower: Follower,
    lookahead: Lookahead,
    busy: Option<Busy>,
    /// The look that waits for the detector.
    look: Option<usize>,
    /// Faults that wait for the next pass.
    struck: VecDeque<Kind>,
    held: Option<Report>,
    /// Reports that come on their own.
    reports: Vec<(Micros, Report)>,
    /// Deliveries that were refused or lost.
    refused: Vec<usize>,
}

impl<'a, 'o> Stream<'a, 'o> {
    pub fn new(
        reel: &'a Reel,
        settings: &Settings,
        lot: Lot,
        bench: &'a mut Bench,
        oracle: &'a mut Oracle<'o>,
        injected: &'a mut Vec<Kind>,
    ) -> Self {
        let plan = &reel.plan;
        let shape = plan.shape;
        let limit = Lookahead::frames(Rate { frames: plan.rate, seconds: 1 }, settings.lookahead);
        let limit = plan.ring.map_or(limit, |ring| ring.min(limit));
        Self {
            reel,
            bench,
            oracle,
            injected,
            lot,
            pool: FramePool::new(shape, limit + 2),
            follower: Follower::new(shape.size, limit + 2),
            lookahead: Lookahead::new(Mask::new(settings, shape.size), limit),
            busy: None,
            look: None,
            struck: VecDeque::new(),
            held: None,
            reports: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Plays the reel to its end.
    pub fn play(mut self) {
        let (mut next, mut since, mut unseen) = (0, u64::MAX, None);
        loop {
            let arrival = self.reel.deliveries.get(next).map(|delivery| delivery.arrives);
            let done = self.busy.as_ref().map(|busy| busy.until);
            let report = self.reports.iter().map(|(at, _)| *at).min();
            let Some(now) = [arrival, done, report].into_iter().flatten().min() else { break };
            // Frames whose time is up before anything else happens.
            while !self.reel.plan.replay && self.lookahead.deadline().is_some_and(|deadline| deadline < now) {
                let moment = self.lookahead.deadline().map_or(now, |deadline| deadline.plus(Micros(1)));
                self.release(moment);
            }
            if done == Some(now) {
                self.finish();
            } else if report == Some(now) {
                let index = self.reports.iter().position(|(at, _)| *at == now).unwrap_or_default();
                let (_, report) = self.reports.remove(index);
                self.tell(report);
            } else {
                let ok = self.arrive(next);
                since = u64::saturating_add(since, 1);
                if ok && since >= self.reel.plan.every {
                    (since, self.look, unseen) = (0, Some(next), None);
                } else if ok {
                    unseen = Some(next);
                }
                self.strike(next, now);
                next += 1;
                if next == self.reel.deliveries.len() {
                    self.look = unseen.or(self.look);
                }
            }
            self.begin(now);
            let now = if self.reel.plan.replay { self.lookahead.newest() } else { now };
            self.release(now);
        }
        let Self { lookahead, oracle, .. } = &mut self;
        lookahead.flush(&mut |departure| leave(oracle, &departure));
        oracle.ended();
    }

    fn release(&mut self, now: Micros) {
        let Self { lookahead, oracle, .. } = self;
        lookahead.release(now, &mut |departure| leave(oracle, &departure));
    }

    /// A frame comes; whether the detector may look at it.
    fn arrive(&mut self, index: usize) -> bool {
        let delivery = &self.reel.deliveries[index];
        let frame = self.reel.frame(index, &self.pool);
        let raw = Pixels::of(frame.size(), frame.luma(), frame.chroma());
        self.oracle.came(frame.sequence(), frame.captured(), delivery.torn, delivery.shot, raw);
        let ground = self.follower.follow(&frame);
        let ok = ground.is_ok() && !delivery.lost;
        if !ok {
            self.refused.push(index);
        }
        if delivery.lost {
            return false;
        }
        self.oracle.waits();
        if self.reel.plan.replay {
            self.release(frame.captured());
        }
        let Self { lookahead, oracle, .. } = self;
        let pose = garbage(frame.sequence(), frame.captured());
        let arrival = Arrival { frame, ground, pose, born: delivery.arrives, follow: Micros(0) };
        lookahead.arrive(arrival, &mut |departure| leave(oracle, &departure));
        ok
    }

    /// Faults that are the detector's, at the moment a frame has come.
    fn strike(&mut self, index: usize, now: Micros) {
        let delivery = &self.reel.deliveries[index];
        for &kind in &delivery.passes {
            if kind.of_pass() {
                self.struck.push_back(kind);
                continue;
            }
            let back = self.lot.between(0, 3) as usize;
            let of = &self.reel.deliveries[index.saturating_sub(back)];
            let report = match kind {
                Kind::NumberForged => {
                    let number = of.sequence.wrapping_add(self.lot.pick(&[1000, 7, 1, u64::MAX, u64::MAX / 2]));
                    Report::Forged(index, number, of.captured)
                }
                Kind::TimeForged => {
                    let by = self.lot.pick(&[1, 33_333, 10_000_000, u64::MAX / 4]);
                    Report::Forged(index, of.sequence, of.captured.plus(Micros(by)))
                }
                Kind::EvidenceSize => Report::OtherSize(index),
                // Not one that has another's name: what a detector says of it cannot be told from what it says of the
                // other, which is why the pipeline never lets it look at a refused frame.
                _ => match self.refused.iter().rfind(|&&refused| self.reel.alone(refused)) {
                    Some(&refused) => Report::Pass(refused),
                    None => continue,
                },
            };
            self.injected.push(kind);
            self.reports.push((now.plus(Micros(self.lot.ms(0, 60))), report));
        }
    }

    /// The detector takes the look that waits, if it is free.
    fn begin(&mut self, now: Micros) {
        if self.busy.is_some() {
            return;
        }
        let Some(look) = self.look.take() else { return };
        let latency = if self.reel.plan.replay { 0 } else { self.reel.plan.latency };
        let mut busy =
            Busy { until: now.plus(Micros(latency)), report: Some(Report::Pass(look)), twice: false, held: false };
        if let Some(kind) = self.struck.pop_front() {
            self.injected.push(kind);
            match kind {
                Kind::PassLate => busy.until = now.plus(Micros(self.lot.ms(50, 4000))),
                Kind::PassLost => {
                    (busy.until, busy.report) = (now.plus(Micros(self.lot.ms(50, 2000))), None);
                }
                Kind::Killed => {
                    let report = if self.lot.chance(50) { Some(Report::Failed(look)) } else { None };
                    (busy.until, busy.report) = (now.plus(Micros(self.lot.ms(20, 1500))), report);
                }
                Kind::PassFailed => busy.report = Some(Report::Failed(look)),
                Kind::PassMalformed => busy.report = Some(Report::Malformed(look)),
                Kind::PassSwapped => busy.held = true,
                _ => busy.twice = true,
            }
        }
        self.busy = Some(busy);
    }

    /// The pass that is under way ends.
    fn finish(&mut self) {
        let Some(busy) = self.busy.take() else { return };
        let Some(report) = busy.report else { return };
        if busy.held && self.held.is_none() {
            self.held = Some(report);
            return;
        }
        self.tell(report);
        if busy.twice {
            self.tell(report);
        }
        if let Some(held) = self.held.take() {
            self.tell(held);
        }
    }

    /// The mask is told.
    fn tell(&mut self, report: Report) {
        let size = self.reel.plan.shape.size;
        let (index, sequence, result) = match report {
            Report::Pass(index) => {
                let sequence = self.reel.deliveries[index].sequence;
                (Some(index), sequence, self.look_at(index, Network::Contrast, None))
            }
            Report::Failed(index) => (None, self.reel.deliveries[index].sequence, Err(Fault::DetectorFailed)),
            Report::Malformed(index) => {
                (None, self.reel.deliveries[index].sequence, self.look_at(index, Network::Nan, None))
            }
            Report::Forged(index, sequence, captured) => {
                (None, sequence, self.look_at(index, Network::Contrast, Some((sequence, captured))))
            }
            Report::OtherSize(index) => {
                let delivery = &self.reel.deliveries[index];
                let pool = FramePool::new(self.reel.other_shape(), 1);
                let frame = pool.take(delivery.sequence, delivery.captured);
                let result = self.bench.detector(Network::Contrast, frame.size()).examine(&frame);
                (None, delivery.sequence, result)
            }
        };
        if let (Some(index), Ok(evidence)) = (index, &result) {
            debug_assert_eq!(evidence.size(), size);
            self.oracle.examined(index, [evidence.person(), evidence.vehicle()]);
        }
        self.lookahead.examined(sequence, result, Micros(1));
    }

    /// A pass over the picture of a delivery, under its own name or a forged one.
    fn look_at(&mut self, index: usize, network: Network, name: Option<(u64, Micros)>) -> Result<Evidence, Fault> {
        let size = self.reel.plan.shape.size;
        // The picture is drawn anew: the frame may have been redacted since.
        let pool = FramePool::new(self.reel.plan.shape, 1);
        let mut frame = self.reel.frame(index, &pool);
        if let Some((sequence, captured)) = name {
            frame.stamp(sequence, captured);
        }
        self.bench.detector(network, size).examine(&frame)
    }
}

fn leave(oracle: &mut Oracle<'_>, departure: &Departure) {
    oracle.sent(&sent(&departure.frame));
}

/// Telemetry that nobody should believe, or none: missing, not finite, absurd, from the future. What it may change is how
/// fine the ground is sent, which pictures this small are far from the cap of; nothing of it may panic or clear a cell.
fn garbage(sequence: u64, now: Micros) -> Option<Pose> {
    let pose = Pose { measured: now, height_m: 60.0, pitch_deg: -45.0, roll_deg: 0.0, zoom: 1.0 };
    match sequence % 7 {
        0 => None,
        1 => Some(Pose { height_m: f32::NAN, ..pose }),
        2 => Some(Pose { height_m: -1e30, zoom: f32::INFINITY, ..pose }),
        3 => Some(Pose { pitch_deg: 400.0, roll_deg: f32::NEG_INFINITY, ..pose }),
        4 => Some(Pose { measured: now.plus(Micros::from_ms(60_000)), ..pose }),
        5 => Some(Pose { measured: Micros(0), zoom: 0.0, ..pose }),
        _ => Some(pose),
    }
}
