//! The configuration as it was understood: every key with its value, in the form in which it is written.
//!
//! For `voile doctor`. What is printed can be read again and means the same.

use std::fmt::Display;
use std::path::Path;

use super::Config;
use crate::encode::Codec;

/// Text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Lines of sections and keys.
#[derive(Default)]
struct Page(String);

impl Page {
    fn section(&mut self, name: &str) {
        self.0 += &format!("[{name}]\n");
    }

    fn key(&mut self, name: &str, value: impl Display) {
        self.0 += &format!("{name} = {value}\n");
    }

    /// A key that is not there means something, too.
    fn maybe(&mut self, name: &str, value: Option<impl Display>, otherwise: &str) {
        match value {
            Some(value) => self.key(name, value),
            None => self.0 += &format!("# {name}: {otherwise}\n"),
        }
    }
}

impl Config {
    /// Every key with its value, as TOML. The codec is that of the service.
    pub fn understood(&self) -> String {
        let mut page = Page::default();
        let Self { camera, detect, mask, encode, on_link, link, interlock, sandbox_min, canary_every } = self;
        page.section("camera");
        page.key("source", quoted(&camera.source.to_string()));
        page.key("width", camera.size.width);
        page.key("height", camera.size.height);
        page.key("fps", camera.fps);
        page.maybe("format", camera.format.as_deref().map(quoted), "the cheapest that the camera has");
        page.section("detect");
        page.maybe("model", detect.model.as_deref().map(path), "the one that is built in");
        page.key("every", detect.every);
        page.key("passes", detect.passes);
        page.key("threads", detect.threads);
        page.section("mask");
        page.key("paint", quoted(mask.paint.word()));
        page.key("margin", mask.margin_px);
        page.key("lookahead_ms", mask.lookahead.0 / 1000);
        page.key("hold_ms", mask.hold.0 / 1000);
        page.key("coast_ms", mask.tracks.coast_max.0 / 1000);
        page.key("evidence_age_max_ms", mask.evidence_age_max.0 / 1000);
        for (name, value) in [
            ("person_threshold", mask.person_threshold),
            ("vehicle_threshold", mask.vehicle_threshold),
            ("sure_threshold", mask.sure_threshold),
            ("confidence_min", mask.confidence_min),
            ("pan_max", mask.pan_max),
        ] {
            page.key(name, value);
        }
        page.key("hud", mask.hud);
        page.section("density");
        page.key("max_px_per_m", mask.density.max_px_per_m);
        page.key("min_height_m", mask.density.min_height_m);
        page.key("hfov_deg", mask.density.hfov_deg);
        page.maybe("pitch_deg", mask.density.pitch_deg, "any");
        page.key("telemetry_age_max_ms", mask.density.telemetry_age_max.0 / 1000);
        page.section("encode");
        page.key(
            "codec",
            quoted(match on_link {
                Codec::H264 => "h264",
                Codec::Av1 => "av1",
            }),
        );
        page.key("backend", quoted(encode.backend.word()));
        page.key("bitrate_kbps", encode.bitrate_kbps);
        page.key("group_ms", encode.group_ms);
        page.key("threads", encode.threads);
        page.key("tiles", encode.tiles);
        page.section("link");
        match link.preset {
            Some(preset) => page.key("preset", quoted(preset.name())),
            None => page.key("url", quoted(&format!("rtp://{}", link.destination))),
        }
        page.maybe("interface", link.interface.as_deref().map(quoted), "as the system routes");
        page.key("mtu", link.mtu);
        page.maybe("sdp", link.sdp.as_deref().map(path), "none is written");
        page.section("interlock");
        page.maybe("heartbeat", interlock.heartbeat.as_deref().map(quoted), "no line");
        page.maybe("led", interlock.led.as_deref().map(quoted), "no line");
        page.maybe("cover", interlock.cover.as_deref().map(quoted), "no line");
        page.maybe("watchdog", interlock.watchdog.as_deref().map(path), "none");
        page.key("watchdog_s", interlock.watchdog_s);
        page.key("state", path(&interlock.state));
        page.key("sandbox_min", sandbox_min);
        page.key("canary_every_s", canary_every.0 / 1_000_000);
        page.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_understood_means_the_same_when_read_again() {
        let full = "[camera]\nsource = \"clip:a \\\"b\\\".y4m\"\n[detect]\nmodel = \"m.onnx\"\nevery = 3\n[mask]\n\
                    paint = \"mosaic\"\nhud = true\nmargin = 9\nperson_threshold = 0.31\n[density]\npitch_deg = -45\n\
                    [encode]\ncodec = \"av1\"\nbackend = \"rav1e\"\n[link]\nurl = \"rtp://[fe80::1]:5600\"\n\
                    interface = \"wlan0\"\nsdp = \"/run/voile/v.sdp\"\n[interlock]\nheartbeat = \"gpiochip0:17\"\n\
                    cover = \"COVER:low\"\nwatchdog = \"/dev/watchdog\"\ncanary_every_s = 3\n";
        for text in ["", full] {
            let parse = |text: &str| Config::parse(Path::new("v.toml"), text).unwrap_or_else(|error| panic!("{error}"));
            let config = parse(text);
            let again = parse(&config.understood());
            assert_eq!(again.understood(), config.understood());
            assert_eq!(
                (&again.camera, &again.link, &again.interlock),
                (&config.camera, &config.link, &config.interlock)
            );
            assert_eq!((&again.detect, &again.mask, again.on_link), (&config.detect, &config.mask, config.on_link));
            assert_eq!(again.canary_every, config.canary_every);
        }
    }
}
