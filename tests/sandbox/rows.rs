//! No row of a side's table is spare: without it the side's own work ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use voile::sandbox::rows;

use crate::child::{self, SIDES};
use crate::workload::STOP_ME;

/// How long a child may take to fall asleep or to stop, far above what any machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the work whole and then without each row in turn, prints the table, and counts the rows that were not missed.
pub fn run() -> usize {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let mut failures = 0;
    for (side, name) in SIDES {
        let whole = work(name, folder, "");
        println!("rows of the {side} side; all of them: {}", words(whole));
        failures += usize::from(!whole.success());
        for row in rows(side) {
            let without = work(name, folder, row.name);
            let missed = child::ended_by_the_list(without);
            failures += usize::from(!missed);
            let note = if missed { "" } else { "  <- SPARE" };
            println!("  {:32} without it: {:16} {}{note}", row.name, words(without), row.why);
        }
    }
    failures
}

/// One run of the work without `left_out`: a signal, a stop and a byte when it asks for them.
fn work(side: &str, folder: &str, left_out: &str) -> ExitStatus {
    let mut child = child::start(&["work", side, folder, left_out]);
    let pid = Pid::from_child(&child);
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let asked = said.by_ref().lines().map_while(Result::ok).any(|line| line == STOP_ME);
    if asked && state(pid, 'S') {
        kill_process(pid, Signal::STOP).unwrap();
        if state(pid, 'T') {
            kill_process(pid, Signal::CONT).unwrap();
        }
        // A child that died of the stop is a zombie until it is waited for, so these still find it.
        if state(pid, 'S') {
            kill_process(pid, Signal::TERM).unwrap();
        }
        if state(pid, 'S') {
            let _ = child.stdin.take().unwrap().write_all(b".");
        }
    }
    let _ = said.read_to_end(&mut Vec::new());
    child.wait().unwrap()
}

/// Waits until all threads of the child are in the state that /proc writes as `letter`; false when it has ended
/// instead.
fn state(pid: Pid, letter: char) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let states = states(pid);
        if states.is_empty() || states.contains(['Z', 'X']) {
            return false;
        }
        if states.chars().all(|state| state == letter) {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}

/// The letters of all threads.
fn states(pid: Pid) -> String {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return String::new() };
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    texts.filter_map(|text| text.rsplit(") ").next()?.chars().next()).collect()
}

fn words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(libc::SIGSYS), _) => "killed (SIGSYS)".to_owned(),
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(0)) => "good".to_owned(),
        (None, code) => format!("ended with {code:?}"),
    }
}
