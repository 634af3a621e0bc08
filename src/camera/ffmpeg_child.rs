//! A child that writes frames to a pipe: started, listened to, ended and reaped.
//!
//! A thread reads the child's standard error to its end, so that the child never waits for a reader, and keeps only the
//! last few kilobytes. Whatever happens to the camera, the child is killed and waited for when this is dropped.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::one_line;

/// How long a child may take to end after it has closed its output.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long its last words may take to arrive after that.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes of standard error that are kept.
const TAIL: usize = 4096;
/// Letters of one line that are quoted.
const LINE: usize = 240;

/// How a child ended and what it said last.
pub(super) struct End {
    pub status: ExitStatus,
    /// The end of its standard error.
    tail: String,
}

impl End {
    /// "exit status 1", "signal 9".
    pub(super) fn ending(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no status".to_owned(),
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

/// A running child; killed with its whole process group when dropped.
pub(super) struct Running {
    child: Child,
    /// Set once the child has been waited for: its number may belong to somebody else by then.
    ended: Option<ExitStatus>,
    tail: Arc<Mutex<Vec<u8>>>,
    heard_all: Receiver<()>,
}

impl Running {
    /// Starts `program` in a process group of its own, so that Ctrl-C in a terminal reaches only us and the frames
    /// under way are not lost; gives its standard output as a pipe.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start<'a>(
        program: &OsStr,
        arguments: impl IntoIterator<Item = &'a OsStr>,
    ) -> io::Result<(Self, ChildStdout)> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("AV_LOG_FORCE_NOCOLOR", "1")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let tail = Arc::default();
        let (done, heard_all) = mpsc::channel();
        let running = Self { child, ended: None, tail: Arc::clone(&tail), heard_all };
        match pipes {
            (Some(stdout), Some(stderr)) => {
                thread::Builder::new().name("ffmpeg words".to_owned()).spawn(move || listen(stderr, &tail, &done))?;
                Ok((running, stdout))
            }
            _ => Err(io::Error::other("the child has no pipes")),
        }
    }

    /// Waits for a child whose output has ended; kills it if it does not end by itself.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn end(mut self) -> io::Result<End> {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
                None => {
                    self.kill();
                    break self.child.wait()?;
                }
            }
        };
        self.ended = Some(status);
        // A grandchild may keep the pipe open for ever; what has been heard by then must do.
        let _ = self.heard_all.recv_timeout(LAST_WORDS);
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(End { status, tail: String::from_utf8_lossy(&tail).into_owned() })
    }

    fn kill(&mut self) {
        if self.ended.is_none() {
            // Either may find nobody left, which is what it is for.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.kill();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if self.ended.is_none() {
            // It has just been killed, so this cannot last; an error means that it is gone already.
            let _ = self.child.wait();
        }
    }
}

/// Reads standard error to its end and keeps the last bytes of it.
fn listen(mut stderr: ChildStderr, tail: &Mutex<Vec<u8>>, done: &Sender<()>) {
    let mut chunk = [0; 1024];
    loop {
        match stderr.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend(chunk.iter().take(read));
                let surplus = tail.len().saturating_sub(TAIL);
                tail.drain(..surplus);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    // Nobody waits any more if the camera has been dropped.
    let _ = done.send(());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Running, ChildStdout) {
        Running::start(OsStr::new("sh"), ["-c", script].map(OsStr::new)).unwrap()
    }

    #[test]
    fn the_last_line_survives_a_flood_and_nobody_waits() {
        let flood =
            "i=0; while [ $i -lt 3000 ]; do echo line $i of a long complaint about nothing; i=$((i+1)); done >&2";
        let (running, mut stdout) = shell(&format!("{flood}; printf 'the\\tend\\n\\n' >&2; exit 7"));
        let mut nothing = Vec::new();
        stdout.read_to_end(&mut nothing).unwrap();
        let end = running.end().unwrap();
        assert_eq!(end.ending(), "exit status 7");
        assert_eq!(end.last_line().as_deref(), Some("the end"));
        assert!(end.tail.len() <= TAIL && end.mentions("line 2999"));
    }

    #[test]
    fn a_dropped_child_is_killed_with_its_own_children_and_reaped() {
        let (running, mut stdout) = shell("sleep 600 & echo $!; wait");
        let mut first = [0; 1];
        stdout.read_exact(&mut first).unwrap();
        let child = running.child.id();
        let start = Instant::now();
        drop(running);
        assert!(!std::path::Path::new(&format!("/proc/{child}")).exists(), "reaped");
        // The grandchild holds the pipe: it ends only when that one is gone too.
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        assert!(start.elapsed() < PATIENCE);
    }
}
