//! Tests of what the packets hold: all that went in, and the formats' bits.

use proptest::prelude::*;
use rtp_types::RtpPacket;

use super::*;
use crate::encode::Codec;

/// A link whose packets are looked at and never sent.
fn link(codec: Codec, mtu: usize) -> Link {
    let settings = Settings { mtu, ..Settings::default() };
    Link::open(settings, Stream { codec, bitrate_kbps: 1000, interval: Micros(33_333) }).expect("valid")
}

fn unit(key: bool, data: Vec<u8>) -> AccessUnit {
    AccessUnit { sequence: 0, captured: Micros::from_ms(40), group: 0, key, data }
}

/// Takes every packet out, and checks what is the same for both formats.
fn payloads(link: &mut Link, mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let mut previous: Option<(u16, u32)> = None;
    while let Some((slot, datagram)) = link.queue.front() {
        assert!(datagram.len() <= mtu, "{} bytes", datagram.len());
        let packet = RtpPacket::parse(datagram).expect("RTP");
        assert_eq!((packet.payload_type(), packet.ssrc()), (96, link.packets.ssrc));
        assert_eq!(packet.marker_bit(), link.queue.len() == 1, "the marker is on the last packet and no other");
        assert_eq!(slot.last, packet.marker_bit());
        if let Some((sequence, timestamp)) = previous {
            assert_eq!((packet.sequence_number(), packet.timestamp()), (sequence.wrapping_add(1), timestamp));
        }
        previous = Some((packet.sequence_number(), packet.timestamp()));
        assert!(!packet.payload().is_empty());
        payloads.push(packet.payload().to_vec());
        link.queue.pop();
    }
    payloads
}

/// A depacketiser for RFC 6184, mode 1, which believes nothing.
fn nals(payloads: &[Vec<u8>], room: usize) -> Vec<Vec<u8>> {
    let mut nals: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for payload in payloads {
        match payload[0] & 0x1F {
            28 => {
                let (start, end, kind) = (payload[1] & 0x80 != 0, payload[1] & 0x40 != 0, payload[1] & 0x1F);
                assert!(!(start && end), "a NAL unit in one fragment");
                assert_eq!(payload[1] & 0x20, 0, "reserved");
                assert_eq!(start, !open, "fragments follow each other");
                assert!(payload.len() > 2, "an empty fragment");
                assert!(end || payload.len() == room, "only the last fragment is short");
                if start {
                    nals.push(vec![(payload[0] & 0xE0) | kind]);
                }
                let nal = nals.last_mut().expect("started");
                assert_eq!(nal[0], (payload[0] & 0xE0) | kind);
                nal.extend(&payload[2..]);
                open = !end;
            }
            1..=23 => {
                assert!(!open, "a fragment is missing");
                nals.push(payload.clone());
            }
            kind => panic!("kind {kind}"),
        }
    }
    assert!(!open, "the last fragment is missing");
    nals
}

/// A depacketiser for the Alliance's format, which believes nothing. Gives the OBUs without size fields.
fn obus(payloads: &[Vec<u8>], new_sequence: bool) -> Vec<Vec<u8>> {
    let mut obus: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for (index, payload) in payloads.iter().enumerate() {
        let header = payload[0];
        let (z, y, count, n) = (header & 0x80 != 0, header & 0x40 != 0, (header >> 4) & 3, header & 8 != 0);
        assert_eq!(header & 7, 0, "reserved");
        assert_eq!(n, new_sequence && index == 0, "N");
        assert_eq!(z, open, "Z says what the Y before said");
        assert!(count > 0, "W counts");
        let mut rest = &payload[1..];
        for element in 1..=count {
            let bytes;
            if element == count {
                (bytes, rest) = (rest, &[]);
            } else {
                let (length, after) = if rest[0] & 0x80 == 0 {
                    (usize::from(rest[0]), &rest[1..])
                } else {
                    assert_eq!(rest[1] & 0x80, 0);
                    (usize::from(rest[0] & 0x7F) | usize::from(rest[1]) << 7, &rest[2..])
                };
                (bytes, rest) = after.split_at(length);
            }
            assert!(!bytes.is_empty(), "an empty element");
            if element == 1 && z {
                obus.last_mut().expect("open").extend(bytes);
            } else {
                assert_eq!(bytes[0] & 2, 0, "no size field");
                obus.push(bytes.to_vec());
            }
        }
        open = y;
    }
    assert!(!open, "the last fragment is missing");
    obus
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7F {
        bytes.push(0x80 | u8::try_from(value & 0x7F).expect("seven bits"));
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
    bytes
}

/// An OBU as encoders write it: with a size field.
fn obu(kind: u8, extension: Option<u8>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 3 | 2 | if extension.is_some() { 4 } else { 0 }];
    bytes.extend(extension);
    bytes.extend(leb(payload.len()));
    bytes.extend(payload);
    bytes
}

/// The same as a receiver should get it.
fn bare(kind: u8, extension: Option<u8>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 3 | if extension.is_some() { 4 } else { 0 }];
    bytes.extend(extension);
    bytes.extend(payload);
    bytes
}

/// Lengths that matter at this mtu, and any others.
fn lengths(mtu: usize) -> impl Strategy<Value = usize> {
    let room = mtu - HEADER;
    prop_oneof![1_usize..4, room - 24..room + 4, 2 * room - 8..2 * room + 4, 1_usize..5000]
}

fn nal_bytes(kind: u8, seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0x60 | kind];
    // No byte is 0 but lonely ones in the middle, so that no start code arises.
    bytes.extend((1..length).map(|at| if at % 7 == 3 && at + 1 < length { 0 } else { seed | 1 }));
    bytes
}

proptest! {
    #[test]
    fn h264_comes_out_as_it_went_in(
        (mtu, shapes) in prop_oneof![Just(576_usize), Just(1400), Just(3993)].prop_flat_map(|mtu| {
            (Just(mtu), proptest::collection::vec((1_u8..24, any::<u8>(), lengths(mtu), any::<bool>()), 1..8))
        })
    ) {
        let mut link = link(Codec::H264, mtu);
        let mut data = Vec::new();
        let mut expected = Vec::new();
        for (kind, seed, length, long_code) in shapes {
            data.extend(if long_code { [0, 0, 0, 1].as_slice() } else { &[0, 0, 1] });
            let nal = nal_bytes(kind, seed, length);
            data.extend(&nal);
            expected.push(nal);
        }
        prop_assert_eq!(link.push(&unit(true, data), Micros(0)), Pushed::Queued);
        prop_assert_eq!(nals(&payloads(&mut link, mtu), mtu - HEADER), expected);
    }

    #[test]
    fn av1_comes_out_as_it_went_in_without_what_stays_behind(
        (mtu, shapes) in prop_oneof![Just(576_usize), Just(1400), Just(3993)].prop_flat_map(|mtu| {
            let kind = prop_oneof![Just(1_u8), 3_u8..8, Just(8), Just(15)];
            let obu = (kind, proptest::option::of(any::<u8>()), any::<u8>(), lengths(mtu), any::<bool>());
            (Just(mtu), proptest::collection::vec(obu, 1..9))
        }),
        key: bool,
    ) {
        let mut link = link(Codec::Av1, mtu);
        link.waiting = false;
        let mut data = obu(2, None, &[]);
        let mut expected = Vec::new();
        for (kind, extension, fill, length, empty) in shapes {
            let payload = vec![fill; if empty { 0 } else { length - 1 }];
            data.extend(obu(kind, extension, &payload));
            if kind != 8 && kind != 15 {
                expected.push(bare(kind, extension, &payload));
            }
        }
        let starts = key && expected.iter().any(|obu| obu[0] >> 3 == 1);
        let pushed = link.push(&unit(key, data), Micros(0));
        prop_assert_eq!(pushed, if expected.is_empty() { Pushed::Malformed } else { Pushed::Queued });
        prop_assert_eq!(obus(&payloads(&mut link, mtu), starts), expected);
    }

    #[test]
    fn what_is_not_the_format_is_refused_whole(bytes in proptest::collection::vec(0_u8..6, 0..200), key: bool) {
        for codec in [Codec::H264, Codec::Av1] {
            let mut link = link(codec, 576);
            link.waiting = false;
            if link.push(&unit(key, bytes.clone()), Micros(0)) != Pushed::Queued {
                prop_assert_eq!(link.queue.len(), 0);
                prop_assert!(link.waiting, "the next picture that counts is a key frame");
            }
        }
    }
}

#[test]
fn units_that_lie_are_refused() {
    let refused = |codec, data: &[u8]| {
        let mut link = link(codec, 1400);
        assert_eq!(link.push(&unit(true, data.to_vec()), Micros(0)), Pushed::Malformed, "{data:?}");
        assert_eq!((link.queue.len(), link.counts().units_malformed, link.counts().units_dropped), (0, 1, 1));
    };
    for data in [
        b"".as_slice(),
        b"\0\0\0",
        b"\0\0\x01",
        b"\x09\0\0\x01\x65\x01",
        b"\0\0\x01\xE5\x01",
        // Kinds 0, 24 (STAP-A) and 28 (FU-A) mean something else in RTP than in a stream.
        b"\0\0\x01\x60\x01",
        b"\0\0\x01\x67\x01\0\0\x01\x78\x01",
        b"\0\0\x01\x7C\x85\x01",
    ] {
        refused(Codec::H264, data);
    }
    for data in [
        b"".as_slice(),
        // A temporal delimiter and nothing else; forbidden bit; size beyond the end; size that never ends; cut
        // extension.
        b"\x12\0",
        b"\x92\0",
        b"\x32\x05\x01",
        b"\x32\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x32\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
        b"\x36",
        b"\x32",
    ] {
        refused(Codec::Av1, data);
    }
}

#[test]
fn a_unit_of_exactly_one_packet_is_one_packet() {
    for (length, packets) in [(1387, 1), (1388, 1), (1389, 2)] {
        let mut link = link(Codec::H264, 1400);
        let data = [vec![0, 0, 0, 1], nal_bytes(5, 9, length)].concat();
        link.push(&unit(true, data), Micros(0));
        assert_eq!(payloads(&mut link, 1400).len(), packets, "H.264, {length} bytes");
    }
    for (length, packets) in [(1386, 1), (1387, 1), (1388, 2)] {
        let mut link = link(Codec::Av1, 1400);
        link.push(&unit(true, obu(6, None, &vec![7; length - 1])), Micros(0));
        assert_eq!(payloads(&mut link, 1400).len(), packets, "AV1, {length} bytes");
    }
}

#[test]
fn time_stamps_count_90000_a_second_and_wrap() {
    let link = link(Codec::H264, 1400);
    let after = |micros| link.packets.timestamp(Micros(micros)).wrapping_sub(link.packets.timestamp(Micros(0)));
    assert_eq!([after(1_000_000), after(33_333), after(11)], [90_000, 2_999, 0]);
    // 2^32 ticks are 47721.8588444 s.
    assert_eq!(after(47_721_858_844), u32::MAX);
    assert_eq!(after(47_721_858_845), 0);
    after(u64::MAX);
}

/// The ring holds 1497 packets of 1400 bytes.
#[test]
fn a_full_ring_drops_whole_units_until_a_key_frame() {
    let mut link = link(Codec::H264, 1400);
    // 600 packets each.
    let big = |key| unit(key, [vec![0, 0, 1], nal_bytes(5, 9, 1386 * 600)].concat());
    assert_eq!(link.push(&big(false), Micros(0)), Pushed::Dropped, "nothing can start with it");
    assert_eq!(link.push(&big(true), Micros(0)), Pushed::Queued);
    assert_eq!(link.push(&big(false), Micros(0)), Pushed::Queued);
    assert_eq!(link.push(&big(false), Micros(0)), Pushed::Dropped, "full");
    assert_eq!(link.queue.len(), 1200, "no part of it stayed");
    let small = |key| unit(key, [vec![0, 0, 1], nal_bytes(5, 9, 90)].concat());
    assert_eq!(link.push(&small(false), Micros(0)), Pushed::Dropped, "it would fit, but refers to what was dropped");
    assert!(link.key_wanted(Micros(1)) && !link.key_wanted(Micros(2)), "asked, once for a while");
    assert_eq!(link.push(&big(true), Micros(0)), Pushed::Queued, "it takes the place of what had not begun");
    assert!(link.queue.len() < 700);
    let counts = link.counts();
    assert_eq!((counts.units_dropped, counts.units_cut), (5, 0));
    let monster = unit(true, [vec![0, 0, 1], nal_bytes(5, 9, 3 << 20)].concat());
    assert_eq!(link.push(&monster, Micros(0)), Pushed::Dropped, "larger than the ring");
}

#[test]
fn a_description_tells_what_the_stream_says_of_itself() {
    let mut h264 = link(Codec::H264, 1400);
    let key = unit(true, b"\0\0\0\x01\x67\x42\xC0\x1F\x8C\0\0\x01\x68\xCE\x3C\x80\0\0\0\x01\x65\x88\x84".to_vec());
    h264.push(&key, Micros(0));
    let text = h264.take_description().expect("described");
    let session = sdp_types::Session::parse(text.as_bytes()).expect("SDP");
    let media = &session.medias[0];
    assert_eq!((media.port, media.fmt.as_str()), (5600, "96"), "where WFB-ng gives it out");
    let value = |name| media.get_first_attribute_value(name).flatten().unwrap_or_default().to_owned();
    assert_eq!(value("rtpmap"), "96 H264/90000");
    let parameters = "96 packetization-mode=1;profile-level-id=42c01f;sprop-parameter-sets=Z0LAH4w=,aM48gA==";
    assert_eq!(value("fmtp"), parameters);
    assert_eq!(value("framerate"), "30.000");
    h264.push(&key, Micros(0));
    assert_eq!(h264.take_description(), None, "nothing new");
    let mut changed = key;
    changed.data[7] = 0x20;
    h264.push(&changed, Micros(0));
    assert!(h264.take_description().expect("changed").contains("42c020"));

    let settings = Settings::meant(Some("rtp://239.9.9.9:7000"), None).expect("multicast");
    let stream = Stream { codec: Codec::Av1, bitrate_kbps: 900, interval: Micros::from_ms(40) };
    let mut av1 = Link::open(settings, stream).expect("valid");
    // Profile 0, neither still nor reduced, no timing or delay, one operating point, level index 9, tier 1.
    let header = [0, 0, 0, 0b0100_1100, 0x55];
    av1.push(&unit(true, [obu(1, None, &header), obu(6, None, &[1; 40])].concat()), Micros(0));
    let text = av1.take_description().expect("described");
    assert!(text.contains("a=fmtp:96 profile=0;level-idx=9;tier=1\r\n"), "{text}");
    assert!(text.contains("c=IN IP4 239.9.9.9/1\r\n") && text.contains("a=framerate:25.000\r\n"), "{text}");
    assert!(text.contains("m=video 7000 RTP/AVP 96\r\n") && text.contains("b=AS:900\r\n"), "{text}");
}

#[test]
fn a_description_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("voile.sdp");
    write_sdp(&path, "one").expect("written");
    write_sdp(&path, "two").expect("written again");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "two");
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1, "no neighbour is left");
    let line = write_sdp(&folder.path().join("no/voile.sdp"), "x").expect_err("no such folder").to_string();
    assert!(line.ends_with("choose a link.sdp in a folder that exists") && !line.contains('\n'), "{line}");
    let line = write_sdp(std::path::Path::new("/dev/full/x"), "x").expect_err("no folder").to_string();
    assert!(line.starts_with("link.sdp: /dev/full/x: "), "{line}");
}
