//! A frame's fault as a letter, for the tests of cameras here and in src/camera/v4l2. Judges nothing.

use super::{Fault, RawFrame};

/// `F` whole, `T` torn, `R` repeated, `C` an impossible time, `L` camera lost.
pub fn letter(frame: &RawFrame) -> char {
    match frame.fault() {
        None => 'F',
        Some(Fault::FrameTorn) => 'T',
        Some(Fault::FrameRepeated) => 'R',
        Some(Fault::ClockBack) => 'C',
        Some(Fault::CameraLost) => 'L',
        Some(other) => panic!("{other}"),
    }
}
