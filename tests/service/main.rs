//! The service as two real processes: a stream over a real socket, sides that are killed, stopped and lied to.
//!
//! Each test starts `voile run` on a small synthetic scene, with folders and a port of its own. What can only be timed on
//! an idle machine is in `scripts/kill-sides`, not here.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

mod bench;
mod deaths;
mod stream;
mod trips;
