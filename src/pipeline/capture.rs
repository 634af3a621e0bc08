//! Dark half, first thread: frames from the camera to redaction, and looks at them to the detector.
//!
//! Sets the pace, drops what nobody can take in time, and counts it. Looks into no pixel itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::crossing::{Outward, Seam};
use super::queue::{Refused, Sender};
use super::{Arrival, Counts, Event, Pace};
use crate::base::{FramePool, Telemetry};
use crate::camera::{Camera, CameraError};
use crate::detect::{Look, Looks};
use crate::interlock::heartbeat;
use crate::track::{Follower, Ground};

/// What it needs to bring frames in.
pub(super) struct Source<'a> {
    pub(super) camera: Box<dyn Camera + 'a>,
    pub(super) telemetry: Box<dyn Telemetry + 'a>,
    pub(super) pool: FramePool,
    pub(super) follower: Follower,
    pub(super) looks: Looks,
    pub(super) every: u64,
}

impl Source<'_> {
    /// Frames from the camera to redaction, and looks at them to the detector.
    pub(super) fn capture(
        &mut self,
        events: &Sender<'_, Event>,
        looks: &Sender<'_, Look>,
        pace: Pace<'_>,
        halted: &AtomicBool,
        counts: &Counts,
        seam: &Seam<impl Outward>,
    ) -> Result<(), CameraError> {
        // The newest frame that no pass is coming for, and the frames since one came.
        let (mut unseen, mut since) = (None, u64::MAX);
        let mut ended = Ok(());
        // How the camera moved to a frame that found no room.
        let mut dropped: Option<Ground> = None;
        let interval = self.camera.mode().rate.moment(1);
        let word = heartbeat::word_every(interval).filter(|_| pace.realtime);
        while !pace.stop.load(Ordering::Relaxed) && !halted.load(Ordering::Relaxed) {
            if let Some(every) = word {
                // A camera that is silent for longer is no slow one any more: it stands in for itself.
                let until = pace.clock.now().plus(interval).plus(interval);
                while !self.camera.ready(Duration::from_micros(every.0)) && pace.clock.now() < until {
                    seam.pause();
                }
            }
            let frame = match self.camera.next(&self.pool) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            };
            counts.frames.fetch_add(1, Ordering::Relaxed);
            let born = if pace.realtime {
                let moment = frame.captured();
                while pace.clock.now() < moment && !pace.stop.load(Ordering::Relaxed) {
                    pace.clock.sleep_until(word.map_or(moment, |every| moment.min(pace.clock.now().plus(every))));
                    if word.is_some() && pace.clock.now() < moment {
                        seam.pause();
                    }
                }
                moment
            } else {
                pace.clock.now()
            };
            let start = pace.clock.now();
            let ground = self.follower.follow(&frame);
            let ground = ground.map(|ground| match dropped.take() {
                Some(before) => ground.with_dropped(&before),
                None => ground,
            });
            let look = if ground.is_ok() {
                // Its memory is needed for the next.
                drop(unseen.take());
                self.looks.at(&frame)
            } else {
                None
            };
            let follow = pace.clock.now().since(start);
            let pose = self.telemetry.pose(frame.captured());
            since = since.saturating_add(1);
            let wanted = look.is_some() && since >= self.every;
            let event = Event::Arrival {
                arrival: Arrival { frame, ground, pose, born, follow },
                awaited: wanted && !pace.realtime,
            };
            let sent = if pace.realtime { events.try_send(event) } else { events.send(event) };
            match sent {
                Ok(()) => {}
                Err(Refused::Full(event)) => {
                    counts.dropped.fetch_add(1, Ordering::Relaxed);
                    if let Event::Arrival { arrival, .. } = event {
                        // Or nobody would know any more where what was seen before it has come to.
                        dropped = arrival.ground.ok();
                    }
                    continue;
                }
                Err(Refused::Closed(_)) => return Ok(()),
            }
            match look {
                Some(look) if wanted => {
                    since = 0;
                    let sent = if pace.realtime { looks.replace(look).map(drop) } else { looks.send(look) };
                    if sent.is_err() {
                        return Ok(());
                    }
                }
                look => unseen = look.or(unseen),
            }
        }
        if let Some(look) = unseen {
            // Frames since the last pass wait for one, and the last of them is the newest that there is. Where nobody
            // takes it, they are covered.
            let _ = looks.send(look);
        }
        ended
    }
}
