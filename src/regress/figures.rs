//! The figures: how well people were covered, and at what price.
//!
//! A [`Tally`] sums over frames; [`Figures`] holds what came out, each value measured or with the reason why not.
//!
//! How boxes meet pixels: a box covers every pixel that it touches, cut at the picture's edge. Persons and vehicles count
//! from 8 px of annotated height, unless their centre lies in an ignore region. The head box is the top quarter of the
//! height and the middle 60 % of the width; it leaks when less than 99 % of its pixels are covered, and does not count
//! when all of it lies outside the picture. "Grown by a quarter" means a width and height of 1.25 times, an eighth on each
//! side; `over_mask` leaves out persons of any height, vehicles and cycles so grown, and ignore regions as they are.

use crate::base::{Micros, Rect, Size};

use super::truth::{Class, TruthBox};
use super::{Measured, count, real, share, whole};

/// Annotated height in pixels from which a person or vehicle counts.
pub const LEAST_HEIGHT: f64 = 8.0;
/// A head leaks below this covered share, in percent.
const HEAD_COVER_PERCENT: u64 = 99;

/// Every figure of one run. A value that could not be measured says why.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Person-frames whose head leaks, over all person-frames.
    pub head_leak: Measured,
    /// Covered area of person boxes over their area.
    pub person_cover: Measured,
    /// Identities with at least one leaking frame, over identities.
    pub identity_leak: Measured,
    /// Longest run of leaking frames of one identity, in milliseconds.
    pub longest_leak_ms: Measured,
    /// Covered share of the background.
    pub over_mask: Measured,
    /// Slate frames over frames.
    pub slate_share: Measured,
    /// Covered area of vehicle boxes over their area.
    pub vehicle_cover: Measured,
    /// 99th percentile of what covered cells still have in common with the source, from the decoded stream, 0 to 1.
    pub leak_correlation: Measured,
    /// Luma PSNR over pixels sent clear, in decibels, from the decoded stream.
    pub psnr_clear_db: Measured,
    /// Frames encoded per second of wall time.
    pub fps: Measured,
    /// CPU time of the whole program per frame, in milliseconds.
    pub cpu_ms_per_frame: Measured,
    /// Largest resident memory of the whole program, in MiB.
    pub peak_rss_mib: Measured,
    /// Capture to finished access unit, median, in milliseconds.
    pub latency_ms_p50: Measured,
    /// Capture to finished access unit, 99th percentile, in milliseconds.
    pub latency_ms_p99: Measured,
    /// Of the encoded stream, in kilobits a second.
    pub bitrate_kbps: Measured,
}

impl Figures {
    /// Figures of which none is measured yet, all for the same reason.
    pub fn unmeasured(reason: &str) -> Self {
        let none = || Err(reason.to_owned());
        Self {
            head_leak: none(),
            person_cover: none(),
            identity_leak: none(),
            longest_leak_ms: none(),
            over_mask: none(),
            slate_share: none(),
            vehicle_cover: none(),
            leak_correlation: none(),
            psnr_clear_db: none(),
            fps: none(),
            cpu_ms_per_frame: none(),
            peak_rss_mib: none(),
            latency_ms_p50: none(),
            latency_ms_p99: none(),
            bitrate_kbps: none(),
        }
    }

    /// Every figure under its name in the contract.
    pub const fn table(&self) -> [(&'static str, &Measured); 15] {
        [
            ("head_leak", &self.head_leak),
            ("person_cover", &self.person_cover),
            ("identity_leak", &self.identity_leak),
            ("longest_leak_ms", &self.longest_leak_ms),
            ("over_mask", &self.over_mask),
            ("slate_share", &self.slate_share),
            ("vehicle_cover", &self.vehicle_cover),
            ("leak_correlation", &self.leak_correlation),
            ("psnr_clear_db", &self.psnr_clear_db),
            ("fps", &self.fps),
            ("cpu_ms_per_frame", &self.cpu_ms_per_frame),
            ("peak_rss_mib", &self.peak_rss_mib),
            ("latency_ms_p50", &self.latency_ms_p50),
            ("latency_ms_p99", &self.latency_ms_p99),
            ("bitrate_kbps", &self.bitrate_kbps),
        ]
    }
}

/// How one frame went; decides which frames the report shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameScore {
    /// Heads covered too little.
    pub leaking_heads: u64,
    /// Covered share of the person boxes; 1 where there are none.
    pub person_cover: f64,
    /// Share of the pixels sent clear.
    pub clear_fraction: f64,
}

/// Pixels looked at, and those of them that are covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Area {
    covered: u64,
    pixels: u64,
}

impl Area {
    fn add(&mut self, other: Self) {
        self.covered += other.covered;
        self.pixels += other.pixels;
    }
}

/// What is remembered of one identity.
#[derive(Clone, Copy, Default)]
struct Trace {
    seen: bool,
    leaked: bool,
    /// Number of the scored frame in which it last leaked, and when that run began.
    run: Option<(u64, Micros)>,
}

/// Sums over frames. Allocates when made, and when a frame has more boxes than any before.
pub struct Tally {
    period: Micros,
    frames: u64,
    slates: u64,
    scored: u64,
    heads: u64,
    leaking: u64,
    persons: Area,
    vehicles: Area,
    background: Area,
    all: Area,
    traces: Vec<Trace>,
    longest: Micros,
    foreground: Vec<Rect>,
}

impl Tally {
    /// For frames `period` apart, showing `identities` numbered people.
    pub fn new(period: Micros, identities: usize) -> Self {
        Self {
            period,
            frames: 0,
            slates: 0,
            scored: 0,
            heads: 0,
            leaking: 0,
            persons: Area::default(),
            vehicles: Area::default(),
            background: Area::default(),
            all: Area::default(),
            traces: vec![Trace::default(); identities],
            longest: Micros(0),
            foreground: Vec::with_capacity(256),
        }
    }

    /// Adds a frame: its coverage in row order, and its truth where it has one.
    pub fn add(
        &mut self,
        mask: &[u8],
        size: Size,
        truth: Option<&[TruthBox]>,
        captured: Micros,
        slate: bool,
    ) -> FrameScore {
        self.frames += 1;
        self.slates += u64::from(slate);
        let all = Area { covered: covered(mask), pixels: count(size.area()) };
        self.all.add(all);
        let clear_fraction = 1.0 - real(all.covered) / real(all.pixels.max(1));
        let mut score = FrameScore { leaking_heads: 0, person_cover: 1.0, clear_fraction };
        let Some(boxes) = truth else { return score };
        self.scored += 1;
        let mut persons = Area::default();
        for judged in boxes.iter().filter(|one| counts(one, boxes)) {
            let area = self::area(mask, size, touched(judged.x, judged.y, judged.width, judged.height, size));
            match judged.class {
                Class::Person => {
                    persons.add(area);
                    score.leaking_heads += u64::from(self.head(mask, size, judged, captured));
                }
                Class::Vehicle => self.vehicles.add(area),
                Class::Cycle | Class::Ignore => {}
            }
        }
        self.persons.add(persons);
        if persons.pixels > 0 {
            score.person_cover = real(persons.covered) / real(persons.pixels);
        }
        let foreground = self.foreground(mask, size, boxes);
        self.background.add(Area { covered: all.covered - foreground.covered, pixels: all.pixels - foreground.pixels });
        score
    }

    /// Judges a person's head; true if it leaks.
    fn head(&mut self, mask: &[u8], size: Size, person: &TruthBox, captured: Micros) -> bool {
        let head = touched(person.x + 0.2 * person.width, person.y, 0.6 * person.width, person.height / 4.0, size);
        let head = area(mask, size, head);
        if head.pixels == 0 {
            return false;
        }
        let leaks = head.covered * 100 < head.pixels * HEAD_COVER_PERCENT;
        self.heads += 1;
        self.leaking += u64::from(leaks);
        if let Some(trace) = person.identity.and_then(|identity| self.traces.get_mut(identity)) {
            trace.seen = true;
            if leaks {
                trace.leaked = true;
                let begun = match trace.run {
                    Some((last, begun)) if last + 1 >= self.scored => begun,
                    _ => captured,
                };
                trace.run = Some((self.scored, begun));
                self.longest = self.longest.max(captured.since(begun).plus(self.period));
            } else {
                trace.run = None;
            }
        }
        leaks
    }

    /// Everything that is not background, each pixel once.
    fn foreground(&mut self, mask: &[u8], size: Size, boxes: &[TruthBox]) -> Area {
        self.foreground.clear();
        self.foreground.extend(boxes.iter().filter_map(|one| {
            let (wider, higher) = match one.class {
                Class::Ignore => (0.0, 0.0),
                Class::Person | Class::Vehicle | Class::Cycle => (one.width / 8.0, one.height / 8.0),
            };
            touched(one.x - wider, one.y - higher, one.width + 2.0 * wider, one.height + 2.0 * higher, size)
        }));
        self.foreground.sort_unstable_by_key(|rect| rect.x);
        let mut area = Area::default();
        for (y, row) in mask.chunks_exact(size.width).enumerate() {
            let mut done = 0;
            for rect in self.foreground.iter().filter(|rect| rect.y <= y && y < rect.bottom()) {
                let fresh = done.max(rect.x)..done.max(rect.right());
                done = fresh.end;
                area.add(Area { pixels: count(fresh.len()), covered: covered(&row[fresh]) });
            }
        }
        area
    }

    /// Frames added so far.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Person-frames whose head was judged.
    pub const fn person_frames(&self) -> u64 {
        self.heads
    }

    /// Identities seen in a judged frame.
    pub fn identities(&self) -> u64 {
        count(self.traces.iter().filter(|trace| trace.seen).count())
    }

    /// Share of all pixels that were sent clear.
    pub fn clear_fraction(&self) -> Measured {
        share(self.all.pixels - self.all.covered, self.all.pixels, "no frame was sent")
    }

    /// The figures that pixels and truth give; the others stay unmeasured for the reason `else_reason`.
    pub fn figures(&self, has_truth: bool, else_reason: &str) -> Figures {
        let none = |reason: &'static str| if has_truth { reason } else { "no truth was given" };
        let leaked = count(self.traces.iter().filter(|trace| trace.leaked).count());
        let identities = self.identities();
        let no_identity = none("the truth numbers no identities");
        Figures {
            head_leak: share(self.leaking, self.heads, none("the truth shows no person of 8 px or more")),
            person_cover: share(
                self.persons.covered,
                self.persons.pixels,
                none("the truth shows no person of 8 px or more"),
            ),
            identity_leak: share(leaked, identities, no_identity),
            longest_leak_ms: if identities == 0 { Err(no_identity.to_owned()) } else { Ok(self.longest.as_ms()) },
            over_mask: share(self.background.covered, self.background.pixels, none("no background was sent")),
            slate_share: share(self.slates, self.frames, "no frame was sent"),
            vehicle_cover: share(
                self.vehicles.covered,
                self.vehicles.pixels,
                none("the truth shows no vehicle of 8 px or more"),
            ),
            ..Figures::unmeasured(else_reason)
        }
    }
}

/// Whether a person or vehicle is to be judged: tall enough, and its centre in no ignore region.
fn counts(judged: &TruthBox, boxes: &[TruthBox]) -> bool {
    let (x, y) = (judged.x + judged.width / 2.0, judged.y + judged.height / 2.0);
    let ignored = |one: &TruthBox| {
        one.class == Class::Ignore
            && (one.x..one.x + one.width).contains(&x)
            && (one.y..one.y + one.height).contains(&y)
    };
    judged.height >= LEAST_HEIGHT && !boxes.iter().any(ignored)
}

/// The pixels that a box touches, cut at the picture's edge; `None` if there are none.
fn touched(x: f64, y: f64, width: f64, height: f64, size: Size) -> Option<Rect> {
    /// Less than any annotation means, more than any rounding makes.
    const HAIR: f64 = 1e-6;
    let (left, right) = (whole((x + HAIR).floor(), size.width), whole((x + width - HAIR).ceil(), size.width));
    let (top, bottom) = (whole((y + HAIR).floor(), size.height), whole((y + height - HAIR).ceil(), size.height));
    (left < right && top < bottom).then(|| Rect::new(left, top, right - left, bottom - top))
}

fn area(mask: &[u8], size: Size, rect: Option<Rect>) -> Area {
    let Some(rect) = rect else { return Area::default() };
    let rows = mask.chunks_exact(size.width).skip(rect.y).take(rect.height);
    let covered = rows.map(|row| covered(&row[rect.x..rect.right()])).sum();
    Area { covered, pixels: count(rect.width * rect.height) }
}

/// Bytes of a mask that are not clear.
fn covered(mask: &[u8]) -> u64 {
    // Blocks that a byte can count, and no overflow to check for, so that the loop stays in vector registers.
    let block = |block: &[u8]| block.iter().fold(0u8, |sum, &value| sum.wrapping_add(u8::from(value != 0)));
    mask.chunks(240).map(|part| u64::from(block(part))).sum()
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
