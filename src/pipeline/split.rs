//! The two ends of the seam where the halves are two processes: crossings as messages, and back.
//!
//! The dark process writes to a [`Reports`], the lit one reads from a [`Hearing`]; what may cross, and in which order, is
//! the seam's own to say ([`crate::seam`]). Moments are told on the supervisor's clock, which both sides know.

use std::time::Duration;

use super::{Crossing, DarkEnd, Health, Heard, Inward, Outward};
use crate::base::{Clock, Fault, Micros};
use crate::encode::{AccessUnit, Backend};
use crate::mask::{Account, State};
use crate::seam::{self, Hello, LONGEST, Report, ReportReader, ReportWriter, SeamError, Tally};

/// Longest that the dark side waits for room in the pipe. A lit side that takes nothing for so long is dead; meanwhile
/// the camera's frames are dropped.
const STALL: Micros = Micros::from_ms(5_000);
/// Longest that the lit side waits for the first message: the other side still loads its model.
const OPENING: Micros = Micros::from_ms(60_000);

/// The dark side's end.
pub struct Reports<'a> {
    writer: ReportWriter,
    clock: &'a dyn Clock,
    /// What the dark side's clock is behind the supervisor's.
    shift: Micros,
}

impl<'a> Reports<'a> {
    /// Says what the stream will be. `shift` is the supervisor's time at which `clock` was zero.
    ///
    /// # Errors
    /// The pipe is dead, or `hello` out of range.
    pub fn open(
        mut writer: ReportWriter,
        hello: Hello,
        clock: &'a dyn Clock,
        shift: Micros,
    ) -> Result<Self, SeamError> {
        writer.send(&Report::Hello(hello), clock, clock.now().plus(STALL))?;
        Ok(Self { writer, clock, shift })
    }

    /// Says that all has been sent. The pipe is to stay open until the lit side has ended: it sends nothing of one that
    /// is gone.
    ///
    /// # Errors
    /// As [`Reports::open`]; also where a frame has no unit yet.
    pub fn end(&mut self, end: &DarkEnd) -> Result<(), SeamError> {
        self.say(&Report::End(Tally { frames: end.frames, dropped: end.dropped }))
    }

    fn say(&mut self, report: &Report<'_>) -> Result<(), SeamError> {
        self.writer.send(report, self.clock, self.clock.now().plus(STALL))
    }
}

impl Outward for &mut Reports<'_> {
    fn cross(&mut self, crossing: Crossing) -> bool {
        let shift = self.shift;
        let said = match crossing {
            Crossing::Health(health) => self.say(&Report::Health(told(&health, shift))),
            Crossing::Unit(AccessUnit { sequence, captured, group, key, data }) => {
                let captured = captured.plus(shift);
                self.say(&Report::Unit(seam::Unit { sequence, captured, group, key, data: &data }))
            }
            Crossing::Fault(fault) => self.say(&Report::Fault(fault)),
            Crossing::Pause => self.say(&Report::Pause),
            // Said by `end`, with the counts.
            Crossing::End => Ok(()),
        };
        if let Err(error) = &said {
            log::error!("{error}");
        }
        said.is_ok()
    }

    fn pause(&mut self) {
        // Where there is no room, what fills it is life enough; a pipe that is dead is found by the next frame.
        let _ = self.writer.send(&Report::Pause, self.clock, self.clock.now());
    }
}

fn told(health: &Health, shift: Micros) -> seam::Health {
    let Account { state, clear_fraction, objects, evidence_age, px_per_m } = health.account;
    let slate = match state {
        State::Redacted => None,
        State::Slate(fault) => Some(fault),
    };
    seam::Health {
        sequence: health.sequence,
        captured: health.captured.plus(shift),
        born: health.born.plus(shift),
        slate,
        clear_fraction,
        objects: u32::try_from(objects).unwrap_or(u32::MAX),
        evidence_age: evidence_age.min(LONGEST),
        px_per_m,
        follow: health.follow.min(LONGEST),
        detect: health.detect.min(LONGEST),
        wait: health.wait.min(LONGEST),
        redact: health.redact.min(LONGEST),
        encode: health.encode.min(LONGEST),
        backend: match health.backend {
            Backend::Auto => seam::Backend::Untold,
            Backend::Rav1e => seam::Backend::Rav1e,
            Backend::Openh264 => seam::Backend::Openh264,
            Backend::M2m => seam::Backend::M2m,
        },
    }
}

/// The lit side's end.
pub struct Hearing<'a> {
    reader: ReportReader,
    clock: &'a dyn Clock,
}

impl<'a> Hearing<'a> {
    /// Waits for what the stream will be, no longer than a minute; says `every` so often that it still waits.
    ///
    /// # Errors
    /// [`Fault::DarkDied`] where nothing comes, [`Fault::SeamGarbled`] where something else does, and what `waiting` gives.
    pub fn open(
        mut reader: ReportReader,
        clock: &'a dyn Clock,
        every: Micros,
        mut waiting: impl FnMut() -> Result<(), Fault>,
    ) -> Result<(Self, Hello), Fault> {
        let until = clock.now().plus(OPENING);
        loop {
            match reader.receive(clock, clock.now().plus(every).min(until)) {
                Ok(Some(Report::Hello(hello))) => return Ok((Self { reader, clock }, hello)),
                Ok(Some(_)) => return Err(Fault::SeamGarbled),
                Ok(None) if clock.now() < until => waiting()?,
                Ok(None) => return Err(Fault::DarkDied),
                Err(error) => return Err(fault(&error)),
            }
        }
    }
}

impl Inward for Hearing<'_> {
    fn next(&mut self, longest: Option<Duration>) -> Heard {
        let longest = longest.map_or(LONGEST, |longest| Micros(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)));
        let until = self.clock.now().plus(longest);
        match self.reader.receive(self.clock, until) {
            Ok(None) => Heard::Nothing,
            Ok(Some(Report::Health(health))) => Heard::Crossing(Crossing::Health(heard(&health))),
            Ok(Some(Report::Unit(unit))) => {
                let seam::Unit { sequence, captured, group, key, data } = unit;
                Heard::Crossing(Crossing::Unit(AccessUnit { sequence, captured, group, key, data: data.to_vec() }))
            }
            Ok(Some(Report::Fault(fault))) => Heard::Crossing(Crossing::Fault(fault)),
            Ok(Some(Report::Pause)) => Heard::Crossing(Crossing::Pause),
            Ok(Some(Report::End(_))) => Heard::Crossing(Crossing::End),
            // The reader lets only the first message be one.
            Ok(Some(Report::Hello(_))) => Heard::Fault(Fault::SeamGarbled),
            Err(error) => Heard::Fault(fault(&error)),
        }
    }

    fn abandoned(&self) -> bool {
        self.reader.source().abandoned()
    }
}

fn fault(error: &SeamError) -> Fault {
    if error.garbled() {
        log::error!("{error}");
        return Fault::SeamGarbled;
    }
    // It has said why itself, or the supervisor will.
    log::debug!("{error}");
    Fault::DarkDied
}

fn heard(health: &seam::Health) -> Health {
    let state = health.slate.map_or(State::Redacted, State::Slate);
    let account = Account {
        state,
        clear_fraction: health.clear_fraction,
        objects: usize::try_from(health.objects).unwrap_or(usize::MAX),
        evidence_age: health.evidence_age,
        px_per_m: health.px_per_m,
    };
    Health {
        sequence: health.sequence,
        captured: health.captured,
        born: health.born,
        account,
        follow: health.follow,
        detect: health.detect,
        wait: health.wait,
        redact: health.redact,
        encode: health.encode,
        backend: match health.backend {
            seam::Backend::Untold => Backend::Auto,
            seam::Backend::Rav1e => Backend::Rav1e,
            seam::Backend::Openh264 => Backend::Openh264,
            seam::Backend::M2m => Backend::M2m,
        },
    }
}
