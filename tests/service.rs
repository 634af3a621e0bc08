//! The service as two real processes: a stream over a real socket, sides that are killed, stopped and lied to.
//!
//! Each test starts `voile run` on a small synthetic scene, with folders and a port of its own. What can only be timed on
//! an idle machine is in `scripts/kill-sides`, not here.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::fs;
use std::io::{Write, pipe};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State as Level, Transaction};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use voile::base::clock::RealClock;
use voile::base::{Fault, Micros};
use voile::interlock::{Heartbeat, Interlock, Response, response};
use voile::pipeline::split::Hearing;
use voile::pipeline::{Crossing, Heard, Inward};
use voile::seam::{Inflow, ReportReader};

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration for a service in `folder`; `more` is keys with their sections' names in front (`detect.model = …`).
fn configuration(folder: &Path, port: u16, fps: u32, more: &str) -> String {
    let scene = format!("camera.source = \"scene:5\"\ncamera.width = 192\ncamera.height = 112\ncamera.fps = {fps}");
    let source = if more.contains("camera.source") { "" } else { &scene };
    format!(
        "{more}\n{source}\ndetect.every = 2\n\
         interlock.state = \"{state}\"\ninterlock.sandbox_min = 1\n\
         link.url = \"rtp://127.0.0.1:{port}\"\nlink.sdp = \"{sdp}\"\n",
        sdp = folder.join("run/voile.sdp").display(),
        state = folder.join("state").display()
    )
}

/// A running service, what it sends, and what it says.
struct Service {
    child: Child,
    radio: UdpSocket,
    folder: TempDir,
}

impl Service {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let radio = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self::again(folder, radio, more, &[])
    }

    fn again(folder: TempDir, radio: UdpSocket, more: &str, arguments: &[&str]) -> Self {
        radio.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (path, port) = (folder.path(), radio.local_addr().unwrap().port());
        fs::write(path.join("voile.toml"), configuration(path, port, 20, more)).unwrap();
        let errors = fs::File::options().create(true).append(true).open(path.join("stderr")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_voile"))
            .arg("run")
            .arg("--config")
            .arg(path.join("voile.toml"))
            .args(arguments)
            .env("RUNTIME_DIRECTORY", path.join("run"))
            .env("RUST_LOG", "info")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("INVOCATION_ID")
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        Self { child, radio, folder }
    }

    /// The next packet with this NAL unit type (H.264), or any; `None` if none comes in time.
    fn packet(&self, wanted: Option<u8>, patience: Duration) -> Option<Vec<u8>> {
        let begun = Instant::now();
        let mut memory = [0; 4096];
        while begun.elapsed() < patience {
            if let Ok(length) = self.radio.recv(&mut memory)
                && wanted.is_none_or(|wanted| length > 12 && memory[12] & 31 == wanted)
            {
                return Some(memory[..length].to_vec());
            }
        }
        None
    }

    /// Waits for the parameter sets with which every group begins.
    fn streams(&self) -> Vec<u8> {
        self.packet(Some(7), PATIENCE).unwrap_or_else(|| panic!("no stream: {}", self.said()))
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    fn says(&self, what: &str) {
        let begun = Instant::now();
        while !self.said().contains(what) {
            assert!(begun.elapsed() < PATIENCE, "{what:?} was not said: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process of a side, as the process list shows it.
    fn side(&self, name: &str) -> Pid {
        self.child_of(Pid::from_child(&self.child), &format!("voile\0{name}\0"))
    }

    /// A process that `parent` has started, by the beginning of its command line.
    fn child_of(&self, parent: Pid, line: &str) -> Pid {
        let begun = Instant::now();
        loop {
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
                let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
                let above = read("stat").rsplit(')').next().and_then(|rest| rest.split(' ').nth(2).map(str::to_owned));
                if above == Some(parent.to_string()) && read("cmdline").starts_with(line) {
                    return Pid::from_raw(pid).unwrap();
                }
            }
            assert!(begun.elapsed() < PATIENCE, "no {line:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn stop(mut self) -> (ExitStatus, TempDir, UdpSocket) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.ended();
        (status, std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), self.radio.try_clone().unwrap())
    }

    fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn health(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("run/health.json")).unwrap()).unwrap()
}

#[test]
fn a_receiver_gets_the_stream_and_the_end_is_orderly() {
    let service = Service::start("");
    service.streams();
    let status = |pid: Pid, key: &str| {
        let text = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
        text.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
    };
    for name in ["dark", "lit"] {
        let side = service.side(name);
        assert_eq!((status(side, "Seccomp:"), status(side, "NoNewPrivs:")), ("2".to_owned(), "1".to_owned()), "{name}");
        assert_eq!(status(side, "CapEff:").trim_start_matches('0'), "", "{name}");
    }
    let begun = Instant::now();
    while !service.folder.path().join("run/health.json").exists() {
        assert!(begun.elapsed() < PATIENCE, "{}", service.said());
        std::thread::sleep(Duration::from_millis(20));
    }
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

/// A side dies by `signal`: that is said, and another stream comes, from its start.
fn died(name: &str, signal: Signal, said: &str, fault: Fault) {
    let service = Service::start("");
    let first = service.streams();
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
        let begun = Instant::now();
        // Slates or not is the machine's speed: emulated, a pass takes longer than evidence may be old.
        let told = || health(service.folder.path());
        while !service.folder.path().join("run/health.json").exists() || told()["units"].as_u64() < Some(10) {
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
    for death in 1..=6 {
        kill_process(service.side("dark"), Signal::KILL).unwrap();
        if death < 6 {
            service.says(&format!("{death} so far"));
        }
    }
    assert_eq!(service.ended().code(), Some(4), "{}", service.said());
    assert!(service.said().contains("tripped: died too often"), "{}", service.said());
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

#[test]
fn seam_garbled() {
    let clock = RealClock::start();
    for (bytes, expected) in [(&b"voile_frames_total 1\n"[..], Fault::SeamGarbled), (b"", Fault::DarkDied)] {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(bytes).unwrap();
        drop(writer);
        let heard = Hearing::open(ReportReader::new(Inflow::open(reader.into()).unwrap()), &clock);
        assert_eq!(heard.err(), Some(expected));
    }
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
    let more = format!("interlock.heartbeat = \"{}:heartbeat\"", chip.trim_start_matches("/dev/"));
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
fn a_dark_side_that_waits_for_its_camera_says_so() {
    for (fps, says) in [(20, false), (4, true)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("voile.toml"), configuration(folder.path(), 9, fps, "")).unwrap();
        let ((reports, say), (requests, _ask)) = (pipe().unwrap(), pipe().unwrap());
        let mut dark = Command::new(env!("CARGO_BIN_EXE_voile"))
            .args(["dark", "--begun-us", "0", "--supervisor", &std::process::id().to_string(), "--config"])
            .arg(folder.path().join("voile.toml"))
            .stdin(requests)
            .stdout(say)
            .spawn()
            .unwrap();
        let clock = RealClock::start();
        let (mut hearing, _) = Hearing::open(ReportReader::new(Inflow::open(reports.into()).unwrap()), &clock).unwrap();
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

/// Runs the service with this configuration, its latch in `folder`, to its end: the exit code, and what was said.
fn refused(folder: &Path, text: &str) -> (Option<i32>, String) {
    let (config, state) = (folder.join("voile.toml"), folder.join("state"));
    let state = format!("[interlock]\nstate = \"{}\"\n", state.display());
    let text = match text.split_once("[interlock]\n") {
        Some((before, after)) => format!("{before}{state}{after}"),
        None => format!("{text}\n{state}"),
    };
    fs::write(&config, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_voile"))
        .args(["run", "--config"])
        .arg(&config)
        .env("RUNTIME_DIRECTORY", folder.join("run"))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
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
