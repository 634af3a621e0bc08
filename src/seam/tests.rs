//! Streams in letters, byte for byte, and every rule that a liar could break.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use super::head;
use super::samples::{HELLO, forged, health, read, slate, stream, unit, written};
use super::*;
use crate::base::clock::SimulatedClock;
use crate::base::{Clock, Fault, Micros, Size};

/// What both sides say of a stream that breaks a rule at its last message.
fn broken_rule(reports: &[Report<'_>]) -> Wrong {
    let (_, refused) = written(reports);
    let Some(SeamError::Refused { number, wrong, .. }) = refused else { panic!("the writer lets it out: {refused:?}") };
    assert_eq!(number, u64::try_from(reports.len() - 1).expect("few"));
    let (given, error) = read(&forged(reports));
    assert_eq!(given.len(), reports.len() - 1, "{error}");
    let SeamError::Garbled { wrong: seen, .. } = error else { panic!("{error}") };
    assert_eq!(seen, wrong, "the reader sees what the writer saw");
    assert!(error.garbled());
    wrong
}

fn with(letters: &str, last: Report<'static>) -> Vec<Report<'static>> {
    let mut reports = stream(letters);
    reports.push(last);
    reports
}

#[test]
fn whole_streams_come_through_as_they_were_sent() {
    for letters in ["hE", "hRKE", "hRRKPE", "hRKRPSPRKE", "hRRRRKPPPFE", "hFFSKE", "h-RK--RP-E"] {
        let (bytes, refused) = written(&stream(letters));
        assert_eq!(refused, None, "{letters}");
        assert_eq!(read(&bytes), (letters.to_owned(), SeamError::Over { from: Side::Dark }));
        assert_eq!(bytes, forged(&stream(letters)), "the checks change no byte");
    }
}

#[test]
fn a_stream_without_its_end_is_broken_at_its_last_byte() {
    let (bytes, _) = written(&stream("hRK"));
    let offset = u64::try_from(bytes.len()).expect("short");
    assert_eq!(read(&bytes), ("hRK".to_owned(), SeamError::Broken { from: Side::Dark, offset }));
    assert_eq!(read(b"").1, SeamError::Broken { from: Side::Dark, offset: 0 });
    assert!(!read(b"").1.garbled());
}

#[test]
fn what_ended_does_not_begin_again() {
    let mut bytes = written(&stream("hE")).0;
    let offset = u64::try_from(bytes.len()).expect("short");
    bytes.push(0);
    let late = SeamError::Garbled { from: Side::Dark, offset, wrong: Wrong::Late };
    assert_eq!(read(&bytes), ("hE".to_owned(), late), "not even a byte");
    // A source that ends and then goes on, as two pipes under one descriptor would.
    let (bytes, clock) = (written(&stream("h")).0, SimulatedClock::default());
    let mut pieces = [&b""[..], &bytes].into_iter();
    let mut reader = ReportReader::new(Again(&mut pieces));
    for _ in 0..2 {
        let broken = SeamError::Broken { from: Side::Dark, offset: 0 };
        assert_eq!(reader.receive(&clock, Micros(0)), Err(broken));
    }
}

/// Gives one piece a call, also empty ones.
struct Again<I>(I);

impl<'a, I: Iterator<Item = &'a [u8]>> Read for Again<I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.next().unwrap_or_default().read(into)
    }
}

#[test]
fn messages_out_of_turn_are_refused_on_both_sides() {
    for (letters, wrong) in [
        ("R", Wrong::Early("health report")),
        ("F", Wrong::Early("fault")),
        ("E", Wrong::Early("end")),
        ("-", Wrong::Early("pause")),
        ("hE-", Wrong::Late),
        ("hh", Wrong::Twice),
        ("hRKh", Wrong::Twice),
        ("hEF", Wrong::Late),
        ("hEh", Wrong::Late),
        ("hK", Wrong::Stranger { got: 1 }),
        ("hRKP", Wrong::Stranger { got: 2 }),
        ("hRRKE", Wrong::Waiting(1)),
    ] {
        assert_eq!(broken_rule(&stream(letters)), wrong, "{letters}");
    }
    let first = |key, group| with("hR", Report::Unit(unit(1, group, key, b"x")));
    assert_eq!(broken_rule(&first(false, 0)), Wrong::Group { got: 0, key: false, due: 0 });
    assert_eq!(broken_rule(&first(true, 1)), Wrong::Group { got: 1, key: true, due: 0 });
    let second = |key, group| with("hRRK", Report::Unit(unit(2, group, key, b"x")));
    assert_eq!(broken_rule(&second(true, 0)), Wrong::Group { got: 0, key: true, due: 1 });
    assert_eq!(broken_rule(&second(false, 1)), Wrong::Group { got: 1, key: false, due: 0 });
    let other = Unit { captured: Micros(7), ..unit(1, 0, true, b"x") };
    assert_eq!(broken_rule(&with("hR", Report::Unit(other))), Wrong::Stranger { got: 1 }, "another capture time");
    assert_eq!(broken_rule(&stream(&format!("h{}", "R".repeat(WAITING + 1)))), Wrong::Waiting(WAITING + 1));
    let tally = Tally { frames: 4, dropped: 3 };
    assert_eq!(broken_rule(&with("hRRKP", Report::End(tally))), Wrong::Tally { frames: 4, dropped: 3, reported: 2 });
}

#[test]
fn lost_repeated_and_reordered_messages_are_seen() {
    let reports = stream("hFFFE");
    let cuts: Vec<_> = (0..=reports.len()).map(|count| forged(&reports[..count]).len()).collect();
    let bytes = forged(&reports);
    let message = |number: usize| &bytes[cuts[number]..cuts[number + 1]];
    for (order, got, due) in [(&[0, 2, 3][..], 2, 1), (&[0, 1, 1], 1, 2), (&[0, 2, 1], 2, 1), (&[1], 1, 0)] {
        let mut moved = bytes[..cuts[0]].to_vec();
        order.iter().for_each(|&number| moved.extend(message(number)));
        let SeamError::Garbled { wrong, .. } = read(&moved).1 else { panic!("{order:?}") };
        assert_eq!(wrong, Wrong::Number { got, due }, "{order:?}");
    }
}

#[test]
fn a_camera_that_repeats_itself_gives_slates_and_no_lie() {
    let back = Health { sequence: 1, ..slate(2, Fault::FrameRepeated) };
    let reports = with("hRR", Report::Health(back));
    assert_eq!(written(&reports).1, None);
    assert_eq!(read(&forged(&reports)).0, "hRRS");
    let clear = Report::Health(Health { sequence: 2, ..health(3) });
    assert_eq!(broken_rule(&with("hRR", clear)), Wrong::Back { got: 2, before: 2 });
    let reports = [&reports[..], &[clear]].concat();
    assert_eq!(broken_rule(&reports), Wrong::Back { got: 2, before: 2 }, "a slate between them does not hide it");
}

#[test]
fn numbers_outside_their_range_are_refused_on_both_sides() {
    let fraction =
        |field, value: f32, high: f32| Wrong::Fraction { field, bits: value.to_bits(), high_bits: high.to_bits() };
    for (clear_fraction, px_per_m, wrong) in [
        (1.5, 0.0, fraction("clear fraction", 1.5, 1.0)),
        (-0.1, 0.0, fraction("clear fraction", -0.1, 1.0)),
        (f32::NAN, 0.0, fraction("clear fraction", f32::NAN, 1.0)),
        (0.5, f32::INFINITY, fraction("density", f32::INFINITY, PX_PER_M_MAX)),
        (0.5, 82.0, fraction("density", 82.0, PX_PER_M_MAX)),
    ] {
        let health = Health { clear_fraction, px_per_m, ..health(1) };
        assert_eq!(broken_rule(&with("h", Report::Health(health))), wrong);
    }
    let cells = Health { objects: 13, ..health(1) };
    let range = |field, got, low, high| Wrong::Range { field, got, low, high };
    assert_eq!(broken_rule(&with("h", Report::Health(cells))), range("objects", 13, 0, 12), "64x33 has 4x3 cells");
    let late = Health { captured: Micros(LARGEST + 1), ..health(1) };
    assert_eq!(broken_rule(&with("h", Report::Health(late))), range("capture time", LARGEST + 1, 0, LARGEST));
    let shown = Health { px_per_m: 1.0, ..slate(1, Fault::FrameTorn) };
    assert_eq!(broken_rule(&with("h", Report::Health(shown))), Wrong::ClearSlate);
    let shown = Health { clear_fraction: 0.1, ..slate(1, Fault::FrameTorn) };
    assert_eq!(broken_rule(&with("h", Report::Health(shown))), Wrong::ClearSlate);
    for (size, rate, wrong) in [
        (Size::new(0, 9), (30, 1), range("width", 0, 1, 8192)),
        (Size::new(9, 8193), (30, 1), range("height", 8193, 1, 8192)),
        (Size::new(8192, 8192), (30, 1), Wrong::Area { width: 8192, height: 8192 }),
        (Size::new(9, 9), (0, 1), range("frames a second", 0, 1, u64::from(u32::MAX))),
        (Size::new(9, 9), (1, 0), range("seconds", 0, 1, u64::from(u32::MAX))),
        (Size::new(9, 9), (241, 1), Wrong::Rate { frames: 241, seconds: 1 }),
        (Size::new(9, 9), (1, 11), Wrong::Rate { frames: 1, seconds: 11 }),
    ] {
        assert_eq!(broken_rule(&[Report::Hello(Hello { size, rate, ..HELLO })]), wrong);
    }
    let empty = Report::Unit(unit(1, 0, true, b""));
    let length = |got| Wrong::Length { kind: "access unit", got, low: 26, high: 25 + UNIT_MAX };
    assert_eq!(broken_rule(&with("hR", empty)), length(25));
    let coded = vec![7; UNIT_MAX + 1];
    let mut reports = stream("hR");
    reports.push(Report::Unit(unit(1, 0, true, &coded)));
    assert_eq!(broken_rule(&reports), length(26 + UNIT_MAX));
}

#[test]
fn what_has_no_form_is_not_sent_as_something_else() {
    let slow = Health { encode: Micros(LONGEST.0 + 1), ..health(1) };
    let refused = written(&with("h", Report::Health(slow))).1;
    assert_eq!(refused, Some(SeamError::Refused { from: Side::Dark, number: 1, wrong: Wrong::Unfit("message") }));
    let minus = Health { px_per_m: -0.0, ..health(1) };
    assert_eq!(written(&with("h", Report::Health(minus))).1, None, "zero is zero");
}

#[test]
fn a_refused_message_leaves_the_stream_whole() {
    let mut bytes = Vec::new();
    let mut writer = ReportWriter::new(&mut bytes);
    let clock = SimulatedClock::default();
    for (sent, report) in stream("hRKhRP").iter().enumerate() {
        let result = writer.send(report, &clock, Micros(0));
        assert_eq!(result.is_ok(), sent != 3, "{result:?}");
        assert!(result.is_ok_and(|()| true) || sent == 3);
    }
    assert_eq!(read(&bytes).0, "hRKRP");
}

#[test]
fn the_largest_unit_fits_and_memory_follows_the_bytes_that_came() {
    let coded = vec![7; UNIT_MAX];
    let mut reports = stream("hR");
    reports.push(Report::Unit(unit(1, 0, true, &coded)));
    let (bytes, refused) = written(&reports);
    assert_eq!(refused, None);
    // A head that announces the most there may be, with nothing behind it, costs nothing.
    let announced = bytes.len() - UNIT_MAX;
    let mut reader = ReportReader::new(Chunks(&bytes[..announced], 1000));
    while !matches!(reader.receive(&SimulatedClock::default(), Micros(0)), Err(SeamError::Broken { .. })) {}
    assert_eq!(reader.capacity(), 64 << 10);
    let mut reader = ReportReader::new(Chunks(&bytes, 1000));
    let mut units = 0;
    loop {
        let come = bytes.len() - reader.source().0.len();
        assert!(reader.capacity() <= (64 << 10).max(2 * come), "{} for {come}", reader.capacity());
        match reader.receive(&SimulatedClock::default(), Micros(0)) {
            Ok(Some(Report::Unit(unit))) => units += usize::from(unit.data == coded),
            Ok(_) => {}
            Err(error) => break assert_eq!(error, SeamError::Broken { from: Side::Dark, offset: 4_194_544 }),
        }
    }
    assert_eq!(units, 1);
    assert!(reader.capacity() <= 5 << 20);
}

/// Bytes in pieces of at most so many.
struct Chunks<'a>(&'a [u8], usize);

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}

/// A byte each 10 ms of a simulated clock, after as many signals as it is told.
struct Slow<'a> {
    bytes: &'a [u8],
    clock: SimulatedClock,
    signals: usize,
}

impl Source for Slow<'_> {
    fn read_within(&mut self, longest: Duration, into: &mut [u8]) -> io::Result<usize> {
        if self.signals > 0 {
            self.signals -= 1;
            return Err(ErrorKind::Interrupted.into());
        }
        if longest < Duration::from_millis(10) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.clock.set(self.clock.now().plus(Micros::from_ms(10)));
        self.bytes.read(&mut into[..1])
    }
}

#[test]
fn bytes_that_trickle_do_not_stretch_the_wait() {
    let (bytes, clock) = (written(&stream("h")).0, SimulatedClock::default());
    let mut reader = ReportReader::new(Slow { bytes: &bytes, clock: clock.clone(), signals: 2 });
    for calls in 1..=21 {
        assert_eq!(reader.receive(&clock, clock.now().plus(Micros::from_ms(50))), Ok(None));
        assert_eq!(clock.now(), Micros::from_ms(50 * calls), "five bytes at a time, for it takes 110");
    }
    assert_eq!(reader.receive(&clock, Micros::from_ms(9999)), Ok(Some(Report::Hello(HELLO))));
    let mut reader = ReportReader::new(Slow { bytes: &bytes, clock: clock.clone(), signals: usize::MAX });
    assert_eq!(reader.receive(&clock, Micros(0)), Ok(None), "signals do not hold it beyond its time");
}

#[test]
fn versions_that_differ_say_so_in_one_line() {
    let mut bytes = written(&stream("hE")).0;
    bytes[6] = 3;
    let line = "the dark side speaks version 3 of the seam, this side version 2: start both from one binary";
    assert_eq!(read(&bytes).1.to_string(), line);
    assert!(read(&bytes).1.garbled());
    let line = "pipe from the dark side, byte 5: this is not how its stream opens: \
                restart voile on the ground and keep the log";
    assert_eq!(read(&head::opening(Side::Lit)).1.to_string(), line, "the side's own words come back");
}

#[test]
fn errors_name_the_byte() {
    let mut bytes = forged(&stream("hR"));
    // Opening, head and body of the hello, head of the report; its state is at byte 24, followed by the fraction.
    let body = 8 + 21 + 82 + 21;
    bytes[body + 25..body + 29].copy_from_slice(&2.0_f32.to_le_bytes());
    let check = crc32fast::hash(&bytes[body..]);
    bytes[body - 8..body - 4].copy_from_slice(&check.to_le_bytes());
    let check = crc32fast::hash(&bytes[body - 21..body - 4]);
    bytes[body - 4..body].copy_from_slice(&check.to_le_bytes());
    let line = "pipe from the dark side, byte 157: clear fraction 2, outside 0 to 1: \
                restart voile on the ground and keep the log";
    assert_eq!(read(&bytes).1.to_string(), line);
}

#[test]
fn faults_keep_their_numbers() {
    // New faults go to the end of the list. If one of these must change, raise VERSION.
    let names = "torn frame, repeated frame, frame size changed, clock went back, no evidence, wrong evidence, \
                 stale evidence, late evidence, bad evidence, detector failed, camera motion unknown, camera too fast, \
                 too many in view, encoder failed, output failed, pipeline broken";
    let list: Vec<_> = Fault::ALL.iter().map(ToString::to_string).collect();
    assert!(list.join(", ").starts_with(names), "{list:?}");
    for fault in Fault::ALL {
        let reports = [Report::Hello(HELLO), Report::Fault(fault), Report::Health(slate(1, fault))];
        let (bytes, refused) = written(&reports);
        assert_eq!(refused, None);
        let mut reader = ReportReader::new(&bytes[..]);
        for report in &reports {
            assert_eq!(reader.receive(&SimulatedClock::default(), Micros(0)), Ok(Some(*report)));
        }
    }
}

#[test]
fn a_message_goes_out_whole_or_the_pipe_is_dead() {
    /// Takes so many bytes, then no more.
    struct Narrow(usize);
    impl io::Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (clock, hello) = (SimulatedClock::default(), Report::Hello(HELLO));
    let mut writer = ReportWriter::new(Narrow(0));
    let full = SeamError::Full { from: Side::Dark, number: 0 };
    assert_eq!(writer.send(&hello, &clock, Micros(9)), Err(full));
    assert!(full.may_go_on());
    let mut writer = ReportWriter::new(Narrow(109));
    let torn = SeamError::Torn { from: Side::Dark, number: 0, written: 109, length: 111 };
    assert_eq!(writer.send(&hello, &clock, Micros(9)), Err(torn));
    assert_eq!(writer.send(&hello, &clock, Micros(9)), Err(torn), "it stays dead");
    assert_eq!(writer.open(&clock, Micros(9)), Err(torn));
    assert!(!torn.may_go_on());
}
