//! How to watch the stream: the very lines for the configured output.
//!
//! Printed by `voile run` for whoever stands at the ground station. They say where receivers listen, which behind a
//! radio is not where the link sends.

use std::net::{IpAddr, SocketAddr};

use super::settings::Settings;
use super::{PAYLOAD_TYPE, RATE_HZ};
use crate::encode::Codec;

/// A program that can show the stream, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The program.
    pub name: &'static str,
    /// What to type, or to paste into its window; nothing if the program cannot show this codec.
    pub line: Option<String>,
    /// What to know beforehand.
    pub note: &'static str,
}

/// ffplay, GStreamer and Mission Planner, in this order.
pub fn viewers(settings: &Settings, codec: Codec) -> [Viewer; 3] {
    let sdp = settings.sdp.as_ref().map_or_else(|| "voile.sdp".to_owned(), |path| path.display().to_string());
    let sdp = quoted(&sdp);
    let ffplay = Viewer {
        name: "ffplay",
        line: Some(format!(
            "ffplay -protocol_whitelist file,udp,rtp -fflags nobuffer -flags low_delay -framedrop -i {sdp}"
        )),
        note: match codec {
            Codec::H264 => "takes the file of link.sdp, copied from the aircraft",
            Codec::Av1 => "takes the file of link.sdp, copied from the aircraft; needs FFmpeg 8 or newer",
        },
    };
    let source = source(settings);
    let encoding = match codec {
        Codec::H264 => "H264",
        Codec::Av1 => "AV1",
    };
    let caps =
        format!("application/x-rtp,media=video,clock-rate={RATE_HZ},encoding-name={encoding},payload={PAYLOAD_TYPE}");
    let depay = match codec {
        Codec::H264 => "rtph264depay ! h264parse ! avdec_h264",
        Codec::Av1 => "rtpav1depay ! av1parse ! dav1ddec",
    };
    let gstreamer = Viewer {
        name: "GStreamer",
        line: Some(format!(
            "gst-launch-1.0 {source} caps=\"{caps}\" ! rtpjitterbuffer latency=50 ! {depay} ! videoconvert ! \
             autovideosink sync=false"
        )),
        note: match codec {
            Codec::H264 => "needs the plugins good, bad and libav",
            Codec::Av1 => "needs rtpav1depay and dav1ddec from GStreamer's Rust plugins, which Debian 12 and 13 lack",
        },
    };
    let planner = Viewer {
        name: "Mission Planner",
        line: (codec == Codec::H264).then(|| {
            format!(
                "{source} buffer-size=90000 ! {caps} ! rtph264depay ! avdec_h264 ! queue leaky=2 ! videoconvert ! \
                 video/x-raw,format=BGRA ! appsink name=outsink sync=false"
            )
        }),
        note: match codec {
            Codec::H264 => "right click on the HUD, Video, Set GStreamer Source",
            Codec::Av1 => "shows no AV1: set encode.codec = \"h264\"",
        },
    };
    [ffplay, gstreamer, planner]
}

fn source(settings: &Settings) -> String {
    let heard_at = settings.heard_at();
    let port = heard_at.port();
    match heard_at {
        _ if !heard_at.ip().is_multicast() => match heard_at.ip() {
            IpAddr::V4(_) => format!("udpsrc port={port}"),
            IpAddr::V6(_) => format!("udpsrc address=:: port={port}"),
        },
        SocketAddr::V4(group) => format!("udpsrc address={} port={port} auto-multicast=true", group.ip()),
        SocketAddr::V6(group) => format!("udpsrc address={} port={port} auto-multicast=true", group.ip()),
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_name_where_receivers_listen() {
        let lines = |url: Option<&str>, codec| {
            let settings =
                Settings { sdp: Some("/run/voile/a b.sdp".into()), ..Settings::meant(url, None).expect("url") };
            viewers(&settings, codec).map(|viewer| viewer.line.unwrap_or_default())
        };
        let [ffplay, gstreamer, planner] = lines(None, Codec::H264);
        assert!(ffplay.ends_with("-i '/run/voile/a b.sdp'"), "{ffplay}");
        assert!(gstreamer.contains("udpsrc port=5600 caps=\"application/x-rtp,"), "{gstreamer}");
        assert!(planner.starts_with("udpsrc port=5600 ") && planner.contains("appsink name=outsink"), "{planner}");
        let [_, group, _] = lines(Some("rtp://239.7.7.7:5000"), Codec::Av1);
        assert!(group.contains("udpsrc address=239.7.7.7 port=5000 auto-multicast=true"), "{group}");
        assert!(group.contains("rtpav1depay ! av1parse ! dav1ddec"), "{group}");
        let [_, six, none] = lines(Some("rtp://[fd00::2]:5000"), Codec::Av1);
        assert!(six.contains("udpsrc address=:: port=5000"), "{six}");
        assert_eq!(none, "", "Mission Planner shows no AV1");
    }
}
