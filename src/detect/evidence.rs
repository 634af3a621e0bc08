//! What a finished detector run on one named frame found.
//!
//! Only this room can make an [`Evidence`], and only from a network's output, so that "found nobody" and "did not look"
//! can never be the same value.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::geometry::SCORE_CELL;
use crate::base::{Grid, Micros, Size};

/// One score per score cell, as 255 times the probability that anything of the kind is there.
pub struct ScoreMaps {
    /// Cells across and down.
    pub(super) grid: Grid,
    /// Persons, row order.
    pub(super) person: Box<[u8]>,
    /// Vehicles, row order.
    pub(super) vehicle: Box<[u8]>,
}

impl ScoreMaps {
    /// For a picture of `size`, with every score at zero.
    pub(super) fn empty(size: Size) -> Self {
        let grid = Grid::over(size, SCORE_CELL);
        let none = || vec![0; grid.cells()].into_boxed_slice();
        Self { grid, person: none(), vehicle: none() }
    }

    /// Every score back to zero.
    pub(super) fn clear(&mut self) {
        self.person.fill(0);
        self.vehicle.fill(0);
    }
}

/// A finished detector run on one named frame. Not `Clone`, cannot be made outside this room.
pub struct Evidence {
    sequence: u64,
    captured: Micros,
    size: Size,
    maps: Option<ScoreMaps>,
    home: Arc<EvidencePool>,
}

impl Evidence {
    pub(super) fn from_run(
        sequence: u64,
        captured: Micros,
        size: Size,
        maps: ScoreMaps,
        home: Arc<EvidencePool>,
    ) -> Self {
        Self { sequence, captured, size, maps: Some(maps), home }
    }

    /// Number of the frame that was examined.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Capture time of the frame that was examined.
    pub const fn captured(&self) -> Micros {
        self.captured
    }

    /// Size of the frame that was examined; every pixel of it was inside a pass.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The score cells.
    pub const fn grid(&self) -> Grid {
        Grid::over(self.size, SCORE_CELL)
    }

    /// Person scores in row order, 255 times the probability.
    pub fn person(&self) -> &[u8] {
        self.maps.as_ref().map_or(&[], |maps| &maps.person)
    }

    /// Vehicle scores in row order, 255 times the probability.
    pub fn vehicle(&self) -> &[u8] {
        self.maps.as_ref().map_or(&[], |maps| &maps.vehicle)
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if let Some(maps) = self.maps.take() {
            self.home.give_back(maps);
        }
    }
}

/// Most evidence that can be alive at once without an allocation: the mask keeps up to 64, and a few are on their way.
const POOL_CAPACITY: usize = 68;

/// Score maps of finished evidence, kept for the next run.
#[derive(Default)]
pub(super) struct EvidencePool {
    idle: Mutex<heapless::Vec<ScoreMaps, POOL_CAPACITY>>,
}

impl EvidencePool {
    /// Makes all maps for `size` now: how many are alive at once depends on the threads, and may peak late in a flight.
    pub(super) fn fill(&self, size: Size) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.clear();
        while idle.push(ScoreMaps::empty(size)).is_ok() {}
    }

    /// Maps for `size`, their scores yet to be written.
    pub(super) fn take(&self, size: Size) -> ScoreMaps {
        let grid = Grid::over(size, SCORE_CELL);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(maps) = idle.pop() {
            if maps.grid == grid {
                return maps;
            }
        }
        ScoreMaps::empty(size)
    }

    fn give_back(&self, maps: ScoreMaps) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // A full list only means that these maps are freed instead of kept.
        let _ = idle.push(maps);
    }
}
