//! voile redacts a drone's video on the aircraft: the map of the house.
//!
//! ```text
//!  dark half: may see faces                                                  lit half: never sees a frame
//!  camera ─▶ track ─▶ look-ahead ─▶ mask ══redact══▶ encode ─▶ seam ─▶ interlock ─▶ outlet
//!  RawFrame  Ground       ▲         Mask  RedactedFrame  AccessUnit         Permit
//!     └─ detect ─ Evidence ┘
//! ```
//!
//! Two values are the spine. A [`mask::RedactedFrame`] says what may leave: only [`mask::redact`] makes one, it takes the
//! [`base::RawFrame`] by value and cannot fail, and encoders accept nothing else. A [`interlock::Permit`] says whether
//! anything may leave now: only the interlock makes one, and it is checked against the clock at the moment of sending.
//! [`detect::Evidence`] can come only from a finished detector run on a named frame, [`track::Ground`] only from a follower
//! that has looked at one.
//!
//! Floors, top to bottom: the program's `command` · [`pipeline`], [`config`], [`regress`] · the rooms · [`base`]. A room
//! imports `base` and the output type of the room directly upstream; rooms return a [`base::Fault`], the pipeline carries
//! it, the interlock decides. `tests/floors.rs` holds the table and fails on any other import.
//!
//! Words:
//! - **raw frame**: as the camera gave it; **redacted frame**: may leave; **slate**: covered whole, with the reason.
//! - **cell**: 16 px square, the unit of **clearance**; score cell: 8 px square, the unit of evidence.
//! - **pass**: one detector run; **evidence**: what it found on one frame; **margin**: what is covered around a sighting.
//! - **ground**: how the camera moved since the frame before, and which cells move otherwise (the **motion witness**).
//! - **track**: a sighting carried from pass to pass; without one it **coasts**. **Look-ahead**: a frame waits for a pass
//!   over a later one.
//! - **policy**: the settings that decide coverage; its hash is in every result.
//! - **access unit**: one coded picture; **group**: a key frame and what follows until the next.
//! - **fault**: what went wrong; **response**: slate or trip; **permit**: leave to send one access unit.
//! - **truth**: what is really in a clip; **figure**: a measured number; **floor**: what it must reach.
//!
//! Modules in the order in which a frame meets them:

pub mod base;
pub mod camera;
pub mod detect;
pub mod mask;
pub mod track;
// Keep this order: it is the frame's way, not the alphabet's.
pub mod encode;
pub mod interlock;
pub mod pipeline;

pub mod config;
pub mod regress;
