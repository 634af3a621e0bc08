//! Looks at every raw frame in order: how the ground moved, and what moves otherwise.
//!
//! Reads luma, never writes it. Also the first to see whether a frame is whole and in order, since a picture that is not
//! must not be measured against: such a frame has no [`Ground`], and without one it cannot be sent clear.

use std::sync::{Arc, Mutex, PoisonError};

use super::motion::{Motion, Workings, estimate};
use super::pyramid::Pyramid;
use super::witness::Witness;
use crate::base::geometry::CELL;
use crate::base::{Fault, Grid, Micros, RawFrame, Size};

/// Most [`Ground`] alive at once without an allocation: as many as a frame pool holds frames.
const POOL_CAPACITY: usize = 64;

/// What the follower says of one named frame. Not `Clone`, cannot be made outside this room.
pub struct Ground {
    sequence: u64,
    captured: Micros,
    after: Option<u64>,
    motion: Motion,
    moving: Option<Box<[bool]>>,
    home: Arc<Home>,
}

impl Ground {
    /// Number of the frame that was looked at.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its capture time.
    pub const fn captured(&self) -> Micros {
        self.captured
    }

    /// Number of the frame that [`Ground::motion`] begins at; `None` for the first of a stream.
    pub const fn after(&self) -> Option<u64> {
        self.after
    }

    /// How the camera moved since that frame; unknown for the first.
    pub const fn motion(&self) -> &Motion {
        &self.motion
    }

    /// The same frame, its motion measured from where that of the frame `before` it begins, which was dropped after it was
    /// looked at; as it was, if the two do not meet.
    #[must_use]
    pub fn with_dropped(mut self, before: &Self) -> Self {
        if self.after == Some(before.sequence) {
            (self.after, self.motion) = (before.after, before.motion.then(&self.motion));
        }
        self
    }

    /// The clearance cells in row order: whether something there moves otherwise than the ground, or nobody can tell.
    pub fn moving(&self) -> &[bool] {
        self.moving.as_deref().unwrap_or_default()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(cells) = self.moving.take() {
            // A full list only means that these cells are freed instead of kept.
            let _ = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).push(cells);
        }
    }
}

/// Cells on their way back from the frames they went with.
struct Home {
    idle: Mutex<heapless::Vec<Box<[bool]>, POOL_CAPACITY>>,
}

/// The last frame that was looked at.
#[derive(Clone, Copy)]
struct Last {
    sequence: u64,
    captured: Micros,
    /// Its picture is in the first pyramid; not after a jump of the clock.
    pictured: bool,
}

/// Follows one stream; everything is allocated when it is made.
pub struct Follower {
    size: Size,
    cells: usize,
    earlier: Pyramid,
    later: Pyramid,
    workings: Workings,
    witness: Witness,
    last: Option<Last>,
    /// The highest number that came, also with a frame that was refused: evidence names frames by it.
    highest: Option<u64>,
    home: Arc<Home>,
}

impl Follower {
    /// For frames of `size`, of which up to `frames` (at most 64) are on their way at once.
    pub fn new(size: Size, frames: usize) -> Self {
        let cells = Grid::over(size, CELL).cells();
        let idle = (0..frames.min(POOL_CAPACITY)).map(|_| vec![true; cells].into_boxed_slice()).collect();
        Self {
            size,
            cells,
            earlier: Pyramid::new(size),
            later: Pyramid::new(size),
            workings: Workings::new(size),
            witness: Witness::new(size),
            last: None,
            highest: None,
            home: Arc::new(Home { idle: Mutex::new(idle) }),
        }
    }

    /// Looks at the next frame.
    ///
    /// # Errors
    /// What the camera marked, [`Fault::FrameShape`] for another size, [`Fault::FrameRepeated`] where the number does
    /// not rise, [`Fault::ClockBack`] where capture time falls: then everything before is forgotten, for no duration
    /// across the jump means anything. A frame that is refused is not measured against.
    pub fn follow(&mut self, frame: &RawFrame) -> Result<Ground, Fault> {
        let (sequence, captured) = (frame.sequence(), frame.captured());
        let repeated = self.highest.is_some_and(|highest| sequence <= highest);
        self.highest = self.highest.max(Some(sequence));
        if frame.size() != self.size {
            return Err(Fault::FrameShape);
        }
        if repeated {
            return Err(Fault::FrameRepeated);
        }
        if self.last.is_some_and(|last| captured < last.captured) {
            // The new time counts from here, or one jump back would slate everything until it is caught up.
            self.last = Some(Last { sequence, captured, pictured: false });
            self.witness.forget();
            return Err(Fault::ClockBack);
        }
        if let Some(fault) = frame.fault() {
            return Err(fault);
        }
        self.later.fill(frame.luma());
        let before = self.last.filter(|last| last.pictured);
        let motion = match before {
            Some(_) => estimate(&self.earlier, &self.later, &mut self.workings),
            None => Motion::unknown(self.size),
        };
        self.witness.look(&self.later, &motion, captured);
        std::mem::swap(&mut self.earlier, &mut self.later);
        self.last = Some(Last { sequence, captured, pictured: true });
        let idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut moving = idle.unwrap_or_else(|| vec![true; self.cells].into_boxed_slice());
        moving.copy_from_slice(self.witness.moving());
        let (after, home) = (before.map(|last| last.sequence), Arc::clone(&self.home));
        Ok(Ground { sequence, captured, after, motion, moving: Some(moving), home })
    }
}
