//! Tests of what the network sees: real sockets, and the kernel's own failures.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use super::*;
use crate::base::Fault;
use crate::encode::Codec;
use crate::interlock::Interlock;

const INTERVAL: Micros = Micros(33_333);

pub(super) fn receiver(at: &str) -> UdpSocket {
    UdpSocket::bind(at).expect("bound")
}

/// What has come in: waits for so many datagrams, and looks a moment longer for more.
pub(super) fn heard(socket: &UdpSocket, expected: usize) -> Vec<Vec<u8>> {
    let mut memory = [0; 4096];
    let mut next = |wait_ms| {
        socket.set_read_timeout(Some(Duration::from_millis(wait_ms))).expect("timeout");
        socket.recv(&mut memory).ok().map(|length| memory[..length].to_vec())
    };
    let mut datagrams: Vec<_> = (0..expected).map_while(|_| next(5000)).collect();
    datagrams.extend(std::iter::from_fn(|| next(20)));
    datagrams
}

pub(super) fn to(destination: SocketAddr) -> Link {
    let settings = Settings::meant(Some(&format!("rtp://{destination}")), None).expect("destination");
    open(settings)
}

fn open(settings: Settings) -> Link {
    let stream = Stream { codec: Codec::H264, bitrate_kbps: 1000, interval: INTERVAL };
    Link::open(settings, stream).expect("valid")
}

pub(super) fn unit(key: bool, bytes: usize) -> AccessUnit {
    let data = [vec![0, 0, 1, 0x65], vec![7; bytes]].concat();
    // Fresh at any moment of these tests.
    AccessUnit { sequence: 0, captured: moment(3_600_000), group: 0, key, data }
}

/// Polls with a fresh permit each time, as long as there is something to do before `until`; gives the last moment.
pub(super) fn drive(link: &mut Link, mut now: Micros, until: Micros) -> Micros {
    let interlock = Interlock::default();
    loop {
        match link.poll(interlock.permit(now).as_ref(), now).next {
            Some(next) if next < until => now = next,
            Some(_) | None => return now,
        }
    }
}

pub(super) fn moment(ms: u64) -> Micros {
    Micros::from_ms(ms)
}

#[test]
fn what_a_side_brings_along_that_hung_is_not_sent() {
    let socket = receiver("127.0.0.1:0");
    let mut link = to(socket.local_addr().expect("address"));
    let old = AccessUnit { captured: moment(1_000), ..unit(true, 100) };
    assert_eq!(link.push(&old, moment(2_001)), Pushed::Dropped);
    drive(&mut link, moment(2_001), moment(2_100));
    assert!(heard(&socket, 0).is_empty());
    assert_eq!(link.push(&old, moment(2_000)), Pushed::Queued, "a clock that goes back makes nothing older");
    drive(&mut link, moment(2_200), moment(2_300));
    assert!(!heard(&socket, 1).is_empty());
}

#[test]
fn a_slow_stream_has_time_for_what_its_encoder_keeps_back() {
    let socket = receiver("127.0.0.1:0");
    let destination = socket.local_addr().expect("address");
    let stream = Stream { codec: Codec::H264, bitrate_kbps: 1000, interval: moment(500) };
    let settings = Settings { destination, preset: None, ..Settings::default() };
    let mut link = Link::open(settings, stream).expect("valid");
    let unit = AccessUnit { captured: moment(1_000), ..unit(true, 100) };
    assert_eq!(link.push(&unit, moment(5_001)), Pushed::Dropped);
    assert_eq!(link.push(&unit, moment(5_000)), Pushed::Queued, "four frames kept back, and as many to wait");
}

#[test]
fn a_unit_arrives_spread_over_time_and_whole() {
    let socket = receiver("127.0.0.1:0");
    let mut link = to(socket.local_addr().expect("address"));
    assert_eq!(link.push(&unit(true, 14_000), moment(0)), Pushed::Queued);
    let done = drive(&mut link, moment(0), moment(1000));
    assert!((moment(30)..=moment(67)).contains(&done), "{done:?}");
    let packets = heard(&socket, 11);
    assert_eq!(packets.len(), 11);
    assert!(packets.iter().all(|packet| packet.len() <= 1400));
    let Counts { units_sent, packets, payload_bytes, opened, units_dropped, .. } = link.counts();
    // 11 fragments of 2 bytes more each, and the NAL unit's first byte is in all and in none.
    assert_eq!((units_sent, packets, payload_bytes, opened, units_dropped), (1, 11, 14_022, 1, 0));
}

#[test]
fn nothing_leaves_without_a_permit_that_holds() {
    let socket = receiver("127.0.0.1:0");
    let mut link = to(socket.local_addr().expect("address"));
    let mut interlock = Interlock::default();
    link.push(&unit(true, 9000), moment(0));
    let stale = interlock.permit(moment(0)).expect("permissive");
    assert_eq!(link.poll(Some(&stale), moment(100)).next, None, "it ended at 100 ms");
    assert_eq!((heard(&socket, 0).len(), link.queue.len()), (0, 0), "what waited is gone");
    link.push(&unit(true, 9000), moment(200));
    assert_eq!(link.poll(None, moment(200)), Polled { next: None, key_wanted: false });
    assert_eq!((heard(&socket, 0).len(), link.queue.len()), (0, 0));

    // A permit that ends half-way through a unit ends the unit.
    link.push(&unit(true, 9000), moment(300));
    let permit = interlock.permit(moment(300)).expect("permissive");
    let sent = (0..3).filter(|_| link.poll(Some(&permit), moment(300)).next == Some(moment(300))).count();
    assert_eq!(sent, 3);
    let before = link.counts();
    let _ = link.poll(Some(&permit), moment(400));
    let _ = link.poll(Some(&permit), moment(401));
    // One of the three polls sent the first report instead.
    assert_eq!((before.packets, link.counts().packets, heard(&socket, 2).len()), (2, 2, 2));
    assert_eq!((link.counts().units_dropped, link.counts().units_cut), (3, 1));
    assert_eq!(link.push(&unit(false, 90), moment(402)), Pushed::Dropped, "half a key frame is no start");

    interlock.report(Fault::EncoderFailed);
    link.push(&unit(true, 90), moment(500));
    let _ = link.poll(interlock.permit(moment(500)).as_ref(), moment(500));
    assert!(link.finish(interlock.permit(moment(500)).as_ref(), moment(500)).packets == 2, "and no farewell");
    assert!(heard(&socket, 0).is_empty());
}

#[test]
fn the_sockets_ask_the_permit_themselves() {
    let socket = receiver("127.0.0.1:0");
    let destination = format!("rtp://{}", socket.local_addr().expect("address"));
    let mut wire = Wire::new(&Settings::meant(Some(&destination), None).expect("destination"));
    let permit = Interlock::default().permit(moment(100)).expect("permissive");
    assert_eq!(wire.media(b"early", &permit, moment(99)), Sent::Withheld, "a clock that went back");
    assert_eq!(wire.media(b"in time", &permit, moment(199)), Sent::Gone);
    assert_eq!(wire.media(b"late", &permit, moment(200)), Sent::Withheld);
    assert!(wire.report(b"in time", &permit, moment(150)) && !wire.report(b"late", &permit, moment(200)));
    assert_eq!(heard(&socket, 1), [b"in time"]);
}

#[test]
fn what_waited_too_long_is_thrown_up_to_a_young_key_frame() {
    let socket = receiver("127.0.0.1:0");
    let mut link = to(socket.local_addr().expect("address"));
    for (key, ms) in [(true, 0), (false, 33), (true, 400), (false, 433)] {
        assert_eq!(link.push(&unit(key, 100), moment(ms)), Pushed::Queued);
    }
    drive(&mut link, moment(540), moment(600));
    assert_eq!((heard(&socket, 2).len(), link.counts().units_dropped, link.counts().units_cut), (2, 2, 0));
    assert_eq!(link.push(&unit(false, 100), moment(700)), Pushed::Queued, "what came out can be gone on from");
    drive(&mut link, moment(1200), moment(1300));
    assert!(heard(&socket, 0).is_empty());
    assert_eq!(link.push(&unit(false, 100), moment(1300)), Pushed::Dropped, "the one it refers to is gone");
}

#[test]
fn reports_go_to_the_port_above_and_answers_are_heard() {
    let (media, reports) = (0..100)
        .find_map(|_| {
            let media = receiver("127.0.0.1:0");
            let port = media.local_addr().ok()?.port();
            Some((media, UdpSocket::bind(("127.0.0.1", port.checked_add(1)?)).ok()?))
        })
        .expect("two ports in a row");
    let mut link = to(media.local_addr().expect("address"));
    link.wall(moment(0), Duration::from_secs(1_795_334_400));
    link.push(&unit(true, 100), moment(0));
    drive(&mut link, moment(0), moment(1));
    let mut memory = [0; 256];
    reports.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    let (length, from) = reports.recv_from(&mut memory).expect("a report");
    assert_eq!((memory[1], link.counts().reports), (200, 1), "a sender report");
    assert_eq!(memory[4..8], heard(&media, 1)[0][8..12], "of the same SSRC");
    assert!(length > 28 && length.is_multiple_of(4));

    let ssrc = u32::from_be_bytes(memory[4..8].try_into().expect("four"));
    let block = rtcp_types::ReportBlock::builder(ssrc).fraction_lost(12);
    let mut answer = [0; 64];
    let builder = rtcp_types::ReceiverReport::builder(1).add_report_block(block);
    let length = rtcp_types::RtcpPacketWriterExt::write_into(&builder, &mut answer).expect("fits");
    reports.send_to(&answer[..length], from).expect("answered");
    UdpSocket::bind("127.0.0.1:0").expect("stranger").send_to(b"intruder", from).expect("sent");
    reports.send_to(b"noise", from).expect("sent");
    for ms in [300, 600, 900] {
        drive(&mut link, moment(ms), moment(ms + 1));
    }
    assert_eq!(link.reception().map(|reception| reception.fraction_lost), Some(12));
    assert_eq!(link.counts().noise, 1, "the stranger was not heard at all");

    let counts = link.finish(Interlock::default().permit(moment(900)).as_ref(), moment(900));
    assert_eq!(counts.reports, 2);
    let length = reports.recv(&mut memory).expect("a farewell");
    assert_eq!(memory[length - 8..][..2], [0x81, 203], "BYE is the last");
}

#[test]
fn a_receiver_that_is_not_there_is_counted_and_may_come() {
    let place = receiver("127.0.0.1:0").local_addr().expect("address");
    let mut link = to(place);
    for frame in 0..10 {
        assert_eq!(link.push(&unit(frame == 0, 100), moment(frame * 33)), Pushed::Queued);
        drive(&mut link, moment(frame * 33), moment(frame * 33 + 33));
    }
    let counts = link.counts();
    assert!(counts.refused >= 8, "{counts:?}");
    assert_eq!((counts.units_dropped, counts.down, counts.opened), (0, 0, 1));
    assert!(link.trouble().expect("trouble").to_string().contains("refused"));
    let socket = receiver(&place.to_string());
    for frame in 10..20 {
        link.push(&unit(false, 100), moment(frame * 33));
        drive(&mut link, moment(frame * 33), moment(frame * 33 + 33));
    }
    assert_eq!(heard(&socket, 10).len(), 10, "each of them, from the first on");
    assert!(link.trouble().is_none());
}

#[test]
fn ipv6_and_multicast_arrive() {
    let six = receiver("[::1]:0");
    let mut link = to(six.local_addr().expect("address"));
    link.push(&unit(true, 100), moment(0));
    drive(&mut link, moment(0), moment(1));
    assert_eq!(heard(&six, 1).len(), 1, "IPv6");

    let four = receiver("0.0.0.0:0");
    four.join_multicast_v4(&Ipv4Addr::new(239, 255, 77, 1), &Ipv4Addr::LOCALHOST).expect("joined");
    assert_multicast(&four, "239.255.77.1", "lo");
}

pub(super) fn assert_multicast(socket: &UdpSocket, address: &str, interface: &str) {
    let port = socket.local_addr().expect("address").port();
    let mut settings = Settings::meant(Some(&format!("rtp://{address}:{port}")), None).expect("group");
    settings.interface = Some(interface.to_owned());
    let mut link = open(settings);
    link.push(&unit(true, 100), moment(0));
    drive(&mut link, moment(0), moment(1));
    assert_eq!(heard(socket, 1).len(), 1, "{address}: {:?}", link.trouble());
}

#[test]
fn an_interface_that_does_not_exist_is_waited_for() {
    let mut settings = Settings::meant(Some("rtp://239.255.77.2:5600"), None).expect("group");
    settings.interface = Some("none7".to_owned());
    let mut link = open(settings);
    let mut asked = Vec::new();
    let interlock = Interlock::default();
    for frame in 0..150 {
        let now = moment(frame * 33);
        link.push(&unit(frame % 30 == 0, 100), now);
        let mut polled = link.poll(interlock.permit(now).as_ref(), now);
        while polled.next.is_some_and(|next| next <= now) {
            polled = link.poll(interlock.permit(now).as_ref(), now);
        }
        if polled.key_wanted {
            asked.push(now);
        }
    }
    let counts = link.counts();
    assert_eq!((counts.packets, counts.units_dropped, counts.opened), (0, 150, 0));
    assert!((2..=5).contains(&counts.down), "one try a key frame at most: {counts:?}");
    assert!((2..=9).contains(&asked.len()), "and a key frame is asked for now and then: {asked:?}");
    assert!(link.trouble().expect("trouble").to_string().contains("No such device"));
}
