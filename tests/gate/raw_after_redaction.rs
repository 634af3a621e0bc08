//! A raw frame cannot be used after it was redacted.
use voile::base::{Fault, RawFrame};
use voile::mask::{Mask, redact};

fn leak(frame: RawFrame, mask: &mut Mask) -> u8 {
    let _redacted = redact(frame, Err(Fault::EvidenceMissing), None, mask);
    frame.luma().data[0]
}

fn main() {}
