//! Words everybody shares: frames, geometry, time and faults.
//!
//! Relies on nothing in this crate. Does no I/O and starts no threads. Every room may import it.

pub mod clock;
pub mod colour;
pub mod fault;
pub mod frame;
pub mod geometry;
mod hex;
pub mod telemetry;

pub use clock::{Clock, Micros};
pub use fault::Fault;
pub use frame::{Chroma, ChromaMut, FramePool, Layout, Plane, PlaneMut, RawFrame, Shape};
pub use geometry::{Grid, Rect, Size};
pub use hex::hex;
pub use telemetry::{NoTelemetry, Pose, Telemetry};
