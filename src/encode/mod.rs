//! Encoders: redacted frames in, access units out.
//!
//! An encoder accepts a [`RedactedFrame`] by value and nothing else, so that no raw frame can be encoded by mistake.
//! [`open`] picks one by [`Settings`]; [`stream`] writes what comes out into files that stock players read. Encoders
//! know nothing of radios or files, and their bytes depend on frames and settings alone, never on the number of
//! threads.

mod av1;
#[cfg(feature = "v4l2")]
mod falling;
mod h264;
#[cfg(feature = "v4l2")]
mod m2m;
mod picture;
mod rate;
mod settings;
mod stream;

pub use settings::{Backend, Settings, THREADS_MAX};
pub use stream::StreamFile;

use crate::base::{Fault, Micros, Size};
use crate::mask::RedactedFrame;

/// The coding format of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// AV1, access units are temporal units in low-overhead format.
    Av1,
    /// H.264, access units are Annex B.
    H264,
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Av1 => "AV1",
            Self::H264 => "H.264",
        })
    }
}

/// One coded picture: what the lit half gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Number of the frame it shows.
    pub sequence: u64,
    /// When that frame was captured.
    pub captured: Micros,
    /// Number of the group it belongs to, from 0.
    pub group: u64,
    /// Decoding can start here.
    pub key: bool,
    /// The coded bytes.
    pub data: Vec<u8>,
}

/// Most frames that an encoder may keep back to encode them again.
pub const HELD: usize = 3;

/// An encoder for one stream.
pub trait Encoder: Send {
    /// Encodes `frame`; appends to `out` the access units that became ready, in order, one per frame.
    ///
    /// # Errors
    /// [`Fault::EncoderFailed`]; the reason goes to the log.
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault>;

    /// Ends the stream; appends the access units still inside.
    ///
    /// # Errors
    /// As [`Encoder::submit`].
    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault>;

    /// Who does the work; it may change in flight.
    fn backend(&self) -> Backend {
        Backend::Auto
    }

    /// Makes the next unit a key frame, for a receiver that has lost the stream. Where nothing is received, nothing
    /// happens.
    fn key_frame(&mut self) {}

    /// Keeps to so many kilobits a second from the next group on, the nearest that [`Settings`] allow.
    fn bitrate(&mut self, _kbps: u32) {}
}

/// Accepts frames and gives nothing: for runs that only want figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Encoder for Discard {
    fn submit(&mut self, _frame: RedactedFrame, _out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Why an encoder cannot be opened or a stream cannot be written. The message names key or file, place and mend.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A setting is out of its range.
    #[error("encode.{key}: {value} is outside {low} to {high}: choose a value in that range")]
    Range {
        /// The key within `[encode]`.
        key: &'static str,
        /// The value as given.
        value: u64,
        /// Smallest value that is accepted.
        low: u64,
        /// Largest value that is accepted.
        high: u64,
    },
    /// The backend does not make this codec, or is not in this build.
    #[error("encode.backend: {backend} cannot encode {codec}: {mend}")]
    Backend {
        /// The backend asked for.
        backend: Backend,
        /// The codec asked for.
        codec: Codec,
        /// What to do.
        mend: &'static str,
    },
    /// The codec cannot carry pictures of this size.
    #[error("encode.codec: {codec} cannot carry {size} pictures: {mend}")]
    Size {
        /// The codec asked for.
        codec: Codec,
        /// The stream's size.
        size: Size,
        /// What to do.
        mend: &'static str,
    },
    /// The frame rate is zero, or beyond what the rate loop was made for.
    #[error("frame rate {frames}/{seconds}: outside 1/10 to 240 frames a second: set camera.fps")]
    FrameRate {
        /// Frames …
        frames: u32,
        /// … in so many seconds.
        seconds: u32,
    },
    /// The library behind the codec refused its configuration.
    #[error("encode.codec: the {codec} encoder refused to start ({reason}): change encode.bitrate_kbps or the size")]
    Refused {
        /// The codec asked for.
        codec: Codec,
        /// What the library said.
        reason: String,
    },
    /// There is no hardware encoder, or none that can be used.
    #[error("encode.backend: no hardware encoder: {reason}: {mend}")]
    Hardware {
        /// The nodes that were looked at and what is wrong with them.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// The stream cannot be written any further; what was written before stays good.
    #[error("{path}: byte {byte}: {reason}: {mend}")]
    Write {
        /// The file as given.
        path: String,
        /// Bytes that are safely in the file.
        byte: u64,
        /// What the system said.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
}

/// Opens an encoder for a stream of `size` at `rate` (frames, in so many seconds), `full_range` if luma uses 0 to 255.
///
/// # Errors
/// Settings out of range, or a size or rate that the codec cannot carry.
pub fn open(
    settings: &Settings,
    size: Size,
    rate: (u32, u32),
    full_range: bool,
) -> Result<Box<dyn Encoder>, EncodeError> {
    let settings = settings.checked()?;
    let (frames, seconds) = rate;
    let slowest = u64::from(frames) * 10 >= u64::from(seconds);
    let fastest = u64::from(frames) <= u64::from(seconds) * 240;
    if frames == 0 || seconds == 0 || !slowest || !fastest {
        return Err(EncodeError::FrameRate { frames, seconds });
    }
    match settings.codec {
        Codec::Av1 => Ok(Box::new(av1::Av1::open(&settings, size, rate, full_range)?)),
        Codec::H264 => h264(&settings, size, rate, full_range),
    }
}

/// H.264 by whom the settings name: with [`Backend::Auto`] the hardware where there is one, and openh264 else. Where
/// the hardware fails in flight, openh264 takes over.
fn h264(settings: &Settings, size: Size, rate: (u32, u32), full_range: bool) -> Result<Box<dyn Encoder>, EncodeError> {
    let settings = *settings;
    let software = move || -> Result<Box<dyn Encoder>, EncodeError> {
        Ok(Box::new(h264::H264::open(&settings, size, rate, full_range)?))
    };
    #[cfg(feature = "v4l2")]
    if settings.backend != Backend::Openh264 {
        match m2m::M2m::find(&settings, size, rate, full_range) {
            Ok(hardware) => return Ok(Box::new(falling::Falling::new(Box::new(hardware), Box::new(software)))),
            Err(error) if settings.backend == Backend::M2m => return Err(error),
            Err(error) => log::info!("{error}: openh264 encodes"),
        }
    }
    #[cfg(not(feature = "v4l2"))]
    if settings.backend == Backend::M2m {
        let reason = "this build is without the cargo feature v4l2".to_owned();
        return Err(EncodeError::Hardware { reason, mend: "build with it, or use \"auto\"" });
    }
    software()
}

#[cfg(test)]
mod tests;
