//! Ground cannot be made without a follower that has looked at the frame.
use voile::base::{Micros, Size};
use voile::track::{Ground, Motion};

fn main() {
    let _ = Ground { sequence: 0, captured: Micros(0), motion: Motion::still(Size::new(16, 16)) };
}
