//! Numbers out of a message's body, one after the other, each with its range.
//!
//! Little-endian, no gaps, no alignment. Reads nothing beyond the body it was given and allocates nothing.

use std::ops::RangeInclusive;

use super::error::{Misread, Wrong};
use super::message::LARGEST;

/// Takes a body apart from front to back.
pub struct Take<'a> {
    body: &'a [u8],
    at: usize,
    /// Where the last value began.
    last: usize,
    kind: &'static str,
}

impl<'a> Take<'a> {
    /// The whole `body` of a message of `kind`.
    pub const fn new(kind: &'static str, body: &'a [u8]) -> Self {
        Self { body, at: 0, last: 0, kind }
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Misread> {
        self.last = self.at;
        let (array, _) =
            self.body.get(self.at..).and_then(<[u8]>::split_first_chunk::<N>).ok_or_else(|| self.short(N))?;
        self.at += N;
        Ok(*array)
    }

    /// A byte within `range`.
    pub fn byte(&mut self, field: &'static str, range: RangeInclusive<u8>) -> Result<u8, Misread> {
        let [value] = self.array()?;
        self.within(field, u64::from(value), u64::from(*range.start())..=u64::from(*range.end()))?;
        Ok(value)
    }

    /// A number of four bytes within `range`.
    pub fn short_number(&mut self, field: &'static str, range: RangeInclusive<u32>) -> Result<u32, Misread> {
        let value = u32::from_le_bytes(self.array()?);
        self.within(field, u64::from(value), u64::from(*range.start())..=u64::from(*range.end()))?;
        Ok(value)
    }

    /// A number of eight bytes, up to [`LARGEST`].
    pub fn number(&mut self, field: &'static str) -> Result<u64, Misread> {
        let value = u64::from_le_bytes(self.array()?);
        self.within(field, value, 0..=LARGEST)?;
        Ok(value)
    }

    /// A fraction from 0 to `high`; -0 is none, so that each value has one form.
    pub fn fraction(&mut self, field: &'static str, high: f32) -> Result<f32, Misread> {
        let value = f32::from_le_bytes(self.array()?);
        if value.is_sign_positive() && (0.0..=high).contains(&value) {
            Ok(value)
        } else {
            Err(self.wrong(Wrong::Fraction { field, bits: value.to_bits(), high_bits: high.to_bits() }))
        }
    }

    /// Everything that is left.
    pub fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// Holds the body to having been taken whole.
    pub fn done(&self) -> Result<(), Misread> {
        if self.at == self.body.len() { Ok(()) } else { Err(self.short(0)) }
    }

    /// `wrong`, at the value that was taken last.
    pub const fn wrong(&self, wrong: Wrong) -> Misread {
        Misread { at: self.last, wrong }
    }

    fn within(&self, field: &'static str, got: u64, range: RangeInclusive<u64>) -> Result<(), Misread> {
        if range.contains(&got) {
            Ok(())
        } else {
            Err(self.wrong(Wrong::Range { field, got, low: *range.start(), high: *range.end() }))
        }
    }

    /// The body ends `wanted` bytes from here at the earliest, and does not.
    const fn short(&self, wanted: usize) -> Misread {
        let due = self.at + wanted;
        Misread { at: self.at, wrong: Wrong::Length { kind: self.kind, got: self.body.len(), low: due, high: due } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_turn_and_errors_name_their_place() {
        let body = [7, 1, 0, 0, 0, 2];
        let mut take = Take::new("test", &body);
        assert_eq!(take.byte("first", 0..=7), Ok(7));
        assert_eq!(take.short_number("second", 0..=9), Ok(1));
        assert_eq!(take.rest(), [2]);
        assert!(take.done().is_err());
        let error = take.byte("third", 0..=1).expect_err("out of range");
        assert_eq!(error, Misread { at: 5, wrong: Wrong::Range { field: "third", got: 2, low: 0, high: 1 } });
        assert_eq!(take.done(), Ok(()));
        let error = take.number("fourth").expect_err("nothing is left");
        assert_eq!(error, Misread { at: 6, wrong: Wrong::Length { kind: "test", got: 6, low: 14, high: 14 } });
    }

    #[test]
    fn a_fraction_has_one_form() {
        for (value, good) in
            [(0.0, true), (1.0, true), (0.5, true), (-0.0, false), (1.000_001, false), (-1.0, false), (f32::NAN, false)]
        {
            assert_eq!(Take::new("test", &f32::to_le_bytes(value)).fraction("share", 1.0).is_ok(), good, "{value}");
        }
        assert!(Take::new("test", &f32::INFINITY.to_le_bytes()).fraction("share", 1.0).is_err());
    }
}
