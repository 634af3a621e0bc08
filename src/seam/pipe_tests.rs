//! Real pipes between two threads: deadlines, full pipes, torn messages.

use std::io::{PipeWriter, Write, pipe};
use std::thread;

use super::super::samples::{HELLO, health, stream, unit};
use super::super::{Report, ReportReader, ReportWriter, Request, RequestReader, RequestWriter, Side, Tally};
use super::*;
use crate::base::clock::RealClock;
use crate::base::{Clock, Micros};

const SOON: Micros = Micros::from_ms(20);
/// No test waits so long unless it has failed.
const NEVER: Micros = Micros::from_ms(60_000);

fn raw() -> (Inflow, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    (Inflow::open(reader.into()).expect("its reading end"), writer)
}

fn ends() -> (Inflow, Outflow) {
    let (reader, writer) = raw();
    (reader, Outflow::open(writer.into()).expect("its writing end"))
}

#[test]
fn two_threads_talk_both_ways() {
    let (reports_in, reports_out) = ends();
    let (requests_in, requests_out) = ends();
    let clock = RealClock::start();
    thread::scope(|scope| {
        let dark = scope.spawn(|| {
            let (mut say, mut hear) = (ReportWriter::new(reports_out), RequestReader::new(requests_in));
            say.send(&Report::Hello(HELLO), &clock, NEVER)?;
            let (mut frames, coded) = (0, vec![9; 40_000]);
            let mut asked = Vec::new();
            while asked.last() != Some(&Request::Stop) {
                frames += 1;
                say.send(&Report::Health(health(frames)), &clock, NEVER)?;
                say.send(&Report::Unit(unit(frames, 0, frames == 1, &coded)), &clock, NEVER)?;
                asked.extend(hear.receive(&clock, Micros(0))?);
            }
            say.send(&Report::End(Tally { frames, dropped: 0 }), &clock, NEVER)?;
            Ok::<_, SeamError>((frames, asked))
        });
        let (mut hear, mut ask) = (ReportReader::new(reports_in), RequestWriter::new(requests_out));
        let mut units = 0;
        let tally = loop {
            match hear.receive(&clock, NEVER).expect("an honest side").expect("in time") {
                Report::Unit(unit) => {
                    units += 1;
                    assert!(unit.data.len() == 40_000 && unit.data.iter().all(|&byte| byte == 9));
                    match units {
                        10 => ask.send(&Request::Bitrate(800), &clock, NEVER).expect("room"),
                        50 => ask.send(&Request::KeyFrame, &clock, NEVER).expect("room"),
                        200 => ask.send(&Request::Stop, &clock, NEVER).expect("room"),
                        _ => {}
                    }
                }
                Report::End(tally) => break tally,
                Report::Hello(_) | Report::Health(_) | Report::Fault(_) | Report::Pause => {}
            }
        };
        let (frames, asked) = dark.join().expect("no panic").expect("an honest side");
        assert_eq!(asked, [Request::Bitrate(800), Request::KeyFrame, Request::Stop]);
        assert!(frames >= 200 && units == frames && tally.frames == frames);
        assert_eq!(hear.receive(&clock, NEVER).err(), Some(SeamError::Over { from: Side::Dark }));
    });
}

#[test]
fn silence_is_noticed_and_a_slow_writer_loses_nothing() {
    let (reader, mut writer) = raw();
    let clock = RealClock::start();
    let mut reader = ReportReader::new(reader);
    let until = clock.now().plus(SOON);
    assert_eq!(reader.receive(&clock, until), Ok(None));
    assert!(clock.now() >= until, "it waited as long as it was told");
    let mut bytes = Vec::new();
    let mut staged = ReportWriter::new(&mut bytes);
    for report in stream("hRKE") {
        staged.send(&report, &clock, NEVER).expect("lawful");
    }
    let mut given = Vec::new();
    for byte in bytes {
        writer.write_all(&[byte]).expect("room");
        given.extend(reader.receive(&clock, Micros(0)).expect("lawful").map(|report| format!("{report:?}")));
    }
    let sent: Vec<_> = stream("hRKE").iter().map(|report| format!("{report:?}")).collect();
    assert_eq!(given, sent);
}

#[test]
fn a_reader_that_waits_wakes_when_the_message_is_whole() {
    let (reader, mut writer) = raw();
    let clock = RealClock::start();
    let mut bytes = Vec::new();
    ReportWriter::new(&mut bytes).send(&Report::Hello(HELLO), &clock, NEVER).expect("lawful");
    thread::scope(|scope| {
        scope.spawn(move || {
            for byte in bytes {
                writer.write_all(&[byte]).expect("room");
                thread::yield_now();
            }
            // Kept open until the reader has what it wanted or its time is up.
            writer
        });
        let mut reader = ReportReader::new(reader);
        assert_eq!(reader.receive(&clock, NEVER), Ok(Some(Report::Hello(HELLO))));
    });
}

#[test]
fn a_reader_that_hangs_cannot_hold_the_writer() {
    let (reader, writer) = ends();
    assert!(writer.bytes() >= 4096);
    let room = writer.bytes();
    let clock = RealClock::start();
    let mut writer = ReportWriter::new(writer);
    writer.send(&Report::Hello(HELLO), &clock, NEVER).expect("room");
    writer.send(&Report::Health(health(1)), &clock, NEVER).expect("room");
    let large = vec![1; room];
    let until = clock.now().plus(SOON);
    let torn = writer.send(&Report::Unit(unit(1, 0, true, &large)), &clock, until).expect_err("no room");
    assert!(matches!(torn, SeamError::Torn { number: 2, written, length, .. } if written > 0 && written < length));
    assert!(clock.now() >= until, "it was given its time");
    assert_eq!(writer.send(&Report::Health(health(2)), &clock, NEVER), Err(torn), "the pipe is dead");
    // What came of it is no message: the stream ends without a word.
    drop(writer);
    let mut reader = ReportReader::new(reader);
    assert!(matches!(reader.receive(&clock, NEVER), Ok(Some(Report::Hello(_)))));
    assert!(matches!(reader.receive(&clock, NEVER), Ok(Some(Report::Health(_)))));
    assert!(matches!(reader.receive(&clock, NEVER), Err(SeamError::Broken { .. })));
}

#[test]
fn a_short_message_never_tears_and_may_be_tried_again() {
    let (reader, writer) = ends();
    let clock = RealClock::start();
    let (mut reader, mut writer) = (RequestReader::new(reader), RequestWriter::new(writer));
    let mut sent = 0_u64;
    let full = loop {
        match writer.send(&Request::KeyFrame, &clock, Micros(0)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, SeamError::Full { from: Side::Lit, number: sent });
    for _ in 0..sent {
        assert_eq!(reader.receive(&clock, Micros(0)), Ok(Some(Request::KeyFrame)));
    }
    assert_eq!(reader.receive(&clock, Micros(0)), Ok(None));
    writer.send(&Request::Stop, &clock, Micros(0)).expect("room again");
    assert_eq!(reader.receive(&clock, Micros(0)), Ok(Some(Request::Stop)));
}

#[test]
fn the_other_side_is_missed_when_it_is_gone() {
    let clock = RealClock::start();
    let (reader, writer) = ends();
    assert!(!reader.abandoned());
    drop(writer);
    assert!(reader.abandoned());
    let error = ReportReader::new(reader).receive(&clock, NEVER).expect_err("nobody writes");
    assert_eq!(error, SeamError::Broken { from: Side::Dark, offset: 0 });
    let (reader, writer) = ends();
    drop(reader);
    let error = ReportWriter::new(writer).send(&Report::Hello(HELLO), &clock, NEVER).expect_err("nobody reads");
    assert_eq!(error, SeamError::Write { from: Side::Dark, number: 0, reason: ErrorKind::BrokenPipe });
}

#[test]
fn only_the_right_end_of_a_pipe_is_taken() {
    let wrong = Some(SeamError::Descriptor { reason: ErrorKind::InvalidInput });
    let (reader, writer) = pipe().expect("a pipe");
    assert_eq!(Inflow::open(writer.into()).err(), wrong);
    assert_eq!(Outflow::open(reader.into()).err(), wrong);
    let (one, other) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    assert_eq!(Inflow::open(one.into()).err(), wrong, "a socket carries descriptors");
    assert_eq!(Outflow::open(other.into()).err(), wrong);
    let null = File::open("/dev/null").expect("there");
    assert_eq!(Inflow::open(null.into()).err(), wrong);
}
