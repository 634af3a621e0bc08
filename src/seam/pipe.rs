//! The two ends of a pipe between processes, each with a limit to its wait.
//!
//! Only an anonymous or named pipe is taken: a socket could carry descriptors, and with them memory that holds
//! pictures. Both ends are made non-blocking; a wait is one `ppoll`. After they are opened, they need `read`, `write`
//! and `ppoll` of the kernel and nothing else. Whoever opens the writing end must ignore SIGPIPE, as Rust programs do
//! from the start.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

use super::error::SeamError;
use super::reader::Source;
use super::writer::Sink;

/// Bytes that a pipe is made to hold: a large key frame and what follows, so that the encoder need not wait for a
/// reader that is late by a frame or two. Half a second at 4 Mb/s: more would only hide that the reader hangs.
pub const PIPE_BYTES: usize = 256 << 10;

/// The reading end.
pub struct Inflow(File);

/// The writing end.
pub struct Outflow {
    pipe: File,
    bytes: usize,
}

impl Inflow {
    /// Takes the reading end of a pipe.
    ///
    /// # Errors
    /// [`SeamError::Descriptor`] where it is none.
    pub fn open(pipe: OwnedFd) -> Result<Self, SeamError> {
        ready(&pipe, OFlags::RDONLY).map_err(|reason| SeamError::Descriptor { reason })?;
        Ok(Self(File::from(pipe)))
    }

    /// Whether nobody can write any more. What was written before may still lie in the pipe.
    pub fn abandoned(&self) -> bool {
        let mut pipe = [PollFd::new(&self.0, PollFlags::empty())];
        // This one flag is told without being asked for.
        poll(&mut pipe, Some(&Timespec::default())).is_ok() && pipe[0].revents().contains(PollFlags::HUP)
    }
}

impl Outflow {
    /// Takes the writing end of a pipe, and asks for [`PIPE_BYTES`] of room. The kernel may refuse that to a user who
    /// has many pipes; [`Outflow::bytes`] says what there is.
    ///
    /// # Errors
    /// [`SeamError::Descriptor`] where it is none.
    pub fn open(pipe: OwnedFd) -> Result<Self, SeamError> {
        ready(&pipe, OFlags::WRONLY).map_err(|reason| SeamError::Descriptor { reason })?;
        let bytes = fcntl_setpipe_size(&pipe, PIPE_BYTES).or_else(|_| fcntl_getpipe_size(&pipe)).unwrap_or(0);
        Ok(Self { pipe: File::from(pipe), bytes })
    }

    /// Bytes that the pipe holds.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Source for Inflow {
    fn read_within(&mut self, longest: Duration, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && !longest.is_zero() => {
                wait(&self.0, PollFlags::IN, longest)?;
                self.0.read(into)
            }
            read => read,
        }
    }
}

impl Sink for Outflow {
    fn write_within(&mut self, longest: Duration, bytes: &[u8]) -> io::Result<usize> {
        match self.pipe.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && !longest.is_zero() => {
                wait(&self.pipe, PollFlags::OUT, longest)?;
                self.pipe.write(bytes)
            }
            written => written,
        }
    }
}

/// Holds a descriptor to being the right end of a pipe, and makes it non-blocking.
fn ready(pipe: &OwnedFd, wanted: OFlags) -> Result<(), ErrorKind> {
    let kind = |error: rustix::io::Errno| error.kind();
    let flags = fcntl_getfl(pipe).map_err(kind)?;
    let is_pipe = FileType::from_raw_mode(fstat(pipe).map_err(kind)?.st_mode) == FileType::Fifo;
    if !is_pipe || (flags & OFlags::RWMODE) != wanted {
        return Err(ErrorKind::InvalidInput);
    }
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK).map_err(kind)
}

/// Returns when there is something to read, room to write or nobody at the other end, or after `longest`.
fn wait(pipe: impl AsFd, events: PollFlags, longest: Duration) -> io::Result<()> {
    // What does not fit is longer than anybody waits.
    let timeout = Timespec::try_from(longest).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 });
    poll(&mut [PollFd::new(&pipe, events)], Some(&timeout))?;
    Ok(())
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
