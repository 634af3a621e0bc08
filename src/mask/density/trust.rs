//! Which telemetry is believed, and what holds when it is not.
//!
//! A pose is believed when it is recent, finite, possible, and reachable from the last one that was believed. Anything
//! else means the lowest height and any attitude (or the held one that the settings name); the last height that was
//! believed where that is lower still. Doubt ends by itself with the next believable pose: a jump that was no error
//! becomes reachable as time goes by.
//!
//! Nothing tells how far a camera zooms, so doubt takes the longest focal length that telemetry has named so far in
//! this stream, believed or not; before that, the widest picture.

use std::ops::RangeInclusive;

use crate::base::{Micros, Pose};

use super::Settings;
use super::geometry::{ATTITUDE_SLACK_DEG, View};

/// Metres above ground: below the take-off point, but no deeper than a valley; the lower stratosphere at most.
const HEIGHT_M: RangeInclusive<f32> = -50.0..=10_000.0;
/// Degrees: straight up and down, and the overshoot of a gimbal there.
const PITCH_DEG: RangeInclusive<f32> = -95.0..=95.0;
/// Degrees.
const ROLL_DEG: RangeInclusive<f32> = -180.0..=180.0;
/// Focal length over the shortest.
const ZOOM: RangeInclusive<f32> = 1.0..=100.0;
/// Metres a second: no multirotor climbs or sinks faster.
const CLIMB_MAX: f64 = 50.0;
/// Degrees that a held mount may be off while the aircraft manoeuvres.
const MOUNT_SLACK_DEG: f32 = 10.0;

/// Judges the telemetry of one stream.
#[derive(Clone, Debug)]
pub struct Trust {
    age_max: Micros,
    min_height_m: f32,
    pitch_deg: Option<f32>,
    /// The last pose that was believed.
    last: Option<Pose>,
    /// Its height, also when the clock has jumped since; metres.
    height_m: f32,
    /// The last `now`.
    now: Micros,
    /// The longest focal length that was named so far.
    zoom: f32,
}

impl Trust {
    pub fn new(settings: &Settings) -> Self {
        Self {
            age_max: settings.telemetry_age_max,
            min_height_m: settings.min_height_m,
            pitch_deg: settings.pitch_deg,
            last: None,
            height_m: f32::INFINITY,
            now: Micros(0),
            zoom: *ZOOM.start(),
        }
    }

    /// Where the camera is taken to be at `now`, and whether that is for want of telemetry.
    pub fn view(&mut self, pose: Option<Pose>, now: Micros) -> (View, bool) {
        if let Some(pose) = pose.filter(|pose| ZOOM.contains(&pose.zoom)) {
            self.zoom = self.zoom.max(pose.zoom);
        }
        if now < self.now {
            // The clock jumped back: what was believed is in the future now and must not speak for what comes.
            self.last = None;
        }
        self.now = now;
        if let Some(pose) = pose.filter(|pose| self.believes(pose)) {
            self.last = Some(pose);
            self.height_m = pose.height_m;
            let attitude = [pose.pitch_deg, pose.roll_deg];
            return (View::about(pose.height_m, pose.zoom, attitude, ATTITUDE_SLACK_DEG), false);
        }
        let height_m = self.min_height_m.min(self.height_m);
        let view = match self.pitch_deg {
            None => View::any(height_m, self.zoom),
            Some(pitch) => View::about(height_m, self.zoom, [pitch, 0.0], MOUNT_SLACK_DEG),
        };
        (view, true)
    }

    fn believes(&self, pose: &Pose) -> bool {
        // Ranges hold nothing that is not finite.
        let possible = HEIGHT_M.contains(&pose.height_m)
            && PITCH_DEG.contains(&pose.pitch_deg)
            && ROLL_DEG.contains(&pose.roll_deg)
            && ZOOM.contains(&pose.zoom);
        let recent = pose.measured <= self.now && self.now.since(pose.measured) <= self.age_max;
        possible && recent && self.last.is_none_or(|last| reachable(&last, pose))
    }
}

/// Whether an aircraft can have come from one pose to the next, which must not be older.
fn reachable(last: &Pose, pose: &Pose) -> bool {
    let seconds = pose.measured.since(last.measured).as_ms() / 1000.0;
    let climbed = (f64::from(pose.height_m) - f64::from(last.height_m)).abs();
    pose.measured >= last.measured && climbed <= CLIMB_MAX * seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Pose =
        Pose { measured: Micros::from_ms(900), height_m: 40.0, pitch_deg: -30.0, roll_deg: 2.0, zoom: 1.0 };
    const NOW: Micros = Micros::from_ms(1000);

    fn trust() -> Trust {
        Trust::new(&Settings::default())
    }

    fn doubted(pose: Pose) -> bool {
        trust().view(Some(pose), NOW).1
    }

    #[test]
    fn what_is_absurd_is_doubted() {
        assert!(!doubted(GOOD));
        assert!(trust().view(None, NOW).1);
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
        for value in odd.into_iter().chain([-50.1, 10_001.0]) {
            assert!(doubted(Pose { height_m: value, ..GOOD }), "height {value}");
        }
        for value in odd.into_iter().chain([-95.1, 95.1]) {
            assert!(doubted(Pose { pitch_deg: value, ..GOOD }), "pitch {value}");
        }
        for value in odd.into_iter().chain([-181.0, 360.0]) {
            assert!(doubted(Pose { roll_deg: value, ..GOOD }), "roll {value}");
        }
        for value in odd.into_iter().chain([0.0, 0.9, 101.0]) {
            assert!(doubted(Pose { zoom: value, ..GOOD }), "zoom {value}");
        }
    }

    #[test]
    fn what_is_old_or_from_the_future_is_doubted() {
        let at = |ms| Pose { measured: Micros::from_ms(ms), ..GOOD };
        assert!(!trust().view(Some(at(900)), Micros::from_ms(1900)).1);
        assert!(trust().view(Some(at(900)), Micros(1_900_001)).1);
        assert!(doubted(at(1001)));
        assert!(doubted(Pose { measured: Micros(u64::MAX), ..GOOD }));
    }

    #[test]
    fn a_jump_is_doubted_until_it_is_reachable() {
        let mut trust = trust();
        let mut strict = |ms, height_m| {
            let measured = Micros::from_ms(ms);
            trust.view(Some(Pose { measured, height_m, ..GOOD }), measured).1
        };
        assert!(!strict(1000, 40.0));
        assert!(!strict(1100, 44.9));
        assert!(strict(1200, 80.0), "35 m in 100 ms");
        assert!(!strict(1300, 45.0), "the spike is forgotten");
        assert!(strict(1400, 145.0));
        assert!(strict(3200, 145.0));
        assert!(!strict(3300, 145.0), "100 m in 2 s");
        assert!(strict(3300, 145.1), "two heights at one moment");
    }

    #[test]
    fn a_clock_that_goes_back_starts_afresh() {
        let mut trust = trust();
        let mut strict = |ms, measured, height_m| {
            trust.view(Some(Pose { measured: Micros::from_ms(measured), height_m, ..GOOD }), Micros::from_ms(ms)).1
        };
        assert!(!strict(9000, 9000, 40.0));
        assert!(strict(9100, 8900, 40.0), "older than what was believed");
        assert!(strict(100, 8900, 40.0), "the future");
        assert!(!strict(200, 150, 90.0));
    }

    #[test]
    fn doubt_keeps_the_longest_zoom() {
        let mut trust = trust();
        assert_eq!(trust.view(None, NOW).0, View::any(30.0, 1.0));
        trust.view(Some(Pose { zoom: 4.0, height_m: f32::NAN, ..GOOD }), NOW);
        trust.view(Some(Pose { zoom: 2.0, ..GOOD }), NOW);
        trust.view(Some(Pose { zoom: 1e9, ..GOOD }), NOW);
        assert_eq!(trust.view(None, NOW).0, View::any(30.0, 4.0));
    }

    #[test]
    fn doubt_is_no_higher_than_what_was_believed_last() {
        let mut trust = trust();
        for (height_m, doubted) in [(4.0, 4.0), (8.0, 8.0), (40.0, 30.0), (39.0, 30.0)] {
            trust.last = None;
            assert!(!trust.view(Some(Pose { height_m, ..GOOD }), NOW).1);
            assert_eq!(
                trust.view(Some(Pose { roll_deg: 400.0, height_m: 90.0, ..GOOD }), NOW),
                (View::any(doubted, 1.0), true)
            );
        }
    }

    #[test]
    fn a_held_mount_speaks_in_doubt_only() {
        let mut trust = Trust::new(&Settings { pitch_deg: Some(-40.0), ..Settings::default() });
        assert_eq!(trust.view(None, NOW), (View::about(30.0, 1.0, [-40.0, 0.0], MOUNT_SLACK_DEG), true));
        assert_eq!(trust.view(Some(GOOD), NOW), (View::about(40.0, 1.0, [-30.0, 2.0], ATTITUDE_SLACK_DEG), false));
    }
}
