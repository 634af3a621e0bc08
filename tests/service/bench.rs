//! A running service with folders and a port of its own, and what it sends and says.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than anything here takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration for a service in `folder`; `more` is keys with their sections' names in front (`detect.model = …`).
pub fn configuration(folder: &Path, port: u16, fps: u32, more: &str) -> String {
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
pub struct Service {
    pub child: Child,
    pub radio: UdpSocket,
    pub folder: TempDir,
}

impl Service {
    pub fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let radio = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self::again(folder, radio, more, &[])
    }

    pub fn again(folder: TempDir, radio: UdpSocket, more: &str, arguments: &[&str]) -> Self {
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
    pub fn packet(&self, wanted: Option<u8>, patience: Duration) -> Option<Vec<u8>> {
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
    pub fn streams(&self) -> Vec<u8> {
        self.packet(Some(7), PATIENCE).unwrap_or_else(|| panic!("no stream: {}", self.said()))
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    pub fn says(&self, what: &str) {
        let begun = Instant::now();
        while !self.said().contains(what) {
            assert!(begun.elapsed() < PATIENCE, "{what:?} was not said: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process of a side, as the process list shows it.
    pub fn side(&self, name: &str) -> Pid {
        self.child_of(Pid::from_child(&self.child), &format!("voile\0{name}\0"))
    }

    /// A process that `parent` has started, by the beginning of its command line.
    pub fn child_of(&self, parent: Pid, line: &str) -> Pid {
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

    pub fn stop(mut self) -> (ExitStatus, TempDir, UdpSocket) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.ended();
        (status, std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), self.radio.try_clone().unwrap())
    }

    pub fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it did not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until health is told.
    pub fn tells(&self) {
        let begun = Instant::now();
        while !self.folder.path().join("run/health.json").exists() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn health(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("run/health.json")).unwrap()).unwrap()
}

/// Runs the service with this configuration, its latch in `folder`, to its end: the exit code, and what was said.
pub fn refused(folder: &Path, text: &str) -> (Option<i32>, String) {
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
