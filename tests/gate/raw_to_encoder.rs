//! A raw frame cannot be handed to an encoder.
use voile::base::RawFrame;
use voile::encode::Encoder;

fn leak(frame: RawFrame, encoder: &mut dyn Encoder) {
    let _ = encoder.submit(frame, &mut Vec::new());
}

fn main() {}
