//! How RGB and YUV relate: one matrix and one range for the whole house.
//!
//! Stills become I420 by these (limited range), and whoever turns I420 back into RGB (the detector, the writers of
//! redacted stills) must use the same ones, or colours shift on the way.

use yuv::{YuvRange, YuvStandardMatrix};

/// BT.601: what JPEG stills, small clips and most USB cameras use, and what ffmpeg assumes where a file says nothing.
pub const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;

/// The range of luma and chroma: 0 to 255 for full range, else 16 to 235 and 16 to 240.
pub const fn range(full: bool) -> YuvRange {
    if full { YuvRange::Full } else { YuvRange::Limited }
}
