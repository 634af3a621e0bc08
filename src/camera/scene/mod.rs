//! A synthetic aerial clip with exact truth, for tests and demos.
//!
//! A drone flies over a small town in which people walk, stand, sit and cycle and cars drive. Every frame is a function
//! of the settings and its number alone, the same to the last bit on every platform. The truth is read off the pixels:
//! each box is the smallest around the pixels that its owner kept. It is no photograph: a detector that does well here
//! has shown nothing about real people, one that does badly has shown a fault.
//!
//! A frame goes: `flight` → `ground` (painted once by `paint` from the plan in `town`) → shadows → houses (`relief`) →
//! people (`figure`) and vehicles (`vehicle`) where the `crowd` has them, far to near → crowns of trees → exposure
//! (`light`). `stage` holds it together; the `canvas` knows who owns which pixel.

mod canvas;
mod crowd;
mod figure;
mod flight;
mod ground;
mod light;
mod number;
mod paint;
mod relief;
mod shape;
mod stage;
mod town;
mod vehicle;
mod view;

use std::io::{self, Write};

use self::stage::Stage;
use super::{Camera, CameraError, Mode, Rate};
use crate::base::{Fault, FramePool, Layout, Micros, RawFrame, Rect, Shape, Size};

/// What to show. Densities outside their range are taken as the nearest bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Chooses the town, its people, the hour and the flight.
    pub seed: u64,
    /// Size of the picture: 16x16 to 8192x8192 pixels.
    pub size: Size,
    /// Frames a second.
    pub rate: Rate,
    /// Length in frames; without end if `None`.
    pub frames: Option<u64>,
    /// People per hectare, 0 to 600. The world has 6.5 hectares.
    pub people: u32,
    /// Vehicles per hectare, 0 to 60.
    pub vehicles: u32,
}

impl Settings {
    /// An endless 1280x720 scene at 30 frames a second, as busy as a town on a fine day.
    pub const fn new(seed: u64) -> Self {
        let rate = Rate { frames: 30, seconds: 1 };
        Self { seed, size: Size::new(1280, 720), rate, frames: None, people: 80, vehicles: 16 }
    }

    /// The same, this long; part of a frame counts as a frame.
    #[must_use]
    pub const fn lasting(mut self, seconds: u32) -> Self {
        let frames = seconds as u64 * self.rate.frames as u64;
        self.frames = Some(frames.div_ceil(self.rate.seconds as u64));
        self
    }
}

/// What a box of the truth holds; the number is that of MOTChallenge's class table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Someone, also on a cycle.
    Person = 1,
    /// A car or a van.
    Vehicle = 3,
    /// A cycle without its rider.
    Cycle = 4,
}

/// One visible thing in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Stays the same from frame to frame; from 1.
    pub id: u32,
    /// What it is.
    pub class: Class,
    /// The smallest box around its visible pixels.
    pub rect: Rect,
    /// Share of its pixels that are seen, above 0 to 1. Hidden ones are those behind others and those up to 160 pixels
    /// outside the picture.
    pub visibility: f32,
}

/// The synthetic camera.
pub struct Scene {
    settings: Settings,
    stage: Stage,
    next: u64,
}

impl Scene {
    /// Builds the town; takes a few tenths of a second and about 30 MiB. Later frames take no more memory.
    ///
    /// # Errors
    /// The size or the rate is out of range.
    pub fn new(settings: Settings) -> Result<Self, CameraError> {
        let Settings { seed, size, rate, .. } = settings;
        let refuse = |reason: String, mend| Err(CameraError::Open { path: format!("scene:{seed}"), reason, mend });
        let fits = |side: usize| (16..=Size::MAX_SIDE).contains(&side);
        if !fits(size.width) || !fits(size.height) {
            return refuse(format!("size {size} is out of range"), "choose 16x16 to 8192x8192");
        }
        if rate.frames == 0 || rate.seconds == 0 {
            return refuse(format!("rate {}/{} is no rate", rate.frames, rate.seconds), "both parts are at least 1");
        }
        Ok(Self { settings, stage: Stage::new(&settings), next: 0 })
    }

    /// What is visible in the frame that [`Camera::next`] gave last, ordered by id; empty before the first.
    pub fn last_truth(&self) -> &[Truth] {
        self.stage.truth()
    }

    /// Number of the frame that [`Camera::next`] gives next, from 0.
    pub const fn position(&self) -> u64 {
        self.next
    }

    /// Goes to a frame; every frame can be drawn without those before it.
    pub const fn seek(&mut self, number: u64) {
        self.next = number;
    }

    /// When a frame is captured.
    fn moment(&self, number: u64) -> Micros {
        let Rate { frames, seconds } = self.settings.rate;
        let micros = u128::from(number) * u128::from(seconds) * 1_000_000 / u128::from(frames);
        Micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Camera for Scene {
    fn mode(&self) -> Mode {
        let Settings { size, rate, frames, .. } = self.settings;
        Mode { shape: Shape::packed(size, Layout::I420), rate, full_range: false, frames }
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let number = self.next;
        if self.settings.frames.is_some_and(|frames| number >= frames) {
            return Ok(None);
        }
        let moment = self.moment(number);
        let mut frame = pool.take(number, moment);
        if frame.size() == self.settings.size {
            self.stage.draw(number, moment, &mut frame);
        } else {
            frame.mark(Fault::FrameShape);
        }
        self.next = number.saturating_add(1);
        Ok(Some(frame))
    }
}

/// Writes what is visible in frame `number` (from 0) as lines of a MOT challenge CSV:
/// `frame,id,x,y,w,h,conf,class,visibility`, frames from 1, confidence always 1.
///
/// # Errors
/// As the writer's.
pub fn write_mot(number: u64, truth: &[Truth], out: &mut impl Write) -> io::Result<()> {
    let frame = number.saturating_add(1);
    for &Truth { id, class, rect: Rect { x, y, width, height }, visibility } in truth {
        let class = class as u8;
        writeln!(out, "{frame},{id},{x},{y},{width},{height},1,{class},{visibility:.3}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
