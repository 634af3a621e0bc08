//! `voile replay`: one recorded clip through the pipeline of the service, scored and reported.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use voile::base::clock::RealClock;
use voile::base::{NoTelemetry, Size, Telemetry, hex};
use voile::camera::{self, Camera, CameraError, Clip, FlightLog, Mode, Still, Stills};
use voile::config::Config;
use voile::detect::Detector;
use voile::encode::{self, Codec, StreamFile};
use voile::mask::{self, Mask, Parts};
use voile::pipeline::{self, Dark, Outcome, Pace};
use voile::regress::decoded::{self, Decoded};
use voile::regress::files::{CoverageFile, Output, StillFiles};
use voile::regress::score::{self, Scorer};
use voile::regress::usage::{Cost, Usage};
use voile::regress::{FramesCsv, Governed, RunLog, Sources, Tap, Truth, Witness};

use super::outlet::Files;
use super::progress::Progress;
use super::results::{self, Ending, Results};
use super::{Failure, INPUT, INTERNAL, USAGE, complain, output_folder};

/// What a replay leaves in its folder.
const RESULTS: [&str; 8] = [
    "redacted.ivf",
    "redacted.h264",
    "coverage.y4m",
    "coverage",
    "redacted",
    "frames.csv",
    "summary.json",
    "report.html",
];

/// Source copies beyond those of frames alive, for frames that are dropped in real time.
const DROPPED: usize = 64;

/// Redacts a recorded clip through the pipeline of the service and scores it.
#[derive(Args)]
pub struct Replay {
    /// A video file, a directory of JPEG or PNG stills, or `-` for Y4M on standard input.
    clip: PathBuf,
    /// Configuration file; without it every key has its safe default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What is really in the clip: a MOT CSV, or a directory of YOLO files for stills.
    #[arg(long, value_name = "PATH")]
    truth: Option<PathBuf>,
    /// Recorded telemetry: a CSV `t_ms,height_m,pitch_deg,roll_deg,zoom`, times from the clip's start.
    #[arg(long, value_name = "FILE")]
    telemetry: Option<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "voile-out")]
    out: PathBuf,
    /// Replace results that are already there.
    #[arg(long)]
    force: bool,
    /// Keep the clip's own pace and drop what does not fit, as in flight.
    #[arg(long)]
    realtime: bool,
    /// Encode as.
    #[arg(long, value_enum)]
    encoder: Option<EncoderChoice>,
    /// Threads for detector and encoder, instead of the configuration's; the output is the same for any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
    /// Do not decode the stream again to judge it: `leak_correlation` and `psnr_clear_db` are then not measured.
    #[arg(long)]
    no_decode: bool,
    /// Print summary.json instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum EncoderChoice {
    Av1,
    H264,
    None,
}

/// How the frames went through, whatever the clip was.
struct Run {
    outcome: Outcome,
    /// What of the clip could not be read.
    damage: Option<String>,
    sha256: Option<String>,
    log: Option<RunLog>,
    groups: u64,
    failure: Option<String>,
    cost: Cost,
    size: String,
    stills: bool,
}

impl Replay {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let mut config = Config::read(self.config.as_deref()).map_err(|error| Failure::new(USAGE, error))?;
        if let Some(threads) = self.threads {
            config.detect.threads = usize::from(threads);
            config.encode.threads = usize::from(threads).min(encode::THREADS_MAX);
        }
        let codec = match self.encoder {
            None => Some(config.encode.codec),
            Some(EncoderChoice::Av1) => Some(Codec::Av1),
            Some(EncoderChoice::H264) => Some(Codec::H264),
            Some(EncoderChoice::None) => None,
        };
        if let Some(codec) = codec
            && config.encode.codec != codec
        {
            config.encode.codec = codec;
        }
        // In software, so that a clip gives the same bytes on every machine.
        config.encode.backend = match config.encode.codec {
            Codec::Av1 => encode::Backend::Rav1e,
            Codec::H264 => encode::Backend::Openh264,
        };
        let detector = Detector::load(&config.detect).map_err(|error| Failure::new(USAGE, error))?;
        let truth = match &self.truth {
            Some(path) => Some(Truth::load(path).map_err(|error| Failure::new(INPUT, error))?),
            None => None,
        };
        let telemetry = match &self.telemetry {
            Some(path) => Some(FlightLog::load(path).map_err(|error| Failure::new(INPUT, error))?),
            None => None,
        };
        let clip = camera::open(&self.clip).map_err(|error| Failure::new(INPUT, error))?;
        let stop = stop_on_signal()?;
        match clip {
            Clip::Stream(camera) => self.stream(camera, telemetry.as_ref(), truth, &config, codec, detector, &stop),
            Clip::Stills(_) if telemetry.is_some() => {
                Err(Failure::new(USAGE, "--telemetry: stills have no time to be looked up at: leave it out"))
            }
            Clip::Stills(stills) => self.stills(&stills, truth, &config, detector, &stop),
        }
    }

    /// Makes room for the results. The last thing before the first is written: whatever is refused comes earlier.
    fn make_room(&self) -> Result<(), Failure> {
        let read = [Some(&self.clip), self.truth.as_ref(), self.telemetry.as_ref(), self.config.as_ref()];
        let read: Vec<_> = read.into_iter().flatten().map(PathBuf::as_path).collect();
        output_folder(&self.out, self.force, &RESULTS, &read)
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename them")]
    fn stream(
        &self,
        camera: Box<dyn Camera>,
        telemetry: Option<&FlightLog>,
        truth: Option<Truth>,
        config: &Config,
        codec: Option<Codec>,
        mut detector: Detector,
        stop: &AtomicBool,
    ) -> Result<ExitCode, Failure> {
        let truth = match truth {
            Some(Truth::Clip(truth)) => Some(truth),
            Some(Truth::Stills(_)) => return Err(self.wrong_truth("a clip needs a MOT CSV file")),
            None => None,
        };
        let mode = camera.mode();
        let Mode { shape, rate, full_range, frames } = mode;
        let size = shape.size;
        let write_failure = |name: &str, error: &dyn std::fmt::Display| {
            Failure::new(USAGE, format_args!("{}: {error}: choose another --out", self.out.join(name).display()))
        };
        let rate_pair = (rate.frames, rate.seconds);
        let usage = Usage::begin();
        let encoder = match codec {
            Some(_) => {
                let opened = encode::open(&config.encode, size, rate_pair, full_range);
                Some(opened.map_err(|error| Failure::new(USAGE, error))?)
            }
            None => None,
        };
        detector.prepare(size).map_err(|error| Failure::new(USAGE, error))?;
        self.make_room()?;
        let stream_path = match codec {
            Some(Codec::Av1) => Some(self.out.join("redacted.ivf")),
            Some(Codec::H264) => Some(self.out.join("redacted.h264")),
            None => None,
        };
        let stream = match (&stream_path, codec) {
            (Some(path), Some(codec)) => {
                let created = StreamFile::create(path, codec, size, rate_pair);
                Some(created.map_err(|error| Failure::new(USAGE, error))?)
            }
            _ => None,
        };
        let coverage_path = self.out.join("coverage.y4m");
        let coverage =
            CoverageFile::create(&coverage_path, size, rate).map_err(|error| write_failure("coverage.y4m", &error))?;
        let rows =
            FramesCsv::create(&self.out.join("frames.csv")).map_err(|error| write_failure("frames.csv", &error))?;
        let scorer =
            Scorer::new(score::Settings { rate, full_range, stills: false, truth, output: Output::Clip(coverage) });
        // A copy for each frame alive, and one on its way in. Those of dropped frames stay until a later one is taken, and
        // an encoder that stops for seconds loses many; what finds no copy counts as clear.
        let alive = pipeline::frames_alive(mode, config.mask.lookahead) + 1;
        let sources = Sources::new(shape, if self.realtime { alive + DROPPED } else { alive });
        let mut progress = Progress::begin(frames);
        let clock = RealClock::start();
        let mut outlet = Files::new(&clock, stream, rows, &mut progress);
        let governed = Governed::new(shape, &config.mask.density, recorded(telemetry));
        let dark = Dark {
            camera: Box::new(Tap::new(camera, sources.clone())),
            telemetry: recorded(telemetry),
            detector: &mut detector,
            canary: None,
            every: config.detect.every,
            mask: Mask::new(&config.mask, size),
            encoder: Box::new(Witness::new(encoder, sources, governed, scorer.clone())),
            private: &|_| {},
        };
        let outcome = pipeline::run(dark, &mut outlet, Pace { clock: &clock, realtime: self.realtime, stop });
        let (log, groups, failure) = outlet.finish();
        progress.end();
        let cost = usage.per_frame(outcome.frames - outcome.dropped);
        let damage = outcome.camera.as_ref().map(ToString::to_string);
        let sha256 = files_sha256([self.clip.as_path()], false);
        let size = size.to_string();
        let run = Run { outcome, damage, sha256, log, groups, failure, cost, size, stills: false };
        let scores = scorer.finish();
        let decoded = match (&stream_path, codec) {
            (Some(_), _) if self.no_decode => Decoded::unmeasured("--no-decode was given"),
            (Some(path), Some(codec)) => {
                let reopen = if self.clip.as_os_str() == "-" {
                    Err("standard input cannot be read twice".to_owned())
                } else if !self.clip.is_file() {
                    Err("a pipe cannot be read twice".to_owned())
                } else {
                    let clip = self.clip.clone();
                    let again: decoded::Reopen<'_> = Box::new(move || camera::open(&clip)?.stream());
                    Ok(again)
                };
                decoded::examine(path, codec, &coverage_path, reopen, &scores.sent)
            }
            _ => Decoded::unmeasured("--encoder none was given"),
        };
        let stream_name = stream_path.as_ref().map(|path| path.display().to_string());
        self.conclude(run, scores, decoded, config, &detector, stream_name, stop)
    }

    fn stills(
        &self,
        stills: &Stills,
        truth: Option<Truth>,
        config: &Config,
        mut detector: Detector,
        stop: &AtomicBool,
    ) -> Result<ExitCode, Failure> {
        let truth = match truth {
            Some(Truth::Stills(truth)) => Some(truth),
            Some(Truth::Clip(_)) => return Err(self.wrong_truth("stills need a directory of YOLO files")),
            None => None,
        };
        let write_failure = |name: &str, error: &dyn std::fmt::Display| {
            Failure::new(USAGE, format_args!("{}: {error}: choose another --out", self.out.join(name).display()))
        };
        if let Some(truth) = &truth {
            for still in stills {
                truth.check(&still.stem().to_string_lossy()).map_err(|error| Failure::new(INPUT, error))?;
            }
        }
        self.make_room()?;
        let usage = Usage::begin();
        let files = StillFiles::create(&self.out).map_err(|error| write_failure("coverage", &error))?;
        let rows =
            FramesCsv::create(&self.out.join("frames.csv")).map_err(|error| write_failure("frames.csv", &error))?;
        let scorer = Scorer::new(score::Settings {
            rate: camera::Rate { frames: 1, seconds: 1 },
            full_range: false,
            stills: true,
            truth: None,
            output: Output::Stills(files),
        });
        let mut progress = Progress::begin(u64::try_from(stills.len()).ok());
        let clock = RealClock::start();
        let mut outlet = Files::new(&clock, None, rows, &mut progress);
        let mut total = Outcome::default();
        let mut unread = Vec::new();
        let mut note_unread = |error: &CameraError| {
            let line = error.to_string().replace('\n', " ");
            complain(&line);
            unread.push(line);
        };
        let mut sizes: Option<(Size, Size)> = None;
        let still_settings = mask::Settings { parts: Parts::STILL, ..config.mask.clone() };
        for (number, still) in (0..).zip(stills) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let camera = match still.camera(number) {
                Ok(camera) => camera,
                // The stills before it are good and stay; those after it may be as well.
                Err(error) => {
                    note_unread(&error);
                    continue;
                }
            };
            let Mode { shape, full_range, .. } = camera.mode();
            let stem = still.stem().to_string_lossy();
            let labelled = match &truth {
                Some(truth) => truth.still(&stem, shape.size).map_err(|error| Failure::new(INPUT, error))?,
                None => None,
            };
            scorer.begin_still(&stem, full_range, truth.is_some(), labelled);
            detector.prepare(shape.size).map_err(|error| Failure::new(USAGE, error))?;
            let sources = Sources::new(shape, 1);
            let governed = Governed::new(shape, &config.mask.density, Box::new(NoTelemetry));
            let dark = Dark {
                camera: Box::new(Tap::new(Box::new(camera), sources.clone())),
                telemetry: Box::new(NoTelemetry),
                detector: &mut detector,
                canary: None,
                every: 1,
                mask: Mask::new(&still_settings, shape.size),
                encoder: Box::new(Witness::new(None, sources, governed, scorer.clone())),
                private: &|_| {},
            };
            let outcome = pipeline::run(dark, &mut outlet, Pace { clock: &clock, realtime: false, stop });
            let (smallest, largest) = sizes.get_or_insert((shape.size, shape.size));
            if shape.size.area() < smallest.area() {
                *smallest = shape.size;
            }
            if shape.size.area() > largest.area() {
                *largest = shape.size;
            }
            if let Some(error) = &outcome.camera {
                note_unread(error);
            }
            let tripped = outcome.tripped.is_some();
            total.add(outcome);
            if tripped {
                break;
            }
        }
        let (log, groups, failure) = outlet.finish();
        progress.end();
        let cost = usage.per_frame(total.frames);
        let size = match sizes {
            Some((smallest, largest)) if smallest != largest => format!("{smallest} to {largest}"),
            Some((size, _)) => size.to_string(),
            None => "none".to_owned(),
        };
        let damage = match unread.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            [first, ..] => {
                Some(format!("{} of {} stills cannot be read, the first: {first}", unread.len(), stills.len()))
            }
        };
        let sha256 = files_sha256(stills.iter().map(Still::path), true);
        let run = Run { outcome: total, damage, sha256, log, groups, failure, cost, size, stills: true };
        let scores = scorer.finish();
        let decoded = Decoded::unmeasured("stills are not encoded");
        self.conclude(run, scores, decoded, config, &detector, None, stop)
    }

    /// Turns what was measured into files, a table and an exit code.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call site each for clips and stills; a struct would only rename them"
    )]
    fn conclude(
        &self,
        run: Run,
        scores: score::Scores,
        decoded: Decoded,
        config: &Config,
        detector: &Detector,
        stream: Option<String>,
        stop: &AtomicBool,
    ) -> Result<ExitCode, Failure> {
        let interrupted = stop.load(Ordering::Relaxed);
        let Outcome { dropped, tripped, .. } = run.outcome;
        let ending = match (tripped, run.damage) {
            (Some(fault), _) => Ending::Tripped(fault),
            (None, _) if interrupted => Ending::Interrupted,
            (None, Some(damage)) => Ending::Damaged(damage),
            (None, None) => Ending::Complete,
        };
        let policy = config.policy_sha256(detector.sha256());
        let sha256 = BTreeMap::from([
            ("model".to_owned(), Some(detector.sha256().to_owned())),
            ("policy".to_owned(), Some(policy)),
            ("clip".to_owned(), run.sha256),
        ]);
        let mut versions = BTreeMap::from([("voile".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        if let Some(decoder) = decoded.decoder {
            versions.insert("decoder".to_owned(), decoder.to_owned());
        }
        let results = Results {
            clip: self.clip.display().to_string(),
            truth: self.truth.as_ref().map(|path| path.display().to_string()),
            out: self.out.clone(),
            stream,
            size: run.size,
            stills: run.stills,
            sha256,
            versions,
            realtime: self.realtime,
            json: self.json,
            dropped,
            groups: run.groups,
            failure: run.failure.or_else(|| scores.failure.clone()),
        };
        results::write(&results, &scores, decoded, run.log, &run.cost, &ending)
    }

    fn wrong_truth(&self, reason: &str) -> Failure {
        let path = self.truth.as_deref().unwrap_or(Path::new("--truth"));
        Failure::new(USAGE, format_args!("{}: {reason}: pass the one that belongs to the clip", path.display()))
    }
}

/// A reader of its own of what was recorded, if anything was.
fn recorded(log: Option<&FlightLog>) -> Box<dyn Telemetry> {
    match log {
        Some(log) => Box::new(log.clone()),
        None => Box::new(NoTelemetry),
    }
}

/// Set by the first SIGINT or SIGTERM; a second one ends the program at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(super::INTERRUPTED), Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::new(INTERNAL, format_args!("cannot listen for signals: {error}")))?;
    }
    Ok(stop)
}

/// SHA-256 of the clip's files, one after the other; where they are `named`, each is preceded by its name and a zero
/// byte. `None` where they cannot be read a second time.
fn files_sha256<'a>(files: impl IntoIterator<Item = &'a Path>, named: bool) -> Option<String> {
    let mut hash = Sha256::new();
    for path in files {
        if !path.is_file() {
            return None;
        }
        if named {
            hash.update(path.file_name()?.as_encoded_bytes());
            hash.update([0]);
        }
        add_file(&mut hash, path)?;
    }
    Some(hex(&hash.finalize()))
}

fn add_file(hash: &mut Sha256, path: &Path) -> Option<()> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(()),
            count => hash.update(buffer.get(..count)?),
        }
    }
}
