//! RTCP: sender reports out, receiver reports in.
//!
//! A report says which moment of the day the stream's time stamps mean. It names the stream by a random CNAME (RFC
//! 7022), never by host or user. What receivers answer is hostile until parsed, is counted for health, and changes
//! nothing in the stream: whoever can reach the port could otherwise ask for key frames until the picture is gone.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rtcp_types::{Bye, Compound, Packet, ReportBlock, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem, SenderReport};

use super::LinkError;
use crate::base::Micros;

/// Usual time between two reports (RFC 3550, 6.2), varied by half either way so that senders do not fall into step.
const EVERY: Micros = Micros::from_ms(5000);
/// Seconds from NTP's epoch, 1900, to Unix's, 1970 (RFC 5905, 6).
const NTP_EPOCH: u64 = 2_208_988_800;
/// The SDES item that is mandatory (RFC 3550, 6.5.1).
const CNAME: u8 = 1;

/// What the last receiver report about this stream said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// When it came in.
    pub heard: Micros,
    /// Share of packets lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start; more may arrive than were sent, then it is negative.
    pub lost: i32,
    /// Mean deviation of arrival times, in 1/90000 s.
    pub jitter: u32,
}

/// What a sender report counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// RTP time stamp of the present moment.
    pub timestamp: u32,
    /// Packets so far.
    pub packets: u64,
    /// Bytes of payload so far.
    pub octets: u64,
}

/// The control half of the RTP session.
pub(super) struct Reports {
    ssrc: u32,
    cname: String,
    due: Option<Micros>,
    /// A moment, and the time since 1970 then.
    wall: Option<(Micros, Duration)>,
    reception: Option<Reception>,
}

impl Reports {
    pub(super) fn new(ssrc: u32) -> Result<Self, LinkError> {
        let mut name = [0; 12];
        getrandom::fill(&mut name).map_err(|error| LinkError::Random { reason: error.to_string() })?;
        Ok(Self { ssrc, cname: STANDARD.encode(name), due: None, wall: None, reception: None })
    }

    /// Takes note of the time since 1970 at `now`.
    pub(super) const fn wall(&mut self, now: Micros, since_1970: Duration) {
        self.wall = Some((now, since_1970));
    }

    /// Media has left at `now`: the first report follows at once.
    pub(super) fn media_left(&mut self, now: Micros) {
        self.due.get_or_insert(now);
    }

    /// When the next report is due; nothing before media has left.
    pub(super) const fn due(&self) -> Option<Micros> {
        self.due
    }

    /// A report was tried at `now`: sets when the next one is due.
    pub(super) fn tried(&mut self, now: Micros) {
        let spread = u64::from(getrandom::u32().unwrap_or(u32::MAX / 2));
        let wait = EVERY.0 / 2 + ((EVERY.0 * spread) >> 32);
        self.due = Some(now.plus(Micros(wait)));
    }

    /// Writes a sender report, with a farewell if it is the last; gives its length.
    pub(super) fn write(&self, now: Micros, sent: Sent, last: bool, out: &mut [u8]) -> Option<usize> {
        let low = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
        let report = SenderReport::builder(self.ssrc)
            .ntp_timestamp(self.ntp(now))
            .rtp_timestamp(sent.timestamp)
            .packet_count(low(sent.packets))
            .octet_count(low(sent.octets));
        let name = SdesChunk::builder(self.ssrc).add_item(SdesItem::builder(CNAME, &self.cname));
        let mut compound = Compound::builder().add_packet(report).add_packet(Sdes::builder().add_chunk(name));
        if last {
            compound = compound.add_packet(Bye::builder().add_source(self.ssrc));
        }
        compound.write_into(out).ok()
    }

    /// The moment `now` in NTP's format. Without a wall clock it counts from the stream's start, as RFC 3550, 6.4.1
    /// lets a sender do that has none.
    fn ntp(&self, now: Micros) -> u64 {
        let (since, epoch) = match self.wall {
            Some((noted, since_1970)) => (since_1970 + Duration::from_micros(now.since(noted).0), NTP_EPOCH),
            None => (Duration::from_micros(now.0), 0),
        };
        // The seconds wrap in 2036, and receivers expect that.
        let seconds = (since.as_secs() + epoch) << 32;
        seconds | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
    }

    /// Reads what came in. Gives whether it was RTCP at all.
    pub(super) fn hear(&mut self, datagram: &[u8], now: Micros) -> bool {
        let Ok(compound) = Compound::parse(datagram) else { return false };
        for packet in compound {
            match packet {
                Ok(Packet::Rr(report)) => report.report_blocks().for_each(|block| self.note(&block, now)),
                Ok(Packet::Sr(report)) => report.report_blocks().for_each(|block| self.note(&block, now)),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn note(&mut self, block: &ReportBlock<'_>, now: Micros) {
        if block.ssrc() == self.ssrc {
            // 24 bits with a sign.
            let lost = (block.cumulative_lost() << 8).cast_signed() >> 8;
            let (fraction_lost, jitter) = (block.fraction_lost(), block.interarrival_jitter());
            self.reception = Some(Reception { heard: now, fraction_lost, lost, jitter });
        }
    }

    pub(super) const fn reception(&self) -> Option<Reception> {
        self.reception
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtcp_types::ReceiverReport;

    fn reports() -> Reports {
        Reports::new(0xDEAD_BEEF).expect("random numbers")
    }

    #[test]
    fn a_report_maps_the_wall_clock_to_time_stamps_and_names_nobody() {
        let mut reports = reports();
        // 2026-11-22 08:00:00 UTC, and half a second later.
        reports.wall(Micros::from_ms(1000), Duration::from_secs(1_795_334_400));
        let mut out = [0; 256];
        let sent = Sent { timestamp: 7, packets: (1 << 32) + 5, octets: 900 };
        let length = reports.write(Micros::from_ms(1500), sent, true, &mut out).expect("fits");
        let parsed: Vec<_> =
            Compound::parse(&out[..length]).expect("RTCP").map(|packet| packet.expect("sound")).collect();
        let [Packet::Sr(report), Packet::Sdes(names), Packet::Bye(bye)] = parsed.as_slice() else {
            panic!("{parsed:?}")
        };
        assert_eq!(report.ntp_timestamp() >> 32, 4_004_323_200);
        assert_eq!(report.ntp_timestamp() & 0xFFFF_FFFF, 1 << 31);
        assert_eq!((report.rtp_timestamp(), report.packet_count(), report.octet_count()), (7, 5, 900));
        let item = names.chunks().next().expect("chunk").items().next().expect("item");
        assert_eq!((item.type_(), item.value()), (CNAME, reports.cname.as_bytes()));
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [0xDEAD_BEEF]);
    }

    #[test]
    fn without_a_wall_clock_reports_count_from_the_start() {
        assert_eq!(reports().ntp(Micros::from_ms(2250)), (2 << 32) | (1 << 30));
    }

    #[test]
    fn reports_start_with_the_media_and_keep_their_distance() {
        let mut reports = reports();
        assert_eq!(reports.due(), None);
        reports.media_left(Micros(9));
        assert_eq!(reports.due(), Some(Micros(9)));
        for _ in 0..200 {
            reports.tried(Micros(0));
            let due = reports.due().expect("due");
            assert!((Micros::from_ms(2500)..Micros::from_ms(7500)).contains(&due), "{due:?}");
        }
    }

    #[test]
    fn a_receiver_is_heard_if_it_speaks_of_this_stream() {
        let mut reports = reports();
        let about = |ssrc| {
            let block = ReportBlock::builder(ssrc).fraction_lost(5).cumulative_lost(0xFF_FFFE).interarrival_jitter(90);
            let mut out = [0; 64];
            let report = ReceiverReport::builder(1).add_report_block(block);
            let length = report.write_into(&mut out).expect("fits");
            out[..length].to_vec()
        };
        assert!(reports.hear(&about(1), Micros(3)));
        assert_eq!(reports.reception(), None);
        assert!(reports.hear(&about(0xDEAD_BEEF), Micros(4)));
        let expected = Reception { heard: Micros(4), fraction_lost: 5, lost: -2, jitter: 90 };
        assert_eq!(reports.reception(), Some(expected));
        assert!(!reports.hear(b"hello", Micros(5)) && !reports.hear(&[], Micros(5)));
    }

    proptest! {
        #[test]
        fn anything_may_come_in(mut bytes in proptest::collection::vec(any::<u8>(), 0..1600), kind in 192_u8..=213) {
            reports().hear(&bytes, Micros(1));
            // The same, made to look like one well-framed packet.
            bytes.truncate(bytes.len() / 4 * 4);
            if bytes.len() >= 4 {
                bytes[0] = 0x80 | (bytes[0] & 0x1F);
                bytes[1] = kind;
                let words = u16::try_from(bytes.len() / 4 - 1).expect("short");
                bytes[2..4].copy_from_slice(&words.to_be_bytes());
                reports().hear(&bytes, Micros(1));
            }
        }
    }
}
