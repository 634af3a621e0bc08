//! Scores and reports: truth, coverage, figures, and the page that shows them.
//!
//! Desktop only, behind `replay` and its relatives; nothing here runs in flight. It stands beside the pipeline as a
//! witness: [`Tap`] copies every raw frame at the camera, [`Witness`] compares that copy with the redacted frame that
//! goes to the encoder, pixel by pixel, and never believes the plan or the [`Account`](crate::mask::Account) about what
//! is covered. Source copies live in a fixed ring and are wiped when released.
//!
//! The order of calls: [`Truth::load`], [`Scorer::new`], [`Sources::new`], wrap the camera in a [`Tap`] and the encoder
//! in a [`Witness`], run, [`Scorer::finish`], [`decoded::examine`], fill in the rest of [`Figures`], then
//! [`Summary::write`] and [`report::write`].

pub mod chart;
pub mod coverage;
pub mod decoded;
pub mod figures;
pub mod files;
pub mod floors;
pub mod frames_csv;
mod governed;
pub mod report;
pub mod score;
pub mod summary;
pub mod tap;
pub mod truth;
pub mod usage;
pub mod words;
pub mod worst;

pub use figures::Figures;
pub use floors::Outcome;
pub use frames_csv::{FrameRow, FramesCsv, RunLog, STAGES};
pub use score::{Scorer, Scores};
pub use summary::Summary;
pub use tap::{Governed, Sources, Tap, Witness};
pub use truth::{Truth, TruthError};

/// A figure, or the reason why it was not measured.
pub type Measured = Result<f64, String>;

/// `part` over `whole`, or `reason` where there is nothing to divide by.
fn share(part: u64, whole: u64, reason: &str) -> Measured {
    if whole == 0 { Err(reason.to_owned()) } else { Ok(real(part) / real(whole)) }
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts of pixels stay below 2^53 for centuries of video")]
const fn real(count: u64) -> f64 {
    count as f64
}

/// A count of things in memory as a `u64`.
fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}

/// The nearest whole number from 0 to `most`; a value that is not a number gives 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range first")]
fn whole(value: f64, most: usize) -> usize {
    (value.round().clamp(0.0, real(count(most)))) as usize
}
