//! Capture from a real kernel: the simulated cameras of vivid.
//!
//! Formats, sizes, refusals, faults on order, and known pictures and a clip through the HDMI loop.
//!
//! `VOILE_TEST_CAMERAS` names two capture nodes of vivid, the first single-planar, the second multi-planar, each with a
//! webcam as input 0 and HDMI as input 1; `VOILE_TEST_CAMERA_OUT` their output nodes, and `VOILE_TEST_ENCODER` a codec.
//! `scripts/vm` has all of them, and `v4l2-ctl`. Without them, nothing is run. To be read with `--nocapture`.
#![cfg(feature = "v4l2")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

mod bench;
mod clip;
mod faults;
mod formats;
mod pictures;
mod refusals;
