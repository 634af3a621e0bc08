//! What the encoder can be told, with the ranges.
//!
//! Plain values; the configuration file's `[encode]` keys have the same names.

use super::{Codec, EncodeError};

/// Who does the encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The best one for the codec that this build has.
    #[default]
    Auto,
    /// A hardware encoder behind a V4L2 memory-to-memory node.
    M2m,
    /// openh264, in software.
    Openh264,
    /// rav1e, in software.
    Rav1e,
}

impl Backend {
    /// As the configuration writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::M2m => "m2m",
            Self::Openh264 => "openh264",
            Self::Rav1e => "rav1e",
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Most threads that [`Settings::threads`] can ask for.
pub const THREADS_MAX: usize = 16;

/// Lowest bitrate, in kilobits a second.
pub(super) const KBPS_MIN: u32 = 32;
/// Highest bitrate, in kilobits a second: where the CM4's encoder clamps in silence.
pub(super) const KBPS_MAX: u32 = 25_000;

/// How to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Coding format.
    pub codec: Codec,
    /// Who encodes it.
    pub backend: Backend,
    /// Kilobits a second, kept within 15 % over any 3 s that the content can fill; 32 to 25000.
    pub bitrate_kbps: u32,
    /// Longest time from one key frame to the next in milliseconds, rounded to whole frames; 100 to 10000. The rate
    /// holds over any 3 s only where 3 s hold several groups.
    pub group_ms: u32,
    /// Threads that share the encoding, 1 to 16. The bytes are the same for any number. H.264 uses one.
    pub threads: usize,
    /// Parts of a picture that AV1 codes independently, 0 to 16; 0 chooses by size. At most this many threads have
    /// work.
    pub tiles: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { codec: Codec::Av1, backend: Backend::Auto, bitrate_kbps: 1000, group_ms: 1000, threads: 2, tiles: 0 }
    }
}

impl Settings {
    /// The same settings, if every one is in its range.
    ///
    /// # Errors
    /// Names the first key that is not.
    pub fn checked(self) -> Result<Self, EncodeError> {
        within("bitrate_kbps", u64::from(self.bitrate_kbps), u64::from(KBPS_MIN), u64::from(KBPS_MAX))?;
        within("group_ms", u64::from(self.group_ms), 100, 10_000)?;
        within("threads", count(self.threads), 1, count(THREADS_MAX))?;
        within("tiles", count(self.tiles), 0, 16)?;
        let mend = match (self.backend, self.codec) {
            // A file for a board can be read on any machine; whether there is such an encoder, opening it tells.
            (Backend::Auto, _) | (Backend::Rav1e, Codec::Av1) | (Backend::Openh264 | Backend::M2m, Codec::H264) => {
                return Ok(self);
            }
            (Backend::M2m, Codec::Av1) => "use \"rav1e\" or \"auto\"",
            (Backend::Rav1e, Codec::H264) => "use \"openh264\" or \"auto\"",
            (Backend::Openh264, Codec::Av1) => "use \"rav1e\" or \"auto\"",
        };
        Err(EncodeError::Backend { backend: self.backend, codec: self.codec, mend })
    }
}

fn within(key: &'static str, value: u64, low: u64, high: u64) -> Result<(), EncodeError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(EncodeError::Range { key, value, low, high }) }
}

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl Fn(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.checked().expect_err("out of range").to_string()
    }

    #[test]
    fn the_defaults_are_in_range_and_refusals_name_key_and_mend() {
        assert!(Settings::default().checked().is_ok());
        assert_eq!(
            refusal(|s| s.bitrate_kbps = 31),
            "encode.bitrate_kbps: 31 is outside 32 to 25000: choose a value in that range"
        );
        assert!(refusal(|s| s.group_ms = 10_001).starts_with("encode.group_ms: 10001"));
        assert!(refusal(|s| s.threads = 0).starts_with("encode.threads: 0"));
        assert!(refusal(|s| s.tiles = 17).starts_with("encode.tiles: 17"));
        assert_eq!(
            refusal(|s| s.backend = Backend::Openh264),
            "encode.backend: openh264 cannot encode AV1: use \"rav1e\" or \"auto\""
        );
        assert_eq!(
            refusal(|s| s.backend = Backend::M2m),
            "encode.backend: m2m cannot encode AV1: use \"rav1e\" or \"auto\""
        );
    }
}
