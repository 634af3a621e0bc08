//! A raw frame cannot be serialised.
use voile::base::RawFrame;

fn write(frame: &RawFrame) -> String {
    serde_json::to_string(frame).unwrap()
}

fn main() {}
