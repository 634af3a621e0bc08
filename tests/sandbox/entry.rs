//! The way in: what stops a side from entering, and what holds between the two steps.

use std::fs::File;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use voile::sandbox::{self, Level, Settings, Side};

use crate::child;

/// A case, and what the child must say about it.
const CASES: [(&str, &[&str]); 7] = [
    ("threads", &["threads run already", "early bird", "start them after entering"]),
    ("socket", &["descriptor", "is a socket", "dark side"]),
    ("writable file", &["is a file to write"]),
    ("minimum", &["asks for 4"]),
    ("folder", &["/nowhere/voile", "RuntimeDirectory"]),
    ("inherited", &["closed: true, kept: true"]),
    ("between", &["udp PermissionDenied, tcp PermissionDenied, local true, program's udp PermissionDenied"]),
];

/// Runs every case and counts those that did not say what they must.
pub fn run() -> usize {
    println!("the way in");
    let mut failures = 0;
    for (case, words) in CASES {
        let (said, status) = child::outcome(child::start(&["entry", case]));
        let said = said.trim();
        let wanted = words.iter().all(|word| said.contains(word)) && status.success();
        // With all memory locked and a new kernel there is no figure to miss.
        let top = case == "minimum" && said.contains("4 of 4");
        failures += usize::from(!wanted && !top);
        println!("  {case:14} {said}{}", if wanted || top { "" } else { "  <- WRONG" });
    }
    failures
}

/// In the child: one case.
pub fn inside(case: &str) -> ExitCode {
    let least = || Settings { minimum: Level::MIN, ..Settings::default() };
    let dark =
        |settings: &Settings| tell(sandbox::isolate(Side::Dark, &[]).and_then(|side| sandbox::enter(side, settings)));
    match case {
        "threads" => {
            let early = thread::Builder::new().name("early bird".to_owned());
            let _waits = early.spawn(thread::park).unwrap();
            dark(&least());
        }
        "socket" => {
            let isolated = sandbox::isolate(Side::Dark, &[]).unwrap();
            let _socket = UnixDatagram::unbound().unwrap();
            tell(sandbox::enter(isolated, &least()));
        }
        "writable file" => {
            let isolated = sandbox::isolate(Side::Dark, &[]).unwrap();
            let _file = tempfile::tempfile().unwrap();
            tell(sandbox::enter(isolated, &least()));
        }
        "minimum" => dark(&Settings { minimum: Level::MAX, ..Settings::default() }),
        "folder" => {
            let settings = Settings { writable: vec!["/nowhere/voile".into()], ..least() };
            tell(sandbox::isolate(Side::Lit, &[]).and_then(|side| sandbox::enter(side, &settings)));
        }
        "inherited" => inherited(),
        "between" => {
            let _isolated = sandbox::isolate(Side::Dark, &[]).unwrap();
            let program = Command::new(std::env::current_exe().unwrap()).args(["child", "entry", "program"]).output();
            let program = String::from_utf8(program.unwrap().stdout).unwrap();
            println!(
                "udp {}, tcp {}, local {}, program's udp {program}",
                kind(UdpSocket::bind("127.0.0.1:0")),
                kind(TcpStream::connect("127.0.0.1:9")),
                UnixDatagram::unbound().is_ok()
            );
        }
        "program" => print!("{}", kind(UdpSocket::bind("127.0.0.1:0"))),
        other => panic!("no case {other:?}"),
    }
    ExitCode::SUCCESS
}

fn tell(answer: Result<Level, sandbox::SandboxError>) {
    match answer {
        Ok(level) => println!("entered: {level}"),
        Err(error) => println!("{error}"),
    }
}

fn kind<T>(answer: std::io::Result<T>) -> String {
    answer.err().map_or("allowed".to_owned(), |error| format!("{:?}", error.kind()))
}

/// Two descriptors as an exec leaves them; one is kept.
fn inherited() {
    let (closed, kept) = (File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap());
    let (closed_number, kept_number) = (closed.as_raw_fd(), kept.as_raw_fd());
    // Nothing may own what another closes.
    std::mem::forget(closed);
    let _isolated = sandbox::isolate(Side::Lit, &[kept_number]).unwrap();
    let is_open = |number: i32| Path::new("/proc/self/fd").join(number.to_string()).exists();
    println!("closed: {}, kept: {}", !is_open(closed_number), is_open(kept_number));
}
