//! What a process may do beyond its descriptors: privileges, capabilities, dumps, limits and namespaces.
//!
//! Everything here is per process or for the only thread there is; [`super::enter`] has counted the threads.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, set_dumpable_behavior, setrlimit};
use rustix::process::{getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, no_new_privs, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

use super::{Namespaces, SandboxError, kernel};

/// No program that is run can bring privileges.
///
/// # Errors
/// [`SandboxError::Refused`], which no kernel since 3.5 should give.
pub(super) fn no_new_privileges() -> Result<(), SandboxError> {
    let refused =
        |source: rustix::io::Errno| SandboxError::Refused { what: "no new privileges", source: source.into() };
    set_no_new_privs(true).map_err(refused)?;
    held("no new privileges", no_new_privs().map_err(refused)?)
}

/// No debugger attaches, no core is written, and /proc/PID belongs to root.
///
/// # Errors
/// [`SandboxError::Refused`].
pub(super) fn no_dumps() -> Result<(), SandboxError> {
    let refused = |source: rustix::io::Errno| SandboxError::Refused { what: "no dumps", source: source.into() };
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(refused)?;
    held("no dumps", dumpable_behavior().map_err(refused)? == DumpableBehavior::NotDumpable)
}

/// No file grows: whatever is open for writing as a plain file by mistake takes nothing.
///
/// # Errors
/// [`SandboxError::Refused`].
pub(super) fn no_file_growth() -> Result<(), SandboxError> {
    setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|source| SandboxError::Refused { what: "no file growth", source: source.into() })
}

/// Empties the capability sets, and the bounding set where this process may; gives whether that one is empty too.
///
/// # Errors
/// [`SandboxError::Refused`].
pub(super) fn no_capabilities() -> Result<bool, SandboxError> {
    let refused = |source: rustix::io::Errno| SandboxError::Refused { what: "no capabilities", source: source.into() };
    let mut bounding_empty = true;
    // The kernel says where its list ends.
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) => bounding_empty &= remove_capability_from_bounding_set(capability).is_ok(),
            Ok(false) => {}
            Err(_) => break,
        }
    }
    clear_ambient_capability_set().map_err(refused)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).map_err(refused)?;
    let left = capabilities(None).map_err(refused)?;
    held("no capabilities", (left.effective | left.permitted | left.inheritable).is_empty())?;
    Ok(bounding_empty)
}

/// Namespaces for the dark side, as many as the kernel allows: an empty network first of all.
///
/// Not among them: a process namespace holds only for children, and its first child's end would forbid all others,
/// which a pipe camera that is started anew needs; a mount namespace hides nothing that Landlock and the list of system
/// calls do not refuse already.
pub(super) fn own_namespaces() -> Namespaces {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let (user, net, ipc) = (UnshareFlags::NEWUSER, UnshareFlags::NEWNET, UnshareFlags::NEWIPC);
    // Without a namespace of users only root may have the others.
    for wanted in [user | net | ipc, user | net, net | ipc] {
        if kernel::unshare(wanted).is_err() {
            continue;
        }
        if wanted.contains(user) {
            // The numbers stay what they are, for the camera's program. Nothing depends on it, so a refusal is no
            // matter.
            let _ = fs::write("/proc/self/setgroups", "deny");
            let _ = fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"));
            let _ = fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"));
        }
        return Namespaces { user: wanted.contains(user), net: wanted.contains(net), ipc: wanted.contains(ipc) };
    }
    Namespaces::default()
}

/// Refuses to go on with more than one thread: Landlock and capabilities hold for the calling one alone.
///
/// # Errors
/// [`SandboxError::Threads`] names them, [`SandboxError::Proc`] that /proc cannot be read.
pub(super) fn only_one_thread() -> Result<(), SandboxError> {
    // A thread that has just been joined stays on the kernel's list for a moment.
    let mut names = threads()?;
    for _ in 0..LEAVING {
        if names.len() == 1 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(2));
        names = threads()?;
    }
    if names.len() == 1 { Ok(()) } else { Err(SandboxError::Threads { names: names.join(", ") }) }
}

/// How often the list of threads is read again, 2 ms apart.
const LEAVING: usize = 50;

/// The names of this process' threads.
fn threads() -> Result<Vec<String>, SandboxError> {
    let folder = Path::new("/proc/self/task");
    let unreadable = |source| SandboxError::Proc { path: folder.to_owned(), source };
    let list = fs::read_dir(folder).map_err(unreadable)?;
    list.map(|thread| {
        let name = fs::read_to_string(thread.map_err(unreadable)?.path().join("comm")).unwrap_or_default();
        Ok(name.trim().to_owned())
    })
    .collect()
}

/// What was set is read back: a kernel or an emulator that says yes and does nothing is not believed.
fn held(what: &'static str, holds: bool) -> Result<(), SandboxError> {
    if holds { Ok(()) } else { Err(SandboxError::Refused { what, source: io::ErrorKind::Unsupported.into() }) }
}
