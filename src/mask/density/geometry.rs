//! How fine a head could be drawn in each row of the picture.
//!
//! Source: the pinhole projection itself (Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 6.1). A point
//! at angle θ from the camera's axis lands `f tan θ` pixels from the centre, so an angle dθ away from the axis covers
//! `f dθ / cos² θ` pixels, and a length ds at right angles to the ray at range R covers `f ds / (R cos² θ)`. Across
//! that direction it is `f ds / (R cos θ)`, along the ray nothing: f / (R cos² θ) is the worst that a thing at that
//! place can have, however it is turned.
//!
//! The range is that of the plane of heads, 2 m above ground: a ray that dips by δ below the horizon meets it at
//! `R = H / sin δ`, where H is the camera's height above it. Whoever is lower is further away. With (u, v) the point of
//! the picture in focal lengths from the centre, v downwards, pitch p and roll r:
//! `1 / cos² θ = 1 + u² + v²` and `sin δ = (u cos p sin r + v cos p cos r - sin p) cos θ`.
//!
//! Above the horizon of that plane there is no head at any range, so rows that see nothing else count as 0. Something
//! as high as the aircraft may be there (a balcony, a slope): so it may below the horizon, and nowhere does the plane
//! speak for it; the promise is about the ground. What the plane does not forgive is attitude, so each ray counts as if
//! it dipped by a slack more than reported, which also closes the gap at the horizon. When the camera is lower than a
//! metre above the heads, every ray counts as one that meets a head a metre away.

use crate::base::Size;

/// Metres above ground of the plane of heads: taller than nearly everybody.
pub const HEADS_M: f64 = 2.0;
/// Metres above the plane of heads below which it says nothing any more.
const CLOSEST_M: f64 = 1.0;
/// Degrees that the reported attitude may be off: gimbals report to about one, mounts are aligned to about one.
pub const ATTITUDE_SLACK_DEG: f32 = 2.0;

/// Steps in which rows become coarser: enough that little is lost, few enough that rows share one.
pub const STEPS_PER_OCTAVE: u8 = 3;

/// How much coarser than the camera's pixels `step` is.
pub fn factor(step: u8) -> f64 {
    (f64::from(step) / f64::from(STEPS_PER_OCTAVE)).exp2()
}

/// The first step that is at least `excess` times coarser; 0 where nothing needs to be done.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=255 before")]
pub fn step(excess: f64) -> u8 {
    if excess <= 1.0 {
        return 0;
    }
    // What is not a number ends here, at the coarsest.
    let near = (excess.log2() * f64::from(STEPS_PER_OCTAVE)).ceil();
    let near = if near.is_nan() { 255 } else { near.clamp(1.0, 255.0) as u8 };
    if factor(near) < excess { near.saturating_add(1) } else { near }
}

/// Where the camera is taken to be, in terms of the formula above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Metres above the plane of heads, at least [`CLOSEST_M`].
    height: f64,
    /// Focal length over the shortest.
    zoom: f64,
    attitude: Attitude,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Attitude {
    /// Every row may look straight at the nearest head.
    Any,
    /// Pitch and roll in degrees, and how much they may be off.
    About(f32, f32, f32),
}

impl View {
    /// A camera `height_m` above ground whose attitude is known to within `slack_deg`.
    pub fn about(height_m: f32, zoom: f32, [pitch_deg, roll_deg]: [f32; 2], slack_deg: f32) -> Self {
        let mut view = Self::any(height_m, zoom);
        if f64::from(height_m) - HEADS_M >= CLOSEST_M {
            view.attitude = Attitude::About(pitch_deg, roll_deg, slack_deg);
        }
        view
    }

    /// A camera `height_m` above ground that may look anywhere.
    pub fn any(height_m: f32, zoom: f32) -> Self {
        let height = (f64::from(height_m) - HEADS_M).max(CLOSEST_M);
        Self { height, zoom: f64::from(zoom), attitude: Attitude::Any }
    }
}

/// The camera's picture in pixels: straight lines stay straight, pixels are square.
#[derive(Clone, Copy, Debug)]
pub struct Lens {
    /// Focal length in pixels at zoom 1.
    focal: f64,
    size: Size,
}

impl Lens {
    /// A lens that sees `hfov_deg` across a picture of `size`.
    pub fn new(size: Size, hfov_deg: f32) -> Self {
        let half = f64::from(hfov_deg).to_radians() / 2.0;
        Self { focal: real(size.width) / 2.0 / half.tan(), size }
    }

    /// Pixels a metre of the finest head in each row from the top.
    pub fn densities(self, view: View) -> impl Iterator<Item = f64> {
        let focal = self.focal * view.zoom;
        let (across, down) = (real(self.size.width) / 2.0 / focal, real(self.size.height) / 2.0 / focal);
        let finest = focal / view.height;
        let (pitch, roll, slack) = match view.attitude {
            Attitude::Any => (0.0, 0.0, 0.0),
            Attitude::About(pitch, roll, slack) => (pitch, roll, slack),
        };
        let (sin_pitch, cos_pitch) = f64::from(pitch).to_radians().sin_cos();
        let (sin_roll, cos_roll) = f64::from(roll).to_radians().sin_cos();
        let (sin_slack, cos_slack) = f64::from(slack).to_radians().sin_cos();
        let (to_right, to_bottom) = (cos_pitch * sin_roll, cos_pitch * cos_roll);
        let edge = move |row: usize| {
            if view.attitude == Attitude::Any {
                // The corners' density for all rows, so that they are one band.
                return finest * (1.0 + across * across + down * down);
            }
            let v = real(row) / focal - down;
            let at = |u: f64| {
                let reach = 1.0 + u * u + v * v;
                let dip = (u * to_right + v * to_bottom - sin_pitch) / reach.sqrt();
                // sin(δ + slack), up to straight down.
                let steepest = dip * cos_slack + (1.0 - dip * dip).max(0.0).sqrt() * sin_slack;
                reach * if dip >= cos_slack { 1.0 } else { steepest.max(0.0) }
            };
            // The worst of a row is at its ends or, close to the horizon, in its middle; within a pixel it is at an
            // edge.
            finest * at(-across).max(at(0.0)).max(at(across))
        };
        let mut above = edge(0);
        (1..=self.size.height).map(move |row| {
            let below = edge(row);
            std::mem::replace(&mut above, below).max(below)
        })
    }
}

/// Counts of pixels, exactly.
pub fn real(side: usize) -> f64 {
    f64::from(u32::try_from(side).unwrap_or(u32::MAX))
}

/// For reports.
#[expect(clippy::cast_possible_truncation, reason = "rounding is wanted")]
pub fn single(value: f64) -> f32 {
    value as f32
}
