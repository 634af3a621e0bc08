//! The part of `base` that the seam relies on, from the house's own sources.

#[path = "../../src/base/clock.rs"]
pub mod clock;
#[path = "../../src/base/fault.rs"]
pub mod fault;
#[path = "../../src/base/geometry.rs"]
pub mod geometry;

pub use clock::{Clock, Micros};
pub use fault::Fault;
pub use geometry::{Grid, Size};
