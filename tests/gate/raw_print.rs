//! A raw frame cannot be printed.
use voile::base::{FramePool, Layout, Micros, Shape, Size};

fn main() {
    let frame = FramePool::new(Shape::packed(Size::new(16, 16), Layout::I420), 1).take(0, Micros(0));
    println!("{:?}", frame);
}
