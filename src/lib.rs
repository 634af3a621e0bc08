//! voile redacts a drone's video on the aircraft: the map of the house.
//!
//! ```text
//!  dark half: may see faces, has no network                     ║          lit half: never sees a frame
//!  camera ─▶ track ─▶ look-ahead ─▶ mask ══redact══▶ encode ─▶ seam ─▶ interlock ─▶ link ─▶ radio
//!  RawFrame  Ground       ▲         Mask  RedactedFrame  AccessUnit ║     Permit      └─▶ health, heartbeat
//!     └─ detect ─ Evidence ┘                                    ║
//! ```
//!
//! Two values are the spine. A [`mask::RedactedFrame`] says what may leave: only [`mask::redact`] makes one, it takes the
//! [`base::RawFrame`] by value and cannot fail, and encoders accept nothing else. A [`interlock::Permit`] says whether
//! anything may leave now: only the interlock makes one, and it is checked against the clock at the moment of sending.
//! [`detect::Evidence`] can come only from a finished detector run on a named frame, [`track::Ground`] only from a follower
//! that has looked at one.
//!
//! In the service (`voile run`) the halves are two processes, each of which gives up its rights before the first frame
//! ([`sandbox`]); in a replay they are threads of one. Either way they share nothing but the seam.
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
//! - **side**: one of the two processes; **seam**: what joins the halves, and the only thing they share.
//! - **canary**: a stored picture whose people must never come out clear.
//! - **latch**: a trip on disk, which outlives the power; **heartbeat**: spent permits as edges on a line.
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
pub mod seam;

pub mod interlock;
pub mod link;

pub mod health;
pub mod pipeline;

pub mod sandbox;

pub mod config;
pub mod regress;
