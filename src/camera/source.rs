//! What the service takes frames from, as the configuration names it.
//!
//! A clip or a scene stands in for a camera: its frames come at their own pace, once. Opening reads headers and builds
//! towns, and starts no thread, so that rights can be given up afterwards.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use super::pipe::Pipe;
#[cfg(feature = "v4l2")]
use super::v4l2;
use super::{Camera, CameraError, Rate, Y4m, scene};
use crate::base::Size;

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A V4L2 device.
    Device(PathBuf),
    /// A program that writes frames to its standard output.
    Pipe(String),
    /// A recorded Y4M clip.
    Clip(PathBuf),
    /// A synthetic scene of this seed.
    Scene(u64),
}

impl Source {
    /// Reads `/dev/…`, `pipe:PROGRAM ARG …`, `clip:PATH` or `scene:SEED`; `None` for anything else.
    pub fn read(written: &str) -> Option<Self> {
        if written.starts_with("/dev/") {
            return Some(Self::Device(PathBuf::from(written)));
        }
        match written.split_once(':')? {
            ("pipe", program) if !program.trim().is_empty() => Some(Self::Pipe(program.to_owned())),
            ("clip", path) if !path.is_empty() => Some(Self::Clip(PathBuf::from(path))),
            ("scene", seed) => seed.parse().ok().map(Self::Scene),
            _ => None,
        }
    }
}

/// As [`Source::read`] reads it.
impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(out, "{}", path.display()),
            Self::Pipe(program) => write!(out, "pipe:{program}"),
            Self::Clip(path) => write!(out, "clip:{}", path.display()),
            Self::Scene(seed) => write!(out, "scene:{seed}"),
        }
    }
}

/// The service's camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where frames come from.
    pub source: Source,
    /// Width and height that a camera or a scene is asked for, in pixels; a clip has its own.
    pub size: Size,
    /// Frames a second, as above.
    pub fps: u32,
    /// The pixel format that a V4L2 camera is to give, by its four letters; the cheapest where none is named.
    pub format: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { source: Source::Device(PathBuf::from("/dev/video0")), size: Size::new(1280, 720), fps: 30, format: None }
    }
}

/// Opens the service's camera; [`Camera::begin`] is to follow.
///
/// # Errors
/// [`CameraError`] names the source and the mend.
pub fn live(settings: &Settings) -> Result<Box<dyn Camera>, CameraError> {
    let refused = |path: String, reason: &str, mend| CameraError::Open { path, reason: reason.to_owned(), mend };
    match &settings.source {
        #[cfg(feature = "v4l2")]
        Source::Device(path) => {
            let format = settings.format.as_deref().map(|letters| {
                let known = "set camera.format to NV12, NM12, YU12, YM12, YUYV or MJPG, or leave it out";
                v4l2::Coding::read(letters).ok_or_else(|| refused(path.display().to_string(), "no such format", known))
            });
            let wish = v4l2::Wish { size: settings.size, fps: settings.fps, format: format.transpose()? };
            v4l2::open_once(path, wish)
        }
        #[cfg(not(feature = "v4l2"))]
        Source::Device(path) => Err(refused(
            path.display().to_string(),
            "this build captures from no device (cargo feature v4l2)",
            "build it with --features v4l2, or set camera.source to \"pipe:PROGRAM ARG …\", \"clip:FILE.y4m\" or \"scene:SEED\"",
        )),
        Source::Pipe(program) => Ok(Box::new(Pipe::start(program, settings.size, settings.fps)?)),
        Source::Clip(path) => {
            let file = File::open(path).map_err(|error| {
                refused(path.display().to_string(), &error.to_string(), "check camera.source and the right to read it")
            })?;
            Ok(Box::new(Y4m::new(file, &path.to_string_lossy())?))
        }
        Source::Scene(seed) => {
            let rate = Rate { frames: settings.fps, seconds: 1 };
            let scene = scene::Settings { size: settings.size, rate, ..scene::Settings::new(*seed) };
            Ok(Box::new(scene::Scene::new(scene)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_or_refused() {
        assert_eq!(Source::read("scene:7"), Some(Source::Scene(7)));
        assert_eq!(Source::read("clip:a:b.y4m"), Some(Source::Clip("a:b.y4m".into())));
        assert_eq!(Source::read("/dev/video2"), Some(Source::Device("/dev/video2".into())));
        assert_eq!(Source::read("pipe:rpicam-vid -o -"), Some(Source::Pipe("rpicam-vid -o -".to_owned())));
        for text in ["scene:7", "clip:a:b.y4m", "/dev/video2", "pipe:rpicam-vid -o -"] {
            assert_eq!(Source::read(text).expect("a source").to_string(), text);
        }
        for text in ["", "scene:", "scene:-1", "clip:", "pipe: ", "video0", "http://camera", "file:x"] {
            assert_eq!(Source::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_opened_is_one_line_with_its_mend() {
        for text in ["/dev/video77", "pipe:/nowhere/camera", "clip:/nowhere.y4m"] {
            let source = Source::read(text).expect("a source");
            let error = live(&Settings { source, ..Settings::default() }).err().expect("refused").to_string();
            assert!(error.contains("/") && error.split(": ").count() > 2 && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_scene_has_the_size_and_rate_asked_for() {
        let settings = Settings { source: Source::Scene(3), size: Size::new(320, 240), fps: 25, format: None };
        let mode = live(&settings).expect("a scene").mode();
        assert_eq!((mode.shape.size, mode.rate.frames), (Size::new(320, 240), 25));
    }
}
