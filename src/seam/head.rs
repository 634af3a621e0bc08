//! What stands before every stream and every message: opening and head.
//!
//! The opening is frozen: whatever a later version changes, its first eight bytes stay, so that two versions that meet
//! can say so. A head carries its own check beside the body's, so that a length is believed only when it is whole.
//!
//! ```text
//! opening   "voile"  side ('d' or 'l')  version u16
//! message   kind u8  length u32  number u64  check of the body u32  check of the head u32  body
//! ```

use super::error::Wrong;
use super::message::Side;

/// The form of the seam that this file and its neighbours speak. Raise it with any change of a byte.
pub const VERSION: u16 = 2;
/// Bytes of the opening.
pub const OPENING: usize = 8;
/// Bytes of a head.
pub const HEAD: usize = 21;
/// Bytes of a head that its own check covers.
const CHECKED: usize = 17;

/// The first bytes of a stream from `side`.
pub const fn opening(side: Side) -> [u8; OPENING] {
    let letter = match side {
        Side::Dark => b'd',
        Side::Lit => b'l',
    };
    let [low, high] = VERSION.to_le_bytes();
    [b'v', b'o', b'i', b'l', b'e', letter, low, high]
}

/// The version that an opening of `side` names; otherwise the first byte that is not that of an opening.
pub fn version(side: Side, bytes: &[u8; OPENING]) -> Result<u16, usize> {
    let [name @ .., low, high] = bytes;
    let [wanted @ .., _, _] = &opening(side);
    let differs = name.iter().zip(wanted).position(|(got, wanted)| got != wanted);
    differs.map_or_else(|| Ok(u16::from_le_bytes([*low, *high])), Err)
}

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What kind of message.
    pub kind: u8,
    /// Bytes of the body.
    pub length: u32,
    /// Which message of its stream, from 0.
    pub number: u64,
    /// CRC-32 of the body.
    pub check: u32,
}

impl Head {
    /// The head of message `number` with this body.
    pub fn of(kind: u8, number: u64, body: &[u8]) -> Option<Self> {
        Some(Self { kind, length: u32::try_from(body.len()).ok()?, number, check: crc32fast::hash(body) })
    }

    /// As it goes through the pipe.
    pub fn bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let (checked, check) = bytes.split_at_mut(CHECKED);
        let fields = [self.kind].into_iter().chain(self.length.to_le_bytes());
        let fields = fields.chain(self.number.to_le_bytes()).chain(self.check.to_le_bytes());
        checked.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        check.copy_from_slice(&crc32fast::hash(checked).to_le_bytes());
        bytes
    }

    /// From the pipe; [`Wrong::Head`] if its check does not hold.
    pub fn read(bytes: &[u8; HEAD]) -> Result<Self, Wrong> {
        let [kind, l0, l1, l2, l3, n0, n1, n2, n3, n4, n5, n6, n7, c0, c1, c2, c3, check @ ..] = *bytes;
        let head = Self {
            kind,
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            number: u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            check: u32::from_le_bytes([c0, c1, c2, c3]),
        };
        let whole = bytes.get(..CHECKED).is_some_and(|checked| crc32fast::hash(checked) == u32::from_le_bytes(check));
        if whole { Ok(head) } else { Err(Wrong::Head) }
    }

    /// Whether this is the body it was made for.
    pub fn fits(self, body: &[u8]) -> bool {
        crc32fast::hash(body) == self.check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_what_the_drawing_says() {
        let head = Head::of(0x22, 0x0102, b"123456789").expect("short");
        // The check value that every description of this CRC-32 gives for these nine digits.
        assert_eq!(head.check, 0xcbf4_3926);
        let bytes = head.bytes();
        assert_eq!(bytes[..CHECKED], [0x22, 9, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0x26, 0x39, 0xf4, 0xcb]);
        assert_eq!(Head::read(&bytes), Ok(head));
        assert_eq!(opening(Side::Dark), *b"voiled\x02\x00");
        assert_eq!(version(Side::Lit, b"voilel\x02\x01"), Ok(258));
        assert_eq!(version(Side::Lit, b"voiled\x01\x00"), Err(5));
        assert_eq!(version(Side::Lit, b"VOILEL\x01\x00"), Err(0));
    }

    #[test]
    fn every_flipped_bit_of_a_head_is_seen() {
        let bytes = Head::of(0x11, 3, b"body").expect("short").bytes();
        for bit in 0..HEAD * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::read(&flipped), Err(Wrong::Head), "bit {bit}");
        }
    }
}
