//! Raw pixels stay in RAM: locked against swap, left out of dumps.
//!
//! A frame pool gives each of its buffers to [`keep_private`] once, before the first frame. Where the limit on locked
//! memory allows it, [`super::enter`] locks everything the dark side will ever touch instead, so that the camera's
//! buffers, the detector's copies and the pyramids are in it too.

use std::io;
use std::sync::OnceLock;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{SandboxError, kernel};

/// The limit on locked memory, in bytes, as it was when it was first asked for: a side that has given up its rights may
/// not ask the kernel any more.
static LIMIT: OnceLock<Option<u64>> = OnceLock::new();

fn limit() -> Option<u64> {
    *LIMIT.get_or_init(|| getrlimit(Resource::Memlock).current)
}

/// How much of the process' memory is kept from swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// All of it, now and later.
    All,
    /// Only what [`keep_private`] is given, and together no more than so many bytes.
    UpTo(u64),
}

/// Locks `memory` in RAM and leaves it out of core dumps. For the buffers of a frame pool, once, before their first
/// use.
///
/// # Errors
/// [`SandboxError::Memory`] when the limit on locked memory is too small; the buffer is then out of dumps all the same.
pub fn keep_private(memory: &mut [u8]) -> Result<(), SandboxError> {
    let refused = |bytes: usize, source: io::Error| SandboxError::Memory { bytes, limit: limit_words(), source };
    let bytes = memory.len();
    kernel::leave_out_of_dumps(memory).map_err(|source| refused(bytes, source))?;
    kernel::lock(memory).map_err(|source| refused(bytes, source))
}

/// Lifts the limit on locked memory where this process may: only with `CAP_SYS_RESOURCE`, so before rights are given
/// up.
pub(super) fn lift_limit() {
    // A refusal shows in `lock_all`, where it is reported.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
}

/// Locks what the process has and will have, page by page as it is touched. With a finite limit this is not tried: the
/// first allocation above it would fail in flight.
pub(super) fn lock_all() -> Locked {
    let limit = limit();
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    match limit {
        None if mlockall(flags).is_ok() => Locked::All,
        None => Locked::UpTo(0),
        Some(bytes) => Locked::UpTo(bytes),
    }
}

/// The limit as it stands in a message.
fn limit_words() -> String {
    match limit() {
        None => "unlimited".to_owned(),
        Some(bytes) => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The lines about the mapping that holds `address`.
    fn mapping(address: usize) -> Vec<String> {
        let text = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut found = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            let bounds = range.and_then(|(from, to)| {
                Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
            });
            match bounds {
                Some((from, to)) => inside = (from..to).contains(&address),
                None if inside => found.push(line.to_owned()),
                None => {}
            }
        }
        found
    }

    fn flags(address: usize) -> String {
        mapping(address).into_iter().find(|line| line.starts_with("VmFlags:")).unwrap()
    }

    #[test]
    fn a_kept_buffer_is_locked_and_not_dumped() {
        // Large enough for a mapping of its own, and not aligned to a page.
        let mut memory = vec![0_u8; 1 << 20].into_boxed_slice();
        let inside = memory.as_ptr().addr() + (1 << 19);
        assert!(!flags(inside).contains(" dd"), "dumped until told otherwise");
        keep_private(&mut memory[7..]).unwrap();
        let flags = flags(inside);
        assert!(flags.contains(" lo") && flags.contains(" dd"), "{flags}");
    }

    #[test]
    fn a_pool_that_is_larger_than_the_limit_says_so() {
        let old = getrlimit(Resource::Memlock);
        if old.current.is_none() {
            eprintln!("not run: locked memory is not limited here");
            return;
        }
        let limit = usize::try_from(old.current.unwrap()).unwrap();
        let mut memory = vec![0_u8; limit + (1 << 20)];
        let answer = keep_private(&mut memory);
        if rustix::thread::capabilities(None).unwrap().effective.contains(rustix::thread::CapabilitySet::IPC_LOCK) {
            answer.unwrap();
        } else {
            let line = answer.unwrap_err().to_string();
            assert!(line.contains(&limit.to_string()) && line.contains("LimitMEMLOCK"), "{line}");
        }
    }
}
