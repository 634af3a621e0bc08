//! The one leaf of this room with `unsafe`: kernel calls that Rust cannot vouch for.
//!
//! Each function states why the call is sound for its callers in this room; none decides anything, and none is public
//! outside the room.

use std::ffi::c_void;
use std::io;
use std::os::fd::RawFd;

use rustix::mm::{self, Advice};
use rustix::thread::UnshareFlags;

/// Closes every descriptor from `first` to `last`, both included. Linux 5.9 or newer.
///
/// # Errors
/// `ENOSYS` on an older kernel.
pub(super) fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    let (first, last) = (first.unsigned_abs(), last.unsigned_abs());
    // SAFETY: no memory is passed. Closing what another value owns would let it act on a stranger's descriptor later;
    // `isolate` calls this first thing after exec, when no value owns a descriptor above 2 that is not kept.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves this thread, and with `NEWUSER` a process that must have no other thread, into namespaces of its own.
///
/// # Errors
/// What the kernel says: `EPERM` or `ENOSPC` where namespaces are not allowed, `EINVAL` with more threads than one.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    debug_assert!(!namespaces.contains(UnshareFlags::FILES), "descriptors stay shared");
    // SAFETY: the danger is a descriptor table that threads no longer share; `FILES` is never among the flags.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Gives the two signals of a bad memory access back to the kernel, which ends the process by them.
pub(super) fn crash_by_own_signal() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the kernel's own response runs none of our code. It replaces the runtime's, which only tells an
        // overflow of the stack from other crashes, and whose stack for it stays in place. It cannot fail for these two.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Keeps the pages of `memory` in RAM, and faults them in.
///
/// # Errors
/// `ENOMEM` or `EPERM` when `RLIMIT_MEMLOCK` is too small.
pub(super) fn lock(memory: &mut [u8]) -> io::Result<()> {
    // SAFETY: the range is that of a live slice; locking changes no byte and no mapping.
    Ok(unsafe { mm::mlock(memory.as_mut_ptr().cast::<c_void>(), memory.len()) }?)
}

/// Leaves the pages of `memory` out of core dumps. Neighbours on the first and last page are left out as well.
///
/// # Errors
/// What the kernel says; it has no reason to refuse memory of this process.
pub(super) fn leave_out_of_dumps(memory: &mut [u8]) -> io::Result<()> {
    // SAFETY: no memory is passed. (rustix would ask the kernel, with a call that is not listed.)
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let start = memory.as_mut_ptr();
    let lead = start.addr().checked_rem(usize::try_from(page).unwrap_or_default()).unwrap_or_default();
    // SAFETY: the range covers a live slice and the rest of its first page, which is mapped as a whole; `DONTDUMP`
    // changes no byte and no protection.
    Ok(unsafe { mm::madvise(start.wrapping_sub(lead).cast::<c_void>(), memory.len() + lead, Advice::LinuxDontDump) }?)
}
