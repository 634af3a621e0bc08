//! AV1 into RTP payloads: the Alliance's RTP payload format 1.0.
//!
//! Temporal delimiters, padding and tile lists stay behind, and no OBU keeps its size field. A payload holds one to
//! three OBU elements, so that W always says how many and the last needs no length; an element is never empty, whole
//! or cut, which is what receivers are known to trip over. N is set on the first packet of a new coded video sequence
//! and nowhere else. The bytes come from the dark side and are believed nowhere: what does not parse is refused whole.

use super::Malformed;

/// Bits of the aggregation header (section 4.4): continues, will be continued, new sequence; W is at bits 5 and 4.
const Z: u8 = 0x80;
const Y: u8 = 0x40;
const N: u8 = 0x08;
const W: u32 = 4;
/// Most elements that W can count.
const ELEMENTS: u8 = 3;
/// Fewest bytes of an OBU worth beginning at the end of a packet.
const SPLINTER: usize = 16;

/// Kinds of OBU (AV1, 6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

const EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

/// One OBU, its header without a size field.
#[derive(Clone, Copy)]
struct Obu<'a> {
    kind: u8,
    header: [u8; 2],
    header_bytes: usize,
    payload: &'a [u8],
}

impl<'a> Obu<'a> {
    /// The first OBU of `bytes`, and what follows it.
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (&first, mut rest) = bytes.split_first().ok_or(Malformed)?;
        if first & 0x80 != 0 {
            return Err(Malformed);
        }
        let mut header = [first & !HAS_SIZE, 0];
        let mut header_bytes = 1;
        if first & EXTENSION != 0 {
            (header[1], rest) = rest.split_first().map(|(&byte, rest)| (byte, rest)).ok_or(Malformed)?;
            header_bytes = 2;
        }
        let (payload, rest) = if first & HAS_SIZE == 0 {
            (rest, &rest[rest.len()..])
        } else {
            let (size, rest) = leb128(rest)?;
            rest.split_at_checked(size).ok_or(Malformed)?
        };
        Ok((Self { kind: (first >> 3) & 0x0F, header, header_bytes, payload }, rest))
    }

    const fn bytes(&self) -> usize {
        self.header_bytes + self.payload.len()
    }

    /// Fills `out` with the OBU's bytes from `at` on.
    fn copy(&self, at: usize, out: &mut [u8]) {
        let header = &self.header[at.min(self.header_bytes)..self.header_bytes];
        let (front, back) = out.split_at_mut(header.len().min(out.len()));
        front.copy_from_slice(&header[..front.len()]);
        let from = at.saturating_sub(self.header_bytes);
        back.copy_from_slice(&self.payload[from..from + back.len()]);
    }
}

/// The OBUs of a temporal unit that are sent.
#[derive(Clone, Copy)]
struct Obus<'a>(&'a [u8]);

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            match Obu::read(self.0) {
                Ok((obu, rest)) => {
                    self.0 = rest;
                    if !matches!(obu.kind, TEMPORAL_DELIMITER | TILE_LIST | PADDING) {
                        return Some(Ok(obu));
                    }
                }
                Err(malformed) => {
                    self.0 = &[];
                    return Some(Err(malformed));
                }
            }
        }
        None
    }
}

/// AV1's variable-length number (4.10.5), as far as it fits 32 bits.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| Malformed)?;
            return Ok((usize::try_from(value).map_err(|_| Malformed)?, &bytes[index + 1..]));
        }
    }
    Err(Malformed)
}

/// Writes `value` as AV1's variable-length number; gives how many bytes that took (a packet's lengths need two).
fn put_leb128(mut value: usize, out: &mut [u8]) -> usize {
    let mut used = 0;
    loop {
        let low = u8::try_from(value & 0x7F).unwrap_or(0);
        value >>= 7;
        out[used] = low | if value == 0 { 0 } else { 0x80 };
        used += 1;
        if value == 0 {
            return used;
        }
    }
}

const fn leb128_bytes(value: usize) -> usize {
    if value < 0x80 {
        1
    } else if value < 0x4000 {
        2
    } else {
        3
    }
}

/// The payloads of one temporal unit, in order.
pub(super) struct Payloads<'a> {
    obus: Obus<'a>,
    current: Option<Obu<'a>>,
    following: Option<Obu<'a>>,
    /// Bytes of `current` that are sent.
    at: usize,
    /// N, until the first packet has carried it.
    new_sequence: u8,
}

impl<'a> Payloads<'a> {
    /// `key` says that the unit starts a coded video sequence; it does if it has a sequence header too.
    ///
    /// # Errors
    /// [`Malformed`] if the unit is not a series of OBUs.
    pub(super) fn new(unit: &'a [u8], key: bool) -> Result<Self, Malformed> {
        let mut starts = false;
        for obu in Obus(unit) {
            starts |= obu?.kind == SEQUENCE_HEADER;
        }
        let mut payloads = Self { obus: Obus(unit), current: None, following: None, at: 0, new_sequence: 0 };
        payloads.advance();
        payloads.advance();
        payloads.new_sequence = if key && starts { N } else { 0 };
        Ok(payloads)
    }

    /// Writes the next payload to the front of `out` (at least 32 bytes); gives its length, and whether it is the last.
    pub(super) fn write(&mut self, out: &mut [u8]) -> Option<(usize, bool)> {
        self.current?;
        let mut header = std::mem::take(&mut self.new_sequence) | if self.at > 0 { Z } else { 0 };
        let mut used = 1;
        let mut elements = 0;
        while let Some(obu) = self.current {
            let left = obu.bytes() - self.at;
            elements += 1;
            let prefix = leb128_bytes(left);
            let another = self.following.is_some() && elements < ELEMENTS;
            if another && used + prefix + left + SPLINTER <= out.len() {
                used += put_leb128(left, &mut out[used..]);
                obu.copy(self.at, &mut out[used..used + left]);
                used += left;
                self.advance();
                continue;
            }
            let taken = left.min(out.len() - used);
            obu.copy(self.at, &mut out[used..used + taken]);
            used += taken;
            if taken == left {
                self.advance();
            } else {
                self.at += taken;
                header |= Y;
            }
            break;
        }
        out[0] = header | (elements << W);
        Some((used, self.current.is_none()))
    }

    fn advance(&mut self) {
        self.current = self.following.take();
        self.following = self.obus.next().and_then(Result::ok);
        self.at = 0;
    }
}

/// The unit's sequence header, without its OBU header.
pub(super) fn sequence_header(unit: &[u8]) -> Option<&[u8]> {
    Obus(unit).filter_map(Result::ok).find(|obu| obu.kind == SEQUENCE_HEADER).map(|obu| obu.payload)
}

/// Profile, level index and tier of the first operating point of a sequence header (AV1, 5.5.1).
pub(super) fn profile_level_tier(sequence_header: &[u8]) -> Option<(u32, u32, u32)> {
    let mut bits = Bits { bytes: sequence_header, at: 0 };
    let profile = bits.take(3)?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        return Some((profile, bits.take(5)?, 0));
    }
    if bits.take(1)? == 1 {
        bits.take(32)?;
        bits.take(32)?;
        if bits.take(1)? == 1 {
            bits.uvlc()?;
        }
        if bits.take(1)? == 1 {
            bits.take(5)?;
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    // Initial display delay, number of operating points, and which layers the first one holds.
    bits.take(1 + 5 + 12)?;
    let level = bits.take(5)?;
    let tier = if level > 7 { bits.take(1)? } else { 0 };
    Some((profile, level, tier))
}

/// Reads bits from the highest down.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, at most 32.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = (value << 1) | u32::from((byte >> (7 - self.at % 8)) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Passes over a number in AV1's `uvlc` form (4.10.3).
    fn uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
        }
        if zeros < 32 { self.take(zeros).map(|_| ()) } else { Some(()) }
    }
}
