//! The metrics' socket: `GET /metrics` from a copy, by a thread of its own.
//!
//! `curl --unix-socket /run/voile/metrics.sock http://voile/metrics` reads it. One client at a time, one request
//! each, at most [`REQUEST_MAX`] bytes and [`WAITS`] waits of [`WAIT_MS`]: a client that sends slowly, endlessly or
//! not at all, or that does not read its answer, costs other clients less than a second and the lit side nothing.
//! That side only swaps a page in, and leaves it be when the thread is just copying the last one. The thread knows
//! the page and nothing else.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{EVERY, HealthError, Snapshot, prometheus};
use crate::base::Micros;

/// Longest request that is read, in bytes. What curl and Prometheus send has a tenth of that.
pub const REQUEST_MAX: usize = 2048;
/// How often a client is waited for, reading and writing each.
pub const WAITS: usize = 4;
/// Longest single wait for a client, in milliseconds.
pub const WAIT_MS: i64 = 100;
/// Memory set aside for a page; one with every cause on it takes about half.
const PAGE: usize = 8192;

/// The socket and the page that it offers. Dropping it ends the thread.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    page: Arc<Mutex<String>>,
    next: String,
    offered: Option<Micros>,
    stop: Option<UnixStream>,
    server: Option<Server>,
    thread: Option<JoinHandle<()>>,
}

impl Metrics {
    /// Opens the socket at `path` for the service's user and group. To be called before rights are given up; clients
    /// wait until [`Metrics::serve`].
    ///
    /// # Errors
    /// [`HealthError::Socket`]: something else lies there, another voile listens there, or the folder is missing.
    pub fn open(path: &Path) -> Result<Self, HealthError> {
        let failed = |error: io::Error| HealthError::Socket { path: path.to_owned(), reason: error.to_string() };
        let listener = bind(path).map_err(failed)?;
        let (stop, stopped) = UnixStream::pair().map_err(failed)?;
        let page = Arc::new(Mutex::new(String::with_capacity(PAGE)));
        let server = Server { listener, stopped, page: Arc::clone(&page), answer: Vec::with_capacity(PAGE) };
        let (next, path, server) = (String::with_capacity(PAGE), path.to_owned(), Some(server));
        Ok(Self { path, page, next, offered: None, stop: Some(stop), server, thread: None })
    }

    /// Starts the thread, once. To be called when rights have been given up.
    ///
    /// # Errors
    /// [`HealthError::Socket`]: the system has no thread to give.
    pub fn serve(&mut self) -> Result<(), HealthError> {
        let Some(server) = self.server.take() else { return Ok(()) };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(|| server.run());
        let failed = |error: io::Error| HealthError::Socket { path: self.path.clone(), reason: error.to_string() };
        self.thread = Some(thread.map_err(failed)?);
        Ok(())
    }

    /// Offers the snapshot, unless the last was offered a short time ago or is being copied. Whether it is offered.
    /// Never waits.
    pub fn offer(&mut self, snapshot: &Snapshot, now: Micros) -> bool {
        if self.offered.is_some_and(|then| then <= now && now.since(then) < EVERY) {
            return false;
        }
        let mut page = match self.page.try_lock() {
            Ok(page) => page,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        self.next.clear();
        // A string takes whatever is written to it.
        let _ = prometheus::write(&mut self.next, snapshot);
        std::mem::swap(&mut *page, &mut self.next);
        self.offered = Some(now);
        true
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended, too.
            let _ = thread.join();
        }
        // The socket stays: rights to remove it were given up, and the next start does.
    }
}

/// Binds the socket; one that nobody listens on any more is replaced.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Ok(_) | Err(_) => return Err(ErrorKind::AddrInUse.into()),
        },
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The thread's side.
#[derive(Debug)]
struct Server {
    listener: UnixListener,
    stopped: UnixStream,
    page: Arc<Mutex<String>>,
    answer: Vec<u8>,
}

/// What a wait ended with.
#[derive(PartialEq)]
enum Waited {
    Ready,
    Late,
    Stopped,
}

impl Server {
    fn run(mut self) {
        while self.wait(&self.listener, PollFlags::IN, None) != Waited::Stopped {
            match self.listener.accept() {
                Ok((mut client, _)) => {
                    // A client that breaks off has only itself to tell.
                    let _ = self.serve(&mut client);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Out of descriptors, for example: it may pass, and must not be asked for without a pause.
                Err(_) => drop(self.wait(&self.stopped, PollFlags::IN, Some(WAIT_MS))),
            }
        }
    }

    /// Waits until `what` is ready, `ms` have passed or the service stops. An error of the waiting itself is a stop.
    fn wait(&self, what: &impl AsFd, flags: PollFlags, ms: Option<i64>) -> Waited {
        let time = ms.map(|ms| Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 });
        let mut fds = [PollFd::new(what, flags), PollFd::new(&self.stopped, PollFlags::IN)];
        loop {
            match poll(&mut fds, time.as_ref()) {
                Ok(0) => return Waited::Late,
                Ok(_) if fds[1].revents().is_empty() => return Waited::Ready,
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return Waited::Stopped,
            }
        }
    }

    fn serve(&mut self, client: &mut UnixStream) -> io::Result<()> {
        client.set_nonblocking(true)?;
        let mut request = [0; REQUEST_MAX];
        let length = self.read(client, &mut request)?;
        self.compose(answer(&request[..length]));
        self.write(client)
    }

    /// Reads until the head's end; fewer bytes if that does not come.
    fn read(&self, client: &mut UnixStream, request: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        for _ in 0..WAITS {
            if self.wait(client, PollFlags::IN, Some(WAIT_MS)) != Waited::Ready {
                break;
            }
            match client.read(&mut request[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
            if whole(&request[..length]) {
                break;
            }
        }
        Ok(length)
    }

    fn compose(&mut self, answer: Answer) {
        self.answer.clear();
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, body) = match answer {
            Answer::Page if page.is_empty() => ("503 Service Unavailable", "nothing to show yet\n"),
            Answer::Page => ("200 OK", page.as_str()),
            Answer::Elsewhere => ("404 Not Found", "it is at /metrics\n"),
            Answer::Method => ("405 Method Not Allowed\r\nAllow: GET", "only GET\n"),
            Answer::Malformed => {
                ("400 Bad Request", "that is no HTTP request, or too long a one, or it came too slowly\n")
            }
        };
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        // A vector takes whatever is written to it.
        let _ = write!(
            self.answer,
            "HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }

    fn write(&self, client: &mut UnixStream) -> io::Result<()> {
        let mut rest = self.answer.as_slice();
        for _ in 0..WAITS {
            match client.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
            if rest.is_empty() || self.wait(client, PollFlags::OUT, Some(WAIT_MS)) != Waited::Ready {
                break;
            }
        }
        client.shutdown(std::net::Shutdown::Write)
    }
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Page,
    Elsewhere,
    Method,
    Malformed,
}

fn whole(request: &[u8]) -> bool {
    request.windows(4).any(|end| end == b"\r\n\r\n") || request.windows(2).any(|end| end == b"\n\n")
}

/// Reads the request's first line; the rest does not matter.
fn answer(request: &[u8]) -> Answer {
    let line = request.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) else { return Answer::Malformed };
    let mut words = line.split(' ');
    let (method, path, version) = (words.next(), words.next(), words.next());
    if !whole(request) || words.next().is_some() || !version.is_some_and(|version| version.starts_with("HTTP/1.")) {
        return Answer::Malformed;
    }
    match (method, path.map(|path| path.split('?').next().unwrap_or_default())) {
        (Some("GET"), Some("/metrics")) => Answer::Page,
        (Some("GET"), _) => Answer::Elsewhere,
        _ => Answer::Method,
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
