//! The radio's side: access units in, paced RTP out. The only sockets here.
//!
//! [`Link::push`] lays a unit's packets into a fixed ring and touches no socket. [`Link::poll`] sends at most one
//! datagram and says when it wants to be called again; it takes the permit and the moment, and the sockets' file
//! (`wire`) asks that permit again with every datagram, so that there is no way out that does not. Without a permit
//! the ring is emptied, not kept: what waited may be what must not leave.
//!
//! Units leave whole or not at all: when the ring is full, when packets wait too long, or when there is no way to the
//! receiver, whole units are thrown away up to the next key frame, the gap shows in RTP's sequence numbers, and a key
//! frame is asked for. Nothing that a network does ends the link.
//!
//! Losing designs: a thread of its own for pacing (a second place that would need permits and clocks); packets made
//! while sending (a unit could fail half-way); `socket2` (rustix is in the house and sets the same options).

mod av1;
mod error;
mod h264;
mod outcome;
mod pace;
mod packets;
mod queue;
mod rtcp;
mod sdp;
mod settings;
mod watch;
mod wire;

pub use error::LinkError;
pub use outcome::{Counts, Polled, Pushed};
pub use rtcp::Reception;
pub use sdp::write_sdp;
pub use settings::{Preset, Settings, Stream};
pub use watch::{Viewer, viewers};

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Micros;
use crate::encode::AccessUnit;
use crate::interlock::Permit;
use pace::Pace;
use packets::{HEADER, Malformed, Packets, Refusal};
use queue::{Queue, Slot, Thrown};
use rtcp::{Reports, Sent as SentSoFar};
use sdp::Description;
use wire::{Sent, Wire};

/// The first dynamic payload type (RFC 3551, 6), which ground software expects for video.
const PAYLOAD_TYPE: u8 = 96;
/// RTP time stamps a second, for both codecs.
const RATE_HZ: u32 = 90_000;
/// Longest that a packet may wait: older pictures mislead a pilot more than a gap does.
const WAIT_MAX: Micros = Micros::from_ms(500);
/// Age from which a picture is of no use: the longest look-ahead, and as long again to encode and wait. An encoder keeps
/// some frames back, which takes longer where they are further apart: there it is so many intervals.
const STALE: Micros = Micros::from_ms(1_000);
/// As above: what an encoder keeps back at most, and as many to wait.
const STALE_INTERVALS: u64 = 8;
/// When to try again after the kernel had no room.
const BUSY_PAUSE: Micros = Micros::from_ms(2);
/// Shortest time between two requests for a key frame.
const KEY_PAUSE: Micros = Micros::from_ms(500);
/// How often the control socket is looked at.
const HEAR_EVERY: Micros = Micros::from_ms(200);

/// One stream's way to the radio.
pub struct Link {
    packets: Packets,
    queue: Queue,
    pace: Pace,
    wire: Wire,
    reports: Reports,
    description: Description,
    sdp: Option<PathBuf>,
    counts: Counts,
    /// Nothing but a key frame is of use to the receiver.
    waiting: bool,
    asked: Option<Micros>,
    heard: Micros,
    /// Age from which a picture is thrown away.
    stale: Micros,
}

impl Link {
    /// A link for one stream. No socket is opened and nothing is looked up before the first datagram leaves, so that a
    /// network which is not there yet is no error.
    ///
    /// # Errors
    /// A setting out of its range, or a kernel without random numbers.
    pub fn open(settings: Settings, stream: Stream) -> Result<Self, LinkError> {
        let settings = settings.checked()?;
        let packets = Packets::new(stream.codec)?;
        Ok(Self {
            queue: Queue::new(settings.mtu),
            pace: Pace::new(stream, settings.mtu),
            wire: Wire::new(&settings),
            reports: Reports::new(packets.ssrc)?,
            sdp: settings.sdp.clone(),
            description: Description::new(settings, stream)?,
            packets,
            counts: Counts::default(),
            waiting: true,
            asked: None,
            heard: Micros(0),
            stale: STALE.max(Micros(STALE_INTERVALS * stream.interval.0)),
        })
    }

    /// Lays a unit's packets in. Touches no socket.
    pub fn push(&mut self, unit: &AccessUnit, now: Micros) -> Pushed {
        let hopeless = self.waiting && !unit.key;
        // What a side that hung brings along when it wakes.
        let old = now.since(unit.captured) > self.stale;
        if hopeless || old || now < self.wire.retry() {
            return self.refuse(Pushed::Dropped);
        }
        let mut earlier = self.queue.bytes();
        let mut laid = self.packets.lay(unit, &mut self.queue, now);
        if laid == Err(Refusal::Full) && unit.key {
            // A newer start is worth more than what waits; what is on its way gets through if it can.
            let thrown = self.queue.throw_unbegun();
            self.note(thrown);
            earlier = self.queue.bytes();
            laid = self.packets.lay(unit, &mut self.queue, now);
            if laid == Err(Refusal::Full) {
                let thrown = self.queue.clear();
                self.note(thrown);
                earlier = 0;
                laid = self.packets.lay(unit, &mut self.queue, now);
            }
        }
        match laid {
            Ok(()) => {
                self.waiting = false;
                self.pace.waiting(self.queue.bytes(), earlier);
                if unit.key {
                    self.description.look(&unit.data);
                }
                Pushed::Queued
            }
            Err(Refusal::Full) => self.refuse(Pushed::Dropped),
            Err(Refusal::Malformed) => self.refuse(Pushed::Malformed),
        }
    }

    /// Sends one datagram if it is time and `permit` holds at `now`; without one, throws away what waits. Call it with
    /// the clock's present moment each time, until [`Polled::next`] is later.
    pub fn poll(&mut self, permit: Option<&Permit>, now: Micros) -> Polled {
        let Some(permit) = permit.filter(|permit| permit.holds(now)) else {
            self.throw_all();
            return Polled { next: None, key_wanted: false };
        };
        self.hear(now);
        if self.reports.due().is_some_and(|due| due <= now) {
            self.report(permit, now, false);
            return Polled { next: Some(now), key_wanted: self.key_wanted(now) };
        }
        let old = |slot: Slot| now.since(slot.queued) >= WAIT_MAX;
        if self.queue.front().is_some_and(|(slot, _)| old(slot)) {
            let thrown = self.queue.throw_until(|slot| slot.key && !old(slot));
            self.note(thrown);
            self.waiting |= self.queue.len() == 0;
        }
        let next = self.send(permit, now);
        Polled { next, key_wanted: self.key_wanted(now) }
    }

    /// Says farewell, so that receivers need not wait for more. Call it when [`Polled::next`] is `None`; what still waits
    /// is thrown away.
    pub fn farewell(&mut self, permit: &Permit, now: Micros) {
        self.throw_all();
        if self.reports.due().is_some() {
            self.report(permit, now, true);
        }
    }

    /// The end, with a farewell if there is a permit for one.
    pub fn finish(mut self, permit: Option<&Permit>, now: Micros) -> Counts {
        match permit {
            Some(permit) => self.farewell(permit, now),
            None => self.throw_all(),
        }
        self.counts()
    }

    /// Takes note of the time since 1970 at `now`, for the sender reports. May be called again when the clock was set.
    pub const fn wall(&mut self, now: Micros, since_1970: Duration) {
        self.reports.wall(now, since_1970);
    }

    /// The session description, when there is a new one: after the first key frame, and when its parameter sets change.
    pub const fn take_description(&mut self) -> Option<String> {
        self.description.take()
    }

    /// Where the session description goes, if anywhere.
    pub fn description_path(&self) -> Option<&Path> {
        self.sdp.as_deref()
    }

    /// What happened since the start.
    pub const fn counts(&self) -> Counts {
        Counts { opened: self.wire.opened(), ..self.counts }
    }

    /// What the kernel said last, while nothing gets through.
    pub fn trouble(&self) -> Option<io::Error> {
        self.wire.trouble()
    }

    /// What a receiver last reported; it may lie.
    pub const fn reception(&self) -> Option<Reception> {
        self.reports.reception()
    }

    fn send(&mut self, permit: &Permit, now: Micros) -> Option<Micros> {
        let Some((slot, datagram)) = self.queue.front() else {
            // With nothing to send, the only thing to come back for is to ask for a key frame.
            return self.waiting.then(|| self.wire.retry()).filter(|&retry| retry > now);
        };
        let moment = self.pace.moment(slot.bytes, now);
        if moment > now {
            return Some(moment);
        }
        let sent = self.wire.media(datagram, permit, now);
        match sent {
            Sent::Gone | Sent::Refused => {
                self.pace.spend(slot.bytes);
                self.queue.pop();
                self.counts.packets += 1;
                self.counts.payload_bytes += u64::try_from(slot.bytes - HEADER).unwrap_or(0);
                self.counts.units_sent += u64::from(slot.last);
                self.counts.refused += u64::from(sent == Sent::Refused);
                self.reports.media_left(now);
                // A report may be due, even if the queue is empty.
                Some(now)
            }
            Sent::Busy => {
                self.counts.busy += 1;
                Some(now.plus(BUSY_PAUSE))
            }
            Sent::Down => {
                self.counts.down += 1;
                self.throw_all();
                Some(self.wire.retry())
            }
            Sent::Withheld => {
                self.throw_all();
                None
            }
        }
    }

    fn report(&mut self, permit: &Permit, now: Micros, last: bool) {
        let Counts { packets, payload_bytes: octets, .. } = self.counts;
        let sent = SentSoFar { timestamp: self.packets.timestamp(now), packets, octets };
        let mut memory = [0; 256];
        if let Some(length) = self.reports.write(now, sent, last, &mut memory) {
            self.counts.reports += u64::from(self.wire.report(&memory[..length], permit, now));
        }
        self.reports.tried(now);
    }

    /// Reads at most one answer, now and then: a flood costs the stream nothing.
    fn hear(&mut self, now: Micros) {
        if now.since(self.heard) < HEAR_EVERY {
            return;
        }
        self.heard = now;
        let mut memory = [0; 1500];
        if let Some(datagram) = self.wire.hear(&mut memory) {
            self.counts.noise += u64::from(!self.reports.hear(datagram, now));
        }
    }

    fn refuse(&mut self, as_what: Pushed) -> Pushed {
        self.counts.units_malformed += u64::from(as_what == Pushed::Malformed);
        self.note(Thrown { units: 1, cut: 0 });
        self.packets.skip();
        self.waiting = true;
        as_what
    }

    fn throw_all(&mut self) {
        if self.queue.len() > 0 {
            let thrown = self.queue.clear();
            self.note(thrown);
            self.waiting = true;
        }
    }

    const fn note(&mut self, thrown: Thrown) {
        self.counts.units_dropped += thrown.units;
        self.counts.units_cut += thrown.cut;
    }

    fn key_wanted(&mut self, now: Micros) -> bool {
        let due = self.asked.is_none_or(|asked| now.since(asked) >= KEY_PAUSE || now < asked);
        let wanted = self.waiting && now >= self.wire.retry() && due;
        if wanted {
            self.asked = Some(now);
        }
        wanted
    }
}

#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod packet_tests;
#[cfg(test)]
mod socket_tests;
