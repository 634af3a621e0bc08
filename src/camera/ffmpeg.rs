//! Any other video file: the system's ffmpeg as a child, its frames over a pipe as Y4M.
//!
//! Started from an argument vector, never through a shell; the file is named by `file:`, so that no name can be taken
//! for an option or a network address, and no playlist in it can make ffmpeg open anything but files.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::base::{FramePool, RawFrame};

use super::child::{End, Output, Running, Tie};
use super::error::{one_line, path_name};
use super::{Camera, CameraError, Mode, Y4m, check_pool};

/// What decodes; looked for on the search path unless a path is given.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Decodes the file.
    pub ffmpeg: OsString,
    /// Knows how many frames there are; if it is missing, the number is not known.
    pub ffprobe: OsString,
}

impl Default for Programs {
    fn default() -> Self {
        Self { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into() }
    }
}

/// Every decoded frame goes through once, whatever its time stamp; frames line up with truth files by number.
pub(crate) const EVERY_FRAME: [&str; 2] = ["-fps_mode", "passthrough"];
/// The same before ffmpeg 5.1; gone in newer ones.
pub(crate) const EVERY_FRAME_OLD: [&str; 2] = ["-vsync", "passthrough"];

/// What ffmpeg says, in one of these ways, of a file that ends too early; the containers that do not say how many frames
/// they hold, Matroska first of all, end well even then.
const CUT: [&str; 3] = ["ended prematurely", "artial file", "runcat"];

/// How long ffmpeg may take to end after it has closed its output.
const PATIENCE: Duration = Duration::from_secs(5);

/// A camera that plays whatever ffmpeg can read: first video stream, I420, stamped with the frame's number over the
/// rate.
pub struct Ffmpeg {
    // Dropped in this order: the pipe goes first, then the child is killed.
    stream: Y4m<Output>,
    child: Option<Running>,
    path: String,
    /// How ffmpeg names the file in its messages.
    named: String,
    delivered: u64,
}

impl Ffmpeg {
    /// Starts ffmpeg on the file at `path` and waits for its header.
    ///
    /// `frames` is the number of frames if it is known already; otherwise ffprobe is asked.
    ///
    /// # Errors
    /// [`CameraError::FfmpegAbsent`], [`CameraError::FfmpegRefused`] with ffmpeg's reason, or [`CameraError::Header`]
    /// for a size that is not supported.
    pub fn open(path: &Path, programs: &Programs, frames: Option<u64>) -> Result<Self, CameraError> {
        let input = file_address(path);
        let frames = frames.or_else(|| frame_count(&programs.ffprobe, &input));
        match Self::start(path, &input, programs, EVERY_FRAME) {
            Err(Start::Failed(error)) => Err(error),
            Err(Start::Refused(end)) if end.mentions("'fps_mode'") => {
                Self::start(path, &input, programs, EVERY_FRAME_OLD).map_err(|start| start.error(path))
            }
            Err(refused) => Err(refused.error(path)),
            Ok(camera) => Ok(camera),
        }
        .map(|camera| Self { stream: camera.stream.with_frames(frames), ..camera })
    }

    fn start(path: &Path, input: &OsStr, programs: &Programs, every: [&str; 2]) -> Result<Self, Start> {
        let before = ["-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i"];
        let after = ["-map", "0:v:0", "-an", "-sn", "-dn"];
        let format = ["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-strict", "-1", "pipe:1"];
        let arguments = before.into_iter().map(OsStr::new).chain([input]);
        let arguments = arguments.chain(after.into_iter().chain(every).chain(format).map(OsStr::new));
        let named = path_name(path);
        let (child, stdout) = Running::start(&programs.ffmpeg, arguments, Tie::OwnGroup).map_err(|error| {
            let program = path_name(Path::new(&programs.ffmpeg));
            Start::Failed(CameraError::FfmpegAbsent {
                path: named.clone(),
                program,
                reason: one_line(&error.to_string()),
            })
        })?;
        match Y4m::new(stdout, &named) {
            Ok(stream) => {
                let named = input.to_string_lossy().into_owned();
                Ok(Self { stream, child: Some(child), path: path_name(path), named, delivered: 0 })
            }
            // Not a byte: ffmpeg has said why.
            Err(CameraError::Empty { .. }) => Err(match child.end(PATIENCE) {
                Ok(end) => Start::Refused(end),
                Err(error) => Start::Failed(unreadable(path, &error)),
            }),
            Err(error) => Err(Start::Failed(error)),
        }
    }

    /// The stream has ended, well or with `broken`: finds out from the child what that means.
    fn finish(&mut self, broken: Option<CameraError>) -> Result<Option<RawFrame>, CameraError> {
        let Some(child) = self.child.take() else { return Ok(None) };
        let (path, frame) = (self.path.clone(), self.delivered);
        let end = child.end(PATIENCE).map_err(|error| unreadable(Path::new(&path), &error))?;
        let said = end.last_line().map(|line| bare(&line, &self.named));
        let reason = said.clone().unwrap_or_else(|| "it gave no reason".to_owned());
        match (broken, self.stream.mode().frames) {
            _ if !end.success() => Err(CameraError::FfmpegDied { path, frame, ending: end.ending(), reason }),
            (Some(broken), _) => Err(broken),
            (None, Some(claimed)) if said.is_some() && frame < claimed => {
                Err(CameraError::FfmpegShort { path, frame, claimed, reason })
            }
            (None, None) if CUT.iter().any(|words| end.mentions(words)) => {
                Err(CameraError::FfmpegCut { path, frame, reason })
            }
            _ => {
                if said.is_some() {
                    log::warn!("{path}: ffmpeg went through all of it, but complained: {reason}");
                }
                Ok(None)
            }
        }
    }
}

impl Camera for Ffmpeg {
    fn mode(&self) -> Mode {
        self.stream.mode()
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        check_pool(self.mode(), pool)?;
        match self.stream.next(pool) {
            Ok(Some(frame)) => {
                self.delivered += 1;
                Ok(Some(frame))
            }
            Ok(None) => self.finish(None),
            Err(broken) => self.finish(Some(broken)),
        }
    }
}

/// Why ffmpeg gave no header.
enum Start {
    /// Nothing to do with the arguments.
    Failed(CameraError),
    /// It ended without a byte.
    Refused(End),
}

impl Start {
    fn error(self, path: &Path) -> CameraError {
        match self {
            Self::Failed(error) => error,
            Self::Refused(end) => {
                let named = file_address(path).to_string_lossy().into_owned();
                let said = end.last_line().map(|line| bare(&line, &named));
                let reason = said.unwrap_or_else(|| format!("no picture in it, {}", end.ending()));
                CameraError::FfmpegRefused { path: path_name(path), reason }
            }
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> CameraError {
    let reason = format!("ffmpeg cannot be waited for: {}", one_line(&error.to_string()));
    CameraError::Open { path: path_name(path), reason, mend: "run again" }
}

/// The file as ffmpeg must be told it.
fn file_address(path: &Path) -> OsString {
    let mut address = OsString::from("file:");
    address.push(path);
    address
}

/// ffmpeg's message without what our own message has already or nobody needs: the file's name, and the names of
/// ffmpeg's parts in brackets, which carry addresses that differ from run to run.
fn bare(line: &str, named: &str) -> String {
    let mut line = line.strip_prefix(named).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(line);
    while let Some((_, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        line = rest;
    }
    line.to_owned()
}

/// What the container says about the number of frames, if it and ffprobe know.
fn frame_count(ffprobe: &OsStr, input: &OsStr) -> Option<u64> {
    let output = Command::new(ffprobe)
        .args(["-v", "quiet", "-protocol_whitelist", "file", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_frames", "-of", "default=nokey=1:noprint_wrappers=1"])
        .arg(input)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    std::str::from_utf8(&output.stdout)
        .ok()?
        .lines()
        .find_map(|line| line.trim().parse().ok())
        .filter(|&count| count > 0)
}

#[cfg(test)]
mod tests;
