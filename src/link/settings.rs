//! What the link can be told: where to send, how large, by which interface.
//!
//! Plain values; the configuration file's `[link]` keys have the same names. Nothing is looked up here or later: a
//! destination is an address, because a name server that does not answer must not hold up a stream in flight.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::LinkError;
use crate::base::Micros;
use crate::encode::Codec;

/// A receiver whose way in is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// WFB-ng on the same board: its video port is 5602 here and comes out as 5600 on the ground.
    WfbNg,
}

impl Preset {
    /// As written in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WfbNg => "wfb-ng",
        }
    }
}

/// Where WFB-ng takes video in on the aircraft.
const WFB_IN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5602);
/// Where WFB-ng gives the same datagrams out on the ground.
const WFB_OUT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5600);

/// Where and how to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the video goes; RTCP goes to the port above it.
    pub destination: SocketAddr,
    /// The receiver behind the destination, if it is one with ways of its own.
    pub preset: Option<Preset>,
    /// Interface to send from: for multicast and IPv6 link-local destinations, which name none themselves.
    pub interface: Option<String>,
    /// Largest datagram in bytes, RTP header included, UDP and IP headers not; 576 to 3993.
    pub mtu: usize,
    /// Whether RTCP sender reports are sent.
    pub reports: bool,
    /// Where the session description goes.
    pub sdp: Option<PathBuf>,
}

impl Default for Settings {
    /// To the radio service of the same board: whoever configures nothing puts nothing on a network.
    fn default() -> Self {
        Self {
            destination: WFB_IN,
            preset: Some(Preset::WfbNg),
            interface: None,
            mtu: Self::MTU,
            reports: false,
            sdp: None,
        }
    }
}

impl Settings {
    /// The folder that the session description goes to.
    pub fn sdp_folder(&self) -> Option<&Path> {
        let folder = self.sdp.as_deref()?.parent()?;
        Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    }

    /// Default for [`Settings::mtu`]: with IPv6 and UDP headers 1448 bytes, which leaves room for a tunnel on
    /// Ethernet's 1500.
    pub const MTU: usize = 1400;
    /// Range of [`Settings::mtu`]: below the smallest datagram that every IPv4 host takes (RFC 791) headers eat the
    /// link; 3993 is the most that WFB-ng puts into one radio packet.
    pub const MTU_RANGE: RangeInclusive<usize> = 576..=3993;

    /// What `link.url` and `link.preset` mean; neither is the default. WFB-ng has no way for RTCP, so reports are off
    /// with it.
    ///
    /// # Errors
    /// [`LinkError::Url`] for a destination that cannot be sent to, [`LinkError::Both`] if both say where to send.
    pub fn meant(url: Option<&str>, preset: Option<Preset>) -> Result<Self, LinkError> {
        match (url, preset) {
            (Some(_), Some(preset)) => Err(LinkError::Both { preset: preset.name() }),
            (Some(url), None) => {
                Ok(Self { destination: destination(url)?, preset: None, reports: true, ..Self::default() })
            }
            (None, Some(Preset::WfbNg) | None) => Ok(Self::default()),
        }
    }

    /// The same settings, if they fit together and each is in its range.
    ///
    /// # Errors
    /// Names the first key that is not.
    pub fn checked(self) -> Result<Self, LinkError> {
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        if !Self::MTU_RANGE.contains(&self.mtu) {
            let (low, high) = (number(*Self::MTU_RANGE.start()), number(*Self::MTU_RANGE.end()));
            return Err(LinkError::Range { key: "mtu", value: number(self.mtu), low, high });
        }
        let scoped = self.multicast() || link_local(self.destination.ip());
        let wrong = match &self.interface {
            Some(name) if !interface_name(name) => Some("not an interface's name: see `ip link`"),
            Some(_) if !scoped => Some("only multicast and IPv6 link-local destinations take one: leave it out"),
            None if link_local(self.destination.ip()) => {
                Some("an IPv6 link-local destination needs one: see `ip link`")
            }
            Some(_) | None => None,
        };
        match wrong {
            Some(reason) => Err(LinkError::Interface { name: self.interface.unwrap_or_default(), reason }),
            None => Ok(self),
        }
    }

    /// Whether the destination is a multicast group.
    pub const fn multicast(&self) -> bool {
        self.destination.ip().is_multicast()
    }

    /// Where a receiver listens: the destination, except behind a radio that changes the port.
    pub const fn heard_at(&self) -> SocketAddr {
        match self.preset {
            Some(Preset::WfbNg) => WFB_OUT,
            None => self.destination,
        }
    }

    /// Where RTCP goes: the port above the video's (RFC 3550, 11).
    pub const fn reports_to(&self) -> SocketAddr {
        let mut address = self.destination;
        address.set_port(self.destination.port().saturating_add(1));
        address
    }
}

/// What the link has to know of the stream it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Coding format.
    pub codec: Codec,
    /// The encoder's rate in kilobits a second.
    pub bitrate_kbps: u32,
    /// From one frame to the next.
    pub interval: Micros,
}

fn destination(url: &str) -> Result<SocketAddr, LinkError> {
    let refused = |reason| LinkError::Url { url: url.to_owned(), reason };
    let Some(place) = url.strip_prefix("rtp://") else { return Err(refused("it does not begin with rtp://")) };
    let place = place.strip_suffix('/').unwrap_or(place);
    if place.contains('%') {
        return Err(refused("a zone has no place in it, link.interface has"));
    }
    if place.contains(['?', '#', '@', '/']) {
        return Err(refused("there is more in it than an address and a port"));
    }
    let numeric = place.strip_prefix("localhost:").map_or_else(|| place.to_owned(), |port| format!("127.0.0.1:{port}"));
    let Ok(address) = numeric.parse::<SocketAddr>() else {
        return Err(refused("not an address and a port (names are not looked up in flight)"));
    };
    let broadcast = matches!(address.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    if address.ip().is_unspecified() || broadcast {
        return Err(refused("this address is no one's"));
    }
    // RTCP needs the port above.
    if address.port() == 0 || address.port() == u16::MAX {
        return Err(refused("the port is outside 1 to 65534"));
    }
    Ok(address)
}

const fn link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// Linux: 1 to 15 bytes, no slash, no white space, and neither `.` nor `..`.
fn interface_name(name: &str) -> bool {
    let odd = |letter: char| letter == '/' || letter == ':' || letter.is_whitespace() || letter.is_control();
    (1..=15).contains(&name.len()) && !name.contains(odd) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(url: &str) -> Result<Settings, LinkError> {
        Settings::meant(Some(url), None).and_then(Settings::checked)
    }

    #[test]
    fn destinations_are_addresses() {
        for (url, address) in [
            ("rtp://127.0.0.1:5600", "127.0.0.1:5600"),
            ("rtp://localhost:5600/", "127.0.0.1:5600"),
            ("rtp://[fd00::2]:5600", "[fd00::2]:5600"),
            ("rtp://239.1.2.3:1", "239.1.2.3:1"),
            ("rtp://[ff15::7]:65534", "[ff15::7]:65534"),
        ] {
            assert_eq!(to(url).expect(url).destination.to_string(), address);
        }
        for url in [
            "",
            "rtp://",
            "udp://1.2.3.4:5",
            "rtp://1.2.3.4",
            "rtp://1.2.3.4:0",
            "rtp://1.2.3.4:65535",
            "rtp://1.2.3.4:70000",
            "rtp://0.0.0.0:5600",
            "rtp://[::]:5600",
            "rtp://255.255.255.255:5600",
            "rtp://ground:5600",
            "rtp://u@1.2.3.4:5600",
            "rtp://1.2.3.4:5600/live",
            "rtp://1.2.3.4:5600?ttl=9",
            "rtp://[fe80::1%eth0]:5600",
        ] {
            let line = to(url).expect_err(url).to_string();
            assert!(line.starts_with("link.url: `") && line.contains(url) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_preset_and_a_url_exclude_each_other() {
        let both = Settings::meant(Some("rtp://1.2.3.4:5600"), Some(Preset::WfbNg));
        assert!(both.is_err_and(|error| error.to_string().contains("keep one of them")));
        let radio = Settings::meant(None, Some(Preset::WfbNg)).expect("preset");
        assert_eq!((radio.destination, radio.heard_at(), radio.reports), (WFB_IN, WFB_OUT, false));
        assert_eq!(Settings::meant(None, None).expect("default"), radio);
        assert!(to("rtp://1.2.3.4:5600").expect("plain").reports);
    }

    #[test]
    fn sizes_and_interfaces_are_checked() {
        let change = |url: &str, change: &dyn Fn(&mut Settings)| {
            let mut settings = to(url).expect(url);
            change(&mut settings);
            settings.checked().map_err(|error| error.to_string())
        };
        for mtu in [576, 1400, 3993] {
            assert!(change("rtp://1.2.3.4:5", &|s| s.mtu = mtu).is_ok());
        }
        for mtu in [0, 575, 3994, usize::MAX] {
            let line = change("rtp://1.2.3.4:5", &|s| s.mtu = mtu).expect_err("out of range");
            assert!(line.ends_with("is outside 576 to 3993: choose a value in that range"), "{line}");
        }
        let named = |name: &'static str| move |s: &mut Settings| s.interface = Some(name.to_owned());
        assert!(change("rtp://239.1.2.3:5600", &named("wlan0")).is_ok());
        for name in ["", "much-too-long-to-be", "a/b", "a b", ".."] {
            assert!(change("rtp://239.1.2.3:5600", &named(name)).is_err(), "{name}");
        }
        assert!(change("rtp://1.2.3.4:5", &named("wlan0")).expect_err("superfluous").contains("leave it out"));
        assert!(to("rtp://[fe80::1]:5600").is_err_and(|error| error.to_string().contains("needs one")));
    }
}
