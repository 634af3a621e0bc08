//! H.264 into RTP payloads: RFC 6184, packetization mode 1.
//!
//! A NAL unit that fits is a payload of its own, a larger one is cut into FU-A fragments. STAP-A, which would put SPS
//! and PPS into one packet, is left out: it saves one header per group and is the one form that small receivers lack.
//! The bytes come from the dark side and are believed nowhere: what is not Annex B is refused whole.

use super::Malformed;

/// A fragment of a NAL unit (RFC 6184, 5.8).
const FU_A: u8 = 28;
/// The bits of a NAL unit's first byte that every fragment repeats: forbidden bit and importance.
const IMPORTANCE: u8 = 0xE0;
const KIND: u8 = 0x1F;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

/// Kinds of NAL unit (H.264, table 7-1) that a session description repeats.
const SPS: u8 = 7;
const PPS: u8 = 8;

/// The NAL units of an access unit, without start codes and trailing zeros; empty ones are passed over.
#[derive(Clone, Copy)]
struct Nals<'a>(&'a [u8]);

impl<'a> Nals<'a> {
    fn new(unit: &'a [u8]) -> Result<Self, Malformed> {
        let start = start_code(unit).ok_or(Malformed)?;
        let (zeros, rest) = unit.split_at(start);
        if zeros.iter().all(|&byte| byte == 0) { Ok(Self(&rest[3..])) } else { Err(Malformed) }
    }
}

impl<'a> Iterator for Nals<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let (nal, rest) = match start_code(self.0) {
                Some(end) => (&self.0[..end], &self.0[end + 3..]),
                None => (self.0, &self.0[self.0.len()..]),
            };
            self.0 = rest;
            let zeros = nal.iter().rev().take_while(|&&byte| byte == 0).count();
            let nal = &nal[..nal.len() - zeros];
            if !nal.is_empty() {
                return Some(nal);
            }
        }
        None
    }
}

/// Where the next `00 00 01` is.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&[first, second, third]) = bytes.get(at..at + 3) {
        match (first, second, third) {
            (0, 0, 1) => return Some(at),
            // The third byte can be no part of a start code that begins here or at the next byte.
            (_, _, 2..) => at += 3,
            _ => at += 1,
        }
    }
    None
}

/// The payloads of one access unit, in order.
pub(super) struct Payloads<'a> {
    nals: Nals<'a>,
    current: Option<&'a [u8]>,
    /// Bytes of `current` that are sent; its first byte is, once fragments are.
    at: usize,
}

impl<'a> Payloads<'a> {
    /// # Errors
    /// [`Malformed`] if the unit is not Annex B, or holds a NAL unit that a receiver would take for RTP's own.
    pub(super) fn new(unit: &'a [u8]) -> Result<Self, Malformed> {
        let mut nals = Nals::new(unit)?;
        let sendable = |nal: &[u8]| nal[0] & 0x80 == 0 && (1..24).contains(&(nal[0] & KIND));
        if !nals.clone().all(sendable) {
            return Err(Malformed);
        }
        let current = nals.next();
        Ok(Self { nals, current, at: 0 })
    }

    /// Writes the next payload to the front of `out` (at least 3 bytes); gives its length, and whether it is the last.
    pub(super) fn write(&mut self, out: &mut [u8]) -> Option<(usize, bool)> {
        let nal = self.current?;
        let length = if self.at == 0 && nal.len() <= out.len() {
            out[..nal.len()].copy_from_slice(nal);
            self.advance();
            nal.len()
        } else {
            let from = self.at.max(1);
            let until = nal.len().min(from + out.len() - 2);
            let start = if from == 1 { FU_START } else { 0 };
            let end = if until == nal.len() { FU_END } else { 0 };
            out[0] = (nal[0] & IMPORTANCE) | FU_A;
            out[1] = start | end | (nal[0] & KIND);
            out[2..2 + until - from].copy_from_slice(&nal[from..until]);
            if until == nal.len() {
                self.advance();
            } else {
                self.at = until;
            }
            2 + until - from
        };
        Some((length, self.current.is_none()))
    }

    fn advance(&mut self) {
        self.current = self.nals.next();
        self.at = 0;
    }
}

/// The sequence and picture parameter sets of an access unit, in order.
pub(super) fn parameter_sets(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    Nals::new(unit).into_iter().flatten().filter(|nal| matches!(nal[0] & KIND, SPS | PPS))
}

/// `profile-level-id` of RFC 6184, 8.1: the three bytes after the first of the sequence parameter set (H.264,
/// 7.3.2.1.1). Nothing unless the unit has a picture parameter set too.
pub(super) fn profile_level_id(unit: &[u8]) -> Option<[u8; 3]> {
    let set = |kind| parameter_sets(unit).find(move |set| set[0] & KIND == kind);
    set(PPS)?;
    set(SPS)?.get(1..4)?.try_into().ok()
}
