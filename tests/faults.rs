//! What can go wrong, and what the radio saw: one test for each row of the fault table.
//!
//! In: the letters of the faulty camera (`F` frame, `T` torn, `R` repeated, `B` clock back, `-` dropped, `S` stalled).
//! Out: `R` redacted, `S` slate. After a trip nothing follows.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

mod fixture;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use fixture::{SIZE, Seen, Spot, detector, draw, run, run_realtime, watch};
use voile::base::{Fault, FramePool, Layout, Micros, RawFrame, Shape, Size};
use voile::camera::{Camera, CameraError, Faulty, Mode};
use voile::detect::Detector;
use voile::encode::{AccessUnit, Encoder};
use voile::mask::{self, Mask, RedactedFrame, State, redact};
use voile::track::{Follower, Ground};

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

/// A stream in the mask's hands: every frame followed, a pass over each but those that the test keeps back.
struct Stream {
    detector: Detector,
    follower: Follower,
    mask: Mask,
}

impl Stream {
    fn new() -> Self {
        let mask = Mask::new(&mask::Settings::default(), SIZE);
        Self { detector: detector(BRIGHT), follower: Follower::new(SIZE, 8), mask }
    }

    fn follow(&mut self, frame: &RawFrame) -> Ground {
        let ground = self.follower.follow(frame).expect("whole and in order");
        self.mask.follow(&ground);
        ground
    }

    /// A frame and a pass over it.
    fn examined(&mut self, sequence: u64, captured: Micros) -> (RawFrame, Ground) {
        let frame = frame(sequence, captured);
        let ground = self.follow(&frame);
        let evidence = self.detector.examine(&frame);
        self.mask.examined(evidence);
        (frame, ground)
    }

    /// That a frame is a slate for want of what the fault says.
    fn slate(&mut self, frame: RawFrame, ground: Ground, fault: Fault) {
        let redacted = redact(frame, Ok(ground), None, &mut self.mask);
        assert_eq!(redacted.account().state, State::Slate(fault));
        assert_covered(&redacted);
    }
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

/// Says of its second frame that there was no camera to give one.
struct Lost(Spot);

impl Camera for Lost {
    fn mode(&self) -> Mode {
        self.0.mode()
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let mut frame = self.0.next(pool)?;
        if let Some(frame) = frame.as_mut().filter(|frame| frame.sequence() == 1) {
            frame.mark(Fault::CameraLost);
        }
        Ok(frame)
    }
}

#[test]
fn camera_lost() {
    let (seen, _) = watch(Lost(Spot::frames(3)), BRIGHT);
    assert_eq!((seen.letters.as_str(), seen.faults), ("RSR", vec![Fault::CameraLost]));
}

#[test]
fn evidence_missing() {
    let mut stream = Stream::new();
    let first = frame(0, Micros(0));
    let ground = stream.follow(&first);
    stream.slate(first, ground, Fault::EvidenceMissing);
}

#[test]
fn evidence_mismatch() {
    // A pass over a frame that nobody has followed, though it says the number of one that was.
    let mut stream = Stream::new();
    let first = frame(1, Micros::from_ms(33));
    let ground = stream.follow(&first);
    let other = stream.detector.examine(&frame(1, Micros::from_ms(66)));
    stream.mask.examined(other);
    stream.slate(first, ground, Fault::EvidenceMismatch);

    // The ground of another frame.
    let mut stream = Stream::new();
    let (_, ground) = stream.examined(1, Micros::from_ms(33));
    let (second, _) = stream.examined(2, Micros::from_ms(66));
    stream.slate(second, ground, Fault::EvidenceMismatch);
}

#[test]
fn evidence_stale() {
    let mut stream = Stream::new();
    stream.examined(0, Micros(0));
    let late = frame(1, Micros::from_ms(501));
    let ground = stream.follow(&late);
    stream.examined(2, Micros::from_ms(534));
    stream.slate(late, ground, Fault::EvidenceStale);
}

#[test]
fn evidence_late() {
    let mut stream = Stream::new();
    stream.examined(0, Micros(0));
    let next = frame(1, Micros::from_ms(33));
    let ground = stream.follow(&next);
    stream.slate(next, ground, Fault::EvidenceLate);
}

#[test]
fn motion_unknown() {
    // The frame that led from one to the other was dropped on its way.
    let mut stream = Stream::new();
    stream.examined(0, Micros(0));
    stream.follower.follow(&frame(1, Micros::from_ms(33))).expect("whole");
    let after = frame(2, Micros::from_ms(66));
    let ground = stream.follow(&after);
    stream.examined(3, Micros::from_ms(99));
    stream.slate(after, ground, Fault::MotionUnknown);
}

#[test]
fn motion_fast() {
    let settings = mask::Settings { pan_max: 0.01, ..mask::Settings::default() };
    let mut stream = Stream { mask: Mask::new(&settings, SIZE), ..Stream::new() };
    let panned = |sequence: u64| {
        let mut frame = frame(sequence, Micros::from_ms(33 * sequence));
        ground_at(&mut frame, 4 * usize::try_from(sequence).expect("few"));
        frame
    };
    let mut waiting = Vec::new();
    for sequence in 0..3 {
        let frame = panned(sequence);
        let ground = stream.follow(&frame);
        if sequence != 1 {
            let evidence = stream.detector.examine(&frame);
            stream.mask.examined(evidence);
        }
        waiting.push((frame, ground));
    }
    let (frame, ground) = waiting.swap_remove(1);
    stream.slate(frame, ground, Fault::MotionFast);
}

#[test]
fn tracks_full() {
    // 48 x 32 bright blocks, two score cells apart, three down (each raises the one above): more than the tracks hold.
    let size = Size::new(768, 768);
    let mut detector = detector(BRIGHT);
    detector.prepare(size).expect("prepared");
    let mut frame = FramePool::new(Shape::packed(size, Layout::I420), 1).take(0, Micros(0));
    draw(&mut frame, (0, 0));
    let (mut luma, _) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = if x % 16 < 8 && y % 24 < 8 { 235 } else { 20 });
    }
    let mut mask = Mask::new(&mask::Settings::default(), size);
    let ground = Follower::new(size, 1).follow(&frame).expect("whole");
    mask.follow(&ground);
    mask.examined(detector.examine(&frame));
    let redacted = redact(frame, Ok(ground), None, &mut mask);
    assert_eq!(redacted.account().state, State::Slate(Fault::TracksFull));
}

#[test]
fn evidence_malformed() {
    let (seen, outcome) = watch(Spot::frames(4), "nan.onnx");
    assert_eq!((seen.letters.as_str(), seen.faults), ("SSSS", vec![Fault::EvidenceMalformed; 4]));
    assert_eq!(outcome.tripped, None, "the stream lives");
}

#[test]
fn cover_closed() {
    let mut stream = Stream::new();
    let (mut first, ground) = stream.examined(0, Micros(0));
    first.mark(Fault::CoverClosed);
    stream.slate(first, ground, Fault::CoverClosed);
}

#[test]
fn detector_failed() {
    let mut stream = Stream::new();
    let first = frame(0, Micros(0));
    let ground = stream.follow(&first);
    stream.mask.examined(Err(Fault::DetectorFailed));
    stream.slate(first, ground, Fault::DetectorFailed);
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

/// Stalls at its third frame until the camera gives its sixtieth; gives a unit for each.
struct Stalling {
    submitted: u64,
    sixtieth: Receiver<()>,
}

impl Encoder for Stalling {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.submitted += 1;
        if self.submitted == 3 {
            self.sixtieth.recv().expect("a camera");
        }
        let (sequence, captured) = (frame.sequence(), frame.captured());
        out.push(AccessUnit { sequence, captured, group: 0, key: true, data: vec![1] });
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Says when it gives its sixtieth frame.
struct Telling(Spot, Sender<()>);

impl Camera for Telling {
    fn mode(&self) -> Mode {
        self.0.mode()
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let frame = self.0.next(pool)?;
        if frame.as_ref().is_some_and(|frame| frame.sequence() == 59) {
            self.1.send(()).expect("an encoder");
        }
        Ok(frame)
    }
}

#[test]
fn an_encoder_that_stalls_costs_frames_but_makes_no_evidence_late() {
    let mut seen = Seen::default();
    let (sender, sixtieth) = channel();
    let camera = Telling(Spot::frames(70), sender);
    let outcome = run_realtime(Box::new(camera), BRIGHT, Box::new(Stalling { submitted: 0, sixtieth }), &mut seen);
    let sent: Vec<u64> = seen.units.iter().map(|unit| unit.sequence).collect();
    assert!(sent.is_sorted_by(|one, next| one < next), "{sent:?}");
    assert_eq!(sent.len() as u64 + outcome.dropped, 70, "{sent:?}");
    // Half a second of frames waits for the encoder at most, another half for a pass.
    assert!(outcome.dropped >= 20 && sent[3] > 20, "the newest go on: {sent:?}");
    let late = seen.faults.iter().filter(|fault| **fault == Fault::EvidenceLate).count();
    assert!(late * 4 <= sent.len(), "{late} of {} slates for late evidence", sent.len());
}

#[test]
fn output_failed() {
    let mut seen = Seen { full_after: Some(3), ..Seen::default() };
    let outcome = run(Box::new(Spot::frames(40)), BRIGHT, Box::new(voile::encode::Discard), &mut seen);
    assert_eq!(outcome.tripped, Some(Fault::OutputFailed));
    assert_eq!(seen.letters, "RRR");
}

/// Ground with texture, shown `shift` pixels further left.
fn ground_at(frame: &mut RawFrame, shift: usize) {
    let (mut luma, _) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (column, line) = ((x + shift) / 8, y / 8);
            *pixel =
                20 + u8::try_from((column * column * 31 + line * line * 57 + column * line * 13) % 40).expect("small");
        }
    }
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
fn every_fault_has_a_test_of_its_name() {
    // Those of two processes are in files of their own.
    let here = concat!(include_str!("faults.rs"), include_str!("service/deaths.rs"), include_str!("service/trips.rs"));
    for fault in Fault::ALL {
        let mut name = String::new();
        for letter in format!("{fault:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        assert!(here.contains(&format!("fn {name}()")), "no test named {name}");
    }
}
