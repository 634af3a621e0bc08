//! Where the camera was and how it looked: telemetry as a value and a trait.
//!
//! Rooms take a [`Pose`] as it was measured; whether it is believed is decided by whoever uses it. No I/O: sources that
//! read files or sockets live in their own rooms.

use super::Micros;

/// Where the camera was and how it looked, at one moment. As reported: any value may be absurd or not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// When it was measured, on the stream's clock.
    pub measured: Micros,
    /// Metres above the ground below.
    pub height_m: f32,
    /// Degrees of the camera's axis against the horizon: 0 level, -90 straight down.
    pub pitch_deg: f32,
    /// Degrees about the camera's axis; either sign convention.
    pub roll_deg: f32,
    /// Focal length over the shortest: 1 is the widest picture.
    pub zoom: f32,
}

/// A source of poses: the autopilot, a recording, or none.
pub trait Telemetry: Send {
    /// The newest pose measured at `now` or before. `now` may go back, when a clock jumps or a clip is played again.
    fn pose(&mut self, now: Micros) -> Option<Pose>;
}

impl<T: Telemetry + ?Sized> Telemetry for Box<T> {
    fn pose(&mut self, now: Micros) -> Option<Pose> {
        (**self).pose(now)
    }
}

/// No telemetry: what remains is what the configuration says.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTelemetry;

impl Telemetry for NoTelemetry {
    fn pose(&mut self, _: Micros) -> Option<Pose> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_telemetry_never_has_a_pose() {
        let mut source: Box<dyn Telemetry> = Box::new(NoTelemetry);
        assert_eq!(source.pose(Micros(0)).or(source.pose(Micros(u64::MAX))), None);
    }
}
