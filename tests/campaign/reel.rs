//! A run as the camera delivers it: which shot comes when, under which number and time, and what is wrong with it.

use voile::base::{Fault, FramePool, Micros, RawFrame, Shape, Size};

use crate::draw::{draw, tear};
use crate::lot::Lot;
use crate::plan::{Kind, Plan};

/// When host and camera clock begin: far enough from zero to jump back.
pub const BEGIN: u64 = 60_000_000;

/// One frame as it comes.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which shot it shows.
    pub shot: usize,
    pub sequence: u64,
    pub captured: Micros,
    /// When it comes, by the host's clock.
    pub arrives: Micros,
    pub torn: bool,
    pub resized: bool,
    /// Lost after the follower has seen it.
    pub lost: bool,
    /// What happens to passes from its arrival on.
    pub passes: Vec<Kind>,
}

pub struct Reel {
    pub plan: Plan,
    pub deliveries: Vec<Delivery>,
    /// What was injected in the camera and the scene. The detector's faults are counted when they strike.
    pub injected: Vec<Kind>,
}

impl Reel {
    /// Of a plan, by lot. `detector` says whether the detector's faults can be injected at all; `jump` is the furthest
    /// that the clock goes forward, in milliseconds.
    pub fn of(plan: Plan, lot: &mut Lot, detector: bool, jump: i64) -> Self {
        let mut injected = Vec::new();
        let mut deliveries: Vec<Delivery> = Vec::new();
        let (mut host, mut clock, mut held) = (BEGIN, BEGIN, 0_u64);
        let mut swaps = Vec::new();
        for (shot, faults) in plan.faults.iter().enumerate() {
            host += 1_000_000 / u64::from(plan.rate);
            clock += 1_000_000 / u64::from(plan.rate);
            let mut next = Delivery {
                shot,
                sequence: shot as u64,
                captured: Micros(clock),
                arrives: Micros(0),
                torn: false,
                resized: false,
                lost: false,
                passes: Vec::new(),
            };
            let dropped = faults.contains(&Kind::Dropped);
            for &kind in faults {
                let last = deliveries.last();
                match kind {
                    _ if kind.of_pass() || kind.of_evidence() => {
                        if detector {
                            next.passes.push(kind);
                        }
                        continue;
                    }
                    _ if dropped && kind.of_frame() => continue,
                    Kind::LostLater if detector => next.lost = true,
                    Kind::LostLater => continue,
                    Kind::Torn => next.torn = true,
                    Kind::FrameSize => next.resized = true,
                    Kind::Repeated | Kind::Older => {
                        let back = if kind == Kind::Repeated { 1 } else { lot.between(2, 6) as usize };
                        let Some(of) = deliveries.len().checked_sub(back) else { continue };
                        (next.sequence, next.captured) = (deliveries[of].sequence, deliveries[of].captured);
                    }
                    Kind::FramesSwapped => {
                        swaps.push(deliveries.len());
                        continue;
                    }
                    Kind::ClockGlitch => {
                        let Some(last) = last else { continue };
                        next.captured = Micros(last.captured.0.saturating_sub(lot.ms(0, 200) + 1));
                    }
                    Kind::ClockBack => {
                        clock = clock.saturating_sub(lot.ms(0, 4000) + 1);
                        next.captured = Micros(clock);
                    }
                    Kind::ClockForward => {
                        clock += lot.ms(1, jump);
                        next.captured = Micros(clock);
                    }
                    Kind::Burst => held = held.max(host + lot.ms(20, 900)),
                    Kind::Pause => {
                        let long = lot.ms(20, 1200);
                        (host, clock) = (host + long, clock + long);
                        next.captured = Micros(clock);
                    }
                    _ => {}
                }
                injected.push(kind);
            }
            // From capture to the host's hands; never out of order.
            held = held.max(host + lot.ms(0, 2));
            next.arrives = Micros(held);
            if !dropped {
                deliveries.push(next);
            }
        }
        for first in swaps {
            if first + 1 < deliveries.len() {
                let arrives = [deliveries[first].arrives, deliveries[first + 1].arrives];
                deliveries.swap(first, first + 1);
                deliveries[first].arrives = arrives[0];
                deliveries[first + 1].arrives = arrives[1];
                injected.push(Kind::FramesSwapped);
            }
        }
        injected.extend(plan.ring.filter(|_| detector).map(|_| Kind::SmallRing));
        injected.extend(plan.shots.iter().any(|shot| shot.crowd).then_some(Kind::Crowd));
        Self { plan, deliveries, injected }
    }

    /// Whether no other delivery has this one's number and time, and it is of the stream's size.
    pub fn alone(&self, index: usize) -> bool {
        let of = &self.deliveries[index];
        let named = |other: &&Delivery| (other.sequence, other.captured) == (of.sequence, of.captured);
        !of.resized && self.deliveries.iter().filter(named).count() == 1
    }

    /// The shape of a frame that is not of the stream's.
    pub fn other_shape(&self) -> Shape {
        let size = self.plan.shape.size;
        Shape::packed(Size::new(size.width - 16, size.height - 8), self.plan.shape.layout)
    }

    /// The frame of a delivery; of the stream's size from `pool`, of another from a pool of its own.
    pub fn frame(&self, index: usize, pool: &FramePool) -> RawFrame {
        let delivery = &self.deliveries[index];
        let mut frame = if delivery.resized {
            FramePool::new(self.other_shape(), 1).take(delivery.sequence, delivery.captured)
        } else {
            pool.take(delivery.sequence, delivery.captured)
        };
        draw(&self.plan.shots[delivery.shot], &mut frame);
        if delivery.torn {
            tear(&mut frame);
            debug_assert_eq!(frame.fault(), Some(Fault::FrameTorn));
        }
        frame
    }
}
