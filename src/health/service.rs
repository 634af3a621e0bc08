//! What systemd is told: ready, a status line, progress, and the end.
//!
//! The words are those of `sd_notify(3)`, from the `sd-notify` crate. The socket is our own: connected once, before
//! rights are given up, and never blocking, so that a hanging systemd cannot hold up the lit side, and the
//! sandbox need not leave the making of sockets open for it. What it does not take is lost.
//!
//! The lit side sends, because it knows both sides' progress; so the unit says `NotifyAccess=all`. `WATCHDOG_PID`
//! names the supervisor: [`watchdog_interval`] is asked there and handed down.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use sd_notify::NotifyState;

use super::HealthError;
use crate::base::Micros;

/// Within what time systemd wants to be told of progress, if it watches this very process: half of it is a good rest
/// between two feedings.
pub fn watchdog_interval() -> Option<Micros> {
    let interval = sd_notify::watchdog_enabled()?.as_micros();
    Some(Micros(u64::try_from(interval).unwrap_or(u64::MAX))).filter(|interval| interval.0 > 0)
}

/// The way to systemd, if there is one.
#[derive(Debug, Default)]
pub struct Service {
    socket: Option<UnixDatagram>,
    message: String,
    status: String,
}

impl Service {
    /// Connects to systemd where the environment names its socket; without one, everything below does nothing.
    ///
    /// # Errors
    /// [`HealthError::Notify`] if it is named, but cannot be reached.
    pub fn connect() -> Result<Self, HealthError> {
        match env::var_os("NOTIFY_SOCKET") {
            Some(address) => Self::at(&address),
            None => Ok(Self::default()),
        }
    }

    /// Connects to the socket of systemd: a path, or after `@` an abstract name.
    ///
    /// # Errors
    /// As [`Service::connect`].
    pub fn at(address: &OsStr) -> Result<Self, HealthError> {
        let open = || {
            let peer = match address.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                _ => SocketAddr::from_pathname(address)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&peer)?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(socket)
        };
        let failed = |error: io::Error| HealthError::Notify {
            address: address.to_string_lossy().replace(char::is_control, " "),
            reason: error.to_string(),
        };
        Ok(Self { socket: Some(open().map_err(failed)?), ..Self::default() })
    }

    /// Both sides are up, have given up their rights and redacted a first frame; whether the network takes it is
    /// another matter. Whether it was taken.
    pub fn ready(&mut self) -> bool {
        self.send(&[NotifyState::Ready])
    }

    /// A line for `systemctl status`, sent when it differs from the last. Whether it was taken, or had been before.
    pub fn status(&mut self, line: &str) -> bool {
        let line = line.replace(char::is_control, " ");
        if line == self.status {
            return true;
        }
        let taken = self.send(&[NotifyState::Status(&line)]);
        if taken {
            self.status = line;
        }
        taken
    }

    /// Both sides made progress; only when [`crate::interlock::Progress`] says so. Whether it was taken.
    pub fn feed(&mut self) -> bool {
        self.send(&[NotifyState::Watchdog])
    }

    /// The service stops in an orderly way. Whether it was taken.
    pub fn stopping(&mut self) -> bool {
        self.send(&[NotifyState::Stopping])
    }

    fn send(&mut self, states: &[NotifyState<'_>]) -> bool {
        let Some(socket) = &self.socket else { return true };
        self.message.clear();
        for state in states {
            // Writing to a string cannot fail.
            let _ = writeln!(self.message, "{state}");
        }
        loop {
            match socket.send(self.message.as_bytes()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                sent => return sent.is_ok(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn heard(systemd: &UnixDatagram) -> String {
        let mut text = [0; 256];
        let length = systemd.recv(&mut text).expect("a message");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn systemd_hears_the_words_of_the_protocol() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        let mut service = Service::at(path.as_os_str()).expect("connected");
        assert!(service.ready() && service.status("redacting") && service.status("redacting") && service.feed());
        assert!(service.stopping());
        for expected in ["READY=1\n", "STATUS=redacting\n", "WATCHDOG=1\n", "STOPPING=1\n"] {
            assert_eq!(heard(&systemd), expected);
        }
    }

    #[test]
    fn an_abstract_name_is_understood() {
        let name = format!("voile-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let systemd = UnixDatagram::bind_addr(&address).expect("bound");
        assert!(Service::at(OsStr::new(&format!("@{name}"))).expect("connected").ready());
        assert_eq!(heard(&systemd), "READY=1\n");
    }

    #[test]
    fn a_status_cannot_say_more_than_a_status() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        let mut service = Service::at(path.as_os_str()).expect("connected");
        service.status("slate\nWATCHDOG=1\n");
        assert_eq!(heard(&systemd), "STATUS=slate WATCHDOG=1 \n");
    }

    #[test]
    fn a_systemd_that_hangs_holds_nothing_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).expect("bound");
        let mut service = Service::at(path.as_os_str()).expect("connected");
        // A blocking socket would never come back from this.
        let taken = (0..100_000).take_while(|_| service.feed()).count();
        assert!(taken < 100_000, "the queue filled up after {taken}");
        assert!(!service.status("redacting"), "refused, and therefore said again later");
    }

    #[test]
    fn no_systemd_is_none_and_a_missing_one_is_told() {
        assert!(Service::default().ready());
        let line = Service::at(Path::new("/no/such/socket").as_os_str()).expect_err("missing").to_string();
        assert!(line.starts_with("NOTIFY_SOCKET=/no/such/socket: "), "{line}");
    }
}
