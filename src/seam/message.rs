//! What may cross the seam, as plain values, each with its range.
//!
//! Relies on `base` for sizes, moments and faults. Knows nothing of bytes or pipes. Every variant is a fixed set of
//! numbers but for a unit's coded bytes, which have a limit, so that no message has room for a picture of its own.

use crate::base::{Fault, Micros, Size};

/// Most pixels of a picture: 8192x4320, as the cameras have it.
pub const AREA_MAX: usize = 8192 * 4320;
/// The largest frame number, group, moment or count: 2^53, 285 years in microseconds, which JSON still tells exactly.
pub const LARGEST: u64 = 1 << 53;
/// The longest duration a health report can tell: 2^32 - 1 us, 71 minutes. What takes longer is a fault long before.
pub const LONGEST: Micros = Micros(u32::MAX as u64);
/// Most coded bytes of one access unit: over 30 times what the highest bitrate allows a frame at 30 fps.
pub const UNIT_MAX: usize = 4 << 20;
/// The finest ground a health report may tell, in px/m: the weakest cap that any policy may set, and one for rounding.
pub const PX_PER_M_MAX: f32 = 81.0;
/// Figures that a side can reach in giving up its rights.
pub const LEVELS: std::ops::RangeInclusive<u8> = 1..=4;
/// Lowest bitrate that can be asked for, in kb/s; the range is that of `encode.bitrate_kbps`.
pub const KBPS_MIN: u32 = 32;
/// Highest bitrate that can be asked for, in kb/s.
pub const KBPS_MAX: u32 = 25_000;

/// One of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// May see faces, has no network.
    Dark,
    /// Has the network, never sees a frame.
    Lit,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dark => "dark",
            Self::Lit => "lit",
        })
    }
}

/// The coding format of the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// AV1, each unit a temporal unit in low-overhead format.
    Av1,
    /// H.264, each unit Annex B.
    H264,
}

/// Who encoded a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Nobody that is told.
    Untold,
    /// rav1e, in software.
    Rav1e,
    /// openh264, in software.
    Openh264,
    /// A hardware encoder.
    M2m,
}

impl Backend {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Untold, Self::Rav1e, Self::Openh264, Self::M2m];
}

/// What the dark side says of its stream before anything else; it holds until the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Size of the pictures: sides of 1 to [`Size::MAX_SIDE`], at most [`AREA_MAX`] pixels.
    pub size: Size,
    /// Nominal frame rate: frames, in so many seconds; 1/10 to 240 frames a second.
    pub rate: (u32, u32),
    /// Coding format of every unit.
    pub codec: Codec,
    /// What the dark side gave up, as a figure in [`LEVELS`].
    pub level: u8,
    /// SHA-256 of the policy.
    pub policy: [u8; 32],
    /// SHA-256 of the model.
    pub model: [u8; 32],
}

/// What is told of one frame: numbers that say nothing about who is in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    /// Number of the frame, up to [`LARGEST`]. That of a redacted frame is higher than all before it; a camera that
    /// repeats itself gives slates, which tell its number as it came.
    pub sequence: u64,
    /// Capture time, up to [`LARGEST`].
    pub captured: Micros,
    /// When the camera handed it over, up to [`LARGEST`], on the dark side's clock.
    pub born: Micros,
    /// Why the whole frame is covered; `None` for a redacted frame.
    pub slate: Option<Fault>,
    /// Share of the cells that are sent clear, 0 to 1; 0 for a slate.
    pub clear_fraction: f32,
    /// Connected covered regions, at most the picture's cells.
    pub objects: u32,
    /// Time between this frame and the furthest of those whose examination cleared it, up to [`LONGEST`].
    pub evidence_age: Micros,
    /// Pixels a metre of the finest ground that is sent, 0 to [`PX_PER_M_MAX`]; 0 for a slate.
    pub px_per_m: f32,
    /// Time in the follower, up to [`LONGEST`].
    pub follow: Micros,
    /// Time of the pass over this very frame, up to [`LONGEST`]; zero if there was none.
    pub detect: Micros,
    /// Time from the camera's hands to redaction, up to [`LONGEST`].
    pub wait: Micros,
    /// Time in clearance, tracks and paint, up to [`LONGEST`].
    pub redact: Micros,
    /// Time in the encoder, up to [`LONGEST`].
    pub encode: Micros,
    /// Who encoded it; a hardware encoder that fails hands over to another in flight.
    pub backend: Backend,
}

/// One coded picture, as the reader's buffer or the encoder holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// Number of the frame it shows: units come in the order of the health reports, one for each.
    pub sequence: u64,
    /// When that frame was captured, as its health report said.
    pub captured: Micros,
    /// Number of its group: 0 for the first, one more with each key frame.
    pub group: u64,
    /// Decoding can start here.
    pub key: bool,
    /// The coded bytes, 1 to [`UNIT_MAX`].
    pub data: &'a [u8],
}

/// What the dark side counted up to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Raw frames that came from the camera; at least those dropped and those reported.
    pub frames: u64,
    /// Raw frames that were dropped before they were encoded.
    pub dropped: u64,
}

/// What the dark side may say, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Report<'a> {
    /// First, and once.
    Hello(Hello),
    /// A frame is on its way; comes before its unit.
    Health(Health),
    /// The coded picture of the oldest frame that has none yet.
    Unit(Unit<'a>),
    /// Something that concerns the stream, not one frame.
    Fault(Fault),
    /// The camera has nothing yet, and the dark side lives.
    Pause,
    /// The dark side has sent all it had, every frame with its unit. Nothing comes after.
    End(Tally),
}

/// What the lit side may ask for, and nothing else: no request weakens a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A receiver has joined or lost the stream: make the next frame a key frame.
    KeyFrame,
    /// Encode at so many kb/s from the next group on, [`KBPS_MIN`] to [`KBPS_MAX`].
    Bitrate(u32),
    /// Take no more frames, send what is under way, and end. Nothing comes after.
    Stop,
}
