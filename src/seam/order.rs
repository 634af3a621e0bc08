//! The rules between the reports of one stream, and the way they come.
//!
//! ```text
//! hello, then health and units and faults and pauses, then the end
//! ```
//!
//! Frames are reported in the order in which they were redacted; units come in the same order, one for each, at most
//! [`WAITING`] behind. A dark side that breaks a rule is broken itself or lies, which is the same to the radio. What
//! the rules cannot tell is whether a unit's coded bytes show what its report says: that rests on the dark side's mint
//! alone.

use heapless::Deque;

use crate::base::{Grid, Micros, geometry::CELL};

use super::direction::Direction;
use super::error::{Misread, Wrong};
use super::message::{Health, Hello, Report, Side, Unit};
use super::report;

/// Frames that may be reported and wait for their unit. The AV1 encoder holds back 4, a hardware one hardly more.
pub const WAITING: usize = 32;

/// The way from the dark side to the lit: [`Report`]s.
#[derive(Default)]
pub struct FromDark {
    hello: Option<Hello>,
    over: bool,
    /// Health reports so far.
    reported: u64,
    /// The highest frame number so far.
    highest: Option<u64>,
    /// Frames that were reported and whose unit has not come, oldest first.
    waiting: Deque<(u64, Micros), WAITING>,
    /// The group of the last unit.
    group: Option<u64>,
}

impl FromDark {
    fn check_health(&self, health: &Health, hello: &Hello) -> Result<(), Wrong> {
        let cells = u64::try_from(Grid::over(hello.size, CELL).cells()).unwrap_or(u64::MAX);
        if u64::from(health.objects) > cells {
            return Err(Wrong::Range { field: "objects", got: u64::from(health.objects), low: 0, high: cells });
        }
        match (health.slate, self.highest) {
            (Some(_), _) if health.clear_fraction > 0.0 || health.px_per_m > 0.0 => return Err(Wrong::ClearSlate),
            (None, Some(before)) if health.sequence <= before => {
                return Err(Wrong::Back { got: health.sequence, before });
            }
            _ => {}
        }
        if self.waiting.is_full() { Err(Wrong::Waiting(WAITING + 1)) } else { Ok(()) }
    }

    fn check_unit(&self, unit: &Unit<'_>) -> Result<(), Wrong> {
        if self.waiting.front() != Some(&(unit.sequence, unit.captured)) {
            return Err(Wrong::Stranger { got: unit.sequence });
        }
        let due = match (self.group, unit.key) {
            (None, _) => 0,
            (Some(group), true) => group + 1,
            (Some(group), false) => group,
        };
        let starts = self.group.is_some() || unit.key;
        if unit.group == due && starts { Ok(()) } else { Err(Wrong::Group { got: unit.group, key: unit.key, due }) }
    }
}

impl Direction for FromDark {
    const FROM: Side = Side::Dark;

    type Message<'a> = Report<'a>;

    fn expect(&self, kind: u8, length: usize) -> Result<(), Wrong> {
        let name = report::name(kind)?;
        match (self.hello.is_some(), kind) {
            _ if self.over => Err(Wrong::Late),
            (true, report::HELLO) => Err(Wrong::Twice),
            (true, _) | (false, report::HELLO) => report::length(kind, length),
            (false, _) => Err(Wrong::Early(name)),
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Report<'_>, Misread> {
        report::decode(kind, body)
    }

    fn encode(message: &Report<'_>, out: &mut Vec<u8>) -> u8 {
        report::encode(message, out)
    }

    fn same(one: &Report<'_>, other: &Report<'_>) -> bool {
        one == other
    }

    fn check(&self, message: &Report<'_>) -> Result<(), Wrong> {
        match (message, &self.hello) {
            (Report::Health(health), Some(hello)) => self.check_health(health, hello),
            (Report::Unit(unit), _) => self.check_unit(unit),
            (Report::End(_), _) if !self.waiting.is_empty() => Err(Wrong::Waiting(self.waiting.len())),
            (Report::End(tally), _) if tally.frames < self.reported.saturating_add(tally.dropped) => {
                Err(Wrong::Tally { frames: tally.frames, dropped: tally.dropped, reported: self.reported })
            }
            (Report::Hello(_) | Report::Health(_) | Report::Fault(_) | Report::Pause | Report::End(_), _) => Ok(()),
        }
    }

    fn note(&mut self, message: &Report<'_>) {
        match message {
            Report::Hello(hello) => self.hello = Some(*hello),
            Report::Health(health) => {
                self.reported += 1;
                self.highest = self.highest.max(Some(health.sequence));
                // There is room: the check has said so.
                let _ = self.waiting.push_back((health.sequence, health.captured));
            }
            Report::Unit(unit) => {
                self.waiting.pop_front();
                self.group = Some(unit.group);
            }
            Report::Fault(_) | Report::Pause => {}
            Report::End(_) => self.over = true,
        }
    }

    fn over(&self) -> bool {
        self.over
    }
}
