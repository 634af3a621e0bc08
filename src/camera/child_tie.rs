//! What ties a child's life to ours, told to the kernel between fork and exec.
//!
//! The one place of this room with `unsafe`: the standard library lets code run there only so. Does nothing else.

use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// The kernel kills what `command` starts when the thread that starts it ends, however that comes about.
pub(super) fn end_with_us(command: &mut Command) {
    let parent = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died before the kernel knew.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from(ErrorKind::BrokenPipe)) }
    };
    // SAFETY: in the forked child the closure makes two system calls and nothing else. It allocates nothing and takes
    // no lock, as neither error holds anything on the heap.
    unsafe { command.pre_exec(tie) };
}
