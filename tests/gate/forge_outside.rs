//! A redacted frame cannot be made outside the crate.
use voile::base::{FramePool, Layout, Micros, Shape, Size};
use voile::mask::{Account, RedactedFrame, State};

fn main() {
    let frame = FramePool::new(Shape::packed(Size::new(16, 16), Layout::I420), 1).take(0, Micros(0));
    let account = Account { state: State::Redacted, clear_fraction: 1.0, objects: 0, evidence_age: Micros(0), px_per_m: 0.0 };
    let _ = RedactedFrame { frame, account };
}
