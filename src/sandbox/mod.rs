//! The two processes give up their rights: what each keeps, and how far the kernel went along.
//!
//! A side calls [`isolate`] first thing after exec and [`enter`] when its devices, model and sockets are open, before
//! the first frame and before its first thread:
//!
//! ```text
//!  exec ─▶ isolate: inherited descriptors closed, no dumps; dark: no network, own namespaces
//!       ─▶ open camera, model, encoder (dark) or sockets, pins, watchdog (lit)
//!       ─▶ enter: descriptors checked, no capabilities, Landlock, memory locked, minimum checked, system calls listed
//!       ─▶ threads, first frame
//! ```
//!
//! What must hold on every kernel is an error where it does not; what a kernel may lack is in the [`Level`], whose
//! figure the configured minimum is held against. A right that was given up never comes back, and no setting weakens a
//! side: [`Settings::left_out`] can only take more away. A side that breaks its rules is ended by the kernel, which the
//! other side sees as a closed pipe, and the radio as nothing.
//!
//! Relies on /proc. Never starts a thread or a process, and never opens a device.

mod descriptors;
mod fence;
mod filter;
mod kernel;
mod level;
mod memory;
mod rights;
mod syscalls;

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

pub use level::{Level, Namespaces};
pub use memory::{Locked, keep_private};
pub use syscalls::{Only, Row, Verdict, rows};

/// One of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Sees raw frames, has no network.
    Dark,
    /// Has the network, never sees a frame.
    Lit,
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Dark => "dark",
            Self::Lit => "lit",
        })
    }
}

/// What [`enter`] is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The lowest figure of [`Level`] to run at, 1 to 4; outside that, the nearest.
    pub minimum: u8,
    /// Folders in which the lit side may make, replace and remove files: that of health.json. The dark side has none.
    pub writable: Vec<PathBuf>,
    /// The name of a row to take out of the table of system calls, for the test that none is spare. Whatever stands
    /// here can only end the process sooner; the service leaves it empty.
    pub left_out: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { minimum: 2, writable: Vec::new(), left_out: None }
    }
}

/// Why a side cannot run. Nothing has left by then, and nothing will.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel refused to close what was inherited.
    #[error("sandbox: inherited descriptors cannot be closed ({source}): boot Linux 5.9 or newer")]
    Close {
        /// What the kernel said.
        source: io::Error,
    },
    /// A descriptor is open that would undo the split.
    #[error(
        "sandbox: descriptor {number} ({target}) on the {side} side is {kind}: close it before entering",
        target = target.display()
    )]
    Descriptor {
        /// Its number.
        number: RawFd,
        /// What it leads to.
        target: PathBuf,
        /// Which side holds it.
        side: Side,
        /// What it is.
        kind: &'static str,
    },
    /// There are threads already.
    #[error("sandbox: threads run already ({names}): start them after entering, the others would keep their rights")]
    Threads {
        /// The names of all, the calling one among them.
        names: String,
    },
    /// /proc cannot be read.
    #[error(
        "sandbox: {path} cannot be read ({source}): mount /proc (ProcSubset=all in the unit)",
        path = path.display()
    )]
    Proc {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A right cannot be given up that every kernel lets a process give up.
    #[error("sandbox: `{what}` was refused ({source}): look for a container or an emulator that filters system calls")]
    Refused {
        /// The part.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Landlock is there but cannot be used.
    #[error("sandbox: Landlock refused its rules ({source}): look for a container that filters system calls")]
    Fence {
        /// What the kernel said.
        source: Box<landlock::RulesetError>,
    },
    /// A folder that should stay writable is not there.
    #[error(
        "sandbox: {path} cannot be opened ({source}): make it (RuntimeDirectory=voile in the unit)",
        path = path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: landlock::PathFdError,
    },
    /// The list of system calls cannot be installed.
    #[error("sandbox: the list of system calls was refused ({source}): boot a kernel with CONFIG_SECCOMP_FILTER")]
    Filter {
        /// What the kernel said.
        source: seccompiler::Error,
    },
    /// A buffer for raw frames cannot be kept in RAM.
    #[error(
        "sandbox: {bytes} bytes cannot be locked in memory ({source}), the limit is {limit}: set \
         LimitMEMLOCK=infinity in the unit"
    )]
    Memory {
        /// Size of the buffer.
        bytes: usize,
        /// The limit of the process.
        limit: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel went along less far than is asked for.
    #[error("sandbox: {level}; [interlock] sandbox_min asks for {minimum}: {mend}")]
    Below {
        /// What was reached.
        level: Level,
        /// What is asked for.
        minimum: u8,
        /// What would lift it.
        mend: &'static str,
    },
}

/// A process that has been set apart but may still open things. Not `Clone`: it is turned into a [`Level`] once.
#[derive(Debug)]
#[must_use = "a side that never enters keeps its rights"]
pub struct Isolated {
    side: Side,
    namespaces: Namespaces,
}

/// The first step, right after exec, while there is one thread and nothing has been opened: closes every descriptor
/// above 2 that is not in `keep`, ends dumps, and for the dark side gives up the network, for itself and for the
/// camera's program that it may start before [`enter`]. Namespaces are best effort; the refusal of sockets is not.
///
/// # Errors
/// [`SandboxError`] says what the kernel refused and the mend.
pub fn isolate(side: Side, keep: &[RawFd]) -> Result<Isolated, SandboxError> {
    rights::only_one_thread()?;
    descriptors::close_inherited(keep)?;
    let namespaces = match side {
        Side::Dark => {
            memory::lift_limit();
            rights::own_namespaces()
        }
        Side::Lit => Namespaces::default(),
    };
    rights::no_dumps()?;
    rights::no_new_privileges()?;
    if side == Side::Dark {
        filter::install_no_network()?;
    }
    Ok(Isolated { side, namespaces })
}

/// The second step, once everything is open: gives up the rest, for good, and says how far that went.
///
/// # Errors
/// [`SandboxError`] names the stray descriptor, the threads, the part that was refused or the minimum that was missed,
/// and the mend. The process should end then; it has lost some of its rights already.
pub fn enter(isolated: Isolated, settings: &Settings) -> Result<Level, SandboxError> {
    let Isolated { side, namespaces } = isolated;
    rights::only_one_thread()?;
    descriptors::check(side)?;
    let (writable, locked) = match side {
        Side::Dark => (&[][..], memory::lock_all()),
        Side::Lit => (settings.writable.as_slice(), Locked::UpTo(0)),
    };
    // A log that goes to a plain file, as in a test, has to grow.
    if side == Side::Dark && !descriptors::logs_to_file() {
        rights::no_file_growth()?;
    }
    let bounding_empty = rights::no_capabilities()?;
    rights::no_dumps()?;
    rights::no_new_privileges()?;
    let landlock = fence::put_up(writable)?;
    let level = Level { side, landlock, namespaces, bounding_empty, locked };
    let minimum = settings.minimum.clamp(Level::MIN, Level::MAX);
    if level.figure() < minimum {
        let mend = level.mend().unwrap_or("lower it");
        return Err(SandboxError::Below { level, minimum, mend });
    }
    // The runtime's response to a crash makes a call that is not listed: the log would blame that.
    kernel::crash_by_own_signal();
    filter::install(side, settings.left_out.as_deref())?;
    Ok(level)
}
