//! What both sides share: their arguments, their pipes, their exit codes.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use rustix::stdio;
use rustix::thread::set_name;
use rustix::time::{ClockId, clock_gettime};

use voile::base::clock::RealClock;
use voile::base::{Fault, Micros};
use voile::config::Config;
use voile::sandbox::{self, Isolated, Side};
use voile::seam::{Inflow, Outflow};

use super::super::{Failure, INTERNAL, USAGE};

/// The variable that holds the text of the configuration file that `--config` names.
pub const CONFIGURATION: &str = "VOILE_CONFIGURATION";
/// The exit code of a side that lost the other one.
pub const OTHER_GONE: u8 = 6;
/// The exit code of a lit side that lost the other one before anything was sent.
pub const NOTHING_SENT: u8 = 8;
/// The exit code of a dark side whose camera broke off in flight.
pub const CAMERA_BROKE: u8 = 7;
/// The exit code of a lit side that tripped is this and the fault's number: beyond 101, with which a panic ends.
const TRIP: u8 = 110;

/// What the supervisor tells either side.
#[derive(Args)]
pub struct Common {
    #[arg(long)]
    config: Option<PathBuf>,
    /// When the service started, on the machine's monotonic clock.
    #[arg(long)]
    begun_us: u64,
    /// The process that started this side, with which it ends.
    #[arg(long)]
    supervisor: u32,
}

impl Common {
    /// The configuration that the supervisor has read; the file may say something else by now.
    pub fn configuration(&self) -> Result<Config, Failure> {
        let Some(path) = &self.config else { return Ok(Config::default()) };
        let text = std::env::var(CONFIGURATION).map_err(|error| Failure::new(INTERNAL, error))?;
        Config::parse(path, &text).map_err(|error| Failure::new(USAGE, error))
    }

    /// The supervisor's clock. To be asked before rights are given up: the first look at the machine's clock finds out how.
    pub fn clock(&self) -> RealClock {
        RealClock::started(Micros(monotonic_us().saturating_sub(self.begun_us)))
    }
}

/// The machine's monotonic clock, in microseconds.
pub fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds * 1_000_000 + nanos / 1000
}

/// The folder in memory for health and marks: what systemd made, or its usual place.
pub fn runtime() -> PathBuf {
    std::env::var_os("RUNTIME_DIRECTORY").map_or_else(|| PathBuf::from("/run/voile"), PathBuf::from)
}

/// The exit code that says which fault tripped the interlock.
pub const fn code_of(fault: Fault) -> u8 {
    TRIP + fault.number()
}

/// The fault that an exit code stands for.
pub fn fault_of(code: i32) -> Option<Fault> {
    let number = code.checked_sub(i32::from(TRIP)).and_then(|number| usize::try_from(number).ok())?;
    Fault::ALL.get(number).copied()
}

/// First thing after exec: no more than the pipes is left of what was inherited, and the supervisor's end is this side's.
pub fn isolate(side: Side, common: &Common) -> Result<Isolated, Failure> {
    // For the process list; otherwise it would show the link that was started.
    let name = match side {
        Side::Dark => c"voile dark",
        Side::Lit => c"voile lit",
    };
    set_name(name).map_err(|error| Failure::new(INTERNAL, error))?;
    let isolated = sandbox::isolate(side, &[]).map_err(|error| Failure::new(INTERNAL, error))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| Failure::new(INTERNAL, error))?;
    // It may have died before the kernel knew whom to tell.
    let parent = getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(common.supervisor) {
        return Err(Failure::new(INTERNAL, "the supervisor has ended already: start the service again"));
    }
    Ok(isolated)
}

/// The ends of the two pipes, taken from standard input and output; a stray print then goes nowhere.
pub fn pipes() -> Result<(Inflow, Outflow), Failure> {
    let failed = |error: std::io::Error| Failure::new(INTERNAL, format_args!("the pipes of the seam: {error}"));
    let from: OwnedFd = rustix::io::dup(stdio::stdin()).map_err(|error| failed(error.into()))?;
    let to: OwnedFd = rustix::io::dup(stdio::stdout()).map_err(|error| failed(error.into()))?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null").map_err(failed)?;
    stdio::dup2_stdin(&nothing).map_err(|error| failed(error.into()))?;
    stdio::dup2_stdout(&nothing).map_err(|error| failed(error.into()))?;
    let refused = |error| Failure::new(INTERNAL, error);
    Ok((Inflow::open(from).map_err(refused)?, Outflow::open(to).map_err(refused)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_an_exit_code_of_its_own() {
        for fault in Fault::ALL {
            assert_eq!(fault_of(i32::from(code_of(fault))), Some(fault));
        }
        assert_eq!([0, 5, 101, 109, 255].map(fault_of), [None; 5]);
    }
}
