//! `health.json`: the newest snapshot as a file that is always whole.
//!
//! Written beside and renamed, at most once in [`super::EVERY`]. Not made durable: it lives in memory (`/run/voile`),
//! and a reboot starts anew. Everybody may read it. After the first writing no memory is allocated for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::Serialize;

use super::{EVERY, HealthError, Snapshot, State};
use crate::base::{Fault, Micros};

/// Its name in the service's runtime folder.
pub const NAME: &str = "health.json";

/// What a supervisor reads of it at most, in bytes: whoever wrote it may have been lying. It has about 700.
const SIZE_MAX: u64 = 1 << 16;

/// The file and what is about to go into it.
#[derive(Debug)]
pub struct HealthFile {
    path: PathBuf,
    beside: PathBuf,
    text: Vec<u8>,
    written: Option<Micros>,
}

impl HealthFile {
    /// A file at `path`; nothing is written yet.
    pub fn new(path: &Path) -> Self {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        Self { path: path.to_owned(), beside: PathBuf::from(beside), text: Vec::with_capacity(4096), written: None }
    }

    /// Writes the snapshot, unless the last was written a short time ago. Whether it was written.
    ///
    /// # Errors
    /// [`HealthError::File`]; it is tried again after the same time.
    pub fn offer(&mut self, snapshot: &Snapshot, now: Micros) -> Result<bool, HealthError> {
        if self.written.is_some_and(|then| then <= now && now.since(then) < EVERY) {
            return Ok(false);
        }
        self.written = Some(now);
        self.write(snapshot)
            .map_err(|error| HealthError::File { path: self.path.clone(), reason: error.to_string() })?;
        Ok(true)
    }

    /// Writes the last snapshot, however short a time ago the one before was written.
    ///
    /// # Errors
    /// [`HealthError::File`].
    pub fn last(mut self, snapshot: &Snapshot) -> Result<(), HealthError> {
        self.write(snapshot).map_err(|error| HealthError::File { path: self.path, reason: error.to_string() })
    }

    /// After the end of the side that wrote it: says in the file what tripped the service, and leaves the rest as that side
    /// left it. Where it wrote nothing, nothing is said.
    ///
    /// # Errors
    /// [`HealthError::File`].
    pub fn tripped(mut self, fault: Fault) -> Result<(), HealthError> {
        let mut amend = || {
            let mut told: serde_json::Map<String, serde_json::Value> = match self.open() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                file => serde_json::from_reader(file?.take(SIZE_MAX))?,
            };
            // Whatever lies there is of a side that has ended; a pipe would hold up whoever opens it.
            match fs::remove_file(&self.beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            told.insert("state".to_owned(), State::Tripped.word().into());
            told.insert("trip".to_owned(), fault.to_string().into());
            self.write(&told)
        };
        amend().map_err(|error| HealthError::File { path: self.path, reason: error.to_string() })
    }

    /// Frames, slates among them and access units, as the side that wrote the file had counted them last; `None` where it
    /// has said nothing that can be read.
    pub fn counted(&self) -> Option<[u64; 3]> {
        let told: serde_json::Value = serde_json::from_reader(self.open().ok()?.take(SIZE_MAX)).ok()?;
        let slates = told["slates"].as_object()?.values().filter_map(serde_json::Value::as_u64).sum();
        Some([told["frames"].as_u64()?, slates, told["units"].as_u64()?])
    }

    /// Opens it for reading, if it is a file: a side that lies could have put a pipe there, on which a trip would wait.
    fn open(&self) -> io::Result<File> {
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
    }

    fn write(&mut self, told: &impl Serialize) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, told)?;
        self.text.push(b'\n');
        let mut file = File::create(&self.beside)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(&self.text)?;
        fs::rename(&self.beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::{Build, State};
    use super::*;

    fn snapshot(frames: u64) -> Snapshot {
        let build = Build { version: "x".repeat(usize::try_from(frames % 3000).expect("small")), ..Build::default() };
        Snapshot { state: State::Redacting, frames, clear_share: Some(f32::NAN), ..Snapshot::starting(build) }
    }

    #[test]
    fn it_is_written_at_most_once_a_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("health.json");
        let mut file = HealthFile::new(&path);
        let mut offer = |ms, frames| file.offer(&snapshot(frames), Micros::from_ms(ms)).expect("a folder to write to");
        assert!(offer(10, 1) && !offer(20, 2) && !offer(1009, 3) && offer(1010, 4));
        assert!(offer(5, 5), "a clock that went back does not silence it");
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
        assert_eq!((&read["frames"], &read["state"]), (&5.into(), &"redacting".into()));
        assert!(read["clear_share"].is_null(), "not a number is none");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
    }

    #[test]
    fn a_reader_at_any_moment_finds_it_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("health.json");
        let mut file = HealthFile::new(&path);
        file.offer(&snapshot(0), Micros(0)).expect("written");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    serde_json::from_slice::<serde_json::Value>(&fs::read(&path).expect("there")).expect("whole");
                    reads += 1;
                }
            });
            for round in 1..300 {
                file.offer(&snapshot(round), Micros(round * EVERY.0)).expect("written");
            }
            done.store(true, Ordering::Relaxed);
            reader.join().expect("always whole");
        });
    }

    #[test]
    fn a_trip_that_nobody_was_left_to_write_is_told_after_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(NAME);
        let tripped = || HealthFile::new(&path).tripped(Fault::DiedTooOften);
        tripped().expect("nothing to amend");
        assert!(!path.exists());
        HealthFile::new(&path).last(&snapshot(7)).expect("written");
        tripped().expect("amended");
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
        assert_eq!((&read["state"], &read["trip"]), (&"tripped".into(), &"died too often".into()));
        assert_eq!(read["frames"], 7);
        assert_eq!(HealthFile::new(&path).counted(), Some([7, 0, 0]));
        fs::write(&path, "a list: []").expect("written");
        assert!(tripped().expect_err("no JSON").to_string().contains(NAME));
        fs::write(&path, "[]").expect("written");
        assert!(tripped().expect_err("no map").to_string().contains(NAME));
        fs::write(&path, format!("{{{}}}", " ".repeat(1 << 17))).expect("written");
        assert!(tripped().expect_err("too long").to_string().contains(NAME));
        assert_eq!(HealthFile::new(&path).counted(), None);
        fs::remove_file(&path).expect("removed");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("runs");
        assert!(made.success() && HealthFile::new(&path).counted().is_none(), "and it does not wait");
        assert!(tripped().expect_err("a pipe").to_string().contains("no file"));
    }

    #[test]
    fn a_folder_that_is_gone_is_told_and_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run").join("health.json");
        let mut file = HealthFile::new(&path);
        let line = file.offer(&snapshot(1), Micros(0)).expect_err("no folder").to_string();
        assert!(line.contains("health.json") && line.contains("RuntimeDirectory"), "{line}");
        fs::create_dir(folder.path().join("run")).expect("made");
        assert!(file.offer(&snapshot(1), EVERY).expect("written"));
    }
}
