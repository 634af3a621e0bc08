//! Which descriptors a side may hold: inherited ones are closed, later ones are looked at.
//!
//! A descriptor outlives every later rule about opening, so this is where a socket on the dark side or a camera on the
//! lit side would slip through. Standard input, output and error are the supervisor's choice and are not judged.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{major, minor};

use super::{SandboxError, Side, kernel};

/// The first descriptor that is not a standard one.
const FIRST: RawFd = 3;
/// Device number of every V4L2 node (Linux' list of devices).
const VIDEO: u32 = 81;
/// Device number of memory, kernel memory and ports, and their minor numbers.
const MEMORY: (u32, [u32; 3]) = (1, [1, 2, 4]);

/// Closes what was inherited, but for `keep`. To be called before anything is opened.
///
/// # Errors
/// [`SandboxError::Close`] on a kernel older than 5.9.
pub(super) fn close_inherited(keep: &[RawFd]) -> Result<(), SandboxError> {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|&kept| kept >= FIRST).collect();
    keep.sort_unstable();
    let mut from = FIRST;
    for kept in keep.into_iter().chain([RawFd::MAX]) {
        if from < kept {
            kernel::close_range(from, kept - 1).map_err(|source| SandboxError::Close { source })?;
        }
        from = kept.saturating_add(1);
    }
    Ok(())
}

/// Refuses a descriptor that would undo the split.
///
/// # Errors
/// [`SandboxError::Descriptor`] names the first, [`SandboxError::Proc`] that /proc cannot be read.
pub(super) fn check(side: Side) -> Result<(), SandboxError> {
    let folder = Path::new("/proc/self/fd");
    let unreadable = |source| SandboxError::Proc { path: folder.to_owned(), source };
    let names =
        fs::read_dir(folder).and_then(|list| list.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>());
    for name in names.map_err(unreadable)? {
        let Some(number) = name.to_str().and_then(|text| text.parse::<RawFd>().ok()) else { continue };
        let link = folder.join(&name);
        // The list held its own descriptor, which is gone by now.
        let Ok(metadata) = fs::metadata(&link) else { continue };
        if number < FIRST {
            continue;
        }
        if let Some(kind) = stray(side, &metadata, || writable(number)) {
            let target = fs::read_link(&link).unwrap_or_default();
            return Err(SandboxError::Descriptor { number, target, side, kind });
        }
    }
    Ok(())
}

/// Whether standard output or error is a plain file, which a limit on file sizes would hit.
pub(super) fn logs_to_file() -> bool {
    ["/proc/self/fd/1", "/proc/self/fd/2"]
        .iter()
        .any(|link| fs::metadata(link).is_ok_and(|metadata| metadata.is_file()))
}

/// What is wrong with a descriptor, if anything is.
fn stray(side: Side, metadata: &Metadata, writable: impl FnOnce() -> bool) -> Option<&'static str> {
    let kind = metadata.file_type();
    let device = (major(metadata.rdev()), minor(metadata.rdev()));
    if kind.is_block_device() {
        return Some("a disk");
    }
    if kind.is_char_device() && device.0 == MEMORY.0 && MEMORY.1.contains(&device.1) {
        return Some("the machine's memory");
    }
    match side {
        Side::Dark if kind.is_socket() => Some("a socket"),
        Side::Dark if kind.is_dir() => Some("a folder"),
        Side::Dark if kind.is_file() && writable() => Some("a file to write"),
        Side::Lit if kind.is_char_device() && device.0 == VIDEO => Some("a camera"),
        Side::Dark | Side::Lit => None,
    }
}

/// Whether a descriptor is open for writing; one that cannot be told counts as such.
fn writable(number: RawFd) -> bool {
    const ACCESS: u32 = 0o3;
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_none_or(|flags| flags & ACCESS != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::UdpSocket;
    use std::os::fd::{AsRawFd, OwnedFd};

    use super::*;

    fn judge(side: Side, descriptor: &OwnedFd) -> Option<&'static str> {
        let number = descriptor.as_raw_fd();
        stray(side, &fs::metadata(format!("/proc/self/fd/{number}")).unwrap(), || writable(number))
    }

    #[test]
    fn sockets_folders_and_writable_files_are_not_for_the_dark_side() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip");
        let cases: [(OwnedFd, Option<&str>); 6] = [
            (File::create(&path).unwrap().into(), Some("a file to write")),
            (File::open(&path).unwrap().into(), None),
            (File::open(folder.path()).unwrap().into(), Some("a folder")),
            (UdpSocket::bind("127.0.0.1:0").unwrap().into(), Some("a socket")),
            (std::io::pipe().unwrap().1.into(), None),
            (File::open("/dev/null").unwrap().into(), None),
        ];
        for (descriptor, expected) in cases {
            assert_eq!(judge(Side::Dark, &descriptor), expected);
            assert_eq!(judge(Side::Lit, &descriptor), None, "the lit side may hold it");
        }
    }
}
