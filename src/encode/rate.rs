//! The rate loop: a quantiser per group, so that any 3 s keep the bitrate.
//!
//! Neither rav1e nor openh264 (without dropping frames) keeps to a bitrate: one overshoots twofold, the other by 70 %
//! on moving ground. So each group is coded with one fixed quantiser, and this loop chooses it. The encoder asks for it
//! with [`Rate::begin`], shows every coded size to [`Rate::judge`] *before* the unit is handed out, and does as the
//! [`Verdict`] says: keep it, code the group again, or start the next group early. The model is one key frame's size
//! and one inter frame's size, both at a known quantiser, and the average shrink from one quantiser step to the next.
//!
//! Tried and left: paying every miss back at once (the quantiser swings from end to end on a drone that climbs), paying
//! back up to 8 % late (windows fall short of 0.8), ending a group at each sign of a miss (twice the key frames).
//!
//! Whole numbers only, so that every platform takes the same decisions. Works on sizes and times, never on pixels.

use std::collections::VecDeque;

use super::settings::{KBPS_MAX, KBPS_MIN};
use crate::base::Micros;

mod model;
#[cfg(test)]
mod tests;

use model::Scale;
pub(super) use model::{AV1, H264, Sizes};

/// The promise is about this long.
const WINDOW: u64 = 3_000_000;
/// A group's budget lets the window at its end miss the target by this much (per mille), to avoid chasing noise.
const SLACK: u64 = 40;
/// No window within a planned group may exceed the target by more than this (per mille).
const CEILING: u64 = 90;
/// A key frame is coded again if the window at its group's end would miss the target by this much (per mille).
const AGAIN: u64 = 40;
/// A group ends early if the window at its end would miss the target by this much (per mille).
const CUT: u64 = 90;
/// A key frame is coded at most so often: the model's slope is only an average.
const ATTEMPTS: u8 = 3;

/// What to do with a coded frame and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand the unit out.
    Keep,
    /// Hand the unit out; the next frame starts a group.
    Cut,
    /// Drop the unit; start a group with its frame. If that is a key frame already, its group begins again.
    Again,
    /// Drop the key frame; measure what frames cost now, tell [`Rate::measured`], then as [`Verdict::Again`].
    Measure,
}

/// What an encoder can do for the loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// The quantisers and how sizes follow them.
    pub(super) scale: &'static Scale,
    /// It holds several frames back and can code them once just to measure.
    pub(super) measures: bool,
}

/// The group that is being coded.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    start: u64,
    quantiser: u8,
    kept: u64,
    spent: u64,
    key: u64,
    /// What inter frames cost lately: a mean over the last third of a group.
    present: u64,
}

/// A unit that was handed out.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: u64,
    bytes: u64,
    /// Its share of its group: what the plan goes by, so that it does not chase single key frames.
    share: u64,
}

/// The rate loop of one stream.
pub(super) struct Rate {
    abilities: Abilities,
    bytes_per_second: u64,
    /// Nominal time between frames, microseconds.
    interval: u64,
    /// Frames in a full group.
    frames: u64,
    /// When the stream began.
    origin: Option<u64>,
    /// The units handed out in the last window, oldest first.
    window: VecDeque<Sent>,
    sizes: Option<Sizes>,
    group: Group,
    /// The group's key frame was coded so often already.
    attempts: u8,
    /// What frames cost at the group's start has been measured.
    measured: bool,
    /// The last group broke off at a frame unlike those before it.
    surprised: bool,
}

impl Rate {
    /// A loop for `kbps` kilobits a second at `rate` (frames, in so many seconds) with groups of `group_ms`.
    pub(super) fn new(abilities: Abilities, kbps: u32, rate: (u32, u32), group_ms: u32) -> Self {
        let (frames, seconds) = (u64::from(rate.0.max(1)), u64::from(rate.1.max(1)));
        let per_group = (frames * u64::from(group_ms) + seconds * 500) / (seconds * 1000);
        let capacity = 2 * usize::try_from(frames * 3 / seconds).unwrap_or(0) + 16;
        Self {
            abilities,
            bytes_per_second: u64::from(kbps) * 125,
            interval: (seconds * 1_000_000 / frames).max(1),
            frames: per_group.max(1),
            origin: None,
            window: VecDeque::with_capacity(capacity),
            sizes: None,
            group: Group::default(),
            attempts: 0,
            measured: false,
            surprised: false,
        }
    }

    /// Keeps to so many kilobits a second from the next group on, within what the settings allow.
    pub(super) fn keep_to(&mut self, kbps: u32) {
        self.bytes_per_second = u64::from(kbps.clamp(KBPS_MIN, KBPS_MAX)) * 125;
    }

    /// Starts a group with the frame captured at `start`; gives its quantiser.
    pub(super) fn begin(&mut self, start: Micros) -> u8 {
        self.origin.get_or_insert(start.0);
        self.level();
        let quantiser = match self.sizes {
            Some(sizes) => self.choose(start.0, sizes),
            None => self.abilities.scale.first,
        };
        self.group = Group { start: start.0, quantiser, ..Group::default() };
        quantiser
    }

    /// Whether the group is full with the frame captured at `captured`, the `count`th since it began.
    pub(super) fn is_last(&self, count: u64, captured: Micros) -> bool {
        let due = self.group.start.saturating_add(self.frames * self.interval);
        count >= self.frames || captured.0.saturating_add(self.pace() + self.interval / 2) >= due
    }

    /// What a trial at the group's quantiser gave: bytes of the key frame and of an inter frame.
    pub(super) fn measured(&mut self, key: u64, inter: u64) {
        self.sizes = Some(Sizes { quantiser: self.group.quantiser, key, inter });
    }

    /// Looks at the next coded frame of the group before it is handed out.
    pub(super) fn judge(&mut self, bytes: u64, captured: Micros) -> Verdict {
        if self.group.kept == 0 { self.judge_key(bytes, captured.0) } else { self.judge_inter(bytes, captured.0) }
    }

    /// The group ended by itself: what it cost is the best guess for the next one.
    pub(super) fn end(&mut self) {
        let Group { quantiser, kept, spent, key, present, .. } = self.group;
        if kept > 1 {
            let mean = spent.saturating_sub(key) / (kept - 1);
            self.sizes = Some(Sizes { quantiser, key, inter: u64::midpoint(mean, present) });
        }
    }

    /// Spreads what the last group cost evenly over its frames.
    fn level(&mut self) {
        let Group { start, spent, kept, .. } = self.group;
        let share = spent / kept.max(1);
        self.window.iter_mut().rev().take_while(|sent| sent.at >= start).for_each(|sent| sent.share = share);
    }

    fn judge_key(&mut self, bytes: u64, captured: u64) -> Verdict {
        let (scale, quantiser) = (self.abilities.scale, self.group.quantiser);
        let expected = self.sizes.map(|sizes| scale.at(sizes, quantiser));
        let changed =
            self.surprised || expected.is_none_or(|known| bytes * 5 > known.key * 8 || bytes * 8 < known.key * 5);
        if changed && self.abilities.measures && !self.measured {
            self.measured = true;
            return Verdict::Measure;
        }
        // A key frame that is much dearer or cheaper than the last shows other content: so are its inter frames.
        let inter = match expected {
            Some(known) if changed && !self.measured && !self.surprised => {
                known.inter.saturating_mul(bytes) / known.key.max(1)
            }
            Some(known) => known.inter,
            None => bytes / 10,
        };
        let now = Sizes { quantiser, key: bytes, inter };
        self.sizes = Some(now);
        let better = self.choose(self.group.start, now);
        if better != quantiser && self.attempts < ATTEMPTS && self.miss(self.total(now), AGAIN) {
            self.attempts += 1;
            return Verdict::Again;
        }
        (self.attempts, self.measured, self.surprised) = (0, false, false);
        self.group.key = bytes;
        self.group.present = inter;
        self.keep(bytes, captured);
        Verdict::Keep
    }

    fn judge_inter(&mut self, bytes: u64, captured: u64) -> Verdict {
        let Group { quantiser, key, present, .. } = self.group;
        if bytes > present * 3 && bytes * 2 > key {
            // A new scene or a sudden pan: as a key frame it costs little more, and the quantiser can follow.
            self.sizes = Some(Sizes { quantiser, key: key.max(bytes), inter: bytes / 2 });
            self.surprised = true;
            return Verdict::Again;
        }
        let weight = (self.frames / 3).clamp(3, 10);
        self.group.present = (present * (weight - 1) + bytes) / weight;
        self.keep(bytes, captured);
        let inter = self.group.present;
        let remaining = self.planned().saturating_sub(self.group.kept);
        let total = self.group.spent + remaining * inter;
        let now = Sizes { quantiser, key, inter };
        if remaining >= 2 && self.miss(total, CUT) && self.pays(now, captured, remaining, self.over(total)) {
            self.sizes = Some(now);
            return Verdict::Cut;
        }
        Verdict::Keep
    }

    /// Whether a new group after the frame captured at `last` would mend the `remaining` frames of this one, although
    /// it begins with a key frame.
    fn pays(&mut self, now: Sizes, last: u64, remaining: u64, over: bool) -> bool {
        let group = self.group;
        let quantiser = self.choose(last.saturating_add(self.pace()), now);
        self.group = group;
        let then = self.abilities.scale.at(now, quantiser);
        let (stay, cut) = (now.inter * remaining, then.key + then.inter * (remaining - 1));
        if over { cut * 10 < stay * 9 } else { then.inter * 3 > now.inter * 4 }
    }

    fn keep(&mut self, bytes: u64, captured: u64) {
        self.group.kept += 1;
        self.group.spent += bytes;
        while self.window.front().is_some_and(|sent| sent.at.saturating_add(WINDOW) < captured)
            || self.window.len() == self.window.capacity()
        {
            self.window.pop_front();
        }
        self.window.push_back(Sent { at: captured, bytes, share: bytes });
    }

    /// Measured time between frames: longer than nominal where frames are dropped.
    fn pace(&self) -> u64 {
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else { return self.interval };
        let gaps = u64::try_from(self.window.len()).unwrap_or(1).saturating_sub(1);
        if gaps == 0 {
            return self.interval;
        }
        (last.at.saturating_sub(first.at) / gaps).clamp(self.interval - self.interval / 8, self.interval * 32)
    }

    /// Frames that the group will have at the present pace.
    fn planned(&self) -> u64 {
        let length = self.frames * self.interval - self.interval / 2;
        length.div_ceil(self.pace()).clamp(1, self.frames)
    }

    /// Bytes of a full group with these sizes.
    fn total(&self, sizes: Sizes) -> u64 {
        sizes.key + sizes.inter * (self.planned() - 1)
    }

    /// What was handed out in the window that ends at `end`, the group itself excepted.
    fn before(&self, end: u64) -> impl Iterator<Item = &Sent> {
        let from = end.saturating_sub(WINDOW + self.interval / 2);
        let own = self.group.start;
        self.window.iter().filter(move |sent| sent.at >= from && sent.at < own)
    }

    /// Bytes of that by the plan's account.
    fn owed(&self, end: u64) -> u64 {
        self.before(end).map(|sent| sent.share).sum()
    }

    /// Bytes that the window ending at `end` should hold.
    fn budget(&self, end: u64) -> u64 {
        let length = end.saturating_sub(self.origin.unwrap_or(0)).min(WINDOW);
        self.bytes_per_second * length / 1_000_000
    }

    /// That many thousandths of a full window, in bytes.
    fn per_mille(&self, thousandths: u64) -> u64 {
        self.bytes_per_second * 3 * thousandths / 1000
    }

    fn end_of_group(&self) -> u64 {
        self.group.start.saturating_add(self.planned() * self.pace())
    }

    fn over(&self, total: u64) -> bool {
        let end = self.end_of_group();
        self.owed(end) + total > self.budget(end)
    }

    /// Whether a group of `total` bytes lets the window at its end miss the target by more than that.
    fn miss(&self, total: u64, per_mille: u64) -> bool {
        let end = self.end_of_group();
        (self.owed(end) + total).abs_diff(self.budget(end)) > self.per_mille(per_mille)
    }

    /// The quantiser for a group that begins at `start`, if frames cost `sizes`.
    fn choose(&mut self, start: u64, sizes: Sizes) -> u8 {
        self.group.start = start;
        let (scale, planned, pace) = (self.abilities.scale, self.planned(), self.pace());
        let end = self.end_of_group();
        let (budget, before, slack) = (self.budget(end), self.owed(end), self.per_mille(SLACK));
        let fair = self.bytes_per_second * planned * pace / 1_000_000;
        let least = budget.saturating_sub(before + slack);
        let goal = fair.clamp(least, (budget + slack).saturating_sub(before).max(least));
        let mut chosen = (scale.min..scale.max)
            .find(|&quantiser| self.total(scale.at(sizes, quantiser)) <= goal)
            .unwrap_or(scale.max);
        if chosen > scale.min {
            let (under, over) = (self.total(scale.at(sizes, chosen)), self.total(scale.at(sizes, chosen - 1)));
            if over.abs_diff(goal) < under.abs_diff(goal) {
                chosen -= 1;
            }
        }
        while chosen < scale.max && !self.fits(start, scale.at(sizes, chosen), planned, pace) {
            chosen += 1;
        }
        chosen
    }

    /// Whether no full window that ends within the group exceeds the ceiling.
    fn fits(&self, start: u64, sizes: Sizes, planned: u64, pace: u64) -> bool {
        let origin = self.origin.unwrap_or(0);
        (1..=planned).all(|count| {
            let end = start.saturating_add(count * pace);
            end < origin.saturating_add(WINDOW)
                || self.before(end).map(|sent| sent.bytes).sum::<u64>() + sizes.key + sizes.inter * (count - 1)
                    <= self.budget(end) + self.per_mille(CEILING)
        })
    }
}
