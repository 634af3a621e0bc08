//! The attacks carried out: each row in a child of its own, outside any sandbox and inside, and the kernel's answers.
//!
//! Inside, an attempt must end the process or be answered with EACCES, EPERM or ENOSYS; any other answer means that the
//! kernel went to work on it.

use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ExitCode};

use crate::attacks::{ATTACKS, Attack, INT80};
use crate::child::{self, SIDES};

/// A system call and its arguments.
pub type Call = (libc::c_long, [usize; 6]);

/// What an attempt is aimed at.
pub struct Aim {
    /// A path outside the lit side's folder.
    pub file: CString,
    /// A running dark side of the same user.
    pub victim: usize,
    /// Its memory as a file.
    pub memory: CString,
    /// Address and length of a buffer here.
    pub here: [usize; 2],
    /// Address and length of as many bytes in the victim.
    pub there: [usize; 2],
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The list of system calls ended the process.
    Killed,
    /// What the call returned: an error number if negative.
    Value(i64),
    /// Anything else.
    Odd(String),
}

impl Answer {
    fn of(child: Child) -> Self {
        let (said, status) = child::outcome(child);
        let value = said.lines().find_map(|line| line.strip_prefix("answer ")).and_then(|value| value.parse().ok());
        match value {
            Some(value) if status.success() => Self::Value(value),
            // Only what comes after this line is the attempt's own doing.
            _ if child::ended_by_the_list(status) && said.ends_with("ready\n") => Self::Killed,
            _ => Self::Odd(match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => format!("ended with {:?}", status.code()),
            }),
        }
    }

    fn is_refusal(&self) -> bool {
        let refusals = [libc::EACCES, libc::EPERM, libc::ENOSYS];
        *self == Self::Killed || refusals.iter().any(|&errno| *self == Self::Value(-i64::from(errno)))
    }

    const fn is_success(&self) -> bool {
        matches!(self, Self::Value(0..))
    }

    /// The kernel found no such file, so that there was nothing to refuse.
    fn is_absent(&self) -> bool {
        *self == Self::Value(-i64::from(libc::ENOENT))
    }

    fn words(&self) -> String {
        match self {
            Self::Killed => "killed (SIGSYS)".to_owned(),
            Self::Value(value @ 0..) => format!("answered {value:#x}"),
            Self::Value(error) => {
                let errno = i32::try_from(-error).unwrap_or_default();
                rustix::io::Errno::from_raw_os_error(errno)
                    .to_string()
                    .split(" (os")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }
            Self::Odd(words) => words.clone(),
        }
    }
}

/// Runs every row from every side it is meant for, prints the table, and counts the rows that are not as they must be.
pub fn run() -> usize {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let mut victim = child::start(&["idle", "dark", folder]);
    // Once it has begun to say its level, it is a dark side.
    victim.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let number = victim.id().to_string();
    let mut failures = 0;
    for (side, name) in SIDES {
        let (level, _) = child::outcome(child::start(&["idle", name, folder]));
        println!("attacks from the {}", level.trim());
        for attack in ATTACKS.iter().filter(|attack| attack.sides.contains(&side)) {
            let answer = |place| Answer::of(child::start(&["attack", place, attack.name, folder, &number]));
            let (outside, inside) = (answer("outside"), answer(name));
            let absent = outside.is_absent() && inside.is_absent();
            let refused = inside.is_refusal() || absent;
            // An ordinary user may not reach a dark side, which cannot be dumped, even from outside.
            let proved = !attack.real || outside.is_success() || !rustix::process::geteuid().is_root();
            failures += usize::from(!refused) + usize::from(!proved);
            let note = match (refused, proved, absent) {
                (false, _, _) => "  <- NOT REFUSED",
                (true, false, _) => "  <- PROVES NOTHING",
                (true, true, true) => "  <- not run: not on this machine",
                (true, true, false) => "",
            };
            println!("  {:34} outside: {:32} inside: {}{note}", attack.name, outside.words(), inside.words());
        }
    }
    drop(victim.stdin.take());
    let _ = fs::remove_file(target());
    assert!(victim.wait().unwrap().success(), "the victim is unharmed");
    failures
}

/// A file that is made outside, and must not be made from inside.
fn target() -> std::path::PathBuf {
    std::env::temp_dir().join("voile-sandbox-attack")
}

/// In the child: enters the side, or stays outside, and makes the attempt.
pub fn inside(place: &str, name: &str, folder: &Path, victim: &str) -> ExitCode {
    let attack = ATTACKS.iter().find(|attack| attack.name == name).expect("an attack of this table");
    let buffer = [0_u64; 1];
    let victims = Path::new("/proc").join(victim);
    let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap();
    let aim = Aim {
        file: path(&target()),
        victim: victim.parse().unwrap(),
        memory: path(&victims.join("mem")),
        here: [buffer.as_ptr().addr(), 8],
        there: [first_address(&victims.join("maps")), 8],
    };
    let (number, a) = (attack.call)(&aim);
    if place != "outside" {
        child::enter(child::side_of(place), folder, "");
    }
    println!("ready");
    let answer = answer(attack, number, a);
    if answer == 0 && number == libc::SYS_clone {
        // The new process, which exists only outside; its parent tells.
        return ExitCode::SUCCESS;
    }
    println!("answer {answer}");
    ExitCode::SUCCESS
}

fn answer(attack: &Attack, number: libc::c_long, a: [usize; 6]) -> i64 {
    #[cfg(target_arch = "x86_64")]
    if attack.name == INT80 {
        let answer: i32;
        // SAFETY: number 20 of the 32-bit calls is getpid, which touches no memory.
        unsafe { std::arch::asm!("int 0x80", inout("eax") 20 => answer) };
        return i64::from(answer);
    }
    // SAFETY: the pointers among the arguments are null, or lead to constants and to `Aim`, which lives on; the process
    // ends right after, whatever the call has done to it.
    let answer = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if answer < 0 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or_default()) } else { answer }
}

/// The first address of a process' first mapping; 0 where that may not be read, as from outside by an ordinary user.
fn first_address(maps: &Path) -> usize {
    let text = fs::read_to_string(maps).unwrap_or_default();
    text.split('-').next().and_then(|address| usize::from_str_radix(address, 16).ok()).unwrap_or_default()
}
