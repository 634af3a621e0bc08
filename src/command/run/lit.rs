//! `voile lit`: the side that has the network. Never sees a frame; started by `voile run` alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use clap::Args;

use voile::base::{Clock, Fault, Micros, hex};
use voile::encode;
use voile::health::{Build, Snapshot};
use voile::interlock::pins::{Line, Place};
use voile::interlock::{Heartbeat, Led, Watchdog};
use voile::link::{Link, Stream};
use voile::pipeline;
use voile::pipeline::split::Hearing;
use voile::sandbox::{self, Side};
use voile::seam::{Codec, Hello, ReportReader, RequestWriter};

use super::super::{Failure, INTERNAL, USAGE};
use super::radio::{Devices, Radio};
use super::side::{self, Common};

/// The lit side of `voile run`.
#[derive(Args)]
pub struct Lit {
    #[command(flatten)]
    common: Common,
    /// Folder for health.json and the metrics' socket.
    #[arg(long)]
    runtime: PathBuf,
    /// Deaths of the dark and of the lit side so far.
    #[arg(long, num_args = 2)]
    deaths: Vec<u64>,
    /// Within what time systemd wants to hear of progress.
    #[arg(long)]
    watchdog_us: Option<u64>,
}

impl Lit {
    /// Runs the side to its end.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let isolated = side::isolate(Side::Lit, &self.common)?;
        let config = self.common.configuration()?;
        let stop = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
            .map_err(|error| Failure::new(INTERNAL, error))?;
        let clock = self.common.clock();
        let heartbeat = line(config.interlock.heartbeat.as_deref())?;
        let led = line(config.interlock.led.as_deref())?.map(|line| Led::new(line, clock.now()));
        let watchdog = match &config.interlock.watchdog {
            Some(path) => {
                let started = Watchdog::start(path, config.interlock.watchdog_s);
                Some(started.map_err(|error| Failure::new(USAGE, error))?)
            }
            None => None,
        };
        let mut devices = Devices::open(&self.runtime, led, watchdog, self.watchdog_us);
        let (reports, requests) = side::pipes()?;
        let mut writable = vec![self.runtime.clone()];
        writable.extend(config.link.sdp_folder().map(PathBuf::from));
        let settings = sandbox::Settings { minimum: config.sandbox_min, writable, ..sandbox::Settings::default() };
        let level = sandbox::enter(isolated, &settings).map_err(|error| Failure::new(USAGE, error))?;
        log::info!("{level}");
        devices.serve();

        let every = devices.wait_every();
        let (mut hearing, hello) = match Hearing::open(ReportReader::new(reports), &clock, every, || devices.wait()) {
            Ok(opened) => opened,
            Err(fault) => return Ok(ended(Some(fault), 0)),
        };
        let stream = stream(&hello, config.encode.bitrate_kbps);
        let mut link = Link::open(config.link, stream).map_err(|error| Failure::new(USAGE, error))?;
        link.wall(clock.now(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let heartbeat = match heartbeat.map(|line| Heartbeat::new(line, stream.interval)).transpose() {
            Ok(heartbeat) => heartbeat,
            Err(fault) => return Ok(ended(Some(fault), 0)),
        };
        let build = Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy_sha256: hex(&hello.policy),
            model_sha256: hex(&hello.model),
            sandbox_dark: hello.level,
            sandbox_lit: level.to_string(),
        };
        let deaths = |side: usize| self.deaths.get(side).copied().unwrap_or(0);
        let snapshot = Snapshot { restarts_dark: deaths(0), restarts_lit: deaths(1), ..Snapshot::starting(build) };
        let requests = RequestWriter::new(requests);
        let mut radio = Radio::new(&clock, link, requests, heartbeat, devices, &stop, snapshot);
        let mut slates = [0; Fault::ALL.len()];
        let end = pipeline::lit_half(&mut hearing, &mut radio, &clock, &mut slates);
        let units = radio.finish(end);
        Ok(ended(end, units))
    }
}

/// The exit code that tells the supervisor how it ended, after so many access units.
fn ended(end: Option<Fault>, units: u64) -> ExitCode {
    match end {
        None => ExitCode::SUCCESS,
        Some(Fault::DarkDied) if units == 0 => ExitCode::from(side::NOTHING_SENT),
        Some(Fault::DarkDied) => ExitCode::from(side::OTHER_GONE),
        Some(fault) => ExitCode::from(side::code_of(fault)),
    }
}

fn line(place: Option<&str>) -> Result<Option<Line>, Failure> {
    let request = |place| Place::read(place).and_then(|place| place.output());
    place.map(request).transpose().map_err(|error| Failure::new(USAGE, error))
}

fn stream(hello: &Hello, bitrate_kbps: u32) -> Stream {
    let codec = match hello.codec {
        Codec::Av1 => encode::Codec::Av1,
        Codec::H264 => encode::Codec::H264,
    };
    let (frames, seconds) = (u64::from(hello.rate.0.max(1)), u64::from(hello.rate.1));
    let interval = Micros(seconds * 1_000_000 / frames);
    Stream { codec, bitrate_kbps, interval }
}
