//! A child that writes frames to a pipe: started, listened to, ended and reaped, without a thread.
//!
//! Whoever reads the child's output hears its standard error on the way, so that the child never waits for a reader,
//! and the last few kilobytes of it are kept. The service's dark side starts its camera's program so before it gives up
//! its rights, which it could not with a second thread. Whatever happens to the camera, the child is killed and waited
//! for when this is dropped; where that is forbidden by then, the kernel and the supervisor see to it ([`Tie`]).

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::child_tie::end_with_us;
use super::error::one_line;

/// Between two looks at a child that is to end.
const LOOK: Duration = Duration::from_millis(5);
/// How long its last words may take to arrive after that.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a killed child may take to be gone, where we may not kill it ourselves.
const PARTING: Duration = Duration::from_millis(100);
/// Bytes of standard error that are kept.
const TAIL: usize = 4096;
/// Bytes of standard error that are read at once.
const CHUNK: usize = 1024;
/// Letters of one line that are quoted.
const LINE: usize = 240;

/// What becomes of the child when we end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    /// A process group of its own: Ctrl-C in a terminal reaches only us, so that the frames under way are not lost, and
    /// the child is killed with all it has started.
    OwnGroup,
    /// Stays in our process group, so that whoever ends that ends the child too, and is killed by the kernel when the
    /// thread that starts it ends.
    WithUs,
}

/// How a child ended and what it said last.
pub(super) struct End {
    /// None where it goes on and cannot be killed.
    status: Option<ExitStatus>,
    /// The end of its standard error.
    tail: String,
}

impl End {
    pub(super) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// "exit status 1", "signal 9".
    pub(super) fn ending(&self) -> String {
        match self.status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => format!("exit status {code}"),
            Some((None, Some(signal))) => format!("signal {signal}"),
            Some((None, None)) => "no status".to_owned(),
            None => "its output closed and no end".to_owned(),
        }
    }

    /// The last line that is not blank.
    pub(super) fn last_line(&self) -> Option<String> {
        let line = one_line(self.tail.lines().rfind(|line| !line.trim().is_empty())?);
        Some(line.chars().take(LINE).collect())
    }

    pub(super) fn mentions(&self, text: &str) -> bool {
        self.tail.contains(text)
    }
}

/// What the child says on its standard error.
struct Words {
    stderr: Option<ChildStderr>,
    /// Never grows beyond the memory it begins with.
    tail: Vec<u8>,
}

impl Words {
    fn new(stderr: ChildStderr) -> Self {
        Self { stderr: Some(stderr), tail: Vec::with_capacity(TAIL + CHUNK) }
    }

    /// Reads once what is there; to be called when there is something, or the end.
    fn hear(&mut self) {
        let Some(stderr) = &mut self.stderr else { return };
        let mut chunk = [0; CHUNK];
        match stderr.read(&mut chunk) {
            Ok(read) if read > 0 => {
                self.tail.extend(chunk.iter().take(read));
                let surplus = self.tail.len().saturating_sub(TAIL);
                self.tail.drain(..surplus);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => self.stderr = None,
        }
    }
}

fn locked(words: &Mutex<Words>) -> MutexGuard<'_, Words> {
    words.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The child's standard output. Reading it hears the child's standard error, too.
pub(super) struct Output {
    stdout: ChildStdout,
    words: Arc<Mutex<Words>>,
}

impl Output {
    /// Waits until there is something to read or the output has ended; false when `longest` was not enough, however
    /// much is said on standard error meanwhile.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn wait(&self, longest: Option<Duration>) -> io::Result<bool> {
        let start = Instant::now();
        loop {
            let left = longest.map(|longest| longest.saturating_sub(start.elapsed()));
            let late = left.is_some_and(|left| left.is_zero());
            let left = left.map(|left| Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 }));
            let mut words = locked(&self.words);
            let flags = PollFlags::IN;
            let (some, ended);
            if let Some(stderr) = &words.stderr {
                let mut both = [PollFd::from_borrowed_fd(self.stdout.as_fd(), flags), PollFd::new(stderr, flags)];
                some = poll(&mut both, left.as_ref());
                ended = both.map(|one| !one.revents().is_empty());
            } else {
                let mut one = [PollFd::from_borrowed_fd(self.stdout.as_fd(), flags)];
                some = poll(&mut one, left.as_ref());
                ended = [!one[0].revents().is_empty(), false];
            }
            match (some, ended) {
                (Err(Errno::INTR), _) => {}
                (Err(error), _) => return Err(error.into()),
                (Ok(0), _) => return Ok(false),
                (Ok(_), [readable, speaks]) => {
                    if speaks {
                        words.hear();
                    }
                    if readable || late {
                        return Ok(readable);
                    }
                }
            }
        }
    }

    /// The pipe itself.
    pub(super) fn pipe(&self) -> &ChildStdout {
        &self.stdout
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(None)?;
        self.stdout.read(buffer)
    }
}

/// A running child; killed when dropped.
pub(super) struct Running {
    child: Child,
    tie: Tie,
    /// Set once the child has been waited for: its number may belong to somebody else by then.
    ended: bool,
    words: Arc<Mutex<Words>>,
}

impl Running {
    /// Starts `program`; gives its standard output, which is to be dropped before the child.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start<'a>(
        program: &OsStr,
        arguments: impl IntoIterator<Item = &'a OsStr>,
        tie: Tie,
    ) -> io::Result<(Self, Output)> {
        let mut command = Command::new(program);
        command.args(arguments).env("AV_LOG_FORCE_NOCOLOR", "1");
        match tie {
            Tie::OwnGroup => drop(command.process_group(0)),
            Tie::WithUs => end_with_us(&mut command),
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), Some(stderr)) => {
                let words = Arc::new(Mutex::new(Words::new(stderr)));
                Ok((Self { child, tie, ended: false, words: Arc::clone(&words) }, Output { stdout, words }))
            }
            _ => Err(io::Error::other("the child has no pipes")),
        }
    }

    /// Waits for a child whose output has ended; kills it if it does not end by itself within `patience`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn end(mut self, patience: Duration) -> io::Result<End> {
        let mut status = self.gone_within(patience)?;
        if status.is_none() {
            status = if self.kill() { Some(self.child.wait()?) } else { self.gone_within(PARTING)? };
        }
        self.ended = status.is_some();
        let start = Instant::now();
        // A grandchild may keep the pipe open for ever; what has been heard by then must do.
        while locked(&self.words).stderr.is_some() && start.elapsed() < LAST_WORDS {
            self.listen();
        }
        let tail = String::from_utf8_lossy(&locked(&self.words).tail).into_owned();
        Ok(End { status, tail })
    }

    /// Whether and how it ended by itself. Hears it meanwhile.
    fn gone_within(&mut self, longest: Duration) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            match self.child.try_wait()? {
                None if start.elapsed() < longest => self.listen(),
                status => return Ok(status),
            }
        }
    }

    /// Hears what is said within a moment.
    fn listen(&self) {
        let mut words = locked(&self.words);
        let Some(stderr) = &words.stderr else {
            drop(words);
            return thread::sleep(LOOK);
        };
        let moment = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        if matches!(poll(&mut [PollFd::new(stderr, PollFlags::IN)], Some(&moment)), Ok(1..)) {
            words.hear();
        }
    }

    /// Whether it will be gone: false where a sandbox forbids to kill.
    fn kill(&mut self) -> bool {
        let group = self.tie == Tie::OwnGroup && kill_process_group(Pid::from_child(&self.child), Signal::KILL).is_ok();
        self.child.kill().is_ok() || group
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Nothing is left to do about an error: the child is gone already, or ends with us.
        if self.kill() {
            let _ = self.child.wait();
        } else {
            let _ = self.gone_within(PARTING);
        }
    }
}

#[cfg(test)]
mod tests;
