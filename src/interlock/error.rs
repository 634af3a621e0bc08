//! Why a pin, the latch or a watchdog cannot be used, each as one line.
//!
//! A line names the line, file or device, the reason and the mend. All of these are met at the start, except where a
//! trip cannot be written down; in flight the room answers with a fault.

use std::path::PathBuf;

/// Why a pin, the latch or a watchdog cannot be used. The message names it and the mend.
#[derive(Debug, thiserror::Error)]
pub enum InterlockError {
    /// A line is not named in a form that can be read.
    #[error(
        "line \"{written}\": {reason}: write CHIP:LINE (gpiochip0:17, gpiochip0:GPIO17) or the name of a line alone"
    )]
    Place {
        /// As written.
        written: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No line has this name.
    #[error("line \"{written}\": no chip that may be read has it: look with gpioinfo, and check the udev rule")]
    NoLine {
        /// As written.
        written: String,
    },
    /// The kernel does not give the line.
    #[error(
        "line \"{written}\": {reason}: see with gpiodetect and gpioinfo whether it is there and who holds it, and whether the service may open the chip"
    )]
    Request {
        /// As written.
        written: String,
        /// What the kernel said.
        reason: String,
    },
    /// The folder of the latch cannot hold a trip over a power cut.
    #[error("{path}: {reason}: a trip could not be latched here: give the service a folder that it can write to")]
    State {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The hardware watchdog cannot be opened or set.
    #[error("{path}: {reason}: load the board's watchdog driver and let the service open it, or leave `watchdog` out")]
    Watchdog {
        /// The device.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The hardware watchdog knows no time as short as was asked for.
    #[error("{path}: it resets after {given} s at best where {asked} s were asked for: set `watchdog_s` to {given}")]
    WatchdogTime {
        /// The device.
        path: PathBuf,
        /// Seconds asked for.
        asked: u32,
        /// Seconds that the driver gave.
        given: u32,
    },
}
