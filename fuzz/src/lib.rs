//! What the fuzz targets share: the seam's own sources, and what must hold.

pub mod base;
pub mod checks;
#[path = "../../src/seam/mod.rs"]
pub mod seam;
