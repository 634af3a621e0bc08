//! The seam between two real processes: both ways, killed, stopped, garbled.
//!
//! This program is both sides: without a known first argument it is the test and starts itself again as the other side.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::io::{Write, pipe};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use voile::base::clock::RealClock;
use voile::base::{Clock, Micros, Size};
use voile::seam::{
    Backend, Codec, Health, Hello, Inflow, Outflow, Report, ReportReader, ReportWriter, Request, RequestReader,
    RequestWriter, SeamError, Side, Tally, Unit,
};

const SOON: Micros = Micros::from_ms(50);
/// No step waits so long unless it has failed.
const NEVER: Micros = Micros::from_ms(60_000);
const HELLO: Hello =
    Hello { size: Size::new(1280, 720), rate: (30, 1), codec: Codec::Av1, level: 2, policy: [1; 32], model: [2; 32] };

type Test = fn(&RealClock);

fn main() {
    let clock = RealClock::start();
    match std::env::args().nth(1).as_deref() {
        Some("as-dark") => dark(&clock).expect("an honest lit side"),
        Some("as-lit") => lit(&clock),
        Some("as-chatterbox") => print!("a print that went astray"),
        _ => {
            let tests: [(&str, Test); 5] = [
                ("two_processes_talk_and_end_in_order", talk),
                ("a_killed_dark_side_is_a_broken_pipe", killed),
                ("a_stopped_dark_side_is_silence_and_goes_on_where_it_was", stopped),
                ("a_stopped_lit_side_does_not_hold_the_dark_one", hung),
                ("a_print_to_the_wrong_descriptor_is_seen", chatter),
            ];
            for (name, test) in tests {
                test(&clock);
                println!("test {name} ... ok");
            }
        }
    }
}

fn health(sequence: u64) -> Health {
    let none = Micros(0);
    Health {
        sequence,
        captured: Micros(sequence),
        born: Micros(sequence),
        slate: None,
        clear_fraction: 0.5,
        objects: 1,
        evidence_age: none,
        px_per_m: 40.0,
        follow: none,
        detect: none,
        wait: none,
        redact: none,
        encode: none,
        backend: Backend::Rav1e,
    }
}

fn unit(sequence: u64, data: &[u8]) -> Unit<'_> {
    Unit { sequence, captured: Micros(sequence), group: 0, key: sequence == 1, data }
}

/// The dark side: frames until it is told to stop.
fn dark(clock: &RealClock) -> Result<(), SeamError> {
    let mut hear = RequestReader::new(Inflow::open(std::io::stdin().as_fd().try_clone_to_owned().unwrap())?);
    let mut say = ReportWriter::new(Outflow::open(std::io::stdout().as_fd().try_clone_to_owned().unwrap())?);
    say.send(&Report::Hello(HELLO), clock, NEVER)?;
    let (mut frames, coded) = (0, vec![9; 20_000]);
    loop {
        frames += 1;
        let until = clock.now().plus(NEVER);
        say.send(&Report::Health(health(frames)), clock, until)?;
        say.send(&Report::Unit(unit(frames, &coded)), clock, until)?;
        if hear.receive(clock, Micros(0))? == Some(Request::Stop) {
            return say.send(&Report::End(Tally { frames, dropped: 0 }), clock, until);
        }
    }
}

/// The lit side: takes what comes until it ends.
fn lit(clock: &RealClock) {
    let input = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut hear = ReportReader::new(Inflow::open(input).unwrap());
    while hear.receive(clock, NEVER).is_ok_and(|report| report.is_some()) {}
}

/// Starts the other side; the pipe from it and the pipe to it.
fn start(role: &str) -> (Child, Inflow, std::io::PipeWriter) {
    let (output, its_output) = pipe().expect("a pipe");
    let (its_input, input) = pipe().expect("a pipe");
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.arg(role).stdin(Stdio::from(its_input)).stdout(Stdio::from(its_output));
    let child = command.spawn().expect("it starts");
    // The command holds the other side's ends until it is dropped.
    drop(command);
    (child, Inflow::open(output.into()).expect("a pipe"), input)
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, signal).expect("it is ours");
}

/// Takes so many units.
fn units(hear: &mut ReportReader, clock: &RealClock, count: u64) {
    let mut taken = 0;
    while taken < count {
        let report = hear.receive(clock, clock.now().plus(NEVER)).expect("an honest side").expect("in time");
        taken += u64::from(matches!(report, Report::Unit(_)));
    }
}

fn talk(clock: &RealClock) {
    let (mut child, output, input) = start("as-dark");
    let mut hear = ReportReader::new(output);
    let mut ask = RequestWriter::new(Outflow::open(input.into()).expect("a pipe"));
    ask.open(clock, NEVER).expect("room");
    assert_eq!(hear.receive(clock, NEVER), Ok(Some(Report::Hello(HELLO))));
    units(&mut hear, clock, 100);
    for request in [Request::Bitrate(500), Request::KeyFrame, Request::Stop] {
        ask.send(&request, clock, NEVER).expect("room");
    }
    let tally = loop {
        if let Report::End(tally) = hear.receive(clock, NEVER).expect("an honest side").expect("in time") {
            break tally;
        }
    };
    assert!(tally.frames >= 100);
    assert_eq!(hear.receive(clock, NEVER), Err(SeamError::Over { from: Side::Dark }));
    assert!(child.wait().expect("it ends").success());
}

fn killed(clock: &RealClock) {
    let (mut child, output, input) = start("as-dark");
    let mut hear = ReportReader::new(output);
    units(&mut hear, clock, 20);
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    let error = loop {
        match hear.receive(clock, NEVER) {
            Ok(report) => assert!(report.is_some(), "whatever it had sent before comes first"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SeamError::Broken { from: Side::Dark, .. }), "{error}");
    drop(input);
}

fn stopped(clock: &RealClock) {
    let (mut child, output, input) = start("as-dark");
    let mut hear = ReportReader::new(output);
    units(&mut hear, clock, 20);
    signal(&child, Signal::STOP);
    // What is in the pipe comes; then nothing does, and that is noticed.
    while hear.receive(clock, clock.now().plus(SOON)).expect("an honest side").is_some() {}
    let until = clock.now().plus(SOON);
    assert_eq!(hear.receive(clock, until), Ok(None));
    assert!(clock.now() >= until);
    signal(&child, Signal::CONT);
    units(&mut hear, clock, 20);
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
    drop(input);
}

fn hung(clock: &RealClock) {
    let (mut child, _output, input) = start("as-lit");
    signal(&child, Signal::STOP);
    let mut say = ReportWriter::new(Outflow::open(input.into()).expect("a pipe"));
    say.send(&Report::Hello(HELLO), clock, NEVER).expect("room");
    let (coded, mut frame) = (vec![9; 20_000], 0);
    let error = loop {
        frame += 1;
        let until = clock.now().plus(SOON);
        let sent = say.send(&Report::Health(health(frame)), clock, until);
        if let Err(error) = sent.and_then(|()| say.send(&Report::Unit(unit(frame, &coded)), clock, until)) {
            break error;
        }
        assert!(frame < 1000, "20 MB do not fit into a pipe");
    };
    assert!(matches!(error, SeamError::Torn { .. } | SeamError::Full { .. }), "{error}");
    signal(&child, Signal::KILL);
    child.wait().expect("it ends");
}

fn chatter(clock: &RealClock) {
    let (mut child, output, input) = start("as-chatterbox");
    let error = ReportReader::new(output).receive(clock, NEVER).expect_err("no opening");
    assert!(error.garbled(), "{error}");
    child.wait().expect("it ends");
    std::io::stdout().flush().expect("written");
    drop(input);
}
