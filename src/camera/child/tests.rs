//! Children that talk, flood, linger and are left behind.

use std::path::Path;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn shell(script: &str, tie: Tie) -> (Running, Output) {
    Running::start(OsStr::new("sh"), ["-c", script].map(OsStr::new), tie).unwrap()
}

/// Waits for something that is bound to happen.
fn soon(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(LOOK);
    }
}

/// Whether a process runs. One that has ended and was not waited for does not.
fn runs(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[test]
fn the_last_line_survives_a_flood_and_nobody_waits() {
    let flood = "i=0; while [ $i -lt 3000 ]; do echo line $i of a long complaint about nothing; i=$((i+1)); done >&2";
    for tie in [Tie::OwnGroup, Tie::WithUs] {
        let (running, mut stdout) = shell(&format!("{flood}; printf 'the\\tend\\n\\n' >&2; exit 7"), tie);
        let mut nothing = Vec::new();
        stdout.read_to_end(&mut nothing).unwrap();
        let end = running.end(PATIENCE).unwrap();
        assert_eq!(end.ending(), "exit status 7");
        assert_eq!(end.last_line().as_deref(), Some("the end"));
        assert!(end.tail.len() <= TAIL && end.mentions("line 2999"));
        let words = locked(&stdout.words);
        assert!(words.tail.capacity() <= TAIL + CHUNK, "never grown: {}", words.tail.capacity());
    }
}

#[test]
fn words_after_the_output_has_ended_are_heard_to_the_last() {
    let script =
        "exec >&-; i=0; while [ $i -lt 3000 ]; do echo line $i of what a pipe cannot hold; i=$((i+1)); done >&2";
    let (running, mut stdout) = shell(script, Tie::WithUs);
    assert_eq!(stdout.read(&mut [0; 1]).unwrap(), 0);
    let end = running.end(PATIENCE).unwrap();
    assert!(end.success() && end.mentions("line 2999"), "{}", end.ending());
}

#[test]
fn a_wait_ends_in_time_although_the_child_never_stops_talking() {
    let (_running, stdout) = shell("while :; do echo still nothing to show; done >&2", Tie::WithUs);
    assert!(!stdout.wait(Some(Duration::from_millis(50))).unwrap());
    let (_running, stdout) = shell("echo x; exec sleep 600", Tie::WithUs);
    assert!(stdout.wait(Some(PATIENCE)).unwrap());
}

#[test]
fn a_dropped_child_is_killed_with_its_own_children_and_reaped() {
    let (running, mut stdout) = shell("sleep 600 & echo $!; wait", Tie::OwnGroup);
    let mut first = [0; 1];
    stdout.read_exact(&mut first).unwrap();
    let child = running.child.id();
    drop(running);
    assert!(!Path::new(&format!("/proc/{child}")).exists(), "reaped");
    // The grandchild holds the pipe: it ends only when that one is gone too.
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_child_that_lingers_is_killed_when_patience_ends() {
    let (running, mut stdout) = shell("echo wait >&2; exec >&-; exec sleep 600", Tie::WithUs);
    assert_eq!(stdout.read(&mut [0; 1]).unwrap(), 0);
    let end = running.end(Duration::from_millis(50)).unwrap();
    assert_eq!((end.ending().as_str(), end.last_line().as_deref()), ("signal 9", Some("wait")));
}

/// Not a test of its own: [`a_child_tied_to_us_dies_with_us`] runs it as a process that it can kill.
#[test]
fn one_that_is_killed() {
    let Some(note) = std::env::var_os("LEAF_NOTE") else { return };
    // It ignores the closed pipe, and neither reads nor writes.
    let (running, _stdout) = shell("trap '' PIPE HUP TERM; while :; do sleep 600; done", Tie::WithUs);
    std::fs::write(&note, running.child.id().to_string()).unwrap();
    thread::sleep(PATIENCE);
}

#[test]
fn a_child_tied_to_us_dies_with_us() {
    let directory = tempfile::tempdir().unwrap();
    let note = directory.path().join("number");
    let module = module_path!().split_once("::").unwrap().1;
    let mut ours = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::one_that_is_killed"), "--test-threads=1"])
        .env("LEAF_NOTE", &note)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let number = || std::fs::read_to_string(&note).unwrap_or_default();
    soon("the child was started", || !number().is_empty() && runs(&number()));
    let child = number();
    // Killed outright, so that nothing of ours could have ended the child.
    ours.kill().unwrap();
    ours.wait().unwrap();
    soon("the kernel killed the child", || !runs(&child));
}
