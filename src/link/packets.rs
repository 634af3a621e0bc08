//! A unit becomes packets: RTP headers around payloads, all of them or none.
//!
//! Random SSRC, first sequence number and time stamp (RFC 3550, 5.1); the clock is 90 kHz for both formats, counted
//! from the capture time that the unit carries.

use rtp_types::RtpPacketBuilder;

use super::queue::{Queue, Slot};
use super::{LinkError, PAYLOAD_TYPE, RATE_HZ, av1, h264};
use crate::base::Micros;
use crate::encode::{AccessUnit, Codec};

/// RTP's fixed header in bytes (RFC 3550, 5.1).
pub(super) const HEADER: usize = 12;

/// A unit that is not of the stream's coding format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Why a unit's packets could not be laid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Malformed,
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Makes a stream's packets.
pub(super) struct Packets {
    codec: Codec,
    pub(super) ssrc: u32,
    sequence: u16,
    /// Time stamp of the stream's zero.
    origin: u32,
}

impl Packets {
    pub(super) fn new(codec: Codec) -> Result<Self, LinkError> {
        let random = || getrandom::u32().map_err(|error| LinkError::Random { reason: error.to_string() });
        let sequence = u16::try_from(random()? >> 16).unwrap_or(0);
        Ok(Self { codec, ssrc: random()?, sequence, origin: random()? })
    }

    /// The time stamp of a moment: it wraps every 13 hours, as it should.
    pub(super) fn timestamp(&self, moment: Micros) -> u32 {
        let ticks = u128::from(moment.0) * u128::from(RATE_HZ) / 1_000_000;
        let low = u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0);
        self.origin.wrapping_add(low)
    }

    /// Leaves a number out, which tells the receiver that something is missing.
    pub(super) const fn skip(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Lays all packets of a unit into the queue, or none.
    pub(super) fn lay(&mut self, unit: &AccessUnit, queue: &mut Queue, now: Micros) -> Result<(), Refusal> {
        let (before, first) = (queue.len(), self.sequence);
        let laid = self.lay_some(unit, queue, now);
        if laid.is_err() {
            queue.take_back(before);
            self.sequence = first;
        }
        laid
    }

    fn lay_some(&mut self, unit: &AccessUnit, queue: &mut Queue, now: Micros) -> Result<(), Refusal> {
        let timestamp = self.timestamp(unit.captured);
        let mut payloads = Payloads::new(self.codec, unit)?;
        let mut first = true;
        loop {
            let (header, payload) = queue.room().ok_or(Refusal::Full)?.split_at_mut(HEADER);
            // Only a unit without any payload ends here; the others end with their last one.
            let (length, last) = payloads.write(payload).ok_or(Refusal::Malformed)?;
            RtpPacketBuilder::<&[u8], &[u8]>::new()
                .payload_type(PAYLOAD_TYPE)
                .marker_bit(last)
                .sequence_number(self.sequence)
                .timestamp(timestamp)
                .ssrc(self.ssrc)
                .write_into(header)
                .map_err(|_| Refusal::Malformed)?;
            queue.push(Slot { bytes: HEADER + length, first, last, key: unit.key, queued: now });
            self.skip();
            first = false;
            if last {
                return Ok(());
            }
        }
    }
}

/// The payloads of one unit.
enum Payloads<'a> {
    H264(h264::Payloads<'a>),
    Av1(av1::Payloads<'a>),
}

impl<'a> Payloads<'a> {
    fn new(codec: Codec, unit: &'a AccessUnit) -> Result<Self, Malformed> {
        match codec {
            Codec::H264 => h264::Payloads::new(&unit.data).map(Self::H264),
            Codec::Av1 => av1::Payloads::new(&unit.data, unit.key).map(Self::Av1),
        }
    }

    fn write(&mut self, out: &mut [u8]) -> Option<(usize, bool)> {
        match self {
            Self::H264(payloads) => payloads.write(out),
            Self::Av1(payloads) => payloads.write(out),
        }
    }
}
