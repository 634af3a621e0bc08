//! The stream from its start to its end: from scenes, programs and devices; and what does not start.

use std::fs;
use std::io::pipe;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use voile::base::Micros;
use voile::base::clock::RealClock;
use voile::pipeline::split::Hearing;
use voile::pipeline::{Crossing, Heard, Inward};
use voile::seam::{Inflow, ReportReader};

use super::bench::{PATIENCE, Service, configuration, health, refused};

#[test]
fn a_receiver_gets_the_stream_and_the_end_is_orderly() {
    let service = Service::start("");
    service.streams();
    service.says("redacting: frame");
    let status = |pid: Pid, key: &str| {
        let text = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
        text.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
    };
    for name in ["dark", "lit"] {
        let side = service.side(name);
        assert_eq!((status(side, "Seccomp:"), status(side, "NoNewPrivs:")), ("2".to_owned(), "1".to_owned()), "{name}");
        assert_eq!(status(side, "CapEff:").trim_start_matches('0'), "", "{name}");
    }
    service.tells();
    let (status, folder, _) = service.stop();
    assert!(status.success(), "{status}");
    let told = health(folder.path());
    assert_eq!((&told["state"], &told["trip"]), (&"stopping".into(), &serde_json::Value::Null), "{told}");
    assert!(told["frames"].as_u64() > Some(0) && told["units"].as_u64() > Some(0), "{told}");
    assert_eq!(told["encoder"], "openh264");
    let description = fs::read_to_string(folder.path().join("run/voile.sdp")).unwrap();
    assert!(description.contains("H264/90000") && description.contains("sprop-parameter-sets"), "{description}");
}

#[test]
fn a_duration_ends_it() {
    let (folder, radio) = (tempfile::tempdir().unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut service = Service::again(folder, radio, "", &["--duration", "2"]);
    assert!(service.ended().success(), "{}", service.said());
}

#[test]
fn a_camera_program_gives_the_stream_and_is_started_again() {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        return eprintln!("not run: there is no ffmpeg to stand in for a camera's program");
    }
    let pictures = "-re -f lavfi -i testsrc=size=192x112:rate=20 -pix_fmt yuv420p -f rawvideo -";
    let source = format!("camera.source = \"pipe:ffmpeg -hide_banner -loglevel error {pictures}\"");
    let service = Service::start(&format!("{source}\ncamera.width = 192\ncamera.height = 112\ncamera.fps = 20"));
    let first = service.streams();
    let program = service.child_of(service.side("dark"), "ffmpeg\0");
    kill_process(program, Signal::KILL).unwrap();
    service.says("camera lost");
    let begun = Instant::now();
    while service.streams()[8..12] == first[8..12] {
        assert!(begun.elapsed() < PATIENCE, "{}", service.said());
    }
    // The program dies with the dark side, whoever ends that.
    let program = service.child_of(service.side("dark"), "ffmpeg\0");
    kill_process(service.side("dark"), Signal::KILL).unwrap();
    let begun = Instant::now();
    while Path::new(&format!("/proc/{}/exe", program.as_raw_nonzero())).exists() {
        assert!(begun.elapsed() < PATIENCE, "it lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_real_camera_gives_the_stream_and_serves_one_at_a_time() {
    let Ok(cameras) = std::env::var("VOILE_TEST_CAMERAS") else {
        return eprintln!("not run: VOILE_TEST_CAMERAS names no cameras of a machine to play with");
    };
    for camera in cameras.split(' ') {
        let text = format!("camera.source = \"{camera}\"\ncamera.width = 320\ncamera.height = 180\ncamera.fps = 10");
        let service = Service::start(&text);
        service.streams();
        service.tells();
        let begun = Instant::now();
        // Slates or not is the machine's speed: emulated, a pass takes longer than evidence may be old.
        let told = || health(service.folder.path());
        while told()["units"].as_u64() < Some(10) {
            assert!(begun.elapsed() < PATIENCE, "{}", service.said());
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{camera}: {}", told());
        let folder = tempfile::tempdir().unwrap();
        let (code, said) = refused(folder.path(), &text);
        assert!(code == Some(3) && said.contains(camera), "a second one: {said}");
    }
}

#[test]
fn a_dark_side_that_waits_for_its_camera_says_so() {
    for (fps, says) in [(20, false), (4, true)] {
        let folder = tempfile::tempdir().unwrap();
        // Handed on as the supervisor does.
        let text = configuration(folder.path(), 9, fps, "");
        let ((reports, say), (requests, _ask)) = (pipe().unwrap(), pipe().unwrap());
        let mut dark = Command::new(env!("CARGO_BIN_EXE_voile"))
            .args(["dark", "--begun-us", "0", "--supervisor", &std::process::id().to_string(), "--config"])
            .arg(folder.path().join("voile.toml"))
            .env("VOILE_CONFIGURATION", text)
            .stdin(requests)
            .stdout(say)
            .spawn()
            .unwrap();
        let clock = RealClock::start();
        let (mut hearing, _) = Hearing::open(
            ReportReader::new(Inflow::open(reports.into()).unwrap()),
            &clock,
            Micros::from_ms(100),
            || Ok(()),
        )
        .unwrap();
        let (mut frames, mut pauses) = (0, 0);
        while frames < 8 {
            match hearing.next(Some(PATIENCE)) {
                Heard::Crossing(Crossing::Health(_)) => frames += 1,
                Heard::Crossing(Crossing::Pause) => pauses += 1,
                Heard::Crossing(Crossing::Unit(_)) => {}
                Heard::Crossing(Crossing::Fault(_) | Crossing::End) | Heard::Nothing | Heard::Fault(_) => {
                    panic!("ended")
                }
            }
        }
        assert_eq!(pauses > 0, says, "{pauses} at {fps} frames a second");
        dark.kill().unwrap();
        dark.wait().unwrap();
    }
}

#[test]
fn what_cannot_start_is_one_line_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (text, code, named) in [
        ("[camera]\nsource = \"/dev/video77\"", 3, "/dev/video77"),
        ("[camera]\nsource = \"clip:/nowhere.y4m\"", 3, "/nowhere.y4m"),
        ("[camera]\nsource = \"webcam\"", 2, "scene:SEED"),
        ("[camera]\nsource = \"scene:1\"\nwidth = 193\n", 2, "even sides"),
        ("[camera]\nsource = \"scene:1\"\n[detect]\nmodel = \"/nowhere.onnx\"", 2, "/nowhere.onnx"),
        ("[link]\nurl = \"rtp://ground:1\"", 2, "link.url"),
        ("[interlock]\nheartbeat = \"gpiochip77:3\"\n[camera]\nsource = \"scene:1\"", 2, "gpiochip77"),
    ] {
        let (code_given, said) = refused(folder.path(), text);
        let lines: Vec<_> = said.lines().filter(|line| line.starts_with("voile: ")).collect();
        assert_eq!((code_given, lines.len()), (Some(code), 1), "{text}: {said}");
        assert!(lines[0].contains(named), "{said}");
    }
}
