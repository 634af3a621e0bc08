//! The configuration file: as written, then as meant, split into what each room asked for.
//!
//! Every key has a default that is the safe one; an empty file is valid. Unknown keys are refused with the nearest known
//! one, and a value beyond a floor is refused with the floor named. The keys of `[detect]`, `[mask]` and `[density]`
//! that decide coverage are the policy; its SHA-256 goes into every result.

mod service;
mod understood;

use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::base::{Micros, hex};
use crate::camera;
use crate::detect;
use crate::encode::{self, Backend, Codec};
use crate::interlock;
use crate::link;
use crate::mask::{self, Bounds, Paint, density};
use crate::track;
use service::{CANARY_EVERY, SANDBOX_MIN, WrittenCamera, WrittenInterlock, WrittenLink};

/// Largest configuration file that is read, in bytes: the sides of the service are handed it in their environment.
const FILE_MAX: u64 = 1 << 16;

/// Why a configuration is refused. One line: the file, the place, the mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: cannot read the configuration: {reason}: check the path, or leave --config out for the defaults")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not TOML, or a key is unknown or of the wrong type.
    #[error("{path}:{line}: {problem}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there, and the mend.
        problem: String,
    },
    /// A value is outside its range.
    #[error("{path}: {key} = {value} is outside {range}: {mend}")]
    Range {
        /// The file.
        path: PathBuf,
        /// Section and key.
        key: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        range: String,
        /// What to do.
        mend: &'static str,
    },
    /// A value means nothing.
    #[error("{path}: {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Section and key, what is wrong there, and the mend.
        problem: String,
    },
    /// The encoder's settings do not fit together.
    #[error("{path}: {source}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// Which key, and the mend.
        source: encode::EncodeError,
    },
}

/// The configuration as each room wants it.
#[derive(Clone, Debug)]
pub struct Config {
    /// For the service's camera.
    pub camera: camera::Settings,
    /// For the detector.
    pub detect: detect::Settings,
    /// For the mask.
    pub mask: mask::Settings,
    /// For the encoder.
    pub encode: encode::Settings,
    /// The codec on the link: what the file says, and H.264 without a word, which every ground station takes.
    pub on_link: Codec,
    /// For the link.
    pub link: link::Settings,
    /// For the interlock's pins, devices and folders.
    pub interlock: interlock::Settings,
    /// What each side must have given up at the least: [`crate::sandbox::Settings::minimum`].
    pub sandbox_min: u8,
    /// Between two flights of the canary.
    pub canary_every: Micros,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            camera: camera::Settings::default(),
            detect: detect::Settings::default(),
            mask: mask::Settings::default(),
            encode: encode::Settings::default(),
            on_link: Codec::H264,
            link: link::Settings::default(),
            interlock: interlock::Settings::default(),
            sandbox_min: SANDBOX_MIN,
            canary_every: CANARY_EVERY,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Written {
    camera: WrittenCamera,
    detect: WrittenDetect,
    mask: WrittenMask,
    density: WrittenDensity,
    encode: WrittenEncode,
    link: WrittenLink,
    interlock: WrittenInterlock,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WrittenDetect {
    model: Option<PathBuf>,
    every: Option<u64>,
    passes: Option<usize>,
    threads: Option<usize>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WrittenMask {
    paint: Option<WrittenPaint>,
    lookahead_ms: Option<u64>,
    evidence_age_max_ms: Option<u64>,
    hold_ms: Option<u64>,
    coast_ms: Option<u64>,
    margin: Option<usize>,
    person_threshold: Option<f32>,
    vehicle_threshold: Option<f32>,
    sure_threshold: Option<f32>,
    confidence_min: Option<f32>,
    pan_max: Option<f32>,
    hud: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WrittenDensity {
    max_px_per_m: Option<f32>,
    min_height_m: Option<f32>,
    hfov_deg: Option<f32>,
    pitch_deg: Option<f32>,
    telemetry_age_max_ms: Option<u64>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum WrittenPaint {
    Solid,
    Mosaic,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WrittenEncode {
    codec: Option<WrittenCodec>,
    backend: Option<WrittenBackend>,
    bitrate_kbps: Option<u32>,
    group_ms: Option<u32>,
    threads: Option<usize>,
    tiles: Option<usize>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum WrittenCodec {
    Av1,
    H264,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum WrittenBackend {
    Auto,
    M2m,
    Openh264,
    Rav1e,
}

/// One pass in so many frames: at 60 frames a second, the last is one in half a second, the largest age of evidence.
const EVERY: RangeInclusive<u64> = 0..=30;
/// Threads that a room may ask for.
const THREADS: RangeInclusive<usize> = 1..=64;

impl Config {
    /// Reads `path`; without one, the defaults.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has unknown or ill-typed keys, or a value is beyond its floor.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        match path {
            Some(path) => Self::parse(path, &Self::text(path)?),
            None => Ok(Self::default()),
        }
    }

    /// The file's text, for [`Config::parse`].
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn text(path: &Path) -> Result<String, ConfigError> {
        let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
        let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if length > FILE_MAX {
            return Err(unreadable(format!("{length} bytes are more than {FILE_MAX}")));
        }
        std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
    }

    /// Understands a file's text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let written: Written = toml::from_str(text).map_err(|error| syntax(path, text, &error))?;
        let (interlock, sandbox_min, canary_every) = written.interlock.meant(path)?;
        let on_link = written.encode.codec().unwrap_or(Codec::H264);
        Ok(Self {
            camera: written.camera.meant(path)?,
            detect: written.detect.meant(path)?,
            mask: mask::Settings { density: written.density.meant(path)?, ..written.mask.meant(path)? },
            encode: written.encode.meant(path)?,
            on_link,
            link: written.link.meant(path)?,
            interlock,
            sandbox_min,
            canary_every,
        })
    }

    /// How the service encodes: as told, in the codec of the link.
    pub fn coding(&self) -> encode::Settings {
        encode::Settings { codec: self.on_link, ..self.encode }
    }

    /// The policy in canonical form: every value that decides coverage, one a line, and the model's hash.
    pub fn policy(&self, model_sha256: &str) -> String {
        let mask = &self.mask;
        let (density, ms) = (&mask.density, |time: Micros| (time.0 / 1000).to_string());
        let pitch = density.pitch_deg.map_or("any".to_owned(), |pitch| pitch.to_string());
        let lines: [(&str, String); 20] = [
            ("detect.model", model_sha256.to_owned()),
            ("detect.every", self.detect.every.to_string()),
            ("detect.passes", self.detect.passes.to_string()),
            ("mask.paint", mask.paint.word().to_owned()),
            ("mask.lookahead_ms", ms(mask.lookahead)),
            ("mask.evidence_age_max_ms", ms(mask.evidence_age_max)),
            ("mask.hold_ms", ms(mask.hold)),
            ("mask.coast_ms", ms(mask.tracks.coast_max)),
            ("mask.margin", mask.margin_px.to_string()),
            ("mask.person_threshold", mask.person_threshold.to_string()),
            ("mask.vehicle_threshold", mask.vehicle_threshold.to_string()),
            ("mask.sure_threshold", mask.sure_threshold.to_string()),
            ("mask.confidence_min", mask.confidence_min.to_string()),
            ("mask.pan_max", mask.pan_max.to_string()),
            ("mask.hud", mask.hud.to_string()),
            ("density.max_px_per_m", density.max_px_per_m.to_string()),
            ("density.min_height_m", density.min_height_m.to_string()),
            ("density.hfov_deg", density.hfov_deg.to_string()),
            ("density.pitch_deg", pitch),
            ("density.telemetry_age_max_ms", ms(density.telemetry_age_max)),
        ];
        lines.iter().fold(String::new(), |mut policy, (key, value)| {
            // Writing to a string cannot fail.
            let _ = writeln!(policy, "{key} = {value}");
            policy
        })
    }

    /// SHA-256 of the policy, in hexadecimal.
    pub fn policy_sha256(&self, model_sha256: &str) -> String {
        hex(&Sha256::digest(self.policy(model_sha256)))
    }
}

impl WrittenDetect {
    fn meant(self, path: &Path) -> Result<detect::Settings, ConfigError> {
        let safe = detect::Settings::default();
        let rare = "1 is each frame, n each n-th, 0 the newest whenever the detector is free";
        let scales = "1 is the whole size, 2 adds half, 3 a quarter";
        let threads = "set the number of cores to spend";
        Ok(detect::Settings {
            model: self.model,
            every: check(path, "[detect] every", self.every, EVERY, rare)?.unwrap_or(safe.every),
            passes: check(path, "[detect] passes", self.passes, 1..=detect::PASSES_MAX, scales)?.unwrap_or(safe.passes),
            threads: check(path, "[detect] threads", self.threads, THREADS, threads)?.unwrap_or(safe.threads),
        })
    }
}

impl WrittenMask {
    fn meant(self, path: &Path) -> Result<mask::Settings, ConfigError> {
        let safe = mask::Settings::default();
        let wait = "0 redacts each frame as it comes, 250 waits for a later pass";
        let lookahead = check(path, "[mask] lookahead_ms", self.lookahead_ms, Bounds::LOOKAHEAD_MS, wait)?;
        let floor = "a value beyond the floor would send clear what it should not";
        let age =
            check(path, "[mask] evidence_age_max_ms", self.evidence_age_max_ms, Bounds::EVIDENCE_AGE_MAX_MS, floor)?;
        let hold = check(path, "[mask] hold_ms", self.hold_ms, Bounds::HOLD_MS, floor)?;
        let coast = check(path, "[mask] coast_ms", self.coast_ms, Bounds::COAST_MS, floor)?;
        let sure = check(path, "[mask] sure_threshold", self.sure_threshold, Bounds::SURE_THRESHOLD, floor)?;
        let confidence = check(path, "[mask] confidence_min", self.confidence_min, Bounds::CONFIDENCE_MIN, floor)?;
        let pan = check(path, "[mask] pan_max", self.pan_max, Bounds::PAN_MAX, floor)?;
        let person = check(path, "[mask] person_threshold", self.person_threshold, Bounds::PERSON_THRESHOLD, floor)?;
        let vehicle =
            check(path, "[mask] vehicle_threshold", self.vehicle_threshold, Bounds::VEHICLE_THRESHOLD, floor)?;
        Ok(mask::Settings {
            paint: match self.paint {
                None => safe.paint,
                Some(WrittenPaint::Solid) => Paint::Solid,
                Some(WrittenPaint::Mosaic) => Paint::Mosaic,
            },
            margin_px: check(path, "[mask] margin", self.margin, Bounds::MARGIN_PX, floor)?.unwrap_or(safe.margin_px),
            lookahead: lookahead.map_or(safe.lookahead, Micros::from_ms),
            hold: hold.map_or(safe.hold, Micros::from_ms),
            tracks: track::Policy { coast_max: coast.map_or(safe.tracks.coast_max, Micros::from_ms), ..safe.tracks },
            evidence_age_max: age.map_or(safe.evidence_age_max, Micros::from_ms),
            person_threshold: person.unwrap_or(safe.person_threshold),
            vehicle_threshold: vehicle.unwrap_or(safe.vehicle_threshold),
            sure_threshold: sure.unwrap_or(safe.sure_threshold),
            confidence_min: confidence.unwrap_or(safe.confidence_min),
            pan_max: pan.unwrap_or(safe.pan_max),
            density: safe.density,
            hud: self.hud.unwrap_or(safe.hud),
            parts: safe.parts,
        })
    }
}

impl WrittenDensity {
    fn meant(self, path: &Path) -> Result<density::Settings, ConfigError> {
        type Floor = density::Bounds;
        let safe = density::Settings::default();
        let floor = "a value beyond the floor would send people finer than promised";
        let cap = check(path, "[density] max_px_per_m", self.max_px_per_m, Floor::MAX_PX_PER_M, floor)?;
        let height = check(path, "[density] min_height_m", self.min_height_m, Floor::MIN_HEIGHT_M, floor)?;
        let hfov = check(path, "[density] hfov_deg", self.hfov_deg, Floor::HFOV_DEG, floor)?;
        let pitch = check(path, "[density] pitch_deg", self.pitch_deg, Floor::PITCH_DEG, floor)?;
        let age = self.telemetry_age_max_ms;
        let age = check(path, "[density] telemetry_age_max_ms", age, Floor::TELEMETRY_AGE_MAX_MS, floor)?;
        Ok(density::Settings {
            max_px_per_m: cap.unwrap_or(safe.max_px_per_m),
            min_height_m: height.unwrap_or(safe.min_height_m),
            hfov_deg: hfov.unwrap_or(safe.hfov_deg),
            pitch_deg: pitch.or(safe.pitch_deg),
            telemetry_age_max: age.map_or(safe.telemetry_age_max, Micros::from_ms),
        })
    }
}

impl WrittenEncode {
    /// The codec that is named, or that of the one backend that is.
    const fn codec(&self) -> Option<Codec> {
        match (self.codec, self.backend) {
            (Some(WrittenCodec::Av1), _) | (None, Some(WrittenBackend::Rav1e)) => Some(Codec::Av1),
            (Some(WrittenCodec::H264), _) | (None, Some(WrittenBackend::Openh264 | WrittenBackend::M2m)) => {
                Some(Codec::H264)
            }
            (None, None | Some(WrittenBackend::Auto)) => None,
        }
    }

    fn meant(self, path: &Path) -> Result<encode::Settings, ConfigError> {
        let safe = encode::Settings::default();
        let settings = encode::Settings {
            codec: self.codec().unwrap_or(safe.codec),
            backend: match self.backend {
                None => safe.backend,
                Some(WrittenBackend::Auto) => Backend::Auto,
                Some(WrittenBackend::M2m) => Backend::M2m,
                Some(WrittenBackend::Openh264) => Backend::Openh264,
                Some(WrittenBackend::Rav1e) => Backend::Rav1e,
            },
            bitrate_kbps: self.bitrate_kbps.unwrap_or(safe.bitrate_kbps),
            group_ms: self.group_ms.unwrap_or(safe.group_ms),
            threads: self.threads.unwrap_or(safe.threads),
            tiles: self.tiles.unwrap_or(safe.tiles),
        };
        settings.checked().map_err(|source| ConfigError::Encode { path: path.to_owned(), source })
    }
}

/// Passes a value on if it is in `range` (and is a number).
fn check<T: PartialOrd + Display + Copy>(
    path: &Path,
    key: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
    mend: &'static str,
) -> Result<Option<T>, ConfigError> {
    match value {
        Some(value) if !range.contains(&value) => Err(ConfigError::Range {
            path: path.to_owned(),
            key,
            value: value.to_string(),
            range: format!("{} to {}", range.start(), range.end()),
            mend,
        }),
        value => Ok(value),
    }
}

/// One line for what the TOML reader found, with the nearest known key where a key is unknown.
fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let here = text.lines().nth(line - 1).unwrap_or_default().trim();
    let message = error.message().replace('\n', ": ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let problem = if message.starts_with("unknown field") {
        let unknown = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, unknown));
        let nearest = nearest.unwrap_or(&"nothing: this table takes no keys");
        // Only the sections stand outside of any, and each begins with its name in brackets.
        if known.contains(&"mask") && !here.starts_with('[') {
            format!("unknown key `{unknown}`: write it below its section, one of [{}]", known.join("], ["))
        } else {
            format!("unknown key `{unknown}`: the nearest known one is `{nearest}`")
        }
    } else {
        format!("`{here}`: {}", in_words(&message))
    };
    ConfigError::Syntax { path: path.to_owned(), line, problem }
}

/// A message of the parser without the names of Rust's types.
fn in_words(message: &str) -> String {
    let words = [
        ("u8", "a whole number, 0 or more"),
        ("u32", "a whole number, 0 or more"),
        ("u64", "a whole number, 0 or more"),
        ("usize", "a whole number, 0 or more"),
        ("f32", "a number"),
        ("a boolean", "true or false"),
        ("path string", "a path in quotes"),
        ("a string", "text in quotes"),
    ];
    let named = message.split_once("expected ").and_then(|(before, kind)| {
        let (_, words) = words.iter().find(|(name, _)| *name == kind)?;
        Some(format!("{before}write {words}"))
    });
    named.unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let line = Config::parse(Path::new("v.toml"), text).expect_err("refused").to_string();
        assert!(line.starts_with("v.toml") && !line.contains('\n'), "{line}");
        line
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = Config::parse(Path::new("v.toml"), "").expect("valid");
        assert_eq!((config.detect, config.mask), (detect::Settings::default(), mask::Settings::default()));
    }

    #[test]
    fn an_unknown_key_names_line_and_nearest() {
        let line = refused("[detect]\npasses = 2\n[mask]\nmargn = 9\n");
        assert!(line.contains("v.toml:4") && line.contains("`margn`") && line.contains("`margin`"), "{line}");
        assert!(refused("[maks]\n").contains("`mask`"));
        let line = refused("margin = 9\n[mask]\n");
        assert!(line.contains("v.toml:1") && line.contains("below its section") && line.contains("[mask]"), "{line}");
    }

    #[test]
    fn a_value_of_another_type_names_line_and_mend() {
        for (text, mend) in [
            ("[camera]\nfps = 30.5", "write a whole number, 0 or more"),
            ("[mask]\nmargin = -1", "write a whole number, 0 or more"),
            ("[mask]\nperson_threshold = \"low\"", "write a number"),
            ("[mask]\nhud = 1", "write true or false"),
            ("[detect]\nmodel = 1", "write a path in quotes"),
            ("[link]\nurl = 5600", "write text in quotes"),
        ] {
            let line = refused(text);
            assert!(line.starts_with("v.toml:2: ") && line.ends_with(mend), "{line}");
        }
    }

    #[test]
    fn an_ill_typed_key_names_its_line() {
        let line = refused("[mask]\n\nmargin = \"wide\"\n");
        assert!(line.contains("v.toml:3") && line.contains("margin") && line.contains("string"), "{line}");
        assert!(refused("[mask]\npaint = \"blur\"\n").contains("blur"), "there is no blur");
        refused("[mask\n");
    }

    #[test]
    fn what_would_clear_too_much_is_refused_with_the_floor() {
        for (text, floor) in [
            ("[mask]\nmargin = 500", "128"),
            ("[mask]\nhold_ms = 0", "100"),
            ("[mask]\ncoast_ms = 0", "200"),
            ("[mask]\nperson_threshold = 0.99", "0.8"),
            ("[mask]\nperson_threshold = nan", "0.8"),
            ("[mask]\nvehicle_threshold = 1.0", "0.74"),
            ("[mask]\nsure_threshold = 1.0", "0.8"),
            ("[mask]\nconfidence_min = 0.0", "0.3"),
            ("[mask]\nevidence_age_max_ms = 9000", "500"),
            ("[detect]\nevery = 300", "30"),
            ("[mask]\nlookahead_ms = 900", "500"),
            ("[mask]\npan_max = 0.9", "0.33"),
            ("[density]\nmax_px_per_m = 200", "80"),
            ("[density]\nmin_height_m = 500", "120"),
            ("[density]\nhfov_deg = 170", "120"),
            ("[density]\npitch_deg = 20", "0"),
            ("[density]\ntelemetry_age_max_ms = 60000", "5000"),
            ("[detect]\npasses = 0", "1"),
        ] {
            let line = refused(text);
            assert!(line.contains(floor), "{line}");
        }
    }

    #[test]
    fn the_policy_hash_moves_with_coverage_and_not_with_threads() {
        let parse = |text| Config::parse(Path::new("v.toml"), text).expect("valid").policy_sha256("m");
        assert_eq!(parse(""), parse("[detect]\nthreads = 7"));
        let moved = [
            "[detect]\nevery = 3",
            "[detect]\npasses = 2",
            "[mask]\npaint = \"mosaic\"",
            "[mask]\nlookahead_ms = 100",
            "[mask]\nevidence_age_max_ms = 100",
            "[mask]\nhold_ms = 101",
            "[mask]\ncoast_ms = 201",
            "[mask]\nmargin = 24",
            "[mask]\nperson_threshold = 0.5",
            "[mask]\nvehicle_threshold = 0.5",
            "[mask]\nsure_threshold = 0.5",
            "[mask]\nconfidence_min = 0.9",
            "[mask]\npan_max = 0.1",
            "[mask]\nhud = true",
            "[density]\nmax_px_per_m = 20",
            "[density]\nmin_height_m = 50",
            "[density]\nhfov_deg = 50",
            "[density]\npitch_deg = -30",
            "[density]\ntelemetry_age_max_ms = 900",
        ];
        for text in moved {
            assert_ne!(parse(""), parse(text), "{text}");
        }
        let config = Config::parse(Path::new("v.toml"), "").expect("valid");
        assert_ne!(config.policy_sha256("m"), config.policy_sha256("n"));
        assert_eq!(config.policy("m").lines().count(), moved.len() + 1, "every line is tried");
    }
}
