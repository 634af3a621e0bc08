//! Streams for the tests: in letters, through a writer, or forged by a liar.

use super::head::{self, Head};
use super::*;
use crate::base::clock::SimulatedClock;
use crate::base::{Fault, Micros, Size};

/// What every sample stream opens with.
pub const HELLO: Hello = Hello {
    size: Size::new(64, 33),
    rate: (30, 1),
    codec: Codec::H264,
    level: 3,
    policy: [0xaa; 32],
    model: [0xbb; 32],
};

/// Unremarkable health of frame `sequence`.
pub fn health(sequence: u64) -> Health {
    Health {
        sequence,
        captured: Micros(sequence * 33_333),
        born: Micros(sequence * 33_333 + 5),
        slate: None,
        clear_fraction: 0.75,
        objects: 2,
        evidence_age: Micros(66_666),
        px_per_m: 39.5,
        follow: Micros(1),
        detect: Micros(2),
        wait: Micros(3),
        redact: Micros(4),
        encode: Micros(5),
        backend: Backend::Openh264,
    }
}

/// Health of frame `sequence`, covered whole.
pub fn slate(sequence: u64, fault: Fault) -> Health {
    Health { slate: Some(fault), clear_fraction: 0.0, px_per_m: 0.0, objects: 1, ..health(sequence) }
}

/// Frame `sequence` coded as `data`.
pub fn unit(sequence: u64, group: u64, key: bool, data: &[u8]) -> Unit<'_> {
    Unit { sequence, captured: Micros(sequence * 33_333), group, key, data }
}

/// A stream in letters: `h` hello, `R` health of a redacted frame, `S` of a slate, `K` its unit as a key frame, `P` as
/// another, `F` a fault, `-` a pause, `E` the end. Units follow in the order of the frames.
pub fn stream(letters: &str) -> Vec<Report<'static>> {
    let (mut reported, mut sent, mut groups) = (0, 0, 0);
    let mut reports = Vec::new();
    for letter in letters.chars() {
        reports.push(match letter {
            'h' => Report::Hello(HELLO),
            'R' | 'S' => {
                reported += 1;
                let one = if letter == 'R' { health(reported) } else { slate(reported, Fault::FrameTorn) };
                Report::Health(one)
            }
            'K' | 'P' => {
                sent += 1;
                groups += u64::from(letter == 'K');
                Report::Unit(unit(sent, groups - 1, letter == 'K', b"coded"))
            }
            'F' => Report::Fault(Fault::EncoderFailed),
            '-' => Report::Pause,
            'E' => Report::End(Tally { frames: reported + 3, dropped: 3 }),
            other => panic!("no such letter: {other}"),
        });
    }
    reports
}

/// What a writer makes of `reports`, and the first that it refuses.
pub fn written(reports: &[Report<'_>]) -> (Vec<u8>, Option<SeamError>) {
    let mut bytes = Vec::new();
    let mut writer = ReportWriter::new(&mut bytes);
    let refused = reports.iter().find_map(|report| writer.send(report, &SimulatedClock::default(), Micros(0)).err());
    (bytes, refused)
}

/// The bytes of `reports` with nothing checked, as a liar makes them.
pub fn forged(reports: &[Report<'_>]) -> Vec<u8> {
    let mut bytes = head::opening(Side::Dark).to_vec();
    for (number, report) in reports.iter().enumerate() {
        let mut body = Vec::new();
        let kind = report::encode(report, &mut body);
        let head = Head::of(kind, u64::try_from(number).expect("few"), &body).expect("short");
        bytes.extend(head.bytes());
        bytes.extend(body);
    }
    bytes
}

/// How a reader fares with `bytes`: what it gave, and why it gave no more.
pub fn read(bytes: &[u8]) -> (String, SeamError) {
    let mut reader = ReportReader::new(bytes);
    let mut given = String::new();
    loop {
        match reader.receive(&SimulatedClock::default(), Micros(0)) {
            Ok(Some(report)) => given.push(letter(&report)),
            Ok(None) => {}
            Err(error) => {
                assert_eq!(reader.receive(&SimulatedClock::default(), Micros(0)).err(), Some(error), "it stays wrong");
                return (given, error);
            }
        }
    }
}

/// The letter of a report, as in [`stream`].
pub fn letter(report: &Report<'_>) -> char {
    match report {
        Report::Hello(_) => 'h',
        Report::Health(Health { slate: None, .. }) => 'R',
        Report::Health(_) => 'S',
        Report::Unit(unit) if unit.key => 'K',
        Report::Unit(_) => 'P',
        Report::Fault(_) => 'F',
        Report::Pause => '-',
        Report::End(_) => 'E',
    }
}
