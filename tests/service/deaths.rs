//! Sides and supervisors that die, hang, and die again.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use voile::base::Fault;
use voile::interlock::{Response, response};

use super::bench::{PATIENCE, Service, configuration, health};

/// A side dies by `signal`: that is said, and another stream comes, from its start.
fn died(name: &str, signal: Signal, said: &str, fault: Fault) {
    let service = Service::start("");
    let first = service.streams();
    // A running service reloads nothing, also where it starts its sides again.
    fs::write(service.folder.path().join("voile.toml"), "no configuration any more").unwrap();
    kill_process(service.side(name), signal).unwrap();
    service.says(said);
    let begun = Instant::now();
    while service.streams()[8..12] == first[8..12] {
        assert!(begun.elapsed() < PATIENCE, "{}", service.said());
    }
    assert_eq!(response(fault), Response::Slate);
}

#[test]
fn dark_died() {
    died("dark", Signal::KILL, "camera side died (signal: 9", Fault::DarkDied);
}

#[test]
fn lit_died() {
    died("lit", Signal::SEGV, "link side died (signal: 11 (SIGSEGV)", Fault::LitDied);
}

#[test]
fn a_camera_that_never_gave_a_frame_is_not_one_that_was_lost() {
    let mut service = Service::start("camera.source = \"pipe:false\"\ncamera.width = 192\ncamera.height = 112");
    assert_eq!(service.ended().code(), Some(3), "{}", service.said());
    assert!(!service.said().contains("started again"), "{}", service.said());
}

#[test]
fn a_stopped_side_sends_nothing_and_goes_on() {
    let service = Service::start("");
    for name in ["dark", "lit"] {
        service.streams();
        let side = service.side(name);
        kill_process(side, Signal::STOP).unwrap();
        // What was under way comes out, and then nothing.
        let begun = Instant::now();
        while service.packet(None, Duration::from_millis(700)).is_some() {
            assert!(begun.elapsed() < PATIENCE, "{name} still sends");
        }
        kill_process(side, Signal::CONT).unwrap();
        service.streams();
    }
}

#[test]
fn what_a_dead_dark_side_left_behind_is_not_sent() {
    let service = Service::start("");
    let first = service.streams();
    let lit = service.side("lit");
    kill_process(lit, Signal::STOP).unwrap();
    // Pictures gather in the pipe.
    std::thread::sleep(Duration::from_millis(600));
    kill_process(service.side("dark"), Signal::KILL).unwrap();
    while service.packet(None, Duration::from_millis(50)).is_some() {}
    kill_process(lit, Signal::CONT).unwrap();
    let mut units = 0;
    while let Some(packet) = service.packet(None, PATIENCE).filter(|packet| packet[8..12] == first[8..12]) {
        units += u32::from(packet[1] >> 7);
    }
    // One whose last packet was on its way into the kernel when the side was stopped.
    assert!(units <= 1, "{units} units of a stream whose source is dead: {}", service.said());
    service.says("camera side died (signal: 9");
}

#[test]
fn died_too_often() {
    let mut service = Service::start("");
    service.streams();
    service.tells();
    for death in 1..=6 {
        kill_process(service.side("dark"), Signal::KILL).unwrap();
        if death < 6 {
            service.says(&format!("{death} so far"));
        }
    }
    assert_eq!(service.ended().code(), Some(4), "{}", service.said());
    assert!(service.said().contains("tripped: died too often"), "{}", service.said());
    let told = health(service.folder.path());
    assert_eq!((&told["state"], &told["trip"]), (&"tripped".into(), &"died too often".into()), "{told}");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(service.folder.path().join("state/tripped")).unwrap()).unwrap();
    for count in ["frames", "units"] {
        assert_eq!(record[count], told[count], "{record}");
    }
    assert!(record["restarts"].as_u64() >= Some(6), "{record}");
    // What was received before the last death lies in the socket; nothing comes after.
    while service.packet(None, Duration::from_millis(1)).is_some() {}
    assert!(service.packet(None, Duration::from_millis(500)).is_none(), "nothing leaves");
}

#[test]
fn latched() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir_all(&state).unwrap();
    // Cut short by the power: still a trip.
    fs::write(state.join("tripped"), b"{\"fault\":\"enc").unwrap();
    let radio = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut service = Service::again(folder, radio, "", &[]);
    assert_eq!(service.ended().code(), Some(4), "{}", service.said());
    let line = service.said();
    assert!(line.contains("tripped before") && line.contains("reset"), "{line}");
    assert!(service.packet(None, Duration::from_millis(200)).is_none(), "nothing leaves");

    fs::write(service.folder.path().join("state/reset"), b"").unwrap();
    let folder = std::mem::replace(&mut service.folder, tempfile::tempdir().unwrap());
    let radio = service.radio.try_clone().unwrap();
    let service = Service::again(folder, radio, "", &[]);
    service.streams();
    assert!(!service.folder.path().join("state/reset").exists(), "used up");
}

#[test]
fn a_side_whose_supervisor_died_first_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("voile.toml"), configuration(folder.path(), 9, 20, "")).unwrap();
    for side in [&["dark"][..], &["lit", "--runtime", "/tmp", "--deaths", "0", "0"]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_voile"))
            .args(side)
            .args(["--begun-us", "0", "--supervisor", "1", "--config"])
            .arg(folder.path().join("voile.toml"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(5), "{said}");
        assert!(said.contains("supervisor has ended"), "{said}");
    }
}
