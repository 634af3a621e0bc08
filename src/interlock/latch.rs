//! The latch on disk: a trip outlives process and power until it is reset.
//!
//! Owns three files in the state folder (`/var/lib/voile`):
//!
//! | File | Means |
//! |---|---|
//! | `tripped` | tripped, whatever is in it: empty, cut short, damaged and unreadable count alike |
//! | `reset` | an operator asks, on the ground, to forget the trip; works once, at the next start from rest |
//! | `tripped.last` | the last trip that was reset, for the report |
//!
//! **The reset:** `touch /var/lib/voile/reset`, then stop and start the service, or cycle the power. It is read at
//! the start only, so one that appears in flight does nothing; and a start that systemd makes after a crash, in
//! flight, is not one from rest ([`Start`]).
//!
//! Every order of writing is such that a power cut at any byte leaves the latch closed or untouched: the existence of
//! `tripped` is made durable before its content, and a reset is used up durably before the latch opens, so that no
//! cut can use it twice. Relies on a file system that keeps what `fsync` returned for, and on time being passed in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::InterlockError;
use crate::base::{Fault, Micros};

const TRIPPED: &str = "tripped";
const RESET: &str = "reset";
const LAST: &str = "tripped.last";
const PROBE: &str = "probe";
/// Largest file that is read for its cause, in bytes.
const FILE_MAX: u64 = 4096;

/// What the service came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The power came on, or an operator started a service that had been stopped.
    FromRest,
    /// It was started again without having been stopped: after a crash, or by `systemctl restart`.
    Again,
}

impl Start {
    /// Tells the two apart by a mark in `runtime`, a folder in memory that systemd removes when the service is
    /// stopped and keeps when it is restarted (`RuntimeDirectoryPreserve=restart`). To be asked once per start. A
    /// folder that cannot be written makes it [`Start::Again`].
    pub fn tell(runtime: &Path) -> Self {
        match OpenOptions::new().write(true).create_new(true).open(runtime.join("started")) {
            Ok(_) => Self::FromRest,
            Err(_) => Self::Again,
        }
    }
}

/// What was found at the start, for the log and for `voile doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No trip.
    Clear,
    /// No trip, but a reset lay there; it is used up, lest it forgive a trip to come.
    ResetForNothing,
    /// A trip; none asked for it to be forgotten.
    Tripped,
    /// A trip, now forgotten, with its record if it could be read.
    Reset(Option<Record>),
    /// A trip, and a reset that does not count, because the service had not been stopped. It stays for the next
    /// start.
    ResetInFlight,
    /// A trip, and a reset that could not be used up; with what the system said.
    ResetFailed(String),
}

/// What is written down about a trip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The fault, in its own words.
    pub fault: String,
    /// Wall clock, in seconds since 1970; a board without a clock is wrong about it.
    pub unix_s: u64,
    /// Milliseconds since the service started.
    pub uptime_ms: u64,
    /// Frames redacted until then, since the sides were last started.
    pub frames: u64,
    /// Slates among them.
    pub slates: u64,
    /// Access units sent until then, likewise.
    pub units: u64,
    /// Starts of either side after a death.
    pub restarts: u64,
}

impl Record {
    /// What can be said about a trip by `fault` before anything was counted.
    pub fn new(fault: Fault, unix_s: u64, uptime: Micros) -> Self {
        let uptime_ms = uptime.0 / 1000;
        Self { fault: fault.to_string(), unix_s, uptime_ms, frames: 0, slates: 0, units: 0, restarts: 0 }
    }
}

/// The latch of one run. Opened once at the start of the service, by whoever outlives both sides.
#[derive(Debug)]
pub struct Latch {
    folder: PathBuf,
    tripped: bool,
    record: Option<Record>,
}

impl Latch {
    /// Looks whether a trip is latched in `folder`, and uses a reset up.
    ///
    /// # Errors
    /// The folder cannot hold a latch: missing, full or read-only. Nothing may be sent then, and the service does not
    /// start.
    pub fn open(folder: &Path, start: Start) -> Result<(Self, Found), InterlockError> {
        probe(folder).map_err(|error| refused(folder, &error))?;
        let mut latch = Self { folder: folder.to_owned(), tripped: true, record: None };
        latch.tripped = there(&folder.join(TRIPPED));
        latch.record = if latch.tripped { read(&folder.join(TRIPPED)) } else { None };
        let asked = there(&folder.join(RESET));
        let found = match (latch.tripped, asked, start) {
            (false, false, _) => Found::Clear,
            (false, true, _) => match latch.use_up() {
                Ok(()) => Found::ResetForNothing,
                Err(error) => return Err(refused(&folder.join(RESET), &error)),
            },
            (true, false, _) => Found::Tripped,
            (true, true, Start::Again) => Found::ResetInFlight,
            (true, true, Start::FromRest) => match latch.use_up().and_then(|()| latch.forget()) {
                Ok(()) => Found::Reset(latch.record.take()),
                Err(error) => Found::ResetFailed(error.to_string()),
            },
        };
        Ok((latch, found))
    }

    /// Looks without touching: whether a trip is latched in `folder`, with its record where that can be read. Tries whether
    /// the folder can hold one.
    ///
    /// # Errors
    /// As [`Latch::open`].
    pub fn look(folder: &Path) -> Result<Option<Option<Record>>, InterlockError> {
        probe(folder).map_err(|error| refused(folder, &error))?;
        let tripped = folder.join(TRIPPED);
        Ok(there(&tripped).then(|| read(&tripped)))
    }

    /// Whether anything may leave in this run: not after a trip, in this run or latched from before.
    pub const fn tripped(&self) -> bool {
        self.tripped
    }

    /// What tripped it, where that is known.
    pub const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Latches a trip; the first stays. When this returns without an error, it is on the disk.
    ///
    /// # Errors
    /// It could not be made durable. In this run it is tripped all the same.
    pub fn trip(&mut self, record: Record) -> Result<(), InterlockError> {
        if self.tripped {
            return Ok(());
        }
        self.tripped = true;
        let path = self.folder.join(TRIPPED);
        let written = create(&self.folder, &path, &record).map_err(|error| refused(&path, &error));
        self.record = Some(record);
        written
    }

    /// First half of a reset: it cannot be used again.
    fn use_up(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join(RESET))?;
        sync(&self.folder)
    }

    /// Second half of a reset: the latch opens.
    fn forget(&mut self) -> io::Result<()> {
        fs::rename(self.folder.join(TRIPPED), self.folder.join(LAST))?;
        sync(&self.folder)?;
        self.tripped = false;
        Ok(())
    }
}

/// Whether something is there. What cannot be told is there.
fn there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

fn read(path: &Path) -> Option<Record> {
    let mut text = String::new();
    // Metadata first: opening a pipe would wait for its writer.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    File::open(path).ok()?.take(FILE_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn create(folder: &Path, path: &Path, record: &Record) -> io::Result<()> {
    let mut text = serde_json::to_vec(record)?;
    text.push(b'\n');
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return sync(folder),
        file => file?,
    };
    sync(folder)?;
    file.write_all(&text)?;
    file.sync_all()
}

/// Whether a file can be made, filled, kept and removed.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(PROBE);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    file.write_all(b"voile\n")?;
    file.sync_all()?;
    fs::remove_file(&path)?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn refused(path: &Path, error: &io::Error) -> InterlockError {
    InterlockError::State { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
#[path = "latch_tests.rs"]
mod tests;
