//! Dark half, third thread: raw frames end here.
//!
//! Frames wait for the passes that they need; what leaves is redacted, and goes through the encoder to the seam.

use std::time::Duration;

use heapless::Deque;

use super::crossing::{Crossing, Health, Outward, Seam};
use super::queue::{Received, Receiver};
use super::{Arrival, Departure, Event, Lookahead, Pace, Pass};
use crate::base::{Clock, Fault, Micros};
use crate::encode::{AccessUnit, Encoder};

/// What it needs to let frames go.
pub(super) struct Redaction<'a, 'd, S: Outward> {
    pub(super) lookahead: Lookahead,
    pub(super) encoder: Box<dyn Encoder + 'a>,
    pub(super) seam: &'d Seam<S>,
    pub(super) units: Vec<AccessUnit>,
    pub(super) pace: Pace<'a>,
}

/// Frames that came while the one before them waits for its pass; as many as a frame pool may hold.
const PENDING: usize = 64;

impl<S: Outward> Redaction<'_, '_, S> {
    pub(super) fn run(self, events: Receiver<'_, Event>) {
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
