//! The hardware watchdog: resets the board when a side makes no progress.
//!
//! Relies on the kernel's `/dev/watchdog` and on [`super::Progress`] to say when to feed; it has no timer. Opening it
//! starts it. It is closed in the orderly way (`V`, then close) in four cases only:
//!
//! - the service stops on request or with its clip;
//! - it has tripped: a reset would take the LED and the health away, and the trip itself where it could not be latched;
//! - a side refuses to start, which it would after a reset, too;
//! - a camera was lost, and the sides end in order to be started again.
//!
//! While a latch is found at the start, it is not opened at all; otherwise a tripped board would reset for ever. Dropped
//! in any other way, for example by a panic, it is left running and resets the board. A kernel built with
//! `CONFIG_WATCHDOG_NOWAYOUT` ignores the orderly way; the latch holds over that reset as over any other.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::InterlockError;
use super::watchdog_ioctl::{set_timeout, timeout};
use crate::base::{Fault, Micros};

/// A running watchdog.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
    timeout: Micros,
}

impl Watchdog {
    /// Opens and thereby starts the watchdog at `path`, with a reset after `seconds` without feeding.
    ///
    /// # Errors
    /// It cannot be opened (absent, busy, not allowed), is no watchdog, or counts longer than asked. It is stopped
    /// again then, where it allows that.
    pub fn start(path: &Path, seconds: u32) -> Result<Self, InterlockError> {
        let failed = |reason: String| InterlockError::Watchdog { path: path.to_owned(), reason };
        let device = OpenOptions::new().write(true).open(path).map_err(|error| failed(error.to_string()))?;
        let mut started = Self { device, timeout: Micros(0) };
        match started.set(path, seconds) {
            Ok(()) => Ok(started),
            Err(error) => {
                // The error at hand says more than a failure to stop.
                let _ = started.stop();
                Err(error)
            }
        }
    }

    fn set(&mut self, path: &Path, asked: u32) -> Result<(), InterlockError> {
        let failed = |reason: String| InterlockError::Watchdog { path: path.to_owned(), reason };
        let seconds = i32::try_from(asked).map_err(|error| failed(error.to_string()))?;
        // Some drivers cannot be set; what counts is what they say they do.
        let set = set_timeout(&self.device, seconds);
        let given = timeout(&self.device).map_err(|error| failed(set.err().unwrap_or(error).to_string()))?;
        let given = u32::try_from(given).map_err(|_| failed(format!("it counts {given} s")))?;
        if given == 0 || given > asked {
            return Err(InterlockError::WatchdogTime { path: path.to_owned(), asked, given });
        }
        self.timeout = Micros::from_ms(u64::from(given) * 1000);
        Ok(())
    }

    /// Stops the one at `path` that a side has left running; where there is none, nothing is to be stopped.
    ///
    /// # Errors
    /// [`Fault::WatchdogFailed`]: it still runs, and the board will reset.
    pub fn disarm(path: &Path) -> Result<(), Fault> {
        match OpenOptions::new().write(true).open(path) {
            // Nothing is written to what is no watchdog.
            Ok(device) if timeout(&device).is_ok() => Self { device, timeout: Micros(0) }.stop(),
            _ => Ok(()),
        }
    }

    /// Time without feeding after which the board resets. May be shorter than was asked for.
    pub const fn timeout(&self) -> Micros {
        self.timeout
    }

    /// Feeds it; only when [`super::Progress`] says so.
    ///
    /// # Errors
    /// [`Fault::WatchdogFailed`]: the board will reset.
    pub fn feed(&mut self) -> Result<(), Fault> {
        self.write(b"\0")
    }

    /// Stops it in the orderly way.
    ///
    /// # Errors
    /// [`Fault::WatchdogFailed`]: it still runs, and the board will reset.
    pub fn stop(mut self) -> Result<(), Fault> {
        self.write(b"V")
    }

    fn write(&mut self, byte: &[u8; 1]) -> Result<(), Fault> {
        loop {
            match self.device.write(byte) {
                Ok(1) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Err(Fault::WatchdogFailed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeding_never_says_the_orderly_word_and_stopping_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("watchdog");
        let running = || Watchdog { device: File::create(&path).expect("a file"), timeout: Micros(0) };
        let mut watchdog = running();
        watchdog.feed().expect("written");
        watchdog.feed().expect("written");
        watchdog.stop().expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), b"\0\0V");
        let mut watchdog = running();
        watchdog.feed().expect("written");
        drop(watchdog);
        assert_eq!(std::fs::read(&path).expect("read"), b"\0", "a drop leaves it running");
    }

    #[test]
    fn a_device_that_takes_nothing_is_a_fault() {
        let device = OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let mut watchdog = Watchdog { device, timeout: Micros(0) };
        assert_eq!(watchdog.feed(), Err(Fault::WatchdogFailed));
        assert_eq!(watchdog.stop(), Err(Fault::WatchdogFailed));
    }

    #[test]
    fn what_is_no_watchdog_is_refused_with_the_mend() {
        for path in ["/dev/null", "/no/such/watchdog"] {
            let line = Watchdog::start(Path::new(path), 15).expect_err("refused").to_string();
            assert!(line.starts_with(path) && line.contains("watchdog driver") && !line.contains('\n'), "{line}");
        }
    }
}
