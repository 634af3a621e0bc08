//! The session description: what a receiver has to be told, as a file.
//!
//! Written by way of a neighbour that is renamed, so that a reader finds the old one or the new one, and a full disk
//! leaves the old one alone. It names no host and no user; the session's number is random.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sdp_types::{Bandwidth, BandwidthType, Connection, Media, MediaType, Origin, Session, Time, TransportProto};

use super::settings::{Settings, Stream};
use super::{LinkError, PAYLOAD_TYPE, RATE_HZ, av1, h264};
use crate::encode::Codec;

/// The description as it stands, and what it was made of.
pub(super) struct Description {
    settings: Settings,
    stream: Stream,
    number: u64,
    version: u64,
    /// The parameter sets of the last one, one behind the other.
    made_of: Vec<u8>,
    news: Option<String>,
}

impl Description {
    pub(super) fn new(settings: Settings, stream: Stream) -> Result<Self, LinkError> {
        let number = getrandom::u32().map_err(|error| LinkError::Random { reason: error.to_string() })?;
        let made_of = Vec::with_capacity(256);
        Ok(Self { settings, stream, number: number.into(), version: 0, made_of, news: None })
    }

    /// Makes a new description if the key frame's parameter sets are not those of the last one.
    pub(super) fn look(&mut self, unit: &[u8]) {
        let same = match self.stream.codec {
            Codec::H264 => h264::parameter_sets(unit).flatten().eq(&self.made_of),
            Codec::Av1 => av1::sequence_header(unit).is_some_and(|header| header == self.made_of),
        };
        if same {
            return;
        }
        let session = (self.number, self.version + 1);
        if let Some(text) = describe(&self.settings, self.stream, session, unit) {
            self.version += 1;
            self.made_of.clear();
            match self.stream.codec {
                Codec::H264 => self.made_of.extend(h264::parameter_sets(unit).flatten()),
                Codec::Av1 => self.made_of.extend(av1::sequence_header(unit).unwrap_or_default()),
            }
            self.news = Some(text);
        }
    }

    /// The description, if there is a new one.
    pub(super) const fn take(&mut self) -> Option<String> {
        self.news.take()
    }
}

/// Describes the stream by one of its key frames; nothing if that lacks what decoding starts with.
fn describe(settings: &Settings, stream: Stream, session: (u64, u64), unit: &[u8]) -> Option<String> {
    let (name, parameters) = match stream.codec {
        Codec::H264 => ("H264", h264_parameters(unit)?),
        Codec::Av1 => {
            let (profile, level, tier) = av1::profile_level_tier(av1::sequence_header(unit)?)?;
            ("AV1", format!("profile={profile};level-idx={level};tier={tier}"))
        }
    };
    let heard_at = settings.heard_at();
    let nowhere = match heard_at.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let hops = heard_at.ip().is_multicast().then_some(1);
    let interval = stream.interval.0.max(1);
    let thousandths = 1_000_000_000 / interval;
    let media = Media::builder(MediaType::Video, heard_at.port(), TransportProto::RtpAvp, PAYLOAD_TYPE)
        .connection(Connection::from_ip_addr_ttl(heard_at.ip(), hops))
        .bandwidth(Bandwidth::new(BandwidthType::As, u64::from(stream.bitrate_kbps)))
        .attribute_with_value("rtpmap", format!("{PAYLOAD_TYPE} {name}/{RATE_HZ}"))
        .attribute_with_value("fmtp", format!("{PAYLOAD_TYPE} {parameters}"))
        .attribute_with_value("framerate", format!("{}.{:03}", thousandths / 1000, thousandths % 1000))
        .attribute_from_str("recvonly")
        .build();
    let (number, version) = session;
    let session = Session::builder(Origin::with_ip_addr(number, version, nowhere), "voile")
        .time(Time::new(0, 0))
        .media(media)
        .build();
    let mut text = Vec::new();
    session.write(&mut text).ok()?;
    String::from_utf8(text).ok()
}

fn h264_parameters(unit: &[u8]) -> Option<String> {
    let [profile, constraints, level] = h264::profile_level_id(unit)?;
    let sets: Vec<String> = h264::parameter_sets(unit).map(|set| STANDARD.encode(set)).collect();
    let sets = sets.join(",");
    let level = format!("{profile:02x}{constraints:02x}{level:02x}");
    Some(format!("packetization-mode=1;profile-level-id={level};sprop-parameter-sets={sets}"))
}

/// Writes a description to `path`, whole or not at all.
///
/// # Errors
/// [`LinkError::Sdp`]; what was at `path` before is untouched.
pub fn write_sdp(path: &Path, text: &str) -> Result<(), LinkError> {
    let new = neighbour(path);
    // Not made durable, and what is left of a failure is not removed: the side that writes may do neither.
    let written = File::create(&new).and_then(|mut file| {
        // For whoever watches: it says nothing that the stream does not.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    });
    written.map_err(|error| LinkError::Sdp { path: path.to_owned(), reason: error.to_string(), mend: mend(&error) })
}

fn neighbour(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, or choose another link.sdp",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "choose a link.sdp that can be written",
        ErrorKind::NotFound | ErrorKind::NotADirectory => "choose a link.sdp in a folder that exists",
        _ => "choose another link.sdp",
    }
}
