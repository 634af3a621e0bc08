//! Landlock: no file, no TCP port, no signal and no abstract socket outside, but for the folders that are named.
//!
//! Best effort: the kernel enforces what its ABI knows (2: renames across folders, 3: truncation, 4: TCP, 5: device
//! requests, 6: signals and abstract sockets) and the ABI is reported. Descriptors that are open already keep their
//! rights, so devices are opened first. Holds for the calling thread and the threads and programs that it starts.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

use super::SandboxError;

/// The newest ABI that was tried; what later ones add is left to the day when it can be tested.
const NEWEST: ABI = ABI::V7;

/// Puts the fence up around everything but `writable` folders, and gives the ABI that holds: 0 for a kernel without.
///
/// # Errors
/// [`SandboxError::Folder`] when a folder is not there, [`SandboxError::Fence`] when the kernel has Landlock but
/// refuses.
pub(super) fn put_up<P: AsRef<Path>>(writable: &[P]) -> Result<u8, SandboxError> {
    let fence = |source: RulesetError| SandboxError::Fence { source: Box::new(source) };
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(fence)?;
    for folder in writable {
        let path = folder.as_ref();
        let unknown = |source| SandboxError::Folder { path: path.to_owned(), source };
        let folder = PathFd::new(path).map_err(unknown)?;
        ruleset = ruleset.add_rule(PathBeneath::new(folder, files())).map_err(fence)?;
    }
    let status = ruleset.restrict_self().map_err(fence)?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => (effective_abi as u8).min(NEWEST as u8),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    })
}

/// What may be done below a writable folder: plain files are read, written, made, renamed there and removed. No folder,
/// device, socket or link is made, nothing is run.
fn files() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    /// Runs `inside` in a thread of its own behind the fence, which ends with that thread.
    fn fenced<T: Send>(writable: &[&Path], inside: impl FnOnce(u8) -> T + Send) -> Option<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let abi = put_up(writable).unwrap();
                (abi > 0).then(|| inside(abi))
            });
            thread.join().unwrap()
        })
        .or_else(|| {
            eprintln!("not run: this kernel has no Landlock");
            None
        })
    }

    #[test]
    fn nothing_can_be_opened_but_what_is_open_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip");
        fs::write(&path, "frames").unwrap();
        let open = File::open(&path).unwrap();
        fenced(&[], |_| {
            assert_eq!(fs::read(&path).unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(fs::write(&path, "x").unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(File::open("/dev/null").unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(std::io::read_to_string(&open).unwrap(), "frames");
        });
    }

    #[test]
    fn a_named_folder_takes_files_and_nothing_else() {
        let (named, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fenced(&[named.path()], |_| {
            let health = named.path().join("health.json");
            fs::write(named.path().join("new"), "{}").unwrap();
            fs::rename(named.path().join("new"), &health).unwrap();
            assert_eq!(fs::read_to_string(&health).unwrap(), "{}");
            for refused in [
                fs::create_dir(named.path().join("d")),
                std::os::unix::fs::symlink("/etc", named.path().join("l")),
                fs::write(other.path().join("new"), "{}"),
                fs::read_dir("/").map(drop),
            ] {
                assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
            }
            assert!(fs::rename(&health, other.path().join("h")).is_err(), "out of the folder");
        });
    }

    #[test]
    fn tcp_is_refused_where_the_kernel_knows_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        fenced(&[], |abi| {
            if abi < 4 {
                eprintln!("not run: Landlock ABI {abi} does not know TCP");
                return;
            }
            assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(TcpListener::bind("127.0.0.1:0").unwrap_err().kind(), ErrorKind::PermissionDenied);
        });
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        thread::spawn(|| {
            let line = put_up(&["/nowhere/voile"]).unwrap_err().to_string();
            assert!(line.contains("/nowhere/voile"), "{line}");
        })
        .join()
        .unwrap();
    }
}
