//! `voile dark`: the side that may see faces. Has no network; started by `voile run` alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use clap::Args;

use voile::base::clock::RealClock;
use voile::base::{Clock, Fault, FramePool, NoTelemetry, RawFrame};
use voile::camera::{self, Camera, CameraError, Mode};
use voile::detect::Detector;
use voile::encode::{self, AccessUnit, Backend, Encoder};
use voile::interlock::Cover;
use voile::interlock::pins::{Line, Place};
use voile::mask::{Mask, RedactedFrame};
use voile::pipeline::split::Reports;
use voile::pipeline::{self, Canary, Pace};
use voile::sandbox::{self, Side};
use voile::seam::{self, Hello, LONGEST, Request, RequestReader};

use super::super::{Failure, INPUT, INTERNAL, USAGE};
use super::side::{self, Common};

/// Longest wait for the lit side to send what it has: longer than it takes for that.
const DRAINED: Duration = Duration::from_millis(400);

/// The dark side of `voile run`.
#[derive(Args)]
pub struct Dark {
    #[command(flatten)]
    common: Common,
}

impl Dark {
    /// Runs the side to its end.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let isolated = side::isolate(Side::Dark, &self.common)?;
        let service = self.common.clock();
        let config = self.common.configuration()?;
        let mut camera = camera::live(&config.camera).map_err(|error| Failure::new(INPUT, error))?;
        let mut detector = Detector::load(&config.detect).map_err(|error| Failure::new(USAGE, error))?;
        let cover = match &config.interlock.cover {
            Some(place) => Some(Cover::new(
                Place::read(place).and_then(|place| place.input()).map_err(|error| Failure::new(USAGE, error))?,
            )),
            None => None,
        };
        let mode = camera.mode();
        let (size, rate) = (mode.shape.size, (mode.rate.frames, mode.rate.seconds));
        let coding = config.coding();
        let open = |coding: &encode::Settings| {
            encode::open(coding, size, rate, mode.full_range).map_err(|error| Failure::new(USAGE, error))
        };
        // A hardware encoder is a device, which cannot be opened any more later; rav1e starts threads, which may not run
        // before.
        let encoder = (coding.codec == encode::Codec::H264).then(|| open(&coding)).transpose()?;
        let (requests, reports) = side::pipes()?;
        let settings = sandbox::Settings { minimum: config.sandbox_min, ..sandbox::Settings::default() };
        let level = sandbox::enter(isolated, &settings).map_err(|error| Failure::new(USAGE, error))?;
        log::info!("{level}");

        detector.prepare(size).map_err(|error| Failure::new(USAGE, error))?;
        let canary = Canary::new(&detector, &config.mask, config.canary_every);
        let canary = canary.map_err(|error| Failure::new(USAGE, error))?;
        let encoder = match encoder {
            Some(encoder) => encoder,
            None => open(&coding)?,
        };
        let (wishes, stop) = (Arc::new(Wishes::default()), Arc::new(AtomicBool::new(false)));
        let lit_ended = listen(RequestReader::new(requests), Arc::clone(&wishes), Arc::clone(&stop))?;

        let clock = Arc::new(RealClock::start());
        camera.begin(clock.clone(), Arc::clone(&stop));
        let hello = Hello {
            size,
            rate,
            codec: match config.on_link {
                encode::Codec::Av1 => seam::Codec::Av1,
                encode::Codec::H264 => seam::Codec::H264,
            },
            level: level.figure(),
            policy: bytes_of(&config.policy_sha256(detector.sha256())),
            model: bytes_of(detector.sha256()),
        };
        let writer = seam::ReportWriter::new(reports);
        let mut reports = match Reports::open(writer, hello, &*clock, service.now().since(clock.now())) {
            Ok(reports) => reports,
            Err(error) => return Ok(parted(&error)),
        };
        let told = AtomicBool::new(false);
        let private = |memory: &mut [u8]| {
            if let Err(error) = sandbox::keep_private(memory)
                && !told.swap(true, Ordering::Relaxed)
            {
                log::warn!("{error}");
            }
        };
        let dark = pipeline::Dark {
            camera: Box::new(Covered { camera, cover, clock: &*clock }),
            telemetry: Box::new(NoTelemetry),
            canary: Some(canary),
            detector: &mut detector,
            every: config.detect.every,
            mask: Mask::new(&config.mask, size),
            encoder: Box::new(Wished { encoder, wishes }),
            private: &private,
        };
        let end = pipeline::dark_half(dark, &mut reports, Pace { clock: &*clock, realtime: true, stop: &stop });
        if end.died {
            return Err(Failure::new(INTERNAL, "a thread of the dark side panicked: please report the lines above"));
        }
        let said = reports.end(&end);
        if said.is_ok() {
            // Nothing is ever sent by the other thread: it ends with the lit side.
            let _ = lit_ended.recv_timeout(DRAINED);
        }
        match (said, end.camera) {
            (Err(error), _) => Ok(parted(&error)),
            // A camera that breaks off may come back: the supervisor starts both sides again. One that never gave a frame
            // is not lost, and a clip does not mend itself.
            (Ok(()), Some(error @ CameraError::Broke { .. })) if end.frames > 0 => {
                Err(Failure::new(side::CAMERA_BROKE, error))
            }
            (Ok(()), Some(error)) => Err(Failure::new(INPUT, error)),
            (Ok(()), None) => Ok(ExitCode::SUCCESS),
        }
    }
}

/// The lit side is gone or takes nothing: it has said why, or the supervisor will.
fn parted(error: &seam::SeamError) -> ExitCode {
    log::warn!("{error}");
    ExitCode::from(side::OTHER_GONE)
}

/// The bytes of a hash in hexadecimal.
fn bytes_of(hex: &str) -> [u8; 32] {
    let byte = |index: usize| hex.get(2 * index..2 * index + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    std::array::from_fn(|index| byte(index).unwrap_or(0))
}

/// What the lit side wants of the encoder.
#[derive(Default)]
struct Wishes {
    key_frame: AtomicBool,
    /// Kilobits a second; 0 for none.
    bitrate: AtomicU32,
}

/// Hears what the lit side asks for, until it is gone, which closes the channel. No request weakens a mask; a lit side that
/// is gone, or lies, ends the stream.
fn listen(mut reader: RequestReader, wishes: Arc<Wishes>, stop: Arc<AtomicBool>) -> Result<Receiver<()>, Failure> {
    let (alive, ended) = channel();
    let hear = move || {
        let _alive: Sender<()> = alive;
        let clock = RealClock::start();
        loop {
            match reader.receive(&clock, clock.now().plus(LONGEST)) {
                Ok(Some(Request::KeyFrame)) => wishes.key_frame.store(true, Ordering::Relaxed),
                Ok(Some(Request::Bitrate(kbps))) => wishes.bitrate.store(kbps, Ordering::Relaxed),
                Ok(Some(Request::Stop)) => stop.store(true, Ordering::Relaxed),
                Err(_) => break,
                Ok(None) => {}
            }
        }
        stop.store(true, Ordering::Relaxed);
    };
    let thread = std::thread::Builder::new().name("requests".to_owned()).spawn(hear);
    thread.map(|_| ended).map_err(|error| Failure::new(INTERNAL, format_args!("a thread for requests: {error}")))
}

/// An encoder that does as the lit side wishes.
struct Wished {
    encoder: Box<dyn Encoder>,
    wishes: Arc<Wishes>,
}

impl Encoder for Wished {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        if self.wishes.key_frame.swap(false, Ordering::Relaxed) {
            self.encoder.key_frame();
        }
        match self.wishes.bitrate.swap(0, Ordering::Relaxed) {
            0 => {}
            kbps => self.encoder.bitrate(kbps),
        }
        self.encoder.submit(frame, out)
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.encoder.finish(out)
    }

    fn backend(&self) -> Backend {
        self.encoder.backend()
    }
}

/// A camera whose frames are covered whole while the operator's switch is closed.
struct Covered<'a> {
    camera: Box<dyn Camera>,
    cover: Option<Cover<Line>>,
    clock: &'a dyn Clock,
}

impl Camera for Covered<'_> {
    fn mode(&self) -> Mode {
        self.camera.mode()
    }

    fn ready(&mut self, longest: Duration) -> bool {
        self.camera.ready(longest)
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let mut frame = self.camera.next(pool)?;
        let closed = self.cover.as_mut().is_some_and(|cover| cover.closed(self.clock.now()));
        if closed && let Some(frame) = &mut frame {
            frame.mark(Fault::CoverClosed);
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_told_in_bytes() {
        assert_eq!(bytes_of(&"0a".repeat(32)), [10; 32]);
        assert_eq!(bytes_of("ff")[..2], [255, 0]);
    }
}
