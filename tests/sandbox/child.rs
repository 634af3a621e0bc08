//! The program as its own child: what each mode does, and how the parent reads the end of it.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use voile::sandbox::{self, Level, Settings, Side};

use crate::{entry, raid, workload};

/// Both sides, by the name that stands on the command line.
pub const SIDES: [(Side, &str); 2] = [(Side::Dark, "dark"), (Side::Lit, "lit")];

/// Runs one mode in a process that the parent started.
pub fn main(words: &[&str]) -> ExitCode {
    match words {
        ["attack", place, name, folder, victim] => raid::inside(place, name, Path::new(folder), victim),
        ["work", side, folder, left_out] => workload::inside(side_of(side), Path::new(folder), left_out),
        ["idle", side, folder] => {
            println!("{}", enter(side_of(side), Path::new(folder), ""));
            wait_for_end_of_input();
            ExitCode::SUCCESS
        }
        ["entry", case] => entry::inside(case),
        ["camera"] => {
            let mut out = std::io::stdout();
            while out.write_all(&[128; 4096]).is_ok() {}
            ExitCode::SUCCESS
        }
        other => panic!("no mode {other:?}"),
    }
}

/// Which side a word on the command line names.
pub fn side_of(word: &str) -> Side {
    SIDES.into_iter().find(|(_, name)| *name == word).expect("dark or lit").0
}

/// Both steps at once, for a child that opens nothing between them.
pub fn enter(side: Side, folder: &Path, left_out: &str) -> Level {
    let isolated = sandbox::isolate(side, &[]).unwrap();
    sandbox::enter(isolated, &settings(folder, left_out)).unwrap()
}

/// The lowest minimum: the figure is reported, not asked for, as this runs on any kernel.
pub fn settings(folder: &Path, left_out: &str) -> Settings {
    let left_out = Some(left_out.to_owned()).filter(|name| !name.is_empty());
    Settings { minimum: Level::MIN, writable: vec![folder.to_owned()], left_out }
}

/// This program again, with pipes at both ends and no environment.
pub fn start(words: &[&str]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg("child")
        .args(words)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(if std::env::var_os("VERBOSE").is_some() { Stdio::inherit() } else { Stdio::null() })
        .spawn()
        .unwrap()
}

/// What a child wrote and how it ended.
pub fn outcome(mut child: Child) -> (String, ExitStatus) {
    // Its end of input lets an idle one end.
    drop(child.stdin.take());
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (said, child.wait().unwrap())
}

/// Whether the kernel ended the child for a system call that is not listed.
pub fn ended_by_the_list(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGSYS)
}

fn wait_for_end_of_input() {
    let mut nothing = [0; 1];
    while std::io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
}
