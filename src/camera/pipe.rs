//! A camera's own program: raw frames from its standard output.
//!
//! For cameras that no V4L2 node delivers in colour, such as CSI modules on a Raspberry Pi: `pipe:rpicam-vid -t 0
//! --codec yuv420 --width 1296 --height 972 -o -`. The program is started from an argument vector, never through a
//! shell, and without a thread, so that the dark side can start it before it gives up its rights; it has no network
//! either by then. It looks for its program in /bin and /usr/bin unless a path is given, as the service has no search
//! path. It is tied to the dark side ([`Tie::WithUs`]) and cannot be started again by it: a program that breaks off
//! ends the camera, the radio gets nothing, and the supervisor starts both sides anew.
//!
//! A pipe carries no capture time. A frame is stamped with the arrival of its first byte, which is later than the
//! capture by what the camera and the program take; a frame that waited in the pipe, because nobody read, by that, too.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::base::clock::RealClock;
use crate::base::{ChromaMut, Clock, Fault, FramePool, Layout, PlaneMut, RawFrame, Shape, Size};

use super::child::{Output, Running, Tie};
use super::error::{one_line, path_name};
use super::pipe_rows::{self, Verdict};
use super::pipe_words::{habit, split};
use super::{Camera, CameraError, Mode, Rate, check_pool};

/// Longest wait for the first frame: a camera is set up, and finds its exposure.
const FIRST: Duration = Duration::from_secs(10);
/// Longest wait within the stream. Two seconds without a byte are no camera any more.
const NEXT: Duration = Duration::from_secs(2);
/// How long the program may take to end after it has closed its output.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bytes that the pipe is made to hold, where the kernel allows it: fewer turns for a frame of some megabytes.
const PIPE: usize = 1 << 20;
/// Letters of a command line that are quoted.
const NAME: usize = 100;
/// Rows of Raspberry Pi's programs begin at multiples of this.
const PADDED: usize = 64;

const TRY: &str = "run the program by hand to see what it says";

/// A camera that runs a program and reads I420 frames from it.
pub struct Pipe {
    // Dropped in this order: the pipe goes first, so that a program that writes ends by itself.
    output: Output,
    program: Option<Running>,
    name: String,
    mode: Mode,
    clock: Arc<dyn Clock>,
    next: u64,
    /// The row length to hold the first pictures against, until one has told.
    other: Option<usize>,
}

/// Why no frame came, before program and frame are named.
enum Broken {
    Io(io::Error),
    /// Nothing more came, after so many bytes of the frame.
    Ended(usize),
    /// So much time went by without a byte.
    Silent(Duration),
    /// Rows are longer or shorter than thought.
    Sheared(usize),
}

impl Pipe {
    /// Starts the program of the command line `written`, which is to write frames of `size`, `fps` a second. They are
    /// stamped by the clock of [`Camera::begin`].
    ///
    /// # Errors
    /// [`CameraError::Open`]: the command line cannot be read, asks for something else, or the program cannot be
    /// started.
    pub fn start(written: &str, size: Size, fps: u32) -> Result<Self, CameraError> {
        let name: String = path_name(Path::new(written)).chars().take(NAME).collect();
        let name = format!("pipe:{name}");
        let refused = |reason: String, mend| CameraError::Open { path: name.clone(), reason, mend };
        let (program, arguments) = split(written).map_err(|(reason, mend)| refused(reason.to_owned(), mend))?;
        let habit = habit(&program, &arguments, size, fps).map_err(|(reason, mend)| refused(reason, mend))?;
        let words = arguments.iter().map(OsStr::new);
        let (running, output) = Running::start(OsStr::new(&program), words, Tie::WithUs).map_err(|error| {
            let mend = "install it, or name its whole path; only /bin and /usr/bin are looked through";
            refused(format!("{} cannot be started: {}", one_line(&program), one_line(&error.to_string())), mend)
        })?;
        // Best effort: with a smaller pipe a frame takes more turns.
        let _ = rustix::pipe::fcntl_setpipe_size(output.pipe(), PIPE);

        let packed = Shape::packed(size, Layout::I420);
        let luma_stride = size.width.next_multiple_of(habit.align);
        let chroma_stride = if habit.align == 1 { packed.chroma_stride } else { luma_stride / 2 };
        let shape = Shape { luma_stride, chroma_stride, ..packed };
        let padded = size.width.next_multiple_of(PADDED);
        let other = if habit.align == 1 { padded } else { size.width };
        Ok(Self {
            output,
            program: Some(running),
            name,
            mode: Mode { shape, rate: Rate { frames: fps, seconds: 1 }, full_range: habit.full_range, frames: None },
            clock: Arc::new(RealClock::start()),
            next: 0,
            other: Some(other).filter(|&other| other != luma_stride),
        })
    }

    /// Fills `bytes`, of which there are `before` in this frame so far.
    fn fill(&mut self, bytes: &mut [u8], before: usize, longest: Duration) -> Result<(), Broken> {
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            if !self.output.wait(Some(longest)).map_err(Broken::Io)? {
                return Err(Broken::Silent(longest));
            }
            match self.output.read(rest) {
                Ok(0) => return Err(Broken::Ended(before + have)),
                Ok(read) => have += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
        Ok(())
    }

    /// Fills a plane whose rows come `stride` bytes apart. What is read beside the picture is wiped.
    fn plane(&mut self, mut plane: PlaneMut<'_>, stride: usize, before: usize) -> Result<usize, Broken> {
        let (height, width, own) = (plane.height, plane.width, plane.stride);
        let bytes = stride * height;
        let longest = if self.next == 0 { FIRST } else { NEXT };
        if own == stride
            && let Some(whole) = plane.data.get_mut(..bytes)
        {
            self.fill(whole, before, longest)?;
            if stride > width {
                whole.chunks_mut(stride).filter_map(|row| row.get_mut(width..)).for_each(|rest| rest.fill(0));
            }
            return Ok(bytes);
        }
        let mut beside = [0; PADDED];
        for (number, row) in plane.rows().enumerate() {
            let before = before + number * stride;
            self.fill(row, before, longest)?;
            let rest = beside.get_mut(..stride - width).unwrap_or_default();
            self.fill(rest, before + width, longest)?;
        }
        Ok(bytes)
    }

    fn frame(&mut self, pool: &FramePool) -> Result<RawFrame, Broken> {
        let longest = if self.next == 0 { FIRST } else { NEXT };
        if !self.output.wait(Some(longest)).map_err(Broken::Io)? {
            return Err(Broken::Silent(longest));
        }
        let arrived = self.clock.now();
        let mut frame = pool.take(self.next, arrived);
        let Shape { luma_stride, chroma_stride, .. } = self.mode.shape;
        let (luma, chroma) = frame.planes_mut();
        let mut have = self.plane(luma, luma_stride, 0)?;
        // check_pool has refused every pool that is not I420.
        if let ChromaMut::I420(u, v) = chroma {
            have += self.plane(u, chroma_stride, have)?;
            self.plane(v, chroma_stride, have)?;
        }
        self.check_rows(&mut frame)?;
        Ok(frame)
    }

    /// Holds the row length against the other likely one, until a picture has told; until then it may be sheared, and
    /// nobody would be found in it.
    fn check_rows(&mut self, frame: &mut RawFrame) -> Result<(), Broken> {
        let Some(other) = self.other else { return Ok(()) };
        let (luma, stride) = (frame.luma(), self.mode.shape.luma_stride);
        if luma.stride != stride {
            // The rows have been taken apart already; the pool of the service has the camera's own shape.
            self.other = None;
            return Ok(());
        }
        match pipe_rows::judge(luma.data, luma.width, stride, other) {
            Verdict::Right => self.other = None,
            Verdict::Wrong => return Err(Broken::Sheared(other)),
            Verdict::Unknown => frame.mark(Fault::FrameTorn),
        }
        Ok(())
    }

    /// What it means that no frame came.
    fn finish(&mut self, broken: Broken) -> Result<Option<RawFrame>, CameraError> {
        let Some(program) = self.program.take() else { return Ok(None) };
        let whole = self.mode.shape.bytes();
        let patience = if matches!(broken, Broken::Ended(_)) { PATIENCE } else { Duration::ZERO };
        let end = program.end(patience);
        let said = end.as_ref().ok().and_then(super::child::End::last_line);
        let said = said.map(|line| format!(" ({line})")).unwrap_or_default();
        let ending = match &end {
            Ok(end) => end.ending(),
            Err(error) => one_line(&error.to_string()),
        };
        let (reason, mend) = match broken {
            Broken::Ended(0) if self.next > 0 && end.is_ok_and(|end| end.success()) => {
                log::warn!("{}: the program ended by itself after {} frames{said}", self.name, self.next);
                return Ok(None);
            }
            Broken::Ended(0) => (format!("the program ended with {ending}{said}"), TRY),
            Broken::Ended(have) => {
                (format!("the program ended with {ending} after {have} of {whole} bytes{said}"), TRY)
            }
            Broken::Silent(longest) => (format!("the program wrote nothing for {} s{said}", longest.as_secs()), TRY),
            Broken::Io(error) => (format!("its output cannot be read: {}{said}", one_line(&error.to_string())), TRY),
            Broken::Sheared(other) => (
                format!("rows are {other} bytes apart and not {}{said}", self.mode.shape.luma_stride),
                "name rpicam-vid itself if it is what runs; any other program must write rows without padding, at \
                 camera.width",
            ),
        };
        Err(CameraError::Broke { path: self.name.clone(), frame: self.next, reason, mend })
    }
}

impl Camera for Pipe {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn begin(&mut self, clock: Arc<dyn Clock>, _stop: Arc<AtomicBool>) {
        self.clock = clock;
    }

    fn ready(&mut self, longest: Duration) -> bool {
        // An output that cannot be waited for is for the reader to find.
        self.output.wait(Some(longest)).unwrap_or(true)
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        check_pool(self.mode, pool)?;
        if self.program.is_none() {
            return Ok(None);
        }
        match self.frame(pool) {
            Ok(frame) => {
                self.next += 1;
                Ok(Some(frame))
            }
            Err(broken) => self.finish(broken),
        }
    }
}

#[cfg(test)]
mod tests;
