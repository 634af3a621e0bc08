//! The only sockets in the house: every datagram asks the permit again.
//!
//! No method here sends without a [`Permit`] and the present moment. Nothing blocks, and no answer of the kernel is
//! fatal: a receiver that is not there is counted, a full buffer is tried again, and an interface that is gone closes
//! the sockets until the next try, which finds whatever route there is then.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::io::Errno;
use rustix::net::{netdevice, sockopt};

use super::Settings;
use crate::base::Micros;
use crate::interlock::Permit;

/// How far a multicast stream travels: the next hop. An aircraft's picture has no business behind a router.
const MULTICAST_HOPS: u32 = 1;
/// Assured forwarding, class 4, lowest drop precedence (RFC 4594, 4.7: broadcast and conferencing video), as the
/// traffic class byte; Wi-Fi makes it the video queue.
const TRAFFIC_CLASS: u8 = 34 << 2;
/// First pause after the sockets were closed; doubled with each failure, up to the last.
const PAUSE: (Micros, Micros) = (Micros::from_ms(200), Micros::from_ms(2000));

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The kernel took it.
    Gone,
    /// The kernel took it, after saying that an earlier one found nobody listening.
    Refused,
    /// There was no room for it: the same again, later.
    Busy,
    /// There is no way to the receiver; the sockets are closed for a while.
    Down,
    /// The permit does not hold.
    Withheld,
}

struct Sockets {
    media: UdpSocket,
    reports: Option<UdpSocket>,
}

/// The way out.
pub(super) struct Wire {
    destination: SocketAddr,
    reports_to: Option<SocketAddr>,
    interface: Option<String>,
    sockets: Option<Sockets>,
    retry: Micros,
    pause: Micros,
    opened: u64,
    trouble: Option<Errno>,
}

impl Wire {
    /// Opens nothing yet: the first datagram does.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            destination: settings.destination,
            reports_to: settings.reports.then(|| settings.reports_to()),
            interface: settings.interface.clone(),
            sockets: None,
            retry: Micros(0),
            pause: PAUSE.0,
            opened: 0,
            trouble: None,
        }
    }

    /// When the next try may be made.
    pub(super) const fn retry(&self) -> Micros {
        self.retry
    }

    /// How often the sockets were opened.
    pub(super) const fn opened(&self) -> u64 {
        self.opened
    }

    /// What the kernel said last, until a datagram has left again.
    pub(super) fn trouble(&self) -> Option<io::Error> {
        self.trouble.map(io::Error::from)
    }

    /// Sends one datagram of the stream.
    pub(super) fn media(&mut self, datagram: &[u8], permit: &Permit, now: Micros) -> Sent {
        if !permit.holds(now) {
            return Sent::Withheld;
        }
        if now < self.retry {
            return Sent::Down;
        }
        let sent = match self.sockets() {
            Ok(sockets) => send(&sockets.media, datagram),
            Err(error) => Err(error),
        };
        match sent {
            Ok(sent) => {
                self.pause = PAUSE.0;
                self.trouble = match sent {
                    Sent::Refused => Some(Errno::CONNREFUSED),
                    Sent::Gone | Sent::Busy | Sent::Down | Sent::Withheld => None,
                };
                sent
            }
            Err(errno) => {
                self.trouble = Some(errno);
                if matches!(errno, Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::INTR) {
                    return Sent::Busy;
                }
                self.sockets = None;
                self.retry = now.plus(self.pause);
                self.pause = Micros(self.pause.0 * 2).min(PAUSE.1);
                Sent::Down
            }
        }
    }

    /// Sends one report. Whether it left matters to nobody but the counts.
    pub(super) fn report(&self, datagram: &[u8], permit: &Permit, now: Micros) -> bool {
        let socket = self.sockets.as_ref().and_then(|sockets| sockets.reports.as_ref());
        permit.holds(now) && socket.is_some_and(|socket| send(socket, datagram).is_ok())
    }

    /// What a receiver has answered, if anything; datagrams longer than `memory` are cut.
    pub(super) fn hear<'a>(&self, memory: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = self.sockets.as_ref()?.reports.as_ref()?.recv(memory).ok()?;
        memory.get(..length)
    }

    fn sockets(&mut self) -> Result<&Sockets, Errno> {
        let sockets = match self.sockets.take() {
            Some(sockets) => sockets,
            None => {
                let media = self.socket(self.destination)?;
                let reports = self.reports_to.map(|address| self.socket(address)).transpose()?;
                self.opened += 1;
                Sockets { media, reports }
            }
        };
        Ok(self.sockets.insert(sockets))
    }

    /// A socket that is connected, so that the kernel passes on what only this receiver sends, and tells when nobody
    /// listens there.
    fn socket(&self, mut to: SocketAddr) -> Result<UdpSocket, Errno> {
        let any = match to.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).map_err(|error| errno(&error))?;
        socket.set_nonblocking(true).map_err(|error| errno(&error))?;
        let index = self.interface.as_deref().map(|name| netdevice::name_to_index(&socket, name)).transpose()?;
        match &mut to {
            SocketAddr::V4(to) => {
                if to.ip().is_multicast() {
                    sockopt::set_ip_multicast_ttl(&socket, MULTICAST_HOPS)?;
                    if let Some(index) = index {
                        let any = &Ipv4Addr::UNSPECIFIED;
                        sockopt::set_ip_multicast_if_with_ifindex(&socket, any, any, index)?;
                    }
                }
                // A wish, not a need: a kernel that refuses it sends all the same.
                let _ = sockopt::set_ip_tos(&socket, TRAFFIC_CLASS);
            }
            SocketAddr::V6(to) => {
                if to.ip().is_multicast() {
                    sockopt::set_ipv6_multicast_hops(&socket, MULTICAST_HOPS)?;
                    if let Some(index) = index {
                        sockopt::set_ipv6_multicast_if(&socket, index)?;
                    }
                }
                to.set_scope_id(index.unwrap_or(0));
                let _ = sockopt::set_ipv6_tclass(&socket, u32::from(TRAFFIC_CLASS));
            }
        }
        socket.connect(to).map_err(|error| errno(&error))?;
        Ok(socket)
    }
}

/// Linux reports an earlier datagram's refusal instead of sending this one, so a refused one is sent again, once.
fn send(socket: &UdpSocket, datagram: &[u8]) -> Result<Sent, Errno> {
    match socket.send(datagram) {
        Ok(_) => Ok(Sent::Gone),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => match socket.send(datagram) {
            Err(error) if error.kind() != ErrorKind::ConnectionRefused => Err(errno(&error)),
            Ok(_) | Err(_) => Ok(Sent::Refused),
        },
        Err(error) => Err(errno(&error)),
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
