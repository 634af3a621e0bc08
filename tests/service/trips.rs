//! What trips a service at once: a side that lies, a heart or a watchdog that fails, a network that sees nothing.

use std::fs;
use std::io::{Write, pipe};
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State as Level, Transaction};
use rustix::process::{Pid, Signal, kill_process};
use voile::base::clock::RealClock;
use voile::base::{Fault, Micros};
use voile::interlock::{Heartbeat, Interlock, Response, response};
use voile::pipeline::split::Hearing;
use voile::seam::{Inflow, ReportReader};

use super::bench::{Service, health, refused};

/// Between two looks at a watchdog while nothing comes.
const EVERY: Micros = Micros::from_ms(10);

#[test]
fn seam_garbled() {
    let clock = RealClock::start();
    for (bytes, expected) in [(&b"voile_frames_total 1\n"[..], Fault::SeamGarbled), (b"", Fault::DarkDied)] {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(bytes).unwrap();
        drop(writer);
        let heard = Hearing::open(ReportReader::new(Inflow::open(reader.into()).unwrap()), &clock, EVERY, || Ok(()));
        assert_eq!(heard.err(), Some(expected));
    }
    // While nothing comes at all, whoever feeds the watchdog is called, and may end it.
    let (reader, _writer) = pipe().unwrap();
    let mut calls = 0;
    let waiting = || {
        calls += 1;
        if calls < 3 { Ok(()) } else { Err(Fault::WatchdogFailed) }
    };
    let heard = Hearing::open(ReportReader::new(Inflow::open(reader.into()).unwrap()), &clock, EVERY, waiting);
    assert_eq!((heard.err(), calls), (Some(Fault::WatchdogFailed), 3));
    let mut interlock = Interlock::default();
    interlock.report(Fault::SeamGarbled);
    assert!(interlock.permit(Micros(0)).is_none(), "a side that lies is not listened to again");
}

#[test]
fn heartbeat_failed() {
    let broken = MockError::Io(std::io::ErrorKind::Other);
    let mut pin = Mock::new(&[
        Transaction::set(Level::Low),
        Transaction::set(Level::High).with_error(broken),
        Transaction::set(Level::Low),
    ]);
    let mut interlock = Interlock::default();
    let mut heartbeat = Heartbeat::new(pin.clone(), Micros::from_ms(33)).unwrap();
    let failed = heartbeat.sent(interlock.permit(Micros(0)).unwrap(), Micros(0));
    assert_eq!(failed, Err(Fault::HeartbeatFailed));
    assert_eq!(interlock.report(Fault::HeartbeatFailed), Response::Trip);
    drop(heartbeat);
    pin.done();
}

/// Watches a line for so long; the moment of its last edge.
fn last_edge(value: &Path, longest: Duration) -> Option<Instant> {
    let read = || fs::read(value).unwrap();
    let (begun, mut level, mut edge) = (Instant::now(), read(), None);
    while begun.elapsed() < longest {
        let now = read();
        if now != level {
            (level, edge) = (now, Some(Instant::now()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    edge
}

#[test]
fn the_heart_stops_with_either_side() {
    let (Ok(chip), Ok(lines)) = (std::env::var("VOILE_TEST_GPIOCHIP"), std::env::var("VOILE_TEST_GPIO_SYSFS")) else {
        return eprintln!("not run: VOILE_TEST_GPIOCHIP and VOILE_TEST_GPIO_SYSFS name no chip made by gpio-sim");
    };
    let value = Path::new(&lines).join("heartbeat/value");
    // One scale: an emulated processor beside other work is too slow for three, and then nothing is sent at all.
    let more = format!("detect.passes = 1\ninterlock.heartbeat = \"{}:heartbeat\"", chip.trim_start_matches("/dev/"));
    for (name, signal) in [("dark", Signal::KILL), ("lit", Signal::KILL), ("dark", Signal::STOP), ("lit", Signal::STOP)]
    {
        let service = Service::start(&more);
        service.streams();
        assert!(last_edge(&value, Duration::from_secs(1)).is_some(), "it beats: {}", service.said());
        // Without its supervisor's eye on it, so that nothing is started again.
        kill_process(Pid::from_child(&service.child), Signal::STOP).unwrap();
        let side = service.side(name);
        let struck = Instant::now();
        kill_process(side, signal).unwrap();
        let edge = last_edge(&value, Duration::from_secs(2));
        let after = edge.map_or(Duration::ZERO, |edge| edge.saturating_duration_since(struck));
        println!("{name}, {signal:?}: last edge {} ms after it", after.as_millis());
        assert!(after < Duration::from_secs(1), "it beats on");
        kill_process(side, Signal::KILL).unwrap();
    }
}

#[test]
fn canary_clear() {
    // A network of the right shape that never sees anything, as an attacker or a bad copy might leave it.
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/blind.onnx");
    let folder = tempfile::tempdir().unwrap();
    let radio = UdpSocket::bind("127.0.0.1:0").unwrap();
    let more = format!("detect.model = \"{}\"", model.display());
    let mut service = Service::again(folder, radio, &more, &[]);
    assert_eq!(service.ended().code(), Some(4), "{}", service.said());
    assert!(service.said().contains("tripped: canary came out clear"), "{}", service.said());
    let told = health(service.folder.path());
    assert_eq!(told["trip"], "canary came out clear");
    assert!(told["clear_share"].as_f64().is_none_or(|clear| clear == 0.0), "nothing but slates ever left: {told}");
    assert_eq!(response(Fault::CanaryClear), Response::Trip);
}

#[test]
fn watchdog_failed() {
    // A device that cannot be a watchdog is refused at the start; one that fails in flight trips (tests/watchdog.rs has
    // the real one).
    let folder = tempfile::tempdir().unwrap();
    let dog = folder.path().join("dog");
    fs::write(&dog, b"").unwrap();
    let text = format!("[camera]\nsource = \"scene:1\"\n[interlock]\nwatchdog = \"{}\"\n", dog.display());
    let (code, said) = refused(folder.path(), &text);
    assert_eq!(code, Some(2));
    assert!(said.contains("dog") && said.contains("watchdog"), "{said}");
    assert_eq!(response(Fault::WatchdogFailed), Response::Trip);
}
