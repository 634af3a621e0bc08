//! Why the link cannot be opened or described: what is wrong, and the mend.
//!
//! Nothing here happens in flight: once open, the link counts what fails and goes on.

use std::path::PathBuf;

/// Why the link cannot be opened or its description cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The destination cannot be read.
    #[error(
        "link.url: `{url}`: {reason}: write rtp://ADDRESS:PORT, as in rtp://192.168.1.10:5600 or rtp://[fd00::2]:5600"
    )]
    Url {
        /// The value as given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Both a destination and a preset were given, and each says where to send.
    #[error("link.preset: `{preset}` already says where to send, and link.url does too: keep one of them")]
    Both {
        /// The preset.
        preset: &'static str,
    },
    /// A setting is out of its range.
    #[error("link.{key}: {value} is outside {low} to {high}: choose a value in that range")]
    Range {
        /// The key within `[link]`.
        key: &'static str,
        /// The value as given.
        value: u64,
        /// Smallest value that is accepted.
        low: u64,
        /// Largest value that is accepted.
        high: u64,
    },
    /// The interface is missing, superfluous, or no interface's name.
    #[error("link.interface: `{name}`: {reason}")]
    Interface {
        /// The value as given.
        name: String,
        /// What is wrong, and the mend.
        reason: &'static str,
    },
    /// The kernel gave no random numbers.
    #[error("link: the kernel gave no random numbers ({reason}): allow getrandom in the sandbox")]
    Random {
        /// What the system said.
        reason: String,
    },
    /// The session description cannot be written; what was there before is untouched.
    #[error("link.sdp: {path}: {reason}: {mend}")]
    Sdp {
        /// The file as given.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
}
