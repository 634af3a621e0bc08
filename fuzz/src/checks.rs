//! What must hold for any bytes that come through the seam.
//!
//! For the fuzz targets here and for the short form in `tests/`.
//!
//! The first byte of an input says how the rest is read. Even: the rest is the stream as it is. Odd: the rest is a list
//! of messages (kind, two bytes of length, body), which are given a good opening, heads, numbers and check sums, so
//! that a fuzzer gets past them; bytes that are left over follow raw. Its upper bits say in how small pieces it comes.

use std::io::{self, ErrorKind, Read};

use crate::base::Micros;
use crate::base::clock::SimulatedClock;
use crate::seam::{Direction, FromDark, FromLit, Reader, SeamError, Side, VERSION, Writer};

/// The lit side reads `input`: any bytes from a dark side that was taken over.
pub fn lit_reads(input: &[u8]) {
    hold::<FromDark>(input);
}

/// The dark side reads `input`: any bytes from a lit side that was taken over.
pub fn dark_reads(input: &[u8]) {
    hold::<FromLit>(input);
}

fn hold<D: Direction>(input: &[u8]) {
    let Some((&how, rest)) = input.split_first() else { return };
    let bytes = if how & 1 == 0 { rest.to_vec() } else { sealed(D::FROM, rest) };
    let whole = listen::<D, _>(&bytes, &bytes[..]);
    let pieces = listen::<D, _>(&bytes, Pieces { bytes: &bytes, most: usize::from(how >> 1) + 1, pause: true });
    assert_eq!(whole, pieces, "how it comes changes nothing");
}

/// Reads all there is and holds it to the promises; the number of messages, and how it ended.
fn listen<D: Direction, R: Read>(bytes: &[u8], source: R) -> (u64, SeamError) {
    let clock = SimulatedClock::default();
    let mut reader = Reader::<R, D>::new(source);
    let mut writer = Writer::<Vec<u8>, D>::new(Vec::new());
    let (mut messages, mut taken) = (0, 0);
    // More calls than bytes and as many pauses would mean that it hangs.
    for _ in 0..=2 * bytes.len() + 2 {
        let heard = match reader.receive(&clock, Micros(1)) {
            Ok(Some(message)) => {
                writer.send(&message, &clock, Micros(1)).expect("what is accepted may be sent");
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        match heard {
            Ok(true) => {
                messages += 1;
                taken = usize::try_from(reader.offset()).expect("no more than there are bytes");
            }
            Ok(false) => {}
            Err(error) => {
                assert_eq!(reader.receive(&clock, Micros(1)).err(), Some(error), "what went wrong stays wrong");
                assert!(!error.to_string().contains('\n'), "one line");
                assert_eq!(writer.sink()[..], bytes[..taken], "one value has one form");
                assert!(reader.capacity() <= (64 << 10).max(2 * bytes.len()), "memory follows what has come");
                if let SeamError::Garbled { offset, .. } | SeamError::Broken { offset, .. } = error {
                    let place = usize::try_from(offset).expect("no more than there are bytes");
                    assert!((taken..=bytes.len()).contains(&place), "{error}");
                }
                return (messages, error);
            }
        }
        assert!(reader.capacity() <= (64 << 10).max(2 * bytes.len()), "memory follows what has come");
    }
    panic!("it does not come to an end");
}

/// A stream from `side` whose framing is good, by the list in `rest`. Written out by hand: the form has a second
/// witness.
fn sealed(side: Side, rest: &[u8]) -> Vec<u8> {
    let mut bytes = format!("voile{}", if side == Side::Dark { 'd' } else { 'l' }).into_bytes();
    bytes.extend(VERSION.to_le_bytes());
    let (mut rest, mut number) = (rest, 0_u64);
    while let [kind, low, high, more @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let Some((body, after)) = more.split_at_checked(length) else { break };
        let start = bytes.len();
        bytes.push(*kind);
        bytes.extend(u32::from(u16::from_le_bytes([*low, *high])).to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(crc32fast::hash(body).to_le_bytes());
        let check = crc32fast::hash(&bytes[start..]);
        bytes.extend(check.to_le_bytes());
        bytes.extend(body);
        (rest, number) = (after, number + 1);
    }
    bytes.extend(rest);
    bytes
}

/// Bytes in pieces of at most `most`, each after a pause.
struct Pieces<'a> {
    bytes: &'a [u8],
    most: usize,
    pause: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pause = !self.pause;
        if self.pause && !self.bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let most = into.len().min(self.most);
        self.bytes.read(&mut into[..most])
    }
}
