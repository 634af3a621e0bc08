//! Evidence cannot be made without a detector run.
use voile::base::{Micros, Size};
use voile::detect::Evidence;

fn main() {
    let _ = Evidence { sequence: 0, captured: Micros(0), size: Size::new(16, 16) };
    let _ = Evidence::from_run(0, Micros(0), Size::new(16, 16));
}
