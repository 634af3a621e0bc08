//! The density governor: the ground is not sent finer than so many px/m.
//!
//! This is the promise that needs no detector: whoever is missed by everything else is still too coarse to identify.
//! From where the camera is and how it looks, each row of the picture gets the pixel density that a head could have in
//! it ([`geometry`]); rows above the cap are low-passed and decimated ([`filter`]); rows under it are not touched at
//! all. Telemetry that is missing, old or absurd means the strictest cap ([`trust`]). Pixels of density n hold detail
//! up to n / 2 cycles a metre, so that is what "the cap" means for the filter and in the chart test.
//!
//! Planning is apart from applying: whoever holds a second copy of the picture applies the same plan to it and gets the
//! same pixels, bit for bit. Masks are worked out on the full picture before it is governed, never after.

mod filter;
mod geometry;
mod kernel;
mod trust;

use std::ops::RangeInclusive;

use crate::base::{ChromaMut, Micros, PlaneMut, Pose, RawFrame, Size};

use filter::Filter;
use geometry::{Lens, View};
use trust::Trust;

/// The part of the policy that caps the pixel density. The default is the safe one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Pixels a metre, at a head: nothing is sent finer.
    pub max_px_per_m: f32,
    /// Metres above ground below which the aircraft does not fly over people: taken as the height when that is unknown.
    pub min_height_m: f32,
    /// Degrees across the widest picture, at zoom 1. For a lens with barrel distortion: the angle that a straight lens
    /// of the same focal length at the centre would have, which is smaller.
    pub hfov_deg: f32,
    /// Degrees of the camera's axis against the horizon, for a mount that is held there: taken when telemetry is in
    /// doubt. Leave it out where the camera tilts, or tilts with the aircraft by more than 10 degrees.
    pub pitch_deg: Option<f32>,
    /// Telemetry older than this is in doubt.
    pub telemetry_age_max: Micros,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_px_per_m: 40.0,
            min_height_m: 30.0,
            hfov_deg: 70.0,
            pitch_deg: None,
            telemetry_age_max: Micros::from_ms(1000),
        }
    }
}

/// What the settings may be: beyond the weak end a value would send finer pixels than promised.
pub struct Bounds;

impl Bounds {
    /// Pixels a metre. At 80 human face matching is at chance; below 5 a car is one pixel.
    pub const MAX_PX_PER_M: RangeInclusive<f32> = 5.0..=80.0;
    /// Metres. 120 is the ceiling of open flight in Europe: who claims to stay above it claims too much. Below 3 the
    /// camera is among the heads.
    pub const MIN_HEIGHT_M: RangeInclusive<f32> = 3.0..=120.0;
    /// Degrees. Wider than 120 no lens is straight, and the centre would be finer than the formula says.
    pub const HFOV_DEG: RangeInclusive<f32> = 5.0..=120.0;
    /// Degrees. A camera that is held above the horizon would govern nothing.
    pub const PITCH_DEG: RangeInclusive<f32> = -90.0..=0.0;
    /// Milliseconds. An aircraft that sinks at 5 m/s comes 25 m lower in the longest; autopilots report every 20 to 250
    /// ms.
    pub const TELEMETRY_AGE_MAX_MS: RangeInclusive<u64> = 100..=5000;
}

impl Settings {
    /// The nearest settings within [`Bounds`]; what is not a number becomes the strict end.
    fn bounded(&self) -> Self {
        let within = |value: f32, range: RangeInclusive<f32>| {
            if value.is_nan() { *range.start() } else { value.clamp(*range.start(), *range.end()) }
        };
        let age = Bounds::TELEMETRY_AGE_MAX_MS;
        Self {
            max_px_per_m: within(self.max_px_per_m, Bounds::MAX_PX_PER_M),
            min_height_m: within(self.min_height_m, Bounds::MIN_HEIGHT_M),
            hfov_deg: within(self.hfov_deg, Bounds::HFOV_DEG),
            pitch_deg: self.pitch_deg.map(|pitch| within(pitch, Bounds::PITCH_DEG)),
            telemetry_age_max: self.telemetry_age_max.clamp(Micros::from_ms(*age.start()), Micros::from_ms(*age.end())),
        }
    }
}

/// What was done to a picture, or will be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Pixels a metre of the finest part that is sent, after the cap; 0 where no ground is in view.
    pub worst_px_per_m: f32,
    /// Some rows were above the cap and are coarser now.
    pub governed: bool,
    /// Telemetry was in doubt: the strictest cap holds.
    pub strict: bool,
}

/// Caps the density of one stream; everything is allocated when it is made.
pub struct Governor {
    cap: f64,
    size: Size,
    lens: Lens,
    trust: Trust,
    /// What the plan below was made for.
    view: Option<View>,
    report: Report,
    /// How much coarser each luma row becomes, in steps of [`geometry::factor`]; 0 stays as it is.
    steps: Box<[u8]>,
    filter: Filter,
}

impl Governor {
    /// A governor for pictures of `size`, in any layout. Settings beyond [`Bounds`] count as the nearest within.
    pub fn new(size: Size, settings: &Settings) -> Self {
        let settings = settings.bounded();
        Self {
            cap: f64::from(settings.max_px_per_m),
            size,
            lens: Lens::new(size, settings.hfov_deg),
            trust: Trust::new(&settings),
            view: None,
            report: Report::default(),
            steps: vec![0; size.height].into_boxed_slice(),
            filter: Filter::new(size),
        }
    }

    /// Plans by `pose` for a picture taken at `now`, and coarsens the picture where it must.
    ///
    /// Never fails: a picture of another size than the governor's is covered whole.
    pub fn govern(&mut self, frame: &mut RawFrame, pose: Option<Pose>, now: Micros) -> Report {
        let report = self.plan(pose, now);
        let (luma, chroma) = frame.planes_mut();
        self.apply(luma, chroma);
        report
    }

    /// Works out what to do to a picture taken at `now`; touches no pixel. Call it once a frame: telemetry is judged by
    /// what came before.
    pub fn plan(&mut self, pose: Option<Pose>, now: Micros) -> Report {
        let (view, strict) = self.trust.view(pose, now);
        if self.view != Some(view) {
            self.view = Some(view);
            self.report = self.fill_steps(view);
        }
        self.report.strict = strict;
        self.report
    }

    /// Does to the planes of a picture what the last plan says; before the first plan, nothing is known and all is
    /// covered.
    ///
    /// A plane must hold its stride times its height in bytes; one that does not, or has another size, is covered
    /// whole.
    pub fn apply(&mut self, mut luma: PlaneMut<'_>, chroma: ChromaMut<'_>) {
        let Self { size, steps, filter, view, .. } = self;
        let half = size.chroma();
        // A chroma row stands for two luma rows, and holds half the pixels a metre.
        let coarse = |row: usize| {
            let pair = [steps.get(2 * row), steps.get(2 * row + 1)];
            pair.into_iter().flatten().max().map_or(0, |step| step.saturating_sub(geometry::STEPS_PER_OCTAVE))
        };
        if view.is_none() {
            cover(&mut luma, chroma);
            return;
        }
        filter.planes::<1>(&mut [&mut luma], *size, |row| steps.get(row).copied().unwrap_or_default());
        match chroma {
            ChromaMut::I420(mut u, mut v) => filter.planes::<1>(&mut [&mut u, &mut v], half, coarse),
            ChromaMut::Nv12(mut uv) => filter.planes::<2>(&mut [&mut uv], half, coarse),
        }
    }

    /// Sets the step of each row for `view`.
    fn fill_steps(&mut self, view: View) -> Report {
        let mut worst: f64 = 0.0;
        let mut governed = false;
        let rows = self.lens.densities(view);
        for (step, density) in self.steps.iter_mut().zip(rows) {
            *step = geometry::step(density / self.cap);
            governed |= *step > 0;
            worst = worst.max(density / geometry::factor(*step));
        }
        Report { worst_px_per_m: geometry::single(worst), governed, strict: false }
    }
}

/// Takes every pixel away.
fn cover(luma: &mut PlaneMut<'_>, chroma: ChromaMut<'_>) {
    luma.data.fill(filter::GREY);
    match chroma {
        ChromaMut::I420(u, v) => [u, v].into_iter().for_each(|plane| plane.data.fill(filter::GREY)),
        ChromaMut::Nv12(uv) => uv.data.fill(filter::GREY),
    }
}

#[cfg(test)]
mod chart;
#[cfg(test)]
mod chart_tests;
#[cfg(test)]
mod tests;
