//! `voile model check`: whether a network is one the detector can use, how fast, and how well on the bundled scenes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use clap::{Args, Subcommand};

use voile::base::{Fault, FramePool, NoTelemetry, RawFrame, Size};
use voile::camera::{self, Camera, scene};
use voile::detect::{self, Detector};
use voile::mask::{self, Mask};
use voile::pipeline::{self, Dark, Nowhere, Pace};
use voile::regress::files::Output;
use voile::regress::score::{self, Scorer};
use voile::regress::truth::ClipTruth;
use voile::regress::usage::Usage;
use voile::regress::{Figures, Governed, Measured, Sources, Tap, Witness};

use super::{Failure, INTERNAL, USAGE, say};

/// Looks at a detector's network.
#[derive(Args)]
pub struct Model {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Says whether FILE can be used, on what it runs, how fast, and what it covers on synthetic scenes.
    Check {
        /// An ONNX file with its SHA-256 beside it in FILE.sha256; left out, the built-in network.
        file: Option<PathBuf>,
    },
}

/// Size that speed and scenes are given for.
const SIZE: Size = Size::new(1280, 720);
/// Frames that speed is averaged over.
const TIMED: u64 = 12;
/// The bundled scenes. Two frames a second, so that each shows the camera at many heights and angles.
const SEEDS: [u64; 3] = [1, 2, 3];
const FRAMES: u64 = 24;
const RATE: camera::Rate = camera::Rate { frames: 2, seconds: 1 };

impl Model {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let Action::Check { file } = self.action;
        let load = |passes| {
            let settings = detect::Settings { model: file.clone(), passes, ..detect::Settings::default() };
            Detector::load(&settings).map_err(|error| Failure::new(USAGE, error))
        };
        let mut detector = load(1)?;
        // Drawn before anything is said, so that what `scripts/instructions` counts between two lines is the detector's.
        let picture = first_picture()?;
        say(format_args!("file      {}", file.as_deref().unwrap_or(Path::new("(built in)")).display()));
        say(format_args!("sha256    {}", detector.sha256()));
        say(format_args!("runs on   {}", detector.runs_on()));
        let tell = |passes, cost| {
            say(format_args!("speed     {cost:.1} CPU-ms for a frame of {SIZE}, passes = {passes}, one thread"));
        };
        tell(1, speed(&mut detector, &picture)?);
        detector = load(detect::PASSES_MAX)?;
        tell(detect::PASSES_MAX, speed(&mut detector, &picture)?);
        for seed in SEEDS {
            let figures = scores(seed, &mut detector)?;
            let told = named(&figures).map(|(name, figure)| match figure {
                Ok(value) => format!("{name} {value:.4}"),
                Err(reason) => format!("{name} - ({reason})"),
            });
            say(format_args!("scene {seed}   {}", told.join("  ")));
        }
        say("usable: the figures above are of drawn people; measure on recorded clips with `voile replay --truth`");
        Ok(ExitCode::SUCCESS)
    }
}

fn named(figures: &Figures) -> [(&'static str, &Measured); 4] {
    [
        ("head_leak", &figures.head_leak),
        ("person_cover", &figures.person_cover),
        ("vehicle_cover", &figures.vehicle_cover),
        ("over_mask", &figures.over_mask),
    ]
}

fn open(seed: u64, frames: u64) -> Result<scene::Scene, Failure> {
    let settings = scene::Settings { size: SIZE, rate: RATE, frames: Some(frames), ..scene::Settings::new(seed) };
    scene::Scene::new(settings).map_err(|error| Failure::new(INTERNAL, error))
}

/// A scene's first picture.
fn first_picture() -> Result<RawFrame, Failure> {
    let mut camera = open(SEEDS[0], 1)?;
    let pool = FramePool::new(camera.mode().shape, 1);
    let picture = camera.next(&pool).map_err(|error| Failure::new(INTERNAL, error))?;
    picture.ok_or_else(|| Failure::new(INTERNAL, "the scene has no frame"))
}

/// CPU-ms for one frame, the whole process.
fn speed(detector: &mut Detector, picture: &RawFrame) -> Result<f64, Failure> {
    let failed = |fault: Fault| Failure::new(INTERNAL, format_args!("the network could not be run: {fault}"));
    detector.prepare(SIZE).map_err(|error| Failure::new(USAGE, error))?;
    detector.examine(picture).map_err(failed)?;
    let usage = Usage::begin();
    for _ in 0..TIMED {
        detector.examine(picture).map_err(failed)?;
    }
    Ok(usage.per_frame(TIMED).cpu_ms_per_frame.unwrap_or(f64::NAN))
}

/// The figures of one scene, redacted with the default policy but for what needs the frame before: half a second lies
/// between frames, and it is the network that is judged.
fn scores(seed: u64, detector: &mut Detector) -> Result<Figures, Failure> {
    let internal = |error: &dyn std::fmt::Display| Failure::new(INTERNAL, error);
    let mut truth = Vec::new();
    let mut camera = open(seed, FRAMES)?;
    let pool = FramePool::new(camera.mode().shape, 1);
    while let Some(frame) = camera.next(&pool).map_err(|error| internal(&error))? {
        scene::write_mot(frame.sequence(), camera.last_truth(), &mut truth).map_err(|error| internal(&error))?;
    }
    let truth = String::from_utf8_lossy(&truth);
    let truth = ClipTruth::parse(&truth, Path::new("scene")).map_err(|error| internal(&error))?;
    let camera = open(seed, FRAMES)?;
    let mode = camera.mode();
    let settings = mask::Settings { parts: mask::Parts::STILL, ..mask::Settings::default() };
    let sources = Sources::new(mode.shape, pipeline::frames_alive(mode, settings.lookahead) + 1);
    let scorer = Scorer::new(score::Settings {
        rate: RATE,
        full_range: false,
        stills: false,
        truth: Some(truth),
        output: Output::None,
    });
    let governed = Governed::new(mode.shape, &settings.density, Box::new(NoTelemetry));
    let dark = Dark {
        camera: Box::new(Tap::new(Box::new(camera), sources.clone())),
        detector,
        telemetry: Box::new(NoTelemetry),
        canary: None,
        every: 1,
        mask: Mask::new(&settings, SIZE),
        encoder: Box::new(Witness::new(None, sources, governed, scorer.clone())),
        private: &|_| {},
    };
    let (clock, stop) = (voile::base::clock::RealClock::start(), AtomicBool::new(false));
    let outcome = pipeline::run(dark, &mut Nowhere, Pace { clock: &clock, realtime: false, stop: &stop });
    match outcome.tripped {
        Some(fault) => Err(internal(&fault)),
        None => Ok(scorer.finish().figures),
    }
}
