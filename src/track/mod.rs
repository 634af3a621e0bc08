//! Camera motion, the motion witness, and tracks: what is known of a picture beside the detector's scores.
//!
//! Sees luma, boxes and scores; knows no identity. [`Follower`] looks at every raw frame in the order of capture and says
//! how the ground moved since the frame before and which cells move otherwise; [`Tracks`] carries what passes have
//! sighted to the frames between them. A track's number dies with it, and nothing here keeps what anything looks like.
//!
//! [`Ground`] can come only from a follower that has looked at a named frame, as evidence can come only from a detector
//! run: "nothing moves there" and "nobody looked" can never be the same value.

mod association;
mod follower;
mod kalman;
mod motion;
mod pyramid;
mod sightings;
// One file holds one stream's tracks; the room has the same name because they are what it is for.
#[allow(clippy::module_inception)]
mod tracks;
mod witness;

pub use association::TRACKS;
pub use follower::{Follower, Ground};
pub use kalman::{Bounds, Motion as KindMotion, Similarity};
pub use motion::Motion;
pub use sightings::{Kind, SIGHTINGS, Sighting, SightingError, Sightings};
pub use tracks::{KindPolicy, Policy, Track, Tracks};

#[cfg(test)]
mod ground_tests;
#[cfg(test)]
mod motion_tests;
#[cfg(test)]
mod pyramid_tests;
#[cfg(test)]
mod witness_tests;
