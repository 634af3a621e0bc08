//! The form of what the lit side asks for, and the way it comes.
//!
//! ```text
//! 0x21 key frame   nothing
//! 0x22 bitrate     kb/s u32
//! 0x23 stop        nothing
//! ```
//!
//! There is no hello: the opening names the version, and the lit side has nothing else to say of itself. Nothing here
//! can change a mask.

use super::bytes::Take;
use super::direction::{Direction, fits};
use super::error::{Misread, Wrong};
use super::message::{KBPS_MAX, KBPS_MIN, Request, Side};

const KEY_FRAME: u8 = 0x21;
const BITRATE: u8 = 0x22;
const STOP: u8 = 0x23;

/// The way from the lit side to the dark: [`Request`]s.
#[derive(Default)]
pub struct FromLit {
    over: bool,
}

/// What messages call a kind, and the length of its body.
const fn form(kind: u8) -> Result<(&'static str, usize), Wrong> {
    match kind {
        KEY_FRAME => Ok(("request for a key frame", 0)),
        BITRATE => Ok(("request for a bitrate", 4)),
        STOP => Ok(("request to stop", 0)),
        _ => Err(Wrong::Kind(kind)),
    }
}

impl Direction for FromLit {
    const FROM: Side = Side::Lit;

    type Message<'a> = Request;

    fn expect(&self, kind: u8, length: usize) -> Result<(), Wrong> {
        let (name, bytes) = form(kind)?;
        if self.over { Err(Wrong::Late) } else { fits(name, length, bytes, bytes) }
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Request, Misread> {
        let (name, _) = form(kind).map_err(|wrong| Misread { at: 0, wrong })?;
        let mut take = Take::new(name, body);
        let request = match kind {
            KEY_FRAME => Request::KeyFrame,
            BITRATE => Request::Bitrate(take.short_number("bitrate in kb/s", KBPS_MIN..=KBPS_MAX)?),
            _ => Request::Stop,
        };
        take.done().map(|()| request)
    }

    fn encode(message: &Request, out: &mut Vec<u8>) -> u8 {
        match message {
            Request::KeyFrame => KEY_FRAME,
            Request::Bitrate(kbps) => {
                out.extend(kbps.to_le_bytes());
                BITRATE
            }
            Request::Stop => STOP,
        }
    }

    fn same(one: &Request, other: &Request) -> bool {
        one == other
    }

    fn check(&self, _message: &Request) -> Result<(), Wrong> {
        Ok(())
    }

    fn note(&mut self, message: &Request) {
        self.over = matches!(message, Request::Stop);
    }

    fn over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{forged, stream};
    use super::super::{RequestReader, RequestWriter, SeamError};
    use super::*;
    use crate::base::Micros;
    use crate::base::clock::SimulatedClock;

    #[test]
    fn requests_come_through_and_nothing_else_does() {
        let clock = SimulatedClock::default();
        let mut bytes = Vec::new();
        let mut writer = RequestWriter::new(&mut bytes);
        writer.open(&clock, Micros(0)).expect("room");
        let requests = [Request::KeyFrame, Request::Bitrate(KBPS_MIN), Request::Bitrate(KBPS_MAX), Request::Stop];
        for request in &requests {
            writer.send(request, &clock, Micros(0)).expect("allowed");
        }
        let late = SeamError::Refused { from: Side::Lit, number: 4, wrong: Wrong::Late };
        assert_eq!(writer.send(&Request::KeyFrame, &clock, Micros(0)), Err(late));
        let mut reader = RequestReader::new(&bytes[..]);
        for request in &requests {
            assert_eq!(reader.receive(&clock, Micros(0)), Ok(Some(*request)));
        }
        assert_eq!(reader.receive(&clock, Micros(0)), Err(SeamError::Over { from: Side::Lit }));
        let mut writer = RequestWriter::new(Vec::new());
        for kbps in [0, KBPS_MIN - 1, KBPS_MAX + 1, u32::MAX] {
            let error = writer.send(&Request::Bitrate(kbps), &clock, Micros(0)).expect_err("out of range");
            assert!(
                error.may_go_on() && matches!(error, SeamError::Refused { wrong: Wrong::Range { .. }, .. }),
                "{error}"
            );
        }
        // Reports are no requests, and requests no reports.
        let mut reports = forged(&stream("hE"));
        reports[5] = b'l';
        let error = RequestReader::new(&reports[..]).receive(&clock, Micros(0)).expect_err("not a request");
        assert_eq!(error, SeamError::Garbled { from: Side::Lit, offset: 8, wrong: Wrong::Kind(0x11) });
    }
}
