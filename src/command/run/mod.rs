//! `voile run`: the service. Starts the two sides, watches them, and latches a trip.
//!
//! The supervisor sees no frame and sends nothing. It owns what must outlive a side: the latch on disk, the count of
//! deaths and the wish to stop. A side that dies is never restarted silently: it is a fault with a count and a back-off, and
//! its repetition is a trip. When one side dies the other is ended too, since a stream has no second half.

mod dark;
mod lit;
mod radio;
mod side;

use std::fs;
use std::io::pipe;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use voile::base::clock::RealClock;
use voile::base::{Clock, Fault, Micros};
use voile::config::Config;
use voile::health::{self, HealthFile, service};
use voile::interlock::latch::{Found, Latch, Record, Start};
use voile::interlock::restarts::{Next, Policy};
use voile::interlock::{Response, Restarts, Watchdog, response};
use voile::link::viewers;
use voile::sandbox::Side;

use super::{Failure, INTERNAL, TRIPPED, USAGE, say};
pub use dark::Dark;
pub use lit::Lit;
pub use side::runtime;

/// Between two looks at the sides.
const LOOK: Duration = Duration::from_millis(10);
/// How long the sides may take to send what is under way.
const STOPPING: Micros = Micros::from_ms(1_800);
/// Between two tries to get a lost camera back.
const CAMERA_AGAIN: Micros = Micros::from_ms(1_000);
/// How long the other side may take to end by itself.
const PARTING: Micros = Micros::from_ms(500);

/// The service: camera to radio.
#[derive(Args)]
pub struct Run {
    /// Configuration file; without it /etc/voile/voile.toml if there is one, else every key has its safe default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop cleanly after so many seconds.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    duration: Option<u32>,
}

/// The configuration that is read where none is named.
const CONFIG: &str = "/etc/voile/voile.toml";

/// The configuration file: the one that is named, else the usual one if it is there.
pub fn configuration(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(CONFIG)).filter(|path| path.exists()))
}

/// How a flight of both sides ended.
enum End {
    /// As it was meant to: the clip is over, or somebody asked.
    Finished,
    /// The interlock tripped.
    Tripped(Fault),
    /// A side could not start and has said why; with the exit code.
    Refused(u8),
    /// The camera broke off in flight, and the dark side has said how.
    CameraLost,
    /// A side died; and whether anything had been sent before, as far as is known.
    Died(Side, ExitStatus, bool),
}

impl Run {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let file = configuration(self.config.clone());
        // Read once: a running service reloads nothing, also where it starts its sides again.
        let usage = |error| Failure::new(USAGE, error);
        let written =
            file.map(|file| Config::text(&file).map(|text| Written { file, text })).transpose().map_err(usage)?;
        let config = match &written {
            Some(Written { file, text }) => Config::parse(file, text).map_err(usage)?,
            None => Config::default(),
        };
        let runtime = side::runtime();
        for folder in [&runtime, &config.interlock.state] {
            fs::create_dir_all(folder).map_err(|error| {
                let mend = "make it, or name another (RUNTIME_DIRECTORY, [interlock] state)";
                Failure::new(USAGE, format_args!("{}: {error}: {mend}", folder.display()))
            })?;
        }
        let ended = self.start(&config, written, &runtime);
        if std::env::var_os("INVOCATION_ID").is_none() {
            // Ended, not crashed: the next start is one from rest. systemd removes the folder itself, but not when it
            // starts the service again at once, which an operator in flight could ask for.
            let _ = fs::remove_file(runtime.join("started"));
        }
        ended
    }

    fn start(self, config: &Config, written: Option<Written>, runtime: &Path) -> Result<ExitCode, Failure> {
        let clock = RealClock::start();
        let mut latch = opened(&config.interlock.state, Start::tell(runtime))?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(|error| Failure::new(INTERNAL, error))?;
        }
        for viewer in viewers(&config.link, config.on_link) {
            let line = viewer.line.as_deref().unwrap_or("-");
            say(format_args!("{}: {line} ({})", viewer.name, viewer.note));
        }
        let flight = Flight {
            written,
            runtime: runtime.to_owned(),
            state: config.interlock.state.clone(),
            watchdog: config.interlock.watchdog.clone(),
            until: self.duration.map(|seconds| Micros::from_ms(u64::from(seconds) * 1000)),
            begun_us: side::monotonic_us().saturating_sub(clock.now().0),
            clock,
            stop,
        };
        flight.all(&mut latch)
    }
}

/// Opens the latch; a trip from before ends the start.
fn opened(state: &Path, start: Start) -> Result<Latch, Failure> {
    let (latch, found) = Latch::open(state, start).map_err(|error| Failure::new(USAGE, error))?;
    match &found {
        Found::Clear => {}
        Found::ResetForNothing => log::warn!("a reset lay there and nothing was tripped: it is used up"),
        Found::Reset(record) => {
            let by = record.as_ref().map_or("an unreadable latch", |record| record.fault.as_str());
            log::warn!("the trip by {by} is reset");
        }
        Found::Tripped | Found::ResetInFlight | Found::ResetFailed(_) => {}
    }
    if !latch.tripped() {
        return Ok(latch);
    }
    let by = latch.record().map_or("an unreadable latch", |record| record.fault.as_str());
    let more = match &found {
        Found::ResetInFlight => "; the reset that lies there counts after a stop, not after a crash",
        Found::ResetFailed(reason) => reason.as_str(),
        Found::Clear | Found::ResetForNothing | Found::Tripped | Found::Reset(_) => "",
    };
    let reset = state.join("reset");
    let line = format!(
        "{fault}, by {by}: on the ground run `touch {reset}`, then stop and start voile{more}",
        fault = Fault::Latched,
        reset = reset.display()
    );
    Err(Failure::new(TRIPPED, line))
}

/// The configuration file as it was when the service started.
struct Written {
    file: PathBuf,
    text: String,
}

/// What stays the same from one start of the sides to the next.
struct Flight {
    written: Option<Written>,
    runtime: PathBuf,
    state: PathBuf,
    watchdog: Option<PathBuf>,
    until: Option<Micros>,
    begun_us: u64,
    clock: RealClock,
    stop: Arc<AtomicBool>,
}

impl Flight {
    /// Starts the sides, and again when one has died, until the end.
    fn all(&self, latch: &mut Latch) -> Result<ExitCode, Failure> {
        let mut deaths = [Restarts::new(Policy::default()), Restarts::new(Policy::default())];
        // A camera that was there may come back, for instance on its cable; one that never was is for the operator.
        let mut lost = false;
        let code = loop {
            match self.once(deaths.each_ref().map(Restarts::total))? {
                End::Finished => break ExitCode::SUCCESS,
                End::CameraLost => {
                    debug_assert_eq!(response(Fault::CameraLost), Response::Slate, "no trip");
                    lost = true;
                    log::error!("{}: both are started again in {} ms", Fault::CameraLost, CAMERA_AGAIN.0 / 1000);
                    self.rest(self.clock.now().plus(CAMERA_AGAIN));
                }
                End::Refused(super::INPUT) if lost => self.rest(self.clock.now().plus(CAMERA_AGAIN)),
                End::Refused(code) => break ExitCode::from(code),
                End::Tripped(fault) => return Err(self.trip(latch, fault, &deaths)),
                End::Died(side, status, sent) => {
                    let (index, fault) = match side {
                        Side::Dark => (0, Fault::DarkDied),
                        Side::Lit => (1, Fault::LitDied),
                    };
                    debug_assert_eq!(response(fault), Response::Slate, "a death alone is no trip");
                    match deaths[index].died(self.clock.now(), sent) {
                        Next::Trip => return Err(self.trip(latch, Fault::DiedTooOften, &deaths)),
                        Next::StartAt(moment) => {
                            let (count, ms) = (deaths[index].total(), moment.since(self.clock.now()).0 / 1000);
                            log::error!("{fault} ({status}), {count} so far: both are started again in {ms} ms");
                            self.rest(moment);
                        }
                    }
                }
            }
            if self.stopping() {
                break ExitCode::SUCCESS;
            }
        };
        self.disarm();
        Ok(code)
    }

    /// Waits for a moment, or for the wish to stop.
    fn rest(&self, until: Micros) {
        while self.clock.now() < until && !self.stopping() {
            std::thread::sleep(LOOK);
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.until.is_some_and(|until| self.clock.now() >= until)
    }

    /// Latches a trip; the line that says so.
    fn trip(&self, latch: &mut Latch, fault: Fault, deaths: &[Restarts; 2]) -> Failure {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let restarts = deaths.iter().map(Restarts::total).sum();
        let health = HealthFile::new(&self.runtime.join(health::file::NAME));
        let [frames, slates, units] = health.counted().unwrap_or_default();
        let record = Record::new(fault, unix.as_secs(), self.clock.now());
        let record = Record { frames, slates, units, restarts, ..record };
        let unlatched = latch.trip(record).err();
        // Also where the latch could not be written: after a reset nobody would know of the trip, and it would be sent.
        self.disarm();
        let kept = unlatched.map(|error| format!("; {error}")).unwrap_or_default();
        // The side that tells how the service fares is gone, and may have known of no trip.
        if let Err(error) = health.tripped(fault) {
            log::warn!("{error}");
        }
        let reset = self.state.join("reset");
        let line = format!(
            "tripped: {fault}: nothing is sent until, on the ground, `touch {}` and a new start{kept}",
            reset.display()
        );
        Failure::new(TRIPPED, line)
    }

    /// Stops the watchdog that the lit side may have left running: the service ends here as it should, or the next start
    /// would end as this one did.
    fn disarm(&self) {
        if let Some(fault) = self.watchdog.as_deref().and_then(|path| Watchdog::disarm(path).err()) {
            log::warn!("{fault}: the board may reset");
        }
    }

    /// Starts both sides and waits for their end.
    fn once(&self, restarts: [u64; 2]) -> Result<End, Failure> {
        let failed =
            |error: std::io::Error| Failure::new(INTERNAL, format_args!("the sides cannot be started: {error}"));
        let (reports, say) = pipe().map_err(failed)?;
        let (requests, ask) = pipe().map_err(failed)?;
        // The supervisor's own copies of the pipes end with each command, or no side would see the other's end.
        let dark = self.side(Side::Dark, restarts).stdin(requests).stdout(say).spawn().map(Running).map_err(failed)?;
        let lit = self.side(Side::Lit, restarts).stdin(reports).stdout(ask).spawn().map(Running).map_err(failed)?;
        self.watch(dark, lit).map_err(failed)
    }

    /// Waits for the end of both sides, and brings it about where it is time.
    fn watch(&self, mut dark: Running, mut lit: Running) -> std::io::Result<End> {
        let (mut asked, mut first) = (None, None);
        loop {
            let (dark_end, lit_end) = (dark.0.try_wait()?, lit.0.try_wait()?);
            let now = self.clock.now();
            if let (Some(dark_end), Some(lit_end)) = (dark_end, lit_end) {
                let first = first.map_or(Side::Dark, |(side, _)| side);
                return Ok(judged(first, dark_end, lit_end, asked.is_some()));
            }
            if first.is_none() && (dark_end.is_some() || lit_end.is_some()) {
                first = Some((if dark_end.is_some() { Side::Dark } else { Side::Lit }, now));
            }
            if asked.is_none() && self.stopping() {
                asked = Some(now);
                signal(&lit.0, Signal::TERM);
            }
            let late = asked.is_some_and(|asked| now.since(asked) > STOPPING);
            if late {
                log::warn!("the sides took longer than {} ms to end: they were killed", STOPPING.0 / 1000);
            }
            if late || first.is_some_and(|(_, ended)| now.since(ended) > PARTING) {
                dark.end();
                lit.end();
            } else {
                std::thread::sleep(LOOK);
            }
        }
    }

    fn side(&self, side: Side, restarts: [u64; 2]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("voile").arg(side.to_string()).arg("--begun-us").arg(self.begun_us.to_string());
        command.arg("--supervisor").arg(std::process::id().to_string());
        command.stderr(Stdio::inherit()).process_group(0).env_clear();
        if let Some(Written { file, text }) = &self.written {
            command.arg("--config").arg(file).env(side::CONFIGURATION, text);
        }
        // A backtrace would ask for the working directory, which no side may any more.
        let mut kept = vec!["RUST_LOG", "JOURNAL_STREAM"];
        if side == Side::Lit {
            kept.push("NOTIFY_SOCKET");
            command.arg("--runtime").arg(&self.runtime);
            command.arg("--deaths").arg(restarts[0].to_string()).arg(restarts[1].to_string());
            if let Some(interval) = service::watchdog_interval() {
                command.arg("--watchdog-us").arg(interval.0.to_string());
            }
        }
        command.envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command
    }
}

/// A running side; ended when dropped.
struct Running(Child);

impl Running {
    fn end(&mut self) {
        // Each side leads a group, in which a camera's program is, too. One that has ended already cannot be killed,
        // which is well.
        let _ =
            i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).map(|pid| kill_process_group(pid, Signal::KILL));
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by now.
        let _ = kill_process(pid, signal);
    }
}

/// What two ends mean, of which `first` was there first.
fn judged(first: Side, dark: ExitStatus, lit: ExitStatus, asked: bool) -> End {
    if let Some(fault) = lit.code().and_then(side::fault_of) {
        return End::Tripped(fault);
    }
    if dark.code() == Some(i32::from(side::CAMERA_BROKE)) && !asked {
        return End::CameraLost;
    }
    let refusal = |status: ExitStatus| {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        code.filter(|code| [USAGE, super::INPUT].contains(code))
    };
    if let Some(code) = refusal(dark).or_else(|| refusal(lit)) {
        return End::Refused(code);
    }
    if asked || (dark.success() && lit.success()) {
        return End::Finished;
    }
    // One that noticed the other's end is not the one that died.
    let is = |status: ExitStatus, code: u8| status.code() == Some(i32::from(code));
    let sent = !is(lit, side::NOTHING_SENT);
    let left = |status: ExitStatus| is(status, side::OTHER_GONE) || is(status, side::NOTHING_SENT);
    match first {
        Side::Dark if !left(dark) => End::Died(Side::Dark, dark, sent),
        Side::Lit if left(lit) => End::Died(Side::Dark, dark, sent),
        Side::Dark | Side::Lit => End::Died(Side::Lit, lit, sent),
    }
}
