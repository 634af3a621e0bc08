//! Dark half, third thread: raw frames end here.
//!
//! Frames wait for the passes that they need; what leaves is redacted, and goes on to encoding. In real time it does not
//! wait for the encoder: evidence that is in time here must not become late behind a frame that takes long to encode.

use std::sync::atomic::Ordering;
use std::time::Duration;

use heapless::Deque;

use super::crossing::{Crossing, Outward, Seam};
use super::encoding::Redacted;
use super::queue::{Received, Receiver, Sender};
use super::{Arrival, Counts, Departure, Event, Lookahead, Pace, Pass};
use crate::base::{Fault, Micros};

/// What it needs to let frames go.
pub(super) struct Redaction<'a, 'd, S: Outward> {
    pub(super) lookahead: Lookahead,
    pub(super) encoding: Sender<'d, Redacted>,
    pub(super) seam: &'d Seam<S>,
    pub(super) counts: &'d Counts,
    pub(super) pace: Pace<'a>,
}

/// Frames that came while the one before them waits for its pass; as many as a frame pool may hold.
const PENDING: usize = 64;

impl<S: Outward> Redaction<'_, '_, S> {
    pub(super) fn run(self, events: Receiver<'_, Event>) {
        let Self { mut lookahead, encoding, seam, counts, pace } = self;
        let mut door = Door { encoding, seam, counts, pace, mark: Micros(0), open: true };
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

/// Where redacted frames go.
struct Door<'a, 'd, S: Outward> {
    encoding: Sender<'d, Redacted>,
    seam: &'d Seam<S>,
    counts: &'d Counts,
    pace: Pace<'a>,
    /// When the last frame was done with, or the last event came: the start of the next frame's redaction.
    mark: Micros,
    open: bool,
}

impl<S: Outward> Door<'_, '_, S> {
    fn leave(&mut self, departure: Departure) {
        if !self.open {
            return;
        }
        let now = self.pace.clock.now();
        let (wait, redact) = (self.mark.since(departure.born), now.since(self.mark));
        let redacted = Redacted::Frame { departure, wait, redact };
        // An encoder that is behind is given the newest frames.
        let sent = if self.pace.realtime {
            self.encoding.replace(redacted)
        } else {
            self.encoding.send(redacted).map(|()| None)
        };
        match sent {
            Ok(replaced) => drop(self.counts.dropped.fetch_add(u64::from(replaced.is_some()), Ordering::Relaxed)),
            Err(_) => self.open = false,
        }
        self.mark = self.pace.clock.now();
    }

    /// Says what ends the stream; the frames that wait do not leave, and those with the encoder find the seam closed.
    fn fault(&mut self, fault: Fault) {
        self.open = false;
        // A closed seam means that the lit half has ended already.
        let _ = self.seam.cross(Crossing::Fault(fault));
        self.seam.close();
    }

    fn close(self) {
        if self.open {
            // Encoding is gone only when it has said why.
            let _ = self.encoding.send(Redacted::End);
        }
    }
}
