//! The sections that only the service reads: camera, link, interlock.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, check};
use crate::base::{Micros, Size};
use crate::camera::{self, Source};
use crate::interlock::{self, pins};
use crate::link::{self, Preset};
use crate::sandbox::Level;

/// Sides that a camera can be asked for, in pixels.
const SIDE: RangeInclusive<usize> = 64..=4096;
/// Frames a second that a camera can be asked for.
const FPS: RangeInclusive<u32> = 1..=120;
/// What each side must have given up at the least, unless the file says otherwise: Landlock is there.
pub(super) const SANDBOX_MIN: u8 = 2;

/// Seconds between two flights of the canary.
const CANARY_EVERY_S: RangeInclusive<u64> = 1..=60;
/// The same, unless the file says otherwise.
pub(super) const CANARY_EVERY: Micros = Micros::from_ms(10_000);

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenCamera {
    source: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    fps: Option<u32>,
    format: Option<String>,
}

impl WrittenCamera {
    pub fn meant(self, path: &Path) -> Result<camera::Settings, ConfigError> {
        let safe = camera::Settings::default();
        let mend = "choose what the camera can do";
        let source = match self.source {
            None => safe.source,
            Some(written) => Source::read(&written).ok_or_else(|| ConfigError::Value {
                path: path.to_owned(),
                problem: format!(
                    "[camera] source = \"{}\": set \"/dev/video0\", \"clip:PATH\", \"scene:SEED\" or \"pipe:PROGRAM ARG …\"",
                    written.escape_debug()
                ),
            })?,
        };
        let width = check(path, "[camera] width", self.width, SIDE, mend)?.unwrap_or(safe.size.width);
        let height = check(path, "[camera] height", self.height, SIDE, mend)?.unwrap_or(safe.size.height);
        let fps = check(path, "[camera] fps", self.fps, FPS, mend)?.unwrap_or(safe.fps);
        Ok(camera::Settings { source, size: Size::new(width, height), fps, format: self.format })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenLink {
    url: Option<String>,
    preset: Option<WrittenPreset>,
    interface: Option<String>,
    mtu: Option<usize>,
    sdp: Option<PathBuf>,
}

#[derive(Deserialize, Clone, Copy)]
enum WrittenPreset {
    #[serde(rename = "wfb-ng")]
    WfbNg,
}

impl WrittenLink {
    pub fn meant(self, path: &Path) -> Result<link::Settings, ConfigError> {
        let preset = self.preset.map(|WrittenPreset::WfbNg| Preset::WfbNg);
        let meant = link::Settings::meant(self.url.as_deref(), preset).and_then(|link| {
            let mtu = self.mtu.unwrap_or(link.mtu);
            link::Settings { interface: self.interface, mtu, sdp: self.sdp, ..link }.checked()
        });
        meant.map_err(|error| ConfigError::Value { path: path.to_owned(), problem: error.to_string() })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenInterlock {
    heartbeat: Option<String>,
    led: Option<String>,
    cover: Option<String>,
    watchdog: Option<PathBuf>,
    watchdog_s: Option<u32>,
    state: Option<PathBuf>,
    sandbox_min: Option<u8>,
    canary_every_s: Option<u64>,
}

impl WrittenInterlock {
    pub fn meant(self, path: &Path) -> Result<(interlock::Settings, u8, Micros), ConfigError> {
        let safe = interlock::Settings::default();
        for (key, line) in [("heartbeat", &self.heartbeat), ("led", &self.led), ("cover", &self.cover)] {
            if let Some(Err(error)) = line.as_deref().map(pins::Place::read) {
                let problem = format!("[interlock] {key}: {error}");
                return Err(ConfigError::Value { path: path.to_owned(), problem });
            }
        }
        let seconds = "a shorter time resets a board that only hesitates, a longer one leaves a hung one too long";
        let range = interlock::Settings::WATCHDOG_S;
        let watchdog_s = check(path, "[interlock] watchdog_s", self.watchdog_s, range, seconds)?;
        let levels = "1 is the list of system calls, 2 adds Landlock, 3 the network, 4 all memory locked";
        let least = check(path, "[interlock] sandbox_min", self.sandbox_min, Level::MIN..=Level::MAX, levels)?;
        let settings = interlock::Settings {
            heartbeat: self.heartbeat,
            led: self.led,
            cover: self.cover,
            watchdog: self.watchdog,
            watchdog_s: watchdog_s.unwrap_or(safe.watchdog_s),
            state: self.state.unwrap_or(safe.state),
        };
        let often = "more often takes passes from the frames, less often lets a blind detector go unnoticed for longer";
        let every = check(path, "[interlock] canary_every_s", self.canary_every_s, CANARY_EVERY_S, often)?;
        let canary_every = every.map_or(CANARY_EVERY, |seconds| Micros::from_ms(1000 * seconds));
        Ok((settings, least.unwrap_or(SANDBOX_MIN), canary_every))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("v.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_service_sections_are_read() {
        let config = parse(
            "[camera]\nsource = \"scene:7\"\nwidth = 640\nheight = 480\nfps = 25\n[link]\nurl = \"rtp://10.0.0.2:5600\"\n\
             mtu = 1200\nsdp = \"/run/voile/v.sdp\"\n[interlock]\nheartbeat = \"gpiochip0:17\"\nled = \"STATUS:low\"\n\
             watchdog = \"/dev/watchdog\"\nstate = \"/srv/voile\"\nsandbox_min = 3\n\
             canary_every_s = 5\n[encode]\ncodec = \"av1\"\n",
        )
        .expect("valid");
        assert_eq!((config.camera.source, config.camera.fps), (Source::Scene(7), 25));
        assert_eq!((config.link.mtu, config.link.destination.port()), (1200, 5600));
        assert_eq!((config.interlock.watchdog_s, config.sandbox_min), (15, 3));
        assert_eq!(config.canary_every, Micros::from_ms(5_000));
        assert_eq!(parse("").expect("valid").canary_every, Micros::from_ms(10_000));
        assert_eq!(config.on_link, crate::encode::Codec::Av1);
        for (backend, codec) in [("openh264", crate::encode::Codec::H264), ("rav1e", crate::encode::Codec::Av1)] {
            let config = parse(&format!("[encode]\nbackend = \"{backend}\"\n")).expect("a codec goes without saying");
            assert_eq!((config.on_link, config.encode.codec), (codec, codec), "{backend}");
        }
        let empty = parse("").expect("valid");
        assert_eq!((empty.on_link, empty.encode.codec), (crate::encode::Codec::H264, crate::encode::Codec::Av1));
        assert_eq!((empty.sandbox_min, empty.link.destination.port()), (SANDBOX_MIN, 5602));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_one_line_with_the_mend() {
        for (text, named) in [
            ("[camera]\nsource = \"webcam\"", "scene:SEED"),
            ("[camera]\nwidth = 9", "64 to 4096"),
            ("[camera]\nfps = 0", "1 to 120"),
            ("[camera]\nsize = 3", "nearest"),
            ("[link]\nurl = \"rtp://ground:5600\"", "link.url"),
            ("[link]\nmtu = 90", "576"),
            ("[link]\npreset = \"sik\"", "wfb-ng"),
            ("[interlock]\nheartbeat = \"17\"", "17"),
            ("[interlock]\nwatchdog_s = 1", "5 to 60"),
            ("[interlock]\nsandbox_min = 0", "1 to 4"),
            ("[interlock]\ncanary_every_s = 61", "1 to 60"),
        ] {
            let line = parse(text).expect_err(text);
            assert!(line.starts_with("v.toml") && line.contains(named) && !line.contains('\n'), "{line}");
        }
    }
}
