//! What can go wrong, and what the radio saw: one test for each row of the fault table.
//!
//! In: the letters of the faulty camera (`F` frame, `T` torn, `R` repeated, `B` clock back, `-` dropped, `S` stalled).
//! Out: `R` redacted, `S` slate. After a trip nothing follows.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

mod fixture;

use std::time::Duration;

use fixture::{SIZE, Seen, Spot, detector, draw, run, watch};
use voile::base::{Fault, FramePool, Layout, Micros, RawFrame, Shape, Size};
use voile::camera::{Camera, CameraError, Faulty, Mode};
use voile::encode::{AccessUnit, Encoder};
use voile::interlock::{Response, response};
use voile::mask::{self, Mask, RedactedFrame, State, redact};

const BRIGHT: &str = "bright.onnx";

/// Plays a script through the pipeline; gives the letters that came out and the faults behind the slates.
fn play(script: &str) -> (String, Vec<Fault>) {
    let camera = Faulty::once(Spot::frames(12), script, Duration::from_millis(400)).expect("a valid script");
    let (seen, outcome) = watch(camera, BRIGHT);
    assert_eq!(outcome.tripped, None);
    let letters: String = seen.letters.chars().take(script.chars().filter(|&letter| letter != '-').count()).collect();
    (letters, seen.faults)
}

fn frame(sequence: u64, captured: Micros) -> RawFrame {
    let mut frame = FramePool::new(Shape::packed(SIZE, Layout::I420), 1).take(sequence, captured);
    draw(&mut frame, (64, 32));
    frame
}

fn fresh_mask() -> Mask {
    Mask::new(mask::Settings::default(), SIZE)
}

#[test]
fn frame_torn() {
    assert_eq!(play("FFTFF"), ("RRSRR".to_owned(), vec![Fault::FrameTorn]));
}

#[test]
fn frame_repeated() {
    assert_eq!(play("FFRFF"), ("RRSRR".to_owned(), vec![Fault::FrameRepeated]));
}

#[test]
fn clock_back() {
    assert_eq!(play("FFFBFF"), ("RRRSRR".to_owned(), vec![Fault::ClockBack]));
}

#[test]
fn a_gap_or_a_stall_alone_is_no_fault() {
    assert_eq!(play("FF-FF").0, "RRRR");
    assert_eq!(play("FFSF").1.iter().filter(|fault| **fault != Fault::ClockBack).count(), 0);
}

/// Gives its second frame in another size.
struct Resized(Spot);

impl Camera for Resized {
    fn mode(&self) -> Mode {
        self.0.mode()
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let frame = self.0.next(pool)?;
        Ok(match frame {
            Some(frame) if frame.sequence() == 1 => {
                let shape = Shape::packed(Size::new(64, 64), Layout::I420);
                Some(FramePool::new(shape, 1).take(1, frame.captured()))
            }
            frame => frame,
        })
    }
}

#[test]
fn frame_shape() {
    let (seen, _) = watch(Resized(Spot::frames(3)), BRIGHT);
    assert_eq!((seen.letters.as_str(), seen.faults), ("RSR", vec![Fault::FrameShape]));
}

#[test]
fn evidence_missing() {
    let redacted = redact(frame(0, Micros(0)), Err(Fault::EvidenceMissing), &mut fresh_mask());
    assert_eq!(redacted.account().state, State::Slate(Fault::EvidenceMissing));
    assert_covered(&redacted);
}

#[test]
fn evidence_mismatch() {
    let mut detector = detector(BRIGHT);
    let evidence = detector.examine(&frame(1, Micros::from_ms(33)));
    let redacted = redact(frame(2, Micros::from_ms(66)), evidence, &mut fresh_mask());
    assert_eq!(redacted.account().state, State::Slate(Fault::EvidenceMismatch));
    assert_covered(&redacted);
}

#[test]
fn evidence_stale() {
    let mut detector = detector(BRIGHT);
    let evidence = detector.examine(&frame(1, Micros(0)));
    let redacted = redact(frame(1, Micros::from_ms(501)), evidence, &mut fresh_mask());
    assert_eq!(redacted.account().state, State::Slate(Fault::EvidenceStale));
    assert_covered(&redacted);
}

#[test]
fn evidence_malformed() {
    let (seen, outcome) = watch(Spot::frames(4), "nan.onnx");
    assert_eq!((seen.letters.as_str(), seen.faults), ("SSSS", vec![Fault::EvidenceMalformed; 4]));
    assert_eq!(outcome.tripped, None, "the stream lives");
}

#[test]
fn detector_failed() {
    let redacted = redact(frame(0, Micros(0)), Err(Fault::DetectorFailed), &mut fresh_mask());
    assert_eq!(redacted.account().state, State::Slate(Fault::DetectorFailed));
    assert_covered(&redacted);
}

/// Gives a unit for each frame until its third, then does what it is told.
struct Breaking {
    submitted: u64,
    panics: bool,
}

impl Encoder for Breaking {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.submitted += 1;
        if self.submitted >= 3 {
            assert!(!self.panics, "on purpose: the dark half dies here");
            return Err(Fault::EncoderFailed);
        }
        let (sequence, captured) = (frame.sequence(), frame.captured());
        out.push(AccessUnit { sequence, captured, group: 0, key: true, data: vec![1] });
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn encoder_failed() {
    let mut seen = Seen::default();
    let outcome = run(Box::new(Spot::frames(9)), BRIGHT, Box::new(Breaking { submitted: 0, panics: false }), &mut seen);
    assert_eq!(outcome.tripped, Some(Fault::EncoderFailed));
    assert_eq!(seen.units.len(), 2, "nothing left after the trip");
}

#[test]
fn seam_broken() {
    let mut seen = Seen::default();
    let outcome = run(Box::new(Spot::frames(9)), BRIGHT, Box::new(Breaking { submitted: 0, panics: true }), &mut seen);
    assert_eq!(outcome.tripped, Some(Fault::SeamBroken));
    assert_eq!(seen.units.len(), 2, "nothing left after the trip");
}

#[test]
fn output_failed() {
    let mut seen = Seen { full_after: Some(3), ..Seen::default() };
    let outcome = run(Box::new(Spot::frames(40)), BRIGHT, Box::new(voile::encode::Discard), &mut seen);
    assert_eq!(outcome.tripped, Some(Fault::OutputFailed));
    assert_eq!(seen.letters, "RRR");
}

/// A slate has at most 32 x 18 blocks of one colour each, beside its caption.
fn assert_covered(redacted: &RedactedFrame) {
    let luma = redacted.luma();
    for y in 48..SIZE.height {
        for x in 0..SIZE.width {
            let corner = luma.row(y / 16 * 16)[x / 16 * 16];
            assert_eq!(luma.row(y)[x], corner, "pixel {x},{y} is not its block's colour");
        }
    }
}

#[test]
fn every_fault_has_a_test_of_its_name_and_a_response() {
    let here = include_str!("faults.rs");
    for fault in Fault::ALL {
        let mut name = String::new();
        for letter in format!("{fault:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        assert!(here.contains(&format!("fn {name}()")), "no test named {name}");
        assert!(matches!(response(fault), Response::Slate | Response::Trip));
    }
}
