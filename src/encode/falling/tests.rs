//! Streams in letters: what the first encoder does with each frame, and what comes out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::base::{FramePool, Layout, Micros, Shape, Size};
use crate::encode::tests::redacted;

/// An encoder that does with each frame what a letter says: gives its unit and all before it as a Key frame or an
/// ordinary one (F), keeps it (-), or fails, either at once (X) or with the oldest unit (Y).
struct Scripted {
    script: VecDeque<char>,
    held: VecDeque<RedactedFrame>,
    groups: u64,
    wishes: Arc<AtomicU32>,
}

fn unit(frame: &RedactedFrame, group: u64, key: bool, data: u8) -> AccessUnit {
    AccessUnit { sequence: frame.sequence(), captured: frame.captured(), group, key, data: vec![data] }
}

impl Scripted {
    fn give(&mut self, count: usize, letter: char, out: &mut Vec<AccessUnit>) {
        for frame in self.held.drain(..count) {
            let key = letter == 'K' || self.groups == 0;
            self.groups += u64::from(key);
            out.push(unit(&frame, self.groups - 1, key, 1));
        }
    }
}

impl Fragile<RedactedFrame> for Scripted {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.held.push_back(frame);
        match self.script.pop_front().unwrap() {
            '-' => Ok(()),
            'X' => Err(Fault::EncoderFailed),
            'Y' => {
                self.give(1, 'F', out);
                Err(Fault::EncoderFailed)
            }
            letter => {
                self.give(self.held.len(), letter, out);
                Ok(())
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        match self.script.pop_front() {
            Some('X') => Err(Fault::EncoderFailed),
            _ => {
                self.give(self.held.len(), 'F', out);
                Ok(())
            }
        }
    }

    fn take_back(&mut self) -> Option<RedactedFrame> {
        self.held.pop_front()
    }

    fn key_frame(&mut self) {
        self.wishes.fetch_add(1, Ordering::Relaxed);
    }

    fn bitrate(&mut self, kbps: u32) {
        self.wishes.fetch_add(kbps, Ordering::Relaxed);
    }
}

/// An encoder that always works: a key frame every third, one frame late.
struct Steady {
    given: u64,
    late: Option<AccessUnit>,
    wishes: Arc<AtomicU32>,
}

impl Encoder for Steady {
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let next = unit(&frame, self.given / 3, self.given.is_multiple_of(3), 2);
        self.given += 1;
        out.extend(self.late.replace(next));
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        out.extend(self.late.take());
        Ok(())
    }

    fn bitrate(&mut self, kbps: u32) {
        self.wishes.fetch_add(kbps, Ordering::Relaxed);
    }
}

fn fragile(script: &str, wishes: &Arc<AtomicU32>) -> Box<Scripted> {
    Box::new(Scripted {
        script: script.chars().collect(),
        held: VecDeque::new(),
        groups: 0,
        wishes: Arc::clone(wishes),
    })
}

/// Frame, group and whether it is a key frame of each unit; a stroke where the second encoder begins.
fn played(script: &str, frames: u64) -> (String, bool) {
    let (first, second) = (Arc::default(), Arc::default());
    let wishes = Arc::clone(&second);
    let open = move || -> Result<Box<dyn Encoder>, EncodeError> {
        Ok(Box::new(Steady { given: 0, late: None, wishes: Arc::clone(&wishes) }))
    };
    let mut falling = Falling::new(fragile(script, &first), Box::new(open));
    let pool = FramePool::new(Shape::packed(Size::new(2, 2), Layout::I420), 8);
    let mut units = Vec::new();
    falling.bitrate(700);
    for number in 0..frames {
        let frame = pool.take(number, Micros(number * 10));
        falling.submit(redacted(frame), &mut units).unwrap();
    }
    falling.finish(&mut units).unwrap();
    assert_eq!(first.load(Ordering::Relaxed), 700);
    assert_eq!(
        second.load(Ordering::Relaxed),
        if falling.backend() != Backend::M2m { 700 } else { 0 },
        "the bitrate is handed on"
    );
    assert!(units.iter().all(|unit| unit.captured.0 == unit.sequence * 10));
    let mut text = String::new();
    let mut who = 1;
    for unit in &units {
        if unit.data[0] > who {
            (who, text) = (2, text + "| ");
        }
        let key = if unit.key { "K" } else { "" };
        text += &format!("{}{key}{} ", unit.sequence, unit.group);
    }
    (text.trim_end().to_owned(), (falling.backend() != Backend::M2m))
}

#[test]
fn no_frame_is_lost_and_the_other_begins_with_a_key_frame_in_the_next_group() {
    for (script, expected) in [
        ("KFFKF", "0K0 10 20 3K1 41"),
        ("K--F-", "0K0 10 20 30 40"),
        ("KFXFF", "0K0 10 | 2K1 31 41"),
        ("K-FX-", "0K0 10 20 | 3K1 41"),
        ("K---X", "0K0 | 1K1 21 31 4K2"),
        ("K--YX", "0K0 10 | 2K1 31 41"),
        ("X----", "| 0K0 10 20 3K1 41"),
        ("-----X", "| 0K0 10 20 3K1 41"),
        ("KFKFFX", "0K0 10 2K1 31 41 |"),
    ] {
        let frames = 5;
        let (text, fell) = played(script, frames);
        assert_eq!((text.as_str(), fell), (expected.trim_end_matches(" |"), script.contains(['X', 'Y'])), "{script}");
    }
}

#[test]
fn without_another_encoder_the_stream_ends_with_a_fault() {
    let open = || -> Result<Box<dyn Encoder>, EncodeError> {
        Err(EncodeError::Hardware { reason: "none".to_owned(), mend: "none" })
    };
    let mut falling = Falling::new(fragile("KX", &Arc::default()), Box::new(open));
    let pool = FramePool::new(Shape::packed(Size::new(2, 2), Layout::I420), 2);
    let mut units = Vec::new();
    let mut submit = |number| falling.submit(redacted(pool.take(number, Micros(0))), &mut units);
    assert_eq!((submit(0), submit(1)), (Ok(()), Err(Fault::EncoderFailed)));
    assert_eq!(units.len(), 1);
}
