//! Capture: where raw frames come from, and the buffer's way home.
//!
//! Every source stands behind [`Camera`]: the real, the recorded, the synthetic and the faulty one side by side. A
//! camera fills frames of a pool that the caller owns; it never looks at what is in them. [`open`] turns the argument
//! of `voile replay` into one; synthetic scenes are made by their own constructor.

mod child;
mod child_tie;
mod clip;
mod error;
mod faulty;
mod ffmpeg;
mod flight_log;
mod pipe;
mod pipe_rows;
mod pipe_words;
mod rgb;
pub mod scene;
mod source;
mod stills;
mod stills_decode;
#[cfg(feature = "v4l2")]
pub mod v4l2;
mod y4m;
mod y4m_header;
mod y4m_write;

pub use clip::{Clip, open, open_with};
pub use error::CameraError;
pub use faulty::{Faulty, LETTERS};
pub(crate) use ffmpeg::{EVERY_FRAME, EVERY_FRAME_OLD};
pub use ffmpeg::{Ffmpeg, Programs};
pub use flight_log::{FlightLog, FlightLogError};
pub use source::{Settings, Source, live};
pub use stills::{Still, StillCamera, Stills};
pub use y4m::Y4m;
pub use y4m_write::{Y4mFormat, Y4mWriter};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::{Clock, FramePool, Micros, RawFrame, Shape, Size};

/// Most pixels a picture may have: 8192x4320, the largest size that video formats name. Checked before any memory is
/// asked for, as [`Size::MAX_SIDE`] is.
pub const MAX_AREA: usize = 8192 * 4320;

/// Frames a second, as a ratio; both parts are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Frames …
    pub frames: u32,
    /// … in so many seconds.
    pub seconds: u32,
}

impl Rate {
    /// When frame number `index` is captured at this rate, counted from frame 0, rounded down to a microsecond.
    pub fn moment(self, index: u64) -> Micros {
        let micros = u128::from(index) * 1_000_000 * u128::from(self.seconds) / u128::from(self.frames.max(1));
        Micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// What a camera delivers; fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Size, layout and strides: what the pool handed to [`Camera::next`] must hold. Longer strides are welcome.
    pub shape: Shape,
    /// Nominal frame rate.
    pub rate: Rate,
    /// Luma uses 0 to 255 instead of 16 to 235.
    pub full_range: bool,
    /// Number of frames, where the source knows it: its header's claim, good for a progress bar and nothing more.
    pub frames: Option<u64>,
}

/// A source of raw frames.
pub trait Camera: Send {
    /// What the camera delivers.
    fn mode(&self) -> Mode;

    /// The stream begins: `clock` is the one that capture times are told on, and where `stop` is set a camera that waits
    /// for a frame ends the clip instead. For devices and programs, which capture when they like; a clip has times of its
    /// own and need not listen. Called at most once, before the first frame.
    fn begin(&mut self, _clock: Arc<dyn Clock>, _stop: Arc<AtomicBool>) {}

    /// Whether [`Camera::next`] has something to do, waiting for that no longer than `longest`. A clip always has.
    fn ready(&mut self, _longest: Duration) -> bool {
        true
    }

    /// The next frame, in a frame of `pool` (whose shape is the mode's); `None` when the clip has ended. Waits until
    /// the pool has a frame to give. After an error there is nothing more to come.
    ///
    /// # Errors
    /// The source broke off. Frames delivered before stay good.
    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError>;
}

impl<C: Camera + ?Sized> Camera for Box<C> {
    fn mode(&self) -> Mode {
        (**self).mode()
    }

    fn begin(&mut self, clock: Arc<dyn Clock>, stop: Arc<AtomicBool>) {
        (**self).begin(clock, stop);
    }

    fn ready(&mut self, longest: Duration) -> bool {
        (**self).ready(longest)
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        (**self).next(pool)
    }
}

/// A size from a file's header, or why it is refused.
fn accepted_size(width: u64, height: u64) -> Result<Size, String> {
    let side = |side: u64| usize::try_from(side).ok().filter(|side| (1..=Size::MAX_SIDE).contains(side));
    match (side(width), side(height)) {
        (Some(width), Some(height)) if width * height <= MAX_AREA => Ok(Size::new(width, height)),
        _ if width == 0 || height == 0 => Err(format!("the picture is {width}x{height}, there is nothing in it")),
        _ => Err(format!(
            "the picture is {width}x{height}, more than {max} on a side or {MAX_AREA} pixels",
            max = Size::MAX_SIDE
        )),
    }
}

/// Refuses a pool whose frames do not fit what the camera delivers.
fn check_pool(mode: Mode, pool: &FramePool) -> Result<(), CameraError> {
    let (wanted, given) = (mode.shape, pool.shape());
    if wanted.size == given.size && wanted.layout == given.layout {
        Ok(())
    } else {
        Err(CameraError::Pool { wanted: wanted.size, given: given.size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_do_not_drift_or_overflow() {
        let ntsc = Rate { frames: 30_000, seconds: 1001 };
        assert_eq!(ntsc.moment(30_000), Micros(1_001_000_000));
        assert_eq!(ntsc.moment(1), Micros(33_366));
        assert_eq!(Rate { frames: 1, seconds: u32::MAX }.moment(u64::MAX), Micros(u64::MAX));
    }

    #[test]
    fn sizes_are_refused_before_they_cost_memory() {
        assert_eq!(accepted_size(8192, 4320), Ok(Size::new(8192, 4320)));
        assert_eq!(accepted_size(1, 1), Ok(Size::new(1, 1)));
        for (width, height) in [(0, 0), (0, 7), (8193, 1), (8192, 4321), (16384, 16384), (u64::MAX, u64::MAX)] {
            assert!(accepted_size(width, height).is_err(), "{width}x{height}");
        }
    }
}
