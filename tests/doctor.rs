//! `voile doctor`: what it says of a board that can fly, and the line and the mend for each that cannot.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use tempfile::TempDir;

struct Board(TempDir);

impl Board {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The doctor's command for a configuration of whole sections; the latch's folder is added to the last of them.
    fn command(&self, text: &str) -> Command {
        let state = format!("state = \"{}\"", self.path("state").display());
        let text = if text.contains("[interlock]") {
            format!("{text}\n{state}")
        } else {
            format!("{text}\n[interlock]\n{state}")
        };
        fs::write(self.path("voile.toml"), format!("{text}\nsandbox_min = 1\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_voile"));
        command.args(["doctor", "--config"]).arg(self.path("voile.toml"));
        command.env("RUNTIME_DIRECTORY", self.path("run")).env_remove("RUST_LOG");
        command
    }

    fn asked(&self, text: &str) -> (Output, String) {
        let output = self.command(text).output().unwrap();
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output, said)
    }
}

/// The line of a part.
fn line<'a>(said: &'a str, part: &str) -> &'a str {
    let of = |line: &str| line.split_whitespace().nth(1) == Some(part) && !line.contains(" = ");
    said.lines().find(|line| of(line)).unwrap_or_else(|| panic!("nothing on {part}: {said}"))
}

const SCENE: &str =
    "[camera]\nsource = \"scene:1\"\nwidth = 320\nheight = 192\n[link]\nurl = \"rtp://127.0.0.1:5600\"\n";

#[test]
fn a_board_that_can_fly_is_told_part_by_part() {
    let board = Board::new();
    let (output, said) = board.asked(SCENE);
    println!("{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    for (part, verdict, named) in [
        ("sandbox", "ok", "dark side"),
        ("clock", "ok", "Z"),
        ("storage", "ok", "MiB free"),
        ("latch", "ok", "no trip"),
        ("model", "ok", "SHA-256"),
        ("camera", "ok", "320x192 I420, 30/1 frames a second"),
        ("encoder", "ok", "H.264, 320x192 by openh264"),
        ("canary", "ok", "covered, "),
        ("height", "ok", "30 m"),
        ("heartbeat", "warn", "[interlock] heartbeat"),
        ("cover", "ok", "none"),
        ("watchdog", "warn", "[interlock] watchdog"),
        ("link", "ok", "127.0.0.1:5600"),
    ] {
        let line = line(&said, part);
        assert!(line.starts_with(verdict) && line.contains(named), "{line}");
    }
    assert!(said.contains("lit side") && said.contains("system calls listed"), "both sides");
    assert!(said.contains("source = \"scene:1\"") && said.contains("lookahead_ms = 250"), "the file as understood");
    let left: Vec<_> = fs::read_dir(board.path("state")).unwrap().collect();
    assert!(left.is_empty(), "it leaves nothing behind: {left:?}");
}

#[test]
fn each_part_that_fails_has_its_line_and_the_mend() {
    let board = Board::new();
    let (model, tests) = (board.path("model.onnx"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models"));
    fs::copy(tests.join("bright.onnx"), &model).unwrap();
    fs::write(board.path("model.onnx.sha256"), "00".repeat(32)).unwrap();
    let with_model = |path: &Path| format!("{SCENE}[detect]\nmodel = \"{}\"\n", path.display());
    for (text, part, named) in [
        ("[camera]\nsource = \"/dev/video77\"\n".to_owned(), "camera", "/dev/video77"),
        ("[camera]\nsource = \"clip:/nowhere.y4m\"\n".to_owned(), "camera", "/nowhere.y4m"),
        (with_model(&model), "model", "SHA-256"),
        (with_model(&tests.join("blind.onnx")), "canary", "leave detect.model out"),
        (format!("{SCENE}[interlock]\nheartbeat = \"gpiochip77:3\""), "heartbeat", "gpiochip77"),
        (format!("{SCENE}[interlock]\ncover = \"NO-SUCH-LINE\""), "cover", "gpioinfo"),
        (format!("{SCENE}[interlock]\nled = \"gpiochip77:4\""), "led", "gpiochip77"),
        (SCENE.to_owned() + "sdp = \"/no-such-folder/voile.sdp\"", "sdp", "make it"),
        (format!("{SCENE}[interlock]\nwatchdog = \"/dev/null77\""), "watchdog", "driver"),
        (SCENE.replace("127.0.0.1", "239.0.0.7") + "interface = \"radio77\"", "link", "link.interface"),
    ] {
        let (output, said) = board.asked(&text);
        let line = line(&said, part);
        assert!(line.starts_with("fail") && line.contains(named), "{line}");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("fail")).count(), 1, "nothing else: {said}");
        println!("{line}");
    }
}

#[test]
fn a_latched_trip_is_told_and_not_touched() {
    let board = Board::new();
    fs::create_dir(board.path("state")).unwrap();
    fs::write(board.path("state/tripped"), b"{").unwrap();
    fs::write(board.path("state/reset"), b"").unwrap();
    let (output, said) = board.asked(SCENE);
    assert_eq!(output.status.code(), Some(1));
    assert!(line(&said, "latch").starts_with("fail") && line(&said, "latch").contains("touch"), "{said}");
    assert!(board.path("state/tripped").exists() && board.path("state/reset").exists());
}

#[test]
fn storage_that_is_read_only_is_told() {
    let board = Board::new();
    fs::create_dir(board.path("state")).unwrap();
    let tried =
        Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none"]).arg(board.path("state")).output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        return eprintln!("not run: nothing can be mounted here ({tried:?})");
    }
    let doctor = board.command(SCENE);
    let mut mounted = Command::new("unshare");
    mounted.args(["--mount", "sh", "-c", "mount -t tmpfs -o ro none \"$0\" && shift && exec \"$@\""]);
    mounted.arg(board.path("state")).arg("-").arg(doctor.get_program()).args(doctor.get_args());
    mounted.env("RUNTIME_DIRECTORY", board.path("run"));
    let output = mounted.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let line = line(&said, "storage");
    assert!(line.starts_with("fail") && line.contains("mount it writable"), "{said}");
    println!("{line}");
}

#[test]
fn on_a_real_kernel_lines_and_watchdog_are_found_and_a_clock_that_was_never_set() {
    let (Ok(chip), Ok(dog)) = (std::env::var("VOILE_TEST_GPIOCHIP"), std::env::var("VOILE_TEST_WATCHDOG")) else {
        return eprintln!(
            "not run: VOILE_TEST_GPIOCHIP and VOILE_TEST_WATCHDOG name no devices of a machine to play with"
        );
    };
    let chip = chip.trim_start_matches("/dev/");
    let board = Board::new();
    let lines = format!("heartbeat = \"{chip}:heartbeat\"\nled = \"{chip}:led\"\ncover = \"{chip}:cover\"");
    let text = format!("{SCENE}[interlock]\n{lines}\nwatchdog = \"{dog}\"");
    let (output, said) = board.asked(&text);
    println!("{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(", 0 warn, 0 fail"), "{said}");
    let set = |seconds: u64| Command::new("date").args(["-s", &format!("@{seconds}")]).output().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(set(259_205).status.success());
    let (output, said) = board.asked(&text);
    set(now);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(line(&said, "clock").starts_with("fail") && line(&said, "clock").contains("1970-01-0"), "{said}");
    println!("{}", line(&said, "clock"));
}

#[test]
fn a_configuration_that_cannot_be_read_is_one_line() {
    let board = Board::new();
    let output = board.command("[mask]\nmargn = 9\n").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("`margin`"), "{said}");
}
