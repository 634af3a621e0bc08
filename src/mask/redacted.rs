//! The mint: the one place where a redacted frame is made, and the only way onwards for a raw one.
//!
//! [`redact`] takes the raw frame by value, covers it in place and cannot fail: whatever is missing, late or mismatched
//! gives a slate. Its fields are private to this file, so no other code can claim that a frame is redacted.

use crate::base::{Chroma, Fault, Micros, Plane, Pose, RawFrame, Shape};
use crate::track::Ground;

use super::Mask;

/// Whether a redacted frame shows anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Cells without clearance are covered, the others are as the camera saw them.
    Redacted,
    /// The whole frame is covered, and why.
    Slate(Fault),
}

/// What was done to a frame, in numbers that say nothing about who is in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    /// Redacted or slate.
    pub state: State,
    /// Share of the cells that are sent clear, 0 to 1.
    pub clear_fraction: f32,
    /// Connected covered regions.
    pub objects: usize,
    /// Time between this frame and the furthest of those whose examination cleared it.
    pub evidence_age: Micros,
    /// Pixels a metre of the finest ground that is sent; 0 where none is.
    pub px_per_m: f32,
}

/// A frame that may leave: every cell without clearance has been painted over.
pub struct RedactedFrame {
    frame: RawFrame,
    account: Account,
}

/// Covers everything in `frame` that is not proven clear by what `mask` was told of it and of the passes around it.
///
/// `pose` is where the camera was when it captured the frame, as far as anybody knows: the ground is not sent finer than
/// the policy allows.
///
/// Never fails: a fault of the frame, of its `ground` or of the evidence gives a slate. The raw pixels under covered
/// cells are gone when this returns.
pub fn redact(
    mut frame: RawFrame,
    ground: Result<Ground, Fault>,
    pose: Option<Pose>,
    mask: &mut Mask,
) -> RedactedFrame {
    let account = mask.cover(&mut frame, ground, pose);
    RedactedFrame { frame, account }
}

impl RedactedFrame {
    /// Number of the frame in its stream.
    pub const fn sequence(&self) -> u64 {
        self.frame.sequence()
    }

    /// When the camera captured it.
    pub const fn captured(&self) -> Micros {
        self.frame.captured()
    }

    /// Size, layout and strides.
    pub const fn shape(&self) -> Shape {
        self.frame.shape()
    }

    /// What was done to it.
    pub const fn account(&self) -> Account {
        self.account
    }

    /// Luma, covered.
    pub fn luma(&self) -> Plane<'_> {
        self.frame.luma()
    }

    /// Chroma, covered.
    pub fn chroma(&self) -> Chroma<'_> {
        self.frame.chroma()
    }
}
